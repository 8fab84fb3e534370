"""The power limit: an operator's time at the clock that it leaves, and an operator's energy."""

from __future__ import annotations

import math
from dataclasses import replace

from archsim.hardware import Chip
from archsim.power import Joules, known, settle, spend
from archsim.timing.optime import POWER, OpTime
from archsim.workload.ops import Op

SCALED = ("matrix", "vector", "scratchpad")
"""Resources that run at the cores' clock; device memory and the host have their own."""


def joules(op: Op, chip: Chip, t: OpTime) -> Joules:
    """Return the energy of an operator at the nominal supply, on a chip whose energies are known.

    While the matrix engine is busy, what it does not multiply of the operator is padding: rows and columns of tiles
    and instructions beyond the operands' ends.
    """
    dtype, padding = str(getattr(op, "dtype", "bf16")), 0.0
    if op.executed_flops:
        slots = t.busy.get("matrix", 0.0) * chip.peak(dtype) * (t.clock or chip.clock) / chip.clock
        padding = max(0.0, slots - op.executed_flops)
    return spend(chip, dtype, flops=op.executed_flops, padding=padding,
                 vector_ops=t.vector_ops + op.transcendentals, on_chip_bytes=t.on_chip_bytes, hbm_bytes=t.hbm_bytes)


def parts(t: OpTime) -> tuple[float, float, float]:
    """Return the seconds that follow the cores' clock, those of device memory, and those beside the longer of them."""
    scaled = max((t.busy.get(name, 0.0) for name in SCALED), default=0.0)
    memory = t.busy.get("hbm", 0.0)
    return scaled, memory, max(0.0, t.seconds - max(scaled, memory))


def at_clock(t: OpTime, hz: float, base: float) -> OpTime:
    """Return an operator's time with the cores at another clock; `base` is the clock in whose cycles it is stated.

    What the cores do stretches, what device memory bounds does not, and latencies stay.
    """
    if hz == t.clock:
        return t
    scaled, memory, rest = parts(t)
    stretch = t.clock / hz
    seconds = rest + max(scaled * stretch, memory)
    busy = {name: s * stretch if name in SCALED else s for name, s in t.busy.items()}
    stalls = t.stalls
    if stalls:
        stalls = {**stalls, POWER: stalls.get(POWER, 0.0) + seconds - t.seconds}
    return replace(t, seconds=seconds, cycles=seconds * base, utilization=t.utilization * t.seconds / seconds,
                   bound=max(busy, key=lambda name: busy[name]) if busy["hbm"] < seconds - rest else t.bound,
                   busy=busy, stalls=stalls, clock=hz)


def limited(op: Op, chip: Chip, t: OpTime, repeats: float = math.inf) -> OpTime:
    """Return an operator's time under the chip's power limit, if it runs `repeats` times in a row on an idle chip.

    The clock falls to where the mean power is the limit. Nothing changes on a chip whose energies are not known, or
    that is a roofline: its efficiency is what products reach with the clock that they have.
    """
    if chip.kind == "roofline" or not known(chip):
        return t
    state = settle(chip, joules(op, chip, t), [(*parts(t), 1.0)], t.clock, repeats * t.seconds)
    if state.hz >= chip.clock:
        return t
    slowed = at_clock(t, state.hz, chip.clock)
    return replace(slowed, plan=f"{t.plan}, power-limited to {state.hz / 1e9:.2f} GHz")
