"""Chip: cores of one kind around shared memory, with link, power, die and price, each figure with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archsim.errors import ArchsimError, UnsupportedError, nearest, unknown
from archsim.hardware.gpu import GpuCore
from archsim.hardware.memory import Cache, Memory
from archsim.hardware.node import node_name
from archsim.hardware.part import Source, defaulted, figure, leaves, option, part, replace_at, table, whole
from archsim.hardware.power import Power
from archsim.hardware.roofline import RooflineCore
from archsim.hardware.systolic import SystolicCore

Core = SystolicCore | GpuCore | RooflineCore

ENERGIES = Source("defaults of archsim.hardware.power, derived there", "derived")
"""Source of the energies of a chip that states none of its own but has sources for what it states."""


@part
class Link:
    """The chip-to-chip interconnect, on one basis: one-way bytes per second of the whole chip."""

    bandwidth: float = figure("B/s", "one-way bandwidth of all links together", low=1e6)
    type: str = option("what it is, e.g. NVLink 4, ICI, Ethernet", default="")
    count: int = whole("links per chip", default=1)
    topology: str = option("how chips are wired, e.g. 3D torus", default="")
    pod: int = whole("most chips that one such network joins", default=1, high=100_000_000)


@part
class Die:
    """The silicon. `cores`, `stacks` and `cache` say what is on the dies where the chip has less of it in use.

    A chip in tiers has its memory interfaces, links and shared cache on `base`, dies of another process; its own
    `process` and `count` are those of the compute dies, its `area` and `transistors` those of all.
    """

    process: str = option("process node as its vendor names it")
    area: float | None = figure("mm2", "area of all dies together", default=None)
    transistors: float | None = figure("", "transistors", default=None)
    count: int | None = whole("compute dies in the package", default=None, high=1000)
    cores: int | None = whole("cores on all dies together, spares included", default=None)
    stacks: int | None = whole("HBM interfaces on all dies together, unused ones included", default=None, high=64)
    cache: float | None = figure("B", "shared cache on all dies together, disabled parts included", default=None)
    base: Die | None = option("dies below the compute dies, with memory interfaces, links and shared cache",
                              default=None)

    @property
    def node(self) -> str:
        """The process node that `process` means; empty if it names none."""
        try:
            return node_name(self.process)
        except ArchsimError:
            return ""


class Sources(Mapping[str, Source]):
    """Sources by path. They describe a chip and are no part of its identity: all compare and hash alike.

    `base` is the chip that a hypothetical one was made of by `Chip.replace`, else None.
    """

    def __init__(self, items: Mapping[str, Source] | None = None, base: Chip | None = None) -> None:
        self._items = dict(items or {})
        self.base = base

    def __getitem__(self, path: str) -> Source:
        return self._items[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sources)

    def of(self, path: str) -> Source | None:
        """Return the source of the figure at `path`: its own, or that of the nearest part around it."""
        while path:
            if path in self._items:
                return self._items[path]
            path = path.rpartition(".")[0]
        return None


@part
class Chip:
    """A chip: `cores` equal cores, what they share, and what is known of power, die and price.

    Every figure is SI. `sources` maps a path such as ``"memory.bandwidth"`` (or a part, ``"core.array"``, for all of
    its figures) to a `Source`.
    """

    name: str = option("name, lower case, as the catalogue lists it")
    clock: float = figure("Hz", "clock of the cores; where it can be set, the default", low=1e6, high=1e11,
                          hint="write e.g. 1.75 * GHz")
    core: Core = option("SystolicCore(...), GpuCore(...) or RooflineCore(...)")
    memory: Memory = option("Memory(capacity=..., bandwidth=...)")
    cores: int = whole("cores of this kind: TensorCores, NeuronCores, SMs or CUs", default=1)
    cache: Cache | None = option("memory between device memory and all cores: an L2, or a shared scratchpad",
                                 default=None)
    clock_states: Mapping[str, float] | None = table("Hz", "clocks that the chip can be set to, by name; `clock` is "
                                                     "the default one", default=None, keys="name")
    boost: float | None = figure("Hz", "highest clock, of work other than matrix products, where it differs from "
                                 "`clock`", default=None, low=1e6, high=1e11)
    link: Link | None = option("chip-to-chip interconnect", default=None)
    host: float | None = figure("B/s", "one-way bandwidth of the bus to the host", default=None, low=1e6)
    power: Power | None = option("power", default=None)
    die: Die | None = option("silicon", default=None)
    price: float | None = figure("USD", "price of one chip", default=None)
    peaks: Mapping[str, float] | None = table("FLOP/s", "dense peaks as the vendor publishes them", default=None)
    other_peaks: Mapping[str, float] | None = table(
        "FLOP/s", "published peaks of what archsim does not simulate (fp32_vector, fp64, int16 ...) or keeps apart "
        "(bf16_sparse ...)", default=None, keys="name")
    vendor: str = option("who sells it", default="")
    year: int | None = whole("first year of availability", default=None, high=2100)
    notes: tuple[str, ...] = option("what a reader should know", default=())
    sources: Mapping[str, Source] = option("path -> Source", default=Sources())

    def __post_init__(self) -> None:
        if isinstance(self.core, GpuCore) and self.cache is None:
            raise ArchsimError("Chip lacks 'cache': the L2 shared by the SMs, Cache(capacity=...)")
        for level in (self.cache, self.cache and self.cache.beyond):
            if level is not None and level.bandwidth is None and (level is not self.cache or self.kind != "gpu"):
                where = "cache" if level is self.cache else "cache.beyond"
                raise ArchsimError(f"{where} lacks 'bandwidth' (B/s): bandwidth to all cores together")
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > 40:
            raise ArchsimError(f"Chip.name must be one line of 1 to 40 characters, not {self.name!r}")
        if not isinstance(self.sources, Sources):
            object.__setattr__(self, "sources", Sources(self.sources))
        if not self.sources:
            return
        if self.power is not None:  # energies are the library's, unless a chip states its own
            given = self.sources
            assert isinstance(given, Sources)  # made so above
            own = {path: ENERGIES for path in defaulted(self.power, "power.") if given.of(path) is None}
            object.__setattr__(self, "sources", Sources({**given, **own}, given.base))
        paths = {path for path, *_ in leaves(self)}
        parts = {p.rsplit(".", i)[0] for p in paths for i in range(p.count(".") + 1)}
        for path in self.sources:
            if path not in paths | parts:
                guess = nearest(path, sorted(paths | parts))
                raise ArchsimError(f"{self.name}: sources names {path!r}, which has no value; nearest: {guess!r}")

    @property
    def kind(self) -> str:
        """``systolic``, ``gpu`` or ``roofline``."""
        return self.core.kind

    @property
    def fidelity(self) -> str:
        """``cycle`` where the microarchitecture is modelled, ``roofline`` where only peaks are known."""
        return "roofline" if self.kind == "roofline" else "cycle"

    @property
    def base(self) -> Chip | None:
        """The chip that this hypothetical one was made of by `replace`, or None."""
        assert isinstance(self.sources, Sources)  # __post_init__ made it so
        return self.sources.base

    @property
    def power_limited(self) -> bool:
        """Whether a power limit can slow the chip: its design power is known, and the node of its dies."""
        die = self.die
        known = die is not None and die.node != "" and (die.base is None or die.base.node != "")
        return known and self.kind != "roofline" and self.power is not None and self.power.capped

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Number formats that the matrix engine takes."""
        return tuple(self.core.rates)

    def check_dtype(self, dtype: str) -> str:
        """Return `dtype` if the matrix engine takes it.

        Raises
        ------
        UnsupportedError
            If it does not; the message lists what it takes.
        """
        if dtype not in self.core.rates:
            raise UnsupportedError(f"{self.name} has no {dtype} matrix path; it has: {', '.join(self.dtypes)}")
        return dtype

    def peak(self, dtype: str = "bf16") -> float:
        """Return the dense matrix peak in FLOP/s: engines x MACs per cycle x 2 x clock."""
        return self.cores * self.core.flop_per_cycle(self.check_dtype(dtype)) * self.clock

    @property
    def cache_bandwidth(self) -> float:
        """Bytes per second from the cache to all cores together: as stated, or what its L2 gives each SM; 0 if none."""
        if self.cache is None:
            return 0.0
        if self.cache.bandwidth is not None:
            return self.cache.bandwidth
        assert isinstance(self.core, GpuCore)  # __post_init__ made it so
        return self.core.l2_bytes * self.cores * self.clock

    def balance(self, dtype: str = "bf16") -> float:
        """Return the balance point, peak over HBM bandwidth, in FLOP/byte."""
        return self.peak(dtype) / self.memory.bandwidth

    def at(self, state: str) -> Chip:
        """Return this chip set to another of its `clock_states`; memory and links keep their speed.

        Raises
        ------
        ArchsimError
            If there is no such state; the message lists them.
        """
        if not self.clock_states:
            raise ArchsimError(f"{self.name} has no clock states; replace(clock=...) sets any clock")
        if state not in self.clock_states:
            clocks = ", ".join(f"{name} is {hz / 1e9:g} GHz" for name, hz in self.clock_states.items())
            raise ArchsimError(f"{unknown(f'clock state of {self.name}', state, self.clock_states)}; {clocks}")
        sources = {p: s for p, s in self.sources.items() if p != "clock"}
        sources["clock"] = Source(f"clock state {state}", "derived", "of clock_states")
        changed: Chip = replace_at(self, "", {"clock": self.clock_states[state],
                                              "sources": Sources(sources, self.base),
                                              "name": f"{self.name.partition('@')[0]}@{state}"})
        return changed

    def replace(self, path: str = "", /, *values: Any, **changes: Any) -> Chip:
        """Return a hypothetical variant with the fields of one part changed.

        Parameters
        ----------
        path
            The part, e.g. ``"core.array"`` or ``"memory"``; empty for the chip's own fields.
        **changes
            New values. Their source becomes ``hypothetical``, and so does that of price and power, which stay the
            base chip's unless they are changed too; the name gets a ``*`` likewise.

        Raises
        ------
        ArchsimError
            If the part or a field does not exist, or a value is out of range.
        """
        if not isinstance(path, str):
            raise ArchsimError(f"replace() takes the path of a part, such as 'core.array', not {path!r}")
        if values or not changes:
            part, _, last = path.rpartition(".")
            like = f"replace({part!r}, {last or 'clock'}={values[0] if values else '...'!r})"
            raise ArchsimError(f"replace() takes a part and its figures by name, e.g. {like}".replace("'...'", "..."))
        dotted = [f"{path}.{name}".strip(".") for name in changes]
        kept = {p: s for p, s in self.sources.items()
                if not any(p == d or p.startswith(d + ".") for d in dotted)}
        bare: Chip = replace_at(self, "", {"sources": Sources()})
        changed: Chip = replace_at(bare, path, changes)
        if "name" not in changes and not self.name.endswith("*"):
            changed = replace_at(changed, "", {"name": self.name[:39] + "*"})
        paths = [p for p, *_ in leaves(changed)]
        alive = {p for leaf in paths for i in range(leaf.count(".") + 1) for p in [leaf.rsplit(".", i)[0]]}
        new = {d: Source("set by replace()", "hypothetical") for d in dotted if d in alive and d != "name"}
        if any(d.split(".")[0] in ("core", "memory", "cores", "clock", "cache", "die") for d in dotted):
            inherited = Source(f"of {self.name.removesuffix('*')}, which differs in {', '.join(dotted)}",
                               "hypothetical")
            new = {**{p: inherited for p in ("price", "power") if p in alive and p not in dotted}, **new}
            kept = {p: s for p, s in kept.items() if p.split(".")[0] not in ("price", "power") or p in dotted}
        sources = {p: s for p, s in {**kept, **new}.items() if p in alive}
        result: Chip = replace_at(changed, "", {"sources": Sources(sources, self.base or self)})
        return result

    def figures(self) -> Iterator[tuple[str, Any, str, str, Source | None]]:
        """Yield (path, value, unit, meaning, source) of every figure, in the order of the definition."""
        sources = self.sources
        assert isinstance(sources, Sources)  # __post_init__ made it so
        for path, value, unit, doc in leaves(self):
            yield path, value, unit, doc, sources.of(path)
