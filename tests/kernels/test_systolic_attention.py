"""Attention on systolic arrays against naive versions that visit every query, block, step and plan."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import systolic as kernel
from archsim.kernels import systolic_attention as attention
from tests.kernels.test_systolic import ENGINE, engines, naive_ways


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
    h = attention.Heads(1, 1, q_len, q_len + before, 64, 64, 1, window, 2.0, 2.0, 2.0, 0, 4.0, 1.0, 1.0, 1.0)
    assert attention.visible(h, first, end) == naive_visible(h, first, end)


@given(engines(), st.integers(1, 300), st.integers(1, 600), st.sampled_from([64, 200]), st.sampled_from([64, 128]))
def test_a_step_takes_the_ways_of_its_products_that_are_fastest_together(e, rows, keys, head_dim, value_dim):
    h = attention.Heads(1, 1, 1, keys, head_dim, value_dim, 1, 0, 2.0, 1.0, 2.0, 0, 4.0, 1.0, 1.0, 1.0)
    out = np.empty(6)
    attention.step_work(e, h, rows, keys, 1, out)
    both = itertools.product(naive_ways(e, rows, keys, head_dim, False, 4.0),
                             naive_ways(e, rows, value_dim, keys, True, 4.0))
    slow, moved = min((max(c1 + c2, (r1 + r2 + 4.0 * rows * keys) / e.read_port + 2 * e.latency,
                           (w1 + w2 + e.operand * rows * keys) / e.write_port + 2 * e.latency),
                       r1 + r2 + w1 + w2 + (4.0 + e.operand) * rows * keys) for (c1, r1, w1), (c2, r2, w2) in both)
    assert max(out[0] + out[2], out[3] + 2 * e.latency) == pytest.approx(slow)
    assert out[5] == pytest.approx(moved)
    scores = float(rows * keys)
    assert out[4] == max((4 * scores + 2 * rows * value_dim + keys * (head_dim + value_dim)) / e.vector,
                         (scores + rows) / e.exps, 2 * rows * min(keys, e.row_lanes) / e.cross)


def naive_attention(e, h, bq, bkv, resident):
    """Visit every key block of every query block of one unit; return seconds of its steps and bytes of keys."""
    seconds = keys = 0.0
    on_chip = set()
    out = np.empty(6)
    for q in range(0, h.q_len, bq):
        tokens = min(bq, h.q_len - q)
        low, high = attention.visible(h, q, q + tokens)
        blocks = [(b, min(bkv, h.kv_len - b)) for b in range(0, h.kv_len, bkv) if b < high and b + bkv > low]
        fetched = sum(size for b, size in blocks if not resident or b not in on_chip)
        on_chip |= {b for b, _ in blocks}
        moved = fetched * (h.head_dim + h.value_dim) * h.kv_size
        keys += moved
        moved += tokens * h.group * h.head_dim * h.q_size
        stored = tokens * h.group * h.value_dim * h.q_size
        for _, size in blocks:
            attention.step_work(e, h, h.group * tokens, size, 1, out)
            memory = kernel.transfer(e, e.bandwidth, moved / len(blocks), stored / len(blocks))
            array, ports = out[0] + out[2], out[3] + 2 * e.latency
            seconds += max(max(max(array, ports) / e.clock, out[4]) + e.step, memory)
    return seconds, keys


@given(engines(), st.integers(1, 4), st.integers(1, 200), st.integers(0, 300), st.booleans(), st.integers(0, 150),
       st.sampled_from([16, 50, 200]), st.sampled_from([16, 64, 500]), st.booleans())
def test_attention_is_the_sum_of_its_steps(e, group, q_len, before, causal, window, bq, bkv, resident):
    h = attention.Heads(1, group, q_len, q_len + before, 64, 32, int(causal), window, 2.0, 1.0, 2.0, 0, 4.0, 1.0, 1.0,
                        1.0)
    bq, bkv = min(bq, h.q_len), min(bkv, h.kv_len)
    w = attention.attend(e, h, 1, bq, bkv, 1, resident)
    seconds, keys = naive_attention(e, h, bq, bkv, resident)
    ends = e.read_latency + e.write_latency + kernel.transfer(e, e.bandwidth, 0.0, min(bq, q_len) * group * 32 * 2.0)
    assert w.seconds >= (seconds + ends) * (1 - 1e-12)
    first = kernel.transfer(e, e.bandwidth, keys + bq * group * 64 * 2.0, 0.0)
    assert w.seconds <= (seconds + ends) * (1 + 1e-12) + first
    assert w.read == pytest.approx(keys + group * q_len * 64 * 2.0)
    assert sum(w.split) == pytest.approx(w.seconds, rel=1e-9)
    assert min(w.split) >= -1e-12 * w.seconds
    assert attention.least_seconds(e, h, 1, bq, bkv, 1, resident) <= w.seconds * (1 + 1e-12)


@given(engines(), st.integers(1, 20), st.integers(1, 8), st.integers(1, 300), st.integers(1, 30))
def test_packed_units_share_steps_and_the_last_step_has_the_rest(e, units, group, keys, pack):
    h = attention.Heads(units, group, 1, keys, 64, 64, 1, 0, 2.0, 2.0, 2.0, 0, 4.0, 1.0, 1.0, 1.0)
    pack = min(pack, units)
    w = attention.attend(e, h, 1, 1, keys, pack, False)
    out = np.empty(6)
    steps = [min(pack, units - first) for first in range(0, units, pack)]
    loaded, stored = keys * 128 * 2.0 + group * 64 * 2.0, group * 64 * 2.0
    seconds = e.read_latency + e.write_latency
    for p in steps:
        attention.step_work(e, h, group, keys, p, out)
        memory = kernel.transfer(e, e.bandwidth, loaded * p, stored * p)
        array, ports = out[0] * p + out[2], out[3] * p + 2 * e.latency
        seconds += max(max(max(array, ports) / e.clock, out[4] * p) + e.step, memory)
    seconds += kernel.transfer(e, e.bandwidth, loaded * steps[0], 0.0)
    seconds += kernel.transfer(e, e.bandwidth, 0.0, stored * steps[-1])
    assert w.seconds == pytest.approx(seconds, rel=1e-12)


@st.composite
def attentions(draw):
    q_len = draw(st.one_of(st.just(1), st.integers(1, 200)))
    return attention.Heads(draw(st.integers(1, 12)), draw(st.integers(1, 4)), q_len, q_len + draw(st.integers(0, 300)),
                           64, 64, draw(st.integers(0, 1)), draw(st.sampled_from([0, 0, 40])), 2.0, 2.0, 2.0,
                           draw(st.integers(0, 1)), draw(st.sampled_from([4.0, 6.0])),
                           draw(st.sampled_from([1.0, 2.0])), *draw(st.sampled_from([(1.0, 1.0), (2.5, 2.1)])))


@given(engines(), attentions(), st.sampled_from([1, 2, 3]))
def test_the_attention_search_finds_what_an_exhaustive_one_finds(e, h, cores):
    (*_, used, cuts), found = attention.search_attention(e, h, cores)
    best = math.inf
    for pieces in range(1, cores + 1) if h.q_len == 1 and h.units < cores else (1,):
        if pieces == 1:
            g = h
        else:  # each piece is a unit of its own, and leaves float32 sums
            g = h._replace(units=h.units * pieces, kv_len=-(-h.kv_len // pieces), causal=0, window=0, out_size=4.0)
            if pieces > -(-h.kv_len // max(e.rows, e.cols)):
                continue
        for bq, bkv, resident, n in itertools.product(
            kernel.block_sizes(g.q_len, max(1, e.granule // g.group)),
            kernel.block_sizes(g.kv_len, max(e.rows, e.cols)), (False, True), range(1, cores + 1),
        ):
            if n > g.units * (1 if resident else math.ceil(g.q_len / bq)):
                continue
            single = bq == g.q_len and bkv == g.kv_len
            for pack in kernel.block_sizes(-(-g.units // n), 1) if single else (1,):
                if attention.attention_bytes(e, g, bq, bkv, pack, resident) <= e.capacity:
                    seconds = attention.attend(e, g, n, bq, bkv, pack, resident).seconds
                    if pieces > 1:
                        seconds += attention.merge(e, h, pieces, n).seconds
                    best = min(best, seconds)
    assert found.seconds == best
    assert used <= cores
    if cuts > 1:
        rows = h.units * h.group
        assert found.written == pytest.approx(rows * 64 * (4.0 * cuts * h.traffic + 2.0))
        assert found.read >= (rows + h.units * min(h.kv_len, h.window or h.kv_len)) * 64 * 2.0
    if math.isfinite(best):
        assert sum(found.split) == pytest.approx(best, rel=1e-9)
        assert min(found.split) >= -1e-12 * best


def test_merging_reads_every_partial_result_once():
    h = attention.Heads(2, 4, 1, 4096, 64, 128, 1, 0, 2.0, 2.0, 2.0, 0, 4.0, 1.0, 1.0, 1.0)
    w = attention.merge(ENGINE, h, 3, 2)
    assert 2 * w.read == 3 * (2 * 4) * (128 + 2) * 4.0  # cuts x rows x (sums, maximum and sum of exponentials)
    assert 2 * w.written == 2 * 4 * 128 * 2.0
    assert w.seconds > ENGINE.read_latency + ENGINE.write_latency + w.memory


@given(engines(), attentions(), st.integers(1, 12), st.integers(1, 12))
def test_more_cores_never_make_attention_slower(e, h, cores, more):
    fewer, many = (attention.search_attention(e, h, c)[1].seconds for c in (cores, cores + more))
    assert many <= fewer * (1 + 1e-12)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 80), st.booleans())
def test_pairs_are_counted_query_by_query(q_len, before, window, causal):
    h = attention.Heads(1, 1, q_len, q_len + before, 64, 64, int(causal), window, 2.0, 2.0, 2.0, 0, 4.0, 1.0, 1.0, 1.0)
    sees = [min(before + i + 1 if causal else h.kv_len, window or h.kv_len) for i in range(q_len)]
    assert attention.pairs(h) == sum(sees)
