"""Keys split over blocks (FlashDecoding): into how many parts, and the kernel or the block that merges them."""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu_chip import Gpu

FULL = 0.8
"""Share of the SMs from which blocks without a split are enough. This and the next five are the rules of FlashAttention
3, whose kernels serving frameworks run (hopper/heuristics.h and hopper/flash_prepare_scheduler.cu)."""

FEW_TILES = 4.0
"""Key tiles up to which keys are not split."""

NEAR_BEST = 0.85
"""Share of the best filling of waves with which the smallest number of parts is taken."""

MARGIN = 1.1
"""Key tiles that an SM may get beyond its even share."""

MOST_PARTS = 128.0
"""Parts at most."""

AHEAD = 3.0
"""Parts that the kernel which merges them loads ahead: 4 stages but the one in use (flash_fwd_combine_kernel.h)."""


@njit(cache=True)
def most_parts(sms: float, blocks: float, key_tiles: float) -> float:
    """Return the parts that a kernel allows: for one sequence alone, `blocks` of it, of `key_tiles` each.

    1 if its blocks nearly fill the SMs or keys are few; else the smallest number whose last wave is nearly as full as
    the fullest.
    """
    if blocks >= FULL * sms or key_tiles <= FEW_TILES:
        return 1.0
    limit = min(MOST_PARTS, sms, key_tiles)
    best, parts = 0.0, 1.0
    while parts <= limit:
        waves = blocks * parts / sms
        best = max(best, waves / math.ceil(waves))
        parts += 1.0
    parts = 1.0
    while blocks * parts / sms / math.ceil(blocks * parts / sms) < NEAR_BEST * best:
        parts += 1.0
    return parts


@njit(cache=True)
def parts_of(sms: float, most: float, batch: float, blocks: float, key_tiles: float) -> float:
    """Return the parts that a kernel takes of `batch` equal sequences: each an SM's share of all key tiles, or less."""
    share = math.ceil(MARGIN * batch * blocks * key_tiles / sms)
    return max(1.0, min(most, math.ceil(key_tiles / share)))


@njit(cache=True)
def merge_cycles(gpu: Gpu, parts: float, result: float, partial: float) -> float:
    """Cycles of the kernel that merges `parts` parts: `partial` bytes of them, in L2, become `result` bytes.

    It is launched as soon as a split is allowed, and finds out which sequences have one: it reads the parts' maxima
    and sums first, then the parts one after the other, `AHEAD` of them in flight.
    """
    cycles = gpu.launch + gpu.prologue + gpu.epilogue + gpu.l2_latency
    if parts > 1.0:
        cycles += gpu.l2_latency + max(parts / AHEAD * gpu.l2_latency, (partial + result) / gpu.l2)
    return cycles


@njit(cache=True)
def merge_in_block(gpu: Gpu, parts: float, partial: float) -> float:
    """Cycles in which the last of a sequence's blocks merges `parts` parts: `partial` bytes, in L2.

    Each block stores its part and counts itself once the stores are visible; the one that counts last reads all parts,
    `AHEAD` of them in flight (GmemReduction of TensorRT-LLM's fmhaKernels.h, semaphores of its XQA).
    """
    return 3.0 * gpu.l2_latency + max(parts / AHEAD * gpu.l2_latency, partial / gpu.port)
