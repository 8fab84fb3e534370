"""The clock that a power limit leaves: sustained clocks of large products, bursts, data, chips without a limit."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim as sim
from archsim import timing
from archsim.errors import ArchsimError
from archsim.hardware import Die, Power
from archsim.power import known, settle, spend, supply
from archsim.simulation.energy import spent
from archsim.workload.ops import MatMul

SUSTAINED = [("a100-sxm-80gb", 1.29, 0.05, (128, 256)), ("h100-sxm", 1.55, 0.05, (256, 256)),
             ("b200", 1.52, 0.07, (256, 256)), ("gb200", 1.58, 0.05, (256, 256)), ("mi300x", 1.207, 0.05, (256, 256)),
             ("mi325x", 1.447, 0.05, (256, 256)), ("a100-pcie-80gb", 1.204, 0.10, (128, 256)),
             ("h100-pcie", 1.41, 0.10, (256, 256))]
"""GHz of the largest products on random data, the best of them over shapes and libraries (stas00/ml-engineering,
ROCm/rocm-blogs part 2, GOATnote), if the matrix engines issue in 95 % of their cycles; MI300X's and MI325X's are read
from the device. The tiles are those that fill shared memory: 128 x 256 of one SM, twice that of two that share an
operand. The energies were fitted on A100 SXM and H100 SXM alone. B200's best is 15 to 28 % above what others sustain
(1360 to 1510 TFLOP/s, examples/published_products.csv); the energies lie between. Cards for PCIe run up to a tenth
faster than these energies allow: perhaps their dies are sorted for a low supply, which nobody publishes."""


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


def test_unknown_energies_limit_nothing() -> None:
    chip = sim.chips.get("h100-sxm")
    bare = chip.replace(die=None)
    op = MatMul(m=16384, n=16384, k=16384)
    assert not known(bare)
    assert not bare.power_limited
    stack = sim.chips.get("mi300x")
    assert stack.die
    assert known(stack)
    assert not known(stack.replace("die", base=Die(process="Intel 22FFL")))
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


@pytest.mark.parametrize(("given", "why"), [
    ({"tdp": 50.0, "idle": 70.0}, "must be less than tdp = 50 W"), ({"tdp": 100.0, "threshold": 0.69}, "Power.floor"),
    ({"tdp": 100.0, "voltage": 0.25}, "no transistor would switch")])
def test_powers_that_cannot_be(given: dict[str, float], why: str) -> None:
    with pytest.raises(ArchsimError, match=why):
        Power(**given)


PROCESSES = ("28nm", "16nm", "TSMC 12FFN", "Samsung 8N", "TSMC N7", "TSMC 4N", "3 nm", "N2")


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(("a100-sxm-80gb", "h100-sxm", "mi300x", "l40s", "tpu-v5p", "trainium2")),
       process=st.sampled_from(PROCESSES), clock=st.floats(0.5, 1.6), caps=st.tuples(st.floats(60, 900),
                                                                                    st.floats(1.05, 6)),
       m=st.integers(1, 5000), n=st.integers(64, 5000), k=st.integers(64, 9000))
def test_any_chip_obeys_its_limit(name: str, process: str, clock: float, caps: tuple[float, float], m: int, n: int,
                                  k: int) -> None:
    """Any process, clock, limit and shape: a limit is never faster, a higher one never slower, and it is kept."""
    base = sim.chips.get(name)
    low, ratio = caps
    op = MatMul(m=m, n=n, k=k, dtype="bf16", weights=True)
    chip = base.replace("die", process=process).replace(clock=base.clock * clock, boost=None, clock_states=None)
    found = []
    for cap in (low, low * ratio, 1e5):
        limited = chip.replace("power", tdp=cap, idle=20.0, capped=True)
        free, held = timing.unlimited(op, limited), timing.time(op, limited)
        assert held.seconds >= free.seconds * (1 - 1e-12)
        energy = sum((spent(op, limited, held) or {}).values())
        assert energy >= 20.0 * held.seconds
        assert energy / held.seconds <= cap * (1 + 1e-6) or held.clock < 0.0101 * limited.clock
        found.append(held.seconds)
    assert found[0] >= found[1] * (1 - 1e-9)
    assert found[1] >= found[2] * (1 - 1e-9)
    assert found[2] == timing.unlimited(op, chip).seconds, "a limit that is never reached changes nothing"
