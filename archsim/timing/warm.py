"""Warm: what of an operator's operands the cache that all cores share holds when the operator starts."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.errors import ArchsimError


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
