"""Fusion: which operators are merged before timing. Conserves FLOPs and never adds bytes.

Where a core's `fuse_elementwise` is set, elementwise operators ride with the matrix product that feeds them, as an
ahead-of-time compiler arranges it: they become the product's epilogue, run on the vector unit while the array works,
and that operand never visits device memory. One that several operators feed goes with the last of them that is a
product, and reads the others' results. Where arrays take their operands from a scratchpad that the vector unit works
in too, an elementwise operator may also ride in front of the product that alone takes its result, as a prologue. As
the product may read that operand several times, only a prologue that reads no more than it makes is sure to add no
bytes. A reduction (a norm, a quantisation by the largest of a row) ends a fusion, except that a GPU's norm may quantise
the rows that it holds, and an elementwise operator groups of a row. Where `fuse_elementwise` is not set,
each operator is a kernel of its own, as most serving frameworks launch them.
"""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from archsim.dtypes import SCALED
from archsim.hardware import Chip, GpuCore, SystolicCore
from archsim.workload.contract import output
from archsim.workload.ops import Conv, Elementwise, GroupedMatMul, MatMul, Norm, Quantize


def fuse(graph: nx.DiGraph, chip: Chip) -> nx.DiGraph:
    """Return the graph as it runs on `chip`; the graph given is not changed."""
    if not chip.core.fuse_elementwise:
        return graph
    fused = graph.copy()
    order = list(nx.topological_sort(graph))
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        op = fused.nodes[node]["op"]
        if isinstance(op, Quantize) and isinstance(chip.core, GpuCore):
            _narrow(fused, node)
        if not isinstance(op, Elementwise) or op.parameters:  # a product's parameters are its own
            continue
        if _epilogue(fused, node, place):
            continue
        if isinstance(chip.core, SystolicCore):
            _prologue(fused, node)
    return fused


def _epilogue(graph: nx.DiGraph, node: str, place: dict[str, int]) -> bool:
    """Merge an elementwise operator into the last product that feeds it, if it may ride there; say whether it did."""
    feeds = sorted(graph.predecessors(node), key=lambda n: place[n])
    if not feeds or not _alone(graph, feeds[-1], node):
        return False
    into, op = graph.nodes[feeds[-1]], graph.nodes[node]["op"]
    outputs = into["op"].outputs if isinstance(into["op"], GroupedMatMul) else 0.0
    if isinstance(into["op"], MatMul):
        outputs = float(into["op"].batch) * into["op"].m * into["op"].n
    if isinstance(into["op"], Conv):
        outputs = float(into["op"].outputs)
    taken = min(outputs, op.elements * op.inputs)
    if not outputs or not _alike(into, graph.nodes[node]) or (len(feeds) > 1 and taken < outputs):
        return False
    into["op"] = replace(into["op"], epilogue=(*into["op"].epilogue, op))
    for other in feeds[:-1]:
        graph.add_edge(other, feeds[-1], **graph.edges[other, node])
    for after, edge in list(graph[node].items()):
        if graph.has_edge(feeds[-1], after):  # the rest of the product goes there too: all of it, then
            graph.remove_edge(feeds[-1], after)
            edge = {"tensor": output(into["op"])}
        graph.add_edge(feeds[-1], after, **edge)
    graph.remove_node(node)
    return True


def _narrow(graph: nx.DiGraph, node: str) -> None:
    """Merge a quantisation into the norm or the elementwise operator that makes its rows, if that may do both."""
    feeds, quantise = list(graph.predecessors(node)), graph.nodes[node]["op"]
    if len(feeds) != 1 or graph.edges[feeds[0], node].get("name"):
        return
    into = graph.nodes[feeds[0]]
    op, values = into["op"], quantise.rows * quantise.cols
    pieces = not quantise.dynamic or quantise.out_dtype in SCALED  # no more of a row than a warp holds
    merged: Norm | Elementwise
    if isinstance(op, Norm) and not op.post and op.rows * op.cols == values:
        merged = replace(op, out_dtype=quantise.out_dtype)
    elif isinstance(op, Elementwise) and pieces and op.elements == values:
        more = quantise.vector_ops / values
        merged = replace(op, out_dtype=quantise.out_dtype, ops=op.ops + more, cols=quantise.cols)
    else:
        return
    others = [edge.get("name") for _, after, edge in graph.out_edges(feeds[0], data=True) if after != node]
    if not all(others) or any(graph.has_edge(feeds[0], after) for after in graph[node]):
        return  # somebody else takes the rows as they are
    if op.out_dtype != quantise.dtype or not _alike(into, graph.nodes[node]):
        return
    into["op"] = merged
    for after, edge in list(graph[node].items()):
        graph.add_edge(feeds[0], after, **edge)
    graph.remove_node(node)


def _alone(graph: nx.DiGraph, producer: str, consumer: str) -> bool:
    """Whether no other node reads what `consumer` reads of a result: others may read other parts, by their names."""
    taken = graph.edges[producer, consumer].get("name")
    names = [edge.get("name") for _, after, edge in graph.out_edges(producer, data=True) if after != consumer]
    return not names or (taken is not None and None not in names and taken not in names)


def _prologue(graph: nx.DiGraph, node: str) -> None:
    """Merge an elementwise operator into the product that alone takes its result as its moving operand, if it may."""
    op, takers = graph.nodes[node]["op"], list(graph.successors(node))
    if len(takers) != 1:
        return
    into = graph.nodes[takers[0]]
    product = into["op"]
    if not isinstance(product, MatMul) or not product.weights or product.a_reuse > 1 or product.prologue:
        return
    same = op.elements == product.batch * product.m * product.k
    if not same or op.read_bytes > product.a_bytes or not _alike(into, graph.nodes[node]):
        return
    into["op"] = replace(product, prologue=(op,))
    for before in list(graph.predecessors(node)):
        graph.add_edge(before, takers[0], **graph.edges[before, node])
    graph.remove_node(node)


def _alike(a: dict[str, object], b: dict[str, object]) -> bool:
    """Whether two nodes occur in the same layer, equally often."""
    return all(a.get(key) == b.get(key) for key in ("layer", "repeat", "recomputed"))
