"""Fold-level timing of a systolic array: folds, blocks, and the walk over a blocked product.

A *fold* is one tile (rows x cols of the array) of the operand that stays, with the rows that stream past it. A *block*
is what is in the scratchpad at once: bm x bk of operand a times bk x bn of operand b. A *walk* is the sequence of
blocks that makes up a product, each loaded from device memory while the one before computes. Times of a walk are
seconds, times of a block are cycles of the array's clock. One multiply-accumulate is 2 FLOP; sizes are elements.

With shadow registers the folds of a block take ``load + sum over all but the last of max(stream, load, issue) + the
last stream + latency`` cycles: the first tile has nothing to hide behind, the last has nothing to load behind it, and
its results leave one latency later. Nothing overlaps from one block to the next: a block step is one turn of a loop
that was scheduled as a whole, and ends when its results are there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

WS, OS, IS = 0, 1, 2
"""Dataflows: b (weights), the output, or a (inputs) stays in the array."""

FIGURES = 7
"""What `fill_blocks` keeps of each block."""


class Engine(NamedTuple):
    """One core with its share of device memory. Rates are per cycle of the array's clock unless they say seconds."""

    rows: int  # processing elements along K
    cols: int  # processing elements along N
    arrays: int  # arrays of the core
    flows: int  # dataflows allowed: bit 0, 1, 2 for WS, OS, IS
    shadow: int  # 1: the next tile loads (a finished one drains) beside the one in use
    rate: float  # moving rows per cycle of one array
    granule: int  # moving rows are issued in groups of this many
    min_issue: float  # fewest cycles that a fold occupies its array
    load: float  # cycles to load one stationary tile
    drain: float  # cycles to move one tile of finished sums out of the array, where these stay in it
    latency: float  # cycles that the last result of a row leaves after the row's first element entered
    keep_rows: int  # moving rows whose partial sums stay beside the array
    read_port: float  # bytes per cycle out of the scratchpad
    write_port: float  # bytes per cycle into the scratchpad
    operand: float  # bytes of one element as the array takes it
    clock: float  # Hz
    vector: float  # plain vector operations per second
    exps: float  # transcendental operations per second
    cross: float  # elements per second moved across lanes
    row_lanes: float  # lanes across which neighbours of a row lie
    capacity: float  # bytes of scratchpad that blocks may fill
    free: float  # bytes of scratchpad beside those, for a whole operand
    read_latency: float  # s, device memory to scratchpad
    write_latency: float  # s, scratchpad to device memory
    step: float  # s, fixed cost of one block step
    bandwidth: float  # bytes per second of device memory, all cores together
    dma: float  # bytes per second that one core's DMA engines move at most
    write_cost: float  # time that device memory takes for a byte written over that for a byte read


class Gemm(NamedTuple):
    """A product ``out[m, n] += a[m, k] b[k, n]``, `batch` times, with what is fused to its operands and its output."""

    m: int
    n: int
    k: int
    batch: int
    a_size: float  # bytes of one element of a in memory
    b_size: float  # bytes of one element of b in memory
    a_ops: float  # plain vector operations, per element of a that is loaded
    a_exps: float  # transcendental operations, per element of a that is loaded
    b_ops: float  # plain vector operations, per element of b that is loaded
    side: float  # bytes read beside the product, per element of output
    out: float  # bytes written, per element of output
    ops: float  # plain vector operations, per element of output
    exps: float  # transcendental operations, per element of output


class Split(NamedTuple):
    """Where the seconds of a walk go; they sum to its seconds."""

    streaming: float  # arrays take moving rows, padded ones included
    loading: float  # arrays wait for stationary tiles (or for finished sums to leave)
    skew: float  # the wavefront fills and drains
    ports: float  # waiting for scratchpad ports
    vector: float  # waiting for the vector unit
    memory: float  # waiting for device memory or the DMA engines
    latency: float  # of the first DMA in and the last one out
    steps: float  # overhead of block steps
    idle: float  # the core has run out of work, others have not


