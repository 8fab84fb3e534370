"""Every constant of a GPU's timing, and how far the error on measured kernels moves when one is off by a fifth.

A constant is a figure of the chip: value, unit, meaning and source come with it. Changing one at a time says which of
them the predictions stand on, and which nobody needs to know well.
"""

from __future__ import annotations

import csv
import io
import math
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.validate import Case, Key, Table, predict
from archsim.hardware import Chip, Source
from archsim.hardware.part import Table as Figures
from archsim.hardware.part import metadata_at
from archsim.simulation.run import write_whole

T = TypeVar("T")
Progress = Callable[[Sequence[T], Callable[[T], str]], Iterable[T]]
"""Passes items on, and may say by their names how far it is."""

DATASHEET = ("clock", "boost", "cores", "core.tensor.macs", "core.shared.capacity", "core.registers",
             "core.fp32_lanes", "core.sfu", "memory.capacity", "memory.bandwidth", "cache.capacity", "power.tdp")
"""Figures that a vendor's datasheet, white paper or programming guide prints, and that differ from device to device;
all others are microarchitecture, alike on all devices of a generation or more."""

_PARTS = ("clock", "boost", "cores", "core", "memory", "cache", "power")

STEP = 0.2
"""By how much of itself a constant is changed, up and down."""

MOST = 150
"""Rows of one device, op and dtype that are scored again for every constant, evenly from the whole table."""


@dataclass(frozen=True)
class Constant:
    """A figure that timing may use: a number, or numbers by dtype, which are changed together.

    `likely` is the range that its field or its source leaves open, None if it is settled: see `free`.
    """

    path: str
    value: float | Mapping[str, float]
    unit: str
    meaning: str
    source: Source | None
    likely: tuple[float, float] | None

    @property
    def datasheet(self) -> bool:
        """Whether a datasheet prints it."""
        return self.path in DATASHEET

    def to_dict(self) -> dict[str, Any]:
        """Return the constant as plain data."""
        source = self.source
        return {
            "figure": self.path, "value": dict(self.value) if isinstance(self.value, Mapping) else self.value,
            "unit": self.unit, "meaning": self.meaning, "datasheet": self.datasheet,
            "source": source.text if source else None, "confidence": source.confidence if source else None,
            "likely": self.likely,
        }


