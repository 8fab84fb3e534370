"""SystolicCore: matrix arrays fed from a scratchpad, with a vector unit and DMA to device memory."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.errors import ArchsimError, unknown
from archsim.hardware.memory import Scratchpad
from archsim.hardware.part import Table, by_dtype, figure, option, part, table, whole

DATAFLOWS = ("ws", "os", "is")
"""Weight-, output- and input-stationary: which operand of a product stays in the array while the others stream."""


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
    load_bytes: float | Mapping[str, float] = by_dtype(
        "B/cycle", "bytes of the next weight tile loaded into each column per cycle", default=8.0)
    latency: float | Mapping[str, float] | None = by_dtype(
        "cycle", "from the first moving row in to its result out; rows + cols - 1 if not given", default=None, low=1.0,
        high=1e6)
    dataflows: tuple[str, ...] = option("dataflows that the array allows, of ws, os and is; the fastest is taken",
                                        default=("ws",))
    shadow: bool = option("the next weight tile loads beside the one in use", default=True)
    row_granule: float = figure("B", "moving rows are issued in groups of this many bytes per array row; 0: singly",
                                default=0.0, high=1e6)
    min_issue: float = figure("cycle", "fewest cycles that one weight tile occupies the array", default=1.0, high=1e6)
    accumulator_rows: int | None = whole("moving rows whose partial sums stay beside one array; twice the rows that "
                                         "hide a weight load if not given", default=None, high=100_000_000)

    def __post_init__(self) -> None:
        for dataflow in self.dataflows:
            if dataflow not in DATAFLOWS:
                raise unknown("dataflow in MatrixArray.dataflows", dataflow, DATAFLOWS)
        if not self.dataflows:
            raise ArchsimError(f"MatrixArray.dataflows must name at least one of {', '.join(DATAFLOWS)}")
        for name in ("load_bytes", "latency"):
            figures = getattr(self, name)
            missing = [d for d in self.rows_per_cycle if isinstance(figures, Table) and d not in figures]
            if missing:
                raise ArchsimError(f"MatrixArray.{name} lacks {missing[0]!r}, which rows_per_cycle has")

    def load_rate(self, dtype: str) -> float:
        """Return the bytes per cycle at which each column takes weights of `dtype`."""
        return self.load_bytes[dtype] if isinstance(self.load_bytes, Mapping) else self.load_bytes

    def delay(self, dtype: str) -> float:
        """Return the cycles from the first moving row of `dtype` in to its result out."""
        if self.latency is None:
            return self.rows + self.cols - 1.0
        return self.latency[dtype] if isinstance(self.latency, Mapping) else self.latency


@part
class VectorUnit:
    """The vector unit of one core: `lanes` elements wide, `alus` operations per element and cycle.

    What goes along a row (sums, maxima, transposes, top-k) ends in a unit of its own, which moves `cross_lane` elements
    per cycle: registers of one row are first combined lane by lane on the ALUs, until one is left with `row_lanes`
    partial results per row. Results of 32 bits are the normal case. `packed` says what 16-bit elements do to it: 2
    where an ALU takes a packed pair, 1 where one takes the place of a 32-bit element, and below 1 where it must be
    unpacked first and packed after: a single operation then takes 1 / `packed` slots (3 for unpack, add, pack), and a
    fused chain pays those conversions once.
    """

    lanes: int = whole("elements processed per cycle by each ALU slot", high=100_000_000)
    alus: int = whole("ALU slots that issue together", default=1)
    transcendentals: float | None = figure("element/cycle", "exp, log, rsqrt, reciprocal; lanes if not given",
                                           default=None)
    cross_lane: float | None = figure("element/cycle", "moved across lanes: reductions along rows, transposes, top-k; "
                                      "lanes if not given", default=None)
    row_lanes: int | None = whole("lanes across which neighbours of one row lie; lanes if not given", default=None)
    packed: float = figure("", "rate of single operations on 16-bit elements relative to 32-bit ones", default=1.0,
                           low=0.1, high=2.0)
    clock: float | None = figure("Hz", "clock, if it is not the chip's", default=None, low=1e6, high=1e11)


@part
class SystolicCore:
    """One core of a systolic machine (a TensorCore, a NeuronCore)."""

    array: MatrixArray = option("MatrixArray(rows=..., cols=...)")
    vector: VectorUnit = option("VectorUnit(lanes=...)")
    scratchpad: Scratchpad = option("Scratchpad(capacity=..., ...)")
    kernel_share: float = figure("", "share of the scratchpad that one operator's blocks may fill; the compiler keeps "
                                 "the rest for whole operands and prefetched weights", default=1.0, low=0.001,
                                 high=1.0)
    dma_latency: float = figure("s", "latency of one DMA from device memory to scratchpad", default=700e-9,
                                high=1e-3)
    dma_write_latency: float | None = figure("s", "latency of one DMA back to device memory; dma_latency if not given",
                                             default=None, high=1e-3)
    dma_bandwidth: float | None = figure("B/s", "most that the DMA engines of one core move; no limit if not given",
                                         default=None, low=1e6)
    dma_queue: int | None = whole("DMAs of one core in flight at most; no limit if not given", default=None)
    dma_bytes: float | None = figure("B", "bytes that one DMA moves at most", default=None)
    step_overhead: float = figure("s", "instructions around one block step (loop, semaphores, DMA issue); DMAs go "
                                  "on; in a scratchpad of 1 MiB or less steps are so short that this figure decides",
                                  default=250e-9, high=1e-3)
    fuse_elementwise: bool = option("elementwise operators ride with the matrix product that feeds them, as an "
                                    "ahead-of-time compiler arranges", default=True)
    prefetch: bool = option("in scratchpad that blocks may not fill, whole operands stay and weights of the next "
                            "operator arrive while the memory idles, as an ahead-of-time compiler arranges",
                            default=True)

    kind = "systolic"

    def __post_init__(self) -> None:
        if self.dma_queue is not None and self.dma_bytes is None:
            raise ArchsimError("SystolicCore.dma_queue needs dma_bytes, the bytes that one DMA moves at most")

    @property
    def dma_rate(self) -> float | None:
        """Bytes per second that the DMA engines of one core move at most; None if nothing limits them.

        Little's law: with `dma_queue` transfers of `dma_bytes` in flight, each `dma_latency` long, no more than
        dma_queue x dma_bytes / dma_latency arrive per second.
        """
        limits = [] if self.dma_bandwidth is None else [self.dma_bandwidth]
        if self.dma_queue is not None and self.dma_bytes is not None and self.dma_latency:
            limits.append(self.dma_queue * self.dma_bytes / self.dma_latency)
        return min(limits, default=None)

    @property
    def rates(self) -> Mapping[str, float]:
        """Moving rows per cycle, by dtype: the dtypes that the arrays take."""
        return self.array.rows_per_cycle

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one core."""
        a = self.array
        return 2.0 * a.rows * a.cols * a.count * a.rows_per_cycle[dtype]
