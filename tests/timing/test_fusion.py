"""Fusion: FLOPs are conserved, no bytes are added, and only what a compiler can fuse is fused."""

from dataclasses import replace

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim import chips, models
from archsim.hardware import Chip
from archsim.timing import time
from archsim.timing.fusion import fuse
from archsim.workload.contract import validate
from archsim.workload.ops import Elementwise, GroupedMatMul, MatMul, Norm, Quantize

V5E, TRN2, H100 = chips.get("tpu-v5e"), chips.get("trainium2"), chips.get("h100-sxm")


def chain(*ops, **together):
    """Return a graph of operators one after the other."""
    graph = nx.DiGraph()
    for i, op in enumerate(ops):
        graph.add_node(f"op{i}", op=op, **together)
        if i:
            graph.add_edge(f"op{i - 1}", f"op{i}")
    return graph


def kinds(graph):
    return [graph.nodes[n]["op"].kind for n in nx.topological_sort(graph)]


@st.composite
def graphs(draw):
    size = st.integers(1, 3000)
    m, n, k = draw(size), draw(size), draw(size)

    def elementwise(elements, inputs):
        return Elementwise(elements=elements, inputs=inputs, ops=draw(st.sampled_from([1.0, 4.0])),
                           exps=draw(st.sampled_from([0.0, 1.0])), dtype=draw(st.sampled_from(["bf16", "fp32"])))

    graph = nx.DiGraph()
    graph.add_node("start", op=Norm(rows=m, cols=k))
    graph.add_node("before", op=elementwise(m * k, draw(st.sampled_from([0.5, 1.0, 2.0]))))
    graph.add_node("product", op=MatMul(m=m, n=n, k=k, weights=draw(st.booleans()), bias=draw(st.booleans())))
    graph.add_node("after", op=elementwise(m * n, draw(st.sampled_from([1.0, 2.0]))))
    graph.add_node("last", op=elementwise(m * n, 1.0))
    graph.add_edges_from([("start", "before"), ("before", "product"), ("product", "after"), ("after", "last")])
    if draw(st.booleans()):
        graph.add_node("other", op=Norm(rows=m, cols=n))
        graph.add_edge("other", "after")
    if draw(st.booleans()):
        graph.add_edge("before", "last")
    return graph


@given(graphs(), st.sampled_from([V5E, TRN2]))
def test_work_is_conserved_and_no_bytes_are_added(graph: nx.DiGraph, chip: Chip) -> None:
    before = [d["op"] for _, d in graph.nodes(data=True)]
    fused = fuse(graph, chip)
    after = [d["op"] for _, d in fused.nodes(data=True)]
    for work in ("flops", "vector_ops", "transcendentals", "parameters"):
        assert sum(getattr(o, work) for o in after) == pytest.approx(sum(getattr(o, work) for o in before))
    assert sum(o.bytes for o in after) <= sum(o.bytes for o in before)
    assert nx.is_directed_acyclic_graph(fused)
    assert [d["op"] for _, d in graph.nodes(data=True)] == before, "the graph given is not changed"
    fast, slow = (sum(time(o, chip).seconds for o in ops) for ops in (after, before))
    assert fast <= slow * (1 + 1e-9)


def test_a_dequantised_operand_is_read_in_its_small_format() -> None:
    widen = Elementwise(elements=512 * 4096, name="dequantize", dtype="int8")
    product = MatMul(m=512, n=1024, k=4096, weights=True)
    fused = fuse(chain(widen, product), V5E)
    (op,) = (d["op"] for _, d in fused.nodes(data=True))
    assert op.prologue == (widen,)
    assert op.a_bytes == 512 * 4096
    assert op.bytes == widen.bytes + product.bytes - 2 * 2 * 512 * 4096  # neither written nor read again in bf16
    assert op.shard(4).prologue == (widen,), "cut along n, every chip reads the whole of a"
    assert kinds(fuse(chain(widen, product), H100.replace("core", fuse_elementwise=True))) == ["elementwise", "matmul"]


