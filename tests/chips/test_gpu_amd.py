"""Compute units by fields alone: published products, clocks and streams of MI200 and MI300, none of them fitted to.

What these chips state are instruction timings, bandwidths and latencies of microbenchmarks; the model is that of all
GPUs. Tolerances say how far off it is.
"""

import pytest

from archsim import chips
from archsim.hardware import Chip, GpuCore
from archsim.timing import OpTime, time
from archsim.workload.ops import Attention, Elementwise, MatMul


def product(name: str, m: int, n: int, k: int, dtype: str) -> tuple[float, OpTime]:
    t = time(MatMul(m=m, n=n, k=k, dtype=dtype), chips.get(name))
    return 2.0 * m * n * k / t.seconds / 1e12, t


# ROCm/rocm-blogs, maximum achievable FLOPs, part 2: 16 x 19 tiles of 256 x 192, one for each of 304 CUs
MOST = [("mi300x", "bf16", 708), ("mi300x", "fp16", 654), ("mi300x", "fp8", 1273), ("mi325x", "bf16", 843),
        ("mi325x", "fp8", 1519)]


@pytest.mark.parametrize(("name", "dtype", "tflops"), MOST)
def test_most_that_a_product_reaches(name: str, dtype: str, tflops: float) -> None:
    assert product(name, 4096, 3648, 8192, dtype)[0] == pytest.approx(tflops, rel=0.15)


@pytest.mark.parametrize(("name", "dtype", "mhz"), [
    ("mi300x", "bf16", 1207), ("mi300x", "fp16", 1115), ("mi300x", "fp8", 1230), ("mi325x", "bf16", 1447),
    ("mi325x", "fp8", 1464)])
def test_clock_that_the_power_limit_leaves_it(name: str, dtype: str, mhz: float) -> None:
    assert product(name, 4096, 3648, 8192, dtype)[1].clock == pytest.approx(mhz * 1e6, rel=0.11)


def test_one_tile_for_every_cu_beats_a_square_that_leaves_some_idle() -> None:
    """4096 x 3648 is 304 tiles of 256 x 192; 4096 x 4096 is 256 of 256 x 256 (548 TFLOP/s: gau-nernst/learn-cuda)."""
    full, square = (product("mi300x", 4096, n, 4096, "bf16")[0] for n in (3648, 4096))
    assert square < full
    assert square == pytest.approx(548, rel=0.20)


@pytest.mark.parametrize(("name", "dtype", "size", "tflops", "rel"), [
    ("mi250x-gcd", "bf16", 8192, 147.0, 0.10),  # stas00/ml-engineering @b9e29720, best shape
    ("mi210", "fp16", 12288, 121.6, 0.25)])  # PrincetonUniversity/LLMCompass; the same die with more power
def test_products_of_cdna2(name: str, dtype: str, size: int, tflops: float, rel: float) -> None:
    assert product(name, size, size, size, dtype)[0] == pytest.approx(tflops, rel=rel)


# te42kyfo/gpu-benches @1c36d50 (MI210), RRZE-HPC/gpu-benches (MI300X): GB/s
@pytest.mark.parametrize(("name", "read", "copy", "write"), [("mi210", 1345, 1375, 1526), ("mi300x", 4199, 3997, 4801)])
def test_streams(name: str, read: float, copy: float, write: float) -> None:
    """Within 4 points of the peak."""
    m = chips.get(name).memory
    at = {"read": m.sustained, "copy": 2 / (1 / m.sustained + 1 / m.sustained_write), "write":
          m.reaches("write") * m.bandwidth}
    for pattern, measured in (("read", read), ("copy", copy), ("write", write)):
        assert at[pattern] / m.bandwidth == pytest.approx(measured * 1e9 / m.bandwidth, abs=0.042), pattern


def test_a_long_stream_reaches_it() -> None:
    chip = chips.get("mi300x")
    op = Elementwise(elements=1 << 30, inputs=1)
    assert 3.8e12 < op.bytes / time(op, chip).seconds < 4.2e12


@pytest.mark.parametrize("name", ["mi210", "mi250x-gcd", "mi300x"])
def test_tiles_are_bounded_by_lds_and_registers(name: str) -> None:
    """256 x 256 in fp32 fills the accumulators of a CU; one step of it fills the LDS while the next is in registers."""
    core = chips.get(name).core
    assert isinstance(core, GpuCore)
    bm, bn, step = max(core.library, key=lambda tile: tile[0] * tile[1] * tile[2])
    assert bm * bn * 4 == core.tensor.accumulators
    assert (bm + bn) * step == core.shared.capacity
    assert core.tensor.accumulators + (bm + bn) * step <= core.registers
    halved = chips.get(name).replace("core.tensor", accumulators=core.tensor.accumulators / 2)
    assert "tile 256x256" not in time(MatMul(m=4096, n=4096, k=4096), halved).plan


def level(chip: Chip, drop: bool) -> Chip:
    assert chip.cache is not None
    return chip.replace("cache", beyond=None) if drop else chip


@pytest.mark.parametrize(("m", "n", "k"), [(4096, 4096, 4096), (8192, 28672, 8192), (512, 8192, 8192)])
def test_the_cache_behind_the_l2s_saves_device_memory(m: int, n: int, k: int) -> None:
    """256 MB behind 8 x 4 MiB: never more bytes from HBM than without, and fewer where the product is large."""
    op = MatMul(m=m, n=n, k=k)
    with_it, without = (time(op, level(chips.get("mi300x"), drop)) for drop in (False, True))
    assert with_it.hbm_bytes <= without.hbm_bytes
    assert with_it.seconds <= without.seconds * 1.001
    if m * n >= 8192 * 8192:
        assert with_it.hbm_bytes < 0.8 * without.hbm_bytes


@pytest.mark.parametrize("name", ["mi210", "mi300x"])
@pytest.mark.parametrize("head_dim", [64, 128, 256])
def test_attention_prefills_and_decodes(name: str, head_dim: int) -> None:
    chip = chips.get(name)
    prefill = Attention(batch=4, q_len=4096, kv_len=4096, heads=32, kv_heads=8, head_dim=head_dim)
    decode = Attention(batch=128, q_len=1, kv_len=4096, heads=32, kv_heads=8, head_dim=head_dim)
    assert 0.25 < time(prefill, chip).utilization < 0.8
    assert 0.55 < decode.bytes / chip.memory.sustained / time(decode, chip).seconds <= 1
