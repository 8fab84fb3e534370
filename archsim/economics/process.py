"""Process nodes: transistor density, SRAM cell, wafer price and defect density of each, with their sources.

No foundry publishes its prices and defect densities: all of them are analysts' estimates, hence the ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archsim.economics.range import Range
from archsim.hardware.node import node_name

CSET = "Khan and Mann, AI Chips: What They Are and Why They Matter (CSET 2020)"
WIKICHIP = "fuse.wikichip.org"
VLSI19 = "AnandTech 16028, quoting VLSI 2019 and TSMC's symposium of 2020"

REFERENCE_DENSITY = 7.7 * (40 / 45) ** 2
"""Million transistors per mm2 at 45 nm, the node of the published arithmetic areas: the 7.7 of 40 nm (CSET 2020), by
the square of the feature."""


@dataclass(frozen=True)
class Node:
    """One process node.

    Parameters
    ----------
    name
        As its foundry calls it.
    density
        Million transistors per mm2 of standard cells; what a real chip reaches of it is in the overheads of
        `archsim.economics.blocks`.
    bitcell
        um2 of the smallest six-transistor SRAM cell.
    wafer
        USD per processed wafer of 300 mm.
    defects
        Killer defects per cm2.
    """

    name: str
    density: Range
    bitcell: Range
    wafer: Range
    defects: Range

    @property
    def shrink(self) -> float:
        """How many times smaller logic is here than at 45 nm."""
        return self.density.base / REFERENCE_DENSITY


def _node(name: str, density: tuple[float, str, str], bitcell: tuple[float, str],
          wafer: tuple[float, float, float, str], defects: tuple[float, float, float, str]) -> Node:
    value, source, confidence = density
    return Node(name, Range.exactly(value, "million transistors/mm2", source, confidence),
                Range.exactly(bitcell[0], "um2", bitcell[1], "published-unverified"),
                Range(*wafer[:3], "USD", wafer[3]), Range(*defects[:3], "1/cm2", defects[3]))


_OLD = "mature: LLMCompass supply_chain_model.py, from TSMC's slides, has 0.05 at 28 nm, 0.10 at 14, 0.12 at 10"
_IEDM22 = f"{WIKICHIP}, IEDM 2022"

NODES: Mapping[str, Node] = {n.name: n for n in (
    _node("28", (15.3, CSET, "published"), (0.127, WIKICHIP), (2600, 2900, 3300, f"2,891: {CSET}; 3,000: smbom.com"),
          (0.03, 0.05, 0.08, _OLD)),
    _node("16", (28.9, CSET, "published"), (0.074, WIKICHIP), (3500, 4000, 4500, f"3,984: {CSET}"),
          (0.05, 0.08, 0.10, _OLD)),
    _node("12", (33.8, f"{WIKICHIP}, 12FFC", "published-unverified"), (0.074, WIKICHIP),
          (3500, 4000, 4500, f"as 16 nm, 3,984: {CSET}"), (0.05, 0.08, 0.10, _OLD)),
    _node("Samsung 8N", (61.2, f"{WIKICHIP}, Samsung 8 nm", "published-unverified"), (0.040, WIKICHIP),
          (4500, 5500, 6500, f"10 nm costs 5,992: {CSET}; Samsung asks less"), (0.08, 0.11, 0.15, _OLD)),
    _node("10", (52.5, CSET, "published"), (0.042, WIKICHIP), (5500, 6000, 6500, f"5,992: {CSET}"),
          (0.06, 0.09, 0.12, _OLD)),
    _node("7", (96.3, CSET, "published"), (0.027, WIKICHIP), (8000, 9500, 10500, f"9,346: {CSET}; nearly 10,000 in "
          "2018: DigiTimes 2022"), (0.07, 0.09, 0.12, f"0.09 in 2019-11: {VLSI19}")),
    _node("6", (114.2, "PrincetonUniversity/LLMCompass cost_model.py", "published"), (0.027, WIKICHIP),
          (8000, 9500, 10500, "as 7 nm"), (0.07, 0.09, 0.12, f"as 7 nm: {VLSI19}")),
    _node("SMIC 7", (96.3, "as TSMC's 7 nm", "estimated"), (0.030, "7 nm class, judgement"),
          (9500, 13500, 16000, "40 to 50 % above TSMC's 7 nm (Financial Times, 2024-02)"),
          (0.14, 0.30, 0.60, "a third of TSMC's yield (Financial Times, 2024-02)")),
    _node("5", (138.2, CSET, "published"), (0.021, _IEDM22), (13500, 16000, 18500, f"16,988: {CSET}; above 16,000: "
          "DigiTimes 2022; 13,495: Information Network 2024"), (0.07, 0.09, 0.11, f"0.10 to 0.11 in 2020-08, falling: "
          f"{VLSI19}")),
    _node("4", (138.2 * 1.06, f"5 nm ({CSET}) and the optical shrink of 6 % that TSMC claims for N4", "derived"),
          (0.021, _IEDM22), (13500, 16000, 18500, f"as 5 nm; 13,400 quoted for H100: szyunze.com; {CSET}"),
          (0.07, 0.09, 0.11, f"as mature 5 nm: {VLSI19}")),
    _node("3", (138.2 * 1.6, f"5 nm ({CSET}) and 1.6 times the logic density that TSMC claims for N3E", "derived"),
          (0.021, _IEDM22), (18000, 19900, 22000, "20,000: DigiTimes 2022; 19,865: Information Network 2024"),
          (0.08, 0.11, 0.15, "follows the curve of 5 nm (TSMC symposium 2023)")),
    _node("2", (138.2 * 1.6 * 1.15, "3 nm and the 15 % that TSMC claims for N2", "derived"),
          (0.0175, "tomshardware.com, IEDM 2024"), (24600, 27000, 30000, "24,570 in 2025: Information Network 2024"),
          (0.10, 0.15, 0.25, "a node in its first year, judgement")),
)}
"""Every node by name, TSMC's where no foundry is named."""

def node(process: str) -> Node:
    """Return the node that a process's name means: ``"TSMC 4N"``, ``"7nm"``, ``"TSMC N5 (XCD)"``.

    Parameters
    ----------
    process
        Foundry, if any, and node, as vendors write them; what stands in brackets does not count.

    Raises
    ------
    ArchsimError
        If no node is meant; the message gives the nearest.
    """
    return NODES[node_name(process)]
