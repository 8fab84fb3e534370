"""What every layer graph keeps: nodes carry operators, edges what their producer makes, nothing goes in circles."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload.build import Tensor
from archsim.workload.ops import Op


def output(op: Op) -> Tensor:
    """Return what an operator makes: its last shape, or what operators fused to its output leave of that."""
    *_, (_, shape, dtype) = op.shapes()
    epilogue = getattr(op, "epilogue", ())
    if not epilogue:
        return Tensor(shape, dtype)
    out = epilogue[-1].out_dtype
    left = round(op.write_bytes / BYTES[out])
    return Tensor(shape if left == math.prod(shape) else (left,), out)


def execution_order(graph: nx.DiGraph) -> list[Any]:
    """Return the nodes in the order in which they were added, as far as no edge runs against it."""
    place = {node: i for i, node in enumerate(graph)}
    if all(place[a] < place[b] for a, b in graph.edges):
        return list(graph)
    return list(nx.lexicographical_topological_sort(graph, key=place.__getitem__))


def known(graph: nx.DiGraph, node: str) -> None:
    """Check that the graph has a node.

    Raises
    ------
    ArchsimError
        If it has not; the message gives the nearest name.
    """
    if node not in graph:
        raise unknown("node", node, map(str, graph.nodes))


def validate(graph: nx.DiGraph) -> None:
    """Check that a graph can be simulated and says what it means.

    Raises
    ------
    ArchsimError
        If it has no nodes or a cycle, a node carries no operator or is tied to a node that does not exist, or an edge
        carries no tensor, another dtype than its producer makes, or more elements than that.
    """
    if not isinstance(graph, nx.DiGraph):
        raise ArchsimError(f"a layer graph is a networkx.DiGraph, not {type(graph).__name__}")
    if not graph:
        raise ArchsimError("the graph has no nodes")
    for node, data in graph.nodes(data=True):
        if not isinstance(data.get("op"), Op):
            raise ArchsimError(f"node {node!r} carries no operator: its 'op' is {data.get('op')!r}")
        positive_int(f"repeat of {node!r}", data.get("repeat", 1))
        if data.get("tied_to"):
            known(graph, data["tied_to"])
    for before, after, data in graph.edges(data=True):
        where, made, tensor = f"edge {before!r} -> {after!r}", output(graph.nodes[before]["op"]), data.get("tensor")
        if not isinstance(tensor, Tensor):
            raise ArchsimError(f"{where} carries no tensor: it is {tensor!r}")
        if data.get("name"):  # not the result, but a part of it or something beside it
            continue
        if tensor.dtype != made.dtype:
            raise ArchsimError(f"{where} carries {tensor.dtype}, but {before!r} makes {made.dtype}")
        if math.prod(tensor.shape) > math.prod(made.shape):
            raise ArchsimError(f"{where} carries {tensor.shape}, more than the {made.shape} that {before!r} makes")
    if not nx.is_directed_acyclic_graph(graph):
        around = " -> ".join(repr(a) for a, _ in nx.find_cycle(graph))
        raise ArchsimError(f"the graph has a cycle: {around} wait for each other")


__all__ = ["Tensor", "execution_order", "known", "output", "validate"]
