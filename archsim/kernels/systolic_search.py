"""The search for the fastest plan of a matrix product: split over cores, blocks, loop order, what stays resident."""

from __future__ import annotations

import numpy as np
from numba import njit

from archsim.kernels.systolic import (
    FIGURES,
    WS,
    Engine,
    Gemm,
    Walk,
    beside,
    block_sizes,
    ceil_div,
    fill_blocks,
    fold_cycles,
    footprint,
    least_end,
    parts,
    share,
    transfer,
    walk,
)
from archsim.kernels.systolic_stream import Rows, stream, then


@njit(cache=True)
def keeps(e: Engine, g: Gemm, bm: int, bn: int, bk: int, swap: bool, pack: int) -> tuple[int, int]:
    """Return which of the residency options 0..3 (outer kept + 2 * inner kept) fit, best two, -1 for none."""
    one, other = -1, -1
    for option in range(3, -1, -1):
        if footprint(e, g, bm, bn, bk, swap, option & 1 == 1, option & 2 == 2, pack) > e.capacity:
            continue
        if option == 3 or one < 0:
            one = option
        elif option > 0:
            other = option
        if one == 3:
            break
    return one, other


@njit(cache=True)
def least_bytes(e: Engine, g: Gemm, bm: int, bn: int, bk: int) -> float:
    """Return a lower bound on `footprint`: the accumulator and one block of each operand that must lie among blocks."""
    a_block = 0.0 if beside(e, g.a_size * g.m * g.k) else g.a_size * bm * bk
    b_block = 0.0 if beside(e, g.b_size * g.k * g.n) else g.b_size * bk * bn
    return 4.0 * bm * bn + min(a_block + g.b_size * bk * bn, g.a_size * bm * bk + b_block)


@njit(cache=True)
def loads(g: Gemm, bm: int, bn: int, order: int, keep: int) -> float:
    """Bytes of both operands that a walk loads, by loop order and residency (see `keeps`)."""
    outer_kept, inner_kept = keep & 1, keep >> 1
    nm, nn = ceil_div(g.m, bm), ceil_div(g.n, bn)
    a_kept, b_kept = (inner_kept, outer_kept) if order else (outer_kept, inner_kept)
    return g.batch * float(g.k) * (g.a_size * g.m * (1 if a_kept else nn) + g.b_size * g.n * (1 if b_kept else nm))


@njit(cache=True)
def part_of(e: Engine, g: Gemm, cb: int, cm: int, cn: int, ck: int) -> Gemm:
    """Return the largest share of a product dealt to cores in `cb` x `cm` x `cn` x `ck` parts of batch, m, n and k.

    Where k is split, a share leaves float32 partial sums, and what follows the product waits for their sum.
    """
    m, n, k = share(g.m, cm, e.granule), share(g.n, cn, e.cols), share(g.k, ck, e.rows)
    if ck > 1:
        return Gemm(m, n, k, ceil_div(g.batch, cb), g.a_size, g.b_size, g.a_ops, g.a_exps, g.b_ops, 0.0, 4.0, 0.0, 0.0)
    return Gemm(m, n, k, ceil_div(g.batch, cb), g.a_size, g.b_size, g.a_ops, g.a_exps, g.b_ops, g.side, g.out, g.ops,
                g.exps)


@njit(cache=True)
def add_partials(e: Engine, g: Gemm, outputs: float, ck: int, bandwidth: float) -> Walk:
    """Time the sum of `ck` partial products of `outputs` elements, dealt to the `ck` cores that hold them.

    The partial sums lie in device memory: each core reads all of its elements' partials, adds them, applies the
    epilogue and writes the result.
    """
    read, ops = outputs * (4.0 * ck + g.side), outputs * (ck - 1.0 + g.ops)
    rows = Rows(read, outputs * g.out, 1.0, ops, outputs * g.exps, 0.0)
    return stream(e, rows, 1.0 / ck, bandwidth)[0]


@njit(cache=True)
def array_cycles(e: Engine, g: Gemm, bm: int) -> float:
    """Fewest cycles of the arrays for a product whose rows come in blocks of `bm`: no array ever idle.

    Where there is a choice of dataflow, blocks may differ in it: then no array holds padding either.
    """
    if e.flows == 1 << WS:
        chunks = ceil_div(g.m, bm)
        rows = (chunks - 1) * fold_cycles(e, bm) + fold_cycles(e, g.m - (chunks - 1) * bm)
        least = float(ceil_div(g.k, e.rows)) * ceil_div(g.n, e.cols) * rows
    else:
        least = float(g.m) * g.n * g.k / (float(e.rows) * e.cols * e.rate)
    return g.batch * least / e.arrays


