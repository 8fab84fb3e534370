"""SystolicCore: matrix arrays fed from a scratchpad, with a vector unit and DMA to device memory."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.hardware.memory import Scratchpad
from archsim.hardware.part import Table, figure, option, part, table, whole


@part
class MatrixArray:
    """A weight-stationary array of processing elements: `rows` is its contraction (K) side, `cols` its N side.

    Weights stay in the array while moving rows stream through it, `rows_per_cycle` at a time. The next tile of weights
    shifts into shadow registers meanwhile, through a port of `load_bytes` per column, so that a wider number format
    loads more slowly. Partial sums of up to `accumulator_rows` moving rows stay beside the array (result registers,
    an accumulator file, a partial-sum buffer); more of them travel through the scratchpad.

    What is not known of a hypothetical array has a default with a physical meaning: weights load at 8 bytes per column
    and cycle (four bf16 rows: what is documented of TPU v5e, v5p and v6e, 16 rows per 4 cycles in
    openxla/xla@acb91cbace60 platform_info.py, and of Trainium, whose NKI guide says 4 times faster than the moving
    rows; a plain shift chain, as in TPU v1, loads one row per cycle); a latency of ``rows + cols - 1`` cycles (the
    skew of a wavefront: the last result of a moving row leaves that long after its first element enters); accumulators
    for twice the moving rows that hide one weight load (one half drains while the other fills).
    """

    rows: int = whole("processing elements along K", high=65536)
    cols: int = whole("processing elements along N", high=65536)
    count: int = whole("arrays per core", default=1, high=65536)
    rows_per_cycle: Mapping[str, float] = table("row/cycle", "moving rows taken per cycle by one array, by dtype",
                                                default=Table({"bf16": 1.0}))
    load_bytes: float = figure("B/cycle", "bytes of the next weight tile loaded into each column per cycle",
                               default=8.0)
    latency: int | None = whole("cycles from the first moving row in to its result out; rows + cols - 1 if not given",
                                default=None)
    row_granule: float = figure("B", "moving rows are issued in groups of this many bytes per array row; 0: singly",
                                default=0.0, high=1e6)
    min_issue: float = figure("cycle", "fewest cycles that one weight tile occupies the array", default=1.0, high=1e6)
    accumulator_rows: int | None = whole("moving rows whose partial sums stay beside one array; twice the rows that "
                                         "hide a weight load if not given", default=None, high=100_000_000)


@part
class VectorUnit:
    """The vector unit of one core: `lanes` elements wide, `alus` operations per element and cycle."""

    lanes: int = whole("elements processed per cycle by each ALU slot", high=100_000_000)
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
    kernel_share: float = figure("", "share of the scratchpad that one operator's blocks may fill; the compiler keeps "
                                 "the rest for prefetched operands", default=1.0, low=0.001, high=1.0)
    dma_latency: float = figure("s", "latency of one DMA from device memory to scratchpad", default=700e-9,
                                high=1e-3)
    dma_write_latency: float | None = figure("s", "latency of one DMA back to device memory; dma_latency if not given",
                                             default=None, high=1e-3)
    dma_bandwidth: float | None = figure("B/s", "most that the DMA engines of one core move; no limit if not given",
                                         default=None, low=1e6)
    step_overhead: float = figure("s", "fixed cost of one pipelined block step (DMA issue, semaphores)",
                                  default=250e-9, high=1e-3)
    fuse_elementwise: bool = option("elementwise operators ride with the matrix product that feeds them, as an "
                                    "ahead-of-time compiler arranges", default=True)

    kind = "systolic"

    @property
    def rates(self) -> Mapping[str, float]:
        """Moving rows per cycle, by dtype: the dtypes that the arrays take."""
        return self.array.rows_per_cycle

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one core."""
        a = self.array
        return 2.0 * a.rows * a.cols * a.count * a.rows_per_cycle[dtype]
