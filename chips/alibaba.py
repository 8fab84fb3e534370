"""Alibaba: Hanguang 800 and the T-Head PPU."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, MB, TFLOPS, GB_per_s, GHz, TB_per_s, W, mm2

_HOTCHIPS = Source("Hot Chips 32, Hanguang 800, live blogs")
_CCTV = "CCTV comparison table, 2025-09-16, via udn.com and ettoday.net"
_UNICOM = "hxjkbz.com, China Unicom Sanjiangyuan: 1945 PFLOPS of 16384 cards"

HANGUANG_800 = Chip(
    name="hanguang-800", vendor="Alibaba", year=2019,
    **roofline({"int8": 825 * TFLOPS}, clock=0.7 * GHz, cores=4),
    memory=Memory(type="SRAM", capacity=192 * MB, bandwidth=2.15 * TB_per_s, efficiency=1.0, write_efficiency=1.0),
    power=Power(tdp=280 * W),
    die=Die(process="TSMC 12nm", area=709 * mm2, transistors=17e9, count=1),
    notes=(ROOFLINE_NOTE, "no DRAM: its memory is its SRAM, so a model has to fit on many of them",
           "4 cores of 384 x 384 MAC close 825.8 TOP/s"),
    sources={
        **roofline_sources(Source(_HOTCHIPS.text, note="820 in SWS, 2025-03"), _HOTCHIPS, _HOTCHIPS),
        "year": _HOTCHIPS, "memory.type": _HOTCHIPS, "memory.capacity": _HOTCHIPS,
        "memory.bandwidth": Source(
            "not published: 4 cores that read two rows of 384 bytes per cycle", "estimated",
            "one row at least, or the arrays starve", 1.08 * TB_per_s, 8.6 * TB_per_s),
        "memory.efficiency": Source("SRAM neither refreshes nor turns around", "derived"),
        "memory.write_efficiency": Source("SRAM neither refreshes nor turns around", "derived"),
        "power.tdp": _HOTCHIPS, "die": _HOTCHIPS, "die.transistors": Source("SWS report, 2025-03-28"),
    },
)

PPU = Chip(
    name="t-head-ppu", vendor="Alibaba", year=2025,
    **roofline({"fp16": 118.7 * TFLOPS}),
    memory=Memory(type="HBM2e", capacity=96 * GB, bandwidth=2460 * GB_per_s),
    link=Link(bandwidth=350 * GB_per_s, count=1), host=64 * GB_per_s,
    power=Power(tdp=400 * W),
    notes=(ROOFLINE_NOTE, "neither a peak nor a memory bandwidth is published"),
    sources={
        **roofline_sources(Source(_UNICOM, "derived", "the precision is not stated; taken as fp16")),
        "year": Source(_CCTV), "memory.type": Source(_CCTV), "memory.capacity": Source(_CCTV),
        "memory.bandwidth": Source("6 stacks of 16 GB of HBM2e, as Gaudi2's", "estimated",
                                   "2.4 to 3.6 Gb/s per pin", 1840 * GB_per_s, 2760 * GB_per_s),
        "link": Source(_CCTV, "derived", "700 GB/s both ways"),
        "link.count": Source("links are not counted; taken together", "estimated"),
        "host": Source(_CCTV, "derived", "PCIe 5.0 x16"), "power.tdp": Source(_CCTV),
    },
)

CHIPS: tuple[Chip, ...] = (HANGUANG_800, PPU)
"""Every chip of this module."""
