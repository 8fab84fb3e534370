"""GPU matrix product at block level: software pipeline of one block, waves of blocks over SMs, L2 and HBM between.

All times are cycles of the SM clock, all rates bytes or MACs per cycle. A block is one output tile of bm x bn; it walks
K in steps of bk bytes, fetched into shared memory several stages ahead of the matrix engine.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

SOFTNESS = 2.5
"""Exponent with which the in-flight limit and the bandwidth limit of device memory meet: throughput is
``(x**-p + y**-p)**(-1/p)``. Read bandwidth against bytes in flight, published for two generations (1 to 64 KB per SM,
HPMLL Hopper benchmark and SemiAnalysis microbench-blackwell), lies between p = 2 and p = 3."""


class Gpu(NamedTuple):
    """What the kernels need to know of a chip, in cycles and bytes per cycle."""

    sms: float  # SMs or CUs
    macs: float  # multiply-adds per cycle of one SM, for the dtype
    fetch_m: float  # rows of the product fed by one fetch of operands from shared memory
    fetch_n: float  # columns of the same
    k_bytes: float  # bytes of K that one matrix instruction consumes
    mma_latency: float  # cycles until a dependent instruction may start
    sync: float  # cycles of barrier and shared-memory latency per pipeline step
    pair: float  # SMs that share the B operand of one instruction
    multicast: float  # SMs that one L2 read can feed
    accumulators: float  # bytes of accumulators per SM
    shared: float  # bytes of shared memory per SM
    shared_read: float  # bytes per cycle from shared memory to the matrix engine
    stages: float  # most stages of the software pipeline
    port: float  # bytes per cycle from L2 into one SM
    dispatch: float  # blocks started per cycle, whole chip
    prologue: float  # cycles from block start to its first load issued
    epilogue: float  # cycles of the epilogue beside moving its bytes
    launch: float  # cycles of one dependent kernel launch
    l2: float  # bytes per cycle, whole chip
    l2_capacity: float  # bytes
    l2_latency: float  # cycles
    dram: float  # sustained bytes per cycle, whole chip
    dram_latency: float  # cycles


class Block(NamedTuple):
    """One block's software pipeline: resources it takes and cycles per pipeline step."""

    occupancy: float  # blocks resident on one SM; 0 if the tile does not fit
    stages: float
    math: float  # matrix engine, operands included
    port_bytes: float  # into the SM per step
    l2_bytes: float  # out of L2 per step: multicast reads once for several SMs
    serial: float  # cycles per step of one block alone, were every resource unlimited
    flight: float  # bytes in flight per SM


class Plan(NamedTuple):
    """Result of timing one tile and split; all in cycles, whole kernel, bytes for traffic."""

    cycles: float
    matrix: float
    on_chip: float
    hbm: float
    fixed: float
    hbm_bytes: float
    l2_bytes: float
    rounds: float
    occupancy: float
    stages: float
    splits: float
    tile: float


@njit(cache=True)
def dram_rate(gpu: Gpu, active: float, flight: float) -> float:
    """Bytes per cycle that `active` SMs with `flight` bytes in flight each draw from device memory (Little's law)."""
    little = active * flight / gpu.dram_latency
    return (little**-SOFTNESS + gpu.dram**-SOFTNESS) ** (-1.0 / SOFTNESS)


