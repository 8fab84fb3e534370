"""optimum: chips of equal die area that spend it differently, and what a useful PFLOP costs on each.

Three questions of one die: few large arrays or many small ones, arrays or SRAM, SRAM or memory stacks (whose interfaces
take die area, and which are bought). What one choice frees or takes is given to or taken from the SRAM, so that all
designs have the area of the chip that they were made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import networkx as nx

from archsim.economics.area import area
from archsim.economics.chain import Chain
from archsim.economics.chip_cost import chip_cost
from archsim.economics.site import chip_hour
from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Chip, GpuCore, SystolicCore
from archsim.simulation import Run, simulate
from archsim.units import MiB

LEAST_SRAM = 0.25 * MiB
"""Of a scratchpad or an L2: below it a die is full."""
KNOBS = ("array", "SRAM", "HBM")


@dataclass(frozen=True)
class Design:
    """One way to spend the die.

    `knob` is what was turned, `x` how far: the side of an array (of a tensor core: MACs per cycle), MiB of SRAM, stacks
    of memory.
    """

    knob: str
    x: float
    chip: Chip
    label: str


@dataclass(frozen=True)
class Point:
    """What a design costs on one workload: dollars per 1e15 useful matrix FLOP."""

    design: Design
    phase: str
    usd_per_pflop: float
    price: float
    run: Run


def sram(chip: Chip) -> float:
    """Return the bytes of SRAM that the designs trade: all cores' scratchpads, or a GPU's L2."""
    if isinstance(chip.core, SystolicCore):
        return chip.core.scratchpad.capacity * chip.cores
    assert chip.cache is not None
    return chip.cache.capacity


def designs(chip: Chip, knobs: Sequence[str] = KNOBS) -> list[Design]:
    """Return chips of the die area of `chip`, by what they spend it on; the chip itself is among those of each knob.

    Raises
    ------
    UnsupportedError
        If the chip is a roofline: it has no arrays or SRAM to trade.
    ArchsimError
        If its area cannot be reckoned.
    """
    if not isinstance(chip.core, SystolicCore | GpuCore):
        raise UnsupportedError(f"{chip.name} is known by its peaks alone: it has no arrays or SRAM to trade")
    budget = _computed(chip)
    makers: dict[str, Callable[[Chip], Iterator[tuple[float | None, str, Chip]]]] = {
        "array": _by_array, "SRAM": _by_count, "HBM": _by_stacks}
    found = []
    for knob in knobs:
        for x, label, raw in makers[knob](chip):
            filled = _fill(raw, budget) if raw is not chip else chip
            if filled is not None:
                at = sram(filled) / MiB if x is None else x
                found.append(Design(knob, at, filled, label.format(sram=sram(filled) / MiB)))
    return sorted(found, key=lambda d: (KNOBS.index(d.knob), d.x))


def _computed(chip: Chip) -> float:
    """Return the bottom-up area of all dies in mm2."""
    found = area(chip)
    return sum(a.computed.base for a in (found, found.base) if a is not None and a.computed is not None)


def _by_array(chip: Chip) -> Iterator[tuple[float | None, str, Chip]]:
    """Yield designs with as many MACs in arrays of other sides, or in SMs of other widths."""
    core = chip.core
    if isinstance(core, GpuCore):
        most = max(core.tensor.macs, key=lambda d: core.tensor.macs[d])
        name = "bf16" if "bf16" in core.tensor.macs else most
        for factor in (0.25, 0.5, 1.0, 2.0, 4.0):
            macs = {d: m * factor for d, m in core.tensor.macs.items()}
            cores = max(1, round(chip.cores / factor))
            made = chip if factor == 1 else _with_cores(chip, cores).replace(
                "core.tensor", macs=macs)
            yield macs[name], f"{cores} SMs of {macs[name]:g} MAC/cycle, {{sram:.0f}} MiB L2", made
        return
    assert isinstance(core, SystolicCore)
    a = core.array
    for longer in (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0):
        sides = (a.rows * longer, a.cols * longer, a.count / longer**2)
        if any(side != int(side) for side in sides):
            continue
        rows, cols, count = map(int, sides)
        made = chip if longer == 1 else _with_arrays(chip, rows, cols, count)
        yield float(rows), f"{count * chip.cores} arrays of {rows} x {cols}, {{sram:.0f}} MiB", made


def _with_arrays(chip: Chip, rows: int, cols: int, count: int) -> Chip:
    """Return the chip with other arrays, whose wavefronts take as much longer as they have more elements to cross."""
    assert isinstance(chip.core, SystolicCore)
    a = chip.core.array
    longer = (rows + cols) / (a.rows + a.cols)
    latency = {d: max(1.0, a.delay(d) * longer) for d in a.rows_per_cycle} if a.latency is not None else None
    return chip.replace("core.array", rows=rows, cols=cols, count=count, latency=latency)


def _by_count(chip: Chip) -> Iterator[tuple[float | None, str, Chip]]:
    """Yield designs with more or fewer arrays or SMs; SRAM takes or gives the area."""
    core = chip.core
    if isinstance(core, SystolicCore):
        a = core.array
        for factor in (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0, 1.5, 2.0, 3.0, 4.0):
            count, rows = a.count * factor, float(a.rows)
            if count != int(count):  # too few arrays: shorter or longer ones
                count, rows = float(a.count), a.rows * factor
            if rows != int(rows):
                continue
            made = chip if factor == 1 else _with_arrays(chip, int(rows), a.cols, int(count))
            yield None, f"{int(count) * chip.cores} arrays of {int(rows)} x {a.cols}, {{sram:.0f}} MiB", made
        return
    for eighths in range(2, 13):
        cores = round(chip.cores * eighths / 8)
        yield None, f"{cores} SMs, {{sram:.0f}} MiB L2", chip if eighths == 8 else _with_cores(chip, cores)


def _with_cores(chip: Chip, cores: int) -> Chip:
    """Return the chip with other cores, and as large a share of spares among those on its dies."""
    made = chip.replace(cores=cores)
    if chip.die is None or chip.die.cores is None:
        return made
    return made.replace("die", cores=max(cores, round(chip.die.cores * cores / chip.cores)))


def _by_stacks(chip: Chip) -> Iterator[tuple[float | None, str, Chip]]:
    """Yield designs with more or fewer memory stacks of the same kind."""
    have = chip.memory.stacks
    if have is None:
        return
    for stacks in range(1, 2 * have + 3):
        ratio = stacks / have
        made = chip if stacks == have else chip.replace(
            "memory", stacks=stacks, capacity=chip.memory.capacity * ratio, bandwidth=chip.memory.bandwidth * ratio)
        if made is not chip and chip.die is not None and chip.die.stacks is not None:
            made = made.replace("die", stacks=chip.die.stacks - have + stacks)  # as many sites left empty
        yield float(stacks), f"{stacks} stacks, {{sram:.0f}} MiB SRAM", made


def _fill(chip: Chip, budget: float) -> Chip | None:
    """Return the design with the SRAM that makes its area `budget`; None if it is larger with the least SRAM."""
    def with_sram(total: float) -> Chip:
        if isinstance(chip.core, SystolicCore):
            return chip.replace("core.scratchpad", capacity=total / chip.cores)
        made = chip.replace("cache", capacity=total)
        if chip.die is None or chip.die.cache is None:
            return made
        return made.replace("die", cache=chip.die.cache * total / sram(chip))  # as large a share of it disabled

    least = LEAST_SRAM * (chip.cores if isinstance(chip.core, SystolicCore) else 1)
    low, high = least, max(sram(chip), least) * 2.0
    if _computed(with_sram(low)) > budget:
        return None
    while _computed(with_sram(high)) < budget:
        high *= 2.0
    for _ in range(40):  # area rises with SRAM: bisection
        middle = (low + high) / 2.0
        low, high = (middle, high) if _computed(with_sram(middle)) < budget else (low, middle)
        if high - low < 1024.0:
            break
    return with_sram(low)


def points(made: Chain, graphs: Sequence[nx.DiGraph], found: Sequence[Design]) -> list[Point]:
    """Simulate every design on every graph and price it: the site, the margin and the inputs of `made`, all at base.

    Designs that cannot run a graph are left out.
    """
    site = made.assumptions(made.values)
    margin = made.values.get("margin", 0.0)
    result = []
    for design in found:
        cost = chip_cost(design.chip).total.base
        price = cost / (1.0 - margin)
        per_second = chip_hour(design.chip, site, price).total / 3600.0
        for graph in graphs:
            try:
                run = simulate(graph, design.chip)
            except ArchsimError:
                continue
            if run.flops:
                usd = per_second * run.chips * run.time_s / (run.flops / 1e15)
                result.append(Point(design, str(run.workload.get("phase", "run")), usd, price, run))
    return result


def best(found: Sequence[Point], knob: str, phase: str) -> Point | None:
    """Return the cheapest design of one knob on one phase."""
    mine = [p for p in found if p.design.knob == knob and p.phase == phase]
    return min(mine, key=lambda p: p.usd_per_pflop, default=None)


def explain(found: Sequence[Point], knob: str, phases: Sequence[str]) -> str:
    """Say where the optimum of a knob lies for each phase, and what bounds the cheapest design there."""
    said = []
    for phase in phases:
        top = best(found, knob, phase)
        if top is None:
            continue
        mine = [p for p in found if p.design.knob == knob and p.phase == phase]
        close = sum(p.usd_per_pflop <= 1.02 * top.usd_per_pflop for p in mine)
        shares = sorted(top.run.time_by_bound.items(), key=lambda kv: -kv[1])
        whole = top.run.time_s
        bounds = " and ".join(f"{b} {100 * s / whole:.0f} %" for b, s in shares[:2] if s > 0.1 * whole)
        flat = f"; {close} of {len(mine)} designs are within 2 %" if close > 1 else ""
        said.append(f"{phase} {top.design.label} (bound by {bounds}{flat})")
    return f"{knob}: cheapest in " + "; in ".join(said) if said else f"{knob}: nothing fits"
