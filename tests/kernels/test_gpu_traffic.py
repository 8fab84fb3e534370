"""What a grid of blocks reads, against a walk over its patches."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_chip as kc
from archsim.kernels.gpu_l2 import hit_share
from archsim.kernels.gpu_traffic import grid_fills, grid_reads
from tests.kernels.test_gpu import PLAIN

shares = st.sampled_from([0.0, 0.5, 1.0])


def naive_reads(g: kc.Gpu, gm: int, gn: int, bm: int, bn: int, a: float, b: float, warm: tuple[float, float],
                running: int) -> float:
    """Walk patches of blocks down M, then across N, and count what each patch must fetch."""
    def walk(gm: int, gn: int, bm: int, bn: int, a: float, b: float, warm_a: float, warm_b: float) -> float:
        wn = min(gn, max(1, int(math.sqrt(running * bm / bn))))
        wm = min(gm, max(1, running // wn))
        columns = b / -(-gn // wn)
        total = 0.0
        for first in range(0, gn, wn):
            total += a * (1 - (hit_share(a + columns, g.l2_capacity, g.l2_fade) if first else warm_a))
            for row in range(0, gm, wm):
                total += columns * (1 - (hit_share(a * wm / gm + columns, g.l2_capacity, g.l2_fade) if row else warm_b))
        return total
    return min(walk(gm, gn, bm, bn, a, b, *warm), walk(gn, gm, bn, bm, b, a, *warm[::-1]))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e3, 1e8), st.floats(1e3, 1e8), shares, shares,
       st.integers(1, 64))
def test_reads_equal_the_walk(
    gm: int, gn: int, a: float, b: float, warm_a: float, warm_b: float, running: int
) -> None:
    got = grid_reads(PLAIN, float(gm), float(gn), 128.0, 64.0, a, b, warm_a, warm_b, float(running))
    assert got == pytest.approx(naive_reads(PLAIN, gm, gn, 128, 64, a, b, (warm_a, warm_b), running))
    assert got >= (a * (1 - warm_a) + b * (1 - warm_b)) * (1 - 1e-12)


def test_a_patch_shares_its_rows_and_columns() -> None:
    tiny = PLAIN._replace(l2_capacity=1.0)  # nothing stays: only what runs at once is shared
    assert grid_reads(tiny, 8.0, 8.0, 128.0, 128.0, 8.0, 8.0, 0.0, 0.0, 1.0) == 8 * 8 * 2 / 1 * (8 / 8)
    assert grid_reads(tiny, 8.0, 8.0, 128.0, 128.0, 8.0, 8.0, 0.0, 0.0, 16.0) == 2 * 8 + 2 * 8
    assert grid_reads(tiny, 8.0, 8.0, 128.0, 128.0, 8.0, 8.0, 0.0, 0.0, 64.0) == 8 + 8


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e3, 1e8), st.floats(1e3, 1e8), st.integers(1, 64),
       st.sampled_from([1.0, 2.0, 8.0]))
def test_partitions_take_copies_of_what_their_blocks_read(
    gm: int, gn: int, a: float, b: float, running: int, parts: float
) -> None:
    """At least all of the operands once, at most what every block reads by itself; no less with more partitions."""
    def fills(parts: float) -> float:
        return grid_fills(PLAIN._replace(partitions=parts), float(gm), float(gn), 128.0, 64.0, a, b, float(running))

    assert (a + b) * (1 - 1e-9) <= fills(parts) <= max((a * gn + b * gm) * (1 + 1e-9), parts * (a + b))
    assert fills(parts) >= fills(1.0) * (1 - 1e-9)
