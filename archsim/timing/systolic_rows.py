"""Timing of operators without matrix work on systolic cores: a stream through the vector unit."""

from __future__ import annotations

from archsim.hardware import Chip
from archsim.kernels.systolic import Engine
from archsim.kernels.systolic_stream import Rows, search_rows
from archsim.timing.optime import OpTime
from archsim.timing.systolic_result import assemble, counted
from archsim.workload.ops import Stream


def time(op: Stream, chip: Chip, e: Engine) -> OpTime:
    """Time an operator that streams through the vector units of as many cores as help."""
    r = Rows(read=op.read_bytes, written=op.write_bytes, passes=op.passes, ops=op.vector_ops,
             exps=op.transcendentals)
    w, chunks, used = search_rows(e, r, op.units, chip.cores)
    plan = counted(chunks, "chunk") + (f"; {used} of {chip.cores} cores" if chip.cores > 1 else "")
    return assemble(op, chip, w, op.bytes, r.passes * r.read + r.written, plan)
