"""Huawei Ascend 310, 910 and 910B."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, Gbit_per_s, GHz, W, mm2

_SOOCHOW = "Soochow report, 2024-03"
_HOTCHIPS = "Hot Chips 31, Da Vinci, via anandtech live blog, vengineer, besthub"
_PAGES = "Huawei Ascend and Atlas product pages"
_PAGE = Source(_PAGES, "published-unverified")
_CCTV = "CCTV comparison table, 2025-09-16, via udn.com and ettoday.net"
_SECONDARY = "secondary sources, which conflict"

ASCEND_310 = Chip(
    name="ascend-310", vendor="Huawei", year=2018,
    **roofline({"fp16": 8 * TFLOPS, "int8": 16 * TFLOPS}, clock=1.0 * GHz, cores=2),
    memory=Memory(type="LPDDR4X", capacity=8 * GB, bandwidth=51.2 * GB_per_s),
    power=Power(tdp=8 * W),
    die=Die(process="12nm FFC", count=1),
    notes=(ROOFLINE_NOTE,),
    sources={
        **roofline_sources(Source(_SOOCHOW, note="a later page has 11 and 22"),
                           Source("one cube of 4096 MAC per core closes 16 TOP/s", "estimated"), _PAGE),
        "year": _PAGE, "memory.type": _PAGE,
        "memory.capacity": Source(f"{_PAGES}, Atlas 200 module", "published-unverified"),
        "memory.bandwidth": Source(f"{_PAGES}, Atlas 200 module", "published-unverified"),
        "power.tdp": Source(_SOOCHOW), "die": Source(_SOOCHOW),
    },
)

ASCEND_910 = Chip(
    name="ascend-910", vendor="Huawei", year=2019,
    **roofline({"fp16": 256 * TFLOPS, "int8": 512 * TFLOPS}, clock=1.0 * GHz, cores=32, vector=128),
    memory=Memory(type="HBM2", stacks=4, capacity=32 * GB, bandwidth=1200 * GB_per_s),
    link=Link(type="HCCS", bandwidth=3 * 240 * Gbit_per_s, count=3, topology="mesh", pod=8),
    power=Power(tdp=310 * W),
    die=Die(process="TSMC N7+", area=456 * mm2, count=1),
    notes=(ROOFLINE_NOTE, "32 cubes of 16 x 16 x 16 at 1.0 GHz make 262 TFLOP/s; 320, as later pages and Soochow "
           "print, needs 1.22 GHz"),
    sources={
        **roofline_sources(Source(_HOTCHIPS, note=f"320 and 640 on a later page and in {_SOOCHOW}"),
                           Source("closes 262 against 256 TFLOP/s", "derived", "1.22 GHz for 320"), Source(_HOTCHIPS)),
        "core.vector": Source(f"2048 bits per core: {_HOTCHIPS}", "derived"),
        "year": Source(_HOTCHIPS), "memory.type": Source(_HOTCHIPS), "memory.stacks": Source(_HOTCHIPS),
        "memory.capacity": _PAGE, "memory.bandwidth": Source(_HOTCHIPS),
        "link": Source(_HOTCHIPS, note="and 2 x 100 GbE"), "link.pod": _PAGE, "link.topology": _PAGE,
        "power.tdp": Source(_SOOCHOW, note=f"350 W at most: {_HOTCHIPS}"),
        "die": Source(_HOTCHIPS), "die.count": Source(_HOTCHIPS),
        "die.area": Source(_PAGES, "published-unverified", "beside it 168 mm2 of I/O die"),
    },
)

ASCEND_910B = Chip(
    name="ascend-910b", vendor="Huawei", year=2023,
    **roofline({"bf16": 313 * TFLOPS, "fp16": 313 * TFLOPS}, clock=1.75 * GHz, cores=22),
    memory=Memory(type="HBM2e", capacity=64 * GB, bandwidth=1600 * GB_per_s),
    link=Link(type="HCCS", bandwidth=196 * GB_per_s, count=7, topology="fully connected", pod=8),
    power=Power(tdp=350 * W),
    die=Die(process="SMIC N+2 (7nm class)", count=1),
    notes=(ROOFLINE_NOTE, "sold in bins: 280 to 400 TFLOP/s; 313 is that of B3, 376 that of B1"),
    sources={
        **roofline_sources(Source(f"{_SECONDARY}; bin B3", "estimated", low=280 * TFLOPS, high=400 * TFLOPS),
                           Source(_SECONDARY, "estimated", low=1.65 * GHz, high=1.85 * GHz),
                           Source(_SECONDARY, "estimated", "by bin", 20, 25)),
        "year": Source(_SECONDARY, "estimated"),
        "memory.type": Source(_CCTV, "estimated", "printed as HBM2"), "memory.capacity": Source(_CCTV),
        "memory.bandwidth": Source(_SECONDARY, "estimated", low=1200 * GB_per_s, high=1800 * GB_per_s),
        "link": Source(_CCTV, "derived", "392 GB/s both ways"),
        "link.count": Source(_SECONDARY, "estimated"), "link.topology": Source(_SECONDARY, "estimated"),
        "link.pod": Source(_SECONDARY, "estimated"),
        "power.tdp": Source(_SECONDARY, "estimated", low=310 * W, high=400 * W), "die": Source(_SECONDARY, "estimated"),
    },
)

CHIPS: tuple[Chip, ...] = (ASCEND_310, ASCEND_910, ASCEND_910B)
"""Every chip of this module."""
