"""training: days, megawatt-hours and dollars of a whole training run, from its FLOP, the MFU and the cluster's size.

MFU is not duty cycle. MFU is the share of the peak that the model's FLOP take; a chip at 40 % MFU waits for memory and
network, at near full power, in the rest of the time. Energy therefore goes with hours, not with hours x MFU, as one
broker report reckons; `Training.energy_kwh_times_mfu` is that figure, for comparison.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from archsim.economics.site import Assumptions, chip_hour, wall_watts
from archsim.errors import ArchsimError, positive_int
from archsim.hardware import Chip
from archsim.simulation import Run


def dense_flop(parameters: float, tokens: float, per_parameter: float = 6.0) -> float:
    """Return the FLOP of training a dense model: 6 per (active) parameter and token, 8 with full recomputation.

    Forward 2, backward 4 (Kaplan et al. 2020, arXiv 2001.08361, section 2.1); attention's own FLOP are left out.

    Raises
    ------
    ArchsimError
        If a figure is not a positive number.
    """
    return _positive("parameters", parameters) * _positive("tokens", tokens) * _positive("per_parameter", per_parameter)


@dataclass(frozen=True)
class Training:
    """A training run. Dollars and energy are of the whole cluster, idle chips of the site included."""

    chip: str
    chips: int
    flop: float
    mfu: float
    days: float
    """Elapsed, with the hours in which the cluster is down."""
    chip_hours: float
    """Of work."""
    mw: float
    """At the building's meter while the run works."""
    energy_kwh: float
    energy_kwh_times_mfu: float
    """As if MFU were a duty cycle: what some reports print."""
    capital_usd: float
    """Depreciation of chips, servers and building, or the rent, over the run."""
    energy_usd: float
    usd: float

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain data, units in the key names."""
        return asdict(self)

    def __str__(self) -> str:
        return (f"{self.flop:.3g} FLOP on {self.chips:,} x {self.chip} at {100 * self.mfu:.1f} % MFU: "
                f"{self.days:,.1f} days, {self.energy_kwh / 1e3:,.0f} MWh (x MFU: "
                f"{self.energy_kwh_times_mfu / 1e3:,.0f}), ${self.usd / 1e6:,.2f}M "
                f"(${self.capital_usd / 1e6:,.2f}M capital, ${self.energy_usd / 1e6:,.2f}M energy)")


def training(chip: Chip, chips: int, *, flop: float, mfu: float, dtype: str = "bf16",
             assumptions: Assumptions | None = None, price: float | None = None,
             rent: float | None = None) -> Training:
    """Return time, energy and dollars of training.

    ``days = flop / (chips x peak x mfu) / 86400 / availability``

    Parameters
    ----------
    chip, chips
        What it runs on, and how many.
    flop
        Of the model over the whole run: see `dense_flop`.
    mfu
        Share of the chips' peak that these FLOP reach, in (0, 1]: measured, assumed, or `Run.utilization` of a
        simulated step (without the communication of many chips, so an upper bound).
    dtype
        Of the matrix work, for the peak.
    assumptions, price, rent
        As `archsim.cost`.

    Raises
    ------
    ArchsimError
        If a figure is out of range, or the chip lacks a price or a power.
    """
    count = positive_int("chips", chips)
    site = assumptions or Assumptions()
    work = _positive("flop", flop)
    if not 0 < _positive("mfu", mfu) <= 1:
        raise ArchsimError(f"mfu is a share of the peak, above 0 and at most 1, not {mfu!r}")
    hours = work / (chip.peak(dtype) * mfu) / 3600.0
    hour = chip_hour(chip, site, price, rent=rent)
    watts = wall_watts(chip, site)
    energy = hours * watts / 1e3
    return Training(
        chip=chip.name, chips=count, flop=work, mfu=mfu,
        days=hours / count / 24.0 / site.availability,
        chip_hours=hours,
        mw=watts * count / 1e6,
        energy_kwh=energy,
        energy_kwh_times_mfu=energy * mfu,
        capital_usd=hours * (hour.total - hour.energy),
        energy_usd=hours * hour.energy,
        usd=hours * hour.total,
    )


def training_of(step: Run, tokens: float, chips: int, *, assumptions: Assumptions | None = None,
                price: float | None = None, rent: float | None = None) -> Training:
    """Return `training` from a simulated step (``transformer(..., phase="train")``): its FLOP per token and its MFU.

    Raises
    ------
    ArchsimError
        If the run is not a training step, or as `training`.
    """
    if step.workload.get("phase") != "train":
        phase = str(step.workload.get("phase") or "run")
        raise ArchsimError(f"training_of() takes a step of phase 'train', not {phase!r}")
    return training(step.chip, chips, flop=step.flops / step.tokens * _positive("tokens", tokens),
                    mfu=step.utilization, dtype=step.dtype, assumptions=assumptions, price=price, rent=rent)


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArchsimError(f"{name} must be a positive number, not {value!r}")
    return float(value)
