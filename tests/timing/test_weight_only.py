"""Weights narrower than the arithmetic: bytes saved at few rows, conversions at many."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips
from archsim.errors import ArchsimError
from archsim.timing import gpu
from archsim.workload.ops import GroupedMatMul, MatMul

NAMES = ("a100-sxm-80gb", "h100-sxm", "l40s", "b200", "mi300x")


def seconds(name: str, m: int, b_dtype: str, n: int = 8192, k: int = 8192) -> float:
    return gpu.time(MatMul(m=m, n=n, k=k, weights=True, b_dtype=b_dtype), chips.get(name)).seconds


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "l40s"])
def test_four_bits_gain_their_bytes_up_to_tens_of_rows_and_nothing_at_thousands(name: str) -> None:
    """As published of such kernels: close to 4 at up to 16 to 32 rows, then falling (Frantar et al., Marlin 2024)."""
    gain = {m: seconds(name, m, "bf16") / seconds(name, m, "int4_g128") for m in (1, 16, 32, 64, 128, 256, 4096)}
    assert 2.7 < gain[1] < 4.0
    assert gain[16] > 0.9 * gain[1]
    assert gain[32] > 0.8 * gain[1]
    assert gain[64] < gain[32]
    assert gain[256] < 0.6 * gain[1]
    assert 0.9 < gain[4096] < 1.25
    assert all(gain[a] >= gain[b] * 0.97 for a, b in zip((1, 16, 32, 64, 128), (16, 32, 64, 128, 256), strict=True))


@given(st.sampled_from(NAMES), st.integers(1, 2000), st.integers(16, 9000), st.integers(16, 9000),
       st.sampled_from(["int8", "int4", "int4_g128"]))
def test_no_conversion_is_free_and_no_byte_is_lost(name: str, m: int, n: int, k: int, b_dtype: str) -> None:
    chip = chips.get(name)
    op = MatMul(m=m, n=n, k=k, weights=True, b_dtype=b_dtype)
    t = gpu.time(op, chip)
    lanes = chip.cores * chip.core.fp32_lanes  # type: ignore[union-attr]
    assert t.seconds >= 2.0 * n * k / lanes / (chip.boost or chip.clock) * (1 - 1e-9), "two operations per weight"
    assert t.seconds >= op.bytes / chip.memory.bandwidth
    assert t.hbm_bytes >= op.bytes * (1 - 1e-9)
    assert t.seconds >= op.flops / chip.peak("bf16") * (1 - 1e-9)


def test_every_block_of_rows_converts_again() -> None:
    chip = chips.get("a100-sxm-80gb")
    one, many = (gpu.time(MatMul(m=m, n=4096, k=4096, weights=True, b_dtype="int4"), chip).busy["vector"]
                 for m in (16, 4096))
    assert many > 10 * one
    slow = chip.replace("core", fp32_lanes=4)  # even with the tallest blocks
    op = MatMul(m=4096, n=4096, k=4096, weights=True, b_dtype="int4")
    assert gpu.time(op, slow).seconds > 1.5 * gpu.time(op, chip).seconds


def test_experts_in_four_bits() -> None:
    chip = chips.get("h100-sxm")
    wide, narrow = (gpu.time(GroupedMatMul(groups=(4,) * 64, n=4096, k=4096, b_dtype=b), chip).seconds
                    for b in ("bf16", "mxfp4"))
    assert 2.5 < wide / narrow < 4.0
    wide, narrow = (gpu.time(GroupedMatMul(groups=(2048,) * 8, n=4096, k=4096, b_dtype=b), chip).seconds
                    for b in ("bf16", "mxfp4"))
    assert 0.9 < wide / narrow < 1.4


def test_tiles_that_cannot_be_meant_name_the_field() -> None:
    for field in ("narrow_tiles", "grouped_tiles"):
        with pytest.raises(ArchsimError, match=rf"GpuCore\.{field}"):
            chips.get("h100-sxm").replace("core", **{field: ((1, 2),)})


@pytest.mark.parametrize(("m", "n", "k"), [(1925, 13952, 10368), (2057, 4224, 14592), (7290, 1024, 9216)])
def test_blocks_are_tall_where_conversions_would_hold_up_the_product(m: int, n: int, k: int) -> None:
    """Each block of rows converts all weights of its columns: twice the rows, half the conversions."""
    for name in NAMES:
        assert seconds(name, m, "int4", n, k) < 1.1 * seconds(name, m, "bf16", n, k)


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "b200"])
@pytest.mark.parametrize("b_dtype", ["int4_g128", "mxfp4", "int8"])
def test_blocks_share_the_length_of_few_long_experts(name: str, b_dtype: str) -> None:
    """Kernels for narrow weights deal the steps of all tiles to all SMs (Marlin's stripes), where tiles are too few."""
    chip = chips.get(name)
    op = GroupedMatMul(groups=(1, 1), n=4096, k=14336, b_dtype=b_dtype)
    t = gpu.time(op, chip)
    assert "split-K" in t.plan
    whole = gpu.time(dataclasses.replace(op, tile=(16, 64, 256)), chip)
    assert "split-K" not in whole.plan, "a framework's own tile is taken as it is"
    assert t.seconds < 0.9 * whole.seconds
    assert "split-K" not in gpu.time(GroupedMatMul(groups=(1, 1), n=4096, k=14336), chip).plan


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "b200"])
def test_the_tile_of_narrow_experts_is_chosen_with_its_conversions(name: str) -> None:
    """Beyond 64 rows of each expert, tiles of 64 would convert all weights twice."""
    chip = chips.get(name)
    last = 0.0
    for rows in range(65, 400, 8):
        now = gpu.time(GroupedMatMul(groups=(rows,) * 128, n=4096, k=2048, b_dtype="int4_g128"), chip).seconds
        assert now > 0.97 * last, f"{rows} rows take less than fewer do"
        last = now
