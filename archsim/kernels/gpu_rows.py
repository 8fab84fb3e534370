"""GPU work without a matrix engine at block level: blocks of threads that loop over rows or over flat data.

Times are cycles of the SM clock. A block lasts as long as its chain of loads, arithmetic and barriers; the blocks that
share an SM hide each other's waiting, until the instructions they issue, or L2, or device memory, set the time.
"""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu_chip import Gpu, overlapped_cycles
from archsim.kernels.gpu_l2 import reread_rate


@njit(cache=True)
def issue(loads: float, ints: float, plain: float, special: float, slots: float, elements: float) -> float:
    """Cycles in which an SM runs the instructions of all threads: each pipe's by itself, `slots` to issue them all.

    One element needs the pipes one after the other, and the warps of a block, whose loads came together, need the same
    one at a time. A thread with several elements in its registers works on them in turns: `elements` jobs that
    circulate among the pipes leave at least at the rate ``n / (sum + (n - 1) max)`` (asymptotic bound of balanced
    jobs: Zahorjan, Sevcik, Eager and Galler, CACM 25, 1982).
    """
    total = loads + ints + plain + special
    most = max(loads, ints, plain, special, slots)
    return max(most, (total + (elements - 1.0) * most) / elements)


@njit(cache=True)
def stream(
    gpu: Gpu, blocks: float, resident: float, start: float, latency: float, issue: float, read: float, write: float,
    l2_bytes: float,
) -> float:
    """Cycles of a kernel of equal `blocks`, of which an SM holds `resident` at once.

    Parameters
    ----------
    start
        Cycles from a block's start to its first load.
    latency
        Cycles of one block alone from there on: loads, arithmetic and barriers that wait for each other.
    issue
        Cycles for which one block keeps the SM's issue slots busy.
    read, write
        Bytes of all blocks that device memory delivers and takes.
    l2_bytes
        Bytes between L2 and the SMs.

    Full generations of blocks follow each other, and a last one of fewer; the launch of a small dependent kernel, as it
    is measured, holds the start of the first blocks and a load from L2 already. Loads wait in quadrature with the load
    of device memory (see `memory_cycles`). Scheduler, L2, block dispatch and memory overlap as resources of a pipeline
    do.
    """
    slots = gpu.sms * resident
    full = math.floor(blocks / slots)
    chains = math.ceil(blocks / slots) * (start + latency) - start - min(latency, gpu.l2_latency)
    memory = math.sqrt(chains**2 + (read / gpu.dram_read + write / gpu.dram_write) ** 2)
    busiest = (full * resident + math.ceil((blocks - full * slots) / gpu.sms)) * issue
    l2 = l2_bytes / reread_rate(gpu, l2_bytes, gpu.far)
    dispatched = blocks / gpu.dispatch
    return float(gpu.launch + overlapped_cycles(gpu.overlap, memory, busiest, l2, dispatched))
