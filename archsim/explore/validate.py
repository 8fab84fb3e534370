"""Score the simulator against measured kernels, beside a plain roofline.

A table has one measured kernel per row: ``device``, ``op``, ``dtype``, ``measured_us`` (microseconds) and the shape
columns of its op (`SHAPES`); any other column is kept and ignored. What a row's time includes is a convention: see
`archsim.explore.measured_kernels`. Where the host's clock was read, a column ``host_us`` says how much of a row's time
is the host's, launching a kernel and waiting for its end: it is taken off before anything is compared.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.errors import ArchsimError
from archsim.explore.measured_kernels import SHAPES, Kernel, kernels
from archsim.explore.measured_table import BadRowError, Row, number, read, text
from archsim.hardware import Chip
from archsim.simulation.run import write_whole
from archsim.timing import roofline

__all__ = ["SHAPES", "Case", "Report", "Score", "Skipped", "Table", "load", "plain", "predict", "scored",
           "validate"]

Key = tuple[str, str, str]
"""Device, op and dtype as the file spells them: rows of one key are scored together."""


@dataclass(frozen=True)
class Case:
    """A row that can be timed: its kernels, the seconds that they took on the device, the chip that it was measured on.

    `row` says which row of the table it is.
    """

    key: Key
    kernels: tuple[Kernel, ...]
    seconds: float
    chip: Chip
    row: int


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
    max(FLOP / peak, compulsory bytes / peak bandwidth).
    """

    device: str
    op: str
    dtype: str
    n: int
    mape: float
    median: float
    bias: float
    roofline_mape: float
    roofline_median: float
    roofline_bias: float

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain data."""
        return {
            "device": self.device, "op": self.op, "dtype": self.dtype, "n": self.n,
            "mape_percent": self.mape, "median_ape_percent": self.median, "bias_percent": self.bias,
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
class Report:
    """What scoring a table gives: a `Score` per (device, op, dtype), one over all, what was skipped, and the rows.

    `rows` are those of the file, every column as it was, with ``predicted_us`` added (None where not scored): what
    should have been measured, the host's share included.
    """

    scores: tuple[Score, ...]
    total: Score | None
    skipped: tuple[Skipped, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

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


def load(
    path: str | os.PathLike[str], chip: Chip | None = None, *, resolve: Callable[[str], Chip] | None = None
) -> Table:
    """Read a table of measured kernels: parameters and errors are those of `validate`."""
    if chip is None and resolve is None:
        raise ArchsimError("validate needs chip=..., or resolve=... to find each row's device, e.g. archsim.chips.get")
    columns, table = read(Path(path))
    cases: list[Case] = []
    skipped: Counter[tuple[str, str, str, str]] = Counter()
    for i, (line, row) in enumerate(table):
        try:
            seconds = _on_device(row, line)
            device = text(row, "device", line) if chip is None else row.get("device") or chip.name
            key = (device, text(row, "op", line), text(row, "dtype", line))
            calls = kernels(row, line)
            on = chip or (resolve(device) if resolve else None)
            assert on is not None
            case = Case(key, calls, seconds, on, i)
            predict(case)
            cases.append(case)
        except BadRowError as e:
            raise ArchsimError(f"{path}, {e}") from None
        except ArchsimError as e:
            skipped[(*key, str(e))] += 1
    return Table(tuple(columns), tuple(row for _, row in table), tuple(cases),
                 tuple(Skipped(*key, n) for key, n in skipped.items()))


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


def validate(
    path: str | os.PathLike[str], chip: Chip | None = None, *, resolve: Callable[[str], Chip] | None = None
) -> Report:
    """Predict every row of a table of measured kernels and score the predictions.

    Parameters
    ----------
    path
        CSV file; see the module's text for its columns.
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
        If the file cannot be read, or a row lacks a column or holds a value that cannot be meant; the message names
        line and column. Rows of an op, dtype or device that cannot be timed are no error: they are counted.
    """
    return scored(load(path, chip, resolve=resolve))


def scored(table: Table) -> Report:
    """Predict every row of a table that has been read, and score the predictions."""
    predicted = [predict(case) for case in table.cases]
    by_row = {case.row: 1e6 * (seconds - case.seconds) + float(table.rows[case.row]["measured_us"])
              for case, seconds in zip(table.cases, predicted, strict=True)}  # with the host's share, as measured
    errors: dict[Key, list[tuple[float, float]]] = {}
    for case, seconds in zip(table.cases, predicted, strict=True):
        errors.setdefault(case.key, []).append((seconds / case.seconds - 1.0, plain(case) / case.seconds - 1.0))
    scores = tuple(_score(key, pairs) for key, pairs in errors.items())
    every = [pair for pairs in errors.values() for pair in pairs]
    return Report(
        scores, _score(("all", "all", "all"), every) if every else None, table.skipped, table.columns,
        tuple({**row, "predicted_us": by_row.get(i)} for i, row in enumerate(table.rows)),
    )


def _score(key: Key, pairs: Iterable[tuple[float, float]]) -> Score:
    ours, plain = zip(*pairs, strict=True)

    def percent(errors: tuple[float, ...]) -> tuple[float, float, float]:
        size = [abs(e) for e in errors]
        return 100 * statistics.fmean(size), 100 * statistics.median(size), 100 * statistics.fmean(errors)

    return Score(*key, len(ours), *percent(ours), *percent(plain))
