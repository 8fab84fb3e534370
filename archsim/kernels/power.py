"""Clock under a power limit: the highest clock of a voltage-frequency law at which what runs fits the limit.

The supply follows the clock by the alpha-power law of CMOS gates, ``f ~ (V - Vt)**alpha / V`` (Sakurai and Newton,
Alpha-Power Law MOSFET Model, JSSC 1990; alpha is 1.3 where carriers move at saturated velocity). Switching takes
``E ~ V**2``; at the lowest supply only the clock falls further. SI units throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOMINAL = 0.8
"""Supply in volts for which energies are stated."""

ALPHA = 1.3
"""Exponent of the alpha-power law."""

STEPS = 40
"""Halvings of the interval that holds the answer: to a part in 10**12."""

SLOWEST = 0.01
"""Lowest clock that is tried, as a share of the top one: a limit that it does not meet is as good as idle power."""


class Supply(NamedTuple):
    """A chip's supply and limit."""

    limit: float  # W
    static: float  # W that the clock does not change
    top: float  # Hz, highest clock
    volts: float  # V at `at`
    at: float  # Hz
    floor: float  # V, lowest supply
    threshold: float  # V, of a transistor
    cycle: float  # J per cycle of the whole chip at the nominal supply, beside its work


class Work(NamedTuple):
    """One operator, or the operators of a step one after another: their energy, and their times at clock `hz`."""

    core: float  # J of what the clock's supply feeds, at the nominal supply
    fixed: float  # J of the rest (memory devices, links)
    times: NDArray[np.float64]  # a row for each operator, see below
    hz: float


SCALED, MEMORY, REST, REPEAT = 0, 1, 2, 3
"""Columns of `Work.times`: seconds of the cores' busiest resource at clock `hz`; of device memory, whose clock does not
change; beside the longer of these (latencies, launch); and how often the operator runs."""


class State(NamedTuple):
    """What the chip settles at."""

    hz: float
    volts: float
    seconds: float
    watts: float


@njit(cache=True)
def speed(s: Supply, volts: float) -> float:
    """Return the highest clock in Hz at a supply of `volts`."""
    overdrive = (volts - s.threshold) / (s.volts - s.threshold)
    return float(s.at * overdrive**ALPHA * s.volts / volts)


@njit(cache=True)
def supply(s: Supply, hz: float) -> float:
    """Return the supply in volts that a clock needs, no less than the floor."""
    if hz <= speed(s, s.floor):
        return s.floor
    low, high = s.floor, 2.0 * s.volts
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if speed(s, middle) < hz:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True)
def duration(w: Work, hz: float) -> float:
    """Return the seconds of the work at a clock: what memory bounds does not stretch."""
    seconds = 0.0
    for i in range(w.times.shape[0]):
        t = w.times[i]
        seconds += t[REPEAT] * (t[REST] + max(t[SCALED] * w.hz / hz, t[MEMORY]))
    return seconds


@njit(cache=True)
def watts(s: Supply, w: Work, hz: float, volts: float) -> float:
    """Return the mean power while the work runs at a clock and a supply."""
    square = (volts / NOMINAL) ** 2
    return s.static + s.cycle * hz * square + (w.core * square + w.fixed) / duration(w, hz)


@njit(cache=True)
def settle(s: Supply, w: Work) -> State:
    """Return the state in which the work runs fastest: at the top clock, or at the clock whose power is the limit.

    Power grows with the clock, so halving finds it. A limit that not even the slowest clock (`SLOWEST`) meets is not
    met.
    """
    volts = supply(s, s.top)
    if watts(s, w, s.top, volts) <= s.limit:
        return State(s.top, volts, duration(w, s.top), watts(s, w, s.top, volts))
    low, high = SLOWEST * s.top, s.top
    knee = min(s.top, speed(s, s.floor))
    if watts(s, w, knee, s.floor) > s.limit:  # the supply is at its floor: halve the clock
        high = knee
        for _ in range(STEPS):
            hz = 0.5 * (low + high)
            if watts(s, w, hz, s.floor) > s.limit:
                high = hz
            else:
                low = hz
        return State(low, s.floor, duration(w, low), watts(s, w, low, s.floor))
    low, high = s.floor, volts  # else halve the supply
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if watts(s, w, min(s.top, speed(s, middle)), middle) > s.limit:
            high = middle
        else:
            low = middle
    hz = min(s.top, speed(s, low))
    return State(hz, low, duration(w, hz), watts(s, w, hz, low))
