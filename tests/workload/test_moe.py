"""Routing of tokens to experts: rows per expert, experts touched, capacity, and what the graph makes of it."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import models
from archsim.errors import ArchsimError
from archsim.workload import Routing, transformer
from archsim.workload.moe import SAMPLE, expected_touched
from archsim.workload.ops import Elementwise, GroupedMatMul, MatMul


def naive_touched(tokens: int, experts: int, top_k: int) -> float:
    """Average the number of experts touched over every way in which tokens can choose."""
    ways = list(itertools.combinations(range(experts), top_k))
    all_choices = list(itertools.product(ways, repeat=tokens))
    return sum(len({e for way in choice for e in way}) for choice in all_choices) / len(all_choices)


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(1, 4, 2), (2, 4, 2), (3, 4, 1), (4, 5, 2), (3, 6, 3)])
def test_experts_touched_on_average(tokens: int, experts: int, top_k: int) -> None:
    assert expected_touched(tokens, experts, top_k) == pytest.approx(naive_touched(tokens, experts, top_k))


@st.composite
def layers(draw: st.DrawFn) -> tuple[int, int, int]:
    experts = draw(st.integers(1, 64))
    return draw(st.integers(1, 300)), experts, draw(st.integers(1, experts))


routings = st.one_of(
    st.just(Routing()), st.just(Routing("balanced")),
    st.builds(lambda alpha, seed: Routing("power", alpha=alpha, seed=seed), st.floats(0, 3), st.integers(0, 99)),
)


@given(layers(), routings)
def test_every_token_meets_its_experts_once(layer: tuple[int, int, int], routing: Routing) -> None:
    tokens, experts, top_k = layer
    rows = routing.demand(tokens, experts, top_k)
    assert len(rows) == experts
    assert sum(rows) == tokens * top_k
    assert 0 <= min(rows) <= max(rows) <= tokens, "the k experts of a token differ"
    assert top_k <= sum(r > 0 for r in rows)
    assert rows == routing.demand(tokens, experts, top_k), "deterministic"


def test_uniform_touches_as_many_as_on_average() -> None:
    rows = Routing().demand(64, 256, 8)
    assert sum(r > 0 for r in rows) == round(256 * (1 - (1 - 8 / 256) ** 64)) == 222
    assert set(rows) == {0, 2, 3}
    assert sum(r > 0 for r in Routing("balanced").demand(64, 256, 8)) == 256
    assert sum(r > 0 for r in Routing().demand(1, 256, 8)) == 8


def test_drawn_choices_scatter_about_the_average() -> None:
    counts = [sum(r > 0 for r in Routing("power", seed=seed).demand(64, 256, 8)) for seed in range(20)]
    assert abs(sum(counts) / 20 - expected_touched(64, 256, 8)) < 3
    assert len(set(counts)) > 1


def test_a_power_law_favours_the_first() -> None:
    rows = Routing("power", alpha=1.0).demand(4096, 16, 1)
    weights = [1 / (e + 1) for e in range(16)]
    for e in (0, 1, 3, 15):
        share = 4096 * weights[e] / sum(weights)
        assert abs(rows[e] - share) < 5 * math.sqrt(share)
    steep, flat = (Routing("power", alpha=a).demand(4096, 64, 4) for a in (1.5, 0.5))
    assert max(steep) > max(flat)


def test_a_long_step_repeats_the_load_of_a_short_one() -> None:
    short = Routing("power", alpha=1.0, seed=3).demand(SAMPLE, 32, 4)
    assert Routing("power", alpha=1.0, seed=3).demand(5 * SAMPLE, 32, 4) == tuple(5 * r for r in short)


def test_a_given_load_is_scaled() -> None:
    routing = Routing("given", load=(30, 10, 0, 0))
    assert routing.demand(100, 4, 1) == (75, 25, 0, 0)
    assert routing.demand(1, 4, 1) == (1, 0, 0, 0)
    with pytest.raises(ArchsimError, match="sends 150 rows to one expert, but each of 100 tokens meets 2 different"):
        routing.demand(100, 4, 2)
    with pytest.raises(ArchsimError, match="4 figures, the layer 8 experts"):
        routing.demand(100, 8, 1)


def test_capacity_drops_and_pads() -> None:
    load = (60, 20, 10, 10)
    assert Routing("given", load=load, capacity_factor=1.25).rows(100, 4, 1) == ((32, 20, 10, 10), 72)
    assert Routing("given", load=load, capacity_factor=1.25, pad=True).rows(100, 4, 1) == ((32, 32, 32, 32), 72)
    assert Routing("given", load=load).rows(100, 4, 1, capacity_factor=2.0) == ((50, 20, 10, 10), 90), "the model's"
    assert Routing("given", load=load, capacity_factor=4.0).rows(100, 4, 1, capacity_factor=1.0) == (load, 100)


def test_the_graph_runs_what_was_routed() -> None:
    model = models.get("mixtral-8x7b")
    graph = transformer(model, seq=100, routing=Routing("given", load=(2, 1, 1, 1, 1, 1, 1, 0)))
    up = graph.nodes["experts_up"]["op"]
    assert up.groups == (50, 25, 25, 25, 25, 25, 25, 0)
    assert (up.rows, up.touched) == (200, 7)
    assert up.b_bytes == 7 * 4096 * 2 * 14336 * 2, "weights of the expert without tokens are not read"
    assert up.parameters == 8 * 4096 * 2 * 14336
    assert graph.nodes["dispatch"]["op"].rows == graph.nodes["combine"]["op"].rows == 200
    for edge in [("mlp_norm", "router"), ("router", "route"), ("route", "dispatch"), ("mlp_norm", "dispatch"),
                 ("dispatch", "experts_up"), ("experts_down", "combine"), ("route", "combine")]:
        assert graph.has_edge(*edge)
    assert graph.nodes["router"]["op"].out_dtype == "fp32"


def test_decode_reads_the_experts_that_its_tokens_touch() -> None:
    graph = transformer(models.get("deepseek-v3"), phase="decode", batch=4, context=128)
    up = graph.nodes["decoder.1.experts_up"]["op"]
    assert (up.rows, up.touched) == (32, round(expected_touched(4, 256, 8)))
    assert graph.nodes["decoder.1.shared_gate_up_proj"]["op"].m == 4


def test_padding_is_computed_and_is_no_work() -> None:
    padded = transformer(models.get("mixtral-8x7b"), seq=100, routing=Routing(capacity_factor=2.0, pad=True))
    plain = transformer(models.get("mixtral-8x7b"), seq=100)
    op = padded.nodes["experts_down"]["op"]
    assert op.groups == (50,) * 8
    assert op.flops == plain.nodes["experts_down"]["op"].flops == op.executed_flops / 2


sizes = st.lists(st.integers(0, 30), min_size=1, max_size=9).filter(any)


@given(sizes, st.integers(1, 20), st.integers(1, 20), st.booleans(), st.booleans(),
       st.sampled_from(["bf16", "int4_g32"]))
def test_experts_products_are_their_members(
    groups: list[int], n: int, k: int, bias: bool, wgrad: bool, b_dtype: str
) -> None:
    op = GroupedMatMul(groups=tuple(groups), n=n, k=k, bias=bias and not wgrad, wgrad=wgrad,
                       b_dtype="" if wgrad else b_dtype)
    members = op.members
    assert sum(count for count, _ in members) == op.touched
    for what in ("flops", "vector_ops", "read_bytes", "write_bytes"):
        assert sum(count * getattr(one, what) for count, one in members) == pytest.approx(getattr(op, what)), what
    for chips in (1, 2, 3, 7):
        assert op.shard(chips).flops <= op.flops <= op.shard(chips).flops * chips
        assert op.shard(chips).bytes * chips >= op.bytes * 0.999


def test_experts_epilogue_is_shared_out() -> None:
    gate = Elementwise(elements=30 * 8, inputs=2, ops=3, exps=2)
    op = GroupedMatMul(groups=(10, 0, 20), n=16, k=4, epilogue=(gate,))
    assert op.write_bytes == 2 * 30 * 8
    assert sum(c * one.vector_ops for c, one in op.members) == op.vector_ops == gate.vector_ops
    assert isinstance(op.members[0][1], MatMul)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Routing("unifrom"), "unknown routing 'unifrom': did you mean 'uniform'"),
        (lambda: Routing("power", alpha=-1), "Routing.alpha must be a number of at least 0"),
        (lambda: Routing("power", alpha=math.nan), "Routing.alpha must be a number"),
        (lambda: Routing("power", seed=-1), "Routing.seed must be"),
        (lambda: Routing("given"), "goes with kind 'given'"),
        (lambda: Routing("given", load=(0, 0)), "one is above 0"),
        (lambda: Routing(load=(1,)), "goes with kind 'given'"),
        (lambda: Routing("given", load=3), "a figure per expert, not 3"),
        (lambda: Routing("given", load=("a",)), r"Routing.load\[0\] must be a number"),
        (lambda: Routing(capacity_factor=0), "capacity_factor must be above 0"),
        (lambda: Routing(pad=1), "Routing.pad must be True or False"),
        (lambda: Routing(pad=True).rows(4, 2, 1), "pad needs a capacity_factor"),
        (lambda: Routing.parse("pow"), "unknown routing 'pow'"),
        (lambda: Routing.parse("power"), "write power:ALPHA"),
        (lambda: Routing.parse("power:x"), "write power:ALPHA"),
        (lambda: Routing.parse("power:-2"), "Routing.alpha must be"),
        (lambda: Routing.parse("balanced:3"), "takes no figures"),
        (lambda: Routing.parse("given:1"), "use archsim.Routing"),
        (lambda: GroupedMatMul(groups=(), n=1, k=1), "tuple of rows per expert"),
        (lambda: GroupedMatMul(groups=[1], n=1, k=1), "tuple of rows per expert"),
        (lambda: GroupedMatMul(groups=(0, 0), n=1, k=1), "together must be from 1"),
        (lambda: GroupedMatMul(groups=(3, -1), n=1, k=1), r"groups\[1\] must be from 1"),
        (lambda: GroupedMatMul(groups=(3,), n=1, k=1, split="m"), "must be 'n' or 'k'"),
        (lambda: GroupedMatMul(groups=(3,), n=1, k=1, useful=4), "useful = 4 exceeds the rows = 3"),
    ],
)
def test_wrong_routings_are_named(make: object, says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        make()  # type: ignore[operator]


def test_words_for_routings() -> None:
    assert Routing.parse("uniform") == Routing()
    assert Routing.parse("power:1.5") == Routing("power", alpha=1.5)
    assert Routing.parse("power:1:7") == Routing("power", alpha=1.0, seed=7)
