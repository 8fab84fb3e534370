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
    write_time = written * e.write_cost / bandwidth
    vector = max(op.vector_ops * part / e.vector, op.transcendentals * part / e.exps)
    loads = PASSES.get(op.kind, 1) * read
    port = max(loads / e.read_port, written / e.write_port) / chip.clock
    work = max(vector, port)
    best, steps = math.inf, 1
    for chunks in (2**i for i in range(17)):  # two buffers of a chunk's inputs and results must fit; ever finer does
        if 2 * (read + written) / chunks > e.capacity and chunks < 2**16:
            continue
        load, store, compute = read / chunks / bandwidth, write_time / chunks, work / chunks
        middle = max(0, chunks - 2) * max(compute, load + store)
        ends = compute if chunks == 1 else max(compute, load) + max(compute, store)
        seconds = load + ends + middle + store + chunks * e.step
        if seconds < best:
            best, steps = seconds, chunks
    fixed = e.read_latency + e.write_latency + steps * e.step
    busy = {"matrix": 0.0, "vector": vector, "scratchpad": port, "hbm": read / bandwidth + write_time, "launch": fixed}
    seconds = max(best + e.read_latency + e.write_latency, *busy.values())
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=0.0, vector_ops=op.vector_ops, hbm_bytes=op.bytes,
        on_chip_bytes=PASSES.get(op.kind, 1) * op.read_bytes + op.write_bytes,
        utilization=op.bytes / chip.memory.bandwidth / seconds, bound=max(busy, key=lambda b: busy[b]), busy=busy,
        plan=f"{steps} chunks" + (f"; {used} of {chip.cores} cores" if chip.cores > 1 else ""),
    )
