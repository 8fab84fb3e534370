"""A chip's picture says what its definition says, and no two words touch."""

from itertools import combinations

import pytest
from archsim.chips import catalogue, get

from archsim.hardware import (
    Cache,
    Chip,
    GpuCore,
    Link,
    MatrixArray,
    Memory,
    RooflineCore,
    Scratchpad,
    SystolicCore,
    TensorCore,
    VectorUnit,
)
from archsim.report.block_diagram import HEIGHT, WIDTH, block_diagram
from archsim.units import GB, GHz, KiB, MiB, TB_per_s


def words(figure):
    return [t.get_text() for t in figure.axes[0].texts]


def check_layout(figure) -> None:
    """No text leaves the page or touches another."""
    renderer = figure.canvas.get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in figure.axes[0].texts if t.get_text()]
    for text, box in boxes:
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= WIDTH * figure.dpi, text
        assert box.y1 <= HEIGHT * figure.dpi, text
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-0.5).overlaps(b.padded(-0.5)), (one, other)


SYSTOLIC = SystolicCore(array=MatrixArray(rows=128, cols=128), vector=VectorUnit(lanes=1024),
                        scratchpad=Scratchpad(capacity=64 * MiB, read_bytes=8192, write_bytes=4096))
SM = GpuCore(tensor=TensorCore(macs={"bf16": 2048}),
             shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128))


def chip(core, **more):
    given = {"name": "mine", "clock": 1 * GHz, "memory": Memory(capacity=80 * GB, bandwidth=3 * TB_per_s), "core": core}
    return Chip(**{**given, **more})


