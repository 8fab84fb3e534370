"""Edges of a systolic array and ways of tiles: what enters, what leaves, what goes past PEs to where it is kept.

Planes of registers are as in `array_planes`; the cycle is ``t``. Delay lines hold what the controller issued at PE
(0, 0), 3 x cycles (a power of two of them, so that ``&`` wraps): a step or the first moving row, -1 for none; the first
row of its tile in the matrix; the first column. Row r and column c see it r and c cycles later.

``age`` is the cycles since a wave began: it is then at the PEs (r, c) with r + c = age. A word on the lanes of the
port goes down with it and enters ``r // port`` cycles late, as the port moves `port` rows per cycle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from archsim.kernels.array_planes import place

Plane = np.ndarray[Any, np.dtype[Any]]


@njit(cache=True)
def delay_line(length: int) -> np.ndarray:
    """Return an empty delay line of at least `length` cycles."""
    size = 1
    while size < length:
        size *= 2
    return np.full((3, size), -1)


@njit(cache=True)
def feed(
    planes: Plane, mark: Plane, matrix: Plane, issued: Plane, side: int, ends: int, step: int, number: int, t: int,
) -> int:
    """Put moving operands at an edge; return how many words of the matrix were read.

    Parameters
    ----------
    planes, mark
        Moving operands (lanes x registers), and marks of those that are data.
    matrix
        Its rows enter at rows (columns) of the array, its columns one after the other, a group of lanes per cycle.
    issued
        Delay line of the first column of each group.
    side
        Entry of the delay line that says where the tile begins: 1 at the left edge, 2 at the top edge.
    ends, step, number
        Where the edge of row (column) 0 is in a plane, how far before it the next one, and how many there are.
    """
    height, length = matrix.shape
    lanes, wrap = planes.shape[0], issued.shape[1] - 1
    words = 0
    for i in range(number):
        edge = ends - i * step
        at = (t - i) & wrap
        first, row = issued[0, at], issued[side, at] + i
        valid = first >= 0 and row < height
        mark[edge] = valid
        for lane in range(lanes):
            if valid and first + lane < length:
                planes[lane, edge] = matrix[row, first + lane]
                words += 1
            else:
                planes[lane, edge] = 0
    return words


@njit(cache=True)
def feed_tile(planes: Plane, tiles: Plane, loading: Plane, rows: int, cols: int, t: int) -> tuple[int, int]:
    """Put words of a tile on the load lanes at the top edge; return words read, and most rows moved into a column."""
    depth, width = tiles.shape
    port, wrap = planes.shape[0], loading.shape[1] - 1
    words = most = 0
    for c in range(cols):
        at = (t - c) & wrap
        n, moved = loading[2, at] + c, 0
        for lane in range(port):
            r = loading[0, at] * port + lane
            k = loading[1, at] + r
            value = tiles.dtype.type(0)
            if loading[0, at] >= 0 and r < rows:
                moved += 1
                if k < depth and n < width:
                    value = tiles[k, n]
                    words += 1
            planes[lane, rows * (cols + 1) + cols - 1 - c] = value
        most = max(most, moved)
    return words, most


@njit(cache=True)
def take_over(to: Plane, of: Plane, age: int, rows: int, cols: int) -> int:
    """Copy registers where a wave is; return how many."""
    low, high = max(0, age - cols + 1), min(rows - 1, age)
    for r in range(low, high + 1):
        i = place(r, age - r, rows, cols)
        to[i] = of[i]
    return max(0, high + 1 - low)


@njit(cache=True)
def keep(
    to: Plane, real: Plane, planes: Plane, age: int, height: int, width: int, rows: int, cols: int,
) -> tuple[int, int]:
    """Keep the words of a tile that have come to their PEs; return how many, and lane registers read on their way.

    `real` marks those within the tile's `height` x `width`, which are data.
    """
    port, words, reads = planes.shape[0], 0, 0
    for r in range(min(rows - 1, age) + 1):
        c = age - r - r // port
        if 0 <= c < cols:
            i = place(r, c, rows, cols)
            to[i] = planes[r % port, i]
            real[i] = r < height and c < width
            words += 1
            reads += r + 1
    return words, reads


@njit(cache=True)
def release(planes: Plane, of: Plane, age: int, rows: int, cols: int) -> int:
    """Put finished sums on the drain lanes; return registers read, each PE's own and its lanes down to the last."""
    port, reads = planes.shape[0], 0
    for r in range(min(rows - 1, age) + 1):
        c = age - r - r // port
        if 0 <= c < cols:
            i = place(r, c, rows, cols)
            planes[r % port, i] = of[i]
            reads += rows - r
    return reads


@njit(cache=True)
def collect(out: Plane, planes: Plane, issued: Plane, rows: int, cols: int, t: int) -> tuple[int, int]:
    """Add the partial sums that leave the last row; return the groups that left a column, and the sums."""
    width, length = out.shape
    lanes, wrap = planes.shape[0], issued.shape[1] - 1
    groups = results = 0
    for c in range(cols):
        at = (t - (rows - 1) - c) & wrap
        first, n = issued[0, at], issued[2, at] + c
        if first < 0:
            continue
        groups += 1
        if n < width:
            for lane in range(min(lanes, length - first)):
                out[n, first + lane] += planes[lane, cols - 1 - c]
                results += 1
    return groups, results


@njit(cache=True)
def collect_tile(out: Plane, planes: Plane, draining: Plane, rows: int, cols: int, t: int) -> tuple[int, int, int]:
    """Take finished sums off the drain lanes; return steps that left a column, sums, most rows out of one column."""
    height, width = out.shape
    port, wrap = planes.shape[0], draining.shape[1] - 1
    steps = results = most = 0
    for c in range(cols):
        at = (t - (rows - 1) - c) & wrap
        if draining[0, at] < 0:
            continue
        steps += 1
        n, moved = draining[2, at] + c, 0
        for lane in range(port):
            r = draining[0, at] * port + lane
            m = draining[1, at] + r
            moved += r < rows
            if r < rows and m < height and n < width:
                out[m, n] = planes[lane, cols - 1 - c]
                results += 1
        most = max(most, moved)
    return steps, results, most
