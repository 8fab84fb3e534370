"""Families with LayerNorm and a plain FFN: GPT-2, OPT, BLOOM, NeoX, GPT-J, Phi, Falcon, MPT, StarCoder, Nemotron."""

from __future__ import annotations

from typing import Any

from archsim.workload.architecture import ModelConfig
from archsim.workload.reader import Reader, attention
from archsim.workload.sublayers import FfnConfig, Layer


def _layer(bias: bool = True, **more: Any) -> dict[str, Any]:
    """Return how these families norm: LayerNorm, with a shift unless `bias` is off."""
    return {"norm": "layernorm", "norm_bias": bias, **more}


def gpt2(r: Reader) -> ModelConfig:
    """GPT-2 and GPT-3, learned positions, biases everywhere; ``multi_query`` is StarCoder's (gpt_bigcode)."""
    hidden = r.whole("n_embd", "hidden_size")
    sizes = r.heads(hidden, "n_head", "num_attention_heads", kv=(), dim=(), width="n_embd")
    if r.family == "gpt_bigcode" and r.flag("multi_query", True):
        sizes["kv_heads"] = 1
    act = "gelu_pytorch_tanh" if r.family == "gpt_bigcode" else "gelu_new"
    layer = Layer(
        attention(sizes, bias_qkv=True, bias_o=True, positions="learned"),
        FfnConfig(r.whole("n_inner", default=4 * hidden), gated=False, bias=True,
                  activation=r.activation("activation_function", default=act)),
        **_layer())
    reach = r.whole("n_positions", "max_position_embeddings")
    return r.decoder(hidden, ((layer, r.layers("n_layer", "num_hidden_layers")),), tied=True,
                     reach=("n_positions", "max_position_embeddings"), position_rows=reach)


def opt(r: Reader) -> ModelConfig:
    """OPT: as GPT-2, with ReLU; its table of positions has two rows more than there are positions."""
    hidden = r.whole("hidden_size")
    if r.whole("word_embed_proj_dim", default=hidden) != hidden:
        raise r.error("word_embed_proj_dim differs from hidden_size: projected embeddings are not modelled")
    sizes = r.heads(hidden, kv=(), dim=())
    bias, before = r.flag("enable_bias", True), r.flag("do_layer_norm_before", True)
    layer = Layer(
        attention(sizes, bias_qkv=bias, bias_o=bias, positions="learned"),
        FfnConfig(r.whole("ffn_dim"), gated=False, bias=bias,
                  activation=r.activation("activation_function", default="relu")),
        **_layer(r.flag("layer_norm_elementwise_affine", True), post_norm=not before))
    reach = r.whole("max_position_embeddings", default=2048)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=True, position_rows=reach + 2,
                     final_norm=before and not r.flag("_remove_final_layer_norm", False))


def bloom(r: Reader) -> ModelConfig:
    """BLOOM: ALiBi, and a LayerNorm right behind the embedding. FFN is 4 x hidden by definition."""
    hidden = r.whole("hidden_size", "n_embed")
    sizes = r.heads(hidden, "n_head", "num_attention_heads", kv=(), dim=())
    layer = Layer(
        attention(sizes, bias_qkv=True, bias_o=True, positions="alibi"),
        FfnConfig(4 * hidden, gated=False, bias=True, activation="gelu_tanh"), **_layer())
    return r.decoder(hidden, ((layer, r.layers("n_layer", "num_hidden_layers")),), tied=True, reach=("seq_length",),
                     embed_norm=True)


def gpt_neox(r: Reader) -> ModelConfig:
    """GPT-NeoX and Pythia: parallel attention and FFN, each with a norm; a quarter of each head is rotated."""
    hidden = r.whole("hidden_size")
    sizes, bias = r.heads(hidden, kv=(), dim=()), r.flag("attention_bias", True)
    layer = Layer(
        attention(sizes, bias_qkv=bias, bias_o=bias, rope_dim=r.rotated(sizes["head_dim"], "rotary_pct", 0.25)),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=True,
                  activation=r.activation("hidden_act", default="gelu")),
        **_layer(parallel=r.flag("use_parallel_residual", True)))
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False)


def gptj(r: Reader) -> ModelConfig:
    """GPT-J: parallel behind one norm, no bias in attention, biases in the FFN and in the output head."""
    hidden = r.whole("n_embd", "hidden_size")
    sizes = r.heads(hidden, "n_head", "num_attention_heads", kv=(), dim=(), width="n_embd")
    layer = Layer(
        attention(sizes, rope_dim=r.whole("rotary_dim", default=min(64, sizes["head_dim"]))),
        FfnConfig(r.whole("n_inner", default=4 * hidden), gated=False, bias=True,
                  activation=r.activation("activation_function", default="gelu_new")),
        **_layer(norms=1, parallel=True))
    return r.decoder(hidden, ((layer, r.layers("n_layer", "num_hidden_layers")),), tied=False,
                     reach=("n_positions", "max_position_embeddings"), lm_head_bias=True)


