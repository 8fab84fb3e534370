"""Soochow's tables, cell by cell."""

import pytest


def test_soochow_chips(work_out, check_cells):
    r = work_out("soochow-chips")
    check_cells(r, {
        ("Enflame i20", "model"): "Yunsui i20", ("Ascend 910", "int8_tops"): 512, ("Ascend 910", "fp16_tflops"): 256,
        ("MLU370-S4", "fp16_tflops"): 72, ("MLU290-M5", "fp16_tflops"): 256, ("MLU290-M5", "fp32_tflops"): 64,
        ("MLU270-S4", "fp16_tflops"): 64, ("MLU270-F4", "fp16_tflops"): 64,
        ("H100 SXM", "fp16_tflops"): 989.4, ("H100 PCIe", "fp16_tflops"): 756.5,
        ("MI250", "bandwidth_gb_s"): 3277, ("MI250X", "bandwidth_gb_s"): 3277,
    })


def test_h100_and_blackwell(work_out, check_cells):
    r = work_out("h100-blackwell")
    check_cells(r, {("H100", "fp8_or_fp4"): 1.979, ("Blackwell", "fp8_or_fp4"): 5, ("Blackwell", "peak_ratio"): 2.527})
    kw, gwh = ([r.cell(i, name).recomputed for i in ("H100", "Blackwell")] for name in ("kw_per_gpu", "energy"))
    assert kw == pytest.approx([1.875, 2.0])
    assert gwh == pytest.approx([32.4, 8.64])
    assert r.cell("H100", "mfu_bf16").recomputed == pytest.approx(34.9, abs=0.05)
    assert r.cell("Blackwell", "mfu_fp8").recomputed == pytest.approx(27.6, abs=0.06)
    assert r.cell("Blackwell", "training_speed_up").recomputed == 4
    assert r.cell("H100", "gpus_of_ten_firms").recomputed == 80_000


def test_liquid_cooling(work_out, check_cells):
    r = work_out("liquid-cooling")
    check_cells(r, {("immersion", "unit_cost"): 118_180})
    markets = {"market_existing": (83.2, 228.8, 245.8), "market_new": (26.0, 71.5, 76.8)}
    for name, (plate, immersion, right) in markets.items():
        assert r.cell("cold plate", name).recomputed == pytest.approx(plate, abs=0.05)
        assert r.cell("immersion", name).recomputed == pytest.approx(immersion, abs=0.05)
        assert r.cell("immersion", name).corrected == pytest.approx(right, abs=0.05)
