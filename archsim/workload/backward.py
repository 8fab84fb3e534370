"""The backward pass: gradient operators behind every operator of a forward graph, recomputation, the optimizer's step.

Each node gets the operators of its inputs' gradients and of its weights' (a product: ``dgrad = dy w^T`` and
``wgrad = x^T dy``, so that backward has twice the forward's matrix FLOPs; of a bias, ``bgrad``, the sum of the rows of
dy). Edges from forward to backward nodes are the activations that are kept; `archsim.workload.memory` adds them up.
Backward nodes belong to ``<layer>.backward``, and tell with ``tied_to`` whose weights they use. Nodes that run again
rather than keep what they made are ``recomputed``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx

from archsim.dtypes import BYTES
from archsim.errors import UnsupportedError, unknown
from archsim.workload.build import Tensor, Value, connect
from archsim.workload.contract import execution_order, output
from archsim.workload.ops import (
    Attention,
    AttentionBackward,
    CrossEntropy,
    Dropout,
    Elementwise,
    Gather,
    GroupedMatMul,
    MatMul,
    Norm,
    NormBackward,
    Op,
    Quantize,
    Route,
    Scatter,
    Softmax,
    SoftmaxBackward,
    Transpose,
    Update,
)

RECOMPUTE = ("none", "selective", "full")
LINEAR = ("add", "position_bias")
"""Elementwise operators whose result's gradient is that of their inputs."""
BIAS = "bgrad"
AROUND = ("embedding", "head")
"""Layers that are never computed again as a whole."""


@dataclass(frozen=True)
class Rule:
    """One gradient operator of a node.

    `reads` says what it needs of the forward pass: ``inputs``, ``a`` or ``b`` (the first or second operand), ``self``
    (the result) or another name of something that the node makes. `weights`: it gives the weights' gradient, not the
    inputs'; `operand`: it gives that of one operand alone; `tied`: it reads the node's weights.
    """

    suffix: str
    op: Op
    reads: tuple[str, ...] = ()
    weights: bool = False
    operand: str = ""
    tied: bool = False


def _wide(dtype: str) -> str:
    """Return the format of a gradient of what is kept in `dtype`: 16 bits at least."""
    return dtype if BYTES[dtype] >= 2 else "bf16"


def _product(op: MatMul, gradient_dtype: str) -> list[Rule]:
    """Return the two products of a product's gradients, each cut for tensor parallelism as the forward one is."""
    common = {"batch": op.batch, "dtype": op.dtype, "a_dtype": op.a_dtype}
    dgrad = MatMul(m=op.m, n=op.k, k=op.n, b_dtype=op.b_dtype, out_dtype=_wide(op.a_dtype), weights=op.weights,
                   split={"m": "m", "n": "k", "k": "n"}[op.split], **common)  # type: ignore[arg-type]
    wgrad = MatMul(m=op.k, n=op.n, k=op.m, b_dtype=op.a_dtype, split={"m": "k", "n": "n", "k": "m"}[op.split],
                   out_dtype=gradient_dtype if op.weights else op.out_dtype, **common)  # type: ignore[arg-type]
    if op.weights:
        return [Rule("dgrad", dgrad, tied=True), Rule("wgrad", wgrad, ("inputs",), weights=True),
                *_bias(op, op.batch * op.n, op.m, gradient_dtype)]
    return [Rule("dgrad_a", dgrad, ("b",), operand="a"), Rule("dgrad_b", wgrad, ("a",), operand="b")]


def _experts(op: GroupedMatMul, gradient_dtype: str) -> list[Rule]:
    """Return the gradients of the experts' products."""
    turned = {"n": "k", "k": "n"}[op.split]
    dgrad = replace(op, n=op.k, k=op.n, split=turned, bias=False, out_dtype=_wide(op.a_dtype))
    wgrad = replace(op, wgrad=True, out_dtype=gradient_dtype, b_dtype=op.a_dtype, bias=False)
    return [Rule("dgrad", dgrad, tied=True), Rule("wgrad", wgrad, ("inputs",), weights=True),
            *_bias(op, op.touched * op.n, op.rows / op.touched, gradient_dtype)]


def _bias(op: MatMul | GroupedMatMul, biases: int, rows: float, gradient_dtype: str) -> list[Rule]:
    """Return the gradient of a bias, if there is one: the sum over its rows of the product's gradient."""
    total = Elementwise(elements=biases, inputs=rows, ops=rows, name="bias_gradient", dtype=_wide(op.out_dtype),
                        out_dtype=gradient_dtype)
    return [Rule(BIAS, total, weights=True)] * op.bias


