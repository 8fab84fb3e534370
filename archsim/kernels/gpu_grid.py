"""The grid of blocks of a matrix product: its tiles, stages and bytes, and what all blocks together move.

A block computes one output tile of bm x bn; it walks K in steps of bk bytes. Rates are bytes per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from archsim.kernels.gpu_chip import Gpu
from archsim.kernels.gpu_traffic import grid_fills, grid_reads


class Product(NamedTuple):
    """``out[m, n] = a[m, k] @ b[k, n]``, `batch` times in one kernel."""

    m: float  # rows; the mean over products of unequal rows
    n: float
    k: float
    batch: float
    a_size: float  # bytes per element, as they lie in memory
    b_size: float
    out_size: float
    beside: float  # bytes that the epilogue reads (bias, residual)
    a_reuse: float  # times that an element of `a` in memory occurs in the product (convolutions); L2 absorbs them
    loads: float  # of parameters that the epilogue waits for, one after the other: bias, scales of columns
    scales: float  # 1 if it waits for scales of rows too, which the kernel before has made
    cluster: float  # rows of blocks that start together: a grid has whole clusters, whatever its rows
    warm_a: float  # shares of the operands that L2 holds at the start
    warm_b: float
    warm_out: float  # share of the result that is written to lines that L2 holds and will be written again


class Grid(NamedTuple):
    """Blocks of one tile, split-K factor and number per SM."""

    gm: float  # rows of blocks of one product; the mean over products of unequal rows
    gn: float
    bm: float
    bn: float
    bk: float
    splits: float
    resident: float  # blocks that share an SM
    blocks: float  # of all products
    steps: float  # of one block
    stages: float  # of its pipeline; 0 if the tile does not fit
    accumulators: float  # bytes of one tile
    fetched: float  # bytes that a step brings into shared memory, mean over the blocks
    whole: float  # the same, of a block that no edge of the product cuts
    from_l2: float  # bytes that L2 gives for a step, mean over the blocks
    high: float  # rows of a block that no edge cuts
    wide: float  # columns of the same


class Traffic(NamedTuple):
    """Bytes of a whole kernel, without the reduction of partial sums."""

    read: float  # from device memory
    seen: float  # bytes of a long sequential read that would take as long
    out: float  # results
    written: float  # results that go to device memory
    partial: float  # partial sums of a split K
    spilled: float  # those that L2 does not hold
    l2_read: float  # from L2 into the SMs
    l2_written: float
    l2_rate: float  # bytes per cycle at which L2 gives these operands to all SMs
    missing: float  # share of a fetch that comes from device memory


@njit(cache=True)
def lay_out(gpu: Gpu, p: Product, gm: float, bm: float, bn: float, bk: float, splits: float, resident: float) -> Grid:
    """Cut a product into blocks; `gm` is the rows of blocks, the mean over products of unequal rows.

    SMs that pair up lie along M and share B, or in a product of one row of blocks along N and share A; so do those
    that one read of L2 feeds. A pipeline has as many stages as the blocks that share the SM leave room for, and two at
    least. No padding is fetched: a step brings the mean of rows, columns and K.
    """
    gn = float(math.ceil(p.n / bn))
    depth = bk / p.a_size
    steps = float(math.ceil(math.ceil(p.k / depth) / splits))
    of_b = max(1.0, min(gpu.pair, gm))
    of_a = max(1.0, min(gpu.pair / of_b, gn))
    together = max(gpu.multicast, gpu.pair)
    read_b = max(1.0, min(together, gm))
    read_a = max(1.0, min(together / read_b, gn))
    stage = depth * (bm / of_a * p.a_size + bn / of_b * p.b_size)
    held = math.floor(gpu.shared / (resident * stage))
    stages = float(min(gpu.stages, held + gpu.register_stages))
    accumulators = bm * bn * 4.0
    if resident * accumulators > gpu.accumulators or held < 1.0 or stages < 2.0:
        stages = 0.0
    rows, cols, span = p.m / gm, p.n / gn, p.k / (steps * splits)
    high, wide = max(rows, min(bm, p.m)), max(cols, min(bn, p.n))
    return Grid(
        gm, gn, bm, bn, bk, splits, resident, gm * gn * p.batch * splits, steps, stages, accumulators,
        span * (rows / of_a * p.a_size + cols / of_b * p.b_size),
        span * (high / of_a * p.a_size + wide / of_b * p.b_size),
        span * (rows / read_a * p.a_size + cols / read_b * p.b_size), high, wide,
    )


@njit(cache=True)
def traffic(gpu: Gpu, p: Product, g: Grid) -> Traffic:
    """Return what the blocks of a grid move together, of which as many run at once as the SMs hold."""
    running = max(1.0, min(g.blocks, gpu.sms * g.resident) / g.splits)
    a_bytes, b_bytes = p.m * p.k * p.a_size / p.a_reuse, p.k * p.n * p.b_size
    read = p.beside + p.batch * grid_reads(gpu, g.gm, g.gn, g.bm, g.bn, a_bytes, b_bytes, p.warm_a, p.warm_b, running)
    crossing = p.batch * grid_fills(gpu, g.gm, g.gn, g.bm, g.bn, a_bytes, b_bytes, running)
    out = p.batch * p.m * p.n * p.out_size
    partial = p.batch * p.m * p.n * 4.0 * g.splits if g.splits > 1.0 else 0.0
    l2_read = g.blocks * g.steps * g.from_l2
    return Traffic(
        read, read / gpu.tile_stream, out, out * (1.0 - p.warm_out), partial,
        partial if partial > gpu.l2_capacity else 0.0, l2_read, partial if g.splits > 1.0 else out,
        gpu.tile_stream * min(gpu.l2, gpu.far * l2_read / max(1.0, crossing)), min(1.0, read / l2_read),
    )
