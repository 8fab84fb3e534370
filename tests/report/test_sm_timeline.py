"""The timeline of an SM's pipeline: rows, bars where the events are, both ends of a long run on one scale."""

import io

import archsim.chips as chips
import pytest
from PIL import Image

from archsim.report.canvas import image
from archsim.report.sm import sheets, sm_data, verdict
from archsim.report.sm_timeline import timeline
from archsim.timing.sm import run

LONG = run(chips.get("b200"), 128, 256, 8192, stages=2, level="far")
SHORT = run(chips.get("a100-sxm-80gb"), 128, 128, 160, resident=2, stages=3)


def bars(ax, row):
    """Return (begin, end) of the bars of a row."""
    found = []
    for made in ax.collections:
        for path in made.get_paths():
            box = path.get_extents()
            if abs((box.y0 + box.y1) / 2 - row) < 0.1:
                found.append((box.x0, box.x1))
    return found


def test_rows():
    figure = timeline(SHORT)
    assert len(figure.axes) == 1, "a short run is drawn whole"
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert names == ["copy engine", *(f"block {r}, stage {s}" for r in range(2) for s in range(3)), "tensor core",
                     "epilogue"]


def test_bars_are_the_events():
    figure = timeline(SHORT)
    tensor = bars(figure.axes[0], 7)
    assert len(tensor) == 10, "5 steps of 2 blocks"
    starts = sorted(SHORT.first + e.start for e in SHORT.events)
    assert [b for b, _ in sorted(tensor)] == pytest.approx(starts)
    assert bars(figure.axes[0], 8) == [(pytest.approx(SHORT.cycles - SHORT.epilogue), pytest.approx(SHORT.cycles))]


def test_a_long_run_shows_both_ends_on_one_scale():
    figure = timeline(LONG)
    first, last = figure.axes
    assert first.get_xlim()[0] == 0
    assert last.get_xlim()[1] >= LONG.cycles > last.get_xlim()[0] > first.get_xlim()[1]
    figure.canvas.draw()
    scales = [(ax.get_xlim()[1] - ax.get_xlim()[0]) / ax.get_window_extent().width for ax in figure.axes]
    assert scales[0] == pytest.approx(scales[1], rel=0.02)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_files(suffix):
    data = image(timeline(LONG), suffix)
    if suffix == ".png":
        assert Image.open(io.BytesIO(data)).size[0] > 1500
    assert len(data) > 5000


def test_words():
    assert "4 stages would cover it" in verdict(LONG)
    assert "pace is set by the tensor core" in verdict(run(chips.get("h100-sxm"), 128, 256, 8192))
    text = "\n".join(str(part) for part in sheets(SHORT))
    for word in ("2 blocks", "block", "what a step needs", "by stages", "the 2 steps that copies run ahead"):
        assert word in text
    tight = run(chips.get("b200"), 128, 256, 8192, stages=1, level="dram", bk=128)
    assert "3 stages would cover it, but only 2 fit" in verdict(tight)


def test_data_is_plain():
    data = sm_data(SHORT)
    assert data["steps"] == 5
    assert len(data["first_events"]) == 10
    assert data["cycles"] == SHORT.cycles
