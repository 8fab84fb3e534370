"""Convolution and pooling over images: a window that slides, timed as a matrix product.

A window of ``kernel`` taps slides over a (batch, height, width, channels) image. Along one side of `size` pixels it has
``(size + padding - dilation (kernel - 1) - 1) // stride + 1`` places
(Dumoulin & Visin 2016, arXiv 1603.07285, rel. 15).
Neighbouring windows overlap, so a matrix of all windows (im2col) is up to kernel-area times larger than the image;
hardware makes it on the way to the multipliers, and memory holds and moves the image alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload.matmul import MatMul
from archsim.workload.op import Op, Stream, share
from archsim.workload.stream import Elementwise

LARGEST_SIDE = 2**24
"""Most pixels along one side of an image: a one-dimensional one is that long after 17 minutes of sound at 16 kHz."""


def _numbers(where: str, value: Any, counts: tuple[int, ...], low: int) -> tuple[int, ...]:
    """Return `value` as a tuple of as many whole numbers as the longest of `counts`; one number stands for all."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(given) not in counts:
        allowed = " or ".join(str(c) for c in counts)
        raise ArchsimError(f"{where} must have {allowed} numbers, not {value!r}")
    whole = tuple(0 if low == 0 and v == 0 and not isinstance(v, bool) else positive_int(where, v, LARGEST_SIDE)
                  for v in given)
    return whole * (counts[-1] // len(whole))


@lru_cache(maxsize=4096)
def touched(size: int, kernel: int, stride: int, dilation: int, before: int, places: int) -> int:
    """Return how many of a side's `size` pixels lie under any tap of a window at any of its `places`."""
    if dilation == 1 and stride <= kernel:  # windows overlap or meet: one run of pixels
        last = (places - 1) * stride + kernel - before
        return max(0, min(size, last) - max(0, -before))
    seen = bytearray(size)
    for tap in range(kernel):
        first = tap * dilation - before
        last = first + (places - 1) * stride
        first += -(first // stride) * stride if first < 0 else 0
        if first <= min(last, size - 1):
            hits = range(first, min(last, size - 1) + 1, stride)
            seen[hits.start:hits.stop:stride] = b"\x01" * len(hits)
    return sum(seen)


def _complete(op: Any) -> None:
    """Bring an operator's window into full tuples, and check that it fits the image."""
    name = type(op).__name__
    for side in ("height", "width"):
        positive_int(f"{name}.{side}", getattr(op, side), LARGEST_SIDE)
    for field, counts, low in (("kernel", (1, 2), 1), ("stride", (1, 2), 1), ("dilation", (1, 2), 1),
                               ("padding", (1, 2, 4), 0)):
        object.__setattr__(op, field, _numbers(f"{name}.{field}", getattr(op, field), counts, low))
    for i, side in enumerate(("height", "width")):
        if _places(op, i) < 1:
            raise ArchsimError(f"{name}: a kernel of {op.kernel[i]} (dilation {op.dilation[i]}) does not fit into "
                               f"{side} {getattr(op, side)} with padding {op.padding[i]} and {op.padding[i + 2]}")


def _places(op: Any, axis: int) -> int:
    """Return the places of the window along the height (axis 0) or the width (1)."""
    size = (op.height, op.width)[axis] + op.padding[axis] + op.padding[axis + 2]
    return int((size - op.dilation[axis] * (op.kernel[axis] - 1) - 1) // op.stride[axis] + 1)


def _touched(op: Any) -> int:
    """Return the pixels of one image that any window touches."""
    total = 1
    for axis, size in enumerate((op.height, op.width)):
        total *= touched(size, op.kernel[axis], op.stride[axis], op.dilation[axis], op.padding[axis],
                         _places(op, axis))
    return total


@dataclass(frozen=True)
class Conv(Op):
    """Two-dimensional convolution of a channels-last image; a one-dimensional one has a height of 1.

    `kernel`, `stride` and `dilation` are (height, width), or one number for both; `padding` is (top, left, bottom,
    right), (vertical, horizontal), or one number for all sides. `groups` cuts the channels into independent
    convolutions; ``groups == c_in`` is a depthwise one. `folded_norm` says that a batch norm is folded into weights and
    bias, as every inference compiler does: two parameters per channel of the model, one addition per result in the
    machine. `epilogue` holds elementwise operators fused to the output, as in `MatMul`.

    Raises
    ------
    ArchsimError
        If a size is out of range, the channels are no multiple of the groups, or the window does not fit.
    """

    kind: ClassVar[str] = "conv"
    batch: int
    height: int
    width: int
    c_in: int
    c_out: int
    kernel: tuple[int, ...] | int
    stride: tuple[int, ...] | int = 1
    padding: tuple[int, ...] | int = 0
    dilation: tuple[int, ...] | int = 1
    groups: int = 1
    bias: bool = False
    folded_norm: bool = False
    dtype: str = "bf16"
    w_dtype: str = ""
    out_dtype: str = ""
    weights: bool = True
    epilogue: tuple[Elementwise, ...] = ()

    def __post_init__(self) -> None:
        if not self.w_dtype:
            object.__setattr__(self, "w_dtype", self.dtype)
        if not self.out_dtype:
            object.__setattr__(self, "out_dtype", "bf16" if BYTES[dtype(self.dtype)] < 2 else self.dtype)
        super().__post_init__()
        _complete(self)
        if self.c_in % self.groups or self.c_out % self.groups:
            raise ArchsimError(f"Conv: {self.c_in} input and {self.c_out} output channels must both be multiples of "
                               f"groups = {self.groups}")
        self.as_matmul()  # its sizes are checked here, not when it is timed

    @property
    def out_height(self) -> int:
        """Rows of the result."""
        return _places(self, 0)

    @property
    def out_width(self) -> int:
        """Columns of the result."""
        return _places(self, 1)

    @property
    def taps(self) -> int:
        """Area of the kernel."""
        assert isinstance(self.kernel, tuple)
        return self.kernel[0] * self.kernel[1]

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.batch * self.out_height * self.out_width * self.c_out

    @property
    def input_elements(self) -> int:
        """Elements of the image that any window touches: a strided 1x1 kernel leaves most of it alone."""
        return self.batch * _touched(self) * self.c_in

    def as_matmul(self) -> MatMul:
        """Return the matrix product that the convolution is: windows (im2col) times filters, one product per group.

        Its FLOPs and its bytes are the convolution's: `MatMul.a_reuse` says how often a pixel occurs in the windows. In
        8 bits, images have one scale each.
        """
        m, k = self.batch * self.out_height * self.out_width, self.taps * (self.c_in // self.groups)
        positive_int("Conv: batch x output height x output width", m)
        positive_int("Conv: kernel area x input channels", k)
        return MatMul(
            m=m, n=self.c_out // self.groups, k=k, batch=self.groups, dtype=self.dtype, b_dtype=self.w_dtype,
            out_dtype=self.out_dtype, weights=self.weights, bias=self.bias or self.folded_norm,
            a_reuse=max(1.0, self.groups * m * k / max(1, self.input_elements)), epilogue=self.epilogue,
            row_scales=False,
        )

    @property
    def flops(self) -> float:
        """2 per tap, input channel of the group and result."""
        return 2.0 * self.outputs * self.taps * (self.c_in // self.groups)

    @property
    def vector_ops(self) -> float:
        """Plain operations of the bias and the fused epilogue."""
        return self.as_matmul().vector_ops

    @property
    def transcendentals(self) -> float:
        """Transcendental operations of the fused epilogue."""
        return self.as_matmul().transcendentals

    @property
    def read_bytes(self) -> float:
        """The image once, the weights, the bias, and what the epilogue reads beside the product."""
        return self.as_matmul().read_bytes

    @property
    def write_bytes(self) -> float:
        """The result, or what the fused operators leave of it."""
        return self.as_matmul().write_bytes

    @property
    def parameters(self) -> int:
        """Weights, bias, and the gain and shift of a folded batch norm."""
        if not self.weights:
            return 0
        return self.taps * self.c_in // self.groups * self.c_out + self.c_out * (self.bias + 2 * self.folded_norm)

    @property
    def parameter_bytes(self) -> float:
        """Bytes that weights and one shift per channel occupy."""
        return self.as_matmul().parameter_bytes

    def shard(self, chips: int) -> Conv:
        """Deal out images, each chip with all the weights; with fewer images than chips, groups or output channels."""
        if chips == 1:
            return self
        if self.batch >= chips:
            cut = replace(self, batch=share(self.batch, chips))
        elif self.groups >= chips:
            groups = share(self.groups, chips)
            cut = replace(self, groups=groups, c_in=self.c_in // self.groups * groups,
                          c_out=self.c_out // self.groups * groups)
        else:
            cut = replace(self, c_out=self.groups * share(self.c_out // self.groups, chips))
        return replace(cut, epilogue=tuple(e.shard(chips) for e in self.epilogue))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield image, filters and result."""
        assert isinstance(self.kernel, tuple)
        yield "in", (self.batch, self.height, self.width, self.c_in), self.dtype
        yield "filter", (*self.kernel, self.c_in // self.groups, self.c_out), self.w_dtype
        yield "out", (self.batch, self.out_height, self.out_width, self.c_out), self.out_dtype


@dataclass(frozen=True)
class Pool(Stream):
    """The maximum or the mean of each window of a channels-last image; fields as of `Conv`."""

    kind: ClassVar[str] = "pool"
    batch: int
    height: int
    width: int
    channels: int
    kernel: tuple[int, ...] | int
    stride: tuple[int, ...] | int = 1
    padding: tuple[int, ...] | int = 0
    dilation: tuple[int, ...] | int = 1
    name: str = "max"
    dtype: str = "bf16"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ("max", "mean"):
            raise unknown("pool", self.name, ("max", "mean"))
        _complete(self)

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.batch * _places(self, 0) * _places(self, 1) * self.channels

    @property
    def units(self) -> int:
        """Rows of the result."""
        return self.batch * _places(self, 0)

    @property
    def vector_ops(self) -> float:
        """A comparison or an addition per tap."""
        assert isinstance(self.kernel, tuple)
        return float(self.outputs * self.kernel[0] * self.kernel[1])

    @property
    def read_bytes(self) -> float:
        """The pixels that any window touches."""
        return self.batch * _touched(self) * self.channels * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """The result."""
        return self.outputs * BYTES[self.dtype]

    def shard(self, chips: int) -> Pool:
        """Deal out images, or channels where there are fewer images than chips."""
        if self.batch >= chips:
            return replace(self, batch=share(self.batch, chips))
        return replace(self, channels=share(self.channels, chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield image and result."""
        yield "in", (self.batch, self.height, self.width, self.channels), self.dtype
        yield "out", (self.batch, _places(self, 0), _places(self, 1), self.channels), self.dtype
