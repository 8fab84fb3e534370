"""Planes of registers of a systolic array, one register of every processing element (PE), and their clock edges.

PE (r, c) is element ``(R - 1 - r) * (C + 1) + C - 1 - c``: the last row first, the last column first. The left
neighbour is then the next element and the PE above is C + 1 elements on, so that one ascending loop over the plane
updates all PEs and compiles to vector instructions. Each row has one element more, its left edge, and above row 0 lies
the top edge. What moves down is kept twice, as before and as after the clock edge; what moves right needs no copy.
Registers that few PEs write in a cycle (a stationary tile is taken over along a diagonal) are written by themselves.
Integers of 32 bits multiply to 64 bits, as numba types them.
"""

from __future__ import annotations

from numba import njit

FLUSH = 255  # cycles that an unsigned byte can count


@njit(cache=True)
def multiply_down(after, above, weight, moving, count):  # type: ignore[no-untyped-def]
    """Add each PE's product to the sum from above; moving operands go one PE to the right."""
    for i in range(count):
        operand = moving[i + 1]
        after[i] = above[i] + weight[i] * operand
        moving[i] = operand


@njit(cache=True)
def multiply_in_place(total, moving, after, above, count):  # type: ignore[no-untyped-def]
    """Add each PE's product to its own sum; operands go one PE to the right and one PE down."""
    for i in range(count):
        operand = moving[i + 1]
        other = above[i]
        total[i] = total[i] + operand * other
        moving[i] = operand
        after[i] = other


@njit(cache=True)
def shift_down(after, above, count):  # type: ignore[no-untyped-def]
    """Move a plane of registers one PE down."""
    for i in range(count):
        after[i] = above[i]


@njit(cache=True)
def mark_in_place(busy, moving, real, count):  # type: ignore[no-untyped-def]
    """Count the PEs whose moving and whose stationary operand are data; the mark of data moves to the right."""
    for i in range(count):
        mark = moving[i + 1]
        busy[i] = busy[i] + (mark & real[i])
        moving[i] = mark


@njit(cache=True)
def mark_down(busy, moving, after, above, count):  # type: ignore[no-untyped-def]
    """Count the PEs whose two moving operands are data; the marks of data move right and down."""
    for i in range(count):
        mark = moving[i + 1]
        other = above[i]
        busy[i] = busy[i] + (mark & other)
        moving[i] = mark
        after[i] = other


@njit(cache=True)
def place(r: int, c: int, rows: int, cols: int) -> int:
    """Return where PE (r, c) is in a plane."""
    return (rows - 1 - r) * (cols + 1) + cols - 1 - c


@njit(cache=True)
def unfold(plane, to):  # type: ignore[no-untyped-def]
    """Copy a plane of registers to a rows x cols array."""
    rows, cols = to.shape
    for r in range(rows):
        for c in range(cols):
            to[r, c] = plane[place(r, c, rows, cols)]


@njit(cache=True)
def flush(busy, activity):  # type: ignore[no-untyped-def]
    """Add a plane of byte counters to `activity` and clear it."""
    rows, cols = activity.shape
    for r in range(rows):
        for c in range(cols):
            activity[r, c] += busy[place(r, c, rows, cols)]
    busy[:] = 0
