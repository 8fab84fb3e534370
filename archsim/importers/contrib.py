"""Shapes of operations that ONNX itself cannot infer: those that ONNX Runtime adds (domain com.microsoft)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shape = tuple[int, ...]

SAME = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "RotaryEmbedding", "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization", "LayerNormalization", "BiasSplitGelu"}
"""Operations whose result has the shape of their first input."""


def output_shapes(node: Any, shapes: Mapping[str, Shape]) -> list[Shape]:
    """Return the shapes of a node's outputs as far as its inputs tell; an empty list if they do not."""
    attrs = {a.name: a for a in node.attribute}
    given = [shapes.get(name) if name else None for name in node.input]
    first = given[0] if given else None
    if first is None:
        return []
    op = node.op_type
    if op in SAME:
        rest = first if op.startswith("Skip") else (*first[:-1], 1)  # the sum of the residual; a statistic per row
        return [first, *([rest] * (len(node.output) - 1))]
    if op == "MatMulNBits":
        return [(*first[:-1], attrs["N"].i)]
    if op == "FusedMatMul" and given[1] is not None:
        a, b = _turned(first, attrs, "transA"), _turned(given[1], attrs, "transB")
        lead = a[:-2] if len(a) >= len(b) else b[:-2]
        return [(*lead, a[-2], b[-1])]
    if op == "MultiHeadAttention" and len(first) == 3:
        value = given[2] if len(given) > 2 else None
        if value is None:
            return [first] if given[1] is not None else []
        width = value[-1] if len(value) == 3 else value[1] * value[3]
        heads = attrs["num_heads"].i
        past = given[6][2] if len(given) > 6 and given[6] is not None else 0
        keys = (value[1] if len(value) == 3 else value[2]) + past
        present = (first[0], heads, keys, first[-1] // heads)
        return [(*first[:-1], width), present, (*present[:-1], width // heads)]
    if op == "GroupQueryAttention":
        heads, kv = attrs["num_heads"].i, attrs["kv_num_heads"].i
        packed = len(given) < 2 or given[1] is None
        head = first[-1] // (heads + 2 * kv) if packed else first[-1] // heads
        past = given[3][2] if len(given) > 3 and given[3] is not None else 0
        present = (first[0], kv, past + first[1], head)
        return [(*first[:-1], heads * head), present, present]
    if op == "Attention" and node.domain == "com.microsoft" and len(given) > 1 and given[1] is not None:
        sizes = list(attrs["qkv_hidden_sizes"].ints) if "qkv_hidden_sizes" in attrs else []
        return [(*first[:-1], sizes[2] if sizes else given[1][-1] // 3)]
    return []


def _turned(shape: Shape, attrs: Mapping[str, Any], key: str) -> Shape:
    """Return a matrix's shape, its last two sides exchanged if an attribute says so."""
    return (*shape[:-2], shape[-1], shape[-2]) if key in attrs and attrs[key].i else shape
