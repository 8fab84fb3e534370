"""Mixtures of experts: Mixtral and its kin, Qwen-MoE, DeepSeek, GLM-4.5, gpt-oss, Llama 4, ERNIE, DBRX, Grok."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archsim.workload.architecture import ModelConfig
from archsim.workload.families.llama import qwen_local
from archsim.workload.reader import Reader, attention, grouped
from archsim.workload.sublayers import AttentionConfig, FfnConfig, Layer


def experts(r: Reader, *keys: str, top: tuple[str, ...] = ("num_experts_per_tok",), width: str = "intermediate_size",
            default_top: int | None = None, **more: Any) -> FfnConfig:
    """Read a mixture: its experts under the first of `keys`, those that a token meets under `top`."""
    count = r.whole(*keys, high=1_000_000)
    chosen = r.whole(*top, default=default_top, high=1_000_000)
    if chosen > count:
        raise r.error(f"{r.value(*top)[0]} = {chosen} exceeds {r.value(*keys)[0]} = {count}")
    return FfnConfig(experts=count, top_k=chosen, expert_ffn=r.whole(width), **more)


def _silu(r: Reader) -> str:
    return r.activation("hidden_act", default="silu")


def mixtral(r: Reader) -> ModelConfig:
    """Mixtral: every FFN a mixture."""
    hidden = r.whole("hidden_size")
    moe = experts(r, "num_local_experts", default_top=2, activation=_silu(r))
    layer = Layer(attention(r.heads(hidden, grouped=True), window=r.optional("sliding_window")), moe)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False)


def phimoe(r: Reader) -> ModelConfig:
    """Phi-3.5-MoE: LayerNorm with shift, biases in attention and in the output head."""
    hidden, bias = r.whole("hidden_size"), r.flag("attention_bias", False)
    moe = experts(r, "num_local_experts", default_top=2, activation=_silu(r))
    layer = Layer(attention(r.heads(hidden, grouped=True), window=r.optional("sliding_window"),
                            bias_qkv=bias, bias_o=bias), moe,
                  norm="layernorm", norm_bias=True)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False,
                     lm_head_bias=r.flag("lm_head_bias", False))


def qwen_moe(r: Reader) -> ModelConfig:
    """Qwen2-MoE (shared experts behind a gate, biases) and Qwen3-MoE (neither, but norms of queries and keys)."""
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    third = r.family != "qwen2_moe"
    sizes, (width, local) = r.heads(hidden, grouped=True), qwen_local(r, layers)
    bias_qkv = r.flag("attention_bias", False) if third else r.flag("qkv_bias", True)
    act = _silu(r)
    shared = 0 if third else r.whole("shared_expert_intermediate_size", low=0)
    moe = experts(r, "num_experts", width="moe_intermediate_size", activation=act, shared_ffn=shared,
                  shared_gate=shared > 0)
    step = r.whole("decoder_sparse_step", default=1)
    dense_layers = set(r.wholes("mlp_only_layers") or ())

    def kind(i: int) -> tuple[bool, bool]:
        return (i not in dense_layers and (i + 1) % step == 0), local(i)

    def make(of: tuple[bool, bool]) -> Layer:
        sparse, narrow = of
        return Layer(
            attention(sizes, bias_qkv=bias_qkv, bias_o=third and bias_qkv, qk_norm="head" if third else "",
                      window=width if narrow else None),
            moe if sparse else FfnConfig(r.whole("intermediate_size"), activation=act))

    return r.decoder(hidden, grouped(layers, kind, make), tied=False)


def olmoe(r: Reader) -> ModelConfig:
    """OLMoE: Mixtral with norms over all queries and all keys."""
    hidden, bias = r.whole("hidden_size"), r.flag("attention_bias", False)
    moe = experts(r, "num_experts", activation=_silu(r))
    layer = Layer(attention(r.heads(hidden, dim=()), bias_qkv=bias, bias_o=bias, qk_norm="all"), moe)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False)


def granitemoe(r: Reader) -> ModelConfig:
    """Granite MoE: Mixtral without windows, with scale factors."""
    hidden, bias = r.whole("hidden_size"), r.flag("attention_bias", False)
    moe = experts(r, "num_local_experts", activation=_silu(r))
    layer = Layer(attention(r.heads(hidden, dim=()), bias_qkv=bias, bias_o=bias), moe)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False)


def minimax_m2(r: Reader) -> ModelConfig:
    """MiniMax-M2: many small experts chosen with a correction bias, part of each head rotated, q/k norms over all."""
    hidden = r.whole("hidden_size")
    sizes = r.heads(hidden, grouped=True)
    attend = attention(sizes, rope_dim=r.whole("rotary_dim", default=sizes["head_dim"]),
                       qk_norm="all" if r.flag("use_qk_norm", True) else "")
    moe = experts(r, "num_local_experts", activation=_silu(r), router_bias=r.flag("use_routing_bias", True),
                  shared_ffn=r.whole("shared_intermediate_size", default=0, low=0))
    return r.decoder(hidden, ((Layer(attend, moe), r.layers("num_hidden_layers")),), tied=False,
                     mtp=r.whole("num_mtp_modules", default=0, low=0, high=1000))


def ernie_moe(r: Reader) -> ModelConfig:
    """ERNIE 4.5 MoE: shared experts, dense layers before and behind the mixtures, a correction bias per expert."""
    hidden, bias = r.whole("hidden_size"), r.flag("use_bias", False)
    layers = r.layers("num_hidden_layers")
    first, last = r.whole("moe_layer_start_index", default=1, low=0), r.value("moe_layer_end_index")[1]
    end = layers - 1 if last in (None, -1) else r.whole("moe_layer_end_index", low=0)
    step, width = r.whole("moe_layer_interval", default=1), r.whole("moe_intermediate_size")
    moe = experts(r, "moe_num_experts", top=("moe_k",), width="moe_intermediate_size", activation=_silu(r), bias=bias,
                  shared_ffn=width * r.whole("moe_num_shared_experts", low=0, high=10_000), router_bias=True)
    attend = attention(r.heads(hidden), bias_qkv=bias, bias_o=bias)

    def make(mixed: bool) -> Layer:
        return Layer(attend, moe if mixed else FfnConfig(r.whole("intermediate_size"), activation=moe.activation,
                                                         bias=bias))

    return r.decoder(hidden, grouped(layers, lambda i: first <= i <= end and (i + 1) % step == 0, make), tied=True,
                     mtp=r.whole("num_nextn_predict_layers", default=0, low=0, high=1000))


def _after_first(r: Reader, freq: str | None = None) -> Callable[[int], bool]:
    """Return which layers are mixtures: those behind the first dense ones, of them every `freq`-th."""
    first = r.whole("first_k_dense_replace", low=0)
    every = r.whole(freq, default=1) if freq else 1
    return lambda i: i >= first and i % every == 0


def _dense_and_sparse(r: Reader, hidden: int, attend: AttentionConfig, moe: FfnConfig,
                      sparse: Callable[[int], bool]) -> ModelConfig:
    """Build a decoder whose FFNs are mixtures or dense, with the extra prediction layers noted."""
    act = moe.activation

    def make(mixed: bool) -> Layer:
        return Layer(attend, moe if mixed else FfnConfig(r.whole("intermediate_size"), activation=act))

    return r.decoder(hidden, grouped(r.layers("num_hidden_layers"), sparse, make), tied=False,
                     mtp=r.whole("num_nextn_predict_layers", default=0, low=0, high=1000))


def deepseek(r: Reader) -> ModelConfig:
    """DeepSeek V2, V3, R1 and Kimi K2: latent attention, shared experts, dense first layers.

    num_key_value_heads is meaningless here: all heads share the latent. V3 adds a correction bias per expert to the
    choice of experts.
    """
    hidden = r.whole("hidden_size")
    heads = r.whole("num_attention_heads", high=65536)
    rope, nope = r.whole("qk_rope_head_dim", high=65536), r.whole("qk_nope_head_dim", high=65536)
    r.taken.update(("num_key_value_heads", "head_dim"))
    if "q_lora_rank" not in r.config:
        raise r.error("lacks 'q_lora_rank' (null where queries are not compressed)")
    attend = AttentionConfig(
        heads=heads, kv_heads=heads, head_dim=nope + rope, value_dim=r.whole("v_head_dim", high=65536), kind="mla",
        q_lora=r.optional("q_lora_rank"), kv_lora=r.whole("kv_lora_rank"),
        rope_dim=rope)
    expert = r.whole("moe_intermediate_size")
    moe = experts(
        r, "n_routed_experts", width="moe_intermediate_size", activation=_silu(r),
        shared_ffn=expert * r.whole("n_shared_experts", low=0, high=10_000),
        router_bias=r.text("topk_method", default="greedy" if r.family == "deepseek_v2" else "noaux_tc") == "noaux_tc")
    return _dense_and_sparse(r, hidden, attend, moe, _after_first(r, "moe_layer_freq"))


def glm4_moe(r: Reader) -> ModelConfig:
    """GLM-4.5 and 4.6: as DeepSeek-V3 in the FFN, grouped queries with half of the head rotated in attention."""
    hidden = r.whole("hidden_size")
    sizes = r.heads(hidden, grouped=True)
    attend = attention(sizes, bias_qkv=r.flag("attention_bias", False), rope_dim=r.rotated(sizes["head_dim"],
                       default=0.5), qk_norm="head" if r.flag("use_qk_norm", False) else "")
    expert = r.whole("moe_intermediate_size")
    moe = experts(r, "n_routed_experts", width="moe_intermediate_size", activation=_silu(r), router_bias=True,
                  shared_ffn=expert * r.whole("n_shared_experts", low=0, high=10_000))
    return _dense_and_sparse(r, hidden, attend, moe, _after_first(r))


def gpt_oss(r: Reader) -> ModelConfig:
    """gpt-oss: biases everywhere, a learned sink per head, a window in every second layer from the first on.

    The gate is a SwiGLU with clipped inputs.
    """
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    sizes, bias = r.heads(hidden, default_dim=64, grouped=True), r.flag("attention_bias", True)
    local = r.local_layers(layers, lambda i: i % 2 == 0)
    width = r.whole("sliding_window", default=128)
    moe = experts(r, "num_local_experts", top=("num_experts_per_tok", "experts_per_token"), bias=True, router_bias=True,
                  activation=_silu(r))

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, sinks=True, window=width if narrow else None), moe)

    return r.decoder(hidden, grouped(layers, local, make), tied=False, default_reach=131072)


def llama4(r: Reader) -> ModelConfig:
    """Llama 4: one routed and one shared expert per token; three layers of four see chunks and are rotated.

    A chunk is counted as a window of its width: the most that a token in it sees.
    """
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    sizes, bias, act = r.heads(hidden, default_dim=128, grouped=True), r.flag("attention_bias", False), _silu(r)
    rope = r.rotated_layers(layers)
    local = r.local_layers(layers, rope)
    chunk = r.optional("attention_chunk_size", 8192)
    listed, step = r.wholes("moe_layers"), r.whole("interleave_moe_layer_step", default=1)
    sparse = set(listed) if listed is not None else None
    norm = "unweighted" if r.flag("use_qk_norm", True) else ""
    expert = r.whole("intermediate_size")
    moe = experts(r, "num_local_experts", default_top=1, activation=act, shared_ffn=expert)

    def kind(i: int) -> tuple[bool, bool, bool]:
        return (i in sparse if sparse is not None else (i + 1) % step == 0), rope(i), local(i)

    def make(of: tuple[bool, bool, bool]) -> Layer:
        mixed, turned, narrow = of
        return Layer(
            attention(sizes, bias_qkv=bias, bias_o=bias, window=chunk if narrow else None,
                      positions="rope" if turned else "none", qk_norm=norm if turned else ""),
            moe if mixed else FfnConfig(r.whole("intermediate_size_mlp"), activation=act))

    warnings = () if chunk is None else (
        f"attention_chunk_size = {chunk:,} is counted as a sliding window of that width: the most a token sees",)
    return r.decoder(hidden, grouped(layers, kind, make), tied=False, default_reach=131072, warnings=warnings)


def dbrx(r: Reader) -> ModelConfig:
    """DBRX: LayerNorm without shift; attention and FFN in objects of their own."""
    hidden = r.whole("d_model")
    outer, inner = r.inner("attn_config"), r.inner("ffn_config")
    sizes = r.heads(hidden, "n_heads", kv=(), dim=(), width="d_model")
    kv = outer.whole("kv_n_heads", default=1, high=65536)
    if sizes["heads"] % kv:
        raise r.error(f"n_heads = {sizes['heads']} is no multiple of attn_config.kv_n_heads = {kv}")
    sizes["kv_heads"] = kv
    moe = experts(inner, "moe_num_experts", top=("moe_top_k",), width="ffn_hidden_size",
                  activation=inner.inner("ffn_act_fn").activation("name", default="silu"))
    layer = Layer(attention(sizes), moe, norm="layernorm")
    return r.decoder(hidden, ((layer, r.layers("n_layers")),), tied=False, reach=("max_seq_len",))


def grok(r: Reader) -> ModelConfig:
    """Grok-1: four norms, attention logits capped at 30, tied."""
    hidden = r.whole("hidden_size")
    moe = experts(r, "num_experts", width="intermediate_size", activation="gelu")
    cap = r.number("max_attn_value", default=30.0)
    layer = Layer(attention(r.heads(hidden), softcap=cap), moe, norms=4)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=True, default_reach=8192)
