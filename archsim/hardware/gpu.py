"""GpuCore: one streaming multiprocessor (or compute unit) with its tensor core, shared memory and registers."""

from __future__ import annotations

from archsim.hardware.memory import Scratchpad
from archsim.hardware.part import Table, figure, option, part, table, whole


@part
class TensorCore:
    """The matrix engine of one SM."""

    macs: Table = table("MAC/cycle", "dense multiply-adds per cycle of one SM, by dtype")
    pair: int = whole("SMs that share the B operand of one instruction", default=1, high=8)


@part
class GpuCore:
    """One SM or CU."""

    tensor: TensorCore = option("TensorCore(macs={'bf16': ...})")
    shared: Scratchpad = option("shared memory: Scratchpad(capacity=..., ...)")
    registers: float = figure("B", "register file", default=256 * 1024.0)
    fp32_lanes: int = whole("fp32 multiply-adds per cycle", default=128)
    sfu: float = figure("op/cycle", "transcendentals per cycle (special-function units)", default=16.0)
    fill_bytes: float = figure("B/cycle", "port from L2 into one SM", default=64.0)
    launch: float = figure("s", "device-side cost of a dependent kernel in a replayed graph", default=1.25e-6,
                           high=1e-2)

    kind = "gpu"

    @property
    def rates(self) -> Table:
        """MAC per cycle of one SM, by dtype."""
        return self.tensor.macs

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one SM."""
        return 2.0 * self.tensor.macs[dtype]
