"""Tables of the catalogue: chips side by side, every figure of one, how several differ, errata, and what a check found.

Every function returns a `Sheet`: print it, or show it with rich.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from archsim.explore.select import MEASURES, Difference, Entry, balance, bandwidth, capacity, headline, peak
from archsim.hardware import Chip
from archsim.hardware.part import defaulted
from archsim.report.quantity import NONE, peak_rate, quantity, sig
from archsim.report.sheet import Column, Sheet
from archsim.report.theme import CONFIDENCE, SEVERITY

if TYPE_CHECKING:
    from archsim.explore.check_chip import Finding
    from archsim.hardware import Source

__all__ = ["catalogue", "chip_sheet", "diff_sheets", "errata_sheets", "findings_sheet", "price_sheet", "source_sheet"]


def __dir__() -> list[str]:
    return __all__


def catalogue(chips: Sequence[Entry], dtype: str | None = None) -> Sheet:
    """Return chips side by side: peak, memory, balance, power and price.

    With a `dtype` the peak is of that format; without, of bf16 or fp16, and more columns tell of 8-bit formats.
    """
    def column(heading: str, values: Iterable[float | None], factor: float = 1.0, rank: int = 0) -> Column:
        return Column(heading, [quantity(None if v is None else v / factor) for v in values], rank)

    def sixteen(chip: Entry) -> float | None:
        return next((p for d in ("bf16", "fp16") if (p := peak(chip, d)) is not None), None)

    of = {name: [m.of(c, dtype) for c in chips] for name, m in MEASURES.items()}
    years = [None if y is None else int(y) for y in of["year"]]
    if dtype is None:
        peaks = [column("16-bit\nTFLOP/s", map(sixteen, chips), 1e12),
                 column("fp8\nTFLOP/s", [peak(c, "fp8") for c in chips], 1e12, 6),
                 column("int8\nTOP/s", [peak(c, "int8") for c in chips], 1e12, 3)]
    else:
        peaks = [column(f"{dtype}\nTFLOP/s", of["peak"], 1e12)]
    vendors = [c.vendor for c in chips]
    grouped = sum(a != b for a, b in pairwise(vendors)) < len(set(vendors))  # each vendor's stand together
    odd = sum(headline(c) not in ("bf16", "fp16", None) for c in chips) if dtype is None else 0
    return Sheet(
        "",
        [
            Column("chip", [c.name for c in chips], text=True),
            Column("vendor", [c.vendor or NONE for c in chips], 7, text=True),
            Column("year", [str(y or NONE) for y in years], 4),
            Column("kind", [c.kind for c in chips], 2, text=True),
            *peaks,
            column("memory\nGB", map(capacity, chips), 1e9),
            column("memory\nGB/s", map(bandwidth, chips), 1e9),
            Column("balance\nFLOP/B", [quantity(balance(c, dtype), digits=3) for c in chips], 1),
            column("link\nGB/s", of["link"], 1e9, 8),
            column("TDP\nW", of["tdp"], rank=5),
            column("die\nmm2", of["area"], rank=9),
            column("price\n$", of["price"], rank=6),
        ],
        notes=["balance: peak over memory bandwidth; of int8 or fp32 where there is no 16-bit peak"] if odd else [],
        rules=[i for i, (a, b) in enumerate(pairwise(vendors))
               if grouped and a != b and max(vendors.count(a), vendors.count(b)) > 3],
    )


# --- one chip ---------------------------------------------------------------------------------------------------------

def _head(chip: Entry) -> str:
    if not isinstance(chip, Chip):
        return f"{chip.name} [listed, cannot be run]  not published: {', '.join(chip.missing)}"
    peaks = ", ".join(f"{d} {peak_rate(chip.peak(d), d)}" for d in chip.dtypes)
    return f"{chip.name} [{chip.kind}, {chip.fidelity}]  dense peak: {peaks}"


def chip_sheet(chip: Entry) -> Sheet:
    """Return every figure of a chip with its unit, source and confidence."""
    rows = [row for row in chip.figures() if row[0] not in ("name", "notes")]
    sources = [s for *_, s in rows]
    stated = [_source(s) or without for (*_, s), without in zip(rows, _unsourced(chip, rows), strict=True)]
    again = [s is not None and s == before for s, before in zip(sources, [None, *sources], strict=False)]
    return Sheet(
        _head(chip),
        [
            Column("figure", [path for path, *_ in rows], text=True),
            Column("value", [_figure(v, unit, path) for path, v, unit, *_ in rows]),
            Column("source", ["as above" if a else s for s, a in zip(stated, again, strict=True)], 1, text=True,
                   wrap=True, styles=[CONFIDENCE[s.confidence] if s else "dim" for s in sources]),
        ],
        notes=[*_long(rows), *(f"note: {n}" for n in chip.notes)],
    )


def source_sheet(chip: Entry) -> Sheet:
    """Return every figure of a chip with its range, how far to trust it, where it is from and what others say."""
    rows = [row for row in chip.figures() if row[0] not in ("name", "notes", "missing", "vendor")]
    default = set(defaulted(chip))
    figures: list[str] = []
    values: list[str] = []
    trust: list[str] = []
    styles: list[str] = []
    sources: list[str] = []
    before: tuple[str, Source | None] = ("", None)
    for path, value, unit, _, source in rows:
        part = _part(chip, path)
        if part != before[0]:  # a line of its own names the part that the next figures belong to
            figures.append(part)
            for cells in (values, trust, styles, sources):
                cells.append("")
        figures.append("  " * bool(part) + path.removeprefix(part).lstrip("."))
        values.append(_figure(value, unit, path) + _span(source, unit))
        if source is None:
            trust.append("default" if path in default else "as defined")
            sources.append("")
        elif source == before[1]:
            trust.append("")
            sources.append("as above")
        else:
            trust.append(source.confidence.rpartition("-")[2])
            sources.append(f"{source.text}; {source.note}" if source.note else source.text)
        styles.append(CONFIDENCE[source.confidence] if source else "dim")
        before = (part, source)
    return Sheet(
        _head(chip),
        [Column("figure", figures, text=True), Column("value", values), Column("confidence", trust, text=True,
                                                                               styles=styles),
         Column("source", sources, text=True, wrap=True, least=18)],
        notes=[*_long(rows), *(f"note: {n}" for n in chip.notes),
               *(["unverified: published, but quoted without the document at hand"] if "unverified" in trust else [])],
    )


def _span(source: Source | None, unit: str) -> str:
    """Write the range of an estimate below its value: ``(120 to 200 W)``."""
    if source is None or source.low is None:
        return ""
    low, high = quantity(source.low, unit), quantity(source.high, unit)
    number, _, same = low.partition(" ")
    low = number if same and same == high.partition(" ")[2] else low
    return f"\n({low} to {high})" if len(low + high) < 16 else f"\n({low} to\n{high})"


def _part(chip: Entry, path: str) -> str:
    """Return the path of the part, or of the chip's table, that a figure belongs to; empty for the chip's own."""
    part: Any = chip
    names = path.split(".")
    for i, name in enumerate(names):
        part = getattr(part, name, None)
        if not is_dataclass(part):
            return ".".join(names[:max(i, len(names) - 1 if i == 0 else 0)])
    return path


def price_sheet(prices: Sequence[Any]) -> Sheet:
    """Return what is on file of a chip's price, cost and rent, each dated and with its source."""
    def amount(p: Any) -> str:
        one = (f"{'$' if p.currency == 'USD' else f'{p.currency} '}{quantity(v)}"
               for v in (p.amount, p.low, p.high) if v is not None)
        first, *bounds = one
        return f"{first}\n({' to '.join(bounds)})" if len(bounds) == 2 else first

    return Sheet("prices on file", [
        Column("date", [p.date for p in prices], text=True),
        Column("basis", [p.basis for p in prices], text=True),
        Column("amount", [amount(p) for p in prices]),
        Column("confidence", [p.confidence.rpartition("-")[2] for p in prices], text=True,
               styles=[CONFIDENCE[p.confidence] for p in prices]),
        Column("source", [f"{p.source}; {p.note}" if p.note else p.source for p in prices], text=True, wrap=True),
    ])


