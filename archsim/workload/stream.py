"""Operators without matrix work: elementwise, norms, softmax, gathers and scatters, routing, quantisation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from archsim.dtypes import BYTES, SCALED
from archsim.errors import ArchsimError, unknown
from archsim.workload.op import Rows, Stream, share


@dataclass(frozen=True)
class Elementwise(Stream):
    """`elements` results, each from `inputs` elements of the same dtype.

    `name` is what it computes (``silu_mul``, ``rope``, ``add``, ``gelu``, ``quantize``); `ops` and `exps` are its
    plain and its transcendental operations per result; `weights` are parameters that it adds or multiplies by.
    `cols` says that a kernel takes it row by row, so many elements in each; `access`, how many bytes a thread of that
    kernel loads at a time (None: rows do not matter, and loads are as wide as the machine's).
    """

    kind: ClassVar[str] = "elementwise"
    elements: int
    inputs: float = 1.0
    ops: float = 1.0
    exps: float = 0.0
    name: str = "elementwise"
    dtype: str = "bf16"
    out_dtype: str = "bf16"
    weights: int | None = None
    cols: int | None = None
    access: int | None = None

    @property
    def units(self) -> int:
        """Elements."""
        return self.elements

    @property
    def parameters(self) -> int:
        """Parameters that it adds or multiplies by."""
        return self.weights or 0

    @property
    def parameter_bytes(self) -> float:
        """Bytes that they occupy."""
        return self.parameters * BYTES[self.dtype]

    @property
    def vector_ops(self) -> float:
        """Plain operations."""
        return self.elements * self.ops

    @property
    def transcendentals(self) -> float:
        """Transcendental operations."""
        return self.elements * self.exps

    @property
    def read_bytes(self) -> float:
        """Bytes of all inputs and parameters."""
        return self.elements * self.inputs * BYTES[self.dtype] + self.parameter_bytes

    @property
    def write_bytes(self) -> float:
        """Bytes of the result."""
        return self.elements * BYTES[self.out_dtype]

    def shard(self, chips: int) -> Elementwise:
        """Deal the elements out."""
        return replace(self, elements=share(self.elements, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the flat input and output."""
        yield "in", (int(self.elements * self.inputs),), self.dtype
        yield "out", (self.elements,), self.out_dtype


@dataclass(frozen=True)
class Norm(Rows):
    """RMSNorm or LayerNorm over rows; with `residual` it first adds the row to the residual stream and writes it.

    With `post` the normalised rows are themselves the new residual stream, and the sum is not written. `weights` says
    whether there is a gain at all; `access` as in `Elementwise`. Rows that leave in an `out_dtype` narrower than their
    `dtype` are scaled by the largest magnitude of each on the way, as `Quantize` would do next.
    """

    kind: ClassVar[str] = "norm"
    rows: int
    cols: int
    name: str = "rmsnorm"
    residual: bool = False
    bias: bool = False
    dtype: str = "bf16"
    post: bool = False
    weights: bool = True
    access: int | None = None
    out_dtype: str = ""

    def __post_init__(self) -> None:
        if not self.out_dtype:
            object.__setattr__(self, "out_dtype", self.dtype)
        super().__post_init__()
        if self.name not in ("rmsnorm", "layernorm"):
            raise unknown("norm", self.name, ("rmsnorm", "layernorm"))

    @property
    def quantised(self) -> bool:
        """Whether the rows leave in a narrower format, with a scale of their own."""
        return BYTES[self.out_dtype] < BYTES[self.dtype]

    @property
    def passes(self) -> float:
        """The statistic of a row comes before its scaling."""
        return 2.0

    @property
    def reduced(self) -> float:
        """Every element goes into a row's sum of squares (RMSNorm), its mean (LayerNorm), its largest magnitude."""
        return float(self.rows * self.cols * ((1 if self.name == "rmsnorm" else 2) + self.quantised))

    @property
    def vector_ops(self) -> float:
        """Square, sum, scale, gain (RMSNorm); also mean and shift (LayerNorm), residual's addition, quantisation."""
        per_element = (4 if self.name == "rmsnorm" else 7) + self.residual + 4 * self.quantised
        return float(self.rows * self.cols * per_element)

    @property
    def transcendentals(self) -> float:
        """One reciprocal square root per row, and one reciprocal of its scale."""
        return float(self.rows * (1 + self.quantised))

    @property
    def parameters(self) -> int:
        """Gain, and shift if there is one."""
        return self.cols * (1 + self.bias) * self.weights

    @property
    def parameter_bytes(self) -> float:
        """Bytes that the parameters occupy."""
        return self.parameters * BYTES[self.dtype]

    @property
    def read_bytes(self) -> float:
        """Rows (twice with a residual) and parameters."""
        return self.rows * self.cols * (1 + self.residual) * BYTES[self.dtype] + self.parameter_bytes

    @property
    def write_bytes(self) -> float:
        """Normalised rows, with their fp32 scales if need be, and the new residual stream if it is another one."""
        scales = 4.0 * self.rows * (self.quantised and self.out_dtype not in SCALED)
        stream = self.residual and not self.post
        return self.rows * self.cols * (BYTES[self.out_dtype] + stream * BYTES[self.dtype]) + scales

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield rows and normalised rows."""
        yield "in", (self.rows, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.out_dtype


@dataclass(frozen=True)
class Gather(Rows):
    """`rows` rows of `cols` elements picked from a table of `entries` rows, e.g. an embedding lookup.

    `weights` says that the table is a parameter of the model; tokens on their way to experts are gathered from one
    that is not.
    """

    kind: ClassVar[str] = "gather"
    rows: int
    cols: int
    entries: int
    dtype: str = "bf16"
    weights: bool = True

    @property
    def parameters(self) -> int:
        """The whole table."""
        return self.entries * self.cols if self.weights else 0

    @property
    def parameter_bytes(self) -> float:
        """Bytes that the table occupies."""
        return self.parameters * BYTES[self.dtype]

    @property
    def read_bytes(self) -> float:
        """The rows picked (not the table), and a 4-byte index each."""
        return self.rows * (self.cols * BYTES[self.dtype] + 4.0)

    @property
    def write_bytes(self) -> float:
        """The rows, dense."""
        return self.rows * self.cols * BYTES[self.dtype]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield table and output."""
        yield "table", (self.entries, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.dtype


@dataclass(frozen=True)
class Softmax(Rows):
    """Softmax over rows that lie in memory (attention's own softmax never leaves the chip: see `Attention`)."""

    kind: ClassVar[str] = "softmax"
    rows: int
    cols: int
    dtype: str = "bf16"

    @property
    def passes(self) -> float:
        """The maximum first, then exponentials and their sum, then the scaling: twice from nearby memory."""
        return 2.0

    @property
    def reduced(self) -> float:
        """Every element goes into a row's maximum and into its sum."""
        return 2.0 * self.rows * self.cols

    @property
    def vector_ops(self) -> float:
        """Maximum, subtraction, sum, scaling."""
        return 4.0 * self.rows * self.cols

    @property
    def transcendentals(self) -> float:
        """An exponential per element, a reciprocal per row."""
        return float(self.rows * (self.cols + 1))


@dataclass(frozen=True)
class Route(Stream):
    """The choice of `top_k` of `experts` for each row of router scores: softmax or sigmoid, then the largest ones."""

    kind: ClassVar[str] = "route"
    rows: int
    experts: int
    top_k: int
    dtype: str = "fp32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_k > self.experts:
            raise ArchsimError(f"Route.top_k = {self.top_k} exceeds experts = {self.experts}")

    @property
    def units(self) -> int:
        """Rows."""
        return self.rows

    @property
    def passes(self) -> float:
        """Scores first, then one pass per expert chosen."""
        return 1.0 + self.top_k

    @property
    def reduced(self) -> float:
        """Every score goes into the sum, and into a maximum per expert chosen."""
        return float(self.rows * self.experts * (1 + self.top_k))

    @property
    def vector_ops(self) -> float:
        """Subtraction, sum and scaling, and a comparison and a mask per expert chosen."""
        return float(self.rows * self.experts * (3 + 2 * self.top_k))

    @property
    def transcendentals(self) -> float:
        """An exponential per score, a reciprocal per row."""
        return float(self.rows * (self.experts + 1))

    @property
    def read_bytes(self) -> float:
        """The scores."""
        return self.rows * self.experts * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """A weight and a 4-byte index per expert chosen."""
        return self.rows * self.top_k * (BYTES[self.dtype] + 4.0)

    def shard(self, chips: int) -> Route:
        """Deal out rows."""
        return replace(self, rows=share(self.rows, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the scores and the weights of the chosen."""
        yield "scores", (self.rows, self.experts), self.dtype
        yield "out", (self.rows, self.top_k), self.dtype


@dataclass(frozen=True)
class Sort(Stream):
    """`rows` choices, a 4-byte number of an expert each, put in the order of their `groups` experts, by counting.

    Each group starts at a multiple of `align` places; those left over are marked as such.
    """

    kind: ClassVar[str] = "sort"
    rows: int
    groups: int
    align: int = 1

    @property
    def units(self) -> int:
        """One: who counts has to see all."""
        return 1

    @property
    def places(self) -> int:
        """Places, those left over included, at most."""
        return self.rows + min(self.rows, self.groups) * (self.align - 1)

    @property
    def passes(self) -> float:
        """Places and counts are cleared, choices counted, and placed."""
        return 3.0

    @property
    def reduced(self) -> float:
        """Steps that wait for all: counts cleared, added up, scanned up a tree and down again, rounded, handed out."""
        return 6.0 * self.places

    @property
    def vector_ops(self) -> float:
        """An operation per place to clear it, two per choice to count and to place it, and one per group."""
        return float(self.places + 2 * self.rows + self.groups)

    @property
    def read_bytes(self) -> float:
        """The choices."""
        return 4.0 * self.rows

    @property
    def write_bytes(self) -> float:
        """Which choice is in each place."""
        return 4.0 * self.places

    def shard(self, chips: int) -> Sort:
        """Deal out choices."""
        return replace(self, rows=share(self.rows, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the choices and the places."""
        yield "in", (self.rows,), "fp32"
        yield "out", (self.places,), "fp32"


@dataclass(frozen=True)
class Transpose(Stream):
    """`batch` matrices of `rows` x `cols`, rows and columns exchanged in memory."""

    kind: ClassVar[str] = "transpose"
    rows: int
    cols: int
    batch: int = 1
    dtype: str = "bf16"

    @property
    def units(self) -> int:
        """Rows of all matrices."""
        return self.batch * self.rows

    @property
    def reduced(self) -> float:
        """Every element changes its lane."""
        return float(self.batch * self.rows * self.cols)

    @property
    def read_bytes(self) -> float:
        """Every element."""
        return self.batch * self.rows * self.cols * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """Every element."""
        return self.batch * self.rows * self.cols * BYTES[self.dtype]

    def shard(self, chips: int) -> Transpose:
        """Deal out matrices, or the rows of one."""
        if self.batch >= chips:
            return replace(self, batch=share(self.batch, chips))
        return replace(self, rows=share(self.batch * self.rows, chips), batch=1)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield input and output."""
        yield "in", (self.batch, self.rows, self.cols), self.dtype
        yield "out", (self.batch, self.cols, self.rows), self.dtype


@dataclass(frozen=True)
class Scatter(Stream):
    """`rows` rows of `cols` elements added onto `entries` rows, the reverse of `Gather`.

    With `weighted` each row is first scaled by a figure of its own: what experts made, back to the tokens.
    """

    kind: ClassVar[str] = "scatter"
    rows: int
    cols: int
    entries: int
    weighted: bool = False
    dtype: str = "bf16"

    @property
    def units(self) -> int:
        """Rows written: each sums what belongs to it."""
        return self.written

    @property
    def written(self) -> int:
        """Rows that anything is added to, at most."""
        return min(self.rows, self.entries)

    @property
    def vector_ops(self) -> float:
        """An addition per element, and a product with `weighted`."""
        return float(self.rows * self.cols * (1 + self.weighted))

    @property
    def read_bytes(self) -> float:
        """The rows, a 4-byte index each, and with `weighted` a 4-byte figure."""
        return self.rows * (self.cols * BYTES[self.dtype] + 4.0 + 4.0 * self.weighted)

    @property
    def write_bytes(self) -> float:
        """The sums."""
        return self.written * self.cols * BYTES[self.dtype]

    def shard(self, chips: int) -> Scatter:
        """Deal out rows, those written and what belongs to them."""
        return replace(self, rows=share(self.rows, chips), entries=share(self.entries, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the rows and the sums."""
        yield "in", (self.rows, self.cols), self.dtype
        yield "out", (self.entries, self.cols), self.dtype


@dataclass(frozen=True)
class Quantize(Rows):
    """Rows to a smaller format, each scaled by its own largest magnitude (`dynamic`) or by a figure known before."""

    kind: ClassVar[str] = "quantize"
    rows: int
    cols: int
    dtype: str = "bf16"
    out_dtype: str = "fp8"
    dynamic: bool = True

    @property
    def passes(self) -> float:
        """The largest magnitude of a row comes before its scaling."""
        return 1.0 + self.dynamic

    @property
    def reduced(self) -> float:
        """Every element goes into a row's largest magnitude."""
        return float(self.rows * self.cols * self.dynamic)

    @property
    def vector_ops(self) -> float:
        """Scaling and rounding, and with `dynamic` magnitude and maximum."""
        return float(self.rows * self.cols * (2 + 2 * self.dynamic))

    @property
    def transcendentals(self) -> float:
        """A reciprocal per row, or per group of elements that share a scale."""
        scaled = SCALED.get(self.out_dtype)
        return float(self.rows * self.dynamic * (math.ceil(self.cols / scaled.group) if scaled else 1))

    @property
    def write_bytes(self) -> float:
        """Every element in the smaller format, and an fp32 scale per row unless the format brings its own."""
        scale = 4.0 if self.dynamic and self.out_dtype not in SCALED else 0.0
        return self.rows * (self.cols * BYTES[self.out_dtype] + scale)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield input and output."""
        yield "in", (self.rows, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.out_dtype
