"""The models shipped: parameters against published counts, the 16 reference models to the digit, names and speed."""

import csv
import json
import time
from pathlib import Path

import pytest

from archsim import models
from archsim.errors import ArchsimError
from archsim.workload.config import parse, read


def test_every_model_has_a_published_count_and_every_count_a_model() -> None:
    assert set(models.names()) == set(models.PUBLISHED)
    assert len(models.PUBLISHED) >= 60
    assert all(p.source for p in models.PUBLISHED.values())


@pytest.mark.parametrize("name", models.names())
def test_parameters_agree_with_the_published_count(name: str) -> None:
    ours, known = models.get(name).parameters, models.PUBLISHED[name]
    if known.exact:
        assert ours == known.parameters
    # A headline is off by more only where we say why, and say so only there.
    assert (abs(ours / known.parameters - 1) > 0.005) == bool(known.differs)
    assert abs(ours / known.parameters - 1) < 0.035


# Active parameters as published.
ACTIVE = {
    "mixtral-8x7b": 12.9e9,  # Jiang et al. 2024, arXiv:2401.04088
    "mixtral-8x22b": 39e9,  # Mistral AI, announcement
    "dbrx": 36e9,  # Databricks, announcement
    "qwen3-30b-a3b": 3.3e9,  # arXiv:2505.09388
    "qwen3-235b-a22b": 22e9,
    "glam-64b-64e": 96.6e9,  # Du et al. 2021, arXiv:2112.06905, table 4
    "phi-3.5-moe": 6.6e9,  # model card
    "deepseek-v2": 21e9,  # arXiv:2405.04434
    "kimi-k2": 32.6e9,  # arXiv:2507.20534
    "llama-4-maverick": 17e9,  # model card
    "llama-4-scout": 17e9,
}


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_agree_with_the_published_count(name: str) -> None:
    assert models.get(name).active_parameters == pytest.approx(ACTIVE[name], rel=0.02)


@pytest.mark.parametrize(("name", "total", "active"), [("gpt-oss-20b", 20.91e9, 3.61e9),
                                                       ("gpt-oss-120b", 116.83e9, 5.13e9)])
def test_gpt_oss_active_parameters_without_the_embedding(name: str, total: float, active: float) -> None:
    # As published: arXiv:2508.10925, table 1.
    model = models.get(name)
    assert model.parameters == pytest.approx(total, rel=0.0005)
    assert model.active_parameters - model.embedding_parameters == pytest.approx(active, rel=0.001)


