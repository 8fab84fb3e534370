"""Matrix products: plain, batched and grouped by expert, with what is fused to their output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from archsim.dtypes import BYTES, arithmetic
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int
from archsim.workload.op import Op, share, share_of_loads
from archsim.workload.stream import Elementwise


def check_fused(where: str, fused: object) -> None:
    """Raise an ArchsimError unless `fused` is a tuple of Elementwise operators."""
    if not isinstance(fused, tuple) or not all(isinstance(e, Elementwise) for e in fused):
        raise ArchsimError(f"{where} must be a tuple of Elementwise operators, not {fused!r}")


def through(epilogue: tuple[Elementwise, ...], outputs: float) -> tuple[float, float]:
    """Return (bytes that fused operators read beside a product of `outputs` elements, elements left to write)."""
    left, beside = outputs, 0.0
    for e in epilogue:
        wanted = e.elements * e.inputs
        taken = min(left, wanted)  # rope takes a part of the product, a gate takes all of it
        beside += (wanted - taken) * BYTES[e.dtype] + e.parameter_bytes
        left += e.elements - taken
    return beside, left


def set_formats(op: MatMul | GroupedMatMul) -> None:
    """Fill in the formats of a product that were left out; a format with scales is kept for storage alone."""
    stored = dtype_name(op.dtype)
    fill = {"a_dtype": stored, "b_dtype": stored, "out_dtype": "bf16" if BYTES[stored] < 2 else stored}
    for name, value in fill.items():
        if not getattr(op, name):
            object.__setattr__(op, name, value)
    object.__setattr__(op, "dtype", arithmetic(stored))


def scaling_ops(op: MatMul | GroupedMatMul, outputs: float, weights: float) -> float:
    """Return the plain operations by which narrow operands get their scales back.

    Weights narrower than the arithmetic (weight-only quantisation) are converted and scaled, 2 per element that is
    read; a product of 8 bits or fewer is scaled once per output.
    """
    narrow = BYTES[op.b_dtype] < 2 and BYTES[op.dtype] > BYTES[arithmetic(op.b_dtype)]
    return 2.0 * weights * narrow + outputs * (BYTES[op.dtype] < 2)


@dataclass(frozen=True)
class MatMul(Op):
    """``out[m, n] = a[m, k] @ b[k, n]``, `batch` times with different operands.

    `dtype` is that of the arithmetic; `a_dtype` and `b_dtype`, in which the operands lie in memory (perhaps with
    scales: see `archsim.dtypes.SCALED`), and `out_dtype` follow it unless given. `weights` says that `b` is a
    parameter of the model; `split` is the side along which tensor parallelism would cut it.
    `a_reuse` is how often an element of `a` in memory occurs in the product: more than once where windows of one image
    overlap (see `archsim.workload.conv`). `epilogue` holds elementwise operators fused to its output (see
    `archsim.timing.fusion`): only the last one's result is written. `prologue` holds those that make `a` from what
    lies in memory on its way to the multipliers, each time that it is read. `row_scales` says that operands of 8 bits
    and less have scales for their rows and columns (or groups of these); else each has one for all of it, known before.
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
    a_reuse: float = 1.0
    epilogue: tuple[Elementwise, ...] = ()
    a_dtype: str = ""
    prologue: tuple[Elementwise, ...] = ()
    row_scales: bool = True

    def __post_init__(self) -> None:
        set_formats(self)
        check_fused("MatMul.epilogue", self.epilogue)
        check_fused("MatMul.prologue", self.prologue)
        if self.split not in ("m", "n", "k"):
            raise ArchsimError(f"MatMul.split must be 'm', 'n' or 'k', not {self.split!r}")
        super().__post_init__()
        if self.a_reuse < 1:
            raise ArchsimError(f"MatMul.a_reuse must be at least 1, not {self.a_reuse!r}")

    @property
    def flops(self) -> float:
        """2 m n k per product."""
        return 2.0 * self.batch * self.m * self.n * self.k

    @property
    def vector_ops(self) -> float:
        """Plain operations of the bias, of the scales of narrow operands (see `scaling_ops`) and of the epilogue."""
        outputs = float(self.batch * self.m * self.n)
        scaled = scaling_ops(self, outputs, float(self.batch * self.k * self.n))
        return outputs * self.bias + scaled + sum(e.vector_ops for e in (*self.prologue, *self.epilogue))

    @property
    def transcendentals(self) -> float:
        """Transcendental operations of the fused prologue and epilogue."""
        return sum(e.transcendentals for e in (*self.prologue, *self.epilogue))

    @property
    def a_bytes(self) -> float:
        """Bytes of the moving (activation) operand, as it lies in memory: before the prologue."""
        if self.prologue:
            return self.prologue[0].read_bytes
        return self.batch * self.m * self.k * BYTES[self.a_dtype] / self.a_reuse

    @property
    def b_bytes(self) -> float:
        """Bytes of the stationary (weight) operand, bias included."""
        return self.batch * (self.k + self.bias) * self.n * BYTES[self.b_dtype]

    @property
    def read_bytes(self) -> float:
        """Both operands and what the epilogue reads beside the product (a residual, say)."""
        return self.a_bytes + self.b_bytes + through(self.epilogue, float(self.batch * self.m * self.n))[0]

    @property
    def write_bytes(self) -> float:
        """The product, or what the fused operators leave of it."""
        out = self.epilogue[-1].out_dtype if self.epilogue else self.out_dtype
        return through(self.epilogue, float(self.batch * self.m * self.n))[1] * BYTES[out]

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
        cut = {self.split: share(getattr(self, self.split), chips)}
        before = self.prologue if self.split == "n" else tuple(e.shard(chips) for e in self.prologue)
        after = tuple(e.shard(chips) for e in self.epilogue)
        return replace(self, **cut, prologue=before, epilogue=after)  # type: ignore[arg-type]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield a, b and out."""
        lead = (self.batch,) if self.batch > 1 else ()
        yield "a", (*lead, self.m, self.k), self.a_dtype
        yield "b", (*lead, self.k, self.n), self.b_dtype
        yield "out", (*lead, self.m, self.n), self.out_dtype


