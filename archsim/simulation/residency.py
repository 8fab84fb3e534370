"""Residency: what a GPU's L2 still holds of an operator's operands when a step comes to it.

Kernels of a step follow each other. A result is in L2 when its reader starts if little was touched in between, and
weights and keys stay from one step to the next if the whole step touches no more than L2 holds. The reuse distance of
an operand, in bytes touched since, decides: see `held_written` and `held_read` of `archsim.timing.warm`. Operators of
repeated layers count once: what follows a layer is a layer like it. Results are written back to device memory all the
same: sooner or later their lines are evicted.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from archsim.hardware import Chip
from archsim.timing import COLD, Warm
from archsim.timing.warm import held_read, held_written
from archsim.workload.ops import Op


def residency(order: Sequence[str], graph: nx.DiGraph, chip: Chip, chips: int) -> dict[str, Warm]:
    """Return what L2 holds for every operator of a step that repeats.

    Parameters
    ----------
    order
        Nodes in the order in which they run.
    graph
        The graph after fusion; edges carry what their producer makes.
    chip
        The chip; of a kind without a cache that hardware manages, everything is cold.
    chips
        Chips that share every operator evenly.
    """
    if chip.kind != "gpu" or chip.cache is None:
        return dict.fromkeys(order, COLD)
    ops: dict[str, Op] = {node: graph.nodes[node]["op"] for node in order}
    before = {}  # bytes that a step touched until the operator starts
    touched = 0.0
    for node in order:
        before[node] = touched
        touched += ops[node].bytes / chips
    step = sum(ops[node].bytes * graph.nodes[node].get("repeat", 1) / chips for node in order)
    again = held_read(step, chip)  # of what a step reads and no operator of it made
    warm = {}
    for node in order:
        op = ops[node]
        inputs = max(0.0, op.read_bytes - op.parameter_bytes)  # a lookup reads little of its parameters
        made = held = 0.0
        for producer, _, data in graph.in_edges(node, data=True):
            size = data["tensor"].bytes if "tensor" in data else 0.0
            since = before[node] - before[producer] - ops[producer].bytes / chips + size / chips
            others = (op.bytes - size) / chips
            made, held = made + size, held + size * held_written(since, max(0.0, others), chip)
        made, held = (made, held) if made <= inputs or made <= 0.0 else (inputs, held * inputs / made)
        share = (held + max(0.0, inputs - made) * again) / inputs if inputs > 0.0 else 0.0
        warm[node] = Warm(inputs=min(1.0, max(0.0, share)), weights=again)
    return warm
