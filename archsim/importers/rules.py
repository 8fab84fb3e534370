"""Rules: what operator an imported node is. Kinds as in the ONNX operator reference and ONNX Runtime's contrib ones.

Plain and transcendental operations per element count as in `archsim.workload.op`: a division is a reciprocal and a
product, a power of a variable exponent is exp of a product with log.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from archsim.dtypes import BYTES
from archsim.importers.net import Net, Node
from archsim.workload.ops import (
    Attention,
    Conv,
    Elementwise,
    Gather,
    MatMul,
    Norm,
    Op,
    Pool,
    Softmax,
    Transpose,
)

Rule = Callable[[Net, Node], list[Op]]


class UnsupportedNodeError(Exception):
    """A node that no operator stands for; its text is how it is listed."""


FREE = {"Constant", "ConstantOfShape", "Dropout", "Expand", "Flatten", "Identity", "Range", "Reshape", "Shape", "Size",
        "Slice", "Split", "Squeeze", "Unsqueeze"}
"""Nodes that move nothing: they look at memory another way, or their value does not depend on the inputs."""

ARITHMETIC: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Max", "Min", "And", "Or", "Xor", "Not", "Equal", "Greater", "GreaterOrEqual",
                     "Less", "LessOrEqual", "Where", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Relu", "Cast",
                     "CastLike", "IsNaN", "IsInf", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Trilu",
                     "CumSum", "ThresholdedRelu", "DequantizeLinear", "Sum", "Mean"), (1.0, 0.0)),
    **dict.fromkeys(("Concat", "Pad", "Tile", "OneHot", "DepthToSpace", "SpaceToDepth", "GatherElements", "GatherND",
                     "ScatterElements", "ScatterND", "Compress", "ReverseSequence"), (0.0, 0.0)),
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tan", "Tanh", "Asin", "Acos", "Atan"),
                    (0.0, 1.0)),
    "Div": (1.0, 1.0), "Erf": (1.0, 1.0), "Pow": (1.0, 2.0), "Mod": (2.0, 1.0), "Clip": (2.0, 0.0),
    "LeakyRelu": (2.0, 0.0), "PRelu": (2.0, 0.0), "Elu": (2.0, 1.0), "Celu": (3.0, 1.0), "Selu": (3.0, 1.0),
    "Softplus": (1.0, 2.0), "Softsign": (2.0, 1.0), "Sigmoid": (1.0, 2.0), "HardSigmoid": (3.0, 0.0),
    "HardSwish": (4.0, 0.0), "Mish": (2.0, 4.0), "Silu": (2.0, 2.0), "Swish": (2.0, 2.0), "QuickGelu": (2.0, 2.0),
    "FastGelu": (8.0, 1.0), "BiasGelu": (6.0, 1.0), "QuantizeLinear": (2.0, 1.0), "RotaryEmbedding": (3.0, 0.0),
    "Resize": (7.0, 0.0), "Upsample": (7.0, 0.0),  # bilinear: three blends of a product and two additions, about
}
"""Plain and transcendental operations per result."""

REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
              "ReduceSumSquare", "ReduceLogSumExp", "ReduceLogSum", "ArgMax", "ArgMin"}


# --- elementwise


def stream(net: Net, node: Node, ops: float, exps: float, inputs: list[str] | None = None) -> Elementwise:
    """Return an elementwise operator with the bytes of a node's tensors and `ops`, `exps` per result."""
    out = node.outputs[0]
    results = net.size(out)
    elements = results * (2 if out in net.pairs else 1)
    read = [t for t in (node.inputs if inputs is None else inputs) if t and net.size(t) > 1]
    moving = [t for t in read if not net.fixed(t)] or read
    dtype = net.dtypes[moving[0]] if moving else net.dtypes[out]
    size = sum(map(net.bytes, read))
    return Elementwise(elements=elements, inputs=size / (elements * BYTES[dtype]), ops=ops * results / elements,
                       exps=exps * results / elements, name=node.op.lower(), dtype=dtype, out_dtype=net.dtypes[out])


