"""What a grid of blocks of a matrix product moves: from device memory into L2, and from L2 into the SMs."""

from __future__ import annotations

import math

from numba import njit

from archsim.kernels.gpu_chip import Gpu
from archsim.kernels.gpu_l2 import hit_share, partition_fills


@njit(cache=True)
def patch(gm: float, gn: float, bm: float, bn: float, running: float) -> tuple[float, float]:
    """Return rows and columns of the `running` blocks of a grid of gm x gn, as square in elements as they can be."""
    wn = min(gn, max(1.0, math.floor(math.sqrt(running * bm / bn))))
    return min(gm, max(1.0, math.floor(running / wn))), wn


@njit(cache=True)
def grid_reads(
    gpu: Gpu, gm: float, gn: float, bm: float, bn: float, a_bytes: float, b_bytes: float, warm_a: float,
    warm_b: float, running: float,
) -> float:
    """Bytes read from device memory by a grid of gm x gn blocks that runs in swizzled order.

    `running` blocks run at once as a patch of wm x wn, wn columns of blocks wide, as square in elements as it can be:
    what its blocks share is read once. The patch walks down M and then to the next wn columns. Columns of B come round
    with every step of the walk, after the rows and columns of one patch; rows of A with every new walk, after all of A
    and the columns of one walk. What L2 still holds then is not read again. The same holds with M and N exchanged;
    kernels take the better way. Of the first reading, L2 holds `warm_a` and `warm_b` from before.
    """
    best = math.inf
    for _ in range(2):
        wm, wn = patch(gm, gn, bm, bn, running)
        walks = math.ceil(gn / wn)
        columns = b_bytes / walks
        a_lost = 1.0 - hit_share(a_bytes + columns, gpu.l2_capacity, gpu.l2_fade)
        b_lost = 1.0 - hit_share(a_bytes * wm / gm + columns, gpu.l2_capacity, gpu.l2_fade)
        best = min(best, a_bytes * (1.0 - warm_a + (walks - 1.0) * a_lost)
                   + b_bytes * (1.0 - warm_b + (math.ceil(gm / wm) - 1.0) * b_lost))
        gm, gn, bm, bn, a_bytes, b_bytes, warm_a, warm_b = gn, gm, bn, bm, b_bytes, a_bytes, warm_b, warm_a
    return best


@njit(cache=True)
def grid_fills(
    gpu: Gpu, gm: float, gn: float, bm: float, bn: float, a_bytes: float, b_bytes: float, running: float
) -> float:
    """Bytes that enter the partitions of L2 for a grid of gm x gn blocks, from each other or from the cache behind.

    Every patch of `running` blocks brings its rows and columns into each partition whose blocks read them.
    """
    wm, wn = patch(gm, gn, bm, bn, running)
    return gm * gn / (wm * wn) * partition_fills(gpu.partitions, wm, wn, a_bytes / gm, b_bytes / gn)
