"""Power: what a chip's work costs in joules, and the clock that its power limit leaves."""

from archsim.power.energies import Joules, known, mac_energy, node_energy, spend
from archsim.power.limit import settle, supply, volts
from archsim.power.process import relative_energy

__all__ = ["Joules", "known", "mac_energy", "node_energy", "relative_energy", "settle", "spend", "supply", "volts"]
