"""Clock under a power limit: a naive twin, and what must hold for any supply and any work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import power as kernel
from archsim.kernels.power import Supply, Work

SUPPLIES = st.builds(
    Supply, limit=st.floats(50, 1500), static=st.floats(5, 49), top=st.floats(0.5e9, 3e9), volts=st.floats(0.7, 1.2),
    at=st.floats(1e9, 3e9), floor=st.floats(0.5, 0.69), threshold=st.floats(0.2, 0.4), cycle=st.floats(0, 1e-8))
TIMES = st.tuples(st.floats(1e-6, 2e-3), st.floats(0, 2e-3), st.floats(1e-7, 1e-5), st.integers(1, 9).map(float))
WORKS = st.builds(Work, core=st.floats(0, 2), fixed=st.floats(0, 0.2),
                  times=st.lists(TIMES, min_size=1, max_size=4).map(lambda rows: np.array(rows)), hz=st.just(1.5e9))


def naive_volts(s: Supply, hz: float) -> float:
    """Raise the supply in steps of 10 uV until the gates are fast enough."""
    volts = s.floor
    while s.at * ((volts - s.threshold) / (s.volts - s.threshold)) ** 1.3 * s.volts / volts < hz:
        volts += 1e-5
    return volts


def naive_clock(s: Supply, w: Work) -> float:
    """Lower the clock in steps of 0.1 % until the mean power fits the limit."""
    hz = s.top
    while hz > 0.01 * s.top:
        square = (naive_volts(s, hz) / 0.8) ** 2
        seconds = sum(often * (rest + max(scaled * w.hz / hz, memory)) for scaled, memory, rest, often in w.times)
        if s.static + s.cycle * hz * square + (w.core * square + w.fixed) / seconds <= s.limit:
            return hz
        hz *= 0.999
    return 0.01 * s.top


@pytest.mark.parametrize("core", [0.0, 0.1, 0.3, 0.5, 2.0])
def test_settle_is_the_highest_clock_that_fits(core: float) -> None:
    s = Supply(limit=400, static=55, top=1.41e9, volts=0.83, at=1.41e9, floor=0.675, threshold=0.3, cycle=8e-9)
    w = Work(core=core, fixed=0.02, times=np.array([[8e-4, 2e-4, 5e-6, 1.0], [5e-5, 1e-4, 1e-6, 2.0]]), hz=1.41e9)
    assert kernel.settle(s, w).hz == pytest.approx(naive_clock(s, w), rel=0.002)


@given(SUPPLIES, WORKS)
def test_the_clock_obeys_its_bounds(s: Supply, w: Work) -> None:
    state = kernel.settle(s, w)
    assert 0.0099 * s.top <= state.hz <= s.top
    assert state.volts >= s.floor
    assert state.watts <= s.limit * (1 + 1e-6) or state.hz <= 0.0101 * s.top
    assert state.seconds * (1 + 1e-12) >= kernel.duration(w, s.top), "no work gets faster under a limit"
    assert state.watts >= s.static


@given(SUPPLIES, WORKS, st.floats(1.01, 3))
def test_more_power_is_never_slower_and_more_energy_never_faster(s: Supply, w: Work, more: float) -> None:
    base = kernel.settle(s, w)
    assert kernel.settle(s._replace(limit=s.limit * more), w).hz >= base.hz * (1 - 1e-9)
    assert kernel.settle(s, w._replace(core=w.core * more)).hz <= base.hz * (1 + 1e-9)


@given(SUPPLIES, st.floats(0.2, 1.0))
def test_supply_and_speed_are_inverse(s: Supply, share: float) -> None:
    volts = kernel.supply(s, share * s.at)
    assert volts >= s.floor
    assert kernel.speed(s, volts) >= share * s.at * (1 - 1e-9)
    assert volts == s.floor or kernel.speed(s, volts) == pytest.approx(share * s.at)
    assert kernel.supply(s, s.at) == pytest.approx(s.volts)
