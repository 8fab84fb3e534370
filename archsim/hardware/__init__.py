"""What a chip is made of: frozen parts with units, checks and sources. Nothing here knows time."""

from archsim.hardware.chip import Chip, Die, Link
from archsim.hardware.gpu import GpuCore, TensorCore
from archsim.hardware.memory import Cache, Memory, Scratchpad
from archsim.hardware.part import Source
from archsim.hardware.power import Energy, Power
from archsim.hardware.roofline import RooflineCore
from archsim.hardware.systolic import MatrixArray, SystolicCore, VectorUnit

__all__ = [
    "Cache", "Chip", "Die", "Energy", "GpuCore", "Link", "MatrixArray", "Memory", "Power", "RooflineCore",
    "Scratchpad", "Source", "SystolicCore", "TensorCore", "VectorUnit",
]
