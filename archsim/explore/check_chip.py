"""Check a chip's definition: what is missing, what does not close, what no such chip could be.

The ranges are those of `archsim.explore.physical_ranges`, the chip's own other figures, and its year's neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from math import ceil
from typing import Any

from archsim.dtypes import size
from archsim.economics.yields import RETICLE
from archsim.explore.physical_ranges import (
    MEMORY_ENERGY,
    MEMORY_ENERGY_SOURCE,
    SRAM_SHARE,
    SRAM_SOURCE,
    WARP_LEVEL,
    WARP_LEVEL_SOURCE,
    sram_density,
)
from archsim.explore.select import headline, peak
from archsim.hardware import Chip, GpuCore, RooflineCore, SystolicCore
from archsim.hardware.dram import DEVICES, ROUNDED, find_device
from archsim.hardware.part import defaulted
from archsim.power import known, mac_energy

SEVERITIES = ("error", "warn", "info")
"""``error``: cannot be, or contradicts itself; ``warn``: unlike anything known, or without a source; ``info``: what a
reader should know."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    `figure` is the path of what should be looked at, `problem` says what is wrong with it; `value`, `low` and `high`
    are in `unit`, None where there is no number; `source` says where the range comes from.
    """

    severity: str
    figure: str
    problem: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    source: str = ""

    def __str__(self) -> str:
        bounds = " to ".join(f"{b:.4g}" for b in (self.low, self.high) if b is not None)
        limit = "at most " if self.low is None else "at least " if self.high is None else ""
        given = "" if self.value is None else f": {self.value:.4g} {self.unit}".rstrip()
        allowed = f"; {limit}{bounds}" if bounds else ""
        return f"{self.severity} {self.figure}: {self.problem}{given}{allowed}{f' ({self.source})' * bool(self.source)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def check(chip: Chip, neighbours: Iterable[Chip] = ()) -> list[Finding]:
    """Return what is missing, does not close or is out of range in a chip's definition, the worst first.

    Parameters
    ----------
    chip
        Any chip, in the first place a user's own.
    neighbours
        Known chips; those of about its year bound its peak per mm2 and per watt, its bandwidth, clock and links.

    Notes
    -----
    A figure is an ``error`` beyond what physics, its own other figures or four times its neighbours' best allow; a
    ``warn`` beyond 1.5 times their best.
    """
    checks: tuple[Callable[[Chip], Iterator[Finding]], ...] = (
        _closure, _memory, _silicon, _supply, _power, _links, _missing)
    found = [finding for run in checks for finding in run(chip)]
    found += _beside(chip, [n for n in neighbours if n.name != chip.name])
    return sorted(found, key=lambda f: SEVERITIES.index(f.severity))


# --- what closes ------------------------------------------------------------------------------------------------------

CLOSES, NEARLY = 0.01, 0.15
"""Published peaks are rounded to three digits, so that a right one is met within 1 %; datasheets that quote another
clock than the sustained one, or count the vector units too, are up to 15 % off."""


def _closure(chip: Chip) -> Iterator[Finding]:
    """Compare engines x MACs x 2 x clock with the peaks that the definition declares, at the clock that suits best."""
    if not chip.peaks:
        yield Finding("info", "peaks", "not given: nothing to close the arrays, their rates and the clock against")
        return
    for dtype, declared in chip.peaks.items():
        if dtype not in chip.dtypes:
            yield Finding("warn", f"peaks.{dtype}", f"declared, but the cores have no {dtype} rate", declared,
                          unit="FLOP/s", source=f"cores take {', '.join(chip.dtypes)}")
            continue
        clocks = {chip.clock, *(chip.clock_states or {}).values()}
        computed = min((chip.peak(dtype) / chip.clock * c for c in clocks), key=lambda p: abs(p / declared - 1))
        off = computed / declared - 1
        if abs(off) <= CLOSES:
            continue
        hint = next((why for factor, why in _HINTS if abs(computed / declared / factor - 1) <= CLOSES), "")
        yield Finding("warn" if abs(off) <= NEARLY else "error", f"peaks.{dtype}",
                      f"cores x MAC x 2 x clock is {100 * off:+.1f} % off what is declared{hint}", computed,
                      declared * (1 - CLOSES), declared * (1 + CLOSES), "FLOP/s", "declared peak, within 1 %")


_HINTS = (
    (2.0, ": twice as much; is it FLOP that were given per cycle, not MAC?"),
    (0.5, ": half as much; is the declared peak a sparse one, or that of half the width?"),
    (4.0, ": four times as much"), (0.25, ": a quarter; is the declared peak sparse, and of half the width?"),
)


# --- memory -----------------------------------------------------------------------------------------------------------

def _memory(chip: Chip) -> Iterator[Finding]:
    """Check bandwidth and capacity against what the memory's devices deliver and hold."""
    m = chip.memory
    device = find_device(m.type)
    if device is None:
        known = ", ".join(DEVICES)
        what = f"{m.type!r} is not known" if m.type else "not given"
        yield Finding("info", "memory.type", f"{what}, so that bandwidth and capacity per device cannot be checked",
                      source=f"known: {known}")
    else:
        needed = max(ceil(m.bandwidth / (device.bandwidth * ROUNDED)), ceil(m.capacity / (device.high * 1.08)))
        count = m.stacks or needed  # 8 %: capacities in GiB, 24 GiB = 25.8 GB
        at_least = "" if m.stacks else "at least "
        each, holds = m.bandwidth / count, m.capacity / count
        if m.stacks and each > device.bandwidth * ROUNDED:
            yield Finding("error" if each > 1.4 * device.bandwidth else "warn", "memory.bandwidth",
                          f"per {device.unit}, of {count}: more than {device.name} delivers", each, None,
                          device.bandwidth, "B/s", device.source)
        if m.stacks and holds > device.high * 1.08:
            yield Finding("error", "memory.capacity", f"per {device.unit}, of {count}: more than {device.name} holds",
                          holds, device.low, device.high, "B", device.source)
        if count > device.most:
            yield Finding("error" if count > 2 * device.most else "warn", "memory",
                          f"{at_least}{count} {device.unit}s of {device.name}: more than chips have", count, 1,
                          device.most, "", device.source)
        if holds < 0.9 * device.low:
            yield Finding("warn", "memory.capacity", f"per {device.unit}, of {at_least}{count} that this bandwidth "
                          "needs: smaller than any made", holds, device.low, device.high, "B", device.source)
    low, high = MEMORY_ENERGY
    if not low <= m.energy <= high:
        yield Finding("warn", "memory.energy", "unlike any memory of this kind", m.energy, low, high, "J/B",
                      MEMORY_ENERGY_SOURCE)
    if m.port is not None and m.port < 0.8 * m.bandwidth:
        yield Finding("warn", "memory.port", "the chip takes much less than the memory delivers: is it the port of "
                      "another memory?", m.port, 0.8 * m.bandwidth, None, "B/s", "memory.bandwidth; port=None lifts it")
    room = on_chip(chip)
    flight = m.bandwidth * m.latency
    if room and flight > room:
        yield Finding("error", "memory.latency", "bytes in flight, bandwidth x latency, do not fit on the chip", flight,
                      None, room, "B", "capacity of its on-chip memories (Little's law)")


