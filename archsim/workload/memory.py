"""What must lie in memory to run a graph: weights, KV cache, gradients, optimizer states, and tensors while they live.

A tensor lives from the node that makes it to the last that reads it, in order of execution. A tensor that a backward
node reads is kept for every one of the equal layers that the node stands for; all others exist once, since equal layers
run one after another.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import networkx as nx

from archsim.workload.build import SHARED, Tensor
from archsim.workload.contract import execution_order, output
from archsim.workload.ops import Attention, AttentionBackward, Op, Update

Held = tuple[Hashable, str]
"""A tensor: the node that makes it, and which of its results it is."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a graph needs at its worst moment, while node `at` runs."""

    weights: float
    kv_cache: float
    gradients: float
    optimizer: float
    activations: float
    at: str

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.kv_cache + self.gradients + self.optimizer + self.activations


def memory(graph: nx.DiGraph) -> Memory:
    """Return the peak need of memory of a layer graph, forward or with its backward pass.

    Weights are the parameters of every node (those tied to another node count once) and what the graph says it leaves
    untouched (``untouched_bytes``); the KV cache is the graph's ``kv_bytes``.
    """
    nodes = graph.nodes
    weights = sum(d["op"].parameter_bytes * _copies(d) for d in nodes.values() if not d.get("tied_to"))
    update = next((d["op"] for d in nodes.values() if isinstance(d["op"], Update)), None)
    gradients = optimizer = 0.0
    if update is not None:
        gradients, optimizer = update.gradient_bytes, update.state_bytes
    else:
        gradients = sum(d["op"].write_bytes * _copies(d) for d in nodes.values() if d.get("gradient_of"))
    activations, at = _peak(graph)
    return Memory(weights + float(graph.graph.get("untouched_bytes", 0.0)), float(graph.graph.get("kv_bytes", 0.0)),
                  gradients, optimizer, activations, at)


def kept(graph: nx.DiGraph) -> dict[Held, float]:
    """Return the tensors that the forward pass keeps for the backward pass, and the bytes of each in all its layers.

    A GPT in 16 bits whose attention is not fused keeps ``s b h (34 + 5 a s / h)`` bytes per layer with dropout,
    34 s b h with selective and 2 s b h with full recomputation (Korthikanti et al. 2022, arXiv 2205.05198, section 4).
    Without dropout it is less by two masks of s b h and by a mask and a copy of the probabilities, 3 a s^2 b. A fused
    kernel keeps an fp32 figure per query and head instead of all that has s^2.
    """
    found: dict[Held, float] = {}
    for before, after, edge in graph.edges(data=True):
        this, that = graph.nodes[before], graph.nodes[after]
        if _is_backward(that) and not _is_backward(this) and edge.get("name") != "gradient":
            name = edge.get("name", "")
            copies = _copies(this) if name == SHARED else max(_copies(this), _copies(that))
            found[before, name] = max(found.get((before, name), 0.0), _tensor(graph, before, edge).bytes * copies)
            if isinstance(that["op"], AttentionBackward) and isinstance(this["op"], Attention):
                found[before, "row sums"] = that["op"].row_bytes * _copies(that)
    return found


def _copies(data: dict[str, Any]) -> int:
    """How many equal layers a node stands for, however often they run."""
    return int(data.get("copies", data.get("repeat", 1)))


def _tensor(graph: nx.DiGraph, before: Hashable, edge: dict[str, Any]) -> Tensor:
    """Return what an edge carries; one that does not say carries all that its producer makes."""
    found = edge.get("tensor")
    return found if isinstance(found, Tensor) else output(graph.nodes[before]["op"])


def _is_backward(data: dict[str, Any]) -> bool:
    return bool(data.get("backward"))


def _peak(graph: nx.DiGraph) -> tuple[float, str]:
    """Return the most bytes of tensors alive at once, and the node that runs then."""
    order = execution_order(graph)
    place = {node: i for i, node in enumerate(order)}
    size: dict[Held, float] = {}
    until: dict[Held, int] = {}
    for before, after, edge in graph.edges(data=True):
        if isinstance(graph.nodes[after]["op"], Update):
            continue  # gradients have memory of their own
        held = before, str(edge.get("name", ""))
        size[held] = max(size.get(held, 0.0), _tensor(graph, before, edge).bytes)
        until[held] = max(until.get(held, 0), place[after])
    size.update({held: total for held, total in kept(graph).items() if held in size})
    rows = sum(total for held, total in kept(graph).items() if held not in size)  # kept beside what edges carry
    made: dict[Hashable, list[Held]] = {}
    dying: dict[int, list[Held]] = {}
    for held, end in until.items():
        made.setdefault(held[0], []).append(held)
        dying.setdefault(end, []).append(held)
    alive, worst, at = rows, -1.0, ""
    for node in order:
        data = graph.nodes[node]
        new = sum(size[held] for held in made.get(node, ()))
        read = [(before, str(edge.get("name", ""))) for before, _, edge in graph.in_edges(node, data=True)]
        touched = new + sum(size[held] for held in read if held in size)
        now = alive + new
        if not _is_backward(data) and not isinstance(data["op"], Update):
            # Operands that no edge carries: inputs of the graph, results that nothing reads, the former layer's.
            now += max(0.0, _moving(data["op"]) - touched)
        if now > worst:
            worst, at = now, str(node)
        alive += new - sum(size[held] for held in dying.get(place[node], ()))
    return worst, at


def _moving(op: Op) -> float:
    """Bytes of an operator's operands and results that are neither weights nor KV cache."""
    if op.kind == "gather":
        return op.write_bytes
    fixed = op.parameter_bytes
    touched = getattr(op, "touched", None)
    if touched is not None:  # weights of the experts that have rows are all that moves of them
        fixed = float(getattr(op, "b_bytes", 0.0))
    return max(0.0, op.bytes - fixed - float(getattr(op, "kv_bytes", 0.0)))


__all__ = ["Memory", "kept", "memory"]
