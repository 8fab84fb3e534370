"""Families: one reader per ``model_type`` of Hugging Face config.json, and what in a config no reader models."""

from collections.abc import Callable

from archsim.workload.architecture import ModelConfig
from archsim.workload.families import encoders, gpt, llama, moe, papers
from archsim.workload.reader import Reader, short

FAMILIES: dict[str, Callable[[Reader], ModelConfig]] = {
    "llama": llama.llama,
    "mistral": llama.mistral,
    "qwen2": llama.qwen2,
    "qwen3": llama.qwen3,
    "gemma": llama.gemma,
    "gemma2": llama.gemma2,
    "gemma3": llama.gemma2,
    "gemma3_text": llama.gemma2,
    "phi3": llama.phi3,
    "glm": llama.glm,
    "glm4": llama.glm,
    "chatglm": llama.chatglm,
    "cohere": llama.cohere,
    "cohere2": llama.cohere,
    "olmo": llama.olmo,
    "olmo2": llama.olmo2,
    "olmo3": llama.olmo2,
    "granite": llama.llama,
    "smollm3": llama.smollm3,
    "internlm2": llama.internlm2,
    "ernie4_5": llama.ernie,
    "seed_oss": llama.seed_oss,
    "baichuan": llama.baichuan,
    "stablelm": llama.stablelm,
    "qwen": llama.qwen,
    "qwen2_vl": llama.qwen2,
    "qwen2_vl_text": llama.qwen2,
    "qwen2_5_vl": llama.qwen2,
    "qwen2_5_vl_text": llama.qwen2,
    "qwen3_vl_text": llama.qwen3,
    "mixtral": moe.mixtral,
    "phimoe": moe.phimoe,
    "qwen2_moe": moe.qwen_moe,
    "qwen3_moe": moe.qwen_moe,
    "qwen3_vl_moe_text": moe.qwen_moe,
    "olmoe": moe.olmoe,
    "granitemoe": moe.granitemoe,
    "minimax_m2": moe.minimax_m2,
    "ernie4_5_moe": moe.ernie_moe,
    "deepseek_v2": moe.deepseek,
    "deepseek_v3": moe.deepseek,
    "deepseek_v32": moe.deepseek,
    "kimi_k2": moe.deepseek,
    "glm4_moe": moe.glm4_moe,
    "gpt_oss": moe.gpt_oss,
    "llama4": moe.llama4,
    "llama4_text": moe.llama4,
    "dbrx": moe.dbrx,
    "grok-1": moe.grok,
    "gpt2": gpt.gpt2,
    "gpt_bigcode": gpt.gpt2,
    "opt": gpt.opt,
    "bloom": gpt.bloom,
    "gpt_neox": gpt.gpt_neox,
    "gptj": gpt.gptj,
    "phi": gpt.phi,
    "falcon": gpt.falcon,
    "mpt": gpt.mpt,
    "starcoder2": gpt.starcoder2,
    "nemotron": gpt.nemotron,
    "bert": encoders.bert,
    "roberta": encoders.bert,
    "xlm-roberta": encoders.bert,
    "vit": encoders.vit,
    "t5": encoders.t5,
    "mt5": encoders.t5,
    "switch_transformers": encoders.t5,
    "palm": papers.palm,
    "gopher": papers.gopher,
    "glam": papers.glam,
}
"""Readers by the config's ``model_type``; the last three are archsim's own names."""

