"""Tables of broker reports for a terminal or as plain data: printed, recomputed, corrected, and why.

``print(*sheets(reproduced("chip-cost")), sep="\\n")`` in a notebook shows what ``archsim tables chip-cost`` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from archsim.explore import tables
from archsim.explore.tables import Cell, Field, Item, Reproduction, Span, Table
from archsim.report.sheet import Column, Sheet

FLAG = "!"
"""Stands behind a printed cell that is wrong."""

WORD = 10
"""Characters of a cell of words that still stands in the table; longer ones are told below it."""

STYLES = {"printed": "", "recomputed": "dim", "corrected": "green", "all corrected": "cyan"}


def reproduced(name: str) -> Reproduction:
    """Return a report's table, by name, with every cell worked out against the catalogue.

    Raises
    ------
    ArchsimError
        If there is no such table; the message gives the nearest name.
    """
    from archsim.chips import find
    from archsim.chips.errata import ERRATA

    return tables.reproduce(tables.find(name), tables.Catalogue(find, ERRATA))


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


def sheets(r: Reproduction) -> list[Sheet]:
    """Return a table as printed, each line with what it should be below it, and a list of what is wrong and why."""
    t = r.table
    counts = {s: sum(c.status == s for c in r.cells) for s in ("closes", "error", "given", "unchecked")}
    said = {"closes": "recomputed as printed", "error": f"wrong ({FLAG})", "given": "inputs of the report",
            "unchecked": "that nothing published can be held against"}
    title = (f"{t.title}\n{t.source}\nprinted cells: "
             + ", ".join(f"{n} {said[s]}" for s, n in counts.items() if n))
    numbers = _numbered(r)
    worded = [f for f in t.fields if f.text and max(map(len, f.cells)) > WORD]
    shown = [f for f in t.fields if f not in worded]
    body = _by_item(r, shown, numbers) if t.by_item else _by_field(r, shown, numbers)
    return [
        Sheet(title, body, notes=_told(r, worded)),
        Sheet("\nwrong, and why" if numbers else "", [
            Column("", [f"[{n}]" for n in numbers.values()], text=True),
            Column("", [_reason(r, key) for key in numbers], text=True, wrap=True),
        ] if numbers else [], brief=True),
        _formulas(t),
    ]


def _numbered(r: Reproduction) -> dict[tuple[str, str, str], int]:
    """Number the reasons of a table, cells of one field with the same reason together."""
    keys = dict.fromkeys((c.field, c.why, c.source) for c in r.cells if c.why and c.status != "unchecked")
    return {key: i for i, key in enumerate(keys, 1)}


def _reason(r: Reproduction, key: tuple[str, str, str]) -> str:
    """Say of one reason which cells it is about, what is wrong and where that comes from."""
    mine = [c for c in r.cells if (c.field, c.why, c.source) == key]
    whole = [c for c in r.cells if c.field == key[0]]
    of = "" if len(mine) == len(whole) > 1 else f" of {', '.join(c.item for c in mine)}"
    unit = mine[0].right_unit
    changed = "" if unit == mine[0].unit else f" ({unit}, not {mine[0].unit})" if mine[0].unit else f" ({unit})"
    source = f" [{key[2]}]" if key[2] else ""
    return f"{_name(key[0])}{of}{changed}: {key[1]}{source}"


def _formulas(t: Table) -> Sheet:
    """Return how each field was recomputed."""
    known = [f for f in t.fields if f.words]
    notes = list(t.notes)
    plain = [_name(f.name) for f in t.fields if f.figure is not None and f.formula is None]
    if plain:
        notes.append(f"recomputed from archsim's catalogue of chips: {', '.join(plain)}")
    return Sheet("\nhow it was recomputed" if known else "", [
        Column("", [_name(f.name) for f in known], text=True, wrap=True),
        Column("", [f.words for f in known], text=True, wrap=True),
    ] if known else [], notes=notes, brief=True)


def _told(r: Reproduction, worded: Sequence[Field]) -> list[str]:
    """Write fields of long words as sentences, items with the same words together."""
    told = []
    for f in worded:
        mine = {c.item: c for c in r.cells if c.field == f.name}
        if all(f"{c.printed}".startswith(item) for item, c in mine.items()):
            continue  # the items' own names
        by_words: dict[str, list[str]] = {}
        for item, c in mine.items():
            words = f"{c.printed}{FLAG} {_text(c.corrected)}" if c.error else c.printed
            by_words.setdefault(words, []).append(item)
        told.append(f"{_name(f.name)}: " + "; ".join(f"{', '.join(items)}: {w}" for w, items in by_words.items()))
    return told


def _by_field(r: Reproduction, fields: Sequence[Field], numbers: dict[tuple[str, str, str], int]) -> list[Column]:
    """Draw a block of lines per field, a column per item."""
    items = r.table.items
    blocks = [_block(f"{_name(f.name)}{f', {f.unit}' if f.unit else ''}", [_at(r, i, f) for i in items], numbers,
                     "catalogue" if f.figure is not None and f.formula is None else "recomputed") for f in fields]
    headings = [i.name.replace(" ", "\n", 1) for i in items]
    return _columns(blocks, headings, [max(0, i - 2) for i in range(len(items))])


def _by_item(r: Reproduction, fields: Sequence[Field], numbers: dict[tuple[str, str, str], int]) -> list[Column]:
    """Draw a block of lines per item, a column per field."""
    blocks = [_block(i.name, [_at(r, i, f) for f in fields], numbers) for i in r.table.items]
    headings = ["\n".join([*_name(f.name).split(), *([f.unit] if f.unit else [])]) for f in fields]
    given = [not f.formula and not f.figure for f in fields]
    return _columns(blocks, headings, [i + 1 if only else 0 for i, only in enumerate(given)])


def _columns(blocks: Iterable[list[tuple[str, str, list[str]]]], headings: Sequence[str],
             ranks: Sequence[int]) -> list[Column]:
    lines = [line for block in blocks for line in block]
    styles = [STYLES[kind] for _, kind, _ in lines]
    columns = [Column(h, [cells[i] for *_, cells in lines], ranks[i], styles=[
        "red" if kind == "printed" and cells[i].endswith(FLAG) else style
        for (_, kind, cells), style in zip(lines, styles, strict=True)]) for i, h in enumerate(headings)]
    return [Column("", [label for label, *_ in lines], text=True, wrap=True, least=22, styles=styles), *columns]


def _block(name: str, cells: Sequence[Cell | None],
           numbers: dict[tuple[str, str, str], int], again: str = "recomputed") -> list[tuple[str, str, list[str]]]:
    """Return the lines of one block: as printed, and below it those of `STYLES` that say something new.

    `again` is what the line of recomputed cells is called.
    """
    def line(of: Callable[[Cell], Any]) -> list[str]:
        return ["" if c is None else _text(of(c)) for c in cells]

    printed = ["" if c is None else c.printed + FLAG * c.error for c in cells]
    bare = [c.printed if c else "" for c in cells]
    values = {"recomputed": line(lambda c: c.recomputed), "corrected": line(lambda c: c.corrected),
              "all corrected": line(lambda c: c.all_corrected)}
    units = {c.right_unit for c in cells if c and c.error}
    renamed = any(c.right_unit != c.unit for c in cells if c and c.error)
    refs = sorted({numbers[k] for c in cells if c and (k := (c.field, c.why, c.source)) in numbers})
    marks = f" [{', '.join(map(str, refs))}]" if refs else ""
    lines = [(name + marks, "printed", printed)]
    last = bare
    for kind, mine in values.items():
        new = any(m and m != _text(tables.parse(p)) if kind == "recomputed" else m and m != p
                  for m, p in zip(mine, last, strict=True))
        if kind == "recomputed":
            if any(mine) and (new or not any(bare)):
                lines.append((f"  {again}", kind, mine))
        elif new or (kind == "corrected" and renamed):
            unit = f", {units.copy().pop()}" if kind == "corrected" and renamed and len(units) == 1 else ""
            lines.append((f"  {kind}{unit}", kind, mine))
        last = [m or p for m, p in zip(mine, last, strict=True)]
    if not any(bare):  # nothing printed: the name stands on the first line with numbers
        label, _, empty = lines.pop(0)
        first = lines.pop(0) if lines else ("", "recomputed", empty)
        lines.insert(0, (f"({label})", "recomputed", first[2]))
    return lines


def _at(r: Reproduction, item: Item, f: Field) -> Cell | None:
    return next((c for c in r.cells if (c.item, c.field) == (item.name, f.name)), None)


def _name(field: str) -> str:
    return field.replace("_", " ")


def _text(value: Any) -> str:
    """Write a value with four significant digits, all digits of its whole part, and no zeros that say nothing."""
    if isinstance(value, Span):
        return f"{_text(value.low)}-{_text(value.high)}"
    if value is None:
        return ""
    if not isinstance(value, int | float):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.4g}"
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
