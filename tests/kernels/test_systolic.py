"""The fold-level kernels against naive versions that visit every fold, block, step and plan."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.kernels import systolic as kernel
from archsim.kernels import systolic_search as searching
from archsim.kernels import systolic_stream as streaming
from archsim.timing import array

ENGINE = kernel.Engine(
    rows=128, cols=128, arrays=4, flows=1, shadow=1, rate=1.0, granule=16, min_issue=1.0, load=32.0, drain=64.0,
    latency=131.0, keep_rows=128, read_port=8192.0, write_port=4096.0, operand=2.0, clock=1.5e9, vector=6e12,
    exps=1.5e12, cross=1.5e12, row_lanes=128.0, capacity=2.0**24, free=0.0,
    read_latency=1e-6, write_latency=5e-7, step=2.5e-7, bandwidth=7e11, dma=math.inf, write_cost=1.1,
)


def gemm(m, n, k, batch=1, **more):
    return kernel.Gemm(**{"m": m, "n": n, "k": k, "batch": batch, "a_size": 2.0, "b_size": 2.0, "a_ops": 0.0,
                          "a_exps": 0.0, "b_ops": 0.0, "side": 0.0, "out": 2.0, "ops": 0.0, "exps": 0.0, **more})


@st.composite
def engines(draw):
    rows = draw(st.sampled_from([4, 8, 32, 128, 256]))
    rate = draw(st.sampled_from([0.25, 1.0, 2.0]))
    load = draw(st.sampled_from([1.0, rows / 4, float(rows)]))
    return ENGINE._replace(
        rows=rows, cols=draw(st.sampled_from([4, 16, 128])), arrays=draw(st.integers(1, 6)), rate=rate, load=load,
        flows=draw(st.sampled_from([1, 1, 2, 3, 5, 7])), shadow=draw(st.sampled_from([1, 1, 0])),
        drain=draw(st.sampled_from([4.0, 128.0])), cross=draw(st.sampled_from([1e10, 1.5e12])),
        granule=draw(st.sampled_from([1, 8, 16])), min_issue=draw(st.sampled_from([1.0, 64.0])),
        keep_rows=draw(st.integers(1, 600)), read_port=draw(st.sampled_from([64.0, 1024.0, 8192.0])),
        write_port=draw(st.sampled_from([64.0, 512.0, 4096.0])), latency=draw(st.sampled_from([1.0, 131.0])),
        capacity=draw(st.sampled_from([2.0**20, 2.0**22, 2.0**24])), free=draw(st.sampled_from([0.0, 3e5])),
        step=draw(st.sampled_from([0.0, 2.5e-7])),
        bandwidth=draw(st.sampled_from([1e10, 7e11, 1e13])), dma=draw(st.sampled_from([1e11, math.inf])),
    )


@st.composite
def gemms(draw, high=700):
    size = st.integers(1, high)
    return gemm(draw(size), draw(size), draw(size), draw(st.integers(1, 4)),
                b_size=draw(st.sampled_from([0.5, 1.0, 2.0])), a_ops=draw(st.sampled_from([0.0, 30.0])),
                a_exps=draw(st.sampled_from([0.0, 1.0])), b_ops=draw(st.sampled_from([0.0, 2.0])),
                side=draw(st.sampled_from([0.0, 2.0])),
                out=draw(st.sampled_from([1.0, 2.0, 4.0])), ops=draw(st.sampled_from([0.0, 30.0])),
                exps=draw(st.sampled_from([0.0, 1.0])))


# --- blocks -----------------------------------------------------------------------------------------------------------


def naive_folds(e, streams, move):
    """Follow one array through its folds, each of which streams for so many cycles, until the last result is there.

    Where tiles load, the first one has nothing to hide behind; where sums drain, the last. `move` is either.
    """
    now = move
    for i, stream in enumerate(streams):
        last = i == len(streams) - 1
        if e.shadow:
            now += max(stream, e.min_issue, 0.0 if last else move)  # the next tile moves meanwhile
        else:
            now += max(stream, e.min_issue) + (0.0 if last else e.latency + move)  # empty, then the next tile
    return now + e.latency


def naive_ways(e, m, n, k, carried, result):
    """Deal every tile to an array, stream every chunk of rows past it, and count every byte, in every way."""
    for flow, (rows, cols) in enumerate(((m, n), (m, n), (n, m))):
        if not e.flows & 2**flow:
            continue
        carry = 4.0 * m * n * carried
        if flow == kernel.OS:
            tiles = [(min(e.rows, m - i), min(e.cols, n - j)) for i in range(0, m, e.rows) for j in range(0, n, e.cols)]
            streams = [math.ceil(k / e.rate)] * math.ceil(len(tiles) / e.arrays)
            read = carry + sum((height + width) * k * e.operand for height, width in tiles)
            yield naive_folds(e, streams, e.drain), read, result * m * n
            continue
        tiles = [(i, j) for j in range(0, cols, e.cols) for i in range(0, k, e.rows)]
        sharing = 1  # arrays that hold the same tile and split the moving rows
        while sharing <= e.arrays:
            mine = math.ceil(math.ceil(rows / sharing) / e.granule) * e.granule
            for in_place in (False, True):
                chunk = mine
                if in_place:  # the most rows that fit, in as few and as equal chunks
                    unit = max(e.granule, min(math.ceil(e.rate), e.keep_rows))
                    fewest = math.ceil(mine / max(unit, e.keep_rows // unit * unit))
                    chunk = math.ceil(mine / fewest / unit) * unit
                chunks = range(0, mine, chunk)
                busiest = tiles[:: e.arrays // sharing]
                streams = [math.ceil(min(chunk, mine - c) / e.rate) for c in chunks for _ in busiest]
                crossing = 0.0 if in_place else 4.0 * m * n * (math.ceil(k / e.rows) - 1)
                read = crossing + carry
                for i, j in tiles:
                    depth, width = min(e.rows, k - i), min(e.cols, cols - j)
                    read += rows * depth * e.operand + depth * width * e.operand * sharing * len(chunks)
                yield naive_folds(e, streams, e.load), read, crossing + result * m * n
            sharing *= 2


@given(engines(), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_a_block_is_the_sum_of_its_folds(e, m, n, k, carried):
    cycles, streams, end, port, read, written, flow = kernel.block_cycles(e, m, n, k, carried, 2.0, 1)
    slow, moved = min((max(busy, max(got / e.read_port, put / e.write_port) + e.latency), got + put)
                      for busy, got, put in naive_ways(e, m, n, k, carried, 2.0))
    assert max(cycles + end, port + e.latency) == pytest.approx(slow)
    assert read + written == pytest.approx(moved)
    assert streams >= m * n * k / (e.rows * e.cols * e.arrays * e.rate) * (1 - 1e-12)
    assert cycles + end >= streams + e.latency
    assert end >= kernel.least_end(e)
    assert e.flows >> int(flow) & 1


@given(engines(), st.lists(st.integers(1, 300), min_size=1, max_size=5), st.integers(1, 4))
def test_folds_of_more_blocks_add_up(e, streams, more):
    """Cycles of folds, as if more followed, can be added; the end of the last block comes once."""
    stream, last = float(streams[0]), float(streams[-1])
    cycles, end = kernel.chain(e, stream, e.load, last, float(len(streams)))
    one = [stream] * (len(streams) - 1) + [last]
    assert cycles + end == pytest.approx(naive_folds(e, one, e.load))
    assert cycles * more + end == pytest.approx(naive_folds(e, one * more, e.load))


def test_a_fold_costs_the_longer_of_stream_and_weight_load():
    assert kernel.fold_cycles(ENGINE, 8) == 32.0  # 16 rows stream, 32 cycles load
    assert kernel.fold_cycles(ENGINE, 32) == 32.0
    assert kernel.fold_cycles(ENGINE, 33) == 48.0  # whole granules of 16 rows
    assert kernel.fold_cycles(ENGINE._replace(min_issue=64.0), 8) == 64.0
    assert kernel.fold_cycles(ENGINE._replace(shadow=0), 33) == 32.0 + 48.0 + 131.0


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40),
       st.sampled_from(["ws", "os", "is"]), st.booleans(), st.integers(1, 3), st.integers(1, 5))
def test_one_array_with_ideal_memory_is_the_fold_level_to_the_cycle(m, n, k, rows, cols, flow, shadow, lanes, port):
    """The register level proves `array.count`; a product in one block on one array costs as many cycles."""
    truth = array.count(m, n, k, rows=rows, cols=cols, dataflow=flow, shadow=shadow, rows_per_cycle=lanes,
                        load_rows=port)
    move = float(math.ceil(rows / min(port, rows)))
    e = ENGINE._replace(rows=rows, cols=cols, arrays=1, flows={"ws": 1, "os": 2, "is": 4}[flow], shadow=int(shadow),
                        rate=float(lanes), granule=1, load=move, drain=move, latency=rows + cols - 2.0, keep_rows=m + n,
                        read_port=math.inf, write_port=math.inf, clock=1.0, vector=math.inf, exps=math.inf,
                        cross=math.inf, capacity=math.inf, read_latency=0.0, write_latency=0.0, step=0.0,
                        bandwidth=math.inf, dma=math.inf)
    cycles, streams, end, *_ = kernel.block_cycles(e, m, n, k, False, 2.0, 1)
    assert cycles + end == truth.cycles
    assert streams == truth.stream
    plan, seconds = searching.search(e, gemm(m, n, k), 1)
    w, *_ = searching.follow(e, gemm(m, n, k), plan)
    assert seconds == w.seconds == truth.cycles
    assert w.split.streaming == truth.stream
    if shadow:
        assert w.split.loading == truth.load + truth.drain
        assert w.split.skew == truth.skew


# --- walks ------------------------------------------------------------------------------------------------------------


def naive_walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, bandwidth):
    """Visit every step in order; load what is not on chip; write a result while the next is computed."""
    ms, ns, ks = ([(i, min(b, size - i)) for i in range(0, size, b)]
                  for size, b in ((g.m, bm), (g.n, bn), (g.k, bk)))
    tiles = [(i, j) for j in ns for i in ms] if swap else [(i, j) for i in ms for j in ns]
    steps = [(b, i, j, p) for b in range(0, g.batch, pack) for i, j in tiles for p in ks]
    seconds = e.read_latency + e.write_latency
    read = written = 0.0
    seen = set()

    def move(read, written):
        return max((read + written * e.write_cost) / bandwidth, (read + written) / e.dma)

    for b, i, j, p in steps:
        m, n, k = i[1], j[1], p[1]  # of each product
        together = min(pack, g.batch - b)  # products in this step
        fresh = {}
        for name, block in (("a", (b, i, p)), ("b", (b, p, j))):
            keep = keep_outer if (name == "b") == swap else keep_inner
            fresh[name] = not keep or (name, block) not in seen
            seen.add((name, block))
        load = g.a_size * m * k * fresh["a"] + g.b_size * k * n * fresh["b"] + g.side * m * n / len(ks)
        store = g.out * m * n / len(ks)
        plain = g.b_ops * k * n * fresh["b"] + g.a_ops * m * k * fresh["a"] + g.ops * m * n * (p == ks[-1])
        lanes = max(plain / e.vector, (g.exps * m * n * (p == ks[-1]) + g.a_exps * m * k * fresh["a"]) / e.exps)
        cycles, _, end, port, *_ = kernel.block_cycles(e, m, n, k, p != ks[0], g.out if p == ks[-1] else 4.0, pack)
        work = max((cycles * together + end) / e.clock, (port * together + e.latency) / e.clock, lanes * together)
        loaded = stored = 0.0
        if (b, i, j, p) == steps[0]:
            seconds += move(together * load, 0.0)  # nothing to hide behind
        else:
            loaded = together * load
        if (b, i, j) != steps[-1][:3]:
            stored = together * store
        seconds += max(work + e.step, move(loaded, stored))
        read += together * load
        written += together * store
    return seconds + move(0.0, together * g.out * ms[-1][1] * ns[-1][1]), read, written


@given(engines(), gemms(high=300), st.sampled_from([16, 64, 300]), st.sampled_from([16, 100, 300]),
       st.sampled_from([20, 64, 300]), st.booleans(), st.booleans(), st.booleans())
def test_a_walk_is_the_sum_of_its_steps(e, g, bm, bn, bk, swap, keep_outer, keep_inner):
    check_walk(e, g, min(bm, g.m), min(bn, g.n), min(bk, g.k), swap, keep_outer, keep_inner, 1)


@given(engines(), gemms(high=300), st.integers(1, 20), st.integers(1, 9), st.booleans())
def test_products_share_steps_and_the_last_step_has_the_rest(e, g, batch, pack, keep):
    check_walk(e, g._replace(batch=batch), g.m, g.n, g.k, False, keep, keep, min(pack, batch))


def check_walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack):
    table = np.empty((2, 2, 3, kernel.FIGURES))
    kernel.fill_blocks(e, g, bm, bn, bk, pack, table)
    w = kernel.walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, 7e11, table)
    seconds, read, written = naive_walk(e, g, bm, bn, bk, swap, keep_outer, keep_inner, pack, 7e11)
    assert w.seconds == pytest.approx(seconds, rel=1e-9)
    assert w.read == pytest.approx(read, rel=1e-9)
    assert w.written == pytest.approx(written, rel=1e-9)
    assert w.memory == max((w.read + w.written * e.write_cost) / 7e11, (w.read + w.written) / e.dma)
    for busy in (w.matrix, w.port, w.vector, w.fixed, w.memory):
        assert busy <= w.seconds * (1 + 1e-12)
    assert sum(w.split) == pytest.approx(w.seconds, rel=1e-9)
    assert min(w.split) >= -1e-15
    assert w.split.streaming >= w.macs / (e.rows * e.cols * e.arrays * e.rate * e.clock) * (1 - 1e-12)


def test_places_parts_and_block_sizes():
    assert kernel.places(10, 4) == (3, 1, 2)
    assert list(kernel.parts(7, 10)) == [1, 2, 3, 4, 7]  # in five or six parts one at least holds two, as in four
    assert list(kernel.parts(7, 3)) == [1, 2, 3]
    assert list(kernel.block_sizes(8192, 1024)) == [8192, 4096, 2048, 1024]
    assert list(kernel.block_sizes(3000, 500)) == [3000, 1500, 1000, 500]
    assert list(kernel.block_sizes(100, 128)) == [100]


@given(st.integers(1, 100), st.integers(1, 100))
def test_parts_leave_out_only_deals_that_change_nothing(units, most):
    largest = {p: -(-units // p) for p in range(1, min(units, most) + 1)}
    first = [p for p, size in largest.items() if p == 1 or largest[p - 1] != size]
    assert list(kernel.parts(units, most)) == first


# --- streams ----------------------------------------------------------------------------------------------------------


def naive_stream(e, read, written, work, bandwidth, chunks):
    """Visit every chunk: it computes while the next one loads and the one before is written back."""
    def move(read, written):
        return max((read + written * e.write_cost) / bandwidth, (read + written) / e.dma)

    seconds = move(read / chunks, 0.0)
    for i in range(chunks):
        loaded = read / chunks if i < chunks - 1 else 0.0
        stored = written / chunks if i > 0 else 0.0
        seconds += max(work / chunks + e.step, move(loaded, stored))
    return seconds + move(0.0, written / chunks) + e.read_latency + e.write_latency


@given(engines(), st.floats(1e3, 1e8), st.floats(1e3, 1e8), st.sampled_from([0.0, 1e4, 1e9]), st.integers(1, 5))
def test_a_stream_is_the_best_sum_of_its_chunks(e, read, written, ops, used):
    rows = streaming.Rows(read, written, 2.0, ops, 0.0, ops)
    w, chunks = streaming.stream(e, rows, 1.0 / used, e.bandwidth / used)
    got, put = read / used, written / used
    work = max(ops / used / e.vector, ops / used / e.cross, max(2.0 * got / e.read_port, put / e.write_port) / e.clock)
    found = {c: naive_stream(e, got, put, work, e.bandwidth / used, c) for c in (2**i for i in range(11))
             if 2 * (got + put) / c <= e.capacity}
    assert w.seconds <= min(found.values()) * (1 + 1e-12)
    if chunks in found:
        assert w.seconds == pytest.approx(found[chunks], rel=1e-12)
    assert max(w.port, w.vector, w.memory, w.fixed) <= w.seconds
    assert sum(w.split) == pytest.approx(w.seconds, rel=1e-9)
    assert min(w.split) >= -1e-12 * w.seconds


# --- the search -------------------------------------------------------------------------------------------------------


def every_split(cores):
    """Parts of batch, m, n and k that need no more than `cores`."""
    return [parts for parts in itertools.product(range(1, cores + 1), repeat=4) if math.prod(parts) <= cores]


def exhaustive(e, g, cores):
    """Try every candidate without pruning, with every residency that fits."""
    best = math.inf
    table = np.empty((2, 2, 3, kernel.FIGURES))
    for cb, cm, cn, ck in every_split(cores):
        own = g._replace(m=kernel.share(g.m, cm, e.granule), n=kernel.share(g.n, cn, e.cols),
                         k=kernel.share(g.k, ck, e.rows), batch=-(-g.batch // cb))
        used = -(-g.m // own.m) * -(-g.n // own.n) * -(-g.batch // own.batch) * -(-g.k // own.k)
        after = 0.0
        if own.k < g.k:  # partial sums in float32 leave; then each core adds its part of them
            parts, outputs = -(-g.k // own.k), own.batch * own.m * own.n
            add = streaming.Rows(outputs * (4.0 * parts + g.side), outputs * g.out, 1.0,
                                 outputs * (parts - 1 + g.ops), outputs * g.exps, 0.0)
            after = streaming.stream(e, add, 1 / parts, e.bandwidth / used)[0].seconds
            own = own._replace(side=0.0, out=4.0, ops=0.0, exps=0.0)
        sizes = (kernel.block_sizes(own.m, e.granule), kernel.block_sizes(own.n, e.cols),
                 kernel.block_sizes(own.k, e.rows))
        for bm, bn, bk in itertools.product(*sizes):
            single = (bm, bn, bk) == (own.m, own.n, own.k)
            packs = [int(p) for p in kernel.block_sizes(own.batch, 1)] if single else [1]
            for *how, pack in itertools.product((False, True), (False, True), (False, True), packs):
                if kernel.footprint(e, own, bm, bn, bk, *how, pack) <= e.capacity:
                    kernel.fill_blocks(e, own, bm, bn, bk, pack, table)
                    w = kernel.walk(e, own, bm, bn, bk, *how, pack, e.bandwidth / used, table)
                    best = min(best, w.seconds + after)
    return best


@given(engines(), gemms(high=400), st.sampled_from([1, 2, 3, 4, 5]))
def test_the_search_finds_what_an_exhaustive_one_finds(e, g, cores):
    plan, seconds = searching.search(e, g, cores)
    assert seconds == pytest.approx(exhaustive(e, g, cores), rel=1e-12)
    if math.isfinite(seconds):
        busiest, used, read, written, _ = searching.follow(e, g, plan)
        assert busiest.seconds == pytest.approx(seconds, rel=1e-12)
        assert 1 <= used <= cores
        product = g.batch * (g.a_size * g.m * g.k + g.b_size * g.k * g.n + g.side * g.m * g.n)
        partials = 4.0 * plan[3] * g.batch * g.m * g.n if plan[3] > 1 else 0.0
        assert read >= (product + partials) * (1 - 1e-12)
        assert written == pytest.approx(g.out * g.batch * g.m * g.n + partials)
        for busy in (busiest.matrix, busiest.port, busiest.vector, busiest.memory, busiest.fixed):
            assert busy <= seconds * (1 + 1e-12)


@given(engines(), gemms(high=3000), st.integers(1, 12), st.integers(1, 12))
def test_more_cores_never_make_a_product_slower(e, g, cores, more):
    assert searching.search(e, g, cores + more)[1] <= searching.search(e, g, cores)[1] * (1 + 1e-12)


@given(engines(), gemms(high=2000), st.integers(2, 8))
def test_no_split_beats_its_lower_bound(e, g, cores):
    table = np.empty((2, 2, 3, kernel.FIGURES))
    for least, *split in searching.splits(e, g, cores):
        cb, cm, cn, ck = (int(p) for p in split)
        own = searching.part_of(e, g, cb, cm, cn, ck)
        bandwidth = e.bandwidth / (cb * cm * cn * ck)
        after = searching.add_partials(e, g, float(own.batch * own.m * own.n), ck, bandwidth).seconds if ck > 1 else 0.0
        for parts in (1, 3):
            blocks = (kernel.share(own.m, parts, e.granule), kernel.share(own.n, parts, e.cols),
                      kernel.share(own.k, parts, e.rows))
            kernel.fill_blocks(e, own, *blocks, 1, table)
            w = kernel.walk(e, own, *blocks, False, True, True, 1, bandwidth, table)
            assert w.seconds + after >= least * (1 - 1e-12)


@given(engines(), gemms(high=900), st.integers(2, 4), st.integers(1, 2))
def test_a_split_contraction_is_its_parts_and_then_their_sum(e, g, ck, cn):
    e = e._replace(step=2.5e-7)  # else streams have ever more chunks
    ck = int(kernel.parts(-(-g.k // e.rows), ck)[-1])
    cn = int(kernel.parts(-(-g.n // e.cols), cn)[-1])
    assume(ck > 1)
    k, n, bandwidth = kernel.share(g.k, ck, e.rows), kernel.share(g.n, cn, e.cols), e.bandwidth / (ck * cn)
    w, used, read, written, _ = searching.follow(e, g, np.array([1, 1, cn, ck, g.m, n, k, 0, 0, 0, 1]))
    part = g._replace(n=n, k=k, side=0.0, out=4.0, ops=0.0, exps=0.0)
    seconds, *_ = naive_walk(e, part, g.m, n, k, False, False, False, 1, bandwidth)
    mine = g.batch * g.m * n / ck  # outputs that one core adds up
    got, put = mine * (4.0 * ck + g.side), mine * g.out
    work = max(mine * (ck - 1 + g.ops) / e.vector, mine * g.exps / e.exps,
               got / e.read_port / e.clock, put / e.write_port / e.clock)
    add = min(naive_stream(e, got, put, work, bandwidth, 2**i) for i in range(10)
              if 2 * (got + put) / 2**i <= e.capacity)
    assert used == ck * cn
    assert w.seconds == pytest.approx(seconds + add, rel=1e-9)
    partials = 4.0 * ck * g.batch * g.m * g.n
    assert written == pytest.approx(partials + g.batch * g.m * g.n * g.out)
    operands = g.batch * g.k * (g.a_size * g.m * cn + g.b_size * g.n)
    assert read == pytest.approx(operands + partials + g.batch * g.m * g.n * g.side)


def test_a_long_contraction_is_split_over_the_cores():
    long = gemm(8, 64, 500_000)
    (plan, seconds), alone = searching.search(ENGINE._replace(dma=1.5e11), long, 4), searching.search(
        ENGINE._replace(dma=1.5e11), long, 1)[1]
    assert plan[3] == 4
    assert alone / seconds > 3.5
