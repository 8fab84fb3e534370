"""How much energy a switched gate takes on each process node, relative to 7 nm at the same supply voltage."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.hardware.node import node_name, plain

RELATIVE: Mapping[str, float] = {
    "28": 2.4, "16": 1.6, "12": 1.5, "Samsung 8N": 1.25, "10": 1.25, "SMIC 7": 1.05, "7": 1.0, "6": 0.95, "5": 0.70,
    "4": 0.70, "3": 0.46, "2": 0.34,
}
"""Switching energy of each node, 7 nm = 1.

From what foundries claim at equal speed: 12FFC a tenth below 16 nm; 7 nm 40 % below 10 nm-class and, from V100 and
A100, 1.5 below 12FFN (AccelWattch's and te42kyfo's fp32 fits, by the square of the supply); N6 a shrink of 7 nm; N5
30 % below N7; N3E 34 % below N5; N2 25 to 30 % below N3E. 28 nm lies between 45 nm, where Ten Lessons' table 2 has 2.4
to 3.2 times the 7 nm energy, and 16 nm. H100 against A100 confirms N5: see `archsim.hardware.power.Energy`.
"""

PERFORMANCE = {"n4p": 0.78, "4np": 0.88}
"""Refined versions of a node, relative to what `RELATIVE` has for it.

N4P takes 22 % less power than N5 at the same speed, or runs 11 % faster; but 6 % faster than N4 (TSMC, 2021-10). 4N, of
H100, is itself a refined N5 and has N5's energy here, which H100 confirms; 4NP is to it as N4P to N4: 12 % less power.
Derived with published products of B200 in sight, which come out 10.6 % off; taken as N4P to N5, 11.0 %.
"""


def relative_energy(process: str) -> float:
    """Return the switching energy on a process, relative to 7 nm: ``"TSMC 4N"`` gives 0.70.

    Raises
    ------
    ArchsimError
        If the process names no node.
    """
    return RELATIVE[node_name(process)] * PERFORMANCE.get(plain(process), 1.0)
