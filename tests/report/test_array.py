"""A product on one array as text and data: shares add up, sentences name the true cause, levels agree."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.report import array
from archsim.report.data import to_json
from archsim.timing.array import count

SIZES = st.integers(1, 200)
COUNTS = st.builds(
    lambda m, n, k, rows, cols, dataflow, shadow, lanes, port: count(
        m, n, k, rows=rows, cols=cols, dataflow=dataflow, shadow=shadow, rows_per_cycle=lanes,
        load_rows=min(port, rows)),
    SIZES, SIZES, SIZES, st.integers(1, 40), st.integers(1, 40), st.sampled_from(["ws", "os", "is"]), st.booleans(),
    st.sampled_from([1, 2, 4]), st.integers(1, 8))


def text(parts):
    return "\n".join(map(str, parts))


@given(COUNTS)
def test_shares_add_up_to_all_cycles(c):
    shares = array.shares(c)
    assert sum(s.cycles for s in shares) == pytest.approx(c.cycles)
    assert all(s.cycles >= 0 for s in shares)
    assert shares[0].cycles / c.cycles == pytest.approx(c.utilization)


@given(COUNTS)
def test_the_bar_has_the_length_of_its_shares(c):
    drawn = array.bar(c)
    assert len(drawn) == array.BAR
    work = array.shares(c)[0]
    assert abs(drawn.count(work.mark) - array.BAR * work.cycles / c.cycles) <= 0.5


@given(COUNTS)
def test_every_change_told_is_worth_it_and_the_best_comes_first(c):
    better = [change.then.utilization for change in array.changes(c)]
    assert better == sorted(better, reverse=True)
    assert all(u >= c.utilization + array.WORTH for u in better)


@given(COUNTS)
def test_text_and_data_hold_for_any_product(c):
    assert str(c.folds) in text(array.sheets(c)).replace(",", "")
    data = json.loads(to_json(array.array_data(c, clock=1e9)))
    assert data["time_s"] == pytest.approx(c.cycles / 1e9)
    assert sum(data["cycles_by_cause"].values()) == pytest.approx(c.cycles)


@pytest.mark.parametrize(
    ("sizes", "how", "words"),
    [
        ((64, 33, 64), {"rows": 32, "cols": 32}, ["edges", "N = 33 fills 1.03 of 2 tiles of 32"]),
        ((5, 32, 32), {"rows": 32, "cols": 32, "rows_per_cycle": 4}, ["skew", "32 + 32 - 2 cycles", "once"]),
        ((64, 64, 64), {"rows": 32, "cols": 32, "shadow": False}, ["skew", "for each of 4 tiles"]),
        ((2, 320, 320), {"rows": 32, "cols": 32}, ["load", "in 32 cycles", "hide 2 of them"]),
        ((320, 320, 2), {"rows": 32, "cols": 32, "dataflow": "os"}, ["drain", "drains in 32 cycles"]),
        ((2, 320, 320), {"rows": 32, "cols": 2, "shadow": False}, ["load", "without shadow registers"]),
        ((9, 1, 1), {"rows": 1, "cols": 1, "rows_per_cycle": 2}, ["load", "in 1 cycle;"]),
        ((99_999, 32, 32), {"rows": 32, "cols": 32}, ["No loss takes 1 %"]),
    ],
)
def test_the_verdict_names_the_cause(sizes, how, words):
    said = array.verdict(count(*sizes, **how))
    for word in words:
        assert word in said


def test_filling_partial_tiles_costs_no_cycle_as_the_verdict_says():
    partial = count(64, 33, 40, rows=32, cols=32)
    assert "filling them costs no cycle more" in array.verdict(partial)
    assert count(64, 64, 64, rows=32, cols=32).cycles == partial.cycles


def test_shadow_registers_are_proposed_where_they_help():
    c = count(64, 64, 64, rows=32, cols=32, shadow=False)
    proposed = {change.what: change.then for change in array.changes(c)}
    assert proposed["shadow registers"] == count(64, 64, 64, rows=32, cols=32)


def test_what_cannot_be_counted_is_not_proposed():
    c = count(2**31 - 1, 3, 3, rows=8, cols=8, shadow=False)
    what = [change.what for change in array.changes(c)]
    assert any("4 × 4" in w for w in what)
    assert not any("M = " in w for w in what)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_the_register_level_is_run_and_compared(dataflow):
    c = count(9, 7, 11, rows=4, cols=3, dataflow=dataflow)
    measured = array.measure(c)
    assert f"Register level agrees: {c.cycles} cycles" in text(array.sheets(c, measured))
    assert array.array_data(c, measured)["register_level"]["register_reads"] == measured.register_reads


def test_a_disagreement_would_be_noticed(monkeypatch):
    monkeypatch.setattr(array, "exact", lambda a, b: a @ b + 1)
    with pytest.raises(AssertionError, match="disagree"):
        array.measure(count(4, 4, 4, rows=2, cols=2))
