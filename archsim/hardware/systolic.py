"""SystolicCore: matrix arrays fed from a scratchpad, with a vector unit and DMA to device memory."""

from __future__ import annotations

from archsim.hardware.memory import Scratchpad
from archsim.hardware.part import Table, figure, option, part, table, whole


@part
class MatrixArray:
    """A weight-stationary array of processing elements: `rows` is its contraction (K) side, `cols` its N side.

    A weight tile is loaded into shadow registers while the previous tile streams, `load_rows` array rows per cycle.
    Moving rows enter `rows_per_cycle` at a time.
    """

    rows: int = whole("processing elements along K", high=65536)
    cols: int = whole("processing elements along N", high=65536)
    count: int = whole("arrays per core", default=1, high=65536)
    rows_per_cycle: Table = table("row/cycle", "moving rows retired per cycle by one array, by dtype",
                                  default=Table({"bf16": 1.0}))
    load_rows: float = figure("row/cycle", "array rows of the next weight tile loaded per cycle", default=1.0)
    latency: int | None = whole("cycles from the first moving row in to its result out; rows if not given",
                                default=None)
    row_granule: float = figure("B", "moving rows are issued in groups of this many bytes per column; 0: singly",
                                default=0.0)
    min_issue: int = whole("fewest cycles that one weight tile occupies the array", default=1)


@part
class VectorUnit:
    """The vector unit of one core: `lanes` elements wide, `alus` operations per element and cycle."""

    lanes: int = whole("elements processed per cycle by each ALU slot")
    alus: int = whole("ALU slots that issue together", default=1)
    transcendentals: float | None = figure("element/cycle", "exp, log, rsqrt, reciprocal; lanes if not given",
                                           default=None)
    clock: float | None = figure("Hz", "clock, if it is not the chip's", default=None, low=1e6, high=1e11)


@part
class SystolicCore:
    """One core of a systolic machine (a TensorCore, a NeuronCore)."""

    array: MatrixArray = option("MatrixArray(rows=..., cols=...)")
    vector: VectorUnit = option("VectorUnit(lanes=...)")
    scratchpad: Scratchpad = option("Scratchpad(capacity=..., ...)")
    dma_latency: float = figure("s", "latency of one DMA between device memory and scratchpad", default=700e-9,
                                high=1e-3)
    step_overhead: float = figure("s", "fixed cost of one pipelined block step (DMA issue, semaphores)",
                                  default=250e-9, high=1e-3)

    kind = "systolic"

    @property
    def rates(self) -> Table:
        """Moving rows per cycle, by dtype: the dtypes that the arrays take."""
        return self.array.rows_per_cycle

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one core."""
        a = self.array
        return 2.0 * a.rows * a.cols * a.count * a.rows_per_cycle[dtype]
