"""chip_cost: dollars to make one packaged chip: dies, memory, package, yield loss, test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from archsim.economics import assembly
from archsim.economics.area import Area, area
from archsim.economics.process import NODES
from archsim.economics.range import ENDS, Range, Step, at_ends, total
from archsim.economics.yields import MODELS, RETICLE, die_yield, gross_dies
from archsim.errors import ArchsimError, unknown
from archsim.hardware import Chip
from archsim.hardware.part import option, part
from archsim.units import GB

REPAIR = Range(0.0, 0.25, 0.5, "", "share of the area outside cores where spare rows of memories and unused interfaces "
               "take up a defect; judgement: with half of it, the yield of 0.85 that 300 USD per H100 die implies")

BIN = Range(0.88, 0.95, 1.0, "", "share of dies free of defects that meet clock and power; not published, judgement")

FALLING = ("bin_yield", "package_yield", "repair")
"""Inputs that make a chip cheaper when they rise."""


Input = Range | float | int | None
"""A number is exact, a Range uncertain; None leaves it to the tables."""


@part
class Manufacturing:
    """Inputs of `chip_cost`: a number is exact, a Range uncertain, and what is None is taken from the tables of
    `archsim.economics.process` and `archsim.economics.assembly` for the chip's node and memory.
    """

    die_area: Input = option("mm2 of all compute dies; None: area(chip).used", default=None)
    wafer_price: Input = option("USD per processed 300 mm wafer of the compute dies", default=None)
    defect_density: Input = option("killer defects per cm2", default=None)
    repair: Input = option("share of the area outside cores where a defect does no harm", default=None)
    bin_yield: Input = option("share of dies free of defects that meet clock and power", default=None)
    memory_price: Input = option("USD per GB of device memory", default=None)
    packaging: Input = option("USD per chip: interposer, substrate, assembly", default=None)
    package_yield: Input = option("share of assembled packages that work", default=None)
    test: Input = option("USD per chip: test and what else assembly adds", default=None)
    base_wafer_price: Input = option("USD per wafer of the dies below the compute dies", default=None)
    base_defect_density: Input = option("killer defects per cm2 of the dies below", default=None)
    yield_model: str = option("one of archsim.economics.yields.MODELS", default="murphy")

    def __post_init__(self) -> None:
        if self.yield_model not in MODELS:
            raise unknown("yield model", self.yield_model, MODELS)
        for name in INPUTS:
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool):
                raise ArchsimError(f"Manufacturing.{name} must be a number or a Range, not {value!r}")
            low, high = (value.low, value.high) if isinstance(value, Range) else (value, value)
            most = 1.0 if name in FALLING else math.inf
            positive = name in ("die_area", "package_yield", "bin_yield")
            if not (low > 0 if positive else low >= 0) or not high <= most or math.isinf(high):
                allowed = ("above 0" if positive else "at least 0") + (" and at most 1" if most == 1 else "")
                raise ArchsimError(f"Manufacturing.{name} = {value!s} cannot be right: it must be {allowed}")


INPUTS = ("die_area", "wafer_price", "defect_density", "repair", "bin_yield", "memory_price", "packaging",
          "package_yield", "test", "base_wafer_price", "base_defect_density")
"""Fields of `Manufacturing` that are numbers."""


@dataclass(frozen=True)
class ChipCost:
    """Dollars to make one packaged chip; low, base and high of each part and of the sum.

    Low is where every input is at the end that makes the chip cheap, high where all are at the other.

    Parameters
    ----------
    chip
        Its name.
    parts
        Steps in USD: dies, base dies, memory, packaging, package yield loss, test. They add up to `total` at low, base
        and high.
    total
        USD.
    steps
        The chain: area, gross dies, die yield, ... then the parts and the total, each with its formula and inputs.
    inputs
        The uncertain inputs by name (those of `Manufacturing`): what a tornado moves.
    area
        The area that it was reckoned with.
    """

    chip: str
    parts: tuple[Step, ...]
    total: Range
    steps: tuple[Step, ...]
    inputs: Mapping[str, Range]
    area: Area

    def part(self, name: str) -> Range:
        """Return USD of one part.

        Raises
        ------
        ArchsimError
            If there is no such part; the message lists them.
        """
        for step in self.parts:
            if step.name == name:
                return step.value
        raise unknown("part of the cost", name, [p.name for p in self.parts])

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return {"chip": self.chip, "parts": {p.name: asdict(p.value) for p in self.parts}, "total": asdict(self.total),
                "steps": [s.to_dict() for s in self.steps],
                "inputs": {name: asdict(r) for name, r in self.inputs.items()}, "area": self.area.to_dict()}

    def __str__(self) -> str:
        lines = [f"{self.chip}: {self.total} to make"]
        lines += [f"  {p.name:<20} {p.value.base:>8,.0f}  {p.value.low:>8,.0f} to {p.value.high:,.0f}"
                  for p in self.parts]
        return "\n".join(lines)


def chip_cost(chip: Chip, assumptions: Manufacturing | None = None) -> ChipCost:
    """Return what one packaged chip costs to make.

    cost = sum of dies x wafer / (gross dies x yield) + GB x USD/GB + packaging
           + (dies + memory + packaging) (1 / package yield - 1) + test

    Cores beyond those that the chip uses are spares: a die is good with as many as it needs (`die_yield`). HBM stands
    with the dies on an interposer, which is paid by its area; any other memory stands beside the package.

    Raises
    ------
    ArchsimError
        If the chip lacks a die, area or memory type (the message says what to define), a die is larger than the
        reticle, or an assumption cannot be right.
    """
    made = assumptions or Manufacturing()
    if not isinstance(made, Manufacturing):
        raise ArchsimError(f"chip_cost() takes Manufacturing(...) as assumptions, not {type(made).__name__}")
    silicon = area(chip)
    inputs = _inputs(chip, silicon, made)
    outcomes = [_evaluate(chip, silicon, made.yield_model, {
        name: getattr(r, {"low": "high", "high": "low"}.get(end, end) if name in FALLING else end)
        for name, r in inputs.items()}) for end in ENDS]
    steps = _chain(chip, silicon, inputs, outcomes, made.yield_model)
    parts = tuple(step for step in steps if step.name in PARTS)
    whole = total([p.value for p in parts], "USD")
    steps = (*steps, Step("chip cost", whole, "sum of the parts", {p.name: p.value for p in parts}))
    return ChipCost(chip.name, parts, whole, steps, inputs, silicon)


PARTS = ("dies", "base dies", "memory", "packaging", "package yield loss", "test")
"""Names of the parts of a chip's cost, in order."""


