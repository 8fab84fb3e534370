"""GPU attention at block level: query tiles walk the keys they see, blocks fill the SMs.

Times are cycles of the SM clock. A block holds `bq` query rows of one KV head, all heads of its group packed, and
visits key tiles of `bk` (FlashAttention 2 and 3, FlashDecoding).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu import Plan, no_plan
from archsim.kernels.gpu_attention_split import MOST_PARTS, merge_cycles, merge_in_block, most_parts, parts_of
from archsim.kernels.gpu_attention_tile import Heads, Tile, Vector, block_cycles, residents, tile_of
from archsim.kernels.gpu_chip import Gpu, memory_cycles
from archsim.kernels.tensor_instruction import Engine

FEW_ROWS = 64.0
"""Query rows from which a kernel follows the split rules of FlashAttention. With fewer, it is a decode kernel that lays
out its parts for the batch at hand, and has several blocks on an SM; where instructions are asynchronous, the last of a
sequence's blocks merges its parts. A library that has such kernels lays out those of its others too (FlashInfer's
scheduler.cuh, for two blocks of an SM; numCtasPerSeqKv of TensorRT-LLM's fmhaKernels.h, for one)."""

SEQUENCES = 31.0
"""Sequences whose blocks a persistent kernel counts at a time to find its next one (hopper/tile_scheduler.hpp)."""


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
def makespan(costs: NDArray[np.float64], copies: float, workers: float, longest_first: bool) -> float:
    """Cycles until `workers` have run `copies` copies of every block, each taking the next as it gets free.

    Blocks are dealt out copy by copy, in their order, or the last of all copies first. Few are dealt out one by one;
    with more than 32 per worker the end is ragged by half a mean block.
    """
    total = 0.0
    for i in range(costs.size):
        total += costs[i] * copies
    blocks = costs.size * copies
    if blocks > 32.0 * workers:
        return float(total / workers + 0.5 * total / blocks)
    free = np.zeros(int(workers))  # a heap: the worker that gets free first is free[0]
    for n in range(int(blocks)):
        cost = costs[costs.size - 1 - n // int(copies)] if longest_first else costs[n % costs.size]
        at, below, value = 0, 1, free[0] + cost
        while below < free.size:
            if below + 1 < free.size and free[below + 1] < free[below]:
                below += 1
            if value <= free[below]:
                break
            free[at] = free[below]
            at, below = below, 2 * below + 1
        free[at] = value
    last = 0.0
    for i in range(free.size):
        last = max(last, free[i])
    return last


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
def out_size(h: Heads) -> float:
    """Return bytes per element of the result: kernels of 8-bit operands put out 16 bits, which are quantised later."""
    return max(2.0, h.size)


@njit(cache=True)
def once_cycles(
    gpu: Gpu, h: Heads, t: Tile, rows: float, bq: float, parts: float, missing: float, cold: float, active: float
) -> float:
    """Cycles of a block beside its tiles: its first loads, and its result's way out.

    It loads its sequence's length, then its page of the cache, then queries and keys, each after the one before, and
    nothing runs until the first tile of both is there. Its result is staged in shared memory. Blocks start together and
    stay in step, so that queries (`cold` of which L2 lacks) and results move at an SM's share of device memory; results
    of parts stay in L2 until they are merged.
    """
    held = min(bq, rows)
    queries = held * h.dim * h.size * (1.0 + h.gradients)
    result = held * h.value_dim * (4.0 if parts > 1.0 else out_size(h))
    port = min(gpu.port, gpu.l2 / active)
    far = gpu.l2_latency + max(missing, cold) * max(0.0, gpu.dram_latency - gpu.l2_latency)
    loads = 2.0 * gpu.l2_latency + far + max((queries + t.key_bytes) / port, queries * cold * active / gpu.dram_read)
    first = min(t.scores + t.values, t.softmax) if gpu.decoupled > 0.0 and h.gradients == 0.0 else 0.0
    staged = bq * h.value_dim * (out_size(h) if gpu.overlapped > 0.0 and parts == 1.0 else 4.0)
    leave = staged / gpu.shared_write + staged / gpu.shared_read
    leave += max(result / port, result * cold * active / gpu.dram_write if parts == 1.0 else 0.0)
    return gpu.prologue + loads + first + leave + gpu.epilogue


@njit(cache=True)
def tiles_of(h: Heads, bq: float, bk: float) -> NDArray[np.float64]:
    """Return the key tiles that each query tile of a sequence and KV head sees."""
    rows = h.q * h.heads / h.kv_heads
    tiles = np.empty(math.ceil(rows / bq))
    for i in range(tiles.size):
        first = math.floor(i * bq * h.kv_heads / h.heads)
        last = math.floor((min(rows, (i + 1.0) * bq) - 1.0) * h.kv_heads / h.heads)
        tiles[i] = visible_tiles(first, last, h, bk)
    return tiles


@njit(cache=True)
def attention(
    gpu: Gpu, e: Engine, h: Heads, v: Vector, bq: float, whole: float, cut: float, laid_out: float, cold: float,
    kept: float, tile: float,
) -> Plan:
    """Time attention with one tile, number `tile` of the library: `bq` query rows and `whole` keys.

    Keys are in `laid_out` parts; or, if that is 0, in as many as the rules of FlashAttention say, whose kernel then
    takes `cut` of them at a time, and one block per SM takes the parts one by one. Gradients have no such kernel. L2
    lacks `cold` of the operands at the start, and passes on all of the result but the share `kept`.
    """
    rows = h.q * h.heads / h.kv_heads
    most = parts = max(1.0, laid_out)
    bk = whole
    costs = tiles_of(h, bq, whole)
    if h.gradients == 0.0 and laid_out == 0.0:
        seen_by = tiles_of(h, bq, cut)
        largest = 0.0
        for i in range(seen_by.size):
            largest = max(largest, seen_by[i])
        most = most_parts(gpu.sms, h.kv_heads * seen_by.size, largest)
        if most > 1.0:
            bk, costs = cut, seen_by
            parts = parts_of(gpu.sms, most, h.batch, h.kv_heads * costs.size, largest)
    t = tile_of(gpu, e, h, v, bq, bk)
    if t.resident < 1.0:
        return no_plan()
    tiles_q = costs.size
    visible = seen = 0.0
    even = True
    for i in range(tiles_q):
        visible += costs[i]
        costs[i] = math.ceil(costs[i] / parts)
        seen += costs[i]
        even = even and costs[i] == costs[0]
    copies = h.batch * h.kv_heads * parts
    blocks = copies * tiles_q
    active = min(blocks, gpu.sms)
    persistent = laid_out == 0.0 and (gpu.overlapped > 0.0 or most > 1.0)
    together = 1.0 if persistent else min(t.resident, math.ceil(blocks / gpu.sms))
    workers = gpu.sms * together

    tile_bytes = t.key_bytes + t.value_bytes
    fetched = visible * copies / parts * tile_bytes
    kv_bytes = kv_reads(gpu, h, visible / tiles_q * bk, blocks, blocks / (h.batch * h.kv_heads)) * cold
    queries = h.batch * h.q * h.heads * h.dim * h.size
    values = h.batch * h.q * h.heads * h.value_dim
    out = values * out_size(h)
    partial = values * 4.0 * parts if parts > 1.0 else 0.0
    if h.gradients > 0.0:  # reads q, o, do and the logarithm of each row's sum, writes dq, dk and dv
        fetched += visible * copies / parts * bq * h.dim * 4.0
        queries, out = (queries + 2.0 * out + 4.0 * h.batch * h.q * h.heads,
                        queries + h.batch * h.kv_heads * h.kv * (h.dim + h.value_dim) * h.kv_size)
    q_bytes, written = queries * cold, out * (1.0 - kept)
    missing = min(1.0, kv_bytes / (seen * copies * tile_bytes))

    once = once_cycles(gpu, h, t, rows, bq, parts, missing, cold, active)
    search = 2.0 * gpu.l2_latency + gpu.sync  # reads the lengths of some sequences and adds up their blocks
    if gpu.overlapped == 0.0:
        once += v.code + (2.0 * search if persistent else 0.0)
    else:
        once += min(h.batch, gpu.sms / (h.kv_heads * tiles_q * parts)) / SEQUENCES * search
    if even:  # full waves, and a tail in which fewer SMs draw on what is shared
        full = float(math.floor(blocks / workers))
        left = blocks - full * workers
        last = float(math.ceil(left / gpu.sms)) if left > 0.0 else together
        work = block_cycles(gpu, t, costs[0], once, last, missing, min(left, gpu.sms) if left > 0.0 else active, 1.0)
        if left == 0.0:
            full -= 1.0
        if full > 0.0:
            work += full * block_cycles(gpu, t, costs[0], once, together, missing, gpu.sms, 0.0)
        in_tiles = work - once
    else:  # SMs are out of step: each at its own pace, below what they share; persistent kernels start with the longest
        paces = np.empty(tiles_q)
        longest = 0.0
        for i in range(tiles_q):
            paces[i] = block_cycles(gpu, t, costs[i], once, together, missing, 1.0, 0.0) / together
            longest = max(longest, block_cycles(gpu, t, costs[i], once, 1.0, missing, 1.0, 1.0))
        work = makespan(paces, copies, gpu.sms, gpu.overlapped > 0.0) + once * (1.0 - 1.0 / together)
        last = math.ceil(blocks / gpu.sms) % together
        if last > 0.0:  # too few to hide each other's waits as well as `together` do
            mean = float(math.ceil(seen / tiles_q))
            work += (block_cycles(gpu, t, mean, once, last, missing, 1.0, 0.0)
                     - last / together * block_cycles(gpu, t, mean, once, together, missing, 1.0, 0.0))
        work = max(work, longest)
        in_tiles = work * (1.0 - once / (once + seen * t.turn / tiles_q))

    l2_bytes = fetched + queries + max(out, partial)
    on_chip = l2_bytes / gpu.l2
    hbm = memory_cycles(gpu, gpu.sms, together * (t.buffers - 0.5) * tile_bytes, kv_bytes + q_bytes, written)
    cycles = gpu.launch + gpu.l2_latency + max(work, on_chip, hbm)
    if gpu.overlapped > 0.0:
        cycles += v.code
    if most > 1.0:
        if bq < FEW_ROWS and gpu.overlapped > 0.0:
            cycles += merge_in_block(gpu, parts, parts * min(bq, rows) * h.value_dim * 4.0)
        else:
            cycles += merge_cycles(gpu, parts, out, partial)
        l2_bytes += partial + out
    if h.gradients > 0.0:  # a kernel before takes the sums of o and do, one after rounds dq
        cycles += 2.0 * (gpu.launch + gpu.prologue + gpu.epilogue + gpu.l2_latency)

    # what a tile waits for is busy as long as tiles take: engines that work in turn count as the longer of them
    matrix = seen * copies * (t.scores + t.values) / active
    vector = seen * copies * t.softmax / active
    tile_l2 = together * tile_bytes / min(gpu.port, gpu.l2 / active)
    tile_hbm = tile_bytes * missing * together * active / gpu.dram_read
    if together * t.turn >= max(tile_l2, tile_hbm):
        if t.scores + t.values >= t.softmax:
            matrix = max(matrix, in_tiles)
        else:
            vector = max(vector, in_tiles)
    elif tile_l2 > tile_hbm:
        on_chip = max(on_chip, in_tiles)
    else:
        hbm = max(hbm, in_tiles)
    fixed = cycles - max(matrix, vector, on_chip, hbm)
    return Plan(cycles, matrix, on_chip, hbm, vector, fixed, kv_bytes + q_bytes + written, l2_bytes,
                float(math.ceil(blocks / workers)), together, t.buffers, parts, float(tile))


@njit(cache=True)
def best_attention(
    gpu: Gpu, e: Engine, tiles: NDArray[np.float64], h: Heads, v: Vector, cold: float, kept: float
) -> tuple[Plan, float, float]:
    """Return the fastest plan, and its query rows and keys; `Plan.tile` is its row of the library, -1 if no tile fits.

    `tiles` has rows of (head dimension, query rows, keys, keys where they are split). Candidates are those of the
    smallest head dimension that is enough and of which one fits into an SM: those of the most query rows, and smaller
    ones where the queries of a sequence and KV head are so few that they fill one of these, or two, in part. Where none
    fits, smaller tiles are tried: with half the keys, then a quarter, an eighth. Kernels of gradients, whose
    accumulators do not fit where those of a result do, have tiles of their own: halves and quarters of rows and keys of
    the smallest head dimension that is enough, of which the fastest counts. Decode kernels of few rows lay out parts
    for up to eight waves of blocks, the others of their library for two: the finer they are, the shorter the last wave.
    Decode kernels know nothing of gradients, and many queries take them only if no other tile fits, however small.
    """
    best, best_rows, best_keys = no_plan(), 0.0, 0.0
    width = max(h.dim, h.value_dim)
    rows = h.q * h.heads / h.kv_heads
    sizes = 9 if h.gradients > 0.0 else 4
    size, least = 0, FEW_ROWS if h.gradients > 0.0 or rows > 2.0 * FEW_ROWS else 0.0
    widest = math.inf
    if h.gradients > 0.0:
        for i in range(tiles.shape[0]):
            if tiles[i, 0] >= width and tiles[i, 1] >= least:
                widest = min(widest, tiles[i, 0])
    while best.tile < 0.0 or (h.gradients > 0.0 and size > 0):
        high = 0.5 ** (size % 3) if h.gradients > 0.0 else 1.0
        wide = 0.5 ** (size // 3 if h.gradients > 0.0 else size)
        dim, most = math.inf, 0.0
        for i in range(tiles.shape[0]):
            if tiles[i, 0] < width or tiles[i, 0] > widest or tiles[i, 1] < least:
                continue
            if residents(gpu, h, v.registers, tiles[i, 1] * high, tiles[i, 2] * wide) >= 1.0:
                most = max(most, tiles[i, 1]) if tiles[i, 0] == dim else tiles[i, 1] if tiles[i, 0] < dim else most
                dim = min(dim, tiles[i, 0])
        if dim < math.inf:
            planned = False
            for i in range(tiles.shape[0]):
                planned = planned or (h.gradients == 0.0 and tiles[i, 0] == dim and tiles[i, 1] < FEW_ROWS)
            for i in range(tiles.shape[0]):
                if tiles[i, 0] == dim and tiles[i, 1] >= least and (rows <= 2.0 * most or tiles[i, 1] == most):
                    bq, whole, cut = tiles[i, 1] * high, tiles[i, 2] * wide, tiles[i, 3] * wide
                    blocks = h.batch * h.kv_heads * math.ceil(rows / bq)
                    few = bq < FEW_ROWS and h.gradients == 0.0
                    laid_out = 1.0 if few else 0.0
                    waves = 8.0 if few else 2.0
                    while laid_out <= 1.0 or (laid_out * blocks <= waves * gpu.sms and laid_out <= MOST_PARTS
                                              and laid_out <= math.ceil(h.kv / whole)):
                        p = attention(gpu, e, h, v, bq, whole, cut, laid_out, cold, kept, float(i))
                        if p.cycles < best.cycles:
                            best, best_rows = p, bq
                            best_keys = cut if p.splits > 1.0 and laid_out == 0.0 else whole
                        laid_out = laid_out + 1.0 if laid_out < 8.0 else math.floor(laid_out * 1.25)
                        if not (few or planned):
                            break
        size += 1
        if size == sizes:
            if least == 0.0 or best.tile >= 0.0:
                break
            size, least, widest = 0, 0.0, math.inf
    return best, best_rows, best_keys
