"""GPU matrix product at block level: software pipeline of one block, waves of blocks over SMs, L2 and HBM between.

All times are cycles of the SM clock, all rates bytes or MACs per cycle. A block is one output tile of bm x bn; it walks
K in steps of bk bytes, fetched into shared memory several stages ahead of the matrix engine.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu_chip import Gpu, memory_cycles

OVERLAP = 4.0
"""Exponent with which matrix engine, L2 and device memory overlap in a pipeline of few stages: the time of a round is
``(x**p + y**p + z**p)**(1/p)``. Infinite p would be perfect overlap; loads whose latency varies cost something where
two resources are close. Estimated with measured products in sight, and the same for every chip."""


class Plan(NamedTuple):
    """One tile and split-K factor, timed: cycles of the whole kernel, bytes of traffic."""

    cycles: float
    matrix: float  # busy cycles of the busiest SM's matrix engine
    on_chip: float  # cycles that L2 and the ports into the SMs need
    hbm: float  # cycles that device memory needs
    vector: float  # cycles of the busiest SM's softmax; 0 for a matrix product
    fixed: float  # cycles in which none of the three works: launch, latency, barriers
    hbm_bytes: float
    l2_bytes: float
    rounds: float  # blocks that the busiest SM runs
    occupancy: float
    stages: float
    splits: float
    tile: float  # row of the library


@njit(cache=True)
def no_plan() -> Plan:
    """Return the plan of a tile that does not fit."""
    return Plan(math.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0)


@njit(cache=True)
def step_cycles(gpu: Gpu, bm: float, bn: float, depth: float, size: float) -> float:
    """Matrix-engine cycles of one pipeline step of a bm x bn tile, `depth` elements of K of `size` bytes.

    The engine waits for the longer of its arithmetic and its operands from shared memory: one fetch feeds fetch_m x
    fetch_n products, and SMs that pair up fetch half of B each.
    """
    macs = bm * bn * depth
    wide = max(bm, bn)  # the long side may lie along M or N: kernels transpose the problem for a thin M
    arithmetic = macs / gpu.macs * max(1.0, gpu.fetch_m / wide)
    operands = macs * size * (1.0 / min(gpu.fetch_n, bn) + 1.0 / (min(gpu.fetch_m, bm) * gpu.pair))
    return max(arithmetic, operands / gpu.shared_read)


@njit(cache=True)
def hbm_reads(
    gpu: Gpu, gm: float, gn: float, bm: float, bn: float, a_bytes: float, b_bytes: float, resident: float
) -> float:
    """Bytes read from device memory by a grid of gm x gn blocks that runs in swizzled order.

    `resident` blocks run at once as a patch of wm x wn, wn columns of blocks wide, walking down M and then to the next
    wn columns. B's columns are read once if those of one patch stay in L2 while the patch walks; A is read once per
    walk, or once at all if it stays in L2. The same holds with M and N exchanged; kernels take the better way.
    """
    half = gpu.l2_capacity / 2.0
    best = math.inf
    for _ in range(2):
        wn = min(gn, max(1.0, math.floor(math.sqrt(resident * bm / bn))))
        wm = min(gm, max(1.0, math.floor(resident / wn)))
        walks = math.ceil(gn / wn)
        a_reads = 1.0 if a_bytes <= half else walks
        b_reads = 1.0 if b_bytes / walks <= half else math.ceil(gm / wm)
        best = min(best, a_bytes * a_reads + b_bytes * b_reads)
        gm, gn, bm, bn, a_bytes, b_bytes = gn, gm, bn, bm, b_bytes, a_bytes
    return best


@njit(cache=True)
def gemm(
    gpu: Gpu, m: float, n: float, k: float, batch: float, a_size: float, b_size: float, out_size: float,
    beside: float, a_reuse: float, gm: float, bm: float, bn: float, bk: float, splits: float, resident: float,
) -> Plan:
    """Time ``out[m, n] = a[m, k] @ b[k, n]`` (`batch` times) with one tile, split-K factor and blocks per SM.

    `gm` is the rows of blocks per product: ``ceil(m / bm)``, or the mean over products of unequal rows, whose mean is
    then `m`. `beside` is traffic that the epilogue adds (bias, residual) in bytes. Where one element of `a` in memory
    occurs `a_reuse` times in the product, L2 absorbs the rest (implicit GEMM of a convolution). Cycles are infinite if
    the tiles do not fit.
    """
    gn = math.ceil(n / bn)
    blocks = gm * gn * batch * splits
    depth = bk / a_size
    steps = math.ceil(math.ceil(k / depth) / splits)
    rounds = math.ceil(blocks / gpu.sms)

    # a block's software pipeline: as many stages as the blocks that share the SM leave room for, and two at least
    acc = bm * bn * 4.0
    stage = depth * (bm * a_size + bn / gpu.pair * b_size)
    stages = min(gpu.stages, math.floor(gpu.shared / (resident * stage)))
    if resident * acc > gpu.accumulators or stages < 2.0:
        return no_plan()
    step = step_cycles(gpu, bm, bn, depth, a_size)
    chain = bk / gpu.k_bytes * gpu.mma_latency  # of dependent instructions, were there no other work
    alone = max(step, chain + gpu.sync) if gpu.overlapped else step + gpu.mma_latency + gpu.sync

    # bytes: no padding is fetched, so a step brings the average of rows, columns and K; multicast reads B once for
    # several SMs
    rows, cols, span = m / gm, n / gn, k / (steps * splits)
    fetched = span * (rows * a_size + cols / gpu.pair * b_size)
    shared_by = min(max(gpu.multicast, gpu.pair), gm)
    from_l2 = span * (rows * a_size + cols / shared_by * b_size)
    running = max(1.0, min(blocks, gpu.sms * resident) / splits)
    read = batch * hbm_reads(gpu, gm, gn, bm, bn, m * k * a_size / a_reuse, k * n * b_size, running) + beside
    out = batch * m * n * out_size
    partial = batch * m * n * 4.0 * splits if splits > 1.0 else 0.0
    spilled = partial if partial > gpu.l2_capacity else 0.0
    l2_read = blocks * steps * from_l2
    l2_bytes = l2_read + (partial if splits > 1.0 else out)
    missing = min(1.0, read / l2_read)  # share of a fetch that comes from device memory
    flight = resident * (stages - 1.0) * fetched * missing

    # rounds of one block per SM: full ones, then a tail in which fewer SMs draw on what is shared
    port = steps * fetched / gpu.port
    work = 0.0
    full = math.floor(blocks / gpu.sms)
    tail = blocks - full * gpu.sms
    for part in range(2):
        active, times = (gpu.sms, full) if part == 0 else (tail, 1.0)
        if active * times > 0.0:
            share = active / blocks
            l2 = max(port, l2_read * share / gpu.l2)
            hbm = memory_cycles(gpu, active, flight, read * share, 0.0)
            work += times * ((step * steps) ** OVERLAP + l2**OVERLAP + hbm**OVERLAP) ** (1.0 / OVERLAP)
    work = max(work, blocks / gpu.dispatch)
    # results drain to device memory behind everything else
    drain = max(l2_bytes / gpu.l2, memory_cycles(gpu, gpu.sms, flight, read, out + spilled))

    # what a block costs beside its steps: latencies, the first stage's fetch, and its accumulators' way out through
    # shared memory, which a synchronous kernel writes and reads back whole
    busy_sms = min(blocks, gpu.sms)
    result = rows * cols * (4.0 if splits > 1.0 else out_size)
    staging = result / gpu.shared_write if gpu.overlapped else acc / gpu.shared_write + acc / gpu.shared_read
    latencies = gpu.prologue + gpu.dram_latency + gpu.epilogue + gpu.l2_latency
    first = max(fetched / gpu.port, from_l2 * busy_sms / gpu.l2, fetched * missing * busy_sms / gpu.dram_read)
    leave = staging + result / min(gpu.port, gpu.l2 / busy_sms)
    generations = math.ceil(blocks / (gpu.sms * resident))
    lone = steps * max(alone, gpu.dram_latency / (stages - 1.0)) + latencies + first + leave
    if gpu.overlapped and resident > 1.0:
        cycles = max(latencies + first + max(work, drain) + leave, generations * lone)
    else:
        cycles = max(generations * latencies + rounds * (first + leave) + work, latencies + drain, generations * lone)
    cycles += gpu.launch
    on_chip = max(rounds * port, l2_bytes / gpu.l2)
    if splits > 1.0:  # a second kernel adds the partial sums
        added = max((partial + out) / gpu.l2, memory_cycles(gpu, gpu.sms, stage, spilled, 0.0))
        sums = math.ceil(splits / 4.0) * gpu.l2_latency  # a thread has four partial sums in flight
        cycles += gpu.launch + gpu.prologue + gpu.epilogue + gpu.l2_latency + max(sums, added)
        l2_bytes += partial + out
        on_chip += added
    hbm = (read + spilled) / gpu.dram_read + (out + spilled) / gpu.dram_write
    return Plan(cycles, rounds * steps * step, on_chip, hbm, 0.0, max(0.0, cycles - work), read + out + 2.0 * spilled,
                l2_bytes, float(rounds), resident, stages, splits, -1.0)


@njit(cache=True)
def row_blocks(groups: NDArray[np.float64], bm: float) -> tuple[float, float, float]:
    """Return (products, mean rows, mean row blocks) of `groups`: rows, and how many products have so many."""
    products = rows = blocks = 0.0
    for i in range(groups.shape[0]):
        products += groups[i, 1]
        rows += groups[i, 0] * groups[i, 1]
        blocks += math.ceil(groups[i, 0] / bm) * groups[i, 1]
    return products, rows / products, blocks / products


@njit(cache=True)
def best_gemm(
    gpu: Gpu, tiles: NDArray[np.float64], groups: NDArray[np.float64], n: float, k: float, a_size: float, b_size: float,
    out_size: float, beside: float, a_reuse: float, floor: float, per_byte: float,
) -> Plan:
    """Return the fastest plan over `tiles` (rows of bm, bn, bk bytes), split-K factors and blocks per SM.

    One kernel does all products of `groups` (see `row_blocks`), whose blocks fill the SMs together.
    So would a library that has timed its kernels; more blocks per SM than there are to run are not tried. Under a power
    limit no plan is faster than `floor` cycles and `per_byte` cycles per byte of its HBM traffic (0 where there is no
    limit): of two that the limit slows, the one that moves less wins.
    """
    best, least = no_plan(), math.inf
    for i in range(tiles.shape[0]):
        bm, bn, bk = tiles[i, 0], tiles[i, 1], tiles[i, 2]
        batch, m, gm = row_blocks(groups, bm)
        blocks = gm * math.ceil(n / bn) * batch
        steps = math.ceil(k * a_size / bk)
        splits = 1.0
        while splits == 1.0 or (blocks * splits <= 4.0 * gpu.sms and splits <= steps / 4.0 and splits <= 64.0):
            resident = 1.0
            while resident == 1.0 or (resident <= 8.0 and (resident - 1.0) * gpu.sms < blocks * splits):
                p = gemm(gpu, m, n, k, batch, a_size, b_size, out_size, beside, a_reuse, gm, bm, bn, bk, splits,
                         resident)
                limited = max(p.cycles, floor + per_byte * p.hbm_bytes)
                if limited < least or (limited == least and p.cycles < best.cycles):
                    least = limited
                    best = Plan(p.cycles, p.matrix, p.on_chip, p.hbm, p.vector, p.fixed, p.hbm_bytes, p.l2_bytes,
                                p.rounds, p.occupancy, p.stages, p.splits, float(i))
                resident *= 2.0
            splits = splits + 1.0 if splits < 4.0 else math.floor(splits * 1.5)
    return best
