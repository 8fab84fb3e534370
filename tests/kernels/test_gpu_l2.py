"""Levels of L2 against measured bandwidths of data that all SMs read round and round, and as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips
from archsim.kernels.gpu_l2 import hit_share, kept_share, partition_fills, reread_rate
from archsim.timing.gpu_figures import row_figures

FADE = 0.25


@pytest.mark.parametrize(("distance", "share"), [(1.0, 1.0), (50.0, 1.0), (50.0 * (1 + FADE / 2), 0.5), (63.0, 0.0)])
def test_data_is_held_up_to_the_capacity_and_fades_beyond(distance: float, share: float) -> None:
    assert hit_share(distance, 50.0, FADE) == pytest.approx(share)


@given(st.floats(1, 300), st.sampled_from([(25.0, 50.0), (50.0, 50.0), (40.0, 240.0)]))
def test_what_kernels_read_is_kept_by_partitions(distance: float, levels: tuple[float, float]) -> None:
    """From a copy in every partition to none in any, in a straight line; a single partition fades beyond its size."""
    near, capacity = levels
    gone = capacity if near < capacity else capacity * (1 + FADE)
    share = kept_share(distance, near, capacity, FADE)
    assert share == pytest.approx(np.interp(distance, [near, gone], [1.0, 0.0]), abs=1e-12)


# te42kyfo/gpu-benches @1c36d50 and RRZE-HPC/gpu-benches, gpu-l2-cache: chip, GHz, MB that all SMs read, TB/s
LOOPS = [
    ("v100-pcie", 1.38, 4, 2.43), ("a100-sxm-80gb", 1.41, 15, 5.4), ("a100-sxm-80gb", 1.41, 20, 5.4),
    ("a100-sxm-80gb", 1.41, 30, 4.0), ("h100-pcie", 1.755, 20, 7.0), ("h100-pcie", 1.755, 28, 7.0),
    ("h100-pcie", 1.755, 40, 5.7), ("h200", 1.98, 15, 9.8), ("h200", 1.98, 30, 9.8), ("h200", 1.98, 44, 9.1),
    ("h200", 1.98, 63, 4.5), ("l40", 2.49, 92, 5.2), ("mi210", 1.7, 5, 4.95), ("mi300x", 2.1, 2.9, 27.5),
    ("mi300x", 2.1, 11.8, 12.4),
]


@pytest.mark.parametrize(("name", "ghz", "size", "rate"), LOOPS)
def test_bandwidth_of_what_all_sms_read_round_and_round(name: str, ghz: float, size: float, rate: float) -> None:
    """Within 15 %: one figure for each generation, and one rule for all of where a level ends."""
    chip = chips.get(name)
    gpu = row_figures(chip if chip.clock == ghz * 1e9 else chip.replace(clock=ghz * 1e9))
    assert reread_rate(gpu, size * 1e6, gpu.dram_read) * ghz * 1e9 / 1e12 == pytest.approx(rate, rel=0.15)


def naive_reread_rate(levels: list[tuple[float, float]], distance: float, fade: float) -> float:
    """Time of a byte: each level from the fastest on gives the share that it holds and none before it does."""
    cycles, given_before = 0.0, 0.0
    for capacity, rate in levels:
        holds = max(given_before, hit_share(distance, capacity, fade))
        cycles += (holds - given_before) / rate
        given_before = holds
    return 1 / cycles


@given(st.sampled_from(["a100-sxm-80gb", "h100-sxm", "b200", "l40s", "mi210", "mi300x"]), st.floats(1e3, 1e9))
def test_reread_rate_level_by_level(name: str, distance: float) -> None:
    gpu = row_figures(chips.get(name))
    levels = [(gpu.near_capacity, gpu.l2), (gpu.l2_capacity, gpu.far), (float("inf"), gpu.dram_read)]
    rate = reread_rate(gpu, distance, gpu.dram_read)
    assert rate == pytest.approx(naive_reread_rate(levels, distance, gpu.l2_fade))
    assert gpu.dram_read * 0.999 <= rate <= gpu.l2 * 1.001
    assert reread_rate(gpu, distance * 1.1, gpu.dram_read) <= rate * 1.000001


def naive_fills(down: int, across: int, wm: int, wn: int, row_bytes: float, col_bytes: float) -> float:
    """Lay every block of the patch into its partition and count the rows and columns that each partition sees."""
    rows: set[tuple[int, int]] = set()
    cols: set[tuple[int, int]] = set()
    for i in range(wm):
        for j in range(wn):
            part = i * down // wm * across + j * across // wn
            rows.add((part, i))
            cols.add((part, j))
    return len(rows) * row_bytes + len(cols) * col_bytes


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 4), st.integers(1, 4), st.floats(1, 1e6), st.floats(1, 1e6))
def test_what_partitions_copy_is_counted_block_by_block(
    parts: int, m: int, n: int, row_bytes: float, col_bytes: float
) -> None:
    """On patches that divide evenly; a single partition reads each row and column once, more read no less."""
    wm, wn = m * parts, n * parts
    cuts = [(d, parts // d) for d in (1, 2, 4, 8) if parts % d == 0]
    expected = min(naive_fills(d, a, wm, wn, row_bytes, col_bytes) for d, a in cuts)
    fills = partition_fills(float(parts), float(wm), float(wn), row_bytes, col_bytes)
    assert fills == pytest.approx(expected)
    once = wm * row_bytes + wn * col_bytes
    assert once * 0.999999 <= fills <= wm * wn * (row_bytes + col_bytes) * 1.000001
