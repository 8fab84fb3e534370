"""One systolic array: the register level against A @ B, the fold level against the register level."""

import dataclasses
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ArchsimError, UnsupportedError
from archsim.timing import array

COUNTED = [f.name for f in dataclasses.fields(array.ArrayCount)]
OPTIONS = {"rows": 4, "cols": 4}


def numbers(dice, m, n, k):
    return dice.integers(-99, 100, (m, k)), dice.integers(-99, 100, (k, n))


@st.composite
def cases(draw, side=10):
    rows, cols = draw(st.integers(1, side)), draw(st.integers(1, side))
    size = st.integers(1, 3 * max(rows, cols))
    return draw(size), draw(size), draw(size), {
        "rows": rows, "cols": cols, "dataflow": draw(st.sampled_from(list(array.DATAFLOWS))),
        "shadow": draw(st.booleans()), "rows_per_cycle": draw(st.sampled_from([1, 2, 4])),
        "load_rows": draw(st.sampled_from([1, 2, 4, 8])),
    }


def same(run, count):
    return all(getattr(run, name) == getattr(count, name) for name in COUNTED) and run.cycles == count.cycles


# --- the product ------------------------------------------------------------------------------------------------------


@given(cases(), st.integers(0, 2**32 - 1))
def test_the_registers_hold_the_product(case, seed):
    m, n, k, options = case
    a, b = numbers(np.random.default_rng(seed), m, n, k)
    result = array.run(a, b, **options)
    assert result.product.dtype == np.int64
    assert (result.product == a @ b).all()
    assert same(result, array.count(m, n, k, **options))


def test_fold_level_is_register_level_on_a_thousand_cases():
    dice, seen = random.Random(20200823), set()
    for _ in range(1000):
        rows, cols = dice.randint(1, 16), dice.randint(1, 16)
        m, n, k = (dice.randint(1, 3 * max(rows, cols)) for _ in range(3))
        options = {"rows": rows, "cols": cols, "dataflow": dice.choice(["ws", "is", "os"]),
                   "shadow": dice.random() < 0.7, "rows_per_cycle": dice.choice([1, 2, 4]),
                   "load_rows": dice.choice([1, 1, 2, 4, 8])}
        ones = np.ones((m, k), np.int8), np.ones((k, n), np.int8)
        result, expected = array.run(*ones, **options), array.count(m, n, k, **options)
        assert same(result, expected), (m, n, k, options)
        assert (result.product == k).all()
        seen.add((options["dataflow"], options["shadow"], result.cycles))
    assert len(seen) > 500  # the cases differ


def test_float32_adds_up_fold_by_fold():
    dice = np.random.default_rng(3)
    a, b = dice.standard_normal((20, 30), np.float32), dice.standard_normal((30, 10), np.float32)
    for dataflow in array.DATAFLOWS:
        result = array.run(a, b, rows=8, cols=8, dataflow=dataflow).product
        expected = np.zeros((20, 10), np.float32)
        for top in range(0, 30, 30 if dataflow == "os" else 8):  # sums stay for all of k, or fall through eight rows
            fold = np.zeros_like(expected)
            for i in range(top, min(30, top + (30 if dataflow == "os" else 8))):
                fold += a[:, i, None] * b[None, i]
            expected += fold
        assert result.dtype == np.float32
        assert (result == expected).all()  # to the last bit


def test_nan_and_infinity_stay_in_their_row_and_column():
    a, b = np.ones((9, 9), np.float32), np.ones((9, 9), np.float32)
    a[4, 2], b[3, 7] = np.nan, np.inf
    for dataflow in array.DATAFLOWS:
        for shadow in (True, False):
            product = array.run(a, b, **OPTIONS, dataflow=dataflow, shadow=shadow).product
            assert np.isnan(product[4]).all()
            assert np.isinf(np.delete(product, 4, axis=0)[:, 7]).all()
            assert (np.delete(np.delete(product, 4, axis=0), 7, axis=1) == 9).all()


@given(st.sampled_from([np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float16, np.float32]))
def test_types_of_operands(dtype):
    a, b = np.arange(12).reshape(3, 4).astype(dtype), np.arange(8).reshape(4, 2).astype(dtype)
    assert (array.run(a, b, **OPTIONS).product == a.astype(np.int64) @ b.astype(np.int64)).all()


def test_sums_of_integers_do_not_overflow_where_int64_does_not():
    a = np.full((2, 6), -2**31)
    assert (array.run(a, a.T, **OPTIONS).product == a @ a.T).all()  # six times 2**62: numpy wraps, and so do we
    assert (array.run(a[:, :1], a.T[:1], **OPTIONS).product == 2**62).all()


