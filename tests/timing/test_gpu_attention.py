"""Attention on GPUs: what published kernels reach, on chips that were not calibrated on too, and what bounds it."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim import timing
from archsim.hardware import Cache, Chip, GpuCore, Memory, Scratchpad, TensorCore
from archsim.hardware.gpu import PACKED_ATTENTION_TILES
from archsim.timing import OpTime, Warm, gpu
from archsim.units import GB, GHz, KiB, MiB, TB_per_s
from archsim.workload.ops import Attention, AttentionBackward


def chip(
    sms: int = 100, clock: float = 1.5, macs: float = 1024, l2: float = 5.0, hbm: float = 2.0, shared: int = 160,
    asynchronous: bool = False,
) -> Chip:
    """Return a GPU that nobody sells, from what a datasheet gives."""
    return Chip(
        name="made-up", clock=clock * GHz, cores=sms,
        core=GpuCore(
            tensor=TensorCore(macs={"bf16": macs, "fp8": 2 * macs}, asynchronous=asynchronous),
            shared=Scratchpad(capacity=shared * KiB, read_bytes=128, write_bytes=128),
        ),
        cache=Cache(capacity=40 * MiB, bandwidth=l2 * TB_per_s),
        memory=Memory(capacity=80 * GB, bandwidth=hbm * TB_per_s),
    )


ASYNC = chip(asynchronous=True, shared=227, macs=2048)

# --- published throughput: 16k tokens of 2048 / d heads each, no mask, FLOP counted as 4 n^2 d (10 for gradients)

FORWARD = {
    ("a100-sxm-80gb", 64, "bf16"): (180, 0.06),  # FlashAttention 2, arXiv 2307.08691, read off a figure
    ("a100-sxm-80gb", 128, "bf16"): (203, 0.06),  # the same
    ("h100-sxm", 64, "bf16"): (497, 0.08),  # FlashAttention 3, arXiv 2407.08608, read off a figure
    ("h100-sxm", 128, "bf16"): (620.7, 0.05),  # measured again (pytorch/benchmark #2391); the paper's figure has 648
    ("h100-sxm", 256, "bf16"): (740, 0.10),  # the paper's abstract
    ("h100-sxm", 256, "fp8"): (1200, 0.20),  # the same, "close to 1.2 PFLOP/s"
    ("b200", 128, "bf16"): (1605, 0.10),  # FlashAttention 4, together.ai; a vendor's kernel reaches 1460
}


def forward(name: str, dim: int, dtype: str = "bf16") -> Attention:
    heads = 2048 // dim
    return Attention(batch=1, q_len=16384, kv_len=16384, heads=heads, kv_heads=heads, head_dim=dim, causal=False,
                     dtype=dtype, kv_dtype=dtype)


@pytest.mark.parametrize(("name", "dim", "dtype"), FORWARD)
def test_long_sequences_reach_what_kernels_reach(name: str, dim: int, dtype: str) -> None:
    op = forward(name, dim, dtype)
    tflops, within = FORWARD[name, dim, dtype]
    assert op.flops / timing.time(op, sim.chips.get(name)).seconds / 1e12 == pytest.approx(tflops, rel=within)


def test_gradients_on_a_chip_that_was_not_calibrated_on() -> None:
    """A vendor's kernel on B200 reaches 1000 TFLOP/s (deepseek-ai/FlashMLA's README): accumulators hold one tile."""
    op = forward("b200", 128)
    t = timing.time(AttentionBackward(forward=op), sim.chips.get("b200"))
    assert 2.5 * op.flops / t.seconds / 1e12 == pytest.approx(1000, rel=0.2)


# --- latent attention: 576 elements per key, of which 512 are its value (deepseek-ai/FlashMLA's README, on H800)

def latent(heads: int) -> Attention:
    return Attention(batch=128, q_len=1, kv_len=8192, heads=heads, kv_heads=1, head_dim=576, value_dim=512,
                     shared_kv=True)


def test_latent_attention_of_few_heads_streams_its_cache() -> None:
    op = latent(16)
    t = timing.time(op, sim.chips.get("h800"))
    assert op.bytes / t.seconds / 1e9 == pytest.approx(3000, rel=0.07)
    assert t.bound == "hbm"


def test_latent_attention_of_many_heads_is_bound_by_products() -> None:
    op = latent(128)
    assert op.flops / timing.time(op, sim.chips.get("h800")).seconds / 1e12 == pytest.approx(660, rel=0.2)


# Microseconds of FlashAttention 3 on H20, which was not calibrated on, two sequences of 2048: Dao-AILab/flash-attention
# #1310. Heads follow from its TFLOP/s.
H20 = {(64, 32, False): 572, (64, 32, True): 342, (128, 16, False): 545, (128, 16, True): 319}


@pytest.mark.parametrize(("dim", "heads", "causal"), H20)
def test_short_sequences_on_a_chip_that_was_not_calibrated_on(dim: int, heads: int, causal: bool) -> None:
    op = Attention(batch=2, q_len=2048, kv_len=2048, heads=heads, kv_heads=heads, head_dim=dim, causal=causal)
    us = timing.time(op, sim.chips.get("h20"), repeats=30).seconds * 1e6
    assert us == pytest.approx(H20[dim, heads, causal], rel=0.15)


# --- decode on B200, which was not calibrated on: 64 heads, 8 of keys

DECODE_B200 = {  # (sequences, keys): microseconds, heads of 64, bf16 (flashinfer-ai/flashinfer #1415, replayed graphs)
    (4, 1024): 8.25, (4, 4096): 11.43, (4, 8192): 15.44, (4, 16384): 30.59, (128, 1024): 52.28, (128, 4096): 175.8,
}
MORE_SEQUENCES = [
    # (cache, sequences, longest, microseconds beyond those of one sequence): heads of 128; lengths are random, so that
    # half the longest is their mean (vllm-project/vllm #19825, #23647; the time of one, 29 to 41 us, is the host's)
    ("bf16", 64, 2048, 37), ("bf16", 128, 2048, 71), ("bf16", 256, 2048, 145), ("bf16", 256, 1024, 71),
    ("fp8", 128, 2048, 38), ("fp8", 256, 2048, 70), ("fp8", 256, 1024, 38),
]


def test_decode_takes_what_a_library_takes_on_a_chip_that_was_not_calibrated_on() -> None:
    on, errors = sim.chips.get("b200"), []
    for (batch, keys), us in DECODE_B200.items():
        op = Attention(batch=batch, q_len=1, kv_len=keys, heads=64, kv_heads=8, head_dim=64, sinks=True)
        errors.append(abs(timing.time(op, on, repeats=100).seconds * 1e6 / us - 1))
        print(f"B200, {batch} x {keys} keys of 64: measured {us} us, off by {100 * errors[-1]:.0f} %")
    assert max(errors) < 0.2
    assert sum(errors) / len(errors) < 0.15


@pytest.mark.parametrize(("cache", "batch", "longest", "us"), MORE_SEQUENCES)
def test_more_sequences_take_as_much_longer_as_measured(cache: str, batch: int, longest: int, us: float) -> None:
    one, many = (timing.time(Attention(batch=b, q_len=1, kv_len=longest // 2, heads=64, kv_heads=8, head_dim=128,
                                       kv_dtype=cache), sim.chips.get("b200"), repeats=100) for b in (1, batch))
    assert (many.seconds - one.seconds) * 1e6 == pytest.approx(us, rel=0.12)


def test_few_queries_change_their_format_for_the_cache() -> None:
    """Kernels of asynchronous instructions take queries in fp8; warps convert every key, as both do from int8."""
    def seconds(cache: str, on: Chip) -> float:
        return timing.time(Attention(batch=64, q_len=1, kv_len=4096, heads=64, kv_heads=8, head_dim=128,
                                     kv_dtype=cache), on.replace("memory", bandwidth=100 * TB_per_s)).seconds

    assert seconds("fp8", ASYNC) < 0.95 * seconds("int8", ASYNC)
    warps = chip(shared=227, macs=2048)
    assert seconds("fp8", warps) == pytest.approx(seconds("int8", warps))


# --- decode: the rules by which kernels split keys leave their marks (ai-dynamo/aiconfigurator, A100, sglang)

def test_latent_attention_where_shared_memory_is_small() -> None:
    """64 KiB hold 32 keys of 576 elements; 64 queries, 72 KiB, wait in the registers."""
    t = timing.time(latent(64), sim.chips.get("mi300x"))
    assert "tile 64x32" in t.plan or "tile 64x16" in t.plan
    few, on = latent(16), sim.chips.get("mi300x")
    assert few.bytes / timing.time(few, on).seconds > 0.65 * on.memory.bandwidth


@pytest.mark.parametrize("dims", [(64, 64), (80, 80), (96, 96), (128, 128), (192, 128), (192, 192), (256, 256)])
@pytest.mark.parametrize("name", ["v100-sxm2", "l40s", "a100-sxm-80gb", "h100-sxm", "b200", "mi300x"])
def test_long_prompts_and_gradients_take_no_tile_of_decode_kernels(name: str, dims: tuple[int, int]) -> None:
    """Whatever the head dimension, a long prompt keeps two fifths of the peak, its gradients a quarter."""
    on = sim.chips.get(name)
    op = Attention(batch=4, q_len=8192, kv_len=8192, heads=16, kv_heads=16, head_dim=dims[0], value_dim=dims[1],
                   dtype="fp16", causal=False)
    assert timing.unlimited(op, on).utilization > 0.4
    assert timing.unlimited(AttentionBackward(forward=op), on).utilization > 0.25


@pytest.mark.parametrize(("name", "tokens"), [("b200", 841), ("a40", 662), ("h100-sxm", 625)])
def test_more_sms_are_no_slower(name: str, tokens: int) -> None:
    """The split of FlashAttention's rules may need a second round on more SMs; a library that plans has none then."""
    on = sim.chips.get(name)
    op = Attention(batch=2, q_len=tokens, kv_len=tokens, heads=16, kv_heads=16, head_dim=80, causal=False)
    assert timing.unlimited(op, on.replace(cores=int(1.25 * on.cores))).seconds < 1.1 * timing.unlimited(op, on).seconds


