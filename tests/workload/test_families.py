"""Families: published counts of models that users bring, and for each family a hand count of FLOP per token."""

import json
from typing import Any

import networkx as nx
import pytest

from archsim import models
from archsim.workload import transformer
from archsim.workload.architecture import ModelConfig
from archsim.workload.config import FAMILIES, parse

Config = dict[str, Any]


def like_llama(family: str, hidden: int, layers: int, heads: int, kv: int, ffn: int, vocab: int, **more: Any) -> Config:
    return {"model_type": family, "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv, "intermediate_size": ffn, "vocab_size": vocab, **more}


# (config, parameters of the model class of the transformers library, which are those of the checkpoint)
BROUGHT: dict[str, tuple[Config, int]] = {
    "Mistral-Nemo": (
        like_llama("mistral", 5120, 40, 32, 8, 14336, 131072, head_dim=128, sliding_window=None), 12_247_782_400),
    "Llama-3.2-1B": (
        like_llama("llama", 2048, 16, 32, 8, 8192, 128256, head_dim=64, tie_word_embeddings=True), 1_235_814_400),
    "Qwen2-7B": (
        like_llama("qwen2", 3584, 28, 28, 4, 18944, 152064, sliding_window=131072, use_sliding_window=False),
        7_615_616_512),
    "Qwen1.5-MoE-A2.7B": (
        like_llama("qwen2_moe", 2048, 24, 16, 16, 5632, 151936, moe_intermediate_size=1408, num_experts=60,
                   shared_expert_intermediate_size=5632, num_experts_per_tok=4), 14_315_784_192),
    "OLMo-7B": (like_llama("olmo", 4096, 32, 32, 32, 11008, 50304, clip_qkv=None), 6_888_095_744),
    "OLMo-2-7B": (like_llama("olmo2", 4096, 32, 32, 32, 11008, 100352), 7_298_617_344),
    "OLMoE-1B-7B": (
        like_llama("olmoe", 2048, 16, 16, 16, 1024, 50304, num_experts=64, num_experts_per_tok=8), 6_919_161_856),
    "starcoder2-3b": (
        like_llama("starcoder2", 3072, 30, 24, 2, 12288, 49152, sliding_window=4096), 3_030_371_328),
    "command-r": (like_llama("cohere", 8192, 40, 64, 64, 22528, 256000), 34_980_831_232),
    "GLM-4-9B-0414": (
        like_llama("glm4", 4096, 40, 32, 2, 13696, 151552, head_dim=128, attention_bias=True), 9_400_279_040),
    "glm-4-9b-hf": (
        like_llama("glm", 4096, 40, 32, 2, 13696, 151552, head_dim=128, attention_bias=True), 9_399_951_360),
    "granite-3.0-8b": (
        like_llama("granite", 4096, 40, 32, 8, 12800, 49155, tie_word_embeddings=True, residual_multiplier=0.22),
        8_170_848_256),
    "Olmo-3-7B": (like_llama("olmo3", 4096, 32, 32, 32, 11008, 100278, sliding_window=4096), 7_298_011_136),
    "SmolLM3-3B": (
        like_llama("smollm3", 2048, 36, 16, 4, 11008, 128256, no_rope_layers=[1, 1, 1, 0] * 9), 3_075_098_624),
    "internlm2-7b": (like_llama("internlm2", 4096, 32, 32, 8, 14336, 92544, bias=False), 7_737_708_544),
    "ERNIE-4.5-0.3B": (
        like_llama("ernie4_5", 1024, 18, 16, 2, 3072, 103424, head_dim=128, use_bias=False), 360_748_032),
    "Seed-OSS-36B": (
        like_llama("seed_oss", 5120, 64, 80, 8, 27648, 155136, head_dim=128, attention_bias=True,
                   attention_out_bias=False), 36_151_104_512),
    "Baichuan2-7B": (like_llama("baichuan", 4096, 32, 32, 32, 11008, 125696), 7_505_973_248),
    "Baichuan2-13B": (like_llama("baichuan", 5120, 40, 40, 40, 13696, 125696, model_max_length=4096), 13_896_668_160),
    "stablelm-3b-4e1t": (like_llama("stablelm", 2560, 32, 32, 32, 6912, 50304), 2_795_443_200),
    "stablelm-2-12b": (
        like_llama("stablelm", 5120, 40, 32, 8, 13824, 100352, qk_layernorm=True, use_parallel_residual=True),
        12_143_185_920),
    "Qwen-7B": (like_llama("qwen", 4096, 32, 32, 32, 22016, 151936, kv_channels=128, no_bias=True), 7_721_324_544),
    "pythia-6.9b": (
        {"model_type": "gpt_neox", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
         "intermediate_size": 16384, "vocab_size": 50432}, 6_857_302_016),
    "phi-1.5": (like_llama("phi", 2048, 24, 32, 32, 8192, 51200), 1_418_270_720),
    "starcoder": (
        {"model_type": "gpt_bigcode", "n_embd": 6144, "n_head": 48, "n_layer": 40, "n_inner": 24576,
         "n_positions": 8192, "vocab_size": 49152, "multi_query": True}, 15_517_456_384),
    "opt-125m": (
        {"model_type": "opt", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072,
         "vocab_size": 50272, "word_embed_proj_dim": 768}, 125_239_296),
    "bloom-560m": (
        {"model_type": "bloom", "n_embed": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 250880}, 559_214_592),
    "bloom-7b1": (
        {"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "num_attention_heads": 32, "vocab_size": 250880},
        7_069_016_064),
    "roberta-large": (
        {"model_type": "roberta", "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
         "intermediate_size": 4096, "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
        355_359_744),
    "xlm-roberta-base": (
        {"model_type": "xlm-roberta", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
         "intermediate_size": 3072, "vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1},
        278_043_648),
    "t5-small": (
        {"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
         "vocab_size": 32128}, 60_506_624),
    "mt5-small": (
        {"model_type": "mt5", "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6,
         "vocab_size": 250112, "feed_forward_proj": "gated-gelu"}, 300_176_768),
    "switch-base-8": (
        {"model_type": "switch_transformers", "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12,
         "num_heads": 12, "num_experts": 8, "num_sparse_encoder_layers": 6, "num_sparse_decoder_layers": 6,
         "vocab_size": 32128}, 619_339_008),
}

# No published count to the digit at hand: the form alone is checked.
FORMS: dict[str, Config] = {
    "command-r7b": like_llama("cohere2", 4096, 32, 32, 8, 14336, 256000, sliding_window=4096),
    "granite-3b-a800m": like_llama("granitemoe", 1536, 32, 24, 8, 512, 49155, num_local_experts=40,
                                   num_experts_per_tok=8, tie_word_embeddings=True),
    "MiniMax-M2": like_llama("minimax_m2", 3072, 62, 48, 8, 1536, 200064, head_dim=128, rotary_dim=64,
                             num_local_experts=256, num_experts_per_tok=8, use_routing_bias=True),
    "ERNIE-4.5-21B-A3B": like_llama("ernie4_5_moe", 2560, 28, 20, 4, 12288, 103424, moe_num_experts=64, moe_k=6,
                                    moe_intermediate_size=1536, moe_num_shared_experts=2, moe_layer_start_index=1),
    "minitron": like_llama("nemotron", 4096, 32, 48, 8, 16384, 256000, head_dim=128),
    "flat gemma-3-4b": like_llama("gemma3", 2560, 34, 8, 4, 10240, 262208, head_dim=256, sliding_window=1024),
    "flat llama-4-scout": like_llama("llama4", 5120, 48, 40, 8, 8192, 202048, head_dim=128, num_local_experts=16,
                                     num_experts_per_tok=1),
}


def config(name: str) -> Config:
    """Return the config of a model that is brought or shipped."""
    if name in BROUGHT:
        return BROUGHT[name][0]
    return FORMS.get(name) or json.loads((models.FOLDER / f"{name}.json").read_text())


@pytest.mark.parametrize("name", BROUGHT)
def test_a_users_config_counts_exactly(name: str) -> None:
    brought, published = BROUGHT[name]
    assert parse(brought).parameters == published


# Weights that one token multiplies, layer by layer (q and o, k and v, FFN, router), then the output head; and FLOP per
# key that it sees: 4 x layers x heads x head size, where nothing else is said.
HAND: dict[str, tuple[str, int, int]] = {
    "llama": ("llama-3.1-8b", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 128256 * 4096, 4 * 32 * 4096),
    "mistral": ("mistral-7b-v0.1", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 32000 * 4096,
                4 * 32 * 4096),
    "qwen2": ("qwen2.5-7b", 28 * (2 * 3584**2 + 2 * 3584 * 512 + 3 * 3584 * 18944) + 152064 * 3584, 4 * 28 * 3584),
    "qwen3": ("qwen3-4b", 36 * (2 * 2560 * 4096 + 2 * 2560 * 1024 + 3 * 2560 * 9728) + 151936 * 2560, 4 * 36 * 4096),
    "gemma": ("gemma-7b", 28 * (4 * 3072 * 4096 + 3 * 3072 * 24576) + 256000 * 3072, 4 * 28 * 4096),
    "gemma2": ("gemma-2-9b", 42 * (2 * 3584 * 4096 + 2 * 3584 * 2048 + 3 * 3584 * 14336) + 256000 * 3584,
               4 * 42 * 4096),
    "gemma3": ("flat gemma-3-4b", 34 * (2 * 2560 * 2048 + 2 * 2560 * 1024 + 3 * 2560 * 10240) + 262208 * 2560,
               4 * 34 * 2048),
    "gemma3_text": ("gemma-3-1b", 26 * (2 * 1152 * 1024 + 2 * 1152 * 256 + 3 * 1152 * 6912) + 262144 * 1152,
                    4 * 26 * 1024),
    "phi3": ("phi-3-medium", 40 * (2 * 5120**2 + 2 * 5120 * 1280 + 3 * 5120 * 17920) + 32064 * 5120, 4 * 40 * 5120),
    "glm": ("glm-4-9b-hf", 40 * (2 * 4096**2 + 2 * 4096 * 256 + 3 * 4096 * 13696) + 151552 * 4096, 4 * 40 * 4096),
    "glm4": ("GLM-4-9B-0414", 40 * (2 * 4096**2 + 2 * 4096 * 256 + 3 * 4096 * 13696) + 151552 * 4096, 4 * 40 * 4096),
    "chatglm": ("chatglm2-6b", 28 * (2 * 4096**2 + 2 * 4096 * 256 + 3 * 4096 * 13696) + 65024 * 4096, 4 * 28 * 4096),
    "cohere": ("command-r", 40 * (4 * 8192**2 + 3 * 8192 * 22528) + 256000 * 8192, 4 * 40 * 8192),
    "cohere2": ("command-r7b", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 256000 * 4096, 4 * 32 * 4096),
    "olmo": ("OLMo-7B", 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 50304 * 4096, 4 * 32 * 4096),
    "olmo2": ("OLMo-2-7B", 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 100352 * 4096, 4 * 32 * 4096),
    "olmo3": ("Olmo-3-7B", 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 100278 * 4096, 4 * 32 * 4096),
    "smollm3": ("SmolLM3-3B", 36 * (2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 11008) + 128256 * 2048, 4 * 36 * 2048),
    "internlm2": ("internlm2-7b", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 92544 * 4096,
                  4 * 32 * 4096),
    "ernie4_5": ("ERNIE-4.5-0.3B", 18 * (2 * 1024 * 2048 + 2 * 1024 * 256 + 3 * 1024 * 3072) + 103424 * 1024,
                 4 * 18 * 2048),
    "seed_oss": ("Seed-OSS-36B", 64 * (2 * 5120 * 10240 + 2 * 5120 * 1024 + 3 * 5120 * 27648) + 155136 * 5120,
                 4 * 64 * 10240),
    "baichuan": ("Baichuan2-13B", 40 * (4 * 5120**2 + 3 * 5120 * 13696) + 125696 * 5120, 4 * 40 * 5120),
    "stablelm": ("stablelm-2-12b", 40 * (2 * 5120**2 + 2 * 5120 * 1280 + 3 * 5120 * 13824) + 100352 * 5120,
                 4 * 40 * 5120),
    "qwen": ("Qwen-7B", 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 151936 * 4096, 4 * 32 * 4096),
    "granitemoe": ("granite-3b-a800m", 32 * (2 * 1536**2 + 2 * 1536 * 512 + 8 * 3 * 1536 * 512 + 1536 * 40)
                   + 49155 * 1536, 4 * 32 * 1536),
    "minimax_m2": ("MiniMax-M2", 62 * (2 * 3072 * 6144 + 2 * 3072 * 1024 + 8 * 3 * 3072 * 1536 + 3072 * 256)
                   + 200064 * 3072, 4 * 62 * 6144),
    "ernie4_5_moe": ("ERNIE-4.5-21B-A3B", 28 * (2 * 2560**2 + 2 * 2560 * 512) + 3 * 2560 * 12288
                     + 27 * ((6 + 2) * 3 * 2560 * 1536 + 2560 * 64) + 103424 * 2560, 4 * 28 * 2560),
    "granite": ("granite-3.0-8b", 40 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 12800) + 49155 * 4096,
                4 * 40 * 4096),
    "mixtral": ("mixtral-8x7b",
                32 * (2 * 4096**2 + 2 * 4096 * 1024 + 2 * 3 * 4096 * 14336 + 4096 * 8) + 32000 * 4096, 4 * 32 * 4096),
    "phimoe": ("phi-3.5-moe",
               32 * (2 * 4096**2 + 2 * 4096 * 1024 + 2 * 3 * 4096 * 6400 + 4096 * 16) + 32064 * 4096, 4 * 32 * 4096),
    "qwen2_moe": ("Qwen1.5-MoE-A2.7B", 24 * (  # 4 routed experts, a shared one of 5632 and its gate
        4 * 2048**2 + 4 * 3 * 2048 * 1408 + 3 * 2048 * 5632 + 2048 + 2048 * 60) + 151936 * 2048, 4 * 24 * 2048),
    "qwen3_moe": ("qwen3-30b-a3b", 48 * (
        2 * 2048 * 4096 + 2 * 2048 * 512 + 8 * 3 * 2048 * 768 + 2048 * 128) + 151936 * 2048, 4 * 48 * 4096),
    "olmoe": ("OLMoE-1B-7B", 16 * (4 * 2048**2 + 8 * 3 * 2048 * 1024 + 2048 * 64) + 50304 * 2048, 4 * 16 * 2048),
    # Latent attention: q, the latent and the rotated key, keys and values out of the latent, o. Keys 192, values 128.
    "deepseek_v2": ("deepseek-v2-lite", 27 * (
        2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048) + 3 * 2048 * 10944
        + 26 * ((6 + 2) * 3 * 2048 * 1408 + 2048 * 64) + 102400 * 2048, 2 * 27 * 16 * (192 + 128)),
    "deepseek_v3": ("deepseek-v3", 61 * (
        7168 * 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 * 128 * 256 + 128 * 128 * 7168) + 3 * 3 * 7168 * 18432
        + 58 * ((8 + 1) * 3 * 7168 * 2048 + 7168 * 256) + 129280 * 7168, 2 * 61 * 128 * (192 + 128)),
    "kimi_k2": ("kimi-k2", 61 * (
        7168 * 1536 + 1536 * 64 * 192 + 7168 * 576 + 512 * 64 * 256 + 64 * 128 * 7168) + 3 * 7168 * 18432
        + 60 * ((8 + 1) * 3 * 7168 * 2048 + 7168 * 384) + 163840 * 7168, 2 * 61 * 64 * (192 + 128)),
    "glm4_moe": ("glm-4.5-air", 46 * (2 * 4096 * 12288 + 2 * 4096 * 1024) + 3 * 4096 * 10944
                 + 45 * ((8 + 1) * 3 * 4096 * 1408 + 4096 * 128) + 151552 * 4096, 4 * 46 * 12288),
    "gpt_oss": ("gpt-oss-20b", 24 * (
        2 * 2880 * 4096 + 2 * 2880 * 512 + 4 * 3 * 2880 * 2880 + 2880 * 32) + 201088 * 2880, 4 * 24 * 4096),
    "llama4_text": ("llama-4-maverick", 48 * (2 * 5120**2 + 2 * 5120 * 1024) + 24 * 3 * 5120 * 16384
                    + 24 * (2 * 3 * 5120 * 8192 + 5120 * 128) + 202048 * 5120, 4 * 48 * 5120),
    "llama4": ("flat llama-4-scout", 48 * (2 * 5120**2 + 2 * 5120 * 1024 + 2 * 3 * 5120 * 8192 + 5120 * 16)
               + 202048 * 5120, 4 * 48 * 5120),
    "dbrx": ("dbrx", 40 * (2 * 6144**2 + 2 * 6144 * 1024 + 4 * 3 * 6144 * 10752 + 6144 * 16) + 100352 * 6144,
             4 * 40 * 6144),
    "grok-1": ("grok-1", 64 * (2 * 6144**2 + 2 * 6144 * 1024 + 2 * 3 * 6144 * 32768 + 6144 * 8) + 131072 * 6144,
               4 * 64 * 6144),
    "gpt2": ("gpt2-xl", 48 * (4 * 1600**2 + 2 * 1600 * 6400) + 50257 * 1600, 4 * 48 * 1600),
    "gpt_bigcode": ("starcoder", 40 * (2 * 6144**2 + 2 * 6144 * 128 + 2 * 6144 * 24576) + 49152 * 6144, 4 * 40 * 6144),
    "opt": ("opt-6.7b", 32 * (4 * 4096**2 + 2 * 4096 * 16384) + 50272 * 4096, 4 * 32 * 4096),
    "bloom": ("bloom-176b", 70 * (4 * 14336**2 + 2 * 14336 * 57344) + 250880 * 14336, 4 * 70 * 14336),
    "gpt_neox": ("gpt-neox-20b", 44 * (4 * 6144**2 + 2 * 6144 * 24576) + 50432 * 6144, 4 * 44 * 6144),
    "gptj": ("gpt-j-6b", 28 * (4 * 4096**2 + 2 * 4096 * 16384) + 50400 * 4096, 4 * 28 * 4096),
    "phi": ("phi-2", 32 * (4 * 2560**2 + 2 * 2560 * 10240) + 51200 * 2560, 4 * 32 * 2560),
    "falcon": ("falcon-7b", 32 * (2 * 4544**2 + 2 * 4544 * 64 + 2 * 4544 * 18176) + 65024 * 4544, 4 * 32 * 4544),
    "mpt": ("mpt-7b", 32 * (4 * 4096**2 + 2 * 4096 * 16384) + 50432 * 4096, 4 * 32 * 4096),
    "starcoder2": ("starcoder2-3b", 30 * (2 * 3072**2 + 2 * 3072 * 256 + 2 * 3072 * 12288) + 49152 * 3072,
                   4 * 30 * 3072),
    "nemotron": ("minitron", 32 * (2 * 4096 * 6144 + 2 * 4096 * 1024 + 2 * 4096 * 16384) + 256000 * 4096,
                 4 * 32 * 6144),
    # Encoders: no output head at every token.
    "bert": ("bert-large-uncased", 24 * (4 * 1024**2 + 2 * 1024 * 4096), 4 * 24 * 1024),
    "roberta": ("roberta-large", 24 * (4 * 1024**2 + 2 * 1024 * 4096), 4 * 24 * 1024),
    "xlm-roberta": ("xlm-roberta-base", 12 * (4 * 768**2 + 2 * 768 * 3072), 4 * 12 * 768),
    "vit": ("vit-b-16", 12 * (4 * 768**2 + 2 * 768 * 3072) + 3 * 16 * 16 * 768, 4 * 12 * 768),  # and the patches
    # A token of the decoder: q, k, v, o; q and o of cross-attention; FFN. It sees as many keys of the encoder again.
    "t5": ("t5-11b", 24 * ((4 + 2) * 1024 * 16384 + 2 * 1024 * 65536) + 32128 * 1024, 2 * 4 * 24 * 16384),
    "mt5": ("mt5-small", 8 * ((4 + 2) * 512 * 384 + 3 * 512 * 1024) + 250112 * 512, 2 * 4 * 8 * 384),
    "switch_transformers": ("switch-c-2048", 15 * (
        (4 + 2) * 2080 * 1920 + 2 * 2080 * 6144 + 2080 * 2048) + 32128 * 2080, 2 * 4 * 15 * 1920),
    "palm": ("palm-540b", 118 * (2 * 18432 * 12288 + 2 * 18432 * 256 + 3 * 18432 * 73728) + 256000 * 18432,
             4 * 118 * 12288),
    # Every query meets a key, the key of its distance, and a value.
    "gopher": ("gopher-280b", 80 * (4 * 16384**2 + 2 * 16384 * 65536) + 32000 * 16384, 6 * 80 * 16384),
    "glam": ("glam-64b-64e", 64 * 4 * 8192 * 16384 + 32 * 3 * 8192 * 32768
             + 32 * (2 * 2 * 8192 * 32768 + 8192 * 64) + 256000 * 8192, 4 * 64 * 16384),
}


SAME = {"qwen2_vl": "qwen2", "qwen2_vl_text": "qwen2", "qwen2_5_vl": "qwen2", "qwen2_5_vl_text": "qwen2",
        "qwen3_vl_text": "qwen3", "qwen3_vl_moe_text": "qwen3_moe", "deepseek_v32": "deepseek_v3"}


@pytest.mark.parametrize("family", SAME)
def test_families_that_share_a_reader_count_alike(family: str) -> None:
    plain = config(HAND[SAME[family]][0])
    assert parse({**plain, "model_type": family}).stacks == parse(plain).stacks


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(SAME)))
def test_flops_per_token_equal_a_hand_count(family: str) -> None:
    name, weights, per_key = HAND[family]
    model = parse(config(name))
    assert model.family == family
    assert model.linear_flops_per_token() == 2 * weights
    assert model.flops_per_token(100) == 2 * weights + 100 * per_key


def test_flops_of_an_encoders_token_include_the_keys_it_gives_to_the_decoder() -> None:
    model = models.get("t5-11b")
    weights = 24 * (4 * 1024 * 16384 + 2 * 1024 * 65536) + 24 * 2 * 1024 * 16384
    assert model.flops_per_token(100, stack="encoder") == 2 * weights + 100 * 4 * 24 * 16384


# Not equal: Gopher's graph projects distances too, which are not tokens; GLaM's experts turn away tokens beyond their
# capacity.
DECODERS = [name for name in [*models.names(), *BROUGHT, *FORMS]
            if len((model := parse(config(name))).stacks) == 1 and model.stack().causal
            and model.family not in ("gopher", "glam")]


@pytest.mark.parametrize("name", DECODERS)
def test_the_graphs_operators_add_up_to_the_same_flops(name: str) -> None:
    model = parse(config(name))

    def total(graph: nx.DiGraph) -> float:
        return sum(d["op"].flops * d["repeat"] for _, d in graph.nodes(data=True))

    prefill = total(transformer(model, phase="prefill", seq=8))
    assert prefill == pytest.approx(sum(model.flops_per_token(keys) for keys in range(1, 9)), rel=1e-12)
    decode = total(transformer(model, phase="decode", batch=2, context=300))
    per_token = model.linear_flops_per_token() + model.attention_flops_per_token(300, absorbed=True)
    assert decode == pytest.approx(2 * per_token, rel=1e-12)


def groups(model: ModelConfig, stack: str = "") -> list[tuple[int, Any]]:
    return [(count, layer) for layer, count in model.stack(stack)]


def test_deep_models_have_few_distinct_layers() -> None:
    distinct = {name: sum(len(stack.groups) for stack in models.get(name).stacks) for name in models.names()}
    assert max(distinct.values()) <= 4
    assert distinct["llama-3.1-405b"] == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # (layers, window, experts, positions) of each kind of layer
        ("gemma-2-27b", {(23, 4096, 0, "rope"), (23, None, 0, "rope")}),
        ("gemma-3-27b", {(52, 1024, 0, "rope"), (10, None, 0, "rope")}),
        ("gpt-oss-120b", {(18, 128, 128, "rope"), (18, None, 128, "rope")}),
        ("deepseek-v3", {(3, None, 0, "rope"), (58, None, 256, "rope")}),
        ("glm-4.5", {(3, None, 0, "rope"), (89, None, 160, "rope")}),
        ("llama-4-maverick", {(24, 8192, 0, "rope"), (12, 8192, 128, "rope"), (12, None, 128, "none")}),
        ("llama-4-scout", {(36, 8192, 16, "rope"), (12, None, 16, "none")}),
        ("glam-64b-64e", {(32, None, 0, "relative"), (32, None, 64, "relative")}),
        ("command-r7b", {(24, 4096, 0, "rope"), (8, None, 0, "none")}),
        ("Olmo-3-7B", {(24, 4096, 0, "rope"), (8, None, 0, "rope")}),
        ("SmolLM3-3B", {(27, None, 0, "rope"), (9, None, 0, "none")}),
        ("Baichuan2-7B", {(32, None, 0, "rope")}),
        ("Baichuan2-13B", {(40, None, 0, "alibi")}),
        ("ERNIE-4.5-21B-A3B", {(1, None, 0, "rope"), (27, None, 64, "rope")}),
        ("mistral-7b-v0.1", {(32, 4096, 0, "rope")}),
        ("phi-3-mini", {(32, 2047, 0, "rope")}),
        ("bloom-176b", {(70, None, 0, "alibi")}),
        ("gpt2", {(12, None, 0, "learned")}),
        ("chinchilla-70b", {(80, None, 0, "transformer-xl")}),
        ("switch-xxl-128", {(12, None, 0, "relative"), (12, None, 128, "relative")}),
    ],
)
def test_kinds_of_layers(name: str, expected: set[tuple[int, int | None, int, str]]) -> None:
    # Llama 4: dense layers are 0, 2, 4 ...; every fourth layer from 3 on is global and not rotated, hence a mixture.
    found = {(n, layer.attention.window, layer.ffn.experts, layer.attention.positions)
             for n, layer in groups(parse(config(name)))}
    assert found == expected


