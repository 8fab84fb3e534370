"""Score the simulator against measured kernels, beside a plain roofline.

A table, in one file or several, has one measured kernel per row: ``device``, ``op``, ``dtype``, ``measured_us``
(microseconds) and the shape columns of its op (`SHAPES`); any other column is kept and ignored. What a row's time
includes is a convention: see `archsim.explore.measured_kernels`. Where the host's clock was read, a column ``host_us``
says how much of a row's time is the host's, launching a kernel and waiting for its end: it is taken off before anything
is compared.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.errors import ArchsimError, unknown
from archsim.explore.measured_kernels import SHAPES, Kernel, kernels
from archsim.explore.measured_table import BadRowError, Row, number, read, text
from archsim.hardware import Chip
from archsim.simulation.run import write_whole
from archsim.timing import roofline

__all__ = ["SHAPES", "Case", "Miss", "Report", "Score", "Skipped", "Table", "load", "plain", "predict", "scored",
           "validate"]

BESIDE = ("kv_dtype", "tp", "ep", "distribution", "framework")
"""Columns that may change what a row means, beside those of its op."""

Key = tuple[str, str, str]
"""Device, op and dtype as the file spells them: rows of one key are scored together."""


@dataclass(frozen=True)
class Case:
    """A row that can be timed: its kernels, the seconds that they took on the device, the chip that it was measured on.

    `row` says which row of the table it is, `place` which line of which file.
    """

    key: Key
    kernels: tuple[Kernel, ...]
    seconds: float
    chip: Chip
    row: int
    place: str


@dataclass(frozen=True)
class Table:
    """A table of measured kernels: its columns and rows as they were, the rows that can be timed, and the others."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Score:
    """Errors of one group of rows, in percent of the measured time; `bias` keeps the sign (positive: predicted slow).

    `mape` is the mean and `median` the median of the absolute errors; the ``roofline_`` figures are those of
    max(FLOP / peak, compulsory bytes / peak bandwidth). `chip` is what the device was taken for, `part` what stands in
    the column by which rows were told apart. `beyond` rows were measured faster than the roofline, by up to `fastest`
    times: their operands were in a cache, or the measurement is wrong; `rest` is the mean error without them.
    """

    device: str
    chip: str
    op: str
    dtype: str
    part: str
    n: int
    beyond: int
    fastest: float
    rest: float | None
    mape: float
    median: float
    bias: float
    roofline_mape: float
    roofline_median: float
    roofline_bias: float

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain data."""
        return {
            "device": self.device, "chip": self.chip, "op": self.op, "dtype": self.dtype, "part": self.part,
            "n": self.n, "rows_faster_than_roofline": self.beyond, "fastest_over_roofline": self.fastest,
            "mape_without_them_percent": self.rest, "mape_percent": self.mape, "median_ape_percent": self.median,
            "bias_percent": self.bias,
            "roofline_mape_percent": self.roofline_mape, "roofline_median_ape_percent": self.roofline_median,
            "roofline_bias_percent": self.roofline_bias,
        }


@dataclass(frozen=True)
class Skipped:
    """Rows that were not scored, and why."""

    device: str
    op: str
    dtype: str
    reason: str
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain data."""
        return {"device": self.device, "op": self.op, "dtype": self.dtype, "reason": self.reason, "n": self.n}


@dataclass(frozen=True)
class Miss:
    """A row and its error in percent (positive: predicted slow): its place in its file, its shape, its microseconds."""

    place: str
    device: str
    op: str
    dtype: str
    shape: Mapping[str, str]
    measured_us: float
    predicted_us: float
    error: float
    roofline_error: float

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {"place": self.place, "device": self.device, "op": self.op, "dtype": self.dtype, **self.shape,
                "measured_us": self.measured_us, "predicted_us": self.predicted_us, "error_percent": self.error,
                "roofline_error_percent": self.roofline_error}


