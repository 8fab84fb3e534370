"""GPU attention against naive twins that a reader can check by eye, and against the rules of published kernels."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_attention as ka
from archsim.kernels import gpu_attention_split as ks
from archsim.kernels import gpu_attention_tile as kt
from archsim.kernels import gpu_chip as kc
from archsim.kernels import tensor_instruction as ti
from archsim.workload.ops import Attention

PLAIN = kc.Gpu(*[1.0] * len(kc.Gpu._fields))._replace(  # figures that attention does not use are 1
    sms=8.0, sync=60.0, overlapped=0.0, decoupled=0.0, accumulators=131072.0, shared=163840.0, shared_read=128.0,
    shared_write=96.0, port=64.0, prologue=400.0, epilogue=400.0, launch=2000.0, l2=300.0, l2_capacity=4e6,
    l2_latency=200.0, overlap=4.0, dram_read=100.0, dram_write=90.0, dram_latency=500.0,
)
ASYNC = PLAIN._replace(overlapped=1.0, shared=232448.0)
APART = ASYNC._replace(decoupled=1.0, accumulators=262144.0)
KINDS = {"synchronous": PLAIN, "asynchronous": ASYNC, "tensor memory": APART}
WARPS = ti.Engine(
    macs=512.0, sub_cores=4.0, rows=16.0, cols=8.0, k_bytes=32.0, depth=16.6, pair_depth=0.0, fold_depth=0.0,
    commit=0.0, in_order=0.0, a_first=0.0, from_shared=0.0, warp_rows=64.0, warp_cols=64.0, shared_read=128.0,
    register_read=1536.0, one_port=1.0,
)
GROUPS = WARPS._replace(sub_cores=1.0, rows=64.0, cols=256.0, in_order=1.0, from_shared=1.0, commit=12.0)
SM = kt.Vector(lanes=128.0, sfu=16.0, registers=262144.0, code=3000.0, converts=64.0, overlap=2.5, beside=1.2)

gpus = st.sampled_from(list(KINDS.values()))


def engine(g: kc.Gpu) -> ti.Engine:
    """The matrix engine that goes with a chip."""
    if not g.overlapped:
        return WARPS
    return GROUPS._replace(rows=128.0 if g.decoupled else 64.0)


def shape(**changes: float) -> kt.Heads:
    base = kt.Heads(batch=2.0, q=300.0, kv=300.0, heads=4.0, kv_heads=2.0, dim=64.0, value_dim=64.0, causal=1.0,
                    window=math.inf, size=2.0, kv_size=2.0, shared=0.0, score_ops=4.0, score_exps=1.0)
    return base._replace(**changes)


# --- which keys a query sees

def naive_keys(i: int, q: int, kv: int, causal: bool, window: int | None) -> set[int]:
    """Keys that query i sees: up to itself, or a window centred on it that stays inside the sequence."""
    me = kv - q + i
    if causal:
        return {j for j in range(kv) if j <= me and (window is None or j > me - window)}
    width = min(kv, window or kv)
    low = min(max(0, me - (width - 1) // 2), kv - width)
    return set(range(low, low + width))


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 16), st.booleans(), st.none() | st.integers(1, 80),
       st.data())
def test_visible_tiles_equal_a_mask(
    q: int, past: int, bk: int, causal: bool, window: int | None, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, q - 1))
    last = data.draw(st.integers(first, q - 1))
    kv = past + q
    h = shape(q=float(q), kv=float(kv), causal=float(causal), window=float(window or math.inf))
    seen = {j // bk for i in range(first, last + 1) for j in naive_keys(i, q, kv, causal, window)}
    assert ka.visible_tiles(float(first), float(last), h, float(bk)) == len(seen)


@given(st.integers(1, 40), st.integers(0, 40), st.booleans(), st.none() | st.integers(1, 60))
def test_masks_hold_the_pairs_that_the_workload_counts(q: int, past: int, causal: bool, window: int | None) -> None:
    op = Attention(batch=1, q_len=q, kv_len=q + past, heads=1, kv_heads=1, head_dim=64, causal=causal, window=window)
    assert sum(len(naive_keys(i, q, q + past, causal, window)) for i in range(q)) == op.pairs


def naive_walk(h: kt.Heads, bq: int, bk: int) -> list[int]:
    """Key tiles that each block of a sequence and KV head sees: its rows are the queries of a group's heads."""
    group = int(h.heads / h.kv_heads)
    rows = int(h.q) * group
    window = None if h.window == math.inf else int(h.window)
    return [len({j // bk for i in {r // group for r in range(start, min(rows, start + bq))}
                 for j in naive_keys(i, int(h.q), int(h.kv), h.causal > 0, window)}) for start in range(0, rows, bq)]


