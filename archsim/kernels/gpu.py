"""What kernels of products and of attention have in common: their plan.

All times are cycles of the SM clock, all rates bytes or MACs per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit


class Plan(NamedTuple):
    """One tile and split-K factor, timed: cycles of the whole kernel, bytes of traffic."""

    cycles: float
    matrix: float  # busy cycles of the busiest SM's matrix engine
    on_chip: float  # cycles that L2 and the ports into the SMs need
    hbm: float  # cycles that device memory needs
    vector: float  # cycles of the busiest SM's softmax; 0 for a matrix product
    fixed: float  # cycles in which none of the three works: launch, latency, barriers
    hbm_bytes: float
    l2_bytes: float
    rounds: float  # blocks that the busiest SM runs
    occupancy: float
    stages: float
    splits: float
    tile: float  # row of the library


@njit(cache=True)
def no_plan() -> Plan:
    """Return the plan of a tile that does not fit."""
    return Plan(math.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0)
