"""Enflame CloudBlazer T20, T21 and i20."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources
from archsim.chips.variants import variant

from archsim.hardware import Chip, Die, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, W

_SOOCHOW = Source("Soochow report, 2024-03")
_PAGE = Source("Enflame CloudBlazer T20, T21, i20 product pages", "published-unverified")

T20 = Chip(
    name="enflame-t20", vendor="Enflame", year=2021,
    **roofline({"fp16": 128 * TFLOPS, "tf32": 128 * TFLOPS, "int8": 256 * TFLOPS, "fp32": 32 * TFLOPS}),
    memory=Memory(type="HBM2e", capacity=32 * GB, bandwidth=1600 * GB_per_s),
    power=Power(tdp=300 * W), die=Die(process="12nm", count=1),
    notes=(ROOFLINE_NOTE,),
    sources={
        **roofline_sources(_SOOCHOW),
        "peaks.tf32": Source(_PAGE.text, "estimated", low=32 * TFLOPS, high=128 * TFLOPS),
        "year": _PAGE, "memory.type": _PAGE, "memory.capacity": _PAGE, "memory.bandwidth": _SOOCHOW,
        "power.tdp": _SOOCHOW, "die": _PAGE,
    },
)

_PEAKS = {"peaks": (T20.peaks, _SOOCHOW)}

T21 = variant(T20, "enflame-t21", _PEAKS, notes=(ROOFLINE_NOTE, "T20 as an OAM module"))

I20 = variant(T20, "enflame-i20", {
    **_PEAKS, "memory.capacity": (16 * GB, _PAGE), "memory.bandwidth": (819 * GB_per_s, _SOOCHOW),
    "power.tdp": (150 * W, _SOOCHOW),
}, notes=T20.notes)

CHIPS: tuple[Chip, ...] = (T20, T21, I20)
"""Every chip of this module."""
