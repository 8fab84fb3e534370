"""Break-even of a design of one's own: the volume at which its savings equal what it cost to design."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim as sim
from archsim.economics import Range, breakeven, chain, nre
from archsim.economics.breakeven import volume
from archsim.economics.process import NODES
from archsim.errors import ArchsimError

POSITIVE = st.floats(0.01, 1e6)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_at_the_volume_both_have_spent_the_same(once: float, own: float, bought: float, work: float) -> None:
    chips = volume(once, own, bought, work)
    if own >= bought:
        assert math.isinf(chips)
        return
    assert once + chips * work * own == pytest.approx(chips * work * bought, rel=1e-6)
    assert volume(2 * once, own, bought, work) == pytest.approx(2 * chips)
    assert volume(once, own, bought * 1.1, work) < chips


def test_nre_rises_as_nodes_shrink() -> None:
    totals = [nre(nm).total.base for nm in (28, 16, 7, 5, 3)]
    assert totals == sorted(totals)
    # IBS: 297 million USD of design at 7 nm, 540 at 5 nm; Gartner: 120 to 420 at 7 nm
    assert nre(7).design.low <= 297e6 <= nre(7).design.high == 420e6
    assert nre(5).design.high == 540e6
    assert nre(7).masks.low == 10e6
    assert nre("N5") == nre(5)
    assert nre(4).design == nre(5).design
    for name in NODES:
        assert nre(name).total.low > 0
    assert nre(5, software=Range.exactly(0)).total.base == nre(5).masks.base + nre(5).design.base


@pytest.mark.parametrize("bad", [0, -5, "N", True, "-5"])
def test_a_bad_node(bad: object) -> None:
    with pytest.raises(ArchsimError, match="nanometres"):
        nre(bad)  # type: ignore[arg-type]


def test_of_two_chips() -> None:
    model = sim.models.get("llama-3.1-70b")
    chips = {n: sim.chips.get(n) for n in ("trainium2", "h100-sxm")}
    graph = sim.transformer(model, phase="decode", batch=64, context=4096)
    runs = {n: sim.simulate(graph, c) for n, c in chips.items()}
    own, bought = (chain(c) for c in chips.values())
    found = breakeven(own, runs["trainium2"], bought, runs["h100-sxm"], nre(5))
    assert 0 < found.low < found.base < found.high
    # by hand: what one chip saves in its life
    rate = runs["trainium2"].tokens_per_s / runs["trainium2"].chips
    hours = 4 * 8760 * 0.95 * 0.60
    saved = (found.bought_usd_per_mtoken - found.own_usd_per_mtoken) * rate * hours * 3600 / 1e6
    assert found.base == pytest.approx(nre(5).total.base / saved)
    assert found.to_dict()["base"] == found.base
    other_way = breakeven(bought, runs["h100-sxm"], own, runs["trainium2"], nre(5))
    assert math.isinf(other_way.base)
    assert other_way.to_dict()["base"] is None
    prefill = sim.simulate(sim.transformer(model, phase="prefill", batch=1, seq=1024), chips["h100-sxm"])
    with pytest.raises(ArchsimError, match="the same work"):
        breakeven(own, runs["trainium2"], bought, prefill, nre(5))
