"""Physical ranges: what SRAM cells and memories allow, each with its source. `check_chip` uses them."""

from __future__ import annotations

from archsim.economics.process import NODES, node
from archsim.errors import ArchsimError
from archsim.units import KiB, MiB, mm2

SRAM_DENSITY = 31.8 * MiB / 8 / mm2
"""Bytes per mm2 at 5 nm with periphery: 31.8 Mibit/mm2 (fuse.wikichip.org, IEDM 2022, N5 and N3E); other nodes in
proportion to their cells."""

SRAM_SOURCE = "31.8 Mibit/mm2 at 5 nm (IEDM 2022, WikiChip), by SRAM cell for other nodes"

SRAM_SHARE = 0.4
"""Share of a die that SRAM takes at most: 35 % on the IPU GC200 (900 MB on 823 mm2 at 7 nm, by `sram_density`)."""

MEMORY_ENERGY = (15e-12, 200e-12)
MEMORY_ENERGY_SOURCE = "31 to 56 pJ/B in HBM2, 162 in DDR (Jouppi et al., Ten Lessons, table 2)"
"""J/B of device memory; a margin of two below for what comes, and a quarter above."""

WARP_LEVEL = 0.629 * 2048 / (256 * KiB)
WARP_LEVEL_SOURCE = "mma.sync reaches 62.9 % of 2048 on H800, with 256 KiB of registers: arXiv 2402.13499"
"""16-bit MAC per cycle and byte of register file that matrix instructions on registers reach at most."""


def sram_density(process: str) -> float:
    """Return the most bytes of SRAM that a mm2 holds; of the densest process where the name tells none."""
    try:
        cell = node(process).bitcell.base
    except ArchsimError:
        cell = min(n.bitcell.base for n in NODES.values())
    return SRAM_DENSITY * node("N5").bitcell.base / cell
