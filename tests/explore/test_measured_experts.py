"""Who gets which tokens in a measured layer of experts, against the collectors' rules written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import UnsupportedError
from archsim.explore.measured_experts import PLAIN, _power_law, _rank, experts
from archsim.explore.measured_table import BadRowError
from archsim.workload.ops import GroupedMatMul, Quantize, Route, Scatter

shapes = st.tuples(st.integers(1, 300), st.integers(1, 6), st.integers(0, 5)).map(
    lambda s: {"tokens": s[0], "experts": 2 ** (s[2] + 3), "topk": s[1], "hidden": 256, "inter": 512})
ranks = st.sampled_from([1, 2, 4, 8])


def balanced(tokens: int, count: int, topk: int) -> list[list[int]]:
    """balanced_logits of collector/helper.py, token by token."""
    stride = math.ceil(count / topk)
    if tokens >= stride:
        return [[(t + j * stride) % count for j in range(topk)] for t in range(tokens)]
    return [[int((t * stride / tokens + j * stride) % count) for j in range(topk)] for t in range(tokens)]


def size_of(s: dict[str, int]) -> tuple[int, int, int]:
    return s["tokens"], s["experts"], s["topk"]


@given(shapes, ranks)
def test_a_rank_without_a_framework_gets_what_is_its_own(s: dict[str, int], ep: int) -> None:
    own = s["experts"] // ep
    choices = [e for token in balanced(*size_of(s)) for e in token if e < own]
    got = _rank({"distribution": "balanced"}, s, ep, "")
    if choices:
        assert list(got.groups) == [choices.count(e) for e in range(own)]
        assert got.pairs == len(choices)
    else:
        assert sum(got.groups) == 1, "a kernel runs all the same"


@given(shapes, ranks)
def test_vllm_gives_all_tokens_to_a_rank_and_skips_choices_of_others(s: dict[str, int], ep: int) -> None:
    own = s["experts"] // ep
    choices = [e for token in balanced(*size_of(s)) for e in token if e < own]
    got = _rank({"framework": "vllm"}, s, ep, "vllm")
    assert got.tokens == s["tokens"]
    assert got.pairs == s["tokens"] * s["topk"]
    if choices:
        assert list(got.groups) == [choices.count(e) for e in range(own)]


@given(shapes, st.sampled_from([2, 4, 8]))
def test_sglang_gives_choices_of_other_ranks_to_the_first_expert(s: dict[str, int], ep: int) -> None:
    own = s["experts"] // ep
    meet = [token for token in balanced(*size_of(s)) if any(e < own for e in token)]
    got = _rank({"framework": "sglang", "version": "0.5.10"}, s, ep, "sglang")
    for later in ({"version": "0.5.14"}, {"version": "1.0.dev3"}, {}):
        assert _rank({"framework": "sglang", **later}, s, ep, "sglang") == _rank({}, s, ep, "vllm")
        hidden, inter = PLAIN[0]
        plain = {**s, "hidden": hidden, "inter": inter}
        assert _rank({"framework": "sglang", **later}, plain, ep, "sglang") == got
    if meet:
        assert got.tokens == len(meet)
        first = sum(e == 0 or e >= own for token in meet for e in token)
        assert got.groups[0] == first
        assert sum(got.groups) == got.pairs == len(meet) * s["topk"]
    library = _rank({"framework": "sglang", "kernel": "sglang_flashinfer_cutlass_moe"}, s, ep, "sglang")
    assert sum(library.groups) == max(1, sum(e < own for token in meet for e in token)), "a library leaves them out"


@given(shapes, ranks, st.sampled_from([0.8, 1.0, 1.01, 1.2]))
def test_power_law_loads(s: dict[str, int], ep: int, alpha: float) -> None:
    tokens, count, topk = size_of(s)
    loads = _power_law(tokens, count, topk, alpha, ep)
    assert len(loads) == count
    assert loads.sum() == tokens * topk
    assert 0 <= loads.min() <= loads.max() <= tokens
    own = count // ep
    assert loads[:own].sum() >= max(loads[i:i + own].sum() for i in range(0, count, own)), "the busiest rank"
    got = _rank({"distribution": f"power_law_{alpha}", "framework": "vllm"}, s, ep, "vllm")
    assert sum(got.groups) == max(1, loads[:own].sum())


def test_a_steeper_law_spreads_loads_further() -> None:
    spread = [np.std(_power_law(4096, 64, 8, alpha, 1)) for alpha in (0.5, 1.0)]
    assert np.std(_power_law(4096, 64, 8, 1.2, 1)) > spread[0]


SIZE = {"tokens": 64, "experts": 32, "topk": 4, "hidden": 256, "inter": 512}


def test_kernels_of_a_layer() -> None:
    ops = experts({"framework": "sglang", "tp": "2"}, 1, SIZE, "bf16")
    up, down = (op for op in ops if isinstance(op, GroupedMatMul))
    assert (up.n, up.k, down.n, down.k) == (512, 256, 256, 256), "half of the width, gate and value"
    assert up.tile == (64, 64, 64), "more tokens than experts"
    assert isinstance(ops[0], Route)
    assert isinstance(ops[-1], Scatter)
    few = experts({"framework": "sglang"}, 1, {**SIZE, "tokens": 8}, "bf16")
    assert {op.tile for op in few if isinstance(op, GroupedMatMul)} == {(16, 32, 128)}
    eight = experts({"framework": "sglang"}, 1, SIZE, "fp8_block")
    assert [op.cols for op in eight if isinstance(op, Quantize)] == [256, 512]
    assert {op.tile for op in eight if isinstance(op, GroupedMatMul)} == {(64, 128, 128)}
    tuned = experts({"framework": "vllm"}, 1, SIZE, "bf16")
    assert not any(isinstance(op, Route) for op in tuned)
    assert {op.tile for op in tuned if isinstance(op, GroupedMatMul)} == {None}


def test_experts_without_a_gate_have_half_of_the_products_up() -> None:
    size = {**SIZE, "hidden": 2688, "inter": 1856}
    for framework, columns in (("vllm", 1856), ("sglang", 2 * 1856)):
        up = next(op for op in experts({"framework": framework}, 1, size, "bf16") if isinstance(op, GroupedMatMul))
        assert up.n == columns


def test_what_cannot_be_meant_is_named() -> None:
    with pytest.raises(BadRowError, match="line 7"):
        experts({"distribution": "lopsided"}, 7, SIZE, "bf16")
    for bad in ("power_law_x", "power_law_nan", "power_law", "power", "uniform", "a_power_law_1.2"):
        with pytest.raises(BadRowError, match=f"line 7: unknown distribution '{bad}'.* power_law_ALPHA"):
            experts({"distribution": bad}, 7, SIZE, "bf16")
    for bad in ("power_law_-1", "power_law_99"):
        with pytest.raises(BadRowError, match="line 7: the power of a distribution is between 0 and 10"):
            experts({"distribution": bad}, 7, SIZE, "bf16")
    with pytest.raises(BadRowError, match="line 7: topk = 33 of 32 experts"):
        experts({}, 7, {**SIZE, "topk": 33}, "bf16")
    with pytest.raises(BadRowError, match="line 7: ep = 64 ranks for 32 experts"):
        experts({"ep": "64"}, 7, SIZE, "bf16")
    with pytest.raises(UnsupportedError, match="at most 1,048,576 tokens"):
        experts({"distribution": "power_law_1.2"}, 7, {**SIZE, "tokens": 2**21}, "bf16")


def test_the_router_counts_where_sglang_calls_its_layer() -> None:
    """Of one rank always; of several, from 0.5.14 on, but for models whose router is a softmax and nothing else."""
    plain = {**SIZE, "hidden": PLAIN[0][0], "inter": PLAIN[0][1]}
    for version, size, ep, names in (
        ("0.5.10", SIZE, 1, ["route", "copy", "copy", "copy"]), ("0.5.14", SIZE, 1, ["route"]),
        ("0.5.14", plain, 1, ["route", "copy", "copy", "copy"]), ("0.5.10", SIZE, 2, ["clamp"]),
        ("0.5.14", plain, 2, ["clamp"]), ("0.5.14", SIZE, 2, ["route", "mark"]),
    ):
        ops = experts({"framework": "sglang", "version": version, "ep": str(ep)}, 1, size, "bf16")
        found = [getattr(op, "name", op.kind) for op in ops]
        assert found[: found.index("fill")] == names