def on_chip(chip: Chip) -> float:
    """Return the bytes of SRAM that a definition tells of: caches, scratchpads, register files; 0 if none."""
    cache = chip.cache.total if chip.cache else 0.0
    core = chip.core
    if isinstance(core, SystolicCore):
        return cache + chip.cores * core.scratchpad.capacity
    if isinstance(core, GpuCore):
        outside = core.tensor.accumulators if core.tensor.tensor_memory else 0.0
        return cache + chip.cores * (core.shared.capacity + core.registers + outside)
    return cache


# --- silicon ----------------------------------------------------------------------------------------------------------

def _silicon(chip: Chip) -> Iterator[Finding]:
    """Check that its memories fit on its die, and its dies into a reticle."""
    die = chip.die
    if die is None or die.area is None:
        yield Finding("info", "die.area", "not given: density of compute, power and SRAM cannot be checked")
        return
    area = on_chip(chip) / sram_density(die.process)
    if area > SRAM_SHARE * die.area:
        what = "on-chip memories need more than the whole die" if area > die.area else "on-chip memories need this much"
        yield Finding("error" if area > die.area else "warn", "die.area", what, area, None, SRAM_SHARE * die.area,
                      "mm2", f"{SRAM_SOURCE}; at most {SRAM_SHARE:.0%} of a die is SRAM")
    below = die.base.area if die.base and die.base.area else 0.0
    each = (die.area - below) / (die.count or 1)
    field = RETICLE[0] * RETICLE[1]
    if each > field * 1.01:
        given = f"per die, of {die.count}" if die.count else "several dies together? then give die.count"
        yield Finding("error" if die.count else "info", "die.area", given, each, None, field, "mm2",
                      "one exposure, 26 mm x 33 mm")


