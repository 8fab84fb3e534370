"""GPU matrix product at chip level: tiles over SMs in rounds, split-K, L2 and device memory between.

All times are cycles of the SM clock, all rates bytes or MACs per cycle. A block computes one output tile of bm x bn; it
walks K in steps of bk bytes through the software pipeline of its SM (`archsim.kernels.sm_pipeline`), which gets what
the SMs that run at the same time leave it of L2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu import Plan, no_plan
from archsim.kernels.gpu_chip import Gpu, memory_cycles
from archsim.kernels.gpu_grid import Grid, Product, Traffic, lay_out, traffic
from archsim.kernels.sm_pipeline import Block, Sm, Supply, mainloop, pipeline
from archsim.kernels.tensor_instruction import Engine, tile_step

LEAST_STEPS = 8.0
"""Fewest steps that stream-K gives an SM (CUTLASS, tile_scheduler_params.h: min_iters_per_sk_unit)."""


@njit(cache=True)
def meet(x: float, y: float, jobs: float) -> float:
    """Cycles of two resources that work on the same jobs one after the other, x and y cycles for all of them.

    Of `jobs` in circulation, one resource works on some while the other works on the rest. Times of single jobs vary,
    so that now and then all wait at one of the two and the other idles: a closed queue of two servers takes
    ``max(x, y) (1 - r**(jobs + 1)) / (1 - r**jobs)``, r the ratio of the shorter to the longer time; for equal ones
    ``(jobs + 1) / jobs``.
    """
    long, short = max(x, y), min(x, y)
    if long <= 0.0:
        return 0.0
    r = short / long
    if r > 0.9999:
        return float(long * (jobs + 1.0) / jobs)
    power = r**jobs
    return float(long * (1.0 - power * r) / (1.0 - power))


@njit(cache=True)
def reduction(gpu: Gpu, splits: float, moved: float) -> float:
    """Cycles of the kernel that adds `splits` partial sums; with its results they are `moved` bytes, all in L2."""
    waits = math.ceil(splits / 4.0) * gpu.l2_latency  # a thread has four partial sums in flight
    return gpu.launch + gpu.block_start + 2.0 * gpu.l2_latency + max(waits, moved / gpu.l2)


@njit(cache=True)
def stream_share(tiles: float, steps: float, sms: float) -> tuple[float, float]:
    """Return the most steps that one of `sms` SMs walks, and the most partial sums that one tile's last SM adds.

    Stream-K: the steps of all tiles, one tile after the other, are cut into equal ranges, one for each SM, whatever
    tiles they begin and end in.
    """
    share = math.ceil(tiles * steps / sms)
    return float(share), float(math.floor((steps - 2.0) / share) + 1.0) if steps > 1.0 else 0.0


class Rounds(NamedTuple):
    """What the busiest SM does, in cycles."""

    total: float  # all of it
    work: float  # in which products are computed, or their operands awaited
    engine: float  # of the matrix engine
    enter: float  # until the first block's first instruction


@njit(cache=True)
def walk_rounds(
    gpu: Gpu, e: Engine, sm: Sm, p: Product, g: Grid, t: Traffic, full: float, left: float, walked: float, added: float
) -> Rounds:
    """Add up the busiest SM's rounds: `full` ones on all SMs, then one with the `left` tiles.

    In the last round fewer SMs draw on what is shared; or all do (`walked` steps each instead of whole tiles) and
    partial sums of up to `added` others are added in the end.
    """
    slots = gpu.sms * g.resident
    flight = max(1.0, g.resident * (g.stages - 1.0) * g.fetched * t.missing)
    near = (gpu.l2_latency + (gpu.partitions - 1.0) * gpu.far_latency) / gpu.partitions
    hit = near + gpu.bulk_latency
    cold = near + max(0.0, gpu.dram_latency - gpu.bulk_latency - near) * (1.0 - p.warm_b)
    latency = hit + max(0.0, gpu.dram_latency - hit) * max(1.0 - p.warm_a, 1.0 - p.warm_b)
    step = tile_step(e, g.bm, g.bn, g.bk, p.a_size, gpu.pair, 1.0, g.whole)
    result = g.high * g.wide * (4.0 if g.splits > 1.0 else p.out_size)
    groups = 2.0 if g.bm >= 2.0 * e.rows else 1.0
    persistent = gpu.overlapped > 0.0
    double = persistent and 2.0 * g.accumulators <= gpu.accumulators
    jobs = 2.0 * g.stages * g.resident / gpu.variation
    total = work = engine = enter = leave = 0.0
    for part in range(2):
        many, times, walk = (slots, full, g.steps) if part == 0 else (left, 1.0, walked)
        if many * times <= 0.0:
            continue
        streamed = added > 0.0 and part == 1
        active = gpu.sms if streamed else min(many, gpu.sms)
        here = 1.0 if streamed else float(math.ceil(many / gpu.sms))  # blocks on the busiest SM
        supply = Supply(latency, min(gpu.port, t.l2_rate / active * g.whole / g.from_l2), math.inf,
                        min(gpu.port, gpu.l2_write / active))
        line = pipeline(sm, step, Block(g.stages, here, groups, g.whole, g.accumulators, result, g.wide), supply)
        main = mainloop(line, walk, 0.0) - (line.latency + line.fetch + line.barrier)
        main = max(main, walk * here * meet(line.engine, line.fetch, jobs))
        each = meet(main, memory_cycles(gpu, active, flight, t.seen * many / g.blocks, 0.0), jobs)
        enter, leave = max(enter, line.prologue), line.epilogue + p.loads * cold + p.scales * near
        engine += times * here * walk * step.cycles
        work += times * each
        if double:  # the epilogue of the tile before runs beside
            total += times * max(each, leave) if total > 0.0 else each + (times - 1.0) * max(each, leave)
        elif persistent:  # the next tile's loads run beside the epilogue
            total += times * (each + leave)
        elif here > 1.0 and times > 1.0:  # out of step, one block enters or leaves while others multiply
            total += times * max(each, main + enter + leave)
        else:
            total += times * (enter + each + leave)
    if added > 0.0:  # a partial sum leaves for L2; the last SM of a tile waits for it, and adds it to its own
        sums = g.high * g.wide * 4.0
        total += sums / min(gpu.port, gpu.l2_write / gpu.sms) + 2.0 * near
        total += added * sums / min(gpu.port, gpu.l2 / gpu.sms)
    if persistent:
        total += enter + (leave if double else 0.0)
    return Rounds(max(total, g.blocks / gpu.dispatch), work, engine, enter)


@njit(cache=True)
def gemm(
    gpu: Gpu, e: Engine, sm: Sm, p: Product, gm: float, bm: float, bn: float, bk: float, splits: float,
    resident: float, stream: float,
) -> Plan:
    """Time a product with one tile, split-K factor and blocks per SM; cycles are infinite if they do not fit.

    `gm` is the rows of blocks per product: ``ceil(m / bm)``, or the mean over products of unequal rows. If `stream` is
    1, persistent blocks share the steps of the last full round and of what is left over evenly (see `stream_share`);
    `splits` of the plan is then -1.
    """
    g = lay_out(gpu, p, gm, bm, bn, bk, splits, resident)
    if g.stages == 0.0:
        return no_plan()
    slots = gpu.sms * resident
    full = float(math.floor(g.blocks / slots))
    left = g.blocks - full * slots
    walked, added = g.steps, 0.0
    if stream > 0.0:
        left, full = left + (slots if full >= 1.0 else 0.0), max(0.0, full - 1.0)
        walked, added = stream_share(left, g.steps, gpu.sms)
        pays = LEAST_STEPS <= walked < g.steps * math.ceil(left / gpu.sms)
        if gpu.overlapped == 0.0 or g.blocks <= gpu.sms or not pays:
            return no_plan()
    t = traffic(gpu, p, g)
    busiest = walk_rounds(gpu, e, sm, p, g, t, full, left, walked, added)
    # results drain to device memory behind everything else
    flight = max(1.0, resident * (g.stages - 1.0) * g.fetched * t.missing)
    drain = max(t.l2_read / t.l2_rate + t.l2_written / gpu.l2_write,
                memory_cycles(gpu, gpu.sms, flight, t.seen, t.written + t.spilled))
    cycles = gpu.launch + max(busiest.total, busiest.enter + drain)
    on_chip = max(t.l2_read / gpu.sms / gpu.port, t.l2_read / gpu.l2 + t.l2_written / gpu.l2_write)
    moved = t.l2_read + t.l2_written + 2.0 * min(added, 1.0) * gpu.sms * g.high * g.wide * 4.0
    if splits > 1.0:
        cycles += reduction(gpu, splits, t.partial + t.out) + t.spilled / gpu.dram_read
        on_chip += (t.partial + t.out) / gpu.l2
        moved += t.partial + t.out
    hbm = (t.seen + t.spilled) / gpu.dram_read + (t.written + t.spilled) / gpu.dram_write
    return Plan(cycles, busiest.engine, on_chip, hbm, 0.0, max(0.0, cycles - busiest.work),
                t.read + t.written + 2.0 * t.spilled, moved, float(math.ceil(g.blocks / gpu.sms)), resident, g.stages,
                -1.0 if stream > 0.0 else splits, -1.0)


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
    gpu: Gpu, e: Engine, sm: Sm, tiles: NDArray[np.float64], groups: NDArray[np.float64], p: Product, split: float
) -> Plan:
    """Return the fastest plan over `tiles` (rows of bm, bn, bk bytes), split-K factors and blocks per SM.

    One kernel does all products of `groups` (see `row_blocks`), whose blocks fill the SMs together; they give the rows
    and the batch of `p`. So would a library that has timed its kernels. K is split only if `split` is 1. Persistent
    kernels run one block per SM; the stages of others leave room for one or two, as libraries build them. Tiles whose
    multiplications alone take longer than the best so far are passed over.
    """
    best, tile = no_plan(), -1.0
    most = 1.0 if gpu.overlapped > 0.0 else 2.0
    for i in range(tiles.shape[0]):
        bm, bn, bk = tiles[i, 0], tiles[i, 1], tiles[i, 2]
        batch, m, gm = row_blocks(groups, bm)
        gm = math.ceil(gm / p.cluster) * p.cluster
        one = Product(m, p.n, p.k, batch, p.a_size, p.b_size, p.out_size, p.beside, p.a_reuse, p.loads, p.scales,
                      p.cluster, p.warm_a, p.warm_b, p.warm_out)
        blocks = gm * math.ceil(p.n / bn) * batch
        steps = math.ceil(p.k * p.a_size / bk)
        step = tile_step(e, bm, bn, bk, p.a_size, gpu.pair, 1.0, 0.0).cycles
        splits = 1.0
        most_splits = min(64.0, steps / 4.0, 4.0 * gpu.sms / blocks) if split > 0.0 else 1.0
        while splits == 1.0 or splits <= most_splits:
            rounds = blocks * splits / gpu.sms
            if splits > 1.0 or gpu.overlapped == 0.0:  # stream-K needs no whole rounds
                rounds = float(math.ceil(rounds))
            least = rounds * math.ceil(steps / splits) * step
            ways = 2 if split > 0.0 and splits == 1.0 and gpu.overlapped > 0.0 else 1  # whole tiles, or stream-K too
            resident = 1.0
            while least < best.cycles and resident <= most:
                for stream in range(ways):
                    plan = gemm(gpu, e, sm, one, gm, bm, bn, bk, splits, resident, float(stream))
                    if plan.cycles < best.cycles:
                        best, tile = plan, float(i)
                resident += 1.0
            splits = splits + 1.0 if splits < 4.0 else math.floor(splits * 1.5)
    return Plan(best.cycles, best.matrix, best.on_chip, best.hbm, best.vector, best.fixed, best.hbm_bytes,
                best.l2_bytes, best.rounds, best.occupancy, best.stages, best.splits, tile)