def test_a_mask_that_cuts_a_tile_costs_no_round() -> None:
    """Whether all blocks see as many key tiles or one sees one more, a few SMs have a block more to run alone."""
    times = [timing.unlimited(Attention(batch=23, q_len=64, kv_len=kv, heads=16, kv_heads=16, head_dim=64),
                              sim.chips.get("mi300x")).seconds for kv in range(2200, 2400, 16)]
    assert max(times) < 1.3 * min(times)


def test_latent_attention_of_128_heads_pairs_sms() -> None:
    """TensorRT-LLM's kernels give two SMs 64 heads each of one token, whose products then fill both engines."""
    many = replace(latent(128), batch=64)
    assert timing.unlimited(many, sim.chips.get("b200")).utilization > 0.5
    few = replace(latent(16), batch=64, kv_len=8192)
    assert few.bytes / timing.time(few, sim.chips.get("b200")).seconds > 0.75 * 8 * TB_per_s


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "b200", "mi300x"])
def test_a_few_queries_more_per_sequence_are_nearly_free(name: str) -> None:
    """A drafted token costs no more than its share: small tiles serve whatever queries leave large ones empty."""
    times = [timing.time(Attention(batch=32, q_len=q, kv_len=4096, heads=32, kv_heads=8, head_dim=128),
                         sim.chips.get(name)).seconds for q in (1, 2, 3, 4, 6, 8, 12, 16)]
    assert times[3] < 1.05 * times[0]
    assert all(after < 1.3 * before for before, after in pairwise(times))


