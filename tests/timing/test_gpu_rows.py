"""GPU row operators: how kernels are cut into blocks, what they wait for, and what L2 saves."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips
from archsim.dtypes import SCALED
from archsim.hardware import Chip, GpuCore
from archsim.timing import Warm, gpu
from archsim.timing.gpu_rows import cut
from archsim.workload.ops import (
    Elementwise,
    Gather,
    Norm,
    Op,
    Quantize,
    Route,
    Scatter,
    Softmax,
    Sort,
    Stream,
    Transpose,
)
from tests.timing.test_gpu import chip

CORE = chip().core
assert isinstance(CORE, GpuCore)

dims = st.integers(1, 20000)
rows = st.one_of(
    st.builds(Norm, rows=dims, cols=dims, residual=st.booleans(), access=st.sampled_from([None, 2])),
    st.builds(Softmax, rows=dims, cols=dims),
    st.builds(Quantize, rows=dims, cols=dims, out_dtype=st.sampled_from(["fp8", "fp8_tile", "int8"]),
              dynamic=st.booleans()),
    st.builds(Elementwise, elements=st.integers(1, 10**9), inputs=st.sampled_from([1.0, 2.0, 300.0]),
              exps=st.sampled_from([0.0, 2.0]), cols=st.sampled_from([None, 1000]), access=st.sampled_from([None, 8])),
    st.builds(Gather, rows=dims, cols=dims, entries=dims),
    st.builds(Scatter, rows=dims, cols=dims, entries=dims, weighted=st.booleans()),
    st.builds(Transpose, rows=dims, cols=dims),
    st.builds(Route, rows=dims, experts=st.integers(8, 512), top_k=st.integers(1, 8)),
)
shares = st.floats(0, 1)
machines = st.sampled_from(["a100-sxm-80gb", "h100-sxm", "l40s", "mi300x"]).map(chips.get)


@given(rows, machines, shares, shares)
def test_cold_is_never_faster_than_warm_and_no_data_are_free(op: Op, on: Chip, inputs: float, output: float) -> None:
    cold, warm = gpu.time(op, on), gpu.time(op, on, Warm(inputs=inputs, output=output))
    assert warm.seconds <= cold.seconds * (1 + 1e-9)
    assert warm.hbm_bytes <= cold.hbm_bytes
    assert op.bytes * (1 - 1e-9) <= cold.hbm_bytes <= 3 * op.bytes, "some rows outgrow the caches between passes"
    assert cold.seconds >= op.bytes / on.memory.bandwidth
    assert warm.seconds >= on.core.launch  # type: ignore[union-attr]
    assert 0 < warm.utilization <= 1


@given(rows, machines)
def test_every_element_has_a_thread(op: Op, on: Chip) -> None:
    b = cut(op, on)  # type: ignore[arg-type]
    assert 1 <= b.threads <= 1024
    assert b.blocks >= 1
    if isinstance(op, Norm | Softmax):
        assert b.blocks * b.threads * b.turns * b.elements >= op.rows * op.cols, "all of the rows"
        assert (b.turns - 1) * b.elements * b.threads < op.cols, "and no turn for nothing"


@given(rows, machines, st.floats(1.05, 3))
def test_wider_machines_are_never_slower(op: Op, on: Chip, factor: float) -> None:
    before = gpu.time(op, on).seconds * (1 + 1e-9)
    core = on.core
    assert isinstance(core, GpuCore)
    for changed in (
        {"fp32_lanes": round(core.fp32_lanes * factor)}, {"load_lanes": round(core.load_lanes * factor)},
        {"int_lanes": round(core.int_lanes * factor)}, {"sfu": core.sfu * factor},
        {"dispatch": core.dispatch * factor}, {"launch": core.launch / factor}, {"loop": core.loop / factor},
        {"reduction": core.reduction / factor}, {"address_ops": core.address_ops / factor},
        {"sfu_ops": core.sfu_ops / factor}, {"issue_lanes": round(core.issue_lanes * factor)},
    ):
        assert gpu.time(op, on.replace("core", **changed)).seconds <= before, changed


def test_small_row_operators_cost_a_launch() -> None:
    on = chip()
    t = gpu.time(Elementwise(elements=64), on)
    assert t.bound == "launch"
    assert t.seconds == pytest.approx(1.25e-6 + on.memory.latency, rel=0.15), "a launch from L2, and device memory"
    warm = gpu.time(Elementwise(elements=64), on, Warm(inputs=1.0))
    assert warm.seconds < t.seconds - 0.8 * (on.memory.latency - 150e-9)
    assert gpu.time(Elementwise(elements=10**9), on).bound == "hbm"


def test_a_row_in_loads_of_one_element_takes_a_turn_for_each_1024() -> None:
    on = chip()
    one = [gpu.time(Norm(rows=1, cols=1024 * turns, access=2), on).seconds for turns in (1, 16)]
    assert one[1] - one[0] > 15 * on.memory.latency * 0.9, "16 turns of a latency against one"
    assert "16 turns" in gpu.time(Norm(rows=1, cols=16384, access=2), on).plan
    wide = gpu.time(Norm(rows=1, cols=16384), on)
    assert wide.seconds < 0.4 * one[1], "eight elements per load"
    assert gpu.time(Norm(rows=1, cols=16383), on).seconds > 2 * wide.seconds, "rows that do not divide into wide loads"


def test_exponentials_cost_issue_slots() -> None:
    on = chips.get("h100-sxm")
    silu = Elementwise(elements=4096 * 14336, inputs=2.0, ops=3.0, exps=2.0, cols=14336, access=2)
    add = dataclasses.replace(silu, ops=1.0, exps=0.0)
    assert gpu.time(silu, on).bound == "vector"
    assert gpu.time(dataclasses.replace(silu, access=None, exps=0.0), on).bound == "hbm"
    assert gpu.time(silu, on).seconds > 1.2 * gpu.time(add, on).seconds
    half = on.replace("core", sfu=8.0)
    assert gpu.time(silu, half).seconds > gpu.time(silu, on).seconds


def test_quantising_by_groups_reduces_within_warps() -> None:
    on = chip()
    rows, groups = Quantize(rows=64, cols=4096), Quantize(rows=64, cols=4096, out_dtype="fp8_tile")
    assert gpu.time(groups, on).seconds < gpu.time(rows, on).seconds, "no barrier across a block"
    fixed = Quantize(rows=64, cols=4096, dynamic=False)
    assert gpu.time(fixed, on).seconds < gpu.time(rows, on).seconds, "no largest magnitude to wait for"


@pytest.mark.parametrize("out_dtype", ["fp8_tile", "mxfp8", "mxfp4", "nvfp4"])
def test_groups_of_elements_share_a_warp(out_dtype: str) -> None:
    on, op = chips.get("b200"), Quantize(rows=8192, cols=8192, out_dtype=out_dtype)
    b = cut(op, on)
    assert b.blocks * b.threads * b.elements == op.rows * op.cols, "no thread idles"
    t = gpu.time(op, on)
    assert t.bound == "hbm"
    assert op.bytes / t.seconds > 0.7 * on.memory.bandwidth
    assert op.transcendentals == op.rows * op.cols / SCALED[out_dtype].group, "a reciprocal for each"


def test_blocks_beyond_one_generation_wait() -> None:
    on = chips.get("a100-sxm-80gb")
    held = 2 * on.cores
    first, second = (gpu.time(Norm(rows=r, cols=8192, access=2), on, Warm(1, 1, 1)).seconds for r in (held, held + 1))
    assert second > 1.6 * first, "a block of 1024 threads more than the SMs hold"


def test_rows_that_outgrow_the_caches_are_read_again() -> None:
    on = chips.get("h100-sxm")
    long, short = Quantize(rows=16384, cols=16384), Quantize(rows=131072, cols=2048)
    assert gpu.time(short, on).hbm_bytes == pytest.approx(short.bytes)
    assert 1.4 * long.bytes < gpu.time(long, on).hbm_bytes < 1.7 * long.bytes, "a warp per row: 64 rows on each SM"
    few = Quantize(rows=512, cols=16384)
    assert gpu.time(few, on).hbm_bytes == pytest.approx(few.bytes)


@pytest.mark.parametrize("op", [
    Softmax(rows=300, cols=4096), Quantize(rows=300, cols=4000), Quantize(rows=300, cols=15488, out_dtype="int8"),
    Sort(rows=5000, groups=1), Sort(rows=710544, groups=4, align=64),
])
def test_a_ragged_end_costs_little_where_kernels_go_to_the_next_whole_load(op: Stream) -> None:
    """PyTorch's softmax shifts to the next aligned element, vLLM's quantisation vectorizes with alignment."""
    side = "rows" if isinstance(op, Sort) else "cols"
    longer = dataclasses.replace(op, **{side: getattr(op, side) + 1})
    for name in ("a100-sxm-80gb", "b200", "mi300x"):
        whole, ragged = (gpu.time(o, chips.get(name)).seconds for o in (op, longer))
        assert ragged == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "b200", "mi300x"])
@pytest.mark.parametrize("tokens", [1, 4096, 65536])
def test_the_scores_of_a_row_are_one_warps(name: str, tokens: int) -> None:
    """Twice the experts are at most twice the work: the warp that holds them waits for nobody at 256 either."""
    on = chips.get(name)
    few, many = (gpu.time(Route(rows=tokens, experts=n, top_k=8), on).seconds for n in (128, 256))
    assert 0.99 * few < many < 2.1 * few
    assert cut(Route(rows=tokens, experts=256, top_k=8), on).warps
    assert gpu.time(Route(rows=tokens, experts=256, top_k=8), on).hbm_bytes == 256 * 4 * tokens + 8 * 8 * tokens


@pytest.mark.parametrize("op", [
    Route(rows=100, experts=64, top_k=4), Quantize(rows=100, cols=1000), Norm(rows=100, cols=512),
    Quantize(rows=100, cols=1000, out_dtype="nvfp4"), Softmax(rows=100, cols=513), Sort(rows=100, groups=4, align=4),
])
def test_warps_of_any_width_take_every_row(op: Stream) -> None:
    for warp in (1, 16, 32, 64, 256, 1024):
        on = chips.get("h100-sxm").replace("core", warp=warp)
        b = cut(op, on)
        assert b.threads >= 1
        assert b.blocks * b.threads * b.turns * b.elements >= getattr(op, "places", op.rows * getattr(op, "cols", 64))
        assert gpu.time(op, on).seconds < 5 * gpu.time(op, chips.get("h100-sxm")).seconds


@pytest.mark.parametrize(("name", "share"), [("b200", 0.65), ("h200", 0.75), ("h100-sxm", 0.8),
                                               ("a100-sxm-80gb", 0.7)])
def test_activations_in_wide_loads_come_near_the_memory(name: str, share: float) -> None:
    """Threads that hold eight elements use the pipes side by side; with one each, the slower ones add up."""
    on = chips.get(name)
    op = Elementwise(elements=16384 * 14336, inputs=2, exps=2, ops=3, name="silu_mul")
    t = gpu.time(op, on)
    assert share < op.bytes / on.memory.bandwidth / t.seconds < 1.0
    assert gpu.time(dataclasses.replace(op, access=2), on).seconds > t.seconds
