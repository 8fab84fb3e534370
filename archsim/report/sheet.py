"""Sheet: a table that fits the terminal by leaving out its least important columns, never by cutting a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

LEAST_NAME = 6
"""Characters of a name that stay, however narrow the terminal."""


@dataclass(frozen=True)
class Column:
    """One column: its heading (units on the last line), its cells, and how soon it is left out.

    `rank` 0 stays always; the column with the highest rank goes first when the terminal is narrow. `text` columns are
    left-aligned and may wrap where `wrap` is set, to no less than `least` characters or their longest word; numbers
    never do. `styles` colours cells.
    """

    heading: str
    cells: Sequence[str]
    rank: int = 0
    text: bool = False
    wrap: bool = False
    least: int = 20
    styles: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The heading on one line."""
        return self.heading.replace("\n", " ")


@dataclass(frozen=True, repr=False)
class Sheet:
    """A titled table with footnotes. Print it with rich, or as plain text with ``print(sheet)``."""

    title: str
    columns: Sequence[Column]
    notes: Sequence[str] = ()
    rules: Sequence[int] = ()
    """Row numbers after which a rule is drawn."""
    brief: bool = False
    """Leave it to another sheet to say which columns are left out."""

    def _table(self, kept: Sequence[Column]) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        headed = any(c.heading for c in kept)
        made = Table(box=box.SIMPLE_HEAD if headed else None, show_edge=False, pad_edge=False, show_header=headed,
                     header_style="bold", padding=(0, 1) if headed else (0, 2))
        for c in kept:
            made.add_column(c.heading, justify="left" if c.text else "right", vertical="top", no_wrap=not c.wrap,
                            overflow="fold" if c.wrap else "ellipsis")
        for i in range(len(self.columns[0].cells)):
            row = [Text(c.cells[i], style=c.styles[i] if c.styles else "") for c in kept]
            made.add_row(*row, end_section=i in self.rules)
        return made

    def fit(self, width: int) -> tuple[list[Column], list[Column]]:
        """Return the columns that fit into `width` characters, and those left out."""
        kept = [c for c in self.columns if any(c.cells) or not c.rank]
        left: list[Column] = []
        while sum(self._least(c) for c in kept) + 3 * (len(kept) - 1) > width:
            droppable = [c for c in kept if c.rank]
            if not droppable:
                break
            worst = max(droppable, key=lambda c: c.rank)
            kept.remove(worst)
            left.append(worst)
        return kept, left

    def _squeezed(self, kept: Sequence[Column], width: int) -> list[Column]:
        """Shorten names, the longest first and visibly, where even the columns that stay are too wide together."""
        made = list(kept)
        while sum(map(self._least, made)) + 3 * (len(made) - 1) > width:
            names = [c for c in made if c.text and not c.wrap and self._least(c) > LEAST_NAME]
            if not names:
                break
            longest = max(names, key=self._least)
            most = self._least(longest) - 1
            heading, *cells = (c if len(c) <= most else f"{c[: most - 1].rstrip('… ')}…"
                               for c in (longest.heading, *longest.cells))
            made[made.index(longest)] = replace(longest, heading=heading, cells=cells)
        return made

    @staticmethod
    def _least(column: Column) -> int:
        """Characters that a column needs: its longest line; if it wraps, its longest word but no more than `least`."""
        heading = max(map(len, column.heading.split("\n")))
        if column.wrap:
            return max(heading, min(column.least, max((len(w) for c in column.cells for w in c.split()), default=0)))
        return max([heading, *(len(line) for c in column.cells for line in c.split("\n"))])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if self.title:
            yield Text(self.title, style="bold")
        kept, left = self.fit(options.max_width)
        if kept:
            yield self._table(self._squeezed(kept, options.max_width))
        for note in self.notes:
            yield Text(note, style="dim")
        if self.brief:
            return
        names = ", ".join(c.name for c in reversed(left) if c.name)
        if names:
            yield Text(f"left out at this width: {names}", style="dim")

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        from rich.console import Console

        out = StringIO()
        Console(file=out, width=400, color_system=None, legacy_windows=False).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
