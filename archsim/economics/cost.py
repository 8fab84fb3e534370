"""cost: what a Run costs in dollars and joules, from a chip-hour and the time that the run takes.

By default the accelerator alone, always at work: usd_per_chip_hour = price / (years x 8760) + power x PUE x $/kWh, as
in the broker tables that the defaults come from. ``cost(run, whole_site())`` adds server, network, building and
idle hours.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from archsim.economics.site import Assumptions, chip_hour, chip_price, design_watts, wall_watts
from archsim.errors import ArchsimError, expect
from archsim.hardware import Chip
from archsim.simulation import Run


@dataclass(frozen=True)
class Cost:
    """Dollars of one Run. "PFLOP" is 1e15 matrix FLOP done, not a rate; "peak" is as if at 100 % utilisation.

    A chip-hour is an hour of work: hours without work are paid for in it. It is the sum of depreciation (of the chip),
    energy, server, facility and rent.
    """

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
    server_usd_per_hour: float = 0.0
    facility_usd_per_hour: float = 0.0
    rent_usd_per_hour: float = 0.0

    @property
    def usd_per_petaflops_hour_peak(self) -> float:
        """Dollars of an hour at a rate of 1e15 FLOP/s, were the chip at its peak."""
        return self.usd_per_pflop_peak * 3600.0

    @property
    def usd_per_petaflops_hour_achieved(self) -> float:
        """Dollars of an hour at a rate of 1e15 FLOP/s really done."""
        return self.usd_per_pflop_achieved * 3600.0

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data, units in the key names."""
        return {**asdict(self), "usd_per_petaflops_hour_peak": self.usd_per_petaflops_hour_peak,
                "usd_per_petaflops_hour_achieved": self.usd_per_petaflops_hour_achieved}

    def __str__(self) -> str:
        parts = {"depreciation": self.depreciation_usd_per_hour, "server": self.server_usd_per_hour,
                 "facility": self.facility_usd_per_hour, "energy": self.energy_usd_per_hour,
                 "rent": self.rent_usd_per_hour}
        always = ("depreciation", "energy") if not self.rent_usd_per_hour else ("rent",)
        said = ", ".join(f"${usd:.3f} {name}" for name, usd in parts.items() if usd or name in always)
        return (f"{self.chip}: ${self.usd_per_chip_hour:.3f} per chip-hour ({said}), "
                f"${self.usd_per_mtoken:.4g} per million tokens, ${self.usd_per_pflop_achieved:.3g} per PFLOP "
                f"(${self.usd_per_pflop_peak:.3g} at peak)" + (f"; {self.note}" if self.note else ""))


def cost(run: Run, assumptions: Assumptions | None = None, *, price: float | None = None,
         rent: float | None = None) -> Cost:
    """Price a Run.

    Parameters
    ----------
    run
        From `archsim.simulate`.
    assumptions
        The site; by default `Assumptions()`: the accelerator alone, always at work. `whole_site()` has the rest.
    price
        USD for one chip, instead of the catalogue's.
    rent
        USD per chip-hour, if the chips are rented and not owned.

    Raises
    ------
    ArchsimError
        If the chip has no price and none is given, or no power.
    """
    if not isinstance(run, Run):
        raise ArchsimError(f"cost() takes a Run, as archsim.simulate(graph, chip) returns, not {type(run).__name__}")
    site = Assumptions() if assumptions is None else expect("cost(assumptions=...)", assumptions, Assumptions)
    hour = chip_hour(run.chip, site, price, rent=rent)
    per_chip_second = hour.total / 3600.0
    chip_seconds = run.chips * run.time_s
    return Cost(
        chip=run.chip.name,
        usd_per_chip_hour=hour.total,
        depreciation_usd_per_hour=hour.depreciation,
        energy_usd_per_hour=hour.energy,
        server_usd_per_hour=hour.server,
        facility_usd_per_hour=hour.facility,
        rent_usd_per_hour=hour.rent,
        usd_per_pflop_peak=per_chip_second / (run.chip.peak(run.dtype) / 1e15),
        usd_per_pflop_achieved=per_chip_second * chip_seconds / (run.flops / 1e15) if run.flops else math.inf,
        usd_per_mtoken=per_chip_second * chip_seconds / run.tokens * 1e6,
        joules_per_token=wall_watts(run.chip, site) * chip_seconds / run.tokens,
        price_usd=chip_price(run.chip, price) if rent is None else 0.0,
        power_w=design_watts(run.chip),
        assumptions=site,
        note=inherited(run.chip, price),
    )


def inherited(chip: Chip, price: float | None) -> str:
    """Say which of price and power a variant still has from the chip that it was made of."""
    figures = {path: source for path, *_, source in chip.figures() if path in ("price", "power.tdp") and source}
    kept = {path: source for path, source in figures.items()
            if source.confidence == "hypothetical" and source.text.startswith("of ")
            and (path != "price" or price is None)}
    names = " and ".join(path.partition(".")[0] for path in sorted(kept, reverse=True))
    return f"{names} {next(iter(kept.values())).text}" if kept else ""
