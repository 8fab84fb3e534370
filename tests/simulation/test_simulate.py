"""simulate: totals are sums, sharding is labelled, and errors name the node."""

import json
from pathlib import Path

import networkx as nx
import pytest

from archsim import models
from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, RooflineCore
from archsim.simulation import simulate
from archsim.timing import BOUNDS
from archsim.units import GB, GHz, TB_per_s
from archsim.workload import MatMul, transformer


def chip(capacity: float = 80 * GB, efficiency: float = 1.0) -> Chip:
    return Chip(name="sheet", clock=1 * GHz, core=RooflineCore(rates={"bf16": 1e6}, efficiency=efficiency, launch=1e-9),
                memory=Memory(capacity=capacity, bandwidth=3 * TB_per_s, efficiency=1.0))


def test_totals_are_sums_over_repeated_layers() -> None:
    run = simulate(transformer(models.get("llama-3.1-8b"), phase="decode", batch=2, context=512), chip())
    assert run.time_s == pytest.approx(sum(o.time.seconds * o.repeat for o in run.ops))
    assert run.flops == 2 * models.get("llama-3.1-8b").flops_per_token(512)
    assert sum(run.time_by_bound.values()) == pytest.approx(run.time_s)
    assert set(run.time_by_bound) == set(BOUNDS)
    assert run.tokens_per_s == pytest.approx(2 / run.time_s)
    assert run.cycles == pytest.approx(run.time_s * 1e9)
    assert 0 < run.utilization <= 1
    assert run.fidelity == "roofline"
    assert run.fits
    assert run.note == ""


def test_the_roofline_engine_is_the_textbook_bound() -> None:
    run = simulate(transformer(models.get("llama-3.1-8b"), phase="decode", batch=1, context=512), chip())
    weights = 2 * models.get("llama-3.1-8b").parameters
    assert run.bound == "hbm"
    assert run.time_s == pytest.approx(weights / 3e12, rel=0.08)  # less the embedding table, plus KV cache


def test_a_model_that_does_not_fit_is_spread_and_labelled() -> None:
    model = models.get("llama-3.1-70b")
    graph = transformer(model, phase="decode", batch=1, context=4096)
    run = simulate(graph, chip())
    assert run.chips == 2  # 141 GB of weights on 80 GB chips
    assert not run.fits
    assert "spread evenly over 2 chips, communication NOT counted" in run.note
    assert run.flops == model.flops_per_token(4096), "sharding does not change the work"
    alone = simulate(graph, chip(capacity=200 * GB))
    assert alone.chips == 1
    assert run.time_s == pytest.approx(alone.time_s / 2, rel=0.02)
    assert run.utilization == pytest.approx(alone.utilization, rel=0.02)


def test_chips_can_be_asked_for() -> None:
    graph = transformer(models.get("llama-3.1-70b"), phase="decode", batch=1, context=4096)
    eight = simulate(graph, chip(capacity=200 * GB), chips=8)
    assert (eight.chips, eight.fits) == (8, True)
    assert eight.note == "spread evenly over 8 chips, communication NOT counted"
    assert "2 are the fewest that hold it" in simulate(graph, chip(), chips=1).note
    for bad in (0, -1, "two", 10**9):
        with pytest.raises(ArchsimError, match="chips must be"):
            simulate(graph, chip(), chips=bad)  # type: ignore[arg-type]


def test_a_slip_of_the_keyboard_is_no_cluster() -> None:
    graph = transformer(models.get("llama-3.1-8b"), phase="decode", batch=2**20, context=2**24)
    with pytest.raises(ArchsimError, match="more than 1,000,000 sheet hold"):
        simulate(graph, chip())


def test_a_hand_made_graph_runs() -> None:
    graph = nx.DiGraph()
    graph.add_node("up", op=MatMul(m=64, n=4096, k=1024, weights=True))
    graph.add_node("down", op=MatMul(m=64, n=1024, k=4096, weights=True), repeat=3)
    graph.add_edge("up", "down")
    run = simulate(graph, chip())
    assert [o.name for o in run.ops] == ["up", "down"]
    assert run.flops == 4 * 2 * 64 * 4096 * 1024
    assert run.parameters == 4 * 4096 * 1024


def test_graphs_that_cannot_run() -> None:
    with pytest.raises(ArchsimError, match="no nodes"):
        simulate(nx.DiGraph(), chip())
    graph = nx.DiGraph()
    graph.add_node("lonely")
    with pytest.raises(ArchsimError, match="node 'lonely' carries no operator"):
        simulate(graph, chip())
    loop = nx.DiGraph()
    loop.add_node("a", op=MatMul(m=1, n=1, k=1))
    loop.add_node("b", op=MatMul(m=1, n=1, k=1))
    loop.add_edges_from([("a", "b"), ("b", "a")])
    with pytest.raises(ArchsimError, match="has a cycle"):
        simulate(loop, chip())
    with pytest.raises(ArchsimError, match="takes a layer graph"):
        simulate(models.get("llama-3.1-8b"), chip())  # type: ignore[arg-type]
    with pytest.raises(ArchsimError, match="simulate\\(\\) takes a Chip"):
        simulate(graph, "h100")  # type: ignore[arg-type]
    with pytest.raises(ArchsimError, match="qkv_proj: sheet has no fp8 matrix path"):
        simulate(transformer(models.get("llama-3.1-8b"), dtype="fp8"), chip())


def test_json_is_whole_or_absent(tmp_path: Path) -> None:
    run = simulate(transformer(models.get("llama-2-7b"), phase="decode", context=64), chip())
    run.to_json(tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    for key in ("time_s", "tokens_per_s", "flops", "hbm_bytes", "arithmetic_intensity", "utilization", "bound",
                "fidelity", "parameters", "model", "phase", "batch", "chip", "chips", "ops"):
        assert key in data
    assert data["flops"] == sum(o["flops"] for o in data["ops"])
    assert data["parameters"] == 6_738_415_616
    with pytest.raises(ArchsimError, match="cannot write"):
        run.to_json(tmp_path / "no" / "where.json")
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_print_tells_the_story() -> None:
    text = str(simulate(transformer(models.get("llama-3.1-405b"), phase="decode", batch=8, context=100), chip()))
    for word in ("llama-3.1-405b decode", "tokens/s", "MFU", "FLOP/byte", "communication NOT counted"):
        assert word in text


def test_the_public_names() -> None:
    import archsim as sim

    for name in sim.__all__:
        assert getattr(sim, name) is not None
    for name in ("simulate", "cost", "transformer", "validate", "table", "comparison"):
        assert callable(getattr(sim, name)), f"{name} must not be shadowed by a module of its name"
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        sim.simulat  # noqa: B018