# --- supply: does each level feed the next? ---------------------------------------------------------------------------

def _supply(chip: Chip) -> Iterator[Finding]:
    """Compare what the engines take with what the ports beside them give."""
    core, m = chip.core, chip.memory
    if chip.cache is not None and chip.cache_bandwidth < m.bandwidth:
        yield Finding("warn", "cache.bandwidth", "slower than the device memory behind it", chip.cache_bandwidth,
                      m.bandwidth, None, "B/s", "memory.bandwidth")
    if isinstance(core, SystolicCore):
        yield from _array(chip, core)
    elif isinstance(core, GpuCore):
        yield from _sm(chip, core)
    elif isinstance(core, RooflineCore) and core.vector and core.vector > max(core.rates.values()):
        yield Finding("warn", "core.vector", "more vector operations than matrix FLOP", core.vector, None,
                      max(core.rates.values()), "op/cycle", "core.rates")


def _array(chip: Chip, core: SystolicCore) -> Iterator[Finding]:
    a, pad = core.array, core.scratchpad
    for dtype, rows in a.rows_per_cycle.items():
        shared = a.rows * rows * size(dtype)  # all arrays take the same moving rows, each for columns of its own
        if pad.read_bytes < shared:
            yield Finding("warn", "core.scratchpad.read_bytes", f"{dtype}: arrays take {shared:,.0f} B/cycle of moving "
                          "rows even where all share them; the peak is out of reach", pad.read_bytes, shared, None,
                          "B/cycle", "rows x rows_per_cycle x bytes")
        elif pad.read_bytes < shared * a.count:
            yield Finding("info", "core.scratchpad.read_bytes", f"{dtype}: the arrays run at full rate only where they "
                          "share their moving rows", pad.read_bytes, shared * a.count, None, "B/cycle",
                          "count x rows x rows_per_cycle x bytes")
        load = a.cols * a.load_rate(dtype)
        if pad.read_bytes < load:
            yield Finding("info", "core.array.load_bytes", f"{dtype}: one array takes weights faster than the "
                          "scratchpad gives them", load, None, pad.read_bytes, "B/cycle", "core.scratchpad.read_bytes")
    rate = core.dma_rate
    if rate is not None and rate * chip.cores < chip.memory.sustained:
        yield Finding("warn", "core.dma_bandwidth", "the DMA engines of all cores move less than the memory sustains",
                      rate * chip.cores, chip.memory.sustained, None, "B/s", "what reads of memory.bandwidth sustain")
    lanes = core.vector.lanes * core.vector.alus
    for dtype in list(a.rows_per_cycle)[:1]:
        out = a.cols * a.count * a.rows_per_cycle[dtype]
        if lanes < 0.25 * out:
            yield Finding("info", "core.vector.lanes", "vector operations per cycle are few beside the results of the "
                          "arrays: activations and softmax will bound", lanes, out, None, "op/cycle",
                          "one operation per result: cols x count x rows_per_cycle")