def _elementwise(op: Elementwise, _: str) -> list[Rule]:
    """Return the gradient of an elementwise operator; rope turns back, an activation needs its inputs again."""
    if op.name in LINEAR:
        return []
    if op.name == "rope":
        return [Rule("backward", replace(op, name="rope_backward"))]
    results = round(op.elements * op.inputs)
    per = op.elements / results
    back = Elementwise(elements=results, inputs=1 + per, ops=(op.ops + 4) * per, exps=op.exps * per,
                       name=f"{op.name}_backward", dtype=op.dtype, out_dtype=op.dtype)
    return [Rule("backward", back, ("inputs",))]


def _norm(op: Norm, _: str) -> list[Rule]:
    """Return the gradient of a norm, which needs the rows before it (or, where it follows the addition, behind it)."""
    back = NormBackward(rows=op.rows, cols=op.cols, name=op.name, bias=op.bias, dtype=op.dtype,
                        residual=op.residual and not op.post)
    kept = "inputs" if not op.residual else "self" if op.post else "residual"
    return [Rule("backward", back, (kept,))]


def _gather(op: Gather, _: str) -> list[Rule]:
    """Return the gradient of a lookup: rows added onto the table's, or onto the tokens'."""
    back = Scatter(rows=op.rows, cols=op.cols, entries=op.entries, dtype=_wide(op.dtype))
    return [Rule("wgrad" if op.weights else "backward", back, weights=op.weights)]


def _scatter(op: Scatter, _: str) -> list[Rule]:
    """Return the gradient of a sum of rows: of each row, and of its weight."""
    back = Elementwise(elements=op.rows * op.cols, inputs=1.0 + op.weighted, ops=1.0 + 2 * op.weighted,
                       name="combine_backward", dtype=op.dtype, out_dtype=op.dtype)
    return [Rule("backward", back, ("inputs",) if op.weighted else ())]


def _route(op: Route, _: str) -> list[Rule]:
    """Return the gradient of a choice with its softmax."""
    back = Elementwise(elements=op.rows * op.experts, inputs=2, ops=4, name="route_backward", dtype=op.dtype,
                       out_dtype=op.dtype)
    return [Rule("backward", back, ("inputs",))]


RULES: dict[type[Op], Callable[[Any, str], list[Rule]]] = {
    MatMul: _product,
    GroupedMatMul: _experts,
    Elementwise: _elementwise,
    Norm: _norm,
    Gather: _gather,
    Scatter: _scatter,
    Route: _route,
    Attention: lambda op, _: [Rule("backward", AttentionBackward(op), ("inputs", "self"))],
    Softmax: lambda op, _: [Rule("backward", SoftmaxBackward(op.rows, op.cols, op.dtype), ("self",))],
    CrossEntropy: lambda op, _: [Rule("backward", replace(op, gradient=True), ("inputs",))],
    Dropout: lambda op, _: [Rule("backward", replace(op, backward=True), ("mask",))],
    Transpose: lambda op, _: [Rule("backward", replace(op, rows=op.cols, cols=op.rows))],
    Quantize: lambda op, _: [],  # the gradient passes as if nothing had been rounded
}
"""The gradient operators of each kind of operator."""