def elementwise(net: Net, node: Node) -> list[Op]:
    """Arithmetic per element; where an operand is a vector or a table of weights it holds those parameters."""
    ops, exps = ARITHMETIC[node.op]
    out = node.outputs[0]
    constant = net.scalar(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    if node.op == "Div" and constant is not None:
        exps = 0.0  # the reciprocal is taken once
    if node.op == "Pow" and constant is not None and constant == int(constant) and 1 <= constant <= 4:
        ops, exps = float({1: 0, 2: 1, 3: 2, 4: 2}[int(constant)]), 0.0
    if node.op == "Pow" and constant in (0.5, -0.5):
        ops, exps = 0.0, 1.0
    if node.op in ("Cast", "CastLike") and net.dtypes[node.inputs[0]] == net.dtypes[out] and (
            (node.inputs[0] in net.pairs) == (out in net.pairs)):
        return []
    if node.op == "Concat":
        return _concat(net, node)
    made = stream(net, node, ops, exps, [t for t in node.inputs if t not in net.weights])
    weights = sum(net.size(net.weights[t]) for t in node.inputs if t in net.weights and net.size(t) > 1)
    return [replace(made, weights=weights or None)]


def _concat(net: Net, node: Node) -> list[Op]:
    """Copy; but what is appended to an input of the model (a KV cache) is written behind it, in place."""
    made = {t for n in net.nodes for t in n.outputs}
    new = [t for t in node.inputs if t in made or net.fixed(t)]
    size = sum(map(net.size, new))
    if len(new) == len(node.inputs) or not size:
        return [stream(net, node, 0.0, 0.0)]
    return [Elementwise(elements=size, ops=0.0, name="append", dtype=net.dtypes[node.outputs[0]],
                        out_dtype=net.dtypes[node.outputs[0]])]


def gelu(net: Net, node: Node) -> list[Op]:
    """GELU by erf, or by its tanh approximation."""
    ops = 8.0 if node.attrs.get("approximate") == "tanh" else 5.0
    return [stream(net, node, ops, 1.0)]


def reduction(net: Net, node: Node) -> list[Op]:
    """Every input once into its sum, mean or maximum."""
    return [stream(net, node, net.size(node.inputs[0]) / net.size(node.outputs[0]), 0.0, node.inputs[:1])]


def top_k(net: Net, node: Node) -> list[Op]:
    """The k largest of a row: a comparison per element and result."""
    return [stream(net, node, net.shapes[node.inputs[0]][int(node.attrs.get("axis", -1))], 0.0, node.inputs[:1])]


def transpose(net: Net, node: Node) -> list[Op]:
    """Move data, unless only sides of length 1 change places; a copy of whole rows if the last side stays last."""
    shape = net.shapes[node.inputs[0]]
    perm = [int(p) for p in node.attrs.get("perm", range(len(shape) - 1, -1, -1))]
    real = [p for p in perm if shape[p] > 1]
    if real == sorted(real):
        return []
    if real[-1] == max(real):
        return [stream(net, node, 0.0, 0.0)]
    cols = math.prod(shape[p] for p in range(real[-1] + 1, len(shape)))
    rows = shape[real[-1]]
    return [Transpose(rows=rows, cols=cols, batch=net.size(node.inputs[0]) // (rows * cols),
                      dtype=net.dtypes[node.inputs[0]])]


# --- matrix products


def _formats(net: Net, a: str, b: str, out: str) -> dict[str, Any]:
    """Return the formats of a product: that asked for, and narrow weights as the file holds them."""
    dtype = net.compute or net.dtypes[a]
    narrow = b in net.weights and BYTES[net.dtypes[b]] < BYTES[dtype]
    return {"dtype": dtype, "b_dtype": net.dtypes[b] if narrow else "", "out_dtype": net.dtypes[out]}


def matmul(net: Net, node: Node) -> list[Op]:
    """``a @ b`` as numpy multiplies stacks of matrices; a product with one matrix of weights is one large product."""
    a, b = node.inputs[:2]
    sa, sb = _turn(net.shapes[a], node.attrs.get("transA")), _turn(net.shapes[b], node.attrs.get("transB"))
    sa, sb = (1, *sa) if len(sa) == 1 else sa, (*sb, 1) if len(sb) == 1 else sb
    m, k, n = sa[-2], sa[-1], sb[-1]
    batch = net.size(node.outputs[0]) // (m * n)
    if math.prod(sb[:-2]) == 1:
        return _products(net, node, a, b, m * batch, n, k, 1)
    if math.prod(sa[:-2]) == 1:
        return _products(net, node, b, a, n * batch, m, k, 1)
    return _products(net, node, a, b, m, n, k, batch)


def _turn(shape: tuple[int, ...], turned: object) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if turned else shape


def _products(net: Net, node: Node, a: str, b: str, m: int, n: int, k: int, batch: int) -> list[Op]:
    """Return a product, with its bias (third input) if it has one."""
    c = node.inputs[2] if len(node.inputs) > 2 else ""
    bias = bool(c) and net.fixed(c) and net.size(c) == n and net.fixed(b)
    epilogue: tuple[Elementwise, ...] = ()
    out = node.outputs[0]
    if c and not bias and not net.fixed(c):
        extra = net.size(c) / (batch * m * n)
        epilogue = (Elementwise(elements=batch * m * n, inputs=1.0 + extra, name="add", dtype=net.dtypes[out],
                                out_dtype=net.dtypes[out]),)
    return [MatMul(m=m, n=n, k=k, batch=batch, weights=net.fixed(b), bias=bias, epilogue=epilogue,
                   **_formats(net, a, b, out))]


def gemm(net: Net, node: Node) -> list[Op]:
    """``alpha a b + beta c`` of two matrices."""
    a, b = node.inputs[:2]
    m, k = _turn(net.shapes[a], node.attrs.get("transA"))
    n = _turn(net.shapes[b], node.attrs.get("transB"))[1]
    return _products(net, node, a, b, m, n, k, 1)


def matmul_nbits(net: Net, node: Node) -> list[Op]:
    """Weights of 4 or 8 bits in blocks that share a scale, times activations."""
    n, k, bits, block = (int(node.attrs[x]) for x in ("N", "K", "bits", "block_size"))
    out = node.outputs[0]
    if bits == 4 and f"int4_g{block}" not in BYTES:
        raise UnsupportedNodeError(f"MatMulNBits in blocks of {block}")
    if bits not in (4, 8):
        raise UnsupportedNodeError(f"MatMulNBits of {bits} bits")
    return [MatMul(m=net.size(out) // n, n=n, k=k, weights=True, dtype=net.dtypes[node.inputs[0]],
                   b_dtype=f"int4_g{block}" if bits == 4 else "int8", out_dtype=net.dtypes[out])]


def einsum(net: Net, node: Node) -> list[Op]:
    """A contraction of two tensors: indices of both and of the result are the batch, the rest m, n and k."""
    equation = str(node.attrs["equation"]).replace(" ", "")
    sides, _, result = equation.partition("->")
    terms = sides.split(",")
    if len(terms) != 2 or "." in equation or not result or any(len(set(t)) < len(t) for t in (*terms, result)):
        raise UnsupportedNodeError(f"Einsum {equation}")
    size = {i: s for t, x in zip(terms, node.inputs, strict=True) for i, s in zip(t, net.shapes[x], strict=True)}

    def area(indices: set[str]) -> int:
        return math.prod(size[i] for i in indices)

    left, right, kept = set(terms[0]), set(terms[1]), set(result)
    a, b = node.inputs
    m, n = area((left - right) & kept), area((right - left) & kept)
    k, batch = area((left | right) - kept), area(left & right & kept)
    if net.fixed(a) and not net.fixed(b):
        a, b, m, n = b, a, n, m
    return _products(net, node, a, b, m, n, k, batch)


# --- convolutions


def _window(net: Net, node: Node, kernel: list[int]) -> dict[str, Any]:
    """Return kernel, stride, padding and dilation in two dimensions; a one-dimensional image has a height of 1."""
    rank = len(kernel)
    if rank > 2:
        raise UnsupportedNodeError(f"{node.op} in {rank} dimensions")
    size, out = net.shapes[node.inputs[0]][2:], net.shapes[node.outputs[0]][2:]
    stride = list(node.attrs.get("strides", [1] * rank))
    dilation = list(node.attrs.get("dilations", [1] * rank))
    pads = list(node.attrs.get("pads", [0] * 2 * rank))
    for i in range(rank):  # whatever the rounding or `auto_pad`: enough padding for the places that there are
        need = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i]
        if str(node.attrs.get("auto_pad", "NOTSET")).startswith("SAME"):
            pads[i], pads[i + rank] = max(0, need) // 2, max(0, need) - max(0, need) // 2
        pads[i + rank] = max(pads[i + rank], need - pads[i])
    one, none = [1] * (2 - rank), [0] * (2 - rank)
    return {"kernel": (*one, *kernel), "stride": (*one, *stride), "dilation": (*one, *dilation),
            "padding": (*none, *pads[:rank], *none, *pads[rank:])}