def phi(r: Reader) -> ModelConfig:
    """Phi-1, 1.5 and 2: GPT-J's block with biases everywhere."""
    hidden = r.whole("hidden_size")
    sizes = r.heads(hidden, dim=())
    layer = Layer(
        attention(sizes, bias_qkv=True, bias_o=True, rope_dim=r.rotated(sizes["head_dim"], default=0.5)),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=True,
                  activation=r.activation("hidden_act", default="gelu_new")),
        **_layer(norms=1, parallel=True))
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False, lm_head_bias=True)


def falcon(r: Reader) -> ModelConfig:
    """Falcon: parallel; 7B has one KV head (whatever num_kv_heads says) and one norm, 40B and 180B groups and two."""
    hidden = r.whole("hidden_size")
    new = r.flag("new_decoder_architecture", False)
    multi_query = r.flag("multi_query", True)
    sizes = r.heads(hidden, "num_attention_heads", "n_head", kv=("num_kv_heads", "n_head_kv") if new else (), dim=())
    r.taken.update(("num_kv_heads", "n_head_kv"))
    if not new and multi_query:
        sizes["kv_heads"] = 1
    bias, parallel = r.flag("bias", False), r.flag("parallel_attn", True)
    norms = r.whole("num_ln_in_parallel_attn", default=2, high=2) if new else 1 if parallel else 2
    layer = Layer(
        attention(sizes, bias_qkv=bias, bias_o=bias, positions="alibi" if r.flag("alibi", False) else "rope"),
        FfnConfig(r.whole("ffn_hidden_size", default=4 * hidden), gated=False, bias=bias,
                  activation=r.activation("activation", default="gelu")),
        **_layer(norms=norms, parallel=parallel or new))
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers", "n_layer")),), tied=True)


def mpt(r: Reader) -> ModelConfig:
    """MPT: ALiBi or learned positions; ``no_bias`` takes the shift out of LayerNorm too."""
    hidden = r.whole("d_model")
    inner = r.inner("attn_config")
    kind = inner.text("attn_type", default="multihead_attention")
    kv = inner.whole("kv_n_heads", default=1) if kind != "multihead_attention" else None
    sizes = r.heads(hidden, "n_heads", kv=(), dim=(), width="d_model")
    if kv is not None:
        if sizes["heads"] % kv:
            raise r.error(f"n_heads = {sizes['heads']} is no multiple of attn_config.kv_n_heads = {kv}")
        sizes["kv_heads"] = kv
    alibi, bias = inner.flag("alibi", True), not r.flag("no_bias", True)
    ratio = r.number("expansion_ratio", default=4.0, high=1e4)
    assert ratio is not None
    layer = Layer(
        attention(sizes, bias_qkv=bias, bias_o=bias, positions="alibi" if alibi else "learned"),
        FfnConfig(max(1, int(hidden * ratio)), gated=False, bias=bias, activation="gelu"), **_layer(bias))
    reach = r.whole("max_seq_len", default=2048)
    return r.decoder(hidden, ((layer, r.layers("n_layers")),), tied=True, reach=("max_seq_len",),
                     position_rows=0 if alibi else reach)


def starcoder2(r: Reader) -> ModelConfig:
    """StarCoder2: grouped queries, rope, a plain FFN, biases everywhere, a sliding window."""
    hidden = r.whole("hidden_size")
    bias = r.flag("use_bias", True)
    layer = Layer(
        attention(r.heads(hidden, dim=(), grouped=True), bias_qkv=bias, bias_o=bias,
                  window=r.optional("sliding_window")),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=bias,
                  activation=r.activation("hidden_act", default="gelu_pytorch_tanh")),
        **_layer())
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=True)


def nemotron(r: Reader) -> ModelConfig:
    """Nemotron-4: grouped queries, half of each head rotated, squared ReLU, no bias but the shift of LayerNorm."""
    hidden, bias = r.whole("hidden_size"), r.flag("attention_bias", False)
    sizes = r.heads(hidden)
    layer = Layer(
        attention(sizes, bias_qkv=bias, bias_o=bias, rope_dim=r.rotated(sizes["head_dim"], default=0.5)),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=r.flag("mlp_bias", False),
                  activation=r.activation("hidden_act", default="relu2")),
        **_layer())
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=False, default_reach=4096)