# Parameters, active parameters, KV bytes per token at 16 bit, linear FLOP per token, attention FLOP of a token that
# sees 2048 keys, and their mean over a causal prefill of 2048: derived by hand from the published dimensions.
REFERENCE = {
    "gpt3-175b": (174604259328, 174604259328, 4718592, 349127467008, 9663676416, 4834197504),
    "llama-2-70b": (68976648192, 68976648192, 327680, 137426370560, 5368709120, 2685665280),
    "llama-3.1-405b": (405853388800, 405853388800, 516096, 807495794688, 16911433728, 8459845632),
    "mistral-7b-v0.1": (7241732096, 7241732096, 131072, 14220787712, 1073741824, 537133056),
    "mixtral-8x7b": (46702792704, 12879925248, 131072, 25497174016, 1073741824, 537133056),
    "gemma-2-27b": (27227128320, 27227128320, 376832, 54452551680, 1543503872, 772128768),
    "falcon-180b": (179522565120, 179522565120, 163840, 357104615424, 9730785280, 4867768320),
    "bloom-176b": (176247271424, 176247271424, 4014080, 352468336640, 8220835840, 4112424960),
    "gpt-j-6b": (6050882784, 6050882784, 458752, 11687165952, 939524096, 469991424),
    "qwen3-235b-a22b": (235093634560, 22190763520, 192512, 43135270912, 6308233216, 3155656704),
    "deepseek-v3": (671026419200, 37552297472, 70272, 73249193984, 10234101760, 5119549440),
    "gpt-oss-120b": (116829156672, 5711982912, 73728, 10262200320, 641728512, 338715648),
    "llama-4-maverick": (400711848960, 17184691200, 196608, 32299417600, 2013265920, 1007124480),
    "phi-2": (2779683840, 2779683840, 327680, 5295308800, 671088640, 335708160),
    "palm-540b": (540356474880, 540356474880, 120832, 1080708562944, 11878268928, 5942034432),
    "gpt2-xl": (1557611200, 1557611200, 307200, 3109942400, 629145600, 314726400),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_models_agree_to_the_digit(name: str) -> None:
    parameters, active, kv, linear, full, causal = REFERENCE[name]
    model = models.get(name)
    assert model.parameters == parameters
    assert model.active_parameters == active
    assert model.kv_bytes_per_token("bf16") == kv
    assert model.kv_bytes_per_token("fp8") == kv / 2
    assert model.linear_flops_per_token() == model.flops_per_token() == linear
    assert model.flops_per_token(2048) == linear + full
    assert sum(model.attention_flops_per_token(keys) for keys in range(1, 2049)) == 2048 * causal


def test_published_kv_bytes_per_token() -> None:
    assert models.get("llama-2-70b").kv_bytes_per_token("bf16") == 320 * 1024
    assert models.get("deepseek-v3").kv_bytes_per_token("bf16") == pytest.approx(70e3, rel=0.005)
    # DeepSeek-AI 2025, arXiv:2505.09343, table 1 (KB per token in BF16): 70.272, 327.680, 516.096.
    assert models.get("qwen2.5-72b").kv_bytes_per_token() == 327_680
    assert models.get("llama-3.1-405b").kv_bytes_per_token() == 516_096


def test_absorbed_latent_attention() -> None:
    # Per head a key of 512 + 64 and a value of 512: 61 layers x 128 heads x 2 x 1088 x 2048 keys.
    model = models.get("deepseek-v3")
    assert model.attention_flops_per_token(2048, absorbed=True) == 61 * 128 * 2 * 1088 * 2048 == 34_795_945_984


def test_windows_bound_the_cache() -> None:
    gemma = models.get("gemma-3-1b")  # 22 local layers of 512 keys and 4 global ones; a head of 256
    assert gemma.kv_bytes(100) == 100 * gemma.kv_bytes_per_token()
    assert gemma.kv_bytes(10_000) == (22 * 512 + 4 * 10_000) * 2 * 256 * 2
    oss = models.get("gpt-oss-120b")
    assert oss.kv_bytes(4096, "fp8") == (18 * 128 + 18 * 4096) * 2 * 8 * 64


def test_cross_attention_keeps_the_encoders_tokens() -> None:
    model = models.get("t5-11b")
    own = 24 * 2 * 128 * 128 * 2
    assert model.kv_bytes(10) == 10 * own
    assert model.kv_bytes(10, source=100) == 110 * own
    assert models.get("bert-large-uncased").kv_bytes(512) == 0


def test_all_dimensions_of_the_shared_table(shared: Path) -> None:
    with (shared / "facts/models.csv").open() as file:
        rows = {r["name"].lower(): r for r in csv.DictReader(file)}
    seen = [name for name in models.names() if name in rows]
    assert len(seen) > 100
    for name in seen:
        model, row = models.get(name), rows[name]
        assert model.parameters == int(row["computed"]), name
        if row["active_computed"]:
            assert model.active_parameters == int(row["active_computed"]), name
        if row["kv_bytes_per_token_16bit"]:
            assert model.kv_bytes_per_token() == int(row["kv_bytes_per_token_16bit"]), name


def test_names_are_sorted_and_forgiving() -> None:
    sizes = [models.get(n).parameters for n in models.names()]
    assert sizes == sorted(sizes)
    with pytest.raises(ArchsimError, match=r"did you mean 'llama-3\.1-70b'"):
        models.get("llama-31-70b")
    with pytest.raises(ArchsimError, match=r"or give the path of a config\.json"):
        models.find("lama")
    assert models.get("Llama_3.1 8B").name == "llama-3.1-8b"
    assert models.find(models.FOLDER / "llama-2-7b.json").name == "llama-2-7b"
    assert models.find("deepseek-ai/DeepSeek-V3").name == "deepseek-v3", "a hub's id finds the model shipped"
    with pytest.raises(ArchsimError, match="unknown model"):
        models.find("")


def test_published_knows_only_the_model_shipped() -> None:
    assert models.published(models.get("gpt2")) is models.PUBLISHED["gpt2"]
    config = json.loads((models.FOLDER / "gpt2.json").read_text())
    assert models.published(parse({**config, "n_layer": 13}, "gpt2")) is None
    assert models.published(parse(config, "my-own")) is None


def test_the_rumour_is_marked_and_fits_what_is_rumoured() -> None:
    model, known = models.get("gpt-4-1.8t-rumour"), models.PUBLISHED["gpt-4-1.8t-rumour"]
    assert known.source.startswith("RUMOUR")
    layer = model.stack().first
    assert model.layers * layer.ffn.parameters(model.hidden) == pytest.approx(16 * 111e9, rel=0.001)
    assert model.layers * layer.attention.parameters(model.hidden) == pytest.approx(55e9, rel=0.01)


def test_reading_is_quick() -> None:
    files = sorted(models.FOLDER.glob("*.json"))
    read(files[0])
    took = []
    for file in files:
        start = time.perf_counter()
        read(file)
        took.append(time.perf_counter() - start)
    assert sorted(took)[len(took) // 2] < 0.005
