"""The layer graph: parameters, FLOPs and bytes against hand counts, structure, and every wrong argument."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models
from archsim.errors import ArchsimError
from archsim.timing.fusion import fuse
from archsim.workload import MatMul, transformer
from archsim.workload.config import ModelConfig, parse
from archsim.workload.contract import validate


def total(graph: nx.DiGraph, what: str) -> float:
    return sum(getattr(d["op"], what) * d["repeat"] for _, d in graph.nodes(data=True))


@pytest.mark.parametrize("name", models.names())
def test_nodes_hold_every_parameter_once(name: str) -> None:
    model = models.get(name)
    graph = transformer(model, phase="train", **({} if model.patches else {"seq": 16}))
    validate(graph)
    held = sum(d["op"].parameters * d["copies"] for _, d in graph.nodes(data=True) if not d.get("tied_to"))
    assert held == model.parameters


# Hand counts, 2 FLOP per MAC, matrices alone: layers x (q and o: 2 h h; k and v: 2 h kv; mlp) + head; then
# attention 4 x layers x h per key seen.
HAND = {
    "gpt3-175b": (96 * (4 * 12288**2 + 2 * 12288 * 49152) + 50257 * 12288, 4 * 96 * 12288),
    "llama-2-7b": (32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096, 4 * 32 * 4096),
    "llama-2-70b": (80 * (2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672) + 32000 * 8192, 4 * 80 * 8192),
    "llama-3.1-8b": (32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 128256 * 4096, 4 * 32 * 4096),
    "llama-3.1-70b": (80 * (2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672) + 128256 * 8192, 4 * 80 * 8192),
    "llama-3.1-405b": (126 * (2 * 16384**2 + 2 * 16384 * 1024 + 3 * 16384 * 53248) + 128256 * 16384, 4 * 126 * 16384),
}


@pytest.mark.parametrize("name", HAND)
def test_flops_per_token_equal_a_hand_count(name: str) -> None:
    macs, per_key = HAND[name]
    model = models.get(name)
    assert model.flops_per_token() == 2 * macs
    assert model.flops_per_token(1000) == 2 * macs + 1000 * per_key
    decode = transformer(model, phase="decode", batch=3, context=2048)
    assert total(decode, "flops") == 3 * (2 * macs + 2048 * per_key)
    # Causal prefill: token i sees i + 1 keys, 1024.5 on average over 2048.
    prefill = transformer(model, phase="prefill", batch=2, seq=2048)
    assert total(prefill, "flops") == 2 * 2048 * (2 * macs + 1024.5 * per_key)


def test_published_flops_per_token() -> None:
    # Llama-2-70B at 2048 keys, worked out digit by digit: linear 137,426,370,560; attention 5,368,709,120.
    assert models.get("llama-2-70b").flops_per_token(2048) == 137_426_370_560 + 5_368_709_120


def test_kv_cache_bytes() -> None:
    model = models.get("llama-2-70b")
    assert model.kv_bytes_per_token() == 320 * 1024  # 2 x 80 layers x 8 heads x 128 x 2 bytes
    graph = transformer(model, phase="decode", batch=4, context=1000)
    assert graph.graph["kv_bytes"] == 4 * 1000 * 320 * 1024
    assert transformer(model, phase="decode", batch=4, context=1000, kv_dtype="fp8").graph["kv_bytes"] == (
        graph.graph["kv_bytes"] / 2)


def test_decode_bytes_are_weights_and_cache_plus_little() -> None:
    model = models.get("llama-3.1-8b")
    graph = transformer(model, phase="decode", batch=1, context=4096)
    stored = 2 * (model.parameters - model.vocab * model.hidden) + 4096 * model.kv_bytes_per_token()
    assert stored < total(graph, "bytes") < 1.001 * stored


def test_structure() -> None:
    model = models.get("llama-3.1-405b")
    graph = transformer(model, phase="prefill", seq=128)
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.number_of_nodes() == transformer(models.get("llama-3.1-8b")).number_of_nodes(), "depth adds no nodes"
    assert {d["layer"] for _, d in graph.nodes(data=True)} == {"embedding", "decoder", "head"}
    assert {d["repeat"] for _, d in graph.nodes(data=True) if d["layer"] == "decoder"} == {126}
    assert graph.nodes["qkv_proj"]["op"] == MatMul(m=128, n=16384 + 2 * 1024, k=16384, weights=True)
    edge = graph.edges["attn_norm", "qkv_proj"]["tensor"]
    assert (edge.shape, edge.dtype, edge.bytes) == ((128, 16384), "bf16", 128 * 16384 * 2)
    for residual in [("attn_norm", "mlp_norm"), ("mlp_norm", "final_norm")]:
        assert graph.edges[residual]["name"] == "residual"


def test_gpt_has_learned_positions_biases_and_a_tied_head() -> None:
    graph = transformer(models.get("gpt3-175b"))
    assert {"position_embed", "up_proj", "act"} <= set(graph.nodes)
    assert "rope" not in graph
    assert graph.nodes["lm_head"]["tied_to"] == "embed"
    assert graph.nodes["qkv_proj"]["op"].bias
    assert not graph.nodes["lm_head"]["op"].bias


def test_logits_of_the_last_token_only() -> None:
    model = models.get("llama-3.1-8b")
    every = transformer(model, batch=2, seq=100).nodes["lm_head"]["op"]
    last = transformer(model, batch=2, seq=100, logits="last").nodes["lm_head"]["op"]
    assert (every.m, last.m) == (200, 2)


def test_eight_bit_weights_keep_the_rest_at_sixteen() -> None:
    graph = transformer(models.get("llama-3.1-8b"), dtype="fp8")
    assert graph.nodes["qkv_proj"]["op"].dtype == "fp8"
    assert graph.nodes["attention"]["op"].dtype == "bf16"
    assert graph.nodes["attn_norm"]["op"].dtype == "bf16"


def test_prefill_behind_a_cached_context() -> None:
    op = transformer(models.get("llama-3.1-8b"), seq=64, context=1000).nodes["attention"]["op"]
    assert (op.q_len, op.kv_len) == (64, 1064)
    graph = transformer(models.get("llama-3.1-8b"), seq=64, context=1000)
    assert (graph.graph["seq"], graph.graph["context"]) == (64, 1000), "what was asked for, so that it can be repeated"


def test_default_lengths_end_with_learned_positions() -> None:
    assert transformer(models.get("gpt3-175b")).graph["seq"] == 2048
    assert transformer(models.get("gpt3-175b"), phase="decode").graph["context"] == 2048
    assert transformer(models.get("llama-2-7b")).graph["seq"] == 8192


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"phase": "prefil"}, "unknown phase 'prefil': did you mean 'prefill'"),
        ({"dtype": "bf61"}, "unknown dtype 'bf61'"),
        ({"kv_dtype": "x"}, "unknown dtype 'x'"),
        ({"logits": "first"}, "unknown logits"),
        ({"batch": 0}, "batch must be from 1"),
        ({"batch": -3}, "batch must be from 1"),
        ({"batch": "two"}, "batch must be a whole number"),
        ({"batch": 10**30}, "batch must be from 1 to"),
        ({"seq": 0}, "seq must be from 1"),
        ({"seq": 1.5}, "seq must be a whole number"),
        ({"seq": float("inf")}, "seq must be a whole number"),
        ({"context": -1}, "context must be from 1"),
        ({"phase": "decode", "context": 0}, "context must be from 1"),
        ({"phase": "decode", "context": 4, "seq": 8}, "must be at least seq"),
        ({"batch": 2**20, "seq": 2**24}, "batch x seq must be from 1 to"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        transformer(models.get("llama-3.1-8b"), **arguments)  # type: ignore[arg-type]


def test_learned_positions_end() -> None:
    with pytest.raises(ArchsimError, match="2,048 learned positions, not 4,096"):
        transformer(models.get("gpt3-175b"), seq=4096)


def test_not_a_model() -> None:
    with pytest.raises(ArchsimError, match="takes a ModelConfig"):
        transformer("llama-3.1-8b")  # type: ignore[arg-type]


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    kv = draw(st.integers(1, 4))
    group = draw(st.integers(1, 4))
    head_dim = draw(st.sampled_from([8, 64, 96]))
    gpt = draw(st.booleans())
    layers, ffn, vocab = draw(st.integers(1, 5)), draw(st.integers(1, 500)), draw(st.integers(1, 500))
    if gpt:
        return parse({"model_type": "gpt2", "n_embd": kv * head_dim, "n_head": kv, "n_layer": layers, "n_inner": ffn,
                      "vocab_size": vocab, "n_positions": 4096, "tie_word_embeddings": draw(st.booleans())})
    return parse({"model_type": draw(st.sampled_from(["llama", "mistral", "qwen2"])), "hidden_size": draw(small),
                  "num_attention_heads": kv * group, "num_key_value_heads": kv, "head_dim": head_dim,
                  "num_hidden_layers": layers, "intermediate_size": ffn, "vocab_size": vocab,
                  "tie_word_embeddings": draw(st.booleans()), "sliding_window": draw(st.none() | small)})


small = st.integers(1, 300)


@given(configs(), st.sampled_from(["prefill", "decode"]), st.integers(1, 4), st.integers(1, 60))
def test_any_config_counts_consistently(model: ModelConfig, phase: str, batch: int, length: int) -> None:
    where = {"seq": length} if phase == "prefill" else {"context": length}
    graph = transformer(model, phase=phase, batch=batch, **where)
    held = sum(d["op"].parameters * d["repeat"] for _, d in graph.nodes(data=True) if not d.get("tied_to"))
    assert held == model.parameters
    if phase == "decode":
        assert total(graph, "flops") == batch * model.flops_per_token(length)


@given(configs(), st.sampled_from(["prefill", "decode"]), st.integers(1, 3))
def test_fusion_conserves_work_and_never_adds_bytes(model: ModelConfig, phase: str, batch: int) -> None:
    graph = transformer(model, phase=phase, batch=batch, **({"seq": 17} if phase == "prefill" else {"context": 17}))
    fused = fuse(graph, chips.get("tpu-v5p"))
    assert total(fused, "flops") == total(graph, "flops")
    assert total(fused, "vector_ops") == pytest.approx(total(graph, "vector_ops"))
    assert total(fused, "transcendentals") == pytest.approx(total(graph, "transcendentals"))
    assert total(fused, "parameters") == total(graph, "parameters")
    assert total(fused, "bytes") < total(graph, "bytes")
    assert nx.is_directed_acyclic_graph(fused)
    assert not {"rope", "act_mul", "act"} & set(fused.nodes), "elementwise work rides with the product before it"
    assert {"attn_norm", "mlp_norm", "attention"} <= set(fused.nodes), "a reduction does not"


def test_fusion_is_an_option_of_the_core() -> None:
    graph, gpu = transformer(models.get("llama-3.1-8b"), seq=128), chips.get("h100-sxm")
    assert fuse(graph, gpu) is graph
    fused = fuse(graph, gpu.replace("core", fuse_elementwise=True))
    assert "rope" in graph
    assert "rope" not in fused
