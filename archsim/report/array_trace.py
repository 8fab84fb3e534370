"""Wavefront of a small systolic array in the terminal: what every processing element holds, cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.errors import ArchsimError
from archsim.report.array_wave import CAUSE, Tags, Wave, label
from archsim.report.theme import OPERAND

if TYPE_CHECKING:
    from rich.text import Text

EMPTY = "·"
GAP = 2
"""Characters between panels."""


def wavefront(wave: Wave, cycles: Sequence[int], width: int) -> list[Text]:
    """Draw cycles as text: panels of what moves right, what stays and what moves down, side by side where they fit.

    Outside a panel's frame stands, faintly, what enters in the next cycle, from the left or from the top, and below
    what leaves the array in this one. A fourth panel shows the second registers while there is something in them.

    Parameters
    ----------
    wave
        Every register in every cycle.
    cycles
        Which cycles, counted from 0.
    width
        Characters of a line.

    Raises
    ------
    ArchsimError
        If not even one panel fits.
    """
    from rich.text import Text

    rows, cols = wave.count.rows, wave.count.cols
    size = _widest(wave, cycles)
    lines: list[Text] = []
    for t in cycles:
        busy = int(wave.busy[t].sum())
        lines.append(Text(f"cycle {t + 1} of {wave.cycles}: {doing(wave, t)}; {busy} of {rows * cols} PEs multiply "
                          f"({100 * busy / (rows * cols):.0f} %)", style="bold"))
        hidden = bool((wave.second[t, ..., 0] >= 0).any() or (wave.passing[t, ..., 0] >= 0).any())
        ways = ("right", "stays", "second", "down") if hidden else ("right", "stays", "down")
        lines += _beside([_panel(wave, t, size, way) for way in ways], width)
        lines.append(Text(""))
    return lines


def _widest(wave: Wave, cycles: Sequence[int]) -> int:
    """Return the characters of the longest label; the blank before it has room for an arrow."""
    shown = sorted({t for cycle in cycles for t in (cycle, min(cycle + 1, wave.cycles - 1))})

    def longest(tags: Tags) -> int:  # cycles x lanes x ... x 2
        registers = np.moveaxis(tags[shown], 1, -2).reshape(-1, tags.shape[1], 2)
        return max(len(label("a", held)) for held in np.unique(registers, axis=0))

    return max(longest(getattr(wave, name)) for name in
               ("right", "stays", "down", "second", "passing", "entering", "leaving"))


def doing(wave: Wave, t: int) -> str:
    """Say what goes on in a cycle."""
    hidden = bool((wave.passing[t, ..., 0] >= 0).any()) and wave.cause[t] in ("stream", "skew")
    drains = wave.flow.stays == "c"
    return CAUSE[wave.cause[t]] + (", sums drain" if drains else ", a tile loads") * hidden


def _panel(wave: Wave, t: int, size: int, way: str) -> list[Text]:
    """Draw one kind of registers: a heading, what enters above, the rows, what leaves below."""
    from rich.text import Text

    flow, cols = wave.flow, wave.count.cols
    letter = flow.stays if way == "second" else getattr(flow, way)
    tags, after, drains = getattr(wave, way), t + 1 < wave.cycles, flow.stays == "c"

    def cell(kind: str, held: Tags, faint: bool = False) -> tuple[str, str]:
        text = label(kind, held)
        return f"{text or (' ' if faint else EMPTY):>{size + 1}}", f"{'dim ' * (faint or not text)}{OPERAND[kind]}"

    def inner(r: int, c: int) -> tuple[str, str]:
        passing = label(letter, wave.passing[t, :, r, c]) if way == "second" else ""
        return (f"{'↓' + passing:>{size + 1}}", OPERAND[letter]) if passing else cell(letter, tags[t, :, r, c])

    rule = "─" * ((size + 1) * cols + 1)
    title = {"right": "moves right", "stays": "stays", "down": "moves down",
             "second": "done; ↓ on its way out" if drains else "of the next tile; ↓ on its way"}[way]
    margin = " " * (size + 2 if way == "right" else 0)  # for what waits at the left
    top = way == ("down" if drains else "second") and after
    bottom = way == ("second" if drains else "down")
    above = [cell(letter, wave.entering[t + 1, :, c], True) for c in range(cols)] if top else []
    lines = [Text(f"{margin} {letter.upper()} {title}", style=OPERAND[letter]), Text.assemble(f"{margin} ", *above),
             Text(f"{margin}┌{rule}┐", style="dim")]
    for r in range(wave.count.rows):
        waits = cell(letter, tags[t + 1, :, r, 0], True) if margin and after else (margin[1:], "")
        lines.append(Text.assemble(waits, (f"{' ' * bool(margin)}│", "dim"), *(inner(r, c) for c in range(cols)),
                                   (" │", "dim")))
    lines.append(Text(f"{margin}└{rule}┘", style="dim"))
    below = [cell("c", wave.leaving[t, :, c], faint=True) for c in range(cols)] if bottom else []
    lines.append(Text.assemble(f"{margin} ", *below))
    return lines


def _beside(panels: list[list[Text]], width: int) -> Iterator[Text]:
    """Put as many panels side by side as fit; raise ArchsimError if not even one does."""
    row: list[list[Text]] = []
    used = 0
    for panel in [*panels, []]:
        wide = max((line.cell_len for line in panel), default=width)
        if wide > width:
            raise ArchsimError(f"the trace of this array needs {wide} characters a line, not {width}: widen the "
                               "terminal, or give fewer --cols")
        if row and used + GAP + wide > width:
            yield from _joined(row)
            row, used = [], 0
        used += wide + GAP * bool(row)
        row.append(panel)


def _joined(panels: list[list[Text]]) -> Iterator[Text]:
    """Join panels line by line; lines without a letter are left out."""
    from rich.text import Text

    wide = [max(line.cell_len for line in panel) for panel in panels]
    for parts in zip(*panels, strict=True):
        line = Text()
        for part, width in zip(parts, wide, strict=True):
            line.append_text(part)
            line.append(" " * (width - part.cell_len + GAP))
        line.rstrip()
        if line.plain:
            yield line
