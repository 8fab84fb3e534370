"""GPU products of experts: one kernel with a tile for all of them, as serving frameworks write it.

Threads gather the rows of tokens by index, or, where accumulators lie in tensor memory, persistent blocks may also copy
in bulk what a kernel before has gathered, as in any other product: what frameworks run there are grouped products of
CUTLASS, DeepGEMM and TensorRT-LLM. (With wgmma they have both too, and run the former, unless experts' tokens arrive
sorted from other GPUs.)
"""

from __future__ import annotations

import math

from archsim.dtypes import BYTES
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu_grouped as kernel
from archsim.kernels.gpu import no_plan
from archsim.kernels.gpu_gemm import best_gemm
from archsim.kernels.gpu_grid import Product
from archsim.timing.gpu_figures import as_array, figures, optime, rounds, row_figures
from archsim.timing.gpu_matmul import by_rows, vector_cycles, with_conversion
from archsim.timing.optime import OpTime
from archsim.timing.sm import engine, sm
from archsim.timing.warm import COLD, Warm
from archsim.workload.matmul import scaling_ops
from archsim.workload.op import LOAD
from archsim.workload.ops import GroupedMatMul

Groups = tuple[tuple[float, float], ...]
"""Rows, and how many experts have so many."""


def grouped(op: GroupedMatMul, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time the products of experts: the fastest tile of the core's library for them, or the operator's own."""
    core = chip.core
    assert isinstance(core, GpuCore)
    groups, n, k = _products(op)
    a, b, out = BYTES[op.a_dtype], BYTES[op.b_dtype], BYTES[op.out_dtype]
    experts, rows = sum(count for _, count in groups), sum(m * count for m, count in groups)
    operands = op.a_bytes + experts * k * n * b + rows * n * out
    lanes = kernel.Lanes(
        threads=float(core.threads), warp=float(core.warp), loads=float(core.load_lanes), ints=float(core.int_lanes),
        address_ops=core.address_ops, loop=core.loop, barrier=core.barrier + core.shared_latency,
        results=float(core.grouped_results),
    )
    beside = max(0.0, op.bytes - operands)
    whole = op.k % LOAD == 0 and (op.n % LOAD == 0 or not op.wgrad)  # rows in memory, of a gradient's both operands
    narrow = scaling_ops(op, 0.0, 1.0) > 0.0
    library = (op.tile,) if op.tile else core.grouped_tiles
    rank = kernel.Experts(
        n=n, k=k, a_size=a, b_size=b, out_size=out, a_bytes=op.a_bytes, beside=beside,
        access=float(core.vector_bytes) if whole else a, warm_a=warm.inputs, warm_b=warm.weights, warm_out=warm.output,
    )
    p = no_plan()
    for tiles in by_rows(library) if narrow else (library,):  # each block of rows converts narrow weights anew
        found = kernel.best_grouped(
            row_figures(chip), engine(chip, op.dtype), lanes, as_array(_with_lines(tiles, chip)), as_array(groups),
            rank, float(core.grouped_stages), float(core.grouped_walk), float(narrow and not op.tile),
        )
        if not math.isfinite(found.cycles):
            continue
        tile = tiles[int(found.tile)]
        found = with_conversion(op, found, _vector(op, chip, groups, experts, tile[0]))
        if found.cycles < p.cycles:
            p, chosen = found, tile
    if core.tensor.tensor_memory and whole and not op.tile and not narrow:
        scaled = float(a < 2)
        product = Product(
            m=0.0, n=n, k=k, batch=0.0, a_size=a, b_size=b, out_size=out, beside=beside, a_reuse=1.0,
            loads=float(beside > 0.0) + scaled, scales=scaled, cluster=1.0, warm_a=warm.inputs, warm_b=warm.weights,
            warm_out=warm.output,
        )
        other = best_gemm(figures(chip), engine(chip, op.dtype), sm(chip), as_array(core.library), as_array(groups),
                          product, 0.0)
        if other.cycles < p.cycles:
            p, chosen = other, core.library[int(other.tile)]
    if not math.isfinite(p.cycles):
        raise UnsupportedError(f"{chip.name}: no tile for products of experts fits one SM")
    bm, bn, bk = chosen
    split = f", split-K {int(p.splits)}" if p.splits > 1 else ""
    plan = (f"tile {bm}x{bn}x{bk}B, {int(p.stages)} stages{split}, {int(p.occupancy)}/SM, {rounds(p)}, "
            f"{int(experts)} products in one kernel")
    return optime(op, chip, p, warm, vector=_vector(op, chip, groups, experts, bm), plan=plan)


def _vector(op: GroupedMatMul, chip: Chip, groups: Groups, experts: float, bm: int) -> float:
    """Return the cycles of an SM's lanes for tiles of bm rows."""
    return vector_cycles(op, chip, sum(math.ceil(m / bm) * count for m, count in groups) / experts)


def _products(op: GroupedMatMul) -> tuple[Groups, float, float]:
    """Return (rows and how many experts have so many), n and k of the experts' products.

    Gradients of experts' weights contract over the rows, which differ: each counts with the mean.
    """
    if op.wgrad:
        return ((float(op.k), float(op.touched)),), float(op.n), op.rows / op.touched
    return tuple((float(m), float(count)) for m, count in op.counts), float(op.n), float(op.k)


def _with_lines(tiles: tuple[tuple[int, int, int], ...], chip: Chip) -> tuple[tuple[float, ...], ...]:
    """Add to each tile what share of a sequential read's rate its rows of bk bytes reach: whole lines all of it."""
    memory = chip.memory
    known = bool(memory.channels)
    return tuple((float(bm), float(bn), float(bk), memory.reaches("random", bk) / memory.reaches("random", LINE)
                  if known and bk < LINE else 1.0) for bm, bn, bk in tiles)


LINE = 128
"""Bytes of a cache line, which device memory gives at once."""
