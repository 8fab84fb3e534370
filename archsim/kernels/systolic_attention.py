"""Fold-level timing of fused attention on a systolic core: query blocks against key blocks, scores on chip."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from archsim.kernels.systolic import Engine, Walk, block_cycles, block_sizes, ceil_div, core_bandwidth


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
    q_size: float  # bytes of one element of queries and results in memory
    kv_size: float  # bytes of one element of keys and values in memory


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
def step_work(e: Engine, h: Heads, rows: int, keys: int, out: np.ndarray) -> None:
    """Work of one (query block, key block) step.

    Fills ``out`` with seconds of the arrays, of the ports, of the vector unit, all overlapped, and bytes through the
    ports. Scores = q k^T has head_dim as contraction; its weights are the keys. The values' product contracts over the
    keys. The vector unit scales the scores, keeps the running maximum and sum, and rescales the float32 result; the
    exponentials run on their own unit.
    """
    scores = float(rows) * keys
    c1, _, r1, w1 = block_cycles(e, rows, keys, h.head_dim, False, 4.0)
    c2, _, r2, w2 = block_cycles(e, rows, h.value_dim, keys, True, 4.0)
    read, written = r1 + r2 + 4.0 * scores, w1 + w2 + e.operand * scores
    plain = 4.0 * scores + 2.0 * rows * h.value_dim
    if h.kv_size < e.operand:
        plain += float(keys) * (h.head_dim + h.value_dim)
    out[0] = (c1 + c2) / e.clock
    out[1] = max(read / e.read_port, written / e.write_port) / e.clock
    out[2] = max(plain / e.vector, (scores + rows) / e.exps)
    out[3] = read + written


@njit(cache=True)
def attend(e: Engine, h: Heads, cores: int, bq: int, bkv: int, pack: int, resident: bool) -> Walk:
    """Time attention with query blocks of `bq` tokens and key blocks of `bkv` on the busiest core.

    Masked key blocks are skipped; a block that is masked in part is computed whole. `pack` units share a step (only
    where a unit has a single step). With `resident`, the keys of a unit stay on chip for all of its query blocks;
    otherwise each query block reads its own.

    Returns
    -------
    Walk
        Times of the busiest core; bytes of all cores together.
    """
    nq = ceil_div(h.q_len, bq)
    last_q = h.q_len - (nq - 1) * bq
    last_kv = h.kv_len - (ceil_div(h.kv_len, bkv) - 1) * bkv
    used = min(cores, ceil_div(h.units, pack) * (1 if resident else nq))
    bandwidth = core_bandwidth(e, used)
    start = 2.0 * (e.load + e.latency) / e.clock
    work = np.empty((2, 2, 4))
    for i in range(2):
        for j in range(2):
            step_work(e, h, h.group * (last_q if i else bq), last_kv if j else bkv, work[i, j])
    seconds = matrix = port = vector = steps = keys_read = on_chip = longest = saved = 0.0
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
        kv_bytes = max(0, fresh) * (h.head_dim + h.value_dim) * h.kv_size
        q_bytes = float(tokens) * h.group * h.head_dim * h.q_size
        out_bytes = float(tokens) * h.group * h.value_dim * h.q_size * e.write_cost
        moved = (kv_bytes + q_bytes + out_bytes) / blocks  # queries and results move along with the keys
        mine = 0.0
        for j in range(2):
            number = edge_kv if j else blocks - edge_kv
            w = work[edge_q, j]
            busy = max(w[0] * pack + start, w[1] * pack, w[2] * pack)
            mine += number * (max(busy, moved * pack / bandwidth) + e.step)
            matrix += number * w[0]
            port += number * w[1]
            vector += number * w[2]
            on_chip += number * w[3]
        if task == 0:  # the very first load has nothing to hide behind
            saved = (kv_bytes / blocks + q_bytes) * pack / bandwidth
        seconds += mine
        steps += blocks
        keys_read += kv_bytes
        longest = max(longest, mine)
    groups = ceil_div(h.units, pack)
    turns = float(groups) / used
    whole = ceil_div(groups, cores) * seconds  # whole units dealt to cores
    spread = seconds * turns + longest * (1.0 - 1.0 / used)  # their query blocks: greedy dealing is this near to even
    seconds = whole if resident else min(whole, spread)
    per_core = float(h.units) / used  # busy times are those of an even share
    first_out = min(bq, h.q_len) * float(h.group) * h.value_dim * h.q_size * pack * e.write_cost / bandwidth
    fixed = e.read_latency + e.write_latency + turns * steps * (e.step + start)
    seconds += e.read_latency + e.write_latency + saved + first_out
    q_all = float(h.units) * h.group * h.q_len
    return Walk(
        seconds, matrix * per_core, port * per_core, vector * per_core, fixed,
        h.units * keys_read + q_all * h.head_dim * h.q_size, q_all * h.value_dim * h.q_size, on_chip * h.units,
    )


@njit(cache=True)
def attention_bytes(e: Engine, h: Heads, bq: int, bkv: int, pack: int, resident: bool) -> float:
    """Bytes of scratchpad: queries, keys and values double-buffered, scores, probabilities, float32 result, output."""
    rows = float(h.group) * bq
    keys = h.kv_len + bkv if resident else 2 * bkv
    kv = float(keys) * (h.head_dim + h.value_dim) * h.kv_size
    q = rows * (2.0 * h.q_size * (h.head_dim + h.value_dim) + 4.0 * h.value_dim)
    return pack * (kv + q) + rows * bkv * (4.0 + e.operand)


@njit(cache=True)
def search_attention(e: Engine, h: Heads, cores: int) -> tuple[np.ndarray, Walk]:
    """Return the fastest ``[bq, bkv, pack, resident]`` that fits, and its time; infinite time if none fits."""
    plan = np.zeros(4, np.int64)
    best = Walk(np.inf, 0.0, 0.0, 0.0, 0.0, np.inf, 0.0, 0.0)
    unit_q = max(1, e.granule // h.group)
    for bq in block_sizes(h.q_len, unit_q, min(h.q_len, max(1, 64 // h.group))):
        for bkv in block_sizes(h.kv_len, max(e.rows, e.cols), 1):
            pack = 1
            while pack <= 64:
                for resident in range(2):
                    if resident and cores > 1 and h.units < cores and bq < h.q_len:
                        continue  # cores that share a unit each read its keys
                    if attention_bytes(e, h, bq, bkv, pack, resident == 1) > e.capacity:
                        continue
                    w = attend(e, h, cores, bq, bkv, pack, resident == 1)
                    if w.seconds < best.seconds or (w.seconds == best.seconds and w.read < best.read):
                        best = w
                        plan[0], plan[1], plan[2], plan[3] = bq, bkv, pack, resident
                if bq < h.q_len or bkv < h.kv_len or pack * cores >= h.units:
                    break
                pack *= 2
    return plan, best
