"""Cambricon MLU270, MLU290 and MLU370."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources
from archsim.chips.variants import variant

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, W

_SOOCHOW = Source("Soochow report, 2024-03")
_PAGE = Source("Cambricon product pages", "published-unverified")
_ZOUKANKAN = Source("zoukankan.com, MLU290")
_LAUNCH = Source("guangxilong.com, launch of MLU370-X8, 2022")

_INT16 = Source("that of int16, to which 16-bit operands are converted", "estimated",
                "these chips multiply integers; float16 is a format of their vector units")
_MLU270_INT16, _MLU290_INT16 = 64 * TFLOPS, 256 * TFLOPS

MLU270_S4 = Chip(
    name="mlu270-s4", vendor="Cambricon", year=2019,
    **roofline({"int8": 128 * TFLOPS, "int4": 256 * TFLOPS}, unpublished={"fp16": _MLU270_INT16}),
    memory=Memory(type="DDR4", capacity=16 * GB, bandwidth=102 * GB_per_s),
    power=Power(tdp=70 * W), die=Die(process="16nm", count=1),
    other_peaks={"int16": _MLU270_INT16},
    notes=(ROOFLINE_NOTE,),
    sources={
        **roofline_sources(_SOOCHOW), "core.rates.fp16": _INT16, "peaks.int4": _PAGE, "other_peaks": _PAGE,
        "year": _PAGE, "memory.type": _PAGE, "memory.capacity": _PAGE, "memory.bandwidth": _SOOCHOW,
        "power.tdp": _SOOCHOW, "die": _PAGE,
    },
)

MLU270_F4 = variant(MLU270_S4, "mlu270-f4", {
    "power.tdp": (150 * W, _SOOCHOW),
    "peaks": (MLU270_S4.peaks, _SOOCHOW), "other_peaks": (MLU270_S4.other_peaks, _PAGE),
}, notes=MLU270_S4.notes)

MLU290_M5 = Chip(
    name="mlu290-m5", vendor="Cambricon", year=2021,
    **roofline({"int8": 512 * TFLOPS, "int4": 1024 * TFLOPS}, cores=64, unpublished={"fp16": _MLU290_INT16}),
    memory=Memory(type="HBM2", capacity=32 * GB, bandwidth=1228 * GB_per_s),
    link=Link(type="MLU-Link", bandwidth=300 * GB_per_s, count=6, pod=8),
    power=Power(tdp=350 * W), die=Die(process="7nm", count=1),
    other_peaks={"int16": _MLU290_INT16, "cint32": 64 * TFLOPS},
    notes=(ROOFLINE_NOTE, "64 cores of 4096 int8 MAC per cycle at 1.0 GHz would make 524: neither is published"),
    sources={
        **roofline_sources(_ZOUKANKAN, cores=_ZOUKANKAN), "core.rates.fp16": _INT16,
        "other_peaks": _ZOUKANKAN, "other_peaks.cint32": _PAGE,
        "year": _PAGE, "memory.type": _ZOUKANKAN, "memory.capacity": _ZOUKANKAN, "memory.bandwidth": _ZOUKANKAN,
        "link": Source(_ZOUKANKAN.text, note="600 GB/s both ways"), "link.pod": _PAGE,
        "power.tdp": _ZOUKANKAN, "die": _ZOUKANKAN,
    },
)

MLU370_S4 = Chip(
    name="mlu370-s4", vendor="Cambricon", year=2021,
    **roofline({"fp16": 72 * TFLOPS, "int8": 192 * TFLOPS, "fp32": 18 * TFLOPS}),
    memory=Memory(type="LPDDR5", capacity=24 * GB, bandwidth=307.2 * GB_per_s),
    power=Power(tdp=75 * W), die=Die(process="7nm", count=2),
    other_peaks={"int16": 96 * TFLOPS},
    notes=(ROOFLINE_NOTE,),
    sources={
        **roofline_sources(_SOOCHOW),
        "peaks.fp16": Source(_PAGE.text, _PAGE.confidence, "Soochow has 96 in this column, which is int16"),
        "other_peaks": _PAGE, "year": _PAGE, "memory.type": _PAGE, "memory.capacity": _PAGE,
        "memory.bandwidth": _SOOCHOW, "power.tdp": _SOOCHOW, "die": _SOOCHOW, "die.count": _PAGE,
    },
)

_X4 = {"fp16": 96 * TFLOPS, "int8": 256 * TFLOPS, "fp32": 24 * TFLOPS}

MLU370_X4 = variant(MLU370_S4, "mlu370-x4", {
    "core.rates": (roofline(_X4)["core"].rates, MLU370_S4.sources["core.rates"]),
    "power.tdp": (150 * W, _SOOCHOW), "peaks": (_X4, _SOOCHOW),
}, notes=MLU370_S4.notes)

MLU370_X8 = variant(MLU370_X4, "mlu370-x8", {
    "year": (2022, _LAUNCH),
    "memory.capacity": (48 * GB, _LAUNCH), "memory.bandwidth": (614.4 * GB_per_s, _LAUNCH),
    "link": (Link(type="MLU-Link", bandwidth=100 * GB_per_s, count=1, pod=4),
             Source(_LAUNCH.text, "derived", "200 GB/s both ways")),
    "die": (Die(process="7nm", count=4), Source(_LAUNCH.text, note="two chips of two dies")),
    "power.tdp": (250 * W, _LAUNCH),
    "peaks": (_X4, Source(_SOOCHOW.text, note="fp32: 32 in the launch article of 2022")),
    "other_peaks": ({"int16": 128 * TFLOPS}, _LAUNCH),
}, notes=(ROOFLINE_NOTE, "two chips on one card, simulated as one"), sources={
    "link.pod": _PAGE, "link.count": Source("links are not counted; taken together", "estimated")})

CHIPS: tuple[Chip, ...] = (MLU270_S4, MLU270_F4, MLU290_M5, MLU370_S4, MLU370_X4, MLU370_X8)
"""Every chip of this module."""