@given(st.integers(1, 300), st.integers(0, 300), st.sampled_from([1.0, 2.0, 4.0]), st.booleans(),
       st.none() | st.integers(1, 300), st.sampled_from([(128, 64), (64, 112), (16, 16)]))
def test_packed_heads_walk_the_keys_of_their_queries(
    q: int, past: int, kv_heads: float, causal: bool, window: int | None, tile: tuple[int, int]
) -> None:
    h = shape(q=float(q), kv=float(q + past), kv_heads=kv_heads, causal=float(causal), window=float(window or math.inf))
    assert ka.tiles_of(h, float(tile[0]), float(tile[1])).tolist() == naive_walk(h, *tile)


# --- blocks over SMs

def naive_queue(costs: list[float], copies: int, workers: int, longest_first: bool) -> float:
    """The last block ends: each worker takes the next one as it gets free, sequences in turn or last queries first."""
    free = [0.0] * workers
    for cost in [c for c in reversed(costs) for _ in range(copies)] if longest_first else costs * copies:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


@given(st.lists(st.floats(1, 100), min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 12), st.booleans())
def test_makespan_equals_a_queue_of_workers(
    costs: list[float], copies: int, workers: int, longest_first: bool
) -> None:
    got = ka.makespan(np.array(costs), float(copies), float(workers), longest_first)
    few = len(costs) * copies <= 32 * workers
    assert got == pytest.approx(naive_queue(costs, copies, workers, longest_first), rel=1e-9 if few else 0.25)


# --- parts of the keys

def naive_most_parts(sms: int, blocks: int, key_tiles: int) -> int:
    """FlashAttention 3, num_splits_heuristic: the efficiency of every number of splits, of which the first good one."""
    if blocks >= 0.8 * sms or key_tiles <= 4:
        return 1
    waves = [blocks * parts / sms for parts in range(1, min(128, sms, key_tiles) + 1)]
    efficiency = [w / math.ceil(w) for w in waves]
    return next(i + 1 for i, e in enumerate(efficiency) if e >= 0.85 * max(efficiency))


@given(st.integers(1, 200), st.integers(1, 300), st.integers(1, 500))
def test_parts_follow_the_published_heuristic(sms: int, blocks: int, key_tiles: int) -> None:
    assert ks.most_parts(float(sms), float(blocks), float(key_tiles)) == naive_most_parts(sms, blocks, key_tiles)


def test_parts_of_the_heuristics_own_example() -> None:
    """hopper/heuristics.h: 48 blocks on 108 SMs, where 2 splits (0.89) are better than 3 (0.67)."""
    assert ks.most_parts(108.0, 48.0, 100.0) == 2.0


@given(st.integers(1, 64), st.integers(1, 16), st.integers(1, 2000), st.integers(1, 128))
def test_a_part_is_no_more_than_an_sms_share(batch: int, blocks: int, key_tiles: int, most: int) -> None:
    parts = ks.parts_of(132.0, float(most), float(batch), float(blocks), float(key_tiles))
    assert 1 <= parts <= most
    share = math.ceil(1.1 * batch * blocks * key_tiles / 132)
    assert parts == most or math.ceil(key_tiles / parts) <= share


# --- one tile

