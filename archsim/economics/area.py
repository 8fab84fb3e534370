"""area: square millimetres of silicon from a chip's own parts and its process node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from archsim.economics import assembly, blocks
from archsim.economics.process import Node, node
from archsim.economics.range import Range, Step, spread, total
from archsim.errors import ArchsimError
from archsim.hardware import Chip, Die, GpuCore, SystolicCore

PER_CORE = "core: "
"""What the name of a part starts with of which every core has its own."""


@dataclass(frozen=True)
class Area:
    """Area of the compute dies of one chip (or of the dies below them), in mm2, all of them together.

    Parameters
    ----------
    chip
        Its name.
    node
        Name of the node in `archsim.economics.process.NODES` that its process was taken for.
    dies
        How many dies share the area.
    cores
        Cores on them, spares included.
    parts
        One step per kind of part (matrix arrays, registers, scratchpads, vector units, control, cache, memory
        interfaces, links ...), each with its inputs. None for a chip that is known by its peak alone.
    computed
        Sum of the parts, or None without any.
    published
        `Die.area` of the chip, without base dies; or None.
    used
        What costs are reckoned with: the published area where there is one and the chip is as published; for a chip
        made by `Chip.replace`, published x computed / computed of the chip that it was made of. Without a published
        area, what a published number of transistors takes; without either, the computed one.
    basis
        Which of these it is, in words.
    base
        Area of the dies below the compute dies, or None.
    """

    chip: str
    node: str
    dies: int
    cores: int
    parts: tuple[Step, ...]
    computed: Range | None
    published: float | None
    used: Range
    basis: str
    base: Area | None = None

    @property
    def core_share(self) -> float:
        """Share of the computed area that is in cores: what a spare core can save from a defect."""
        if self.computed is None or not self.computed.base:
            return 0.0
        return sum(p.value.base for p in self.parts if p.name.startswith(PER_CORE)) / self.computed.base

    @property
    def all(self) -> Range:
        """Area of all dies, base dies included."""
        return total([self.used, self.base.used] if self.base else [self.used], "mm2")

    def to_dict(self) -> dict[str, Any]:
        """Return the area as plain data."""
        return asdict(self) | {"core_share": self.core_share}

    def __str__(self) -> str:
        lines = [f"{self.chip}: {self.used} on {self.dies} {'die' if self.dies == 1 else 'dies'} of {self.node} "
                 f"({self.basis})"]
        lines += [f"  {part}" for part in self.parts]
        if self.parts:
            lines.append(f"  computed: {self.computed}")
        return "\n".join(lines + ([f"below: {self.base}"] if self.base else []))


def area(chip: Chip) -> Area:
    """Return the area of a chip's compute dies, part by part.

    Logic is scaled from published areas at 45 nm by the density of transistors, memory by bit cells, and interfaces
    are those of die photographs: `archsim.economics.blocks` has every constant with its source. What is on the die
    but not in use (`Die.cores`, `Die.stacks`, `Die.cache`) counts.

    A published area overrules the sum of the parts, and so does a published number of transistors, at the density of
    real chips: a core may hold what no figure of the chip tells. A chip made by `Chip.replace` from one of these has
    that area times the ratio of the two sums: what the parts leave out (raster engines, video, die-to-die links) then
    stays in proportion, and a chip that did not change keeps its area. Spares stay in proportion too.

    Raises
    ------
    ArchsimError
        If the chip has no die, its process names no known node (the message gives the nearest), or neither an area
        nor parts to compute it from.
    """
    if not isinstance(chip, Chip):
        raise ArchsimError(f"area() takes a Chip, not {type(chip).__name__}")
    if chip.die is None:
        raise ArchsimError(f"{chip.name} has no die: define it, e.g. replace(die=Die(process='TSMC N5'))")
    die, origin = chip.die, chip.base
    parts = _compute_parts(chip)
    known = _known_area(chip, "die.area")
    if known is None:
        same = origin is not None and origin.die is not None and origin.die.transistors == die.transistors
        known = _by_transistors(origin if origin is not None and same else chip)
    below = None
    if die.base is not None:
        shared = _closed(list(_shared(chip, node(die.base.process))))
        given = origin.die.base if origin and origin.die else None
        before = _sum(_closed(list(_shared(origin, node(given.process))))) if origin and given else None
        below = _settle(chip.name, die.base, given, shared, before, 1, _known_area(chip, "die.base.area"))
        if known is not None and die.area is not None:
            rest = known.base - (die.base.area or below.used.base)
            if rest <= 0:
                raise ArchsimError(f"{chip.name}: Die.area, {known.base:.4g} mm2, is that of all dies and must exceed "
                                   f"that of its base dies, {die.base.area or below.used.base:.4g} mm2")
            known = known.times(rest / known.base)
    before = _sum(_compute_parts(origin)) if origin and origin.die and parts else None
    return _settle(chip.name, die, origin.die if origin else None, parts, before, cores_on_die(chip), known, below)


def _known_area(chip: Chip, path: str) -> Range | None:
    """Return the area that the chip states, with the range that its source gives an estimate, or None."""
    value: Any = chip
    for name in path.split("."):
        value = getattr(value, name)
    if value is None:
        return None
    source = {p: s for p, _, _, _, s in chip.figures()}.get(path)
    if source is None:
        return Range.exactly(value, "mm2", "as defined", "hypothetical")
    low, high = (source.low, source.high) if source.low is not None else (value, value)
    return Range(min(low or value, value), value, max(high or value, value), "mm2", source.text, source.confidence)


def _by_transistors(chip: Chip) -> Range | None:
    """Return the area that a published number of transistors takes, at the density of real chips; None without one."""
    assert chip.die is not None
    if chip.die.transistors is None or chip.die.base is not None:
        return None
    count, on = chip.die.transistors / 1e6, node(chip.die.process)
    return spread(lambda density, fill: count / density / fill, {"density": on.density, "fill": blocks.FILL}, "mm2",
                  f"{count / 1e3:.4g} billion transistors, {on.density.base * blocks.FILL.base:.3g} million per mm2")


def _settle(name: str, die: Die, given: Die | None, parts: tuple[Step, ...], before: Range | None, cores: int,
            known: Range | None, base: Area | None = None) -> Area:
    """Choose between the computed and the published area of one tier of dies."""
    computed = _sum(parts)
    if known is None and computed is None:
        raise ArchsimError(f"{name} has no die area, and a core known by its peak alone has no parts to compute it "
                           "from: give one, Die(area=...), or replace('die', area=...)")
    used, basis = computed, "computed from its parts"
    if known is not None:
        used = known
        basis = {"hypothetical": "as defined", "derived": known.source}.get(known.confidence, known.confidence)
        stated = given is not None and (given.area, given.transistors) == (die.area, die.transistors)
        if stated and before is not None and computed is not None:
            ratio = computed.base / before.base
            if ratio != 1:
                used, basis = known.times(ratio), f"{known.base:.4g} mm2 x {ratio:.3f}, the change of its parts"
    assert used is not None
    return Area(name, node(die.process).name, die.count or 1, cores, parts, computed,
                known.base if known and die.area is not None else None, used, basis, base)


def _compute_parts(chip: Chip) -> tuple[Step, ...]:
    """Return the parts of the compute dies; none of a chip that is known by its peak alone."""
    assert chip.die is not None
    on = node(chip.die.process)
    if isinstance(chip.core, GpuCore):
        cores = list(_gpu_core(chip, chip.core, on))
    elif isinstance(chip.core, SystolicCore):
        cores = list(_systolic_core(chip, chip.core, on))
    else:
        return ()
    return _closed(cores + ([] if chip.die.base else list(_shared(chip, on))))


def cores_on_die(chip: Chip) -> int:
    """Return the cores on a chip's dies, spares included; of a hypothetical chip, spares in proportion."""
    assert chip.die is not None
    return max(chip.cores, round(_with_spares(chip, chip.die.cores, lambda c: c.cores)))


