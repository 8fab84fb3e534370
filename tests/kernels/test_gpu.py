"""GPU kernels against naive twins that a reader can check by eye, and against published instruction timings."""


import pytest
from hypothesis import strategies as st

from archsim.kernels import gpu as k
from archsim.kernels import gpu_chip as kc

PLAIN = kc.Gpu(
    sms=8.0, macs=512.0, fetch_m=64.0, fetch_n=64.0, k_bytes=32.0, mma_latency=25.0, sync=60.0, overlapped=0.0,
    decoupled=0.0, pair=1.0, multicast=1.0, accumulators=131072.0, shared=163840.0, shared_read=128.0,
    shared_write=96.0, stages=5.0, register_stages=0.0, port=64.0, dispatch=1.0, prologue=400.0, epilogue=400.0,
    launch=2000.0, l2=300.0,
    l2_capacity=4e6, l2_latency=200.0, l2_write=150.0, variation=1.0, bulk_latency=0.0, tile_stream=0.9,
    block_start=200.0, partitions=1.0, near_capacity=4e6, far=300.0, far_latency=200.0, dram_read=100.0,
    dram_write=90.0, dram_latency=500.0,
)
ASYNC = PLAIN._replace(overlapped=1.0, multicast=2.0, fetch_n=256.0, stages=7.0)
PAIRED = ASYNC._replace(pair=2.0, decoupled=1.0, accumulators=262144.0, fetch_m=128.0)
KINDS = {"synchronous": PLAIN, "asynchronous": ASYNC, "paired": PAIRED}

gpus = st.sampled_from(list(KINDS.values()))


# --- one instruction: the interval is the longer of its arithmetic and its operands at 128 bytes per cycle

WGMMA = ASYNC._replace(macs=2048.0)  # m64nNk16 of bf16, both operands in shared memory: Luo et al., arXiv 2402.13499
TCGEN05 = ASYNC._replace(macs=4096.0, fetch_m=128.0)  # M = 128, one SM: SemiAnalysisAI/microbench-blackwell


@pytest.mark.parametrize(("n", "cycles"), [(8, 18), (16, 20), (32, 24), (64, 32), (128, 64), (256, 128)])
def test_interval_of_a_warpgroup_instruction(n: int, cycles: int) -> None:
    assert k.step_cycles(WGMMA, 64.0, float(n), 16.0, 2.0) == pytest.approx(cycles)


@pytest.mark.parametrize(("n", "cycles"), [(64, 48), (80, 52), (96, 56), (112, 60), (128, 64), (256, 128)])
def test_interval_of_a_single_sm_instruction_with_its_own_accumulators(n: int, cycles: int) -> None:
    assert k.step_cycles(TCGEN05, 128.0, float(n), 16.0, 2.0) == pytest.approx(cycles)


def test_half_of_its_rows_halve_the_rate() -> None:
    assert k.step_cycles(TCGEN05, 64.0, 64.0, 16.0, 2.0) == 2 * 64 * 64 * 16 / 4096  # II 32 for M = 64, N = 64


def naive_operand_bytes(g: kc.Gpu, bm: int, bn: int, depth: int, size: float) -> float:
    """Count the fetches of a tile: each fragment of fetch_m x fetch_n products reads its rows and columns once."""
    rows, cols = min(int(g.fetch_m), bm), min(int(g.fetch_n), bn)
    total = 0.0
    for _ in range(bm // rows):
        for _ in range(bn // cols):
            total += rows * depth * size + cols * depth * size / g.pair
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [(128, 256), (128, 128), (64, 64), (128, 64)])
def test_step_equals_counted_fetches(kind: str, tile: tuple[int, int]) -> None:
    g = KINDS[kind]
    bm, bn = tile
    want = max(bm * bn * 64 / g.macs * max(1, g.fetch_m / max(tile)), naive_operand_bytes(g, bm, bn, 64, 2.0) / 128)
    assert k.step_cycles(g, float(bm), float(bn), 64.0, 2.0) == pytest.approx(want)


# --- device memory

def test_memory_follows_little_when_little_is_in_flight_and_bandwidth_when_much_is() -> None:
    assert kc.memory_cycles(PLAIN, 1.0, 100.0, 1e6, 0.0) == pytest.approx(1e6 / (100 / 500), rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 1e6, 0.0) == pytest.approx(1e6 / 100, rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 0.0, 1e6) == pytest.approx(1e6 / 90)
