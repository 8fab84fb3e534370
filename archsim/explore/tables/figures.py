"""Figures of a catalogue chip in the units in which broker reports print them; None where the catalogue has none."""

from __future__ import annotations

import re
from collections.abc import Callable

from archsim.explore.select import Entry, bandwidth, capacity
from archsim.hardware import Chip
from archsim.units import GB, TFLOPS, GB_per_s, GiB

Figure = Callable[[Entry], float | None]


def year(chip: Entry) -> float | None:
    """First year of availability."""
    return chip.year


def process(chip: Entry) -> float | None:
    """Name of the process node as a number: 4 of ``TSMC 4N``, 12 of ``12nm FFC``."""
    found = re.search(r"\d+", chip.die.process.removeprefix("TSMC")) if chip.die else None
    return float(found[0]) if found else None


def peak(*dtypes: str) -> Figure:
    """Dense peak in TFLOP/s as the vendor publishes it, of the first of some formats that the chip has."""
    def read(chip: Entry) -> float | None:
        known = {**(getattr(chip, "other_peaks", None) or {}), **(chip.peaks or {})}
        return next((known[d] / TFLOPS for d in dtypes if d in known), None)

    return read


def power(chip: Entry) -> float | None:
    """Thermal design power in W."""
    return chip.power.tdp if chip.power else None


def memory_type(chip: Entry) -> str | None:
    """Generation of device memory; None where the vendor does not say more than HBM."""
    name = chip.memory.type if isinstance(chip, Chip) else chip.memory_type
    return name if name not in ("", "HBM") else None


def memory_gb(chip: Entry) -> float | None:
    """Device memory in the GB of data sheets, which are GiB where the capacity is a whole number of those."""
    size = capacity(chip)
    return None if size is None else size / GiB if size % GiB == 0 else size / GB


def memory_rate(chip: Entry) -> float | None:
    """Bandwidth of device memory in GB/s."""
    rate = bandwidth(chip)
    return None if rate is None else rate / GB_per_s


def link(ways: int) -> Figure:
    """Bandwidth of all chip-to-chip links in GB/s, one way or summed over both; None of a chip joined by PCIe alone."""
    def read(chip: Entry) -> float | None:
        if chip.link is None or chip.link.type.startswith("PCIe"):
            return None
        return ways * chip.link.bandwidth / GB_per_s

    return read


def host(ways: int) -> Figure:
    """Bandwidth of the bus to the host in GB/s, one way or summed over both."""
    def read(chip: Entry) -> float | None:
        rate = chip.host if isinstance(chip, Chip) else None
        return None if rate is None else ways * rate / GB_per_s

    return read


def dies(chip: Entry) -> float | None:
    """Compute dies in the package."""
    return chip.die.count if chip.die else None


def stacks(chip: Entry) -> float | None:
    """Stacks of device memory."""
    return chip.memory.stacks if isinstance(chip, Chip) else None


def transistors(chip: Entry) -> float | None:
    """Transistors in billions."""
    return chip.die.transistors / 1e9 if chip.die and chip.die.transistors else None
