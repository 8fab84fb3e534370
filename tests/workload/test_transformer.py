"""The layer graph: parameters, FLOPs and bytes against hand counts, structure, and every wrong argument."""

import time
from dataclasses import replace
from timeit import timeit

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models
from archsim.errors import ArchsimError
from archsim.timing.fusion import fuse
from archsim.workload import MatMul, transformer
from archsim.workload.architecture import ModelConfig, Stack
from archsim.workload.contract import validate
from archsim.workload.sublayers import AttentionConfig, FfnConfig, Layer


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


REFERENCE = ["gpt3-175b", "llama-2-70b", "llama-3.1-405b", "mistral-7b-v0.1", "mixtral-8x7b", "gemma-2-27b",
             "falcon-180b", "bloom-176b", "gpt-j-6b", "qwen3-235b-a22b", "deepseek-v3", "gpt-oss-120b",
             "llama-4-maverick", "phi-2", "palm-540b", "gpt2-xl"]
"""Models whose counts are worked out digit by digit (the tests of `archsim.models` hold the figures)."""


@pytest.mark.parametrize("name", REFERENCE)
def test_operators_add_up_to_the_closed_forms(name: str) -> None:
    model = models.get(name)
    model = replace(model, max_positions=max(2048, model.max_positions))
    decode = transformer(model, phase="decode", batch=2, context=2048)
    linear, seen = model.linear_flops_per_token(), model.attention_flops_per_token(2048, absorbed=True)
    assert of_kind(decode, "attention") == 2 * seen
    assert total(decode, "flops") - of_kind(decode, "attention") == 2 * linear
    prefill = transformer(model, phase="prefill", seq=2048)
    # Query i sees i + 1 keys, or its window's: the exact sum, layer by layer.
    causal = sum(model.attention_flops_per_token(i + 1) for i in range(2048))
    assert of_kind(prefill, "attention") == causal
    assert total(prefill, "flops") - of_kind(prefill, "attention") == 2048 * linear


def of_kind(graph: nx.DiGraph, kind: str) -> float:
    return sum(d["op"].flops * d["repeat"] for _, d in graph.nodes(data=True) if d["op"].kind == kind)


def test_published_attention_flops() -> None:
    # DeepSeek-V3 at 2048 keys: 61 layers x 128 heads x 2 x 2048 x (192 + 128) unabsorbed, x (576 + 512) absorbed.
    model = models.get("deepseek-v3")
    assert of_kind(transformer(model, phase="decode", context=2048), "attention") == 34_795_945_984
    assert of_kind(transformer(model, phase="prefill", seq=2048), "attention") == 2048 * 5_119_549_440


def test_latent_attention_rebuilds_keys_in_prefill_and_absorbs_them_in_decode() -> None:
    model = models.get("deepseek-v3")
    prefill = transformer(model, seq=64, context=1000)
    up = prefill.nodes["decoder.0.kv_up_proj"]["op"]
    assert (up.m, up.n, up.k) == (1064, 128 * (128 + 128), 512), "cached latents are expanded too"
    op = prefill.nodes["decoder.0.attention"]["op"]
    assert (op.heads, op.kv_heads, op.head_dim, op.value_dim, op.shared_kv) == (128, 128, 192, 128, False)
    decode = transformer(model, phase="decode", batch=3, context=1000)
    op = decode.nodes["decoder.0.attention"]["op"]
    assert (op.heads, op.kv_heads, op.head_dim, op.value_dim, op.shared_kv) == (128, 1, 576, 512, True)
    assert op.kv_bytes == 3 * 1000 * 576 * 2
    absorb = decode.nodes["decoder.0.q_absorb"]["op"]
    assert (absorb.batch, absorb.m, absorb.n, absorb.k) == (128, 3, 512, 128)
    one, two = (sum(d["op"].parameters * d["repeat"] for _, d in g.nodes(data=True)) for g in (prefill, decode))
    assert one == two == model.parameters


