"""Select: choose chips by their figures, put them in order, and tell how chips differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.dtypes import dtype as checked_dtype
from archsim.errors import ArchsimError, nearest, unknown
from archsim.hardware import Chip
from archsim.hardware.listing import Listing

Entry = Chip | Listing
"""What the catalogue holds: chips that run, and those of which too little is known."""

HEADLINE = ("bf16", "fp16", "int8", "fp8", "tf32", "fp32")
"""Number formats by which a chip is compared with others: the first that it has."""


@dataclass(frozen=True)
class Measure:
    """A figure that chips are chosen and sorted by, with the unit that a bare number has."""

    unit: str
    doc: str
    scale: float
    shown: str
    of: Callable[[Entry, str | None], float | None]


def headline(chip: Entry) -> str | None:
    """Return the number format that stands for a chip: bf16, else fp16, else the first of `HEADLINE` that it has."""
    return next((d for d in HEADLINE if peak(chip, d) is not None), None)


def peak(chip: Entry, dtype: str | None = None) -> float | None:
    """Return a chip's dense peak in FLOP/s, of its `headline` format if none is given; None where unknown."""
    dtype = dtype or headline(chip)
    if dtype is None:
        return None
    if isinstance(chip, Chip):
        return chip.peak(dtype) if dtype in chip.dtypes else None
    return (chip.peaks or {}).get(dtype)


def bandwidth(chip: Entry) -> float | None:
    """Return the bandwidth of device memory in B/s, None where unknown."""
    return chip.memory.bandwidth if isinstance(chip, Chip) else chip.memory_bandwidth


def capacity(chip: Entry) -> float | None:
    """Return the capacity of device memory in bytes, None where unknown."""
    return chip.memory.capacity if isinstance(chip, Chip) else chip.memory_capacity


def balance(chip: Entry, dtype: str | None = None) -> float | None:
    """Return the balance point, peak over memory bandwidth, in FLOP/B; None where either is unknown."""
    top, rate = peak(chip, dtype), bandwidth(chip)
    return None if top is None or not rate else top / rate


MEASURES: dict[str, Measure] = {
    "peak": Measure("FLOP/s", "dense peak", 1e12, "TFLOP/s", peak),
    "bandwidth": Measure("B/s", "memory bandwidth", 1e9, "GB/s", lambda c, _: bandwidth(c)),
    "memory": Measure("B", "memory capacity", 1e9, "GB", lambda c, _: capacity(c)),
    "balance": Measure("FLOP/B", "peak over bandwidth", 1.0, "FLOP/B", balance),
    "link": Measure("B/s", "one-way bandwidth of all links", 1e9, "GB/s",
                    lambda c, _: c.link.bandwidth if c.link else None),
    "tdp": Measure("W", "thermal design power", 1.0, "W", lambda c, _: c.power.tdp if c.power else None),
    "area": Measure("mm2", "die area", 1.0, "mm2", lambda c, _: c.die.area if c.die else None),
    "year": Measure("", "first year of availability", 1.0, "", lambda c, _: c.year),
    "price": Measure("USD", "price of one chip", 1.0, "USD", lambda c, _: c.price if isinstance(c, Chip) else None),
}
"""What ``--min``, ``--max`` and ``--sort`` take."""

NAMES = ("name", "vendor", "kind")
KINDS = ("systolic", "gpu", "roofline", "unknown")

