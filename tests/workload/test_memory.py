"""Peak memory: liveness against a naive count, activations of training against a published table, KV caches."""

from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models, simulate
from archsim.workload import graph as graphs
from archsim.workload import transformer
from archsim.workload.architecture import ModelConfig, Stack
from archsim.workload.memory import kept, memory
from archsim.workload.ops import Elementwise, MatMul, Update
from archsim.workload.sublayers import AttentionConfig, FfnConfig, Layer


def naive_peak(graph: nx.DiGraph) -> float:
    """Look, at every node, at every result there is: is it made by now, and is it read now or later?"""
    order = list(graph)
    results: dict[tuple[str, str], list[Any]] = {}
    for a, b, e in graph.edges(data=True):
        if not isinstance(graph.nodes[b]["op"], Update):
            results.setdefault((a, e.get("name", "")), []).append((b, e["tensor"].bytes))
    peak = 0.0
    for i in range(len(order)):
        alive = 0.0
        for (maker, name), readers in results.items():
            last = max(order.index(b) for b, _ in readers)
            if order.index(maker) <= i <= last:
                this = graph.nodes[maker]
                copies = 1
                if not this.get("backward"):
                    back = [graph.nodes[b] for b, _ in readers if graph.nodes[b].get("backward")]
                    if back:
                        copies = max([this["copies"], *(d["copies"] for d in back if name != "shared")])
                alive += max(size for _, size in readers) * copies
        peak = max(peak, alive)
    return peak


@pytest.mark.parametrize("name", ["llama-2-7b", "mixtral-8x7b", "gemma-2-27b", "deepseek-v2-lite", "t5-11b"])
@pytest.mark.parametrize("recompute", ["none", "full"])
def test_liveness_equals_a_naive_count_in_training(name: str, recompute: str) -> None:
    graph = transformer(models.get(name), phase="train", batch=2, seq=256, recompute=recompute)
    rows = sum(size for (_, what), size in kept(graph).items() if what == "row sums")
    # Operands that no edge carries (the token numbers, the losses) are all that is beside.
    assert naive_peak(graph) + rows <= memory(graph).activations <= (naive_peak(graph) + rows) * 1.001


@pytest.mark.parametrize("name", ["llama-2-7b", "gpt3-175b", "falcon-180b", "gemma-2-27b"])
def test_liveness_in_prefill(name: str) -> None:
    graph = transformer(models.get(name), seq=2048, logits="last")
    need = memory(graph)
    model = models.get(name)
    width = model.stack().first.ffn.ffn
    wide = (2 if model.stack().first.ffn.gated else 1) * width
    # The widest moment of a layer: what goes up, its activation, and the residual stream beside them.
    assert need.at.split(".")[-1] in ("act_mul", "act", "gate_up_proj", "up_proj", "mlp_norm")
    assert need.activations >= 2 * 2048 * (wide + width + model.hidden)
    assert need.activations >= naive_peak(graph)
    assert need.total == need.weights + need.kv_cache + need.activations


def test_a_chain_by_hand() -> None:
    g = graphs.new("chain", tokens=4)
    a = graphs.add(g, "a", MatMul(m=4, n=100, k=10, weights=True))
    b = graphs.add(g, "b", Elementwise(elements=400), a)
    c = graphs.add(g, "c", MatMul(m=4, n=10, k=100, weights=True), b)
    graphs.add(g, "d", Elementwise(elements=40, inputs=2), c, a)  # 400 elements of which 40 are read
    need = memory(g)
    assert need.weights == 2 * (1000 + 1000)
    # While b runs, a's result lives, and goes on living for d: 400 + 400 elements; c adds 40 to both.
    assert (need.at, need.activations) == ("c", 2 * (400 + 400 + 40))


def test_a_product_alone_needs_its_operands() -> None:
    g = graphs.new("gemm")
    graphs.add(g, "gemm", MatMul(m=8, n=16, k=32))
    assert memory(g).activations == 2 * (8 * 32 + 32 * 16 + 8 * 16)


def gpt(hidden: int, heads: int, layers: int, vocab: int = 51200) -> ModelConfig:
    """A GPT as in Korthikanti et al. 2022: MHA, f = 4h, GELU, LayerNorm, learned positions."""
    layer = Layer(
        AttentionConfig(heads=heads, kv_heads=heads, head_dim=hidden // heads, positions="learned", bias_qkv=True,
                        bias_o=True),
        FfnConfig(ffn=4 * hidden, gated=False, activation="gelu", bias=True), norm="layernorm", norm_bias=True)
    return ModelConfig("gpt", "gpt2", hidden, vocab, 2048, (Stack("decoder", ((layer, layers),)),), tied=True,
                       position_rows=2048)


# Korthikanti et al. 2022 (arXiv 2205.05198), table 3: heads, hidden, layers, micro-batch; sequences of 2048.
TABLE = {"22B": (64, 6144, 48, 4), "175B": (96, 12288, 96, 1), "530B": (128, 20480, 105, 1), "1T": (160, 25600, 128, 1)}


