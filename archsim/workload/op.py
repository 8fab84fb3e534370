"""Op: what every operator tells of itself: exact FLOPs, compulsory bytes, parameters. No operator knows a chip.

Conventions, the same everywhere: one multiply-accumulate is 2 FLOP; `flops` counts matrix work alone (the numerator
of MFU); `vector_ops` counts elementwise arithmetic and `transcendentals` exp, log, rsqrt and reciprocal apart.
Compulsory bytes are each input read once and each output written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError, plain_number, positive_int


def share(total: int, chips: int) -> int:
    """Return the largest share when `total` things are dealt to `chips` chips."""
    return -(-total // chips)


def share_of_loads(total: int, chips: int) -> int:
    """Return the same of a row's elements: in whole loads of `LOAD` elements if all of the row comes in such.

    Who cuts the weights of experts over chips cuts them so, or pads them: rows that begin anywhere are loaded element
    by element.
    """
    most = share(total, chips)
    return most if total % LOAD or most < LOAD else LOAD * share(most, LOAD)


LOAD = 16
"""Elements whose multiples compilers of kernels take for whole loads."""


@dataclass(frozen=True)
class Op:
    """One operator. Sizes are whole numbers of elements."""

    kind: ClassVar[str] = "op"

    def __post_init__(self) -> None:
        for f in fields(self):
            value, where = getattr(self, f.name), f"{type(self).__name__}.{f.name}"
            if f.name.endswith("dtype"):
                value = dtype(value)
            elif f.type == "str" and not isinstance(value, str):
                raise ArchsimError(f"{where} must be a string, not {value!r}")
            elif f.type == "int" or (f.type == "int | None" and value is not None):
                value = positive_int(where, value, 2**60 if f.name == "elements" else 2**31 - 1)
            elif f.type == "float":
                number = plain_number(value)
                if number is None or not 0 <= number <= 2**60:
                    raise ArchsimError(f"{where} must be a number of at least 0 and at most 2^60, not {value!r}")
                value = float(number)
            elif f.type == "bool" and not isinstance(value, bool):
                raise ArchsimError(f"{where} must be True or False, not {value!r}")
            object.__setattr__(self, f.name, value)

    @property
    def flops(self) -> float:
        """Matrix FLOP, 2 per multiply-accumulate."""
        return 0.0

    @property
    def executed_flops(self) -> float:
        """Matrix FLOP that the kernel executes: `flops`, and what it computes again rather than store it."""
        return self.flops

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
class Stream(Op):
    """An operator without matrix work: its inputs stream through the vector unit (or the SMs) and out again.

    Cores share its `units`; nothing passes between them.
    """

    @property
    def units(self) -> int:
        """Rows (elements, if there are no rows) that can go to different cores."""
        raise NotImplementedError

    @property
    def passes(self) -> float:
        """Times that a core reads its inputs from nearby memory: twice where a statistic comes first."""
        return 1.0

    @property
    def reduced(self) -> float:
        """Elements that are reduced, compared or moved across the lanes of a vector, over all passes."""
        return 0.0


class Rows(Stream):
    """An operator on `rows` rows of `cols` elements, which need nothing of each other.

    Unless a class says otherwise it reads every element and writes as many.
    """

    rows: int
    cols: int
    dtype: str

    @property
    def units(self) -> int:
        """Rows."""
        return self.rows

    @property
    def read_bytes(self) -> float:
        """Every element."""
        return self.rows * self.cols * BYTES[self.dtype]

    @property
    def write_bytes(self) -> float:
        """Every element."""
        return self.rows * self.cols * BYTES[self.dtype]

    def shard(self, chips: int) -> Self:
        """Deal out rows."""
        return replace(self, rows=share(self.rows, chips))  # type: ignore[call-arg]  # every such class is a dataclass

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield input and output."""
        yield "in", (self.rows, self.cols), self.dtype
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
