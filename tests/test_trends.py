"""The trends that any expert checks first, on whole models and every chip of the catalogue."""

import itertools

import pytest

from archsim import chips, models
from archsim.economics import cost
from archsim.hardware import Chip, GpuCore, Power
from archsim.simulation import Run, simulate
from archsim.timing import time, unlimited
from archsim.workload import MatMul, transformer

BF16 = [chip for chip in map(chips.get, chips.names()) if "bf16" in chip.dtypes]
EVERY_CHIP = pytest.mark.parametrize("chip", BF16, ids=lambda c: c.name)


def run(model: str, chip: Chip, phase: str, **sizes: int) -> Run:
    return simulate(transformer(models.get(model), phase=phase, **sizes), chip)  # type: ignore[arg-type]


@EVERY_CHIP
def test_decode_at_batch_one_streams_the_weights(chip: Chip) -> None:
    r = run("llama-3.1-70b", chip, "decode", batch=1, context=2048)
    embedding = 2 * 128256 * 8192  # looked up, not streamed
    engines = getattr(chip.core, "dma_bandwidth", None)  # of one core; those of some chips move less than the memory
    engines = chip.cores * engines if engines else chip.memory.bandwidth
    best, usual = ((r.weight_bytes - embedding) / (r.chips * min(engines, bandwidth))
                   for bandwidth in (chip.memory.bandwidth, chip.memory.sustained))
    assert r.bound == "hbm"
    assert best < r.time_s < 1.35 * usual
    assert r.time_by_bound["hbm"] > 0.8 * r.time_s


@EVERY_CHIP
def test_prefill_of_8k_tokens_is_bound_by_the_matrix_engine(chip: Chip) -> None:
    for model in ("llama-3.1-8b", "llama-3.1-70b"):
        r = run(model, chip, "prefill", batch=1, seq=8192)
        # its L2 runs at the clock that 350 W leave, and feeds 114 SMs: as long as their matrix engines take
        assert r.bound in (("matrix", "scratchpad") if chip.name == "h100-pcie" else ("matrix",))
        assert r.time_by_bound["hbm"] < 0.3 * r.time_s
        assert 0.5 < r.utilization * chip.clock / r.clock < 1.0, "of what the clock that power leaves allows"
        assert r.arithmetic_intensity > r.balance


@EVERY_CHIP
def test_utilisation_falls_with_every_side_of_the_product(chip: Chip) -> None:
    full = time(MatMul(m=4096, n=8192, k=8192, weights=True), chip).utilization
    for thin in ({"m": 16}, {"n": 16}, {"k": 16}):
        op = MatMul(**{"m": 4096, "n": 8192, "k": 8192, **thin}, weights=True)  # type: ignore[arg-type]
        assert time(op, chip).utilization < 0.5 * full, thin


@EVERY_CHIP
def test_a_larger_decode_batch_makes_tokens_cheaper(chip: Chip) -> None:
    price = chip.price or 10_000.0
    chip = chip if chip.power else chip.replace(power=Power(tdp=500.0))
    dollars = [cost(run("llama-3.1-8b", chip, "decode", batch=b, context=512), price=price).usd_per_mtoken
               for b in (1, 8, 64)]
    assert dollars[0] > 2 * dollars[1] > 2 * dollars[2]


@EVERY_CHIP
def test_more_bandwidth_helps_decode_and_a_faster_clock_helps_prefill(chip: Chip) -> None:
    wide = chip.replace("memory", bandwidth=2 * chip.memory.bandwidth)
    dma = getattr(chip.core, "dma_bandwidth", None)
    if dma:  # engines that just keep up with the memory would take its place
        wide = wide.replace("core", dma_bandwidth=2 * dma)
    if chip.memory.port:
        wide = wide.replace("memory", port=2 * chip.memory.port)
    if isinstance(chip.core, GpuCore):  # and so would L2
        wide = wide.replace("core", l2_bytes=2 * chip.core.l2_bytes)
    decode = {c.name: run("llama-3.1-8b", c, "decode", batch=1, context=2048).time_s for c in (chip, wide)}
    assert decode[wide.name] < 0.8 * decode[chip.name]
    fast = chip.replace(clock=1.2 * chip.clock)
    prefill = {c.name: run("llama-3.1-8b", c, "prefill", seq=8192).time_s for c in (chip, fast)}
    # under a power limit the clock is the same, and tiles that are best at a faster one may be a little worse
    assert prefill[fast.name] <= (1.02 if chip.power_limited else 1.0) * prefill[chip.name]


