"""The clock that a power limit leaves: a chip's supply as the kernel takes it, and the state that work settles at."""

from __future__ import annotations

import math
from functools import lru_cache

from archsim.hardware import Chip, GpuCore
from archsim.kernels import power as kernel
from archsim.power.energies import Joules, node_energy

BOOST_VOLTS = 1.0
ASIC_VOLTS = kernel.NOMINAL


@lru_cache(maxsize=1024)
def supply(chip: Chip) -> kernel.Supply:
    """Return the limit and the voltage-frequency law of a chip whose energies are known."""
    power = chip.power
    assert power is not None
    gpu = isinstance(chip.core, GpuCore)
    scale = node_energy(chip) or 0.0
    return kernel.Supply(
        limit=power.tdp if power.capped else math.inf, static=power.standby, top=chip.clock,
        volts=power.voltage or (BOOST_VOLTS if gpu else ASIC_VOLTS),
        at=power.voltage_clock or chip.boost or chip.clock, floor=power.floor, threshold=power.threshold,
        cycle=power.energy.cycle * chip.cores * scale if gpu else 0.0,
    )


def settle(chip: Chip, joules: Joules, scaled: float, memory: float, rest: float, hz: float) -> kernel.State:
    """Return the clock, supply, time and power at which some work runs, as fast as the power limit lets it.

    Parameters
    ----------
    chip
        One whose energies are known.
    joules
        Energy of the work at the nominal supply.
    scaled
        Seconds of the cores' busiest resource at clock `hz`: they stretch as the clock falls.
    memory
        Seconds of device memory, which do not.
    rest
        Seconds beside the longer of these.
    hz
        Clock for which `scaled` is stated.
    """
    return kernel.settle(supply(chip), kernel.Work(joules.core, joules.fixed, scaled, memory, rest, hz))