@pytest.mark.parametrize("dim", [64, 128, 512])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_tiles_shrink_until_one_fits(dim: int, asynchronous: bool) -> None:
    small = chip(shared=48, asynchronous=asynchronous)
    op = Attention(batch=4, q_len=256, kv_len=2048, heads=8, kv_heads=8, head_dim=dim)
    assert op.flops / small.peak("bf16") < gpu.time(op, small).seconds < 20 * op.flops / small.peak("bf16")


def test_parts_that_do_not_fill_whole_waves_cost_one_more() -> None:
    """32 KV heads of 32768 keys make 128 parts for 108 SMs: measured 0.79 TB/s; 8 of 131072 fill 104: 1.21 TB/s."""
    a100 = sim.chips.get("a100-sxm-80gb").replace("core", attention_tiles=PACKED_ATTENTION_TILES)
    ragged = Attention(batch=16, q_len=1, kv_len=32768, heads=2, kv_heads=2, head_dim=128)
    even = Attention(batch=8, q_len=1, kv_len=131072, heads=2, kv_heads=1, head_dim=128)
    assert ragged.bytes / timing.time(ragged, a100).seconds / 1e12 == pytest.approx(0.79, rel=0.12)
    assert even.bytes / timing.time(even, a100).seconds / 1e12 == pytest.approx(1.21, rel=0.12)


