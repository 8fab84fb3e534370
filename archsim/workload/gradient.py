"""Row operators that only training has: dropout, the loss, gradients of row operators, the optimizer's update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from archsim.dtypes import BYTES
from archsim.errors import unknown
from archsim.workload.op import Rows, Stream, share

OPTIMIZERS: dict[str, tuple[int, float, float]] = {
    # Name: states per parameter; plain and transcendental (square root, reciprocal) operations per parameter.
    "adam": (2, 14.0, 2.0),  # Kingma & Ba, arXiv 1412.6980: two moments, their bias corrections, decoupled decay
    "momentum": (1, 5.0, 0.0),
    "sgd": (0, 3.0, 0.0),
}
"""What an optimizer keeps and computes per parameter."""


@dataclass(frozen=True)
class Dropout(Stream):
    """Elements set to zero at random, the rest scaled; the mask, a byte per element, is kept for the backward pass.

    `backward` applies a mask that is read instead of made.
    """

    kind: ClassVar[str] = "dropout"
    elements: int
    dtype: str = "bf16"
    backward: bool = False

    @property
    def units(self) -> int:
        """Elements."""
        return self.elements

    @property
    def mask_bytes(self) -> float:
        """Bytes of the mask."""
        return float(self.elements)

    @property
    def vector_ops(self) -> float:
        """Compare and scale; about 10 to make a random number (Philox: 10 rounds give four)."""
        return self.elements * (2.0 if self.backward else 12.0)

    @property
    def read_bytes(self) -> float:
        """Every element, and backward the mask."""
        return self.elements * BYTES[self.dtype] + self.mask_bytes * self.backward

    @property
    def write_bytes(self) -> float:
        """Every element, and forward the mask."""
        return self.elements * BYTES[self.dtype] + self.mask_bytes * (not self.backward)

    def shard(self, chips: int) -> Dropout:
        """Deal the elements out."""
        return replace(self, elements=share(self.elements, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield input and output."""
        yield "in", (self.elements,), self.dtype
        yield "out", (self.elements,), self.dtype


@dataclass(frozen=True)
class CrossEntropy(Rows):
    """The loss of `rows` tokens over `cols` classes, and, with `gradient`, the gradient of the logits."""

    kind: ClassVar[str] = "cross_entropy"
    rows: int
    cols: int
    gradient: bool = False
    dtype: str = "bf16"

    @property
    def passes(self) -> float:
        """The maximum first, then the exponentials; the gradient scales what the forward pass has summed."""
        return 1.0 if self.gradient else 2.0

    @property
    def reduced(self) -> float:
        """Forward, every logit goes into a row's maximum and into its sum."""
        return 0.0 if self.gradient else 2.0 * self.rows * self.cols

    @property
    def vector_ops(self) -> float:
        """Maximum, subtraction, sum; the gradient: subtraction, and scaling by the tokens."""
        return (2.0 if self.gradient else 3.0) * self.rows * self.cols

    @property
    def transcendentals(self) -> float:
        """An exponential per logit, a logarithm per row."""
        return float(self.rows * (self.cols + (not self.gradient)))

    @property
    def read_bytes(self) -> float:
        """The logits, a 4-byte label per row, and for the gradient the row's fp32 sum."""
        return self.rows * (self.cols * BYTES[self.dtype] + 4.0 + 4.0 * self.gradient)

    @property
    def write_bytes(self) -> float:
        """An fp32 loss and sum per row, or the gradient of every logit."""
        return self.rows * (self.cols * BYTES[self.dtype] if self.gradient else 8.0)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the logits and the losses, or the logits' gradient."""
        yield "logits", (self.rows, self.cols), self.dtype
        yield ("out", (self.rows, self.cols), self.dtype) if self.gradient else ("out", (self.rows,), "fp32")


