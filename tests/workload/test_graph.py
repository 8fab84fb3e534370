"""Graphs by hand and as files: exact round trips, edits that keep the totals, and every broken file in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import graph, models, ops, transformer
from archsim.errors import ArchsimError
from archsim.workload.graph_json import kinds
from archsim.workload.resnet import resnet

LLAMA = transformer(models.get("llama-3.1-8b"), seq=64)
EXAMPLES: dict[str, Callable[[], nx.DiGraph]] = {
    "dense": lambda: LLAMA,
    "experts": lambda: transformer(models.get("mixtral-8x7b"), phase="decode", batch=4, context=128),
    "latent": lambda: transformer(models.get("deepseek-v3"), seq=32),
    "training": lambda: transformer(models.get("gpt2"), phase="train", seq=64),
    "images": lambda: resnet(50),
}


def small() -> nx.DiGraph:
    g = graph.new("mlp", tokens=64)
    up = graph.add(g, "up", ops.MatMul(m=64, n=256, k=64, weights=True))
    act = graph.add(g, "act", ops.Elementwise(elements=64 * 256, name="gelu"), up)
    graph.add(g, "down", ops.MatMul(m=64, n=64, k=256, weights=True), act)
    return g


def same(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    return bool(dict(a.nodes(data=True)) == dict(b.nodes(data=True)) and a.graph == b.graph
                and sorted(a.edges(data=True), key=str) == sorted(b.edges(data=True), key=str))


# --- files


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_graph_survives_its_file_exactly(name: str, tmp_path: Path) -> None:
    g = EXAMPLES[name]()
    graph.save(g, tmp_path / "g.json")
    back = graph.load(tmp_path / "g.json")
    plain = json.loads(json.dumps(graph.plain(g)))
    assert dict(back.nodes(data=True)) == dict(g.nodes(data=True))
    assert [(a, b, d["tensor"], d.get("name")) for a, b, d in back.edges(data=True)] == [
        (a, b, d["tensor"], d.get("name")) for a, b, d in g.edges(data=True)]
    assert graph.plain(back) == plain
    assert graph.inspect(back) == graph.inspect(g)
    assert [p.name for p in tmp_path.iterdir()] == ["g.json"]


SAMPLES: dict[str, Any] = {
    "matmul": ops.MatMul(m=3, n=4, k=5, batch=2, bias=True, dtype="fp8", epilogue=(
        ops.Elementwise(elements=24, name="add", inputs=2), ops.Elementwise(elements=24, ops=5.0, exps=1.0))),
    "grouped_matmul": ops.GroupedMatMul(groups=(0, 3, 1), n=4, k=5),
    "attention": ops.Attention(batch=1, q_len=4, kv_len=9, heads=4, kv_heads=2, head_dim=8, window=5),
    "attention_backward": ops.AttentionBackward(
        forward=ops.Attention(batch=1, q_len=4, kv_len=4, heads=4, kv_heads=2, head_dim=8)),
    "conv": ops.Conv(batch=1, height=9, width=7, c_in=4, c_out=8, kernel=(3, 1), padding=(1, 0), groups=2),
    "pool": ops.Pool(batch=1, height=9, width=7, channels=4, kernel=2, stride=2),
    "norm": ops.Norm(rows=3, cols=4, residual=True),
    "gather": ops.Gather(rows=3, cols=4, entries=10),
    "route": ops.Route(rows=3, experts=8, top_k=2),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_operator_survives_with_what_is_nested_in_it(kind: str) -> None:
    g = graph.new()
    graph.add(g, "x", SAMPLES[kind])
    back = graph.read(json.loads(json.dumps(graph.plain(g))))
    assert back.nodes["x"]["op"] == SAMPLES[kind]
    assert SAMPLES[kind].kind == kind


def test_every_operator_has_a_kind_of_its_own() -> None:
    exported = {getattr(ops, name) for name in ops.__all__ if isinstance(getattr(ops, name), type)}
    assert set(kinds().values()) >= exported - {ops.Op, ops.Stream}
    assert all(cls.kind == kind for kind, cls in kinds().items())


def test_networkx_reads_our_files_and_we_read_its() -> None:
    g = small()
    theirs = nx.node_link_graph(graph.plain(g), edges="edges")
    assert set(theirs.edges) == set(g.edges)
    for key in ("edges", "links"):  # networkx 3.4 renamed them
        data = {**nx.node_link_data(theirs, edges=key)}
        assert same(graph.read(data), g)


def test_defaults_and_tensors_may_be_left_out() -> None:
    g = graph.read({"nodes": [{"id": "a", "op": {"kind": "matmul", "m": 1, "n": 2, "k": 3}},
                              {"id": "b", "op": {"kind": "softmax", "rows": 1, "cols": 2}}],
                    "edges": [{"source": "a", "target": "b"}]})
    assert g.nodes["a"]["op"] == ops.MatMul(m=1, n=2, k=3)
    assert g.edges["a", "b"]["tensor"].shape == (1, 2)
    assert g.nodes["b"]["repeat"] == 1


def broken(change: Callable[[dict[str, Any]], Any]) -> Any:
    data = json.loads(json.dumps(graph.plain(small())))
    changed = change(data)
    return changed if changed == [] else data


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: [], "an object with 'nodes'"),
    (lambda d: d.update(version=2), "version 2; this version reads"),
    (lambda d: d.update(format="other"), "format 'other'"),
    (lambda d: d.update(edges=3), "'edges' must be an array"),
    (lambda d: d.update(nodes=[], edges=[]), "no nodes"),
    (lambda d: d.update(graph={"tokens": 0}), "tokens must be from 1"),
    (lambda d: d.update(graph={"kv_bytes": "much"}), "kv_bytes must be a number"),
    (lambda d: d.update(graph={"dtype": "bf17"}), "unknown dtype 'bf17': did you mean 'bf16'"),
    (lambda d: d["nodes"].append(3), "node 3 must be an object with a string as 'id'"),
    (lambda d: d["nodes"].append(d["nodes"][0]), "'up' occurs twice"),
    (lambda d: d["nodes"][0].update(repeat=-1), "repeat must be from 1"),
    (lambda d: d["nodes"][0].update(layer=3), "layer must be a string"),
    (lambda d: d["nodes"][0].update(tied_to="dwon"), "did you mean 'down'"),
    (lambda d: d["nodes"][0].pop("op"), "an operator is an object with a 'kind'"),
    (lambda d: d["nodes"][0]["op"].update(kind="matmull"), "unknown kind of operator 'matmull': did you mean 'matmul'"),
    (lambda d: d["nodes"][0]["op"].update(kind=["matmul"]), "unknown kind of operator"),
    (lambda d: d["nodes"][0]["op"].update(bais=True), "unknown field of matmul 'bais': did you mean 'bias'"),
    (lambda d: d["nodes"][0]["op"].pop("k"), "matmul lacks 'k'"),
    (lambda d: d["nodes"][0]["op"].update(m="many"), "MatMul.m must be a whole number"),
    (lambda d: d["nodes"][0]["op"].update(m=None), "MatMul.m must be a whole number"),
    (lambda d: d["nodes"][0]["op"].update(epilogue=[3]), "epilogue"),
    (lambda d: d["nodes"][0]["op"].update(epilogue=3), "epilogue"),
    (lambda d: d["nodes"][0]["op"].update(split=3), "split must be a string"),
    (lambda d: d["nodes"][1]["op"].update(ops=float("nan")), "ops must be a number"),
    (lambda d: d["edges"][0].update(source="upp"), "unknown node 'upp': did you mean 'up'"),
    (lambda d: d["edges"].append(d["edges"][0]), "occurs twice"),
    (lambda d: d["edges"].append(["up", "down"]), "'source' and 'target'"),
    (lambda d: d["edges"][0].update(tensor=[64, 256]), "'shape' and a 'dtype'"),
    (lambda d: d["edges"][0]["tensor"].update(shape=[64, 257]), "more than the"),
    (lambda d: d["edges"][0]["tensor"].update(shape=[-1]), "from 1"),
    (lambda d: d["edges"][0]["tensor"].update(dtype="fp32"), "carries fp32, but 'up' makes bf16"),
    (lambda d: d["edges"].append({"source": "down", "target": "up"}), "cycle"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[m for _, m in WRONG])
def test_a_broken_graph_is_one_clear_line(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(ArchsimError) as caught:
        graph.read(broken(change), "g.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("g.json: ")


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
                    max_leaves=4)


@given(st.data())
def test_anything_at_all_in_a_file_is_an_error_or_a_graph(data: st.DataObject) -> None:
    held = json.loads(json.dumps(graph.plain(small())))
    paths: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in entries:
            paths.append((value, key))
            walk(inner)

    walk(held)
    where, key = data.draw(st.sampled_from(paths))
    where[key] = data.draw(JUNK)
    try:
        graph.validate(graph.read(held))
    except ArchsimError as e:
        assert "\n" not in str(e)


@pytest.mark.parametrize(("content", "message"), [
    (b"{", "not valid JSON: line 1"), (b"\xff\xfe\x00", "not a text file"), (b"[" * 100_000, "nested too deeply"),
])
def test_a_broken_file_is_one_clear_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "g.json").write_bytes(content)
    with pytest.raises(ArchsimError, match=message):
        graph.load(tmp_path / "g.json")
    with pytest.raises(ArchsimError, match="cannot read"):
        graph.load(tmp_path / "none.json")
    with pytest.raises(ArchsimError, match="cannot write"):
        graph.save(small(), tmp_path / "none" / "g.json")


def test_what_is_no_data_cannot_be_written() -> None:
    g = small()
    g.graph["extra"] = object()
    with pytest.raises(ArchsimError, match="cannot be written as JSON"):
        graph.plain(g)


# --- building and checking


def test_building_names_what_is_wrong() -> None:
    g = small()
    with pytest.raises(ArchsimError, match="there is a node 'up' already"):
        graph.add(g, "up", ops.MatMul(m=1, n=1, k=1))
    with pytest.raises(ArchsimError, match="did you mean 'down'"):
        graph.add(g, "next", ops.MatMul(m=1, n=1, k=1), "dwon")
    with pytest.raises(ArchsimError, match="must carry an operator"):
        graph.add(g, "next", "matmul")  # type: ignore[arg-type]
    with pytest.raises(ArchsimError, match="tokens must be from 1"):
        graph.new(tokens=0)
    assert "next" not in g


def test_validate_names_what_is_wrong() -> None:
    for g in (small(), LLAMA):
        graph.validate(g)
    g = small()
    g.edges["up", "act"]["tensor"] = None
    with pytest.raises(ArchsimError, match="'up' -> 'act' carries no tensor"):
        graph.validate(g)
    g = small()
    g.add_edge("down", "up", tensor=graph.Tensor((64, 64), "bf16"))
    with pytest.raises(ArchsimError, match="cycle: 'up' -> 'act' -> 'down' wait"):
        graph.validate(g)
    g.nodes["up"]["op"] = None
    with pytest.raises(ArchsimError, match="'up' carries no operator"):
        graph.validate(g)
    with pytest.raises(ArchsimError, match="not list"):
        graph.validate([])  # type: ignore[arg-type]


def test_inspect_adds_up_and_counts_shared_parameters_once() -> None:
    gpt = graph.inspect(transformer(models.get("gpt2"), seq=64))
    assert gpt.total.parameters == 124_439_808, "openai-community/gpt2, tied embeddings"
    assert gpt.total.count == sum(t.count for t in gpt.kinds.values())
    assert gpt.total.flops == sum(t.flops for t in gpt.kinds.values())
    assert str(gpt).splitlines()[0].split() == ["kind", "count", "GFLOP", "MB", "parameters"]
    assert str(gpt).splitlines()[-1].split()[0] == "total"


# --- cutting and editing


def test_cutting_a_layer_and_what_lies_between_two_nodes() -> None:
    layer = graph.layer(LLAMA)
    assert set(layer) == {n for n, d in LLAMA.nodes(data=True) if d["layer"] == "decoder"}
    assert layer.graph["parameters"] == 218_112_000, "(8.03e9 - embedding, head, last norm) / 32 layers"
    assert layer.graph["kv_bytes"] == LLAMA.graph["kv_bytes"] / 32
    mlp = graph.cut(LLAMA, "mlp_norm", "down_proj")
    assert set(mlp) == {"mlp_norm", "gate_up_proj", "act_mul", "down_proj"}
    assert mlp.graph["kv_bytes"] == 0
    graph.validate(layer)
    graph.validate(mlp)
    head = graph.layer(transformer(models.get("gpt2"), seq=64), "head")
    assert head.graph["parameters"] == 50257 * 768 + 2 * 768, "the tied table came along"
    with pytest.raises(ArchsimError, match="it leads from 'mlp_norm' to 'down_proj'"):
        graph.cut(LLAMA, "down_proj", "mlp_norm")
    with pytest.raises(ArchsimError, match="did you mean 'decoder'"):
        graph.layer(LLAMA, "decoder9")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_layers_of_a_graph_hold_all_of_its_work(name: str) -> None:
    g = EXAMPLES[name]()
    repeats: dict[str, int] = {}
    for _, d in g.nodes(data=True):
        repeats[d["layer"]] = max(repeats.get(d["layer"], 0), d["repeat"])
    work = sum(graph.inspect(graph.layer(g, layer)).total.flops * n for layer, n in repeats.items())
    assert work == pytest.approx(graph.inspect(g).total.flops)


def test_replacing_keeps_edges_true_to_their_producers() -> None:
    g = small()
    wide = graph.replace(g, "down", ops.MatMul(m=64, n=128, k=256, weights=True))
    assert g.nodes["down"]["op"].n == 64, "the graph given is not changed"
    quantised = graph.replace(wide, "up", ops.MatMul(m=64, n=256, k=64, weights=True, out_dtype="fp32"))
    assert quantised.edges["up", "act"]["tensor"].dtype == "fp32"
    graph.validate(quantised)
    with pytest.raises(ArchsimError, match="more than the"):
        graph.replace(LLAMA, "qkv_proj", ops.MatMul(m=1, n=1, k=4096))
    with pytest.raises(ArchsimError, match="must carry an operator"):
        graph.replace(g, "up", None)  # type: ignore[arg-type]


def test_inserting_and_removing_are_each_other_s_inverse() -> None:
    g = small()
    g.graph["parameters"] = graph.inspect(g).total.parameters
    norm = ops.Norm(rows=64, cols=256)
    more = graph.insert(g, "norm", norm, after="up", before="act")
    graph.validate(more)
    assert list(nx.topological_sort(more)) == ["up", "norm", "act", "down"]
    assert more.graph["parameters"] == g.graph["parameters"] + 256
    assert same(graph.remove(more, "norm"), g)
    assert graph.inspect(more).total.bytes == graph.inspect(g).total.bytes + norm.bytes
    everywhere = graph.insert(LLAMA, "probe", ops.Norm(rows=64, cols=4096), after="mlp_norm")
    assert list(everywhere.successors("mlp_norm")) == ["probe"]
    assert everywhere.nodes["probe"]["repeat"] == 32
    with pytest.raises(ArchsimError, match="no edge 'up' -> 'down'; 'up' feeds: 'act'"):
        graph.insert(g, "norm", norm, after="up", before="down")
    gpt = transformer(models.get("gpt2"), seq=64)
    with pytest.raises(ArchsimError, match="'lm_head' uses the parameters of 'embed'"):
        graph.remove(gpt, "embed")


@given(st.sampled_from(sorted(LLAMA.nodes)))
def test_removing_a_node_removes_its_work_alone(node: str) -> None:
    rest, whole, op = graph.remove(LLAMA, node), graph.inspect(LLAMA).total, LLAMA.nodes[node]
    left = graph.inspect(rest).total
    assert left.flops == pytest.approx(whole.flops - op["op"].flops * op["repeat"])
    assert left.bytes == pytest.approx(whole.bytes - op["op"].bytes * op["repeat"])
    assert nx.is_directed_acyclic_graph(rest)
    before, after = set(LLAMA.predecessors(node)), set(LLAMA.successors(node))
    assert all(rest.has_edge(a, b) for a in before for b in after)
