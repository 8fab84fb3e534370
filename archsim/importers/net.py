"""Net: an imported model between its file and the layer graph: nodes that name their tensors, all shapes known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archsim.dtypes import BYTES

RANDOM = ("Random", "Bernoulli", "Multinomial")
"""How the names of operations begin whose results differ from run to run."""


@dataclass(eq=False)
class Node:
    """One operation of the file, or several that a pattern has merged."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Net:
    """Nodes in topological order, and what is known of every tensor.

    `constants` holds tensors that never change, with their values where they are small; `weights` those that are
    parameters or are made of them once, each with the initialiser that it comes from; `pairs` those of 64-bit elements,
    which count as two of 32. `compute` is the format of matrix operands, None for the file's own. `settled` are the
    nodes whose results never change, by result; `given` the formats of weights in the file.
    """

    nodes: list[Node]
    outputs: list[str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: dict[str, str]
    constants: dict[str, Any]
    weights: dict[str, str]
    pairs: set[str]
    compute: str | None = None
    settled: dict[str, Node] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def size(self, tensor: str) -> int:
        """Return the elements of a tensor."""
        return math.prod(self.shapes[tensor])

    def bytes(self, tensor: str) -> float:
        """Return the bytes of a tensor."""
        return self.size(tensor) * BYTES[self.dtypes[tensor]] * (2 if tensor in self.pairs else 1)

    def scalar(self, tensor: str) -> float | None:
        """Return the value of a constant with one element, None of anything else."""
        value = self.constants.get(tensor)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def fixed(self, tensor: str) -> bool:
        """Return whether a tensor does not depend on the model's inputs."""
        return not tensor or tensor in self.constants or tensor in self.weights

    def settle(self) -> None:
        """Take out nodes whose results never change: what they make of weights is a weight, made once and kept."""
        moving: list[Node] = []
        for node in self.nodes:
            if not all(map(self.fixed, node.inputs)) or node.op.startswith(RANDOM):
                moving.append(node)
                continue
            roots = {self.weights[t] for t in node.inputs if t in self.weights and self.size(t) > 1}
            for out in filter(None, node.outputs):
                self.settled[out] = node
                if roots:
                    self.weights[out] = roots.pop() if len(roots) == 1 else out
                    if node.op == "DequantizeLinear":  # memory holds it as it was
                        self.dtypes[out] = self.dtypes[node.inputs[0]]
                else:
                    self.constants.setdefault(out, None)
        self.nodes = moving

    def makers(self) -> dict[str, Node]:
        """Return the node that makes each tensor."""
        return {out: node for node in self.nodes for out in node.outputs if out}

    def readers(self) -> dict[str, list[Node]]:
        """Return the nodes that read each tensor."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for tensor in dict.fromkeys(node.inputs):
                if tensor:
                    found.setdefault(tensor, []).append(node)
        return found

    def prune(self) -> None:
        """Drop nodes of which nobody reads anything."""
        wanted, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        self.nodes = kept[::-1]