@njit(cache=True)
def block(gpu: Gpu, bm: float, bn: float, bk: float, a_size: float, b_size: float) -> Block:
    """Pipeline of one bm x bn block whose step is `bk` bytes of A's row; sizes are bytes per element."""
    depth = bk / a_size
    stage = depth * (bm * a_size + bn / gpu.pair * b_size)
    acc = bm * bn * 4.0
    # three stages are the fewest that hide a load behind a step; a block may take the whole SM with two
    resident = max(1.0, min(math.floor(gpu.accumulators / acc), math.floor(gpu.shared / (3.0 * stage))))
    stages = min(gpu.stages, math.floor(gpu.shared / (resident * stage)))
    if acc > gpu.accumulators or stages < 2.0:
        return Block(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    macs = bm * bn * depth
    # an instruction's long side may lie along M or N (kernels transpose the problem for a thin M)
    fetch_m, fetch_n = min(gpu.fetch_m, bm), min(gpu.fetch_n, bn)
    operands = macs * (a_size / fetch_n / 1.0 + a_size / fetch_m / gpu.pair)
    wide = max(bm, bn)
    issue = macs / gpu.macs * max(1.0, gpu.fetch_m / wide)
    step = max(issue, operands / gpu.shared_read)
    serial = bk / gpu.k_bytes * gpu.mma_latency + gpu.sync
    l2 = depth * (bm * a_size + bn / max(gpu.multicast, gpu.pair) * b_size)
    flight = resident * (stages - 1.0) * stage
    return Block(resident, stages, step, stage, l2, serial, flight)


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
    beside: float, bm: float, bn: float, bk: float, splits: float,
) -> Plan:
    """Time ``out[m, n] = a[m, k] @ b[k, n]`` (`batch` times) with one tile and split-K factor.

    `beside` is traffic that the epilogue adds (bias, residual) in bytes. Cycles are infinite if the tile does not fit.
    """
    b = block(gpu, bm, bn, bk, a_size, b_size)
    if b.occupancy == 0.0:
        return Plan(math.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    gm, gn = math.ceil(m / bm), math.ceil(n / bn)
    blocks = gm * gn * batch * splits
    steps = math.ceil(math.ceil(k * a_size / bk) / splits)

    # traffic
    a_bytes, b_bytes, out_bytes = m * k * a_size, k * n * b_size, m * n * out_size
    running = min(blocks, gpu.sms * b.occupancy)
    patch = max(1.0, running / splits)
    reads = hbm_reads(gpu, gm, gn, bm, bn, a_bytes, b_bytes, patch)
    hbm_bytes = batch * (reads + out_bytes) + beside
    partial = batch * m * n * 4.0 * splits if splits > 1.0 else 0.0
    if partial > gpu.l2_capacity:
        hbm_bytes += 2.0 * partial
    l2_fill = blocks * steps * b.l2_bytes
    stored = batch * out_bytes if splits == 1.0 else partial

    # rounds of one block per SM: full ones, then the tail with fewer SMs drawing on what is shared
    full = math.floor(blocks / gpu.sms)
    tail = blocks - full * gpu.sms
    matrix = steps * b.math
    port = steps * b.port_bytes / gpu.port
    per_block_l2 = steps * b.l2_bytes + stored / blocks
    per_block_hbm = hbm_bytes / blocks
    work = 0.0
    if full > 0.0:
        l2 = max(port, per_block_l2 * gpu.sms / gpu.l2)
        hbm = per_block_hbm * gpu.sms / dram_rate(gpu, gpu.sms, b.flight)
        work += full * max(matrix, l2, hbm)
    if tail > 0.0:
        l2 = max(port, per_block_l2 * tail / gpu.l2)
        hbm = per_block_hbm * tail / dram_rate(gpu, tail, b.flight)
        work += max(matrix, l2, hbm)
    work = max(work, blocks / gpu.dispatch)

    # what one block costs beside its steps, and the chain of blocks on one residency slot
    tile_bytes = bm * bn * (4.0 if splits > 1.0 else out_size)
    before = gpu.prologue + gpu.dram_latency + b.serial
    after = gpu.epilogue + tile_bytes / min(gpu.port, gpu.l2 / min(blocks, gpu.sms)) + gpu.l2_latency
    generations = math.ceil(blocks / (gpu.sms * b.occupancy))
    step_alone = max(b.serial, gpu.dram_latency / (b.stages - 1.0))
    chain = generations * (before + after + steps * step_alone)
    if b.occupancy == 1.0:
        chain = max(chain, generations * (before + after) + work)
    cycles = gpu.launch + max(work + before + after, chain)
    if splits > 1.0:  # a second kernel adds the partial sums
        cycles += gpu.launch + (partial + batch * out_bytes) / gpu.l2 + 2.0 * gpu.l2_latency
    rounds = full + (1.0 if tail > 0.0 else 0.0)
    on_chip = max(rounds * port, (l2_fill + stored + (partial + batch * out_bytes if splits > 1.0 else 0.0)) / gpu.l2)
    hbm_cycles = hbm_bytes / gpu.dram
    fixed = cycles - max(work, 0.0)
    return Plan(cycles, rounds * matrix, on_chip, hbm_cycles, fixed, hbm_bytes, l2_fill + stored,
                rounds, b.occupancy, b.stages, splits, 0.0)


@njit(cache=True)
def best_gemm(
    gpu: Gpu, tiles, m: float, n: float, k: float, batch: float, a_size: float, b_size: float, out_size: float,
    beside: float,
) -> Plan:
    """Return the fastest plan over `tiles` (rows of bm, bn, bk bytes) and split-K factors, as a library would."""
    best = Plan(math.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for i in range(tiles.shape[0]):
        bm, bn, bk = tiles[i, 0], tiles[i, 1], tiles[i, 2]
        blocks = math.ceil(m / bm) * math.ceil(n / bn) * batch
        steps = math.ceil(k * a_size / bk)
        splits = 1.0
        while splits == 1.0 or (blocks * splits <= 4.0 * gpu.sms and splits <= steps / 4.0 and splits <= 64.0):
            p = gemm(gpu, m, n, k, batch, a_size, b_size, out_size, beside, bm, bn, bk, splits)
            if p.cycles < best.cycles:
                best = Plan(p.cycles, p.matrix, p.on_chip, p.hbm, p.fixed, p.hbm_bytes, p.l2_bytes, p.rounds,
                            p.occupancy, p.stages, p.splits, float(i))
            splits = splits + 1.0 if splits < 4.0 else math.floor(splits * 1.5)
    return best