_RECURRENT = "state-space and linear-attention layers are not modelled"
_SIGHT = "models of images and sound are not modelled, apart from vit"
UNMODELLED: dict[str, str] = {
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv5", "jamba", "zamba", "zamba2", "bamba",
                     "falcon_h1", "nemotron_h", "granitemoehybrid", "qwen3_next", "minimax", "minimax_text_01",
                     "recurrent_gemma", "lfm2", "xlstm", "kimi_linear"), _RECURRENT),
    **dict.fromkeys(("whisper", "clip", "clip_text_model", "siglip", "deit", "swin", "dinov2", "wav2vec2",
                     "mllama_text_model"), _SIGHT),
    "gemma3n": "per-layer inputs and shared caches are not modelled",
    "gemma3n_text": "per-layer inputs and shared caches are not modelled",
    "nemotron-nas": "layers that differ one by one are not modelled",
    "RefinedWeb": "an old name: use the config of today's repository, whose model_type is falcon",
    "RefinedWebModel": "an old name: use the config of today's repository, whose model_type is falcon",
}
"""What users bring and no reader here can count, and why."""

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Keys by which a config says that its layers are mixtures of experts."""

CHANGES: dict[str, str] = {
    "sliding_window": "attention is counted over the whole context",
    "use_sliding_window": "attention is counted over the whole context",
    "attention_chunk_size": "attention is counted over the whole context",
    "layer_types": "all layers are counted alike",
    "attention_bias": "the biases are not counted",
    "mlp_bias": "the biases are not counted",
    "qk_layernorm": "norms of queries and keys are not counted",
    "use_qk_norm": "norms of queries and keys are not counted",
    "kv_lora_rank": "latent attention is not modelled in this family",
    "index_topk": "sparse attention is counted as if dense",
    "index_n_heads": "the weights of the indexer of sparse attention are not counted",
    "num_kv_shared_layers": "KV caches shared between layers are counted apart",
    "hidden_size_per_layer_input": "per-layer inputs are not counted",
    "cross_attention_layers": "cross-attention to images is not counted",
    "full_attention_interval": "linear-attention layers are counted as attention",
    "hybrid_override_pattern": "layers without attention are counted as attention",
    "attn_layer_period": "layers without attention are counted as attention",
    "attn_layer_indices": "layers without attention are counted as attention",
    "mlp_layer_types": "all layers are counted alike",
    "moe_every_n_layers": "all layers are counted alike",
    "moe_layer_freq": "all layers are counted alike",
    "shared_expert_intermediate_size": "shared experts are not counted",
    "n_shared_experts": "shared experts are not counted",
    "expert_capacity": "no capacity of experts is applied",
    "logit_scale": "scale factors are not counted",
    "logits_scaling": "scale factors are not counted",
    "residual_multiplier": "scale factors are not counted",
    "embedding_multiplier": "scale factors are not counted",
    "attention_multiplier": "scale factors are not counted",
    "final_logit_softcapping": "the cap on logits is not counted",
    "attn_logit_softcapping": "the cap on attention scores is not counted",
    "is_decoder": "attention is counted as the encoder's, to both sides",
    "add_cross_attention": "cross-attention is not counted",
}
"""Keys that change a model's mathematics, and what is counted where the family's reader does not know them."""

CHANGING_PREFIXES = ("mamba_", "ssm_", "ssd_", "linear_", "rwkv_", "conv_", "lora_")
"""The same by the beginning of the key."""

HARMLESS = ("linear_init", "conv_bias", "linear_bias")
"""Keys that begin so and change nothing where the reader does not know them."""


def ignored(reader: Reader) -> tuple[str, ...]:
    """Return warnings of the keys of a config that were not read: those that change the mathematics, one warning for
    each reason, and those that look like a key that would have been read.
    """
    found: dict[str, list[str]] = {}
    for key, value in reader.config.items():
        if key in reader.taken or value in (None, False, 0, 1, "", [], {}) or not isinstance(key, str):
            continue
        why = CHANGES.get(key, "")
        if not why and key.startswith(CHANGING_PREFIXES) and key not in HARMLESS:
            why = "state-space, convolution, linear-attention and adapter parts are not modelled"
        if why:
            shown = f" = {short(value)}" if isinstance(value, bool | int | float | str) else ""
            found.setdefault(why, []).append(f"{key}{shown}")
    mistyped = [f"{wrong} is not read: is it {key} mistyped?" for key in sorted(reader.taken)
                if (wrong := reader.mistyped(key))]
    changing = [f"{', '.join(keys)} {'are' if keys[1:] else 'is'} not read: {why}" for why, keys in found.items()]
    return *mistyped, *changing


__all__ = ["CHANGES", "EXPERTS", "FAMILIES", "UNMODELLED", "ignored"]