ODD = {
    "one tiny array": chip(SYSTOLIC).replace("core.array", rows=4, cols=4).replace("core.vector", lanes=1),
    "1024 arrays": chip(SYSTOLIC).replace("core.array", rows=8, cols=8, count=1024),
    "a wide array": chip(SYSTOLIC).replace("core.array", rows=8, cols=4096),
    "a tall array": chip(SYSTOLIC).replace("core.array", rows=4096, cols=8, count=3),
    "a huge vector unit": chip(SYSTOLIC).replace("core.vector", lanes=1_000_000, alus=8),
    "a huge shared memory": chip(SYSTOLIC, cores=7, cache=Cache(capacity=44e9, bandwidth=21e15)),
    "a tiny shared memory": chip(SYSTOLIC, cores=3, cache=Cache(capacity=1e3, bandwidth=1e6)),
    "a million arrays": chip(SYSTOLIC).replace("core.array", rows=2, cols=2, count=65536),
    "wafer": chip(SYSTOLIC, cores=850_000).replace("core.scratchpad", capacity=48 * KiB),
    "64 stacks": chip(SYSTOLIC, memory=Memory(capacity=640 * GB, bandwidth=33e12, stacks=64, type="HBM4")),
    "a long name": chip(RooflineCore(rates={"bf16": 1, "fp8": 1e9}), name="W" * 40, link=Link(
        bandwidth=9e12, count=400, topology="dragonfly of dragonflies with optical switches " * 3, pod=1_000_000)),
    "a dollar sign": chip(SYSTOLIC, name="$x^2$ chip", vendor="a $ b $"),
    "1000 sms": chip(SM, cores=1000, cache=Cache(capacity=1e9, bandwidth=50e12)),
    "one sm": chip(SM, cache=Cache(capacity=4 * MiB, bandwidth=1e12)),
    "unequal engines": chip(SM, cache=Cache(capacity=4 * MiB, bandwidth=1e12)).replace("core", fp32_lanes=100_000),
    "many formats": chip(RooflineCore(rates={d: 1000.0 * i for i, d in enumerate(
        ("bf16", "fp16", "fp8", "int8", "int4", "fp4", "tf32", "fp32"), 1)})),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_chips_are_drawn_without_touching_words(odd):
    check_layout(block_diagram(ODD[odd]))


@pytest.mark.parametrize("kind", ["systolic", "gpu", "roofline"])
def test_every_chip_of_the_catalogue_is_drawn_without_touching_words(kind):
    for known in catalogue().values():
        if known.kind == kind:
            check_layout(block_diagram(known))


def test_the_picture_says_what_the_definition_says():
    said = words(block_diagram(get("tpu-v5p")))
    for text in ("tpu-v5p", "2.765 TB/s", "95 GB", "4 arrays of 128 × 128", "vector unit", "2 cores at 1.75 GHz",
                 "8 KiB/cycle\n14.3 TB/s", "scratchpad\n64 MiB"):
        assert text in said, text
    assert any("6 links of ICI" in t and "600 GB/s one way" in t for t in said)
    said = words(block_diagram(get("h100-sxm")))
    for text in ("132 cores at 1.83 GHz", "shared cache to all cores: 8.696 TB/s", "shared memory", "227 KiB", "50 MiB",
                 "2,048 MAC/cycle bf16", "16 exp/cycle"):
        assert text in said, text
    said = words(block_diagram(get("mi300x")))
    assert any("32 MiB + 256 MB" in text for text in said), "the L2s, and the cache behind them"


def sizes(figure, colour):
    """Areas of the blocks of one colour, in square inches."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    ax = figure.axes[0]
    alone = [p.get_width() * p.get_height() for p in ax.patches
             if isinstance(p, Rectangle) and p.get_edgecolor() == to_rgba(colour)]
    many = [path.get_extents() for c in ax.collections if tuple(c.get_edgecolor()[0]) == to_rgba(colour)
            for path in c.get_paths()]
    return [*alone, *(box.width * box.height for box in many)]


def test_areas_are_to_scale():
    from archsim.report.block_diagram import MATRIX, SRAM, VECTOR

    figure = block_diagram(chip(SYSTOLIC, cores=2, cache=Cache(capacity=128 * MiB, bandwidth=2e12)))
    shared, *cores = sizes(figure, SRAM)[:3]
    assert cores == pytest.approx([shared / 2] * 2)
    assert sizes(figure, MATRIX)[0] / sizes(figure, VECTOR)[0] == pytest.approx(128 * 128 / 1024)
    twice = block_diagram(chip(SYSTOLIC).replace("core.array", rows_per_cycle={"bf16": 2}, count=3))
    assert len(sizes(twice, MATRIX)) == 3
    assert sizes(twice, MATRIX)[0] / sizes(twice, VECTOR)[0] == pytest.approx(2 * 128 * 128 / 1024)
    sm = block_diagram(chip(SM, cores=20, cache=Cache(capacity=4 * MiB, bandwidth=2e12)))
    assert sizes(sm, MATRIX)[0] / sizes(sm, VECTOR)[0] == pytest.approx(2048 / 128)
    _, shared, registers = sizes(sm, SRAM)[:3]
    assert shared / registers == pytest.approx(227 / 256)


def heights(figure, colour):
    """Widths of the shafts of horizontal arrows of one colour, in inches."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    return [2 * abs(p.get_xy()[0][1] - p.get_xy()[2][1]) for p in figure.axes[0].patches
            if isinstance(p, Polygon) and to_rgb(p.get_facecolor()) == to_rgb(colour)]


def test_arrows_are_as_wide_as_their_bandwidth_and_the_same_for_all_chips():
    from archsim.report.block_diagram import DEVICE, PER_TB

    for rate in (2.0, 4.0, 8.0):
        figure = block_diagram(chip(SYSTOLIC, memory=Memory(capacity=80 * GB, bandwidth=rate * TB_per_s)))
        assert heights(figure, DEVICE)[0] == pytest.approx(rate * PER_TB)


def test_files(tmp_path):
    for suffix in ("png", "svg", "pdf"):
        block_diagram(get("h100-sxm"), tmp_path / f"h100.{suffix}")
    assert (tmp_path / "h100.png").read_bytes().startswith(b"\x89PNG")
    assert "shared memory" in (tmp_path / "h100.svg").read_text()


def test_no_warning_and_no_state(recwarn, tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    block_diagram(get("tpu-v5e"), tmp_path / "a.png")
    assert dict(mpl.rcParams) == before
    assert not list(recwarn)


def test_more_cores_than_can_be_drawn_are_one_block_to_scale():
    """5,000 SMs of 483 KiB outweigh 50 MiB of cache, so their block is larger than the cache."""
    said = words(block_diagram(get("h100").replace(cores=5000)))
    assert any(t.startswith("5,000 cores,\n") and t.endswith("GB together") for t in said), said