_BELOW = "see below"


def _figure(value: Any, unit: str, path: str = "") -> str:
    """Write one figure; a list or a long text only by a reference to the notes, a peak as its number format (the end
    of `path`) is counted."""
    if isinstance(value, float) and unit == "":
        return sig(value, 3) if value >= 1e6 else f"{value:g}"
    text = peak_rate(value, path.rpartition(".")[2]) if unit == "FLOP/s" else quantity(value, unit)
    return text if len(text) <= 20 else _BELOW


def _long(rows: Sequence[Any]) -> list[str]:
    return [f"{path}: {quantity(value)}" for path, value, unit, *_ in rows if _figure(value, unit) == _BELOW]


def _unsourced(chip: Entry, rows: Sequence[Any]) -> list[str]:
    """Say of figures without a source whether somebody gave them."""
    default = set(defaulted(chip))
    return ["default" if path in default else "as defined" for path, *_ in rows]


def _source(source: Source | None) -> str:
    """Say how far to trust a figure and why."""
    if source is None:
        return ""
    note = f" ({source.note})" if source.note else ""
    return f"{source.confidence}: {source.text}{note}"


# --- several chips ----------------------------------------------------------------------------------------------------

def diff_sheets(chips: Sequence[Entry], rows: Sequence[Difference], width: int) -> list[Sheet]:
    """Return chips side by side, figure by figure, with what each number is of the first chip's.

    Where `width` characters do not hold all of them, the next sheet goes on beside the first chip.
    """
    made: list[Sheet] = []
    shown = 1
    while shown < len(chips):
        end = len(chips)
        while end > shown + 1 and _diff_sheet(chips, rows, (0, *range(shown, end))).fit(width)[1]:
            end -= 1
        made.append(_diff_sheet(chips, rows, (0, *range(shown, end))))
        shown = end
    return made


