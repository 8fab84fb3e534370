"""Timing of row operators (norms, elementwise, gathers) on systolic cores: a stream through the vector unit."""

from __future__ import annotations

import math

from archsim.hardware import Chip
from archsim.kernels.systolic import Engine, core_bandwidth
from archsim.timing.optime import OpTime
from archsim.workload.ops import Elementwise, Gather, Norm

PASSES = {"norm": 2}
"""Times that an operator's inputs are read from the scratchpad: a norm needs its statistic before it scales."""


def time(op: Norm | Elementwise | Gather, chip: Chip, e: Engine) -> OpTime:
    """Time an operator that streams through the vector unit in `c` chunks, loads and write-backs double-buffered.

    The first chunk's load and the last one's write-back stand alone; between them each chunk costs the longest of
    memory, vector unit and ports, and a step's overhead. The fastest `c` (a power of two whose chunks fit) is taken.
    """
    rows = op.elements if isinstance(op, Elementwise) else op.rows
    used = min(chip.cores, rows)
    part = math.ceil(rows / used) / rows  # the busiest core's share
    bandwidth = core_bandwidth(e, used)
    read, written = op.read_bytes * part, op.write_bytes * part
    vector = max(op.vector_ops * part / e.vector, op.transcendentals * part / e.exps)
    loads = PASSES.get(op.kind, 1) * read
    port = max(loads / e.read_port, written / e.write_port) / chip.clock
    work = max(vector, port)
    best, steps = math.inf, 1
    # Two buffers of a chunk's inputs and results must fit; single rows may stream in pieces.
    chunks = max(1, math.ceil((read + written) * 2 / e.capacity)) if read + written > e.capacity else 1
    while chunks == 1 or chunks <= 4096 * steps:
        middle = max(work, (read + written) / bandwidth) * max(0, chunks - 2)
        ends = max(work, read / bandwidth) + max(work, written / bandwidth) if chunks > 1 else work
        seconds = (read + written + 0.0) / bandwidth / chunks + (middle + ends) / chunks + chunks * e.step
        if seconds >= best:
            break
        best, steps = seconds, chunks
        chunks *= 2
    fixed = e.read_latency + e.write_latency + steps * e.step
    busy = {"vector": vector, "scratchpad": port, "hbm": (read + written) / bandwidth, "launch": fixed}
    seconds = max(best + e.read_latency + e.write_latency, *busy.values())
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=0.0, vector_ops=op.vector_ops, hbm_bytes=op.bytes,
        on_chip_bytes=PASSES.get(op.kind, 1) * op.read_bytes + op.write_bytes,
        utilization=op.bytes / chip.memory.bandwidth / seconds, bound=max(busy, key=lambda b: busy[b]), busy=busy,
        plan=f"{steps} chunks" + (f"; {used} cores" if chip.cores > 1 else ""),
    )
