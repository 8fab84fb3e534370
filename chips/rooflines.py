"""roofline: a chip of which nothing but a peak is published, from that peak."""

from collections.abc import Mapping
from typing import Any

from archsim.hardware import RooflineCore, Source
from archsim.units import GHz, pJ, us

NO_CLOCK = 1 * GHz
"""Stands in for a clock that is not published: FLOP per cycle then read as GFLOP/s, and no result depends on it."""

ROOFLINE_NOTE = "a roofline: of its engines and memories too little is published for a cycle model"


def roofline(peaks: Mapping[str, float], clock: float = NO_CLOCK, cores: int = 1,
             unpublished: Mapping[str, float] | None = None, **core: Any) -> dict[str, Any]:
    """Return the fields ``clock``, ``cores``, ``core`` and ``peaks`` of a chip that reaches these peaks.

    Parameters
    ----------
    peaks
        Dense peaks in FLOP/s, by dtype.
    clock, cores
        Hz and number, where they are published.
    unpublished
        Dense peaks of dtypes for which the vendor gives none.
    **core
        Figures of `RooflineCore` that are better known than its defaults.
    """
    rates = {dtype: peak / (clock * cores) for dtype, peak in {**peaks, **(unpublished or {})}.items()}
    return {"clock": clock, "cores": cores, "core": RooflineCore(rates=rates, **core), "peaks": peaks}


def roofline_sources(peaks: Source, clock: Source | None = None, cores: Source | None = None) -> dict[str, Source]:
    """Return the sources of those fields."""
    core, memory = "default of archsim.hardware.roofline", "default of archsim.hardware.memory"
    return {
        "clock": clock or Source("not published: 1 GHz stands in, and no result depends on it", "estimated"),
        "cores": cores or Source("not published: the whole chip counts as one", "estimated"),
        "core": Source(core, "estimated"),
        "core.rates": Source("peak / clock / cores", "derived"),
        "core.efficiency": Source(core, "estimated", "large products on published GPUs", 0.5, 0.87),
        "core.launch": Source(core, "estimated", "dependent small kernels in a stream", 1.6 * us, 2.6 * us),
        "memory.energy": Source(memory, "estimated", "31 to 56 in HBM, up to 162 in DDR", 31 * pJ, 162 * pJ),
        "memory.latency": Source(memory, "estimated", "nothing in a roofline's timing uses it"),
        "peaks": peaks,
    }
