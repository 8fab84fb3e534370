"""What fraction of its peak a device memory reaches under a stream: read, copy, triad, write, strided, random.

The controller is alike on all chips: channels interleave, so that one channel tells of all; requests of a stream come
out of order, as many cores fetch neighbouring lines; the controller keeps rows open, prefers what can go first, and
gathers writes, because each turn of the bus costs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archsim.errors import ArchsimError, positive_int, unknown
from archsim.hardware.dram import QUEUE_RATE, Device

if TYPE_CHECKING:
    from archsim.kernels.dram import Dram

PATTERNS = {
    "read": (1, 0), "copy": (1, 1), "triad": (2, 1), "write": (0, 1), "strided": (1, 0), "random": (1, 0),
}
"""Arrays that a pattern reads and writes."""

LONE = ("strided", "random")
"""Patterns of single accesses; the others ask for lines, one after the other."""

LINE = 128
"""Bytes that a core asks for at once where it can: a cache line."""

MOST_SIZE, MOST_STRIDE = 64 * 1024, 2**30
"""Bytes of the largest access, twice a page of every bank of HBM, and of the longest stride: what is larger is as these
are."""

BURSTS = 8_000
"""Bursts that are simulated, a fifth of them to warm up: two to three refresh intervals of HBM."""

STEP = 2.0**0.25
"""Channel rates are simulated at powers of this, and what lies between is interpolated: a little more bandwidth is
never less throughput, and chips share what was computed."""


SPAN = 8.0
"""How much slower or faster than the fastest that shipped a channel is simulated."""


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
        Bytes of one access of a strided or random pattern. Whole bursts cross the bus, what is beside them in vain.
    stride
        Bytes from one access to the next, of a strided one, as a channel sees them; 0 for one access after the other.

    Raises
    ------
    ArchsimError
        If there is no such pattern, a size is none, or a stride is not of whole bursts.
    """
    check_pattern(pattern)
    size, burst = positive_int("size", size, MOST_SIZE), device.burst
    if stride:
        stride = positive_int("stride", stride, MOST_STRIDE)
        if stride % burst:
            below = stride - stride % burst
            raise ArchsimError(f"stride must be a multiple of the {burst} bytes of a burst of {device.name}, not "
                               f"{stride:,}: e.g. {below or burst:,} or {below + burst:,}")
    bursts = math.ceil(size / burst) * burst
    used = size / bursts if pattern in LONE else 1.0
    return used * _between(device, per_channel, lambda step: _at_step(device, step, pattern, bursts, stride))


@lru_cache(maxsize=4096)
def sustained_write(device: Device, per_channel: float) -> float:
    """Return the bytes per second at which one channel of `per_channel` B/s writes among reads.

    Of a copy at c and reads at r, which take half of the bytes each, writes are at 1 / (2 / c - 1 / r): the turns of
    the bus count as theirs.
    """
    return _between(device, per_channel, lambda step: _write_at_step(device, step))


def _between(device: Device, per_channel: float, at_step: Callable[[int], float]) -> float:
    """Return what lies between the two steps around a rate, and below the rate.

    Channels far slower than any reach as great a share as the slowest that is simulated, far faster ones no more than
    the fastest.
    """
    shipped = device.bandwidth / device.channels
    rate = min(max(per_channel, shipped / SPAN), shipped * SPAN)
    below = math.floor(math.log(rate, STEP) + 1e-9)
    share = max(0.0, min(1.0, (rate / STEP**below - 1.0) / (STEP - 1.0)))
    found = at_step(below) * (1.0 - share) + at_step(below + 1) * share
    return min(per_channel, found * min(1.0, per_channel / rate))


def _write_at_step(device: Device, step: int) -> float:
    copy, read = (_at_step(device, step, pattern, LINE, 0) for pattern in ("copy", "read"))
    found = 1.0 / (2.0 / copy - 1.0 / read)
    shipped = STEP**step <= device.bandwidth / device.channels
    return found if shipped else max(found, _write_at_step(device, step - 1))  # copies stall before reads do