def test_windows_sinks_caps_and_other_kinds_of_layers() -> None:
    gemma = transformer(models.get("gemma-2-27b"), seq=8192)
    local, full = (gemma.nodes[f"decoder.{i}.attention"]["op"] for i in (0, 1))
    assert {local.window, full.window} == {4096, None}
    assert local.softcap and full.softcap
    assert {"decoder.0.post_attn_norm", "decoder.0.post_mlp_norm", "logit_softcap"} <= set(gemma)
    assert gemma.has_edge("decoder.0.post_mlp_norm", "decoder.1.attn_norm")
    assert gemma.edges["decoder.0.mlp_norm", "decoder.1.attn_norm"]["name"] == "residual"
    oss = transformer(models.get("gpt-oss-120b"), seq=64)
    assert oss.nodes["decoder.0.attention"]["op"].sinks
    falcon = transformer(models.get("falcon-180b"), seq=64)
    assert set(falcon.pred["block_add"]) == {"o_proj", "down_proj"}, "attention and FFN side by side"
    assert set(falcon.pred["mlp_norm"]) == {"attn_norm"}
    phi = transformer(models.get("phi-2"), seq=64)
    assert set(phi.succ["attn_norm"]) == {"qkv_proj", "up_proj", "final_norm"}, "one norm for both"
    assert phi.nodes["rope"]["op"].elements == 64 * (32 + 32) * 32, "32 of 80 elements of a head are rotated"
    qwen = transformer(models.get("qwen3-235b-a22b"), seq=64)
    assert qwen.nodes["q_norm"]["op"].rows == 64 * 64
    assert set(qwen.pred["attention"]) == {"rope", "qkv_proj"}
    bloom = transformer(models.get("bloom-176b"), seq=64)
    assert bloom.nodes["attention"]["op"].biased
    assert "embed_norm" in bloom and "rope" not in bloom


def test_chinchillas_distances_have_keys_of_their_own() -> None:
    graph = transformer(models.get("chinchilla-70b"), seq=128)
    assert graph.nodes["position_proj"]["op"].m == 128
    assert graph.nodes["attention"]["op"].head_dim == 2 * 128
    assert "position_proj" not in transformer(models.get("chinchilla-70b"), phase="decode"), "they are cached"


def test_encoders() -> None:
    bert = transformer(models.get("bert-large-uncased"), batch=4)
    assert (bert.graph["phase"], bert.graph["seq"]) == ("encode", 512), "the default of a model without a decoder"
    assert not bert.nodes["attention"]["op"].causal
    assert bert.nodes["attn_norm"]["op"].post
    assert set(bert.pred["position_add"]) == {"embed", "position_embed", "segment_embed"}
    assert bert.nodes["pooler"]["op"].m == 4
    vit = transformer(models.get("vit-l-16"), batch=2)
    assert vit.nodes["patch_embed"]["op"].m == 2 * 196
    assert vit.nodes["attention"]["op"].q_len == 197
    assert vit.nodes["classifier"]["op"].m == 2
    with pytest.raises(ArchsimError, match="has no decoder: prefill does not exist"):
        transformer(models.get("bert-large-uncased"), phase="prefill")
    with pytest.raises(ArchsimError, match="has no encoder"):
        transformer(models.get("llama-3.1-8b"), phase="encode")
    with pytest.raises(ArchsimError, match="images of 196 patches and a class token"):
        transformer(models.get("vit-l-16"), seq=100)


def test_encoder_and_decoder() -> None:
    model = models.get("t5-11b")
    encode = transformer(model, phase="encode", batch=2, seq=100)
    assert total(encode, "flops") == 200 * model.flops_per_token(100, stack="encoder")
    assert encode.nodes["cross_kv_proj"]["repeat"] == 24, "keys and values that the decoder will see"
    decode = transformer(model, phase="decode", batch=2, context=50, source=100)
    cross = decode.nodes["cross_attention"]["op"]
    assert (cross.q_len, cross.kv_len, cross.causal) == (1, 100, False)
    assert decode.graph["kv_bytes"] == 2 * model.kv_bytes(50, source=100)
    train = transformer(model, phase="train", batch=2, seq=100, source=300)
    assert (train.nodes["encoder.attention"]["op"].q_len, train.nodes["decoder.attention"]["op"].q_len) == (300, 100)
    assert train.nodes["decoder.cross_attention"]["op"].kv_len == 300
    assert train.nodes["decoder.cross_kv_proj"]["op"].m == 600
    assert train.nodes["decoder.embed"]["tied_to"] == "encoder.embed"
    assert train.has_edge("encoder.final_norm", "decoder.cross_kv_proj")
    assert train.has_edge("decoder.cross_kv_proj.dgrad", "encoder.final_norm.backward")


