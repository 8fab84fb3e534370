"""Prices of chips, what they cost to make, and what they rent for: dated, sourced, in the currency that was printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """One price of one chip of the catalogue.

    `basis` is ``chip`` (bought), ``cost`` (to make), ``chip-hour`` (rented) or ``system`` (what `note` says). `date` is
    an ISO year or month. `confidence` is that of `archsim.hardware.Source`. A range is `low` to `high` around `amount`.
    """

    chip: str
    amount: float
    currency: str
    basis: str
    date: str
    source: str
    confidence: str = "estimated"
    note: str = ""
    low: float | None = None
    high: float | None = None


PRICES: tuple[Price, ...] = (
    Price("h100-sxm", 18000.0, "USD", "chip", "2025-03", "SWS report"),
)


def prices(chip: str, basis: str = "") -> tuple[Price, ...]:
    """Return what is on file for a chip, newest first; of one basis if it is given."""
    found = [p for p in PRICES if p.chip == chip and basis in ("", p.basis)]
    return tuple(sorted(found, key=lambda p: p.date, reverse=True))
