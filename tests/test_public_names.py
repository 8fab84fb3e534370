"""The names of `archsim` itself: wrong kinds of arguments are errors for people, numbers of numpy are numbers."""

import numpy as np
import pytest

import archsim as sim

CHIP = sim.chips.get("tpu-v5p")
MODEL = sim.models.get("llama-3.1-8b")

WRONG = [None, 3, -1.5, "", b"x", [], {}, object(), np.int64(4)]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: repr(x)[:12])
@pytest.mark.parametrize("name", ["simulate", "cost", "table", "transformer", "check", "area", "chip_cost",
                                  "block_diagram", "scatter", "validate"])
def test_wrong_arguments_are_said(name, wrong):
    call = getattr(sim, name)
    with pytest.raises(sim.ArchsimError):
        call(wrong, CHIP) if name == "simulate" else call(wrong)


@pytest.mark.parametrize("wrong", [None, 3, "", object()], ids=lambda x: repr(x)[:12])
def test_wrong_paths_are_said(wrong):
    run = sim.simulate(sim.transformer(MODEL, seq=16), CHIP)
    for call in (run.to_json, sim.models.read, sim.graph.load, lambda path: sim.graph.save(sim.graph.new(), path)):
        with pytest.raises(sim.ArchsimError):
            call(wrong)


@pytest.mark.parametrize("number", [np.int64, np.int32, np.float32, np.float64])
def test_numbers_of_numpy_are_numbers(number):
    assert CHIP.replace("core.array", rows=number(256)) == CHIP.replace("core.array", rows=256)
    assert sim.Range(number(1), number(2), number(3)) == sim.Range(1, 2, 3)
    run = sim.simulate(sim.transformer(MODEL, batch=number(2), seq=number(16)), CHIP)
    assert sim.cost(run, price=number(6000)) == sim.cost(run, price=6000)


def test_lengths_may_be_an_array():
    listed = sim.transformer(MODEL, phase="decode", context=[5, 6, 7])
    assert sim.transformer(MODEL, phase="decode", context=np.array([5, 6, 7])).graph == listed.graph


@pytest.mark.parametrize("name", [n for n in dir(sim) if n != "__version__"])
def test_every_public_name_is_documented(name):
    assert len(getattr(sim, name).__doc__) > 60
