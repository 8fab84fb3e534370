"""Training steps: gradients of every operator, recomputation, accumulation, the optimizer."""

import json

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models, simulate
from archsim.dtypes import BYTES
from archsim.errors import ArchsimError, UnsupportedError
from archsim.workload import graph as graphs
from archsim.workload import transformer
from archsim.workload.backward import backward, optimize
from archsim.workload.contract import validate
from archsim.workload.ops import Attention, AttentionBackward, Conv, CrossEntropy, Elementwise, MatMul, Norm, Op, Update

EVERY = ["gpt3-175b", "llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "gemma-2-27b", "falcon-180b", "gpt-oss-120b",
         "bert-large-uncased", "t5-11b", "vit-l-16", "qwen3-235b-a22b", "phi-2", "bloom-176b"]
"""A model of each kind: learned, rotated and biased positions; experts, latents, sinks, parallel blocks, encoders."""


def step(name: str, **options: object) -> nx.DiGraph:
    model = models.get(name)
    return transformer(model, phase="train", **({} if model.patches else {"seq": 32}), **options)  # type: ignore[arg-type]


def flops(graph: nx.DiGraph, back: bool) -> float:
    return sum(d["op"].flops * d["repeat"] for _, d in graph.nodes(data=True)
               if bool(d.get("backward")) == back and not d.get("recomputed"))


def total(graph: nx.DiGraph, what: str) -> float:
    return sum(getattr(d["op"], what) * d["repeat"] for _, d in graph.nodes(data=True))


@pytest.mark.parametrize("name", EVERY)
def test_backward_has_twice_the_forwards_matrix_flops(name: str) -> None:
    graph = step(name, batch=2)
    validate(graph)
    first = 0.0  # pixels want no gradient
    if "patch_embed" in graph:
        first = graph.nodes["patch_embed"]["op"].flops
    assert flops(graph, True) == 2 * flops(graph, False) - first
    forward = [n for n, d in graph.nodes(data=True) if not d.get("backward")]
    assert graph.subgraph(forward).number_of_edges() > len(forward) / 2
    assert nx.is_directed_acyclic_graph(graph)


