"""Dollars: conservation, monotony, and the arithmetic of the broker table that the defaults come from."""

import math

import pytest

from archsim.economics import Assumptions, Cost, chip_hour, cost
from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, Power, RooflineCore, Source
from archsim.simulation import Run, simulate
from archsim.units import GB, GHz, TB_per_s, W
from archsim.workload import ModelConfig, transformer
from archsim.workload.config import parse

TINY: ModelConfig = parse({"model_type": "llama", "hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 2,
                           "intermediate_size": 1024, "vocab_size": 1000})


def chip(price: float | None = 18_000.0, tdp: float = 700.0, peak: float = 990e12) -> Chip:
    return Chip(name="sheet", clock=1 * GHz, core=RooflineCore(rates={"bf16": peak / 1e9}),
                memory=Memory(capacity=80 * GB, bandwidth=3.35 * TB_per_s), price=price, power=Power(tdp=tdp * W))


def run(on: Chip, batch: int = 4) -> Run:
    return simulate(transformer(TINY, phase="decode", batch=batch, context=100), on)


def test_the_broker_tables_depreciation_and_energy() -> None:
    # Shenwan Hongyuan 2025-03-28, H100 column: 18,000 USD over 4 years; 21.92 days on 24,000 cards cost 6.50 million
    # of depreciation (its table also adds about 100 USD per server CPU, 0.1 %).
    days = 18_000 / (990 * 0.40 * 86_400 / 1e3 * 24_000 / 1e6)
    depreciation, energy, *_ = chip_hour(chip(), Assumptions(pue=1.5))
    assert days == pytest.approx(21.92, abs=0.01)
    assert depreciation * 24 * days * 24_000 == pytest.approx(6.50e6, rel=0.003)
    # 9.3 kW per 8-card server at PUE 1.5, of which the cards draw 8 x 700 W; 0.10 USD/kWh.
    assert energy * 8 == pytest.approx(0.10 * 8 * 0.700 * 1.5)


def test_cost_adds_up() -> None:
    r = run(chip())
    c = cost(r)
    assert c.usd_per_chip_hour == pytest.approx(c.depreciation_usd_per_hour + c.energy_usd_per_hour)
    step = c.usd_per_chip_hour * r.chips * r.time_s / 3600
    assert c.usd_per_mtoken * r.tokens / 1e6 == pytest.approx(step)
    assert c.usd_per_pflop_achieved * r.flops / 1e15 == pytest.approx(step)
    assert c.usd_per_pflop_peak == pytest.approx(c.usd_per_pflop_achieved * r.utilization)
    assert c.joules_per_token * r.tokens == pytest.approx(700 * 1.4 * r.time_s)


def test_every_price_moves_the_right_way() -> None:
    r = run(chip())
    base = cost(r).usd_per_mtoken
    assert cost(r, price=20_000).usd_per_mtoken > base
    assert cost(r, Assumptions(pue=1.5)).usd_per_mtoken > base
    assert cost(r, Assumptions(usd_per_kwh=0.2)).usd_per_mtoken > base
    assert cost(r, Assumptions(depreciation_years=5)).usd_per_mtoken < base
    assert cost(run(chip(tdp=1000))).usd_per_mtoken > base
    assert cost(run(chip(), batch=8)).usd_per_mtoken < base, "a larger decode batch shares the weights"


def test_a_free_chip_costs_its_electricity() -> None:
    c = cost(run(chip()), price=0.0)
    assert c.usd_per_chip_hour == c.energy_usd_per_hour > 0


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ArchsimError, match="sheet has no price"):
        cost(run(chip(price=None)))
    assert cost(run(chip(price=None)), price=5.0).price_usd == 5.0
    bare = Chip(name="bare", clock=1e9, core=RooflineCore(rates={"bf16": 1e5}), price=1.0,
                memory=Memory(capacity=80 * GB, bandwidth=1e12))
    with pytest.raises(ArchsimError, match="bare has no power"):
        cost(run(bare))


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, "cheap", True])
def test_a_bad_price(bad: object) -> None:
    with pytest.raises(ArchsimError, match="price must be"):
        cost(run(chip()), price=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [{"pue": 0.5}, {"pue": math.inf}, {"pue": math.nan}, {"pue": "x"},
                                 {"depreciation_years": 0.0}, {"usd_per_kwh": -0.1}])
def test_bad_assumptions(bad: dict[str, float]) -> None:
    with pytest.raises(ArchsimError, match="cannot be right|must be a number"):
        Assumptions(**bad)


def test_a_variant_says_whose_price_it_carries() -> None:
    base = chip()
    base = base.replace("", sources={"price": Source("a list"), "power": Source("a sheet")}, name="sheet")
    assert cost(run(base)).note == ""
    fast = base.replace(clock=2 * GHz)
    assert cost(run(fast)).note == "price and power of sheet, which differs in clock"
    assert cost(run(fast), price=1.0).note == "power of sheet, which differs in clock"
    assert cost(run(fast.replace(price=1.0).replace("power", tdp=1.0))).note == ""


def test_not_a_run() -> None:
    with pytest.raises(ArchsimError, match="cost\\(\\) takes a Run"):
        cost(chip())  # type: ignore[arg-type]


def test_free_electricity_is_an_assumption_too() -> None:
    assert cost(run(chip()), Assumptions(usd_per_kwh=0.0)).energy_usd_per_hour == 0
    with pytest.raises(ArchsimError, match="did you mean 'pue'"):
        Assumptions(puee=1.2)  # type: ignore[call-arg]


def test_plain_data() -> None:
    c = cost(run(chip()))
    assert isinstance(c, Cost)
    d = c.to_dict()
    assert {"usd_per_mtoken", "usd_per_pflop_achieved", "usd_per_pflop_peak", "usd_per_chip_hour"} <= set(d)
    assert d["assumptions"]["pue"] == 1.4
    assert "per million tokens" in str(c)
