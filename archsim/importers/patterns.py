"""Patterns: groups of nodes that exporters write out in full, merged into what they mean.

Attention (two products around a softmax), GELU and SiLU, LayerNorm and RMSNorm, the bias of a product and the batch
norm behind a convolution. A pattern is merged only where nothing else reads what lies inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archsim.importers.net import Net, Node

Values = Callable[[str], Any]

LAYOUT = ("Transpose", "Reshape", "Unsqueeze", "Squeeze", "Identity", "Flatten")


class _View:
    """A net with its makers and readers at hand."""

    def __init__(self, net: Net, values: Values) -> None:
        self.net, self.values = net, values
        self.refresh()

    def refresh(self) -> None:
        self.makers, self.readers = self.net.makers(), self.net.readers()

    def maker(self, tensor: str, *ops: str) -> Node | None:
        """Return the node that makes a tensor if it is one of `ops`."""
        node = self.makers.get(tensor)
        return node if node is not None and node.op in ops else None

    def reader(self, tensor: str, *ops: str) -> Node | None:
        """Return the only reader of a tensor if it is one of `ops` and the model does not give the tensor out."""
        nodes = self.readers.get(tensor, [])
        lone = len(nodes) == 1 and nodes[0].op in ops and tensor not in self.net.outputs
        return nodes[0] if lone else None

    def other(self, node: Node, tensor: str) -> str:
        """Return the operand of a two-operand node that is not `tensor`."""
        return node.inputs[1] if node.inputs[0] == tensor else node.inputs[0]

    def replace(self, last: Node, merged: Node) -> None:
        """Put a merged node in the place of the last one of its group; what nobody reads any more is dropped."""
        self.net.nodes[self.net.nodes.index(last)] = merged
        self.net.prune()
        self.refresh()

    def through(self, tensor: str, *ops: str) -> str:
        """Follow a tensor back through nodes of `ops`."""
        node = self.maker(tensor, *ops)
        while node is not None:
            tensor = node.inputs[0]
            node = self.maker(tensor, *ops)
        return tensor


def merge(net: Net, values: Values) -> None:
    """Merge all patterns in a net, in place.

    Parameters
    ----------
    net
        The net.
    values
        Gives the values of an initialiser by name, None if they cannot be had: a mask tells so what it masks.
    """
    view = _View(net, values)
    for op, pattern in (("Softmax", _attention), ("Erf", _gelu), ("Tanh", _gelu), ("Sigmoid", _silu), ("Sqrt", _norm),
                        ("MatMul", _bias), ("BatchNormalization", _batch_norm)):
        for node in [n for n in net.nodes if n.op == op]:
            if node in net.nodes:
                pattern(view, node)


# --- attention


def _scores(view: _View, tensor: str) -> tuple[Node, list[str], bool] | None:
    """Follow a softmax's input back to the product of queries and keys; return it, the masks and any soft cap."""
    masks: list[str] = []
    capped = False
    while True:
        node = view.makers.get(tensor)
        if node is None or len(view.readers.get(tensor, [])) != 1 or tensor in view.net.outputs:
            return None
        if node.op in ("MatMul", "FusedMatMul"):
            return node, masks, capped
        if node.op in ("Cast", "Identity", "Reshape"):
            tensor = node.inputs[0]
        elif node.op == "Tanh":
            capped, tensor = True, node.inputs[0]
        elif node.op in ("Mul", "Div") and any(view.net.scalar(t) is not None for t in node.inputs):
            tensor = node.inputs[0] if view.net.scalar(node.inputs[0]) is None else node.inputs[1]
        elif node.op in ("Add", "Where", "Mul", "Max"):
            operands = node.inputs[-2:]
            leading = [t for t in operands if _leads(view, t)]
            if len(leading) != 1:
                return None
            tensor = leading[0]
            masks += [t for t in node.inputs if t != tensor and view.net.scalar(t) is None]
        else:
            return None


def _leads(view: _View, tensor: str) -> bool:
    """Return whether a tensor comes from a product by way of scaling, capping and masks alone."""
    node = view.makers.get(tensor)
    while node is not None and node.op in ("Cast", "Identity", "Reshape", "Mul", "Div", "Tanh", "Add", "Where"):
        moving = [t for t in node.inputs[-2:] if t in view.makers and not view.net.fixed(t)
                  and view.net.size(t) == view.net.size(node.outputs[0])]
        if not moving:
            return False
        node = view.makers.get(moving[0] if node.op != "Where" else moving[-1])
    return node is not None and node.op in ("MatMul", "FusedMatMul") and not any(map(view.net.fixed, node.inputs[:2]))