def test_what_may_not_ride_in_front() -> None:
    m, n, k = 512, 1024, 4096
    product, scale = MatMul(m=m, n=n, k=k, weights=True), Elementwise(elements=m * k)
    gate = Elementwise(elements=m * k, inputs=2.0)  # reads more than it makes: read again, it would add bytes
    assert kinds(fuse(chain(gate, product), V5E)) == ["elementwise", "matmul"]
    for reduction in (Norm(rows=m, cols=k), Quantize(rows=m, cols=k)):
        assert kinds(fuse(chain(reduction, product), V5E))[-1] == "matmul"
        assert len(fuse(chain(reduction, product), V5E)) == 2
    shared = chain(scale, product)
    shared.add_node("second", op=product)
    shared.add_edge("op0", "second")
    assert len(fuse(shared, V5E)) == 3, "two products take the result"
    apart = chain(scale, product)
    apart.nodes["op1"]["layer"] = "head"
    assert len(fuse(apart, V5E)) == 2


def test_a_residual_rides_with_the_product_and_is_read_there() -> None:
    graph = chain(Norm(rows=64, cols=64), MatMul(m=64, n=64, k=64, weights=True))
    graph.add_node("add", op=Elementwise(elements=64 * 64, inputs=2.0, name="add"))
    graph.add_edges_from([("op0", "add"), ("op1", "add")])
    fused = fuse(graph, V5E)
    assert kinds(fused) == ["norm", "matmul"]
    op = fused.nodes["op1"]["op"]
    assert op.read_bytes == 3 * 64 * 64 * 2
    late = chain(MatMul(m=64, n=64, k=64, weights=True), Norm(rows=64, cols=64))  # the product is not the last to come
    late.add_node("add", op=Elementwise(elements=64 * 64, inputs=2.0, name="add"))
    late.add_edges_from([("op0", "add"), ("op1", "add")])
    assert len(fuse(late, V5E)) == 3


def test_an_activation_rides_with_the_products_of_experts() -> None:
    experts = GroupedMatMul(groups=(3, 0, 5), n=64, k=32)
    fused = fuse(chain(experts, Elementwise(elements=8 * 64, ops=4.0)), V5E)
    assert kinds(fused) == ["grouped_matmul"]
    assert fused.nodes["op0"]["op"].vector_ops == 4.0 * 8 * 64


def test_a_gpu_that_fuses_quantises_in_the_norm() -> None:
    graph = sim.transformer(models.get("llama-3.1-8b"), phase="decode", batch=8, context=1024, dtype="fp8")
    fusing = H100.replace("core", fuse_elementwise=True)
    fused = fuse(graph, fusing)
    validate(fused)
    assert fused.nodes["attn_norm"]["op"].out_dtype == "fp8"
    assert "qkv_proj_quantize" not in fused
    assert "o_proj_quantize" in fused, "attention does not quantise"
    assert set(fused["attn_norm"]) == {"qkv_proj", "mlp_norm"}
    norm, quantise = Norm(rows=64, cols=8192), Quantize(rows=64, cols=8192)
    both = replace(norm, out_dtype="fp8")
    assert both.write_bytes == quantise.write_bytes
    assert both.vector_ops == norm.vector_ops + quantise.vector_ops
    assert time(norm, H100).seconds < time(both, H100).seconds < time(norm, H100).seconds + time(quantise, H100).seconds
    assert kinds(fuse(chain(norm, quantise), V5E)) == ["norm", "quantize"], "a reduction ends a fusion elsewhere"


def test_what_others_read_is_not_quantised_for_them() -> None:
    fusing = H100.replace("core", fuse_elementwise=True)
    graph = chain(Norm(rows=64, cols=512), Quantize(rows=64, cols=512))
    graph.add_node("other", op=MatMul(m=64, n=512, k=512))
    graph.add_edge("op0", "other")
    assert kinds(fuse(graph, fusing)).count("quantize") == 1
    whole = chain(Elementwise(elements=64 * 512), Quantize(rows=64, cols=512))
    assert kinds(fuse(whole, fusing)) == ["elementwise", "quantize"], "a row of one block does not fit a warp"
    groups = chain(Elementwise(elements=64 * 512), Quantize(rows=64, cols=512, out_dtype="fp8_tile"))
    assert kinds(fuse(groups, fusing)) == ["elementwise"]
    post = chain(Norm(rows=64, cols=512, residual=True, post=True), Quantize(rows=64, cols=512))
    assert kinds(fuse(post, fusing)) == ["norm", "quantize"], "the residual stream stays as it is"
