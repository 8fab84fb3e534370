"""GPU timing: matrix products by blocks and waves; attention and row operators have their own files."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.dtypes import BYTES
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu as kernel
from archsim.timing.optime import OpTime
from archsim.workload.ops import Elementwise, Gather, MatMul, Norm, Op


@lru_cache(maxsize=256)
def figures(chip: Chip, dtype: str) -> kernel.Gpu:
    """Return the chip's figures for `dtype` in cycles and bytes per cycle, as the kernels take them."""
    core, cache = chip.core, chip.cache
    assert isinstance(core, GpuCore) and cache is not None
    t, clock = core.tensor, chip.clock
    return kernel.Gpu(
        sms=float(chip.cores), macs=t.macs[chip.check_dtype(dtype)], fetch_m=float(t.fetch_rows),
        fetch_n=float(t.fetch_cols), k_bytes=float(t.k_bytes), mma_latency=t.latency, sync=core.sync,
        overlapped=float(t.asynchronous), pair=float(t.pair), multicast=float(core.multicast), accumulators=t.accumulators,
        shared=core.shared.capacity, shared_read=core.shared.read_bytes, stages=float(core.stages),
        port=core.fill_bytes, dispatch=core.dispatch, prologue=core.prologue, epilogue=core.epilogue,
        launch=core.launch * clock, l2=cache.bandwidth / clock, l2_capacity=cache.capacity,
        l2_latency=cache.latency * clock, dram_read=chip.memory.sustained / clock,
        dram_write=chip.memory.bandwidth * chip.memory.write_efficiency / clock,
        dram_latency=chip.memory.latency * clock,
    )


@lru_cache(maxsize=64)
def _tiles(tiles: tuple[tuple[int, int, int], ...]) -> NDArray[np.float64]:
    return np.array(tiles, dtype=np.float64)


def time(op: Op, chip: Chip) -> OpTime:
    """Time one operator on a GPU.

    Raises
    ------
    UnsupportedError
        If the chip has no matrix path for the operator's dtype, or the operator is of no known kind.
    """
    if isinstance(op, MatMul):
        return matmul(op, chip)
    if isinstance(op, Norm | Elementwise | Gather):
        return rows(op, chip)
    raise UnsupportedError(f"{op.kind} cannot be timed on a GPU")


def matmul(op: MatMul, chip: Chip) -> OpTime:
    """Time a matrix product: the fastest tile and split-K of the core's library."""
    gpu = figures(chip, op.dtype)
    core = chip.core
    assert isinstance(core, GpuCore)
    a, b = BYTES[op.dtype], BYTES[op.b_dtype]
    beside = op.bytes - op.a_bytes - op.batch * (op.k * op.n * b) - op.batch * op.m * op.n * BYTES[op.out_dtype]
    p = kernel.best_gemm(gpu, _tiles(core.tiles), float(op.m), float(op.n), float(op.k), float(op.batch), a, b,
                         BYTES[op.out_dtype], max(0.0, beside))
    if not p.cycles < float("inf"):
        raise UnsupportedError(f"{chip.name}: no tile of its library fits one SM")
    hz = chip.clock
    vector = (op.vector_ops / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores / hz
    busy = {"matrix": p.matrix / hz, "vector": vector, "scratchpad": p.on_chip / hz, "hbm": p.hbm / hz,
            "launch": p.fixed / hz}
    seconds = max(p.cycles / hz, *busy.values(), powered(op, chip, p.hbm_bytes))
    bm, bn, bk = core.tiles[int(p.tile)]
    split = f", split-K {int(p.splits)}" if p.splits > 1 else ""
    plan = f"tile {bm}x{bn}x{bk}B, {int(p.stages)} stages{split}, {int(p.occupancy)}/SM, {int(p.rounds)} rounds"
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops,
        hbm_bytes=max(p.hbm_bytes, op.bytes), on_chip_bytes=p.l2_bytes,
        utilization=op.flops / chip.peak(op.dtype) / seconds, bound=max(busy, key=lambda x: busy[x]), busy=busy,
        plan=plan,
    )


def powered(op: MatMul, chip: Chip, hbm_bytes: float) -> float:
    """Return the seconds below which the operator would draw more than the power limit: its clock falls until it fits.

    Power above idle is the energy of the matrix work and of device-memory traffic over the time; 0 if the chip's
    energies are not known.
    """
    core, power = chip.core, chip.power
    assert isinstance(core, GpuCore)
    if power is None or power.idle is None or core.tensor.energy is None or op.dtype not in core.tensor.energy:
        return 0.0
    joules = op.flops * core.tensor.energy[op.dtype] + hbm_bytes * chip.memory.energy
    return joules / (power.tdp - power.idle)


def rows(op: Op, chip: Chip) -> OpTime:
    """Time a row operator: bytes over the bandwidth of where they live, one launch, and one latency in and out."""
    core, cache = chip.core, chip.cache
    assert isinstance(core, GpuCore) and cache is not None
    hz = chip.clock
    busy = {
        "hbm": op.bytes / chip.memory.sustained,
        "scratchpad": op.bytes / cache.bandwidth,
        "vector": (op.vector_ops / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores / hz,
        "launch": core.launch + chip.memory.latency,
    }
    seconds = max(v for k, v in busy.items() if k != "launch") + busy["launch"]
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=op.bytes,
        on_chip_bytes=op.bytes, utilization=op.bytes / chip.memory.bandwidth / seconds,
        bound=max(busy, key=lambda x: busy[x]), busy=busy, plan="rows",
    )