def _sm(chip: Chip, core: GpuCore) -> Iterator[Finding]:
    t = core.tensor
    for dtype, macs in t.macs.items():
        takes = macs * size(dtype) * (t.fetch_rows + t.fetch_cols) / (t.fetch_rows * t.fetch_cols)
        if core.shared.read_bytes < 0.99 * takes:
            yield Finding("warn", "core.shared.read_bytes", f"{dtype}: the tensor core takes {takes:,.0f} B/cycle; the "
                          "peak is out of reach", core.shared.read_bytes, takes, None, "B/cycle",
                          "macs x bytes x (fetch_rows + fetch_cols) / (fetch_rows x fetch_cols)")
    wide = max((macs for dtype, macs in t.macs.items() if size(dtype) == 2), default=0.0)
    most = WARP_LEVEL * core.registers
    if not t.asynchronous and wide > most:
        yield Finding("warn", "core.tensor.asynchronous", "instructions of single warps, on registers, reach no such "
                      "rate; if they read shared memory themselves (wgmma, tcgen05), it is True", wide, None, most,
                      "MAC/cycle", WARP_LEVEL_SOURCE)
    if not t.tensor_memory and t.accumulators > core.registers:
        yield Finding("error", "core.tensor.accumulators", "accumulators do not fit the register file that holds them",
                      t.accumulators, None, core.registers, "B", "core.registers; or set tensor_memory")
    fill = core.fill_bytes * chip.clock * chip.cores
    if fill < chip.memory.sustained:
        yield Finding("warn", "core.fill_bytes", "the ports of all SMs take less than the memory sustains", fill,
                      chip.memory.sustained, None, "B/s", "what reads of memory.bandwidth sustain")


# --- power and links --------------------------------------------------------------------------------------------------

def _power(chip: Chip) -> Iterator[Finding]:
    if chip.power is None:
        yield Finding("warn", "power", "not given: no energy and no cost of electricity")
        return
    tdp, m = chip.power.tdp, chip.memory
    memory = m.energy * m.bandwidth
    if memory > 0.5 * tdp:
        yield Finding("error" if memory > tdp else "warn", "memory.energy", "power of the memory at its full bandwidth",
                      memory, None, tdp if memory > tdp else 0.5 * tdp, "W",
                      "power.tdp" if memory > tdp else "half of power.tdp")
    if not known(chip):
        die = chip.die
        why = ("not given" if die is None else
               f"{(die if not die.node else die.base or die).process!r} names no node that is known")
        yield Finding("info", "die.process", f"{why}: no energies are known, and no power limit slows it")
        return
    for dtype in chip.dtypes:
        busy = chip.power.standby + 0.5 * chip.peak(dtype) * mac_energy(chip, dtype)
        if busy > 3 * tdp:
            yield Finding("error", "power.energy", f"{dtype}: power of matrix work at its peak, several times what the "
                          "chip may draw", busy, None, tdp, "W", "power.tdp")
        elif busy > tdp:
            yield Finding("info", "power.energy", f"{dtype}: at its peak the chip would draw more than it may, so long "
                          "products run at a lower clock", busy, None, tdp, "W", "power.tdp")


def _links(chip: Chip) -> Iterator[Finding]:
    if chip.link is None:
        yield Finding("info", "link", "not given: it cannot work with other chips")
    elif chip.link.bandwidth > chip.memory.bandwidth:
        yield Finding("warn", "link.bandwidth", "faster than the device memory; is it in bits, or of many chips?",
                      chip.link.bandwidth, None, chip.memory.bandwidth, "B/s", "memory.bandwidth")


# --- what is missing --------------------------------------------------------------------------------------------------

def _missing(chip: Chip) -> Iterator[Finding]:
    """Name what has no value, no source, or a default, one finding for each part of the chip."""
    for name, why in (("year", "not given: its neighbours are those of all years"),
                      ("vendor", "not given"), ("price", "not given: no cost per token (--price gives one)")):
        if getattr(chip, name) in (None, ""):
            yield Finding("info", name, why)
    if chip.power is not None and chip.power.idle is None:
        yield Finding("info", "power.idle", "not given: energies are computed with a fifth of tdp")
    default = set(defaulted(chip))
    bare: dict[str, list[str]] = {}
    assumed: dict[str, list[str]] = {}
    for path, value, _, _, source in chip.figures():
        part, _, name = path.rpartition(".")
        if source is None and path in default:
            assumed.setdefault(part, []).append(name)
        elif source is None and isinstance(value, int | float) and not isinstance(value, bool):
            bare.setdefault(part, []).append(name)
    for part, names in bare.items():
        yield Finding("warn", part or "chip", f"no source: {', '.join(names)}",
                      source="sources={path: Source(...)}, one for a whole part if it is the same")
    for part, names in assumed.items():
        if part:
            yield Finding("info", part, f"default, as nothing was given: {', '.join(names)}",
                          source=f"see help({_class(chip, part)})")


