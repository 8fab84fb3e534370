"""Site: what an hour of a chip's work costs, with all that is idle, around it and above it.

An owner pays for every hour of a chip's life; only hours in which it is up and has work bear tokens. All costs here are
per hour of work: dollars of a calendar hour over ``availability x utilization``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from archsim.economics.range import Range
from archsim.economics.server import Server
from archsim.errors import ArchsimError, plain_number
from archsim.hardware import Chip
from archsim.hardware.part import figure, option, part

HOURS_PER_YEAR = 8760.0

SITE: dict[str, Range] = {
    "depreciation_years": Range(3, 4, 6, "year", "Shenwan Hongyuan 2025-03-28: 4 in its table, 5 to 6 in its text "
                                "(Amazon went from 6 to 5 in 2024); 3 is a judgement"),
    "usd_per_kwh": Range(0.06, 0.08, 0.12, "USD/kWh", "US industrial 0.078 to 0.08 (SemiAnalysis); 0.10 in the report; "
                         "the ends are a judgement"),
    "pue": Range(1.08, 1.20, 1.58, "", "Meta 1.08, Google 1.10, Microsoft 1.18 (fleets, 2023); Uptime survey 1.58; AI "
                 "sites 1.1 to 1.3 (Epoch AI)", "published-unverified"),
    "load_power": Range(0.60, 0.70, 0.95, "", "average over rated power 0.70 (Microsoft, in Epoch AI's sheet); H100 "
                        "under vLLM 0.38 to 0.97 (api.serialalice.pt)"),
    "idle_power": Range(0.10, 0.20, 0.45, "", "of design power, where no idle power is known: H200 80/700 W, TPU v2 "
                        "53/280, v4 90/192", "derived"),
    "availability": Range(0.90, 0.95, 0.99, "", "Llama 3 paper: effective training time above 90 % on 16,384 H100; "
                          "the rest is a judgement"),
    "utilization": Range(0.40, 0.60, 0.90, "", "mean of a day over its peak; 0.61 for a service of one time zone, up "
                         "to 0.9 with batch work at night; judgement"),
    "facility_usd_per_w": Range(10, 11, 12, "USD/W", "shell, power and cooling per watt of servers; judgement, 10 to "
                                "12 million USD per MW"),
    "facility_years": Range(15, 20, 25, "year", "life of the building and its plant; judgement"),
}
"""What a site adds: name -> range; the bases are those of `whole_site`."""


@part
class Assumptions:
    """What the site adds to a chip. One set for all chips, so that a comparison compares chips.

    The defaults are the accelerator alone, always at work: Shenwan Hongyuan 2025-03-28, table of a Llama-3-405B
    training run: depreciation over 4 years (its text also says 5 to 6), electricity at 0.10 USD/kWh, PUE 1.2 to 1.5 by
    vendor without a reason given, of which 1.4 is the median; the chip draws its design power whenever it is on.
    `whole_site()` has the rest: server, network, building, idle hours.
    """

    depreciation_years: float = figure("year", "straight-line depreciation", default=4.0, low=0.1, high=100)
    usd_per_kwh: float = figure("USD/kWh", "electricity", default=0.10, high=100, zero=True)
    pue: float = figure("", "power of the building over power of its servers", default=1.4, low=1, high=10)
    load_power: float = figure("", "share of its design power that a chip draws at work", default=1.0, low=0.01, high=2)
    idle_power: float = figure("", "share of its design power that a chip draws without work, where its idle power is "
                               "not known", default=SITE["idle_power"].base, high=1, zero=True)
    availability: float = figure("", "share of all hours in which a chip is up", default=1.0, low=0.01, high=1)
    utilization: float = figure("", "share of the hours in which it is up that it has work: `Day.utilization`",
                                default=1.0, low=0.001, high=1)
    facility_usd_per_w: float = figure("USD/W", "building, power and cooling per watt of servers", default=0.0,
                                       high=1000, zero=True)
    facility_years: float = figure("year", "straight-line depreciation of the building", high=100, low=0.1,
                                   default=SITE["facility_years"].base)
    server: Server | None = option("host, network and chassis; None for the accelerator alone", default=None)

    @property
    def busy(self) -> float:
        """Share of all hours in which a chip works."""
        return self.availability * self.utilization


def whole_site(server: Server | None = None, **changes: float) -> Assumptions:
    """Return the assumptions of a whole site: the bases of `SITE`, a `Server`, and `changes` by name."""
    base = {name: r.base for name, r in SITE.items()}
    return Assumptions(**{**base, **changes}, server=server or Server())


class Hour(NamedTuple):
    """Dollars of one chip's hour of work, by what they pay for."""

    depreciation: float
    """Of the chip."""
    energy: float
    server: float = 0.0
    """Of host, network and chassis."""
    facility: float = 0.0
    rent: float = 0.0
    """Instead of all others, where the chip is rented."""

    @property
    def total(self) -> float:
        """USD per hour of work."""
        return math.fsum(self)


