"""A stream through the vector unit in chunks: norms, elementwise operators, gathers, and sums of partial products."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from archsim.kernels.systolic import Engine, Split, Walk, ceil_div, parts, transfer


class Rows(NamedTuple):
    """What streams: bytes and operations of all rows together."""

    read: float  # bytes from device memory
    written: float  # bytes to device memory
    passes: float  # times that the inputs are read from the scratchpad
    ops: float  # plain vector operations
    exps: float  # transcendental operations
    cross: float  # elements moved across lanes


@njit(cache=True)
def stream(e: Engine, r: Rows, part: float, bandwidth: float) -> tuple[Walk, int]:
    """Time one core's `part` of the rows in `c` chunks, loads and write-backs double-buffered.

    The first chunk's load and the last one's write-back stand alone; between them each chunk costs the longer of memory
    and the core, which has a step's overhead (see `archsim.kernels.systolic.walk`) beside the vector unit or ports. The
    fastest `c` (a power of two whose chunks fit) is taken.

    Returns
    -------
    tuple
        The core's `Walk`, and `c`.
    """
    read, written = r.read * part, r.written * part
    vector = max(r.ops / e.vector, r.exps / e.exps, r.cross / e.cross) * part
    port = max(r.passes * read / e.read_port, written / e.write_port) / e.clock
    best, steps = np.inf, 1
    for i in range(17):
        c = 2**i
        if 2.0 * (read + written) / c > e.capacity and i < 16:  # two buffers of inputs and results; ever finer fits
            continue
        load, store = transfer(e, bandwidth, read / c, 0.0), transfer(e, bandwidth, 0.0, written / c)
        both = transfer(e, bandwidth, read / c, written / c)
        work = max(vector, port) / c + e.step
        ends = work if c == 1 else max(work, load) + max(work, store)
        seconds = load + ends + max(0, c - 2) * max(work, both) + store
        if seconds < best:
            best, steps = seconds, c
    lasting, overhead, work = e.read_latency + e.write_latency, steps * e.step, max(vector, port)
    moved = transfer(e, bandwidth, read, written)
    waits = work + overhead > moved  # what chunks wait for; the first and the last wait for memory anyway
    bound, stepping = (work, overhead) if waits else (0.0, 0.0)
    split = Split(0.0, 0.0, 0.0, bound if port > vector else 0.0, 0.0 if port > vector else bound,
                  best - stepping - bound, lasting, stepping, 0.0)
    return Walk(best + lasting, 0.0, port, vector, moved, lasting + overhead,
                read, written, r.passes * read + written, 0.0, split), steps


@njit(cache=True)
def then(w: Walk, m: Walk, used: float) -> Walk:
    """Return the walk `w` followed by `m`, with the bytes of `w` and of `used` cores that do what `m` does."""
    a, b = w.split, m.split
    split = Split(a.streaming + b.streaming, a.loading + b.loading, a.skew + b.skew, a.ports + b.ports,
                  a.vector + b.vector, a.memory + b.memory, a.latency + b.latency, a.steps + b.steps, a.idle + b.idle)
    return Walk(w.seconds + m.seconds, w.matrix, w.port + m.port, w.vector + m.vector, w.memory + m.memory,
                w.fixed + m.fixed, w.read + used * m.read, w.written + used * m.written, w.on_chip + used * m.on_chip,
                w.macs, split)


@njit(cache=True)
def search_rows(e: Engine, r: Rows, rows: int, cores: int) -> tuple[Walk, int, int]:
    """Return the busiest core's `Walk`, its chunks and the cores used: as many as help."""
    best, chunks, used = stream(e, r, 1.0, e.bandwidth)[0], 0, 0
    for p in parts(rows, cores):
        w, c = stream(e, r, ceil_div(rows, p) / rows, e.bandwidth / p)
        if used == 0 or w.seconds < best.seconds:
            best, chunks, used = w, c, p
    return best, chunks, used
