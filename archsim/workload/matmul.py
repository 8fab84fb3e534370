"""MatMul: matrix products, plain and batched, with what is fused to their output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError
from archsim.workload.op import Op, share
from archsim.workload.stream import Elementwise


@dataclass(frozen=True)
class MatMul(Op):
    """``out[m, n] = a[m, k] @ b[k, n]``, `batch` times with different operands.

    `dtype` is that of `a` and of the arithmetic; `b_dtype` and `out_dtype` follow it unless given. `weights` says
    that `b` is a parameter of the model; `split` is the side along which tensor parallelism would cut it.
    `a_reuse` is how often an element of `a` in memory occurs in the product: more than once where windows of one image
    overlap (see `archsim.workload.conv`). `epilogue` holds elementwise operators fused to its output (see
    `archsim.timing.fusion`): only the last one's result is written.
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
        if self.a_reuse < 1:
            raise ArchsimError(f"MatMul.a_reuse must be at least 1, not {self.a_reuse!r}")

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
        """Bytes of the moving (activation) operand, as it lies in memory."""
        return self.batch * self.m * self.k * BYTES[self.dtype] / self.a_reuse

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
        cut = {self.split: share(getattr(self, self.split), chips)}
        return replace(self, **cut, epilogue=tuple(e.shard(chips) for e in self.epilogue))  # type: ignore[arg-type]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield a, b and out."""
        lead = (self.batch,) if self.batch > 1 else ()
        yield "a", (*lead, self.m, self.k), self.dtype
        yield "b", (*lead, self.k, self.n), self.b_dtype
        yield "out", (*lead, self.m, self.n), self.out_dtype
