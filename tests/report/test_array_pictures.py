"""Animation and heat maps of an array: frames, sizes, what is drawn."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from archsim.errors import ArchsimError
from archsim.report import array_animation, array_heatmap
from archsim.report.array import measure, recount
from archsim.report.array_wave import trace_wave
from archsim.report.canvas import settings
from archsim.timing.array import count


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_a_frame_per_cycle(dataflow):
    c = count(2, 2, 2, rows=2, cols=2, dataflow=dataflow)
    made = Image.open(io.BytesIO(array_animation.animation(trace_wave(c, 99))))
    assert made.n_frames == c.cycles
    assert min(made.size) >= 400
    shown = []
    for i in range(made.n_frames):
        made.seek(i)
        shown.append(np.asarray(made.convert("RGB")))
    assert all((a != b).any() for a, b in pairwise(shown))
    assert (shown[0][0, 0] == 255).all(), "paper is white"


def test_what_a_frame_says():
    wave = trace_wave(count(12, 8, 16, rows=8, cols=8), 99)
    with settings():
        stage = array_animation._Stage(wave)
        stage.frame(12)
    assert stage.right[0, 0].text.get_text() == "a40"
    assert stage.stays[0, 0].get_text() == "b00"
    assert stage.beside[0, 0].get_text() == "↓12,0", "a word of the next tile passes"
    assert stage.down[4, 0].text.get_text() == "c00"
    assert [stage.left_queue[0, d].text.get_text() for d in (1, 2, 3)] == ["a50", "a60", "a70"]
    assert stage.clock.get_text() == "cycle 13 of 46"
    assert "streaming" in stage.doing.get_text()
    renderer = stage.canvas.get_renderer()
    for place, text in stage.stays.items():
        cell = stage.cells[place].get_window_extent(renderer)
        for other in (text, stage.beside[place], stage.right[place].text, stage.down[place].text):
            if other.get_text():
                box = other.get_window_extent(renderer)
                assert cell.x0 - 1 <= box.x0 <= box.x1 <= cell.x1 + 1, (place, other.get_text())
        both = text.get_window_extent(renderer), stage.beside[place].get_window_extent(renderer)
        if text.get_text() and stage.beside[place].get_text():
            assert not both[0].overlaps(both[1])


def test_a_long_animation_is_drawn_smaller(monkeypatch):
    wave = trace_wave(count(1, 1, 1, rows=2, cols=2), 99)
    full = array_animation.animation(wave)
    monkeypatch.setattr(array_animation, "MOST_BYTES", len(full) - 1)
    small = array_animation.animation(wave)
    assert len(small) < len(full)
    assert Image.open(io.BytesIO(small)).size < Image.open(io.BytesIO(full)).size
    monkeypatch.setattr(array_animation, "MOST_BYTES", 1000)
    with pytest.raises(ArchsimError, match="cycles takes .* MB"):
        array_animation.animation(wave)


def test_large_arrays_are_refused():
    with pytest.raises(ArchsimError, match="at most 8 x 8"):
        array_animation.check_side(9, 2)


def test_the_map_is_the_fold_level_at_every_point(tmp_path):
    c = count(100, 40, 50, rows=32, cols=16)
    figure = array_heatmap.utilization_map(c, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 10_000
    ax = figure.axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("N, elements", "M, elements")
    drawn = ax.collections[0].get_array()
    along = array_heatmap.sizes(4096)
    for i, j in ((0, 0), (70, 20), (len(along) - 1, len(along) - 1)):
        expected = recount(c, m=int(along[i]), n=int(along[j])).utilization
        assert drawn[i, j] == pytest.approx(100 * expected)
    assert 0 < drawn.min() < drawn.max() <= 100


def test_lines_of_the_map_hold_for_all_larger_products():
    share = np.array([[10.0, 60.0, 30.0], [20.0, 40.0, 90.0], [50.0, 80.0, 95.0]])
    least = array_heatmap._least_beyond(share)
    for i, j in np.ndindex(share.shape):
        assert least[i, j] == share[i:, j:].min()


def test_the_map_names_its_array_and_the_lines_that_it_draws():
    figure = array_heatmap.utilization_map(count(10, 9, 11, rows=8, cols=8, shadow=False, rows_per_cycle=2))
    ax = figure.axes[0]
    assert ax.get_title(loc="left") == "K = 11 on 8 × 8 PEs, weight-stationary, 2 of M per cycle, no shadow registers"
    said = " ".join(text.get_text() for text in ax.texts)
    assert "50 %" in said
    assert "90 %" not in said, "K = 11 fills 1.4 of 2 tiles: no product reaches it"


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_activity_is_what_was_measured(dataflow):
    run = measure(count(5, 6, 7, rows=4, cols=4, dataflow=dataflow))
    figure = array_heatmap.activity_map(run)
    shown = figure.axes[0].images[0].get_array()
    assert shown.sum() / 16 == pytest.approx(100 * run.utilization)
    assert figure.axes[0].get_xlabel().startswith("column")