def _inputs(chip: Chip, silicon: Area, made: Manufacturing) -> dict[str, Range]:
    """Return every input as a range: what is given, else what the tables have for this chip."""
    kind, joints = assembly.memory(chip), (silicon.base or silicon).dies
    here = NODES[silicon.node]
    most = silicon.dies * RETICLE[0] * RETICLE[1]
    used = silicon.used
    defaults = {
        "die_area": Range(used.low, used.base, max(used.base, min(used.high, most)), "mm2", used.source,
                          used.confidence),
        "wafer_price": here.wafer, "defect_density": here.defects, "repair": REPAIR, "bin_yield": BIN,
        "memory_price": kind.price,
    }
    if kind.stacked:
        stacks = assembly.stacks(chip)
        joints += stacks
        interposer = _interposer(silicon, stacks)
        defaults |= {
            "packaging": at_ends(lambda end: getattr(assembly.INTERPOSER, end) * getattr(interposer, end), "USD",
                                 f"{interposer.base:.0f} mm2 of interposer at {assembly.INTERPOSER}; "
                                 f"{assembly.INTERPOSER.source}"),
            "test": assembly.TEST}
        each = assembly.ATTACH
    else:
        defaults |= {"packaging": assembly.FLIP_CHIP, "test": assembly.TEST_SMALL}
        each = assembly.SOLDER
    defaults["package_yield"] = at_ends(lambda end: getattr(each, end) ** joints, "",
                                        f"{joints} joints of {each.base}: {each.source}", each.confidence)
    if silicon.base:
        below = NODES[silicon.base.node]
        defaults |= {"base_wafer_price": below.wafer, "base_defect_density": below.defects}
    result = {}
    for name, default in defaults.items():
        given = getattr(made, name)
        result[name] = (default if given is None else given if isinstance(given, Range) else
                        Range.exactly(float(given), default.unit, "given", "hypothetical"))
    for name in ("base_wafer_price", "base_defect_density"):
        if getattr(made, name) is not None and name not in defaults:
            raise ArchsimError(f"Manufacturing.{name}: {chip.name} has no base dies, Die(base=Die(...))")
    return result


def _interposer(silicon: Area, stacks: int) -> Range:
    """Return the mm2 of interposer below dies and stacks."""
    ground = (silicon.base or silicon).used.base
    return at_ends(lambda end: (ground + stacks * getattr(assembly.FOOTPRINT, end)) * getattr(assembly.MARGIN, end),
                   "mm2")


