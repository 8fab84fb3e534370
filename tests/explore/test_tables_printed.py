"""The cells that archsim typed are those of the reports, as the reference material has them."""

import csv
from itertools import zip_longest

import pytest

from archsim.explore import tables


def read(shared, name):
    path = shared / "facts" / "tables" / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the reference material")
    with path.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def same(typed, printed):
    """Whether two cells are the same number, or the same words."""
    try:
        return float(typed) == float(printed)
    except ValueError:
        return typed.replace(" ", "").casefold() == printed.replace(" ", "").casefold()


def typed(table, field):
    return tables.find(table).field(field).cells


@pytest.mark.parametrize(("table", "file"), [
    ("chip-comparison", "sws_chip_comparison"), ("chip-cost", "sws_chip_cost"),
    ("llama3-405b-training", "sws_training_cost"),
])
def test_columns_are_chips(shared, table, file):
    items = tables.find(table).items
    for row in read(shared, file):
        name = row.pop("field").removesuffix("_as_printed")
        row.pop("unit")
        row.pop("note", None)
        cells = typed(table, name)
        assert len(cells) == len(items) == len(row)
        assert all(map(same, cells, row.values())), (name, cells, row)


@pytest.mark.parametrize(("table", "file", "of"), [
    ("megascale", "sws_megascale", {"batch": "batch", "gpus": "gpus", "iteration": "iteration_s", "mfu": "mfu_pct",
                                    "throughput": "throughput_ktok_s", "training_days": "training_days",
                                    "aggregate": "aggregate_pflops"}),
    ("coreweave", "tianfeng_coreweave", {"vram": "vram_gb", "max_vcpu": "max_vcpu_per_gpu",
                                         "max_ram": "max_ram_gb_per_gpu", "usd_per_hour": "usd_per_hour"}),
    ("petaflop-days", "guohai_compute_equivalent", {"parameters": "parameters", "pd": "pd"}),
    ("soochow-chips", "soochow_chips", {f: f for f in ("vendor", "use", "process", "int8_tops", "fp16_tflops",
                                                       "fp32_tflops", "fp64_tflops", "tdp_w", "bandwidth_gb_s")}),
])
def test_rows_are_items(shared, table, file, of):
    rows = read(shared, file)
    lost = {"(garbled: INT16)": "(INT16)", "(garbled: CINT32)": "(CINT32)"}
    for field, column in of.items():
        for cell, row in zip_longest(typed(table, field), rows):
            assert same(cell, lost.get(row[column], row[column])), (field, cell, row)


def test_coreweave_names(shared):
    names = [i.name for i in tables.find("coreweave").items]
    assert names == [row["gpu"] for row in read(shared, "tianfeng_coreweave")]


def test_guohai_cards(shared):
    rows = {row["field"]: list(row.values())[2:] for row in read(shared, "guohai_nvidia_gpus")}
    for field in ("architecture", "fp64", "fp32", "fp16_tensor", "int8_tensor", "bandwidth", "tdp"):
        assert all(map(same, typed("guohai-chips", field), rows[field])), field
    memory = zip(typed("guohai-chips", "memory"), typed("guohai-chips", "memory_type"), strict=True)
    assert [f"{size} {kind}".strip() for size, kind in memory] == rows["memory"]
    links = zip(typed("guohai-chips", "nvlink"), typed("guohai-chips", "pcie"), rows["interconnect"], strict=True)
    for nvlink, pcie, printed in links:
        assert nvlink in printed.split(";")[0] and pcie == printed.split()[-1 if "GB/s" not in printed[-4:] else -2]


def test_gpt4(shared):
    rows = {row["item"]: row["value"] for row in read(shared, "guohai_gpt4")}
    table = tables.find("gpt4-training")
    expected = {"parameters": [rows["parameters"]] * 2, "layers": [rows["layers"]] * 2,
                **{f: [rows[f"{words} {gpu}"] for gpu in ("A100", "H100")] for f, words in (
                    ("gpus", "training GPUs"), ("days", "training days"), ("price", "price"),
                    ("cost", "training cost"))}}
    for field, cells in expected.items():
        assert list(table.field(field).cells) == cells
    inference = tables.find("gpt4-inference").field("cost_per_1k_tokens").cells
    assert list(inference) == [rows["inference 128 A100 8k context"], rows["inference 128 H100 8k context"]]


def test_soochow_text(shared):
    rows = {row["item"]: row["value"] for row in read(shared, "soochow_other")}
    big = "GPT 1.8T training"
    expected = {
        "gpus": [rows[f"{big} H100 GPUs"], rows[f"{big} Blackwell GPUs"]],
        "power": [rows[f"{big} H100 power"], rows[f"{big} Blackwell power"]],
        "days": [rows[f"{big} days"]] * 2,
        "training_speed_up": ["", rows["GB200 vs H100 training speed"]],
        "inference_speed_up": ["", rows["GB200 vs H100 GPT-3 175B inference"]],
        "transistors": [rows["H100 transistors"], rows["B200 transistors"]],
        "fp8_or_fp4": [rows["H100 FP8"], rows["B200 FP4"]],
    }
    for field, cells in expected.items():
        assert list(typed("h100-blackwell", field)) == cells
    assert list(typed("liquid-cooling", "cny_per_kw")) == [rows["cold-plate liquid cooling"],
                                                           rows["immersion liquid cooling"]]
    assert set(typed("liquid-cooling", "server_power")) == {rows["AI server power"]}


def test_guohai_vendors(shared):
    rows = {(row["vendor"], row["products"]): row for row in read(shared, "guohai_vendors")}
    table = tables.find("guohai-vendors")
    cells = {f: dict(zip((i.name for i in table.items), table.field(f).cells, strict=True))
             for f in ("unit_price", "unit_price_cny", "capacity", "shipments_2023")}
    vendor = {"NVIDIA H100": ("NVIDIA", "H100/A100; H200 (2024)"), "NVIDIA A100": ("NVIDIA", "H100/A100; H200 (2024)"),
              "AMD MI300X": ("AMD", "MI300A/MI300X"), "Intel Gaudi2": ("Intel", "Gaudi2"),
              "NVIDIA H20": ("NVIDIA", "H20"), "Huawei 910B": ("Huawei", "Ascend 910B")}
    for item, key in vendor.items():
        row = rows[key]
        assert cells["unit_price"][item] in row["unit_price_usd"]
        assert cells["unit_price_cny"][item] in row["unit_price_usd"]
        for field in ("capacity", "shipments_2023"):
            if cells[field][item]:
                assert row[field].removeprefix("about ").startswith(f"{cells[field][item]}M")
