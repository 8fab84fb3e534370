"""The clock that a power limit leaves: a chip's supply as the kernel takes it, and the state that work settles at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from archsim.hardware import Chip, GpuCore
from archsim.kernels import power as kernel
from archsim.power.energies import Joules, node_energy

NOMINAL = kernel.NOMINAL
"""Supply in volts for which energies are stated."""

BOOST_VOLTS = 1.0
"""Supply of a GPU at its highest clock, where the chip does not state it; an ASIC runs at the nominal one."""


@lru_cache(maxsize=1024)
def supply(chip: Chip) -> kernel.Supply:
    """Return the limit and the voltage-frequency law of a chip whose energies are known."""
    power = chip.power
    assert power is not None
    gpu = isinstance(chip.core, GpuCore)
    scale = node_energy(chip) or 0.0
    return kernel.Supply(
        limit=power.tdp if power.capped else math.inf, static=power.standby, top=chip.clock,
        volts=power.voltage or (BOOST_VOLTS if gpu else NOMINAL),
        at=power.voltage_clock or chip.boost or chip.clock, floor=power.floor, threshold=power.threshold,
        cycle=power.energy.cycle * chip.cores * scale if gpu else 0.0,
    )


def settle(chip: Chip, joules: Joules, times: Sequence[tuple[float, float, float, float]], hz: float,
           lasting: float = math.inf) -> kernel.State:
    """Return the clock, supply, time and power at which some work runs, as fast as the power limit lets it.

    Parameters
    ----------
    chip
        One whose energies are known.
    joules
        Energy of the work at the nominal supply.
    times
        For each of the operators that follow each other: seconds of the cores' busiest resource at clock `hz`, which
        stretch as the clock falls; seconds of device memory, which do not; seconds beside the longer of these; and how
        often it runs.
    hz
        Clock for which the seconds are stated.
    lasting
        Seconds for which the work goes on, after the chip was idle. A controller that averages power with the time
        constant ``w`` (`Power.window`) lets through ``1 / (1 - exp(-lasting / w))`` of what it allows for ever.
    """
    s = supply(chip)
    if lasting < math.inf and chip.power is not None:
        s = s._replace(limit=s.static + (s.limit - s.static) / -math.expm1(-lasting / chip.power.window))
    return kernel.settle(s, kernel.Work(joules.core, joules.fixed, np.array(times, np.float64), hz))


def volts(chip: Chip, hz: float) -> float:
    """Return the supply of the cores at a clock."""
    return float(kernel.supply(supply(chip), hz))