def _evaluate(chip: Chip, silicon: Area, model: str, x: Mapping[str, float]) -> dict[str, float]:
    """Return every value of the chain from one value of every input."""
    each = x["die_area"] / silicon.dies
    cores = max(silicon.cores // silicon.dies, 1)
    need = min(math.ceil(chip.cores / silicon.dies), cores)
    core = each * silicon.core_share / cores
    out = {"die area": each, "gross dies": gross_dies(each), "die yield without spares": die_yield(
        x["defect_density"], each, model)}
    out["die yield"] = die_yield(x["defect_density"], each, model, core_area=core, cores=cores, need=need,
                                 repair=x["repair"]) * x["bin_yield"]
    out["dies"] = silicon.dies * x["wafer_price"] / (out["gross dies"] * out["die yield"])
    bare = out["dies"]
    if silicon.base is not None:
        each = silicon.base.used.base / silicon.base.dies
        out["base die area"], out["gross base dies"] = each, gross_dies(each)
        out["base die yield"] = die_yield(x["base_defect_density"], each, model, repair=x["repair"])
        out["base dies"] = (silicon.base.dies * x["base_wafer_price"]
                            / (out["gross base dies"] * out["base die yield"]))
        bare += out["base dies"]
    out["memory"] = chip.memory.capacity / GB * x["memory_price"]
    out["packaging"] = x["packaging"]
    out["package yield loss"] = (bare + out["memory"] + x["packaging"]) * (1 / x["package_yield"] - 1)
    out["test"] = x["test"]
    return out


def _chain(chip: Chip, silicon: Area, inputs: Mapping[str, Range], outcomes: list[dict[str, float]],
           model: str) -> tuple[Step, ...]:
    """Return the steps in order, with what went into each."""

    def value(name: str, unit: str = "") -> Range:
        low, base, high = sorted(outcome[name] for outcome in outcomes)
        return Range(low, base, high, unit, "", "derived")

    def number(x: float, unit: str = "") -> Range:
        return Range.exactly(x, unit, "of the chip")

    def given(*names: str) -> dict[str, Range]:
        return {name: inputs[name] for name in names}

    dies, cores = number(silicon.dies), max(silicon.cores // silicon.dies, 1)
    need = min(math.ceil(chip.cores / silicon.dies), cores)
    steps = [] if silicon.computed is None else [
        Step("computed area", silicon.computed, "sum of the parts", {p.name: p.value for p in silicon.parts})]
    steps += [
        Step("die area", value("die area", "mm2"), f"die_area / dies; {silicon.basis}",
             given("die_area") | {"dies": dies}),
        Step("gross dies", value("gross dies", "dies/wafer"), "whole dies on the grid of a 300 mm wafer",
             {"die area": value("die area", "mm2")}),
        Step("die yield without spares", value("die yield without spares"), f"{model} model",
             given("defect_density") | {"die area": value("die area", "mm2")}),
        Step("die yield", value("die yield"),
             f"{model} model, {need} of {cores} cores good, repair outside them, x bin_yield",
             given("defect_density", "repair", "bin_yield") | {"die area": value("die area", "mm2"),
                                                               "core share": number(silicon.core_share)}),
        Step("dies", value("dies", "USD"), "dies x wafer_price / (gross dies x die yield)",
             {"dies": dies} | given("wafer_price") | {"gross dies": value("gross dies"),
                                                      "die yield": value("die yield")}),
    ]
    if silicon.base is not None:
        steps += [
            Step("base die yield", value("base die yield"), f"{model} model",
                 given("base_defect_density", "repair") | {"die area": value("base die area", "mm2")}),
            Step("base dies", value("base dies", "USD"), "dies x base_wafer_price / (gross base dies x base die yield)",
                 {"dies": number(silicon.base.dies)} | given("base_wafer_price") | {
                     "gross base dies": value("gross base dies"), "base die yield": value("base die yield")}),
        ]
    bought = {name: value(name, "USD") for name in PARTS[:4] if name in outcomes[0]}
    return (*steps,
            Step("memory", value("memory", "USD"), "capacity x memory_price",
                 {"capacity": number(chip.memory.capacity / GB, "GB")} | given("memory_price")),
            Step("packaging", value("packaging", "USD"), inputs["packaging"].source, given("packaging")),
            Step("package yield loss", value("package yield loss", "USD"),
                 "(all of the above) x (1 / package_yield - 1)", bought | given("package_yield")),
            Step("test", value("test", "USD"), "as given", given("test")))
