"""Published matrix products on GPUs: LLMCompass's points, and what large products reach.

Chips that the model's constants were chosen with in sight are A100 and H100; what all others show is carried over.
Run with ``pytest -s`` to read the errors.
"""

import statistics
from pathlib import Path

import pytest

from archsim import chips
from archsim.explore.validate import Report, validate
from archsim.timing import COLD, Warm, time
from archsim.workload.ops import MatMul

TABLE = Path(__file__).parents[1] / "examples" / "published_products.csv"

# M x 12288 x 12288 on A100 SXM 80GB, milliseconds, by the host's clock (launch and synchronisation included):
# PrincetonUniversity/LLMCompass, ae/figure5/ab/real_hardware/matmul_A100.csv; Zhang et al., ISCA 2024, figure 5a. The
# artifact (software_model/matmul.py, run_on_gpu) multiplies random bf16 matrices 50 times in a row, each call
# synchronised, after a second's rest, and takes the median.
LLMCOMPASS = {64: 0.1900, 128: 0.2003, 256: 0.3185, 512: 0.6118, 1024: 1.1990, 2048: 2.3586, 4096: 4.4576, 8192: 8.6216}
CALLS = 50.0
CUSTOM_COOLING = 500.0
"""Watts. 287 TFLOP/s at 8192 rows need 1.30 GHz at full issue and 1.37 at 95 %, on random numbers, for 0.4 s: bursts do
not explain it, and other cards reach 254 to 257 at 400 W (below). NVIDIA sells the 80 GB module at up to 500 W ("HGX
A100-80GB CTS (Custom Thermal Solution) SKU", A100 datasheet, note 3). That these points ran on one is inferred: nobody
says at which limit they ran."""

# Sustained TFLOP/s of n x n x n: Azure/AI-benchmarking-guide (A100; H100 and H200 in fp8), pranjalssh/fast.cu (H100 in
# bf16, cuBLAS), GOATnote (H100 PCIe), gau-nernst/learn-cuda (B200).
FITTED = [
    ("a100-sxm-80gb", "fp16", 1024, 119), ("a100-sxm-80gb", "fp16", 2048, 222), ("a100-sxm-80gb", "fp16", 4096, 228),
    ("a100-sxm-80gb", "fp16", 8192, 254), ("a100-sxm-80gb", "fp16", 16384, 257),
    ("h100-sxm", "bf16", 4096, 716), ("h100-sxm", "bf16", 8192, 795),
    ("h100-sxm", "fp8", 2048, 1011), ("h100-sxm", "fp8", 4096, 1217), ("h100-sxm", "fp8", 8192, 1290),
    ("h100-sxm", "fp8", 16384, 1377),
]
CARRIED = [
    ("h100-pcie", "fp16", 8192, 627), ("h200", "fp8", 2048, 1013), ("h200", "fp8", 4096, 1249),
    ("h200", "fp8", 8192, 1301), ("h200", "fp8", 16384, 1366),
    ("b200", "bf16", 2048, 1078), ("b200", "bf16", 4096, 1359), ("b200", "bf16", 8192, 1414),
]


# TFLOP/s of CUTLASS's fp8 products without their quantisation on B200, by rows: vllm-project/vllm#19566, timed as
# graphs of the same call for 20 ms, ten times, so that L2 (126 MB) holds operands; torch's bf16 products beside them
# are in examples/published_products.csv.
B200_FP8 = {
    (6144, 4096): {1: 8.431, 16: 137.8, 64: 534.1, 128: 1020.4, 256: 1362.2, 512: 1838.7, 1024: 2341.4, 16384: 2544.7},
    (4096, 4096): {1: 5.858, 16: 93.36, 64: 367.5, 128: 610.8, 256: 992.8, 512: 1832.0, 1024: 2076.7},
}
GRAPHS = 0.2
"""Seconds for which such a measurement lasts."""

# TFLOP/s of DeepGEMM's products with scaled blocks on H800 SXM, (M, N, K): deepseek-ai/DeepGEMM, README of 2025-03.
H800_FP8 = {
    (64, 2112, 7168): 206, (64, 24576, 1536): 289, (64, 32768, 512): 219,
    (64, 4096, 7168): 287, (64, 7168, 2048): 295, (128, 7168, 16384): 645, (128, 4096, 7168): 533,
    (128, 7168, 2048): 510, (4096, 2112, 7168): 1058, (4096, 24576, 1536): 990, (4096, 7168, 16384): 1358,
    (4096, 7168, 2048): 1025,
}

# TFLOP/s of fp8 products of few rows on MI300X: ROCm/aiter #1092 (10.7 to 15.2 us, tuned for each shape).
MI300X_FP8 = {(1, 1280, 8192): 1.961, (32, 1280, 8192): 62.62, (128, 1280, 8192): 219.4, (192, 1280, 8192): 265.1}