def test_switch_places_experts_in_both_stacks() -> None:
    model = parse(BROUGHT["switch-base-8"][0])
    assert [(n, bool(layer.ffn.experts)) for n, layer in groups(model, "encoder")] == [(6, False), (6, True)]
    assert [layer.norms for _, layer in groups(model, "decoder")] == [3, 3]
    assert not model.stack("encoder").causal
    assert model.stack("decoder").causal
    assert model.stack("decoder").first.cross is not None


def test_falcon_has_one_kv_head_whatever_its_config_prints() -> None:
    assert config("falcon-7b")["num_kv_heads"] == 71
    layer = models.get("falcon-7b").stack().first
    assert (layer.attention.kv_heads, layer.norms, layer.parallel) == (1, 1, True)
    assert models.get("falcon-40b").stack().first.norms == 2


def test_gemma3_takes_the_text_part_and_the_classs_defaults() -> None:
    shipped = config("gemma-3-4b")
    assert "num_attention_heads" not in shipped["text_config"]
    model = parse(shipped)
    assert model.vocab == 262_208
    assert model.stack().first.attention.heads == 8
    assert "only the text model is counted, not vision_config" in model.note


def test_null_and_absent_are_not_the_same() -> None:
    base = like_llama("mistral", 4096, 32, 32, 8, 14336, 32000)
    assert parse(base).stack().first.attention.window == 4096, "the class's default"
    assert parse({**base, "sliding_window": None}).stack().first.attention.window is None
    assert parse({**base, "num_key_value_heads": None}).stack().first.attention.kv_heads == 32


