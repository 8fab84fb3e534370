"""What all timing on systolic cores shares: from a core's walk to an OpTime, and words for its plan."""

from __future__ import annotations

import math

from archsim.errors import ArchsimError
from archsim.hardware import Chip
from archsim.kernels.systolic import Engine, Walk, fold_cycles
from archsim.timing.optime import OpTime
from archsim.workload.ops import Op


def assemble(op: Op, chip: Chip, w: Walk, moved: float, on_chip: float, plan: str) -> OpTime:
    """Return the OpTime of the busiest core's walk; all cores together moved `moved` bytes of device memory."""
    busy = {"matrix": w.matrix, "vector": w.vector, "scratchpad": w.port, "hbm": w.memory, "launch": w.fixed}
    seconds = max(w.seconds, *busy.values())
    peak = op.flops / chip.peak(str(getattr(op, "dtype", "bf16"))) if op.flops else moved / chip.memory.bandwidth
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=moved,
        on_chip_bytes=on_chip, utilization=min(1.0, peak / seconds), bound=max(busy, key=lambda b: busy[b]),
        busy=busy, plan=plan,
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
    stream = fold_cycles(e._replace(load=0.0, min_issue=0.0), rows)
    if stream >= max(e.load, e.min_issue):
        return ""
    rows_said = f"{counted(rows, 'row')} {'streams' if rows == 1 else 'stream'} in {counted(f'{stream:g}', 'cycle')}"
    if e.load >= e.min_issue:
        return f"; weight loads bind: {rows_said}, a load takes {e.load:g}"
    return f"; weight tiles bind: {rows_said}, each occupies the array for {e.min_issue:g}"
