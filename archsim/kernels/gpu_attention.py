"""GPU attention at block level: query tiles walk the keys they see; matrix work, softmax and fetch per key tile.

Times are cycles of the SM clock. A block holds `bq` query rows of one head (or of a whole group of heads that share
their keys, when the queries alone would not fill it) and visits key tiles of `bk`; splitting the keys over several
blocks adds a kernel that merges their results (FlashAttention 2/3, FlashDecoding).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu import Gpu, Plan, memory_cycles, no_plan, step_cycles

SCORE_OPS = 4.0
"""Plain operations per score: scale, running maximum, subtraction, sum."""


class Heads(NamedTuple):
    """The shape of an attention operator; sizes are bytes per element."""

    batch: float
    q: float
    kv: float
    heads: float
    kv_heads: float
    dim: float
    value_dim: float
    causal: float  # 1 or 0
    window: float  # keys; infinite if none
    size: float
    kv_size: float


@njit(cache=True)
def visible_tiles(first: float, last: float, h: Heads, bk: float) -> float:
    """Key tiles that queries `first` to `last` of a sequence see, masked tiles skipped."""
    past = h.kv - h.q
    high = min(h.kv, past + last + 1.0) if h.causal > 0.0 else h.kv
    low = max(0.0, past + first + 1.0 - h.window)
    return math.ceil(high / bk) - math.floor(low / bk)


@njit(cache=True)
def makespan(costs: NDArray[np.float64], copies: float, sms: float) -> float:
    """Cycles until `sms` workers have run `copies` copies of every block, each taking the next as it gets free.

    Few blocks are dealt out one by one; with more than 32 per worker the end is ragged by half a mean block.
    """
    total = costs.sum() * copies
    blocks = costs.size * copies
    if blocks > 32.0 * sms:
        return float(total / sms + 0.5 * total / blocks)
    free = np.zeros(int(sms))
    for i in range(costs.size - 1, -1, -1):  # the last queries see the most keys: kernels start with them
        for _ in range(int(copies)):
            free[free.argmin()] += costs[i]
    return float(free.max())


@njit(cache=True)
def holds(gpu: Gpu, h: Heads, registers: float, bq: float, bk: float) -> bool:
    """Whether one SM holds a tile: queries and one key tile in shared memory, scores and result in accumulators.

    Registers keep 30 % for addresses, the probabilities and the softmax's state.
    """
    shared = bq * h.dim * h.size + bk * (h.dim + h.value_dim) * h.kv_size
    return shared <= gpu.shared and bq * (bk + h.value_dim) * 4.0 <= 0.7 * max(registers, gpu.accumulators)


@njit(cache=True)
def attention(
    gpu: Gpu, h: Heads, lanes: float, sfu: float, registers: float, bq: float, bk: float, splits: float, tile: float
) -> Plan:
    """Time attention with one tile (`tile` is its number in the library) and one split of the keys."""
    group = h.heads / h.kv_heads
    packed = group if h.q < bq else 1.0
    rows = h.q * packed
    tiles_q = math.ceil(rows / bq)
    copies = h.batch * h.heads / packed * splits
    kv_tile = bk * (h.dim + h.value_dim) * h.kv_size
    q_tile = bq * h.dim * h.size
    in_shared = math.floor((gpu.shared - q_tile) / kv_tile)
    if not holds(gpu, h, registers, bq, bk):
        return no_plan()

    # one key tile
    scores = step_cycles(gpu, bq, bk, h.dim, h.size)
    values = step_cycles(gpu, bq, h.value_dim, bk, h.size)
    softmax = bq * bk * (1.0 / sfu + SCORE_OPS / lanes)
    blocks = copies * tiles_q
    active = min(blocks, gpu.sms)
    if gpu.decoupled > 0.0:  # one set of warps exponentiates while another's product runs
        compute, start = max(scores + values, softmax), min(scores + values, softmax)
    else:  # the warps that hold the scores in registers multiply and exponentiate in turn
        compute, start = scores + values + softmax + gpu.sync + 2.0 * gpu.mma_latency, 0.0
    costs = np.empty(tiles_q)
    seen = 0.0
    for i in range(tiles_q):
        first = math.floor(i * bq / packed)
        last = math.floor((min(rows, (i + 1.0) * bq) - 1.0) / packed)
        costs[i] = math.ceil(visible_tiles(first, last, h, bk) / splits)
        seen += costs[i]
    fetched = seen * copies * kv_tile
    keys = min(h.kv, h.q + h.window - 1.0)
    kv_bytes = h.batch * h.kv_heads * keys * (h.dim + h.value_dim) * h.kv_size
    q_bytes = h.batch * h.q * h.heads * h.dim * h.size
    out = h.batch * h.q * h.heads * h.value_dim * h.size
    missing = min(1.0, kv_bytes / fetched)
    flight = min(2.0, in_shared) * kv_tile * missing
    from_l2 = kv_tile / min(gpu.port, gpu.l2 / active)
    from_hbm = memory_cycles(gpu, active, flight, kv_tile * missing * active, 0.0)
    per_tile = max(compute, from_l2, from_hbm)

    # a block: latency of its first loads, its tiles, and its result's way out
    partial = out / h.size * 4.0 * splits if splits > 1.0 else 0.0
    result = min(bq, rows) * h.value_dim * (4.0 if splits > 1.0 else h.size)
    staged = result if gpu.overlapped else 2.0 * bq * h.value_dim * 4.0
    leave = staged / gpu.shared_read + result / min(gpu.port, gpu.l2 / active)
    # a block loads its sequence's length, then its page of the cache, then keys: each waits for the one before
    loads = 2.0 * gpu.l2_latency + gpu.dram_latency
    once = gpu.prologue + loads + start + leave + gpu.epilogue
    for i in range(tiles_q):
        costs[i] = once + costs[i] * per_tile
    work = makespan(costs, copies, gpu.sms)
    l2_bytes = fetched + q_bytes + max(out, partial)
    l2 = l2_bytes / gpu.l2
    hbm_bytes = kv_bytes + q_bytes + out
    cycles = gpu.launch + gpu.l2_latency + max(work, l2, memory_cycles(gpu, gpu.sms, flight / missing,
                                                                       kv_bytes + q_bytes, out))
    if splits > 1.0:
        cycles += gpu.launch + gpu.prologue + gpu.epilogue + 2.0 * gpu.l2_latency + (partial + out) / gpu.l2
        l2_bytes += partial + out
    matrix = seen * copies * (scores + values) / active
    vector = seen * copies * softmax / active
    hbm = (kv_bytes + q_bytes) / gpu.dram_read + out / gpu.dram_write
    fixed = max(0.0, cycles - max(matrix, vector, l2, hbm))
    return Plan(cycles, matrix, l2, hbm, vector, fixed, hbm_bytes, l2_bytes, float(math.ceil(blocks / gpu.sms)), 1.0,
                min(2.0, in_shared), splits, float(tile))


@njit(cache=True)
def better(gpu: Gpu, tile: NDArray[np.float64], than: NDArray[np.float64], h: Heads) -> bool:
    """Whether a kernel would rather take `tile`.

    The larger tile is better, save that synchronous kernels come with as few rows as cover all queries (those of one
    group of heads, in decoding); warp-specialised ones keep the rows of all their warp groups.
    """
    rows = h.q * h.heads / h.kv_heads
    covers, covered = tile[0] >= rows, than[0] >= rows
    if gpu.overlapped == 0.0 and covers != covered:
        return bool(covers)
    if gpu.overlapped == 0.0 and covers and tile[0] != than[0]:
        return bool(tile[0] < than[0])
    return bool(tile[0] * tile[1] > than[0] * than[1])


@njit(cache=True)
def best_attention(
    gpu: Gpu, tiles: NDArray[np.float64], h: Heads, lanes: float, sfu: float, registers: float
) -> Plan:
    """Return the fastest split of the keys for the best tile that one SM holds; `Plan.tile` is its row, -1 if none."""
    chosen = -1
    for i in range(tiles.shape[0]):
        fits = holds(gpu, h, registers, tiles[i, 0], tiles[i, 1])
        if fits and (chosen < 0 or better(gpu, tiles[i], tiles[chosen], h)):
            chosen = i
    best = no_plan()
    if chosen < 0:
        return best
    bq, bk = tiles[chosen, 0], tiles[chosen, 1]
    packed = h.heads / h.kv_heads if h.q < bq else 1.0
    blocks = math.ceil(h.q * packed / bq) * h.batch * h.heads / packed
    splits = 1.0
    while splits == 1.0 or (blocks * splits < 2.0 * gpu.sms and splits <= h.kv / bk and splits <= 128.0):
        p = attention(gpu, h, lanes, sfu, registers, bq, bk, splits, float(chosen))
        if p.cycles < best.cycles:
            best = p
        splits = math.ceil(splits * 1.5) if splits > 1.0 else 2.0
    return best