class Walk(NamedTuple):
    """What one core does over a whole product: seconds per resource, and bytes."""

    seconds: float  # from the first DMA issued to the last byte written
    matrix: float  # the arrays stream or wait for weights
    port: float  # scratchpad ports
    vector: float  # vector unit
    memory: float  # device memory or the core's DMA engines move bytes
    fixed: float  # DMA latency, step overhead, fill and drain
    read: float  # bytes from device memory
    written: float  # bytes to device memory
    on_chip: float  # bytes through the scratchpad's ports: moving rows, weight tiles, partial sums, results
    macs: float  # multiply-accumulates of the result, padding left out
    split: Split


@njit(cache=True)
def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


@njit(cache=True)
def transfer(e: Engine, bandwidth: float, read: float, written: float) -> float:
    """Seconds to move bytes between device memory and one core that has `bandwidth` of it.

    Writes cost device memory more than reads (the bus turns around); the core's DMA engines do not care.
    """
    return max((read + written * e.write_cost) / bandwidth, (read + written) / e.dma)


@njit(cache=True)
def chain(e: Engine, stream: float, move: float, last: float, folds: float) -> tuple[float, float]:
    """Cycles of equal folds one after the other.

    Parameters
    ----------
    e
        The core.
    stream, last
        Cycles that one fold streams, and that the last one does.
    move
        Cycles to load a fold's tile, or to drain its sums.
    folds
        Folds, the last included.

    Returns
    -------
    tuple
        Cycles of all folds as if another followed (folds of more blocks can be added), and what the end adds: the
        first load (or last drain) and the latency, less what no fold followed to wait for.
    """
    if e.shadow:
        final = max(last, e.min_issue)
        behind = max(0.0, move - final)  # what another tile would wait for
        return (folds - 1.0) * max(stream, move, e.min_issue) + final + behind, move + e.latency - behind
    extra = move + e.latency  # the array empties before each tile is replaced
    return (folds - 1.0) * (max(stream, e.min_issue) + extra) + max(last, e.min_issue) + extra, 0.0


@njit(cache=True)
def stream_cycles(e: Engine, m: int) -> float:
    """Whole cycles in which `m` moving rows, in whole granules, enter an array."""
    return float(np.ceil(ceil_div(m, e.granule) * e.granule / e.rate))


@njit(cache=True)
def fold_cycles(e: Engine, m: int) -> float:
    """Cycles that `m` moving rows occupy an array per weight tile.

    Rows come in whole granules; the next tile loads meanwhile, so a fold costs the longer of stream and load.
    """
    stream = stream_cycles(e, m)
    return chain(e, stream, e.load, stream, 1.0)[0]


@njit(cache=True)
def least_end(e: Engine) -> float:
    """Fewest cycles that the end of a block adds to its folds."""
    return e.latency if e.shadow else 0.0


