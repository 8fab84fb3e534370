"""Building layer graphs: tensors, values on their way, and a builder that adds operators with real edges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import networkx as nx

from archsim.dtypes import BYTES, ROWS, arithmetic
from archsim.workload.moe import Routing
from archsim.workload.ops import MatMul, Op, Quantize

SHARED = "shared"
"""Name of a value of which all layers read the same one (the encoder's output, a table of biases)."""


@dataclass(frozen=True)
class Tensor:
    """What travels along an edge."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> float:
        """Size in bytes."""
        return self.elements * BYTES[self.dtype]


@dataclass(frozen=True)
class Value:
    """A tensor and the node that makes it.

    `name` tells apart what a node makes beside its result (``residual``: the stream that a norm has added to) and
    the parts of a result that different nodes read (``v`` of a joint projection); it goes with the edge, as does
    `operand`, ``b`` for the second operand of a product of two activations. A value that several nodes make is in
    `parts`; one that no node makes (pixels) has no node.
    """

    node: str
    tensor: Tensor
    name: str = ""
    operand: str = ""
    parts: tuple[Value, ...] = ()

    def part(self, name: str, *shape: int, dtype: str = "") -> Value:
        """Return a part of the result, or another one, under a name of its own."""
        return Value(self.node, Tensor(shape, dtype or self.tensor.dtype), name)


@dataclass(frozen=True)
class Lengths:
    """`count` sequences of `new` tokens each, which see `keys` keys, the new ones included."""

    count: int
    new: int
    keys: int


@dataclass(frozen=True)
class Step:
    """What one step works on, and in which formats.

    `stored` is the format of matrix operands with its scales (its arithmetic is `dtype`), `weights` and `experts` those
    in which weights lie in memory, `act` that of everything else. In `decode` all that is seen is cached. `source` are
    the encoder's tokens per sequence.
    """

    lengths: tuple[Lengths, ...]
    stored: str
    weights: str
    experts: str
    act: str
    kv: str
    routing: Routing
    decode: bool = False
    fused_attention: bool = True
    dropout: bool = False
    source: int = 0

    @property
    def tokens(self) -> int:
        """New tokens of all sequences."""
        return sum(part.count * part.new for part in self.lengths)

    @property
    def keys(self) -> int:
        """Keys of all sequences."""
        return sum(part.count * part.keys for part in self.lengths)

    @property
    def batch(self) -> int:
        """Sequences."""
        return sum(part.count for part in self.lengths)

    @property
    def dtype(self) -> str:
        """Format of matrix arithmetic."""
        return arithmetic(self.stored)

    @property
    def quantised(self) -> bool:
        """Whether matrix operands are narrower than everything else."""
        return BYTES[self.dtype] < BYTES[self.act]


class Builder:
    """A graph under construction: nodes of one `layer` at a time, each behind the values that it reads."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.graph = nx.DiGraph()
        self.layer, self.repeat, self.prefix = "", 1, ""
        self._narrow: dict[Value, Value] = {}

    def begin(self, layer: str, repeat: int = 1, prefix: str = "") -> None:
        """Let the nodes that follow belong to `layer`, `repeat` equal ones, their names behind `prefix`."""
        self.layer, self.repeat, self.prefix = layer, repeat, prefix

    def add(
        self, name: str, op: Op, inputs: Iterable[Value] = (), shape: tuple[int, ...] = (), tied_to: str = ""
    ) -> Value:
        """Add an operator behind its inputs; its result has `shape`, that of the operator's last operand if empty."""
        name = self.prefix + name
        extra = {"tied_to": tied_to} if tied_to else {}
        self.graph.add_node(name, op=op, layer=self.layer, repeat=self.repeat, **extra)
        for value in inputs:
            connect(self.graph, value, name)
        *_, (_, made, dtype) = op.shapes()
        return Value(name, Tensor(shape or made, dtype))

    def linear(
        self, name: str, x: Value, n: int, k: int, *, bias: bool = False, split: str = "n", batch: int = 1,
        rows: int = 0, wide: bool = False, out_dtype: str = "", tied_to: str = "",
    ) -> Value:
        """Add a product with weights, [`rows`, k] x [k, n] (`rows`: those of `x`), its input quantised where needed.

        With `wide` the product stays in the activations' format, as those of routers and output heads do.
        """
        s = self.step
        narrow = s.quantised and not wide
        if narrow:
            x = self.quantise(name, x)
        op = MatMul(
            m=rows or x.tensor.shape[-2], n=n, k=k, batch=batch, dtype=s.dtype if narrow or not s.quantised else s.act,
            a_dtype=x.tensor.dtype, b_dtype=s.act if wide else s.weights, out_dtype=out_dtype or s.act,
            weights=True, bias=bias, split=split,
        )
        return self.add(name, op, [x], tied_to=tied_to)

    def quantise(self, consumer: str, x: Value) -> Value:
        """Return `x` in the matrix operands' format; several consumers share one quantised copy."""
        if x not in self._narrow:
            *lead, cols = x.tensor.shape
            narrow = ROWS.get(self.step.stored, self.step.stored)
            op = Quantize(rows=math.prod(lead), cols=cols, dtype=x.tensor.dtype, out_dtype=narrow)
            self._narrow[x] = self.add(f"{consumer}_quantize", op, [x], shape=x.tensor.shape)
        return self._narrow[x]


def connect(graph: nx.DiGraph, value: Value, after: str) -> None:
    """Let `after` read a value."""
    for part in value.parts or (value,):
        if not part.node:  # an input of the whole graph
            continue
        about = {k: v for k, v in (("name", part.name), ("operand", part.operand)) if v}
        before = graph.get_edge_data(part.node, after)
        assert before is None or before.get("name", "") == part.name, f"{after} reads two results of {part.node}"
        graph.add_edge(part.node, after, tensor=part.tensor, **about)


def reshaped(value: Value, *shape: int) -> Value:
    """Return the same value seen in another shape of as many elements."""
    return replace(value, tensor=Tensor(shape, value.tensor.dtype))


def joined(parts: list[Value], *shape: int) -> Value:
    """Return values that together are one of `shape`."""
    if len(parts) == 1:
        return parts[0]
    return Value("", Tensor(shape, parts[0].tensor.dtype), parts=tuple(parts))


def slice_of(value: Value, index: int, tokens: int, of: int) -> Value:
    """Return the part of a value that belongs to `tokens` of its `of` tokens, the `index`-th such part."""
    elements = value.tensor.elements * tokens // of
    return value.part(f"{value.name}.{index}", tokens, elements // tokens)
