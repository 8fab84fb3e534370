"""Operators: what work a layer does, with exact FLOPs and compulsory bytes. No operator knows a chip.

Conventions, the same everywhere: one multiply-accumulate is 2 FLOP; `flops` counts matrix work alone (the numerator
of MFU); `vector_ops` counts elementwise arithmetic and `transcendentals` exp, log, rsqrt and reciprocal apart.
Compulsory bytes are each input read once and each output written once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError, positive_int, unknown


def _share(total: int, chips: int) -> int:
    """Largest share when `total` things are dealt to `chips` chips."""
    return -(-total // chips)


@dataclass(frozen=True)
class Op:
    """One operator. Sizes are whole numbers of elements."""

    kind: ClassVar[str] = "op"

    def __post_init__(self) -> None:
        for f in fields(self):
            value, where = getattr(self, f.name), f"{type(self).__name__}.{f.name}"
            if f.name.endswith("dtype"):
                value = dtype(value)
            elif f.type == "int" or (f.type == "int | None" and value is not None):
                value = positive_int(where, value, 2**60 if f.name == "elements" else 2**31 - 1)
            elif f.type == "float" and not (isinstance(value, int | float) and 0 <= value < math.inf):
                raise ArchsimError(f"{where} must be a number of at least 0, not {value!r}")
            elif f.type == "bool" and not isinstance(value, bool):
                raise ArchsimError(f"{where} must be True or False, not {value!r}")
            object.__setattr__(self, f.name, value)

    @property
    def flops(self) -> float:
        """Matrix FLOP, 2 per multiply-accumulate."""
        return 0.0

    @property
    def vector_ops(self) -> float:
        """Elementwise operations."""
        return 0.0

    @property
    def transcendentals(self) -> float:
        """Evaluations of exp, log, rsqrt, reciprocal."""
        return 0.0

    @property
    def read_bytes(self) -> float:
        """Bytes of all inputs, each once."""
        return 0.0

    @property
    def write_bytes(self) -> float:
        """Bytes of the result."""
        return 0.0

    @property
    def parameters(self) -> int:
        """Parameters of the model that the operator holds."""
        return 0

    @property
    def parameter_bytes(self) -> float:
        """Bytes that the parameters occupy in memory."""
        return 0.0

    @property
    def bytes(self) -> float:
        """Compulsory traffic in bytes: inputs read once, outputs written once."""
        return self.read_bytes + self.write_bytes

    def shard(self, chips: int) -> Op:
        """Return the largest share of this operator when it is spread evenly over `chips` chips."""
        raise NotImplementedError

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield (name, shape, dtype) of every operand and of the result."""
        raise NotImplementedError


