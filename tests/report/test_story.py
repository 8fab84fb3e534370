"""The sentences follow from the numbers."""

from archsim.report.quantity import sig
from archsim.report.story import findings


def test_the_cheapest_is_named_with_the_reason(prefill, decode, price):
    runs = [*prefill, *decode]
    costs = [price(r) for r in runs]
    said = findings(runs, costs)
    assert len(said) == 3
    for phase, sentence in zip(("prefill", "decode"), said[:2], strict=True):
        mine = [c for r, c in zip(runs, costs, strict=True) if c and r.workload["phase"] == phase]
        best = min(mine, key=lambda c: c.usd_per_mtoken)
        assert sentence.startswith(f"Cheapest {phase} token: {best.chip}, ${sig(best.usd_per_mtoken)} per million")
    assert "bandwidth per dollar decides decode" in said[2]


def test_the_reason_multiplies_out(prefill, price):
    first, second = (price(r) for r in prefill[:2])
    hour = first.usd_per_chip_hour / second.usd_per_chip_hour
    speed = prefill[0].tokens_per_s / prefill[1].tokens_per_s
    assert abs(first.usd_per_mtoken / second.usd_per_mtoken - hour / speed) < 1e-9


def test_without_prices_the_fastest_is_named_and_nothing_is_called_cheap(prefill, decode):
    said = findings([*prefill, *decode], [None] * 6)
    assert len(said) == 3
    for phase, runs, sentence in zip(("prefill", "decode"), (prefill, decode), said[:2], strict=True):
        best = max(runs, key=lambda r: r.tokens_per_s)
        assert sentence.startswith(f"Fastest {phase}: {best.chip.name}, {sig(best.tokens_per_s)} tokens/s per chip")
        assert "$" not in sentence
    assert "bound by matrix engine, at" in said[0]
    assert "bound by HBM, moving" in said[1]


def test_a_single_price_is_said_with_what_bounds_the_run(prefill, price):
    cost = price(prefill[0])
    for runs, costs in (([prefill[0]], [cost]), ([prefill[0], prefill[2]], [cost, None])):
        (said,) = findings(runs, costs)
        usd = sig(cost.usd_per_mtoken)
        assert said.startswith(f"Prefill on fat: ${usd} per million tokens, bound by matrix engine")


def test_one_chip_without_a_price(decode):
    assert findings(decode[2:], [None])[0].startswith("Decode on secret: ")


def test_a_graph_without_a_phase(norms, price):
    assert findings(norms, [price(r) for r in norms])[0].startswith("Cheapest token: ")