_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
_BINARY = {"ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40}


def measured(name: str, text: str) -> float:
    """Return the SI value of a figure that someone wrote: ``300TFLOPS``, ``2 TB/s``, ``80GB``, ``400W``, ``2022``.

    A bare number has the unit of the table's column (TFLOP/s, GB/s, GB, FLOP/B, W).

    Raises
    ------
    ArchsimError
        If `name` is no figure of `MEASURES`, or the text no number with its unit.
    """
    if name not in MEASURES:
        raise unknown("figure", name, MEASURES)
    measure = MEASURES[name]
    like = {"peak": "300TFLOPS", "bandwidth": "2TB/s", "memory": "80GB", "link": "300GB/s", "year": "2022"}
    wrong = ArchsimError(f"{name}={text!r} is no {measure.doc}: write e.g. {name}="
                         f"{like.get(name, '400' + measure.unit.replace('USD', ''))}")
    found = re.fullmatch(r"\$?\s*([0-9.,]+(?:e[+-]?\d+)?)\s*([a-z/$0-9]*)", text.strip(), re.IGNORECASE)
    if found is None:
        raise wrong
    try:
        number = float(found[1].replace(",", ""))
    except ValueError:
        raise wrong from None
    given = found[2].lower().replace("flops", "flop/s").replace("flop/s/s", "flop/s").replace("tops", "tflop/s")
    given = given.replace("bps", "b/s").replace("flop/byte", "flop/b")
    unit = measure.unit.lower()
    if not given:
        return number * measure.scale
    if unit not in ("flop/s", "b/s", "b", "w"):
        if given not in (unit, "$"):
            raise wrong
        return number
    prefix = given.removesuffix(unit) if given.endswith(unit) else None
    scales = {**_PREFIX, **_BINARY}
    if prefix is None or prefix not in scales:
        raise wrong
    return number * scales[prefix]


def select(chips: Iterable[Entry], *, vendor: str | None = None, kind: str | None = None,
           at_least: Mapping[str, float] | None = None, at_most: Mapping[str, float] | None = None,
           sort: str | None = None, dtype: str | None = None) -> list[Entry]:
    """Return the chips that fit, in order.

    Parameters
    ----------
    vendor
        Part of the vendor's name, in any case.
    kind
        ``systolic``, ``gpu``, ``roofline`` or ``unknown``.
    at_least, at_most
        Bounds by figure (`MEASURES`), SI; a chip of which that figure is unknown does not fit.
    sort
        A figure, the largest first and unknown last; or ``name``, ``vendor``, ``kind``. The order given if None.
    dtype
        Number format of peak and balance; each chip's own `headline` if None. A chip without it does not fit.

    Raises
    ------
    ArchsimError
        If a name is not known; the message gives the nearest.
    """
    chosen = list(chips)
    if vendor is not None:
        known = sorted({c.vendor for c in chosen if c.vendor})
        if not any(vendor.strip().lower() in v.lower() for v in known) or not vendor.strip():
            raise unknown("vendor", vendor, known)
        chosen = [c for c in chosen if vendor.strip().lower() in c.vendor.lower()]
    if kind is not None:
        if kind.strip().lower() not in KINDS:
            raise unknown("kind", kind, KINDS)
        chosen = [c for c in chosen if c.kind == kind.strip().lower()]
    if dtype is not None:
        dtype = checked_dtype(dtype)
        chosen = [c for c in chosen if peak(c, dtype) is not None]
    for bounds, sign in ((at_least, 1.0), (at_most, -1.0)):
        for name, bound in (bounds or {}).items():
            if name not in MEASURES:
                raise unknown("figure", name, MEASURES)
            of = MEASURES[name].of
            chosen = [c for c in chosen if (v := of(c, dtype)) is not None and sign * v >= sign * bound]
    if sort is None:
        return chosen
    key = sort.strip().lower()
    if key in NAMES:
        return sorted(chosen, key=lambda c: (str(getattr(c, key)).lower(), c.name))
    if key not in MEASURES:
        raise unknown("figure to sort by", sort, [*MEASURES, *NAMES])
    of = MEASURES[key].of

    def rank(chip: Entry) -> float:
        value = of(chip, dtype)
        return float("inf") if value is None else -value

    return sorted(chosen, key=rank)


# --- how chips differ -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Difference:
    """One figure of several chips: a value each, None where a chip has none, and what each is of the first one's."""

    path: str
    unit: str
    values: tuple[Any, ...]

    @property
    def equal(self) -> bool:
        """Whether all chips have the same value."""
        return all(v == self.values[0] for v in self.values)

    @property
    def ratios(self) -> tuple[float | None, ...]:
        """Each value over the first chip's; None where they are no numbers."""
        first = self.values[0]
        if self.path == "year" or not _number(first) or not first:
            return (None,) * len(self.values)
        return tuple(v / first if _number(v) else None for v in self.values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(chips: Sequence[Entry], *, every: bool = False) -> list[Difference]:
    """Return the figures by which chips differ, in the order of their definition, what follows from them first.

    Where chips are of different kinds, figures of the core that no two of them have are left out unless `every` is set.

    Parameters
    ----------
    chips
        At least two.
    every
        Also the figures in which they are equal.

    Raises
    ------
    ArchsimError
        If there are fewer than two chips.
    """
    if len(chips) < 2:
        raise ArchsimError("a comparison needs at least two chips, e.g. archsim chips h100-sxm b200 --diff")
    columns = [dict(_figures(c)) for c in chips]
    paths: list[str] = []
    for column in columns:  # a path that the chips before lack comes after its neighbour
        last = -1
        for path in column:
            if path in paths:
                last = paths.index(path)
            else:
                paths.insert(last + 1, path)
                last += 1
    units = {path: unit for column in columns for path, (_, unit) in column.items()}
    parts = [p.rpartition(".")[0] or p for p in paths]
    paths = [p for _, p in sorted(zip(map(parts.index, parts), paths, strict=True), key=lambda at: at[0])]
    made = [Difference(p, units[p], tuple(c[p][0] if p in c else None for c in columns)) for p in paths]
    mixed = len({c.kind for c in chips}) > 1

    def told(d: Difference) -> bool:
        alone = mixed and d.path.startswith("core.") and sum(v is not None for v in d.values) < 2
        return every or not (d.equal or alone)

    return [d for d in made if told(d)]


def _figures(chip: Entry) -> Iterable[tuple[str, tuple[Any, str]]]:
    """Yield the path, the value and the unit of what is compared: what follows from a chip first, then its figures."""
    if isinstance(chip, Chip):
        for d in chip.dtypes:
            yield f"peak.{d}", (chip.peak(d), "FLOP/s")
    if (point := balance(chip)) is not None:
        yield "balance", (point, "FLOP/B")
    top = peak(chip)
    for name, below, unit in (("peak_per_watt", chip.power.tdp if chip.power else None, "FLOP/s/W"),
                              ("peak_per_mm2", chip.die.area if chip.die else None, "FLOP/s/mm2"),
                              ("peak_per_dollar", chip.price if isinstance(chip, Chip) else None, "FLOP/s/USD")):
        if top and below:
            yield name, (top / below, unit)
    for path, value, unit, _, _ in chip.figures():
        if path not in ("name", "notes"):
            yield path, (value, unit)


# --- errata -----------------------------------------------------------------------------------------------------------

def errata(rows: Sequence[Any], *names: str) -> list[Any]:
    """Return the errata (table, row, column, ...) whose table or row has one of `names` in it; all of them without.

    Raises
    ------
    ArchsimError
        If a name fits no table and no row; the message gives the nearest.
    """
    def fits(erratum: Any, name: str) -> bool:
        return bool(name.strip()) and name.strip().lower() in f"{erratum.table}\n{erratum.row}".lower()

    for name in names:
        if not any(fits(e, name) for e in rows):
            tables, chips = (list(dict.fromkeys(getattr(e, side) for e in rows)) for side in ("table", "row"))
            guess = nearest(name, [*chips, *tables])
            hint = f"did you mean {guess!r}? " if guess else ""
            raise ArchsimError(f"no erratum of {name!r}: {hint}tables: {'; '.join(tables)}; rows: {', '.join(chips)}")
    return [e for e in rows if not names or any(fits(e, name) for name in names)]
