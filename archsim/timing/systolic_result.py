"""What all timing on systolic cores shares: from a core's walk to an OpTime, and words for its plan."""

from __future__ import annotations

import math

from archsim.errors import ArchsimError
from archsim.hardware import Chip
from archsim.kernels.systolic import WS, Engine, Walk, fold_cycles
from archsim.timing.optime import OpTime, pace
from archsim.workload.ops import Op


def assemble(op: Op, chip: Chip, w: Walk, moved: float, on_chip: float, plan: str) -> OpTime:
    """Return the OpTime of the busiest core's walk; all cores together moved `moved` bytes of device memory."""
    busy = {"matrix": w.matrix, "vector": w.vector, "scratchpad": w.port, "hbm": w.memory, "launch": w.fixed}
    seconds = max(w.seconds, *busy.values())
    rate = chip.peak(str(getattr(op, "dtype", "bf16"))) if op.flops else 0.0
    useful = op.flops / rate if rate else 0.0
    own = 2 * w.macs * chip.cores / rate if rate else 0.0  # what the busiest core would take at its peak
    s = w.split
    stalls = {
        "padding": s.streaming - own, "weight load": s.loading, "fill and drain": s.skew, "scratchpad ports": s.ports,
        "vector unit": s.vector, "device memory": s.memory + seconds - w.seconds, "DMA latency": s.latency,
        "step overhead": s.steps, "idle cores": own - useful + s.idle,
    }
    stalls = {cause: max(0.0, t) for cause, t in stalls.items()}
    done = op.flops / rate if rate else moved / chip.memory.bandwidth
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=moved,
        on_chip_bytes=on_chip, utilization=min(1.0, done / seconds), bound=pace(seconds, busy, stalls),
        busy=busy, plan=plan, stalls=stalls,
    )


def too_small(chip: Chip, e: Engine, what: str, need: float) -> ArchsimError:
    """Return the error of an operator whose smallest blocks, of `need` bytes, do not fit."""
    return ArchsimError(f"{chip.name}: an operator may fill {e.capacity:,.0f} bytes of scratchpad, but the smallest "
                        f"blocks of {what} need {math.ceil(need):,}")


def counted(number: int | str, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 chunk``, ``2 chunks``."""
    return f"{number} {one if str(number) == '1' else many or one + 's'}"


def loads_bind(e: Engine, rows: int) -> str:
    """Say so if `rows` moving rows stream past a weight tile faster than the next tile is there; else nothing."""
    if e.flows != 1 << WS or not e.shadow:
        return ""
    stream = fold_cycles(e._replace(load=0.0, min_issue=0.0), rows)
    if stream >= max(e.load, e.min_issue):
        return ""
    rows_said = f"{counted(rows, 'row')} {'streams' if rows == 1 else 'stream'} in {counted(f'{stream:g}', 'cycle')}"
    if e.load >= e.min_issue:
        return f"; weight loads bind: {rows_said}, a load takes {e.load:g}"
    return f"; weight tiles bind: {rows_said}, each occupies the array for {e.min_issue:g}"
