"""Energy of a step: it closes, is no less than idle, grows with work, and the step as a whole obeys the limit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim as sim
from archsim.power import known
from archsim.simulation.run import LEVELS

MODEL = sim.models.get("llama-3.1-8b")
CHIPS = ("a100-sxm-80gb", "h100-sxm", "mi300x", "tpu-v5p", "tpu-v3", "trainium2")


def run(name: str, phase: str = "prefill", batch: int = 1, **sizes: int) -> sim.Run:
    chip = sim.chips.get(name)
    return sim.simulate(sim.transformer(MODEL, phase=phase, batch=batch, **sizes), chip, chips=1)


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=8, deadline=None)
@given(batch=st.integers(1, 32), tokens=st.sampled_from((128, 1000, 2048)), decode=st.booleans())
def test_energy_is_at_least_idle_and_grows_with_work(name: str, batch: int, tokens: int, decode: bool) -> None:
    sizes = {"context": tokens} if decode else {"seq": tokens}
    phase = "decode" if decode else "prefill"
    r, more = run(name, phase, batch, **sizes), run(name, phase, 2 * batch, **sizes)
    assert r.chip.power and r.joules and more.joules and r.energy and r.watts
    assert r.joules >= r.chip.power.standby * r.time_s
    assert more.joules > r.joules
    assert set(r.energy) == set(LEVELS)
    assert all(v >= 0 for v in r.energy.values())
    assert sum(r.energy.values()) == pytest.approx(r.joules)
    assert r.joules == pytest.approx(sum(o.to_dict()["joules"] for o in r.ops))
    assert r.watts <= r.chip.power.tdp * (1 + 1e-6) or not r.chip.power.capped
    assert r.clock <= r.chip.clock


def test_the_step_as_a_whole_obeys_the_limit() -> None:
    """Operators that would exceed it alone borrow from those that draw less; all share one clock."""
    r = run("h100-sxm", batch=4, seq=4096)
    assert r.clock < r.chip.clock
    assert {o.time.clock for o in r.ops} == {r.clock}
    assert r.watts == pytest.approx(700)
    most = max(sum(o.joules.values()) / o.time.seconds for o in r.ops if o.joules)
    least = min(sum(o.joules.values()) / o.time.seconds for o in r.ops if o.joules)
    assert least < 700 < most
    decode = run("h100-sxm", "decode", 8, context=1024)
    assert decode.clock == decode.chip.clock, "what memory bounds is not slowed"


def test_a_tighter_limit_is_slower_and_cheaper() -> None:
    graph = sim.transformer(MODEL, phase="prefill", batch=4, seq=2048)
    free = sim.chips.get("h100-sxm")
    runs = [sim.simulate(graph, free.replace("power", tdp=w), chips=1) for w in (700.0, 550.0, 400.0)]
    assert runs[0].time_s < runs[1].time_s < runs[2].time_s
    assert runs[0].joules > runs[1].joules > runs[2].joules  # type: ignore[operator]
    assert all(r.watts == pytest.approx(r.chip.power.tdp) for r in runs)  # type: ignore[union-attr]


def test_chips_share_the_work_and_pay_for_all() -> None:
    one, two = (sim.simulate(sim.transformer(MODEL, phase="prefill", batch=8, seq=2048), sim.chips.get("tpu-v5p"),
                             chips=n) for n in (1, 2))
    assert two.joules == pytest.approx(one.joules, rel=0.15)
    assert two.watts == pytest.approx(one.watts, rel=0.15)
    assert two.to_dict()["watts_per_chip"] == two.watts
    assert two.joules_per_token == pytest.approx((two.joules or 0.0) / 8 / 2048)


def test_without_a_process_nothing_is_invented() -> None:
    chip = sim.chips.get("h100-sxm").replace(die=None)
    r = sim.simulate(sim.transformer(MODEL, phase="decode", batch=1, context=128), chip, chips=1)
    assert not known(chip)
    assert r.joules is r.watts is r.energy is r.joules_per_token is None
    assert r.clock == chip.clock
    assert r.to_dict()["joules"] is None
    assert "W" not in str(r).split()


def test_zeros_cost_less() -> None:
    chip = sim.chips.get("a100-sxm-80gb")
    graph = sim.transformer(MODEL, phase="prefill", batch=1, seq=2048)
    zeros = sim.simulate(graph, chip.replace("power", toggle=0.0), chips=1)
    assert zeros.joules < 0.7 * sim.simulate(graph, chip, chips=1).joules  # type: ignore[operator]