@dataclass(frozen=True)
class Sensitivity:
    """How the mean absolute error of one device's rows moves, in points of percent, when a constant is changed.

    `down` and `up` hold the changes by (op, dtype) with the constant a fifth lower and higher; None where it cannot
    be: a whole number that would round to itself, a share above one.
    """

    device: str
    constant: Constant
    down: Mapping[tuple[str, str], float] | None
    up: Mapping[tuple[str, str], float] | None

    @property
    def largest(self) -> float:
        """The largest change, in points."""
        return max((abs(v) for changes in (self.down, self.up) for v in (changes or {}).values()), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as plain data."""
        keys = sorted({*(self.down or {}), *(self.up or {})})
        return {
            "device": self.device, **self.constant.to_dict(),
            "changes": [{"op": op, "dtype": dtype,
                         "minus_20_percent_points": self.down[op, dtype] if self.down else None,
                         "plus_20_percent_points": self.up[op, dtype] if self.up else None} for op, dtype in keys],
        }


def constants(chip: Chip) -> tuple[Constant, ...]:
    """Return the chip's figures that timing may use, in the order of its definition."""
    found: dict[str, Constant] = {}
    for path, value, unit, meaning, source in chip.figures():
        if path.split(".")[0] not in _PARTS or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        whole = path
        if not _has(chip, path):  # one entry of a table: the table stands for it
            whole = path.rpartition(".")[0]
            value = _at(chip, whole)
        likely = metadata_at(chip, whole).get("likely")
        if source is not None and source.low is not None and source.high is not None:
            likely = (source.low, source.high)
        found.setdefault(whole, Constant(whole, value, unit, meaning, source, likely))
    for name, rate in (("efficiency", chip.memory.sustained), ("write_efficiency", chip.memory.sustained_write)):
        path, reached = f"memory.{name}", rate / chip.memory.bandwidth
        found.setdefault(path, Constant(path, reached, "", metadata_at(chip, path)["doc"], _SIMULATED, None))
    if chip.memory.device and None in (chip.memory.efficiency, chip.memory.write_efficiency):
        for name in ("read_queue", "write_queue", "disorder"):
            path, meta = f"memory.{name}", metadata_at(chip, f"memory.{name}")
            found.setdefault(path, Constant(path, getattr(chip.memory.device, name), meta["unit"], meta["doc"],
                                            _CONTROLLER, None))
    return tuple(found.values())


_CONTROLLER = Source("what copies and reads reach on ten GPUs: QUEUES and DISORDER of archsim.hardware.dram",
                     "estimated")
_SIMULATED = Source("banks, refresh and bus turn-arounds of its type: archsim.hardware.dram_stream", "derived")


def _at(record: Any, path: str) -> Any:
    for name in path.split("."):
        record = getattr(record, name)
    return record


def _has(record: Any, path: str) -> bool:
    try:
        _at(record, path)
    except AttributeError:
        return False
    return True


def changed(chip: Chip, values: Mapping[str, Any]) -> Chip:
    """Return the chip with the figures at some paths changed."""
    for path, value in values.items():
        part, _, name = path.rpartition(".")
        chip = chip.replace(part, **{name: value})
    return chip


def scaled(chip: Chip, constant: Constant, factor: float) -> Chip | None:
    """Return the chip with one constant multiplied, None if it cannot be: it rounds to itself, or is out of range."""
    value = constant.value
    new: Any = Figures({k: v * factor for k, v in value.items()}) if isinstance(value, Mapping) else value * factor
    if isinstance(value, int):
        new = round(new)
        if new == value or new < 1:
            return None
    try:
        return changed(chip, {constant.path: new})
    except ArchsimError:
        return None


def sample(cases: Sequence[Case], most: int = MOST) -> list[Case]:
    """Return at most `most` rows of every device, op and dtype, evenly from the table."""
    groups: dict[Key, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.key, []).append(case)
    return [case for group in groups.values() for case in _evenly(group, most)]


def _evenly(items: list[T], most: int) -> list[T]:
    count = min(most, len(items))
    return [items[math.floor((i + 0.5) * len(items) / count)] for i in range(count)]


def mape(cases: Sequence[Case], chip: Chip | None = None) -> dict[tuple[str, str], float]:
    """Return the mean absolute error in percent by (op, dtype), of the rows' own chips or of a changed one.

    Raises
    ------
    ArchsimError
        If the changed chip cannot do a row.
    """
    errors: dict[tuple[str, str], list[float]] = {}
    for case in cases:
        errors.setdefault(case.key[1:], []).append(abs(predict(case, chip) / case.seconds - 1.0))
    return {key: 100.0 * statistics.fmean(e) for key, e in errors.items()}


def by_chip(table: Table) -> dict[str, list[Case]]:
    """Return the rows that can be timed by the name of the chip that times them.

    Raises
    ------
    ArchsimError
        If no row was measured on a GPU: constants of other chips have no measured kernels to stand on.
    """
    groups: dict[str, list[Case]] = {}
    for case in table.cases:
        if case.chip.kind == "gpu":
            groups.setdefault(case.chip.name, []).append(case)
    if not groups:
        why = f"; not timed: {table.skipped[0].reason}" if table.skipped else ""
        raise ArchsimError(f"no row of the table was measured on a GPU, whose constants are what can be studied{why}")
    return groups


def sensitivity(table: Table, *, most: int = MOST, progress: Progress[Any] | None = None) -> list[Sensitivity]:
    """Return what a change of every constant does to the errors, per device, the largest effect first.

    Parameters
    ----------
    table
        What `archsim.explore.validate.load` returns.
    most
        Rows per device, op and dtype, evenly from the table.
    progress
        Wraps the constants that are gone through, to show how far it is.

    Raises
    ------
    ArchsimError
        If no row was measured on a GPU.
    """
    jobs = [(device, constant) for device, cases in by_chip(table).items() for constant in constants(cases[0].chip)]
    rows = {device: sample(cases, most) for device, cases in by_chip(table).items()}
    base = {device: mape(cases) for device, cases in rows.items()}
    found = []
    for device, constant in progress(jobs, lambda job: f"{job[0]}: {job[1].path}") if progress else jobs:
        cases = rows[device]
        down, up = (_moved(cases, base[device], scaled(cases[0].chip, constant, 1.0 + step))
                    for step in (-STEP, STEP))
        found.append(Sensitivity(device, constant, down, up))
    order = {device: i for i, device in enumerate(rows)}
    return sorted(found, key=lambda s: (order[s.device], -s.largest))


def write(path: str | os.PathLike[str], found: Sequence[Sensitivity]) -> None:
    """Write constants and what they move as CSV, a line each, whole or not at all.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    keys = sorted({key for s in found for key in (*(s.down or {}), *(s.up or {}))})
    moved = {key: tuple(f"{' '.join(key)} {sign}20 % (points of MAPE)" for sign in "-+") for key in keys}
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["device", "figure", "value", "unit", "meaning", "kind", "source", "confidence", "low", "high",
                  *(name for names in moved.values() for name in names)])
    for s in found:
        c = s.constant
        value = " ".join(f"{k}={v:g}" for k, v in c.value.items()) if isinstance(c.value, Mapping) else f"{c.value:.9g}"
        out.writerow([s.device, c.path, value, c.unit, c.meaning, "datasheet" if c.datasheet else "",
                      *((c.source.text, c.source.confidence) if c.source else ("", "")), *(c.likely or ("", "")),
                      *(f"{side[key]:.4f}" if side and key in side else "" for key in keys for side in (s.down, s.up))])
    write_whole(path, text.getvalue())


def _moved(
    cases: Sequence[Case], base: Mapping[tuple[str, str], float], chip: Chip | None
) -> dict[tuple[str, str], float] | None:
    if chip is None:
        return None
    try:
        return {key: value - base[key] for key, value in mape(cases, chip).items()}
    except UnsupportedError:
        return None


def free(chip: Chip) -> dict[str, Constant]:
    """Return the constants of a chip that a fit may choose, by path: open within a range, and no datasheet's.

    The chip's own value of a figure with a range is an estimate; where it has none, the default is. What the chip's
    definition takes from a measurement or a document is settled.
    """
    return {c.path: c for c in _open(chip)}


def _open(chip: Chip) -> Iterator[Constant]:
    for c in constants(chip):
        stated = c.source is not None and c.path in chip.sources and c.source.confidence != "estimated"
        own = c.path.startswith("power.")  # a device's, not its generation's
        if c.likely is not None and not (c.datasheet or own or stated or isinstance(c.value, Mapping)):
            yield c
