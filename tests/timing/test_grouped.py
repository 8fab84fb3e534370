"""Products of experts and gradients of attention on every kind of engine."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim import timing
from archsim.errors import ArchsimError, UnsupportedError
from archsim.workload.ops import Attention, AttentionBackward, GroupedMatMul, MatMul

CHIPS = ("h100-sxm", "a100-sxm-80gb", "b200", "tpu-v5p", "trainium2")

groups = st.lists(st.integers(0, 700), min_size=1, max_size=24).filter(any).map(tuple)


@pytest.mark.parametrize("name", CHIPS)
@given(rows=groups, wgrad=st.booleans())
def test_experts_take_no_less_than_their_work_and_bytes(name: str, rows: tuple[int, ...], wgrad: bool) -> None:
    chip = sim.chips.get(name)
    op = GroupedMatMul(groups=rows, n=1024, k=512, wgrad=wgrad)
    t = timing.time(op, chip)
    assert t.seconds >= op.executed_flops / chip.peak() * (1 - 1e-9)
    assert t.seconds >= op.bytes / chip.memory.bandwidth * (1 - 1e-9)
    assert t.hbm_bytes >= op.bytes * (1 - 1e-9)
    assert 0 < t.utilization <= 1
    if t.stalls:
        assert sum(t.stalls.values()) + op.flops / chip.peak() == pytest.approx(t.seconds)
        assert min(t.stalls.values()) >= -1e-12


@pytest.mark.parametrize("name", ["tpu-v5p", "trainium2"])
def test_equal_experts_are_a_batch(name: str) -> None:
    chip = sim.chips.get(name)
    grouped = timing.time(GroupedMatMul(groups=(256,) * 8, n=2048, k=2048), chip)
    batch = timing.time(MatMul(m=256, n=2048, k=2048, batch=8, weights=True), chip)
    assert grouped.seconds == pytest.approx(batch.seconds)
    assert grouped.hbm_bytes == pytest.approx(batch.hbm_bytes)


@pytest.mark.parametrize("name", ["h100-sxm", "a100-sxm-80gb", "b200"])
def test_a_kernel_of_experts_is_no_vendor_library(name: str) -> None:
    """Threads that gather rows take longer than bulk copies and persistent blocks do, but not by a factor."""
    chip = sim.chips.get(name)
    grouped = timing.time(GroupedMatMul(groups=(4096,) * 8, n=4096, k=4096), chip)
    batch = timing.time(MatMul(m=4096, n=4096, k=4096, batch=8, weights=True), chip)
    assert 0.9 * batch.seconds < grouped.seconds < 3.0 * batch.seconds
    default = timing.time(GroupedMatMul(groups=(4096,) * 8, n=4096, k=4096, tile=(64, 64, 64)), chip)
    assert default.seconds > 1.3 * grouped.seconds, "small tiles read L2 more often than it can give"
    assert "64x64x64B" in default.plan


@pytest.mark.parametrize("dtype", ["bf16", "fp8_block", "nvfp4", "mxfp4"])
def test_tensor_memory_is_fed_in_bulk(dtype: str) -> None:
    """Long experts come near the library's batched product where instructions have no other way to their operands."""
    chip = sim.chips.get("b200")
    experts = GroupedMatMul(groups=(4096,) * 8, n=4096, k=4096, dtype=dtype)
    batch = timing.time(MatMul(m=4096, n=4096, k=4096, batch=8, weights=True, dtype=dtype), chip)
    assert timing.time(experts, chip).seconds == pytest.approx(batch.seconds, rel=0.1)
    by_threads = timing.time(dataclasses.replace(experts, tile=(128, 256, 128)), chip)
    assert by_threads.seconds > 1.3 * batch.seconds, "a framework's own tile is taken as it is"
    few = timing.time(GroupedMatMul(groups=(1,) * 8, n=4096, k=4096, dtype=dtype), chip)
    assert few.seconds < 1.5 * few.hbm_bytes / chip.memory.bandwidth + 8e-6


def test_rows_that_do_not_align_are_loaded_element_by_element() -> None:
    chip = sim.chips.get("h100-sxm")
    even, odd = (timing.time(GroupedMatMul(groups=(4096,) * 8, n=4096, k=k), chip).seconds for k in (4096, 4088))
    assert odd > 1.2 * even


@pytest.mark.parametrize("name", ["h100-sxm", "b200", "a100-sxm-80gb", "mi300x"])
def test_gradients_of_weights_do_not_care_how_many_rows_an_expert_has(name: str) -> None:
    """They contract over the rows, which lie apart in memory: loads are as wide as k and n allow."""
    chip = sim.chips.get(name)
    even, odd = (timing.time(GroupedMatMul(groups=(rows,) * 8, n=4096, k=4096, wgrad=True), chip).seconds
                 for rows in (4096, 4095))
    assert odd == pytest.approx(even, rel=0.02)


