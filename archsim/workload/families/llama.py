"""Families with a dense, gated FFN: Llama and its kin, Mistral, Qwen, Gemma, Phi-3, GLM, Cohere, OLMo, StableLM."""

from __future__ import annotations

from typing import Any

from archsim.workload.architecture import ModelConfig
from archsim.workload.reader import Reader, attention, grouped
from archsim.workload.sublayers import FfnConfig, Layer


def _gated(r: Reader, default: str = "silu", **more: Any) -> FfnConfig:
    return FfnConfig(r.whole("intermediate_size"), activation=r.activation("hidden_act", default=default), **more)


def _uniform(r: Reader, hidden: int, layer: Layer, tied: bool = False, **more: Any) -> ModelConfig:
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=tied, **more)


def _llama(r: Reader, qkv: bool, out: bool, ffn: bool = False, tied: bool = False) -> ModelConfig:
    """Build a Llama with biases of queries, keys and values, of the output projection, of the FFN."""
    hidden = r.whole("hidden_size")
    return _uniform(r, hidden, Layer(attention(r.heads(hidden), bias_qkv=qkv, bias_o=out), _gated(r, bias=ffn)), tied)


def llama(r: Reader) -> ModelConfig:
    """Llama 1 to 3, and what shares its form (Yi, DeepSeek LLM, Granite up to its scale factors)."""
    bias = r.flag("attention_bias", False)
    return _llama(r, bias, bias, r.flag("mlp_bias", False))


def internlm2(r: Reader) -> ModelConfig:
    """InternLM 2: Llama whose biases of attention have another name."""
    bias = r.flag("bias", False)
    return _llama(r, bias, bias)


def ernie(r: Reader) -> ModelConfig:
    """ERNIE 4.5: Llama, tied, with one switch for all biases."""
    bias = r.flag("use_bias", False)
    return _llama(r, bias, bias, bias, tied=True)


def seed_oss(r: Reader) -> ModelConfig:
    """Seed-OSS: Llama with biases of queries, keys and values."""
    return _llama(r, r.flag("attention_bias", True), r.flag("attention_out_bias", False), r.flag("mlp_bias", False))


def mistral(r: Reader) -> ModelConfig:
    """Mistral: Llama with a sliding window, which is null in all but the first."""
    hidden = r.whole("hidden_size")
    return _uniform(r, hidden, Layer(attention(r.heads(hidden, grouped=True),
                                              window=r.optional("sliding_window", 4096)), _gated(r)))


def qwen_local(r: Reader, layers: int) -> tuple[int | None, Any]:
    """Return Qwen's window and which layers have it: with ``use_sliding_window`` those from max_window_layers on."""
    if not r.flag("use_sliding_window", False):
        r.taken.update(("sliding_window", "layer_types", "max_window_layers"))
        return None, lambda i: False
    first = r.whole("max_window_layers", default=28, low=0)
    return r.optional("sliding_window", 4096), r.local_layers(layers, lambda i: i >= first)


def qwen2(r: Reader) -> ModelConfig:
    """Qwen 2 and 2.5: biases of query, key and value are hard-coded in the model class, no config mentions them."""
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    sizes, ffn, (width, local) = r.heads(hidden, grouped=True), _gated(r), qwen_local(r, layers)

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=True, window=width if narrow else None), ffn)

    return r.decoder(hidden, grouped(layers, local, make), tied=False)


def qwen3(r: Reader) -> ModelConfig:
    """Qwen 3: norms of queries and keys instead of biases; heads x head_dim may differ from hidden."""
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    sizes, ffn, (width, local) = r.heads(hidden, default_dim=128, grouped=True), _gated(r), qwen_local(r, layers)
    bias = r.flag("attention_bias", False)

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, qk_norm="head",
                               window=width if narrow else None), ffn)

    return r.decoder(hidden, grouped(layers, local, make), tied=False)


def gemma(r: Reader) -> ModelConfig:
    """Gemma: heads of 256, tied, GELU by tanh whatever hidden_act says."""
    hidden, bias = r.whole("hidden_size"), r.flag("attention_bias", False)
    layer = Layer(
        attention(r.heads(hidden, default_dim=256, grouped=True), bias_qkv=bias, bias_o=bias),
        FfnConfig(r.whole("intermediate_size"),
                  activation=r.activation("hidden_activation", default="gelu_pytorch_tanh")))
    return _uniform(r, hidden, layer, tied=True)