def _operand(view: _View, tensor: str) -> tuple[str, int]:
    """Follow an operand of attention back to where it lies in memory; return that, and how often it is repeated.

    Attention kernels read any layout, scale the queries themselves and share keys among the heads of a group.
    """
    repeated = 1
    while True:
        node = view.makers.get(tensor)
        if node is None:
            return tensor, repeated
        if node.op in LAYOUT:
            tensor = node.inputs[0]
        elif node.op == "Expand":
            repeated *= max(1, view.net.size(tensor) // max(1, view.net.size(node.inputs[0])))
            tensor = node.inputs[0]
        elif node.op in ("Mul", "Div") and view.net.scalar(node.inputs[1]) is not None:
            tensor = node.inputs[0]
        else:
            return tensor, repeated


def _attention(view: _View, softmax: Node) -> None:
    net = view.net
    rank = len(net.shapes[softmax.outputs[0]])
    found = _scores(view, softmax.inputs[0]) if softmax.attrs.get("axis", -1) in (-1, rank - 1) else None
    if found is None:
        return
    product, masks, capped = found
    tensor = softmax.outputs[0]
    node = view.reader(tensor, "Cast", "Dropout", "Identity", "Reshape", "MatMul")
    while node is not None and node.op != "MatMul":
        tensor = node.outputs[0]
        node = view.reader(tensor, "Cast", "Dropout", "Identity", "Reshape", "MatMul")
    if node is None or node.inputs[0] != tensor or any(map(net.fixed, product.inputs[:2])) or net.fixed(node.inputs[1]):
        return
    q, k, v = product.inputs[0], product.inputs[1], node.inputs[1]
    *lead, q_len, kv_len = net.shapes[softmax.outputs[0]]
    heads = lead[-1] if lead else 1
    batch = 1
    for side in lead[:-1]:
        batch *= side
    head_dim = net.shapes[q][-1]
    if min(len(net.shapes[q]), len(net.shapes[k]), len(net.shapes[v])) < 2 or net.shapes[v][-2] != kv_len:
        return
    (q_from, _), (k_from, repeated), (v_from, _) = (_operand(view, t) for t in (q, k, v))
    kv_heads = heads // repeated if heads % repeated == 0 else heads
    result, last = node.outputs[0], node
    turned = view.reader(result, "Transpose", "Reshape")
    if turned is not None and turned.op == "Reshape":
        turned = view.reader(turned.outputs[0], "Transpose")
    if turned is not None and turned.op == "Transpose":
        result, last = turned.outputs[0], turned
    causal = 1 < q_len <= kv_len and any(_causal(view, m) for m in masks)
    name = softmax.name.replace("Softmax", "Attention").replace("softmax", "attention")
    view.replace(last, Node("FusedAttention", name, [q_from, k_from, v_from, *(m for m in masks if not net.fixed(m))],
                            [result], {"batch": batch, "q_len": q_len, "kv_len": kv_len, "heads": heads,
                                       "kv_heads": kv_heads, "head_dim": head_dim, "value_dim": net.shapes[v][-1],
                                       "causal": causal, "softcap": capped}))


def _causal(view: _View, mask: str) -> bool:
    """Return whether a mask hides the keys behind each query: by its values, or by how it is computed."""
    import numpy as np

    value = view.net.constants.get(mask)
    if value is None:
        value = view.values(_origin(view, mask))
    if value is not None and value.ndim >= 2:
        corner = value.reshape(-1, *value.shape[-2:])[0][:64, :64]
        seen = corner if corner.dtype == bool else corner > -1e3 if corner.min() < -1e3 else corner != 0
        hidden = ~np.asarray(seen, dtype=bool)
        q, keys = hidden.shape
        behind = np.triu(np.ones((q, keys), dtype=bool), value.shape[-1] - value.shape[-2] + 1)
        return bool(q > 1 and (hidden == behind).all()) or bool(q > 1 and (~hidden == behind).all())
    todo = [mask]
    met: set[int] = set()
    while todo and len(met) < 500:
        tensor = todo.pop()
        node = view.makers.get(tensor) or view.net.settled.get(tensor)
        if node is None or id(node) in met:
            continue
        met.add(id(node))
        if node.op == "Trilu":
            return True
        if node.op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual") and all(
                view.net.fixed(t) or view.maker(t, "Range", "Unsqueeze", "Reshape", "Add") for t in node.inputs):
            return True
        todo += node.inputs
    return False


def _origin(view: _View, tensor: str) -> str:
    """Follow a mask back to the initialiser that it is cut out of."""
    node = view.makers.get(tensor) or view.net.settled.get(tensor)
    while node is not None and node.op in ("Slice", "Cast", "Expand", *LAYOUT):
        tensor = node.inputs[0]
        node = view.makers.get(tensor) or view.net.settled.get(tensor)
    return tensor


# --- activations


