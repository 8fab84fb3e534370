"""Numbers as people read them: few digits, an SI prefix, never NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable

NONE = "–"
"""What a table shows where there is no figure."""

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_PREFIXED_UNITS = {"s", "Hz", "B", "B/s", "FLOP", "FLOP/s", "OP/s", "J", "J/B", "J/FLOP", "FLOP/s/mm2", "FLOP/s/W",
                   "FLOP/s/USD", "/mm2"}


def sig(value: float | None, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, and all digits of its whole part (``12,345``)."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))  # after rounding: 9.999 counts as 10
    if exponent < -5:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def percent(share: float | None) -> str:
    """Write a share of one as a percentage without its sign: 0.1234 gives ``12.3``, 0.00123 gives ``0.12``."""
    if share is None or not math.isfinite(share):
        return NONE
    points = 100 * share
    return f"{points:.1f}" if points >= 0.95 or points == 0 else f"{points:.2g}"


def short_percent(share: float) -> str:
    """Write a share of one for a figure: ``48 %``, ``7.4 %``, ``< 0.1 %``."""
    if share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{percent(share)} %"


def scale(values: Iterable[float | None], unit: str) -> tuple[float, str]:
    """Choose the SI prefix that suits a whole column, by its largest value.

    Returns
    -------
    (factor, unit)
        Divide by `factor` and write the `unit`: ``(1e-3, "ms")``.
    """
    known = [abs(v) for v in values if v is not None and math.isfinite(v) and v]
    if not known:
        return 1.0, unit
    power = min(max(3 * math.floor(math.log10(max(known)) / 3), -12), 18)
    return 10.0**power, _PREFIXES[power] + unit


def quantity(value: object, unit: str = "", digits: int = 4) -> str:
    """Write a figure with its unit: ``3.35 TB/s``, ``64 MiB``, ``$25,000``, ``1.25 µs``."""
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    if not math.isfinite(value):
        return NONE
    if unit == "USD":
        return f"${sig(value, digits)}"
    for binary, name in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
        if unit == "B" and binary <= value < 8192 * binary and value % binary == 0 and value % 1e6:
            return f"{value / binary:,.0f} {name}"
    if unit in _PREFIXED_UNITS:
        factor, unit = scale([value], unit)
        value = value / factor
    if isinstance(value, int) and value < 10_000:
        return f"{value} {unit}".rstrip()  # a year has no comma
    return f"{f'{value:,}' if isinstance(value, int) else _trim(sig(value, digits))} {unit}".rstrip()


def peak_rate(value: float, dtype: str, digits: int = 4) -> str:
    """Write a rate of operations as their number format is counted: in FLOP/s, integers in OP/s."""
    return quantity(value, "OP/s" if dtype.startswith(("int", "cint")) else "FLOP/s", digits)


def _trim(text: str) -> str:
    """Drop zeros that say nothing: ``3.350`` gives ``3.35``, ``80.00`` gives ``80``."""
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
