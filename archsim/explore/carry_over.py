"""Carry-over: constants fitted on one chip's measurements, and what they are worth on chips that the fit never saw.

One set of constants is fitted for all ops of a table, which may be read from several files; nothing is an op's own.
What is fitted are the constants that nobody has measured (see `archsim.explore.constants.free`), each within the range
that documents leave it. A constant with a physical meaning fitted on one machine serves the next; one that merely makes
an error small does not, and fits on two machines disagree about it. Where the definitions of two chips differ in an
open constant, they say that it is not the same thing on both (kernels whose threads copy, and kernels whose copies run
by themselves): it is carried over only in what is printed beside.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.errors import ArchsimError, unknown
from archsim.explore.constants import Constant, Progress, by_chip, changed, free, mape, sample
from archsim.explore.validate import Case, Table, plain, predict
from archsim.hardware import Chip

ROWS, TOTAL = 200, 600
"""Rows per op and dtype, and rows in all, on which constants are fitted, evenly from the table; errors are those of all
rows. Every op and dtype has equally many where the table has them, so that one set of constants must serve all."""

SWEEPS = 8
"""Times that every constant is tried lower and higher; where neither helps, its next step is half as wide."""

FIRST_STEP = 0.25
"""First step of a constant, as a share of its range. A search starts in the middle of every range, so
that it owes nothing to values that were chosen with the rows of other chips in sight."""

DIFFERS, MATTERS = 0.1, 0.1
"""Share of its range by which fits may differ over a constant, and points of MAPE that the other's value may cost,
before a constant counts as one that had to differ."""


@dataclass(frozen=True)
class Fit:
    """Constants fitted on the rows of one chip.

    `values` and `constants` are by path; `errors` holds the mean absolute error in percent by (chip, op, dtype) with
    these values on every chip: `chip` itself saw them, for the others they are carried over. A chip whose definition
    states a figure, or gives an open one another value than the fitted chip's definition, keeps its own; in `forced` it
    keeps only what it states. `costs` says by how many points the error of the fitted rows rises if a constant takes
    the value that another fit found (the one farthest from this).
    """

    chip: str
    values: Mapping[str, float]
    constants: Mapping[str, Constant]
    costs: Mapping[str, float]
    errors: Mapping[tuple[str, str, str], float]
    forced: Mapping[tuple[str, str, str], float]
    rows: int
    evaluations: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain data."""
        return {
            "chip": self.chip, "rows_fitted": self.rows, "evaluations": self.evaluations,
            "constants": [{**self.constants[path].to_dict(), "fitted": value,
                           "cost_of_other_value_points": self.costs.get(path)} for path, value in self.values.items()],
            "errors": [{"chip": c, "op": op, "dtype": d, "mape_percent": e, "carried_over": c != self.chip,
                        "mape_percent_with_all_values": self.forced[c, op, d]}
                       for (c, op, d), e in self.errors.items()],
        }


@dataclass(frozen=True)
class CarryOver:
    """Fits on several chips, beside the errors of the chips as defined and of a plain roofline.

    `apart` holds the open constants that the definitions of the table's chips do not share, by chip and path.
    """

    defined: Mapping[tuple[str, str, str], float]
    roofline: Mapping[tuple[str, str, str], float]
    fits: tuple[Fit, ...]
    apart: Mapping[str, Mapping[str, Constant]]

    @property
    def differing(self) -> tuple[str, ...]:
        """Paths of the constants that had to differ: fits disagree about them, and the other's value would cost."""
        found: dict[str, list[float]] = {}
        for fit in self.fits:
            for path, value in fit.values.items():
                low, high = _range(fit.constants[path])
                found.setdefault(path, []).append((value - low) / (high - low))
        return tuple(path for path, shares in found.items() if max(shares) - min(shares) > DIFFERS
                     and any(fit.costs.get(path, 0.0) > MATTERS for fit in self.fits))

    def to_dict(self) -> dict[str, Any]:
        """Return errors and fits as plain data."""
        return {
            "errors": [{"chip": c, "op": op, "dtype": d, "mape_percent": e,
                        "roofline_mape_percent": self.roofline[c, op, d]} for (c, op, d), e in self.defined.items()],
            "fits": [fit.to_dict() for fit in self.fits],
            "differing": list(self.differing),
            "apart": [{"chip": chip, **c.to_dict()} for path in self.apart for chip, c in self.apart[path].items()],
        }


