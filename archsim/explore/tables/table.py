"""Table: a printed table as it stands, the formulas behind its cells, and what is wrong with them.

A report's table is typed once, as text. Beside each field stands the formula by which the report filled it, or the
catalogue figure that it prints; and where a cell, a unit or a formula is wrong, a `Fix`. `reproduce` then works out
every cell three times:

- **recomputed**: the report's formulas on the report's inputs. This is what the report did: it must give the printed
  cell to its printed rounding, or the cell is an error.
- **corrected**: of a wrong input, the right one; of a formula, the right formulas on the report's inputs.
- **all corrected**: the right formulas on the right inputs, carried through the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Protocol

from archsim.errors import ArchsimError
from archsim.explore.select import Entry
from archsim.explore.tables.printed import Span, Value, agrees, half_unit, off, parse


class Erratum(Protocol):
    """A known error of a printed chip table, as `archsim.chips.errata` lists them."""

    @property
    def table(self) -> str: ...  # noqa: D102
    @property
    def row(self) -> str: ...  # noqa: D102
    @property
    def column(self) -> str: ...  # noqa: D102
    @property
    def corrected(self) -> float | str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Catalogue:
    """What the tables are held against.

    `find` returns a chip by name, `errata` are the known errors of printed chip tables, `costs` returns what is on file
    of what a chip costs to make, newest first: (USD, who says so).
    """

    find: Callable[[str], Entry]
    errata: Sequence[Erratum] = ()
    costs: Callable[[str], Sequence[tuple[float, str]]] = lambda chip: ()


@dataclass(frozen=True)
class Item:
    """What one column (or row) of a table is about: a chip, a cluster, a model.

    `chip` is its name in the catalogue; `facts` are numbers that the formulas need and the table does not print;
    `label` is a shorter name for a narrow page.
    """

    name: str
    chip: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Fix:
    """What is wrong with a field: why, what it should be, where that comes from.

    `value` is a value or a formula; None if the number stands and only its `unit` is wrong. `items` limits the fix to
    some items.
    """

    why: str
    value: Callable[[Record], Value] | Value = None
    unit: str = ""
    source: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """One quantity of a table.

    Parameters
    ----------
    printed
        The cells as printed, one per item, separated by ``|``; empty where nothing is printed. A field without any is
        one that the report does not print: what it hides, or what should stand beside it.
    hidden
        Of a field that is not printed, the input that the report must have used, inferred from its results.
    formula, words
        How the report arrived at the cell, as code and in words. Without one, the cell is an input.
    figure
        Which figure of the catalogue's chip the cell prints.
    fixes
        What is wrong.
    measured
        Later formulas read the printed number, with its rounding, and not the recomputed one: it was measured.
    zeros
        Zeros at the end of a printed whole number may be rounding, of up to 1 %; so they may in a chip's `figure`.
    text
        The cells are words.
    unchecked
        Why the cells of some items cannot be checked, by item.
    """

    name: str
    unit: str = ""
    printed: str = ""
    formula: Callable[[Record], float | Span | None] | None = None
    words: str = ""
    hidden: Callable[[Record], float] | None = None
    figure: Callable[[Entry], Value] | None = None
    fixes: tuple[Fix, ...] = ()
    measured: bool = False
    zeros: bool = False
    text: bool = False
    unchecked: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """The printed cells."""
        return tuple(c.strip() for c in self.printed.split("|"))


@dataclass(frozen=True)
class Table:
    """A printed table: where it stands, its items and its fields.

    `errata` is the name under which `archsim.chips.errata` knows it; `by_item` draws a line per item instead of one
    per field.
    """

    name: str
    title: str
    source: str
    items: tuple[Item, ...]
    fields: tuple[Field, ...]
    errata: str = ""
    by_item: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for f in self.fields:
            if f.printed and len(f.cells) != len(self.items):
                raise ArchsimError(f"{self.name}, {f.name}: {len(f.cells)} cells for {len(self.items)} items")

    def field(self, name: str) -> Field:
        """Return a field by its name."""
        return next(f for f in self.fields if f.name == name)

    def item(self, name: str) -> Item:
        """Return an item by its name."""
        return next(i for i in self.items if i.name == name)


class Mode(Enum):
    """Which formulas and which inputs a `Record` works with."""

    REPORT = "the report's formulas, the report's inputs"
    FORMULAS = "the right formulas, the report's inputs"
    ALL = "the right formulas, the right inputs"


class Record:
    """One item of a table as its formulas see it: ``c["days"]`` is a number, worked out when it is asked for."""

    def __init__(self, table: Table, item: Item, catalogue: Catalogue, mode: Mode,
                 shift: Mapping[str, float] | None = None) -> None:
        self.table, self.item, self.catalogue, self.mode = table, item, catalogue, mode
        self.shift = shift or {}
        self._known: dict[str, Value] = {}

    @property
    def chip(self) -> Entry:
        """The chip of the catalogue that this item is."""
        return self.catalogue.find(self.item.chip)

    def fact(self, name: str) -> float:
        """Return a number that the table does not print."""
        return self.item.facts[name]

    def of(self, item: str) -> Record:
        """Return another item of the same table."""
        return Record(self.table, self.table.item(item), self.catalogue, self.mode)

    def __getitem__(self, name: str) -> float:
        value = self.value(name)
        if isinstance(value, Span):
            value = value.low
        if not isinstance(value, int | float):
            raise ArchsimError(f"{self.table.name}: {name} of {self.item.name} is no number but {value!r}")
        return value

    def range(self, name: str) -> Span:
        """Return a field as a range; a number is one of no width."""
        value = self.value(name)
        return value if isinstance(value, Span) else Span(self[name], self[name])

    def value(self, name: str) -> Value:
        """Return a field under this record's mode."""
        if name not in self._known:
            self._known[name] = self._work_out(self.table.field(name))
        return self._known[name]

    def _work_out(self, f: Field) -> Value:
        fix = fix_of(f, self.item)
        due = self.mode is Mode.ALL or (self.mode is Mode.FORMULAS and f.formula is not None)
        if due and fix is not None and fix.value is not None:
            return fix.value(self) if callable(fix.value) else fix.value
        if self.mode is Mode.ALL and f.figure is not None and self.item.chip and (v := f.figure(self.chip)) is not None:
            return v
        text = printed_cell(f, self.table, self.item)
        if f.hidden is not None:
            return f.hidden(self)
        if f.formula is not None and not (f.measured and text):
            return f.formula(self)
        value = parse(text, f.text)
        return value + self.shift.get(f.name, 0.0) if isinstance(value, float) else value


