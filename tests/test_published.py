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


SERVED = [  # chip, dtype, model, batch, prompt and answer length, tokens/s: NVIDIA/TensorRT-LLM @138f96d4 (v0.6.1),
    # docs/source/performance.md, "Peak Throughput"; the batch is stated, weights and cache are in the same format
    ("h100-sxm", "fp8", "gpt-j-6b", 1024, 128, 128, 26150),
    ("h100-sxm", "fp8", "gpt-j-6b", 64, 2048, 128, 2551),
    ("h100-sxm", "fp8", "llama-7b", 768, 128, 128, 19694),
    ("h100-sxm", "fp8", "llama-7b", 112, 128, 2048, 6818),
    ("h100-sxm", "fp8", "llama-7b", 80, 2048, 128, 2244),
    ("h100-sxm", "fp8", "llama-7b", 48, 2048, 2048, 2740),
    ("a100-sxm-80gb", "fp16", "gpt-j-6b", 60, 2048, 128, 670),
    ("a100-sxm-80gb", "fp16", "llama-7b", 384, 128, 128, 5586),
    ("a100-sxm-80gb", "fp16", "llama-7b", 60, 128, 2048, 1928),
]


MOST = [  # the same of later releases, whose batch is as large as memory allows; nothing was calibrated on H200
    # (NVIDIA/TensorRT-LLM @00f37686, docs/source/performance/perf-overview.md, v1.0; Llama 3.1 stands for Llama 3)
    ("h200", "fp8", "llama-3.1-70b", 1791, 128, 128, 3803),
    ("h200", "fp8", "llama-3.1-70b", 298, 128, 2048, 4336),
    ("h200", "fp8", "llama-3.1-70b", 229, 1000, 1000, 2909),
    ("h200", "fp8", "llama-3.1-70b", 162, 2048, 128, 442),
    ("h200", "fp8", "llama-3.1-70b", 65, 5000, 500, 566),
    ("h200", "fp8", "llama-3.1-70b", 16, 20000, 2000, 283),
    ("h200", "fp8", "llama-3.1-8b", 2048, 128, 128, 27911),
    ("h200", "fp8", "llama-3.1-8b", 1574, 128, 2048, 26221),
    ("h200", "fp8", "llama-3.1-8b", 1209, 1000, 1000, 17744),
    ("h200", "fp8", "llama-3.1-8b", 858, 2048, 128, 3538),
    ("h200", "fp8", "llama-3.1-8b", 590, 2048, 2048, 12194),
    ("h200", "fp8", "llama-3.1-8b", 86, 20000, 2000, 1804),
    ("h100-sxm", "fp8", "llama-3.1-8b", 2048, 128, 128, 28312),
    ("h100-sxm", "fp8", "llama-3.1-8b", 650, 1000, 1000, 15220),
    ("h100-sxm", "fp8", "llama-3.1-8b", 462, 2048, 128, 3450),
    ("h100-sxm", "fp8", "llama-3.1-8b", 46, 20000, 2000, 1351),
]


def served(name: str, dtype: str, model: str, batch: int, prompt: int, reply: int) -> tuple[float, float]:
    """Return (our tokens/s, a roofline's) of batches read in 8,192 tokens at a time and answered in step."""
    chip, m = chips.get(name), models.get(model)
    part = min(batch, max(1, 8192 // prompt))
    prefill = simulate(transformer(m, phase="prefill", batch=part, seq=prompt, dtype=dtype, kv_dtype=dtype,
                                   logits="last"), chip, chips=1)
    decode = simulate(transformer(m, phase="decode", batch=batch, context=prompt + reply // 2, dtype=dtype,
                                  kv_dtype=dtype), chip, chips=1)
    seconds = prefill.time_s * batch / part + (reply - 1) * decode.time_s
    peak, bandwidth = chip.peak(dtype), chip.memory.bandwidth
    step = max((decode.weight_bytes + decode.kv_bytes) / bandwidth, decode.flops / peak)
    return batch * reply / seconds, batch * reply / (prefill.flops / peak * batch / part + (reply - 1) * step)


@pytest.mark.parametrize("cases", [SERVED, MOST], ids=["calibrated", "carried over"])
def test_full_batches_are_served_as_fast_as_published(cases: list[tuple[str, str, str, int, int, int, int]]) -> None:
    errors, roofline = [], []
    for *case, measured in cases:
        ours, ideal = served(*case)  # type: ignore[arg-type]
        errors.append(abs(ours / measured - 1))
        roofline.append(abs(ideal / measured - 1))
        print(*case, f"measured {measured:,} tokens/s, ours {ours:,.0f}, roofline {ideal:,.0f}")
    print(f"mean error {100 * statistics.mean(errors):.1f} %, roofline {100 * statistics.mean(roofline):.1f} %")
    assert max(errors) < 0.18
    assert statistics.mean(errors) < 0.06
    assert statistics.mean(errors) < 0.25 * statistics.mean(roofline)
