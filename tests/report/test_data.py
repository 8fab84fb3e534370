"""Plain data for JSON and CSV."""

import csv
import io
import json
import math

from archsim.models import get

from archsim.report import data


def test_json_knows_no_nan():
    text = data.to_json({"a": math.nan, "b": [math.inf, 1.5], "c": {"d": (-math.inf,)}, "e": True})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": {"d": [None]}, "e": True}


def test_run_data_has_every_dollar_key_even_without_a_price(prefill, price):
    priced = data.run_data(prefill[0], price(prefill[0]))
    bare = data.run_data(prefill[2], None, "no price")
    assert set(priced) == set(bare)
    assert all(isinstance(priced[k], float) for k in data.USD)
    assert all(bare[k] is None for k in data.USD)
    assert bare["cost_note"] == "no price"


def test_csv_has_a_line_per_run_and_no_nested_values(prefill, price):
    rows = list(csv.DictReader(io.StringIO(data.to_csv([data.run_data(r, price(r)) for r in prefill]))))
    assert [r["chip"] for r in rows] == ["fat", "wide", "secret"]
    assert float(rows[0]["time_s"]) == prefill[0].time_s
    assert rows[2]["usd_per_mtoken"] == ""
    assert "ops" not in rows[0]


def test_chip_and_model_data_are_json(chips):
    chip = json.loads(data.to_json(data.chip_data(chips[0], figures=True)))
    assert chip["peak_flops_per_s"]["bf16"] == 1000e12
    assert {"path", "value", "unit", "meaning", "source", "confidence", "note", "low", "high"} == set(
        chip["figures"][0])
    model = json.loads(data.to_json(data.model_data(get("llama-3.1-8b"))))
    assert model["parameters"] == 8_030_261_248
    assert model["kv_bytes_per_token"] == 2 * 32 * 8 * 128 * 2
    assert model["published_parameters"] == 8_030_261_248
    assert "meta-llama/Llama-3.1-8B" in model["source"]
    mixed = json.loads(data.to_json(data.model_data(get("deepseek-v3"))))
    dense, sparse = mixed["stacks"][0]["layers"]
    assert (dense["count"], dense["ffn"]["experts"]) == (3, 0)
    assert (sparse["count"], sparse["ffn"]["experts"], sparse["attention"]["kind"]) == (58, 256, "mla")
