"""chip_cost: dollars to make one packaged chip: dies, memory, package, yield loss, test."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.economics.area import Area
from archsim.economics.range import Range, Step
from archsim.hardware import Chip


@dataclass(frozen=True)
class Manufacturing:
    """Inputs of `chip_cost`. What is None comes from the tables of `archsim.economics.process`, for the chip's node,
    memory type and package. A number stands for an exact value, a Range for an uncertain one.

    Parameters
    ----------
    wafer_price : USD per processed 300 mm wafer
    defect_density : defects per cm2
    memory_price : USD per GB of device memory
    packaging : USD per chip, interposer and assembly
    package_yield : share of packaged chips that work
    test : USD per chip, test and what else assembly adds
    yield_model : "murphy", "poisson", "seeds" or "negative-binomial"
    """

    wafer_price: Range | float | None = None
    defect_density: Range | float | None = None
    memory_price: Range | float | None = None
    packaging: Range | float | None = None
    package_yield: Range | float | None = None
    test: Range | float | None = None
    yield_model: str = "murphy"


@dataclass(frozen=True)
class ChipCost:
    """Dollars to make one packaged chip; low, base and high of each part and of the sum.

    Parameters
    ----------
    chip
        Its name.
    parts
        Steps in USD: dies, memory, packaging, package yield loss, test. They add up to `total` at low, base and high.
    total
        USD.
    steps
        The chain: area, gross dies, die yield, ... then the parts, each with its formula and inputs, in order.
    inputs
        The uncertain inputs by name (those of `Manufacturing`): what a tornado moves.
    area
        The area that it was reckoned with.
    """

    chip: str
    parts: tuple[Step, ...]
    total: Range
    steps: tuple[Step, ...]
    inputs: dict[str, Range]
    area: Area


def chip_cost(chip: Chip, assumptions: Manufacturing | None = None) -> ChipCost:
    """Return what one packaged chip costs to make.

    Raises
    ------
    ArchsimError
        If the chip lacks a die or process (the message says what to define), or an assumption cannot be right.
    """
    raise NotImplementedError
