"""Chips are chosen and compared by their figures, and mistyped names are told."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from archsim.errors import ArchsimError
from archsim.explore.select import MEASURES, differences, errata, headline, measured, peak, select
from archsim.hardware import Chip, Die, Link, Memory, Power, RooflineCore
from archsim.hardware.listing import Listing
from archsim.units import GB, TFLOPS, GB_per_s, GHz


def make(name, tflops, gb_per_s, vendor="Acme", year=2020, tdp=None, dtype="bf16", **more):
    return Chip(name=name, clock=1 * GHz, core=RooflineCore(rates={dtype: tflops * 1e3}), vendor=vendor, year=year,
                memory=Memory(capacity=16 * GB, bandwidth=gb_per_s * GB_per_s),
                power=Power(tdp=tdp) if tdp else None, **more)


SMALL = make("small", 10, 500, tdp=75)
LARGE = make("large", 400, 2000, year=2023, tdp=600)
OTHER = make("other", 100, 1000, vendor="Best Chips", dtype="fp16")
BARE = Listing(name="bare", vendor="Best Chips", missing=("peak",), memory_bandwidth=3e12)
EVERY = [SMALL, LARGE, OTHER, BARE]


def names(chosen):
    return [c.name for c in chosen]


def test_filters():
    assert names(select(EVERY, vendor="best")) == ["other", "bare"]
    assert names(select(EVERY, kind="ROOFLINE")) == ["small", "large", "other"]
    assert names(select(EVERY, kind="unknown")) == ["bare"]
    assert names(select(EVERY, at_least={"peak": 100 * TFLOPS})) == ["large", "other"]
    assert names(select(EVERY, at_most={"tdp": 75.0})) == ["small"], "who has no known power does not fit"
    assert names(select(EVERY, at_least={"year": 2020}, at_most={"year": 2022})) == ["small", "other"]
    assert names(select(EVERY, at_least={"balance": 100.0})) == ["large", "other"]
    assert names(select(EVERY, dtype="fp16")) == ["other"]
    assert select(EVERY, vendor="acme", at_least={"peak": 1e18}) == []


def test_order():
    assert names(select(EVERY, sort="peak")) == ["large", "other", "small", "bare"], "unknown comes last"
    assert names(select(EVERY, sort="bandwidth")) == ["bare", "large", "other", "small"]
    assert names(select(EVERY, sort="name")) == ["bare", "large", "other", "small"]
    assert names(select(EVERY, sort="vendor"))[:2] == ["large", "small"]
    assert names(select(EVERY)) == names(EVERY)
    for measure in MEASURES:
        assert sorted(names(select(EVERY, sort=measure))) == sorted(names(EVERY))


def test_headline():
    assert headline(SMALL) == "bf16"
    assert headline(OTHER) == "fp16"
    assert headline(BARE) is None
    assert peak(BARE) is None
    assert peak(SMALL, "fp8") is None
    assert headline(make("old", 1, 1, dtype="int8")) == "int8"


@pytest.mark.parametrize(("given", "says"), [
    ({"vendor": "acne"}, "unknown vendor 'acne': did you mean 'Acme'"),
    ({"vendor": " "}, "unknown vendor"),
    ({"kind": "gpus"}, "unknown kind 'gpus': did you mean 'gpu'"),
    ({"sort": "bandwith"}, "unknown figure to sort by 'bandwith': did you mean 'bandwidth'"),
    ({"dtype": "bf61"}, "unknown dtype"),
    ({"at_least": {"pek": 1.0}}, "unknown figure 'pek': did you mean 'peak'"),
])
def test_unknown_names(given, says):
    with pytest.raises(ArchsimError, match=says):
        select(EVERY, **given)


@pytest.mark.parametrize(("name", "text", "value"), [
    ("peak", "300TFLOPS", 3e14), ("peak", "300 TFLOP/s", 3e14), ("peak", "1.5 PFLOPS", 1.5e15), ("peak", "300", 3e14),
    ("peak", "92TOPS", 92e12), ("bandwidth", "2TB/s", 2e12), ("bandwidth", "900 GB/s", 9e11),
    ("bandwidth", "900", 9e11), ("memory", "80GB", 80e9), ("memory", "16GiB", 16 * 2**30), ("memory", "80", 80e9),
    ("tdp", "400W", 400.0), ("tdp", "400", 400.0), ("tdp", "1kW", 1000.0), ("year", "2022", 2022.0),
    ("balance", "300", 300.0), ("balance", "300 FLOP/byte", 300.0), ("price", "$10,000", 1e4), ("price", "10000", 1e4),
    ("area", "800mm2", 800.0), ("link", "1e3", 1e12),
])
def test_figures_as_people_write_them(name, text, value):
    assert measured(name, text) == pytest.approx(value)


@pytest.mark.parametrize(("name", "text"), [
    ("peak", "fast"), ("peak", ""), ("peak", "300GB"), ("peak", "3..0"), ("bandwidth", "2Tb"), ("tdp", "400V"),
    ("year", "2022W"), ("balance", "3 B"), ("memory", "-3GB"), ("peak", "nan"), ("peak", "inf"), ("memory", "8XB"),
])
def test_what_is_no_figure_is_told_with_an_example(name, text):
    with pytest.raises(ArchsimError, match=f"is no .*: write e.g. {name}="):
        measured(name, text)


def test_differences():
    found = {d.path: d for d in differences([SMALL, LARGE])}
    assert found["peak.bf16"].values == pytest.approx((10e12, 400e12))
    assert found["peak.bf16"].ratios == pytest.approx((1.0, 40.0))
    assert found["balance"].ratios[1] == pytest.approx(10.0)
    assert found["peak_per_watt"].ratios[1] == pytest.approx(5.0)
    assert found["year"].ratios == (None, None), "a year is no quantity"
    assert "memory.capacity" not in found
    assert "name" not in found
    whole = differences([SMALL, LARGE], every=True)
    assert {d.path for d in whole if d.equal} >= {"memory.capacity", "vendor", "cores"}
    assert [d.path for d in whole if not d.equal] == list(found)


def test_what_one_chip_lacks_is_a_difference():
    linked = make("linked", 10, 500, tdp=75, link=Link(bandwidth=1e11), die=Die(process="5nm", area=100))
    found = {d.path: d.values for d in differences([SMALL, linked, BARE])}
    assert found["link.bandwidth"] == (None, 1e11, None)
    assert found["peak_per_mm2"] == (None, 1e11, None)
    assert found["memory_bandwidth"] == (None, None, 3e12)


def test_figures_of_the_same_part_stand_together():
    from archsim.chips import get

    paths = [d.path.rpartition(".")[0] or d.path for d in differences([get("h100"), get("tpu-v6e"), get("b200")])]
    assert sum(a != b for a, b in pairwise(paths)) + 1 == len(set(paths))


def test_cores_of_different_kinds_are_compared_only_where_they_can_be():
    from archsim.chips import get

    few = {d.path for d in differences([get("h100"), get("tpu-v5p")])}
    assert not {p for p in few if p.startswith(("core.tensor", "core.array"))}
    assert {p for p in (d.path for d in differences([get("h100"), get("tpu-v5p")], every=True))
            if p.startswith(("core.tensor", "core.array"))}


@pytest.mark.parametrize("chips", [[], [SMALL]])
def test_one_chip_has_nothing_to_be_compared_with(chips):
    with pytest.raises(ArchsimError, match="at least two chips"):
        differences(chips)


ROWS = [SimpleNamespace(table="A report, table 3", row="h100-sxm"), SimpleNamespace(table="B report", row="h100-sxm"),
        SimpleNamespace(table="B report", row="tpu-v6e")]


def test_errata_by_table_and_by_chip():
    assert errata(ROWS) == ROWS
    assert errata(ROWS, "h100") == ROWS[:2]
    assert errata(ROWS, "b report") == ROWS[1:]
    assert errata(ROWS, "tpu-v6e", "A rep") == [ROWS[0], ROWS[2]]
    with pytest.raises(ArchsimError, match=r"no erratum of 'h10-sxm': did you mean 'h100-sxm'\? tables: A report"):
        errata(ROWS, "h10-sxm")
