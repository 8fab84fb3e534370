"""Fold level of a systolic array: the cycles of `array_registers` from a recurrence over folds, no PE loop.

Everything in the array moves as a wave: PE (r, c) does in cycle t + r + c what PE (0, 0) does in cycle t. It is enough
to follow PE (0, 0); the wave's tail of (R - 1) + (C - 1) cycles is added where the array has to empty. A partial tile
costs what a full one costs: sums fall through all R rows and the wave leaves through the last column.

With a second set of registers (`shadow`), s[f] being the cycle in which fold f begins to stream and ``port`` the cycles
that a tile occupies the load or drain port:

- stationary operand: tile f + 1 may load from s[f] on, when tile f has left the second set, so
  ``s[0] = port``, ``s[f + 1] = s[f] + max(stream[f], port)``; the last wave is ``stream[F - 1]`` and the tail.
- stationary output: the sums of fold f - 1 drain from s[f] on, and fold f may push its own after them only when they
  are out, so ``s[0] = 0``, ``s[1] = stream[0]``, ``s[f + 1] = s[f] + max(stream[f], port)``; after the last comes its
  drain and the tail.

Without it every fold costs ``port + stream + tail``: with one row per cycle 2R + C + T - 2 (Samajdar et al., "A
systematic methodology for characterizing scalability of DNN accelerators using SCALE-Sim", ISPASS 2020, eq. 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class Times(NamedTuple):
    """Cycles by cause; see `array_registers.Stretch`."""

    load: int
    stream: int
    drain: int
    skew: int


class Words(NamedTuple):
    """Words read at the two edges of the array and results that leave it."""

    left: int
    top: int
    results: int


@njit(cache=True)
def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


@njit(cache=True)
def fold_total(streams: np.ndarray, times: np.ndarray, port: int, tail: int, drains: bool, shadow: bool) -> Times:
    """Time folds one after the other on one array.

    Parameters
    ----------
    streams
        Cycles in which moving operands enter, one entry per run of equal folds.
    times
        Folds in each run.
    port
        Cycles to load a stationary tile or to drain one of results.
    tail
        Cycles from the last event at PE (0, 0) to the same event at PE (R - 1, C - 1): R + C - 2.
    drains
        Whether the output is the stationary operand, so that the port drains instead of loading.
    shadow
        Whether the PEs have a second set of registers, so that the port works while operands stream.

    Returns
    -------
    Times
    """
    stream = waits = folds = 0
    for run in range(len(streams)):
        stream += streams[run] * times[run]
        waits += max(0, port - streams[run]) * times[run]
        folds += times[run]
    if not shadow:
        waits, tail = folds * port, folds * tail
    elif drains:  # nothing drains while the first fold streams; the last results drain with nothing to hide behind
        waits += port - max(0, port - streams[0])
    else:  # nothing hides the first load; nothing loads while the last fold streams
        waits += port - max(0, port - streams[-1])
    return Times(0, stream, waits, tail) if drains else Times(waits, stream, 0, tail)


@njit(cache=True)
def product_times(
    height: int, width: int, length: int, rows: int, cols: int, lanes: int, port_rows: int, drains: bool, shadow: bool,
) -> tuple[Times, Words, int]:
    """Time a product whose stationary operand is `height` x `width` and past which `length` moving rows stream.

    Parameters
    ----------
    height, width, length
        (Sr, Sc, T): (K, N, M) with stationary weights, (K, M, N) with stationary inputs, (M, N, K) with stationary
        outputs.
    rows, cols
        Processing elements.
    lanes
        Moving rows (stationary outputs: values of k) per cycle.
    port_rows
        Rows of a tile per cycle that enter or leave through the port.
    drains, shadow
        As in `fold_total`.

    Returns
    -------
    tuple
        `Times`, `Words`, folds.
    """
    down, across = ceil_div(height, rows), ceil_div(width, cols)
    folds = down * across
    streams, times = np.empty(1, np.int64), np.empty(1, np.int64)
    streams[0], times[0] = ceil_div(length, lanes), folds
    spent = fold_total(streams, times, ceil_div(rows, port_rows), rows + cols - 2, drains, shadow)
    if drains:
        words = Words(height * length * across, width * length * down, height * width)
    else:
        words = Words(height * length * across, height * width, width * length * down)
    return spent, words, folds