@pytest.mark.parametrize("chips", [3, 5, 7])
@pytest.mark.parametrize("dtype", ["bf16", "fp8_block", "nvfp4"])
def test_a_share_of_experts_comes_in_whole_loads(dtype: str, chips: int) -> None:
    """2048 columns over 3 chips are 688 each, not 683, whose loads would take more time than the whole."""
    chip = sim.chips.get("b200")
    down = GroupedMatMul(groups=(4096,) * 8, n=7168, k=2048, dtype=dtype, split="k")
    part = down.shard(chips)
    assert part.k % 16 == 0
    assert 0 <= part.k - down.k / chips < 17
    assert timing.time(part, chip).seconds < 1.3 * timing.time(down, chip).seconds / chips + 100e-6


def test_a_tile_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ArchsimError, match=r"GroupedMatMul\.tile"):
        GroupedMatMul(groups=(1,), n=1, k=1, tile=(64, 64))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="no tile for products of experts"):
        timing.time(GroupedMatMul(groups=(1,), n=1, k=1, tile=(512, 512, 128)), sim.chips.get("h100-sxm"))


@pytest.mark.parametrize("name", CHIPS)
def test_imbalance_costs_time_and_untouched_experts_save_it(name: str) -> None:
    chip = sim.chips.get(name)
    even = timing.time(GroupedMatMul(groups=(64,) * 16, n=4096, k=4096), chip)
    few = timing.time(GroupedMatMul(groups=(4,) * 2 + (0,) * 14, n=4096, k=4096), chip)
    ragged = timing.time(GroupedMatMul(groups=(64 * 16 - 15, *(1,) * 15), n=4096, k=4096), chip)
    assert few.seconds < 0.5 * even.seconds, "two experts' weights instead of sixteen"
    assert few.hbm_bytes < 0.2 * even.hbm_bytes
    assert ragged.seconds > 0.95 * even.seconds, "as many weights, more padding"


@pytest.mark.parametrize("name", CHIPS)
@given(batch=st.integers(1, 4), q_len=st.integers(1, 3000), causal=st.booleans())
def test_the_gradient_of_attention_costs_what_it_does_more(name: str, batch: int, q_len: int, causal: bool) -> None:
    chip = sim.chips.get(name)
    forward = Attention(batch=batch, q_len=q_len, kv_len=q_len, heads=8, kv_heads=2, head_dim=128, causal=causal)
    op = AttentionBackward(forward=forward)
    f, b = timing.time(forward, chip), timing.time(op, chip)
    assert 0.8 * f.seconds < b.seconds <= 3.5 * f.seconds, "a forward pass that splits its keys merges them too"
    assert b.seconds >= op.executed_flops / chip.peak() * (1 - 1e-9)
    assert b.hbm_bytes >= op.bytes * (1 - 1e-9)
    if b.stalls:
        assert sum(b.stalls.values()) + op.flops / chip.peak() == pytest.approx(b.seconds)


@pytest.mark.parametrize(("name", "dim", "measured"), [
    ("h100-sxm", 64, 474e12), ("h100-sxm", 128, 561e12), ("a100-sxm-80gb", 128, 0.63 * 312e12),
])
def test_gradients_of_attention_reach_what_kernels_reach(name: str, dim: int, measured: float) -> None:
    """FlashAttention 3 (arXiv 2407.08608, fig. 6) and 2 (2307.08691, section 4.1): 16k tokens, no mask, 10 n^2 d."""
    forward = Attention(batch=1, q_len=16384, kv_len=16384, heads=2048 // dim, kv_heads=2048 // dim, head_dim=dim,
                        causal=False)
    chip = sim.chips.get(name)
    t = timing.time(AttentionBackward(forward=forward), chip)
    assert 10 * 16384**2 * 2048 / t.seconds == pytest.approx(measured, rel=0.2)
    assert t.seconds > 1.8 * timing.time(forward, chip).seconds, "softmax is no excuse for free products"


@pytest.mark.parametrize("name", CHIPS)
def test_latent_attention_reads_its_cache_once(name: str) -> None:
    chip = sim.chips.get(name)
    latent = Attention(batch=64, q_len=1, kv_len=8192, heads=16, kv_heads=1, head_dim=576, value_dim=512,
                       shared_kv=True)
    apart = Attention(batch=64, q_len=1, kv_len=8192, heads=16, kv_heads=1, head_dim=576, value_dim=512)
    a, b = timing.time(latent, chip), timing.time(apart, chip)
    assert latent.bytes < 0.55 * apart.bytes
    assert a.hbm_bytes < 0.55 * b.hbm_bytes
    assert a.seconds <= b.seconds