@dataclass(frozen=True)
class Elementwise(Op):
    """`elements` results, each from `inputs` elements of the same dtype.

    `name` is what it computes (``silu_mul``, ``rope``, ``add``, ``gelu``, ``quantize``); `ops` and `exps` are its
    plain and its transcendental operations per result.
    """

    kind: ClassVar[str] = "elementwise"
    elements: int
    inputs: float = 1.0
    ops: float = 1.0
    exps: float = 0.0
    name: str = "elementwise"
    dtype: str = "bf16"
    out_dtype: str = "bf16"

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
        """Bytes of all inputs."""
        return self.elements * self.inputs * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """Bytes of the result."""
        return self.elements * BYTES[self.out_dtype]

    def shard(self, chips: int) -> Elementwise:
        """Deal the elements out."""
        return replace(self, elements=_share(self.elements, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the flat input and output."""
        yield "in", (int(self.elements * self.inputs),), self.dtype
        yield "out", (self.elements,), self.out_dtype


@dataclass(frozen=True)
class MatMul(Op):
    """``out[m, n] = a[m, k] @ b[k, n]``, `batch` times with different operands.

    `dtype` is that of `a` and of the arithmetic; `b_dtype` and `out_dtype` follow it unless given. `weights` says
    that `b` is a parameter of the model; `split` is the side along which tensor parallelism would cut it.
    `epilogue` holds elementwise operators fused to its output (see `archsim.timing.fusion`): only the last one's
    result is written.
    """

    kind: ClassVar[str] = "matmul"
    m: int
    n: int
    k: int
    batch: int = 1
    dtype: str = "bf16"
    b_dtype: str = ""
    out_dtype: str = ""
    weights: bool = False
    bias: bool = False
    split: str = "n"
    epilogue: tuple[Elementwise, ...] = ()

    def __post_init__(self) -> None:
        if not self.b_dtype:
            object.__setattr__(self, "b_dtype", self.dtype)
        if not self.out_dtype:
            object.__setattr__(self, "out_dtype", "bf16" if BYTES[dtype(self.dtype)] < 2 else self.dtype)
        if not isinstance(self.epilogue, tuple) or not all(isinstance(e, Elementwise) for e in self.epilogue):
            raise ArchsimError(f"MatMul.epilogue must be a tuple of Elementwise operators, not {self.epilogue!r}")
        if self.split not in ("m", "n", "k"):
            raise ArchsimError(f"MatMul.split must be 'm', 'n' or 'k', not {self.split!r}")
        super().__post_init__()

    @property
    def flops(self) -> float:
        """2 m n k per product."""
        return 2.0 * self.batch * self.m * self.n * self.k

    @property
    def vector_ops(self) -> float:
        """Plain operations of the bias and the fused epilogue."""
        return self.batch * self.m * self.n * self.bias + sum(e.vector_ops for e in self.epilogue)

    @property
    def transcendentals(self) -> float:
        """Transcendental operations of the fused epilogue."""
        return sum(e.transcendentals for e in self.epilogue)

    @property
    def a_bytes(self) -> float:
        """Bytes of the moving (activation) operand."""
        return self.batch * self.m * self.k * BYTES[self.dtype]

    @property
    def b_bytes(self) -> float:
        """Bytes of the stationary (weight) operand, bias included."""
        return self.batch * (self.k + self.bias) * self.n * BYTES[self.b_dtype]

    def _through_epilogue(self) -> tuple[float, float]:
        """Return (bytes that fused operators read beside the product, elements left to write)."""
        left, beside = float(self.batch * self.m * self.n), 0.0
        for e in self.epilogue:
            wanted = e.elements * e.inputs
            taken = min(left, wanted)  # rope takes a part of the product, a gate takes all of it
            beside += (wanted - taken) * BYTES[e.dtype]
            left += e.elements - taken
        return beside, left

    @property
    def read_bytes(self) -> float:
        """Both operands and what the epilogue reads beside the product (a residual, say)."""
        return self.a_bytes + self.b_bytes + self._through_epilogue()[0]

    @property
    def write_bytes(self) -> float:
        """The product, or what the fused operators leave of it."""
        out = self.epilogue[-1].out_dtype if self.epilogue else self.out_dtype
        return self._through_epilogue()[1] * BYTES[out]

    @property
    def parameters(self) -> int:
        """Parameters held by `b` and the bias."""
        return self.batch * (self.k + self.bias) * self.n if self.weights else 0

    @property
    def parameter_bytes(self) -> float:
        """Bytes that the parameters occupy."""
        return self.parameters * BYTES[self.b_dtype]

    def shard(self, chips: int) -> MatMul:
        """Cut along `split`, and the epilogue with it."""
        if chips == 1:
            return self
        share = {self.split: _share(getattr(self, self.split), chips)}
        return replace(self, **share, epilogue=tuple(e.shard(chips) for e in self.epilogue))  # type: ignore[arg-type]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield a, b and out."""
        lead = (self.batch,) if self.batch > 1 else ()
        yield "a", (*lead, self.m, self.k), self.dtype
        yield "b", (*lead, self.k, self.n), self.b_dtype
        yield "out", (*lead, self.m, self.n), self.out_dtype


@dataclass(frozen=True)
class Attention(Op):
    """Fused scaled-dot-product attention: ``softmax(q k^T) v`` without writing the scores.

    `q_len` new tokens per sequence see `kv_len` keys, the new ones included; with `causal`, query i sees the first
    ``kv_len - q_len + i + 1`` of them, and with `window` at most the last `window`.
    """

    kind: ClassVar[str] = "attention"
    batch: int
    q_len: int
    kv_len: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int = 0  # as head_dim if not given
    causal: bool = True
    window: int | None = None
    dtype: str = "bf16"
    kv_dtype: str = ""

    def __post_init__(self) -> None:
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)
        if not self.kv_dtype:
            object.__setattr__(self, "kv_dtype", self.dtype)
        super().__post_init__()
        if self.heads % self.kv_heads:
            raise ArchsimError(f"Attention.heads = {self.heads} is no multiple of kv_heads = {self.kv_heads}")
        if self.causal and self.kv_len < self.q_len:
            raise ArchsimError(f"Attention.kv_len = {self.kv_len} must be at least q_len = {self.q_len}")

    @property
    def pairs(self) -> int:
        """(query, key) pairs that are not masked, of one head over the batch."""
        q, kv = self.q_len, self.kv_len
        if not self.causal:
            return self.batch * q * min(kv, self.window or kv)
        w = min(self.window or kv, kv)
        first = kv - q + 1  # keys that query 0 sees without a window
        growing = max(0, min(q, w - first))  # queries that the window does not cut yet
        return self.batch * (growing * first + growing * (growing - 1) // 2 + (q - growing) * w)

    @property
    def flops(self) -> float:
        """2 (head_dim + value_dim) per unmasked pair and head."""
        return 2.0 * self.pairs * self.heads * (self.head_dim + self.value_dim)

    @property
    def vector_ops(self) -> float:
        """Scale, running maximum, subtraction and sum: 4 per score, and the output's rescaling."""
        return 4.0 * self.pairs * self.heads + self.batch * self.q_len * self.heads * self.value_dim

    @property
    def transcendentals(self) -> float:
        """One exponential per score."""
        return float(self.pairs * self.heads)

    @property
    def q_bytes(self) -> float:
        """Bytes of the queries."""
        return self.batch * self.q_len * self.heads * self.head_dim * BYTES[self.dtype]

    @property
    def kv_bytes(self) -> float:
        """Bytes of the keys and values that any query sees."""
        seen = min(self.kv_len, self.q_len + self.window - 1) if self.window else self.kv_len
        return self.batch * seen * self.kv_heads * (self.head_dim + self.value_dim) * BYTES[self.kv_dtype]

    @property
    def read_bytes(self) -> float:
        """Queries, keys and values, each once: a group of query heads shares its keys."""
        return self.q_bytes + self.kv_bytes

    @property
    def write_bytes(self) -> float:
        """The attended values."""
        return self.batch * self.q_len * self.heads * self.value_dim * BYTES[self.dtype]

    def shard(self, chips: int) -> Attention:
        """Deal out (sequence, KV head) pairs, which need nothing of each other, cut finer until the deal is even.

        Where there are fewer pairs than chips, or they do not divide evenly (5 %), each pair is cut into equal
        pieces: along the queries, dealt alternately so that each piece has the mean causal load, or, where fewer
        than 64 queries (decode) are all that reuse a key, along the keys (not those of sliding windows).
        """
        if chips == 1:
            return self
        by_queries = self.q_len >= 64 or (self.window is not None and self.q_len > 1)
        seen = min(self.kv_len, self.window or self.kv_len)
        cuts = 1
        while True:
            pieces = self.batch * self.kv_heads * cuts
            share = _share(pieces, chips)
            if share * chips <= 1.05 * pieces or 2 * cuts > (self.q_len if by_queries else seen):
                break
            cuts *= 2
        units = _share(share, cuts)  # a chip's pieces come from as few pairs as can be: those read the same keys
        one = replace(self, batch=units, heads=self.heads // self.kv_heads, kv_heads=1)
        if cuts == 1:
            return one
        if by_queries:
            q_len = _share(share * self.q_len, cuts * units)
            kv_len = self.kv_len - (self.q_len - q_len) // 2 if self.causal else self.kv_len
            return replace(one, q_len=q_len, kv_len=kv_len)
        return replace(one, kv_len=_share(share * seen, cuts * units), causal=False, window=None)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield q, k, v and out."""
        yield "q", (self.batch, self.q_len, self.heads, self.head_dim), self.dtype
        yield "k", (self.batch, self.kv_len, self.kv_heads, self.head_dim), self.kv_dtype
        yield "v", (self.batch, self.kv_len, self.kv_heads, self.value_dim), self.kv_dtype
        yield "out", (self.batch, self.q_len, self.heads, self.value_dim), self.dtype


@dataclass(frozen=True)
class Norm(Op):
    """RMSNorm or LayerNorm over rows; with `residual` it first adds the row to the residual stream and writes it."""

    kind: ClassVar[str] = "norm"
    rows: int
    cols: int
    name: str = "rmsnorm"
    residual: bool = False
    bias: bool = False
    dtype: str = "bf16"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ("rmsnorm", "layernorm"):
            raise unknown("norm", self.name, ("rmsnorm", "layernorm"))

    @property
    def vector_ops(self) -> float:
        """Square, sum, scale, gain (RMSNorm); also mean and shift (LayerNorm); also the residual's addition."""
        per_element = (4 if self.name == "rmsnorm" else 7) + self.residual
        return float(self.rows * self.cols * per_element)

    @property
    def transcendentals(self) -> float:
        """One reciprocal square root per row."""
        return float(self.rows)

    @property
    def parameters(self) -> int:
        """Gain, and shift if there is one."""
        return self.cols * (1 + self.bias)

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
        """Normalised rows, and the new residual stream."""
        return self.rows * self.cols * (1 + self.residual) * BYTES[self.dtype]

    def shard(self, chips: int) -> Norm:
        """Deal out rows."""
        return replace(self, rows=_share(self.rows, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield input and output."""
        yield "in", (self.rows, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.dtype


@dataclass(frozen=True)
class Gather(Op):
    """`rows` rows of `cols` elements picked from a table of `entries` rows, e.g. an embedding lookup."""

    kind: ClassVar[str] = "gather"
    rows: int
    cols: int
    entries: int
    dtype: str = "bf16"

    @property
    def parameters(self) -> int:
        """The whole table."""
        return self.entries * self.cols

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

    def shard(self, chips: int) -> Gather:
        """Deal out rows."""
        return replace(self, rows=_share(self.rows, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield table and output."""
        yield "table", (self.entries, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.dtype


def describe(op: Op) -> dict[str, Any]:
    """Return what a reader wants to know of an operator, ready for JSON."""
    return {
        "kind": op.kind,
        "shapes": {name: list(shape) for name, shape, _ in op.shapes()},
        "dtypes": {name: dt for name, _, dt in op.shapes()},
        "flops": op.flops,
        "vector_ops": op.vector_ops,
        "read_bytes": op.read_bytes,
        "write_bytes": op.write_bytes,
        "parameters": op.parameters,
    }