def _image(net: Net, tensor: str) -> tuple[int, int, int, int]:
    """Return batch, channels, height and width of a channels-first tensor."""
    batch, channels, *sides = net.shapes[tensor]
    return batch, channels, sides[0] if len(sides) == 2 else 1, sides[-1]


def conv(net: Net, node: Node) -> list[Op]:
    """A convolution; patches of a video that do not overlap in time are images with more channels."""
    x, w = node.inputs[:2]
    shape, kernel = net.shapes[x], list(net.shapes[w][2:])
    groups = int(node.attrs.get("group", 1))
    common: dict[str, Any] = {"bias": len(node.inputs) > 2 and bool(node.inputs[2]), "weights": net.fixed(w),
                              "groups": groups, "folded_norm": bool(node.attrs.get("folded_norm"))}
    f = _formats(net, x, w, node.outputs[0])
    formats: dict[str, Any] = {"dtype": f["dtype"], "w_dtype": f["b_dtype"], "out_dtype": f["out_dtype"]}
    if len(kernel) == 3 and groups == 1 and list(node.attrs.get("strides", [])) == kernel and not any(
            node.attrs.get("pads", [0])):
        rows = net.size(node.outputs[0]) // net.shapes[node.outputs[0]][1]
        return [MatMul(m=rows, n=net.shapes[w][0], k=math.prod(kernel) * shape[1], weights=net.fixed(w),
                       bias=common["bias"], **f)]
    window = _window(net, node, kernel)
    batch, channels, height, width = _image(net, x)
    return [Conv(batch=batch, height=height, width=width, c_in=channels, c_out=net.shapes[w][0], **window, **common,
                 **formats)]