def compass(watts: float) -> list[float]:
    """Print and return the errors of LLMCompass's points on a card of that limit."""
    chip = chips.get("a100-sxm-80gb").replace("power", tdp=watts)
    found = []
    for m, ms in LLMCOMPASS.items():
        ours = time(MatMul(m=m, n=12288, k=12288, dtype="bf16", weights=True), chip, COLD, CALLS).seconds * 1e3
        found.append(ours / ms - 1)
        print(f"{watts:.0f} W, {m:>6} x 12288 x 12288: measured {ms:.4f} ms, ours {ours:.4f} ms, "
              f"{100 * found[-1]:+.1f} %")
    print(f"mean error {100 * statistics.fmean(map(abs, found)):.1f} % (LLMCompass's own: 5.2 %, with 21 us added by "
          "hand)")
    return found


def test_llmcompass_points() -> None:
    errors = compass(CUSTOM_COOLING)
    assert statistics.fmean(map(abs, errors)) < 0.05
    assert max(map(abs, errors)) < 0.09


def test_llmcompass_points_at_the_standard_limit() -> None:
    """Short bursts are met all the same; long ones are as slow as other cards' at 400 W, and so too slow."""
    errors = compass(400.0)
    assert statistics.fmean(map(abs, errors[:5])) < 0.05
    assert 0.0 < statistics.fmean(errors[5:]) < 0.15


def errors(points: list[tuple[str, str, int, float]]) -> dict[str, list[float]]:
    """Print and return the errors of the throughput by chip."""
    found: dict[str, list[float]] = {}
    for name, dtype, n, tflops in points:
        t = time(MatMul(m=n, n=n, k=n, dtype=dtype), chips.get(name))
        ours = 2 * n**3 / t.seconds / 1e12
        found.setdefault(name, []).append(ours / tflops - 1)
        print(f"{name:<14} {dtype:<5} {n:>6}^3: measured {tflops:>5} TFLOP/s, ours {ours:6.0f}, "
              f"{100 * (ours / tflops - 1):+5.1f} %")
    return found


@pytest.mark.parametrize(("points", "most"), [(FITTED, 0.07), (CARRIED, 0.13)], ids=["fitted", "carried over"])
def test_large_products_reach_what_is_published(points: list[tuple[str, str, int, float]], most: float) -> None:
    mean = {name: statistics.fmean(map(abs, e)) for name, e in errors(points).items()}
    print({name: f"{100 * e:.1f} %" for name, e in mean.items()})
    assert statistics.fmean(mean.values()) < most


def mean_error(name: str, dtype: str, points: dict[tuple[int, int, int], float], warm: Warm, most: float) -> float:
    """Print the errors of times by (M, N, K) and TFLOP/s, none of which may exceed `most`; return their mean."""
    found = []
    for (m, n, k), tflops in points.items():
        measured = 2e-12 * m * n * k / tflops
        op = MatMul(m=m, n=n, k=k, dtype=dtype, weights=True)
        ours = time(op, chips.get(name), warm, max(1.0, GRAPHS / measured)).seconds
        found.append(abs(ours / measured - 1))
        print(f"{name:<5} {dtype:<9} {m:>5} x {n} x {k}: measured {measured * 1e6:6.1f} us, ours {ours * 1e6:6.1f}, "
              f"{100 * (ours / measured - 1):+5.1f} %")
    print(f"mean error {100 * statistics.fmean(found):.1f} %")
    assert max(found) < most
    return statistics.fmean(found)


def test_fp8_products_of_a_chip_nobody_calibrated_on() -> None:
    points = {(m, n, k): tflops for (n, k), rows in B200_FP8.items() for m, tflops in rows.items()}
    assert mean_error("b200", "fp8", points, Warm(1.0, 1.0, 1.0), 0.25) < 0.13


def test_scaled_blocks_of_a_library_nobody_calibrated_on() -> None:
    assert mean_error("h800", "fp8_block", H800_FP8, COLD, 0.35) < 0.12


def test_few_rows_on_another_vendors_chip() -> None:
    assert mean_error("mi300x", "fp8", MI300X_FP8, COLD, 0.25) < 0.16


@pytest.fixture(scope="module")
def published() -> Report:
    return validate(TABLE, resolve=chips.get)


def test_the_published_table_is_met_better_than_by_a_roofline(published: Report) -> None:
    print(published)
    assert published.total is not None
    assert not published.skipped
    assert published.total.mape < 0.5 * published.total.roofline_mape
    (b200,) = (score for score in published.scores if score.device == "b200")
    assert b200.n >= 30
    assert b200.mape < 12.0
