"""Timing of operators without matrix work on systolic cores: a stream through the vector unit."""

from __future__ import annotations

from archsim.dtypes import BYTES
from archsim.hardware import Chip, SystolicCore
from archsim.kernels.systolic import Engine
from archsim.kernels.systolic_stream import Rows, search_rows
from archsim.timing.optime import OpTime
from archsim.timing.systolic_result import assemble, counted
from archsim.workload.ops import Elementwise, Stream, Transpose


def crossing(op: Stream, row_lanes: float) -> float:
    """Return the elements that go through the cross-lane unit.

    A transpose moves all. A reduction along a row first folds its registers lane by lane on the ALUs (these operations
    are counted as such), so that at most one register's width of a row is left to cross lanes.
    """
    if isinstance(op, Transpose) or not op.reduced:
        return op.reduced
    along = float(next(op.shapes())[1][-1])  # elements of one row of the first operand
    return op.reduced * min(1.0, row_lanes / along)


def slots(op: Stream, packed: float) -> float:
    """Return the plain operations in slots of 32 bits, where 16-bit elements are `packed` (see `VectorUnit`).

    Statistics (norms, softmax, scores) are computed in float32 everywhere: only conversions touch them.
    """
    if not (isinstance(op, Elementwise) and BYTES[op.dtype] == 2):
        return op.vector_ops
    if packed >= 1:
        return op.vector_ops / packed
    return op.vector_ops + op.elements * (1 / packed - 1)


def time(op: Stream, chip: Chip, e: Engine) -> OpTime:
    """Time an operator that streams through the vector units of as many cores as help."""
    core = chip.core
    assert isinstance(core, SystolicCore)
    r = Rows(read=op.read_bytes, written=op.write_bytes, passes=op.passes, ops=slots(op, core.vector.packed),
             exps=op.transcendentals, cross=crossing(op, e.row_lanes))
    w, chunks, used = search_rows(e, r, op.units, chip.cores)
    plan = counted(chunks, "chunk") + (f"; {used} of {chip.cores} cores" if chip.cores > 1 else "")
    return assemble(op, chip, w, op.bytes, r.passes * r.read + r.written, plan)
