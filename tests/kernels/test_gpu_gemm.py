"""Matrix products over a chip against naive twins: rounds one by one, steps dealt out, two servers in a loop."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_chip as kc
from archsim.kernels import gpu_gemm as k
from archsim.kernels import sm_pipeline as line
from archsim.kernels.gpu_grid import Product
from archsim.kernels.gpu_traffic import grid_fills
from archsim.kernels.tensor_instruction import Engine, tile_step
from tests.kernels.test_gpu import PLAIN
from tests.kernels.test_gpu_traffic import naive_reads

ASYNC = PLAIN._replace(overlapped=1.0, multicast=2.0, stages=7.0)
PAIRED = ASYNC._replace(pair=2.0, decoupled=1.0, accumulators=262144.0)
WARPS = Engine(macs=512.0, sub_cores=4.0, rows=16.0, cols=8.0, k_bytes=32.0, depth=16.0, pair_depth=0.0, fold_depth=0.0,
               commit=0.0, in_order=0.0, a_first=0.0, from_shared=0.0, warp_rows=64.0, warp_cols=64.0,
               shared_read=128.0, register_read=1536.0, one_port=1.0)
WGMMA = Engine(macs=512.0, sub_cores=1.0, rows=64.0, cols=256.0, k_bytes=32.0, depth=0.0, pair_depth=0.0,
               fold_depth=0.0, commit=20.0, in_order=1.0, a_first=0.0, from_shared=1.0, warp_rows=64.0, warp_cols=256.0,
               shared_read=128.0, register_read=1536.0, one_port=1.0)
COUPLED = line.Sm(barrier=30.0, shared_latency=29.0, commit=0.0, coupled=1.0, copy=0.0, prologue=700.0, epilogue=400.0,
                  shared_read=128.0, shared_write=96.0, accumulator_read=0.0)
APART = COUPLED._replace(coupled=0.0, commit=20.0)
TMEM = APART._replace(accumulator_read=512.0)
Kind = tuple[kc.Gpu, Engine, line.Sm]
KINDS: dict[str, Kind] = {
    "synchronous": (PLAIN, WARPS, COUPLED), "asynchronous": (ASYNC, WGMMA, APART),
    "paired": (PAIRED, WGMMA._replace(rows=128.0), TMEM),
}

kinds = st.sampled_from(list(KINDS.values()))
sizes = st.integers(1, 3000).map(float)
tiles = st.sampled_from([(128.0, 256.0, 64.0), (128.0, 128.0, 128.0), (64.0, 64.0, 128.0), (64.0, 128.0, 64.0)])
shares = st.sampled_from([0.0, 0.5, 1.0])


def product(m: float, n: float, kk: float, **changes: float) -> Product:
    """One bf16 product, nothing beside it and nothing in L2."""
    p = Product(m=m, n=n, k=kk, batch=1.0, a_size=2.0, b_size=2.0, out_size=2.0, beside=0.0, a_reuse=1.0, loads=0.0,
                scales=0.0, cluster=1.0, warm_a=0.0, warm_b=0.0, warm_out=0.0)
    return p._replace(**changes)


def gemm(kind: Kind, p: Product, tile: tuple[float, ...], splits: float = 1.0, resident: float = 1.0) -> k.Plan:
    """Time one product with one tile."""
    bm, bn, bk = tile
    return k.gemm(*kind, p, float(math.ceil(p.m / bm)), bm, bn, bk, splits, resident, 0.0)


# --- two servers of a closed loop

@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.integers(1, 12))
def test_two_servers_share_their_jobs_as_a_chain_of_states_says(x: float, y: float, jobs: int) -> None:
    """State i: i jobs wait at the second server. It fills with rate 1 / x and empties with rate 1 / y."""
    weight = [(y / x) ** i for i in range(jobs + 1)]
    busy = sum(weight[1:]) / sum(weight)  # share of time in which the second server works
    assert k.meet(x, y, float(jobs)) == pytest.approx(y / busy, rel=1e-3)


@given(st.floats(0.01, 10.0), st.floats(0.01, 10.0), st.floats(1.0, 64.0), st.floats(1.01, 3.0))
def test_sharing_jobs_costs_more_than_the_longer_time_and_less_with_more_of_them(
    x: float, y: float, jobs: float, factor: float
) -> None:
    both = k.meet(x, y, jobs)
    assert max(x, y) <= both <= (x + y) * (1 + 1e-9)
    assert k.meet(x, y, jobs * factor) <= both * (1 + 1e-9)
    assert k.meet(x * factor, y, jobs) >= both * (1 - 1e-9)
    assert k.meet(x, 0.0, jobs) == x


# --- a product

def naive_gemm(kind: Kind, p: Product, tile: tuple[float, float, float], resident: int) -> float:
    """Cycles of a product without split-K: blocks are dealt to SMs round by round, and rounds are added up."""
    g, engine, sm = kind
    bm, bn, bk = tile
    gm, gn = math.ceil(p.m / bm), math.ceil(p.n / bn)
    left, rounds = gm * gn, []
    while left:  # a round gives every SM `resident` blocks, the last one fewer
        rounds.append(min(left, int(g.sms) * resident))
        left -= rounds[-1]
    steps = math.ceil(p.k / (bk / 2))
    def shared_by(sms: float) -> tuple[float, float]:
        """SMs that share A and B: those along M share B; where all lie along N, they share A."""
        return (1, min(sms, gm)) if gm > 1 else (min(sms, gn), 1)

    (pair_a, pair_b), (read_a, read_b) = shared_by(g.pair), shared_by(max(g.multicast, g.pair))
    stages = min(g.stages, g.shared // (resident * bk * (bm / pair_a + bn / pair_b)))
    if stages < 2 or resident * bm * bn * 4 > g.accumulators:
        return math.inf
    rows, cols, span = p.m / gm, p.n / gn, p.k / steps
    fetched = span * 2 * (rows / pair_a + cols / pair_b)
    l2_step = span * 2 * (rows / read_a + cols / read_b)
    whole = span * 2 * (min(bm, p.m) / pair_a + min(bn, p.n) / pair_b)  # of a block that is not cut at an edge
    read = naive_reads(g, gm, gn, int(bm), int(bn), p.m * p.k * 2, p.k * p.n * 2, (p.warm_a, p.warm_b),
                       int(min(gm * gn, g.sms * resident)))
    l2_read, out = gm * gn * steps * l2_step, p.m * p.n * 2
    crossing = grid_fills(g, gm, gn, bm, bn, p.m * p.k * 2, p.k * p.n * 2, min(gm * gn, g.sms * resident))
    l2 = g.tile_stream * min(g.l2, g.far * l2_read / max(1.0, crossing))
    missing = min(1, read / l2_read)
    flight = max(1.0, resident * (stages - 1) * fetched * missing)
    hit = g.l2_latency + g.bulk_latency  # one partition
    latency = hit + max(0.0, g.dram_latency - hit) * max(1 - p.warm_a, 1 - p.warm_b)
    step = tile_step(engine, bm, bn, bk, 2.0, g.pair, 1.0, whole)
    double = g.overlapped and 2 * bm * bn * 4 <= g.accumulators
    total = enter = leave = 0.0
    for blocks in rounds:
        active, here = min(blocks, g.sms), math.ceil(blocks / g.sms)
        supply = line.Supply(latency, min(g.port, l2 / active * whole / l2_step), math.inf,
                             min(g.port, g.l2_write / active))
        one = line.pipeline(sm, step, line.Block(stages, here, 2.0 if bm >= 2 * engine.rows else 1.0, whole,
                                                 bm * bn * 4, min(bm, p.m) * min(bn, p.n) * 2, min(bn, p.n)), supply)
        jobs = 2 * stages * resident / g.variation
        main = line.mainloop(one, steps, 0.0) - one.latency - one.fetch - one.barrier
        main = max(main, steps * here * k.meet(one.engine, one.fetch, jobs))
        memory = kc.memory_cycles(g, float(active), flight, read / g.tile_stream * blocks / (gm * gn), 0.0)
        each, enter, leave = k.meet(main, memory, jobs), max(enter, one.prologue), one.epilogue
        if double:
            total += max(each, leave) if total else each
        elif g.overlapped:
            total += each + leave
        elif here > 1 and len(rounds) > 1 and blocks == g.sms * resident and (
                len(rounds) > 2 or rounds[-1] == blocks):
            total += max(each, main + enter + leave)
        else:
            total += enter + each + leave
    if g.overlapped:
        total += enter + (leave if double else 0)
    drain = max(l2_read / l2 + out / g.l2_write,
                kc.memory_cycles(g, g.sms, flight, read / g.tile_stream, out * (1 - p.warm_out)))
    return g.launch + max(total, gm * gn / g.dispatch, enter + drain)


@given(kinds, st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000), shares, shares, tiles,
       st.sampled_from([1, 2]))
def test_gemm_equals_rounds_added_one_by_one(
    kind: Kind, m: int, n: int, kk: int, warm_a: float, warm_b: float, tile: tuple[float, float, float], resident: int
) -> None:
    p = product(float(m), float(n), float(kk), warm_a=warm_a, warm_b=warm_b, warm_out=warm_a)
    assert gemm(kind, p, tile, 1.0, float(resident)).cycles == pytest.approx(naive_gemm(kind, p, tile, resident))


@given(kinds, sizes, sizes, sizes, tiles, st.sampled_from([1.0, 2.0, 5.0]))
def test_gemm_never_beats_its_resources(
    kind: Kind, m: float, n: float, kk: float, tile: tuple[float, float, float], splits: float
) -> None:
    plan = gemm(kind, product(m, n, kk), tile, splits)
    if plan.cycles == math.inf:
        return
    assert plan.cycles >= m * n * kk / (kind[1].macs * kind[0].sms)
    assert plan.cycles >= max(plan.matrix, plan.on_chip * (1 - 1e-9), plan.hbm)
    assert plan.hbm_bytes >= 2 * (m * kk + kk * n + m * n) * (1 - 1e-12)


@given(kinds, sizes, sizes, sizes, tiles, shares, shares, shares)
def test_what_lies_in_l2_is_not_read_again_and_never_slows(
    kind: Kind, m: float, n: float, kk: float, tile: tuple[float, float, float], a: float, b: float, out: float
) -> None:
    cold = gemm(kind, product(m, n, kk), tile)
    warm = gemm(kind, product(m, n, kk, warm_a=a, warm_b=b, warm_out=out), tile)
    assert warm.cycles <= cold.cycles * (1 + 1e-9)
    if cold.cycles < math.inf:
        saved = 2 * (a * m * kk + b * kk * n + out * m * n)
        assert cold.hbm_bytes - saved * (1 + 1e-9) <= warm.hbm_bytes <= cold.hbm_bytes


def best_gemm(kind: Kind, library: np.ndarray, groups: list[tuple[float, float]], n: float, kk: float) -> k.Plan:
    """The library's best for bf16 products of some rows each."""
    return k.best_gemm(*kind, library, np.array(groups), product(0.0, n, kk), 1.0)