@pytest.mark.parametrize("name", EVERY)
def test_every_parameter_gets_a_gradient_of_its_size(name: str) -> None:
    graph = step(name)
    for node, data in graph.nodes(data=True):
        op: Op = data["op"]
        if data.get("backward") or op.kind not in ("matmul", "grouped_matmul") or not op.parameters:
            continue
        got = graph.nodes[f"{node}.wgrad"]["op"]
        biases = (op.parameters - op.parameters * op.k // (op.k + 1)) if op.bias else 0
        *_, (_, shape, _) = got.shapes()
        elements = 1
        for side in shape:
            elements *= side
        assert elements == op.parameters - biases
        assert f"{node}.wgrad" in graph.pred["update"]
        if op.bias:
            summed = graph.nodes[f"{node}.bgrad"]["op"]
            rows, met = (op.m, 1.0) if op.kind == "matmul" else (op.rows, op.touched / len(op.groups))
            assert summed.elements == biases * met, "experts without tokens have none"
            assert summed.read_bytes == rows * op.n * BYTES[op.out_dtype]
            assert f"{node}.bgrad" in graph.pred["update"]
    assert graph.nodes["update"]["op"].elements == models.get(name).parameters


def test_a_products_gradients_by_hand() -> None:
    graph = step("llama-3.1-8b")
    assert graph.nodes["down_proj"]["op"] == MatMul(m=32, n=4096, k=14336, weights=True, split="k")
    # dx[32, 14336] = dy[32, 4096] w^T and dw[14336, 4096] = x^T[14336, 32] dy: cut where the forward product is.
    assert graph.nodes["down_proj.dgrad"]["op"] == MatMul(m=32, n=14336, k=4096, weights=True, split="n")
    assert graph.nodes["down_proj.wgrad"]["op"] == MatMul(m=14336, n=4096, k=32, split="m", out_dtype="fp32")
    assert set(graph.pred["down_proj.wgrad"]) == {"act_mul", "final_norm.backward"}
    assert set(graph.pred["down_proj.dgrad"]) == {"final_norm.backward"}, "a gradient of inputs needs weights alone"
    assert graph.nodes["down_proj.dgrad"]["tied_to"] == "down_proj"
    assert set(graph.pred["act_mul.backward"]) == {"gate_up_proj", "down_proj.dgrad"}
    assert set(graph.pred["mlp_norm.backward"]) == {"gate_up_proj.dgrad", "final_norm.backward", "mlp_norm"}
    assert "rope" not in graph.pred["rope.backward"], "a rotation is undone without what it rotated"


def test_attentions_backward_pass() -> None:
    forward = Attention(batch=2, q_len=128, kv_len=128, heads=8, kv_heads=2, head_dim=64)
    op = AttentionBackward(forward)
    assert op.flops == 2 * forward.flops
    assert op.executed_flops == 2.5 * forward.flops, "scores are computed again"
    rows = 4 * 2 * 128 * 8
    assert op.read_bytes == forward.q_bytes + forward.kv_bytes + 2 * forward.write_bytes + rows
    assert op.write_bytes == forward.q_bytes + forward.kv_bytes
    for n in (1, 2, 5, 16):
        assert op.shard(n).flops * n >= op.flops >= op.shard(n).flops
    wide = Attention(batch=1, q_len=64, kv_len=64, heads=4, kv_heads=4, head_dim=192, value_dim=128)
    assert AttentionBackward(wide).executed_flops == 2 * wide.flops + 2 * wide.pairs * 4 * 192
    with pytest.raises(ArchsimError, match="must be an Attention"):
        AttentionBackward(3)  # type: ignore[arg-type]


def test_the_optimizers_bytes_per_parameter() -> None:
    # Mixed precision (ZeRO, arXiv 1910.02054, section 3.1): fp16 weights 2, fp16 gradients 2, fp32 weights 4, two fp32
    # moments 8: 16 bytes; 18 with fp32 gradients.
    def stored(**more: object) -> float:
        op = Update(elements=1000, **more)  # type: ignore[arg-type]
        return (2 * 1000 + op.gradient_bytes + op.state_bytes) / 1000

    assert stored() == 16
    assert stored(gradient_dtype="fp32") == 18
    assert stored(name="momentum") == 12
    assert stored(name="sgd", master=False) == 4
    adam = Update(elements=1000)
    assert adam.read_bytes == 1000 * (2 + 12)
    assert adam.write_bytes == 1000 * (12 + 2)
    with pytest.raises(ArchsimError, match="unknown optimizer 'adamw': did you mean 'adam'"):
        Update(elements=1, name="adamw")


@pytest.mark.parametrize(("dtype", "bytes_each"), [("fp32", 16), ("tf32", 16), ("bf16", 18), ("fp8", 18)])
def test_adam_keeps_a_copy_of_weights_that_are_not_fp32_themselves(dtype: str, bytes_each: int) -> None:
    held = graphs.memory(transformer(models.get("gpt2"), phase="train", seq=32, dtype=dtype))
    assert held.weights + held.gradients + held.optimizer == bytes_each * models.get("gpt2").parameters


def test_microbatches_add_up() -> None:
    whole, parts = step("llama-3.1-8b", batch=8), step("llama-3.1-8b", batch=8, microbatches=4)
    assert total(parts, "flops") == total(whole, "flops")
    assert parts.graph["tokens"] == whole.graph["tokens"] == 8 * 32
    assert {d["repeat"] for n, d in parts.nodes(data=True) if d["layer"] == "decoder"} == {4 * 32}
    assert parts.nodes["update"]["repeat"] == 1
    # A gradient is added onto those before: read and written in fp32, where one pass only writes it.
    one, added = whole.nodes["o_proj.wgrad"]["op"], parts.nodes["o_proj.wgrad"]["op"]
    assert added.write_bytes == one.write_bytes == 4096 * 4096 * 4
    assert added.read_bytes == 2 * 4096 * (64 + 64) + 4 * 4096 * 4096


@pytest.mark.parametrize("name", EVERY)
def test_recomputation_runs_layers_again_and_is_no_work_of_the_model(name: str) -> None:
    plain, full = step(name), step(name, recompute="full")
    validate(full)
    layers = ("decoder", "encoder")
    inside = sum(d["op"].flops * d["repeat"] for _, d in plain.nodes(data=True)
                 if d["layer"].split(".")[0] in layers and not d.get("backward"))
    again = [(n, d) for n, d in full.nodes(data=True) if d.get("recomputed")]
    assert sum(d["op"].flops * d["repeat"] for _, d in again) == inside
    assert flops(full, True) == flops(plain, True)
    assert all(d["tied_to"] for _, d in again)
    for node, _ in again:  # a backward node reads what was computed again, not what is gone
        for after in full.successors(node.removesuffix(".again")):
            data = full.nodes[after]
            kept = full.edges[node.removesuffix(".again"), after].get("name") == "residual"
            same = data["layer"].removesuffix(".backward") == full.nodes[node]["layer"].removesuffix(".backward")
            assert not (data.get("backward") and same) or kept


def test_recomputing_counts_in_time_and_not_in_utilisation() -> None:
    chip = chips.get("h100-sxm")
    plain = simulate(step("llama-3.1-8b", batch=64), chip)
    full = simulate(step("llama-3.1-8b", batch=64, recompute="full"), chip)
    assert full.flops == plain.flops
    assert full.time_s > 1.15 * plain.time_s


def test_selective_recomputation_is_attentions_core() -> None:
    graph = step("gpt3-175b", fused_attention=False, dropout=True, recompute="selective")
    assert {n for n, d in graph.nodes(data=True) if d.get("recomputed")} == {
        "attention_scores.again", "attention_softmax.again", "attention_probs_dropout.again"}
    # The second product's gradients: of the probabilities from the values, of the values from the probabilities.
    assert set(graph.pred["attention_mix.dgrad_a"]) == {"qkv_proj", "o_proj.dgrad"}
    assert set(graph.pred["attention_mix.dgrad_b"]) == {"attention_probs_dropout.again", "o_proj.dgrad"}
    assert set(graph.succ["attention_mix.dgrad_a"]) == {"attention_probs_dropout.backward"}
    assert set(graph.succ["attention_mix.dgrad_b"]) == {"qkv_proj.dgrad", "qkv_proj.wgrad", "qkv_proj.bgrad"}
    fused = step("gpt3-175b", recompute="selective")
    assert not any(d.get("recomputed") for _, d in fused.nodes(data=True)), "a fused kernel does so anyway"


def test_attention_that_is_not_fused_does_the_same_products() -> None:
    graph = transformer(models.get("gpt3-175b"), seq=128, fused_attention=False)
    scores = graph.nodes["attention_scores"]["op"]
    assert (scores.batch, scores.m, scores.n, scores.k) == (96, 128, 128, 128)
    fused = Attention(batch=1, q_len=128, kv_len=128, heads=96, kv_heads=96, head_dim=128, causal=False)
    assert scores.flops + graph.nodes["attention_mix"]["op"].flops == fused.flops
    grouped = transformer(models.get("llama-3.1-8b"), seq=64, fused_attention=False)
    assert grouped.nodes["attention_scores"]["op"].b_bytes == 8 * 128 * 64 * 2, "a group shares its keys"
    with pytest.raises(UnsupportedError, match="without sinks"):
        transformer(models.get("gpt-oss-120b"), seq=64, fused_attention=False)


def test_small_formats_quantise_gradients_too() -> None:
    graph = step("llama-3.1-8b", dtype="fp8")
    assert graph.nodes["o_proj.wgrad"]["op"].dtype == "fp8"
    assert set(graph.pred["o_proj.wgrad"]) == {"o_proj_quantize", "o_proj.dy_quantize"}
    assert graph.nodes["update"]["op"].dtype == "bf16", "weights are kept in 16 bits"


def test_a_graph_by_hand_goes_backward() -> None:
    g = graphs.new("mlp", tokens=64)
    norm = graphs.add(g, "norm", Norm(rows=64, cols=128))
    up = graphs.add(g, "up", MatMul(m=64, n=256, k=128, weights=True), norm)
    act = graphs.add(g, "act", Elementwise(elements=64 * 256, name="gelu"), up)
    down = graphs.add(g, "down", MatMul(m=64, n=10, k=256, weights=True), act)
    graphs.add(g, "loss", CrossEntropy(rows=64, cols=10), down)
    before = len(g)
    both = optimize(backward(g))
    assert len(g) == before, "the graph given is not changed"
    validate(both)
    assert flops(both, True) == 2 * flops(both, False)
    assert both.nodes["update"]["op"].elements == 128 + 128 * 256 + 256 * 10
    assert [n for n in both if n.startswith("up.")] == ["up.dgrad", "up.wgrad"]


def test_what_has_no_gradient_is_named() -> None:
    g = graphs.new("image")
    graphs.add(g, "conv", Conv(batch=1, height=8, width=8, c_in=4, c_out=4, kernel=(3, 3)))
    with pytest.raises(UnsupportedError, match="conv: the backward pass of operators of kind 'conv' is not modelled"):
        backward(g)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"batch": 3, "microbatches": 2}, "3 sequences of 32 tokens cannot be cut into 2 equal microbatches"),
        ({"microbatches": 0}, "microbatches must be from 1"),
        ({"recompute": "ful"}, "unknown recompute 'ful': did you mean 'full'"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'"),
        ({"context": 5}, "context belongs to phases prefill and decode, not to train"),
        ({"gradient_dtype": "fp33"}, "unknown dtype 'fp33'"),
        ({"dropout": 0.1}, "dropout must be True or False"),
        ({"kv_dtype": "fp8"}, "belong to inference"),
        ({"weight_dtype": "int4"}, "belong to inference"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        step("llama-3.1-8b", **arguments)


def test_training_options_belong_to_training() -> None:
    for option in ({"microbatches": 2}, {"recompute": "full"}, {"dropout": True}):
        with pytest.raises(ArchsimError, match="belong to phase 'train'"):
            transformer(models.get("llama-3.1-8b"), **option)  # type: ignore[arg-type]


@given(st.sampled_from(EVERY), st.integers(1, 3), st.sampled_from(["none", "selective", "full"]), st.integers(1, 2))
def test_any_step_is_a_graph(name: str, batch: int, recompute: str, microbatches: int) -> None:
    graph = step(name, batch=batch * microbatches, recompute=recompute, microbatches=microbatches, dropout=True)
    validate(graph)
    assert graph.graph["tokens"] == batch * microbatches * (graph.graph["seq"])
    held = sum(d["op"].parameters * d["copies"] for _, d in graph.nodes(data=True) if not d.get("tied_to"))
    assert held == models.get(name).parameters


@pytest.mark.parametrize(("batch", "seq"), [(1, 2048), (4, 512)])
def test_a_steps_flops_equal_the_published_formula(batch: int, seq: int) -> None:
    # Korthikanti et al. 2022 (arXiv 2205.05198), equation 7, all scores counted: 72 B L s h^2 (1 + s/6h + V/12hL).
    b, s, h, layers, vocab = batch, seq, 12288, 96, 50257
    published = 72 * b * layers * s * h**2 + 12 * b * layers * s**2 * h + 6 * b * s * h * vocab
    graph = transformer(models.get("gpt3-175b"), phase="train", batch=b, seq=s, fused_attention=False)
    assert total(graph, "flops") == published
    causal = transformer(models.get("gpt3-175b"), phase="train", batch=b, seq=s)
    assert total(causal, "flops") == published - 12 * b * layers * s**2 * h * (s - 1) / (2 * s)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "deepseek-v3"])
def test_a_training_graph_goes_through_json(name: str) -> None:
    graph = step(name, recompute="full", dropout=True, batch=2, microbatches=2)
    back = graphs.read(json.loads(json.dumps(graphs.plain(graph))))
    assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {(a, b): d for a, b, d in back.edges(data=True)} == {(a, b): d for a, b, d in graph.edges(data=True)}
    assert graphs.memory(back) == graphs.memory(graph)
