"""Assembly: what is bought and joined to the dies: device memory by generation, interposer, package, test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from archsim.economics.range import Range
from archsim.errors import ArchsimError, unknown
from archsim.hardware import Chip
from archsim.hardware.dram import DEVICES, ROUNDED, Device

EPOCH = "Epoch AI's cost of a B200"
SILICON = "siliconanalysts.com"
COMPASS = "PrincetonUniversity/LLMCompass cost_model.py, 2023-10"
TREND = "TrendForce, 2024-05"
SWS = "Shenwan Hongyuan, 2025-03-28"


@dataclass(frozen=True)
class DeviceMemory:
    """What one type of device memory costs and takes.

    Parameters
    ----------
    name
        As its standard calls it.
    price
        USD per GB.
    device
        What it delivers: HBM of no stated generation as HBM2 does; None for SRAM.
    """

    name: str
    price: Range
    device: Device | None

    @property
    def stacked(self) -> bool:
        """Whether it stands beside the dies on an interposer."""
        return self.device is not None and self.device.stacked

    @property
    def interface(self) -> float:
        """B/s that one interface on a die moves at most: of a stack, or of 32 bits of any other kind."""
        if self.device is None:
            return math.inf
        return self.device.bandwidth * ROUNDED / self.per_unit

    @property
    def per_unit(self) -> int:
        """Interfaces of one unit: 1 of a stack, else one for each 32 bits."""
        return 1 if self.device is None or self.stacked else self.device.bits // 32


def _memory(name: str, low: float, base: float, high: float, source: str) -> DeviceMemory:
    device = DEVICES.get("HBM2" if name == "HBM" else name)
    return DeviceMemory(name, Range(low, base, high, "USD/GB", source), device)


_DDR5 = f"DDR5 2.4: {COMPASS}"
_FASTER = f"LPDDR and GDDR above DDR5, judgement; {_DDR5}"

MEMORIES: Mapping[str, DeviceMemory] = {m.name: m for m in (
    _memory("HBM", 7, 11, 15, f"of no stated generation: HBM2 to HBM3; 7: {COMPASS}"),
    _memory("HBM2", 7, 9, 12.5, f"below HBM2e, judgement; 7: {COMPASS}"),
    _memory("HBM2e", 9, 11, 16, f"10.4: {SWS}; 12.5 to 25: semiconductorx.com"),
    _memory("HBM3", 12, 14.7, 17, f"median of 12.0 and 14.4 ({SWS}), 15 (szyunze.com) and 16.9 ({SILICON}); five times "
            f"DDR5 is 12: {TREND}"),
    _memory("HBM3e", 14, 15, 17.6, f"14.1: {SWS}; 15.1 (2,800 to 3,100 for 192 GB): {EPOCH}; 20 % above HBM3: {TREND}"),
    _memory("HBM4", 18, 20, 24, "30 % and more above HBM3e: TrendForce, 2025-05"),
    _memory("GDDR5", 3, 4, 6, _FASTER), _memory("GDDR6", 3, 4, 6, _FASTER), _memory("GDDR6X", 3, 4.5, 7, _FASTER),
    _memory("GDDR7", 4, 6, 9, _FASTER), _memory("LPDDR4", 3, 4, 6, _FASTER), _memory("LPDDR4X", 3, 4, 6, _FASTER),
    _memory("LPDDR5", 3, 4, 6, _FASTER), _memory("LPDDR5X", 3, 4.5, 7, _FASTER), _memory("DDR3", 2, 3, 4, _DDR5),
    _memory("DDR4", 2, 3, 4, _DDR5), _memory("DDR5", 2.4, 3, 4, _DDR5),
    _memory("SRAM", 0, 0, 0, "no device memory: it is on the die"),
)}
"""Device memory by generation. Contract prices are not published: these are analysts' estimates."""


def memory(chip: Chip) -> DeviceMemory:
    """Return the generation of a chip's device memory.

    Raises
    ------
    ArchsimError
        If the chip does not say, or says something unknown.
    """
    kind = chip.memory.type.strip()
    if not kind:
        raise ArchsimError(f"{chip.name} does not say what memory it has: define Memory(type=...), one of "
                           f"{', '.join(MEMORIES)}")
    for name, found in MEMORIES.items():
        if name.lower() == kind.lower().replace(" ", ""):
            return found
    raise unknown(f"memory type of {chip.name}", kind, MEMORIES)


def stacks(chip: Chip) -> int:
    """Return the stacks of HBM, or interfaces of 32 bits of any other memory, that a chip uses.

    As many as it says (`Memory.stacks`), and no fewer than its bandwidth takes.
    """
    kind, given = memory(chip), chip.memory.stacks or 0
    if math.isinf(kind.interface) or (given and kind.name == "HBM"):  # of no stated generation: nothing to infer
        return given
    return max(given * kind.per_unit, math.ceil(chip.memory.bandwidth / kind.interface))


def interfaces(chip: Chip) -> int:
    """Return the memory interfaces on a chip's dies, unused ones (`Die.stacks`) included."""
    spare = chip.die.stacks if chip.die and memory(chip).stacked else None
    return max(stacks(chip), spare or 0)


FOOTPRINT = Range(100.0, 110.0, 121.0, "mm2", "10 x 11 mm of one HBM stack (JEDEC JESD235, JESD238)",
                  "published-unverified")
MARGIN = Range(1.1, 1.15, 1.25, "", "interposer over what stands on it: gaps and edges", "estimated")
INTERPOSER = Range(
    0.32, 0.41, 0.50, "USD/mm2", f"interposer, bumps, substrate, assembly: H100 723 (szyunze.com) to 750 ({SILICON}), "
    f"B200 1,000 to 1,200 ({EPOCH}), MI300X 1,200 ({SILICON}), over their interposers of about 1,650 to 3,000 mm2",
    "derived")
FLIP_CHIP = Range(20.0, 50.0, 120.0, "USD", "organic substrate and assembly; 20 is Moonwalk's package in LLMCompass "
                  "supply_chain_model.py")
ATTACH = Range(0.980, 0.987, 0.998, "", f"share of dies and stacks that are joined without loss of the package: 1,000 "
               f"to 1,100 of 4,900 USD lost in ten joints of early B200 ({EPOCH}) is 0.980", "derived")
SOLDER = Range(0.97, 0.99, 0.998, "", "flip-chip assembly, a mature step; judgement")
TEST = Range(300.0, 500.0, 700.0, "USD", f"B200 480 to 500 ({EPOCH}); MI300X 600, H100 920 with yield loss "
             f"({SILICON})")
TEST_SMALL = Range(10.0, 40.0, 100.0, "USD", "a chip without HBM needs no known-good stacks and less time; judgement")
