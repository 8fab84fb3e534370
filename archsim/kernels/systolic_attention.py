"""Fold-level timing of fused attention on a systolic core: query blocks against key blocks, scores on chip."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from archsim.kernels.systolic import OS, Engine, Split, Walk, block_sizes, block_way, ceil_div, parts, transfer
from archsim.kernels.systolic_stream import Rows, stream, then


class Heads(NamedTuple):
    """Attention of `units` (sequence, key head) pairs, each with `group` query heads packed as moving rows."""

    units: int
    group: int
    q_len: int
    kv_len: int
    head_dim: int
    value_dim: int
    causal: int  # 1: query i sees keys up to kv_len - q_len + i
    window: int  # keys that one query sees at most; 0: all
    q_size: float  # bytes of one element of queries in memory
    kv_size: float  # the same of keys and values
    out_size: float  # the same of results
    shared: int  # 1: the values are the first value_dim elements of the keys
    score_ops: float  # plain vector operations per score
    score_exps: float  # transcendental operations per score
    products: float  # how often the work of the two products is done: 1, and more for gradients
    traffic: float  # bytes moved and held, over those of queries, keys, values and results: likewise


@njit(cache=True)
def key_width(h: Heads) -> float:
    """Elements in memory per key, with its value."""
    return float(h.head_dim if h.shared else h.head_dim + h.value_dim)


@njit(cache=True)
def visible(h: Heads, first: int, end: int) -> tuple[int, int]:
    """Return the range of keys that queries `first` up to `end` (exclusive) see together."""
    if h.causal:
        offset = h.kv_len - h.q_len
        low = max(0, offset + first - h.window + 1) if h.window else 0
        return low, offset + end
    span = min(h.kv_len, end - first + h.window - 1) if h.window else h.kv_len
    return min(first, h.kv_len - span), min(first, h.kv_len - span) + span


@njit(cache=True)
def step_work(e: Engine, h: Heads, rows: int, keys: int, pack: int, out: np.ndarray) -> None:
    """Work of one (query block, key block) step.

    Fills ``out`` with cycles of the arrays, cycles in which they stream, cycles that the two products' ends add, port
    cycles, seconds of the vector unit, all overlapped, and bytes through the ports. Scores = q k^T has head_dim as
    contraction; its weights are the keys. The values' product contracts over the keys. Both take the ways (see
    `block_way`) that are fastest together for `pack` of them in a step, as they share the ports with the softmax. The
    vector unit scales the scores, keeps the running maximum and sum, and rescales the float32 result; the exponentials
    run on their own unit, and what is left of the maximum and the sum of a row after it was folded lane by lane goes
    across the lanes.
    """
    scores = float(rows) * keys
    ways = np.empty((2, 120, 5))  # of both products: 3 dataflows, sums beside the array or not, up to 2**19 arrays
    number = 0
    for product in range(2):
        n, k = (h.value_dim, keys) if product else (keys, h.head_dim)
        number = 0
        for flow in range(3):
            s = 1
            while s <= (1 if flow == OS else e.arrays) and e.flows >> flow & 1:
                for beside in range(1 if flow == OS else 2):
                    way = block_way(e, flow, rows, n, k, product == 1, 4.0, s, beside == 1)
                    for f, figure in enumerate(way):
                        ways[product, number, f] = figure
                    number += 1
                s *= 2
    for f in range(6):
        out[f] = np.inf
    for a in ways[0, :number]:
        for b in ways[1, :number]:
            cycles, end = h.products * (a[0] + b[0]), a[2] + b[2]
            read, written = a[3] + b[3] + 4.0 * scores, a[4] + b[4] + e.operand * scores
            port = h.products * max(read / e.read_port, written / e.write_port)
            moved, skew = h.products * (read + written), 2.0 * e.latency
            slow = max(cycles * pack + end, port * pack + skew)
            slow_best = max(out[0] * pack + out[2], out[3] * pack + skew)
            if slow < slow_best or (slow == slow_best and moved < out[5]):
                out[0], out[1], out[2], out[3], out[5] = cycles, h.products * (a[1] + b[1]), end, port, moved
    plain = h.score_ops * scores + 2.0 * rows * h.value_dim
    if h.kv_size < e.operand:
        plain += float(keys) * key_width(h)
    exps = h.score_exps * scores + rows
    cross = 2.0 * rows * min(float(keys), e.row_lanes)
    out[4] = max(plain / e.vector, exps / e.exps, cross / e.cross)


@njit(cache=True)
def pairs(h: Heads) -> float:
    """(query, key) pairs of one query head that are not masked."""
    if not h.causal:
        return float(h.q_len) * min(h.kv_len, h.window if h.window else h.kv_len)
    most = min(h.window if h.window else h.kv_len, h.kv_len)
    first = h.kv_len - h.q_len + 1  # keys that query 0 sees without a window
    growing = max(0, min(h.q_len, most - first))  # queries that the window does not cut yet
    return growing * (first + (growing - 1) / 2.0) + (h.q_len - growing) * float(most)


class Unit(NamedTuple):
    """What one unit takes: seconds per resource, steps, and bytes."""

    seconds: float  # in steps of `pack` units
    last_seconds: float  # in the last step, of fewer units
    longest: float  # of its query blocks
    matrix: float
    port: float
    vector: float
    steps: float
    first_load: float  # bytes that come before anything can begin
    keys_read: float  # bytes
    on_chip: float  # bytes through the ports


@njit(cache=True)
def step_table(e: Engine, h: Heads, bq: int, bkv: int, pack: int, last_pack: int) -> np.ndarray:
    """Return `step_work` of a full step and of the last one, by query block and key block (1: the last, smaller)."""
    last_q = h.q_len - (ceil_div(h.q_len, bq) - 1) * bq
    last_kv = h.kv_len - (ceil_div(h.kv_len, bkv) - 1) * bkv
    work = np.empty((2, 2, 2, 6))
    for turn in range(2):
        for i in range(2):
            for j in range(2):
                if turn and last_pack == pack:
                    for f in range(6):
                        work[1, i, j, f] = work[0, i, j, f]
                    continue
                tokens, keys = last_q if i else bq, last_kv if j else bkv
                step_work(e, h, h.group * tokens, keys, last_pack if turn else pack, work[turn, i, j])
    return work


@njit(cache=True)
def one_unit(
    e: Engine, h: Heads, bandwidth: float, bq: int, bkv: int, pack: int, last_pack: int, resident: bool,
    waits: np.ndarray,
) -> Unit:
    """Walk the query blocks of one unit, each past the key blocks that it sees; see `attend` for the arguments.

    Adds to `waits`, of `pack` units and of the last ones: seconds of loading, ports, vector, memory; and streaming.
    """
    work = step_table(e, h, bq, bkv, pack, last_pack)
    nq = ceil_div(h.q_len, bq)
    last_q = h.q_len - (nq - 1) * bq
    seconds = last_seconds = matrix = port = vector = steps = keys_read = on_chip = longest = 0.0
    first_load, skew = 0.0, 2.0 * e.latency / e.clock
    loaded_to = 0
    for task in range(nq):
        first = task * bq
        edge_q = int(task == nq - 1)
        tokens = last_q if edge_q else bq
        low, high = visible(h, first, first + tokens)
        b0, b1 = low // bkv, ceil_div(high, bkv)
        edge_kv = int(b1 * bkv >= h.kv_len)
        stop = min(b1 * bkv, h.kv_len)
        fresh = stop - max(b0 * bkv, loaded_to) if resident else stop - b0 * bkv
        loaded_to = max(loaded_to, stop)
        blocks = b1 - b0
        kv_bytes = h.traffic * max(0, fresh) * key_width(h) * h.kv_size
        q_bytes = h.traffic * tokens * h.group * h.head_dim * h.q_size
        out_bytes = h.traffic * tokens * h.group * h.value_dim * h.out_size
        # queries and results move along with the keys
        moved = transfer(e, bandwidth, (kv_bytes + q_bytes) / blocks, out_bytes / blocks)
        task_seconds = 0.0
        for j in range(2):
            number = edge_kv if j else blocks - edge_kv
            for turn in range(2):
                p, w = last_pack if turn else pack, work[turn, edge_q, j]
                array = (w[0] * p + w[2]) / e.clock
                fed = max(array, w[3] * p / e.clock + skew)
                done = max(fed, w[4] * p)
                whole = max(done + e.step, moved * p)
                waits[turn, 0] += number * (array - w[1] * p / e.clock - skew)
                waits[turn, 1] += number * (fed - array)
                waits[turn, 2] += number * (done - fed)
                waits[turn, 3] += number * (whole - e.step - done)
                waits[turn, 4] += number * w[1] * p / e.clock
                if turn:
                    last_seconds += number * whole
                else:
                    task_seconds += number * whole
            w = work[0, edge_q, j]
            matrix += number * w[0] / e.clock
            port += number * w[3] / e.clock
            vector += number * w[4]
            on_chip += number * w[5]
        if task == 0:  # the very first load has nothing to hide behind
            first_load = kv_bytes / blocks + q_bytes
        seconds += task_seconds
        steps += blocks
        keys_read += kv_bytes
        longest = max(longest, task_seconds)
    return Unit(seconds, last_seconds, longest, matrix, port, vector, steps, first_load, keys_read, on_chip)


@njit(cache=True)
def attend(e: Engine, h: Heads, used: int, bq: int, bkv: int, pack: int, resident: bool) -> Walk:
    """Time attention with query blocks of `bq` tokens and key blocks of `bkv` on the busiest of `used` cores.

    Masked key blocks are skipped; a block that is masked in part is computed whole. `pack` units share a step (only
    where a unit has a single step; the last step of a core has the rest). With `resident`, the keys of a unit stay on
    chip for all of its query blocks; otherwise each query block reads its own, and cores may share a unit.

    Returns
    -------
    Walk
        Times of the busiest core; bytes of all cores together.
    """
    mine = ceil_div(h.units, used)  # whole units of the busiest core
    groups = ceil_div(mine, pack)
    last_pack = mine - (groups - 1) * pack
    bandwidth = e.bandwidth / used
    waits = np.zeros((2, 5))
    one = one_unit(e, h, bandwidth, bq, bkv, pack, last_pack, resident, waits)
    seconds, skew = one.seconds, 2.0 * e.latency / e.clock
    turns = float(h.units) / used
    total = (groups - 1) * seconds + one.last_seconds  # whole units dealt to cores
    # or their query blocks: greedy dealing is this near to even
    even = seconds * turns + one.longest * (1.0 - 1.0 / used)
    spread = pack == 1 and not resident and even < total
    idle = even - seconds * turns if spread else 0.0
    full, rest = (turns, 0.0) if spread else (groups - 1.0, 1.0)  # turns of `pack` units, and the last
    at_once = pack if groups > 1 else last_pack
    first_out = h.traffic * min(bq, h.q_len) * h.group * h.value_dim * h.out_size * last_pack
    ends = transfer(e, bandwidth, one.first_load * at_once, 0.0) + transfer(e, bandwidth, 0.0, first_out)
    lasting = e.read_latency + e.write_latency
    total = (even if spread else total) + lasting + ends
    q_all = float(h.units) * h.group * h.q_len
    read = h.units * one.keys_read + h.traffic * q_all * h.head_dim * h.q_size
    written = h.traffic * q_all * h.value_dim * h.out_size
    waited = [full * waits[0, cause] + rest * waits[1, cause] for cause in range(5)]
    split = Split(waited[4], waited[0], (full + rest) * one.steps * skew, waited[1], waited[2], waited[3] + ends,
                  lasting, (full + rest) * one.steps * e.step, idle)
    macs = pairs(h) * h.group * (h.head_dim + h.value_dim) * (turns if spread else mine)
    return Walk(  # busy times are those of an even share
        total, min(one.matrix * turns, total), one.port * turns, one.vector * turns,
        transfer(e, bandwidth, read / used, written / used), lasting + turns / pack * one.steps * (e.step + skew),
        read, written, one.on_chip * h.units, macs, split,
    )


@njit(cache=True)
def least_seconds(e: Engine, h: Heads, used: int, bq: int, bkv: int, pack: int, resident: bool) -> float:
    """Return a lower bound on `attend`: only unmasked pairs are computed, and full blocks alone."""
    area = pairs(h)
    steps = area / (float(bq) * bkv) / pack
    peak = e.rows * e.cols * float(e.arrays) * e.rate * e.clock  # multiply-accumulates per second
    arrays = h.products * area * h.group * (h.head_dim + h.value_dim) / peak
    arrays += steps * 2.0 * (min(e.load, e.drain) + e.latency) / e.clock
    lanes = area * h.group * max(h.score_exps / e.exps, h.score_ops / e.vector)
    keys = 0.0 if resident else area / bq  # a query block reads all keys that any of its queries sees
    memory = transfer(e, e.bandwidth / used, h.traffic * keys * key_width(h) * h.kv_size, 0.0)
    slowest = max(max(arrays, lanes) + steps * e.step, memory)
    return e.read_latency + e.write_latency + slowest * h.units / used


@njit(cache=True)
def attention_bytes(e: Engine, h: Heads, bq: int, bkv: int, pack: int, resident: bool) -> float:
    """Bytes of scratchpad: queries, keys and values double-buffered, scores, probabilities, float32 result, output."""
    rows = float(h.group) * bq
    keys = h.kv_len + bkv if resident else 2 * bkv
    kv = float(keys) * key_width(h) * h.kv_size
    q = rows * (2.0 * (h.q_size * h.head_dim + h.out_size * h.value_dim) + 4.0 * h.value_dim)
    return h.traffic * pack * (kv + q) + h.products * rows * bkv * (4.0 + e.operand)


@njit(cache=True)
def query_unit(e: Engine, h: Heads) -> int:
    """Tokens of the smallest query block: its rows fill one granule."""
    return max(1, e.granule // h.group)


@njit(cache=True)
def cut_keys(h: Heads, cuts: int) -> Heads:
    """Return the attention of single queries with the keys of each unit dealt to `cuts` units; float32 results."""
    if cuts == 1:
        return h
    return Heads(h.units * cuts, h.group, 1, ceil_div(h.kv_len, cuts), h.head_dim, h.value_dim, 0, 0, h.q_size,
                 h.kv_size, 4.0, h.shared, h.score_ops, h.score_exps, h.products, h.traffic)


@njit(cache=True)
def merge(e: Engine, h: Heads, cuts: int, used: int) -> Walk:
    """Time the merging of `cuts` partial results per row through device memory, rows dealt to `used` cores.

    A partial result is value_dim sums, the maximum and the sum of exponentials, in float32; merging scales each by the
    exponential of its maximum's distance from the largest.
    """
    rows = float(h.units) * h.group * h.q_len
    partial = rows * cuts * (h.value_dim + 2.0)
    r = Rows(4.0 * partial, rows * h.value_dim * h.out_size, 1.0, 2.0 * partial, rows * (cuts + 1.0), 0.0)
    return stream(e, r, 1.0 / used, e.bandwidth / used)[0]


@njit(cache=True)
def search_attention(e: Engine, h: Heads, cores: int) -> tuple[np.ndarray, Walk]:
    """Return the fastest plan that fits, ``[bq, bkv, pack, resident, cores used, cuts]``, and its time.

    Where single queries (decode) have fewer units than there are cores, the keys of each may be cut into pieces for
    several cores, whose partial results are then merged. Time is infinite if nothing fits.
    """
    plan = np.zeros(6, np.int64)
    best = Walk(np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, np.inf, 0.0, 0.0, 0.0,
                Split(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    unit_k = max(e.rows, e.cols)
    for cuts in parts(ceil_div(h.kv_len, unit_k), cores if h.q_len == 1 and h.units < cores else 1):
        g = cut_keys(h, cuts)
        for bq in block_sizes(g.q_len, query_unit(e, g)):
            for bkv in block_sizes(g.kv_len, unit_k):
                single = bq == g.q_len and bkv == g.kv_len
                for resident in range(2):
                    deals = parts(g.units, cores)
                    if not resident and bq < g.q_len:  # unequal query blocks: any number of cores may be the best
                        deals = np.arange(1, min(cores, g.units * ceil_div(g.q_len, bq)) + 1)
                    for used in deals[::-1]:
                        for pack in block_sizes(ceil_div(g.units, used), 1):
                            if pack > 1 and not single:
                                continue
                            if (attention_bytes(e, g, bq, bkv, pack, resident == 1) > e.capacity
                                    or least_seconds(e, g, used, bq, bkv, pack, resident == 1) > best.seconds):
                                continue
                            w = attend(e, g, used, bq, bkv, pack, resident == 1)
                            if cuts > 1:
                                w = then(w, merge(e, h, cuts, used), float(used))
                            if w.seconds < best.seconds or (w.seconds == best.seconds and w.read < best.read):
                                best = w
                                for i, value in enumerate((bq, bkv, pack, resident, used, cuts)):
                                    plan[i] = value
    return plan, best
