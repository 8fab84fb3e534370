"""The drawing of a layer: every box and edge is there, boxes do not touch, every kind of layer is drawn."""

import itertools
from pathlib import Path

import networkx as nx
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from archsim import graph, models, ops, transformer
from archsim.errors import ArchsimError
from archsim.report import layer
from archsim.report.layer import HEIGHT, WIDTH, draw
from archsim.workload.resnet import resnet


def boxes(figure):  # type: ignore[no-untyped-def]
    return [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]


def texts(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [t.get_text() for t in figure.axes[0].texts]


LAYERS = [("llama-3.1-8b", {"seq": 64}), ("gpt2", {"seq": 64}), ("mixtral-8x7b", {"seq": 64}),
          ("deepseek-v3", {"seq": 64}), ("deepseek-v3", {"phase": "decode", "batch": 4, "context": 64})]


@pytest.mark.parametrize(("name", "sizes"), LAYERS)
def test_every_operator_has_a_box_that_touches_no_other(name: str, sizes: dict[str, object]) -> None:
    g = transformer(models.get(name), **sizes)  # type: ignore[arg-type]
    one = graph.layer(g)
    figure = draw(g)
    drawn = boxes(figure)
    assert len(drawn) == len(one)
    for a, b in itertools.combinations(drawn, 2):
        apart = abs(a.get_x() - b.get_x()) >= WIDTH or abs(a.get_y() - b.get_y()) >= HEIGHT
        assert apart, (a, b)
    crossing = [(a, b) for a, b in g.edges if (a in one) != (b in one)]
    inner = [(a, b) for a, b in g.edges if a in one and b in one]
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    into = {b for a, b in crossing if b in one}
    outof = [(a, d.get("name")) for a, b, d in g.edges(data=True) if a in one and b not in one]
    assert len(arrows) == len(inner) + len(into) + len(outof)
    said = texts(figure)
    assert all(n.removeprefix(f"{one.graph['layer']}.") in said for n in one)
    repeat = max(d["repeat"] for _, d in g.nodes(data=True))
    assert f"{name}: one of {repeat} equal layers" in said
    assert "from the previous layer" in said
    assert "to the next layer" in said


def test_training_says_what_is_kept_and_what_is_updated() -> None:
    g = transformer(models.get("gpt2"), phase="train", seq=64)
    forward, backward = texts(draw(g)), texts(draw(g, layer="decoder.backward"))
    assert "gpt2: one of 12 equal layers, backward" in backward
    assert backward.count("update") == 10, "four products, their biases, and two norms"
    inside = {n for n, d in g.nodes(data=True) if d["layer"] == "decoder"}
    assert forward.count("kept") == len({a for a, b in g.edges if a in inside
                                         and g.nodes[b]["layer"] == "decoder.backward"})
    assert "update" not in forward


def test_text_stays_in_its_box_and_in_the_picture() -> None:
    figure = draw(transformer(models.get("deepseek-v3"), phase="decode", batch=4, context=131072))
    renderer = figure.canvas.get_renderer()
    ax = figure.axes[0]
    around = [b.get_window_extent(renderer) for b in boxes(figure)]
    for t in ax.texts:
        at = t.get_window_extent(renderer)
        assert figure.bbox.x0 <= at.x0
        assert at.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= at.y0
        assert at.y1 <= figure.bbox.y1
        for box in around:
            if t.get_fontweight() == "bold" and box.contains(at.x0 + 1, (at.y0 + at.y1) / 2):
                assert at.x1 <= box.x1, t.get_text()


def test_arrows_point_downwards_and_shapes_are_said() -> None:
    g = graph.new("tiny")
    a = graph.add(g, "a", ops.MatMul(m=8, n=16, k=4, weights=True))
    b = graph.add(g, "b", ops.Elementwise(elements=128, name="gelu"), a)
    graph.add(g, "c", ops.Elementwise(elements=128, inputs=2, name="add"), a, b)
    figure = draw(g)
    place = {t.get_text(): t.get_position()[1] for t in figure.axes[0].texts}
    assert place["a"] > place["b"] > place["c"]
    assert "8 × 16" in place
    assert "elementwise, gelu" in place
    assert "tiny: the whole graph" in place
    assert any(t.startswith("64 parameters,  1.02 kFLOP") for t in place)


def test_each_block_of_a_network_can_be_drawn(tmp_path: Path) -> None:
    g = resnet(50)
    for name in ("stem", "stage2.first", "stage3.rest", "head"):
        draw(g, tmp_path / f"{name}.svg", layer=name)
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / "stem.svg").read_bytes().startswith(b"<?xml")


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchsimError, match="did you mean 'stem'"):
        draw(resnet(50), layer="sten")
    with pytest.raises(ArchsimError, match="no nodes"):
        draw(nx.DiGraph())
    g = graph.new()
    for i in range(81):
        graph.add(g, f"n{i}", ops.Norm(rows=1, cols=1))
    with pytest.raises(ArchsimError, match="81 operators, too many to draw"):
        draw(g)
    with pytest.raises(ArchsimError, match="did you mean"):
        draw(resnet(18), tmp_path / "a.pgn")
    assert not list(tmp_path.iterdir())


def test_rows_are_spread_as_wanted_but_clear_of_each_other() -> None:
    row = [layer.Spot("a", 0), layer.Spot("b", 0), layer.Spot("c", 0)]
    layer._spread(row, [0.0, 0.0, 20.0])
    step = WIDTH + layer.ASIDE
    assert [s.x for s in row] == pytest.approx([-step / 2, step / 2, 20.0]), "two that collide meet in the middle"
