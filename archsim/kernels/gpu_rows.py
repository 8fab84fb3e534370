"""GPU work without a matrix engine at block level: blocks of threads that loop over rows or over flat data.

Times are cycles of the SM clock. A block lasts as long as its chain of loads, arithmetic and barriers; the blocks that
share an SM hide each other's waiting, until the instructions they issue, or L2, or device memory, set the time.
"""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu import OVERLAP
from archsim.kernels.gpu_chip import Gpu
from archsim.kernels.gpu_l2 import reread_rate


@njit(cache=True)
def generation(
    gpu: Gpu, blocks: float, share: float, latency: float, issue: float, read: float, write: float, l2_bytes: float
) -> float:
    """Cycles of `blocks` blocks that run at once and do `share` of a kernel (its other figures: see `stream`).

    Loads wait in quadrature with the load of device memory (see `memory_cycles`): `latency` is the unloaded chain of
    one block. Scheduler, L2, block dispatch and memory overlap as resources of a pipeline do.
    """
    moved = read / gpu.dram_read + write / gpu.dram_write
    memory = math.sqrt(latency**2 + (share * moved) ** 2)
    busiest = math.ceil(blocks / gpu.sms) * issue
    l2 = share * l2_bytes / reread_rate(gpu, l2_bytes, gpu.far)
    dispatched = blocks / gpu.dispatch
    return float((memory**OVERLAP + busiest**OVERLAP + l2**OVERLAP + dispatched**OVERLAP) ** (1.0 / OVERLAP))


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

    Full generations of blocks follow each other, and a last one of fewer. The launch of a small dependent kernel, as it
    is measured, holds the start of its blocks and a load from L2 already.
    """
    slots = gpu.sms * resident
    left, cycles = blocks, gpu.launch
    chain = max(0.0, latency - gpu.l2_latency)
    if blocks > slots:
        cycles += generation(gpu, slots, slots / blocks, chain, issue, read, write, l2_bytes)
        left -= slots
        chain = start + latency
        full = math.floor(left / slots)
        cycles += full * generation(gpu, slots, slots / blocks, chain, issue, read, write, l2_bytes)
        left -= full * slots
    if left > 0.0:
        cycles += generation(gpu, left, left / blocks, chain, issue, read, write, l2_bytes)
    return float(cycles)