class _Backward:
    """A graph on its way from forward to forward and backward."""

    def __init__(self, graph: nx.DiGraph, recompute: str, gradient_dtype: str, microbatches: int) -> None:
        self.forward, self.graph = graph, graph.copy()
        self.recompute, self.gradient_dtype, self.microbatches = recompute, gradient_dtype, microbatches
        self.order = execution_order(graph)
        self.again = self._chosen()
        self.grown: set[str] = set()
        self.ways: dict[str, list[tuple[str, str]]] = {}  # of each node, who gives the gradient of which operand
        for data in self.graph.nodes.values():
            data["copies"] = data.get("repeat", 1)
            data["repeat"] = data["copies"] * microbatches

    def _chosen(self) -> set[str]:
        """Return the nodes that run again in the backward pass."""
        nodes = self.forward.nodes
        if self.recompute == "full":
            return {v for v in self.order if nodes[v].get("layer") and nodes[v]["layer"] not in AROUND}
        if self.recompute == "none":
            return set()
        core = {v for v in self.order if isinstance(nodes[v]["op"], Softmax)}
        around = {u for v in core for u in self.forward.predecessors(v) if isinstance(nodes[u]["op"], MatMul)}
        behind = {w for v in core for w in self.forward.successors(v) if isinstance(nodes[w]["op"], Dropout)}
        return core | around | behind

    def entry(self, v: str) -> bool:
        """Whether a node is a norm at a layer's entry: what it adds up is kept, so that the layer can run again."""
        op, layer = self.forward.nodes[v]["op"], self.forward.nodes[v].get("layer")
        return (self.recompute == "full" and isinstance(op, Norm) and op.residual and not op.post
                and all(self.forward.nodes[u].get("layer") != layer for u in self.forward.predecessors(v)))

    def kept(self, v: str, name: str = "") -> str:
        """Return the node that has a forward node's result when the backward pass needs it."""
        if v not in self.again or (name == "residual" and self.entry(v)):
            return v
        self._run_again(v)
        return f"{v}.again"

    def _run_again(self, v: str) -> None:
        if v in self.grown:
            return
        layer = self.forward.nodes[v].get("layer")
        whole = [u for u in self.order if self.forward.nodes[u].get("layer") == layer and u in self.again]
        for u in whole if self.recompute == "full" else [v]:
            if u in self.grown:
                continue
            self.grown.add(u)
            op, inputs = self.forward.nodes[u]["op"], list(self.forward.in_edges(u, data=True))
            if self.entry(u):
                op, inputs = replace(op, residual=False), []
            reads = [(self.kept(w, e.get("name", "")), e) for w, _, e in inputs]
            self.add(u, "again", op, tied=u, recomputed=True)
            for w, e in reads:
                self.graph.add_edge(w, f"{u}.again", **e)
            if self.entry(u):
                connect(self.graph, self.made(u, "residual"), f"{u}.again")

    def made(self, v: str, name: str) -> Value:
        """Return what a forward node makes: its result, or something beside it."""
        op = self.forward.nodes[v]["op"]
        *_, (_, shape, dtype) = op.shapes()
        if name == "mask":
            dtype = "int8"
        for _, _, e in self.forward.out_edges(v, data=True):
            if e.get("name", "") == name:
                shape = e["tensor"].shape
        return Value(v, Tensor(shape, dtype), name)

    def add(self, v: str, suffix: str, op: Op, tied: str = "", **extra: Any) -> str:
        """Add a node of the backward pass beside a forward one."""
        data = self.graph.nodes[v]
        if tied:
            extra["tied_to"] = data.get("tied_to") or tied
        name = f"{v}.{suffix}"
        self.graph.add_node(name, op=op, layer=f"{data.get('layer', '')}.backward".lstrip("."), repeat=data["repeat"],
                            copies=data["copies"], backward=True, **extra)
        return name

    def operand(self, w: str, edge: dict[str, Any]) -> str:
        """Return which operand of `w` an edge brings: ``a`` or ``b``, "" where its edges do not tell."""
        told = any(e.get("operand") for _, _, e in self.forward.in_edges(w, data=True))
        return str(edge.get("operand", "a")) if told else ""

    def incoming(self, v: str) -> dict[str, list[list[Value]]]:
        """Return the gradients that a node's consumers give, by what they consumed: a list per consumer."""
        found: dict[str, list[list[Value]]] = {}
        for _, w, e in self.forward.out_edges(v, data=True):
            choice = isinstance(self.forward.nodes[v]["op"], Route) and isinstance(self.forward.nodes[w]["op"], Gather)
            mine = self.operand(w, e)
            ways = [node for node, of in self.ways[w] if not (of and mine) or of == mine]
            bundle = [Value(node, e["tensor"], "gradient") for node in ways]
            if bundle and not choice:  # which rows are picked has no gradient
                found.setdefault(e.get("name", ""), []).append(bundle)
        return found

    def merged(self, v: str, name: str, bundles: list[list[Value]]) -> list[Value]:
        """Add up the gradients of several consumers of the same thing."""
        if len(bundles) == 1:
            return bundles[0]
        tensor = bundles[0][0].tensor
        op = Elementwise(elements=tensor.elements, inputs=len(bundles), ops=len(bundles) - 1, name="add",
                         dtype=tensor.dtype, out_dtype=tensor.dtype)
        node = self.add(v, f"{name}_sum" if name else "sum", op)
        for value in (x for bundle in bundles for x in bundle):
            connect(self.graph, value, node)
        return [Value(node, tensor, "gradient")]

    def run(self) -> nx.DiGraph:
        """Add the gradients of every node, from the last to the first."""
        for v in reversed(self.order):
            op = self.forward.nodes[v]["op"]
            if type(op) not in RULES or getattr(op, "epilogue", None):
                what = "products with a fused epilogue" if type(op) in RULES else f"operators of kind {op.kind!r}"
                raise UnsupportedError(f"{v}: the backward pass of {what} is not modelled")
            arrived = [x for name, bundles in self.incoming(v).items() for x in self.merged(v, name, bundles)]
            self.ways[v] = []
            if not arrived and not isinstance(op, CrossEntropy) and self.forward.out_degree(v):
                continue
            rules = RULES[type(op)](op, self.gradient_dtype)
            if not rules:
                self.ways[v] = [(x.node, "") for x in arrived]
            narrow = arrived
            if BYTES[str(getattr(op, "dtype", "bf16"))] < 2 and isinstance(op, MatMul | GroupedMatMul):
                narrow = self._narrowed(v, op, arrived)
            for rule in rules:
                self._apply(v, rule, arrived if rule.suffix == BIAS else narrow)
        return self.graph

    def _narrowed(self, v: str, op: MatMul | GroupedMatMul, arrived: Sequence[Value]) -> list[Value]:
        """Quantise a gradient that enters a product of 8 bits or fewer."""
        *_, (_, shape, dtype) = op.shapes()
        rows = math.prod(shape[:-1])
        node = self.add(v, "dy_quantize", Quantize(rows=rows, cols=shape[-1], dtype=dtype, out_dtype=op.a_dtype))
        for x in arrived:
            connect(self.graph, x, node)
        return [Value(node, Tensor(shape, op.a_dtype))]

    def _apply(self, v: str, rule: Rule, arrived: Sequence[Value]) -> None:
        if rule.tied and not self.forward.in_degree(v):
            return  # nothing before it wants a gradient
        op = rule.op
        if rule.weights and self.microbatches > 1 and isinstance(op, MatMul | GroupedMatMul):
            outputs = round(op.write_bytes / BYTES[op.out_dtype])  # added onto those of the microbatches before
            op = replace(op, epilogue=(Elementwise(elements=outputs, inputs=2, name="accumulate", dtype=op.out_dtype,
                                                   out_dtype=op.out_dtype),))
        reads = []
        for what in rule.reads:
            if what in ("inputs", "a", "b"):
                for u, _, e in self.forward.in_edges(v, data=True):
                    if what in ("inputs", self.operand(v, e) or what):
                        reads.append(Value(self.kept(u, e.get("name", "")), e["tensor"], e.get("name", "")))
            else:
                made = self.made(v, "" if what == "self" else what)
                reads.append(replace(made, node=self.kept(v, made.name)))
        node = self.add(v, rule.suffix, op, tied=v if rule.tied else "")
        for value in (*reads, *arrived):
            connect(self.graph, value, node)
        if not rule.weights:
            self.ways[v].append((node, rule.operand))
        if rule.weights or (isinstance(op, NormBackward) and self.forward.nodes[v]["op"].weights):
            self.graph.nodes[node]["gradient_of"] = self.forward.nodes[v].get("tied_to") or v