def _class(chip: Chip, path: str) -> str:
    """Return the class of the part at a path, or of the nearest part around it."""
    part: Any = chip
    for name in path.split("."):
        inner = getattr(part, name, None)
        if not is_dataclass(inner):
            break
        part = inner
    return f"archsim.{type(part).__name__}"


# --- beside its neighbours --------------------------------------------------------------------------------------------

UNUSUAL, IMPOSSIBLE = 1.5, 4.0
"""How far beyond the best neighbour a figure is a ``warn`` and an ``error``: a generation of two years brings 1.5 to 3
times in each of these figures (compare the catalogue's own chips), so that four times is no chip of that year."""

AT_LEAST = 3
"""Neighbours that a range needs; years are added on both sides until there are as many."""


@dataclass(frozen=True)
class _Trait:
    """What is compared with neighbours: the figure to look at, its name, its unit, its value of (chip, dtype)."""

    figure: str
    name: str
    unit: str
    of: Callable[[Chip, str], float | None]


def _over(top: float | None, below: float | None) -> float | None:
    return None if top is None or not below else top / below


def _tdp(chip: Chip) -> float | None:
    return chip.power.tdp if chip.power else None


def _area(chip: Chip) -> float | None:
    return chip.die.area if chip.die else None


TRAITS: tuple[_Trait, ...] = (
    _Trait("die.area", "peak per die area", "FLOP/s/mm2", lambda c, d: _over(peak(c, d), _area(c))),
    _Trait("power.tdp", "peak per watt", "FLOP/s/W", lambda c, d: _over(peak(c, d), _tdp(c))),
    _Trait("power.tdp", "power per die area", "W/mm2", lambda c, _: _over(_tdp(c), _area(c))),
    _Trait("die.transistors", "transistors per die area", "/mm2",
           lambda c, _: _over(c.die.transistors if c.die else None, _area(c))),
    _Trait("memory.bandwidth", "memory bandwidth", "B/s", lambda c, _: c.memory.bandwidth),
    _Trait("link.bandwidth", "one-way link bandwidth", "B/s", lambda c, _: c.link.bandwidth if c.link else None),
    _Trait("clock", "clock", "Hz", lambda c, _: None if isinstance(c.core, RooflineCore) else c.clock),
)


def _beside(chip: Chip, known: list[Chip]) -> Iterator[Finding]:
    """Compare a chip with those of about its year; what is far below them is only worth knowing."""
    dtype = headline(chip)
    if dtype is None:
        return
    when = "any year" if chip.year is None else "its year"
    for trait in TRAITS:
        value = trait.of(chip, dtype)
        others = [(n, v) for n in known if (v := trait.of(n, dtype)) is not None]
        if value is None or len(others) < AT_LEAST:
            continue
        others, years = _near(chip.year, others)
        low, high = min(v for _, v in others), max(v for _, v in others)
        best = next(n.name for n, v in others if v == high)
        of = f" ({dtype})" if trait.name.startswith("peak") else ""
        source = f"{len(others)} chips of {years}; highest: {best}"
        if value > UNUSUAL * high:
            yield Finding("error" if value > IMPOSSIBLE * high else "warn", trait.figure,
                          f"{trait.name}{of}: {value / high:.1f} times the best of {when}", value, low, high,
                          trait.unit, source)
        elif value < low / IMPOSSIBLE:
            yield Finding("info", trait.figure,
                          f"{trait.name}{of}: {low / value:.1f} times below the least of {when}", value, low, high,
                          trait.unit, source)


def _near(year: int | None, others: list[tuple[Chip, float]]) -> tuple[list[tuple[Chip, float]], str]:
    """Return the neighbours within a year, or within as many as give enough of them, and the years they span."""
    dated = [(n, v) for n, v in others if n.year is not None]
    if year is None or len(dated) < AT_LEAST:
        return others, "all years"
    away = sorted(abs((n.year or 0) - year) for n, _ in dated)
    reach = max(1, away[AT_LEAST - 1])
    near = [(n, v) for n, v in dated if abs((n.year or 0) - year) <= reach]
    years = [n.year or 0 for n, _ in near]
    return near, f"{min(years)}" if min(years) == max(years) else f"{min(years)} to {max(years)}"
