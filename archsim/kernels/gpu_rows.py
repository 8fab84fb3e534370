"""GPU row reductions (norms) at block level: one block of threads per row, two passes over it.

Times are cycles of the SM clock. Each thread takes `access` elements per iteration: a row of 8192 is 8 iterations of
1024 threads that take one each, and what a pass exposes is the latency of its iterations.
"""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu_chip import Gpu, memory_cycles

THREADS = 1024.0
"""Threads of a block at most, and half of what an SM holds."""


@njit(cache=True)
def norm(gpu: Gpu, rows: float, cols: float, size: float, access: float, read: float, write: float) -> float:
    """Cycles of a norm over `rows` rows of `cols` elements of `size` bytes, whose rows are `read` and `write` bytes."""
    threads = min(THREADS, 32.0 * math.ceil(cols / (32.0 * access)))
    iterations = math.ceil(cols / (threads * access))
    resident = max(1.0, math.floor(2.0 * THREADS / threads))
    full = math.floor(rows / (gpu.sms * resident))
    cycles = gpu.launch
    for part in range(2):  # full generations, and a last one of fewer rows
        count = gpu.sms * resident if part == 0 else rows - full * gpu.sms * resident
        times = full if part == 0 else 1.0
        if count * times > 0.0:
            active = min(count, gpu.sms)
            flight = math.ceil(count / gpu.sms) * threads * access * size
            share = count / rows
            # first pass: the row comes from device memory; its sum goes through a barrier and shared memory twice
            fetch = max(iterations * gpu.dram_latency, memory_cycles(gpu, active, flight, read * share, 0.0))
            # second pass: the row again, now in L2 or nearer, and out
            scale = max(iterations * gpu.l2_latency, write * share / gpu.dram_write)
            cycles += times * (gpu.prologue + fetch + 2.0 * gpu.sync + scale)
    return float(cycles)
