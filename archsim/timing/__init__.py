"""How long one operator takes on one chip: a model per engine kind, chosen by the chip's core alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from archsim.timing.optime import BOUNDS, OpTime
from archsim.timing.warm import COLD, Warm

if TYPE_CHECKING:
    from archsim.hardware import Chip
    from archsim.workload.ops import Op


@cache
def _engine(kind: str) -> Callable[[Op, Chip], OpTime]:
    """Return the model of an engine kind; each brings its own kernels, so only the one needed is loaded."""
    if kind == "systolic":
        from archsim.timing import systolic

        return systolic.time
    from archsim.timing import roofline

    return roofline.time


@lru_cache(maxsize=65536)
def time(op: Op, chip: Chip, warm: Warm = COLD, repeats: float = math.inf) -> OpTime:
    """Time one operator on one chip (pure, memoised), whose shared cache holds `warm` of the operands.

    Only GPUs have a cache that hardware manages: elsewhere every operand comes from device memory. The clock is the
    highest that the power limit allows if the operator runs `repeats` times in a row; before that the chip was idle.

    Raises
    ------
    UnsupportedError
        If the chip has no path for the operator's dtype, or the engine model cannot time the operator.
    """
    from archsim.timing import throttle

    return throttle.limited(op, chip, unlimited(op, chip, warm), repeats)


@lru_cache(maxsize=65536)
def unlimited(op: Op, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time one operator at the chip's clock, whatever power that draws; else as `time`.

    Raises
    ------
    UnsupportedError
        If the chip has no path for the operator's dtype, or the engine model cannot time the operator.
    """
    from archsim.timing import lower  # here, so that one array by itself (`archsim.timing.array`) loads no operators
    from archsim.workload.conv import Conv
    from archsim.workload.ops import GroupedMatMul

    if isinstance(op, Conv):
        return lower.conv(op, chip, unlimited)
    if isinstance(op, GroupedMatMul) and chip.kind == "systolic":
        return lower.grouped(op, chip, unlimited)
    if chip.kind == "gpu":
        from archsim.timing import gpu

        return replace(gpu.time(op, chip, warm), clock=chip.clock)
    return replace(_engine(chip.kind)(op, chip), clock=chip.clock)


__all__ = ["BOUNDS", "COLD", "OpTime", "Warm", "time", "unlimited"]
