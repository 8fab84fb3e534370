"""Guohai's and Tianfeng's tables, cell by cell."""

import pytest


def test_gpt4_training(work_out, check_cells):
    r = work_out("gpt4-training")
    check_cells(r, {("A100", "days"): 105, ("A100", "cost"): "54 to 60", ("H100", "cost"): 21.63})
    assert r.cell("A100", "cost").all_corrected == pytest.approx(63)
    assert r.cell("A100", "mfu").recomputed == pytest.approx(30.4, abs=0.05)
    assert r.cell("H100", "mfu").corrected == pytest.approx(55.8, abs=0.05)
    assert r.cell("H100", "days_of_that_cost").recomputed == pytest.approx(54.7, abs=0.05)


def test_gpt4_inference(work_out, check_cells):
    r = work_out("gpt4-inference")
    check_cells(r, {("A100", "cost_per_1k_tokens"): None, ("H100", "cost_per_1k_tokens"): None})
    expected = {"A100": (725_624, 1018, 7_256, 10.2), "H100": (3_386_243, 1497, 33_862, 15.0)}
    for chip, (tokens, share, right_tokens, right_share) in expected.items():
        assert r.cell(chip, "cost_per_1k_tokens").right_unit == "USD"
        assert r.cell(chip, "tokens_per_s").recomputed == pytest.approx(tokens, abs=1)
        assert r.cell(chip, "share_of_peak").recomputed == pytest.approx(share, rel=1e-3)
        assert r.cell(chip, "tokens_per_s").corrected == pytest.approx(right_tokens, abs=1)
        assert r.cell(chip, "share_of_peak").corrected == pytest.approx(right_share, abs=0.05)


def test_petaflop_days(work_out, check_cells):
    r = work_out("petaflop-days")
    check_cells(r, {("BERT-Large", "pd"): 6.16, ("T-5", "pd"): 381.9, ("Yuan 1.0", "pd"): 3071.6,
                    ("Chinchilla", "pd"): 6805.6, ("LLaMA", "pd"): 6338.9})
    closes = {"GPT-3": 3638, "MT-NLG": 9938, "PaLM": 29_250, "PaLM-2": 85_000, "T-5": 26.2, "Yuan 1.0": 4095.5}
    for model, pd in closes.items():
        assert r.cell(model, "pd").recomputed == pytest.approx(pd, rel=2e-3)
    assert {c.item for c in r.cells if c.status == "unchecked"} == {"GPT-2", "Switch-Transformer"}


def test_guohai_chips(work_out, check_cells):
    r = work_out("guohai-chips")
    check_cells(r, {("V100 PCIe", "int8_tensor"): "none", ("V100 PCIe", "nvlink"): "none"})
    assert not [c for c in r.cells if c.status == "unchecked"]


def test_guohai_vendors(work_out, check_cells):
    r = work_out("guohai-vendors")
    check_cells(r, {("NVIDIA H100", "unit_price"): 18_000, ("AMD MI300X", "unit_price"): 15_000,
                    ("NVIDIA H100", "shipments_2023"): 1.0, ("AMD MI300X", "shipments_2023"): 0.15})
    shares = {c.item: c.recomputed for c in r.cells if c.field == "shipped_of_capacity"}
    assert shares == pytest.approx({"NVIDIA H100": 150, "AMD MI300X": 120, "Intel Gaudi2": 80})


ALL_IN = {"NVIDIA HGX H100": 6.52, "NVIDIA H100 PCIe": 6.01, "A100 80GB NVLINK": 3.97, "A100 80GB PCIe": 3.97,
          "A100 40GB NVLINK": 3.82, "A100 40GB PCIe": 3.82, "A40": 3.04, "RTX A6000": 3.04, "RTX A5000": 1.77,
          "RTX A4000": 1.61, "Quadro RTX 5000": 1.57, "Quadro RTX 4000": 1.24, "Tesla V100 NVLINK": 1.80}


def test_coreweave(work_out, check_cells):
    r = work_out("coreweave")
    check_cells(r, {})
    assert {c.item: round(c.recomputed, 2) for c in r.cells if c.field == "all_in"} == ALL_IN
    assert all(c.status == "closes" for c in r.cells if c.field == "vram")


def test_coreweave_is_on_file(work_out):
    """The catalogue's rents are this list's."""
    from archsim.chips.prices import prices

    r = work_out("coreweave")
    for item in r.table.items:
        listed = next(p for p in prices(item.chip, "chip-hour") if "CoreWeave" in p.source)
        assert float(r.cell(item.name, "usd_per_hour").printed) == listed.amount
