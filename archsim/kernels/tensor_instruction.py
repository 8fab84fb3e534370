"""Matrix instructions of one SM: issue interval, completion, and what a tile's pipeline step takes of the engine.

An instruction multiplies ``rows x cols`` of the product over ``k_bytes`` of K per row. Four rules give its timing:

* It keeps the engine busy for its arithmetic, or for reading its operands from shared memory or the register file,
  whichever takes longer: the issue interval.
* Rows that it lacks of the engine's full height stay idle; SMs that pair up fold columns over idle rows.
* Its result is complete a pipeline depth after its arithmetic; an engine that holds one operand still (A) loads that
  first, so reading it from shared memory adds to the latency.
* Instructions on one accumulator follow each other at the interval if the engine accumulates in order (asynchronous
  ones), else each waits for the one before to complete.

Times are cycles of the SM clock, rates per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

WIDTH = 8.0
"""Columns of an asynchronous instruction come in eights (wgmma: N a multiple of 8)."""

WARP_LOAD = 512.0
"""Bytes that one warp instruction moves at most: 32 lanes of 16 B."""


class Engine(NamedTuple):
    """The matrix engine of one SM, for operands of one format."""

    macs: float  # multiply-adds per cycle of the SM
    sub_cores: float  # instructions that run at once, each with its share of `macs`; 1 if one spans the SM
    rows: float  # rows of one instruction at full rate (per SM)
    cols: float  # most columns of one instruction
    k_bytes: float  # bytes of K per row
    depth: float  # cycles from the end of its arithmetic to its result
    pair_depth: float  # the same beside `depth` for SMs that pair up
    fold_depth: float  # the same beside both where columns are folded over idle rows
    commit: float  # cycles between a step's last result and the warps that wait for it
    in_order: float  # 1 if instructions on one accumulator follow at the interval, 0 if each waits for the one before
    a_first: float  # 1 if A is loaded whole before B streams past it
    from_shared: float  # 1 if operands are read from shared memory, 0 if warps bring them to registers first
    warp_rows: float  # rows of the tile that a warp computes from operands in registers
    warp_cols: float  # columns of the same
    shared_read: float  # bytes per cycle from shared memory
    register_read: float  # bytes per cycle from the register file
    one_port: float  # 1 if bytes written to shared memory take cycles of its reads


class TileStep(NamedTuple):
    """One pipeline step of a tile on the matrix engine, in cycles, bytes and instructions."""

    cycles: float  # of the engine, if other blocks or accumulators keep it busy
    alone: float  # the same for a block alone: no less than its chains of dependent instructions
    tail: float  # from the last instruction's interval until waiting warps know of its result
    slice: float  # cycles of one K step of instructions, the grain at which loads from shared memory overlap
    reads: float  # bytes read from shared memory
    instructions: float
    rows: float  # of one instruction
    cols: float  # of one instruction


@njit(cache=True)
def arithmetic(e: Engine, rows: float, cols: float, size: float, sms: float) -> float:
    """Cycles of the multiplications of one instruction: `rows` per SM, `cols`, elements of `size` bytes, `sms` SMs."""
    idle = max(1.0, e.rows / (rows * sms))
    return rows * cols * (e.k_bytes / size) / (e.macs / e.sub_cores) * idle


@njit(cache=True)
def operand_bytes(e: Engine, rows: float, cols: float, sms: float, a_shared: float) -> float:
    """Bytes that one instruction reads from one SM's shared memory: A if `a_shared` is 1, and its SM's part of B."""
    return e.from_shared * e.k_bytes * (rows * a_shared + cols / sms)


@njit(cache=True)
def interval(e: Engine, rows: float, cols: float, size: float, sms: float, a_shared: float) -> float:
    """Cycles from one instruction to the next of the same shape: arithmetic, shared memory or registers.

    Parameters
    ----------
    rows, cols
        Of the instruction; rows are those of one SM.
    size
        Bytes per element of A and B.
    sms
        SMs that the instruction spans: each holds its own rows of A and ``cols / sms`` columns of B.
    a_shared
        1 if A is in shared memory, 0 if in registers or tensor memory.
    """
    registers = (1.0 - e.from_shared) * (e.k_bytes * (rows + cols) + 4.0 * rows * cols)
    return max(arithmetic(e, rows, cols, size, sms),
               operand_bytes(e, rows, cols, sms, a_shared) / e.shared_read,
               registers / (e.register_read / e.sub_cores))


@njit(cache=True)
def completion(e: Engine, rows: float, cols: float, size: float, sms: float, a_shared: float) -> float:
    """Cycles from an instruction's issue to its result, parameters as `interval`."""
    first = e.a_first * a_shared * rows * e.k_bytes / e.shared_read
    work = max(first + arithmetic(e, rows, cols, size, sms), interval(e, rows, cols, size, sms, a_shared))
    paired = e.pair_depth + (e.fold_depth if rows < e.rows else 0.0) if sms > 1.0 else 0.0
    return work + e.depth + paired