def pool(net: Net, node: Node) -> list[Op]:
    """The maximum or the mean of windows, or of the whole image."""
    sides = list(net.shapes[node.inputs[0]][2:])
    window = _window(net, node, sides if node.op.startswith("Global") else list(node.attrs["kernel_shape"]))
    batch, channels, height, width = _image(net, node.inputs[0])
    return [Pool(batch=batch, height=height, width=width, channels=channels, **window,
                 name="max" if "Max" in node.op else "mean", dtype=net.dtypes[node.outputs[0]])]


# --- rows


def norm(net: Net, node: Node) -> list[Op]:
    """LayerNorm or RMSNorm over the last sides, with a residual where the node adds one."""
    shape = net.shapes[node.inputs[0]]
    axis = int(node.attrs.get("axis", -1)) % len(shape)
    skip = node.op.startswith("Skip")
    gain = node.inputs[2 if skip else 1] if len(node.inputs) > (2 if skip else 1) else ""
    at = 3 if skip else 2
    plain = node.op in ("RMSNormalization", "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization")
    shift = not plain and len(node.inputs) > at and bool(node.inputs[at])
    cols = math.prod(shape[axis:])
    return [Norm(rows=net.size(node.inputs[0]) // cols, cols=cols, name="rmsnorm" if plain else "layernorm",
                 residual=skip, bias=shift, weights=net.fixed(gain) and bool(gain), dtype=net.dtypes[node.outputs[0]])]


