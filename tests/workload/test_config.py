"""Reading config.json: a clear line for anything broken, a warning for anything not modelled."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim import models
from archsim.errors import ArchsimError
from archsim.workload import transformer
from archsim.workload.config import FAMILIES, ModelConfig, parse, read

LLAMA: dict[str, Any] = json.loads((models.FOLDER / "llama-3.1-8b.json").read_text())
GPT: dict[str, Any] = json.loads((models.FOLDER / "gpt3-175b.json").read_text())


QWEN: dict[str, Any] = json.loads((models.FOLDER / "qwen2.5-7b.json").read_text())
MIXTRAL: dict[str, Any] = json.loads((models.FOLDER / "mixtral-8x7b.json").read_text())
DEEPSEEK: dict[str, Any] = json.loads((models.FOLDER / "deepseek-v2.json").read_text())
DBRX: dict[str, Any] = json.loads((models.FOLDER / "dbrx.json").read_text())
FALCON: dict[str, Any] = json.loads((models.FOLDER / "falcon-40b.json").read_text())
T5: dict[str, Any] = json.loads((models.FOLDER / "t5-11b.json").read_text())
VIT: dict[str, Any] = json.loads((models.FOLDER / "vit-b-16.json").read_text())
SCOUT: dict[str, Any] = json.loads((models.FOLDER / "llama-4-scout.json").read_text())


@pytest.mark.parametrize(
    ("base", "change", "says"),
    [
        (LLAMA, {"model_type": "lama"}, "unknown model_type 'lama': did you mean 'llama'"),
        (LLAMA, {"model_type": None}, "lacks 'model_type'"),
        (LLAMA, {"model_type": ["llama"]}, "model_type must be a string"),
        (LLAMA, {"hidden_size": None}, "lacks 'hidden_size'"),
        (LLAMA, {"hidden_size": "big"}, "hidden_size must be a whole number, not 'big'"),
        (LLAMA, {"hidden_size": -4096}, "hidden_size must be from 1"),
        (LLAMA, {"hidden_size": 0}, "hidden_size must be from 1"),
        (LLAMA, {"hidden_size": 10**30}, "hidden_size must be from 1"),
        (LLAMA, {"hidden_size": 4096.5}, "hidden_size must be a whole number"),
        (LLAMA, {"hidden_size": float("nan")}, "hidden_size must be a whole number"),
        (LLAMA, {"hidden_size": float("inf")}, "hidden_size must be"),
        (LLAMA, {"hidden_size": True}, "hidden_size must be a whole number"),
        (LLAMA, {"hidden_size": [4096]}, "hidden_size must be a whole number"),
        (LLAMA, {"hidden_size": 4097}, "hidden_size = 4097 is no multiple of num_attention_heads = 32"),
        (LLAMA, {"num_key_value_heads": 7}, "num_attention_heads = 32 is no multiple of num_key_value_heads = 7"),
        (LLAMA, {"tie_word_embeddings": "yes"}, "tie_word_embeddings must be true or false"),
        (LLAMA, {"hidden_act": 3}, "hidden_act must be a string"),
        (LLAMA, {"num_local_experts": 8}, "num_local_experts = 8, but the family 'llama' has no experts"),
        (LLAMA, {"hidden_act": "sillu"}, "unknown hidden_act 'sillu': did you mean 'silu'"),
        (LLAMA, {"num_hidden_layers": 10**9}, "num_hidden_layers must be from 1 to 100,000, not 1000000000"),
        (LLAMA, {"hidden_size": 10**5000}, "hidden_size must be from 1 to 100,000,000, not a number of more than 30"),
        (QWEN, {"num_key_value_heads": None}, "lacks 'num_key_value_heads'"),
        (QWEN, {"use_sliding_window": True, "layer_types": ["full_attention"]}, "layer_types must list the kind of"),
        (QWEN, {"use_sliding_window": True, "layer_types": ["linear_attention"] * 28}, "unknown kind of layer"),
        (MIXTRAL, {"num_local_experts": None}, "lacks 'num_local_experts'"),
        (MIXTRAL, {"num_experts_per_tok": 9}, "num_experts_per_tok = 9 exceeds num_local_experts = 8"),
        (DEEPSEEK, {"q_lora_rank": None}, "lacks 'q_lora_rank' \\(null where"),
        (DEEPSEEK, {"kv_lora_rank": None}, "lacks 'kv_lora_rank'"),
        (DBRX, {"attn_config": {"kv_n_heads": 7}}, "n_heads = 48 is no multiple of attn_config.kv_n_heads = 7"),
        (DBRX, {"ffn_config": 3}, "ffn_config must be an object with keys, not 3"),
        (DBRX, {"ffn_config": {"moe_num_experts": -1}}, "ffn_config: moe_num_experts must be from 1"),
        (FALCON, {"num_kv_heads": 7}, "num_attention_heads = 128 is no multiple of num_kv_heads = 7"),
        (T5, {"feed_forward_proj": "gated"}, "unknown"),
        (T5, {"feed_forward_proj": "relu-gated-relu"}, "feed_forward_proj must be like"),
        (VIT, {"patch_size": 15}, "image_size = 224 is no multiple of patch_size = 15"),
        (SCOUT, {"text_config": {**SCOUT["text_config"], "no_rope_layers": [1]}}, "no_rope_layers must have an entry"),
        (SCOUT, {"text_config": {**SCOUT["text_config"], "hidden_size": "x"}}, "text_config: hidden_size must be"),
        (GPT, {"n_layer": None}, "lacks 'n_layer' \\(or 'num_hidden_layers'\\)"),
        (GPT, {"n_head": 7}, "n_embd = 12288 is no multiple of n_head = 7"),
    ],
)
def test_a_broken_config_names_file_and_key(base: dict[str, Any], change: dict[str, Any], says: str) -> None:
    config = {k: v for k, v in {**base, **change}.items() if v is not None}
    with pytest.raises(ArchsimError, match=says) as caught:
        parse(config, where="my/config.json")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("my/config.json")


@pytest.mark.parametrize("content", ["[]", "3", "null", '"llama"'])
def test_not_an_object(content: str) -> None:
    with pytest.raises(ArchsimError, match="an object with keys"):
        parse(json.loads(content))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "not valid JSON: line 1"),
        (b'{"a": 1,\n "b": }', "not valid JSON: line 2"),
        (b"", "not valid JSON"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_not_json(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(ArchsimError, match=says):
        read(file)


def test_read_names_the_model_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text("\ufeff" + json.dumps(LLAMA))
    assert read(folder).name == read(folder / "config.json").name == "my-llama"
    with pytest.raises(ArchsimError, match="cannot read"):
        read(tmp_path / "nothing.json")


def example_of_each_family() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(models.FOLDER.glob("*.json")):
        config = json.loads(file.read_text())
        found.setdefault(config["model_type"], config)
        if "text_config" in config:
            found.setdefault(config["text_config"]["model_type"], config["text_config"])
    # Families without a model of their own share the keys of one that has.
    for family, kin in (("glm", "llama"), ("glm4", "llama"), ("cohere", "llama"), ("cohere2", "gemma2"),
                        ("olmo2", "llama"), ("granite", "llama"), ("nemotron", "llama"), ("starcoder2", "mistral"),
                        ("olmoe", "qwen3_moe"), ("gpt_bigcode", "gpt2"), ("roberta", "bert"), ("xlm-roberta", "bert"),
                        ("mt5", "t5"), ("qwen2_moe", "qwen3_moe"), ("olmo", "llama"), ("olmo3", "llama"),
                        ("smollm3", "llama"), ("internlm2", "llama"), ("ernie4_5", "llama"), ("seed_oss", "llama"),
                        ("baichuan", "llama"), ("stablelm", "llama"), ("qwen", "llama"), ("qwen2_vl", "qwen2"),
                        ("qwen2_vl_text", "qwen2"),
                        ("qwen2_5_vl", "qwen2"), ("qwen2_5_vl_text", "qwen2"), ("qwen3_vl_text", "qwen3"),
                        ("qwen3_vl_moe_text", "qwen3_moe"), ("granitemoe", "mixtral"), ("minimax_m2", "mixtral"),
                        ("deepseek_v32", "deepseek_v3")):
        found[family] = {**found[kin], "model_type": family}
    found["ernie4_5_moe"] = {**found["llama"], "model_type": "ernie4_5_moe", "moe_num_experts": 64, "moe_k": 6,
                             "moe_intermediate_size": 1536, "moe_num_shared_experts": 2, "moe_layer_start_index": 1}
    found["qwen2_moe"]["shared_expert_intermediate_size"] = 5632
    assert set(found) == set(FAMILIES)
    for config in found.values():
        parse(config)
    return list(found.values())


junk = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 300), st.floats(), st.text(max_size=5),
    st.sampled_from([10**9, -1, 0, 0.5, 1e308, 10**400, 10**5000, "relu", "full_attention", "gated-gelu"]),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=2),
    st.dictionaries(st.sampled_from(["alibi", "kv_n_heads", "moe_top_k", "model_type", "hidden_size"]),
                    st.one_of(st.integers(), st.text(max_size=3)), max_size=2),
    st.integers(1, 100_000).map(lambda n: ["sliding_attention"] * n),
)


def spoil(config: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """Change, remove or replace up to four values, in nested objects too."""
    spoilt = dict(config)
    for key in data.draw(st.lists(st.sampled_from(sorted(config)), min_size=1, max_size=4, unique=True)):
        if isinstance(spoilt[key], dict) and spoilt[key] and data.draw(st.booleans()):
            spoilt[key] = spoil(spoilt[key], data)
        elif data.draw(st.booleans()):
            spoilt[key] = data.draw(junk)
        else:
            del spoilt[key]
    return spoilt


@given(st.sampled_from(example_of_each_family()), st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_fuzz_a_config_gives_a_right_graph_or_a_line(base: dict[str, Any], data: st.DataObject) -> None:
    start = time.process_time()  # other processes do not count
    try:
        model = parse(spoil(base, data), where="my/config.json")
    except ArchsimError as e:
        assert str(e).startswith("my/config.json: ")
        assert "\n" not in str(e)
        assert len(str(e)) < 1000
    else:
        assert isinstance(model, ModelConfig)
        assert model.parameters >= model.active_parameters > 0
        assert model.layers == sum(n for stack in model.stacks for _, n in stack) > 0
        assert model.kv_bytes_per_token() >= 0
        assert model.flops_per_token(4096) > model.flops_per_token() > 0
        for stack in model.stacks:
            for layer, _ in stack:
                assert layer.attention.heads % layer.attention.kv_heads == 0
                assert layer.ffn.top_k <= layer.ffn.experts
        assert len(model.note) < 3000
        graph = transformer(model)
        held = sum(d["op"].parameters * d["repeat"] for _, d in graph.nodes(data=True) if not d.get("tied_to"))
        assert 0 < held <= model.parameters == graph.graph["parameters"]
    assert time.process_time() - start < 2


# Keys that a config may leave out because the model class has a default; without the key that default is meant.
DEFAULTED = {"num_key_value_heads", "num_attention_heads", "head_dim", "d_kv", "tie_word_embeddings", "attention_bias",
             "sliding_window", "lm_head_bias", "attn_config", "no_bias", "new_decoder_architecture", "num_kv_heads",
             "feed_forward_proj", "num_labels", "interleave_moe_layer_step"}


@pytest.mark.parametrize("base", example_of_each_family(), ids=lambda c: c["model_type"])
def test_each_key_missing_null_negative_huge_or_of_the_wrong_type(base: dict[str, Any]) -> None:
    def counts(model: ModelConfig) -> tuple[float, ...]:
        return model.parameters, model.active_parameters, model.kv_bytes(9000), model.flops_per_token(9000)

    for key in base:
        for value in (None, -1, 0, 10**9, 10**30, "x", [], {}, True, 0.5, float("nan")):
            try:
                assert parse({**base, key: value}).parameters > 0
            except ArchsimError as e:
                assert "\n" not in str(e)
        rest = {k: v for k, v in base.items() if k != key}
        try:
            model = parse(rest)
        except ArchsimError as e:
            assert "lacks" in str(e) or "is no multiple of" in str(e)
        else:
            assert key in DEFAULTED or counts(model) == counts(parse(base))


EIGHT = {"weights": {"num_bits": 8, "type": "float"}, "input_activations": {"num_bits": 8}}


@pytest.mark.parametrize(
    ("given", "options"),
    [  # quantization_config of a checkpoint, options of transformer() that count it so
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, {"dtype": "fp8_block"}),
        ({"quant_method": "fp8", "activation_scheme": "static"}, {"dtype": "fp8"}),
        ({"quant_method": "fbgemm_fp8"}, {"dtype": "fp8"}),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, {"dtype": "bf16", "weight_dtype": "int4_g128"}),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, {"dtype": "bf16", "weight_dtype": "int4_g64"}),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, {"dtype": "bf16", "weight_dtype": "int8"}),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
         {"dtype": "bf16", "expert_dtype": "mxfp4"}),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, {"dtype": "bf16", "weight_dtype": "int4_g64"}),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, {"dtype": "int8"}),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"},
         {"dtype": "nvfp4", "kv_dtype": "fp8"}),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": EIGHT}, "kv_cache_scheme": None},
         {"dtype": "fp8"}),
        ({"quant_method": "compressed-tensors", "config_groups": {
            "group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}, "input_activations": None}}},
         {"dtype": "bf16", "weight_dtype": "nvfp4"}),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*self_attn.*"], "config_groups": {
            "group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}, "input_activations": None}}},
         {"dtype": "bf16", "expert_dtype": "int4_g32"}),
    ],
)
def test_a_checkpoints_formats_are_read_and_used_when_asked(given: dict[str, Any], options: dict[str, str]) -> None:
    base = MIXTRAL if "expert_dtype" in options else LLAMA
    model = parse({**base, "torch_dtype": "bfloat16", "quantization_config": given})
    assert dict(model.formats) == options
    assert "--dtype checkpoint counts it so" in model.note
    asked, plain = transformer(model, phase="decode", dtype="checkpoint"), transformer(model, phase="decode")
    same = transformer(model, phase="decode", **options)  # type: ignore[arg-type]
    assert dict(asked.nodes) == dict(same.nodes) and dict(asked.edges) == dict(same.edges)
    assert dict(plain.nodes) == dict(transformer(parse(base), phase="decode").nodes)
    assert "checkpoint" in plain.graph["note"] and "checkpoint" not in asked.graph["note"]


@pytest.mark.parametrize("given", [{"bits": 8}, {"quant_method": "hqq"}, "fp8", [1], {"quant_method": 3},
                                   {"quant_method": "gptq", "bits": "four"}, {"quant_method": "gptq", "bits": [4]},
                                   {"quant_method": "compressed-tensors", "config_groups": {"group_0": None}},
                                   {"quant_method": "gptq", "bits": 4, "group_size": {}}])
def test_formats_that_are_not_understood_are_named(given: object) -> None:
    model = parse({**LLAMA, "quantization_config": given})
    assert "quantization_config is not understood: give dtype and weight_dtype yourself" in model.note
    assert transformer(model, dtype="checkpoint").graph["dtype"] == "bf16"


def test_formats_of_checkpoints_that_are_not_quantised() -> None:
    assert parse(LLAMA).note == ""
    for said, dtype in (("float16", "fp16"), ("float32", "fp32"), ("auto", "bf16"), (7, "bf16")):
        model = parse({**LLAMA, "torch_dtype": said})
        assert transformer(model, dtype="checkpoint").graph["dtype"] == dtype
        assert model.note == ""


@pytest.mark.parametrize(("family", "says"), [("mamba", "state-space"), ("whisper", "images and sound"),
                                              ("qwen3_next", "linear-attention"), ("RefinedWeb", "an old name")])
def test_families_that_cannot_be_counted_say_why(family: str, says: str) -> None:
    with pytest.raises(ArchsimError, match=f"model_type '{family}': .*{says}.*; known: llama, mistral"):
        parse({**LLAMA, "model_type": family})


def test_mistyped_keys_are_named() -> None:
    rest = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    model = parse({**rest, "num_key_value_head": 8})
    assert model.stack().first.attention.kv_heads == 32
    assert model.note == "num_key_value_head is not read: is it num_key_value_heads mistyped?"
    wide = {("hidden_sizes" if key == "hidden_size" else key): value for key, value in LLAMA.items()}
    with pytest.raises(ArchsimError, match="lacks 'hidden_size'; is 'hidden_sizes' mistyped\\?"):
        parse(wide)
    for name in models.names():
        assert "mistyped" not in models.get(name).note


def test_keys_with_one_reason_share_a_warning() -> None:
    note = parse({**LLAMA, "residual_multiplier": 0.22, "logits_scaling": 16.0}).note
    assert note == "residual_multiplier = 0.22, logits_scaling = 16.0 are not read: scale factors are not counted"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sliding_window": 4096}, "sliding_window = 4096 is not read: attention is counted over the whole context"),
        ({"residual_multiplier": 0.22}, "residual_multiplier = 0.22 is not read"),
        ({"layer_types": ["sliding_attention"] * 32}, "layer_types is not read: all layers are counted alike"),
        ({"mamba_d_state": 128}, "mamba_d_state = 128 is not read: state-space"),
        ({"index_topk": 2048}, "index_topk = 2048 is not read: sparse attention is counted as if dense"),
        ({"kv_lora_rank": 512}, "latent attention is not modelled in this family"),
    ],
)
def test_keys_that_change_the_mathematics_are_named(change: dict[str, Any], says: str) -> None:
    model = parse({**LLAMA, **change})
    assert says in model.note
    assert model.parameters == parse(LLAMA).parameters
    assert parse({**LLAMA, **dict.fromkeys(change)}).note == ""


@pytest.mark.parametrize("key", ["rope_scaling", "bos_token_id", "rms_norm_eps", "attention_dropout", "auto_map"])
def test_harmless_keys_are_ignored(key: str) -> None:
    assert parse({**LLAMA, key: {"factor": 8}}).note == ""


def test_a_model_of_text_and_images_is_read_for_its_text() -> None:
    model = parse({"model_type": "llava", "text_config": LLAMA, "vision_config": {"hidden_size": 1024}})
    assert model.parameters == parse(LLAMA).parameters
    assert model.note == "only the text model is counted, not vision_config"
    assert parse({"model_type": "llama", "text_config": {k: v for k, v in LLAMA.items() if k != "model_type"}}).layers