def _gelu(view: _View, root: Node) -> None:
    """Merge ``x / 2 (1 + erf(x / sqrt 2))``, or the same with the tanh approximation, in any order of its factors."""
    net = view.net
    plus = view.reader(root.outputs[0], "Add")
    if plus is None or net.scalar(view.other(plus, root.outputs[0])) != 1.0:
        return
    first = view.reader(plus.outputs[0], "Mul")
    if first is None:
        return
    factor = view.other(first, plus.outputs[0])
    halved = view.maker(factor, "Mul")
    if net.scalar(factor) is not None:
        last = view.reader(first.outputs[0], "Mul")
        x = view.other(last, first.outputs[0]) if last is not None else ""
    elif halved is not None and any(net.scalar(t) is not None for t in halved.inputs):
        last, x = first, next(t for t in halved.inputs if net.scalar(t) is None)
    else:
        last, x = view.reader(first.outputs[0], "Mul"), factor
        if last is not None and net.scalar(view.other(last, first.outputs[0])) is None:
            return
    if last is None or not x or not _made_of(view, root.inputs[0], x):
        return
    approximate = "tanh" if root.op == "Tanh" else "none"
    view.replace(last, Node("Gelu", f"{root.name}.gelu", [x], list(last.outputs), {"approximate": approximate}))


def _made_of(view: _View, tensor: str, x: str, depth: int = 8) -> bool:
    """Return whether a tensor is arithmetic on `x` and scalars alone."""
    if tensor == x or view.net.scalar(tensor) is not None:
        return True
    node = view.maker(tensor, "Mul", "Div", "Add", "Pow")
    return node is not None and depth > 0 and all(_made_of(view, t, x, depth - 1) for t in node.inputs)


def _silu(view: _View, sigmoid: Node) -> None:
    """Merge ``x sigmoid(x)`` and ``x sigmoid(1.702 x)``."""
    product = view.reader(sigmoid.outputs[0], "Mul")
    if product is None:
        return
    x = view.other(product, sigmoid.outputs[0])
    scaled = view.maker(sigmoid.inputs[0], "Mul")
    if sigmoid.inputs[0] == x or (scaled is not None and x in scaled.inputs
                                  and view.net.scalar(view.other(scaled, x)) is not None):
        view.replace(product, Node("Silu", f"{sigmoid.name}.silu", [x], list(product.outputs)))


# --- norms


def _norm(view: _View, root: Node) -> None:
    """Merge LayerNorm and RMSNorm: a row over the root of its mean square, about its mean or about zero."""
    net = view.net
    added = view.maker(root.inputs[0], "Add")
    mean = added and next((m for t in added.inputs if (m := view.maker(t, "ReduceMean"))), None)
    square = mean and view.maker(mean.inputs[0], "Pow", "Mul")
    if not square or (square.op == "Mul" and square.inputs[0] != square.inputs[1]):
        return
    centred = square.inputs[0]
    scaled = view.reader(root.outputs[0], "Div", "Reciprocal")
    if scaled is not None and (scaled.op == "Reciprocal" or net.scalar(scaled.inputs[0]) == 1.0):
        scaled = view.reader(scaled.outputs[0], "Mul")
    if scaled is None or centred not in scaled.inputs:
        return
    less = view.maker(centred, "Sub")
    about = less and view.maker(less.inputs[1], "ReduceMean")
    layer = less is not None and about is not None and view.through(about.inputs[0], "Cast") == view.through(
        less.inputs[0], "Cast")
    x = view.through(less.inputs[0] if layer and less is not None else centred, "Cast")
    last, result = scaled, scaled.outputs[0]
    cast = view.reader(result, "Cast")
    if cast is not None:
        last, result = cast, cast.outputs[0]
    inputs = [x]
    for op in ("Mul", "Add") if layer else ("Mul",):
        node = view.reader(result, op)
        if node is None or not net.fixed(view.other(node, result)):
            break
        inputs.append(view.other(node, result))
        last, result = node, node.outputs[0]
    kind = "LayerNormalization" if layer else "RMSNormalization"
    view.replace(last, Node(kind, f"{root.name}.norm", inputs, [result], {"axis": -1}))


# --- what follows a product


def _bias(view: _View, product: Node) -> None:
    """Take the addition of a vector of weights into the product of weights before it."""
    net = view.net
    plus = view.reader(product.outputs[0], "Add")
    if plus is None or product.inputs[1] not in net.weights:
        return
    vector = view.other(plus, product.outputs[0])
    n = net.shapes[product.outputs[0]][-1]
    if vector in net.weights and net.size(vector) == n == net.shapes[vector][-1]:
        view.replace(plus, Node("MatMul", product.name, [*product.inputs[:2], vector], list(plus.outputs),
                                product.attrs))


def _batch_norm(view: _View, norm: Node) -> None:
    """Fold a batch norm into the convolution before it."""
    conv = view.maker(norm.inputs[0], "Conv")
    if conv is not None and view.reader(norm.inputs[0], "BatchNormalization") is norm:
        view.replace(norm, Node("Conv", conv.name, list(conv.inputs), [norm.outputs[0]],
                                {**conv.attrs, "folded_norm": True}))
