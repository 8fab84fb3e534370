"""area: square millimetres of silicon from a chip's own parts and its process node."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.economics.range import Range, Step
from archsim.hardware import Chip


@dataclass(frozen=True)
class Area:
    """Area of the compute dies of one chip, in mm2, all of them together.

    Parameters
    ----------
    chip
        Its name.
    node
        Name of the node in `archsim.economics.process.NODES` that its process was taken for.
    dies
        How many dies share the area.
    parts
        One step per kind of part (matrix arrays, registers, scratchpads, vector units, control, cache, memory
        interfaces, links ...), each with its inputs.
    computed
        Sum of the parts.
    published
        `Die.area` of the chip, or None.
    used
        What costs are reckoned with: the published area where there is one and the chip is as published; for a chip
        made by `Chip.replace`, published x computed / computed of the chip that it was made of; else the computed one.
    """

    chip: str
    node: str
    dies: int
    parts: tuple[Step, ...]
    computed: Range
    published: float | None
    used: Range
    basis: str


def area(chip: Chip) -> Area:
    """Return the area of a chip's compute dies, part by part.

    Raises
    ------
    ArchsimError
        If the chip has no die, or its process names no known node; the message gives the nearest.
    """
    raise NotImplementedError