@dataclass(frozen=True)
class Cell:
    """One cell worked out.

    `status` is ``given`` (an input of the report, nothing against it), ``closes`` (recomputed as printed), ``error``,
    ``unchecked`` (nothing published to hold it against), or of what the report does not print ``computed`` or
    ``inferred`` (an input that it must have used). `right_unit` is the unit of the corrected values.
    """

    item: str
    field: str
    unit: str
    printed: str
    recomputed: Value
    corrected: Value
    all_corrected: Value
    right_unit: str
    status: str
    why: str = ""
    source: str = ""

    @property
    def error(self) -> bool:
        """Whether the printed cell is wrong."""
        return self.status == "error"


@dataclass(frozen=True)
class Reproduction:
    """A table with all its cells worked out, in the order of its fields, then of its items."""

    table: Table
    cells: tuple[Cell, ...]

    def cell(self, item: str, field: str) -> Cell:
        """Return one cell by the names of its item and its field."""
        return next(c for c in self.cells if (c.item, c.field) == (item, field))

    @property
    def errors(self) -> tuple[Cell, ...]:
        """The printed cells that are wrong."""
        return tuple(c for c in self.cells if c.error)


def reproduce(table: Table, catalogue: Catalogue) -> Reproduction:
    """Work out every cell of a table: recomputed, corrected, and all corrected.

    Parameters
    ----------
    table
        From `archsim.explore.tables`.
    catalogue
        The chips and their known errata; `archsim.report.report_tables.reproduced` takes archsim's own.
    """
    cells: list[Cell] = []
    for f in table.fields:
        for item in table.items:
            report, right, everything = (Record(table, item, catalogue, mode) for mode in Mode)
            if printed_cell(f, table, item) or (not f.printed and (f.formula or f.hidden)):
                cell = _cell(f, report, right, everything)
                cells += [cell] if cell.printed or cell.recomputed is not None else []
    return Reproduction(table, tuple(cells))


