"""Intel (Habana) Gaudi2."""

from archsim.chips.prices import price_source, usd
from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Chip, Die, Link, Memory, Power, Source
from archsim.units import GB, TFLOPS, GB_per_s, GHz, W

_DECK = "Hot Chips 2024, Gaudi 3 deck, Gaudi2 column (sgpjbg.com)"
_PAPER = Source("Intel Gaudi2 white paper", "published-unverified")

GAUDI2 = Chip(
    name="gaudi2", vendor="Intel", year=2022,
    **roofline({"bf16": 432 * TFLOPS, "fp8": 865 * TFLOPS}, clock=1.65 * GHz, cores=2, efficiency=0.99,
               fuse_elementwise=True),
    memory=Memory(type="HBM2e", stacks=6, capacity=96 * GB, bandwidth=2460 * GB_per_s),
    link=Link(type="100 Gb Ethernet", bandwidth=300 * GB_per_s, count=24,
              topology="fully connected by 21 of them", pod=8),
    power=Power(tdp=600 * W),
    die=Die(process="7nm", count=1),
    price=usd("gaudi2"),
    notes=(ROOFLINE_NOTE, "two 256 x 256 arrays at 1.65 GHz close its peak, as eight at 1.75 GHz close Gaudi 3's; "
           "beside them 24 vector cores (TPCs) and 48 MB of shared memory"),
    sources={
        **roofline_sources(
            Source(_DECK, note="fp8: white paper, unverified"),
            Source("solved: 2 x 65536 x 2 x clock = 432 TFLOP/s", "derived"), _PAPER),
        "core.efficiency": Source("429.3 of 432 TFLOP/s, best shape: stas00/ml-engineering @b9e29720"),
        "core.fuse_elementwise": Source("its graph compiler fuses them", "published-unverified"),
        "year": _PAPER, "memory.type": _PAPER, "memory.stacks": _PAPER,
        "memory.capacity": Source(_DECK), "memory.bandwidth": Source(_DECK),
        "link": Source(_DECK, note="24 x 100 GbE, 4.8 Tb/s both ways"), "link.pod": Source("HLS-2 server"),
        "power.tdp": Source(_DECK), "die": Source(_DECK), "price": price_source("gaudi2"),
    },
)

CHIPS: tuple[Chip, ...] = (GAUDI2,)
"""Every chip of this module."""
