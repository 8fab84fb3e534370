"""The clock that a power limit leaves: sustained clocks of large products, bursts, data, chips without a limit."""

import math

import pytest

import archsim as sim
from archsim import timing
from archsim.power import known, settle, spend, supply
from archsim.workload.ops import MatMul

SUSTAINED = [("a100-sxm-80gb", 1.29, 0.05, (128, 256)), ("h100-sxm", 1.55, 0.05, (256, 256)),
             ("b200", 1.52, 0.05, (256, 256)), ("gb200", 1.58, 0.05, (256, 256)), ("mi300x", 1.207, 0.05, (256, 256)),
             ("mi325x", 1.447, 0.05, (256, 256)), ("a100-pcie-80gb", 1.204, 0.10, (128, 256)),
             ("h100-pcie", 1.41, 0.10, (256, 256))]
"""GHz of the largest products on random data, the best of them over shapes and libraries (stas00/ml-engineering,
ROCm/rocm-blogs part 2, GOATnote), if the matrix engines issue in 95 % of their cycles; MI300X's and MI325X's are read
from the device. The tiles are those that fill shared memory: 128 x 256 of one SM, twice that of two that share an
operand. The energies were fitted on A100 SXM and H100 SXM alone. Cards for PCIe run up to a tenth faster than these
energies allow: perhaps their dies are sorted for a low supply, which nobody publishes."""


@pytest.mark.parametrize(("name", "ghz", "off", "tile"), SUSTAINED)
def test_sustained_clocks_of_large_products(name: str, ghz: float, off: float, tile: tuple[int, int]) -> None:
    chip, op = sim.chips.get(name), MatMul(m=16384, n=16384, k=16384)
    from_l2 = op.flops / 2 * 2.0 * (1 / tile[0] + 1 / tile[1])  # bytes of bf16
    energy = spend(chip, "bf16", flops=op.flops, on_chip_bytes=from_l2, hbm_bytes=4 * op.bytes)
    state = settle(chip, energy, [(op.flops / (0.95 * chip.peak("bf16")), 0.0, 0.0, 1.0)], chip.clock)
    assert state.hz / 1e9 == pytest.approx(ghz, rel=off)
    assert state.watts == pytest.approx(chip.power.tdp if chip.power else 0.0)


def test_zeros_run_faster_than_random_numbers() -> None:
    """295 against 257 TFLOP/s, 15 %, on an A100 (thonking.ai, Strangely, Matrix Multiplications ..., 2024)."""
    chip, op = sim.chips.get("a100-sxm-80gb"), MatMul(m=8192, n=8192, k=8192)
    zeros = timing.time(op, chip.replace("power", toggle=0.0))
    assert zeros.clock == chip.clock
    assert 1.03 < timing.time(op, chip).seconds / zeros.seconds < 1.25


def test_unknown_energies_limit_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = sim.chips.get("h100-sxm")
    bare = chip.replace(die=None)
    op = MatMul(m=16384, n=16384, k=16384)
    assert not known(bare)
    assert not bare.power_limited
    assert timing.time(op, bare).seconds == timing.unlimited(op, bare).seconds
    uncapped = chip.replace("power", capped=False)
    assert math.isinf(supply(uncapped).limit)
    assert timing.time(op, uncapped).clock == chip.clock


def test_short_bursts_run_free() -> None:
    """The controller averages over some 25 ms: a dozen short kernels are over before it reacts."""
    chip, op = sim.chips.get("h100-sxm"), MatMul(m=4096, n=4096, k=4096)
    free = timing.unlimited(op, chip)
    assert timing.time(op, chip, timing.COLD, 9.0).seconds == free.seconds
    clocks = [timing.time(op, chip, timing.COLD, n).clock for n in (9.0, 100.0, 200.0, 3000.0, math.inf)]
    assert clocks == sorted(clocks, reverse=True)
    assert clocks[-2] == pytest.approx(clocks[-1], rel=0.001)
    assert clocks[-1] < chip.clock