def image_norm(net: Net, node: Node) -> list[Op]:
    """Group and instance norm: statistics over a group of channels of one image, a gain and a shift per channel."""
    batch, channels = net.shapes[node.inputs[0]][:2]
    rows = batch * int(node.attrs.get("num_groups", channels))
    total, dtype = net.size(node.inputs[0]), net.dtypes[node.outputs[0]]
    return [Norm(rows=rows, cols=total // rows, name="layernorm", weights=False, dtype=dtype),
            Elementwise(elements=total, ops=2.0, name="scale", dtype=dtype, out_dtype=dtype, weights=2 * channels)]


def batch_norm(net: Net, node: Node) -> list[Op]:
    """A batch norm that no convolution has absorbed."""
    channels = net.shapes[node.inputs[0]][1]
    dtype = net.dtypes[node.outputs[0]]
    return [Elementwise(elements=net.size(node.inputs[0]), ops=2.0, name="batch_norm", dtype=dtype, out_dtype=dtype,
                        weights=2 * channels)]


def softmax(net: Net, node: Node) -> list[Op]:
    """Softmax over one side."""
    shape = net.shapes[node.inputs[0]]
    axis = int(node.attrs.get("axis", -1)) % len(shape)
    cols = math.prod(shape[axis:]) if node.attrs.get("flat") else shape[axis]
    return [Softmax(rows=net.size(node.inputs[0]) // cols, cols=cols, dtype=net.dtypes[node.outputs[0]])]


def gather(net: Net, node: Node) -> list[Op]:
    """Rows of a table of weights (an embedding), or of an activation."""
    table, indices = node.inputs[:2]
    shape = net.shapes[table]
    axis = int(node.attrs.get("axis", 0)) % len(shape)
    cols = math.prod(shape[axis + 1:])
    return [Gather(rows=math.prod(shape[:axis]) * net.size(indices), cols=cols, entries=net.size(table) // cols,
                   dtype=net.dtypes[table], weights=table in net.weights)]


# --- attention


def fused_attention(net: Net, node: Node) -> list[Op]:
    """What the attention pattern has merged."""
    return [Attention(**node.attrs, dtype=net.dtypes[node.outputs[0]], kv_dtype=net.dtypes[node.inputs[1]])]


def attention(net: Net, node: Node) -> list[Op]:
    """Attention of the standard, operator set 23 and later: (batch, heads, tokens, size) or packed heads."""
    q, k, v = (net.shapes[t] for t in node.inputs[:3])
    past = net.shapes[node.inputs[4]][2] if len(node.inputs) > 4 and node.inputs[4] else 0
    heads = q[1] if len(q) == 4 else int(node.attrs["q_num_heads"])
    kv_heads = k[1] if len(k) == 4 else int(node.attrs["kv_num_heads"])
    left = int(node.attrs.get("left_window_size", -1))
    return [Attention(batch=q[0], q_len=q[-2], kv_len=k[-2] + past, heads=heads, kv_heads=kv_heads,
                      head_dim=q[-1] if len(q) == 4 else q[-1] // heads,
                      value_dim=v[-1] if len(v) == 4 else v[-1] // kv_heads, causal=bool(node.attrs.get("is_causal")),
                      window=left + 1 if left >= 0 else None, softcap=float(node.attrs.get("softcap", 0.0)) > 0,
                      dtype=net.dtypes[node.outputs[0]], kv_dtype=net.dtypes[node.inputs[1]])]


def multi_head_attention(net: Net, node: Node) -> list[Op]:
    """ONNX Runtime's MultiHeadAttention: projected queries, keys and values."""
    heads = int(node.attrs["num_heads"])
    given = [net.shapes[t] if t else None for t in (*node.inputs, *[""] * 8)][:8]
    q, k, v, past = given[0], given[1], given[2], given[6]
    if q is None or len(q) != 3 or k is None or v is None:
        raise UnsupportedNodeError("MultiHeadAttention of packed projections")
    kv_len = (k[1] if len(k) == 3 else k[2]) + (past[2] if past else 0)
    value_dim = v[-1] // heads if len(v) == 3 else v[-1]
    return [Attention(batch=q[0], q_len=q[1], kv_len=kv_len, heads=heads, kv_heads=heads, head_dim=q[2] // heads,
                      value_dim=value_dim, causal=bool(node.attrs.get("unidirectional", 0)),
                      dtype=net.dtypes[node.outputs[0]], kv_dtype=net.dtypes[node.inputs[1]])]


def grouped_query_attention(net: Net, node: Node) -> list[Op]:
    """ONNX Runtime's GroupQueryAttention: causal, with a KV cache and, if asked for, rotary positions."""
    heads, kv_heads = int(node.attrs["num_heads"]), int(node.attrs["kv_num_heads"])
    batch, tokens, width = net.shapes[node.inputs[0]]
    packed = len(node.inputs) < 2 or not node.inputs[1]
    head_dim = width // (heads + 2 * kv_heads) if packed else width // heads
    past = net.shapes[node.inputs[3]][2] if len(node.inputs) > 3 and node.inputs[3] else 0
    window, dtype = int(node.attrs.get("local_window_size", -1)), net.dtypes[node.outputs[0]]
    made: list[Op] = []
    if node.attrs.get("do_rotary"):
        made.append(Elementwise(elements=batch * tokens * (heads + kv_heads) * head_dim, ops=3.0, name="rope",
                                dtype=dtype, out_dtype=dtype))
    return [*made, Attention(batch=batch, q_len=tokens, kv_len=past + tokens, heads=heads, kv_heads=kv_heads,
                             head_dim=head_dim, causal=True, window=window if window > 0 else None,
                             softcap=float(node.attrs.get("softcap", 0.0)) > 0, dtype=dtype)]


def packed_attention(net: Net, node: Node) -> list[Op]:
    """ONNX Runtime's Attention: the projection of queries, keys and values, and their attention."""
    batch, tokens, hidden = net.shapes[node.inputs[0]]
    heads, width = int(node.attrs["num_heads"]), net.shapes[node.inputs[1]][-1]
    sizes = list(node.attrs.get("qkv_hidden_sizes", [])) or [width // 3] * 3
    past = net.shapes[node.inputs[4]][3] if len(node.inputs) > 4 and node.inputs[4] else 0
    bias = len(node.inputs) > 2 and bool(node.inputs[2])
    out = node.outputs[0]
    return [MatMul(m=batch * tokens, n=width, k=hidden, weights=True, bias=bias,
                   **_formats(net, node.inputs[0], node.inputs[1], out)),
            Attention(batch=batch, q_len=tokens, kv_len=past + tokens, heads=heads, kv_heads=heads,
                      head_dim=sizes[0] // heads, value_dim=sizes[2] // heads,
                      causal=bool(node.attrs.get("unidirectional", 0)), dtype=net.dtypes[out])]


RULES: dict[str, Rule] = {
    **dict.fromkeys(ARITHMETIC, elementwise),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), pool),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
                     "SkipSimplifiedLayerNormalization"), norm),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), image_norm),
    "Attention": attention,
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "Einsum": einsum,
    "FusedAttention": fused_attention,
    "FusedMatMul": matmul,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GroupQueryAttention": grouped_query_attention,
    "LogSoftmax": softmax,
    "MatMul": matmul,
    "MatMulNBits": matmul_nbits,
    "MultiHeadAttention": multi_head_attention,
    "PackedAttention": packed_attention,
    "Softmax": softmax,
    "TopK": top_k,
    "Transpose": transpose,
}
"""The rule of every kind of node that has one."""
