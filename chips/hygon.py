"""Hygon DCU Shensuan-1."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, GHz, W

_PROSPECTUS = Source("Hygon prospectus, quoted in Soochow report, 2024-03")

SHENSUAN_1 = Chip(
    name="hygon-shensuan-1", vendor="Hygon", year=2021,
    **roofline({"fp16": 24.5 * TFLOPS, "fp32": 11.5 * TFLOPS}, clock=1.5 * GHz, cores=64, vector=64),
    memory=Memory(type="HBM2", stacks=4, capacity=32 * GB, bandwidth=1024 * GB_per_s),
    link=Link(type="xGMI", bandwidth=92 * GB_per_s, count=2),
    power=Power(tdp=350 * W), die=Die(process="7nm", count=1),
    other_peaks={"fp64": 10.1 * TFLOPS},
    notes=(ROOFLINE_NOTE, "its peaks need 1.23 GHz (fp64), 1.40 (fp32) and 1.50 (fp16); up to 1.5 and 1.7 are printed"),
    sources={
        **roofline_sources(_PROSPECTUS, Source(_PROSPECTUS.text, note="1.7 GHz in fp32"), _PROSPECTUS),
        "core.vector": Source("4096 lanes on 64 CUs", "derived"),
        "year": Source("date of the prospectus", "estimated"),
        "memory.type": _PROSPECTUS, "memory.stacks": Source("4096 bit", "derived"), "memory.capacity": _PROSPECTUS,
        "memory.bandwidth": Source(_PROSPECTUS.text, note="4096 bit at 2.0 Gb/s"),
        "link": Source(_PROSPECTUS.text, "derived", "up to 184 GB/s both ways"), "power.tdp": _PROSPECTUS,
        "die": _PROSPECTUS, "other_peaks": _PROSPECTUS,
    },
)

CHIPS: tuple[Chip, ...] = (SHENSUAN_1,)
"""Every chip of this module."""