def chip_price(chip: Chip, price: float | None = None) -> float:
    """Return the price of a chip in USD, the one given or its own.

    Raises
    ------
    ArchsimError
        If there is neither, or the one given is no number of dollars.
    """
    price = chip.price if price is None else price
    if price is None:
        raise ArchsimError(f"{chip.name} has no price: give one, cost(run, price=...) or "
                           "chip.replace(price=...)")
    return _dollars("price", price)


def _dollars(name: str, usd: float) -> float:
    number = plain_number(usd)
    if number is None or not 0 <= number < math.inf:
        raise ArchsimError(f"{name} must be a number of dollars, not {usd!r}")
    return float(number)


def wall_watts(chip: Chip, assumptions: Assumptions | None = None) -> float:
    """Return the watts at the building's meter per working chip, idle hours spread over the hours of work.

    ``[(load + idle x (1 - busy) / busy) x (1 + fans) + the server's other parts / busy] x PUE``

    Raises
    ------
    ArchsimError
        If the chip has no power.
    """
    site = assumptions or Assumptions()
    tdp = design_watts(chip)
    assert chip.power is not None
    idle = chip.power.idle if chip.power.idle is not None else site.idle_power * tdp
    load = max(site.load_power * tdp, idle)  # work never draws less than idling
    mean = load * site.busy + idle * (1.0 - site.busy)  # of all hours
    plug = site.server.watts(mean) if site.server is not None else mean
    return plug * site.pue / site.busy


def design_watts(chip: Chip) -> float:
    """Return the chip's design power.

    Raises
    ------
    ArchsimError
        If it has none.
    """
    if chip.power is None:
        raise ArchsimError(f"{chip.name} has no power: define it with power=Power(tdp=...)")
    return chip.power.tdp


def chip_hour(chip: Chip, assumptions: Assumptions | None = None, price: float | None = None, *,
              rent: float | None = None) -> Hour:
    """Return what an hour of work of one chip costs, by what it pays for.

    Parameters
    ----------
    chip
        Whose price and power count.
    assumptions
        The site; by default `Assumptions()`: the accelerator alone.
    price
        USD for one chip, instead of its own.
    rent
        USD per chip-hour: the chip is rented for all hours in which it is up, work or not, instead of owned. Energy,
        server and building are the landlord's.

    Raises
    ------
    ArchsimError
        If the chip has no price and none is given, or no power.
    """
    site = assumptions or Assumptions()
    if rent is not None:
        if price is not None:
            raise ArchsimError("a chip is bought or rented: give price or rent, not both")
        return Hour(0.0, 0.0, rent=_dollars("rent", rent) / site.utilization)
    usd = chip_price(chip, price)
    energy = wall_watts(chip, site) / 1e3 * site.usd_per_kwh
    hours = site.depreciation_years * HOURS_PER_YEAR * site.busy
    server = facility = 0.0
    provisioned = design_watts(chip)
    if site.server is not None:
        server = site.server.usd_per_chip() / hours
        provisioned = site.server.watts(provisioned)
    facility = provisioned * site.facility_usd_per_w / (site.facility_years * HOURS_PER_YEAR * site.busy)
    return Hour(usd / hours, energy, server, facility)


def payback_years(chip: Chip, rent: float, assumptions: Assumptions | None = None, price: float | None = None) -> float:
    """Return after how many years a chip and its server, bought, have cost less than renting for the same work.

    The owner pays chip and server at once, energy and the building's share as time goes; the tenant pays `rent` for
    every hour in which the chip is up. Infinite where the rent is below the owner's running costs.

    Raises
    ------
    ArchsimError
        As `chip_hour`.
    """
    site = assumptions or Assumptions()
    owned, rented = chip_hour(chip, site, price), chip_hour(chip, site, rent=rent)
    saved = (rented.total - owned.energy - owned.facility) * site.busy * HOURS_PER_YEAR
    capital = (owned.depreciation + owned.server) * site.busy * HOURS_PER_YEAR * site.depreciation_years
    return capital / saved if saved > 0 else (0.0 if capital == 0 and saved == 0 else math.inf)