@pytest.mark.parametrize("name", KINDS)
def test_the_library_takes_its_fastest_plan(name: str) -> None:
    kind = KINDS[name]
    library = np.array([(128, 128, 128), (64, 64, 128), (64, 128, 64)], dtype=np.float64)
    best = best_gemm(kind, library, [(64.0, 1.0)], 128.0, 8192.0)
    for bm, bn, bk in library:
        for splits in (1.0, 2.0, 3.0, 4.0):
            assert best.cycles <= gemm(kind, product(64.0, 128.0, 8192.0), (bm, bn, bk), splits).cycles
    assert best.splits > 1, "2 tiles of 64x64 with a long K want more blocks"


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 5)), min_size=1, max_size=6), st.integers(1, 300))
def test_row_blocks_of_unequal_products(groups: list[tuple[int, int]], bm: int) -> None:
    each = [rows for rows, count in groups for _ in range(count)]
    number, mean, blocks = k.row_blocks(np.array(groups, dtype=np.float64), float(bm))
    assert number == len(each)
    assert mean * number == pytest.approx(sum(each))
    assert blocks * number == pytest.approx(sum(-(-rows // bm) for rows in each))


def test_unequal_products_are_padded_each_to_its_own_tiles() -> None:
    library = np.array([(64, 64, 64)], dtype=np.float64)
    even = best_gemm(KINDS["synchronous"], library, [(64.0, 16.0)], 4096.0, 4096.0)
    uneven = best_gemm(KINDS["synchronous"], library, [(949.0, 1.0), (5.0, 15.0)], 4096.0, 4096.0)
    assert uneven.matrix == pytest.approx(even.matrix * (15 + 15) / 16, rel=0.1), "949 rows are 15 tiles, 5 rows are 1"


def test_a_grid_has_whole_clusters() -> None:
    kind = KINDS["asynchronous"]
    library = np.array([(128, 128, 128)], dtype=np.float64)
    def time(rows: float, cluster: float) -> k.Plan:
        p = product(0.0, 8 * 128.0, 4096.0, cluster=cluster)
        return k.best_gemm(*kind, library, np.array([(rows, 1.0)]), p, 0.0)

    assert time(3 * 128.0, 2.0).rounds == time(4 * 128.0, 1.0).rounds == 4, "of 8 SMs"
    assert time(3 * 128.0, 1.0).rounds == 3
    assert time(4 * 128.0, 2.0) == time(4 * 128.0, 1.0)
    assert time(3 * 128.0, 2.0).hbm_bytes == pytest.approx(time(3 * 128.0, 1.0).hbm_bytes), "padding is not fetched"


def test_a_tile_beyond_the_accumulators_does_not_fit() -> None:
    assert gemm(KINDS["synchronous"], product(64.0, 64.0, 64.0), (512.0, 512.0, 64.0)).cycles == math.inf


def test_an_epilogue_hides_where_accumulators_are_double() -> None:
    g, engine, sm = KINDS["asynchronous"]
    many = product(8 * 128.0, 64 * 128.0, 512.0)
    one = gemm((g._replace(accumulators=65536.0), engine, sm), many, (128.0, 128.0, 128.0))
    two = gemm((g._replace(accumulators=131072.0), engine, sm), many, (128.0, 128.0, 128.0))
    assert one.rounds == two.rounds == 64
    assert one.cycles - two.cycles == pytest.approx(63 * line_epilogue(g, engine, sm), rel=0.05)


def line_epilogue(g: kc.Gpu, engine: Engine, sm: line.Sm) -> float:
    """Cycles in which one tile of 128 x 128 leaves its SM while all SMs write."""
    step = tile_step(engine, 128.0, 128.0, 128.0, 2.0, 1.0, 1.0, 32768.0)
    block = line.Block(7.0, 1.0, 2.0, 32768.0, 65536.0, 32768.0, 128.0)
    return line.pipeline(sm, step, block, line.Supply(500.0, 64.0, math.inf, g.l2_write / g.sms)).epilogue


# --- stream-K

@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_shares_of_a_stream_equal_a_walk_over_all_steps(tiles: int, steps: int, sms: int) -> None:
    share, added = k.stream_share(float(tiles), float(steps), float(sms))
    walkers: list[set[int]] = [set() for _ in range(tiles)]  # of each tile: the SMs that walk some of its steps
    walked = [0] * sms
    for step in range(tiles * steps):
        sm = int(step // share)
        walked[sm] += 1
        walkers[step // steps].add(sm)
    assert max(walked) == share
    assert max(map(len, walkers)) - 1 <= added <= max(1.0, steps / share + 1)


@given(st.sampled_from([KINDS["asynchronous"], KINDS["paired"]]), st.integers(1, 4000), st.integers(1, 4000),
       st.integers(1, 3000), tiles)
def test_a_stream_never_beats_its_resources(
    kind: Kind, m: int, n: int, kk: int, tile: tuple[float, float, float]
) -> None:
    bm, bn, bk = tile
    p = product(float(m), float(n), float(kk))
    plan = k.gemm(*kind, p, float(math.ceil(m / bm)), bm, bn, bk, 1.0, 1.0, 1.0)
    if plan.cycles < math.inf:
        assert plan.cycles >= m * n * kk / (kind[1].macs * kind[0].sms)
        assert plan.cycles >= max(plan.matrix, plan.on_chip * (1 - 1e-9), plan.hbm)
        assert plan.matrix < gemm(kind, p, tile).matrix, "else it would not be a plan"


def test_a_stream_fills_the_last_round() -> None:
    """12 tiles on 8 SMs: one full round and half a round, or one and a half rounds on every SM."""
    kind = KINDS["asynchronous"]
    p = product(12 * 128.0, 128.0, 16384.0)
    rounds, stream = gemm(kind, p, (128.0, 128.0, 128.0)), k.gemm(*kind, p, 12.0, 128.0, 128.0, 128.0, 1.0, 1.0, 1.0)
    assert stream.matrix == pytest.approx(rounds.matrix * 1.5 / 2)
    assert stream.cycles < 0.85 * rounds.cycles
    library = np.array([(128, 128, 128)], dtype=np.float64)
    assert best_gemm(kind, library, [(12 * 128.0, 1.0)], 128.0, 16384.0).cycles <= stream.cycles
    assert k.gemm(*KINDS["synchronous"], p, 12.0, 128.0, 128.0, 128.0, 1.0, 1.0, 1.0).cycles == math.inf
