"""Tables of broker reports for a terminal or as plain data: printed, recomputed, corrected, and why.

``print(*sheets(reproduced("chip-cost")), sep="\\n")`` in a notebook shows what ``archsim tables chip-cost`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from archsim.explore import tables
from archsim.explore.tables import Cell, Field, Item, Reproduction, Span, Table
from archsim.explore.tables.printed import Value
from archsim.report.sheet import Column, Sheet

FLAG = "!"
"""Stands behind a printed cell that is wrong."""

WORD = 10
"""Characters of a cell of words that still stands in the table; longer ones are told below it."""

STYLES = {"printed": "", "recomputed": "dim", "corrected": "green", "all corrected": "cyan"}


Numbers = dict[tuple[str, str, str], int]
"""The number of each reason, by field, reason and source."""

Line = tuple[str, str, list[str]]
"""A line of a block: its label, which of `STYLES` it is, its cells."""


def reproduced(name: str) -> Reproduction:
    """Return a report's table, by name, with every cell worked out against the catalogue.

    Raises
    ------
    ArchsimError
        If there is no such table; the message gives the nearest name.
    """
    from archsim.chips import find
    from archsim.chips.errata import ERRATA
    from archsim.chips.prices import prices

    def costs(chip: str) -> list[tuple[float, str]]:
        return [(p.amount, p.source) for p in prices(chip, "cost") if p.currency == "USD"]

    return tables.reproduce(tables.find(name), tables.Catalogue(find, ERRATA, costs))


# --- plain data -------------------------------------------------------------------------------------------------------

def table_data(r: Reproduction, cells: bool = True) -> dict[str, Any]:
    """Return a table as plain data: where it stands, how many cells close, and, with `cells`, each of them."""
    t = r.table
    head: dict[str, Any] = {
        "name": t.name, "title": t.title, "source": t.source,
        "items": [i.name for i in t.items], "fields": [f.name for f in t.fields],
        "printed_cells": sum(bool(c.printed) for c in r.cells), "errors": len(r.errors),
    }
    if not cells:
        return head
    return {
        **head,
        "formulas": {f.name: f.words for f in t.fields if f.words},
        "notes": list(t.notes),
        "cells": [{
            "item": c.item, "field": c.field, "unit": c.unit, "printed": c.printed or None,
            "recomputed": _plain(c.recomputed), "corrected": _plain(c.corrected),
            "all_corrected": _plain(c.all_corrected), "corrected_unit": c.right_unit, "status": c.status,
            "why": c.why or None, "source": c.source or None,
        } for c in r.cells],
    }


def _plain(value: Any) -> Any:
    return {"low": value.low, "high": value.high} if isinstance(value, Span) else value


# --- sheets -----------------------------------------------------------------------------------------------------------

def list_sheet(found: Sequence[Reproduction]) -> Sheet:
    """Return the tables that can be reproduced, with how many of their printed cells are wrong."""
    return Sheet("", [
        Column("name", [r.table.name for r in found], text=True),
        Column("table", [r.table.title for r in found], 1, text=True, wrap=True, least=30),
        Column("cells", [str(sum(bool(c.printed) for c in r.cells)) for r in found]),
        Column("wrong", [str(len(r.errors)) for r in found]),
        Column("report", [r.table.source for r in found], 2, text=True, wrap=True, least=20),
    ])


def sheets(r: Reproduction, width: int = 250) -> list[Sheet]:
    """Return a table as printed, each line with what it should be below it, and a list of what is wrong and why.

    Where `width` characters do not hold all columns, the table goes on in another sheet.
    """
    t = r.table
    counts = {s: sum(c.status == s for c in r.cells) for s in ("closes", "error", "given", "unchecked")}
    said = {"closes": "recomputed as printed", "error": f"wrong ({FLAG})", "given": "inputs of the report",
            "unchecked": "without anything published to check them"}
    title = (f"{t.title}\n{t.source}\nprinted cells: "
             + ", ".join(f"{n} {said[s]}" for s, n in counts.items() if n)
             + "\nbelow each: recomputed, corrected, all corrected, where they say something new")
    numbers = _numbered(r)
    worded = [f for f in t.fields if f.text and max(map(len, f.cells)) > WORD]
    shown = [f for f in t.fields if f not in worded]
    body = _by_item(r, shown, numbers) if t.by_item else _by_field(r, shown, numbers)
    first, *others = _parts(body, width)
    if others:
        title += f"\npart 1 of {len(others) + 1}"
    told = _told(r, worded)
    return [
        Sheet(title, first, notes=[] if others else told),
        *(Sheet(f"\npart {i} of {len(others) + 1}", part, notes=told if part is others[-1] else [])
          for i, part in enumerate(others, 2)),
        Sheet("\nwrong, and why" if numbers else "", [
            Column("", [f"[{n}]" for n in numbers.values()], text=True),
            Column("", [_reason(r, key) for key in numbers], text=True, wrap=True),
        ] if numbers else [], brief=True),
        _formulas(t),
    ]


def _key(c: Cell) -> tuple[str, str, str]:
    return c.field, c.why, c.source


def _parts(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """Put columns into as few sheets as a page of some width needs, each beside the labels of the lines."""
    label, *others = columns
    parts = []
    while others:
        kept, _ = Sheet("", [label, *(replace(c, rank=i) for i, c in enumerate(others))]).fit(width)
        n = max(1, len(kept) - 1)
        parts.append(_without_empty([label, *others[:n]]))
        others = others[n:]
    return parts


def _without_empty(columns: Sequence[Column]) -> list[Column]:
    """Leave out the lines in which only the label stands."""
    kept = [i for i in range(len(columns[0].cells)) if any(c.cells[i] for c in columns[1:])]
    return [replace(c, cells=[c.cells[i] for i in kept], styles=[c.styles[i] for i in kept]) for c in columns]


def _numbered(r: Reproduction) -> Numbers:
    """Number the reasons of a table, cells of one field with the same reason together."""
    keys = dict.fromkeys(_key(c) for c in r.cells if c.why)
    return {key: i for i, key in enumerate(keys, 1)}


def _reason(r: Reproduction, key: tuple[str, str, str]) -> str:
    """Say of one reason which cells it is about, what is wrong and where that comes from."""
    mine = [c for c in r.cells if _key(c) == key]
    whole = [c for c in r.cells if c.field == key[0]]
    of = "" if len(mine) == len(whole) > 1 else f" of {', '.join(c.item for c in mine)}"
    unit = mine[0].right_unit
    changed = "" if unit == mine[0].unit else f" ({unit}, not {mine[0].unit})" if mine[0].unit else f" ({unit})"
    source = f" [{key[2]}]" if key[2] else ""
    return f"{_name(r.table.field(key[0]))}{of}{changed}: {key[1]}{source}"


def _formulas(t: Table) -> Sheet:
    """Return how each field was recomputed."""
    known = [f for f in t.fields if f.words]
    notes = list(t.notes)
    plain = [_name(f) for f in t.fields if f.figure is not None and f.formula is None]
    if plain:
        notes.append(f"recomputed from archsim's catalogue of chips: {', '.join(plain)}")
    return Sheet("\nhow it was recomputed" if known else "", [
        Column("", [_name(f) for f in known], text=True, wrap=True),
        Column("", [f.words for f in known], text=True, wrap=True),
    ] if known else [], notes=notes, brief=True)


def _told(r: Reproduction, worded: Sequence[Field]) -> list[str]:
    """Write fields of long words as sentences, items with the same words together."""
    told = []
    for f in worded:
        mine = {c.item: c for c in r.cells if c.field == f.name}
        by_words: dict[str, list[str]] = {}
        for item, c in mine.items():
            if c.printed == item:
                continue
            words = f"{c.printed}{FLAG} {_text(c.corrected)}" if c.error else c.printed
            by_words.setdefault(words, []).append(item)
        told.append(f"{_name(f)}: " + "; ".join(f"{', '.join(items)}: {w}" for w, items in by_words.items()))
    return told


def _by_field(r: Reproduction, fields: Sequence[Field], numbers: Numbers) -> list[Column]:
    """Draw a block of lines per field, a column per item."""
    items = r.table.items
    blocks = []
    for f in fields:
        cells = [_at(r, i, f) for i in items]
        name = f"{_name(f)}{f', {f.unit}' if f.unit else ''}{_marks(cells, numbers)}"
        blocks.append(_block(name, cells, "recomputed" if f.formula else "catalogue"))
    headings = [(i.label or i.name).replace(" ", "\n", 1) for i in items]
    return _columns(blocks, headings)


def _by_item(r: Reproduction, fields: Sequence[Field], numbers: Numbers) -> list[Column]:
    """Draw a block of lines per item, a column per field."""
    again = "recomputed" if any(f.formula for f in fields) else "catalogue"
    blocks = []
    for i in r.table.items:
        cells = [_at(r, i, f) for f in fields]
        lines = _block(i.label or i.name, cells, again, sparse=True)
        label, kind, last = lines.pop()
        blocks.append([*lines, (label + _marks(cells, numbers), kind, last)])
    headings = ["\n".join([*_name(f).split(), *([f.unit] if f.unit else [])]) for f in fields]
    return _columns(blocks, headings, wrap=False)


def _columns(blocks: Iterable[list[Line]], headings: Sequence[str], wrap: bool = True) -> list[Column]:
    lines = [line for block in blocks for line in block]
    styles = [STYLES[kind] for _, kind, _ in lines]
    columns = [Column(h, [cells[i] for *_, cells in lines], styles=[
        "red" if kind == "printed" and cells[i].endswith(FLAG) else style
        for (_, kind, cells), style in zip(lines, styles, strict=True)]) for i, h in enumerate(headings)]
    return [Column("", [label for label, *_ in lines], text=True, wrap=wrap, styles=styles), *columns]


def _marks(cells: Sequence[Cell | None], numbers: Numbers) -> str:
    """Return the numbers of the reasons that cells have: `` [1, 2]``."""
    found = sorted({numbers[key] for c in cells if c and (key := _key(c)) in numbers})
    return f" [{', '.join(map(str, found))}]" if found else ""


def _block(name: str, cells: Sequence[Cell | None], again: str, sparse: bool = False) -> list[Line]:
    """Return the lines of one block: as printed, and below it those of `STYLES` that say something new.

    `again` is what the line of recomputed cells is called; `sparse` leaves cells empty that say nothing new.
    """
    printed = ["" if c is None else c.printed + FLAG * c.error for c in cells]
    lines: list[Line] = [(name, "printed", printed)]
    units = {c.right_unit for c in cells if c and c.error}
    renamed = any(c.right_unit != c.unit for c in cells if c and c.error)
    unit = f", {units.copy().pop()}" if renamed and len(units) == 1 and not sparse else ""

    def add(label: str, kind: str, values: Sequence[Value], new: Sequence[bool], always: bool = False) -> None:
        if any(new) or always:
            shown = [_text(v) if n or not sparse else "" for v, n in zip(values, new, strict=True)]
            lines.append((f"  {label}", kind, shown))

    values = [c.recomputed if c else None for c in cells]
    add(again, "recomputed", values, [c is not None and _told_anew(c.recomputed, c.printed) for c in cells])
    values = [c.corrected if c else None for c in cells]
    fixed = [c is not None and _differs(c.corrected, c.recomputed) and _differs(c.corrected, tables.parse(c.printed))
             for c in cells]
    add(f"corrected{unit}", "corrected", values, fixed, always=renamed and not sparse)
    values = [c.all_corrected if c else None for c in cells]
    carried = [c is not None and _differs(c.all_corrected, c.corrected) for c in cells]
    add("all corrected", "all corrected", values, carried)
    if not any(printed):  # not printed by the report: the name stands on the line of what was recomputed
        first = [_text(c.recomputed) if c else "" for c in cells]
        lines = [(f"({name})", "recomputed", first), *(x for x in lines[1:] if x[1] != "recomputed")]
    return lines


def _told_anew(value: Value, printed: str) -> bool:
    """Say whether a recomputed value is written otherwise than what is printed."""
    return value is not None and _text(value) != _text(tables.parse(printed))


def _differs(a: Value, b: Value) -> bool:
    """Say whether two values differ by more than a thousandth."""
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) > 1e-3 * max(abs(a), abs(b))
    return a is not None and str(a).casefold() != str(b).casefold()


def _at(r: Reproduction, item: Item, f: Field) -> Cell | None:
    return next((c for c in r.cells if (c.item, c.field) == (item.name, f.name)), None)


def _name(f: Field) -> str:
    """Return a field's name in words, without the unit that some names end in."""
    return f.name.removesuffix("_" + f.unit.lower().replace("/", "_")).replace("_", " ")


def _text(value: Any) -> str:
    """Write a value with four significant digits, all digits of its whole part, and no zeros that say nothing."""
    if isinstance(value, Span):
        return f">{_text(value.low)}" if math.isinf(value.high) else f"{_text(value.low)}-{_text(value.high)}"
    if value is None:
        return ""
    if not isinstance(value, int | float):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.4g}"
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
