"""ONNX models: parameters and FLOPs against hand counts and our own graphs, patterns, open dimensions, broken files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import graph, ops, transformer
from archsim.errors import ArchsimError
from archsim.importers.onnx import read
from archsim.workload.config import parse
from archsim.workload.resnet import resnet

pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper, save

# --- small models, written node by node as exporters write them

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


def kinds(g) -> dict[str, int]:  # type: ignore[no-untyped-def]
    return {kind: t.count for kind, t in graph.inspect(g).kinds.items()}


def only(g, kind: str):  # type: ignore[no-untyped-def]
    found = [d["op"] for _, d in g.nodes(data=True) if d["op"].kind == kind]
    assert len(found) == 1, found
    return found[0]


# --- whole models


def test_a_gpt_equals_our_own_graph_of_the_same_dimensions(tmp_path: Path) -> None:
    g = read(gpt(tmp_path / "gpt.onnx", layers=2, hidden=64, heads=4, vocab=1000, positions=128), dtype="bf16")
    graph.validate(g)
    config = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 1000, "n_positions": 128}
    own = transformer(parse(config), batch=2, seq=128)
    ours, theirs = graph.inspect(own), graph.inspect(g)
    assert theirs.total.parameters == ours.total.parameters == own.graph["parameters"]
    assert theirs.total.flops == ours.total.flops
    for kind in ("matmul", "attention"):
        assert theirs.kinds[kind] == ours.kinds[kind], "count, FLOP, bytes and parameters"
    assert theirs.kinds["norm"].count == 5
    assert g.graph["unsupported"] == {}
    assert g.graph["tokens"] == 256
    assert {d["layer"] for _, d in g.nodes(data=True)} >= {"h.0", "h.1"}
    assert g.nodes["lm_head"]["tied_to"] == "Gather_11", "the table of the embedding, turned"


def test_open_dimensions_are_given_by_name(tmp_path: Path) -> None:
    path = gpt(tmp_path / "gpt.onnx", batch="batch", seq="sequence")
    fixed = read(gpt(tmp_path / "fixed.onnx", batch=3, seq=64))
    dims = {"batch": 3, "sequence": 64}
    assert dict(read(path, dims=dims).nodes(data=True)) == dict(fixed.nodes(data=True))
    with pytest.raises(ArchsimError, match=r"'ids' has the open dimension 'batch': .* --dim batch=1"):
        read(path)
    with pytest.raises(ArchsimError, match="unknown open dimension 'bach': did you mean 'batch'"):
        read(path, dims={"bach": 1})
    with pytest.raises(ArchsimError, match="dimension 'batch' must be from 1"):
        read(path, dims={"batch": 0, "sequence": 1})
    assert dims == {"batch": 3, "sequence": 64}, "what the caller gave is not changed"


def test_a_convolutional_network_by_hand(tmp_path: Path) -> None:
    g = read(convnet(tmp_path / "net.onnx"), dims={"n": 8})
    graph.validate(g)
    total = graph.inspect(g)
    macs = 8 * (32 * 32 * (27 * 16 + 9 * 16 * 16 + 9 * 16) + 16 * 10)
    assert total.total.flops == 2 * macs
    conv = 27 * 16 + 2 * 16 + 9 * 16 * 16 + 2 * 16 + 9 * 16 + 16
    assert total.total.parameters == conv + 16 * 10 + 10
    assert kinds(g) == {"conv": 3, "elementwise": 3, "pool": 2, "matmul": 1}
    pools = [d["op"] for _, d in g.nodes(data=True) if d["op"].kind == "pool"]
    assert [list(p.shapes())[-1][1] for p in pools] == [(8, 16, 16, 16), (8, 1, 1, 16)], "rounded up; whole image"
    assert g.graph["tokens"] == 8, "images"


# Parameters as torchvision 0.2x counts them (alexnet: Krizhevsky's two-group net, 60.97 M), and 1e9
# multiply-accumulates at 224 x 224; the onnx package carries these networks for its own tests.
LIGHT = {"resnet50": (25_557_032, 4.089), "vgg19": (143_667_240, 19.632), "squeezenet": (1_235_496, 0.349),
         "bvlc_alexnet": (60_965_224, 0.655)}


@pytest.mark.parametrize("name", LIGHT)
def test_published_networks_have_their_published_parameters_and_work(name: str) -> None:
    import onnx

    path = Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx"
    g = read(path)
    total = graph.inspect(g).total
    assert (total.parameters, round(total.flops / 2e9, 3)) == LIGHT[name]
    assert g.graph["unsupported"] == ({"LRN": 2} if name == "bvlc_alexnet" else {})
    if name == "resnet50":
        assert total.flops == graph.inspect(resnet(50)).total.flops, "our own graph of it"


def test_open_dimensions_without_a_name_go_by_their_place(tmp_path: Path) -> None:
    b = Builder()
    path = b.save(tmp_path / "m.onnx", b("MatMul", b.input("x", ("?", 8)), b.weight(8, 8)))
    assert only(read(path, dims={"x.0": 4}), "matmul").m == 4
    with pytest.raises(ArchsimError, match=r"open dimension 'x\.0'"):
        read(path)


def test_formats(tmp_path: Path) -> None:
    path = gpt(tmp_path / "gpt.onnx", layers=1)
    assert read(path).graph["dtype"] == "fp32"
    half = read(path, dtype="bf16")
    assert graph.inspect(half).total.bytes == pytest.approx(graph.inspect(read(path)).total.bytes / 2, rel=0.02)
    narrow = read(path, dtype="fp8")
    products = [d["op"] for _, d in narrow.nodes(data=True) if d["op"].kind == "matmul"]
    assert {p.dtype for p in products} == {"fp8"}
    assert {p.out_dtype for p in products} == {"bf16"}
    with pytest.raises(ArchsimError, match="unknown dtype"):
        read(path, dtype="bf17")


# --- what is not simulated


def test_unsupported_nodes_are_listed_and_their_neighbours_stay_joined(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.input("x", (4, 8)), b.weight(8, 8), name="first")
    x = b("LpNormalization", x)
    x = b("LpNormalization", x)
    y, _, _ = b("LSTM", b("Reshape", x, b.const([4, 1, 8], np.int64)), b.weight(1, 32, 8), b.weight(1, 32, 8),
                outputs=3, hidden_size=8)
    g = read(b.save(tmp_path / "m.onnx", b("MatMul", b("Reshape", y, b.const([4, 8], np.int64)), b.weight(8, 8),
                                           name="last")))
    assert g.graph["unsupported"] == {"LpNormalization": 2, "LSTM": 1}
    assert g.graph["note"] == "not simulated: 2 x LpNormalization, 1 x LSTM"
    assert list(g.edges) == [("first", "last")]


def test_operations_of_other_domains_are_named_with_them(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.input("x", (4, 8)), b.weight(8, 8))
    y = b("Magic", x, domain="my.domain")
    with pytest.raises(ArchsimError, match=r"the shape of .* cannot be inferred \(made by my.domain:Magic"):
        read(b.save(tmp_path / "m.onnx", b("Relu", y)))
    stated = [helper.make_tensor_value_info(y, TensorProto.FLOAT, (4, 8))]
    g = read(b.save(tmp_path / "m.onnx", b.nodes[-1].output[0], value_info=stated))
    assert g.graph["unsupported"] == {"my.domain:Magic": 1}


# --- patterns


def attention(b: Builder, *, heads: int = 4, kv_heads: int = 4, mask: str = "", scale: str = "Div", size: int = 8,
              q_len: int = 16, kv_len: int = 16) -> str:
    """Write attention from projected tensors, as PyTorch's exporters do."""
    q, k, v = (b("Relu", b.input(name, (2, n, h * size)))
               for name, n, h in (("q", q_len, heads), ("k", kv_len, kv_heads), ("v", kv_len, kv_heads)))

    def part(t: str, n: int, h: int) -> str:
        return str(b("Transpose", b("Reshape", t, b.const([2, n, h, size], np.int64)), perm=[0, 2, 1, 3]))

    q, k, v = part(q, q_len, heads), part(k, kv_len, kv_heads), part(v, kv_len, kv_heads)
    if kv_heads < heads:
        def repeat(t: str) -> str:
            wide = b("Expand", b("Unsqueeze", t, b.const([2], np.int64)),
                     b.const([2, kv_heads, heads // kv_heads, kv_len, size], np.int64))
            return str(b("Reshape", wide, b.const([2, heads, kv_len, size], np.int64)))

        k, v = repeat(k), repeat(v)
    k = b("Transpose", k, perm=[0, 1, 3, 2])
    if scale == "both":  # PyTorch 2 scales queries and keys by a root each
        q, k = b("Mul", q, b.const(0.5)), b("Mul", k, b.const(0.5))
    s = b("MatMul", q, k)
    if scale in ("Div", "Mul"):
        s = b(scale, s, b.const(2.0))
    if mask == "input":
        s = b("Add", s, b.input("mask", (2, 1, 1, kv_len)))
    elif mask:
        keep = np.tril(np.ones((q_len, kv_len), dtype=bool), kv_len - q_len)
        s = b("Where", b.const(keep), s, b.const(-1e9)) if mask == "where" else b(
            "Add", s, b.const(np.where(keep, 0, -1e9).astype(np.float32)))
    p = b("Softmax", s, axis=-1)
    out = b("Transpose", b("MatMul", p, v), perm=[0, 2, 1, 3])
    return str(b("Reshape", out, b.const([2, q_len, heads * size], np.int64)))


@pytest.mark.parametrize(("given", "causal"), [
    ({}, False), ({"mask": "add"}, True), ({"mask": "where"}, True), ({"mask": "input"}, False),
    ({"scale": "both", "mask": "add"}, True), ({"scale": "Mul"}, False), ({"kv_heads": 2}, False),
    ({"kv_heads": 1, "mask": "add"}, True), ({"q_len": 4, "mask": "add"}, True), ({"heads": 6, "kv_heads": 3}, False),
])
def test_attention_is_recognised_however_it_is_written(given: dict[str, object], causal: bool, tmp_path: Path) -> None:
    b = Builder()
    g = read(b.save(tmp_path / "m.onnx", attention(b, **given)))  # type: ignore[arg-type]
    heads = int(str(given.get("heads", 4)))
    assert only(g, "attention") == ops.Attention(
        batch=2, q_len=int(str(given.get("q_len", 16))), kv_len=16, heads=heads, kv_heads=int(str(
            given.get("kv_heads", 4))), head_dim=8, causal=causal, dtype="fp32")
    assert kinds(g) == {"attention": 1, "elementwise": 3}, "no product, softmax, transpose or scaling is left"
    graph.validate(g)


sides = st.integers(1, 24)


@settings(max_examples=25)
@given(sides, sides, st.integers(1, 3), st.integers(1, 3), st.integers(2, 24), st.sampled_from(["", "Div", "both"]))
def test_merging_keeps_the_work_and_adds_no_bytes(
    q_len: int, kv_len: int, kv_heads: int, group: int, size: int, scale: str
) -> None:
    b = Builder()
    x = attention(b, heads=kv_heads * group, kv_heads=kv_heads, size=size, q_len=q_len, kv_len=kv_len, scale=scale)
    x = gelu(b, layer_norm(b, x, kv_heads * group * size))
    with TemporaryDirectory() as folder:
        path = b.save(Path(folder) / "m.onnx", x)
        merged = graph.inspect(read(path)).total
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("archsim.importers.onnx.merge", lambda net, values: None)
            plain = graph.inspect(read(path)).total
    assert merged.flops == plain.flops
    assert merged.parameters == plain.parameters
    assert merged.bytes < plain.bytes
    assert merged.count < plain.count


def test_scores_that_are_read_elsewhere_are_not_fused(tmp_path: Path) -> None:
    b = Builder()
    out = attention(b)
    softmax = next(n for n in b.nodes if n.op_type == "Softmax")
    extra = b("ReduceSum", softmax.output[0], b.const([-1], np.int64))
    total = b("Add", b("ReduceSum", out), b("ReduceSum", extra), name="total")
    g = read(b.save(tmp_path / "m.onnx", total))
    assert kinds(g)["matmul"] == 2
    assert kinds(g)["softmax"] == 1
    assert "attention" not in kinds(g)


def test_activations_and_norms_in_full_are_one_operator_each(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.input("x", (4, 8)), b.weight(8, 8))
    x = gelu(b, layer_norm(b, x, 8))
    cube = b("Mul", b("Pow", x, b.const(3.0)), b.const(0.044715))  # the tanh approximation, as Hugging Face writes it
    t = b("Tanh", b("Mul", b("Add", x, cube), b.const(0.7978845)))
    x = b("Mul", b("Mul", x, b.const(0.5)), b("Add", t, b.const(1.0)))
    x = b("Mul", x, b("Sigmoid", x))
    root = b("Sqrt", b("Add", b("ReduceMean", b("Pow", x, b.const(2.0)), axes=[-1]), b.const(1e-6)))
    x = b("Mul", b("Mul", x, b("Div", b.const(1.0), root)), b.weight(8))
    x = b("Div", x, b.const(3.0))
    g = read(b.save(tmp_path / "m.onnx", x))
    made = [d["op"] for _, d in g.nodes(data=True)]
    assert [getattr(op, "name", op.kind) for op in made] == ["matmul", "layernorm", "gelu", "gelu", "silu", "rmsnorm",
                                                              "div"]
    assert made[1] == ops.Norm(rows=4, cols=8, name="layernorm", bias=True, dtype="fp32")
    assert made[5] == ops.Norm(rows=4, cols=8, name="rmsnorm", dtype="fp32")
    assert made[2].transcendentals == 32
    assert made[6].transcendentals == 0, "the reciprocal of a constant is taken once"
    assert graph.inspect(g).total.parameters == 64 + 16 + 8


# --- single operations


def test_matrix_products_of_all_shapes(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.input("x", (2, 3, 5, 8)), b.weight(8, 6))  # a stack times one matrix
    y = b("MatMul", x, b.input("y", (2, 3, 6, 7)))  # a stack times a stack
    z = b("MatMul", b.weight(4, 5), y)  # one matrix times a stack
    e = b("Einsum", z, b.input("e", (2, 3, 7, 9)), equation="bhmk,bhkn->bmhn")
    f = b("Gemm", b("Reshape", e, b.const([24, 9], np.int64)), b.weight(11, 9), b.input("c", (24, 11)), transB=1)
    g = read(b.save(tmp_path / "m.onnx", f))
    made = [d["op"] for _, d in g.nodes(data=True)]
    assert [(op.m, op.n, op.k, op.batch, op.weights) for op in made] == [
        (30, 6, 8, 1, True), (5, 7, 6, 6, False), (42, 4, 5, 1, True), (4, 9, 7, 6, False), (24, 11, 9, 1, True)]
    assert [op.flops for op in made] == [2 * 30 * 6 * 8, 2 * 6 * 5 * 7 * 6, 2 * 6 * 4 * 7 * 5, 2 * 6 * 4 * 9 * 7,
                                         2 * 24 * 11 * 9]
    assert made[4].read_bytes == 4 * (24 * 9 + 9 * 11 + 24 * 11)


def test_quantised_weights_stay_narrow_in_memory(tmp_path: Path) -> None:
    b = Builder()
    table = b.const(np.ones((128, 64), dtype=np.int8))
    x = b("MatMul", b.input("x", (4, 128)), b("DequantizeLinear", table, b.const(0.1)))
    packed = b.const(np.zeros((32, 2, 16), dtype=np.uint8))
    x = b("MatMulNBits", x, packed, b.const(np.ones(64, dtype=np.float32)), domain="com.microsoft", N=32, K=64, bits=4,
          block_size=32)
    g = read(b.save(tmp_path / "m.onnx", x), dtype="bf16")
    one, two = (d["op"] for _, d in g.nodes(data=True))
    assert (one.b_dtype, one.b_bytes, one.parameters) == ("int8", 128 * 64, 128 * 64)
    assert (two.b_dtype, two.b_bytes, two.parameters) == ("int4_g32", 32 * 64 / 2 + 32 * 2 * 2, 32 * 64)


def test_attention_nodes_of_the_standard_and_of_onnx_runtime(tmp_path: Path) -> None:
    b = Builder()
    q, k, v = (b.input(n, (2, 16, h * 8)) for n, h in (("q", 4), ("k", 2), ("v", 2)))
    x = b("Attention", q, k, v, q_num_heads=4, kv_num_heads=2, is_causal=1)
    op = only(read(b.save(tmp_path / "a.onnx", x, opset=23)), "attention")
    assert op == ops.Attention(batch=2, q_len=16, kv_len=16, heads=4, kv_heads=2, head_dim=8, dtype="fp32")
    b = Builder()
    past = [b.input(n, (2, 2, 100, 8)) for n in ("pk", "pv")]
    x = b("GroupQueryAttention", b.input("q", (2, 1, 32)), b.input("k", (2, 1, 16)), b.input("v", (2, 1, 16)), *past,
          domain="com.microsoft", num_heads=4, kv_num_heads=2, do_rotary=1, outputs=3)
    g = read(b.save(tmp_path / "g.onnx", b("Relu", x[0])))
    op = only(g, "attention")
    assert (op.q_len, op.kv_len, op.kv_heads, op.causal) == (1, 101, 2, True)
    assert g.graph["kv_bytes"] == 2 * 2 * 101 * 2 * 8 * 4
    assert kinds(g) == {"attention": 1, "elementwise": 2}, "rope, attention, relu"
    b = Builder()
    t = [b.input(n, (2, 16, 32)) for n in "qkv"]
    op = only(read(b.save(tmp_path / "m.onnx", b("Relu", b("MultiHeadAttention", *t, domain="com.microsoft",
                                                         num_heads=4)))), "attention")
    assert op == ops.Attention(batch=2, q_len=16, kv_len=16, heads=4, kv_heads=4, head_dim=8, causal=False,
                               dtype="fp32")
    b = Builder()
    x = b("Attention", b.input("x", (2, 16, 32)), b.weight(32, 96), b.weight(96), domain="com.microsoft", num_heads=4)
    g = read(b.save(tmp_path / "p.onnx", b("Relu", x)))
    assert kinds(g) == {"matmul": 1, "attention": 1, "elementwise": 1}
    assert graph.inspect(g).total.parameters == 32 * 96 + 96


def test_what_moves_nothing_is_free_and_what_moves_is_not(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.input("x", (4, 8)), b.weight(8, 8), name="first")
    x = b("Transpose", b("Reshape", x, b.const([1, 4, 1, 8], np.int64)), perm=[2, 1, 0, 3])  # sides of length 1 alone
    x = b("Squeeze", x, b.const([0, 2], np.int64))
    x = b("Transpose", b("Dropout", b("Cast", x, to=TensorProto.FLOAT)), perm=[1, 0], name="turn")
    g = read(b.save(tmp_path / "m.onnx", b("Relu", x)))
    assert list(g.nodes) == ["first", "turn", g.nodes and list(g.nodes)[-1]]
    assert only(g, "transpose") == ops.Transpose(rows=4, cols=8, dtype="fp32")


def test_weights_that_are_no_factors_count_too(tmp_path: Path) -> None:
    b = Builder()
    x = b("Add", b.input("x", (2, 4, 8)), b.weight(4, 8))
    x = b("Concat", x, b("Expand", b.weight(1, 1, 8), b.const([2, 1, 8], np.int64)), axis=1)
    g = read(b.save(tmp_path / "m.onnx", b("Mul", x, b.weight(8))))
    graph.validate(g)
    assert graph.inspect(g).total.parameters == 4 * 8 + 8 + 8


# --- broken files


def test_broken_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ArchsimError, match="cannot read"):
        read(path)
    for content in (b"", b"not a model", bytes(range(256)) * 4):
        path.write_bytes(content)
        with pytest.raises(ArchsimError, match="not an ONNX model") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    b = Builder()
    b.save(path, b("MatMul", b.input("x", (4, 8)), b.weight(7, 8)))
    with pytest.raises(ArchsimError, match=r"m\.onnx: shapes contradict|cannot be inferred|not a well-formed"):
        read(path)
    b = Builder()
    b.save(path, b("Reshape", b.input("x", (4, 8)), b.const([2, 16], np.int64)))
    with pytest.raises(ArchsimError, match="nothing in this model is work"):
        read(path)
    gpt(path)
    whole = path.read_bytes()
    for cut in range(1, len(whole), len(whole) // 40):
        path.write_bytes(whole[:cut])
        try:
            read(path)
        except ArchsimError as e:
            assert "\n" not in str(e)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ArchsimError, match=r"pip install 'archsim\[onnx\]'"):
        read(tmp_path / "m.onnx")


def test_an_imported_model_runs(tmp_path: Path) -> None:
    from archsim import chips, simulate

    g = read(gpt(tmp_path / "gpt.onnx"), dtype="bf16")
    run = simulate(g, chips.get("tpu-v5p"))
    assert run.flops == graph.inspect(g).total.flops
    assert run.parameters == 172_288
    assert run.tokens == 256
