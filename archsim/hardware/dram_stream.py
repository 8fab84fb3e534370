"""What fraction of its peak a device memory reaches under a stream: read, copy, triad, write, strided, random.

The controller is alike on all chips: channels interleave, so that one channel tells of all; requests of a stream come
out of order, as many cores fetch neighbouring lines; the controller keeps rows open, prefers what can go first, and
gathers writes, because each turn of the bus costs it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from archsim.errors import positive_int, unknown
from archsim.hardware.dram import Device

if TYPE_CHECKING:
    from archsim.kernels.dram import Dram

PATTERNS = {
    "read": (1, 0), "copy": (1, 1), "triad": (2, 1), "write": (0, 1), "strided": (1, 0), "random": (1, 0),
}
"""Arrays that a pattern reads and writes."""

LINE = 128
"""Bytes that a core asks for at once where it can: a cache line."""

DISORDER = 16 * 1024
"""Bytes of a stream, per channel, within which requests come in any order: what 80 to 150 SMs keep in flight, 16 to
32 KiB each, over 64 to 256 channels."""

BURSTS = 10_000
"""Bursts that are simulated, a fifth of them to warm up: three refresh intervals of HBM."""

STEP = 2.0**0.25
"""Channel rates are simulated at powers of this, and what lies between is interpolated: a little more bandwidth is
never less throughput, and chips share what was computed."""


@dataclass(frozen=True)
class Achieved:
    """What a stream reaches.

    Parameters
    ----------
    fraction
        Of the peak bandwidth.
    refresh, turns, rows
        What more it would reach if refreshing, turning the bus around, or opening rows took no time. They overlap,
        so that they need not add up to what is missing.
    """

    fraction: float
    refresh: float
    turns: float
    rows: float


def check_pattern(pattern: str) -> str:
    """Return the pattern if there is such.

    Raises
    ------
    ArchsimError
        If not; the message lists them.
    """
    if pattern not in PATTERNS:
        raise unknown("access pattern", pattern, PATTERNS)
    return pattern


@lru_cache(maxsize=4096)
def sustained(
    device: Device, per_channel: float, pattern: str = "read", size: int = LINE, stride: int = 0,
) -> float:
    """Return the bytes per second that one channel of `per_channel` B/s moves.

    Parameters
    ----------
    device
        What the memory is made of, and its controller.
    per_channel
        Peak of one channel, bytes per second.
    pattern
        One of `PATTERNS`.
    size
        Bytes of one access of a strided or random pattern.
    stride
        Bytes from one access to the next, of a strided one, as a channel sees them.

    Raises
    ------
    ArchsimError
        If there is no such pattern, or a size is none.
    """
    check_pattern(pattern)
    size, stride = positive_int("size", size), max(positive_int("size", size), stride)
    place = math.log(per_channel, STEP)
    below = math.floor(place + 1e-9)
    rates = [STEP**below, STEP ** (below + 1)]
    low, high = (rate * _simulate(device, rate, pattern, size, stride, "") for rate in rates)
    share = max(0.0, min(1.0, (per_channel - rates[0]) / (rates[1] - rates[0])))
    return min(per_channel, low + share * (max(low, high) - low))


def achieved(
    device: Device, per_channel: float, pattern: str = "read", size: int = LINE, stride: int = 0,
) -> Achieved:
    """Return the fraction of the peak that a pattern reaches, and what keeps it from more; arguments as `sustained`."""
    check_pattern(pattern)
    fraction = sustained(device, per_channel, pattern, size, stride) / per_channel
    rate = STEP ** round(math.log(per_channel, STEP))
    real, *ideal = (_simulate(device, rate, pattern, size, max(size, stride), without)
                    for without in ("", "refresh", "turns", "rows"))
    return Achieved(fraction, *(max(0.0, fraction / real * better - fraction) for better in ideal))


def channel(device: Device, per_channel: float, without: str = "") -> Dram:
    """Return one channel and its controller as the kernel takes them; `without` refresh, turns or rows if asked."""
    from archsim.kernels.dram import Dram

    t = device.timing
    if without == "refresh":
        t = replace(t, rfc=0.0, rfc_bank=0.0, refi=1e12)
    elif without == "turns":
        t = replace(t, wtr=0.0, cl=0.0, cwl=0.0)
    elif without == "rows":
        t = replace(t, rcd=0.0, rp=0.0, ras=0.0, rtp=0.0, wr=0.0, rrd=0.0, faw=0.0)
    burst = device.burst / per_channel * 1e9
    return Dram(*(float(x) for x in (  # all floats, so that the kernel is compiled once
        device.banks, device.groups, burst, max(t.ccd_l, burst), t.rcd, t.rp, t.ras, t.rtp, t.wr, t.rrd, t.faw, t.wtr,
        t.cl, t.cwl, t.refi, t.rfc_bank if device.per_bank else t.rfc, device.per_bank, device.read_queue,
        device.write_queue,
    )))


@lru_cache(maxsize=4096)
def _simulate(
    device: Device, per_channel: float, pattern: str, size: int, stride: int, without: str
) -> float:
    """Return the fraction of `per_channel` B/s that a pattern reaches in simulation."""
    from archsim.kernels.dram import serve, stream

    reads, writes = PATTERNS[pattern]
    line = LINE // device.burst
    lone = pattern in ("strided", "random")
    each = max(1, size // device.burst) if lone else line
    spacing = max(1, stride // device.burst) if lone else each
    bank, row, write = stream(
        BURSTS, reads, writes, each, max(spacing, each), DISORDER // (each * device.burst), pattern == "random", line,
        device.banks, device.page // device.burst,
    )
    busy = serve(channel(device, per_channel, without), bank, row, write, bank.size // 5)
    return busy.moving / busy.elapsed