@pytest.mark.parametrize(("tile", "dim", "blocks"), [
    ((128, 64), 128, 2), ((128, 112), 128, 1), ((128, 112), 64, 2), ((128, 64), 192, 1), ((128, 64), 256, 1),
])
def test_blocks_of_an_sm_are_those_of_flash_attention(tile: tuple[int, int], dim: int, blocks: int) -> None:
    """hopper/tile_size.h, compute capability 8.0: 4 warps let an SM hold two blocks, 8 warps one."""
    h = shape(dim=float(dim), value_dim=float(dim))
    assert kt.residents(PLAIN, h, SM.registers, float(tile[0]), float(tile[1])) == blocks


@pytest.mark.parametrize(("tile", "dim"), [((128, 64), 128), ((128, 128), 128), ((128, 64), 256)])
def test_blocks_of_an_sm_with_less_shared_memory(tile: tuple[int, int], dim: int) -> None:
    """hopper/tile_size.h, compute capability 8.6 and 8.9: 99 KiB hold one block, some with queries in registers."""
    h = shape(dim=float(dim), value_dim=float(dim))
    assert kt.residents(PLAIN._replace(shared=99 * 1024.0), h, SM.registers, float(tile[0]), float(tile[1])) == 1


@pytest.mark.parametrize(("tile", "dim", "size"), [
    ((192, 192), 64, 2.0), ((128, 176), 128, 2.0), ((128, 112), 192, 2.0), ((128, 80), 256, 2.0),
    ((128, 224), 128, 1.0), ((128, 128), 256, 1.0),
])
def test_tiles_of_asynchronous_kernels_just_fit(tile: tuple[int, int], dim: int, size: float) -> None:
    """hopper/tile_size.h, compute capability 9.0: "hits the limit of smem"; a third more keys would not fit."""
    h = shape(dim=float(dim), value_dim=float(dim), size=size, kv_size=size)
    assert kt.residents(ASYNC, h, SM.registers, float(tile[0]), float(tile[1])) == 1
    assert kt.residents(ASYNC, h, SM.registers, float(tile[0]), tile[1] * 4 / 3) == 0


