"""Roofline timing: the longest of matrix, vector and memory time at stated efficiencies, plus a fixed cost."""

from __future__ import annotations

from archsim.hardware import Chip, RooflineCore
from archsim.timing.optime import OpTime
from archsim.workload.ops import Op


def time(op: Op, chip: Chip) -> OpTime:
    """Time an operator on a chip of which only peaks are known.

    Raises
    ------
    UnsupportedError
        If the chip has no peak for the operator's dtype.
    """
    core = chip.core
    assert isinstance(core, RooflineCore)
    busy = {"hbm": op.bytes / chip.memory.sustained, "launch": core.launch}
    peak = chip.peak(str(getattr(op, "dtype", "bf16"))) if op.flops else 0.0
    if op.flops:
        busy["matrix"] = op.executed_flops / (peak * core.efficiency)
    vector_rate = core.vector or max(core.rates.values()) / 16
    busy["vector"] = (op.vector_ops + op.transcendentals) / (vector_rate * chip.cores * chip.clock)
    bound = max(busy, key=lambda b: busy[b])
    seconds = max(v for k, v in busy.items() if k != "launch") + core.launch
    utilization = (op.flops / peak if op.flops else op.bytes / chip.memory.bandwidth) / seconds
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=op.bytes,
        on_chip_bytes=op.bytes, utilization=utilization, bound=bound, busy=busy, plan="roofline", fidelity="roofline",
    )


def plain(op: Op, chip: Chip) -> float:
    """Return the textbook bound in seconds: max(FLOP / peak, compulsory bytes / peak bandwidth), nothing else.

    This is the yardstick that `archsim validate` prints beside our own error.
    """
    matrix = op.flops / chip.peak(str(getattr(op, "dtype", "bf16"))) if op.flops else 0.0
    return max(matrix, op.bytes / chip.memory.bandwidth)
