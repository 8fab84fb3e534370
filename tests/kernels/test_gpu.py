"""GPU kernels against naive twins that a reader can check by eye, and against published instruction timings."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu as k
from archsim.kernels import gpu_attention as ka
from archsim.kernels import gpu_chip as kc
from archsim.workload.ops import Attention

PLAIN = kc.Gpu(
    sms=8.0, macs=512.0, fetch_m=64.0, fetch_n=64.0, k_bytes=32.0, mma_latency=25.0, sync=60.0, overlapped=0.0,
    decoupled=0.0, pair=1.0, multicast=1.0, accumulators=131072.0, shared=163840.0, shared_read=128.0,
    shared_write=96.0, stages=5.0, port=64.0, dispatch=1.0, prologue=400.0, epilogue=400.0, launch=2000.0, l2=300.0,
    l2_capacity=4e6, l2_latency=200.0, partitions=1.0, near_capacity=4e6, far=300.0, far_latency=200.0, dram_read=100.0,
    dram_write=90.0, dram_latency=500.0,
)
ASYNC = PLAIN._replace(overlapped=1.0, multicast=2.0, fetch_n=256.0, stages=7.0)
PAIRED = ASYNC._replace(pair=2.0, decoupled=1.0, accumulators=262144.0, fetch_m=128.0)
KINDS = {"synchronous": PLAIN, "asynchronous": ASYNC, "paired": PAIRED}

gpus = st.sampled_from(list(KINDS.values()))
sizes = st.integers(1, 3000).map(float)
tiles = st.sampled_from([(128.0, 256.0, 64.0), (128.0, 128.0, 128.0), (64.0, 64.0, 128.0), (64.0, 128.0, 64.0)])


# --- one instruction: the interval is the longer of its arithmetic and its operands at 128 bytes per cycle

WGMMA = ASYNC._replace(macs=2048.0)  # m64nNk16 of bf16, both operands in shared memory: Luo et al., arXiv 2402.13499
TCGEN05 = ASYNC._replace(macs=4096.0, fetch_m=128.0)  # M = 128, one SM: SemiAnalysisAI/microbench-blackwell


@pytest.mark.parametrize(("n", "cycles"), [(8, 18), (16, 20), (32, 24), (64, 32), (128, 64), (256, 128)])
def test_interval_of_a_warpgroup_instruction(n: int, cycles: int) -> None:
    assert k.step_cycles(WGMMA, 64.0, float(n), 16.0, 2.0) == pytest.approx(cycles)


@pytest.mark.parametrize(("n", "cycles"), [(64, 48), (80, 52), (96, 56), (112, 60), (128, 64), (256, 128)])
def test_interval_of_a_single_sm_instruction_with_its_own_accumulators(n: int, cycles: int) -> None:
    assert k.step_cycles(TCGEN05, 128.0, float(n), 16.0, 2.0) == pytest.approx(cycles)


def test_half_of_its_rows_halve_the_rate() -> None:
    assert k.step_cycles(TCGEN05, 64.0, 64.0, 16.0, 2.0) == 2 * 64 * 64 * 16 / 4096  # II 32 for M = 64, N = 64


def naive_operand_bytes(g: kc.Gpu, bm: int, bn: int, depth: int, size: float) -> float:
    """Count the fetches of a tile: each fragment of fetch_m x fetch_n products reads its rows and columns once."""
    rows, cols = min(int(g.fetch_m), bm), min(int(g.fetch_n), bn)
    total = 0.0
    for _ in range(bm // rows):
        for _ in range(bn // cols):
            total += rows * depth * size + cols * depth * size / g.pair
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [(128, 256), (128, 128), (64, 64), (128, 64)])
def test_step_equals_counted_fetches(kind: str, tile: tuple[int, int]) -> None:
    g = KINDS[kind]
    bm, bn = tile
    want = max(bm * bn * 64 / g.macs * max(1, g.fetch_m / max(tile)), naive_operand_bytes(g, bm, bn, 64, 2.0) / 128)
    assert k.step_cycles(g, float(bm), float(bn), 64.0, 2.0) == pytest.approx(want)


# --- device memory

def test_memory_follows_little_when_little_is_in_flight_and_bandwidth_when_much_is() -> None:
    assert kc.memory_cycles(PLAIN, 1.0, 100.0, 1e6, 0.0) == pytest.approx(1e6 / (100 / 500), rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 1e6, 0.0) == pytest.approx(1e6 / 100, rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 0.0, 1e6) == pytest.approx(1e6 / 90)


def naive_hbm_reads(g: kc.Gpu, gm: int, gn: int, bm: int, bn: int, a: float, b: float, resident: int) -> float:
    """Walk patches of blocks down M, then across N, and count what each patch must fetch."""
    def walk(gm: int, gn: int, bm: int, bn: int, a: float, b: float) -> float:
        wn = min(gn, max(1, int(math.sqrt(resident * bm / bn))))
        wm = min(gm, max(1, resident // wn))
        total = 0.0
        for column in range(0, gn, wn):
            if column == 0 or a > g.l2_capacity / 2:
                total += a  # every row of A, for these columns
            columns = b / -(-gn // wn)
            for row in range(0, gm, wm):
                if row == 0 or columns > g.l2_capacity / 2:
                    total += columns
        return total
    return min(walk(gm, gn, bm, bn, a, b), walk(gn, gm, bn, bm, b, a))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e3, 1e8), st.floats(1e3, 1e8), st.integers(1, 64))
def test_hbm_reads_equal_the_walk(gm: int, gn: int, a: float, b: float, resident: int) -> None:
    got = k.hbm_reads(PLAIN, float(gm), float(gn), 128.0, 64.0, a, b, float(resident))
    assert got == pytest.approx(naive_hbm_reads(PLAIN, gm, gn, 128, 64, a, b, resident))
    assert got >= (a + b) * (1 - 1e-12)


# --- a matrix product

def naive_gemm(g: kc.Gpu, m: int, n: int, kk: int, tile: tuple[float, float, float], resident: int) -> float:
    """Cycles of a product without split-K: blocks are dealt to SMs round by round, and rounds are added up."""
    bm, bn, bk = tile
    depth = bk / 2
    gm, gn = -(-m // int(bm)), -(-n // int(bn))
    left, rounds = gm * gn, []
    while left:  # a round gives every SM one block, the last one fewer
        rounds.append(min(left, int(g.sms)))
        left -= rounds[-1]
    steps = -(-kk // int(depth))
    stage = depth * 2 * (bm + bn / g.pair)
    stages = min(g.stages, g.shared // (resident * stage))
    if stages < 2 or resident * bm * bn * 4 > g.accumulators:
        return math.inf
    step = k.step_cycles(g, bm, bn, depth, 2.0)
    rows, cols, span = m / gm, n / gn, kk / steps
    fetched = span * 2 * (rows + cols / g.pair)
    l2_step = span * 2 * (rows + cols / min(max(g.multicast, g.pair), gm))
    read = naive_hbm_reads(g, gm, gn, int(bm), int(bn), m * kk * 2.0, kk * n * 2.0,
                           int(min(gm * gn, g.sms * resident)))
    l2_read = gm * gn * steps * l2_step
    out = m * n * 2.0
    missing = min(1, read / l2_read)
    flight = resident * (stages - 1) * fetched * missing
    work = 0.0
    for blocks in rounds:
        matrix = steps * step
        l2 = max(steps * fetched / g.port, blocks * steps * l2_step / g.l2)
        hbm = kc.memory_cycles(g, float(blocks), flight, read * blocks / (gm * gn), 0.0)
        work += (matrix**4 + l2**4 + hbm**4) ** 0.25
    work = max(work, gm * gn / g.dispatch)
    drain = max((l2_read + out) / g.l2, kc.memory_cycles(g, g.sms, flight, read, out))
    running = min(gm * gn, g.sms)
    result = rows * cols * 2
    acc = bm * bn * 4
    leave = result / g.shared_write if g.overlapped else acc / g.shared_write + acc / g.shared_read
    leave += result / min(g.port, g.l2 / running)
    first = max(fetched / g.port, l2_step * running / g.l2, fetched * missing * running / g.dram_read)
    latencies = g.prologue + g.dram_latency + g.epilogue + g.l2_latency
    chain = bk / g.k_bytes * g.mma_latency
    alone = max(step, chain + g.sync) if g.overlapped else step + g.mma_latency + g.sync
    lone = steps * max(alone, g.dram_latency / (stages - 1)) + latencies + first + leave
    generations = math.ceil(gm * gn / (g.sms * resident))
    if g.overlapped and resident > 1:
        return g.launch + max(latencies + first + max(work, drain) + leave, generations * lone)
    serial = generations * latencies + len(rounds) * (first + leave) + work
    return g.launch + max(serial, latencies + drain, generations * lone)


def gemm(
    g: kc.Gpu, m: float, n: float, kk: float, tile: tuple[float, ...], splits: float, resident: float
) -> k.Plan:
    """One bf16 product, nothing beside it."""
    bm, bn, bk = tile
    return k.gemm(g, m, n, kk, 1.0, 2.0, 2.0, 2.0, 0.0, 1.0, float(math.ceil(m / bm)), bm, bn, bk, splits, resident)


def best_gemm(
    g: kc.Gpu, library: np.ndarray, groups: list[tuple[float, float]], n: float, kk: float, floor: float = 0.0,
    per_byte: float = 0.0,
) -> k.Plan:
    """The library's best for bf16 products of some rows each."""
    return k.best_gemm(g, library, np.array(groups), n, kk, 2.0, 2.0, 2.0, 0.0, 1.0, floor, per_byte)