def backward(
    graph: nx.DiGraph, recompute: str = "none", gradient_dtype: str = "fp32", microbatches: int = 1
) -> nx.DiGraph:
    """Return a forward graph with its backward pass behind it; the graph given is not changed.

    Parameters
    ----------
    graph
        A forward graph that ends in a loss (`archsim.ops.CrossEntropy`), or in results whose gradients are at hand.
    recompute
        ``none``, ``selective`` or ``full``: see `archsim.transformer`.
    gradient_dtype
        Format in which gradients of weights are kept.
    microbatches
        Times that forward and backward pass run; weights' gradients are added up.

    Raises
    ------
    UnsupportedError
        If there is no gradient for a kind of operator.
    """
    if recompute not in RECOMPUTE:
        raise unknown("recompute", recompute, RECOMPUTE)
    return _Backward(graph, recompute, gradient_dtype, microbatches).run()


def optimize(graph: nx.DiGraph, optimizer: str = "adam", gradient_dtype: str = "fp32") -> nx.DiGraph:
    """Return a graph with the optimizer's step behind all gradients of weights; the graph given is not changed."""
    graph = graph.copy()
    own = [d for _, d in graph.nodes(data=True) if d["op"].parameters and not d.get("tied_to")]
    held = sum(d["op"].parameters * d.get("copies", d.get("repeat", 1)) for d in own)
    dtypes = {getattr(d["op"], "b_dtype", d["op"].dtype) for d in own}
    if not held:
        return graph
    stored = min(dtypes, key=lambda name: (BYTES[name], name))
    op = Update(elements=held, name=optimizer, dtype=stored, gradient_dtype=gradient_dtype, master=BYTES[stored] < 4)
    graph.add_node("update", op=op, layer="optimizer", repeat=1, copies=1, backward=True)
    for node, data in list(graph.nodes(data=True)):
        if data.get("gradient_of"):
            graph.add_edge(node, "update", tensor=output(data["op"]))
    return graph
