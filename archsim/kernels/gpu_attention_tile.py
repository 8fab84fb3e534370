"""One tile of GPU attention: what an SM can hold, the work of queries against a tile of keys, and its fetch.

Times are cycles of the SM clock. A block holds `bq` query rows and visits tiles of `bk` keys: scores, softmax, values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from archsim.kernels.gpu_chip import Gpu, memory_cycles, overlapped_cycles
from archsim.kernels.tensor_instruction import Engine, dependent, interval


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


class Vector(NamedTuple):
    """What of an SM works on scores, beside its matrix engine."""

    lanes: float  # fp32 operations per cycle
    sfu: float  # transcendentals per cycle
    registers: float  # bytes
    code: float  # cycles of what a block does once, beside its loads
    converts: float  # changes of format per cycle
    overlap: float  # exponent with which warps overlap fetches from shared memory with products
    beside: float  # exponent with which two groups of warps overlap softmax with asynchronous products


class Tile(NamedTuple):
    """One key tile of a block, in cycles and bytes."""

    scores: float  # of the matrix engine
    values: float  # of the matrix engine
    softmax: float
    turn: float  # of the SM: what a tile keeps it busy with, as the kernel orders the three
    waits: float  # of a block's warps for barriers and results, in which another group of warps may work
    key_bytes: float
    value_bytes: float
    buffers: float  # key tiles, and as many value tiles, that shared memory holds; pieces of a tile count
    resident: float  # blocks that fit into one SM


@njit(cache=True)
def accumulators(h: Heads, bq: float, bk: float) -> float:
    """Return bytes of a block's accumulators: scores and result; or of gradients scores and dp, dk and dv."""
    if h.gradients > 0.0:
        return 4.0 * (2.0 * bq * bk + bk * (h.dim + h.value_dim))
    return bq * (bk + h.value_dim) * 4.0


@njit(cache=True)
def residents(gpu: Gpu, h: Heads, registers: float, bq: float, bk: float) -> float:
    """Return how many blocks of a tile one SM holds; 0 if none.

    Keys and values are in shared memory, one tile of each in a synchronous kernel, two in an asynchronous one. So are
    queries; or a synchronous kernel takes them into registers first, through the room of keys and values, as many at a
    time as fit. A fifth of the registers is kept for addresses, probabilities and the softmax's state, a tenth if
    queries are counted. Where accumulators lie outside the register file, keys and values pass through a ring of
    stages, which a tile of each fills at least (FlashAttention 4: 3 stages of 128 keys or values beside 256 queries of
    128, 2 beside 256 of 192).
    """
    queries, keys = bq * h.dim * h.size, bk * h.dim * h.kv_size
    values = bk * h.value_dim * (1.0 - h.shared) * h.kv_size
    held = accumulators(h, bq, bk)
    room = gpu.accumulators if gpu.decoupled > 0.0 else 0.8 * registers
    if h.gradients > 0.0:  # queries with their gradients come by instead of keys
        shared = (bq * h.size + bk * h.kv_size) * (h.dim + h.value_dim)
        return min(math.floor(gpu.shared / shared), math.floor(room / held))
    if gpu.overlapped > 0.0:
        blocks = float(math.floor(gpu.shared / (queries + 2.0 * (keys + values))))
        if blocks == 0.0 and gpu.decoupled > 0.0 and queries + keys + values <= gpu.shared:
            blocks = 1.0
        return min(blocks, math.floor(room / held))
    shared = min(math.floor(gpu.shared / (queries + keys + values)), math.floor(room / held))
    return max(shared, min(math.floor(gpu.shared / (keys + values)), math.floor(0.9 * registers / (held + queries))))


@njit(cache=True)
def product_cycles(
    e: Engine, warps: float, rows: float, columns: float, depth: float, size: float, held: float, overlap: float,
    sms: float,
) -> float:
    """Cycles of a product of a tile; `held` is 1 if the left operand is in registers, or where accumulators are.

    Instructions that read shared memory themselves follow each other at their interval, those of `sms` paired SMs at
    theirs; a tile with fewer rows than theirs is multiplied transposed. Warps that fetch operands into registers each
    read the whole right one for their rows, 16 at least, and wait for some of it: arithmetic and fetches overlap with
    exponent `overlap`. Their product takes no less than its chain of dependent instructions.
    """
    steps = depth * size / e.k_bytes
    if e.from_shared > 0.0:
        if sms == 1.0 and rows < e.rows and columns > rows:
            rows, columns, held = columns, rows, 0.0
        high, wide = math.ceil(rows / e.rows), math.ceil(columns / e.cols)
        return float(steps * high * wide * interval(e, rows / high, columns / wide, size, sms, 1.0 - held))
    arithmetic = rows * columns * depth / e.macs
    fetched = depth * size * (columns * max(1.0, min(warps, rows / 16.0)) + rows * (1.0 - held)) / e.shared_read
    chain = steps * dependent(e, e.rows, e.cols, size, 1.0, 0.0)
    return max(overlapped_cycles(overlap, arithmetic, fetched), chain)


