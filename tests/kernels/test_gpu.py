"""What SMs share of device memory: few bytes in flight follow Little, many the bandwidth."""

import pytest

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