@njit(cache=True)
def dependent(e: Engine, rows: float, cols: float, size: float, sms: float, a_shared: float) -> float:
    """Cycles from an instruction to the next one on the same accumulator, parameters as `interval`."""
    if e.in_order > 0.0:
        return interval(e, rows, cols, size, sms, a_shared)
    return completion(e, rows, cols, size, sms, a_shared)


@njit(cache=True)
def burst(e: Engine, count: float, rows: float, cols: float, size: float, sms: float, a_shared: float) -> float:
    """Cycles from the first issue of `count` independent instructions until a waiting warp knows that all are done."""
    every = interval(e, rows, cols, size, sms, a_shared)
    return (count - 1.0) * every + completion(e, rows, cols, size, sms, a_shared) + e.commit


@njit(cache=True)
def warp_tile(e: Engine, bm: float, bn: float) -> tuple[float, float]:
    """Return rows and columns of a warp's tile: the longer side is halved until every sub-core has a warp."""
    rows, cols = min(e.warp_rows, bm), min(e.warp_cols, bn)
    while math.ceil(bm / rows) * math.ceil(bn / cols) < e.sub_cores and (rows > e.rows or cols > e.cols):
        if rows >= cols and rows > e.rows:
            rows = max(e.rows, rows / 2.0)
        elif cols > e.cols:
            cols = max(e.cols, cols / 2.0)
        else:
            rows = max(e.rows, rows / 2.0)
    return rows, cols


@njit(cache=True)
def _from_registers(e: Engine, bm: float, bn: float, slices: float, size: float, writes: float) -> TileStep:
    """Step of warps that bring their operands from shared memory to registers and multiply there."""
    rows, cols = warp_tile(e, bm, bn)
    warps = math.ceil(bm / rows) * math.ceil(bn / cols)
    each = math.ceil(rows / e.rows) * math.ceil(cols / e.cols)
    every = interval(e, e.rows, e.cols, size, 1.0, 0.0)
    until = dependent(e, e.rows, e.cols, size, 1.0, 0.0)
    busy = max(1.0, warps / e.sub_cores)  # warps of a sub-core
    reads = warps * (rows + cols) * slices * e.k_bytes
    # a sub-core issues one instruction per cycle; loads are few beside, as each takes several cycles of shared memory
    cycles = max(busy * each * slices * max(1.0, every), (reads + writes * e.one_port) / e.shared_read)
    alone = max(cycles, slices * until)
    return TileStep(cycles, alone, until - every + e.commit, alone / slices, reads, warps * each * slices, e.rows,
                    e.cols)


@njit(cache=True)
def _from_shared(
    e: Engine, bm: float, bn: float, slices: float, size: float, sms: float, a_shared: float, writes: float
) -> TileStep:
    """Step of instructions that read shared memory themselves, rows of the tile along rows of the engine."""
    across = math.ceil(bn / e.cols)
    cols = math.ceil(bn / across / WIDTH) * WIDTH
    full = math.floor(bm / e.rows)
    rest = bm - full * e.rows
    rows = e.rows if full > 0.0 else rest
    cycles = full * interval(e, e.rows, cols, size, sms, a_shared)
    reads = full * operand_bytes(e, e.rows, cols, sms, a_shared)
    if rest > 0.0:
        cycles += interval(e, rest, cols, size, sms, a_shared)
        reads += operand_bytes(e, rest, cols, sms, a_shared)
    last = completion(e, rows, cols, size, sms, a_shared) - interval(e, rows, cols, size, sms, a_shared)
    cycles, reads = cycles * across * slices, reads * across * slices
    cycles = max(cycles, (reads + writes * e.one_port) / e.shared_read)
    return TileStep(cycles, cycles, last + e.commit, cycles / slices, reads,
                    (full + (1.0 if rest > 0.0 else 0.0)) * across * slices, rows, cols)


@njit(cache=True)
def tile_step(
    e: Engine, bm: float, bn: float, bk: float, size: float, sms: float, a_shared: float, writes: float
) -> TileStep:
    """Time one pipeline step of a tile on one SM's engine.

    Parameters
    ----------
    bm, bn
        Rows and columns of the tile of one SM. Either side may lie along the engine's rows: kernels transpose a thin
        problem, and the faster way is taken.
    bk
        Bytes of K of the step, per row.
    size
        Bytes per element as the engine takes it.
    sms
        SMs that pair up: each computes its own bm x bn and reads its share of B, ``1 / sms``.
    a_shared
        1 if A is in shared memory, 0 if it is in registers or tensor memory already (products of a product).
    writes
        Bytes that arrive in shared memory per step (the next steps' operands).
    """
    slices = max(1.0, bk / e.k_bytes)
    if e.from_shared == 0.0:
        return _from_registers(e, bm, bn, slices, size, writes)
    upright = _from_shared(e, bm, bn, slices, size, sms, a_shared, writes)
    if a_shared == 0.0:
        return upright
    turned = _from_shared(e, bn, bm, slices, size, sms, a_shared, writes)
    return turned if turned.cycles < upright.cycles else upright