def test_qwen_windows_begin_at_max_window_layers() -> None:
    base = {**BROUGHT["Qwen2-7B"][0], "use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 20}
    assert {(n, layer.attention.window) for n, layer in groups(parse(base))} == {(20, None), (8, 4096)}
    kinds = ["full_attention"] * 7 + ["sliding_attention"] * 21
    listed = parse({**base, "layer_types": kinds})
    assert {(n, layer.attention.window) for n, layer in groups(listed)} == {(7, None), (21, 4096)}


def test_qwen_moe_dense_layers() -> None:
    base = {**BROUGHT["Qwen1.5-MoE-A2.7B"][0], "decoder_sparse_step": 2, "mlp_only_layers": [1, 3]}
    assert {(n, layer.ffn.experts) for n, layer in groups(parse(base))} == {(14, 0), (10, 60)}


def test_prediction_layers_are_noted_not_counted() -> None:
    assert models.get("deepseek-v3").mtp == 1
    assert parse({**config("deepseek-v3"), "num_nextn_predict_layers": 0}).parameters == 671_026_419_200


def test_learned_positions() -> None:
    assert models.get("opt-6.7b").position_rows == 2050
    assert models.get("opt-6.7b").max_positions == 2048
    assert models.get("vit-b-16").position_rows == 14 * 14 + 1
    assert models.get("mpt-7b").position_rows == 0
    assert models.get("mpt-1b").position_rows == 2048


def test_partial_rotation() -> None:
    assert models.get("gpt-j-6b").stack().first.attention.rope_dim == 64
    assert models.get("gpt-neox-20b").stack().first.attention.rope_dim == 24
    assert models.get("phi-2").stack().first.attention.rope_dim == 32
    assert models.get("glm-4.5").stack().first.attention.rope_dim == 64


def test_caps_on_logits() -> None:
    model = models.get("gemma-2-9b")
    assert (model.logit_softcap, model.stack().first.attention.softcap) == (30, 50)
    assert models.get("grok-1").stack().first.attention.softcap == 30
    assert models.get("gemma-3-1b").logit_softcap is None
