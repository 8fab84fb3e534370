"""Physical ranges: what memory devices, SRAM cells and reticles allow, each with its source. `check_chip` uses them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archsim.economics.process import NODES, node
from archsim.errors import ArchsimError
from archsim.units import GB, GB_per_s, MiB, mm2


@dataclass(frozen=True)
class MemoryDevice:
    """One stack, package or channel of a memory type: the most that it delivers and holds, and the least that it holds.

    `most` is how many of them chips have at most.
    """

    name: str
    unit: str
    bandwidth: float
    low: float
    high: float
    most: int
    source: str


_HBM_SITES = 8  # stacks of the largest packages of 2023 to 2025 (two reticles of compute silicon)

MEMORY_DEVICES: tuple[MemoryDevice, ...] = (
    MemoryDevice("HBM2", "stack", 307.2 * GB_per_s, 2 * GB, 8 * GB, _HBM_SITES,
                 "JESD235B: 1024 bit at 2.4 Gb/s; shipped to 8 GB"),
    MemoryDevice("HBM2e", "stack", 460.8 * GB_per_s, 4 * GB, 24 * GB, _HBM_SITES,
                 "1024 bit at 3.6 Gb/s, the fastest shipped (JESD235D: 3.2); to 12-high of 16 Gbit"),
    MemoryDevice("HBM3", "stack", 819.2 * GB_per_s, 8 * GB, 24 * GB, _HBM_SITES,
                 "JESD238: 1024 bit at 6.4 Gb/s; shipped as 8- and 12-high of 16 Gbit"),
    MemoryDevice("HBM3e", "stack", 1228.8 * GB_per_s, 16 * GB, 48 * GB, _HBM_SITES,
                 "1024 bit at 9.6 Gb/s; 8- to 16-high of 24 Gbit"),
    MemoryDevice("HBM4", "stack", 2048 * GB_per_s, 24 * GB, 64 * GB, 16, "JESD270-4: 2048 bit at 8 Gb/s; to 64 GB"),
    MemoryDevice("GDDR5", "device", 36 * GB_per_s, 0.25 * GB, 1 * GB, 24, "JESD212: 32 bit at 9 Gb/s; to 8 Gbit"),
    MemoryDevice("GDDR6", "device", 96 * GB_per_s, 1 * GB, 2 * GB, 24,
                 "32 bit at 24 Gb/s, the fastest shipped (JESD250: 16); 8 or 16 Gbit"),
    MemoryDevice("GDDR7", "device", 128 * GB_per_s, 2 * GB, 3 * GB, 24, "JESD239: 32 bit at 32 Gb/s; 16 or 24 Gbit"),
    MemoryDevice("LPDDR4", "package", 34.1 * GB_per_s, 1 * GB, 16 * GB, 16, "JESD209-4: 64 bit at 4.267 Gb/s"),
    MemoryDevice("LPDDR5", "package", 68.3 * GB_per_s, 2 * GB, 32 * GB, 16,
                 "JESD209-5B: 64 bit at 8.533 Gb/s (LPDDR5X)"),
    MemoryDevice("DDR3", "channel", 17.1 * GB_per_s, 1 * GB, 64 * GB, 12, "JESD79-3: 64 bit at 2.133 Gb/s"),
    MemoryDevice("DDR4", "channel", 25.6 * GB_per_s, 4 * GB, 256 * GB, 12, "JESD79-4: 64 bit at 3.2 Gb/s"),
    MemoryDevice("DDR5", "channel", 67.2 * GB_per_s, 8 * GB, 512 * GB, 12, "JESD79-5: 64 bit at 8.4 Gb/s"),
)
"""Standards by their number and what vendors ship above them; JEDEC's documents were not at hand."""


def memory_device(kind: str) -> MemoryDevice | None:
    """Return the device that a memory's type names (``HBM3e``, ``HBM2E 4 stacks``, ``LPDDR5X``), None if none."""
    text = re.sub(r"[^a-z0-9]", "", kind.lower())
    fits = [d for d in MEMORY_DEVICES if text.startswith(d.name.lower())]
    return max(fits, key=lambda d: len(d.name), default=None)


SRAM_DENSITY = 31.8 * MiB / 8 / mm2
"""Bytes per mm2 at 5 nm with periphery: 31.8 Mibit/mm2 (fuse.wikichip.org, IEDM 2022, N5 and N3E); other nodes in
proportion to their cells."""

SRAM_SOURCE = "31.8 Mibit/mm2 at 5 nm (IEDM 2022, WikiChip), by SRAM cell for other nodes"

SRAM_SHARE = 0.4
"""Share of a die that SRAM takes at most: 35 % on the IPU GC200 (900 MB on 823 mm2 at 7 nm, by `sram_density`)."""

MEMORY_ENERGY = (15e-12, 200e-12)
MEMORY_ENERGY_SOURCE = "31 to 56 pJ/B in HBM2, 162 in DDR (Jouppi et al., Ten Lessons, table 2)"
"""J/B of device memory; a margin of two below for what comes, and a quarter above."""



def sram_density(process: str) -> float:
    """Return the most bytes of SRAM that a mm2 holds; of the densest process where the name tells none."""
    try:
        cell = node(process).bitcell.base
    except ArchsimError:
        cell = min(n.bitcell.base for n in NODES.values())
    return SRAM_DENSITY * node("N5").bitcell.base / cell
