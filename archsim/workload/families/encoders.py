"""Families with an encoder: BERT and RoBERTa, ViT, T5 and Switch Transformers."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.workload.architecture import ModelConfig, Patches, Stack
from archsim.workload.families.moe import experts
from archsim.workload.reader import Reader, attention, grouped
from archsim.workload.sublayers import FfnConfig, Layer


def bert(r: Reader) -> ModelConfig:
    """BERT and RoBERTa: norms behind the residual additions, segment embeddings, a pooler, no output head.

    RoBERTa's table of positions has two rows more than there are positions.
    """
    hidden = r.whole("hidden_size")
    layer = Layer(
        attention(r.heads(hidden, kv=(), dim=()), bias_qkv=True, bias_o=True, positions="learned"),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=True,
                  activation=r.activation("hidden_act", default="gelu")),
        norm="layernorm", norm_bias=True, post_norm=True)
    stack = Stack("encoder", ((layer, r.layers("num_hidden_layers")),), causal=False, final_norm=False)
    rows = r.whole("max_position_embeddings", default=512)
    reach = rows if r.family == "bert" else max(1, rows - 2)
    return r.model(hidden, r.whole("vocab_size"), (stack,), tied=True, reach=reach, position_rows=rows, lm_head=False,
                   token_types=r.whole("type_vocab_size", default=2, low=0), embed_norm=True, pooler=True)


def vit(r: Reader) -> ModelConfig:
    """Vision transformer: patches and a class token; a classification head unless the config is of the bare model."""
    hidden, bias = r.whole("hidden_size"), r.flag("qkv_bias", True)
    layer = Layer(
        attention(r.heads(hidden, kv=(), dim=()), bias_qkv=bias, bias_o=True, positions="learned"),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=True,
                  activation=r.activation("hidden_act", default="gelu")),
        norm="layernorm", norm_bias=True)
    stack = Stack("encoder", ((layer, r.layers("num_hidden_layers")),), causal=False)
    image, patch = r.whole("image_size", high=65536), r.whole("patch_size", high=65536)
    if image % patch:
        raise r.error(f"image_size = {image} is no multiple of patch_size = {patch}")
    patches = Patches(image, patch, r.whole("num_channels", default=3, high=65536))
    bare = r.value("architectures")[1] == ["ViTModel"]
    _, labels = r.value("id2label")
    classes = r.whole("num_labels", default=len(labels) if isinstance(labels, Mapping) else 0, low=0)
    return r.model(hidden, 0, (stack,), tied=False, reach=patches.count + 1, position_rows=patches.count + 1,
                   lm_head=False, patches=patches, pooler=bare, classes=0 if bare else classes)


def t5(r: Reader) -> ModelConfig:
    """T5, mT5 and Switch Transformers: encoder and decoder with cross-attention, relative positions, no biases.

    In Switch, every n-th layer from the second on is a mixture of experts of which a token meets one (every layer, if n
    is 1).
    """
    hidden = r.whole("d_model")
    sizes = {"heads": (heads := r.whole("num_heads", high=65536)), "kv_heads": heads,
             "head_dim": r.whole("d_kv", default=64, high=65536)}
    layers = {"encoder": r.layers("num_layers")}
    layers["decoder"] = r.whole("num_decoder_layers", default=layers["encoder"], high=100_000)
    words = r.text("feed_forward_proj", default="gated-gelu" if r.family == "mt5" else "relu").split("-")
    gated = words[0] == "gated"
    act = "gelu_new" if gated and words[-1] == "gelu" else words[-1]
    if len(words) > 2 or (len(words) == 2 and not gated):
        raise r.error(f"feed_forward_proj must be like 'relu' or 'gated-gelu', not {'-'.join(words)[:40]!r}")
    dense = FfnConfig(r.whole("d_ff"), gated=gated, activation=act)
    switch = r.family == "switch_transformers"
    moe = dense
    if switch:
        moe = experts(r, "num_experts", top=("num_selected_experts",), default_top=1, width="d_ff", gated=gated,
                      activation=act, router_bias=r.flag("router_bias", False),
                      capacity_factor=r.number("capacity_factor"))

    def stack(name: str) -> Stack:
        step = 0
        if switch:
            count = r.whole(f"num_sparse_{name}_layers", low=0)
            step = layers[name] // count if count else 0
        decodes = name == "decoder"
        cross = attention(sizes, positions="none", cross=True) if decodes else None

        def make(mixed: bool) -> Layer:
            return Layer(attention(sizes, positions="relative"), moe if mixed else dense, norms=3 if decodes else 2,
                         cross=cross)

        groups = grouped(layers[name], lambda i: step == 1 or (step > 0 and i % step == 1), make)
        return Stack(name, groups, causal=decodes,
                     relative_buckets=r.whole("relative_attention_num_buckets", default=32, high=65536))

    return r.model(hidden, r.whole("vocab_size"), (stack("encoder"), stack("decoder")), tied=r.family != "mt5",
                   reach=r.whole("n_positions", default=512))