def _with_spares(chip: Chip, physical: float | None, used: Callable[[Chip], float]) -> float:
    """Return what is on the dies of something of which the chip uses `used`."""
    if physical is None:
        return used(chip)
    before = used(chip.base) if chip.base else 0.0
    return physical * used(chip) / before if before else physical


def _sum(parts: tuple[Step, ...]) -> Range | None:
    return total([p.value for p in parts], "mm2", "sum of the parts") if parts else None


def _closed(parts: list[Step]) -> tuple[Step, ...]:
    """Return the parts and what every die has beside its blocks."""
    blocks_ = total([p.value for p in parts], "mm2")
    return (*parts, _part("clocks, power, test, channels", lambda blocks, share: blocks * share, "blocks x share",
                          blocks=blocks_, share=blocks.TOP))


def _part(name: str, function: Callable[..., float], how: str, **inputs: Range) -> Step:
    return Step(name, spread(function, inputs, "mm2"), how, inputs)


def _count(value: float, unit: str = "") -> Range:
    return Range.exactly(value, unit, "of the chip")


def _logic(name: str, units: float, what: Range, on: Node) -> Step:
    """Return so many arithmetic units of um2 at 45 nm."""
    return _part(name, lambda units, unit, overhead, shrink: units * unit * overhead / shrink / 1e6,
                 "units x unit x overhead / shrink since 45 nm", units=_count(units), unit=what,
                 overhead=blocks.OVERHEAD, shrink=_count(on.shrink))


