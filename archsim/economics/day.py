"""Day: the load of a service over 24 hours, how much of the chips it leaves idle, and what batch work can fill.

Chips are bought for the busiest hour and depreciate in all of them: a token's price is that of a busy chip divided by
the mean of the day over its peak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.errors import ArchsimError

HOURS = 24


@dataclass(frozen=True)
class Day:
    """What users ask for in each hour of a day, in any unit (tokens, requests), against what the chips can do.

    Parameters
    ----------
    load
        24 numbers, not all zero.
    capacity
        What the chips could do in an hour, in the same unit; the busiest hour's load if not given.

    Raises
    ------
    ArchsimError
        If there are not 24 finite numbers from 0 up, all are zero, or one is above the capacity.
    """

    load: tuple[float, ...]
    capacity: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.load, str) or not isinstance(self.load, Sequence) or len(self.load) != HOURS:
            count = len(self.load) if isinstance(self.load, Sequence) else "something else"
            raise ArchsimError(f"Day.load is 24 numbers, one per hour, not {count}")
        for hour, x in enumerate(self.load):
            if isinstance(x, bool) or not isinstance(x, int | float) or not 0 <= x < math.inf:
                raise ArchsimError(f"Day.load[{hour}] must be a number from 0 up, not {x!r}")
        if max(self.load) <= 0:
            raise ArchsimError("Day.load is zero all day: there is nothing to price")
        object.__setattr__(self, "load", tuple(float(x) for x in self.load))
        if not isinstance(self.capacity, int | float) or not 0 <= self.capacity < math.inf:
            raise ArchsimError(f"Day.capacity must be a number from 0 up, not {self.capacity!r}")
        object.__setattr__(self, "capacity", float(self.capacity) or max(self.load))
        if self.capacity < max(self.load):
            raise ArchsimError(f"Day.capacity {self.capacity:g} is below the busiest hour's load, {max(self.load):g}")

    @property
    def utilization(self) -> float:
        """Share of what the chips could do in a day that is asked for, in (0, 1]."""
        return min(1.0, math.fsum(self.load) / (HOURS * self.capacity))

    @property
    def room(self) -> float:
        """What more could be done in the day, in the unit of the load."""
        return math.fsum(self.capacity - x for x in self.load)

    def filled(self, batch: float | None = None) -> Day:
        """Return the day with work that can wait put into its emptiest hours, levelled like water.

        Parameters
        ----------
        batch
            How much there is, in the unit of the load; what does not fit is left out. As much as fits if not given.
        """
        work = self.room if batch is None else batch
        if isinstance(work, bool) or not isinstance(work, int | float) or not 0 <= work < math.inf:
            raise ArchsimError(f"batch must be a number from 0 up, not {batch!r}")
        work = min(work, self.room)
        level, hours = 0.0, sorted(self.load)
        for n in range(1, HOURS + 1):  # the n emptiest hours, level with one another, hold all the work
            level = (math.fsum(hours[:n]) + work) / n
            if n == HOURS or level <= hours[n]:
                break
        level = min(level, self.capacity)
        return Day(tuple(max(x, level) for x in self.load), self.capacity)


OFFICE = Day((0.30, 0.24, 0.20, 0.18, 0.18, 0.20, 0.27, 0.40, 0.60, 0.80, 0.93, 1.00,
              0.97, 0.95, 0.98, 1.00, 0.97, 0.90, 0.80, 0.72, 0.65, 0.58, 0.48, 0.38))
"""A service of one time zone, busy in working hours and quiet at night: a made-up example, mean 61 % of its peak."""