@given(gpus, st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000), tiles, st.sampled_from([1, 2, 4]))
def test_gemm_equals_rounds_added_one_by_one(
    g: kc.Gpu, m: int, n: int, kk: int, tile: tuple[float, float, float], resident: int
) -> None:
    p = gemm(g, float(m), float(n), float(kk), tile, 1.0, float(resident))
    assert p.cycles == pytest.approx(naive_gemm(g, m, n, kk, tile, resident))


@given(gpus, sizes, sizes, sizes, tiles, st.sampled_from([1.0, 2.0, 5.0]))
def test_gemm_never_beats_its_resources(
    g: kc.Gpu, m: float, n: float, kk: float, tile: tuple[float, float, float], splits: float
) -> None:
    p = gemm(g, m, n, kk, tile, splits, 1.0)
    assert p.cycles >= m * n * kk / (g.macs * g.sms)
    assert p.cycles >= max(p.matrix, p.on_chip * (1 - 1e-9), p.hbm)
    assert p.hbm_bytes >= 2 * (m * kk + kk * n + m * n) * (1 - 1e-12)


def test_the_library_takes_its_fastest_plan() -> None:
    library = np.array([(128, 128, 128), (64, 64, 128), (64, 128, 64)], dtype=np.float64)
    best = best_gemm(PLAIN, library, [(64.0, 1.0)], 128.0, 8192.0)
    for bm, bn, bk in library:
        for splits in (1.0, 2.0, 3.0, 4.0):
            p = gemm(PLAIN, 64.0, 128.0, 8192.0, (bm, bn, bk), splits, 1.0)
            assert best.cycles <= p.cycles
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
    even = best_gemm(PLAIN, library, [(64.0, 16.0)], 4096.0, 4096.0)
    uneven = best_gemm(PLAIN, library, [(949.0, 1.0), (5.0, 15.0)], 4096.0, 4096.0)
    assert uneven.matrix == pytest.approx(even.matrix * (15 + 15) / 16, rel=0.1), "949 rows are 15 tiles, 5 rows are 1"