def _transistors(name: str, units: float, what: Range, on: Node, unit: str = "") -> Step:
    """Return so many blocks of known transistors."""
    return _part(name, lambda units, each, density: units * each / density, "units x transistors / density",
                 units=_count(units, unit), each=what, density=on.density)


def _sram(name: str, size: float, overhead: Range, on: Node) -> Step:
    """Return a memory of so many bytes."""
    return _part(name, lambda size, cell, overhead: size * 8 * cell * overhead / 1e6, "bits x cell x overhead",
                 size=_count(size, "B"), cell=on.bitcell, overhead=overhead)


def _widest(rates: Mapping[str, float]) -> tuple[str, float]:
    """Return the format, and its multiply-adds per cycle, that takes most area: formats share their multipliers.

    Wide floating point takes passes through narrow multipliers where there are any.
    """
    narrow = any(d in rates for d in ("bf16", "fp16", "fp8"))
    own = {d: r for d, r in rates.items() if d in blocks.SIGNIFICAND and not (d == "fp32" and narrow)}
    return max(own.items(), key=lambda item: (item[1] * blocks.mac(item[0]).base, item[0]))


def _rate(chip: Chip, name: str) -> float:
    """Return multiply-adds per cycle and core of a peak that is published beside those simulated; 0 if none is."""
    of = chip.base if chip.base and chip.base.other_peaks == chip.other_peaks else chip
    return (of.other_peaks or {}).get(name, 0.0) / (2 * of.cores * (of.boost or of.clock))


def _width(chip: Chip, bandwidth: float) -> float:
    """Return the bytes per cycle that a bandwidth is at the clock which the silicon was made for."""
    of = chip.base or chip
    return bandwidth / max(of.clock, *(of.clock_states or {"": 0.0}).values())


def _slices(chip: Chip) -> float:
    """Return the bytes per cycle of a GPU's cache; with other cores it keeps the slices that it was made with."""
    assert chip.cache is not None and isinstance(chip.core, GpuCore)
    if chip.cache.bandwidth is not None:
        return _width(chip, chip.cache.bandwidth)
    return chip.core.l2_bytes * (chip.base or chip).cores


def _gpu_core(chip: Chip, core: GpuCore, on: Node) -> Iterator[Step]:
    cores, tensor = cores_on_die(chip), core.tensor
    rates = dict(tensor.macs) | ({"fp64": rate} if (rate := _rate(chip, "fp64_matrix")) else {})
    dtype, macs = _widest(rates)
    yield _logic(f"{PER_CORE}matrix engines ({dtype})", cores * macs, blocks.mac(dtype), on)
    yield _logic(f"{PER_CORE}vector lanes", cores * (core.fp32_lanes + core.sfu), blocks.lane(), on)
    if fp64 := _rate(chip, "fp64"):
        yield _logic(f"{PER_CORE}fp64 lanes", cores * fp64, blocks.double(), on)
    registers = core.registers + (tensor.accumulators if tensor.tensor_memory else 0.0)
    yield _sram(f"{PER_CORE}registers", cores * registers, blocks.REGISTERS, on)
    yield _sram(f"{PER_CORE}shared memory", cores * core.shared.capacity, blocks.BANKED, on)
    yield _transistors(f"{PER_CORE}control", cores, blocks.CONTROL, on)
    yield _transistors(f"{PER_CORE}crossbar port", cores * core.fill_bytes, blocks.PORT, on, "B/cycle")