@njit(cache=True)
def block_way(
    e: Engine, flow: int, m: int, n: int, k: int, carried: bool, result: float, s: int, beside: bool
) -> tuple[float, float, float, float, float]:
    """Time one way of a block product in the scratchpad.

    With stationary weights the block has ``ceil(k / rows) x ceil(n / cols)`` tiles, past each of which m rows stream;
    stationary inputs exchange the roles of a and b. The arrays take different tiles; where there are fewer tiles than
    arrays (or a remainder), `s` arrays may share one and split its moving rows. Partial sums over the k tiles either
    stay `beside` the array for chunks of at most `keep_rows` moving rows, so that every chunk loads the tiles again,
    or cross the scratchpad once per k tile. With stationary outputs a tile is ``rows x cols`` of the result, both
    operands stream, and the sums leave when k has gone by.

    Parameters
    ----------
    e
        The core.
    flow
        ``WS``, ``OS`` or ``IS``.
    m, n, k
        Block size in elements.
    carried
        Whether float32 partial sums of earlier blocks are added.
    result
        Bytes stored per element of output.
    s, beside
        The way.

    Returns
    -------
    tuple
        Array cycles as of `chain`, cycles in which an array streams, cycles that the block's end adds, bytes read from
        and written to the scratchpad.
    """
    carry = 4.0 * m * n if carried else 0.0
    if flow == OS:
        m_tiles, n_tiles = ceil_div(m, e.rows), ceil_div(n, e.cols)
        folds = ceil_div(m_tiles * n_tiles, e.arrays)
        stream = np.ceil(k / e.rate)
        cycles, end = chain(e, stream, e.drain, stream, float(folds))
        moving = (float(m) * n_tiles + float(n) * m_tiles) * k * e.operand
        return cycles, folds * stream, end, moving + carry, result * m * n
    if flow == IS:
        m, n = n, m
    k_tiles, n_tiles = ceil_div(k, e.rows), ceil_div(n, e.cols)
    folds = ceil_div(k_tiles * n_tiles, e.arrays // s)  # stationary tiles one after the other through one array
    rows = ceil_div(ceil_div(m, s), e.granule) * e.granule
    chunk = rows
    if beside:  # as few chunks as the accumulators allow, as equal as can be: a short one would wait for its tile
        unit = max(e.granule, int(min(np.ceil(e.rate), float(e.keep_rows))))  # rows that enter in one cycle
        chunks = ceil_div(rows, max(unit, e.keep_rows // unit * unit))
        chunk = ceil_div(ceil_div(rows, chunks), unit) * unit
    chunks = ceil_div(rows, chunk)
    last = stream_cycles(e, rows - (chunks - 1) * chunk)
    cycles, end = chain(e, last, e.load, last, float(folds))
    streams = folds * last
    if chunks > 1:
        cycles += (chunks - 1) * folds * fold_cycles(e, chunk)
        streams += (chunks - 1) * folds * stream_cycles(e, chunk)
    sums = 0.0 if beside else 4.0 * (k_tiles - 1) * m * n
    moving = float(m) * k * n_tiles * e.operand  # every column of tiles reads all moving rows
    read = moving + float(k) * n * e.operand * s * chunks + sums + carry
    return cycles, streams, end, read, sums + result * m * n


@njit(cache=True)
def block_cycles(
    e: Engine, m: int, n: int, k: int, carried: bool, result: float, pack: int
) -> tuple[float, float, float, float, float, float, float]:
    """Time one block product in the `block_way`, which has the arguments, that is fastest for `pack` in a step.

    Returns
    -------
    tuple
        As `block_way`, with port cycles in front of the bytes, and the dataflow.
    """
    best = (np.inf, 0.0, 0.0, np.inf, np.inf, np.inf, 0.0)
    for flow in range(3):
        if not e.flows >> flow & 1:
            continue
        s = 1
        while s <= e.arrays:
            for beside in (False, True):
                if flow == OS and (beside or s > 1):
                    continue
                cycles, streams, end, read, written = block_way(e, flow, m, n, k, carried, result, s, beside)
                port = max(read / e.read_port, written / e.write_port)
                slow = max(cycles * pack + end, port * pack + e.latency)
                slow_best = max(best[0] * pack + best[2], best[3] * pack + e.latency)
                if slow < slow_best or (slow == slow_best and read + written < best[4] + best[5]):
                    best = (cycles, streams, end, port, read, written, float(flow))
            s *= 2
    return best


@njit(cache=True)
def places(size: int, block: int) -> tuple[int, int, int]:
    """Return (blocks, blocks that are neither first nor last, size of the last)."""
    number = ceil_div(size, block)
    return number, max(0, number - 2), size - (number - 1) * block


@njit(cache=True)
def parts(units: int, most: int) -> np.ndarray:
    """Return the numbers of parts, at most `most`, that `units` whole things can be dealt into with none left idle.

    Seven things in four parts are 2, 2, 2, 1; in five parts they are the same four, so that five is left out.
    """
    found = np.empty(most, np.int64)
    number = 0
    p = 1
    while p <= most:
        found[number] = p
        number += 1
        largest = ceil_div(units, p)
        if largest == 1:
            break
        p = ceil_div(units, largest - 1)
    return found[:number]


@njit(cache=True)
def share(size: int, parts: int, unit: int) -> int:
    """Return the largest part when `size` is cut into `parts` of whole `unit`s (the rest of the last is less)."""
    return min(size, ceil_div(ceil_div(size, unit), parts) * unit)


@njit(cache=True)
def block_sizes(size: int, unit: int) -> np.ndarray:
    """Return the block sizes worth trying: the whole, its halves, quarters, ..., in whole units, down to one unit."""
    found = np.empty(40, np.int64)
    number = 0
    parts = 1
    while number < 40:
        block = share(size, parts, unit)
        if number == 0 or block < found[number - 1]:
            found[number] = block
            number += 1
        if block <= unit:
            break
        parts *= 2
    return found[:number]


@njit(cache=True)
def beside(e: Engine, operand: float) -> bool:
    """Whether a whole operand of so many bytes stays in scratchpad that no blocks may fill.

    A compiler that knows the whole program gives kernels a fixed share of the scratchpad, and places whole tensors in
    the rest. Blocks of such an operand are used where they lie.
    """
    return operand <= e.free


@njit(cache=True)
def footprint(
    e: Engine, g: Gemm, bm: int, bn: int, bk: int, swap: bool, keep_outer: bool, keep_inner: bool, pack: int
) -> float:
    """Bytes of scratchpad that a walk needs; see `walk` for its arguments.

    Operands are double-buffered, a kept panel has one spare block for the next panel, an operand that fits whole needs
    no second buffer, and no room at all among the blocks where it fits `beside` them. The accumulator is float32. A
    result leaves through a buffer of its own while the next one accumulates; where every step ends a result, through
    two in turn.
    """
    nm, nn, nk = ceil_div(g.m, bm), ceil_div(g.n, bn), ceil_div(g.k, bk)
    a_block, b_block = g.a_size * bm * bk, g.b_size * bk * bn
    if swap:
        outer, inner, n_outer, n_inner = b_block, a_block, nn, nm
        whole_inner = g.a_size * g.m * g.k
    else:
        outer, inner, n_outer, n_inner = a_block, b_block, nm, nn
        whole_inner = g.b_size * g.k * g.n
    more = 1 if g.batch > pack else 0
    spare_outer = outer if n_outer * nk + more > 1 else 0.0
    need = (outer * nk if keep_outer else outer) + spare_outer
    if keep_inner:
        need += (0.0 if beside(e, pack * whole_inner) else whole_inner) + more * inner
    else:
        need += inner + (inner if n_inner * nk + more > 1 else 0.0)
    buffers = 2.0 if nk == 1 and n_outer * n_inner + more > 1 else 1.0
    return pack * (need + 4.0 * bm * bn + buffers * (g.out + g.side) * bm * bn)


@njit(cache=True)
def fill_blocks(e: Engine, g: Gemm, bm: int, bn: int, bk: int, pack: int, table: np.ndarray) -> None:
    """Fill ``table[smaller in m, smaller in n, place in k]`` with `block_cycles` of every distinct block of a walk.

    The place in k is 0 for the first of several (it starts the sums), 1 for a middle one, 2 for the last, which stores
    the result. Blocks that do not occur are left as they are.
    """
    nk, mid_k, last_k = places(g.k, bk)
    last_m, last_n = places(g.m, bm)[2], places(g.n, bn)[2]
    for i in range(2 if last_m < bm else 1):
        m = last_m if i else bm
        for j in range(2 if last_n < bn else 1):
            n = last_n if j else bn
            for place in range(3):
                if (place == 0 and nk == 1) or (place == 1 and mid_k == 0):
                    continue
                figures = block_cycles(
                    e, m, n, last_k if place == 2 else bk, place > 0 and nk > 1, g.out if place == 2 else 4.0, pack)
                for f, figure in enumerate(figures):
                    table[i, j, place, f] = figure


@njit(cache=True)
def walk(
    e: Engine, g: Gemm, bm: int, bn: int, bk: int, swap: bool, keep_outer: bool, keep_inner: bool, pack: int,
    bandwidth: float, table: np.ndarray,
) -> Walk:
    """Time a blocked product on one core: every block step costs max(compute + a fixed overhead, DMA).

    The overhead is instructions of the core: it waits for a block's DMAs, starts the next block's, sets the loop up.
    The DMA engines meanwhile work on what was queued a step before, so that it adds to computing and not to them.

    Loops run outer (m, or n if `swap`), inner (the other), k. An operand block is loaded in the step that first needs
    it: the outer operand's panel stays in the scratchpad over the inner loop if `keep_outer`, the inner operand stays
    whole if `keep_inner`, otherwise each step loads its block. Loads of a step overlap the step before, write-back of
    a result the steps of the next; the very first load and the very last write stand alone.

    Steps that are alike are counted, not visited: each loop has a first, a last and a number of middle iterations.

    Parameters
    ----------
    e, g
        Core and product (`g.m`, `g.n`, `g.batch` are this core's share).
    bm, bn, bk
        Block size.
    swap, keep_outer, keep_inner
        Loop order and what stays resident.
    pack
        Products that share a step: more than 1 only where a product is one block. The last step has the rest.
    bandwidth
        Bytes per second of device memory for this core (its DMA engines may move less).
    table
        From `fill_blocks`, for the same blocks and `pack`.

    Returns
    -------
    Walk
    """
    nm, mid_m, last_m = places(g.m, bm)
    nn, mid_n, last_n = places(g.n, bn)
    nk, mid_k, last_k = places(g.k, bk)
    nb, mid_b, last_b = places(g.batch, pack)
    times_m, times_n = (int(nm > 1), mid_m, 1), (int(nn > 1), mid_n, 1)
    times_k, times_b = (int(nk > 1), mid_k, 1), (int(nb > 1), mid_b, 1)
    steps = float(nm) * nn * nk * nb
    lasting = e.read_latency + e.write_latency
    matrix = port = vector = read = written = on_chip = 0.0
    streaming = loading = on_ports = on_vector = on_memory = 0.0
    for im in range(3):
        m, first_m = (last_m if im == 2 else bm), im == 0 or nm == 1
        for jn in range(3):
            if times_m[im] * times_n[jn] == 0:
                continue
            n, first_n = (last_n if jn == 2 else bn), jn == 0 or nn == 1
            load_outer = not keep_outer or (first_m if swap else first_n)
            load_inner = not keep_inner or (first_n if swap else first_m)
            load_a, load_b = (load_inner, load_outer) if swap else (load_outer, load_inner)
            for kk in range(3):
                if times_k[kk] == 0:
                    continue
                k, first_k = (last_k if kk == 2 else bk), kk == 0 or nk == 1
                block = table[int(m < bm), int(n < bn), kk]
                cycles, streams, end, ports = block[0], block[1], block[2], block[3]
                fresh_a, fresh_b = float(m) * k * load_a, float(k) * n * load_b  # elements loaded
                plain, rare = g.a_ops * fresh_a + g.b_ops * fresh_b, g.a_exps * fresh_a
                if kk == 2:
                    plain += g.ops * m * n
                    rare += g.exps * m * n
                lanes = max(plain / e.vector, rare / e.exps)
                load = g.a_size * fresh_a + g.b_size * fresh_b + g.side * m * n / nk
                store = g.out * m * n / nk
                alike = float(times_m[im]) * times_n[jn] * times_k[kk]
                for b in range(3):
                    if times_b[b] == 0:
                        continue
                    p = last_b if b == 2 else pack
                    opens = first_m and first_n and first_k and (b == 0 or nb == 1)
                    closes = im == 2 and jn == 2 and b == 2
                    array = (cycles * p + end) / e.clock
                    fed = max(array, (ports * p + e.latency) / e.clock)
                    work = max(fed, lanes * p)
                    moved = transfer(e, bandwidth, 0.0 if opens else p * load, 0.0 if closes else p * store)
                    times = alike * times_b[b]
                    loading += times * (array - (streams * p + e.latency) / e.clock)
                    on_ports += times * (fed - array)
                    on_vector += times * (work - fed)
                    on_memory += times * max(0.0, moved - work - e.step)
                    if opens:
                        on_memory += transfer(e, bandwidth, p * load, 0.0)
                count = alike * g.batch
                streaming += count * streams / e.clock
                matrix += count * cycles / e.clock
                port += count * ports / e.clock
                vector += count * lanes
                read += count * load
                written += count * store
                on_chip += count * (block[4] + block[5])
    on_memory += transfer(e, bandwidth, 0.0, last_b * g.out * last_m * last_n)
    skew = steps * e.latency / e.clock
    seconds = streaming + loading + skew + on_ports + on_vector + on_memory + lasting + steps * e.step
    macs = float(g.batch) * g.m * g.n * g.k
    return Walk(
        seconds, min(matrix, seconds), port, vector, transfer(e, bandwidth, read, written),
        lasting + steps * (e.step + e.latency / e.clock), read, written, on_chip, macs,
        Split(streaming, loading, skew, on_ports, on_vector, on_memory, lasting, steps * e.step, 0.0),
    )
