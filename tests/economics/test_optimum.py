"""Designs of equal die area: they have it, hold the chip itself, and their optimum moves as the work does."""

import pytest

import archsim as sim
from archsim.economics import area, chain
from archsim.economics.optimum import KNOBS, Point, best, designs, explain, points, sram
from archsim.errors import UnsupportedError
from archsim.units import MiB

PHASES = {"prefill": {"batch": 1, "seq": 2048}, "decode": {"batch": 16, "context": 2048}}


def found(name: str) -> list[Point]:
    chip = sim.chips.get(name)
    model = sim.models.get("llama-3.1-8b")
    graphs = [sim.transformer(model, phase=p, **sizes) for p, sizes in PHASES.items()]
    return points(chain(chip), graphs, designs(chip))


@pytest.mark.parametrize("name", ["tpu-v5p", "h100-sxm", "trainium2"])
def test_all_have_the_area_of_the_chip(name: str) -> None:
    chip = sim.chips.get(name)
    whole = area(chip).computed
    assert whole is not None
    made = designs(chip)
    assert {d.knob for d in made} == set(KNOBS)
    for d in made:
        mine = area(d.chip).computed
        assert mine is not None
        assert mine.base == pytest.approx(whole.base, rel=1e-3), d.label
        assert sram(d.chip) >= 0.25 * MiB
        if d.knob == "array":
            assert d.chip.peak() == pytest.approx(chip.peak(), rel=0.02), "as many MACs"
    for knob in KNOBS:
        mine = [d for d in made if d.knob == knob]
        assert chip in [d.chip for d in mine]
        xs = [d.x for d in mine]
        assert xs == sorted(xs)
        assert len(set(xs)) == len(xs)


def test_prefill_wants_arrays_and_decode_wants_memory() -> None:
    points_ = found("tpu-v5p")
    stacks = {phase: best(points_, "HBM", phase) for phase in PHASES}
    assert stacks["prefill"] is not None
    assert stacks["decode"] is not None
    assert stacks["prefill"].design.x < stacks["decode"].design.x
    assert stacks["prefill"].run.bound == "matrix"
    assert stacks["decode"].run.bound == "hbm"
    text = explain(points_, "HBM", list(PHASES))
    assert "prefill" in text
    assert "bound by hbm" in text


def test_dollars_of_a_point_are_those_of_its_run() -> None:
    of = chain(sim.chips.get("tpu-v5p"))
    for p in found("tpu-v5p"):
        cost = sim.cost(p.run, of.assumptions(of.values), price=p.price)
        assert p.usd_per_pflop == pytest.approx(cost.usd_per_pflop_achieved)


def test_a_roofline_has_nothing_to_trade() -> None:
    with pytest.raises(UnsupportedError, match="known by its peaks alone"):
        designs(sim.chips.get("maia-100"))
