"""Lowering of an imported model: every node an operator of the layer graph, free, or counted as unsupported."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

import networkx as nx

from archsim.errors import ArchsimError
from archsim.importers.net import Net, Node
from archsim.importers.rules import FREE, RULES, UnsupportedNodeError
from archsim.workload import graph as g
from archsim.workload.ops import Attention, Conv, Gather, MatMul, Op

BLOCK = re.compile(r"(?:^|[./])((?:layers?|blocks?|stages?|h|encoder|decoder)[._/]\d+)(?=[./]|$)")
"""How exporters number equal blocks in the names of nodes: ``model.layers.3.self_attn.MatMul``."""


def lower(net: Net, model: str) -> nx.DiGraph:
    """Return the layer graph of a net.

    ``graph.graph`` has ``unsupported``, the nodes that no operator stands for, by kind, and a ``note`` that names them.
    """
    graph = g.new(model, unsupported={}, note="")
    sources: dict[str, tuple[str, ...]] = {}  # operators that make a tensor, seen through what is free
    held: dict[str, str] = {}  # node by the weight that it holds
    unsupported: Counter[str] = Counter()
    for node in net.nodes:
        moving = [t for t in node.inputs if t and not net.fixed(t)]
        feeds = tuple(dict.fromkeys(s for t in moving for s in sources.get(t, ())))
        made: list[Op] = []
        if node.op not in FREE and not any(net.size(t) == 0 for t in node.outputs[:1]):
            try:
                made = RULES[node.op](net, node) if node.op in RULES else _none(node)
            except UnsupportedNodeError as e:
                unsupported[str(e)] += 1
            except ArchsimError as e:
                raise ArchsimError(f"{node.op} {node.name!r}: {e}") from None
        weights = [t for t in node.inputs if t in net.weights and net.size(t) > 1]
        if made and weights and not any(op.parameters for op in made):
            feeds += tuple(_table(graph, net, node, t, held) for t in weights)
        layer = found[1].replace("_", ".").replace("/", ".") if (found := BLOCK.search(node.name)) else ""
        for i, op in enumerate(made):
            name = _free_name(graph, node.name if i == len(made) - 1 else f"{node.name}.{op.kind}")
            roots = [net.weights[t] for t in weights] if op.parameters else []
            tied = held.get(roots[0], "") if roots else ""
            g.add(graph, name, op, layer=layer, tied_to=tied)
            _connect(graph, net, feeds, name, moving)
            held.update({root: name for root in roots if root not in held})
            feeds = (name,)
        sources.update({out: feeds for out in node.outputs if out})
    if not graph:
        raise ArchsimError("nothing in this model is work: " + (_listed(unsupported) or "it has only free nodes"))
    graph.graph.update(_about(graph), unsupported=dict(unsupported.most_common()))
    if unsupported:
        graph.graph["note"] = f"not simulated: {_listed(unsupported)}"
    return graph


def _none(node: Node) -> list[Op]:
    """Refuse a node that no rule knows."""
    raise UnsupportedNodeError(node.op)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in counts.most_common())


def _free_name(graph: nx.DiGraph, name: str) -> str:
    """Return a name that no node has yet."""
    taken, tries = name, 1
    while taken in graph:
        tries += 1
        taken = f"{name}.{tries}"
    return taken


def _table(graph: nx.DiGraph, net: Net, node: Node, tensor: str, held: dict[str, str]) -> str:
    """Add a node that reads a weight which an operator takes as if it were an activation; return its name."""
    root = net.weights[tensor]
    cols = net.shapes[root][-1]
    rows = max(1, net.size(tensor) // cols)
    name = _free_name(graph, f"{node.name}.weight")
    op = Gather(rows=rows, cols=cols, entries=net.size(root) // cols, dtype=net.dtypes[tensor])
    g.add(graph, name, op, tied_to=held.get(root, ""))
    held.setdefault(root, name)
    return name


def _connect(graph: nx.DiGraph, net: Net, feeds: Iterable[str], name: str, moving: list[str]) -> None:
    """Join an operator to those that feed it; an edge carries the tensor that the operator takes, or all there is."""
    largest = max((net.shapes[t] for t in moving), key=math.prod, default=())
    for before in feeds:
        made = g.output(graph.nodes[before]["op"])
        fits = len(moving) == 1 and 0 < math.prod(largest) <= math.prod(made.shape)
        g.connect(graph, before, name, g.Tensor(largest, made.dtype) if fits else made)


def _about(graph: nx.DiGraph) -> dict[str, object]:
    """Return parameters, KV cache and the format of most matrix work."""
    work: Counter[str] = Counter()
    cached = 0.0
    for _, data in graph.nodes(data=True):
        op = data["op"]
        if isinstance(op, MatMul | Conv | Attention):
            work[op.dtype] += int(op.flops)
        if isinstance(op, Attention) and op.kv_len > op.q_len:
            cached += op.kv_bytes
    return {"parameters": g.inspect(graph).total.parameters, "kv_bytes": cached,
            "dtype": work.most_common(1)[0][0] if work else "bf16"}
