"""The fold-level kernels against naive versions that visit every fold, block and step."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import systolic as kernel
from archsim.kernels import systolic_attention as attention

ENGINE = kernel.Engine(
    rows=128, cols=128, arrays=4, rate=1.0, granule=16, min_issue=1.0, load=32.0, latency=131.0, keep_rows=128,
    read_port=8192.0, write_port=4096.0, operand=2.0, clock=1.5e9, vector=6e12, exps=1.5e12, capacity=2.0**24,
    read_latency=1e-6, write_latency=5e-7, step=2.5e-7, bandwidth=7e11, dma=math.inf, write_cost=1.1,
)


def gemm(m, n, k, batch=1, **more):
    return kernel.Gemm(**{"m": m, "n": n, "k": k, "batch": batch, "a_size": 2.0, "b_size": 2.0, "side": 0.0,
                          "out": 2.0, "ops": 0.0, "exps": 0.0, **more})


@st.composite
def engines(draw):
    rows = draw(st.sampled_from([4, 8, 32, 128, 256]))
    rate = draw(st.sampled_from([0.25, 1.0, 2.0]))
    load = draw(st.sampled_from([1.0, rows / 4, float(rows)]))
    return ENGINE._replace(
        rows=rows, cols=draw(st.sampled_from([4, 16, 128])), arrays=draw(st.integers(1, 6)), rate=rate, load=load,
        granule=draw(st.sampled_from([1, 8, 16])), min_issue=draw(st.sampled_from([1.0, 64.0])),
        keep_rows=draw(st.integers(1, 600)), read_port=draw(st.sampled_from([64.0, 1024.0, 8192.0])),
        write_port=draw(st.sampled_from([64.0, 512.0, 4096.0])), latency=draw(st.sampled_from([1.0, 131.0])),
        capacity=draw(st.sampled_from([2.0**20, 2.0**22, 2.0**24])), step=draw(st.sampled_from([0.0, 2.5e-7])),
        bandwidth=draw(st.sampled_from([1e10, 7e11, 1e13])), dma=draw(st.sampled_from([1e11, math.inf])),
    )


@st.composite
def gemms(draw, high=700):
    size = st.integers(1, high)
    return gemm(draw(size), draw(size), draw(size), draw(st.integers(1, 4)),
                b_size=draw(st.sampled_from([0.5, 1.0, 2.0])), side=draw(st.sampled_from([0.0, 2.0])),
                out=draw(st.sampled_from([1.0, 2.0, 4.0])), ops=draw(st.sampled_from([0.0, 30.0])),
                exps=draw(st.sampled_from([0.0, 1.0])))


# --- blocks -----------------------------------------------------------------------------------------------------------


def naive_block(e, m, n, k, carried, result):
    """Deal every weight tile to an array, stream every chunk of rows past it, and count every byte."""
    tiles = [(i, j) for j in range(0, n, e.cols) for i in range(0, k, e.rows)]
    found = []
    sharing = 1  # arrays that hold the same tile and split the moving rows
    while sharing <= e.arrays:
        mine = math.ceil(math.ceil(m / sharing) / e.granule) * e.granule
        for in_place in (False, True):
            chunk = max(e.granule, e.keep_rows // e.granule * e.granule) if in_place else mine
            chunks = range(0, mine, chunk)
            busy = [0.0] * (e.arrays // sharing)
            for t in range(len(tiles)):
                busy[t % len(busy)] += sum(max(min(chunk, mine - c) / e.rate, e.load, e.min_issue) for c in chunks)
            crossing = 0.0 if in_place else 4.0 * m * n * (math.ceil(k / e.rows) - 1)
            read = crossing + 4.0 * m * n * carried
            for i, j in tiles:
                depth, width = min(e.rows, k - i), min(e.cols, n - j)
                read += m * depth * e.operand + depth * width * e.operand * sharing * len(chunks)
            written = crossing + result * m * n
            port = max(read / e.read_port, written / e.write_port)
            found.append((max(*busy, port), read + written, max(busy), port, read, written))
        sharing *= 2
    return min(found)


@given(engines(), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_a_block_is_the_sum_of_its_folds(e, m, n, k, carried):
    cycles, port, read, written = kernel.block_cycles(e, m, n, k, carried, 2.0)
    slow, moved, *_ = naive_block(e, m, n, k, carried, 2.0)
    assert max(cycles, port) == pytest.approx(slow)
    assert read + written == pytest.approx(moved)
    assert cycles >= m * n * k / (e.rows * e.cols * e.arrays * e.rate) * (1 - 1e-12)


def test_a_fold_costs_the_longer_of_stream_and_weight_load():
    assert kernel.fold_cycles(ENGINE, 8) == 32.0  # 16 rows stream, 32 cycles load
    assert kernel.fold_cycles(ENGINE, 32) == 32.0
    assert kernel.fold_cycles(ENGINE, 33) == 48.0  # whole granules of 16 rows
    assert kernel.fold_cycles(ENGINE._replace(min_issue=64.0), 8) == 64.0


# --- walks ------------------------------------------------------------------------------------------------------------


def naive_walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, bandwidth):
    """Visit every step in order; load what is not on chip; write a result while the next is computed."""
    ms, ns, ks = ([(i, min(b, size - i)) for i in range(0, size, b)]
                  for size, b in ((g.m, bm), (g.n, bn), (g.k, bk)))
    tiles = [(i, j) for j in ns for i in ms] if swap else [(i, j) for i in ms for j in ns]
    steps = [(b, i, j, p) for b in range(0, g.batch, pack) for i, j in tiles for p in ks]
    seconds = e.read_latency + e.write_latency
    read = written = 0.0
    seen = set()
    for b, i, j, p in steps:
        m, n, k = i[1], j[1], p[1]  # of each of `pack` products
        fresh = {}
        for name, block in (("a", (b, i, p)), ("b", (b, p, j))):
            keep = keep_outer if (name == "b") == swap else keep_inner
            fresh[name] = not keep or (name, block) not in seen
            seen.add((name, block))
        load = g.a_size * m * k * fresh["a"] + g.b_size * k * n * fresh["b"] + g.side * m * n / len(ks)
        store = g.out * m * n / len(ks)
        plain = k * n * (fresh["b"] and g.b_size < e.operand) + g.ops * m * n * (p == ks[-1])
        lanes = max(plain / e.vector, g.exps * m * n * (p == ks[-1]) / e.exps)
        cycles, port, _, _ = kernel.block_cycles(e, m, n, k, p != ks[0], g.out if p == ks[-1] else 4.0)
        work = max(max(cycles, port) / e.clock * pack + (e.load + e.latency) / e.clock, lanes * pack)
        moved = 0.0
        if (b, i, j, p) == steps[0]:
            seconds += pack * load / bandwidth  # nothing to hide behind
        else:
            moved += load
        if (b, i, j) != steps[-1][:3]:
            moved += store * e.write_cost
        seconds += max(work, pack * moved / bandwidth) + e.step
        read += pack * load
        written += pack * store
    return seconds + pack * g.out * ms[-1][1] * ns[-1][1] * e.write_cost / bandwidth, read, written


@given(engines(), gemms(high=300), st.sampled_from([16, 64, 300]), st.sampled_from([16, 100, 300]),
       st.sampled_from([20, 64, 300]), st.booleans(), st.booleans(), st.booleans())
def test_a_walk_is_the_sum_of_its_steps(e, g, bm, bn, bk, swap, keep_outer, keep_inner):
    bm, bn, bk = min(bm, g.m), min(bn, g.n), min(bk, g.k)
    pack = 2 if (bm, bn, bk) == (g.m, g.n, g.k) and g.batch % 2 == 0 else 1
    table = np.empty((2, 2, 3, 4))
    kernel.fill_blocks(e, g, bm, bn, bk, table)
    w = kernel.walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, 7e11, table)
    seconds, read, written = naive_walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, 7e11)
    assert w.seconds == pytest.approx(seconds, rel=1e-9)
    assert w.read == pytest.approx(read, rel=1e-9)
    assert w.written == pytest.approx(written, rel=1e-9)
    for busy in (w.matrix, w.port, w.vector, w.fixed, (w.read + w.written * e.write_cost) / 7e11):
        assert busy <= w.seconds * (1 + 1e-12)


# --- the search -------------------------------------------------------------------------------------------------------


def exhaustive(e, g, cores):
    """Try every candidate without pruning, with every residency that fits."""
    best = math.inf
    table = np.empty((2, 2, 3, 4))
    for cb, cm in itertools.product(range(1, cores + 1), repeat=2):
        if cb > g.batch or cores % (cb * cm):
            continue
        own = g._replace(m=kernel.share(g.m, cm, e.granule), n=kernel.share(g.n, cores // cb // cm, e.cols),
                         batch=-(-g.batch // cb))
        used = -(-g.m // own.m) * -(-g.n // own.n) * -(-g.batch // own.batch)
        sizes = (kernel.block_sizes(own.m, e.granule, min(own.m, 64)), kernel.block_sizes(own.n, e.cols, e.cols),
                 kernel.block_sizes(own.k, e.rows, e.rows))
        for bm, bn, bk in itertools.product(*sizes):
            kernel.fill_blocks(e, own, bm, bn, bk, table)
            packs = [p for p in (1, 2, 4) if own.batch % p == 0] if (bm, bn, bk) == (own.m, own.n, own.k) else [1]
            for *how, pack in itertools.product((False, True), (False, True), (False, True), packs):
                if kernel.footprint(e, own, bm, bn, bk, *how, pack) <= e.capacity:
                    w = kernel.walk(e, own, bm, bn, bk, *how, pack, min(e.bandwidth / used, e.dma), table)
                    best = min(best, w.seconds)
    return best


@given(engines(), gemms(), st.sampled_from([1, 2, 4, 6]))
def test_the_search_finds_what_an_exhaustive_one_finds(e, g, cores):
    plan, seconds = kernel.search(e, g, cores)
    assert seconds == pytest.approx(exhaustive(e, g, cores), rel=1e-12)
    if math.isfinite(seconds):
        busiest, used, read, written, _ = kernel.follow(e, g, plan)
        assert busiest.seconds == pytest.approx(seconds, rel=1e-12)
        assert 1 <= used <= cores
        product = g.batch * (g.a_size * g.m * g.k + g.b_size * g.k * g.n + g.side * g.m * g.n)
        assert read >= product * (1 - 1e-12)
        assert written == pytest.approx(g.out * g.batch * g.m * g.n)


def test_block_sizes_are_the_whole_and_its_halves_in_whole_units():
    assert list(kernel.block_sizes(8192, 128, 1024)) == [8192, 4096, 2048, 1024]
    assert list(kernel.block_sizes(3000, 16, 500)) == [3000, 1504, 752]
    assert list(kernel.block_sizes(100, 128, 128)) == [100]


# --- attention --------------------------------------------------------------------------------------------------------


def naive_visible(h, first, end):
    """Return the first and one past the last key that any of the queries sees, query by query."""
    keys = set()
    for q in range(first, end):
        if h.causal:
            newest = h.kv_len - h.q_len + q
            keys |= set(range(max(0, newest - h.window + 1) if h.window else 0, newest + 1))
    return min(keys), max(keys) + 1


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 30), st.integers(0, 39), st.integers(1, 40))
def test_a_query_block_sees_the_keys_that_its_queries_see(q_len, before, window, first, tokens):
    first = min(first, q_len - 1)
    end = min(q_len, first + tokens)
    h = attention.Heads(1, 1, q_len, q_len + before, 64, 64, 1, window, 2.0, 2.0)
    assert attention.visible(h, first, end) == naive_visible(h, first, end)


def naive_attention(e, h, bq, bkv, resident):
    """Visit every key block of every query block of one unit; return seconds of its steps and bytes of keys."""
    seconds = keys = 0.0
    on_chip = set()
    start = 2.0 * (e.load + e.latency) / e.clock
    out = np.empty(4)
    for q in range(0, h.q_len, bq):
        tokens = min(bq, h.q_len - q)
        low, high = attention.visible(h, q, q + tokens)
        blocks = [(b, min(bkv, h.kv_len - b)) for b in range(0, h.kv_len, bkv) if b < high and b + bkv > low]
        fetched = sum(size for b, size in blocks if not resident or b not in on_chip)
        on_chip |= {b for b, _ in blocks}
        moved = fetched * (h.head_dim + h.value_dim) * h.kv_size
        keys += moved
        moved += tokens * h.group * (h.head_dim + h.value_dim * e.write_cost) * h.q_size
        for _, size in blocks:
            attention.step_work(e, h, h.group * tokens, size, out)
            seconds += max(out[0] + start, out[1], out[2], moved / len(blocks) / e.bandwidth) + e.step
    return seconds, keys


@given(engines(), st.integers(1, 4), st.integers(1, 200), st.integers(0, 300), st.booleans(), st.integers(0, 150),
       st.sampled_from([16, 50, 200]), st.sampled_from([16, 64, 500]), st.booleans())
def test_attention_is_the_sum_of_its_steps(e, group, q_len, before, causal, window, bq, bkv, resident):
    e = e._replace(dma=math.inf)
    h = attention.Heads(1, group, q_len, q_len + before, 64, 32, int(causal), window, 2.0, 1.0)
    bq, bkv = min(bq, h.q_len), min(bkv, h.kv_len)
    w = attention.attend(e, h, 1, bq, bkv, 1, resident)
    seconds, keys = naive_attention(e, h, bq, bkv, resident)
    ends = e.read_latency + e.write_latency + bq * group * 32 * 2.0 * e.write_cost / e.bandwidth
    assert w.seconds >= (seconds + ends) * (1 - 1e-12)
    assert w.seconds <= (seconds + ends) * (1 + 1e-12) + (keys + bq * group * 64 * 2.0) / e.bandwidth
    assert w.read == pytest.approx(keys + group * q_len * 64 * 2.0)


@given(engines(), st.integers(1, 12), st.integers(1, 4), st.integers(1, 200), st.integers(0, 300))
def test_the_attention_search_finds_what_an_exhaustive_one_finds(e, units, group, q_len, before):
    h = attention.Heads(units, group, q_len, q_len + before, 64, 64, 1, 0, 2.0, 2.0)
    _, found = attention.search_attention(e, h, 2)
    best = math.inf
    for bq, bkv, pack, resident in itertools.product(
        kernel.block_sizes(q_len, max(1, e.granule // group), min(q_len, max(1, 64 // group))),
        kernel.block_sizes(h.kv_len, max(e.rows, e.cols), 1), (1, 2, 4, 8), (False, True),
    ):
        single = bq == q_len and bkv == h.kv_len
        if (pack > 1 and not (single and pack < units)) or (resident and units < 2 and bq < q_len):
            continue
        if attention.attention_bytes(e, h, bq, bkv, pack, resident) <= e.capacity:
            best = min(best, attention.attend(e, h, 2, bq, bkv, pack, resident).seconds)
    assert found.seconds == best