def _diff_sheet(chips: Sequence[Entry], rows: Sequence[Difference], of: Sequence[int]) -> Sheet:
    """Return some of the chips side by side; the page loses ratios before it loses a chip."""
    columns = [Column("figure", [r.path for r in rows], text=True)]
    for i in of:
        values = [_figure(r.values[i], r.unit, r.path) if r.values[i] is not None else NONE for r in rows]
        columns.append(Column(chips[i].name, values))
        if i:
            ratios = ["" if (x := r.ratios[i]) is None or x == 1 else f"×{sig(x)}" for r in rows]
            columns.append(Column("ratio", ratios, i))
    unlike = [(r.path, chips[i].name, v) for r in rows for i in of
              if (v := r.values[i]) is not None and _figure(v, r.unit) == _BELOW]
    notes = [f"{path} of {name}: {quantity(value)}" for path, name, value in unlike]
    title = " | ".join(chips[i].name for i in of)
    return Sheet(f"{title}: {len(rows)} figures; ratios to {chips[0].name}", columns, notes)


# --- errata and checks ------------------------------------------------------------------------------------------------

def errata_sheets(rows: Sequence[Any]) -> list[Sheet]:
    """Return errors of printed tables, a sheet for each table: what stands there, what should, and why."""
    made = []
    for table in dict.fromkeys(e.table for e in rows):
        mine = [e for e in rows if e.table == table]
        again = [a is not None and a.reason == b.reason for a, b in zip([None, *mine], mine, strict=False)]
        printed, corrected = ([quantity(getattr(e, side)) for e in mine] for side in ("printed", "corrected"))
        words = max(map(len, [*printed, *corrected])) > 10
        made.append(Sheet(f"\n{table}: {len(mine)}", [
            Column("row", [e.row for e in mine], text=True),
            Column("column", [f"{e.column}\n({e.unit})" if e.unit else e.column for e in mine], text=True, wrap=True,
                   least=14 if words else 20),
            Column("printed", printed, text=words, wrap=words, least=10, styles=["red"] * len(mine)),
            Column("corrected", corrected, text=words, wrap=words, least=10, styles=["green"] * len(mine)),
            Column("reason", ["as above" if a else e.reason for a, e in zip(again, mine, strict=True)], text=True,
                   wrap=True),
            Column("source", [e.source for e in mine], 1, text=True, wrap=True),
        ]))
    return made


def findings_sheet(chip: Chip, found: Sequence[Finding]) -> Sheet:
    """Return what a check found, one finding a line: how bad, which figure, what is wrong, the range and its source."""
    counts = {s: sum(f.severity == s for f in found) for s in SEVERITY}
    words = ", ".join(f"{n} {_SAID[s]}{'s' * (n != 1)}" for s, n in counts.items() if n)
    return Sheet(f"{chip.name} [{chip.kind}, {chip.fidelity}]: {words or 'nothing found'}", [
        Column("", [f.severity for f in found], text=True, styles=[SEVERITY[f.severity] for f in found]),
        Column("figure", [f.figure for f in found], text=True, wrap=True),
        Column("finding", [_finding(f) for f in found], text=True, wrap=True),
    ] if found else [])


_SAID = {"error": "error", "warn": "warning", "info": "note"}


def _finding(f: Finding) -> str:
    """Write a finding as one sentence: the problem, the value, the range and where that comes from."""
    value = "" if f.value is None else f": {quantity(f.value, f.unit)}"
    low, high = quantity(f.low, f.unit), quantity(f.high, f.unit)
    if f.low is not None and f.high is not None:
        allowed = f"; {low} to {high}"
    elif f.low is not None or f.high is not None:
        allowed = f"; at least {low}" if f.high is None else f"; at most {high}"
    else:
        allowed = ""
    return f"{f.problem}{value}{allowed}{f' [{f.source}]' if f.source else ''}"
