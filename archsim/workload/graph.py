"""Graphs by hand: build, inspect, cut, edit and check layer graphs (their files: `archsim.workload.graph_json`).

`backward` and `optimize` make a training step of a forward graph, `memory` says what it needs.

A layer graph is a ``networkx.DiGraph``. A node carries ``op`` and may carry ``layer`` (the name of the block it belongs
to), ``repeat`` (how many equal blocks it stands for) and ``tied_to`` (the node whose parameters it uses). An edge
carries ``tensor``: what flows along it.

>>> from archsim import graph, ops
>>> g = graph.new("two products", tokens=64)
>>> up = graph.add(g, "up", ops.MatMul(m=64, n=256, k=64, weights=True))
>>> down = graph.add(g, "down", ops.MatMul(m=64, n=64, k=256, weights=True), up)
>>> graph.inspect(g).total.parameters
32768
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import networkx as nx

from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, expect, positive_int, unknown
from archsim.workload.backward import backward, optimize
from archsim.workload.contract import Tensor, known, output, validate
from archsim.workload.graph_json import load, plain, read, save, text
from archsim.workload.memory import Memory, kept, memory
from archsim.workload.ops import Op

__all__ = ["Memory", "Summary", "Tensor", "Totals", "add", "backward", "connect", "cut", "insert", "inspect", "kept",
           "layer", "load", "memory", "new", "optimize", "output", "plain", "read", "remove", "replace", "save", "text",
           "validate"]


def new(
    model: str = "graph", *, dtype: str = "bf16", tokens: int = 1, kv_bytes: float = 0.0, **about: Any
) -> nx.DiGraph:
    """Return an empty layer graph.

    Parameters
    ----------
    model
        What to call it.
    dtype
        Format of the matrix work: utilisation is counted against the chip's peak in it.
    tokens
        Tokens (or images) of one step: throughput is counted in them.
    kv_bytes
        Bytes of KV cache that must be resident beside weights and activations.
    about
        What else to keep with the graph (``phase``, ``batch``, ``seq``, ``note`` ...).
    """
    if not 0.0 <= kv_bytes < math.inf:
        raise ArchsimError(f"kv_bytes must be a number of at least 0, not {kv_bytes!r}")
    return nx.DiGraph(model=model, dtype=dtype_name(dtype), tokens=positive_int("tokens", tokens),
                      kv_bytes=kv_bytes, **about)


def add(
    graph: nx.DiGraph, name: str, op: Op, *inputs: str, layer: str = "", repeat: int = 1, tied_to: str = ""
) -> str:
    """Add an operator behind the nodes that it reads, and return its name, for the next ones to read it.

    Raises
    ------
    ArchsimError
        If the name is taken, `op` is no operator, or an input is no node of the graph.
    """
    expect("graph.add()", graph, nx.DiGraph, "graph.new()")
    if not isinstance(name, str) or not name:
        raise ArchsimError(f"a node's name must be a string, not {name!r}")
    if name in graph:
        raise ArchsimError(f"there is a node {name!r} already")
    if not isinstance(op, Op):
        raise ArchsimError(f"node {name!r} must carry an operator (see archsim.ops), not {op!r}")
    for before in (*inputs, *([tied_to] if tied_to else [])):
        known(graph, before)
    graph.add_node(name, op=op, layer=layer, repeat=positive_int(f"repeat of {name!r}", repeat))
    if tied_to:
        graph.nodes[name]["tied_to"] = tied_to
    for before in inputs:
        connect(graph, before, name)
    return name


def connect(graph: nx.DiGraph, before: str, after: str, tensor: Tensor | None = None) -> None:
    """Add an edge; it carries the result of `before` unless given a `tensor` (a part of it, say)."""
    known(graph, before)
    known(graph, after)
    graph.add_edge(before, after, tensor=tensor or output(graph.nodes[before]["op"]))


# --- looking


@dataclass(frozen=True)
class Totals:
    """Sums over nodes and their repeats; `bytes` is compulsory traffic: each input read once, each output written."""

    count: int = 0
    flops: float = 0.0
    bytes: float = 0.0
    parameters: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Summary:
    """What `inspect` finds: totals by kind of operator, the largest in bytes first, and of all."""

    kinds: dict[str, Totals]
    total: Totals

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return {"total": asdict(self.total), "kinds": {kind: asdict(t) for kind, t in self.kinds.items()}}

    def __str__(self) -> str:
        rows = [*self.kinds.items(), ("total", self.total)]
        width = max(len(kind) for kind, _ in rows)
        lines = [f"{'kind':<{width}}  {'count':>7}  {'GFLOP':>12}  {'MB':>12}  {'parameters':>17}"]
        lines += [f"{kind:<{width}}  {t.count:>7,}  {t.flops / 1e9:>12,.3f}  {t.bytes / 1e6:>12,.3f}  "
                  f"{t.parameters:>17,}" for kind, t in rows]
        return "\n".join(lines)


def inspect(graph: nx.DiGraph) -> Summary:
    """Return how many operators of each kind the graph has, with their matrix FLOP, bytes and parameters.

    Parameters shared with another node (``tied_to``) count once.
    """
    expect("graph.inspect()", graph, nx.DiGraph, "graph.new()")
    kinds: dict[str, Totals] = {}
    for _, data in graph.nodes(data=True):
        op, repeat = data["op"], data.get("repeat", 1)
        mine = Totals(repeat, op.flops * repeat, op.bytes * repeat,
                      0 if data.get("tied_to") else op.parameters * repeat)
        kinds[op.kind] = kinds.get(op.kind, Totals()) + mine
    ordered = dict(sorted(kinds.items(), key=lambda kv: -kv[1].bytes))
    return Summary(ordered, sum(ordered.values(), Totals()))


# --- cutting


def _part(graph: nx.DiGraph, keep: Iterable[str]) -> nx.DiGraph:
    """Return the graph of some nodes: its parameters are theirs, its KV cache is what their attention reads of it."""
    part = graph.subgraph(keep).copy()
    cached = [sum(getattr(d["op"], "kv_bytes", 0.0) * d.get("repeat", 1) for _, d in g.nodes(data=True))
              for g in (part, graph)]
    part.graph["kv_bytes"] = graph.graph.get("kv_bytes", 0.0) * (cached[0] / cached[1] if cached[1] else 0.0)
    for _, data in part.nodes(data=True):
        if data.get("tied_to") not in part:
            data.pop("tied_to", None)  # what it was tied to stayed behind: the parameters are here now
    part.graph["parameters"] = inspect(part).total.parameters
    return part


def cut(graph: nx.DiGraph, first: str, last: str) -> nx.DiGraph:
    """Return a copy of all nodes on the ways from `first` to `last`, both included.

    Raises
    ------
    ArchsimError
        If one of them is not in the graph, or no way leads from the first to the last.
    """
    known(graph, first)
    known(graph, last)
    between = (nx.descendants(graph, first) | {first}) & (nx.ancestors(graph, last) | {last})
    if not between:
        raise ArchsimError(f"no way leads from {first!r} to {last!r}" + (
            f": it leads from {last!r} to {first!r}" if nx.has_path(graph, last, first) else ""))
    return _part(graph, between)


def layer(graph: nx.DiGraph, name: str | None = None) -> nx.DiGraph:
    """Return a copy of one block of the graph, once: its nodes have no repeat.

    Parameters
    ----------
    graph
        The graph.
    name
        What the ``layer`` of its nodes says; by default the block that is repeated most often.

    Raises
    ------
    ArchsimError
        If there is no such block.
    """
    repeats: dict[str, int] = {}
    for _, data in graph.nodes(data=True):
        block = str(data.get("layer", ""))
        repeats[block] = max(repeats.get(block, 0), data.get("repeat", 1))
    if not repeats:
        raise ArchsimError("the graph has no nodes")
    chosen = max(repeats, key=lambda block: repeats[block]) if name is None else name
    if chosen not in repeats:
        raise unknown("layer", chosen, repeats)
    kept = [n for n, d in graph.nodes(data=True) if str(d.get("layer", "")) == chosen]
    part = _part(graph, kept)
    most = repeats[chosen]
    for _, data in part.nodes(data=True):
        data["repeat"] = max(1, data.get("repeat", 1) // most)
    part.graph.update(kv_bytes=part.graph["kv_bytes"] / most, parameters=inspect(part).total.parameters, layer=chosen)
    return part


# --- editing: each returns a changed copy


def replace(graph: nx.DiGraph, node: str, op: Op) -> nx.DiGraph:
    """Return a copy in which `node` carries another operator; edges behind it carry what that one makes.

    An edge that carried only a part of the old result still carries that part, if the new one has it.

    Raises
    ------
    ArchsimError
        If there is no such node, or an edge's part is larger than the new result.
    """
    known(graph, node)
    if not isinstance(op, Op):
        raise ArchsimError(f"node {node!r} must carry an operator (see archsim.ops), not {op!r}")
    changed = graph.copy()
    before, made = output(graph.nodes[node]["op"]), output(op)
    changed.nodes[node]["op"] = op
    for _, after, data in changed.out_edges(node, data=True):
        part = data.get("tensor", before)
        if math.prod(part.shape) == math.prod(before.shape):
            data["tensor"] = made
        elif math.prod(part.shape) <= math.prod(made.shape):
            data["tensor"] = Tensor(part.shape, made.dtype)
        else:
            raise ArchsimError(f"{after!r} takes {part.shape} of {node!r}, more than the {made.shape} it would make")
    return _recount(changed)


def insert(graph: nx.DiGraph, name: str, op: Op, after: str, before: str | None = None) -> nx.DiGraph:
    """Return a copy with a new operator on the edge from `after` to `before`, or on all edges out of `after`.

    It belongs to the layer of `after` and is repeated as often.

    Raises
    ------
    ArchsimError
        If the name is taken, a node is not in the graph, or there is no such edge.
    """
    known(graph, after)
    if before is not None:
        known(graph, before)
        if not graph.has_edge(after, before):
            raise ArchsimError(f"there is no edge {after!r} -> {before!r}; {after!r} feeds: "
                               f"{', '.join(map(repr, graph.successors(after))) or 'nothing'}")
    changed = graph.copy()
    readers = list(graph.successors(after)) if before is None else [before]
    data = graph.nodes[after]
    add(changed, name, op, after, layer=data.get("layer", ""), repeat=data.get("repeat", 1))
    for reader in readers:
        changed.remove_edge(after, reader)
        connect(changed, name, reader)
    return _recount(changed)


def remove(graph: nx.DiGraph, node: str) -> nx.DiGraph:
    """Return a copy without `node`: what it read goes straight to those that read it.

    Raises
    ------
    ArchsimError
        If there is no such node, or another is tied to its parameters.
    """
    known(graph, node)
    tied = [n for n, d in graph.nodes(data=True) if d.get("tied_to") == node]
    if tied:
        raise ArchsimError(f"{tied[0]!r} uses the parameters of {node!r}: remove it first")
    changed = graph.copy()
    for before, _, data in graph.in_edges(node, data=True):
        for after in graph.successors(node):
            if not changed.has_edge(before, after):
                changed.add_edge(before, after, **data)
    changed.remove_node(node)
    return _recount(changed)


def _recount(graph: nx.DiGraph) -> nx.DiGraph:
    """Bring the number of parameters that the graph states up to date."""
    if "parameters" in graph.graph:
        graph.graph["parameters"] = inspect(graph).total.parameters
    return graph
