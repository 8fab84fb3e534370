"""Baidu Kunlun 2 (sold as R200)."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, W

_PAGE = "Kunlun 2 and R200 product pages"
_SAID = Source(_PAGE, "estimated")

KUNLUN_2 = Chip(
    name="kunlun-2", vendor="Baidu", year=2021,
    **roofline({"fp16": 128 * TFLOPS, "int8": 256 * TFLOPS, "fp32": 32 * TFLOPS}),
    memory=Memory(type="GDDR6", capacity=32 * GB, bandwidth=512 * GB_per_s),
    power=Power(tdp=135 * W), die=Die(process="7nm", count=1),
    notes=(ROOFLINE_NOTE,),
    sources={
        **roofline_sources(_SAID), "year": Source(_PAGE, "published-unverified"),
        "memory.type": _SAID, "memory.capacity": _SAID, "memory.bandwidth": _SAID,
        "power.tdp": Source(_PAGE, "estimated", low=120 * W, high=150 * W), "die": Source("SWS report, 2025-03-28"),
    },
)

CHIPS: tuple[Chip, ...] = (KUNLUN_2,)
"""Every chip of this module."""