def test_a_tile_beyond_the_accumulators_does_not_fit() -> None:
    p = gemm(PLAIN, 64.0, 64.0, 64.0, (512.0, 512.0, 64.0), 1.0, 1.0)
    assert p.cycles == math.inf


# --- attention

def shape(**changes: float) -> ka.Heads:
    base = ka.Heads(batch=2.0, q=300.0, kv=300.0, heads=4.0, kv_heads=2.0, dim=64.0, value_dim=64.0, causal=1.0,
                    window=math.inf, size=2.0, kv_size=2.0, shared=0.0, score_ops=4.0, score_exps=1.0)
    return base._replace(**changes)


def naive_keys(i: int, q: int, kv: int, causal: bool, window: int | None) -> set[int]:
    """Keys that query i sees: up to itself, or a window centred on it that stays inside the sequence."""
    me = kv - q + i
    if causal:
        return {j for j in range(kv) if j <= me and (window is None or j > me - window)}
    width = min(kv, window or kv)
    low = min(max(0, me - (width - 1) // 2), kv - width)
    return set(range(low, low + width))


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 16), st.booleans(), st.none() | st.integers(1, 80),
       st.data())
def test_visible_tiles_equal_a_mask(
    q: int, past: int, bk: int, causal: bool, window: int | None, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, q - 1))
    last = data.draw(st.integers(first, q - 1))
    kv = past + q
    h = shape(q=float(q), kv=float(kv), causal=float(causal), window=float(window or math.inf))
    seen = {j // bk for i in range(first, last + 1) for j in naive_keys(i, q, kv, causal, window)}
    assert ka.visible_tiles(float(first), float(last), h, float(bk)) == len(seen)


@given(st.integers(1, 40), st.integers(0, 40), st.booleans(), st.none() | st.integers(1, 60))
def test_masks_hold_the_pairs_that_the_workload_counts(q: int, past: int, causal: bool, window: int | None) -> None:
    op = Attention(batch=1, q_len=q, kv_len=q + past, heads=1, kv_heads=1, head_dim=64, causal=causal, window=window)
    assert sum(len(naive_keys(i, q, q + past, causal, window)) for i in range(q)) == op.pairs


@given(st.lists(st.floats(1, 100), min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 12))
def test_makespan_equals_a_queue_of_workers(costs: list[float], copies: int, sms: int) -> None:
    got = ka.makespan(np.array(costs), float(copies), float(sms))
    free = [0.0] * sms
    for cost in [c for c in reversed(costs) for _ in range(copies)]:
        heapq.heappush(free, heapq.heappop(free) + cost)
    assert got == pytest.approx(max(free), rel=1e-9 if len(costs) * copies <= 32 * sms else 0.2)


def naive_tile_cycles(g: kc.Gpu, h: ka.Heads, bq: int, bk: int, missing: float, active: float) -> float:
    """Cycles of one key tile, 128 lanes and 16 exponentials per cycle, softmax and matrix work in turn."""
    rows = bq if h.q == 1 else max(bq, 128 if g.overlapped else 64)
    instructions = h.dim * h.size / g.k_bytes, bk * h.size / g.k_bytes  # one after the other, on one accumulator
    scores = max(k.step_cycles(g, rows, bk, h.dim, h.size), instructions[0] * g.mma_latency)
    values = max(k.step_cycles(g, rows, h.value_dim, bk, h.size), instructions[1] * g.mma_latency)
    softmax = rows * bk / 16 + 4 * rows * bk / 128
    if h.gradients:  # scores, dq, dk; dp, dv; p and ds staged, dq added up in L2
        scores, values = sum([scores] * 3), sum([values] * 2)
        softmax += sum([rows * bk * h.size / g.shared_write] * 2) + rows * h.dim * 4 / g.port
    waits = g.sync + 2 * g.mma_latency
    keys, vals = bk * h.dim * h.kv_size, bk * h.value_dim * h.kv_size
    tiles = min(2 if g.overlapped else 1, (g.shared - bq * h.dim * h.size) // (keys + vals))
    flight = (2 * tiles - 1) * (keys + vals) / 2 * missing  # of the buffers of keys and of values, all but one
    from_l2 = (keys + vals) / min(g.port, g.l2 / active)
    from_hbm = kc.memory_cycles(g, active, flight, (keys + vals) * missing * active, 0.0)
    if g.overlapped:
        work = scores + softmax + values + waits
    else:  # values are fetched beside the scores, the next keys beside softmax and values
        latency = (1 - missing) * g.l2_latency + missing * g.dram_latency
        work = max(scores, latency + vals / g.port) + max(softmax + values, latency + keys / g.port) + waits
    return float((work**4 + from_l2**4 + from_hbm**4) ** 0.25)


def naive_attention(g: kc.Gpu, h: ka.Heads, bq: int, bk: int, packed: int) -> float:
    """Cycles of unsplit attention: block by block, tile by tile; equal ones in waves, the last with fewer SMs."""
    rows = int(h.q) * packed
    jobs = []  # key tiles of each block of one (sequence, heads packed together)
    for start in range(0, rows, bq):
        queries = sorted({r // packed for r in range(start, min(rows, start + bq))})
        jobs.append(len({j // bk for i in queries for j in naive_keys(i, int(h.q), int(h.kv), h.causal > 0, None)}))
    copies = int(h.batch * h.heads / packed)
    blocks = copies * len(jobs)
    running = min(blocks, int(g.sms))
    kv = h.kv * (h.dim + h.value_dim) * h.kv_size
    waves = blocks / (h.batch * h.kv_heads) / running  # in which blocks of one KV head run
    if kv > g.l2_capacity / 2 and waves > 1:  # each wave reads what its blocks see
        kv = max(kv, waves * sum(jobs) / len(jobs) * bk * (h.dim + h.value_dim) * h.kv_size)
    kv *= h.batch * h.kv_heads
    tile_bytes = bk * (h.dim + h.value_dim) * h.kv_size
    least = -(-min(128, 16384 // int(h.dim)) // bk)
    tiles = sum(jobs) * copies
    fetched = tiles * tile_bytes
    jobs = [max(least, n) for n in jobs]
    missing = min(1.0, kv / (sum(jobs) * copies * tile_bytes))
    supply = min(g.port, g.l2 / running)
    result = min(bq, rows) * h.value_dim * h.size
    staged = max(bq, 64) * h.value_dim * (h.size if g.overlapped and bq >= 64 else 4)
    out = staged / g.shared_read + staged / g.shared_write + result / supply
    first = min(bq, rows) * h.dim * h.size + (bk * h.dim * h.kv_size if g.overlapped else 0)
    loads = 2 * g.l2_latency + g.dram_latency + first / supply  # the length, its page of the cache, queries and keys
    once = g.prologue + loads + out + g.epilogue
    work = 0.0
    if len(set(jobs)) == 1:
        left = blocks
        while left:
            active = min(left, int(g.sms))
            work += once + jobs[0] * naive_tile_cycles(g, h, bq, bk, missing, active)
            left -= active
    else:
        free, alone = [0.0] * int(g.sms), naive_tile_cycles(g, h, bq, bk, missing, 1)
        for n in reversed(jobs):  # the last queries, which see the most keys, first
            for _ in range(copies):
                heapq.heappush(free, heapq.heappop(free) + once + n * alone)
        work = max(free)
    io = h.batch * h.q * h.heads * h.dim * h.size
    reads, writes = io, io
    if h.gradients:
        reads, writes = 3 * io + h.batch * h.q * h.heads * 4, io + h.batch * h.kv_heads * h.kv * 2 * h.dim * h.kv_size
        fetched += tiles * bq * h.dim * 4
    buffers = min(2 if g.overlapped else 1, (g.shared - bq * h.dim * h.size) // tile_bytes)
    floor = max((fetched + reads + writes) / g.l2,
                kc.memory_cycles(g, g.sms, (buffers - 0.5) * tile_bytes, kv + reads, writes))
    return g.launch + g.l2_latency + max(work, floor)


@given(st.sampled_from([PLAIN, ASYNC, PLAIN._replace(l2_capacity=1e5)]), st.just(1) | st.integers(1, 400),
       st.integers(0, 400), st.sampled_from([1.0, 2.0, 4.0]), st.booleans(), st.booleans(), st.booleans(),
       st.sampled_from([(128, 64), (64, 128), (16, 32)]))
def test_attention_equals_blocks_one_by_one(
    g: kc.Gpu, q: int, past: int, kv_heads: float, causal: bool, gradients: bool, pack: bool, tile: tuple[int, int]
) -> None:
    h = shape(q=float(q), kv=float(q + past), kv_heads=kv_heads, batch=1.0, causal=float(causal),
              gradients=float(gradients))
    packed = int(h.heads / kv_heads) if pack else 1
    p = ka.attention(g, h, 128.0, 16.0, 262144.0, float(tile[0]), float(tile[1]), float(packed), 1.0, 0.0)
    assert p.cycles == pytest.approx(naive_attention(g, h, *tile, packed))


@given(gpus, st.integers(1, 3000), st.integers(0, 5000), st.booleans(), st.sampled_from([1.0, 2.0, 7.0]))
def test_busy_time_and_fixed_time_add_up_to_attention(
    g: kc.Gpu, q: int, past: int, causal: bool, splits: float
) -> None:
    h = shape(q=float(q), kv=float(q + past), causal=float(causal))
    p = ka.attention(g, h, 128.0, 16.0, 262144.0, 64.0, 128.0, 1.0, splits, 0.0)
    assert p.fixed >= 0
    assert p.fixed + max(p.matrix, p.vector, p.on_chip, p.hbm) == pytest.approx(p.cycles)


def test_keys_beyond_the_cache_are_read_by_every_wave() -> None:
    h = shape(batch=1.0, q=8192.0, kv=8192.0, heads=8.0, kv_heads=1.0, causal=0.0)  # 2 MB of keys, 1024 blocks
    few = ka.attention(PLAIN._replace(l2_capacity=3e6), h, 128.0, 16.0, 262144.0, 64.0, 128.0, 1.0, 1.0, 0.0)
    all_in = ka.attention(PLAIN._replace(l2_capacity=5e6), h, 128.0, 16.0, 262144.0, 64.0, 128.0, 1.0, 1.0, 0.0)
    kv, io = 8192 * 128 * 2, 2 * 8 * 8192 * 64 * 2
    assert all_in.hbm_bytes == kv + io
    assert few.hbm_bytes == 1024 / 8 * kv + io, "8 SMs: 128 waves"


def test_softmax_runs_beside_products_only_with_accumulators_of_its_own() -> None:
    h = shape(q=4096.0, kv=4096.0, causal=0.0)
    turns = ka.attention(PAIRED._replace(decoupled=0.0), h, 128.0, 16.0, 262144.0, 128.0, 128.0, 1.0, 1.0, 0.0).cycles
    beside = ka.attention(PAIRED, h, 128.0, 16.0, 262144.0, 128.0, 128.0, 1.0, 1.0, 0.0).cycles
    assert beside < 0.8 * turns


def test_splitting_the_keys_helps_a_lone_long_sequence() -> None:
    library = np.array([(128, 128)], dtype=np.float64)
    h = shape(batch=1.0, q=1.0, kv=65536.0, heads=2.0, kv_heads=1.0)
    split = ka.best_attention(PLAIN, library, h, 128.0, 16.0, 262144.0)
    whole = ka.attention(PLAIN, h, 128.0, 16.0, 262144.0, 128.0, 128.0, 1.0, 1.0, 0.0)
    assert split.splits >= 4
    assert split.cycles < whole.cycles / 3
    short = ka.best_attention(PLAIN, library, h._replace(kv=64.0), 128.0, 16.0, 262144.0)
    assert short.splits == 1


def test_under_a_power_limit_the_plan_that_moves_less_wins() -> None:
    small_l2 = PLAIN._replace(l2_capacity=1e6, dram_read=1e6, dram_write=1e6)  # traffic costs no time
    library = np.array([(64, 64, 64), (128, 128, 64)], dtype=np.float64)
    free = best_gemm(small_l2, library, [(4096.0, 1.0)], 4096.0, 4096.0)
    hot = best_gemm(small_l2, library, [(4096.0, 1.0)], 4096.0, 4096.0, floor=10.0 * free.cycles, per_byte=1.0)
    assert hot.hbm_bytes <= free.hbm_bytes
    for tile in library:
        p = gemm(small_l2, 4096.0, 4096.0, 4096.0, tuple(tile), 1.0, 1.0)
        assert hot.hbm_bytes <= p.hbm_bytes
