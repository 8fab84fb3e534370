"""Reading config.json: exact counts, and a clear line for anything broken."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import models
from archsim.errors import ArchsimError
from archsim.workload.config import ModelConfig, parse, read

LLAMA: dict[str, Any] = json.loads((models.FOLDER / "llama-3.1-8b.json").read_text())
GPT: dict[str, Any] = json.loads((models.FOLDER / "gpt3-175b.json").read_text())


@pytest.mark.parametrize("name", models.names())
def test_parameters_agree_with_the_published_count(name: str) -> None:
    published, citation = models.PUBLISHED[name]
    assert citation
    assert abs(models.get(name).parameters / published - 1) < 0.005
    if published % 1e9:  # published to the last digit, not as a headline
        assert models.get(name).parameters == published


# Published exact counts of models that users may bring (Hugging Face safetensors counts).
BROUGHT = [
    ({"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
      "num_hidden_layers": 32, "num_key_value_heads": 8, "sliding_window": 4096, "tie_word_embeddings": False,
      "vocab_size": 32000, "max_position_embeddings": 32768, "hidden_act": "silu"}, 7_241_732_096),
    ({"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
      "num_hidden_layers": 28, "num_key_value_heads": 4, "tie_word_embeddings": False, "vocab_size": 152064,
      "max_position_embeddings": 131072, "sliding_window": 131072, "use_sliding_window": False}, 7_615_616_512),
    ({"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "n_inner": None,
      "vocab_size": 50257}, 124_439_808),
    ({"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_attention_heads": 32,
      "num_hidden_layers": 16, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
      "vocab_size": 128256}, 1_235_814_400),
]


@pytest.mark.parametrize(("config", "published"), BROUGHT, ids=[c["model_type"] for c, _ in BROUGHT])
def test_a_users_config_counts_exactly(config: dict[str, Any], published: int) -> None:
    assert parse(config).parameters == published


def test_a_sliding_window_bounds_what_a_token_sees() -> None:
    model = parse(BROUGHT[0][0])
    assert model.window == 4096
    assert model.flops_per_token(10_000) == model.flops_per_token(4096)


@pytest.mark.parametrize(
    ("base", "change", "says"),
    [
        (LLAMA, {"model_type": "lama"}, "unknown model_type 'lama': did you mean 'llama'"),
        (LLAMA, {"model_type": None}, "lacks 'model_type'"),
        (LLAMA, {"model_type": ["llama"]}, "unknown model_type"),
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


junk = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
                 st.lists(st.integers(), max_size=2))


@given(st.sampled_from([LLAMA, GPT, BROUGHT[0][0], BROUGHT[1][0]]), st.data())
def test_fuzz_a_config_gives_a_model_or_a_line(base: dict[str, Any], data: st.DataObject) -> None:
    config = dict(base)
    for key in data.draw(st.lists(st.sampled_from(sorted(base)), min_size=1, max_size=4, unique=True)):
        config[key] = data.draw(junk)
    try:
        model = parse(config)
    except ArchsimError as e:
        assert "\n" not in str(e)
    else:
        assert isinstance(model, ModelConfig)
        assert model.parameters > 0
        assert model.heads % model.kv_heads == 0


def test_unknown_models_name_the_nearest() -> None:
    with pytest.raises(ArchsimError, match="did you mean 'llama-3.1-70b'"):
        models.get("llama-31-70b")
    with pytest.raises(ArchsimError, match="or give the path of a config.json"):
        models.find("lama")
    assert models.get("Llama_3.1 8B").name == "llama-3.1-8b"
    assert models.find(models.FOLDER / "llama-2-7b.json").name == "llama-2-7b"
    assert models.find("meta-llama/Llama-3.1-70B").name == "llama-3.1-70b", "a hub's id finds the model shipped"
    with pytest.raises(ArchsimError, match="unknown model"):
        models.find("")


def test_a_quantised_config_says_what_is_not_read() -> None:
    assert "choose the dtype yourself" in parse({**LLAMA, "quantization_config": {"bits": 8}}).note
    assert parse(LLAMA).note == ""
