"""A model built by hand in Python: it counts as its config would, and wrong parts are named."""

from dataclasses import replace

import pytest

from archsim import models
from archsim.errors import ArchsimError
from archsim.workload import transformer
from archsim.workload.architecture import ModelConfig, Patches, Stack
from archsim.workload.sublayers import AttentionConfig, FfnConfig, Layer

LAYER = Layer(AttentionConfig(heads=32, kv_heads=8, head_dim=128), FfnConfig(14336))


def model(*groups: tuple[Layer, int]) -> ModelConfig:
    return ModelConfig("mine", "my own", hidden=4096, vocab=128256, max_positions=8192,
                       stacks=(Stack("decoder", groups or ((LAYER, 32),)),))


def test_a_model_by_hand_equals_the_one_read() -> None:
    mine, read = model(), models.get("llama-3.1-8b")
    assert mine.stacks == read.stacks
    assert mine.parameters == read.parameters
    assert mine.flops_per_token(1000) == read.flops_per_token(1000)
    assert transformer(mine, seq=16).graph["parameters"] == read.parameters


def test_layers_of_several_kinds_add_up() -> None:
    local = replace(LAYER, attention=replace(LAYER.attention, window=512))
    mixed = model((LAYER, 8), (local, 24))
    assert mixed.parameters == model().parameters
    assert mixed.kv_bytes(2048) == (8 * 2048 + 24 * 512) * 2 * 8 * 128 * 2
    assert mixed.attention_flops_per_token(2048) == 4 * 32 * 128 * (8 * 2048 + 24 * 512)


def test_an_expert_costs_parameters_but_no_work() -> None:
    few, many = (FfnConfig(experts=e, top_k=2, expert_ffn=1024) for e in (8, 64))
    assert many.parameters(512) - few.parameters(512) == 56 * (3 * 512 * 1024 + 512)
    assert many.matrices(512) - few.matrices(512) == 56 * 512, "the router alone"
    assert few.active_parameters(512) == 2 * 3 * 512 * 1024 + 512 * 8


def test_latent_attention_caches_the_latent() -> None:
    latent = AttentionConfig(heads=16, kv_heads=16, head_dim=192, value_dim=128, kind="mla", kv_lora=512, rope_dim=64)
    assert (latent.nope_dim, latent.cached) == (128, 512 + 64)
    assert latent.attention_flops(100) == 2 * 16 * (192 + 128) * 100
    assert latent.attention_flops(100, absorbed=True) == 2 * 16 * (512 + 64 + 512) * 100


def test_stacks_by_name() -> None:
    assert models.get("t5-11b").stack().name == "decoder"
    with pytest.raises(ArchsimError, match="unknown stack of t5-11b 'encodr': did you mean 'encoder'"):
        models.get("t5-11b").stack("encodr")


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: AttentionConfig(heads=32, kv_heads=7, head_dim=128), "heads = 32 is no multiple of kv_heads = 7"),
        (lambda: AttentionConfig(heads=0, kv_heads=8, head_dim=128), "AttentionConfig.heads must be from 1"),
        (lambda: AttentionConfig(heads=None, kv_heads=8, head_dim=128), "AttentionConfig.heads must be a whole"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, rope_dim=65), "rope_dim = 65 exceeds head_dim = 64"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, window=-1), "window must be from 1"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, softcap=0), "softcap must be a number above 0"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, sinks=1), "sinks must be True or False"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, positions="ropes"), "did you mean 'rope'"),
        (lambda: AttentionConfig(heads=8, kv_heads=8, head_dim=64, kind="mla"), "kv_lora belongs to latent attention"),
        (lambda: FfnConfig(), "needs a width"),
        (lambda: FfnConfig(8, activation="sillu"), "did you mean 'silu'"),
        (lambda: FfnConfig(experts=8, top_k=9, expert_ffn=8), "top_k = 9 exceeds experts = 8"),
        (lambda: FfnConfig(experts=8, top_k=2), "needs experts, top_k and expert_ffn"),
        (lambda: replace(LAYER, norm="batchnorm"), "unknown Layer.norm"),
        (lambda: Stack("decoder", ()), "the decoder needs at least one layer"),
        (lambda: Stack("decoder", ((LAYER, 0),)), "layers of the decoder must be from 1"),
        (lambda: ModelConfig("m", "f", 0, 8, 8, ()), "ModelConfig.hidden must be from 1"),
        (lambda: ModelConfig("m", "f", 8, 8, 8, ()), "must hold at least one Stack"),
        (lambda: Patches(224, 15), "image size 224 is no multiple of patch size 15"),
    ],
)
def test_wrong_parts_are_named(build, says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        build()