def test_split_kv_serves_few_long_sequences() -> None:
    long = Attention(batch=1, q_len=1, kv_len=65536, heads=32, kv_heads=8, head_dim=128)
    many = Attention(batch=256, q_len=1, kv_len=2048, heads=32, kv_heads=8, head_dim=128)
    assert "split-KV" in gpu.time(long, ASYNC).plan
    assert "split-KV" not in gpu.time(many, ASYNC).plan
    assert gpu.time(long, ASYNC).bound == gpu.time(many, ASYNC).bound == "hbm"
    packed = chip().replace("core", attention_tiles=PACKED_ATTENTION_TILES)
    assert gpu.time(long, chip()).bound == "hbm"
    assert gpu.time(long, packed).bound == "matrix", "128 rows, of which 4 are queries, keep a small engine busy"


def test_decode_kernels_cost_their_cache_whatever_the_batch() -> None:
    """One more sequence than the SMs take in whole waves costs its share, not a wave."""
    times = []
    for batch in range(48, 64):  # 96 to 126 blocks of one KV head's cache on 100 SMs
        op = Attention(batch=batch, q_len=1, kv_len=16384, heads=16, kv_heads=2, head_dim=128)
        t = gpu.time(op, chip())
        assert t.bound == "hbm"
        assert op.bytes / chip().memory.sustained / t.seconds > 0.8
        times.append(t.seconds / op.bytes)
    assert max(times) / min(times) < 1.15


@pytest.mark.parametrize("kv_dtype", ["bf16", "fp8"])
def test_decode_costs_its_cache_while_blocks_fill_the_sms(kv_dtype: str) -> None:
    times = {}
    for batch in range(40, 51):  # 80 to 100 blocks of one KV head's cache on 100 SMs
        op = Attention(batch=batch, q_len=1, kv_len=16384, heads=16, kv_heads=2, head_dim=128, kv_dtype=kv_dtype)
        t = gpu.time(op, ASYNC)
        assert t.bound == "hbm"
        assert op.bytes / ASYNC.memory.sustained / t.seconds > 0.7
        times[batch] = t.seconds / op.bytes
    assert max(times.values()) / min(times.values()) < 1.15


def test_more_sms_do_not_slow_a_decode_step() -> None:
    op = Attention(batch=16, q_len=1, kv_len=4096, heads=64, kv_heads=8, head_dim=128)
    times = [gpu.time(op, chip(asynchronous=True, shared=227, macs=2048, sms=n)).seconds for n in range(128, 168)]
    assert max(times) < 1.1 * times[0]


def test_grouped_heads_share_their_keys() -> None:
    def seconds(kv_heads: int) -> float:
        return gpu.time(Attention(batch=64, q_len=1, kv_len=8192, heads=32, kv_heads=kv_heads, head_dim=128),
                        ASYNC).seconds
    assert seconds(8) / seconds(32) == pytest.approx(0.25, rel=0.2)


# --- what L2 holds when attention starts

@given(st.just(1) | st.integers(2, 2000), st.integers(0, 5000), st.integers(1, 32), st.floats(0, 1), st.floats(0, 1))
def test_a_warm_cache_is_never_slower(q: int, past: int, batch: int, inputs: float, output: float) -> None:
    op = Attention(batch=batch, q_len=q, kv_len=q + past, heads=8, kv_heads=2, head_dim=128)
    for on in (chip(), ASYNC):
        cold, warm = gpu.time(op, on), gpu.time(op, on, Warm(inputs=inputs, output=output))
        assert warm.seconds <= cold.seconds * (1 + 1e-9)
        assert warm.hbm_bytes <= cold.hbm_bytes * (1 + 1e-9)
        assert warm.hbm_bytes <= warm.seconds * on.memory.bandwidth * (1 + 1e-9), "no more than memory can move"


