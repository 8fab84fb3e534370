"""The GPUs of the catalogue: what any expert checks first, and published measurements."""

import pytest

from archsim import chips
from archsim.timing import time
from archsim.workload.ops import MatMul

NAMES = ("a100-sxm-80gb", "h100-sxm", "b200")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("m", "n", "k"), [(1, 16384, 16384), (16, 53248, 16384), (32, 28672, 8192)])
def test_decode_is_bound_by_its_weights(name: str, m: int, n: int, k: int) -> None:
    chip = chips.get(name)
    t = time(MatMul(m=m, n=n, k=k, weights=True), chip)
    assert t.bound == "hbm"
    assert 1 <= t.seconds / (2 * n * k / chip.memory.bandwidth) < 1.35


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "k"), [(8192, 8192), (28672, 8192)])
def test_prefill_is_bound_by_the_matrix_engine(name: str, n: int, k: int) -> None:
    t = time(MatMul(m=8192, n=n, k=k, weights=True), chips.get(name))
    assert t.bound == "matrix"
    assert 0.6 < t.utilization < 0.95


# PrincetonUniversity/LLMCompass: A100 SXM 80GB, M x 12288 x 12288 fp16, milliseconds.
LLMCOMPASS = {64: 0.1900, 128: 0.2003, 256: 0.3185, 512: 0.6118, 1024: 1.1990, 2048: 2.3586, 4096: 4.4576, 8192: 8.6216}


def test_published_products_on_a100() -> None:
    chip = chips.get("a100-sxm-80gb")
    errors = [time(MatMul(m=m, n=12288, k=12288, dtype="fp16", weights=True), chip).seconds * 1e3 / ms - 1
              for m, ms in LLMCOMPASS.items()]
    assert sum(map(abs, errors)) / len(errors) < 0.07
    assert max(map(abs, errors)) < 0.15


# Sustained bf16 TFLOP/s of large products with random data: Azure/AI-benchmarking-guide (A100), pranjalssh/fast.cu
# (H100), stas00/ml-engineering (B200, best shape).
@pytest.mark.parametrize(("name", "size", "tflops"), [
    ("a100-sxm-80gb", 8192, 254), ("h100-sxm", 8192, 795), ("h100-sxm", 4096, 716), ("b200", 8192, 1745)])
def test_published_throughput_of_large_products(name: str, size: int, tflops: float) -> None:
    t = time(MatMul(m=size, n=size, k=size), chips.get(name))
    assert 2 * size**3 / t.seconds / 1e12 == pytest.approx(tflops, rel=0.12)


def test_newer_chips_are_faster() -> None:
    for op in (MatMul(m=8192, n=8192, k=8192), MatMul(m=8, n=8192, k=8192)):
        a100, h100, b200 = (time(op, chips.get(name)).seconds for name in NAMES)
        assert b200 < h100 < a100
