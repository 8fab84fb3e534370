"""What every GPU timing needs: a chip's figures in cycles, and OpTime from a kernel's plan."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu as kernel
from archsim.kernels.gpu_chip import Gpu
from archsim.timing.optime import OpTime
from archsim.timing.warm import COLD, Warm
from archsim.workload.ops import Op


@lru_cache(maxsize=256)
def figures(chip: Chip) -> Gpu:
    """Return the chip's figures in cycles and bytes per cycle, as the kernels take them."""
    core, cache = chip.core, chip.cache
    assert isinstance(core, GpuCore) and cache is not None
    t, clock = core.tensor, chip.clock
    return Gpu(
        sms=float(chip.cores), sync=core.sync, overlapped=float(t.asynchronous), decoupled=float(t.tensor_memory),
        pair=float(t.pair), multicast=float(core.multicast), accumulators=t.accumulators,
        shared=core.shared.capacity, shared_read=core.shared.read_bytes, shared_write=core.shared.write_bytes,
        stages=float(core.stages), register_stages=float(core.through_registers),
        port=min(core.fill_bytes, core.shared.write_bytes), dispatch=core.dispatch, prologue=core.prologue,
        epilogue=core.epilogue, launch=core.launch * clock, l2=chip.cache_bandwidth / clock,
        l2_capacity=cache.largest.capacity, l2_fade=cache.largest.fade, l2_latency=cache.latency * clock,
        l2_write=core.l2_write_bytes * chip.cores,
        variation=core.variation, overlap=core.overlap, tile_stream=core.tile_stream,
        bulk_latency=core.bulk_latency * float(t.asynchronous), block_start=core.block_start,
        partitions=float(cache.partitions), near_capacity=cache.capacity / cache.partitions,
        far=(cache.beyond.bandwidth or 0.0) / clock if cache.beyond else chip.cache_bandwidth * cache.far / clock,
        far_latency=(cache.far_latency or cache.last.latency) * clock, dram_read=chip.memory.sustained / clock,
        dram_write=chip.memory.sustained_write / clock,
        dram_latency=chip.memory.latency * clock + core.bulk_latency * float(t.asynchronous),
    )


def row_figures(chip: Chip) -> Gpu:
    """Return the chip's figures for work without a matrix engine: it loads, and copies nothing in bulk."""
    return figures(chip)._replace(dram_latency=chip.memory.latency * chip.clock)


@lru_cache(maxsize=1024)
def as_array(table: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return a table (a tile library, groups of rows) as the kernels take it."""
    return np.array(table, dtype=np.float64)


def rounds(p: kernel.Plan) -> str:
    """Return how many blocks the busiest SM runs, in words."""
    return f"{int(p.rounds)} round{'' if p.rounds == 1 else 's'}"


def optime(op: Op, chip: Chip, p: kernel.Plan, warm: Warm, *, vector: float, plan: str) -> OpTime:
    """Return the OpTime of a kernel's plan, started with `warm` in L2; `vector` is in cycles.

    From a cold cache all operands move, those too that are too small for the kernels to know (attention's sinks).
    """
    hz = chip.clock
    busy = {"matrix": p.matrix / hz, "vector": vector / hz, "scratchpad": p.on_chip / hz, "hbm": p.hbm / hz,
            "launch": p.fixed / hz}
    seconds = max(p.cycles / hz, *busy.values())
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops,
        hbm_bytes=max(p.hbm_bytes, op.bytes) if warm == COLD else p.hbm_bytes, on_chip_bytes=p.l2_bytes,
        utilization=op.flops / chip.peak(str(getattr(op, "dtype", "bf16"))) / seconds,
        bound=max(busy, key=lambda x: busy[x]), busy=busy, plan=plan,
    )
