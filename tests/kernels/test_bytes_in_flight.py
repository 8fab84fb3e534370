"""Device-memory throughput against bytes in flight, on two generations of machines, with one law for both.

HPMLL/NVIDIA-Hopper-Benchmark (H800 PCIe, 114 SMs) and SemiAnalysisAI/microbench-blackwell (B200, 148 SMs): every SM
keeps so many KiB of bulk copies in flight. Where copies of several sizes were tried, the range is theirs.
"""

import math

import pytest
from archsim.chips import get
from hypothesis import given
from hypothesis import strategies as st

from archsim.hardware import Chip
from archsim.kernels.gpu_chip import memory_cycles
from archsim.timing.gpu_figures import figures, row_figures

H800 = get("h100-pcie")  # the same die, memory and SMs
B200 = get("b200")

IN_FLIGHT = [
    *((H800, kib, low, high) for kib, low, high in (
        (1, 223, 223), (2, 422, 422), (4, 830, 830), (8, 1229, 1380), (16, 1708, 1729), (32, 1807, 1807),
        (64, 1826, 1826))),
    *((B200, kib, low, high) for kib, low, high in (
        (2, 580, 620), (4, 1100, 1170), (8, 1890, 2180), (16, 3390, 3790), (32, 5400, 5870), (64, 7060, 7220),
        (128, 7000, 7260))),
]


def rate(chip: Chip, flight: float, sms: int | None = None) -> float:
    """Return bytes per second read by the SMs, each with `flight` bytes in flight."""
    gpu = figures(chip)
    return 1e9 / memory_cycles(gpu, float(sms or chip.cores), flight, 1e9, 0.0) * chip.clock


@pytest.mark.parametrize(("chip", "kib", "low", "high"), IN_FLIGHT,
                         ids=[f"{chip.name}-{kib}KiB" for chip, kib, *_ in IN_FLIGHT])
def test_throughput_is_within_a_tenth_of_what_was_measured(chip: Chip, kib: int, low: float, high: float) -> None:
    assert rate(chip, kib * 1024.0) == pytest.approx((low + high) / 2 * 1e9, rel=0.10)


def test_the_mean_error_over_both_machines_is_below_five_percent() -> None:
    errors = [abs(rate(chip, kib * 1024.0) / ((low + high) / 2 * 1e9) - 1) for chip, kib, low, high in IN_FLIGHT]
    assert sum(errors) / len(errors) < 0.05


def loaded_latency(chip: Chip, share: float) -> float:
    """Return the latency at a share of the sustained bandwidth, by definition."""
    gpu = figures(chip)
    return gpu.dram_latency / math.sqrt(1 - share**2)


@given(st.sampled_from([H800, B200]), st.floats(0.01, 0.999))
def test_what_is_in_flight_is_rate_times_loaded_latency(chip: Chip, share: float) -> None:
    """Little's law, run backwards: the bytes in flight that a rate needs give that rate."""
    gpu = figures(chip)
    flight = share * gpu.dram_read * loaded_latency(chip, share) / gpu.sms
    assert memory_cycles(gpu, gpu.sms, flight, 1.0, 0.0) == pytest.approx(1.0 / (share * gpu.dram_read))


@given(st.sampled_from([H800, B200]), st.floats(16, 1e7), st.floats(1.01, 4), st.integers(1, 100))
def test_more_in_flight_or_more_sms_are_never_slower_and_neither_limit_is_beaten(
    chip: Chip, flight: float, more: float, sms: int,
) -> None:
    once = rate(chip, flight, sms)
    assert rate(chip, flight * more, sms) > once
    assert rate(chip, flight, sms + 1) > once
    assert once < chip.memory.sustained
    assert once < sms * flight / (chip.memory.latency + 1e-12)


def test_loads_return_sooner_than_bulk_copies() -> None:
    assert row_figures(H800).dram_latency == pytest.approx(H800.memory.latency * H800.clock)
    assert figures(H800).dram_latency == pytest.approx(row_figures(H800).dram_latency + H800.core.bulk_latency)
    a100 = get("a100-sxm-80gb")  # its kernels load: no bulk copies
    assert figures(a100).dram_latency == row_figures(a100).dram_latency