def gemma2(r: Reader) -> ModelConfig:
    """Gemma 2 and 3: four norms; windows in every second layer (2), in five of six (3).

    Gemma 2 caps attention logits and output logits, Gemma 3 norms queries and keys instead. Configs of Gemma 3 leave
    out what equals the class's defaults: heads, head size, vocabulary.
    """
    third = r.family.startswith("gemma3")
    hidden, layers = r.whole("hidden_size"), r.layers("num_hidden_layers")
    sizes = r.heads(hidden, default_dim=256, default_heads=8, default_kv=4)
    every = r.whole("sliding_window_pattern", "_sliding_window_pattern", default=6) if third else 2
    local = r.local_layers(layers, lambda i: (i + 1) % every != 0)
    width = r.whole("sliding_window", default=4096)
    cap = r.number("attn_logit_softcapping", default=None if third else 50.0)
    bias = r.flag("attention_bias", False)
    ffn = FfnConfig(r.whole("intermediate_size"),
                    activation=r.activation("hidden_activation", default="gelu_pytorch_tanh"))

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, softcap=cap, window=width if narrow else None,
                               qk_norm="head" if third else ""), ffn, norms=4)

    return r.decoder(hidden, grouped(layers, local, make), tied=True, default_reach=131072 if third else 8192,
                     default_vocab=262208 if third else 256000,
                     logit_softcap=r.number("final_logit_softcapping", default=None if third else 30.0))


def phi3(r: Reader) -> ModelConfig:
    """Phi-3, 3.5 and 4: Llama with a window in some sizes, and part of the head rotated in some."""
    hidden = r.whole("hidden_size")
    sizes = r.heads(hidden, dim=())
    attend = attention(sizes, window=r.optional("sliding_window"), rope_dim=r.rotated(sizes["head_dim"]))
    layer = Layer(attend, _gated(r))
    return _uniform(r, hidden, layer)


def glm(r: Reader) -> ModelConfig:
    """GLM-4 in the transformers library: half of the head rotated; `glm4` norms sublayers' results too."""
    hidden = r.whole("hidden_size")
    sizes = r.heads(hidden, default_dim=128, grouped=True)
    layer = Layer(
        attention(sizes, bias_qkv=r.flag("attention_bias", True),
                  rope_dim=r.rotated(sizes["head_dim"], default=0.5)),
        _gated(r), norms=4 if r.family == "glm4" else 2)
    return _uniform(r, hidden, layer)


def chatglm(r: Reader) -> ModelConfig:
    """ChatGLM 2, 3 and GLM-4 with their own names of things; ChatGLM 1 (inner_hidden_size) is a GPT with rope."""
    hidden = r.whole("hidden_size")
    if r.has("inner_hidden_size"):
        first = Layer(
            attention(r.heads(hidden, kv=(), dim=()), bias_qkv=True, bias_o=True),
            FfnConfig(r.whole("inner_hidden_size"), gated=False, bias=True, activation="gelu"),
            norm="layernorm", norm_bias=True)
        return r.decoder(hidden, ((first, r.layers("num_layers")),), tied=True, reach=("max_sequence_length",))
    groups = r.flag("multi_query_attention", False)
    sizes = r.heads(hidden, kv=("multi_query_group_num",) if groups else (), dim=("kv_channels",))
    r.taken.add("multi_query_group_num")
    bias = r.flag("add_bias_linear", True)
    layer = Layer(
        attention(sizes, bias_qkv=r.flag("add_qkv_bias", False) or bias, bias_o=bias,
                  rope_dim=max(1, sizes["head_dim"] // 2)),
        FfnConfig(r.whole("ffn_hidden_size"), bias=bias),
        norm="rmsnorm" if r.flag("rmsnorm", True) else "layernorm", norm_bias=not r.flag("rmsnorm", True))
    return r.decoder(hidden, ((layer, r.layers("num_layers")),), tied=False, vocab=("padded_vocab_size", "vocab_size"),
                     reach=("seq_length",), final_norm=r.flag("post_layer_norm", True))


def cohere(r: Reader) -> ModelConfig:
    """Command-R: parallel behind one LayerNorm without shift, tied. The second version has windows, and no rope
    in the layers without one.
    """
    hidden, layers, bias = r.whole("hidden_size"), r.layers("num_hidden_layers"), r.flag("attention_bias", False)
    second = r.family == "cohere2"
    sizes, ffn = r.heads(hidden), _gated(r)
    every = r.whole("sliding_window_pattern", "_sliding_window_pattern", default=4) if second else 1
    local = r.local_layers(layers, lambda i: (i + 1) % every != 0) if second else (lambda i: False)
    width = r.whole("sliding_window", default=4096) if second else None
    norm = "all" if not second and r.flag("use_qk_norm", False) else ""

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, qk_norm=norm, window=width if narrow else None,
                               positions="rope" if narrow or not second else "none"),
                     ffn, norm="layernorm", norms=1, parallel=True)

    return r.decoder(hidden, grouped(layers, local, make), tied=True, default_reach=8192)


