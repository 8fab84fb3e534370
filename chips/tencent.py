"""Tencent Zixiao, of which no performance figure is published."""

from archsim.hardware import Source
from archsim.hardware.listing import Listing

_LAUNCH = Source("coverage of the launch, 2021-11-03: viuna.cn, chnfund.com")

ZIXIAO = Listing(
    name="zixiao", vendor="Tencent", year=2021,
    missing=("peak", "memory capacity", "memory bandwidth"),
    memory_type="HBM2e",
    notes=("2.5D package; twice the performance of others of its time is all that was said",),
    sources={"year": _LAUNCH, "memory_type": _LAUNCH},
)

LISTINGS: tuple[Listing, ...] = (ZIXIAO,)
"""Every chip of this module; none can be run."""
