"""GPU matrix products: the fastest tile and split-K of the core's library."""

from __future__ import annotations

import math
from functools import lru_cache

from archsim.dtypes import BYTES, SCALED
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.hardware.gpu import Tiles
from archsim.kernels import gpu_gemm as kernel
from archsim.kernels.gpu import Plan
from archsim.kernels.gpu_grid import Product
from archsim.timing.gpu_figures import as_array, figures, optime, rounds
from archsim.timing.optime import OpTime
from archsim.timing.sm import engine, sm
from archsim.timing.warm import COLD, Warm
from archsim.workload.matmul import scaling_ops
from archsim.workload.ops import GroupedMatMul, MatMul

WARPS = 2.0
"""Warps of a sub-core: kernels of 8 warps on SMs of four sub-cores, or two groups of consumer warps."""


def matmul(op: MatMul, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time a matrix product: the fastest tile and split-K of the core's library.

    Operands of 8 bits and less come with scales of their rows and columns, which the epilogue loads and applies to the
    whole sum over K: such kernels do not split it. Where each operand has one, as an image has, any kernel will do.
    """
    core = chip.core
    assert isinstance(core, GpuCore)
    a, b, out = BYTES[op.a_dtype], BYTES[op.b_dtype], BYTES[op.out_dtype]
    n, k, rows = float(op.n), float(op.k), float(op.m * op.batch)
    operands = op.a_bytes + op.batch * k * n * b + rows * n * out
    scaled = BYTES[op.a_dtype] < 2 and op.row_scales
    library, cluster = core.scaled_library(rows, op.a_dtype in SCALED) if scaled else (core.library, 1)
    gpu = figures(chip)
    if scaled:
        gpu = gpu._replace(stages=float(core.scaled_depth))
    narrow = scaling_ops(op, 0.0, 1.0) > 0.0
    library += core.narrow_tiles if narrow else ()
    product = Product(
        m=0.0, n=n, k=k, batch=0.0, a_size=a, b_size=b, out_size=out, beside=max(0.0, op.bytes - operands),
        a_reuse=op.a_reuse, loads=float(op.bytes > operands) + scaled, scales=float(scaled), cluster=float(cluster),
        warm_a=warm.inputs, warm_b=warm.weights, warm_out=warm.output,
    )
    best: tuple[Plan, float, str] | None = None
    for tiles in by_rows(library) if narrow else (library,):  # each block of rows converts narrow weights anew
        p = kernel.best_gemm(gpu, engine(chip, op.dtype), sm(chip), as_array(tiles),
                             as_array(((float(op.m), float(op.batch)),)), product, 1.0 - scaled)
        if not math.isfinite(p.cycles):
            continue
        bm, bn, bk = tiles[int(p.tile)]
        vector = vector_cycles(op, chip, math.ceil(op.m / bm))
        p = with_conversion(op, p, vector)
        if best is None or p.cycles < best[0].cycles:
            split = f", split-K {int(p.splits)}" if p.splits > 1 else ", stream-K" if p.splits < 0 else ""
            plan = f"tile {bm}x{bn}x{bk}B, {int(p.stages)} stages{split}, {int(p.occupancy)}/SM, {rounds(p)}"
            best = p, vector, plan
    if best is None:
        raise UnsupportedError(f"{chip.name}: no tile of its library fits one SM, whose accumulators are "
                               f"{core.tensor.accumulators:,.0f} B, and whose {core.shared.capacity:,.0f} B of shared "
                               f"memory must hold two stages at least, of {core.stages} at most")
    p, vector, plan = best
    return optime(op, chip, p, warm, vector=vector, plan=plan)


@lru_cache(maxsize=64)
def by_rows(library: Tiles) -> tuple[Tiles, ...]:
    """Return the tiles of each number of rows."""
    return tuple(tuple(tile for tile in library if tile[0] == rows) for rows in sorted({tile[0] for tile in library}))


def with_conversion(op: MatMul | GroupedMatMul, p: Plan, vector: float) -> Plan:
    """Return a plan whose warps convert narrow weights before they multiply, `vector` cycles in all.

    Two warps of a sub-core, or two groups of warps, take turns: while one converts, the other multiplies.
    """
    if not scaling_ops(op, 0.0, 1.0):
        return p
    return p._replace(cycles=max(p.cycles, p.fixed + kernel.meet(p.matrix, vector, WARPS)))


def vector_cycles(op: MatMul | GroupedMatMul, chip: Chip, row_blocks: float) -> float:
    """Return the cycles for which an SM's lanes are busy beside its matrix engine.

    Weights narrower than the arithmetic are brought to its format in registers, again by every block of rows that meets
    them: `row_blocks` of each product.
    """
    core = chip.core
    assert isinstance(core, GpuCore)
    weights = float(op.batch * op.k * op.n) if isinstance(op, MatMul) else 0.0 if op.wgrad else op.touched * op.k * op.n
    again = scaling_ops(op, 0.0, float(weights)) * max(0.0, row_blocks - 1.0)
    return ((op.vector_ops + again) / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores
