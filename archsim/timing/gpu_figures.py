"""What every GPU timing needs: a chip's figures in cycles, and OpTime from a kernel's plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.dtypes import BYTES
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu as kernel
from archsim.kernels.gpu_chip import Gpu
from archsim.timing.optime import OpTime
from archsim.workload.ops import Op


@lru_cache(maxsize=256)
def figures(chip: Chip, dtype: str) -> Gpu:
    """Return the chip's figures for `dtype` in cycles and bytes per cycle, as the kernels take them.

    Raises
    ------
    UnsupportedError
        If the matrix engine does not take the dtype.
    """
    core, cache = chip.core, chip.cache
    assert isinstance(core, GpuCore) and cache is not None
    t, clock = core.tensor, chip.clock
    return Gpu(
        sms=float(chip.cores), macs=t.macs[chip.check_dtype(dtype)], fetch_m=float(t.fetch_rows),
        fetch_n=float(t.fetch_cols), k_bytes=float(t.k_bytes), mma_latency=t.latency, sync=core.sync,
        overlapped=float(t.asynchronous), decoupled=float(t.tensor_memory),
        pair=float(t.pair), multicast=float(core.multicast), accumulators=t.accumulators,
        shared=core.shared.capacity, shared_read=core.shared.read_bytes, shared_write=core.shared.write_bytes,
        stages=float(core.stages), port=min(core.fill_bytes, core.shared.write_bytes), dispatch=core.dispatch,
        prologue=core.prologue, epilogue=core.epilogue, launch=core.launch * clock, l2=chip.cache_bandwidth / clock,
        l2_capacity=cache.last.capacity, l2_latency=cache.latency * clock,
        partitions=float(cache.partitions), near_capacity=cache.capacity / cache.partitions,
        far=(cache.beyond.bandwidth or 0.0) / clock if cache.beyond else chip.cache_bandwidth * cache.far / clock,
        far_latency=cache.last.latency * clock, dram_read=chip.memory.sustained / clock,
        dram_write=chip.memory.bandwidth * chip.memory.write_efficiency / clock,
        dram_latency=chip.memory.latency * clock + core.bulk_latency * float(t.asynchronous),
    )


def row_figures(chip: Chip) -> Gpu:
    """Return the chip's figures for work without a matrix engine, which loads: those of any dtype will do."""
    return figures(chip, chip.dtypes[0])._replace(dram_latency=chip.memory.latency * chip.clock)


@lru_cache(maxsize=1024)
def as_array(table: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return a table (a tile library, groups of rows) as the kernels take it."""
    return np.array(table, dtype=np.float64)


def flop_energy(energy: Mapping[str, float], dtype: str) -> float:
    """Return the joules of a matrix FLOP; a dtype without an entry takes that of the nearest width, times their ratio.

    What a multiply-add moves (operands from shared memory and registers, partial products) grows with the bytes of its
    operands; where both are measured, fp8 takes 0.51 to 0.57 of bf16.
    """
    if dtype in energy:
        return energy[dtype]
    near = min(energy, key=lambda name: (abs(math.log2(BYTES[name] / BYTES[dtype])), name))
    return energy[near] * BYTES[dtype] / BYTES[near]


def powered(op: Op, chip: Chip, hbm_bytes: float) -> float:
    """Return the seconds below which the operator would draw more than the power limit: its clock falls until it fits.

    Power above idle is the energy of the matrix work and of device-memory traffic over the time; 0 if the chip states
    no energy at all (see `flop_energy` for a dtype without one).
    """
    core, power = chip.core, chip.power
    assert isinstance(core, GpuCore)
    if power is None or power.idle is None or core.tensor.energy is None:
        return 0.0
    per_flop = flop_energy(core.tensor.energy, str(getattr(op, "dtype", "bf16")))
    joules = op.executed_flops * per_flop + hbm_bytes * chip.memory.energy
    return joules / (power.tdp - power.idle)  # linear in hbm_bytes: the choice of a tile relies on it


def rounds(p: kernel.Plan) -> str:
    """Return how many blocks the busiest SM runs, in words."""
    return f"{int(p.rounds)} round{'' if p.rounds == 1 else 's'}"


def optime(op: Op, chip: Chip, p: kernel.Plan, *, vector: float, floor: float, plan: str) -> OpTime:
    """Return the OpTime of a kernel's plan; `vector` is in cycles, `floor` in seconds (see `powered`).

    Where the power limit sets the time, the matrix engine is what it slows, so its busy time stretches with it.
    """
    hz = chip.clock
    busy = {"matrix": p.matrix / hz, "vector": vector / hz, "scratchpad": p.on_chip / hz, "hbm": p.hbm / hz,
            "launch": p.fixed / hz}
    seconds = max(p.cycles / hz, *busy.values())
    if floor > seconds:
        busy["matrix"] = seconds = floor
        plan += ", power-limited"
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops,
        hbm_bytes=max(p.hbm_bytes, op.bytes), on_chip_bytes=p.l2_bytes,
        utilization=op.flops / chip.peak(str(getattr(op, "dtype", "bf16"))) / seconds,
        bound=max(busy, key=lambda x: busy[x]), busy=busy, plan=plan,
    )
