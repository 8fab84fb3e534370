"""Conventions of measured rows: which kernels a row's time includes, and what L2 holds when each starts."""

import pytest

from archsim import ArchsimError, chips
from archsim.explore.measured_kernels import COPIES, kernels
from archsim.timing import COLD, Warm
from archsim.workload.ops import Attention, GroupedMatMul, MatMul, Norm

H100 = chips.get("h100-sxm")


def gemm(m: int, n: int, k: int, dtype: str = "bf16", **more: str):
    return kernels({"op": "gemm", "dtype": dtype, "m": str(m), "n": str(n), "k": str(k), **more}, 2)


def test_a_product_is_one_kernel_whose_weights_rotate() -> None:
    (small,) = gemm(16, 512, 512)
    assert small.op == MatMul(m=16, n=512, k=512, weights=True)
    assert small.weights == COPIES * small.inputs
    assert small.warm(H100) == Warm(1.0, 1.0, 1.0), "six weights of half a MiB stay in L2"
    (large,) = gemm(16, 4096, 4096)
    warm = large.warm(H100)
    assert warm.weights == 0.0, "six of 32 MiB do not"
    assert warm.inputs == warm.output > 0.5, "activations come round after one"
    (huge,) = gemm(8192, 8192, 8192)
    assert huge.warm(H100) == COLD
    (again,) = gemm(16, 4096, 4096, copies="1")
    assert again.warm(H100).weights == warm.inputs, "one weight that every call reads"
    assert (large.repeats, gemm(16, 4096, 4096, repeats="25")[0].repeats) == (54.0, 25.0)


def test_a_cache_between_all_and_nothing_is_warm_in_part() -> None:
    shares = [gemm(1, side, side)[0].warm(H100).weights for side in range(1000, 3000, 100)]
    assert shares[0] == 1.0
    assert shares[-1] == 0.0
    assert shares == sorted(shares, reverse=True)
    assert any(0.0 < share < 1.0 for share in shares)


@pytest.mark.parametrize("dtype", ["fp8", "fp8_block", "float8_e4m3fn", "int8"])
def test_eight_bit_products_quantise_their_activations_first(dtype: str) -> None:
    quantise, product = gemm(512, 4096, 4096, dtype)
    assert quantise.op.read_bytes == 512 * 4096 * 2, "activations arrive in bf16"
    assert quantise.op.write_bytes == pytest.approx(512 * 4096, rel=0.05), "a scale per row or block beside them"
    assert (quantise.own, product.own) == (False, True)
    assert product.inputs == quantise.op.bytes, "they come from the kernel before"


def test_six_calls_make_a_graph() -> None:
    first, second = gemm(512, 4096, 4096, "fp8")
    assert (first.begins, second.begins) == (1 / COPIES, 0.0)
    core = H100.core
    assert 0.0 < first.start(H100) < core.stream_launch
    assert second.start(H100) == 0.0
    assert first.start(chips.get("tpu-v5p")) == 0.0


def test_attention_is_a_call_that_reads_the_same_cache_again() -> None:
    row = {"op": "attention_generation", "dtype": "bf16", "batch": "8", "q_len": "1", "kv_len": "1000", "heads": "32",
           "kv_heads": "8", "head_dim": "128"}
    *beside, call = kernels(row, 2)
    assert isinstance(call.op, Attention)
    assert call.own and not any(k.own for k in beside)
    assert call.warm(H100).inputs > 0.5, "33 MB fit, in part where both partitions hold them"
    assert beside[0].begins == 1.0, "each call is a graph of its own"
    *_, long = kernels({**row, "kv_len": "100000"}, 2)
    assert long.warm(H100) == COLD


def test_experts_read_the_same_weights_in_every_call() -> None:
    row = {"op": "moe", "dtype": "bf16", "tokens": "64", "hidden": "1024", "inter": "512", "topk": "2", "experts": "8"}
    every = kernels(row, 2)
    own = [k for k in every if k.own]
    assert len(own) == 2
    assert all(isinstance(k.op, GroupedMatMul) for k in own)
    assert all(k.weights == pytest.approx(own[0].weights) for k in own)


def test_row_operators_read_what_was_just_written() -> None:
    (norm,) = kernels({"op": "rmsnorm", "dtype": "bf16", "rows": "64", "cols": "4096"}, 2)
    assert isinstance(norm.op, Norm)
    warm = norm.warm(H100)
    assert warm.inputs == pytest.approx(1.0)
    assert (warm.weights, warm.output) == (0.0, 0.0)


def test_a_scratchpad_that_software_manages_is_never_warm() -> None:
    (k,) = gemm(16, 512, 512)
    assert k.warm(chips.get("tpu-v4")) == COLD


def test_a_chip_keeps_its_name_where_its_kernels_are_others() -> None:
    row = {"op": "attention_context", "dtype": "fp8", "batch": "1", "q_len": "128", "kv_len": "128", "heads": "32",
           "kv_heads": "8", "head_dim": "128", "framework": "sglang"}
    *_, call = kernels(row, 2)
    with pytest.raises(ArchsimError, match="^a40 has no fp8 matrix path"):
        call.seconds(chips.get("a40"))