@njit(cache=True)
def tile_of(gpu: Gpu, e: Engine, h: Heads, v: Vector, bq: float, bk: float) -> Tile:
    """Return the work of one key tile.

    Exponentials and plain operations have pipes of their own, fed by the same issue slots; then the result so far is
    scaled to the new maximum. Warps that hold the scores in registers multiply and exponentiate in turn; two groups of
    them, whose products are asynchronous, overlap the two a little with the exponent `beside` (FlashAttention 3, arXiv
    2407.08608). Kernels of 8-bit operands, whose registers the format of probabilities takes, don't: with a paged cache
    the overlap is switched off (hopper/tile_size.h). Nor do gradients. With accumulators apart from the
    registers, half a tile's queries are multiplied while the other half's are exponentiated; or, where queries fill but
    one instruction, one of two key tiles while the other is (numInstsQ and numInstsKv of TensorRT-LLM's kernels, of
    which one is 2): each waits for its own chain of products, softmax and their latencies. If a KV head has queries for
    two such tiles that fill half of an instruction's rows, paired SMs multiply both at full rate (64 heads of latent
    attention on each: its uses2CtaMma).

    An instruction on 8-bit elements takes its operands along K alone: values are transposed through shared memory. Keys
    and values narrower than the arithmetic are brought to its format.

    Gradients (FlashAttention, arXiv 2205.14135, algorithm 4) take the scores again, ``dq = ds k`` and ``dk = ds^T q``,
    which have the size of the scores, and ``dp = do v^T`` and ``dv = p^T do``, of the size of the values. Beside the
    arithmetic per score, p and ds go to shared memory, where the next products find them transposed, and each tile adds
    its part of dq, in fp32, to what L2 holds. Accumulators hold one such tile: its products and scores take turns.
    """
    resident = residents(gpu, h, v.registers, bq, bk)
    warps = 4.0 if accumulators(h, bq, bk) <= 0.4 * v.registers else 8.0  # each thread has no more than 255
    halved = gpu.decoupled > 0.0 and bq * gpu.pair == e.rows and h.q * h.heads / h.kv_heads >= e.rows
    sms = gpu.pair if halved else 1.0
    scores = product_cycles(e, warps, bq, bk, h.dim, h.size, 0.0, v.overlap, sms)
    values = product_cycles(e, warps, bq, h.value_dim, bk, h.size, 1.0, v.overlap, sms)
    softmax = bq * bk * max(h.score_exps / v.sfu, (h.score_exps + h.score_ops) / v.lanes)
    if h.gradients > 0.0:
        scores, values = 3.0 * scores, 2.0 * values
        softmax += 2.0 * bq * bk * h.size / gpu.shared_write + bq * h.dim * 4.0 / gpu.port
    else:
        softmax += bq * h.value_dim / v.lanes
    beside = gpu.decoupled > 0.0 and h.gradients == 0.0
    if beside:
        turn = overlapped_cycles(gpu.overlap, scores + values, softmax)
    else:
        turn = scores + values + softmax
        if gpu.overlapped > 0.0 and h.gradients == 0.0 and h.size >= 2.0 and bq >= 2.0 * e.rows:
            turn = overlapped_cycles(v.beside, scores + values, softmax)
        if gpu.overlapped > 0.0 and gpu.decoupled == 0.0 and h.size < 2.0:
            turn += bk * h.value_dim * h.kv_size * (1.0 / gpu.shared_read + 1.0 / gpu.shared_write)
    if h.kv_size < h.size:
        turn += bk * (h.dim + h.value_dim * (1.0 - h.shared)) / v.converts
    key_bytes, value_bytes = bk * h.dim * h.kv_size, bk * h.value_dim * h.kv_size * (1.0 - h.shared)
    groups = bq / e.rows if gpu.overlapped > 0.0 else 1.0
    waits = gpu.sync + 2.0 * (e.depth + e.commit) if groups < 2.0 else 0.0
    if beside and groups < 2.0:
        waits = max(0.0, (scores + softmax + values + waits) / 2.0 - turn)
    buffers = 2.0 if gpu.overlapped > 0.0 else 1.0
    if beside:
        buffers = min(buffers, (gpu.shared - bq * h.dim * h.size) / (key_bytes + value_bytes))
    return Tile(scores, values, softmax, turn, waits, key_bytes, value_bytes, buffers, resident)


@njit(cache=True)
def arrival_cycles(gpu: Gpu, size: float, missing: float, active: float) -> float:
    """Cycles until a buffer of `size` bytes is there while each of `active` SMs loads one; `missing` is L2's share.

    What L2 lacks comes at the SM's share of device memory, loaded latency included (see `memory_cycles`).
    """
    near = gpu.l2_latency + size / min(gpu.port, gpu.l2 / active)
    if missing * size > 0.0:
        near = max(near, memory_cycles(gpu, active, missing * size, missing * size * active, 0.0))
    return near


@njit(cache=True)
def block_cycles(
    gpu: Gpu, t: Tile, tiles: float, once: float, together: float, missing: float, active: float, first: float
) -> float:
    """Cycles in which an SM runs `together` blocks of `tiles` key tiles, `active` SMs sharing L2 and device memory.

    A block's warps work, wait, and spend `once` beside their tiles. Blocks of an SM take turns at its engines, and
    one's waits and ends are hidden behind the others' work; but if `first` is 1 they are in step, the first or the last
    of all, and nothing hides what each spends once. An asynchronous kernel fetches ahead, beyond the end of a block; a
    synchronous one waits for values after the scores, beside which they are fetched, and for the next keys, fetched
    beside softmax and values. Work, L2 and device memory overlap as `Gpu.overlap` says.
    """
    size = t.key_bytes + t.value_bytes
    waits = t.waits
    if gpu.overlapped == 0.0:
        waits += max(0.0, arrival_cycles(gpu, t.value_bytes, missing, active) - t.scores)
        waits += max(0.0, arrival_cycles(gpu, t.key_bytes, missing, active) - t.softmax - t.values)
    work = max(together * tiles * t.turn, tiles * (t.turn + waits) + once * (1.0 - first))
    on_chip = together * tiles * size / min(gpu.port, gpu.l2 / active)
    flight = together * (t.buffers - 0.5) * size * missing
    moved = together * tiles * size * missing * active
    hbm = memory_cycles(gpu, active, flight, moved, 0.0) if missing > 0.0 else 0.0
    return overlapped_cycles(gpu.overlap, work, on_chip, hbm) + once * first
