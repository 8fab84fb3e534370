"""Cost of a chip against published breakdowns, and what must hold for any chip: sums, directions, errors."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim as sim
from archsim.economics.chip_cost import FALLING, INPUTS, Manufacturing, chip_cost
from archsim.economics.process import NODES
from archsim.economics.range import Range
from archsim.errors import ArchsimError
from archsim.hardware import Die

PRICED = [name for name, chip in sim.chips.catalogue().items() if chip.die and chip.memory.type != "SRAM"
          and (chip.die.area or chip.kind != "roofline")]
"""Chips of the catalogue of which enough is known."""

BREAKDOWNS = {
    # Total of Raymond James (Barron's, 2023-08); parts: siliconanalysts.com. "Test, assembly, other" holds yield loss.
    "h100-sxm": {"dies": 300, "memory": 1350, "packaging": 750, "test and loss": 920, "total": 3320},
    # Epoch AI: ranges 720-1,200, 2,800-3,100, 1,000-1,200, 1,000-1,100, 480-500, total 5,700-7,300.
    "b200": {"dies": 900, "memory": 2900, "packaging": 1100, "test and loss": 1500, "total": 6400},
    # siliconanalysts.com.
    "mi300x": {"dies": 600, "memory": 2900, "packaging": 1200, "test and loss": 600, "total": 5300},
}
"""USD per chip as analysts break it down."""


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_every_part_of_a_published_breakdown_lies_in_its_range(name):
    cost = chip_cost(sim.chips.get(name))
    parts = {p.name: p.value for p in cost.parts}
    loss, test, base = parts["package yield loss"], parts["test"], parts.get("base dies")
    found = {"dies": (parts["dies"].low + (base.low if base else 0), parts["dies"].high + (base.high if base else 0)),
             "memory": (parts["memory"].low, parts["memory"].high),
             "packaging": (parts["packaging"].low, parts["packaging"].high),
             "test and loss": (loss.low + test.low, loss.high + test.high),
             "total": (cost.total.low, cost.total.high)}
    for part, usd in BREAKDOWNS[name].items():
        low, high = found[part]
        assert low <= usd <= high, (part, found)
    assert cost.total.base == pytest.approx(BREAKDOWNS[name]["total"], rel=0.2)


def test_other_published_totals():
    """H200 4,800 (total only); TPU v5p 1,800, v6e 950, Trainium2 2,150 (Shenwan Hongyuan, 2025-03-28)."""
    for name, usd in {"h200": 4800, "tpu-v5p": 1800, "tpu-v6e": 950, "trainium2": 2150}.items():
        total = chip_cost(sim.chips.get(name)).total
        assert total.low <= usd <= total.high, (name, total)


def test_a_gpu_die_is_dearer_than_half_the_breakdown_only_without_harvesting():
    """300 USD per H100 die need a yield of 0.80 (16,000 / 67 / 0.80); without spares it is 0.44 to 0.58."""
    cost = chip_cost(sim.chips.get("h100-sxm"))
    steps = {s.name: s.value for s in cost.steps}
    assert steps["gross dies"].base == 67
    assert steps["die yield without spares"].base < 0.55 < 0.65 < steps["die yield"].base
    assert steps["die yield"].high >= 0.80


@pytest.mark.parametrize("name", PRICED)
def test_the_cost_is_the_sum_of_its_parts(name):
    cost = chip_cost(sim.chips.get(name))
    for end in ("low", "base", "high"):
        assert math.fsum(getattr(p.value, end) for p in cost.parts) == pytest.approx(getattr(cost.total, end))
    assert 0 < cost.total.low < cost.total.base < cost.total.high
    yields = [s.value for s in cost.steps if "yield" in s.name and s.value.unit == ""]
    assert yields and all(0 < y.low <= y.base <= y.high <= 1 for y in yields)
    assert cost.steps[-1].value == cost.total and cost.steps[-1].name == "chip cost"


def test_a_chain_by_hand():
    """TPU v4 at its upper bound: 600 mm2, 93 dies at 0.09 per cm2 and 9,500 USD, two cores that must both be good."""
    cost = chip_cost(sim.chips.get("tpu-v4"), Manufacturing(
        repair=0.0, bin_yield=1.0, packaging=400, package_yield=0.9, test=300, memory_price=10))
    defects = 0.09 * 6.0
    dies = 9500 / (93 * ((1 - math.exp(-defects)) / defects) ** 2)
    memory = 32 * 2**30 / 1e9 * 10
    assert cost.part("dies").base == pytest.approx(dies)
    assert cost.part("memory").base == pytest.approx(memory)
    assert cost.part("package yield loss").base == pytest.approx((dies + memory + 400) / 9)
    assert cost.total.base == pytest.approx((dies + memory + 400) / 0.9 + 300)


def test_two_dies_cost_less_than_one_of_their_size():
    chip = sim.chips.get("tpu-v4").replace("die", area=800, count=1)
    halves = chip.replace("die", count=2)
    assert chip_cost(halves).part("dies").base < chip_cost(chip).part("dies").base
    assert chip_cost(halves).part("package yield loss").base > 0


def test_a_larger_array_costs_more():
    chip = sim.chips.get("tpu-v5p")
    plain, larger = chip_cost(chip), chip_cost(chip.replace("core.array", rows=256))
    assert larger.part("dies").base > plain.part("dies").base * 1.05
    assert larger.part("memory") == plain.part("memory")


def test_spares_make_dies_cheaper():
    h100 = sim.chips.get("h100-sxm")
    without = h100.replace("die", cores=132)
    assert chip_cost(h100).part("dies").base < chip_cost(without).part("dies").base


RISING = ("die_area", "wafer_price", "defect_density", "memory_price", "packaging", "test")


@settings(max_examples=60)
@given(st.sampled_from(RISING), st.floats(0.2, 1.0), st.floats(0.2, 1.0), st.sampled_from(["tpu-v4", "a100-sxm-80gb",
                                                                                         "mi250x", "l4"]))
def test_dearer_inputs_never_make_a_cheaper_chip(name, a, b, chip):
    chip = sim.chips.get(chip)
    base = chip_cost(chip).inputs[name].base
    less, more = (chip_cost(chip, Manufacturing(**{name: base * x})).total for x in sorted((a, b)))
    assert less.base <= more.base + 1e-9 and less.low <= more.low + 1e-9 and less.high <= more.high + 1e-9


@given(st.sampled_from(FALLING), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_better_yield_never_makes_a_dearer_chip(name, a, b):
    chip = sim.chips.get("h100-sxm")
    worse, better = (chip_cost(chip, Manufacturing(**{name: x})).total.base for x in sorted((a, b)))
    assert better <= worse + 1e-9


def test_every_input_moves_the_cost_and_has_a_source():
    cost = chip_cost(sim.chips.get("mi300x"))
    assert set(cost.inputs) == set(INPUTS)
    for name, value in cost.inputs.items():
        assert value.source, name
        ends = [chip_cost(sim.chips.get("mi300x"), Manufacturing(**{name: x})).total.base
                for x in (value.low, value.high)]
        assert ends[0] != ends[1] or value.low == value.high, name


def test_low_is_where_all_goes_well():
    chip = sim.chips.get("a100-sxm-80gb")
    cost = chip_cost(chip)
    best = {name: (r.high if name in FALLING else r.low) for name, r in cost.inputs.items()}
    assert chip_cost(chip, Manufacturing(**best)).total.base == pytest.approx(cost.total.low)


def test_nodes_are_in_order():
    wafers = [NODES[n].wafer.base for n in ("28", "16", "7", "5", "3", "2")]
    density = [NODES[n].density.base for n in ("28", "16", "12", "10", "7", "6", "5", "4", "3", "2")]
    assert wafers == sorted(wafers) and density == sorted(density)
    assert all(n.wafer.source and n.defects.source and n.density.source for n in NODES.values())


def test_a_die_beyond_the_reticle_says_what_to_do():
    with pytest.raises(ArchsimError, match=r"replace\('die', count=2\)"):
        chip_cost(sim.chips.get("h100-sxm").replace(cores=264))


@pytest.mark.parametrize(("wrong", "says"), [
    ({"yield_model": "murphey"}, "did you mean 'murphy'"),
    ({"package_yield": 1.2}, "above 0 and at most 1"), ({"package_yield": 0}, "above 0"),
    ({"wafer_price": -1}, "at least 0"), ({"test": "much"}, "Range or float"), ({"test": True}, "number or a Range"),
    ({"wafer_prise": 1}, "did you mean 'wafer_price'"),
    ({"die_area": Range(0, 1, 2)}, "above 0"), ({"memory_price": float("nan")}, "at least 0"),
])
def test_assumptions_that_cannot_be(wrong, says):
    with pytest.raises(ArchsimError, match=says):
        Manufacturing(**wrong)


def test_what_is_missing_is_said():
    with pytest.raises(ArchsimError, match="has no die"):
        chip_cost(sim.chips.get("t-head-ppu"))
    with pytest.raises(ArchsimError, match="no base dies"):
        chip_cost(sim.chips.get("h100-sxm"), Manufacturing(base_wafer_price=9000))
    with pytest.raises(ArchsimError, match="takes Manufacturing"):
        chip_cost(sim.chips.get("h100-sxm"), {"test": 1})
    with pytest.raises(ArchsimError, match="known: dies, memory"):
        chip_cost(sim.chips.get("h100-sxm")).part("hbm")
    with pytest.raises(ArchsimError, match="did you mean 'N5'"):
        chip_cost(sim.chips.get("tpu-v4").replace(die=Die(process="TN5")))


def test_public_names_and_text():
    cost = sim.chip_cost(sim.chips.get("h100-sxm"))
    assert "USD to make" in str(cost) and "package yield loss" in str(cost)
    assert cost.to_dict()["parts"]["dies"]["unit"] == "USD"
    assert "matrix engines" in str(sim.area(sim.chips.get("h100-sxm")))
    assert any("wafer_price" in str(step) for step in cost.steps)
