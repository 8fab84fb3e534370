"""What the GPU kernels know of a chip, how its SMs share device memory, and how its resources overlap.

All times are cycles of the SM clock, all rates bytes or MACs per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit


class Gpu(NamedTuple):
    """What the kernels need to know of a chip, in cycles and bytes per cycle."""

    sms: float  # SMs or CUs
    sync: float  # cycles of barrier and shared-memory latency per pipeline step
    overlapped: float  # 1 if barriers, prologues and epilogues hide behind other blocks' matrix work, else 0
    decoupled: float  # 1 if accumulators live outside the register file, so softmax runs beside matrix work
    pair: float  # SMs that share the B operand of one instruction
    multicast: float  # SMs that one L2 read can feed
    accumulators: float  # bytes of accumulators per SM
    shared: float  # bytes of shared memory per SM
    shared_read: float  # bytes per cycle from shared memory to the matrix engine
    shared_write: float  # bytes per cycle into shared memory
    stages: float  # most stages of the software pipeline
    register_stages: float  # of these, stages that wait in registers on their way to shared memory
    port: float  # bytes per cycle from L2 into one SM's shared memory
    dispatch: float  # blocks started per cycle, whole chip
    prologue: float  # cycles from block start to its first load issued
    epilogue: float  # cycles of the epilogue beside moving its bytes
    launch: float  # cycles of one dependent kernel launch
    l2: float  # bytes per cycle, whole chip
    l2_capacity: float  # bytes that a cache next to device memory holds
    l2_fade: float  # share of a cache's capacity beyond which it holds nothing of data read round and round
    l2_latency: float  # cycles
    l2_write: float  # bytes per cycle into L2, whole chip
    variation: float  # squared coefficient of variation of the time in which a stage is filled
    bulk_latency: float  # cycles that a kernel's copies take longer than loads
    overlap: float  # exponent with which engines, L2 and device memory overlap in a pipeline of few stages
    tile_stream: float  # share of `l2` and `dram_read` that reads of operand tiles reach
    block_start: float  # cycles from the start of a block without shared memory to its first load
    partitions: float  # parts of L2, each with its own copy of what its SMs read
    near_capacity: float  # bytes of one partition: data that all SMs read come at the rate `l2` up to here
    far: float  # bytes per cycle, whole chip, from other partitions, or from the cache behind L2
    far_latency: float  # cycles
    dram_read: float  # sustained bytes per cycle, whole chip
    dram_write: float  # the same for writes among reads
    dram_latency: float  # cycles until the last byte of one unloaded copy or load


@njit(cache=True)
def memory_cycles(gpu: Gpu, active: float, flight: float, read: float, write: float) -> float:
    """Cycles in which `active` SMs, each with `flight` bytes in flight, read and write device memory.

    Little's law with a loaded latency: what is in flight is rate x latency, and the latency of a memory that runs at a
    share u of its sustained rate is L0 / sqrt(1 - u^2): unloaded at first, growing with the square of the load (two
    requests must meet in a bank), without bound at the full rate. Solved for the rate, the time per byte is the root
    of the squares of what latency allows, L0 / in flight, and of what bandwidth allows.
    """
    waiting = gpu.dram_latency / (active * flight)
    moving = 1.0 / gpu.dram_read
    return float(read * math.sqrt(waiting * waiting + moving * moving) + write / gpu.dram_write)


@njit(cache=True)
def overlapped_cycles(p: float, a: float, b: float, c: float = 0.0, d: float = 0.0) -> float:
    """Cycles of resources that work beside each other: ``(a**p + b**p + c**p + d**p)**(1/p)`` of what each takes.

    From their sum, with an exponent of 1, to the longest of them, with an infinite one.
    """
    most = max(max(a, b), max(c, d))
    if most <= 0.0:
        return 0.0
    return float(most * ((a / most) ** p + (b / most) ** p + (c / most) ** p + (d / most) ** p) ** (1.0 / p))
