"""What kernels of products and of attention have in common: their plan, and a step of a tile.

All times are cycles of the SM clock, all rates bytes or MACs per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from archsim.kernels.gpu_chip import Gpu

OVERLAP = 4.0
"""Exponent with which matrix engine, L2 and device memory overlap in a pipeline of few stages: the time of a round is
``(x**p + y**p + z**p)**(1/p)``. Infinite p would be perfect overlap; loads whose latency varies cost something where
two resources are close. Estimated with measured products in sight, and the same for every chip."""


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


@njit(cache=True)
def step_cycles(gpu: Gpu, bm: float, bn: float, depth: float, size: float) -> float:
    """Matrix-engine cycles of one pipeline step of a bm x bn tile, `depth` elements of K of `size` bytes.

    The engine waits for the longer of its arithmetic and its operands from shared memory: one fetch feeds fetch_m x
    fetch_n products, and SMs that pair up fetch half of B each.
    """
    macs = bm * bn * depth
    wide = max(bm, bn)  # the long side may lie along M or N: kernels transpose the problem for a thin M
    arithmetic = macs / gpu.macs * max(1.0, gpu.fetch_m / wide)
    operands = macs * size * (1.0 / min(gpu.fetch_n, bn) + 1.0 / (min(gpu.fetch_m, bm) * gpu.pair))
    return max(arithmetic, operands / gpu.shared_read)
