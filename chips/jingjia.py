"""Jingjia graphics chips JM9100, JM92 and the first of the JM9 series: fp32 vector units, no matrix engine."""

from archsim.chips.rooflines import NO_CLOCK, ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, GHz, W

_SOOCHOW = Source("Soochow report, 2024-03")
_PRESS = Source("guangxilong.com and mydrivers.com on JM9, 2021-11")
_CAPACITY = Source("not published; the first JM9 has 8 GB", "estimated", low=2 * GB, high=8 * GB)
_YEAR = Source("first year of the series", "estimated")


def _jm9(name: str, year: int, tflops: float, rate: float, watts: float, sources: dict[str, Source],
         clock: float = NO_CLOCK) -> Chip:
    """Return a chip of the series: fp32 TFLOP/s, GB/s and W."""
    return Chip(
        name=name, vendor="Jingjia", year=year,
        **roofline({"fp32": tflops * TFLOPS}, clock),
        memory=Memory(capacity=8 * GB, bandwidth=rate * GB_per_s), power=Power(tdp=watts * W),
        notes=(ROOFLINE_NOTE, "a graphics chip: fp32 only"), sources=sources,
    )


JM9100 = _jm9("jm9100", 2022, 0.512, 25.6, 10, {
    **roofline_sources(_SOOCHOW), "year": _YEAR, "memory.bandwidth": _SOOCHOW, "memory.capacity": _CAPACITY,
    "power.tdp": Source(_SOOCHOW.text, note="printed as a range", low=5 * W, high=15 * W)})
JM92 = _jm9("jm92", 2022, 1.2, 128, 22.5, {
    **roofline_sources(_SOOCHOW), "year": _YEAR, "memory.bandwidth": _SOOCHOW, "memory.capacity": _CAPACITY,
    "power.tdp": Source(_SOOCHOW.text, note="printed as a range", low=15 * W, high=30 * W)})
JM9 = _jm9("jm9", 2021, 1.5, 128, 30, {
    **roofline_sources(_PRESS, _PRESS), "year": _PRESS, "memory.bandwidth": _PRESS, "memory.capacity": _PRESS,
    "power.tdp": Source(_PRESS.text, note="below 30 W in Soochow, 2024-03")}, clock=1.5 * GHz)

CHIPS: tuple[Chip, ...] = (JM9, JM9100, JM92)
"""Every chip of this module."""
