"""Timing on systolic cores: operators onto the fold-level kernels, and their answers back into an OpTime."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Chip, SystolicCore
from archsim.hardware.systolic import DATAFLOWS
from archsim.kernels import systolic as kernel
from archsim.kernels.systolic_search import follow, part_of, search
from archsim.timing import systolic_attention, systolic_rows
from archsim.timing.optime import OpTime
from archsim.timing.systolic_result import assemble, loads_bind, too_small
from archsim.workload.matmul import scaling_ops
from archsim.workload.ops import Attention, AttentionBackward, MatMul, Op, Stream

SUM = 4.0
"""Bytes of a partial sum: all arrays add in float32 or int32."""


def time(op: Op, chip: Chip) -> OpTime:
    """Time one operator on a systolic chip.

    Raises
    ------
    UnsupportedError
        If the arrays do not take the operator's dtype, or this version cannot time the operator.
    ArchsimError
        If the scratchpad that one operator may fill is too small for the smallest blocks.
    """
    if isinstance(op, MatMul):
        return time_matmul(op, chip)
    if isinstance(op, Attention | AttentionBackward):
        return systolic_attention.time(op, chip, engine(chip, op.dtype))
    if isinstance(op, Stream):
        return systolic_rows.time(op, chip, engine(chip, next(iter(chip.dtypes))))
    raise UnsupportedError(f"a systolic core cannot time {op.kind!r} yet")


def engine(chip: Chip, dtype: str) -> kernel.Engine:
    """Return the figures of one core that the kernels need, for arithmetic in `dtype`.

    The defaults of unknown figures are derived here; `MatrixArray` says how.

    Raises
    ------
    UnsupportedError
        If the arrays do not take `dtype`.
    """
    core = chip.core
    assert isinstance(core, SystolicCore)
    array, vector = core.array, core.vector
    size = BYTES[chip.check_dtype(dtype)]
    rate = array.rows_per_cycle[dtype]
    load = float(math.ceil(array.rows * size / array.load_rate(dtype)))
    clock = vector.clock or chip.clock
    latency = core.dma_latency
    lanes = float(vector.lanes)
    return kernel.Engine(
        rows=array.rows, cols=array.cols, arrays=array.count,
        flows=sum(1 << bit for bit, name in enumerate(DATAFLOWS) if name in array.dataflows),
        shadow=int(array.shadow), rate=rate,
        granule=max(1, math.ceil(array.row_granule / size)),
        min_issue=array.min_issue, load=load, drain=float(math.ceil(array.rows * SUM / array.load_rate(dtype))),
        latency=array.delay(dtype) - 1.0,
        keep_rows=array.accumulator_rows or 2 * math.ceil(max(load, array.min_issue) * rate),
        read_port=core.scratchpad.read_bytes, write_port=core.scratchpad.write_bytes, operand=size,
        clock=chip.clock, vector=lanes * vector.alus * clock, exps=(vector.transcendentals or lanes) * clock,
        cross=(vector.cross_lane or lanes) * clock, row_lanes=float(vector.row_lanes or vector.lanes),
        capacity=core.scratchpad.capacity * core.kernel_share,
        free=core.scratchpad.capacity * (1 - core.kernel_share) * core.prefetch, read_latency=latency,
        write_latency=latency if core.dma_write_latency is None else core.dma_write_latency,
        step=core.step_overhead, bandwidth=chip.memory.sustained,
        dma=math.inf if core.dma_rate is None else core.dma_rate,
        write_cost=chip.memory.sustained / chip.memory.sustained_write,
    )


def problem(op: MatMul) -> kernel.Gemm:
    """Return a product as the kernels see it: what its epilogue reads, computes and writes, per element of output."""
    outputs, moving, weights = (float(op.batch) * x * y for x, y in ((op.m, op.n), (op.m, op.k), (op.k, op.n)))
    b_size = BYTES[op.b_dtype]
    rescaled = scaling_ops(op, 0.0, weights)  # of narrow weights, each time that they are loaded
    before_ops, before_exps = (sum(getattr(e, x) for e in op.prologue) for x in ("vector_ops", "transcendentals"))
    return kernel.Gemm(
        m=op.m, n=op.n, k=op.k, batch=op.batch, a_size=op.a_bytes / moving, b_size=b_size,
        a_ops=before_ops / moving, a_exps=before_exps / moving, b_ops=rescaled / weights,
        side=max(0.0, op.read_bytes - op.a_bytes - weights * b_size) / outputs, out=op.write_bytes / outputs,
        ops=(op.vector_ops - rescaled - before_ops) / outputs, exps=(op.transcendentals - before_exps) / outputs,
    )


def time_matmul(op: MatMul, chip: Chip, block: tuple[int, int, int] | None = None) -> OpTime:
    """Time a matrix product with the best blocking, or with a given one.

    Parameters
    ----------
    op, chip
        The product and the chip.
    block
        ``(bm, bk, bn)`` of a hand-written kernel with a plain grid (m, n, k, k innermost; an operand is loaded again
        whenever its block changes), split over no cores. The search is skipped.

    Raises
    ------
    UnsupportedError
        If the arrays do not take the dtype.
    ArchsimError
        If no blocking, or not the given one, fits into the scratchpad.
    """
    e, g = engine(chip, op.dtype), problem(op)
    name = f"{op.m} x {op.n} x {op.k} in {op.dtype}"
    if block is None:
        plan, seconds = search(e, g, chip.cores)
        if not math.isfinite(seconds):
            unit = min(op.m, e.granule), min(op.n, e.cols), min(op.k, e.rows)
            raise too_small(chip, e, f"a product of {name}", kernel.footprint(e, g, *unit, False, False, False, 1))
    else:
        bm, bk, bn = (min(b, size) for b, size in zip(block, (op.m, op.k, op.n), strict=True))
        single = bk == op.k  # then a block of the outer operand does not change over the inner loop
        need = kernel.footprint(e, g, bm, bn, bk, False, single, False, 1)
        if need > e.capacity:
            raise ArchsimError(f"{chip.name}: blocks of {bm} x {bk} x {bn} need {need:,.0f} bytes of scratchpad, "
                               f"an operator may fill {e.capacity:,.0f}")
        plan = np.array([1, 1, 1, 1, bm, bn, bk, 0, int(single), 0, 1], dtype=np.int64)
    w, used, read, written, on_chip = follow(e, g, plan)
    moved = max(read + written, op.bytes)  # equal up to rounding where every operand moves once
    resident = held(e, g, plan, used)
    text = describe(plan, used, chip) + " beside the blocks" * any(resident)
    if e.flows & (e.flows - 1):  # a choice
        bm, bn, bk, pack = (int(plan[i]) for i in (4, 5, 6, 10))
        text += f"; dataflow {DATAFLOWS[int(kernel.block_cycles(e, bm, bn, bk, bk < op.k, g.out, pack)[-1])]}"
    done = replace(assemble(op, chip, w, moved, on_chip, text), resident=resident)
    return replace(done, plan=done.plan + loads_bind(e, int(plan[4]))) if done.bound == "matrix" else done


def held(e: kernel.Engine, g: kernel.Gemm, plan: np.ndarray, used: int) -> tuple[float, float]:
    """Return the bytes of operands a and b that all cores hold whole in scratchpad that blocks may not fill."""
    own = part_of(e, g, *plan[:4])
    bm, bn, bk, swap, keep_outer, keep_inner, pack = (int(x) for x in plan[4:])
    size = pack * (own.a_size * own.m * own.k if swap else own.b_size * own.k * own.n)
    if not keep_inner or not kernel.beside(e, size):
        return 0.0, 0.0
    once = own.n <= bn if swap else own.m <= bm  # no block of it is used twice: two buffers do as well, if they fit
    if once and kernel.footprint(e, own, bm, bn, bk, bool(swap), bool(keep_outer), False, pack) <= e.capacity:
        return 0.0, 0.0
    return (used * size, 0.0) if swap else (0.0, used * size)


def describe(plan: np.ndarray, used: int, chip: Chip) -> str:
    """Say a matrix product's plan in a few words: blocks, loop order with what stays resident, split over cores."""
    cb, cm, cn, ck, bm, bn, bk, swap, keep_outer, keep_inner, pack = (int(x) for x in plan)
    outer, inner = ("b", "a") if swap else ("a", "b")
    kept = [f"{outer} panel"] * keep_outer + [f"{inner} whole"] * keep_inner
    text = f"{bm}x{bk}x{bn} blocks (m k n), loops {'n m k' if swap else 'm n k'}"
    if kept:
        text += f", keeps {' and '.join(kept)}"
    if pack > 1:
        text += f", {pack} products per step"
    if chip.cores > 1:
        sides = ((cb, "batch"), (cm, "m"), (cn, "n"), (ck, "k"))
        split = " x ".join(f"{p} {s}" for p, s in sides if p > 1) or "none"
        text += f"; {used} of {chip.cores} cores, split {split}"
    return text


__all__ = ["engine", "problem", "time", "time_matmul"]