def test_mixed_lengths() -> None:
    model = models.get("llama-3.1-8b")
    decode = transformer(model, phase="decode", context=[100, 4000, 100])
    ops = [decode.nodes[f"attention.{i}"]["op"] for i in (0, 1)]
    assert [(op.batch, op.kv_len) for op in ops] == [(2, 100), (1, 4000)]
    assert decode.graph["batch"] == 3
    assert decode.graph["kv_bytes"] == 4200 * model.kv_bytes_per_token()
    assert set(decode.pred["o_proj"]) == {"attention.0", "attention.1"}
    alone = [transformer(model, phase="decode", context=c) for c in (100, 4000, 100)]
    assert total(decode, "flops") == sum(total(g, "flops") for g in alone)
    prefill = transformer(model, seq=[10, 20, 30], context=[0, 5, 0])
    assert prefill.graph["tokens"] == 60
    assert [prefill.nodes[f"attention.{i}"]["op"].kv_len for i in range(3)] == [10, 25, 30]
    assert transformer(model, seq=[64, 64]).nodes["attention"]["op"].batch == 2, "equal lengths are one operator"
    validate(prefill)
    for arguments, says in (({"seq": []}, "empty list"), ({"seq": [1, 0]}, r"seq\[1\] must be from 1"),
                            ({"seq": [1, 2], "context": [1, 2, 3]}, "seq lists 2 sequences, context 3"),
                            ({"seq": [1, 2], "batch": 3}, "list 2 sequences: leave batch out")):
        with pytest.raises(ArchsimError, match=says):
            transformer(model, **arguments)  # type: ignore[arg-type]


def test_speculative_decoding_checks_several_tokens_at_once() -> None:
    op = transformer(models.get("llama-3.1-8b"), phase="decode", batch=2, seq=5, context=1000)
    attention = op.nodes["attention"]["op"]
    assert (attention.q_len, attention.kv_len, attention.causal) == (5, 1000, True)
    assert attention.pairs == 2 * sum(range(996, 1001))


def test_formats_apart() -> None:
    model = models.get("llama-3.1-8b")
    graph = transformer(model, phase="decode", dtype="fp8", kv_dtype="fp8", logits_dtype="fp32")
    assert graph.nodes["qkv_proj_quantize"]["op"].out_dtype == "fp8"
    assert graph.has_edge("qkv_proj_quantize", "qkv_proj")
    assert graph.nodes["kv_quantize"]["op"].cols == 2 * 8 * 128
    assert set(graph.pred["attention"]) == {"rope", "qkv_proj", "kv_quantize"}
    head, attend = graph.nodes["lm_head"]["op"], graph.nodes["attention"]["op"]
    assert (head.dtype, head.a_dtype, head.b_dtype, head.out_dtype) == ("bf16", "bf16", "bf16", "fp32")
    wide = transformer(model, phase="decode", dtype="fp8").nodes["attention"]["op"]
    assert attend.vector_ops - wide.vector_ops == 2 * 4096 * 2 * 8 * 128, "keys and values converted and scaled"
    only = transformer(model, phase="decode", weight_dtype="fp4")
    assert not [n for n in only if "quantize" in n], "activations stay as they are"
    assert only.nodes["qkv_proj"]["op"].b_dtype == "mxfp4"
    assert (only.graph["dtype"], only.graph["weight_dtype"]) == ("bf16", "mxfp4")
    tiles = transformer(model, phase="decode", dtype="fp8_block")  # scales of 128 x 128 weights, of 1 x 128 activations
    assert (tiles.nodes["o_proj"]["op"].b_dtype, tiles.nodes["o_proj"]["op"].a_dtype) == ("fp8_block", "fp8_tile")
    assert tiles.nodes["o_proj_quantize"]["op"].write_bytes == 4096 + 4096 / 128 * 4
    experts = transformer(models.get("gpt-oss-120b"), phase="decode", expert_dtype="mxfp4")
    assert experts.nodes["decoder.0.experts_up"]["op"].b_dtype == "mxfp4"
    assert experts.nodes["decoder.0.qkv_proj"]["op"].b_dtype == "bf16"
    with pytest.raises(ArchsimError, match="weight_dtype = bf16 is wider than the arithmetic, fp8"):
        transformer(model, dtype="fp8", weight_dtype="bf16")


