"""What moves a price: swings of a function known by heart, and of a chain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim.economics import Range, chain, sensitivity
from archsim.economics.sensitivity import Swing, swings, together, work_inputs


def test_swings_of_a_known_function() -> None:
    found = swings(lambda v: v["a"] + 10 * v["b"], {"a": Range(0, 1, 5), "b": Range(1, 2, 3), "c": Range(0, 1, 2),
                                                    "d": Range.exactly(4)})
    assert [(s.name, s.at_low, s.base, s.at_high) for s in found] == [("b", 11, 21, 31), ("a", 20, 21, 25)]
    assert found[0].width == 20
    assert found[0].share == pytest.approx(20 / 21)
    assert found[0].to_dict()["width"] == 20


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6))
def test_a_product_swings_by_the_ratio_of_its_factors(factors: list[float]) -> None:
    import math

    ranges = {str(i): Range(f / 2, f, 2 * f) for i, f in enumerate(factors)}
    for s in swings(lambda v: math.prod(v.values()), ranges):
        assert s.at_high / s.at_low == pytest.approx(4)


def test_of_a_chain() -> None:
    chip, model = sim.chips.get("h100-sxm"), sim.models.get("llama-3.1-8b")
    run = sim.simulate(sim.transformer(model, phase="decode", batch=16, context=1024), chip)
    made = chain(chip)
    found = sensitivity(made, run, work_inputs(model, run))
    names = [s.name for s in found]
    assert [s.width for s in found] == sorted((s.width for s in found), reverse=True)
    assert {"batch", "context", "utilization", "wafer_price", "usd_per_kwh", "server.switch_usd"} <= set(names)
    by_name = {s.name: s for s in found}
    assert by_name["utilization"].at_low > by_name["utilization"].base > by_name["utilization"].at_high
    assert by_name["batch"].at_low > by_name["batch"].base > by_name["batch"].at_high
    assert by_name["context"].at_low < by_name["context"].base < by_name["context"].at_high
    assert by_name["pue"].base == pytest.approx(made.usd_per_mtoken(run, made.values))
    assert by_name["pue"].at_high == pytest.approx(made.usd_per_mtoken(run, made.at(pue=made.inputs["pue"].high)))


def test_ranking_over_several() -> None:
    def swing(name: str, at_high: float) -> Swing:
        return Swing(name, Range(0, 1, 2), 1.0, 1.0, at_high)

    assert together([[swing("a", 2.0), swing("b", 3.0)], [swing("a", 2.5)]]) == [("a", 1.25), ("b", 1.0)]
