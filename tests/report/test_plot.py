"""Figures: they are drawn for any mix of runs, written whole, and leave no state behind."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.transforms import Bbox

from archsim.errors import ArchsimError
from archsim.report import plot
from archsim.report.labels import Dot, _clusters
from archsim.report.theme import BOUND
from archsim.timing import BOUNDS

PNG = b"\x89PNG\r\n\x1a\n"


def test_every_bound_has_its_colour():
    assert set(BOUND) == set(BOUNDS)
    assert len(set(BOUND.values())) == len(BOUNDS)


def test_roofline_of_one_run(prefill, tmp_path):
    figure = plot.roofline(prefill[0], tmp_path / "roof.png")
    assert (tmp_path / "roof.png").read_bytes().startswith(PNG)
    assert [p.name for p in tmp_path.iterdir()] == ["roof.png"]
    ax = figure.axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert "FLOP" in ax.get_xlabel()
    assert "TFLOP/s" in ax.get_ylabel()


def test_no_operator_lies_above_its_roof(prefill, decode):
    for run in (*prefill, *decode):
        for o in run.ops:
            p = plot._point(o)
            if p and p.matrix:
                roof = min(run.chip.peak(run.dtype), p.intensity * run.chip.memory.bandwidth)
                assert p.rate <= roof * 1.0001


def test_roofline_has_a_panel_per_chip(prefill, decode):
    figure = plot.roofline([*prefill, *decode])
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()] == ["fat", "wide", "secret"]


def test_labels_stay_clear_of_each_other(prefill, decode):
    figure = plot.roofline([prefill[0], decode[0]])
    renderer = figure.canvas.get_renderer()
    ax = figure.axes[0]
    boxes = [t.get_window_extent(renderer) for t in ax.texts if "%" in t.get_text() and "of peak" not in t.get_text()]
    assert len(boxes) >= 2
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1:])


def test_touching_markers_form_one_cluster():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    dots = [Dot(0.1, 0.1, 5, 0.2, "a"), Dot(0.101, 0.1, 5, 0.5, "b"), Dot(0.9, 0.9, 5, 0.3, "c")]
    assert [[d.name for d in c] for c in _clusters(ax, dots, 1.0)] == [["b", "a"], ["c"]]


def test_cost_bars_leave_out_what_has_no_price(prefill, decode, price, tmp_path):
    runs = [*prefill, *decode]
    figure = plot.cost_bars(runs, [price(r) for r in runs], tmp_path / "cost.svg")
    assert (tmp_path / "cost.svg").read_bytes().startswith(b"<?xml")
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert sorted(labels) == ["fat (roofline)", "wide (roofline)"]
    with pytest.raises(ArchsimError, match="no cost to draw"):
        plot.cost_bars(runs, [None] * len(runs))


def texts(figure):
    """All that a figure says outside its axes."""
    title = [t.get_title().get_text() for t in figure.legends]
    return [*title, *(t.get_text() for legend in figure.legends for t in legend.get_texts())]


def test_cost_bars_name_what_has_no_price(prefill, price):
    assert "no cost: secret" in texts(plot.cost_bars(prefill, [price(r) for r in prefill]))[0]
    assert "no cost" not in " ".join(texts(plot.cost_bars(prefill[:2], [price(r) for r in prefill[:2]])))


def test_the_mark_of_the_peak_lies_below_the_bar_at_its_value(prefill, price):
    costs = [price(r) for r in prefill[:2]]
    ax = plot.cost_bars(prefill[:2], costs).axes[1]
    marks = sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ax.lines)
    assert [x for x, _ in marks] == pytest.approx(sorted(c.usd_per_pflop_peak * 1e3 for c in costs))
    bars = [(p.get_y(), p.get_y() + p.get_height()) for p in ax.patches]
    assert not any(low < y < high for _, y in marks for low, high in bars)


def test_the_largest_cluster_of_every_panel_is_named(prefill, decode):
    figure = plot.roofline([*prefill, *decode])
    for ax in figure.axes:
        labels = " ".join(t.get_text() for t in ax.texts)
        assert labels.count("gate_up_proj") == 2, "prefill and decode"


def test_labels_touch_no_marker_and_no_text_crosses_the_left_axis(prefill, decode):
    figure = plot.roofline([*prefill, *decode])
    renderer = figure.canvas.get_renderer()
    for ax in figure.axes:
        for text in ax.texts:
            if "of peak" not in text.get_text():
                assert text.get_window_extent(renderer).x0 >= ax.bbox.x0, text.get_text()
        labels = [t.get_window_extent(renderer) for t in ax.texts if t.get_text().endswith(" %")]
        for marks in ax.collections:
            corners = marks.get_paths()[0].vertices * marks.get_sizes()[0] ** 0.5 * figure.dpi / 72
            corners = corners + ax.transData.transform(marks.get_offsets()[0])
            box = Bbox([corners.min(axis=0), corners.max(axis=0)])
            assert not any(box.overlaps(label) for label in labels)


def test_odd_names_are_drawn_as_they_are_but_not_too_long(prefill, price):
    from dataclasses import replace

    name = "x$y^2$ " + "very " * 10 + "long name"
    odd = replace(prefill[0], chip=prefill[0].chip.replace(name="plain"))
    object.__setattr__(odd.chip, "name", name)  # longer than a chip's name may be
    title = plot.roofline([odd, prefill[1]]).axes[0].get_title(loc="left")
    assert title.startswith(r"x\$y^2\$ ")
    assert title.endswith("name")
    assert len(title) <= 24
    assert all(len(t.get_text()) < 50 for t in plot.cost_bars(odd, [price(odd)]).axes[0].get_yticklabels())
    plot.breakdown(odd)


def test_clip():
    assert plot.clip("short\nname", 20) == "short name"
    assert plot.clip("abcdefghij", 10) == "abcdefghij"
    assert plot.clip("abcdefghijk", 9) == "abcde…ijk"


def test_the_module_lists_its_functions_alone():
    assert "roofline" in dir(plot)
    assert "Any" not in dir(plot)
    assert all(hasattr(plot, name) for name in plot.__all__)


def test_breakdown_has_a_bar_per_operator(prefill, tmp_path):
    figure = plot.breakdown(prefill[0], tmp_path / "time.pdf")
    assert (tmp_path / "time.pdf").read_bytes().startswith(b"%PDF")
    assert len(figure.axes[0].patches) == len(prefill[0].ops)


@pytest.mark.parametrize("name", ["roof.jpeg", "roof", "roof.pn"])
def test_an_unknown_format_is_an_error(prefill, tmp_path, name):
    with pytest.raises(ArchsimError, match=r"did you mean .*\.(png|svg|pdf)"):
        plot.roofline(prefill[0], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(prefill, tmp_path):
    with pytest.raises(ArchsimError, match="no folder"):
        plot.roofline(prefill[0], tmp_path / "none" / "roof.png")


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ArchsimError, match="no runs"):
        plot.roofline([])


def test_drawing_changes_no_settings_and_knows_no_pyplot(prefill):
    mpl.rcParams["font.size"] = 13.0
    before = dict(mpl.rcParams)
    plot.roofline(prefill[0])
    assert dict(mpl.rcParams) == before
    mpl.rcdefaults()
    code = ("import sys; from archsim.report import plot; from archsim.report.theme import RC;"
            "plot.blank(2, 2); assert 'matplotlib.pyplot' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_graphs_without_matrix_work_can_be_drawn(norms, price, tmp_path):
    plot.roofline(norms, tmp_path / "many.png")
    plot.roofline(norms[0], tmp_path / "one.png")
    plot.breakdown(norms[0], tmp_path / "time.png")
    figure = plot.cost_bars(norms, [price(r) for r in norms], tmp_path / "cost.png")
    assert len(figure.axes) == 1  # no price of a PFLOP
    assert len(list(tmp_path.iterdir())) == 4
