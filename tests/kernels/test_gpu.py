"""What SMs share of device memory, few bytes in flight following Little, many the bandwidth; how resources overlap."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_chip as kc

PLAIN = kc.Gpu(
    sms=8.0, sync=60.0, overlapped=0.0, decoupled=0.0, pair=1.0, multicast=1.0, accumulators=131072.0, shared=163840.0,
    shared_read=128.0, shared_write=96.0, stages=5.0, register_stages=0.0, port=64.0, dispatch=1.0, prologue=400.0,
    epilogue=400.0, launch=2000.0, l2=300.0, l2_capacity=4e6, l2_fade=0.25, l2_latency=200.0, l2_write=150.0,
    variation=1.0, bulk_latency=0.0, overlap=4.0, tile_stream=0.9, block_start=200.0,
    partitions=1.0, near_capacity=4e6, far=300.0, far_latency=200.0, dram_read=100.0, dram_write=90.0,
    dram_latency=500.0,
)


def test_memory_follows_little_when_little_is_in_flight_and_bandwidth_when_much_is() -> None:
    assert kc.memory_cycles(PLAIN, 1.0, 100.0, 1e6, 0.0) == pytest.approx(1e6 / (100 / 500), rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 1e6, 0.0) == pytest.approx(1e6 / 100, rel=1e-3)
    assert kc.memory_cycles(PLAIN, 8.0, 1e7, 0.0, 1e6) == pytest.approx(1e6 / 90)


@given(st.lists(st.just(0.0) | st.floats(1e-3, 1e6), min_size=2, max_size=4), st.floats(1.0, 8.0))
def test_resources_overlap_between_their_sum_and_the_longest(busy: list[float], p: float) -> None:
    got = kc.overlapped_cycles(p, *busy)
    assert got == pytest.approx(sum(x**p for x in busy) ** (1 / p), rel=1e-9)
    assert max(busy) * (1 - 1e-12) <= got <= sum(busy) * (1 + 1e-12)


def test_the_steepest_exponent_takes_the_longest_times() -> None:
    assert kc.overlapped_cycles(100.0, 1e12, 2e12) == pytest.approx(2e12)
    assert kc.overlapped_cycles(1.0, 0.0, 0.0) == 0.0
    assert math.isfinite(kc.overlapped_cycles(100.0, 1e300, 1e300, 1e300, 1e300))
