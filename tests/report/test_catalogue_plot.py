"""The catalogue's scatter shows every chip once and lets no two names touch."""

from itertools import combinations

import pytest
from archsim.chips import catalogue, get, listings

from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, RooflineCore
from archsim.report.catalogue_plot import scatter
from archsim.report.theme import KIND
from archsim.units import GB, GHz, TB_per_s

EVERY = [*catalogue().values(), *listings().values()]


def names(figure):
    ax = figure.axes[0]
    return [t for t in ax.texts if "FLOP/B" not in t.get_text()]


def test_every_place_has_one_mark_and_most_are_named():
    figure = scatter(EVERY)
    ax = figure.axes[0]
    places = {(f"{c.memory.bandwidth:.3g}", f"{c.peak(d) / 1e12:.3g}") for c in catalogue().values()
              for d in [next(d for d in ("bf16", "fp16", "int8", "fp8", "fp32") if d in c.dtypes)]}
    assert len(ax.collections) == len(places)
    named = " ".join(t.get_text() for t in names(figure))
    for important in ("h100-sxm", "h200", "b200", "tpu-v5p", "tpu-v7", "trainium2", "mi300x", "tpu-v1"):
        assert important in named, important
    assert len(names(figure)) > 0.8 * len(places)
    assert f"{len(catalogue())} chips" in ax.get_title(loc="left")
    unnamed = len(places) - len(names(figure))
    assert (f"no room to name {unnamed})" in ax.get_title(loc="left")) == (unnamed > 0)
    assert "no room" not in scatter([get("h100"), get("t4")]).axes[0].get_title(loc="left")


def test_no_two_names_touch_and_none_hides_a_mark():
    figure = scatter(EVERY)
    renderer = figure.canvas.get_renderer()
    ax = figure.axes[0]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in names(figure)]
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)
    marks = [ax.transData.transform(c.get_offsets()[0]) for c in ax.collections]
    for text, box in boxes:
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in marks), text


def test_lines_have_the_balance_that_they_say():
    ax = scatter(EVERY).axes[0]
    lines = [line for line in ax.lines if line.get_linewidth() == 0.9]
    balances = sorted(round(line.get_ydata()[0] / line.get_xdata()[0] * 1e3, 6) for line in lines)
    assert balances == sorted(set(balances))
    assert {30.0, 100.0, 300.0} <= set(balances)


def test_marks_are_where_the_figures_are_in_the_colour_of_the_kind():
    from matplotlib.colors import to_rgba

    chip = get("tpu-v5p")
    mark = scatter([chip]).axes[0].collections[0]
    assert tuple(mark.get_offsets()[0]) == pytest.approx((2765.0, chip.peak() / 1e12))
    assert tuple(mark.get_facecolor()[0]) == to_rgba(KIND["systolic"])
    hollow = scatter([get("tpu-v1")]).axes[0].collections[0]
    assert tuple(hollow.get_facecolor()[0]) == to_rgba("white")


def test_a_dtype_draws_those_that_have_it(tmp_path):
    figure = scatter(EVERY, tmp_path / "fp8.svg", dtype="fp8")
    assert "fp8" in figure.axes[0].get_ylabel()
    have = sum("fp8" in c.dtypes for c in catalogue().values())
    assert f"{have} chips" in figure.axes[0].get_title(loc="left")
    assert "b200" in (tmp_path / "fp8.svg").read_text()


def test_what_cannot_be_drawn_is_an_error(tmp_path):
    with pytest.raises(ArchsimError, match="nothing to draw"):
        scatter([])
    with pytest.raises(ArchsimError, match="nothing to draw"):
        scatter([get("a100")], dtype="fp4")
    with pytest.raises(ArchsimError, match="unknown dtype"):
        scatter([get("a100")], dtype="fp7")
    with pytest.raises(ArchsimError, match=r"did you mean .*png"):
        scatter([get("a100")], tmp_path / "x.jpg")
    assert not list(tmp_path.iterdir())


def test_extreme_chips_are_drawn():
    far = [Chip(name="$far$" * 7, clock=1 * GHz, core=RooflineCore(rates={"bf16": r}),
                memory=Memory(capacity=1 * GB, bandwidth=b * TB_per_s)) for r, b in ((1e-3, 1e-5), (1e12, 1e3))]
    assert len(scatter(far).axes[0].collections) == 2
