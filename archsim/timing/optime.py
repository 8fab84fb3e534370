"""OpTime: what timing one operator on one chip gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BOUNDS = ("matrix", "vector", "scratchpad", "hbm", "launch")
"""What can bound an operator. ``scratchpad`` is on-chip memory as a whole: a systolic core's scratchpad ports, a GPU's
L2 and the fill of its shared memory. ``launch`` is fixed cost: kernel launch, pipeline fill and drain."""

STALLS = ("padding", "weight load", "fill and drain", "scratchpad ports", "vector unit", "device memory",
          "DMA latency", "step overhead", "idle cores")
"""Why matrix arrays do no useful work. ``padding`` is tiles that the operands do not fill, arrays without a tile and
masked scores or scores computed again; ``weight load`` the wait for the operand that stays in the array."""

POWER = "power limit"
"""A cause that is there only where it costs time: the clock was below the chip's (`archsim.timing.throttle`)."""


@dataclass(frozen=True, slots=True)
class OpTime:
    """Time and traffic of one operator on one chip.

    `busy` holds, per resource of `BOUNDS`, the seconds that it alone would need; `seconds` is at least the longest.
    `utilization` is achieved over peak matrix FLOP/s for operators with matrix work, else achieved over peak HBM
    bandwidth. `bound` is the resource that sets the time (see `pace`); `plan` says how the operator was mapped (tile,
    waves).

    Where an engine model keeps account of it, `stalls` holds the seconds per cause of `STALLS` in which the matrix
    arrays do no useful multiply-accumulate, averaged over the arrays of the chip: they and the time that the work
    takes at the peak add up to `seconds`.

    `clock` is that of the cores in Hz; below the chip's where the power limit slows the operator.

    `resident` is how many bytes of operands a and b of a product stay whole in scratchpad that no blocks may fill.
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
    resident: tuple[float, float] = (0.0, 0.0)
    clock: float = 0.0


def pace(seconds: float, busy: Mapping[str, float], stalls: Mapping[str, float]) -> str:
    """Return the resource that sets the time: the busiest, with one exception.

    Arrays and the overhead of steps follow each other, so that memory may be busier than the arrays and still keep
    nobody waiting. Where all but memory takes longer than memory does, the busiest of the others sets the time, unless
    that is the overhead itself: larger blocks would trade it for waiting.
    """
    longest = max(busy, key=lambda b: busy[b])
    if longest != "hbm" or not stalls or busy["hbm"] > seconds - stalls["device memory"]:
        return longest
    other = max((b for b in busy if b != "hbm"), key=lambda b: busy[b])
    return longest if other == "launch" else other
