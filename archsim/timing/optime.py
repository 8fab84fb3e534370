"""OpTime: what timing one operator on one chip gives."""

from __future__ import annotations

from dataclasses import dataclass, field

BOUNDS = ("matrix", "vector", "scratchpad", "hbm", "launch")
"""What can bound an operator. ``scratchpad`` is on-chip memory as a whole: a systolic core's scratchpad ports, a GPU's
L2 and the fill of its shared memory. ``launch`` is fixed cost: kernel launch, pipeline fill and drain."""

STALLS = ("padding", "weight load", "fill and drain", "scratchpad ports", "vector unit", "device memory",
          "DMA latency", "step overhead", "idle cores")
"""Why matrix arrays do no useful work. ``padding`` is tiles that the operands do not fill, arrays without a tile and
masked scores; ``weight load`` the wait for the operand that stays in the array."""


@dataclass(frozen=True, slots=True)
class OpTime:
    """Time and traffic of one operator on one chip.

    `busy` holds, per resource of `BOUNDS`, the seconds that it alone would need; `seconds` is at least the longest.
    `utilization` is achieved over peak matrix FLOP/s for operators with matrix work, else achieved over peak HBM
    bandwidth. `bound` is the resource that sets the time; `plan` says how the operator was mapped (tile, waves).

    Where an engine model keeps account of it, `stalls` holds the seconds per cause of `STALLS` in which the matrix
    arrays do no useful multiply-accumulate, averaged over the arrays of the chip: they and the time that the work
    takes at the peak add up to `seconds`.
    """

    seconds: float
    cycles: float
    flops: float
    vector_ops: float
    hbm_bytes: float
    on_chip_bytes: float
    utilization: float
    bound: str
    busy: dict[str, float]
    plan: str = ""
    fidelity: str = "cycle"
    stalls: dict[str, float] = field(default_factory=dict)
