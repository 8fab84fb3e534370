"""Timing of row operators (norms, elementwise, gathers) on systolic cores: a stream through the vector unit."""

from __future__ import annotations

from archsim.hardware import Chip
from archsim.kernels.systolic import Engine
from archsim.kernels.systolic_stream import Rows, search_rows
from archsim.timing.optime import OpTime
from archsim.timing.systolic_result import assemble, counted
from archsim.workload.ops import Elementwise, Gather, Norm

PASSES = {"norm": 2.0}
"""Times that an operator's inputs are read from the scratchpad: a norm needs its statistic before it scales."""


def time(op: Norm | Elementwise | Gather, chip: Chip, e: Engine) -> OpTime:
    """Time an operator that streams through the vector units of as many cores as help."""
    r = Rows(read=op.read_bytes, written=op.write_bytes, passes=PASSES.get(op.kind, 1.0), ops=op.vector_ops,
             exps=op.transcendentals)
    rows = op.elements if isinstance(op, Elementwise) else op.rows
    w, chunks, used = search_rows(e, r, rows, chip.cores)
    plan = counted(chunks, "chunk") + (f"; {used} of {chip.cores} cores" if chip.cores > 1 else "")
    return assemble(op, chip, w, op.bytes, r.passes * r.read + r.written, plan)
