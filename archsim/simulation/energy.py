"""Energy of a step: joules by what they are spent on, and the one clock at which its mean power fits the limit.

A power controller averages over some tens of milliseconds, in which a step runs through whole layers. So the
operators of a step share one clock: the highest at which the mean power of all of them is no more than the limit. An
operator timed alone (`archsim.timing.time`) is taken to run again and again, as a benchmark does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archsim.hardware import Chip
from archsim.power import Joules, known, settle, supply, volts
from archsim.power.limit import NOMINAL
from archsim.simulation.run import OpRun, Run
from archsim.timing import OpTime
from archsim.timing.throttle import at_clock, joules, parts
from archsim.workload.ops import Op


def spent(op: Op, chip: Chip, t: OpTime) -> Mapping[str, float] | None:
    """Return the joules of one operator on one chip by `LEVELS`, or None if the chip's energies are not known."""
    if not known(chip):
        return None
    s, j = supply(chip), joules(op, chip, t)
    square = (volts(chip, t.clock) / NOMINAL) ** 2
    return {"matrix": j.matrix * square, "vector": j.vector * square, "on_chip": j.on_chip * square,
            "memory": j.memory, "link": j.link, "clock": s.cycle * t.clock * square * t.seconds,
            "idle": s.static * t.seconds}


def powered(rows: Sequence[OpRun], chip: Chip, chips: int) -> tuple[OpRun, ...]:
    """Return the operators of a step at the clock that the power limit leaves them, each with its energy.

    Parameters
    ----------
    rows
        Operators timed at the chip's clock, in the order in which they run.
    chip
        The chip; nothing changes if its energies are not known.
    chips
        Chips that share every operator evenly.
    """
    if not known(chip) or not rows:
        return tuple(rows)
    shares = [row.op.shard(chips) for row in rows]
    if chip.kind != "roofline":  # whose efficiency is what products reach at the clock that they have
        total = Joules()
        for row, op in zip(rows, shares, strict=True):
            each = joules(op, chip, row.time)
            total = Joules(*(a + b * row.repeat for a, b in zip(total, each, strict=True)))
        state = settle(chip, total, [(*parts(row.time), float(row.repeat)) for row in rows], chip.clock)
        if state.hz < chip.clock:
            rows = [replace(row, time=at_clock(row.time, state.hz, chip.clock)) for row in rows]
    return tuple(replace(row, joules=spent(op, chip, row.time)) for row, op in zip(rows, shares, strict=True))


def unmet(run: Run) -> str:
    """Return in words that a step draws more than its chip's limit at the slowest clock, empty if it does not."""
    power = run.chip.power
    if run.watts is None or power is None or not power.capped or run.watts <= power.tdp * (1 + 1e-6):
        return ""
    return (f"{run.watts:,.0f} W is more than the limit of {power.tdp:,.0f} W, which is not met: "
            + (f"the clock falls no lower than {run.clock / 1e6:,.0f} MHz" if run.chip.kind != "roofline"
               else "a roofline keeps its clock"))
