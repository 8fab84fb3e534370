"""Blocks of a product counted one by one: rows, columns and depth that each of them fetches, and what all move."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_grid as k
from tests.kernels.test_gpu import PLAIN

PAIRS = PLAIN._replace(pair=2.0)
FOURS = PLAIN._replace(multicast=4.0)
sizes = st.integers(1, 700)


def product(m: int, n: int, kk: int, **changes: float) -> k.Product:
    """One bf16 product, nothing beside it and nothing in L2."""
    return k.Product(float(m), float(n), float(kk), 1.0, 2.0, 2.0, 2.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0,
                     0.0)._replace(**changes)


def cut(length: int, size: int) -> list[int]:
    """Lengths of the pieces of `length` that are `size` long, the last one shorter."""
    return [min(size, length - start) for start in range(0, length, size)]


@given(sizes, sizes, st.integers(1, 900), st.sampled_from([(128, 64), (64, 128), (64, 64)]), st.sampled_from([1, 2, 3]))
def test_blocks_and_bytes_equal_those_counted(m: int, n: int, kk: int, tile: tuple[int, int], splits: int) -> None:
    bm, bn = tile
    rows, cols, depth = cut(m, bm), cut(n, bn), cut(kk, 64)
    g = k.lay_out(PLAIN, product(m, n, kk), float(len(rows)), float(bm), float(bn), 128.0, float(splits), 1.0)
    assert g.blocks == len(rows) * len(cols) * splits
    assert g.steps == math.ceil(len(depth) / splits)
    fetched = sum(2 * d * (r + c) for r in rows for c in cols for d in depth)
    assert g.fetched * g.blocks * g.steps == pytest.approx(fetched)
    assert g.from_l2 == g.fetched, "nobody shares"
    assert g.high == min(m, bm)
    assert g.wide == min(n, bn)
    assert g.whole >= g.fetched * (1 - 1e-12)
    assert g.stages == min(PLAIN.stages, PLAIN.shared // (128 * (bm + bn)))


def test_a_tile_that_does_not_fit_has_no_stages() -> None:
    wide = product(512, 512, 512)
    assert k.lay_out(PLAIN, wide, 1.0, 512.0, 512.0, 128.0, 1.0, 1.0).stages == 0, "accumulators"
    tiny = PLAIN._replace(shared=2 * 128 * 128.0)
    assert k.lay_out(tiny, wide, 4.0, 128.0, 128.0, 128.0, 1.0, 1.0).stages == 0, "one stage of shared memory"
    assert k.lay_out(tiny._replace(register_stages=1.0), wide, 4.0, 128.0, 128.0, 128.0, 1.0, 1.0).stages == 2


def test_pairs_share_b_and_in_a_single_row_of_blocks_a() -> None:
    both, single = product(256, 256, 640), product(128, 256, 640)
    alone = k.lay_out(PLAIN, both, 2.0, 128.0, 128.0, 128.0, 1.0, 1.0)
    tall = k.lay_out(PAIRS, both, 2.0, 128.0, 128.0, 128.0, 1.0, 1.0)
    flat = k.lay_out(PAIRS, single, 1.0, 128.0, 128.0, 128.0, 1.0, 1.0)
    assert tall.fetched == flat.fetched == 0.75 * alone.fetched
    fed = k.lay_out(FOURS, both, 2.0, 128.0, 128.0, 128.0, 1.0, 1.0)
    assert fed.fetched == alone.fetched
    assert fed.from_l2 == alone.fetched / 2, "two along each side"


@given(sizes, sizes, sizes, st.sampled_from([1.0, 2.0, 4.0]), st.floats(0, 1))
def test_traffic_is_compulsory_and_partial_sums_are_four_bytes(
    m: int, n: int, kk: int, splits: float, warm: float
) -> None:
    p = product(m, n, kk, beside=12.0, warm_out=warm)
    t = k.traffic(PLAIN, p, k.lay_out(PLAIN, p, float(math.ceil(m / 64)), 64.0, 64.0, 128.0, splits, 1.0))
    assert t.read >= 2 * (m * kk + kk * n) + 12
    assert t.seen == pytest.approx(t.read / PLAIN.tile_stream)
    assert t.out == 2 * m * n
    assert t.written == pytest.approx(t.out * (1 - warm))
    assert t.partial == (4 * m * n * splits if splits > 1 else 0)
    assert t.l2_written == (t.partial or t.out)
    assert 0 < t.missing <= 1
    assert t.l2_rate <= PLAIN.l2