@njit(cache=True)
def least_seconds(e: Engine, g: Gemm, bandwidth: float) -> float:
    """Return a lower bound on every walk over a product: each resource alone, with the latencies and one step."""
    batch, outputs = float(g.batch), float(g.batch) * g.m * g.n
    ports = batch * g.k * (float(g.m) + g.n) * e.operand / e.read_port  # each operand at least once
    arrays = max(array_cycles(e, g, g.m) + least_end(e), ports + e.latency) / e.clock
    plain = outputs * g.ops + batch * g.k * (g.a_ops * g.m + g.b_ops * g.n)
    lanes = max(plain / e.vector, (outputs * g.exps + batch * g.k * g.m * g.a_exps) / e.exps)
    read = batch * g.k * (g.a_size * g.m + g.b_size * g.n) + outputs * g.side
    memory = transfer(e, bandwidth, read, outputs * g.out)
    return max(max(arrays, lanes) + e.step, memory) + e.read_latency + e.write_latency


@njit(cache=True)
def splits(e: Engine, g: Gemm, cores: int) -> np.ndarray:
    """Return all splits over at most `cores` cores, one per row: lower bound in seconds, parts of batch, m, n and k.

    Unused cores are allowed: the others then have more of the memory's bandwidth.
    """
    found = np.empty((16, 5))
    number = 0
    parts_m, parts_n = parts(ceil_div(g.m, e.granule), cores), parts(ceil_div(g.n, e.cols), cores)
    parts_k = parts(ceil_div(g.k, e.rows), cores)
    for cb in parts(g.batch, cores):
        for cm in parts_m:
            if cb * cm > cores:
                break
            for cn in parts_n:
                if cb * cm * cn > cores:
                    break
                for ck in parts_k:
                    used = cb * cm * cn * ck
                    if used > cores:
                        break
                    own, bandwidth = part_of(e, g, cb, cm, cn, ck), e.bandwidth / used
                    least = least_seconds(e, own, bandwidth)
                    if ck > 1:
                        least += add_partials(e, g, float(own.batch) * own.m * own.n, ck, bandwidth).seconds
                    if number == len(found):
                        more = np.empty((2 * number, 5))
                        for i in range(number):
                            for j in range(5):
                                more[i, j] = found[i, j]
                        found = more
                    for i, value in enumerate((least, float(cb), float(cm), float(cn), float(ck))):
                        found[number, i] = value
                    number += 1
    return found[:number]


@njit(cache=True)
def search_blocks(
    e: Engine, own: Gemm, used: int, after: float, after_bytes: float, best: float, best_bytes: float,
    plan: np.ndarray, table: np.ndarray,
) -> tuple[float, float]:
    """Search the blocks of one core's share, the large ones first; write what beats the best so far into `plan`.

    `after` and `after_bytes` are what follows the product on each of the `used` cores; see `search`.
    """
    bandwidth = e.bandwidth / used
    written = own.out * own.batch * own.m * own.n
    packs = block_sizes(own.batch, 1)
    for bm in block_sizes(own.m, e.granule):
        arrays = array_cycles(e, own, bm) / e.clock
        for bn in block_sizes(own.n, e.cols):
            for bk in block_sizes(own.k, e.rows):
                blocks = float(ceil_div(own.m, bm)) * ceil_div(own.n, bn) * ceil_div(own.k, bk)
                first = own.a_size * bm * bk + own.b_size * bk * bn
                if least_bytes(e, own, bm, bn, bk) > e.capacity:
                    continue
                opening = transfer(e, bandwidth, first, 0.0)
                for pack in packs:
                    filled = False
                    steps = blocks * ceil_div(own.batch, pack)
                    rest = e.read_latency + e.write_latency + after
                    work = arrays + steps * (least_end(e) / e.clock + e.step)
                    if (pack > 1 and blocks > 1) or rest + pack * opening + work > best:
                        continue
                    for order in range(2):
                        for keep in keeps(e, own, bm, bn, bk, order == 1, pack):
                            if keep < 0 or rest + transfer(
                                    e, bandwidth, loads(own, bm, bn, order, keep), written) > best:
                                continue
                            if not filled:
                                fill_blocks(e, own, bm, bn, bk, pack, table)
                                filled = True
                            w = walk(e, own, bm, bn, bk, order == 1, keep & 1 == 1, keep & 2 == 2, pack,
                                     bandwidth, table)
                            seconds = w.seconds + after
                            moved = (w.read + w.written + after_bytes) * used
                            if seconds < best or (seconds == best and moved < best_bytes):
                                best, best_bytes = seconds, moved
                                chosen = (bm, bn, bk, order, keep & 1, keep >> 1, pack)
                                for i, value in enumerate(chosen):
                                    plan[4 + i] = value
    return best, best_bytes


