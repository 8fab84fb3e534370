"""Listing: a chip of which too little is published to run it; it stands in the catalogue with what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware.chip import Die, Link, Sources
from archsim.hardware.part import Source, figure, leaves, option, part, table, whole
from archsim.hardware.power import Power


@part
class Listing:
    """What is known of a chip that cannot be simulated: no peak, or no device memory to speak of, is published.

    A `Chip` needs a peak, a memory capacity and a bandwidth; `missing` names those that nobody has printed.
    """

    name: str = option("name, lower case, as the catalogue lists it")
    missing: tuple[str, ...] = option("what would have to be known to run it")
    vendor: str = option("who sells it", default="")
    year: int | None = whole("first year of availability", default=None, high=2100)
    peaks: Mapping[str, float] | None = table("FLOP/s", "dense peaks as the vendor publishes them", default=None)
    memory_type: str = option("generation, e.g. HBM2e", default="")
    memory_capacity: float | None = figure("B", "device memory", default=None)
    memory_bandwidth: float | None = figure("B/s", "peak bandwidth of device memory", default=None)
    on_chip: float | None = figure("B", "memory on the chip", default=None)
    link: Link | None = option("chip-to-chip interconnect", default=None)
    power: Power | None = option("power", default=None)
    die: Die | None = option("silicon", default=None)
    notes: tuple[str, ...] = option("what a reader should know", default=())
    sources: Mapping[str, Source] = option("path -> Source", default=Sources())

    kind = "unknown"
    fidelity = "not runnable"

    def __post_init__(self) -> None:
        if not self.missing:
            raise ArchsimError(f"Listing {self.name!r}: nothing is missing, so write a Chip")
        if not isinstance(self.sources, Sources):
            object.__setattr__(self, "sources", Sources(self.sources))

    def error(self) -> UnsupportedError:
        """Return the error for whoever wants to run it: what is missing, and how to supply it."""
        *others, last = self.missing
        wanted = f"{', '.join(others)} or {last}" if others else last
        return UnsupportedError(f"{self.name} ({self.vendor}) cannot be run: no public source gives its {wanted}; to "
                                "assume what is missing, write a Chip of your own in a file")

    def figures(self) -> Iterator[tuple[str, Any, str, str, Source | None]]:
        """Yield (path, value, unit, meaning, source) of every figure, in the order of the definition."""
        sources = self.sources
        assert isinstance(sources, Sources)  # __post_init__ made it so
        for path, value, unit, doc in leaves(self):
            yield path, value, unit, doc, sources.of(path)
