"""What a cache that hardware manages still holds of data when it is touched again."""

from __future__ import annotations

from numba import njit

FADE = 0.25
"""Share of its capacity beyond which a cache that is walked round and round holds nothing of use.

A strict least-recently-used cache drops to nothing at its capacity; hashed sets and random replacement smear that. A
loop over data reads at the rate of L2 up to 44 to 50 MB on a cache of 50 MB and at that of device memory from 57 to
63 MB (te42kyfo/gpu-benches, gpu-l2-cache)."""


@njit(cache=True)
def hit_share(distance: float, capacity: float) -> float:
    """Return the share, 0 to 1, of data that a cache still holds when `distance` bytes were touched since it was last.

    The reuse distance counts the data itself. All of it is there up to the capacity, nothing from (1 + FADE) times it.
    """
    return float(min(1.0, max(0.0, 1.0 - (distance / capacity - 1.0) / FADE)))
