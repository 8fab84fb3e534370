"""RooflineCore: a core of which only the peak is published; it is simulated as a roofline and says so."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.hardware.part import figure, option, part, table


@part
class RooflineCore:
    """One core known by its peak alone, with stated efficiencies instead of a microarchitecture.

    Where nothing better is known: large products reach 0.5 to 0.87 of the peak on published GPUs, most of them 0.73 or
    more (stas00/ml-engineering, Azure benchmarks); vector units do a 16th of the matrix rate, as 64 fp32 lanes beside
    1024 multiply-adds do on one generation of SMs and 128 beside 2048 on the next; an operator costs 1.6 to 2.6 us, as
    dependent small kernels in a stream do (te42kyfo/gpu-benches).
    """

    rates: Mapping[str, float] = table("FLOP/cycle", "dense matrix FLOP per cycle of one core, by dtype")
    efficiency: float = figure("", "share of the peak that a large matrix product reaches", default=0.8, low=0.01,
                               high=1.0)
    vector: float | None = figure("op/cycle", "vector operations per cycle; a 16th of the matrix rate if not given",
                                  default=None)
    fuse_elementwise: bool = option("elementwise operators ride with the matrix product that feeds them", default=False)
    launch: float = figure("s", "fixed cost of one operator", default=2e-6, high=1e-2)

    kind = "roofline"

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one core."""
        return self.rates[dtype]