@pytest.mark.parametrize("name", TABLE)
def test_activations_per_layer_equal_the_published_formula(name: str) -> None:
    a, h, layers, b = TABLE[name]
    s = 2048
    model = gpt(h, a, layers)

    def per_layer(**options: Any) -> float:
        graph = transformer(model, phase="train", batch=b, seq=s, dropout=True, **options)
        inside = [size for (node, _), size in kept(graph).items() if graph.nodes[node]["layer"] == "decoder"]
        assert memory(graph).activations >= sum(inside)
        return sum(inside) / layers

    unfused: dict[str, Any] = {"fused_attention": False}
    assert per_layer(**unfused) == s * b * h * 34 + 5 * a * s * s * b
    assert per_layer(**unfused, recompute="selective") == 34 * s * b * h
    assert per_layer(**unfused, recompute="full") == per_layer(recompute="full") == 2 * s * b * h
    assert per_layer() == 34 * s * b * h + 4 * a * s * b, "a fused kernel keeps one fp32 figure per row"


def test_the_published_formula_tensor_by_tensor() -> None:
    graph = transformer(gpt(12288, 96, 1), phase="train", seq=2048, fused_attention=False, dropout=True)
    unit = 2048 * 12288
    inside = {what: size / unit for what, size in kept(graph).items() if graph.nodes[what[0]]["layer"] == "decoder"}
    assert inside == {
        ("attn_norm", "residual"): 2, ("attn_norm", ""): 2, ("qkv_proj", "qk"): 4, ("qkv_proj", "v"): 2,
        ("attention_softmax", ""): 32, ("attention_probs_dropout", "mask"): 16, ("attention_probs_dropout", ""): 32,
        ("attention_mix", ""): 2, ("attn_dropout", "mask"): 1,
        ("mlp_norm", "residual"): 2, ("mlp_norm", ""): 2, ("up_proj", ""): 8, ("act", ""): 8,
        ("mlp_dropout", "mask"): 1,
    }


def test_training_states() -> None:
    model = models.get("llama-2-7b")
    need = memory(transformer(model, phase="train", seq=128))
    assert need.weights == 2 * model.parameters
    assert need.gradients == 4 * model.parameters
    assert need.optimizer == 12 * model.parameters  # 18 bytes per parameter with fp32 gradients
    small = memory(transformer(model, phase="train", seq=128, gradient_dtype="bf16", optimizer="sgd"))
    assert (small.gradients, small.optimizer) == (2 * model.parameters, 4 * model.parameters)
    assert need.kv_cache == 0


def test_microbatches_keep_one_part_at_a_time() -> None:
    model = models.get("llama-2-7b")
    whole, parts = (memory(transformer(model, phase="train", batch=8, seq=256, microbatches=m)) for m in (1, 8))
    assert parts.activations == pytest.approx(whole.activations / 8, rel=0.01)
    assert parts.weights == whole.weights


@pytest.mark.parametrize(("name", "published"), [
    ("llama-2-70b", 320 * 1024),  # 2 x 80 layers x 8 heads x 128 x 2 bytes
    ("deepseek-v3", 70_272),  # 61 layers x (512 + 64) x 2 bytes: arXiv 2412.19437
    ("llama-3.1-405b", 516_096),
])
def test_kv_cache_per_token(name: str, published: int) -> None:
    model = models.get(name)
    for phase, seq in (("decode", 1), ("prefill", 1)):
        graph = transformer(model, phase=phase, seq=seq, **({"context": 1} if phase == "decode" else {}))
        assert memory(graph).kv_cache == graph.graph["kv_bytes"] == published


def test_windows_bound_the_cache() -> None:
    model = models.get("mistral-7b-v0.1")
    short, long = (transformer(model, phase="decode", context=c).graph["kv_bytes"] for c in (4096, 32768))
    assert short == long == 4096 * model.kv_bytes_per_token()


def test_weights_that_a_step_leaves_untouched_are_there_all_the_same() -> None:
    model = models.get("t5-11b")
    decode = transformer(model, phase="decode", context=64)
    held = sum(d["op"].parameters * d["repeat"] for _, d in decode.nodes(data=True) if not d.get("tied_to"))
    assert held < 0.7 * model.parameters
    assert memory(decode).weights == pytest.approx(2 * model.parameters)


def test_what_fits_is_what_the_simulator_says() -> None:
    chip = chips.get("h100-sxm")
    model = models.get("llama-3.1-8b")
    graph = transformer(model, phase="decode", batch=64, context=8192)
    need = memory(graph)
    assert need.kv_cache == 64 * 8192 * model.kv_bytes_per_token()
    run = simulate(graph, chip, chips=1)
    assert run.weight_bytes + run.kv_bytes + run.activation_bytes == need.total
    assert run.fits == (need.total <= chip.memory.capacity)


def test_weight_only_formats_bring_their_scales() -> None:
    model = models.get("llama-3.1-8b")
    graph = transformer(model, phase="decode", weight_dtype="int4")
    outside = 2 * model.vocab * model.hidden + 65 * model.hidden  # embedding, head, norms stay in 16 bits
    inside = model.parameters - outside
    assert memory(graph).weights == 2 * outside + inside * (0.5 + 2 / 128)
    op = graph.nodes["o_proj"]["op"]
    assert (op.dtype, op.b_dtype) == ("bf16", "int4_g128")


@given(st.integers(1, 4), st.integers(1, 300))
def test_more_tokens_never_need_less(batch: int, seq: int) -> None:
    model = models.get("llama-2-7b")
    small = memory(transformer(model, batch=batch, seq=seq))
    assert memory(transformer(model, batch=batch, seq=seq + 1)).activations >= small.activations
    assert memory(transformer(model, batch=batch + 1, seq=seq)).activations >= small.activations
