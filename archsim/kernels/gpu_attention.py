"""GPU attention at block level: query tiles walk the keys they see; matrix work, softmax and fetch per key tile.

Times are cycles of the SM clock. A block has an SM to itself. It holds `bq` query rows of one head, or of a whole group
of heads that share their keys (packed), and visits key tiles of `bk`; splitting the keys over several blocks adds a
kernel that merges their results (FlashAttention 2/3, FlashDecoding).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu import OVERLAP, Plan, no_plan, step_cycles
from archsim.kernels.gpu_chip import Gpu, memory_cycles

ROWS = 64.0
"""Query rows that a block computes at least, if sequences have several queries: four warps of 16 rows each.
Asynchronous kernels have two such groups of warps (FlashAttention 3). In decoding, four warps may share 16 rows and
split the keys, and an asynchronous product takes its long side from the keys (FlashInfer)."""

KEY_ELEMENTS = 16384.0
"""Elements of keys that a block computes at least: kernels are built for long sequences and mask a short one (the key
tiles of FlashAttention 3 have 12288 to 22528 elements, 128 x 96 to 176 x 128)."""


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
    shared: float  # 1 if values are part of the keys and are fetched with them, else 0
    score_ops: float  # plain operations per score
    score_exps: float  # transcendental operations per score
    gradients: float = 0.0  # 1 for the backward pass


@njit(cache=True)
def visible_tiles(first: float, last: float, h: Heads, bk: float) -> float:
    """Key tiles that queries `first` to `last` of a sequence see, masked tiles skipped.

    A causal window ends at the query; any other is centred on it and moved inside the sequence at its ends.
    """
    past = h.kv - h.q
    if h.causal > 0.0:
        low, high = max(0.0, past + first + 1.0 - h.window), min(h.kv, past + last + 1.0)
    else:
        span = min(h.kv, h.window)
        before = math.floor((span - 1.0) / 2.0)
        low = min(max(0.0, past + first - before), h.kv - span)
        high = min(max(0.0, past + last - before), h.kv - span) + span
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
    free = np.zeros(int(sms))  # a heap: the worker that gets free first is free[0]
    for i in range(costs.size - 1, -1, -1):  # the last queries see the most keys: kernels start with them
        for _ in range(int(copies)):
            at, below, value = 0, 1, free[0] + costs[i]
            while below < free.size:
                if below + 1 < free.size and free[below + 1] < free[below]:
                    below += 1
                if value <= free[below]:
                    break
                free[at] = free[below]
                at, below = below, 2 * below + 1
            free[at] = value
    return float(free.max())


@njit(cache=True)
def holds(gpu: Gpu, h: Heads, registers: float, bq: float, bk: float) -> bool:
    """Whether one SM holds a tile: queries, a tile of keys and one of values in shared memory, the rest in registers.

    Scores and result are accumulators; registers keep 30 % for addresses, the probabilities and the softmax's state.
    """
    shared = bq * h.dim * h.size + bk * (h.dim + h.value_dim * (1.0 - h.shared)) * h.kv_size
    return shared <= gpu.shared and bq * (bk + h.value_dim) * 4.0 <= 0.7 * max(registers, gpu.accumulators)


class Tile(NamedTuple):
    """One key tile of a block, in cycles and bytes."""

    scores: float  # of the matrix engine
    values: float  # of the matrix engine
    softmax: float
    compute: float  # the three together, as the kernel orders them
    key_bytes: float
    value_bytes: float
    buffers: float  # key tiles, and as many value tiles, that shared memory holds


@njit(cache=True)
def tile_of(gpu: Gpu, h: Heads, lanes: float, sfu: float, bq: float, bk: float) -> Tile:
    """Return the work of one key tile.

    A product takes no less than its chain of dependent instructions. Asynchronous kernels keep two tiles of keys and
    values if they fit; synchronous ones have one buffer of each (FlashAttention 2 and 3 on their machines).

    Gradients (FlashAttention, arXiv 2205.14135, algorithm 4) take the scores again, ``dq = ds k`` and ``dk = ds^T q``,
    which have the size of the scores, and ``dp = do v^T`` and ``dv = p^T do``, of the size of the values. Beside the
    arithmetic per score, p and ds go to shared memory, where the next products find them transposed, and each tile adds
    its part of dq, in fp32, to what L2 holds.
    """
    rows = bq if h.q == 1.0 else max(bq, 2.0 * ROWS if gpu.overlapped > 0.0 else ROWS)
    chain = gpu.mma_latency * h.size / gpu.k_bytes
    scores = max(step_cycles(gpu, rows, bk, h.dim, h.size), h.dim * chain)
    values = max(step_cycles(gpu, rows, h.value_dim, bk, h.size), bk * chain)
    softmax = rows * bk * (h.score_exps / sfu + h.score_ops / lanes)
    if h.gradients > 0.0:
        scores, values = 3.0 * scores, 2.0 * values
        softmax += 2.0 * rows * bk * h.size / gpu.shared_write + rows * h.dim * 4.0 / gpu.port
    if gpu.decoupled > 0.0:  # one set of warps exponentiates while another's product runs
        compute = max(scores + values, softmax)
    else:  # the warps that hold the scores in registers multiply and exponentiate in turn
        compute = scores + values + softmax + gpu.sync + 2.0 * gpu.mma_latency
    key_bytes, value_bytes = bk * h.dim * h.kv_size, bk * h.value_dim * h.kv_size * (1.0 - h.shared)
    room = math.floor((gpu.shared - bq * h.dim * h.size) / (key_bytes + value_bytes))
    return Tile(scores, values, softmax, compute, key_bytes, value_bytes,
                min(2.0, room) if gpu.overlapped > 0.0 else min(1.0, room))


@njit(cache=True)
def fetch_cycles(gpu: Gpu, t: Tile, missing: float, active: float) -> tuple[float, float]:
    """Cycles in which one of `active` SMs gets a key tile: (from L2 and through its port, from device memory).

    `missing` is the share that L2 does not have. All buffers but the one in use are in flight; a buffer is a tile of
    keys or one of values.
    """
    size = t.key_bytes + t.value_bytes
    flight = (t.buffers - 0.5) * size * missing
    return size / min(gpu.port, gpu.l2 / active), memory_cycles(gpu, active, flight, size * missing * active, 0.0)


@njit(cache=True)
def tile_cycles(gpu: Gpu, t: Tile, missing: float, active: float) -> float:
    """Cycles of one key tile in a block's steady state, `active` SMs sharing L2 and device memory.

    Asynchronous kernels fetch ahead. In a synchronous one, values are fetched beside the scores and the next keys
    beside softmax and values, each waited for before the next is issued: what its latency exposes adds to the work of
    that SM, while others draw on device memory. Work, L2 and device memory overlap as in a product (see `OVERLAP`).
    """
    on_chip, hbm = fetch_cycles(gpu, t, missing, active)
    work = t.compute
    if gpu.overlapped == 0.0 and gpu.decoupled == 0.0:
        latency = gpu.l2_latency + missing * max(0.0, gpu.dram_latency - gpu.l2_latency)
        work += max(0.0, latency + t.value_bytes / gpu.port - t.scores)
        work += max(0.0, latency + t.key_bytes / gpu.port - t.softmax - t.values)
    return float((work**OVERLAP + on_chip**OVERLAP + hbm**OVERLAP) ** (1.0 / OVERLAP))


@njit(cache=True)
def kv_reads(gpu: Gpu, h: Heads, seen: float, blocks: float, sharing: float) -> float:
    """Bytes of keys and values read from device memory by `blocks` blocks whose queries see `seen` keys.

    `sharing` of them share a KV head. Those that run at once walk the keys in step and share what they fetch. If a KV
    head has more blocks than run at once, later ones find its keys in L2, unless they are more than half of it: then
    each wave reads them again.
    """
    width = (h.dim + h.value_dim * (1.0 - h.shared)) * h.kv_size
    once = min(h.kv, h.q + h.window - 1.0) * width
    waves = sharing / min(blocks, gpu.sms)
    again = seen * width * waves
    return h.batch * h.kv_heads * (max(once, again) if once > gpu.l2_capacity / 2.0 and waves > 1.0 else once)


@njit(cache=True)
def attention(
    gpu: Gpu, h: Heads, lanes: float, sfu: float, registers: float, bq: float, bk: float, packed: float, splits: float,
    tile: float,
) -> Plan:
    """Time attention with one tile (`tile` is its number in the library) and one split of the keys.

    A block's rows are queries of `packed` heads: 1, or a group that shares its keys.
    """
    if not holds(gpu, h, registers, bq, bk):
        return no_plan()
    t = tile_of(gpu, h, lanes, sfu, bq, bk)
    rows = h.q * packed
    tiles_q = math.ceil(rows / bq)
    copies = h.batch * h.heads / packed * splits
    blocks = copies * tiles_q
    active = min(blocks, gpu.sms)
    costs = np.empty(tiles_q)
    least = math.ceil(min(128.0, KEY_ELEMENTS / h.dim) / bk)
    visible, seen = 0.0, 0.0
    for i in range(tiles_q):
        first = math.floor(i * bq / packed)
        last = math.floor((min(rows, (i + 1.0) * bq) - 1.0) / packed)
        tiles_kv = visible_tiles(first, last, h, bk)
        visible += tiles_kv
        costs[i] = max(least, math.ceil(tiles_kv / splits))
        seen += costs[i]
    tile_bytes = t.key_bytes + t.value_bytes
    fetched = visible * copies / splits * tile_bytes
    kv_bytes = kv_reads(gpu, h, visible / tiles_q * bk, blocks, blocks / (h.batch * h.kv_heads))
    q_bytes = h.batch * h.q * h.heads * h.dim * h.size
    out = h.batch * h.q * h.heads * h.value_dim * h.size
    if h.gradients > 0.0:  # reads q, o, do and the logarithm of each row's sum, writes dq, dk and dv
        fetched += visible * copies / splits * bq * h.dim * 4.0
        q_bytes, out = (q_bytes + 2.0 * out + 4.0 * h.batch * h.q * h.heads,
                        q_bytes + h.batch * h.kv_heads * h.kv * (h.dim + h.value_dim) * h.kv_size)
    missing = min(1.0, kv_bytes / (seen * copies * tile_bytes))

    # a block: latency of its first loads, its tiles, and its result's way out
    partial = out / h.size * 4.0 * splits if splits > 1.0 else 0.0
    result = min(bq, rows) * h.value_dim * (4.0 if splits > 1.0 else h.size)
    # four warps that split the keys of 16 rows add their results up in shared memory, as many as 64 rows would have
    staged = max(bq, ROWS) * h.value_dim * (h.size if gpu.overlapped > 0.0 and splits == 1.0 and bq >= ROWS else 4.0)
    leave = staged / gpu.shared_write + staged / gpu.shared_read + result / min(gpu.port, gpu.l2 / active)
    # a block loads its sequence's length, then its page of the cache, then queries and keys: each waits for the one
    # before, and nothing runs until the first tile of both is there (a synchronous kernel's tiles hold their own wait)
    ahead = min(bq, rows) * h.dim * h.size + (t.key_bytes if gpu.overlapped > 0.0 else 0.0)
    loads = 2.0 * gpu.l2_latency + gpu.dram_latency + ahead / min(gpu.port, gpu.l2 / active)
    start = min(t.scores + t.values, t.softmax) if gpu.decoupled > 0.0 else 0.0
    once = gpu.prologue + loads + start + leave + gpu.epilogue
    if costs.min() == costs.max():  # full waves, and a tail in which fewer SMs draw on what is shared
        full = math.floor(blocks / gpu.sms)
        left = blocks - full * gpu.sms
        in_tiles = costs[0] * (full * tile_cycles(gpu, t, missing, gpu.sms)
                               + (tile_cycles(gpu, t, missing, left) if left > 0.0 else 0.0))
        work = in_tiles + once * math.ceil(blocks / gpu.sms)
    else:  # SMs are out of step: each at its own pace, below what they share
        per_tile = tile_cycles(gpu, t, missing, 1.0)
        work = makespan(once + costs * per_tile, copies, gpu.sms)
        in_tiles = work * (1.0 - once / (once + costs.sum() * per_tile / tiles_q))

    l2_bytes = fetched + q_bytes + max(out, partial)
    on_chip = l2_bytes / gpu.l2
    hbm = memory_cycles(gpu, gpu.sms, (t.buffers - 0.5) * tile_bytes, kv_bytes + q_bytes, out)
    cycles = gpu.launch + gpu.l2_latency + max(work, on_chip, hbm)
    if splits > 1.0:
        cycles += gpu.launch + gpu.prologue + gpu.epilogue + 2.0 * gpu.l2_latency + (partial + out) / gpu.l2
        l2_bytes += partial + out

    # what a tile waits for is busy as long as tiles take: engines that work in turn count as the longer of them
    matrix = seen * copies * (t.scores + t.values) / active
    vector = seen * copies * t.softmax / active
    tile_l2, tile_hbm = fetch_cycles(gpu, t, missing, active)
    if t.compute >= max(tile_l2, tile_hbm):
        if t.scores + t.values >= t.softmax:
            matrix = max(matrix, in_tiles)
        else:
            vector = max(vector, in_tiles)
    elif tile_l2 > tile_hbm:
        on_chip = max(on_chip, in_tiles)
    else:
        hbm = max(hbm, in_tiles)
    fixed = cycles - max(matrix, vector, on_chip, hbm)
    return Plan(cycles, matrix, on_chip, hbm, vector, fixed, kv_bytes + q_bytes + out, l2_bytes,
                float(math.ceil(blocks / gpu.sms)), 1.0, t.buffers, splits, float(tile))


@njit(cache=True)
def best_attention(
    gpu: Gpu, tiles: NDArray[np.float64], h: Heads, lanes: float, sfu: float, registers: float
) -> Plan:
    """Return the fastest plan over tiles, packing of heads and splits of the keys; `Plan.tile` is its row, -1 if none.

    Splits are tried up to eight waves of blocks: the finer the blocks, the shorter the tail of the last wave. A tile
    whose engines alone would need longer than the best plan is passed over.
    """
    best = no_plan()
    keys = visible_tiles(0.0, h.q - 1.0, h, 1.0)
    pairs = h.batch * h.heads * h.q * min(keys, h.window) * (0.5 if h.causal > 0.0 and h.q > 1.0 else 1.0)
    for i in range(tiles.shape[0]):
        bq, bk = tiles[i, 0], tiles[i, 1]
        t = tile_of(gpu, h, lanes, sfu, bq, bk)
        if not holds(gpu, h, registers, bq, bk) or pairs / (bq * bk) * t.compute / gpu.sms > best.cycles:
            continue
        for packing in range(2 if h.heads > h.kv_heads else 1):
            packed = h.heads / h.kv_heads if packing == 0 else 1.0
            blocks = math.ceil(h.q * packed / bq) * h.batch * h.heads / packed
            splits = 1.0
            while splits == 1.0 or (blocks * splits <= 8.0 * gpu.sms and splits <= min(128.0, math.ceil(keys / bk))):
                p = attention(gpu, h, lanes, sfu, registers, bq, bk, packed, splits, float(i))
                if p.cycles < best.cycles:
                    best = p
                splits = splits + 1.0 if splits < 16.0 else math.floor(splits * 1.25)
    return best