def test_one_quantised_copy_serves_all_that_read_it() -> None:
    graph = transformer(models.get("deepseek-v3"), seq=64, dtype="fp8")
    assert {n for n in graph if n.startswith("decoder.1.") and n.endswith("_quantize")} == {
        f"decoder.1.{n}_quantize" for n in ("qkv_down_proj", "q_up_proj", "kv_up_proj", "o_proj", "dispatch",
                                            "experts_down", "shared_down_proj")}
    assert graph.nodes["decoder.1.router"]["op"].dtype == "bf16"


@pytest.mark.parametrize("name", models.names())
def test_graphs_do_not_grow_with_depth_and_take_no_time(name: str) -> None:
    model = models.get(name)
    phases = [p for p, there in (("prefill", model.stacks[-1].causal), ("decode", model.stacks[-1].causal),
                                 ("encode", not model.stacks[0].causal)) if there]
    distinct = sum(len(stack.groups) for stack in model.stacks)
    for phase in phases:
        began = time.perf_counter()
        graph = transformer(model, phase=phase)
        taken = time.perf_counter() - began
        assert taken < 0.05 or timeit(lambda p=phase: transformer(model, phase=p), number=1) < 0.05
        validate(graph)
        assert len(graph) <= 8 + 24 * distinct
        shards_cover(graph, 7)


def shards_cover(graph: nx.DiGraph, chips_: int) -> None:
    for node, data in graph.nodes(data=True):
        op = data["op"]
        assert op.shard(chips_).flops * chips_ >= op.flops * 0.9999, node
        assert op.shard(chips_).bytes * chips_ >= op.bytes * 0.9999, node


small = st.integers(1, 300)


@st.composite
def attentions(draw: st.DrawFn, cross: bool = False) -> AttentionConfig:
    kv, dim = draw(st.integers(1, 4)), draw(st.sampled_from([8, 64, 96]))
    bias = draw(st.booleans())
    if not cross and draw(st.integers(0, 3)) == 0:
        heads = draw(st.integers(1, 4))
        return AttentionConfig(heads=heads, kv_heads=heads, head_dim=dim + 8, value_dim=dim, kind="mla", rope_dim=8,
                               q_lora=draw(st.none() | small), kv_lora=draw(small), bias_o=bias)
    return AttentionConfig(
        heads=kv * draw(st.integers(1, 4)), kv_heads=kv, head_dim=dim, value_dim=draw(st.sampled_from([0, 16])),
        window=None if cross else draw(st.none() | small), softcap=draw(st.sampled_from([None, 50.0])), bias_qkv=bias,
        bias_o=draw(st.booleans()), qk_norm="" if cross else draw(st.sampled_from(["", "head", "all", "unweighted"])),
        sinks=draw(st.booleans()), positions="none" if cross else draw(st.sampled_from(["rope", "alibi", "none"])),
        cross=cross,
    )