@dataclass(frozen=True)
class GroupedMatMul(Op):
    """A product per expert: ``out[e] = a[e] @ b[e]``, expert e with ``groups[e]`` rows; `n` and `k` are common.

    An expert without rows is not touched: its weights are not read. With `wgrad` it is the weights' gradient,
    ``out[e][k, n] = a[e]^T @ d[e]``, whose contraction runs over the rows instead. `useful` says how many of the rows
    are tokens, the others being padding. Formats and `epilogue` as in `MatMul`. `tile` is that of the kernel (rows,
    columns, bytes of K per step) where a framework does not choose the fastest one.
    """

    kind: ClassVar[str] = "grouped_matmul"
    groups: tuple[int, ...]
    n: int
    k: int
    dtype: str = "bf16"
    b_dtype: str = ""
    out_dtype: str = ""
    bias: bool = False
    split: str = "n"
    wgrad: bool = False
    epilogue: tuple[Elementwise, ...] = ()
    a_dtype: str = ""
    useful: int | None = None
    tile: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        set_formats(self)
        check_fused("GroupedMatMul.epilogue", self.epilogue)
        if self.tile is not None:
            if not isinstance(self.tile, tuple) or len(self.tile) != 3:
                what = "(rows, columns, bytes of K per step)"
                raise ArchsimError(f"GroupedMatMul.tile must be {what}, not {self.tile!r}")
            for size in self.tile:
                positive_int("GroupedMatMul.tile", size)
        if self.split not in ("n", "k"):
            raise ArchsimError(f"GroupedMatMul.split must be 'n' or 'k', not {self.split!r}")
        if not isinstance(self.groups, tuple) or not self.groups:
            raise ArchsimError(f"GroupedMatMul.groups must be a tuple of rows per expert, not {self.groups!r}")
        rows = tuple(positive_int(f"GroupedMatMul.groups[{i}]", g) if g != 0 else 0 for i, g in enumerate(self.groups))
        object.__setattr__(self, "groups", rows)
        positive_int("the rows of GroupedMatMul.groups together", self.rows)
        super().__post_init__()
        if self.useful is not None and self.useful > self.rows:
            raise ArchsimError(f"GroupedMatMul.useful = {self.useful} exceeds the rows = {self.rows}")

    @property
    def rows(self) -> int:
        """Rows of all experts."""
        return sum(self.groups)

    @property
    def touched(self) -> int:
        """Experts that have any rows."""
        return len(self.groups) - self.groups.count(0)

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """(rows, how many experts have so many), the busiest first; without those that have none."""
        return tuple(sorted(Counter(g for g in self.groups if g).items(), reverse=True))

    @property
    def members(self) -> tuple[tuple[int, MatMul], ...]:
        """(how many, one product) per distinct number of rows: plain products whose work and bytes add up to this."""
        found = []
        for rows, count in self.counts:
            epilogue = tuple(replace(e, elements=max(1, round(e.elements * rows / self.rows))) for e in self.epilogue)
            m, n, k = (self.k, self.n, rows) if self.wgrad else (rows, self.n, self.k)
            found.append((count, MatMul(m=m, n=n, k=k, dtype=self.dtype, a_dtype=self.a_dtype, b_dtype=self.b_dtype,
                                        out_dtype=self.out_dtype, weights=not self.wgrad, bias=self.bias,
                                        split=self.split, epilogue=epilogue)))
        return tuple(found)

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.touched * self.k * self.n if self.wgrad else self.rows * self.n

    @property
    def flops(self) -> float:
        """2 n k per row that is a token."""
        return 2.0 * (self.useful or self.rows) * self.n * self.k

    @property
    def executed_flops(self) -> float:
        """2 n k per row, padding included."""
        return 2.0 * self.rows * self.n * self.k

    @property
    def vector_ops(self) -> float:
        """Plain operations of the biases, of the scales of narrow operands and of the fused epilogue."""
        weights = 0.0 if self.wgrad else float(self.touched * self.k * self.n)
        return (self.outputs * self.bias + scaling_ops(self, float(self.outputs), weights)
                + sum(e.vector_ops for e in self.epilogue))

    @property
    def transcendentals(self) -> float:
        """Transcendental operations of the fused epilogue."""
        return sum(e.transcendentals for e in self.epilogue)

    @property
    def a_bytes(self) -> float:
        """Bytes of all rows."""
        return self.rows * self.k * BYTES[self.a_dtype]

    @property
    def b_bytes(self) -> float:
        """Bytes of the weights and biases of the experts touched (of the rows' gradients with `wgrad`)."""
        if self.wgrad:
            return self.rows * self.n * BYTES[self.b_dtype]
        return self.touched * (self.k + self.bias) * self.n * BYTES[self.b_dtype]

    @property
    def read_bytes(self) -> float:
        """Rows, weights of the experts touched, and what the epilogue reads beside the product."""
        return self.a_bytes + self.b_bytes + through(self.epilogue, float(self.outputs))[0]

    @property
    def write_bytes(self) -> float:
        """The products, or what the fused operators leave of them."""
        out = self.epilogue[-1].out_dtype if self.epilogue else self.out_dtype
        return through(self.epilogue, float(self.outputs))[1] * BYTES[out]

    @property
    def parameters(self) -> int:
        """Parameters of all experts, touched or not."""
        return 0 if self.wgrad else len(self.groups) * (self.k + self.bias) * self.n

    @property
    def parameter_bytes(self) -> float:
        """Bytes that all experts occupy."""
        return self.parameters * BYTES[self.b_dtype]

    def shard(self, chips: int) -> GroupedMatMul:
        """Cut every expert along `split`, and the epilogue with it: each chip does an equal part of each expert."""
        if chips == 1:
            return self
        cut = {self.split: share_of_loads(getattr(self, self.split), chips)}
        return replace(self, **cut, epilogue=tuple(e.shard(chips) for e in self.epilogue))  # type: ignore[arg-type]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the rows of all experts, their weights, and the result."""
        experts = len(self.groups)
        yield "a", (self.rows, self.k), self.a_dtype
        yield "b", (self.rows, self.n) if self.wgrad else (experts, self.k, self.n), self.b_dtype
        yield "out", (experts, self.k, self.n) if self.wgrad else (self.rows, self.n), self.out_dtype