def _cell(f: Field, report: Record, right: Record, everything: Record) -> Cell:
    """Work out one cell: what the report's formula gives, what is right, and how it stands."""
    item, table = report.item, report.table
    text = printed_cell(f, table, item)
    fix, known = fix_of(f, item), _erratum(f, report)
    recomputed, closes = _recomputed(f, report, text)
    corrected, everywhere = right.value(f.name), everything.value(f.name)
    if f.formula is None:  # an input: the right one, wherever it is used
        corrected = recomputed if fix is None and recomputed is not None else everywhere
        if known is not None and fix is None and recomputed is None:
            corrected = everywhere = known.corrected
    elif f.measured and not closes and (fix is None or fix.value is None):  # later formulas read it as printed
        corrected, everywhere = f.formula(right), f.formula(everything)
    why = (fix.why if fix else "") or (known.reason if known else "")
    source = (fix.source if fix else "") or (known.source if known else "")
    if not text:
        status = "computed" if f.hidden is None else "inferred"
    elif fix is not None or known is not None or not closes:
        status = "error"
        why = why or (f"{off(text, recomputed)}{f.words}" if f.formula else f"the catalogue has {_plain(corrected)}")
    elif recomputed is None and (f.figure is not None or item.name in f.unchecked):
        status, why = "unchecked", f.unchecked.get(item.name, "nothing published to hold it against")
    else:
        status = "given" if recomputed is None else "closes"
    unit = fix.unit if fix is not None and fix.unit else f.unit
    return Cell(item.name, f.name, f.unit, text, recomputed, corrected, everywhere, unit, status, why, source)


def _recomputed(f: Field, report: Record, text: str) -> tuple[Value, bool]:
    """Return what the report's formula, or the catalogue, gives for a cell, and whether the printed one agrees."""
    if f.hidden is not None:
        return f.hidden(report), True
    if f.formula is not None:
        value: Value = f.formula(report)
        return value, not text or value is None or agrees(text, value, zeros=f.zeros, slack=_slack(f, report))
    if f.figure is not None and report.item.chip:
        value = f.figure(report.chip)
        return value, value is None or agrees(text, value, text_cell=f.text, zeros=True)
    return None, True


def _plain(value: Value) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def fix_of(f: Field, item: Item) -> Fix | None:
    """Return the fix of a field that an item needs, if any."""
    return next((x for x in f.fixes if not x.items or item.name in x.items), None)


def printed_cell(f: Field, table: Table, item: Item) -> str:
    """Return a cell as printed; empty where nothing is printed."""
    return f.cells[table.items.index(item)] if f.printed else ""


def _erratum(f: Field, report: Record) -> Erratum | None:
    """Return the catalogue's erratum of a cell, if it lists one."""
    table, item = report.table, report.item
    if not table.errata or not printed_cell(f, table, item):
        return None
    return next((e for e in report.catalogue.errata if (e.table, e.column) == (table.errata, f.name)
                 and e.row in (item.chip, item.name)), None)


def _slack(f: Field, record: Record) -> float:
    """Return how much the rounding of measured inputs moves a formula, to first order, all in the worst direction."""
    assert f.formula is not None
    total = 0.0
    for other in record.table.fields:
        if not other.measured or other is f:
            continue
        text = printed_cell(other, record.table, record.item)
        if not isinstance(parse(text), float):
            continue
        half = half_unit(text)
        ends = [f.formula(Record(record.table, record.item, record.catalogue, record.mode, {other.name: sign * half}))
                for sign in (-1, 1)]
        numbers = [e.low if isinstance(e, Span) else e or 0.0 for e in ends]
        total += abs(numbers[1] - numbers[0]) / 2
    return total
