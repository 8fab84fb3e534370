"""One systolic array by itself: its cycles by cause, and the product computed in its registers.

`count` knows a matrix product from recurrences over folds. `run` moves real numbers through every register in every
cycle and measures the same figures. `trace` shows each cycle of a small array. What each dataflow keeps in the
processing elements (PE), and what streams past it, of ``out[m, n] = sum over k of a[m, k] b[k, n]``:

==========  ==================  ==============  ======================
dataflow    rows x columns      streams         leaves at the bottom
==========  ==================  ==============  ======================
``ws``      b: K x N            M rows of a     partial sums of out
``is``      a: K x M            N columns of b  partial sums of out
``os``      out: M x N          K of a and b    finished sums of out
==========  ==================  ==============  ======================
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archsim.errors import ArchsimError, UnsupportedError, positive_int, unknown
from archsim.kernels import array_folds, array_registers

DATAFLOWS = {"ws": "weight-stationary", "is": "input-stationary", "os": "output-stationary"}
TRACE_SIDE, TRACE_CYCLES = 16, 5000  # a larger picture is unreadable
CAUSES = ("load", "stream", "drain", "skew")  # in the order of the kernel
MOST = {"rows": 65536, "cols": 65536, "rows_per_cycle": 64, "load_rows": 65536}
LARGEST = 2**60  # multiply-adds; cycles and words of fewer fit in 64 bits
LONGEST = 1e12  # multipliers of PEs times cycles: some five minutes of one core
PARALLEL = 10_000_000  # products below which starting threads costs more than they save

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ArrayCount:
    """What a matrix product costs on one systolic array. Cycles add up: load + stream + skew + drain."""

    m: int
    n: int
    k: int
    rows: int  # PEs
    cols: int  # PEs
    dataflow: str  # ws, is or os
    shadow: bool  # the PEs have a second set of registers for the next (os: the last) tile
    rows_per_cycle: int  # moving rows (os: values of k) that enter per cycle; as many multiply-adds per PE and cycle
    load_rows: int  # rows of the stationary tile that enter (os: leave) per cycle
    folds: int  # stationary tiles
    load: int  # cycles in which the array waits for a stationary tile
    stream: int  # cycles in which moving operands enter
    skew: int  # cycles in which only the tail of the wave is under way, from PE (0, 0) to the far corner
    drain: int  # cycles in which nothing enters because results leave (os)
    read_a: int  # words of a read from SRAM
    read_b: int  # words of b read from SRAM
    written: int  # results that leave the array; ws and is add them up beside it, fold by fold

    @property
    def cycles(self) -> int:
        """Cycles from the first word that enters until the last result has left."""
        return self.load + self.stream + self.skew + self.drain

    @property
    def macs(self) -> int:
        """Multiply-adds that the product needs."""
        return self.m * self.n * self.k

    @property
    def utilization(self) -> float:
        """Multiply-adds over those that all PEs could do in the time."""
        return self.macs / (self.cycles * self.rows * self.cols * self.rows_per_cycle)

    @property
    def sram_per_mac(self) -> float:
        """Words that cross the edge of the array per multiply-add."""
        return (self.read_a + self.read_b + self.written) / self.macs


@dataclass(frozen=True, eq=False)
class ArrayRun(ArrayCount):
    """The same, measured at the register level, and what only that level knows."""

    product: Array = field(repr=False)  # M x N: float32 for floating-point operands, int64 for integers
    activity: Array = field(repr=False)  # R x C: cycles in which each PE multiplied data
    register_reads: int  # registers read by PEs that multiply data or pass a tile on
    register_writes: int  # registers written by them
    port_rows: int  # most rows that the load or drain port moved into or out of one column in one cycle

    @property
    def registers_per_mac(self) -> float:
        """Registers read and written per multiply-add."""
        return (self.register_reads + self.register_writes) / self.macs


@dataclass(frozen=True, eq=False)
class ArrayFrame:
    """The registers of every PE after one cycle; arrays are lanes x R x C, with one lane where a PE has one register.

    A tag says which element a register holds: ``a_at[lane, r, c]`` is (m, k), ``b_at`` (k, n), ``sums_at`` and
    ``second_at`` (m, n); (-1, -1) is an empty register. `second` is the second set: the next stationary tile (its tags
    are those of its operand), or the finished sums that drain (os).
    """

    cycle: int
    cause: str  # load, stream, skew or drain: what the cycle counts as
    a: Array
    a_at: Array
    b: Array
    b_at: Array
    sums: Array
    sums_at: Array
    second: Array
    second_at: Array
    port_begins: int  # fold whose tile begins to load (os: drain) in this cycle, -1 for none


def count(
    m: int, n: int, k: int, *, rows: int, cols: int, dataflow: str = "ws", shadow: bool = True,
    rows_per_cycle: int = 1, load_rows: int = 1,
) -> ArrayCount:
    """Count the cycles and SRAM words of ``out[m, n] = a[m, k] b[k, n]`` on one array, from recurrences over folds.

    Parameters
    ----------
    m, n, k
        Size of the product, elements.
    rows, cols
        Processing elements of the array.
    dataflow
        ``ws`` (weight-stationary: b stays), ``is`` (input-stationary: a stays) or ``os`` (output-stationary).
    shadow
        Whether PEs have a second set of registers: the next tile loads (os: the last one drains) while this one
        streams. Without it load, stream, drain and the tail of the wave follow each other, fold by fold.
    rows_per_cycle
        Moving rows that enter per cycle; each PE does as many multiply-adds per cycle.
    load_rows
        Rows of the stationary tile that enter (os: leave) through each column per cycle.

    Returns
    -------
    ArrayCount

    Raises
    ------
    ArchsimError
        A size is not a whole number of at least 1, the dataflow is not known, or the product is too large to count.
    """
    asked = _asked(rows, cols, dataflow, shadow, rows_per_cycle, load_rows)
    m, n, k = positive_int("m", m), positive_int("n", n), positive_int("k", k)
    if m * n * k > LARGEST:
        raise ArchsimError(f"{m:,} x {n:,} x {k:,} is too large a product to count in 64 bits")
    high, wide, long = {"ws": (k, n, m), "is": (k, m, n), "os": (m, n, k)}[dataflow]
    times, words, folds = array_folds.product_times(
        high, wide, long, rows, cols, rows_per_cycle, min(load_rows, rows), dataflow == "os", asked["shadow"])
    left, top = (words.top, words.left) if dataflow == "is" else (words.left, words.top)
    return ArrayCount(m=m, n=n, k=k, **asked, folds=folds, load=times.load, stream=times.stream, skew=times.skew,
                      drain=times.drain, read_a=left, read_b=top, written=words.results)


def run(
    a: Any, b: Any, *, rows: int, cols: int, dataflow: str = "ws", shadow: bool = True, rows_per_cycle: int = 1,
    load_rows: int = 1,
) -> ArrayRun:
    """Multiply `a` by `b` in the registers of one array, cycle by cycle, and measure.

    Every register of every PE is simulated in every cycle, so that a large product takes long: cycles x rows x cols
    over some 10^9 per second and core. Stretches of folds run on different cores; the result does not depend on how
    many there are.

    Parameters
    ----------
    a, b
        M x K and K x N numbers. float16 and float32 are multiplied and added up in float32, fold by fold; integers
        of 32 bits (wider ones if their values fit) are added up in int64.
    rows, cols, dataflow, shadow, rows_per_cycle, load_rows
        See `count`.

    Returns
    -------
    ArrayRun

    Raises
    ------
    ArchsimError
        What `count` raises; a or b is not a matrix of numbers that the array takes; their inner sizes differ; the
        product would take more than some five minutes.
    """
    asked = _asked(rows, cols, dataflow, shadow, rows_per_cycle, load_rows)
    left, right = _operands(a, b)
    (m, k), n = left.shape, right.shape[1]
    expected = count(m, n, k, **asked)
    if expected.cycles * rows * cols * rows_per_cycle > LONGEST:
        raise ArchsimError(f"{expected.cycles:,} cycles of {rows} x {cols} PEs are too many for the register level; "
                           "count() gives the same cycles at once")
    product, activity, stretches, folds = _simulate(left, right, asked)
    sums = array_registers.Stretch(*(sum(column) for column in zip(*stretches, strict=True)))
    swapped = dataflow == "is"
    # A PE that multiplies reads its neighbours' registers and writes its own: per multiply-add the moving operand and
    # the sum (os: both operands), per cycle the stationary operand (os: its sum, which it also writes).
    macs, busy = m * n * k, int(activity.sum())
    return ArrayRun(
        m=m, n=n, k=k, **asked, folds=folds, load=sums.load, stream=sums.stream, skew=sums.skew, drain=sums.drain,
        read_a=sums.top_words if swapped else sums.left_words, read_b=sums.left_words if swapped else sums.top_words,
        written=sums.results, product=product, activity=activity, port_rows=max(s.port_rows for s in stretches),
        register_reads=2 * macs + busy + sums.tile_reads,
        register_writes=2 * macs + (busy if dataflow == "os" else 0) + sums.tile_writes)


def trace(
    a: Any, b: Any, *, rows: int, cols: int, dataflow: str = "ws", shadow: bool = True, rows_per_cycle: int = 1,
    load_rows: int = 1,
) -> list[ArrayFrame]:
    """Return the registers of every PE of a small array after every cycle, with what each of them holds.

    Parameters
    ----------
    a, b, rows, cols, dataflow, shadow, rows_per_cycle, load_rows
        See `run`; at most 16 x 16 PEs and 5,000 cycles.

    Returns
    -------
    list of ArrayFrame
        One per cycle.

    Raises
    ------
    ArchsimError
        What `run` raises; the array or the product is too large to look at.
    """
    asked = _asked(rows, cols, dataflow, shadow, rows_per_cycle, load_rows)
    left, right = _operands(a, b)
    (m, k), n = left.shape, right.shape[1]
    if max(rows, cols) > TRACE_SIDE:
        raise ArchsimError(f"a trace is for arrays of at most {TRACE_SIDE} x {TRACE_SIDE}, not {rows} x {cols}")
    expected = count(m, n, k, **asked)
    if expected.cycles > TRACE_CYCLES:
        raise ArchsimError(f"a trace is for at most {TRACE_CYCLES:,} cycles; this product takes {expected.cycles:,}")
    values = _Record(expected.cycles, asked, left)
    _simulate(left, right, asked, values)
    # The same machine once more with the number of each element (from 1) instead of its value: 0 is an empty register.
    numbers_a, numbers_b = (np.arange(1, x.size + 1, dtype=np.int32).reshape(x.shape) for x in (left, right))
    places = _Record(expected.cycles, asked, numbers_a)
    _simulate(numbers_a, numbers_b, asked, places)
    return [_frame(cycle, values, places, expected) for cycle in range(expected.cycles)]


def _asked(rows: Any, cols: Any, dataflow: Any, shadow: Any, rows_per_cycle: Any, load_rows: Any) -> dict[str, Any]:
    """Return the checked description of an array."""
    if dataflow not in list(DATAFLOWS):  # a list, as what was given may not be hashable
        raise unknown("dataflow", dataflow, DATAFLOWS)
    if not isinstance(shadow, bool):
        raise ArchsimError(f"shadow must be True or False, not {shadow!r}")
    sizes = {"rows": rows, "cols": cols, "rows_per_cycle": rows_per_cycle, "load_rows": load_rows}
    return {**{name: positive_int(name, size, MOST[name]) for name, size in sizes.items()},
            "dataflow": dataflow, "shadow": shadow}


def _matrix(name: str, given: Any) -> Array:
    """Return a matrix of numbers as the array takes them: float32 or int32."""
    try:
        matrix = np.asarray(given)
    except ValueError:
        raise ArchsimError(f"{name} is not a matrix: its rows differ in length") from None
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ArchsimError(f"{name} must be a matrix with at least one row and column; its shape is {matrix.shape}")
    if matrix.dtype in (np.float16, np.float32):
        return matrix.astype(np.float32)
    if matrix.dtype.kind not in "iu":
        hint = "; round it yourself: .astype(numpy.float32)" if matrix.dtype == np.float64 else ""
        raise UnsupportedError(f"{name} holds {matrix.dtype}, and the array takes float16, float32 and integers{hint}")
    bounds = np.iinfo(np.int32)
    if matrix.min() < bounds.min or matrix.max() > bounds.max:
        raise ArchsimError(f"{name} holds integers that do not fit in 32 bits: {matrix.min()} to {matrix.max()}")
    return matrix.astype(np.int32)


def _operands(a: Any, b: Any) -> tuple[Array, Array]:
    """Return both matrices, of one type; their inner sizes agree."""
    left, right = _matrix("a", a), _matrix("b", b)
    if left.shape[1] != right.shape[0]:
        raise ArchsimError(f"a is {left.shape[0]} x {left.shape[1]} and b is {right.shape[0]} x {right.shape[1]}: "
                           "the columns of a must be as many as the rows of b")
    if left.dtype != right.dtype:
        raise ArchsimError(f"a holds {np.asarray(a).dtype} and b {np.asarray(b).dtype}: the PEs multiply integers or "
                           "floating-point numbers, not one by the other")
    return left, right


def _sum_type(operand: Array) -> np.dtype[Any]:
    """Return the type of the partial sums of an operand."""
    return np.dtype(np.int64 if operand.dtype == np.int32 else np.float32)


class _Record:
    """Buffers for the registers of every cycle: moving operands, the other operand, sums, the second set."""

    def __init__(self, cycles: int, asked: dict[str, Any], operand: Array) -> None:
        shape, lanes = (asked["rows"], asked["cols"]), asked["rows_per_cycle"]
        stays = asked["dataflow"] == "os"  # the sums
        sums = _sum_type(operand)
        self.moving = np.zeros((cycles, lanes, *shape), operand.dtype)
        self.other = np.zeros((cycles, lanes if stays else 1, *shape), operand.dtype)
        self.sums = np.zeros((cycles, 1 if stays else lanes, *shape), sums)
        self.second = np.zeros((cycles, 1, *shape), sums if stays else operand.dtype)
        self.log = np.full((cycles, 5), -1)

    @property
    def buffers(self) -> tuple[Array, Array, Array, Array, Array]:
        """All of them, in the order of the kernels' arguments."""
        return self.moving, self.other, self.sums, self.second, self.log


