"""The kernel of experts' products against a naive walk over experts and tiles, and what must always hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips
from archsim.kernels import gpu_grouped as kg
from archsim.kernels import gpu_rows as kr
from archsim.kernels import tensor_instruction as ti
from archsim.timing.gpu_figures import row_figures
from archsim.timing.sm import engine

LANES = kg.Lanes(threads=2048.0, warp=32.0, loads=32.0, ints=64.0, address_ops=5.0, loop=150.0, barrier=60.0,
                  results=64.0)
MACHINES = {name: (row_figures(chips.get(name)), engine(chips.get(name), "bf16"))
            for name in ("a100-sxm-80gb", "h100-sxm", "b200")}
TILES = [(16, 32, 128), (16, 64, 256), (64, 64, 64), (64, 128, 128), (128, 256, 128)]


def experts(n: int, k: int, size: float = 2.0, warm: float = 0.0, rows: int = 1) -> kg.Experts:
    return kg.Experts(n=float(n), k=float(k), a_size=2.0, b_size=size, out_size=2.0, a_bytes=2.0 * rows * k, beside=0.0,
                      access=16.0 if k % 16 == 0 else 2.0, warm_a=warm, warm_b=warm, warm_out=0.0)


def naive(name: str, rows: list[int], n: int, k: int, tile: tuple[int, int, int], splits: int) -> float:
    """Count tiles, bytes and instructions of every expert one by one; device memory gives whole lines."""
    g, e = MACHINES[name]
    bm, bn, bk = tile
    blocks = weights = padded = 0
    for r in rows:
        here = len(range(0, r, bm))
        blocks += here * len(range(0, n, bn))
        padded += here
    row_blocks = padded / len(rows)
    for _ in rows:
        since = 2 * n * k + 8 * 2 * k * sum(rows) / padded  # an expert's weights, and the rows of eight blocks
        lost = 1 - min(1.0, max(0.0, 1 - (since / g.l2_capacity - 1) / g.l2_fade))
        weights += 2 * n * k * (1 + (math.ceil(row_blocks / 8) - 1) * lost)
    steps = math.ceil(len(range(0, k, bk // 2)) / splits)
    blocks *= splits
    loads = k / splits / steps * 2 * (sum(rows) / padded + n / len(range(0, n, bn)))  # bytes of one block's step
    step = ti.tile_step(e, float(bm), float(bn), float(bk), 2.0, 1.0, 1.0, loads)
    access = 16 if k % 16 == 0 else 2
    issue = loads / access * (max(1, access / 4) / 32 + 5 / 64)
    read, out = weights + 2.0 * sum(rows) * k, 2.0 * sum(rows) * n
    near = (g.l2_latency + (g.partitions - 1) * g.far_latency) / g.partitions
    fresh = max(1 / len(range(0, n, bn)), weights / (2 * padded * n * k))  # rows by columns of blocks, and weights
    load = max(g.l2_latency, g.far_latency) + min(1.0, fresh) * max(0.0, g.dram_latency - near)
    stage = bk * (bm + bn)
    stages = min(3, int(g.shared // stage))
    threads = 128 if bm * bn <= 8192 else 256
    resident = max(1, min(int(g.shared // (stages * stage)), int(g.accumulators // (4 * bm * bn)), 2048 // threads))
    alone = step.alone + step.tail + 60 + 150
    chain = 2 * near + load + steps * max(alone, (load + alone) / (stages - 1)) + 300
    chain += 4 * bm * bn / g.shared_write
    sums = 4.0 * sum(rows) / padded * n / len(range(0, n, bn))  # of one tile, added one after the other
    chain += (splits - 1) * (2 * near + 2 * sums / g.port)
    busy = steps * (step.cycles**4 + issue**4) ** 0.25
    moved = blocks * steps * loads + out + (splits - 1) * 8.0 * sum(rows) * n
    return kr.stream(g, float(blocks), float(resident), g.prologue, chain, busy, read / g.tile_stream, out, moved)


def as_groups(rows: list[int]) -> np.ndarray:
    return np.array([(r, rows.count(r)) for r in sorted(set(rows))], dtype=np.float64)


@given(st.sampled_from(list(MACHINES)), st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(1, 3000),
       st.integers(1, 3000), st.sampled_from(TILES), st.sampled_from([1, 2, 5]))
def test_grouped_equals_experts_one_by_one(
    name: str, rows: list[int], n: int, k: int, tile: tuple[int, int, int], splits: int
) -> None:
    g, e = MACHINES[name]
    p = experts(n, k, rows=sum(rows))
    got = kg.grouped(g, e, LANES, as_groups(rows), p, *map(float, tile), 1.0, 3.0, 8.0, float(splits))
    assert got.cycles == pytest.approx(naive(name, rows, n, k, tile, splits))


@given(st.sampled_from(list(MACHINES)), st.lists(st.integers(1, 4000), min_size=1, max_size=20), st.integers(16, 9000),
       st.integers(16, 9000))
def test_the_best_tile_obeys_the_machine(name: str, rows: list[int], n: int, k: int) -> None:
    g, e = MACHINES[name]
    tiles = np.array([(*tile, 1.0) for tile in TILES])
    groups, p = as_groups(rows), experts(n, k, rows=sum(rows))
    best = kg.best_grouped(g, e, LANES, tiles, groups, p, 3.0, 8.0, 0.0)
    assert best.cycles >= sum(rows) * n * k / (g.sms * e.macs)
    assert best.cycles >= len(rows) * n * k * 2 / g.dram_read
    assert best.cycles >= g.launch
    for tile in TILES:
        t = kg.grouped(g, e, LANES, groups, p, *map(float, tile), 1.0, 3.0, 8.0, 1.0)
        assert best.cycles <= t.cycles
    warm = kg.best_grouped(g, e, LANES, tiles, groups, p._replace(warm_b=1.0), 3.0, 8.0, 0.0)
    assert warm.cycles <= best.cycles * (1 + 1e-12)
    assert warm.hbm_bytes < best.hbm_bytes
    halved = kg.best_grouped(g, e, LANES, tiles, groups, p._replace(b_size=0.5), 3.0, 8.0, 0.0)
    assert halved.cycles <= best.cycles * 1.05, "more blocks share an SM, which start together"
    part = np.array([(*tile, 0.5) for tile in TILES])
    wasted = kg.best_grouped(g, e, LANES, part, groups, p, 3.0, 8.0, 0.0)
    assert wasted.cycles >= best.cycles, "half of each line is wasted"


def test_a_tile_that_does_not_fit_is_no_plan() -> None:
    g, e = MACHINES["a100-sxm-80gb"]
    huge = kg.grouped(g, e, LANES, as_groups([8]), experts(512, 512), 512.0, 512.0, 128.0, 1.0, 3.0, 8.0, 1.0)
    assert math.isinf(huge.cycles)