def carry_over(table: Table, chips: Sequence[str], *, progress: Progress[Any] | None = None) -> CarryOver:
    """Fit the open constants on each of some chips alone, and carry the values over to all chips of the table.

    Parameters
    ----------
    table
        What `archsim.explore.validate.load` returns.
    chips
        Names of the chips to fit on, as the catalogue spells them.
    progress
        Wraps the steps of the search, to show how far it is.

    Raises
    ------
    ArchsimError
        If no row was measured on one of the chips, or none of its constants is open.
    """
    groups = by_chip(table)
    names = list(dict.fromkeys(chips))
    if not names:
        raise ArchsimError(f"name a chip to fit on: {', '.join(groups)}")
    for name in names:
        if name not in groups:
            raise unknown("chip of the table", name, groups)
    searches = {name: _Search(groups[name]) for name in names}
    for name, search in searches.items():
        if not search.open:
            raise ArchsimError(f"none of the constants that {name} leaves open matters to its rows: nothing to fit")
    apart = _apart([cases[0].chip for cases in groups.values()], {p for s in searches.values() for p in s.open})
    steps = [(name, sweep) for name in names for sweep in range(SWEEPS)]
    for name, _ in progress(steps, lambda step: f"fit on {step[0]}: sweep {step[1] + 1}") if progress else steps:
        searches[name].sweep()
    fits = []
    for name, search in searches.items():
        errors: dict[tuple[str, str, str], float] = {}
        forced: dict[tuple[str, str, str], float] = {}
        for device, cases in groups.items():
            alike = {p: v for p, v in search.values.items() if device == name or p not in apart}
            errors.update(_by_device(device, cases, _with(cases[0].chip, alike)))
            same = all(p in alike for p in search.values)
            forced.update({key: errors[key] for key in errors if key[0] == device} if same
                          else _by_device(device, cases, _with(cases[0].chip, search.values)))
        costs = {}
        for path, value in search.values.items():
            others = [s.values[path] for s in searches.values() if s is not search and path in s.values]
            if others:
                far = max(others, key=lambda v: abs(v - value))
                costs[path] = 100.0 * (search.error({**search.values, path: far}) - search.best)
        fits.append(Fit(name, search.values, search.open, costs, errors, forced, len(search.cases),
                        search.evaluations))
    defined: dict[tuple[str, str, str], float] = {}
    roofline: dict[tuple[str, str, str], float] = {}
    for device, cases in groups.items():
        defined.update(_by_device(device, cases, None))
        ratios: dict[tuple[str, str, str], list[float]] = {}
        for case in cases:
            ratios.setdefault((device, *case.key[1:]), []).append(abs(plain(case) / case.seconds - 1.0))
        roofline.update({key: 100.0 * statistics.fmean(r) for key, r in ratios.items()})
    return CarryOver(defined, roofline, tuple(fits), apart)


def _apart(chips: Sequence[Chip], paths: set[str]) -> dict[str, dict[str, Constant]]:
    """Return the constants of `paths` that are open on several chips, whose definitions do not give them one value."""
    found: dict[str, dict[str, Constant]] = {}
    for path in sorted(paths):
        own = {chip.name: c for chip in chips if (c := free(chip).get(path)) is not None}
        if len({c.value for c in own.values()}) > 1:
            found[path] = own
    return found


def _by_device(device: str, cases: Sequence[Case], chip: Chip | None) -> Iterator[tuple[tuple[str, str, str], float]]:
    for (op, dtype), error in mape(cases, chip).items():
        yield (device, op, dtype), error


def _with(chip: Chip, values: Mapping[str, float]) -> Chip:
    """Return the chip with fitted values where its own definition leaves them open."""
    own = free(chip)
    return changed(chip, {path: value for path, value in values.items() if path in own})


def _range(constant: Constant) -> tuple[float, float]:
    assert constant.likely is not None  # it is open
    return constant.likely


def _between(bounds: tuple[float, float], share: float) -> float:
    """Return the value at a share of a range, in logarithms where the range does not begin at nothing."""
    low, high = bounds
    return low * (high / low) ** share if low > 0.0 else share * high


def _share(bounds: tuple[float, float], value: float) -> float:
    """Return at which share of a range a value lies."""
    low, high = bounds
    return math.log(value / low) / math.log(high / low) if low > 0.0 else value / high


class _Search:
    """Coordinate descent on the mean absolute error of one chip's rows; deterministic."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.chip = cases[0].chip
        self.evaluations = 0
        kinds = len({case.key for case in cases})
        self.cases = sample(cases, max(1, min(ROWS, TOTAL // kinds)))
        self.groups: dict[tuple[str, str], list[Case]] = {}
        for case in self.cases:
            self.groups.setdefault(case.key[1:], []).append(case)
        whole = free(self.chip)
        self.values = {path: _between(_range(c), 0.5) for path, c in whole.items()}
        self.sums = self._sums(self.values, self.groups)
        self.moves = {path: self._moved(path, c) for path, c in whole.items()}
        self.open = {path: c for path, c in whole.items() if self.moves[path]}
        self.values = {path: self.values[path] for path in self.open}
        self.steps = dict.fromkeys(self.open, FIRST_STEP)

    @property
    def best(self) -> float:
        """The mean absolute error of the sampled rows with the values found so far."""
        return sum(self.sums.values()) / len(self.cases)

    def error(self, values: Mapping[str, float]) -> float:
        """Return the mean absolute error of the sampled rows."""
        return sum(self._sums(values, self.groups).values()) / len(self.cases)

    def _sums(self, values: Mapping[str, float], groups: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """Return the sums of absolute errors of some ops' rows, by op and dtype."""
        self.evaluations += 1
        chip = changed(self.chip, values)
        return {key: sum(abs(predict(case, chip) / case.seconds - 1.0) for case in self.groups[key]) for key in groups}

    def _moved(self, path: str, constant: Constant) -> list[tuple[str, str]]:
        """Return the ops, with their dtypes, that depend on a constant: those that an end of its range moves."""
        ends = [self._sums({**self.values, path: end}, self.groups) for end in _range(constant)]
        return [key for key in self.groups if any(sums[key] != self.sums[key] for sums in ends)]

    def sweep(self) -> None:
        """Try every constant a step lower and higher; keep what lowers the error."""
        for path, constant in self.open.items():
            bounds, moved = _range(constant), False
            at = _share(bounds, self.values[path])
            for way in (-1.0, 1.0):
                share = min(1.0, max(0.0, at + way * self.steps[path]))
                tried = {**self.values, path: _between(bounds, share)}
                if tried[path] == self.values[path]:
                    continue
                sums = {**self.sums, **self._sums(tried, self.moves[path])}
                if sum(sums.values()) < sum(self.sums.values()):
                    self.values, self.sums, moved = tried, sums, True
                    break
            if not moved:
                self.steps[path] /= 2.0
