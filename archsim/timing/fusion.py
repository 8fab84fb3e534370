"""Fusion: which operators are merged before timing. Conserves FLOPs and never adds bytes.

Where a core's `fuse_elementwise` is set, elementwise operators ride with the matrix product that feeds them, as an
ahead-of-time compiler arranges it: they become the product's epilogue, run on the vector unit while the array works,
and their operand never visits device memory. A reduction (a norm) ends a fusion. Where it is not set, each is a kernel
of its own, as most serving frameworks launch them.
"""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from archsim.hardware import Chip
from archsim.workload.ops import Elementwise, MatMul


def fuse(graph: nx.DiGraph, chip: Chip) -> nx.DiGraph:
    """Return the graph as it runs on `chip`; the graph given is not changed."""
    if not chip.core.fuse_elementwise:
        return graph
    fused = graph.copy()
    for node in list(nx.topological_sort(graph)):
        op = fused.nodes[node]["op"]
        feeds = list(fused.predecessors(node))
        if not isinstance(op, Elementwise) or len(feeds) != 1:
            continue
        into = fused.nodes[feeds[0]]
        same_layer = into.get("layer") == fused.nodes[node].get("layer")
        if not isinstance(into["op"], MatMul) or fused.out_degree(feeds[0]) != 1 or not same_layer:
            continue
        into["op"] = replace(into["op"], epilogue=(*into["op"].epilogue, op))
        for after, edge in list(fused[node].items()):
            fused.add_edge(feeds[0], after, **edge)
        fused.remove_node(node)
    return fused
