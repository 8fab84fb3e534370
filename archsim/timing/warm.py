"""Warm: what of an operator's operands the cache that all cores share holds when the operator starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError
from archsim.kernels import gpu_l2

if TYPE_CHECKING:
    from archsim.hardware import Chip


@dataclass(frozen=True, slots=True)
class Warm:
    """Shares, 0 to 1, of an operator's bytes that need not visit device memory.

    `inputs` and `weights` are in the cache when the operator starts: the result of the kernel before, a weight that a
    repeated kernel left there. `output` is written to lines that are in the cache already and are written again, or
    read and forgotten, before they are evicted. A cache that hardware manages gives this; a scratchpad does not.

    Raises
    ------
    ArchsimError
        If a share is not between 0 and 1.
    """

    inputs: float = 0.0
    weights: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        for name in ("inputs", "weights", "output"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ArchsimError(f"Warm.{name} is a share between 0 and 1, not {getattr(self, name)!r}")


COLD = Warm()
"""Nothing in the cache: every operand comes from device memory, every result goes there."""


def held_read(distance: float, chip: Chip) -> float:
    """Return the share of what kernels read that a chip's cache holds for a later one, `distance` bytes since.

    The bytes themselves count; of several levels, the largest decides. A chip without a cache that hardware manages
    holds nothing.
    """
    if chip.kind != "gpu" or chip.cache is None:
        return 0.0
    level = chip.cache.largest
    return gpu_l2.kept_share(float(distance), level.capacity / level.partitions, level.capacity, level.fade)


def held_written(distance: float, others: float, chip: Chip) -> float:
    """Return the share of what a kernel has written that the cache holds for one that reads it in the same order.

    `distance` bytes were touched from the first of these bytes until the reader starts, and the reader touches `others`
    beside them on its way.
    """
    if chip.kind != "gpu" or chip.cache is None:
        return 0.0
    return gpu_l2.made_share(float(distance), float(others), chip.cache.largest.capacity)
