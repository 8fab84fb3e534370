"""Range: a figure known as low, base and high; Step: how one follows from others, so that a chain can be printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from archsim.errors import ArchsimError, plain_number, unknown
from archsim.hardware.part import CONFIDENCES

ENDS = ("low", "base", "high")
"""The three values of a range, by name."""


@dataclass(frozen=True)
class Range:
    """A figure that is known to lie from `low` to `high`, most likely at `base`.

    Parameters
    ----------
    low, base, high
        In this order of size, in `unit`.
    unit
        E.g. ``"USD"``.
    source, confidence
        Where it comes from and how far to trust it; confidences are those of `archsim.Source`.

    Raises
    ------
    ArchsimError
        If the values are not finite numbers in this order, or the confidence is none.
    """

    low: float
    base: float
    high: float
    unit: str = ""
    source: str = ""
    confidence: str = "estimated"

    def __post_init__(self) -> None:
        for end in ENDS:
            given = getattr(self, end)
            value = plain_number(given)
            if value is None or not math.isfinite(value):
                raise ArchsimError(f"Range.{end} must be a finite number, not {given!r}")
            object.__setattr__(self, end, value)
        if not self.low <= self.base <= self.high:
            raise ArchsimError(f"Range: low, base and high must not fall: {self.low!r}, {self.base!r}, {self.high!r}")
        if self.confidence not in CONFIDENCES:
            raise unknown("confidence", self.confidence, CONFIDENCES)

    @classmethod
    def exactly(cls, value: float, unit: str = "", source: str = "", confidence: str = "derived") -> Range:
        """Return the range of one value."""
        return cls(value, value, value, unit, source, confidence)

    def times(self, factor: float) -> Range:
        """Return the range of a non-negative multiple, same unit and source."""
        return Range(self.low * factor, self.base * factor, self.high * factor, self.unit, self.source,
                     self.confidence)

    def __str__(self) -> str:
        text = f"{self.base:.4g}" if self.low == self.high else f"{self.base:.4g} ({self.low:.4g} to {self.high:.4g})"
        return f"{text} {self.unit}".rstrip()


def spread(function: Callable[..., float], inputs: Mapping[str, Range], unit: str = "", source: str = "",
           confidence: str = "derived") -> Range:
    """Evaluate `function(**inputs)` at base, and at the ends that make it least and most.

    The function must be monotone in each input, whatever the others are; which way is found by moving one input at a
    time. Its least value then lies where every input is at the end that lowers it: all that can go well does.
    """
    base = {name: r.base for name, r in inputs.items()}
    least, most = {}, {}
    for name, r in inputs.items():
        rises = function(**{**base, name: r.high}) >= function(**{**base, name: r.low})
        least[name], most[name] = (r.low, r.high) if rises else (r.high, r.low)
    return Range(function(**least), function(**base), function(**most), unit, source, confidence)


def at_ends(function: Callable[[str], float], unit: str = "", source: str = "", confidence: str = "derived") -> Range:
    """Return the range of `function` of an end's name, ``"low"``, ``"base"`` and ``"high"``."""
    return Range(function("low"), function("base"), function("high"), unit, source, confidence)


def total(ranges: list[Range], unit: str = "", source: str = "") -> Range:
    """Return the sum, ends with ends."""
    return at_ends(lambda end: math.fsum(getattr(r, end) for r in ranges), unit, source)


@dataclass(frozen=True)
class Step:
    """One link of a chain from area to dollars: a value, the formula in words, and what went in.

    Parameters
    ----------
    name
        E.g. ``"die yield"``.
    value
        The result; `value.unit` says in what.
    how
        The formula, in the names of `inputs`.
    inputs
        Name -> value of everything in it.
    """

    name: str
    value: Range
    how: str = ""
    inputs: Mapping[str, Range] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        given = ", ".join(f"{name} {value}" for name, value in self.inputs.items())
        return f"{self.name}: {self.value}" + (f" = {self.how}" if self.how else "") + (f" [{given}]" if given else "")