@dataclass(frozen=True)
class NormBackward(Rows):
    """The gradients of a norm: of its rows, and, summed over them, of its gain and shift.

    With `residual` the gradient that comes along the residual stream is added to that of the rows.
    """

    kind: ClassVar[str] = "norm_backward"
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
    def passes(self) -> float:
        """The sums of a row come before the gradients of its elements."""
        return 2.0

    @property
    def reduced(self) -> float:
        """Every element goes into one sum over its row (RMSNorm) or two (LayerNorm)."""
        return float(self.rows * self.cols * (1 if self.name == "rmsnorm" else 2))

    @property
    def vector_ops(self) -> float:
        """Normalise again 1, times gain 1, product and sum 2, combine 3, gain's gradient 2; LayerNorm 4 more."""
        per_element = (9 if self.name == "rmsnorm" else 13) + self.residual + self.bias
        return float(self.rows * self.cols * per_element)

    @property
    def transcendentals(self) -> float:
        """One reciprocal square root per row."""
        return float(self.rows)

    @property
    def read_bytes(self) -> float:
        """The rows, their results' gradients (and the residual stream's), and the gain."""
        return (self.rows * self.cols * (2 + self.residual) + self.cols) * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """The rows' gradients, and those of gain and shift."""
        return (self.rows * self.cols + self.cols * (1 + self.bias)) * BYTES[self.dtype]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the rows, the gradient of the result and that of the rows."""
        yield "x", (self.rows, self.cols), self.dtype
        yield "dy", (self.rows, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.dtype


@dataclass(frozen=True)
class SoftmaxBackward(Rows):
    """The gradient of a softmax over rows that lie in memory: ``p (dp - sum(p dp))``."""

    kind: ClassVar[str] = "softmax_backward"
    rows: int
    cols: int
    dtype: str = "bf16"

    @property
    def passes(self) -> float:
        """The sum of a row comes first."""
        return 2.0

    @property
    def reduced(self) -> float:
        """Every element goes into a row's sum."""
        return float(self.rows * self.cols)

    @property
    def vector_ops(self) -> float:
        """Product and sum, subtraction and product."""
        return 4.0 * self.rows * self.cols

    @property
    def read_bytes(self) -> float:
        """The probabilities and their gradients."""
        return 2.0 * self.rows * self.cols * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """The scores' gradients."""
        return self.rows * self.cols * BYTES[self.dtype]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the probabilities, their gradients and the scores' gradients."""
        yield "p", (self.rows, self.cols), self.dtype
        yield "dp", (self.rows, self.cols), self.dtype
        yield "out", (self.rows, self.cols), self.dtype


@dataclass(frozen=True)
class Update(Stream):
    """The optimizer's step over `elements` parameters, all its states in `state_dtype`.

    With `master` the optimizer keeps parameters of its own in `state_dtype` and the model's are rounded copies of
    them: Adam in mixed precision keeps 2 (weight) + 2 or 4 (gradient) + 4 (master) + 8 (moments) = 16 or 18 bytes per
    parameter (Rajbhandari et al., ZeRO, arXiv 1910.02054, section 3.1).
    """

    kind: ClassVar[str] = "update"
    elements: int
    name: str = "adam"
    dtype: str = "bf16"
    gradient_dtype: str = "bf16"
    state_dtype: str = "fp32"
    master: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in OPTIMIZERS:
            raise unknown("optimizer", self.name, OPTIMIZERS)

    @property
    def units(self) -> int:
        """Parameters."""
        return self.elements

    @property
    def vector_ops(self) -> float:
        """Plain operations."""
        return self.elements * OPTIMIZERS[self.name][1]

    @property
    def transcendentals(self) -> float:
        """Square roots and reciprocals."""
        return self.elements * OPTIMIZERS[self.name][2]

    @property
    def state_bytes(self) -> float:
        """Bytes that the optimizer keeps: its moments, and its own parameters if there are any."""
        return self.elements * (OPTIMIZERS[self.name][0] + self.master) * BYTES[self.state_dtype]

    @property
    def gradient_bytes(self) -> float:
        """Bytes of the gradients."""
        return self.elements * BYTES[self.gradient_dtype]

    @property
    def read_bytes(self) -> float:
        """Gradients, states, and the parameters where the optimizer has none of its own."""
        weights = 0.0 if self.master else self.elements * BYTES[self.dtype]
        return self.gradient_bytes + self.state_bytes + weights

    @property
    def write_bytes(self) -> float:
        """States and parameters."""
        return self.state_bytes + self.elements * BYTES[self.dtype]

    def shard(self, chips: int) -> Update:
        """Deal out parameters."""
        return replace(self, elements=share(self.elements, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield the gradients and the new parameters."""
        yield "gradient", (self.elements,), self.gradient_dtype
        yield "out", (self.elements,), self.dtype
