"""Wave: a traced product as tags of elements, told apart by how they move: right, down, not at all, or passing through.

A tag is the (row, column) of an element in its matrix, (-1, -1) for an empty register.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.timing.array import ArrayCount, ArrayFrame

Tags = np.ndarray[Any, np.dtype[Any]]


class Flow(NamedTuple):
    """Which matrix's elements do what in a dataflow; sums are those of ``c``."""

    right: str
    down: str
    stays: str


FLOWS = {"ws": Flow("a", "c", "b"), "os": Flow("a", "b", "c"), "is": Flow("b", "c", "a")}
MEANING = {"a": "element of A", "b": "element of B", "c": "sum of C"}
CAUSE = {"load": "waiting for the first tile", "stream": "streaming", "skew": "the wavefront runs out",
         "drain": "results drain"}


class Wave:
    """Every register of every cycle of a small array.

    Attributes
    ----------
    right, down, stays
        Tags, cycles x lanes x R x C x 2, of the three kinds of registers after each cycle.
    second
        Tags of the second set of registers: the next tile, or finished sums.
    passing
        Tags of the words that pass through a PE on the lanes of the load or drain port.
    entering, leaving
        Tags, cycles x lanes x C x 2: what enters at the top and what leaves at the bottom of each column.
    busy
        cycles x R x C: whether the PE multiplies.
    """

    def __init__(self, count: ArrayCount, frames: Sequence[ArrayFrame]) -> None:
        self.count = count
        self.flow = FLOWS[count.dataflow]
        self.cycles = len(frames)
        self.cause = [f.cause for f in frames]
        tags = {"a": np.stack([f.a_at for f in frames]), "b": np.stack([f.b_at for f in frames]),
                "c": np.stack([f.sums_at for f in frames])}
        self.right, self.down, self.stays = (tags[letter] for letter in self.flow)
        self.second = np.stack([f.second_at for f in frames])
        self.busy: Tags = np.asarray(((tags["a"][..., 0] >= 0) & (tags["b"][..., 0] >= 0)).any(axis=1))
        self.passing, crossing = self._port({f.port_begins: f.cycle for f in frames if f.port_begins >= 0})
        if self.flow.stays == "c":
            self.entering, self.leaving = self.down[:, :, 0], crossing
        else:
            self.entering, self.leaving = crossing, self.down[:, :, -1]

    def _port(self, begins: dict[int, int]) -> tuple[Tags, Tags]:
        """Follow each word from the top edge down to the PE that keeps it, or from its PE down to the bottom edge.

        Frames hold the registers of PEs, not the lanes that go past them. A word moves one PE down per cycle; PE (r, c)
        takes its word off the lanes, or puts its sum on them, ``r // load_rows + r + c`` cycles after the port began
        with the tile, which was in cycle ``begins[fold]``.
        """
        count, flow = self.count, self.flow
        rows, cols, lanes = count.rows, count.cols, min(count.load_rows, count.rows)
        drains = flow.stays == "c"
        passing = np.full((self.cycles, lanes, rows, cols, 2), -1)
        crossing = np.full((self.cycles, lanes, cols, 2), -1)
        high, wide = {"ws": (count.k, count.n), "is": (count.k, count.m), "os": (count.m, count.n)}[count.dataflow]
        tiles = -(-high // rows)
        for fold, begin in begins.items():
            for r, c in np.ndindex(rows, cols):
                i, j = fold % tiles * rows + r, fold // tiles * cols + c
                if i >= high or j >= wide:
                    continue
                tag = (j, i) if flow.stays == "a" else (i, j)
                at = begin + r // lanes + r + c
                for row in range(r, rows) if drains else range(r):
                    passing[at + row - r, r % lanes, row, c] = tag
                crossing[at + rows - 1 - r if drains else at - r, r % lanes, c] = tag
        return passing, crossing


def label(letter: str, tags: Tags) -> str:
    """Name what the lanes of a register hold.

    ``a31`` is row 3, column 1 of A, with larger indices ``a12,3``; several lanes give a range, ``a4-5,0``; empty
    registers give nothing.
    """
    held = [(int(i), int(j)) for i, j in tags.reshape(-1, 2) if i >= 0]
    if not held:
        return ""
    (i0, i1), (j0, j1) = ((min(x), max(x)) for x in zip(*held, strict=True))
    if len(held) == 1 and i0 < 10 and j0 < 10:
        return f"{letter}{i0}{j0}"
    return letter + ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ((i0, i1), (j0, j1)))


def trace_wave(count: ArrayCount, most_cycles: int) -> Wave:
    """Trace the product that was counted, with made-up small integers, for what moves where does not depend on them.

    Raises
    ------
    ArchsimError
        If it takes more than `most_cycles`, or the array is too large to look at.
    """
    from archsim.timing.array import trace

    if count.cycles > most_cycles:
        raise ArchsimError(f"{count.cycles:,} cycles are too many to look at (at most {most_cycles:,}): give a smaller "
                           "product")
    a, b = operands(count)
    frames = trace(a, b, rows=count.rows, cols=count.cols, dataflow=count.dataflow, shadow=count.shadow,
                   rows_per_cycle=count.rows_per_cycle, load_rows=count.load_rows)
    return Wave(count, frames)


def operands(count: ArrayCount) -> tuple[Tags, Tags]:
    """Return integer matrices of the counted sizes, none of whose products with others is zero."""
    a = 1 + np.arange(count.m * count.k, dtype=np.int32).reshape(count.m, count.k) % 7
    b = 1 + np.arange(count.k * count.n, dtype=np.int32).reshape(count.k, count.n) % 5
    return a, b
