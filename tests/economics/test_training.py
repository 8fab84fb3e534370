"""Whole training runs: days, energy and dollars, against reports and published runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim.economics import Assumptions, dense_flop, training, training_of
from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, Power, RooflineCore
from archsim.units import GB, GHz, TB_per_s


def chip(tflops: float = 990.0, price: float = 18_000.0) -> Chip:
    return Chip(name="sheet", clock=1 * GHz, core=RooflineCore(rates={"bf16": tflops * 1e12 / 1e9}), price=price,
                memory=Memory(capacity=80 * GB, bandwidth=3.35 * TB_per_s), power=Power(tdp=700.0))


def test_llama_405b_takes_twice_what_the_report_says() -> None:
    # Llama 3 paper: 3.8e25 FLOP = 6 x 405e9 x 15.6e12; Shenwan Hongyuan 2025-03-28 reckons with 18,000 ZFLOP.
    whole = dense_flop(405e9, 15.6e12)
    assert whole == pytest.approx(3.8e25, rel=0.01)
    report = training(chip(), 24_000, flop=18_000e21, mfu=0.40)
    assert report.days == pytest.approx(21.92, abs=0.01)
    assert report.capital_usd == pytest.approx(6.50e6, rel=0.003)
    assert training(chip(), 24_000, flop=whole, mfu=0.40).days / report.days == pytest.approx(2.1, abs=0.02)


def test_mfu_is_not_duty_cycle() -> None:
    # The report multiplies energy by the MFU of 40 %: 5.87 million kWh, where 14.68 are drawn at design power. Its
    # servers draw 6.2 kW for 8 cards, at PUE 1.5.
    done = training(chip(), 24_000, flop=18_000e21, mfu=0.40, assumptions=Assumptions(pue=1.5 * 6.2 / 5.6))
    assert done.energy_kwh == pytest.approx(14.68e6, rel=0.002)
    assert done.energy_kwh_times_mfu == pytest.approx(5.87e6, rel=0.002)


def test_gpt4_of_a_report() -> None:
    # Guohai 2024-02: 8,192 H100 at 2 USD for 55 days cost 21.5 million; 2.15e25 FLOP then needs 55.8 % MFU at 989.4.
    done = training(chip(989.4), 8192, flop=2.15e25, mfu=0.558, rent=2.0)
    assert done.days == pytest.approx(55, abs=0.2)
    assert done.usd == pytest.approx(21.5e6, rel=0.01)
    assert done.energy_usd == 0, "the landlord's"


def test_gpt3_published() -> None:
    # GPT-3 175B, 300e9 tokens: 3,640 petaflop/s-days (Brown et al., table D.1).
    assert dense_flop(175e9, 300e9) / (1e15 * 86_400) == pytest.approx(3_640, rel=0.005)
    # Megatron-LM (Narayanan et al. 2021): 1,024 A100 at 140 TFLOP/s each, with recomputation 8 FLOP per parameter and
    # token: 34 days.
    done = training(chip(312), 1024, flop=dense_flop(175e9, 300e9, 8), mfu=140 / 312)
    assert done.days == pytest.approx(34, rel=0.02)


def test_llama_3_1_405b_published() -> None:
    # Model card: 30.84 million H100 hours; paper: 38 to 43 % MFU, effective training time above 90 %.
    low, high = (training(chip(989.4), 16_384, flop=dense_flop(405e9, 15.6e12), mfu=mfu,
                          assumptions=Assumptions(availability=up)) for mfu, up in ((0.43, 1.0), (0.38, 0.9)))
    assert low.days * 24 * 16_384 < 30.84e6 < high.days * 24 * 16_384 * 1.01


@given(st.integers(1, 100_000), st.floats(0.05, 1.0), st.floats(1e20, 1e26), st.floats(0.5, 1.0))
def test_conservation(chips: int, mfu: float, flop: float, up: float) -> None:
    done = training(chip(), chips, flop=flop, mfu=mfu, assumptions=Assumptions(availability=up))
    assert done.usd == pytest.approx(done.capital_usd + done.energy_usd)
    assert done.chip_hours * 3600 * 990e12 * mfu == pytest.approx(flop)
    assert done.days * 24 * chips * up == pytest.approx(done.chip_hours)
    assert done.energy_kwh == pytest.approx(done.mw * 1e3 * done.chip_hours / chips)
    assert done.energy_kwh_times_mfu <= done.energy_kwh
    twice = training(chip(), 2 * chips, flop=flop, mfu=mfu, assumptions=Assumptions(availability=up))
    assert twice.days == pytest.approx(done.days / 2)
    assert twice.usd == pytest.approx(done.usd), "as many chip-hours"


def test_from_a_simulated_step() -> None:
    model = sim.models.get("llama-3.1-8b")
    step = sim.simulate(sim.transformer(model, phase="train", batch=1, seq=2048), sim.chips.get("h100-sxm"))
    done = training_of(step, 15.6e12, 1024)
    assert done.mfu == step.utilization
    assert done.flop == pytest.approx(dense_flop(model.parameters, 15.6e12), rel=0.15)
    decode = sim.simulate(sim.transformer(model, phase="decode"), sim.chips.get("h100-sxm"))
    with pytest.raises(ArchsimError, match="phase 'train', not 'decode'"):
        training_of(decode, 1e12, 8)
    assert "MWh" in str(done)
    assert done.to_dict()["chips"] == 1024


@pytest.mark.parametrize(("bad", "says"), [
    ({"mfu": 0.0}, "mfu"), ({"mfu": 1.1}, "mfu is a share"), ({"flop": -1.0}, "flop"), ({"chips": 0}, "chips"),
    ({"flop": float("nan")}, "flop"), ({"mfu": True}, "mfu")])
def test_bad_figures(bad: dict[str, float], says: str) -> None:
    good = {"chips": 8, "flop": 1e20, "mfu": 0.4}
    with pytest.raises(ArchsimError, match=says):
        training(chip(), **{**good, **bad})  # type: ignore[arg-type]