def _at_step(device: Device, step: int, pattern: str, size: int, stride: int) -> float:
    """Return the throughput of a channel of STEP**step B/s, no less than that of a slower one."""
    rate = STEP**step
    fraction = _simulate(device, rate, pattern, size, stride, "")
    if fraction * STEP >= 1.0:  # then no slower channel can reach more
        return rate * fraction
    return max(rate * fraction, _at_step(device, step - 1, pattern, size, stride))


def achieved(
    device: Device, per_channel: float, pattern: str = "read", size: int = LINE, stride: int = 0,
) -> Achieved:
    """Return the fraction of the peak that a pattern reaches, and what keeps it from more; arguments as `sustained`."""
    check_pattern(pattern)
    fraction = sustained(device, per_channel, pattern, size, stride) / per_channel
    shipped = device.bandwidth / device.channels
    rate = STEP ** round(math.log(min(max(per_channel, shipped / SPAN), shipped * SPAN), STEP))
    real, *ideal = (_simulate(device, rate, pattern, size, stride, without)
                    for without in ("", "refresh", "turns", "rows"))
    return Achieved(fraction, *(max(0.0, min(1.0, fraction / real * better) - fraction) for better in ideal))


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
    reads, writes = (round(x * max(1.0, per_channel / QUEUE_RATE)) for x in (device.read_queue, device.write_queue))
    return Dram(*(float(x) for x in (  # all floats, so that the kernel is compiled once
        device.banks, device.groups, burst, max(t.ccd_l, burst), t.rcd, t.rp, t.ras, t.rtp, t.wr, t.rrd, t.faw, t.wtr,
        t.cl, t.cwl, t.refi, t.rfc_bank if device.per_bank else t.rfc, device.per_bank, reads, writes,
    )))


@lru_cache(maxsize=256)
def requests(
    device: Device, pattern: str, size: int, stride: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return bank, row and direction (True: write) of a stream's bursts, in the order in which they reach one channel.

    The arrays of a pattern are walked side by side, an access of `size` bytes at a time, `stride` bytes from one to the
    next; each comes up to `device.disorder` bytes late. Addresses go through a line, then to the next bank, and fill a
    page of every bank before the next row; every sweep over the banks begins elsewhere, as a controller's hash has it,
    so that neither arrays nor strides meet in one bank.
    """
    reads, writes = PATTERNS[pattern]
    arrays, each = reads + writes, math.ceil(size / device.burst)
    count = BURSTS // (each * arrays) * arrays
    serial = np.arange(count)
    which, access = serial % arrays, serial // arrays
    late = _scatter(serial, 1) * (device.disorder // (each * device.burst))
    order = np.argsort(access + late.astype(np.int64), kind="stable")
    address = access * max(each, stride // device.burst)
    if pattern == "random":
        address = (_scatter(serial, 2) * 2**28).astype(np.int64) * each
    line = LINE // device.burst
    cell = (address[order][:, None] + np.arange(each)) // line
    array = which[order][:, None]
    row = cell // (device.banks * (device.page // LINE))
    turned = _scatter(cell // device.banks + array * 2**32, 3)  # another place to begin for every sweep over the banks
    bank = (cell + (turned * device.banks).astype(np.int64)) % device.banks
    write = np.broadcast_to(array >= reads, cell.shape)
    return (bank.ravel().astype(np.int32), (row + array * 2**24).ravel().astype(np.int32), write.ravel())


def _scatter(numbers: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return for each number one in [0, 1) that looks random and is always the same: a multiplicative hash."""
    x = numbers.astype(np.uint64) * np.uint64(2 * seed + 1) + np.uint64(seed)
    for factor, shift in ((0x9E3779B97F4A7C15, 29), (0xBF58476D1CE4E5B9, 32)):
        x = x * np.uint64(factor)
        x ^= x >> np.uint64(shift)
    return (x >> np.uint64(11)) / 2.0**53


@lru_cache(maxsize=4096)
def _simulate(device: Device, per_channel: float, pattern: str, size: int, stride: int, without: str) -> float:
    """Return the fraction of `per_channel` B/s that a pattern reaches in simulation."""
    from archsim.kernels.dram import serve

    lone = pattern in LONE
    bank, row, write = requests(device, pattern, size if lone else LINE, stride if lone else 0)
    busy = serve(channel(device, per_channel, without), bank, row, write, bank.size // 5)
    return busy.moving / busy.elapsed
