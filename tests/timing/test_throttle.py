"""Operators under a power limit: what stretches with the clock and what does not, on every kind of chip."""

import pytest

import archsim as sim
from archsim import timing
from archsim.hardware import Chip
from archsim.timing.throttle import at_clock, joules, limited, parts
from archsim.workload.ops import Attention, AttentionBackward, Elementwise, MatMul


def test_what_memory_bounds_does_not_stretch() -> None:
    chip = sim.chips.get("a100-sxm-80gb")
    op = MatMul(m=16, n=12288, k=12288)
    t = timing.unlimited(op, chip)
    assert t.bound == "hbm"
    assert at_clock(t, 1.2e9, chip.clock).seconds == pytest.approx(t.seconds)
    decode = timing.time(op, chip.replace("power", tdp=320.0))
    assert decode.seconds == pytest.approx(t.seconds, rel=0.01)


def test_at_clock_goes_there_and_back() -> None:
    chip = sim.chips.get("h100-sxm")
    t = timing.unlimited(MatMul(m=8192, n=8192, k=8192), chip)
    t = limited(MatMul(m=8192, n=8192, k=8192), chip.replace("power", tdp=5000.0), t)
    slow = at_clock(t, 1e9, chip.clock)
    assert slow.seconds > 1.5 * t.seconds
    back = at_clock(slow, chip.clock, chip.clock)
    assert back.seconds == pytest.approx(t.seconds)
    assert back.busy == pytest.approx(t.busy)
    assert slow.utilization * slow.seconds == pytest.approx(t.utilization * t.seconds)


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "b200", "mi300x", "tpu-v3", "trainium2"])
def test_a_tight_limit_slows_every_kind_of_chip(name: str) -> None:
    chip = sim.chips.get(name)
    assert chip.power
    tight = chip.replace("power", tdp=chip.power.standby + 40.0, idle=chip.power.standby,
                         capped=True)
    forward = Attention(batch=1, q_len=8192, kv_len=8192, heads=32, kv_heads=32, head_dim=128)
    for op in (MatMul(m=8192, n=8192, k=8192), forward, AttentionBackward(forward=forward)):
        t, free = timing.time(op, tight), timing.unlimited(op, tight)
        assert t.seconds > 1.2 * free.seconds
        assert "power-limited" in t.plan
        assert t.clock < chip.clock
        assert t.bound in ("matrix", "vector", "scratchpad"), "what follows the clock"
        spent = joules(op, tight, t)
        least = (spent.core * (tight.power.floor / 0.8) ** 2 + spent.fixed) if tight.power else 0.0
        assert t.seconds * 40.0 >= least * (1 - 1e-6)
        if t.stalls:
            useful = op.flops / chip.peak(op.dtype)
            assert sum(t.stalls.values()) + useful == pytest.approx(t.seconds)


def test_a_stream_is_not_slowed() -> None:
    chip: Chip = sim.chips.get("h200")
    op = Elementwise(elements=1 << 28, inputs=1.0, ops=1.0, name="copy")
    t = timing.time(op, chip)
    assert t.clock == chip.clock
    assert parts(t)[1] > parts(t)[0]
