"""What a cache that hardware manages still holds of data when it is touched again, and how fast it then gives it."""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu_chip import Gpu


@njit(cache=True)
def hit_share(distance: float, capacity: float, fade: float) -> float:
    """Return the share, 0 to 1, of data that a cache still holds when `distance` bytes were touched since it was last.

    The reuse distance counts the data itself. All of it is there up to the capacity, nothing from (1 + fade) times it.
    """
    return float(min(1.0, max(0.0, 1.0 - (distance / capacity - 1.0) / fade)))


@njit(cache=True)
def kept_share(distance: float, near: float, capacity: float, fade: float) -> float:
    """Return the share, 0 to 1, of what kernels read that a cache still holds for a later one, `distance` bytes since.

    Which SM reads a line changes from kernel to kernel, so that lines come to lie in each partition of the cache: all
    of the data is there up to the capacity of one, `near`, none beyond that of all. One partition fades as
    `hit_share` does.
    """
    if near < capacity:
        return float(min(1.0, max(0.0, (capacity - distance) / (capacity - near))))
    return hit_share(distance, capacity, fade)


@njit(cache=True)
def made_share(distance: float, others: float, capacity: float) -> float:
    """Return the share, 0 to 1, of what a kernel has written that a later one still finds.

    Both go through the data in the same order, and what is written lies in the cache once. Line by line, least recently
    used: when the reader comes to a byte, `distance` bytes were touched since it was written (all that the kernel
    wrote, or has read again instead, and what ran in between), and those of the `others` that the reader has touched
    beside.
    """
    room = capacity - distance
    if others <= room:
        return 1.0
    return float(max(0.0, room / others)) if others > 0.0 else 0.0


@njit(cache=True)
def reread_rate(gpu: Gpu, distance: float, dram: float) -> float:
    """Return the bytes per cycle at which all SMs together read again what all of them have read before.

    Each level gives what it still holds: a partition of L2 its own copy, then another partition or the cache behind
    all of them, then device memory.

    Parameters
    ----------
    gpu
        The chip.
    distance
        Bytes touched since, the data themselves included: their size if they are read round and round.
    dram
        Bytes per cycle from device memory.
    """
    near = hit_share(distance, gpu.near_capacity, gpu.l2_fade)
    held = max(near, hit_share(distance, gpu.l2_capacity, gpu.l2_fade))
    return float(1.0 / (near / gpu.l2 + (held - near) / gpu.far + (1.0 - held) / dram))


@njit(cache=True)
def partition_fills(parts: float, wm: float, wn: float, row_bytes: float, col_bytes: float) -> float:
    """Return the bytes that a patch of wm x wn blocks brings into the partitions of L2, each of which keeps a copy.

    A row of blocks reads the same `row_bytes` of A, a column the same `col_bytes` of B. The patch is cut into as many
    rectangles as there are partitions, the way that moves least, and each partition reads its rows and columns once.
    """
    parts = min(parts, math.floor(wm * wn))
    least = math.inf
    down = 1.0
    while down <= parts:
        if parts % down == 0.0:
            across = parts / down
            rows, cols = max(1.0, wm / down) * row_bytes, max(1.0, wn / across) * col_bytes
            least = min(least, parts * (rows + cols))
        down += 1.0
    return float(least)