def _systolic_core(chip: Chip, core: SystolicCore, on: Node) -> Iterator[Step]:
    cores, array, vector = cores_on_die(chip), core.array, core.vector
    elements = cores * array.count * array.rows * array.cols
    dtype, rate = _widest(array.rows_per_cycle)
    yield _logic(f"{PER_CORE}matrix arrays ({dtype})", elements * rate, blocks.mac(dtype), on)
    widest = max((d for d in array.rows_per_cycle if d in blocks.WIDTH and d != "fp32"), default="fp32",
                 key=lambda d: blocks.WIDTH[d] * array.rows_per_cycle[d])
    operand = blocks.WIDTH[widest] * array.rows_per_cycle[widest]
    weights = blocks.WIDTH[widest] * (2 if array.shadow else 1)
    yield _logic(f"{PER_CORE}array registers", elements * (weights + operand + 32), blocks.FLIP_FLOP, on)
    sums = array.accumulator_rows or 2 * array.rows * blocks.WIDTH[dtype] / 8 / array.load_rate(dtype)
    yield _sram(f"{PER_CORE}accumulators", cores * array.count * array.cols * sums * 4, blocks.REGISTERS, on)
    yield _logic(f"{PER_CORE}vector lanes", cores * vector.lanes * vector.alus, blocks.lane(), on)
    yield _sram(f"{PER_CORE}vector registers", cores * vector.lanes * VECTOR_REGISTERS * 4, blocks.REGISTERS, on)
    yield _sram(f"{PER_CORE}scratchpad", cores * core.scratchpad.capacity, blocks.SRAM, on)
    yield _transistors(f"{PER_CORE}control", cores, blocks.CONTROL, on)
    moved = chip.memory.bandwidth + (chip.link.bandwidth if chip.link else 0) + chip.cache_bandwidth
    yield _transistors(f"{PER_CORE}network ports", cores / chip.cores * _width(chip, moved),
                       blocks.PORT, on, "B/cycle")


VECTOR_REGISTERS = 32
"""Registers per lane of a systolic chip's vector unit (Norrie et al., Hot Chips 2020, on TPU v2 and v3)."""


def _shared(chip: Chip, on: Node) -> Iterator[Step]:
    """Yield what all cores share: cache, memory interfaces, links, host bus."""
    assert chip.die is not None
    if chip.cache is not None:
        size = _with_spares(chip, chip.die.cache, lambda c: c.cache.total if c.cache else 0.0)
        used = max(size / chip.cache.total, 1.0)
        yield _part("cache", lambda size, cell, overhead, check: size * 8 * cell * overhead * check / 1e6,
                    "bits x cell x overhead x check bits", size=_count(max(size, chip.cache.total), "B"),
                    cell=on.bitcell, overhead=blocks.SRAM, check=blocks.ECC)
        if chip.kind == "gpu":
            yield _transistors("cache slices", _slices(chip) * used, blocks.CACHE_PORT,
                               on, "B/cycle")
    count, kind = assembly.interfaces(chip), assembly.memory(chip)
    if count:
        phy, control = ((blocks.HBM_PHY, blocks.HBM_CONTROL) if kind.stacked else
                        (blocks.DRAM_PHY, blocks.DRAM_CONTROL))
        yield _part(f"{kind.name} interfaces", lambda count, phy, control, density: count * (phy + control / density),
                    "count x (PHY + controller / density)", count=_count(count), phy=phy, control=control,
                    density=on.density)
    if chip.link is not None:
        yield _part("links", lambda rate, phy, control, density: rate * (phy + control / density),
                    "rate x (PHY + controller / density)", rate=_count(chip.link.bandwidth / 1e9, "GB/s"),
                    phy=blocks.link_phy(on.name), control=blocks.LINK_CONTROL, density=on.density)
    yield _part("host bus", lambda lanes, phy, control, density: lanes * (phy + control / density),
                "lanes x (PHY + controller / density)", lanes=_count(blocks.HOST_LANES), phy=blocks.HOST_PHY,
                control=blocks.HOST_CONTROL, density=on.density)
