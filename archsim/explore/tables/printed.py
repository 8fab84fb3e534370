"""Numbers as reports print them: what they say, how far rounding may have moved them, whether a value agrees."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """All numbers from `low` to `high`."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.low)} to {_short(self.high)}"


Value = float | str | Span | None
"""What a cell may hold."""

_DIGITS = r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?"
_NUMBER = re.compile(rf"(?:TSMC )?N?([<>]?)\s*({_DIGITS})(?:\s*([-/])\s*({_DIGITS}))?", re.IGNORECASE)


def parse(text: str, words: bool = False) -> Value:
    """Return the number or the range that a printed cell begins with, its text if it is none, None if it is empty.

    ``"300-350"`` and ``"32/16"`` are ranges, ``"<30"`` is from 0 to 30; ``"N7+"`` and ``"TSMC 6nm"`` are nodes.
    """
    if not text:
        return None
    found = None if words else _NUMBER.match(text)
    if found is None:
        return text
    sign, first, _, second = found.groups()
    low = float(first.replace(",", ""))
    if second:
        high = float(second.replace(",", ""))
        return Span(min(low, high), max(low, high))
    return Span(0.0, low) if sign == "<" else Span(low, math.inf) if sign == ">" else low


def half_unit(text: str, zeros: bool = False) -> float:
    """Return half a unit of the last place of a printed number: how far rounding may have moved it.

    Zeros at the end of a whole number count as places; with `zeros` they may be rounding, of up to 1 %: data sheets
    print 989.4 TFLOPS as 990.
    """
    found = _NUMBER.match(text)
    assert found is not None
    mantissa, _, power = found[2].replace(",", "").lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0**-decimals
    if zeros and decimals == 0:
        lost = len(mantissa) - len(mantissa.rstrip("0"))
        half = max(half, min(half * 10.0**lost, 0.01 * float(mantissa)))
    return half * 10.0 ** int(power or 0)


def agrees(text: str, value: Value, *, zeros: bool = False, slack: float = 0.0, text_cell: bool = False) -> bool:
    """Say whether a printed cell is a value, to its printed rounding and the `slack` that its inputs' rounding leaves.

    A cell agrees with a range that it touches, and a range that is printed with any number in it.
    """
    if isinstance(value, str) or text_cell:
        return text.replace(" ", "").casefold() == str(value).replace(" ", "").casefold()
    shown = parse(text)
    if value is None or not isinstance(shown, float | Span):
        return False
    if isinstance(shown, Span):
        low, high = shown.low, shown.high
    else:
        half = half_unit(text, zeros)
        low, high = shown - half, shown + half
    least, most = (value.low, value.high) if isinstance(value, Span) else (value, value)
    tiny = 1e-12 * max(abs(low), abs(most))
    return least - slack <= high + tiny and most + slack >= low - tiny


def off(text: str, value: Value) -> str:
    """Say how far a printed number is from what it should be."""
    shown = parse(text)
    if not isinstance(shown, float) or not isinstance(value, int | float) or not value:
        return "does not close: "
    return f"{100 * (shown / value - 1):+.2g} % off: "


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
