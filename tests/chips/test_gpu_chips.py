"""The GPUs of the catalogue: what any expert checks first, and published measurements."""

from itertools import pairwise

import pytest

from archsim import chips
from archsim.hardware import Cache, Chip, GpuCore, Memory, Scratchpad, TensorCore
from archsim.timing import time
from archsim.units import GB, GB_per_s, GHz, KiB, MiB, TB_per_s
from archsim.workload.ops import Attention, MatMul

NAMES = ("a100-sxm-80gb", "h100-sxm", "b200")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("m", "n", "k"), [(1, 16384, 16384), (16, 53248, 16384), (32, 28672, 8192)])
def test_decode_is_bound_by_its_weights(name: str, m: int, n: int, k: int) -> None:
    chip = chips.get(name)
    t = time(MatMul(m=m, n=n, k=k, weights=True), chip)
    assert t.bound == "hbm"
    assert 1 <= t.seconds / (2 * n * k / chip.memory.bandwidth) < 1.45


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "k"), [(8192, 8192), (28672, 8192)])
def test_prefill_is_bound_by_the_matrix_engine(name: str, n: int, k: int) -> None:
    t = time(MatMul(m=8192, n=n, k=k, weights=True), chips.get(name))
    assert t.bound == "matrix"
    assert 0.6 < t.utilization < 0.95


# The same of fp8: Azure/AI-benchmarking-guide (H100, H200, 8192), stas00/ml-engineering (B200, GB200, best shape).
@pytest.mark.parametrize(("name", "tflops"), [("h100-sxm", 1290), ("h200", 1301), ("b200", 3432), ("gb200", 3616)])
def test_published_throughput_of_large_products_of_fp8(name: str, tflops: float) -> None:
    t = time(MatMul(m=8192, n=8192, k=8192, dtype="fp8"), chips.get(name))
    assert 2 * 8192**3 / t.seconds / 1e12 == pytest.approx(tflops, rel=0.08)


def test_newer_chips_are_faster() -> None:
    for op in (MatMul(m=8192, n=8192, k=8192), MatMul(m=8, n=8192, k=8192)):
        a100, h100, b200 = (time(op, chips.get(name)).seconds for name in NAMES)
        assert b200 < h100 < a100


def datasheet(
    name: str, clock: float, cores: int, macs: float, shared: int, l2: int, l2_rate: float, hbm: float,
    fp32_lanes: int = 128, registers: int = 256, asynchronous: bool = False, tensor_memory: bool = False,
) -> Chip:
    """Return a GPU of which nothing but its datasheet and L2 bandwidth is given; all else is left at its default."""
    return Chip(
        name=name, clock=clock * GHz, cores=cores,
        core=GpuCore(
            tensor=TensorCore(
                macs={"bf16": macs}, asynchronous=asynchronous, tensor_memory=tensor_memory,
            ),
            shared=Scratchpad(capacity=shared * KiB, read_bytes=128, write_bytes=128), fp32_lanes=fp32_lanes,
            registers=registers * KiB,
        ),
        cache=Cache(capacity=l2 * MiB, bandwidth=l2_rate * TB_per_s),
        memory=Memory(capacity=48 * GB, bandwidth=hbm * GB_per_s),
    )


OTHERS = (
    datasheet("h200", 1.83, 132, 2048, 227, 50, 8.4, 4800, asynchronous=True),
    datasheet("gb200", 1.965, 148, 4096, 227, 126, 21, 8000, asynchronous=True, tensor_memory=True),
    datasheet("l40s", 2.49, 142, 512, 99, 96, 5, 864),
    datasheet("a40", 1.74, 84, 512, 99, 6, 3, 696),
    datasheet("v100", 1.53, 80, 512, 96, 6, 2.5, 900, fp32_lanes=64),
    datasheet("mi210", 1.7, 104, 512, 64, 8, 3.5, 1638, fp32_lanes=64, registers=512),
    datasheet("mi300x", 2.1, 304, 1024, 64, 256, 17, 5300, registers=512),
)
ALL = [*(chip for chip in chips.catalogue().values() if chip.kind == "gpu"), *OTHERS]


def wide(chip: Chip) -> str:
    """Return the 16-bit format that the chip multiplies."""
    return "bf16" if "bf16" in chip.dtypes else "fp16"


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.name)
@pytest.mark.parametrize("kv_dtype", ["16 bits", "fp8"])
def test_decode_with_a_large_cache_streams_it(chip: Chip, kv_dtype: str) -> None:
    op = Attention(batch=128, q_len=1, kv_len=8192, heads=32, kv_heads=8, head_dim=128, dtype=wide(chip),
                   kv_dtype=wide(chip) if kv_dtype == "16 bits" else kv_dtype)
    t = time(op, chip)
    share = op.bytes / chip.memory.sustained / t.seconds
    assert isinstance(chip.core, GpuCore)
    if chip.core.tensor.asynchronous and chip.name != "h20" and kv_dtype == "16 bits":
        assert t.bound == "hbm"
        assert 0.85 < share <= 1
    else:  # rows that are none beside 4 heads, on a slow engine, or a change of format take about as long as the cache
        assert t.bound in ("hbm", "matrix", "vector")
        assert 0.3 < share <= 1


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.name)
def test_large_products_and_long_prefill_use_the_matrix_engine(chip: Chip) -> None:
    product = time(MatMul(m=8192, n=8192, k=8192, dtype=wide(chip)), chip)
    assert product.bound in ("matrix", "scratchpad"), "64 KiB of shared memory hold no larger tile"
    assert 0.6 < product.utilization <= 1 or "power-limited" in product.plan
    op = Attention(batch=4, q_len=8192, kv_len=8192, heads=32, kv_heads=8, head_dim=128, dtype=wide(chip))
    prefill = time(op, chip)
    assert prefill.bound in ("matrix", "vector")
    assert 0.25 < prefill.utilization < 0.95


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.name)
def test_every_dtype_runs_and_a_narrower_one_is_no_slower(chip: Chip) -> None:
    """In decode because it moves fewer bytes, in prefill because the engine multiplies no fewer per cycle."""
    ordered = [d for d in ("fp32", "tf32", "bf16", "fp8", "fp4") if d in chip.dtypes]
    for m in (1, 8192):
        seconds = [time(MatMul(m=m, n=8192, k=8192, dtype=d, weights=True), chip).seconds for d in ordered]
        assert all(b <= a * 1.001 for a, b in pairwise(seconds)), "but for the clock that fp32 and tf32 settle at"