def naive_product(
    g: kc.Gpu, warps: int, rows: int, columns: int, depth: int, size: float, held: bool, sms: int = 1
) -> float:
    """Cycles of a product, instruction by instruction, or arithmetic beside what each warp fetches for its rows."""
    e = engine(g)
    steps = int(depth * size / e.k_bytes)
    if g.overlapped:
        if sms == 1 and rows < e.rows and columns > rows:  # multiplied transposed
            rows, columns, held = columns, rows, False
        high, wide = -(-rows // int(e.rows)), -(-columns // int(e.cols))
        one = ti.interval(e, rows / high, columns / wide, size, float(sms), float(not held))
        return sum(one for _ in range(steps * high * wide))
    fetched = 0.0
    for _ in range(min(warps, max(1, rows // 16))):
        fetched += columns * depth * size
    for _ in range(0 if held else rows):
        fetched += depth * size
    busy = (rows * columns * depth / e.macs) ** SM.overlap + (fetched / g.shared_read) ** SM.overlap
    chain = sum(ti.dependent(e, 16.0, 8.0, size, 1.0, 0.0) for _ in range(steps))  # one after the other
    return max(busy ** (1 / SM.overlap), chain)


def naive_tile(g: kc.Gpu, h: kt.Heads, bq: int, bk: int) -> tuple[float, float]:
    """Cycles of one key tile: what the SM works, 16 exponentials and 128 plain operations per cycle, and its waits."""
    warps = 4 if kt.accumulators(h, bq, bk) <= 0.4 * SM.registers else 8
    dim, value_dim = int(h.dim), int(h.value_dim)
    e = engine(g)
    sms = 2 if g.decoupled and g.pair == 2 and bq == 64 and h.q * h.heads / h.kv_heads >= 128 else 1
    scores = naive_product(g, warps, bq, bk, dim, h.size, False, sms)
    values = naive_product(g, warps, bq, value_dim, bk, h.size, True, sms)
    softmax = sum(max(1 / 16, 5 / 128) for _ in range(bk)) * bq
    waits = g.sync + 2 * (e.depth + e.commit) if not g.overlapped or bq < 2 * e.rows else 0.0
    moved = 0.0
    if g.overlapped and not g.decoupled and h.size == 1:  # values are transposed
        moved = bk * value_dim / g.shared_read + bk * value_dim / g.shared_write
    if h.kv_size < h.size:  # keys and values change their format
        moved += sum(dim + value_dim for _ in range(bk)) / 64
    if h.gradients:  # scores, dq, dk; dp, dv; p and ds staged, dq added up in L2
        staged = sum([bq * bk * h.size / g.shared_write] * 2) + bq * dim * 4 / g.port
        return sum([scores] * 3) + sum([values] * 2) + softmax + staged + moved, waits
    softmax += bq * value_dim / 128  # the result so far, scaled to the new maximum
    if g.decoupled:  # two groups of queries, or two key tiles, each with a chain of its own
        work = ((scores + values) ** 4 + softmax ** 4) ** 0.25 + moved
        return work, max(0.0, (scores + softmax + values + waits) / 2 - work) if bq < 2 * e.rows else 0.0
    if g.overlapped and bq >= 2 * e.rows and h.size == 2:
        return ((scores + values) ** 1.2 + softmax**1.2) ** (1 / 1.2) + moved, waits
    return scores + values + softmax + moved, waits


@given(gpus, st.sampled_from([1.0, 2.0]), st.sampled_from([(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)]), st.booleans(),
       st.sampled_from([(128, 64), (64, 128), (64, 32), (256, 64), (16, 32)]),
       st.sampled_from([(64, 64), (128, 128), (192, 128)]))
def test_a_tile_equals_its_parts(
    g: kc.Gpu, pair: float, sizes: tuple[float, float], gradients: bool, tile: tuple[int, int], dims: tuple[int, int]
) -> None:
    g, (size, kv_size) = g._replace(pair=pair), sizes
    h = shape(size=size, kv_size=kv_size, gradients=float(gradients), dim=float(dims[0]), value_dim=float(dims[1]))
    t = kt.tile_of(g, engine(g), h, SM, float(tile[0]), float(tile[1]))
    work, waits = naive_tile(g, h, *tile)
    assert t.turn == pytest.approx(work)
    assert t.waits == pytest.approx(waits)
    assert t.turn >= 2 * (1 + 1.5 * gradients) * tile[0] * tile[1] * min(dims) / engine(g).macs


def naive_block_cycles(
    g: kc.Gpu, h: kt.Heads, bq: int, bk: int, tiles: int, once: float, together: int, missing: float, active: float,
    first: bool,
) -> float:
    """Cycles of `together` blocks on an SM: they take turns, and one's waits and ends are the others' time."""
    work, waits = naive_tile(g, h, bq, bk)
    keys, vals = bk * h.dim * h.kv_size, bk * h.value_dim * h.kv_size
    share = min(g.port, g.l2 / active)

    def arrives(size: float) -> float:
        far = math.hypot(g.dram_latency, size * missing * active / g.dram_read) if missing else 0.0
        return max(g.l2_latency + size / share, far)

    t = kt.tile_of(g, engine(g), h, SM, float(bq), float(bk))
    if not g.overlapped:  # values are fetched beside the scores, the next keys beside softmax and values
        waits += max(0.0, arrives(vals) - t.scores) + max(0.0, arrives(keys) - t.softmax - t.values)
    shared = sum(work for _ in range(together * tiles))
    alone = sum(work + waits for _ in range(tiles)) + (0 if first else once)
    buffers = 2.0 if g.overlapped else 1.0
    if g.decoupled:  # a ring of stages, of which queries leave room for fewer
        buffers = min(buffers, (g.shared - bq * h.dim * h.size) / (keys + vals))
    ahead = together * (buffers - 0.5) * (keys + vals) * missing  # all but half of the one in use
    moved = together * tiles * (keys + vals)
    hbm = kc.memory_cycles(g, active, ahead, moved * missing * active, 0.0) if missing else 0.0
    return float((max(shared, alone) ** 4 + (moved / share) ** 4 + hbm**4) ** 0.25) + (once if first else 0)


@given(gpus, st.sampled_from([(128, 64), (64, 128)]), st.integers(1, 30), st.sampled_from([1, 2, 3]),
       st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 8), st.booleans())
def test_block_cycles_equal_the_naive_ones(
    g: kc.Gpu, tile: tuple[int, int], tiles: int, together: int, missing: float, active: int, first: bool
) -> None:
    h = shape()
    t = kt.tile_of(g, engine(g), h, SM, float(tile[0]), float(tile[1]))
    got = kt.block_cycles(g, t, float(tiles), 5000.0, float(together), missing, float(active), float(first))
    assert got == pytest.approx(naive_block_cycles(g, h, *tile, tiles, 5000.0, together, missing, float(active), first))


def test_two_blocks_of_an_sm_hide_each_others_waits() -> None:
    t = kt.tile_of(PLAIN, WARPS, shape(), SM, 128.0, 64.0)
    alone = kt.block_cycles(PLAIN, t, 4.0, 5000.0, 1.0, 0.5, 8.0, 0.0)
    assert alone < kt.block_cycles(PLAIN, t, 4.0, 5000.0, 2.0, 0.5, 8.0, 0.0) < 1.9 * alone


def test_softmax_hides_beside_products_only_with_accumulators_of_its_own() -> None:
    h, fast = shape(dim=128.0, value_dim=128.0), engine(APART)._replace(macs=4096.0)
    turns = kt.tile_of(APART._replace(decoupled=0.0), fast, h, SM._replace(beside=1.0), 256.0, 128.0).turn
    groups = kt.tile_of(APART._replace(decoupled=0.0), fast, h, SM, 256.0, 128.0).turn
    beside = kt.tile_of(APART, fast, h, SM, 256.0, 128.0).turn
    assert beside < 0.8 * turns
    assert 0.85 * turns < groups < turns


def test_two_key_tiles_do_what_two_groups_of_queries_do() -> None:
    """numInstsQ = 1, numInstsKv = 2: the softmax of one hides beside the products of the other, latencies in part."""
    h, fast = shape(dim=128.0, value_dim=128.0), engine(APART)._replace(macs=4096.0, depth=104.0)
    one, two = (kt.tile_of(APART, fast, h, SM, rows, 128.0) for rows in (128.0, 256.0))
    assert one.turn == pytest.approx(two.turn / 2)
    assert two.waits == 0.0
    chain = one.scores + one.softmax + one.values + APART.sync + 2 * (104 + 12)
    assert one.turn + one.waits == pytest.approx(max(one.turn, chain / 2))


def test_paired_sms_multiply_half_an_instructions_rows_at_full_rate() -> None:
    """128 heads of latent attention, 64 on each of two SMs; fewer heads, or SMs that do not pair, leave rows idle."""
    for pair, heads, idle in ((2.0, 128.0, 1), (1.0, 128.0, 2), (2.0, 64.0, 2)):
        h = shape(q=1.0, heads=heads, kv_heads=1.0, dim=576.0, value_dim=512.0, shared=1.0)
        g = APART._replace(pair=pair)
        assert kt.tile_of(g, engine(g), h, SM, 64.0, 64.0).scores == idle * 64 * 64 * 576 / engine(g).macs


@pytest.mark.parametrize(("dim", "value_dim", "rows"), [(128, 128, 256), (192, 128, 256), (192, 192, 128)])
def test_a_ring_of_stages_holds_the_tiles_of_flash_attention_4(dim: int, value_dim: int, rows: int) -> None:
    """Two groups of 128 queries of 192 leave room for 2 stages of 128 keys or values; two of each would not fit."""
    h = shape(dim=float(dim), value_dim=float(value_dim))
    assert kt.residents(APART, h, SM.registers, float(rows), 128.0) == 1
    assert kt.residents(APART, h, SM.registers, 2.0 * rows, 128.0) == 0
    t = kt.tile_of(APART, engine(APART), h, SM, float(rows), 128.0)
    held = rows * dim * 2 + t.buffers * (t.key_bytes + t.value_bytes)
    assert held <= APART.shared
    assert 1.0 <= t.buffers <= 2.0


# --- attention

def naive_attention(g: kc.Gpu, h: kt.Heads, bq: int, whole: int, cut: int, laid_out: int) -> float:
    """Cycles of attention: block by block, tile by tile; equal ones in waves, the last with fewer SMs."""
    group = int(h.heads / h.kv_heads)
    rows, sms = int(h.q) * group, int(g.sms)
    per_head, bk, most, parts = naive_walk(h, bq, whole), whole, max(1, laid_out), max(1, laid_out)
    if not h.gradients and not laid_out:
        split = naive_walk(h, bq, cut)
        most = naive_most_parts(sms, int(h.kv_heads) * len(split), max(split))
        if most > 1:
            per_head, bk = split, cut
            share = math.ceil(1.1 * h.batch * h.kv_heads * len(split) * max(split) / sms)
            parts = max(1, min(most, math.ceil(max(split) / share)))
    jobs = [-(-n // parts) for n in per_head]
    copies = int(h.batch * h.kv_heads) * parts
    blocks = copies * len(jobs)
    running = min(blocks, sms)
    persistent = not laid_out and (g.overlapped or most > 1)
    together = 1 if persistent else int(min(kt.residents(g, h, SM.registers, bq, bk), -(-blocks // sms)))
    width = (h.dim + h.value_dim) * h.kv_size
    kv = h.kv * width
    waves = blocks / (h.batch * h.kv_heads) / running  # in which blocks of one KV head run
    if kv > g.l2_capacity / 2 and waves > 1:  # each wave reads what its blocks see
        kv = max(kv, waves * sum(per_head) / len(jobs) * bk * width)
    kv *= h.batch * h.kv_heads
    missing = min(1.0, kv / (sum(jobs) * copies * bk * width))

    # once per block: the length, its page of the cache, queries and first keys; its result staged and written
    held = min(bq, rows)
    supply = min(g.port, g.l2 / running)
    queries = held * h.dim * h.size * (2 if h.gradients else 1)
    once = g.prologue + 2 * g.l2_latency + g.dram_latency
    once += max((queries + bk * h.dim * h.kv_size) / supply, queries * running / g.dram_read)
    element = 4 if parts > 1 else 2
    staged = bq * h.value_dim * (element if g.overlapped else 4)
    once += staged / g.shared_read + staged / g.shared_write
    written = held * h.value_dim * element
    once += (written / supply if parts > 1 else max(written / supply, written * running / g.dram_write)) + g.epilogue
    search = 2 * g.l2_latency + g.sync
    if g.overlapped:  # 31 sequences are searched at a time for the block after the next `sms`
        once += min(h.batch, sms / (h.kv_heads * len(jobs) * parts)) / 31 * search
    else:
        once += SM.code + (2 * search if persistent else 0)
    work = 0.0
    if len(set(jobs)) == 1:
        left = blocks
        while left:  # the last wave's ends are hidden by nothing
            now = min(left, sms * together)
            left -= now
            work += naive_block_cycles(g, h, bq, bk, jobs[0], once, -(-now // sms), missing, min(now, sms), not left)
    else:
        paces = [naive_block_cycles(g, h, bq, bk, n, once, together, missing, 1, False) / together for n in jobs]
        longest = max(naive_block_cycles(g, h, bq, bk, n, once, 1, missing, 1, True) for n in jobs)
        work = naive_queue(paces, copies, sms, g.overlapped > 0) + once * (1 - 1 / together)
        if few := -(-blocks // sms) % together:  # the last of an SM, which hide less of each other's waits
            mean = -(-sum(jobs) // len(jobs))
            work += naive_block_cycles(g, h, bq, bk, mean, once, few, missing, 1, False)
            work -= few / together * naive_block_cycles(g, h, bq, bk, mean, once, together, missing, 1, False)
        work = max(work, longest)

    io = h.batch * h.q * h.heads * h.dim * h.size
    fetched = sum(per_head) * h.batch * h.kv_heads * bk * width
    reads, writes = io, io
    if h.gradients:
        reads, writes = 3 * io + h.batch * h.q * h.heads * 4, io + h.batch * h.kv_heads * h.kv * 2 * h.dim * h.kv_size
        fetched += sum(per_head) * h.batch * h.kv_heads * bq * h.dim * 4
    partial = 2 * io * parts if parts > 1 else 0
    ahead = together * (1.5 if g.overlapped else 0.5) * bk * width
    floor = max((fetched + reads + max(writes, partial)) / g.l2,
                kc.memory_cycles(g, g.sms, ahead, kv + reads, writes))
    cycles = g.launch + g.l2_latency + max(work, floor) + (SM.code if g.overlapped else 0)
    if most > 1 and bq < 64 and g.overlapped:  # its part stored, counted, all parts read by the last to count
        turns = sum(g.l2_latency for _ in range(3))
        cycles += turns + max(parts / 3 * g.l2_latency, parts * held * h.value_dim * 4 / g.port)
    elif most > 1:  # the kernel that merges parts is launched even if there are none
        cycles += g.launch + g.prologue + g.epilogue + g.l2_latency
        cycles += g.l2_latency + max(parts / 3 * g.l2_latency, (partial + writes) / g.l2) if parts > 1 else 0
    return float(cycles) + (2 * (g.launch + g.prologue + g.epilogue + g.l2_latency) if h.gradients else 0)


@given(st.sampled_from([PLAIN, ASYNC, PLAIN._replace(l2_capacity=1e5)]), st.just(1) | st.integers(1, 400),
       st.integers(0, 800), st.sampled_from([1.0, 2.0, 4.0]), st.integers(1, 5), st.booleans(), st.booleans(),
       st.sampled_from([(128, 64, 112), (64, 128, 128), (16, 32, 32)]), st.sampled_from([0, 0, 1, 3]))
def test_attention_equals_blocks_one_by_one(
    g: kc.Gpu, q: int, past: int, kv_heads: float, batch: int, causal: bool, gradients: bool,
    tile: tuple[int, int, int], laid_out: int,
) -> None:
    laid_out = 0 if gradients else laid_out
    h = shape(q=float(q), kv=float(q + past), kv_heads=kv_heads, batch=float(batch), causal=float(causal),
              gradients=float(gradients))
    bq, whole, cut = map(float, tile)
    p = ka.attention(g, engine(g), h, SM, bq, whole, cut, float(laid_out), 1.0, 0.0, 0.0)
    many = batch * kv_heads * p.splits * math.ceil(q * h.heads / kv_heads / tile[0]) > 32 * g.sms
    assert p.cycles == pytest.approx(naive_attention(g, h, *tile, laid_out), rel=0.1 if many else 1e-9)


@given(gpus, st.just(1) | st.integers(1, 3000), st.integers(0, 5000), st.booleans(), st.integers(1, 9),
       st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_busy_time_and_fixed_time_add_up_to_attention(
    g: kc.Gpu, q: int, past: int, causal: bool, batch: int, cold: float, gradients: bool
) -> None:
    h = shape(batch=float(batch), q=float(q), kv=float(q + past), causal=float(causal), gradients=float(gradients))
    p = ka.attention(g, engine(g), h, SM, 64.0, 128.0, 128.0, 0.0, cold, 0.0, 0.0)
    assert p.fixed >= 0
    assert p.fixed + max(p.matrix, p.vector, p.on_chip, p.hbm) == pytest.approx(p.cycles)


@given(gpus, st.just(1) | st.integers(1, 2000), st.integers(0, 5000), st.integers(1, 40))
def test_what_the_cache_holds_saves_time_and_traffic(g: kc.Gpu, q: int, past: int, batch: int) -> None:
    h = shape(batch=float(batch), q=float(q), kv=float(q + past))
    plans = [ka.attention(g, engine(g), h, SM, 128.0, 64.0, 64.0, 0.0, cold, 1.0 - cold, 0.0)
             for cold in (1.0, 0.5, 0.0)]
    assert plans[0].cycles * (1 + 1e-9) >= plans[1].cycles >= plans[2].cycles * (1 - 1e-9)
    assert plans[0].hbm_bytes > plans[1].hbm_bytes > plans[2].hbm_bytes == 0


def test_keys_beyond_the_cache_are_read_by_every_wave() -> None:
    h = shape(batch=1.0, q=8192.0, kv=8192.0, heads=8.0, kv_heads=1.0, causal=0.0)  # 2 MB of keys, 1024 blocks
    few = ka.attention(PLAIN._replace(l2_capacity=3e6), WARPS, h, SM, 64.0, 128.0, 128.0, 0.0, 1.0, 0.0, 0.0)
    all_in = ka.attention(PLAIN._replace(l2_capacity=5e6), WARPS, h, SM, 64.0, 128.0, 128.0, 0.0, 1.0, 0.0, 0.0)
    kv, io = 8192 * 128 * 2, 2 * 8 * 8192 * 64 * 2
    assert all_in.hbm_bytes == kv + io
    assert few.hbm_bytes == 1024 / 8 * kv + io, "8 SMs: 128 waves"


def test_splitting_the_keys_helps_a_lone_long_sequence() -> None:
    library = np.array([(64, 128, 64, 112)], dtype=np.float64)
    h = shape(batch=1.0, q=1.0, kv=65536.0, heads=2.0, kv_heads=1.0)
    split = ka.best_attention(PLAIN, WARPS, library, h, SM, 1.0, 0.0)[0]
    assert split.splits == 7, "8 SMs, of which the smallest number of parts that fills 85 % is 7"
    lone = ka.best_attention(PLAIN._replace(sms=1.0), WARPS, library, h, SM, 1.0, 0.0)[0]
    assert lone.splits == 1
    assert split.cycles < lone.cycles / 4
    four_tiles = h._replace(kv=448.0)
    assert ka.best_attention(PLAIN, WARPS, library, four_tiles, SM, 1.0, 0.0)[0].splits == 1


def test_decode_kernels_lay_out_their_parts_for_the_batch() -> None:
    """9 sequences on 8 SMs: the rules for one sequence leave the second round to one SM, parts of the batch do not."""
    h = shape(batch=9.0, q=1.0, kv=8192.0, heads=1.0, kv_heads=1.0)
    few = ka.best_attention(PLAIN, WARPS, np.array([(64, 16, 64, 64)], dtype=float), h, SM, 1.0, 0.0)[0]
    plans = [ka.attention(PLAIN, WARPS, h, SM, 16.0, 64.0, 64.0, float(parts), 1.0, 0.0, 0.0).cycles
             for parts in range(1, 8)]
    assert few.cycles <= min(plans)
    assert few.occupancy > 1
    rules = ka.attention(PLAIN, WARPS, h, SM, 16.0, 64.0, 64.0, 0.0, 1.0, 0.0, 0.0)
    assert few.cycles < 0.8 * rules.cycles


def test_the_library_is_entered_at_the_head_dimension() -> None:
    library = np.array([(64, 128, 112, 112), (128, 128, 64, 64), (128, 64, 64, 64), (576, 16, 16, 16)], dtype=float)

    def tile(dim: float, q: float, g: kc.Gpu = PLAIN, gradients: float = 0.0) -> float:
        h = shape(q=q, kv=q, dim=dim, value_dim=dim, gradients=gradients)
        return ka.best_attention(g, WARPS, library, h, SM, 1.0, 0.0)[0].tile

    assert tile(64.0, 1000.0) == 0
    assert tile(80.0, 1000.0) == 1, "several queries per sequence take the most rows"
    assert tile(80.0, 1.0) in (1, 2)
    assert tile(200.0, 1000.0) == 3
    assert tile(128.0, 1000.0, PLAIN._replace(shared=2e4)) in (1, 2), "fewer keys: 16 rows are for decoding"
    assert tile(128.0, 20.0, PLAIN._replace(shared=2e4)) == 3, "what fits"
    assert tile(4096.0, 1000.0) == -1
    assert tile(128.0, 1000.0, gradients=1.0) in (1, 2)
    assert tile(128.0, 1000.0, PLAIN._replace(shared=6.6e4), gradients=1.0) in (1, 2), "halves of both sides"