# --- what is measured -------------------------------------------------------------------------------------------------


@given(cases())
def test_every_multiply_add_happens_in_one_busy_cycle(case):
    m, n, k, options = case
    result = array.run(np.ones((m, k), np.int8), np.ones((k, n), np.int8), **options)
    long = {"ws": m, "is": n, "os": k}[options["dataflow"]]
    high, wide = {"ws": (k, n), "is": (k, m), "os": (m, n)}[options["dataflow"]]
    steps = -(-long // options["rows_per_cycle"])
    tiles = np.zeros((options["rows"], options["cols"]), int)
    for i in range(high):
        for j in range(wide):
            tiles[i % options["rows"], j % options["cols"]] += steps
    assert (result.activity == tiles).all()
    assert result.activity.max() <= result.cycles
    assert 0 < result.utilization <= 1
    assert result.port_rows <= options["load_rows"]
    assert result.register_reads >= 2 * result.macs
    assert result.register_writes >= 2 * result.macs


@pytest.mark.parametrize("dataflow", list(array.DATAFLOWS))
@pytest.mark.parametrize("shadow", [True, False])
def test_cores_change_nothing(dataflow, shadow, monkeypatch):
    a, b = numbers(np.random.default_rng(5), 40, 50, 30)
    options = {"rows": 7, "cols": 5, "dataflow": dataflow, "shadow": shadow, "load_rows": 2}
    whole = array.run(a, b, **options)
    monkeypatch.setattr(array, "PARALLEL", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    split = array.run(a, b, **options)
    for f in dataclasses.fields(array.ArrayRun):
        assert np.array_equal(getattr(whole, f.name), getattr(split, f.name)), f.name


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_ctrl_c_ends_a_long_run(dataflow):
    square, long = np.ones((256, 256), np.int8), np.ones((400_000, 256), np.int8)  # some 7 s
    array.run(square, square, **OPTIONS, dataflow=dataflow)  # compiled before
    timer = threading.Timer(0.3, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        array.run(*((long, square) if dataflow == "ws" else (long.T, long)), rows=256, cols=256, dataflow=dataflow)
    assert time.monotonic() - start < 3


@given(cases(64), st.sampled_from(["rows_per_cycle", "load_rows"]))
def test_wider_is_never_slower_and_overlap_never_costs(case, wider):
    m, n, k, options = case
    cycles = array.count(m, n, k, **options).cycles
    assert array.count(m, n, k, **{**options, wider: 2 * options[wider]}).cycles <= cycles
    assert array.count(m, n, k, **{**options, "shadow": True}).cycles <= cycles
    for larger in ((m + 1, n, k), (m, n + 1, k), (m, n, k + 1)):
        assert array.count(*larger, **options).cycles >= cycles


def test_a_long_product_on_a_loaded_array_nears_its_peak():
    count = array.count(8192, 8192, 8192, rows=128, cols=128, load_rows=4)
    assert count.cycles == 32 + 64 * 64 * 8192 + 254
    assert count.utilization > 0.99999
    assert (count.load, count.skew, count.drain) == (32, 254, 0)


def test_too_few_rows_to_hide_a_load():
    # 32 rows, two a cycle, against 64 cycles of load: a quarter of peak
    count = array.count(32, 8192, 8192, rows=256, cols=256, rows_per_cycle=2, load_rows=4)
    assert count.utilization == pytest.approx(0.25, rel=0.01)
    assert count.load == 64 + (32 * 32 - 1) * (64 - 16)


def test_one_more_row_costs_one_more_cycle():
    cycles = [array.count(m, 512, 512, rows=128, cols=128).cycles for m in range(128, 400)]
    assert {after - before for before, after in itertools.pairwise(cycles)} == {16}  # one in each fold


# --- traces -----------------------------------------------------------------------------------------------------------


@given(cases(4))
def test_a_trace_shows_what_its_tags_say(case):
    m, n, k, options = case
    a, b = numbers(np.random.default_rng(m + 10 * n + 100 * k), m, n, k)
    a[a == 0] = b[b == 0] = 1  # a zero would be taken for an empty register below
    frames, expected = array.trace(a, b, **options), array.count(m, n, k, **options)
    assert [frame.cycle for frame in frames] == list(range(expected.cycles))
    assert {cause: sum(f.cause == cause for f in frames) for cause in array.CAUSES} == {
        cause: getattr(expected, cause) for cause in array.CAUSES}
    seen = set()
    second = {"ws": b, "is": a, "os": a @ b}[options["dataflow"]]
    for frame in frames:
        for values, tags, matrix in ((frame.a, frame.a_at, a), (frame.b, frame.b_at, b),
                                     (frame.second, frame.second_at, second)):
            held = tags[..., 0] >= 0
            assert (values[held] == matrix[tags[held][:, 0], tags[held][:, 1]]).all()
            if matrix is not second:
                assert (values[~held] == 0).all()
        sums = frame.sums_at.reshape(-1, 2)
        seen.update((m, n) for m, n in sums.tolist() if m >= 0)
    assert seen == {(i, j) for i in range(m) for j in range(n)}


def test_a_wavefront_by_hand():
    # out = a b with 2 x 2 weights: a[m, k] meets b[k, n] two cycles (the load) + m + k + n after the start
    a, b = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
    frames = array.trace(a, b, rows=2, cols=2)
    assert [f.cause for f in frames] == ["load", "load", "stream", "stream", "skew", "skew"]
    for m in range(2):
        for k in range(2):
            for n in range(2):
                frame = frames[2 + m + k + n]
                assert frame.a[0, k, n] == a[m, k]
                assert tuple(frame.a_at[0, k, n]) == (m, k)
                assert tuple(frame.b_at[0, k, n]) == (k, n)
                assert frame.sums[0, k, n] == a[m, : k + 1] @ b[: k + 1, n]
                assert tuple(frame.sums_at[0, k, n]) == (m, n)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "message"), [
    ({"dataflow": "sw"}, "unknown dataflow 'sw': did you mean 'ws'"),
    ({"dataflow": None}, "unknown dataflow"),
    ({"dataflow": []}, "unknown dataflow"),
    ({"rows": 0}, "rows must be from 1"),
    ({"cols": 2.5}, "cols must be a whole number"),
    ({"load_rows": "many"}, "load_rows must be a whole number"),
    ({"rows_per_cycle": 0}, "rows_per_cycle must be from 1"),
    ({"shadow": "no"}, "shadow must be True or False"),
])
def test_a_wrong_array_is_named(change, message):
    for call in (lambda **o: array.count(2, 2, 2, **o), lambda **o: array.run(np.eye(2, dtype=int), [[1], [2]], **o)):
        with pytest.raises(ArchsimError, match=message):
            call(**{**OPTIONS, **change})


@pytest.mark.parametrize(("a", "b", "message"), [
    (np.ones((2, 3), int), np.ones((2, 3), int), "the columns of a must be as many as the rows of b"),
    (np.ones(3, int), np.ones((3, 1), int), "a must be a matrix"),
    (np.ones((2, 3), int), np.ones((3, 0), int), "b must be a matrix with at least one"),
    ([[1, 2], [3]], np.ones((2, 1), int), "rows differ in length"),
    (np.ones((2, 2), int), np.ones((2, 2), np.float32), "not one by the other"),
    (np.full((1, 1), 2**31), np.ones((1, 1), int), "do not fit in 32 bits"),
])
def test_wrong_matrices_are_named(a, b, message):
    with pytest.raises(ArchsimError, match=message):
        array.run(a, b, **OPTIONS)


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, bool, object, str])
def test_a_type_that_the_array_does_not_take(dtype):
    with pytest.raises(UnsupportedError, match="takes float16, float32 and integers"):
        array.run(np.ones((2, 2)).astype(dtype), np.ones((2, 2)), **OPTIONS)


def test_what_is_too_large_is_refused_before_it_starts():
    with pytest.raises(ArchsimError, match="too large a product"):
        array.count(2**30, 2**30, 2, **OPTIONS)
    count = array.count(2**30, 2**29, 2, rows=1, cols=65536)  # the largest that is taken
    assert count.cycles == 1 + 2**14 * 2**30 + 65535
    with pytest.raises(ArchsimError, match="too many for the register level"):
        array.run(np.ones((9000, 9), np.int8), np.ones((9, 9000), np.int8), rows=16384, cols=16384)
    with pytest.raises(ArchsimError, match="at most 16 x 16"):
        array.trace(np.eye(2, dtype=int), np.eye(2, dtype=int), rows=32, cols=4)
    with pytest.raises(ArchsimError, match="at most 5,000 cycles"):
        array.trace(np.ones((6000, 1), int), np.ones((1, 1), int), **OPTIONS)


def test_one_array_loads_no_operators():
    code = ("import sys; import archsim.timing.array; "
            "print(*(name for name in sys.modules if name.startswith(('archsim.workload', 'archsim.hardware'))))")
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"
