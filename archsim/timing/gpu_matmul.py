"""GPU matrix products: the fastest tile and split-K of the core's library."""

from __future__ import annotations

import math

from archsim.dtypes import BYTES, SCALED
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
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


def matmul(op: MatMul | GroupedMatMul, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time a matrix product: the fastest tile and split-K of the core's library.

    Products of experts are one grouped kernel: blocks of all experts fill the SMs together. Operands of 8 bits and less
    come with scales of their rows and columns, which the epilogue loads and applies to the whole sum over K: such
    kernels do not split it.
    """
    core = chip.core
    assert isinstance(core, GpuCore)
    groups, n, k, reuse = products(op)
    a, b, out = BYTES[op.a_dtype], BYTES[op.b_dtype], BYTES[op.out_dtype]
    rows, number = sum(m * count for m, count in groups), sum(count for _, count in groups)
    operands = op.a_bytes + number * k * n * b + rows * n * out
    scaled = BYTES[op.a_dtype] < 2
    library, cluster = core.scaled_library(rows, op.a_dtype in SCALED) if scaled else (core.library, 1)
    if scaling_ops(op, 0.0, 1.0):
        library += core.narrow_tiles
    p = kernel.best_gemm(
        figures(chip), engine(chip, op.dtype),
        sm(chip)._replace(prologue=core.prologue + core.product_code, barrier=core.barrier + core.step_code),
        as_array(library), as_array(groups),
        Product(
            m=0.0, n=n, k=k, batch=0.0, a_size=a, b_size=b, out_size=out, beside=max(0.0, op.bytes - operands),
            a_reuse=reuse, loads=float(op.bytes > operands) + scaled, scales=float(scaled), cluster=float(cluster),
            warm_a=warm.inputs, warm_b=warm.weights, warm_out=warm.output,
        ),
        1.0 - scaled,
    )
    if not math.isfinite(p.cycles):
        raise UnsupportedError(f"{chip.name}: no tile of its library fits one SM")
    bm, bn, bk = library[int(p.tile)]
    split = f", split-K {int(p.splits)}" if p.splits > 1 else ", stream-K" if p.splits < 0 else ""
    grouped = f", {int(number)} products in one kernel" if isinstance(op, GroupedMatMul) else ""
    plan = f"tile {bm}x{bn}x{bk}B, {int(p.stages)} stages{split}, {int(p.occupancy)}/SM, {rounds(p)}{grouped}"
    blocks = sum(math.ceil(m / bm) * count for m, count in groups) / number
    vector = vector_cycles(op, chip, blocks)
    return optime(op, chip, with_conversion(op, p, vector), vector=vector, plan=plan)


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


def products(op: MatMul | GroupedMatMul) -> tuple[tuple[tuple[float, float], ...], float, float, float]:
    """Return (rows and number of equal products, n, k, reuse of a) of a product or of the experts' products.

    Gradients of experts' weights contract over the rows, which differ: each counts with the mean.
    """
    if isinstance(op, MatMul):
        return ((float(op.m), float(op.batch)),), float(op.n), float(op.k), op.a_reuse
    if op.wgrad:
        return ((float(op.k), float(op.touched)),), float(op.n), op.rows / op.touched, 1.0
    return tuple((float(m), float(count)) for m, count in op.counts), float(op.n), float(op.k), 1.0
