"""What streams reach of a chip's device memory, pattern by pattern, and what each loses, as tables and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory
from archsim.hardware.dram import DEVICES, Device
from archsim.hardware.dram_stream import LINE, PATTERNS, Achieved, achieved, check_pattern
from archsim.report.quantity import percent, quantity
from archsim.report.sheet import Column, Sheet

SIZES = (32, 64, 128)
"""Bytes of one access: a sector, two, and a line of most caches."""
STRIDES = (64, 128, 256, 512, 1024, 4096, 16384, 65536)
STRIDE = 4096
"""Bytes between accesses where no stride was asked for."""


@dataclass(frozen=True)
class Row:
    """One pattern: its access size and stride in bytes (0: as it comes), and what it reaches."""

    pattern: str
    size: int
    stride: int
    found: Achieved

    @property
    def name(self) -> str:
        """The pattern in words."""
        if self.pattern == "strided":
            return f"read {self.size} B of every {self.stride:,}"
        return f"read {self.size} B anywhere" if self.pattern == "random" else self.pattern


def device(chip: Chip) -> Device:
    """Return the chip's memory device.

    Raises
    ------
    ArchsimError
        If the chip does not say which it is; the message lists them.
    """
    found = chip.memory.device
    if found is None:
        known = f"timings are known of {', '.join(DEVICES)}"
        if chip.memory.type:
            raise ArchsimError(f"{chip.name} has memory of type {chip.memory.type!r}, but {known}")
        raise ArchsimError(f"{chip.name} does not say which type its memory is, Memory(type=...); {known}")
    return found


def rows(chip: Chip, pattern: str | None = None, size: int | None = None, stride: int | None = None) -> list[Row]:
    """Return what patterns reach: all of them, or one, at one size and stride or at the usual ones.

    Raises
    ------
    ArchsimError
        If there is no such pattern, a size is none, or the memory is not known.
    """
    chosen = list(PATTERNS) if pattern is None else [check_pattern(pattern)]
    asked: list[tuple[str, int, int]] = []
    for name in chosen:
        sizes: Sequence[int] = SIZES if size is None else (size,)
        if name == "random":
            asked += [(name, each, 0) for each in reversed(sizes)]
        elif name == "strided":
            strides = (stride,) if stride else STRIDES if pattern else (STRIDE,)
            asked += [(name, each, step) for each in reversed(sizes) for step in strides if step > each]
        else:
            asked.append((name, LINE, 0))
    kind, rate = device(chip), chip.memory.bandwidth / max(1, chip.memory.channels)
    return [Row(name, each, step, achieved(kind, rate, name, each, step)) for name, each, step in asked]


def machine(memory: Memory, kind: Device) -> str:
    """Return the memory's organisation in one sentence."""
    units = kind.units(memory.bandwidth, memory.stacks)
    refresh = "bank by bank" if kind.per_bank else "all banks at once"
    return (f"{units} {kind.unit}{'s' if units > 1 else ''} of {kind.name}, {memory.channels} channels of "
            f"{quantity(memory.bandwidth / memory.channels, 'B/s', 3)} with {kind.banks} banks, rows of "
            f"{kind.page:,} B, bursts of {kind.burst} B; refreshed {refresh}")


def sheets(chip: Chip, found: Sequence[Row]) -> list[Sheet | str]:
    """Return the table of patterns, how to read it, and what timing takes."""
    m, kind = chip.memory, device(chip)
    table = Sheet(f"{chip.name}: {machine(m, kind)}", [
        Column("", [r.name for r in found], text=True),
        Column("% of\npeak", [percent(r.found.fraction) for r in found]),
        Column("GB/s", [f"{r.found.fraction * m.bandwidth / 1e9:,.0f}" for r in found]),
        Column("lost to\nrefresh", [_points(r.found.refresh) for r in found], 1),
        Column("bus\nturns", [_points(r.found.turns) for r in found], 1),
        Column("opening\nrows", [_points(r.found.rows) for r in found], 1),
    ], notes=("points of the peak that a pattern would gain if that took no time; they overlap",))
    return [table, "", taken(chip), f"Timings: {kind.timing.source}."]


def _points(share: float) -> str:
    return "" if share < 5e-4 else f"{100 * share:.1f}"


def taken(chip: Chip) -> str:
    """Return what timing takes of the memory, and why."""
    m = chip.memory
    read, write = (percent(x / m.bandwidth) for x in (m.sustained, m.sustained_write))
    why = "as simulated"
    if m.efficiency is not None:
        why = "as its definition states"
    elif m.port is not None and m.sustained >= 0.999 * m.port:
        why = f"what the chip takes from its channels: {quantity(m.port, 'B/s', 4)}"
    stated = " (stated)" if m.write_efficiency is not None else ""
    return f"Timing takes long reads at {read} % of the peak, {why}; writes among reads at {write} %{stated}."


def dram_data(chip: Chip, found: Sequence[Row]) -> dict[str, Any]:
    """Return the same as plain data: fractions of the peak, rates in bytes per second."""
    m, kind = chip.memory, device(chip)
    return {
        "chip": chip.name, "type": kind.name, "channels": m.channels, "bandwidth_bytes_per_s": m.bandwidth,
        "refresh": "per-bank" if kind.per_bank else "all-bank", "sustained_read_bytes_per_s": m.sustained,
        "sustained_write_bytes_per_s": m.sustained_write, "stated": m.efficiency is not None,
        "patterns": [{"pattern": r.pattern, "size_bytes": r.size, "stride_bytes": r.stride, **asdict(r.found),
                      "bytes_per_s": r.found.fraction * m.bandwidth} for r in found],
        "timings_ns": {k: v for k, v in asdict(kind.timing).items() if k != "source"},
        "timings_source": kind.timing.source,
    }
