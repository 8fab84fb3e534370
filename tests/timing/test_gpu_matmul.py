"""Products on GPUs: no figure that improves makes one slower, what L2 holds saves time, plans say what ran."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips as catalogue
from archsim import timing
from archsim.hardware import Chip
from archsim.timing import Warm, gpu, roofline
from archsim.workload.conv import Conv
from archsim.workload.ops import MatMul
from tests.timing.test_gpu import chip, chips, products

BETTER = ("memory.bandwidth", "cache.bandwidth", "cache.capacity", "core.fill_bytes", "core.l2_write_bytes",
          "core.shared.capacity", "core.shared.read_bytes", "core.shared.write_bytes", "core.tensor.accumulators",
          "core.dispatch")
WORSE = ("memory.latency", "cache.latency", "core.launch", "core.prologue", "core.epilogue", "core.product_code",
         "core.barrier", "core.variation")


def scaled(on: Chip, path: str, factor: float) -> Chip:
    """Return the chip with one figure multiplied."""
    part, _, name = path.rpartition(".")
    owner = on
    for step in part.split("."):
        owner = getattr(owner, step)
    return on.replace(part, **{name: getattr(owner, name) * factor})


@pytest.mark.parametrize(("path", "better"), [(p, True) for p in BETTER] + [(p, False) for p in WORSE])
@given(op=products, on=chips, factor=st.floats(1.02, 3))
def test_no_better_figure_slows_a_product(path: str, better: bool, op: MatMul, on: Chip, factor: float) -> None:
    there = scaled(on, path, factor if better else 1 / factor)
    assert gpu.time(op, there).seconds <= gpu.time(op, on).seconds * (1 + 1e-9)


@given(products, chips, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_what_l2_holds_saves_time_and_traffic(op: MatMul, on: Chip, a: float, b: float, out: float) -> None:
    cold, warm = gpu.time(op, on), gpu.time(op, on, Warm(a, b, out))
    assert warm.seconds <= cold.seconds * (1 + 1e-9)
    assert warm.seconds >= roofline.plain(op, on.replace("memory", bandwidth=1e18)) * (1 - 1e-9)
    assert warm.hbm_bytes <= cold.hbm_bytes * (1 + 1e-9)
    assert warm.hbm_bytes <= warm.seconds * on.memory.bandwidth * (1 + 1e-9), "no more than memory can move"


def test_a_cache_that_holds_the_weights_changes_what_a_decode_step_waits_for() -> None:
    on = chip(asynchronous=True, shared=227).replace("cache", capacity=200e6)
    op = MatMul(m=8, n=8192, k=8192, weights=True)
    cold, warm = gpu.time(op, on), gpu.time(op, on, Warm(1.0, 1.0, 1.0))
    assert cold.bound == "hbm"
    assert warm.bound == "scratchpad"
    assert warm.seconds < 0.6 * cold.seconds
    assert warm.hbm_bytes < 0.01 * cold.hbm_bytes, "bias and the like at most: what is reported and costs energy"


def test_plans_say_how_k_and_rounds_were_shared() -> None:
    on = chip(asynchronous=True, shared=227)
    assert "split-K" in gpu.time(MatMul(m=64, n=256, k=65536), on).plan
    one = on.replace("core", tiles=((128, 256, 128),))
    assert "stream-K" in gpu.time(MatMul(m=130 * 128, n=256, k=16384), one).plan, "1.3 rounds on 100 SMs"
    assert "-K" not in gpu.time(MatMul(m=64, n=256, k=65536, dtype="fp8"), on).plan, "scales need the whole sum"


def test_products_of_operands_with_scales_take_their_own_tiles() -> None:
    on = chip(asynchronous=True, shared=227, macs=2048, l2=8.0)
    assert "tile 128x256" in gpu.time(MatMul(m=8192, n=8192, k=4096), on).plan
    assert "tile 128x128" in gpu.time(MatMul(m=8192, n=8192, k=4096, dtype="fp8"), on).plan


def test_few_rows_of_operands_with_scales_take_thin_tiles_and_deep_pipelines() -> None:
    """None splits K, so few blocks read a thin product: 16 rows of padding less, and more stages on their way."""
    on = chip(macs=512)
    few = gpu.time(MatMul(m=8, n=1024, k=8192, dtype="fp8"), on)
    assert "tile 16x64" in few.plan
    assert few.seconds < 0.75 * gpu.time(MatMul(m=8, n=1024, k=8192, dtype="fp8"), on.replace(
        "core", scaled_stages=2)).seconds
    wide = on.replace("core", tiles=on.core.library, scaled_stages=2)
    assert few.seconds < 0.6 * gpu.time(MatMul(m=8, n=1024, k=8192, dtype="fp8"), wide).seconds
    turing = on.replace("core", through_registers=True, stages=2)
    assert "2 stages" in gpu.time(MatMul(m=8, n=1024, k=8192, dtype="fp8"), turing).plan


@pytest.mark.parametrize("name", ["h100-sxm", "a100-sxm-80gb", "b200", "h200"])
@pytest.mark.parametrize("taps", [1, 3])
def test_convolutions_in_eight_bits_are_no_products_of_scaled_rows(name: str, taps: int) -> None:
    """An image has one scale, so that their kernels have tiles and split K as those of 16 bits."""
    on = catalogue.get(name)
    small, wide = (timing.time(Conv(batch=1, height=14, width=14, c_in=256, c_out=256, kernel=taps, dtype=dtype,
                                    padding=taps // 2), on).seconds for dtype in ("int8", "bf16"))
    assert small < 1.02 * wide