@st.composite
def ffns(draw: st.DrawFn) -> FfnConfig:
    common = {"gated": draw(st.booleans()), "activation": draw(st.sampled_from(["silu", "gelu", "relu2"])),
              "bias": draw(st.booleans())}
    if draw(st.booleans()):
        return FfnConfig(ffn=draw(small), **common)  # type: ignore[arg-type]
    experts = draw(st.integers(1, 9))
    shared = draw(st.integers(0, 50))
    return FfnConfig(experts=experts, top_k=draw(st.integers(1, experts)), expert_ffn=draw(small), shared_ffn=shared,
                     shared_gate=bool(shared) and draw(st.booleans()), router_bias=draw(st.booleans()),
                     **common)  # type: ignore[arg-type]


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Any decoder: distinct layers of every kind behind one another."""
    parallel = draw(st.booleans())
    norms = draw(st.sampled_from([1, 2] if parallel else [2, 4]))
    norm = draw(st.sampled_from(["rmsnorm", "layernorm"]))
    groups = tuple(
        (Layer(draw(attentions()), draw(ffns()), norm=norm, norm_bias=norm == "layernorm", norms=norms,
               parallel=parallel), draw(st.integers(1, 5)))
        for _ in range(draw(st.integers(1, 3))))
    learned = draw(st.sampled_from([0, 4096]))
    return ModelConfig("any", "any", draw(small), draw(small), 4096, (Stack("decoder", groups),),
                       tied=draw(st.booleans()), lm_head_bias=draw(st.booleans()), position_rows=learned,
                       embed_norm=draw(st.booleans()), logit_softcap=draw(st.sampled_from([None, 30.0])))


@given(configs(), st.sampled_from(["prefill", "decode", "train"]), st.integers(1, 4), st.integers(1, 60))
def test_any_config_counts_consistently(model: ModelConfig, phase: str, batch: int, length: int) -> None:
    where = {"context": length} if phase == "decode" else {"seq": length}
    graph = transformer(model, phase=phase, batch=batch, **where)  # type: ignore[arg-type]
    validate(graph)
    held = sum(d["op"].parameters * d.get("copies", d["repeat"]) for _, d in graph.nodes(data=True)
               if not d.get("tied_to"))
    assert held == model.parameters
    linear = model.linear_flops_per_token() * batch
    if phase == "decode":
        assert total(graph, "flops") == linear + batch * model.attention_flops_per_token(length, absorbed=True)
    else:
        causal = batch * sum(model.attention_flops_per_token(i + 1) for i in range(length))
        assert total(graph, "flops") == (3 if phase == "train" else 1) * (linear * length + causal)


@given(configs(), st.sampled_from(["prefill", "decode", "train"]), st.integers(1, 3))
def test_fusion_of_any_graph_conserves_work_and_never_adds_bytes(model: ModelConfig, phase: str, batch: int) -> None:
    graph = transformer(model, phase=phase, batch=batch, **({"context": 17} if phase == "decode" else {"seq": 17}))
    fused = fuse(graph, chips.get("tpu-v5p"))
    for what in ("flops", "vector_ops", "transcendentals", "parameters"):
        assert total(fused, what) == pytest.approx(total(graph, what))
    assert total(fused, "bytes") <= total(graph, "bytes")
    assert nx.is_directed_acyclic_graph(fused)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt3-175b"])
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_fusion_merges_what_a_product_feeds(name: str, phase: str) -> None:
    graph = transformer(models.get(name), phase=phase, **({"seq": 17} if phase == "prefill" else {"context": 17}))
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


def test_activations_have_a_format_of_their_own() -> None:
    model = models.get("llama-3.1-8b")
    usual = transformer(model, dtype="int8", seq=256)
    narrow = transformer(model, dtype="int8", activation_dtype="int8", seq=256)
    assert {d["op"].dtype for _, d in narrow.nodes(data=True)} == {"int8"}
    assert usual.nodes["attention"]["op"].dtype == "bf16"
    assert not [n for n in narrow if "quant" in n], "nothing is left to convert"
    flops = [sum(d["op"].flops * d["repeat"] for _, d in g.nodes(data=True)) for g in (usual, narrow)]
    assert flops[0] == flops[1]
    assert narrow.graph["kv_bytes"] == usual.graph["kv_bytes"] / 2
    with pytest.raises(ArchsimError, match="activation_dtype"):
        transformer(model, phase="train", activation_dtype="int8")
    with pytest.raises(ArchsimError, match="did you mean 'int8'"):
        transformer(model, activation_dtype="int9")
