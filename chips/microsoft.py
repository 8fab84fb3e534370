"""Microsoft Maia 100."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, W, mm2

_HOTCHIPS = "Hot Chips 2024, Maia 100, via eeworld.com, neowin, glennklockwood.com"

MAIA_100 = Chip(
    name="maia-100", vendor="Microsoft", year=2023,
    **roofline({"bf16": 800 * TFLOPS}, cores=64),
    memory=Memory(type="HBM2e", stacks=4, capacity=64 * GB, bandwidth=1800 * GB_per_s),
    link=Link(type="400 Gb Ethernet", bandwidth=600 * GB_per_s, count=12),
    host=32 * GB_per_s, power=Power(tdp=700 * W),
    die=Die(process="TSMC N5", area=820 * mm2, transistors=105e9, count=1),
    other_peaks={"mx9": 1500 * TFLOPS, "mx6": 3000 * TFLOPS},
    notes=(ROOFLINE_NOTE, "16 clusters of 4 tiles, each with a 16 x R x 16 tensor unit whose R is not published; "
           "500 MB of SRAM"),
    sources={
        **roofline_sources(Source(_HOTCHIPS), cores=Source(_HOTCHIPS)), "year": Source(_HOTCHIPS),
        "memory.type": Source(_HOTCHIPS, note="SWS prints HBM3e"), "memory.stacks": Source(_HOTCHIPS),
        "memory.capacity": Source(_HOTCHIPS), "memory.bandwidth": Source(_HOTCHIPS, note="SWS prints 1600 GB/s"),
        "link": Source(_HOTCHIPS, note="12 x 400 GbE; all-gather 4800 Gb/s, all-to-all 1200 Gb/s"),
        "host": Source(_HOTCHIPS, note="PCIe 5.0 x8"),
        "power.tdp": Source(_HOTCHIPS, note="design power; 500 W provisioned; SWS prints 860"),
        "die": Source(_HOTCHIPS), "die.count": Source(_HOTCHIPS), "other_peaks": Source(_HOTCHIPS),
    },
)

CHIPS: tuple[Chip, ...] = (MAIA_100,)
"""Every chip of this module."""
