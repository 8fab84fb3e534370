"""Families that were published as papers alone: PaLM, Gopher and Chinchilla, GLaM.

No library reads them, so their ``model_type`` is archsim's own; the other keys are those of Llama.
"""

from __future__ import annotations

from archsim.workload.architecture import ModelConfig
from archsim.workload.families.moe import experts
from archsim.workload.reader import Reader, attention, grouped
from archsim.workload.sublayers import FfnConfig, Layer


def palm(r: Reader) -> ModelConfig:
    """PaLM (Chowdhery et al. 2022, section 2): parallel behind one norm without shift, one KV head, SwiGLU, tied."""
    hidden = r.whole("hidden_size")
    layer = Layer(
        attention(r.heads(hidden, default_kv=1)),
        FfnConfig(r.whole("intermediate_size"), activation=r.activation("hidden_act", default="silu")),
        norm="layernorm", norms=1, parallel=True)
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=True)


def gopher(r: Reader) -> ModelConfig:
    """Gopher (Rae et al. 2021) and Chinchilla: GPT-2 with RMSNorm and the relative positions of Transformer-XL.

    Their projection of distances, hidden x hidden per layer, makes up the difference to the published counts; it works
    on distances, not on tokens, and is in no FLOP per token.
    """
    hidden = r.whole("hidden_size")
    layer = Layer(
        attention(r.heads(hidden), bias_qkv=True, bias_o=True, positions="transformer-xl"),
        FfnConfig(r.whole("intermediate_size"), gated=False, bias=True,
                  activation=r.activation("hidden_act", default="gelu")))
    return r.decoder(hidden, ((layer, r.layers("num_hidden_layers")),), tied=True)


def glam(r: Reader) -> ModelConfig:
    """GLaM (Du et al. 2021): every second layer a mixture; dense layers gated, experts not, which alone gives the
    published 96.6 billion active parameters.
    """
    hidden = r.whole("hidden_size")
    attend = attention(r.heads(hidden), positions="relative")
    step = r.whole("moe_layer_freq", default=2)
    act = r.activation("hidden_act", default="gelu")
    moe = experts(r, "num_experts", default_top=2, gated=False, activation=act,
                  capacity_factor=r.number("capacity_factor"))
    dense = FfnConfig(r.whole("intermediate_size"), activation=act)
    groups = grouped(r.layers("num_hidden_layers"), lambda i: (i + 1) % step == 0,
                     lambda mixed: Layer(attend, moe if mixed else dense))
    return r.decoder(hidden, groups, tied=True)