def test_decode_from_a_warm_cache_beats_device_memory() -> None:
    op = Attention(batch=8, q_len=1, kv_len=4096, heads=32, kv_heads=8, head_dim=128)  # 128 MiB of keys and values
    on = ASYNC.replace("cache", capacity=200 * MiB, bandwidth=20 * TB_per_s)
    assert gpu.time(op, on, Warm(inputs=1.0)).seconds < op.bytes / on.memory.bandwidth < gpu.time(op, on).seconds


# --- masks, windows, bounds

def test_causal_attention_costs_half_of_full_attention() -> None:
    full = Attention(batch=4, q_len=8192, kv_len=8192, heads=32, kv_heads=8, head_dim=128, causal=False)
    for on in (chip(), ASYNC):
        ratio = gpu.time(replace(full, causal=True), on).seconds / gpu.time(full, on).seconds
        assert ratio == pytest.approx(0.5, abs=0.05)


def test_a_window_bounds_the_cost_of_a_long_context() -> None:
    def seconds(length: int) -> float:
        return gpu.time(Attention(batch=1, q_len=length, kv_len=length, heads=32, kv_heads=8, head_dim=128,
                                  window=1024), chip()).seconds
    assert seconds(32768) / seconds(16384) == pytest.approx(2, rel=0.1)


def test_a_window_bounds_the_cost_without_a_causal_mask_too() -> None:
    op = Attention(batch=4, q_len=4096, kv_len=4096, heads=32, kv_heads=8, head_dim=128, window=128)
    both = replace(op, causal=False)
    assert both.pairs == pytest.approx(op.pairs, rel=0.03)
    assert gpu.time(both, chip()).seconds == pytest.approx(gpu.time(op, chip()).seconds, rel=0.1)
    assert gpu.time(replace(both, window=None), chip()).seconds > 5 * gpu.time(both, chip()).seconds


def test_what_bounds_attention() -> None:
    def bound(q: int, kv: int, macs: float = 2048, sfu: float = 16.0) -> OpTime:
        return gpu.time(Attention(batch=2, q_len=q, kv_len=kv, heads=32, kv_heads=32, head_dim=128),
                        chip(macs=macs, asynchronous=True, shared=227).replace("core", sfu=sfu))
    assert bound(8192, 8192).bound == "matrix"
    assert "in turn" in bound(8192, 8192).plan
    assert bound(8192, 8192).busy["matrix"] > 0.9 * bound(8192, 8192).seconds
    assert bound(8192, 8192, macs=8192, sfu=2.0).bound == "vector", "few exponentials per cycle beside a large engine"
    assert bound(1, 65536).bound == "hbm"
    assert "in turn" not in bound(1, 65536).plan
    assert bound(1, 1).bound == "launch"


def test_a_full_cache_makes_attention_read_its_keys_again() -> None:
    op = Attention(batch=1, q_len=65536, kv_len=65536, heads=8, kv_heads=1, head_dim=128)  # 32 MiB of keys
    small, large = chip().replace("cache", capacity=4 * MiB), chip().replace("cache", capacity=80 * MiB)
    assert gpu.time(op, large).hbm_bytes == op.bytes
    assert gpu.time(op, small).hbm_bytes > 3 * op.bytes
    assert gpu.time(op, small).hbm_bytes < gpu.time(op, small).on_chip_bytes


@pytest.mark.parametrize("name", sorted(n for n in sim.chips.names() if sim.chips.get(n).kind == "gpu"))
def test_every_gpu_has_kernels_for_every_head(name: str) -> None:
    on = sim.chips.get(name)
    for dim, value_dim in ((64, 64), (80, 80), (128, 128), (192, 128), (256, 256), (576, 512)):
        for q in (1, 512):
            op = Attention(batch=4, q_len=q, kv_len=2048, heads=16, kv_heads=1, head_dim=dim, value_dim=value_dim,
                           dtype="bf16" if "bf16" in on.dtypes else "fp16",
                           kv_dtype="bf16" if "bf16" in on.dtypes else "fp16")
            t = timing.time(op, on)
            assert op.bytes / on.memory.bandwidth <= t.seconds < 100 * op.flops / on.peak(op.dtype) + 1e-3