def test_generations_are_ordered_as_their_specifications_imply() -> None:
    def per_chip(name: str, phase: str, **sizes: int) -> float:
        r = run("llama-2-7b", chips.get(name), phase, **sizes)
        return r.tokens_per_s / r.chips

    for older, newer in [("a100-sxm-80gb", "h100-sxm"), ("h100-sxm", "b200"), ("tpu-v2", "tpu-v3"),
                         ("tpu-v3", "tpu-v4"), ("tpu-v4", "tpu-v5p"), ("tpu-v5e", "tpu-v6e"), ("tpu-v5p", "tpu-v6e"),
                         ("tpu-v6e", "tpu-v7"), ("trainium1", "trainium2")]:
        assert per_chip(older, "prefill", seq=4096) < per_chip(newer, "prefill", seq=4096)
    for less, more in [("a100-sxm-80gb", "h100-sxm"), ("h100-sxm", "b200"), ("tpu-v5e", "tpu-v4"),
                       ("tpu-v2", "tpu-v3"), ("tpu-v3", "tpu-v4"), ("tpu-v4", "tpu-v6e"), ("tpu-v6e", "tpu-v5p"),
                       ("tpu-v5p", "tpu-v7"), ("trainium1", "trainium2"), ("trainium2", "trainium3")]:
        assert per_chip(less, "decode", context=1024) < per_chip(more, "decode", context=1024)


def test_mxu_utilisation_shows_steps_at_multiples_of_the_array() -> None:
    chip = chips.get("tpu-v5e")
    at = {n: time(MatMul(m=4096, n=n, k=8192, weights=True), chip) for n in (4 * 128, 4 * 128 + 1, 8 * 128)}
    assert at[513].seconds > 1.15 * at[512].seconds, "one more column needs one more tile"
    assert at[1024].utilization > at[513].utilization


def test_gpu_waves_show_steps() -> None:
    def taller(name: str, dtype: str) -> list[float]:
        """By how much each further row of blocks slows a product whose first wave is full."""
        ops = [MatMul(m=m, n=2048, k=8192, dtype=dtype, weights=True) for m in range(1024, 8192, 128)]
        times = [unlimited(op, chips.get(name)).seconds for op in ops]
        return [b / a - 1 for a, b in itertools.pairwise(times)]

    whole = taller("a100-sxm-80gb", "bf16")  # blocks end with their tile
    assert sum(j > 0.10 for j in whole) >= 3, "a new wave starts now and then"
    assert sum(abs(j) < 0.005 for j in whole) >= len(whole) / 4, "and in between another block is free"
    scaled = taller("h100-sxm", "fp8")  # so do those of kernels that apply scales to the whole sum
    assert sum(j > 0.10 for j in scaled) >= 5
    assert sum(abs(j) < 0.03 for j in scaled) >= 0.8 * len(scaled), "nearly: L2 gives more"
    shared = taller("h100-sxm", "bf16")  # stream-K deals the steps of the last waves out evenly
    assert max(shared) < 0.75 * max(whole)
    assert sum(abs(j) < 0.005 for j in shared) < len(shared) / 4, "every block costs its share"


def test_loading_weights_ahead_helps_decode_most() -> None:
    chip = chips.get("tpu-v5e")
    off = chip.replace("core", prefetch=False)
    decode, prefill = ([run("llama-3.1-8b", c, phase, **sizes).time_s for c in (chip, off)]
                       for phase, sizes in (("decode", {"batch": 8, "context": 2048}), ("prefill", {"seq": 4096})))
    assert 0.85 < decode[0] / decode[1] < 0.97, "latencies between operators are filled"
    assert 0.95 < prefill[0] / prefill[1] < 1.0