def olmo(r: Reader) -> ModelConfig:
    """OLMo 1: Llama whose LayerNorm has neither gain nor shift."""
    bias = r.flag("attention_bias", False)
    hidden = r.whole("hidden_size")
    layer = Layer(attention(r.heads(hidden, dim=()), bias_qkv=bias, bias_o=bias), _gated(r), norm="layernorm",
                  norm_gain=False)
    return _uniform(r, hidden, layer)


def olmo2(r: Reader) -> ModelConfig:
    """OLMo 2 and 3: norms behind the sublayers, and over all queries and all keys at once; windows in 3.

    What a sublayer makes is normed before it is added to the residual stream, not with it as in BERT: the same work.
    """
    hidden, bias, layers = r.whole("hidden_size"), r.flag("attention_bias", False), r.layers("num_hidden_layers")
    third = r.family == "olmo3"
    sizes, ffn = r.heads(hidden, dim=()), _gated(r)
    local = r.local_layers(layers, lambda i: (i + 1) % 4 != 0) if third else (lambda i: False)
    width = r.whole("sliding_window", default=4096) if third else None

    def make(narrow: bool) -> Layer:
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, qk_norm="all", window=width if narrow else None),
                     ffn, post_norm=True)

    return r.decoder(hidden, grouped(layers, local, make), tied=False)


def smollm3(r: Reader) -> ModelConfig:
    """SmolLM 3: Llama of which every fourth layer is not rotated."""
    hidden, layers, bias = r.whole("hidden_size"), r.layers("num_hidden_layers"), r.flag("attention_bias", False)
    sizes, ffn, (width, local) = r.heads(hidden), _gated(r, bias=r.flag("mlp_bias", False)), qwen_local(r, layers)
    rope = r.rotated_layers(layers)

    def make(of: tuple[bool, bool]) -> Layer:
        turned, narrow = of
        return Layer(attention(sizes, bias_qkv=bias, bias_o=bias, positions="rope" if turned else "none",
                               window=width if narrow else None), ffn)

    return r.decoder(hidden, grouped(layers, lambda i: (rope(i), local(i)), make), tied=True)


def baichuan(r: Reader) -> ModelConfig:
    """Baichuan: 7B (hidden 4096) is Llama 1, 13B has ALiBi in place of rope, which no config mentions."""
    hidden = r.whole("hidden_size")
    layer = Layer(attention(r.heads(hidden, kv=(), dim=()), positions="rope" if hidden == 4096 else "alibi"), _gated(r))
    return _uniform(r, hidden, layer, reach=("max_position_embeddings", "model_max_length"))


def qwen(r: Reader) -> ModelConfig:
    """Qwen 1: biases of query, key and value; intermediate_size is that of gate and up projection together."""
    hidden, bias = r.whole("hidden_size"), not r.flag("no_bias", True)
    width = r.whole("intermediate_size", low=2)
    layer = Layer(
        attention(r.heads(hidden, kv=(), dim=("kv_channels",)), bias_qkv=True, bias_o=bias),
        FfnConfig(width // 2, bias=bias))
    return _uniform(r, hidden, layer, reach=("seq_length", "max_position_embeddings"))


def stablelm(r: Reader) -> ModelConfig:
    """StableLM: Llama with LayerNorm, a quarter of each head rotated, and in some sizes a parallel block."""
    hidden, parallel = r.whole("hidden_size"), r.flag("use_parallel_residual", False)
    sizes = r.heads(hidden, dim=())
    attend = attention(sizes, bias_qkv=r.flag("use_qkv_bias", False), rope_dim=r.rotated(sizes["head_dim"],
                       default=0.25), qk_norm="all" if r.flag("qk_layernorm", False) else "")
    layer = Layer(attend, _gated(r), norm="layernorm", norm_bias=True, norms=1 if parallel else 2, parallel=parallel)
    return _uniform(r, hidden, layer)
