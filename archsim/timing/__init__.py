"""How long one operator takes on one chip: a model per engine kind, chosen by the chip's core alone."""

from __future__ import annotations

from functools import lru_cache

from archsim.hardware import Chip
from archsim.timing import gpu, roofline, systolic
from archsim.timing.optime import BOUNDS, OpTime
from archsim.workload.ops import Op

ENGINES = {"systolic": systolic.time, "gpu": gpu.time, "roofline": roofline.time}


@lru_cache(maxsize=65536)
def time(op: Op, chip: Chip) -> OpTime:
    """Time one operator on one chip (pure, memoised).

    Raises
    ------
    UnsupportedError
        If the chip has no path for the operator's dtype, or the engine model cannot time the operator.
    """
    return ENGINES[chip.kind](op, chip)


__all__ = ["BOUNDS", "OpTime", "time"]
