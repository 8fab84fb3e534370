"""Operators count FLOPs and bytes exactly; sharding and fusing lose nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError
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
    describe,
)

small = st.integers(1, 40)


def naive_pairs(batch: int, q: int, kv: int, causal: bool, window: int | None) -> int:
    """Count unmasked (query, key) pairs one by one."""
    count = 0
    for i in range(q):
        for j in range(kv):
            last = kv - q + i if causal else kv - 1
            if causal and j > last:
                continue
            if window is not None and causal and j <= last - window:
                continue
            if window is not None and not causal and j >= window:
                continue
            count += 1
    return batch * count


@given(st.integers(1, 3), small, small, st.booleans(), st.none() | st.integers(1, 60))
def test_attention_counts_the_unmasked_pairs(batch: int, q: int, more: int, causal: bool, window: int | None) -> None:
    kv = q + more - 1
    op = Attention(batch=batch, q_len=q, kv_len=kv, heads=6, kv_heads=2, head_dim=8, causal=causal, window=window)
    pairs = naive_pairs(batch, q, kv, causal, window)
    assert op.pairs == pairs
    assert op.flops == 4 * 8 * 6 * pairs
    assert op.transcendentals == 6 * pairs


def test_attention_reads_each_key_once_per_group() -> None:
    op = Attention(batch=2, q_len=1, kv_len=100, heads=32, kv_heads=8, head_dim=128)
    assert op.kv_bytes == 2 * 100 * 8 * 2 * 128 * 2
    assert op.q_bytes == op.write_bytes == 2 * 32 * 128 * 2


def test_matmul_by_hand() -> None:
    op = MatMul(m=3, n=5, k=7, weights=True, bias=True)
    assert op.flops == 2 * 3 * 5 * 7
    assert op.read_bytes == 2 * (3 * 7 + 7 * 5 + 5)
    assert op.write_bytes == 2 * 3 * 5
    assert op.parameters == 7 * 5 + 5
    assert MatMul(m=3, n=5, k=7, dtype="fp8").write_bytes == 2 * 3 * 5, "an 8-bit product is written in bf16"


def test_a_fused_gate_halves_what_is_written() -> None:
    gate = Elementwise(elements=4 * 6, inputs=2, ops=3, exps=2)
    op = MatMul(m=4, n=12, k=8, epilogue=(gate,))
    assert op.write_bytes == 2 * 4 * 6
    assert op.read_bytes == MatMul(m=4, n=12, k=8).read_bytes
    assert op.vector_ops == gate.vector_ops


def test_a_fused_residual_is_read_beside_the_product() -> None:
    op = MatMul(m=4, n=12, k=8, epilogue=(Elementwise(elements=48, inputs=2),))
    assert op.read_bytes == MatMul(m=4, n=12, k=8).read_bytes + 2 * 48
    assert op.write_bytes == 2 * 48


def test_rope_in_place_leaves_the_values_alone() -> None:
    op = MatMul(m=4, n=12, k=8, epilogue=(Elementwise(elements=32, inputs=1, ops=3),))
    assert op.write_bytes == 2 * 48
    assert op.read_bytes == MatMul(m=4, n=12, k=8).read_bytes


@given(small, small, small, st.integers(1, 7), st.sampled_from("mnk"))
def test_matmul_shards_cover_the_whole(m: int, n: int, k: int, chips: int, split: str) -> None:
    op = MatMul(m=m, n=n, k=k, split=split)
    share = op.shard(chips)
    assert share.flops <= op.flops <= share.flops * chips
    sides = {"m": m, "n": n, "k": k}
    assert getattr(share, split) == -(-sides[split] // chips)


@given(st.integers(1, 5), st.integers(1, 64), st.integers(0, 300), st.sampled_from([(8, 8), (8, 2), (8, 1)]),
       st.booleans(), st.integers(1, 60))
def test_attention_shards_cover_the_whole(
    batch: int, q: int, past: int, heads: tuple[int, int], causal: bool, chips: int
) -> None:
    op = Attention(batch=batch, q_len=q, kv_len=q + past, heads=heads[0], kv_heads=heads[1], head_dim=4, causal=causal)
    share = op.shard(chips)
    assert share.flops <= op.flops <= share.flops * chips
    assert share.kv_bytes <= op.kv_bytes <= share.kv_bytes * chips


@pytest.mark.parametrize("chips", [2, 3, 8, 11, 52, 61])
@pytest.mark.parametrize(("q", "kv"), [(8192, 8192), (1, 8192), (4096, 8192)])
def test_attention_is_dealt_evenly(chips: int, q: int, kv: int) -> None:
    op = Attention(batch=1, q_len=q, kv_len=kv, heads=64, kv_heads=8, head_dim=128)
    assert op.shard(chips).flops * chips <= 1.06 * op.flops


@pytest.mark.parametrize("op", [
    Elementwise(elements=10, inputs=2), Norm(rows=10, cols=4, residual=True), Gather(rows=10, cols=4, entries=50),
])
def test_row_operators_shard(op: Op) -> None:
    assert op.shard(1) == op
    assert op.shard(3).bytes * 3 >= op.bytes


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MatMul(m=0, n=1, k=1), "MatMul.m must be from 1"),
        (lambda: MatMul(m=1, n=-2, k=1), "MatMul.n must be from 1"),
        (lambda: MatMul(m=1, n=1, k=2**40), "MatMul.k must be from 1 to"),
        (lambda: MatMul(m="many", n=1, k=1), "must be a whole number, not 'many'"),
        (lambda: MatMul(m=1.5, n=1, k=1), "must be a whole number, not 1.5"),
        (lambda: MatMul(m=1, n=1, k=1, dtype="bf61"), "unknown dtype 'bf61'"),
        (lambda: MatMul(m=1, n=1, k=1, split="x"), "must be 'm', 'n' or 'k'"),
        (lambda: MatMul(m=1, n=1, k=1, epilogue=5), "tuple of Elementwise"),
        (lambda: MatMul(m=1, n=1, k=1, bias=2), "MatMul.bias must be True or False"),
        (lambda: Elementwise(elements=4, inputs=-1), "Elementwise.inputs must be a number of at least 0"),
        (lambda: Elementwise(elements=4, exps=float("nan")), "Elementwise.exps must be a number"),
        (lambda: Norm(rows=4, cols=4, name="batchnorm"), "unknown norm 'batchnorm'"),
        (lambda: Attention(batch=1, q_len=1, kv_len=1, heads=1, kv_heads=1, head_dim=8, window=-5), "window must be"),
        (lambda: Attention(batch=1, q_len=1, kv_len=1, heads=1, kv_heads=1, head_dim=8, window=0), "window must be"),
        (lambda: Attention(batch=1, q_len=1, kv_len=1, heads=6, kv_heads=4, head_dim=8), "no multiple"),
        (lambda: Attention(batch=1, q_len=9, kv_len=1, heads=4, kv_heads=4, head_dim=8), "at least q_len"),
    ],
)
def test_bad_sizes_are_named(make: object, says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        make()  # type: ignore[operator]


def test_describe_is_json_ready() -> None:


    d = json.loads(json.dumps(describe(MatMul(m=3, n=5, k=7, batch=2))))
    assert d["shapes"] == {"a": [2, 3, 7], "b": [2, 7, 5], "out": [2, 3, 5]}
    assert d["dtypes"]["a"] == "bf16"


def test_attention_variants_by_hand() -> None:
    plain = Attention(batch=2, q_len=4, kv_len=16, heads=8, kv_heads=2, head_dim=32)
    scores = plain.pairs * 8
    capped = replace(plain, softcap=True, biased=True)
    assert capped.vector_ops - plain.vector_ops == 3 * scores
    assert capped.transcendentals == 2 * scores
    sunk = replace(plain, sinks=True)
    assert sunk.parameters == 8
    assert sunk.transcendentals - plain.transcendentals == 2 * 4 * 8
    assert sunk.read_bytes - plain.read_bytes == 2 * 8
    # Latents: one KV head of 512 + 64 whose first 512 are the values: 1,152 bytes per token, read once.
    latent = Attention(batch=1, q_len=1, kv_len=100, heads=128, kv_heads=1, head_dim=576, value_dim=512, shared_kv=True)
    assert latent.kv_bytes == 100 * 576 * 2
    assert latent.flops == 2 * 100 * 128 * (576 + 512)
    assert [name for name, *_ in latent.shapes()] == ["q", "k", "out"]
    for op in (capped, sunk, latent):
        for n in (2, 3, 64):
            assert op.shard(n).flops <= op.flops <= op.shard(n).flops * n
            assert replace(op.shard(n), batch=1, q_len=1, kv_len=1, causal=False).softcap == op.softcap


def test_formats_with_scales_by_hand() -> None:
    # Bits per element: 4 + 16/128; 4 + 8/32; 4 + 8/16; 8 + 8/32.
    assert [8 * BYTES[f] for f in ("int4_g128", "mxfp4", "nvfp4", "mxfp8")] == [4.125, 4.25, 4.5, 8.25]
    assert BYTES["fp8_block"] == 1 + 4 / 128**2
    op = MatMul(m=2, n=64, k=128, b_dtype="int4_g128", weights=True)
    assert op.b_bytes == op.parameter_bytes == 64 * (128 / 2 + 2)
    assert op.dtype == "bf16"
    assert op.vector_ops == 2 * 128 * 64, "each weight is converted and scaled"
    both = MatMul(m=2, n=64, k=128, dtype="nvfp4")
    assert (both.dtype, both.a_dtype, both.b_dtype, both.out_dtype) == ("fp4", "nvfp4", "nvfp4", "bf16")
    assert both.a_bytes == 2 * 128 * 0.5625
    assert both.vector_ops == 2 * 64, "a scale per result"
    assert MatMul(m=2, n=64, k=128).vector_ops == 0


def test_row_operators_by_hand() -> None:
    quantize = Quantize(rows=4, cols=32)
    assert (quantize.read_bytes, quantize.write_bytes) == (4 * 32 * 2, 4 * 32 + 4 * 4)
    assert (quantize.passes, quantize.reduced) == (2, 128), "the largest magnitude comes first"
    assert Quantize(rows=4, cols=32, out_dtype="mxfp4").write_bytes == 4 * 32 * 17 / 32
    assert Quantize(rows=4, cols=32, dynamic=False).passes == 1
    scatter = Scatter(rows=12, cols=8, entries=3, weighted=True)
    assert (scatter.read_bytes, scatter.write_bytes) == (12 * (8 * 2 + 8), 3 * 8 * 2)
    assert scatter.vector_ops == 2 * 12 * 8
    assert Scatter(rows=4, cols=8, entries=1000).write_bytes == 4 * 8 * 2, "rows that nothing is added to stay"
    loss, gradient = CrossEntropy(rows=3, cols=100), CrossEntropy(rows=3, cols=100, gradient=True)
    assert (loss.read_bytes, loss.write_bytes) == (3 * (200 + 4), 3 * 8)
    assert (gradient.read_bytes, gradient.write_bytes) == (3 * (200 + 8), 3 * 200)
    assert loss.transcendentals == 3 * 101
    drop = Dropout(elements=100)
    assert (drop.read_bytes, drop.write_bytes) == (200, 300)
    assert (replace(drop, backward=True).read_bytes, replace(drop, backward=True).write_bytes) == (300, 200)
    norm = NormBackward(rows=4, cols=8, residual=True, bias=True, name="layernorm")
    assert (norm.read_bytes, norm.write_bytes) == (2 * (4 * 8 * 3 + 8), 2 * (4 * 8 + 16))
    post = Norm(rows=4, cols=8, residual=True, post=True)
    assert post.write_bytes == 2 * 32, "behind the addition the normed rows are the stream"
    assert Norm(rows=4, cols=8, weights=False).parameters == 0


EVERY = [
    MatMul(m=10, n=12, k=14), GroupedMatMul(groups=(3, 0, 7), n=12, k=14), Norm(rows=10, cols=4, residual=True),
    Attention(batch=2, q_len=10, kv_len=10, heads=4, kv_heads=2, head_dim=8), Elementwise(elements=100, inputs=2),
    AttentionBackward(Attention(batch=2, q_len=10, kv_len=10, heads=4, kv_heads=2, head_dim=8)),
    Gather(rows=10, cols=4, entries=50), Scatter(rows=10, cols=4, entries=5), Quantize(rows=10, cols=4),
    Softmax(rows=10, cols=4), SoftmaxBackward(rows=10, cols=4), NormBackward(rows=10, cols=4),
    CrossEntropy(rows=10, cols=4), Dropout(elements=100), Route(rows=10, experts=8, top_k=2), Update(elements=100),
    Transpose(rows=10, cols=4), Transpose(rows=10, cols=4, batch=3),
]


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.kind)
@given(chips=st.integers(1, 130))
def test_shards_cover_the_whole_and_no_more_than_a_unit_beside(op: Op, chips: int) -> None:
    part = op.shard(chips)
    assert type(part) is type(op)
    for what in ("flops", "vector_ops", "transcendentals", "bytes"):
        whole, one = getattr(op, what), getattr(part, what)
        assert one <= whole * 1.0001, what
        assert one * chips >= whole * 0.9999, what
    assert op.shard(1) == op


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.kind)
def test_every_operator_tells_of_itself(op: Op) -> None:
    told = json.loads(json.dumps(describe(op)))
    assert told["shapes"]
    assert op.bytes == op.read_bytes + op.write_bytes > 0
    assert op.executed_flops >= op.flops >= 0
    assert hash(op) == hash(replace(op))  # type: ignore[type-var]
    assert bool(getattr(op, "units", 1)) and getattr(op, "passes", 1.0) >= 1.0 and getattr(op, "reduced", 0.0) >= 0.0