@dataclass(frozen=True)
class Report:
    """What scoring a table gives: a `Score` per (device, op, dtype), one over all, what was skipped, and the rows.

    `rows` are those of the file, every column as it was, with ``predicted_us`` added (None where not scored): what
    should have been measured, the host's share included. `misses` are the scored ones, the worst first. `by` is the
    column that tells rows apart besides, if any.
    """

    scores: tuple[Score, ...]
    total: Score | None
    skipped: tuple[Skipped, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    misses: tuple[Miss, ...]
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the scores, without the rows, as plain data."""
        return {
            "scores": [s.to_dict() for s in self.scores],
            "total": self.total.to_dict() if self.total else None,
            "skipped": [s.to_dict() for s in self.skipped],
            "rows_scored": sum(s.n for s in self.scores),
            "rows_skipped": sum(s.n for s in self.skipped),
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the rows with ``predicted_us`` as CSV, whole or not at all.

        Raises
        ------
        ArchsimError
            If the file cannot be written.
        """
        text = io.StringIO()
        names = [c for c in self.columns if c != "predicted_us"]
        out = csv.DictWriter(text, [*names, "predicted_us"], lineterminator="\n", extrasaction="ignore")
        out.writeheader()
        for row in self.rows:
            predicted = row["predicted_us"]
            out.writerow({**row, "predicted_us": "" if predicted is None else f"{predicted:.4f}"})
        write_whole(path, text.getvalue())

    def __str__(self) -> str:
        lines = [f"{'device':<16} {'op':<22} {'dtype':<10} {'n':>6} {'MAPE %':>8} {'median':>8} {'bias':>8} "
                 f"{'roofline MAPE':>14}"]
        for s in (*self.scores, *((self.total,) if self.total else ())):
            lines.append(f"{s.device:<16} {s.op:<22} {s.dtype:<10} {s.n:>6} {s.mape:>8.1f} {s.median:>8.1f} "
                         f"{s.bias:>+8.1f} {s.roofline_mape:>14.1f}")
        lines += [f"not scored: {s.n} x {s.device} {s.op} {s.dtype}: {s.reason}" for s in self.skipped]
        return "\n".join(lines)


Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""One file or several."""


def load(path: Paths, chip: Chip | None = None, *, resolve: Callable[[str], Chip] | None = None) -> Table:
    """Read a table of measured kernels: parameters and errors are those of `validate`."""
    if chip is None and resolve is None:
        raise ArchsimError("validate needs chip=..., or resolve=... to find each row's device, e.g. archsim.chips.get")
    columns: list[str] = []
    rows: list[Row] = []
    cases: list[Case] = []
    skipped: Counter[tuple[str, str, str, str]] = Counter()
    for file in [Path(path)] if isinstance(path, str | os.PathLike) else map(Path, path):
        names, table = read(file)
        columns += [c for c in names if c not in columns]
        for line, row in table:
            try:
                seconds = _on_device(row, line)
                device = text(row, "device", line) if chip is None else row.get("device") or chip.name
                key = (device, text(row, "op", line), text(row, "dtype", line))
                calls = kernels(row, line)
                on = chip or (resolve(device) if resolve else None)
                assert on is not None
                case = Case(key, calls, seconds, on, len(rows), f"{file.name}:{line}")
                predict(case)
                cases.append(case)
            except BadRowError as e:
                raise ArchsimError(f"{file}, {e}") from None
            except ArchsimError as e:
                skipped[(*key, str(e))] += 1
            rows.append(row)
    return Table(tuple(columns), tuple(rows), tuple(cases), tuple(Skipped(*key, n) for key, n in skipped.items()))


def _on_device(row: Row, line: int) -> float:
    """Return the seconds that a row's kernels took: those measured, without the host's share."""
    measured = number(row, "measured_us", line)
    host = number(row, "host_us", line) if str(row.get("host_us") or "").strip() not in ("", "0") else 0.0
    if host >= measured:
        raise BadRowError(f"line {line}: column 'host_us' = {host:g} leaves nothing of measured_us = {measured:g}")
    return (measured - host) * 1e-6


def predict(case: Case, chip: Chip | None = None) -> float:
    """Return the seconds that a row's kernels take on its chip, or on a changed one.

    Raises
    ------
    ArchsimError
        If the chip cannot do one of them.
    """
    return sum(k.seconds(chip or case.chip, once=chip is not None) for k in case.kernels)


def plain(case: Case) -> float:
    """Return the seconds of a textbook roofline: the row's own operator alone, at peak."""
    return sum(roofline.plain(k.op, case.chip) for k in case.kernels if k.own)


def validate(path: Paths, chip: Chip | None = None, *, resolve: Callable[[str], Chip] | None = None) -> Report:
    """Predict every row of a table of measured kernels and score the predictions.

    Parameters
    ----------
    path
        CSV file, or several; see the module's text for their columns.
    chip
        Time every row on this chip, whatever its ``device`` says.
    resolve
        Otherwise: returns the chip of a device name, e.g. `archsim.chips.get`.

    Returns
    -------
    Report

    Raises
    ------
    ArchsimError
        If a file cannot be read, or a row lacks a column or holds a value that cannot be meant; the message names
        line and column. Rows of an op, dtype or device that cannot be timed are no error: they are counted.
    """
    return scored(load(path, chip, resolve=resolve))


def scored(table: Table, by: str = "") -> Report:
    """Predict every row of a table that has been read, and score the predictions.

    Rows that differ in the column `by` are scored apart.

    Raises
    ------
    ArchsimError
        If there is no such column.
    """
    if by and by not in table.columns:
        raise unknown("column", by, table.columns)
    groups: dict[tuple[Key, str], list[tuple[Case, Miss]]] = {}
    for case in table.cases:
        row, seconds = table.rows[case.row], predict(case)
        measured = float(row["measured_us"])
        shape = {c: str(row[c]).strip() for c in (*SHAPES[case.key[1].lower()], *BESIDE) if row.get(c)}
        miss = Miss(case.place, *case.key, shape, measured, 1e6 * (seconds - case.seconds) + measured,
                    *(100.0 * (s / case.seconds - 1.0) for s in (seconds, plain(case))))
        groups.setdefault((case.key, str(row.get(by) or "").strip()), []).append((case, miss))
    scores = tuple(_score(key, pairs[0][0].chip.name, part, [m for _, m in pairs])
                   for (key, part), pairs in groups.items())
    every = [pair for pairs in groups.values() for pair in pairs]
    by_row = {case.row: miss.predicted_us for case, miss in every}
    misses = sorted((miss for _, miss in every), key=lambda m: -abs(m.error))
    return Report(
        scores, _score(("all", "all", "all"), "all", "", misses) if misses else None, table.skipped, table.columns,
        tuple({**row, "predicted_us": by_row.get(i)} for i, row in enumerate(table.rows)), tuple(misses), by,
    )


def _score(key: Key, chip: str, part: str, misses: Sequence[Miss]) -> Score:
    def percent(errors: Sequence[float]) -> tuple[float, float, float]:
        size = [abs(e) for e in errors]
        return statistics.fmean(size), statistics.median(size), statistics.fmean(errors)

    rest = [abs(m.error) for m in misses if m.roofline_error <= 0.0]
    fastest = 1.0 + max(m.roofline_error for m in misses) / 100.0
    return Score(key[0], chip, *key[1:], part, len(misses), len(misses) - len(rest), fastest,
                 statistics.fmean(rest) if rest else None,
                 *percent([m.error for m in misses]), *percent([m.roofline_error for m in misses]))
