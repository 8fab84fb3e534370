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
from archsim.hardware.part import figure, part
from archsim.simulation import Run

HOURS_PER_YEAR = 8760.0


@part
class Assumptions:
    """What the site adds to a chip. One set for all chips, so that a comparison compares chips.

    Defaults: Shenwan Hongyuan 2025-03-28, table of a Llama-3-405B training run: depreciation over 4 years (its text
    also says 5 to 6), electricity at 0.10 USD/kWh, PUE 1.2 to 1.5 by vendor without a reason given, of which 1.4 is
    the median. The chip is taken to draw its design power whenever it is on.
    """

    depreciation_years: float = figure("year", "straight-line depreciation", default=4.0, low=0.1, high=100)
    usd_per_kwh: float = figure("USD/kWh", "electricity", default=0.10, high=100, zero=True)
    pue: float = figure("", "power of the building over power of its chips", default=1.4, low=1, high=10)


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
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data, units in the key names."""
        return asdict(self)

    def __str__(self) -> str:
        return (f"{self.chip}: ${self.usd_per_chip_hour:.3f} per chip-hour "
                f"(${self.depreciation_usd_per_hour:.3f} depreciation, ${self.energy_usd_per_hour:.3f} energy), "
                f"${self.usd_per_mtoken:.4g} per million tokens, ${self.usd_per_pflop_achieved:.3g} per PFLOP "
                f"(${self.usd_per_pflop_peak:.3g} at peak)" + (f"; {self.note}" if self.note else ""))


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
        raise ArchsimError(f"{chip.name} has no price: give one, cost(run, price=...) or "
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
    if not isinstance(run, Run):
        raise ArchsimError(f"cost() takes a Run, as archsim.simulate(graph, chip) returns, not {type(run).__name__}")
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
        note=_inherited(run.chip, price),
    )


def _inherited(chip: Chip, price: float | None) -> str:
    """Say which of price and power a variant still has from the chip that it was made of."""
    figures = {path: source for path, *_, source in chip.figures() if path in ("price", "power.tdp") and source}
    kept = {path: source for path, source in figures.items()
            if source.confidence == "hypothetical" and source.text.startswith("of ")
            and (path != "price" or price is None)}
    names = " and ".join(path.partition(".")[0] for path in sorted(kept, reverse=True))
    return f"{names} {next(iter(kept.values())).text}" if kept else ""