@njit(cache=True)
def search(e: Engine, g: Gemm, cores: int) -> tuple[np.ndarray, float]:
    """Find the fastest plan for a product: split over cores, block sizes, loop order, what stays resident.

    Every split is tried, the most promising first; within one, all blocks, the large ones first. Candidates with a
    lower bound (fixed costs, and the arrays or the loads alone) above the best so far are skipped, which cannot lose
    the minimum. Candidates do not depend on bandwidth, capacity or clock, and those of fewer cores are among those of
    more, so that more of these never makes the answer slower.

    Returns
    -------
    tuple
        ``[batch, m, n and k parts, bm, bn, bk, swap, keep_outer, keep_inner, pack]`` and its seconds; infinite seconds
        if not even the smallest blocks fit.
    """
    plan = np.zeros(11, np.int64)
    best, best_bytes = np.inf, np.inf
    table = np.empty((2, 2, 3, FIGURES))
    todo = splits(e, g, cores)
    for _ in range(len(todo)):
        split = 0
        for i in range(len(todo)):
            if todo[i, 0] < todo[split, 0]:
                split = i
        if todo[split, 0] > best:
            break
        todo[split, 0] = np.inf
        cb, cm, cn, ck = int(todo[split, 1]), int(todo[split, 2]), int(todo[split, 3]), int(todo[split, 4])
        own, used = part_of(e, g, cb, cm, cn, ck), cb * cm * cn * ck
        bandwidth = e.bandwidth / used
        after, after_bytes = 0.0, 0.0
        if ck > 1:
            last = add_partials(e, g, float(own.batch) * own.m * own.n, ck, bandwidth)
            after, after_bytes = last.seconds, last.read + last.written
        seconds, moved = search_blocks(e, own, used, after, after_bytes, best, best_bytes, plan, table)
        if seconds < best or moved < best_bytes:
            best, best_bytes = seconds, moved
            for i, part in enumerate((cb, cm, cn, ck)):
                plan[i] = part
    return plan, best


@njit(cache=True)
def follow(e: Engine, g: Gemm, plan: np.ndarray) -> tuple[Walk, int, float, float, float]:
    """Time a given plan (see `search`): the busiest core, which has a full share, and the traffic of all cores.

    Returns
    -------
    tuple
        The full share's `Walk`, cores used, bytes read, bytes written, bytes through scratchpad ports.
    """
    cb, cm, cn, ck, bm, bn, bk = plan[0], plan[1], plan[2], plan[3], plan[4], plan[5], plan[6]
    swap, keep_outer, keep_inner = plan[7] == 1, plan[8] == 1, plan[9] == 1
    full = part_of(e, g, cb, cm, cn, ck)
    used = cb * cm * cn * ck
    bandwidth = e.bandwidth / used
    table = np.empty((2, 2, 3, FIGURES))
    read = written = on_chip = 0.0
    first = True
    for case in range(16):  # the full shares first; the last one of each side may be smaller
        number = 1
        for bit, count in enumerate((cb, cm, cn, ck)):
            number *= 1 if case >> bit & 1 else count - 1 if count > 1 else 0
        if number == 0:
            continue
        own = Gemm(g.m - (cm - 1) * full.m if case & 2 else full.m, g.n - (cn - 1) * full.n if case & 4 else full.n,
                   g.k - (ck - 1) * full.k if case & 8 else full.k,
                   g.batch - (cb - 1) * full.batch if case & 1 else full.batch,
                   full.a_size, full.b_size, full.a_ops, full.a_exps, full.b_ops, full.side, full.out, full.ops,
                   full.exps)
        sm, sn, sk = min(bm, own.m), min(bn, own.n), min(bk, own.k)
        pack = min(plan[10], own.batch)
        fill_blocks(e, own, sm, sn, sk, pack, table)
        w = walk(e, own, sm, sn, sk, swap, keep_outer, keep_inner, pack, bandwidth, table)
        if first:
            busiest = w
            first = False
        read += number * w.read
        written += number * w.written
        on_chip += number * w.on_chip
    if ck > 1:
        last = add_partials(e, g, float(full.batch) * full.m * full.n, ck, bandwidth)
        busiest = then(busiest, last, 1.0)
        every = add_partials(e, g, float(g.batch) * g.m * g.n, ck, bandwidth)  # bytes of one of `ck` equal parts
        read += ck * every.read
        written += ck * every.written
        on_chip += ck * every.on_chip
    return busiest, used, read, written, on_chip
