"""Fold level: the recurrence against a calendar of every fold, and its closed forms."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import array_folds as kernel

runs = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=5)


def total(folds, port, tail, drains, shadow):
    streams, times = (np.array(column, np.int64) for column in zip(*folds, strict=True))
    return kernel.fold_total(streams, times, port, tail, drains, shadow)


def calendar(streams, port, tail, drains, shadow):
    """Book the port and the PEs fold by fold; return when the array is empty."""
    port_free = pes_free = 0  # cycle from which each is free
    handed = 0  # cycle in which the second set was last handed over
    for stream in streams:
        if not shadow:
            pes_free += stream + port + tail
        elif drains:
            pes_free += stream  # the fold has streamed; it hands its sums over when those before have left
            handed = pes_free = max(pes_free, port_free)
            port_free = handed + port
        else:
            loaded = max(port_free, handed) + port  # the second set is free when the tile before was handed over
            handed = max(loaded, pes_free)
            port_free, pes_free = loaded, handed + stream
    return pes_free if not shadow else (port_free if drains else pes_free) + tail


@given(runs, st.integers(1, 50), st.integers(0, 60), st.booleans(), st.booleans())
def test_total_is_the_last_entry_of_the_calendar(folds, port, tail, drains, shadow):
    streams = [stream for stream, times in folds for _ in range(times)]
    times = total(folds, port, tail, drains, shadow)
    assert sum(times) == calendar(streams, port, tail, drains, shadow)
    assert min(times) >= 0
    assert times.stream == sum(streams)
    assert (times.load if drains else times.drain) == 0


@given(runs, st.integers(1, 50), st.integers(0, 60), st.booleans())
def test_a_second_set_of_registers_never_costs_cycles(folds, port, tail, drains):
    with_set, without = (total(folds, port, tail, drains, shadow) for shadow in (True, False))
    assert sum(with_set) <= sum(without)
    if sum(times for _, times in folds) == 1:
        assert with_set == without  # one fold has nothing to overlap with


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 50), st.integers(0, 60), st.booleans())
def test_equal_folds_have_a_closed_form(stream, folds, port, tail, drains):
    cycles = sum(total([(stream, folds)], port, tail, drains, True))
    assert cycles == port + (folds - 1) * max(stream, port) + stream + tail
    assert sum(total([(stream, folds)], port, tail, drains, False)) == folds * (port + stream + tail)


def test_without_overlap_a_fold_is_the_published_formula():
    # Samajdar et al. 2020, equation 3: 2R + C + T - 2 per fold
    for drains in (False, True):
        times, _, folds = kernel.product_times(300, 200, 77, 128, 64, 1, 1, drains, False)
        assert folds == 3 * 4
        assert sum(times) == 12 * (2 * 128 + 64 + 77 - 2)


def test_words_by_hand():
    # 5 x 3 stationary on 2 x 2 PEs: 3 x 2 tiles; 7 moving rows pass every column of tiles
    _, words, folds = kernel.product_times(5, 3, 7, 2, 2, 1, 1, False, True)
    assert folds == 6
    assert words == (7 * 5 * 2, 5 * 3, 7 * 3 * 3)
    _, words, _ = kernel.product_times(5, 3, 7, 2, 2, 1, 1, True, True)
    assert words == (7 * 5 * 2, 7 * 3 * 3, 5 * 3)
