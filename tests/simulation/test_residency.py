"""What L2 holds from one operator to the next, and from one step to the next."""

from dataclasses import replace

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, graph, models, ops, simulate, transformer
from archsim.simulation.residency import residency
from archsim.timing import COLD, Warm
from archsim.units import MB, MiB
from archsim.workload.contract import execution_order

GPU = chips.get("h100-sxm")


def pair(mib: int) -> nx.DiGraph:
    """Two products of `mib` MiB of activations each; 32 MiB of weights each."""
    rows = mib * 2**20 // 2 // 4096
    g = graph.new("pair", tokens=rows)
    up = graph.add(g, "up", ops.MatMul(m=rows, n=4096, k=4096, weights=True))
    graph.add(g, "down", ops.MatMul(m=rows, n=4096, k=4096, weights=True), up)
    return g


def test_a_result_is_near_when_its_reader_follows() -> None:
    warm = residency(["up", "down"], pair(4), GPU, 1)
    assert warm["down"] == Warm(inputs=1.0)  # 4 MiB just written; 72 MiB per step leave no weights in 50 MiB
    assert warm["up"] == COLD  # its input is no operator's of this step


def test_a_result_larger_than_the_cache_is_not() -> None:
    assert residency(["up", "down"], pair(128), GPU, 1)["down"] == COLD


def test_a_step_that_fits_finds_everything_again() -> None:
    large = GPU.replace("cache", capacity=256 * MiB)
    assert residency(["up", "down"], pair(4), large, 1) == {n: Warm(1.0, 1.0) for n in ("up", "down")}
    assert residency(["up", "down"], pair(4), GPU, 4)["up"] == Warm(1.0, 1.0)  # 18 MiB on each of four chips


def test_of_a_result_that_nearly_fits_its_reader_finds_what_it_comes_to_in_time() -> None:
    """40 MiB written, then read beside 32 MiB of weights and 40 MiB of results: all but 10 of these 72 are too many."""
    warm = residency(["up", "down"], pair(40), GPU, 1)
    assert warm["down"].inputs == pytest.approx(10 / 72)


def test_the_largest_level_says_what_is_held() -> None:
    """Of L2s beside dies and a cache behind all of them, the latter; a small one behind a large one changes nothing."""
    amd = chips.get("mi300x")
    assert amd.cache is not None and amd.cache.beyond is not None
    assert amd.cache.capacity < 64 * MiB < amd.cache.beyond.capacity
    assert residency(["up", "down"], pair(64), amd, 1)["down"].inputs == 1.0
    alone = amd.replace("cache", beyond=None)
    assert residency(["up", "down"], pair(64), alone, 1)["down"] == COLD
    small = alone.replace("cache", capacity=256 * MiB, beyond=replace(amd.cache.beyond, capacity=1 * MiB))
    assert residency(["up", "down"], pair(64), small, 1)["down"].inputs == 1.0


def test_what_runs_in_between_evicts() -> None:
    g = pair(4)
    graph.add(g, "join", ops.Elementwise(elements=512 * 4096, inputs=2.0, name="add"), "up", "down")
    warm = residency(list(g), g, GPU.replace("cache", capacity=30 * MiB), 1)
    assert warm["join"].inputs == pytest.approx(0.5)  # down's result is near, up's is 44 MiB away


def test_scratchpads_hold_what_software_puts_there() -> None:
    tpu = chips.get("tpu-v4")
    assert set(residency(["up", "down"], pair(4), tpu, 1).values()) == {COLD}


@given(st.floats(1, 400), st.floats(1, 4), st.sampled_from(["llama-3.1-8b", "gpt2", "mixtral-8x7b"]),
       st.sampled_from([1, 16]))
def test_a_larger_cache_holds_no_less(mb: float, factor: float, model: str, batch: int) -> None:
    g = transformer(models.get(model), phase="decode", batch=batch, context=512)
    order = execution_order(g)
    small, large = (residency(order, g, GPU.replace("cache", capacity=c * MB), 1) for c in (mb, mb * factor))
    for node in order:
        assert 0.0 <= small[node].inputs <= large[node].inputs <= 1.0
        assert small[node].weights <= large[node].weights


def test_a_run_moves_fewer_bytes_than_its_operators_alone() -> None:
    run = simulate(transformer(models.get("llama-3.1-8b"), phase="decode", batch=8, context=512), GPU)
    cold = sum(o.op.bytes * o.repeat for o in run.ops)
    assert 0.9 * cold < run.hbm_bytes < cold


@pytest.mark.parametrize("name", ["a100-sxm-40gb", "h100-sxm", "b200", "l40s", "mi300x"])
@pytest.mark.parametrize(("phase", "sizes"), [("decode", {"context": 512}), ("prefill", {"seq": 512}),
                                              ("train", {"seq": 512})])
def test_no_operator_of_a_run_moves_more_than_memory_can(name: str, phase: str, sizes: dict[str, int]) -> None:
    """Shares of a hundredth lie in L2 in part: what is reported must be what came from device memory."""
    chip = chips.get(name)
    chip = chip.replace("memory", bandwidth=chip.memory.bandwidth / 4)
    run = simulate(transformer(models.get("llama-3.1-70b"), phase=phase, batch=2, **sizes), chip, chips=100)
    for o in run.ops:
        assert o.time.hbm_bytes <= o.time.seconds * chip.memory.bandwidth * (1 + 1e-9), o.name


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_lies_between_nothing_and_all(share: float) -> None:
    with pytest.raises(Exception, match=r"Warm.inputs is a share between 0 and 1"):
        replace(COLD, inputs=share)
