"""cost: what a Run costs in dollars, from the chip's price and power and a few named assumptions about the site.

usd_per_chip_hour = price / (years x 8760) + power x PUE x $/kWh, for the accelerator alone: host, network and
building are not in it, as in the broker tables that this first version follows.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from archsim.errors import ArchsimError
from archsim.hardware import Chip
from archsim.simulation import Run

HOURS_PER_YEAR = 8760.0


@dataclass(frozen=True)
class Assumptions:
    """What the site adds to a chip. One set for all chips, so that a comparison compares chips.

    Defaults: Shenwan Hongyuan 2025-03-28, table of a Llama-3-405B training run: depreciation over 4 years (its text
    also says 5 to 6), electricity at 0.10 USD/kWh, PUE 1.2 to 1.5 by vendor without a reason given, of which 1.4 is
    the median. The chip is taken to draw its design power whenever it is on.
    """

    depreciation_years: float = 4.0
    usd_per_kwh: float = 0.10
    pue: float = 1.4

    def __post_init__(self) -> None:
        for name, low, high in (("depreciation_years", 0.1, 100.0), ("usd_per_kwh", 0.0, 100.0), ("pue", 1.0, 10.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ArchsimError(f"{name} = {value!r} cannot be right: it must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class Cost:
    """Dollars of one Run. "PFLOP" is 1e15 matrix FLOP done, not a rate; "peak" is as if at 100 % utilisation."""

    chip: str
    usd_per_chip_hour: float
    depreciation_usd_per_hour: float
    energy_usd_per_hour: float
    usd_per_pflop_peak: float
    usd_per_pflop_achieved: float
    usd_per_mtoken: float
    joules_per_token: float
    price_usd: float
    power_w: float
    assumptions: Assumptions

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data, units in the key names."""
        return asdict(self)

    def __str__(self) -> str:
        return (f"{self.chip}: ${self.usd_per_chip_hour:.3f} per chip-hour "
                f"(${self.depreciation_usd_per_hour:.3f} depreciation, ${self.energy_usd_per_hour:.3f} energy), "
                f"${self.usd_per_mtoken:.4g} per million tokens, ${self.usd_per_pflop_achieved:.3g} per PFLOP "
                f"(${self.usd_per_pflop_peak:.3g} at peak)")


def chip_hour(chip: Chip, assumptions: Assumptions | None = None, price: float | None = None) -> tuple[float, float]:
    """Return (depreciation, energy) in USD per hour of one chip that is on.

    Raises
    ------
    ArchsimError
        If the chip has no price and none is given, or no power.
    """
    site = assumptions or Assumptions()
    price = chip.price if price is None else price
    if price is None:
        raise ArchsimError(f"{chip.name} has no published price: give one, cost(run, price=...) or "
                           "chip.replace(price=...)")
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
        raise ArchsimError(f"price must be a number of dollars, not {price!r}")
    if chip.power is None:
        raise ArchsimError(f"{chip.name} has no power: define it with power=Power(tdp=...)")
    depreciation = price / (site.depreciation_years * HOURS_PER_YEAR)
    energy = chip.power.tdp / 1e3 * site.pue * site.usd_per_kwh
    return depreciation, energy


def cost(run: Run, assumptions: Assumptions | None = None, *, price: float | None = None) -> Cost:
    """Price a Run.

    Parameters
    ----------
    run
        From `archsim.simulate`.
    assumptions
        The site; by default `Assumptions()`.
    price
        USD for one chip, instead of the catalogue's.

    Raises
    ------
    ArchsimError
        If the chip has no price and none is given, or no power.
    """
    site = assumptions or Assumptions()
    depreciation, energy = chip_hour(run.chip, site, price)
    per_chip_second = (depreciation + energy) / 3600.0
    step = per_chip_second * run.chips * run.time_s
    assert run.chip.power is not None
    power = run.chip.power.tdp
    return Cost(
        chip=run.chip.name,
        usd_per_chip_hour=depreciation + energy,
        depreciation_usd_per_hour=depreciation,
        energy_usd_per_hour=energy,
        usd_per_pflop_peak=per_chip_second / (run.chip.peak(run.dtype) / 1e15),
        usd_per_pflop_achieved=step / (run.flops / 1e15) if run.flops else math.inf,
        usd_per_mtoken=step / run.tokens * 1e6,
        joules_per_token=power * site.pue * run.chips * run.time_s / run.tokens,
        price_usd=float(run.chip.price if price is None else price),  # type: ignore[arg-type]
        power_w=power,
        assumptions=site,
    )
