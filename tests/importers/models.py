"""Small ONNX models, written node by node as exporters write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Builder:
    """Nodes, weights and inputs of one model."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.inputs: list[Any] = []
        self.count = 0

    def input(self, name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def weight(self, *shape: int) -> str:
        return self.const(np.full(shape, 0.5, dtype=np.float32))

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        self.count += 1
        name = f"c{self.count}"
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=dtype)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def __call__(self, op: str, *inputs: str, name: str = "", outputs: int = 1, domain: str = "", **attrs: Any) -> Any:
        self.count += 1
        made = [f"t{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), made, name=name or f"{op}_{self.count}", domain=domain,
                                           **attrs))
        return made[0] if outputs == 1 else made

    def save(self, path: Path, output: str, opset: int = 17, **more: Any) -> Path:
        out = helper.make_tensor_value_info(output, more.pop("kind", TensorProto.FLOAT), None)
        graph = helper.make_graph(self.nodes, "test", self.inputs, [out], self.weights, **more)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1),
                   helper.make_opsetid("my.domain", 1)]
        save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)
        return path


def layer_norm(b: Builder, x: str, width: int) -> str:
    """Write LayerNorm out in full, as exporters did before operator set 17."""
    d = b("Sub", x, b("ReduceMean", x, axes=[-1]))
    var = b("ReduceMean", b("Pow", d, b.const(2.0)), axes=[-1])
    y = b("Div", d, b("Sqrt", b("Add", var, b.const(1e-5))))
    return str(b("Add", b("Mul", y, b.weight(width)), b.weight(width)))


def gelu(b: Builder, x: str) -> str:
    """Write GELU out in full."""
    e = b("Erf", b("Div", x, b.const(2.0**0.5)))
    return str(b("Mul", b("Mul", x, b("Add", e, b.const(1.0))), b.const(0.5)))


def gpt(path: Path, *, layers: int = 2, hidden: int = 64, heads: int = 4, ffn: int = 256, vocab: int = 1000,
        positions: int = 128, batch: int | str = 2, seq: int | str = 128) -> Path:
    """Write a GPT-2: shapes computed from shapes, a causal mask cut from a buffer, norms and GELU in full."""
    b = Builder()
    ids = b.input("ids", (batch, seq), TensorProto.INT64)
    size = hidden // heads
    length = b("Gather", b("Shape", ids), b.const(1, np.int64), axis=0)
    rows = b("Gather", b("Shape", ids), b.const(0, np.int64), axis=0)
    where = b("Range", b.const(0, np.int64), length, b.const(1, np.int64))
    table = b.weight(vocab, hidden)
    x = b("Add", b("Gather", table, ids), b("Gather", b.weight(positions, hidden), where))
    buffer = b.const(np.tril(np.ones((1, 1, positions, positions), dtype=bool)))
    one = b.const([1], np.int64)
    end = b("Unsqueeze", length, b.const([0], np.int64))
    split = b("Concat", b("Unsqueeze", rows, b.const([0], np.int64)), end, b.const([heads, size], np.int64), axis=0)
    whole = b("Concat", b("Unsqueeze", rows, b.const([0], np.int64)), end, b.const([hidden], np.int64), axis=0)

    def part(t: str) -> str:
        return str(b("Transpose", b("Reshape", t, split), perm=[0, 2, 1, 3]))

    for i in range(layers):
        at = f"/h.{i}"
        y = layer_norm(b, x, hidden)
        qkv = b("Add", b("MatMul", y, b.weight(hidden, 3 * hidden), name=f"{at}/c_attn/MatMul"), b.weight(3 * hidden))
        q, k, v = b("Split", qkv, b.const([hidden] * 3, np.int64), outputs=3, axis=-1)
        scores = b("Div", b("MatMul", part(q), b("Transpose", part(k), perm=[0, 1, 3, 2])), b.const(size**0.5))
        seen = b("Slice", b("Slice", buffer, b.const([0], np.int64), end, b.const([2], np.int64), one),
                 b.const([0], np.int64), end, b.const([3], np.int64), one)
        p = b("Softmax", b("Where", seen, scores, b.const(-1e9)), axis=-1, name=f"{at}/attn/Softmax")
        a = b("Reshape", b("Transpose", b("MatMul", p, part(v)), perm=[0, 2, 1, 3]), whole)
        x = b("Add", x, b("Add", b("MatMul", a, b.weight(hidden, hidden)), b.weight(hidden)))
        y = layer_norm(b, x, hidden)
        up = gelu(b, b("Add", b("MatMul", y, b.weight(hidden, ffn)), b.weight(ffn)))
        x = b("Add", x, b("Add", b("MatMul", up, b.weight(ffn, hidden)), b.weight(hidden)))
    logits = b("MatMul", layer_norm(b, x, hidden), b("Transpose", table, perm=[1, 0]), name="lm_head")
    return b.save(path, logits, opset=14)


def convnet(path: Path) -> Path:
    """Write a small residual network with batch norms: 3 -> 16 channels, 32 x 32 pixels, 10 classes."""
    b = Builder()
    x = b.input("image", ("n", 3, 32, 32))

    def norm(t: str, c: int) -> str:
        return str(b("BatchNormalization", t, *(b.weight(c) for _ in range(4))))

    x = b("Relu", norm(b("Conv", x, b.weight(16, 3, 3, 3), pads=[1] * 4, kernel_shape=[3, 3]), 16))
    y = b("Relu", norm(b("Conv", x, b.weight(16, 16, 3, 3), auto_pad="SAME_UPPER"), 16))
    y = b("Conv", y, b.weight(16, 1, 3, 3), b.weight(16), pads=[1] * 4, group=16)
    x = b("MaxPool", b("Add", x, y), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = b("Flatten", b("GlobalAveragePool", x))
    return b.save(path, b("Gemm", x, b.weight(10, 16), b.weight(10), transB=1))
