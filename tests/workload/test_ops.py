"""Operators count FLOPs and bytes exactly; sharding and fusing lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ArchsimError
from archsim.workload.ops import Attention, Elementwise, Gather, MatMul, Norm, Op, describe

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
    import json

    d = json.loads(json.dumps(describe(MatMul(m=3, n=5, k=7, batch=2))))
    assert d["shapes"] == {"a": [2, 3, 7], "b": [2, 7, 5], "out": [2, 3, 5]}
    assert d["dtypes"]["a"] == "bf16"