def _simulate(
    a: Array, b: Array, asked: dict[str, Any], record: _Record | None = None,
) -> tuple[Array, Array, list[array_registers.Stretch], int]:
    """Run the registers; return the product, each PE's activity, what each stretch of folds measured, and folds."""
    rows, cols, dataflow = asked["rows"], asked["cols"], asked["dataflow"]
    (m, k), n = a.shape, b.shape[1]
    kernel: Callable[..., tuple[int, ...]]
    if dataflow == "os":
        kernel, first, second, out = array_registers.stationary_output, a, b.T, np.zeros((m, n), _sum_type(a))
        down, across = -(-m // rows), -(-n // cols)
    else:
        moving, stays = (a.T, b) if dataflow == "ws" else (b, a.T)
        kernel, first, second = array_registers.stationary_operand, moving, stays
        out = np.zeros((stays.shape[1], moving.shape[1]), _sum_type(a))
        down, across = -(-k // rows), -(-stays.shape[1] // cols)
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    # Stretches end where a column of tiles ends: no two then add to the same sums, and their order does not matter.
    short = record is not None or m * n * k < PARALLEL
    parts = 1 if short else min(os.cpu_count() or 1, across)
    bounds = [across * part // parts * down for part in range(parts + 1)]
    activity, stop = np.zeros((parts, rows, cols), np.int64), np.zeros(1, np.bool_)
    buffers = (record or _Record(0, asked, a)).buffers

    def stretch(part: int) -> array_registers.Stretch:
        return array_registers.Stretch(*kernel(
            first, second, out, activity[part], asked["rows_per_cycle"], min(asked["load_rows"], rows),
            asked["shadow"], bounds[part], bounds[part + 1], *buffers, stop))

    if short:
        stretches = [stretch(0)]
    else:
        with ThreadPoolExecutor(parts) as pool:
            try:
                stretches = list(pool.map(stretch, range(parts)))
            except BaseException:  # Ctrl-C reaches this thread alone
                stop[0] = True
                raise
    product = np.ascontiguousarray(out.T) if dataflow == "ws" else out
    return product, activity.sum(axis=0), stretches, down * across


def _tags(first: Array, second: Array, high: int, wide: int) -> Array:
    """Return pairs of indices into a high x wide matrix; (-1, -1) where there is no such element."""
    first, second = np.broadcast_arrays(first, second)
    inside = (first >= 0) & (first < high) & (second >= 0) & (second < wide)
    return np.where(inside[..., None], np.stack([first, second], axis=-1), -1)


def _frame(cycle: int, values: _Record, places: _Record, shape: ArrayCount) -> ArrayFrame:
    """Put one cycle's registers beside what they hold."""
    m, n, k, dataflow = shape.m, shape.n, shape.k, shape.dataflow
    r, c = np.indices((shape.rows, shape.cols))
    local = cycle - r - c  # the cycle in which PE (0, 0) did what PE (r, c) does now
    issued, live, step, port_fold, _ = np.moveaxis(np.where((local >= 0)[..., None], values.log[local], -1), -1, 0)
    row = np.where(issued >= 0, issued + np.arange(shape.rows_per_cycle)[:, None, None], -1)

    def elements(numbers: Array, wide: int) -> Array:  # numbered from 1; 0 is none
        return np.where(numbers[..., None] > 0, np.stack(np.divmod(numbers - 1, wide), axis=-1), -1)

    moving, other, sums, second = (buffer[cycle] for buffer in values.buffers[:4])
    moving_id, other_id, _, second_id = (buffer[cycle] for buffer in places.buffers[:4])
    if dataflow == "os":
        def results(fold: Array) -> Array:
            across, down = np.divmod(fold, -(-m // shape.rows))
            return _tags(np.where(fold < 0, -1, down * shape.rows + r), across * shape.cols + c, m, n)[None]

        waiting = shape.shadow & (step >= 0) & (step < r // min(shape.load_rows, shape.rows))
        sums_at, second_at = results(live), results(np.where(waiting, port_fold, -1))
    else:
        column = live // -(-k // shape.rows) * shape.cols + c
        sums_at = _tags(row, column, m, n) if dataflow == "ws" else _tags(column, row, m, n)
        fresh = np.where(second_id == other_id, 0, second_id)  # what has been handed over is no longer the next tile
        second_at = elements(fresh, n if dataflow == "ws" else k)
    cause = CAUSES[values.log[cycle, 4]]
    if dataflow == "is":
        moving, other, moving_id, other_id = other, moving, other_id, moving_id
    return ArrayFrame(cycle, cause, moving, elements(moving_id, k), other, elements(other_id, n), sums, sums_at,
                      second, second_at, int(values.log[cycle, 3]) if values.log[cycle, 2] == 0 else -1)
