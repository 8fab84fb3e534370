"""Published end-to-end latencies of real serving: our kernels alone must lie between a roofline and the measurement.

TensorRT-LLM, fp16, one GPU, a batch of equal prompts answered to the end: argonne-lcf/LLM-Inference-Bench @4211f5d4,
Plots/All_results.csv. The difference that remains is what a framework does between kernels, which is not modelled.
(Llama-3-8B has the dimensions of Llama-3.1-8B. The A100 of that system has 40 GB at 1,555 GB/s.)
"""

import statistics

import pytest

from archsim import chips, models
from archsim.hardware import Chip
from archsim.simulation import simulate
from archsim.units import GB, GB_per_s
from archsim.workload import transformer

H100 = chips.get("h100-sxm")
A100_40 = chips.get("a100-sxm-80gb").replace("memory", capacity=40 * GB, bandwidth=1555 * GB_per_s)

MEASURED = [  # chip, model, batch, prompt and answer length, seconds
    (A100_40, "llama-2-7b", 1, 128, 1.5152),
    (A100_40, "llama-2-7b", 1, 1024, 12.7913),
    (A100_40, "llama-2-7b", 16, 1024, 22.8557),
    (A100_40, "llama-2-7b", 64, 128, 2.6790),
    (A100_40, "llama-3.1-8b", 1, 128, 1.7811),
    (A100_40, "llama-3.1-8b", 1, 1024, 14.8609),
    (A100_40, "llama-3.1-8b", 64, 128, 2.7308),
    (H100, "llama-2-7b", 1, 128, 0.8444),
    (H100, "llama-2-7b", 16, 1024, 11.6333),
    (H100, "llama-2-7b", 64, 128, 1.3720),
    (H100, "llama-3.1-8b", 1, 128, 0.8968),
    (H100, "llama-3.1-8b", 64, 128, 1.3574),
]


def answer(chip: Chip, model: str, batch: int, length: int) -> tuple[float, float]:
    """Return (our seconds, roofline seconds) of a prefill and `length` - 1 decode steps at their mean context."""
    m = models.get(model)
    prefill = simulate(transformer(m, phase="prefill", batch=batch, seq=length, dtype="fp16", logits="last"), chip)
    decode = simulate(transformer(m, phase="decode", batch=batch, context=length + length // 2, dtype="fp16"), chip)
    peak, bandwidth = chip.peak("fp16"), chip.memory.bandwidth
    roofline = prefill.flops / peak + (length - 1) * (decode.weight_bytes + decode.kv_bytes) / bandwidth
    return prefill.time_s + (length - 1) * decode.time_s, roofline


@pytest.mark.parametrize(("chip", "model", "batch", "length", "seconds"), MEASURED)
def test_kernels_take_most_of_the_measured_time(
    chip: Chip, model: str, batch: int, length: int, seconds: float
) -> None:
    ours, roofline = answer(chip, model, batch, length)
    assert roofline < ours < seconds
    assert ours > 0.72 * seconds


def test_mean_error_is_half_of_the_rooflines() -> None:
    ours, roofline = zip(*[
        [abs(t / seconds - 1) for t in answer(chip, model, batch, length)]
        for chip, model, batch, length, seconds in MEASURED
    ], strict=True)
    assert statistics.mean(ours) < 0.17
    assert statistics.mean(ours) < 0.6 * statistics.mean(roofline)
