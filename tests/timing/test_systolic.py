"""Timing on systolic chips: invariants over random chips and shapes, published measurements, and the known trends."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips as catalogue
from archsim import timing
from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Chip, MatrixArray, Memory, Scratchpad, SystolicCore, VectorUnit
from archsim.timing import systolic
from archsim.timing.optime import BOUNDS, STALLS
from archsim.units import GB, GB_per_s, GHz, KiB, MiB
from archsim.workload.ops import (
    Attention,
    AttentionBackward,
    Conv,
    Elementwise,
    Gather,
    GroupedMatMul,
    MatMul,
    Norm,
    Route,
    Softmax,
    Transpose,
)

CHIPS = {name: catalogue.get(name) for name in ("tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "trainium2")}
V4, V5E, V5P, V6E, TRN2 = CHIPS.values()
ALL = pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)


def square(n, **more):
    return MatMul(m=n, n=n, k=n, **more)


def plain_chip(rows, cols, count, **array):
    """A hypothetical chip: all that is not given takes its default."""
    return Chip(
        name="hypothetical", clock=1.5 * GHz,
        core=SystolicCore(array=MatrixArray(rows=rows, cols=cols, count=count, **array),
                          vector=VectorUnit(lanes=1024, alus=4),
                          scratchpad=Scratchpad(capacity=64 * MiB, read_bytes=16 * KiB, write_bytes=8 * KiB)),
        memory=Memory(capacity=16 * GB, bandwidth=1000 * GB_per_s),
    )


# --- invariants -------------------------------------------------------------------------------------------------------


@st.composite
def chips(draw):
    side = st.sampled_from([8, 64, 128, 200, 256])
    return Chip(
        name="any", clock=draw(st.sampled_from([0.7, 1.0, 2.2])) * GHz, cores=draw(st.sampled_from([1, 2, 3, 8])),
        core=SystolicCore(
            array=MatrixArray(rows=draw(side), cols=draw(side), count=draw(st.integers(1, 5)),
                              rows_per_cycle={"bf16": draw(st.sampled_from([0.5, 1, 2])), "int8": 2},
                              load_bytes=draw(st.sampled_from([1, 2, 8, {"bf16": 8, "int8": 16}])),
                              row_granule=draw(st.sampled_from([0, 32])), min_issue=draw(st.sampled_from([1, 64])),
                              dataflows=draw(st.sampled_from([("ws",), ("ws",), ("os",), ("is", "ws", "os")])),
                              shadow=draw(st.sampled_from([True, True, False])), accumulator_rows=512),
            vector=VectorUnit(lanes=draw(st.sampled_from([64, 1024])), alus=draw(st.sampled_from([1, 4])),
                              cross_lane=draw(st.sampled_from([None, 16, 512])), row_lanes=64,
                              packed=draw(st.sampled_from([1, 2, 1 / 3]))),
            scratchpad=Scratchpad(capacity=draw(st.sampled_from([4, 16, 128])) * MiB,
                                  read_bytes=draw(st.sampled_from([512, 8192])),
                                  write_bytes=draw(st.sampled_from([512, 4096]))),
            kernel_share=draw(st.sampled_from([0.25, 1.0])), prefetch=draw(st.booleans()),
            dma_bandwidth=draw(st.sampled_from([None, 300 * GB_per_s])), dma_queue=draw(st.sampled_from([None, 8])),
            dma_bytes=16 * KiB),
        memory=Memory(capacity=32 * GB, bandwidth=draw(st.sampled_from([100, 800, 5000])) * GB_per_s,
                      efficiency=draw(st.sampled_from([0.8, 1.0]))),
    )


@st.composite
def ops(draw):
    size = st.integers(1, 5000)
    kind = draw(st.sampled_from(["matmul", "fused", "prefill", "decode", "gradient", "experts", "conv", "norm",
                                 "elementwise", "gather", "softmax", "route", "transpose"]))
    if kind == "gradient":
        q = draw(st.integers(1, 2000))
        return AttentionBackward(Attention(batch=draw(st.integers(1, 9)), q_len=q, kv_len=q, heads=24, head_dim=64,
                                           kv_heads=draw(st.sampled_from([1, 8, 24])), causal=draw(st.booleans())))
    if kind == "experts":
        rows = draw(st.lists(st.sampled_from([0, 1, 7, 500]), min_size=1, max_size=8))
        return GroupedMatMul(groups=(*rows, 3), n=draw(size), k=draw(size), wgrad=draw(st.booleans()))
    if kind == "conv":
        channels = draw(st.sampled_from([3, 64, 256]))
        return Conv(batch=draw(st.integers(1, 9)), height=56, width=56, c_in=channels, c_out=channels, padding=1,
                    kernel=3, groups=draw(st.sampled_from([1, channels])), bias=draw(st.booleans()))
    if kind == "softmax":
        return Softmax(rows=draw(size), cols=draw(size))
    if kind == "route":
        return Route(rows=draw(size), experts=draw(st.sampled_from([8, 256])), top_k=draw(st.integers(1, 8)))
    if kind == "transpose":
        return Transpose(rows=draw(size), cols=draw(size), batch=draw(st.integers(1, 9)))
    if kind == "matmul":
        return MatMul(m=draw(size), n=draw(size), k=draw(size), batch=draw(st.integers(1, 9)),
                      a_dtype=draw(st.sampled_from(["bf16", "fp8_tile"])), bias=draw(st.booleans()),
                      b_dtype=draw(st.sampled_from(["bf16", "int8", "int4_g128"])))
    if kind == "fused":
        m, n = draw(size), draw(size)
        gate = Elementwise(elements=m * n, inputs=2.0, ops=3.0, exps=1.0, weights=draw(st.sampled_from([None, n])))
        k = draw(size)
        scale = Elementwise(elements=m * k, name="scale")
        return MatMul(m=m, n=n, k=k, epilogue=(gate,), prologue=draw(st.sampled_from([(), (scale,)])))
    if kind in ("prefill", "decode"):
        q = 1 if kind == "decode" else draw(size)
        return Attention(batch=draw(st.integers(1, 9)), q_len=q, kv_len=q + draw(st.integers(0, 5000)), heads=24,
                         kv_heads=draw(st.sampled_from([1, 8, 24])), head_dim=draw(st.sampled_from([64, 128])),
                         causal=draw(st.booleans()), window=draw(st.sampled_from([None, 1000])))
    if kind == "norm":
        return Norm(rows=draw(size), cols=draw(size), residual=draw(st.booleans()))
    if kind == "elementwise":
        return Elementwise(elements=draw(size) * draw(size), inputs=2.0, ops=draw(st.sampled_from([1.0, 50.0])))
    return Gather(rows=draw(size), cols=draw(size), entries=50000)


run = timing.time.__wrapped__
"""Whatever operator, and nothing from the memo."""


@given(chips(), ops())
def test_time_is_bounded_from_below_by_what_must_happen(chip, op):
    t = run(op, chip)
    if "vector unit" not in t.plan:  # a convolution there may outrun a small array
        assert t.seconds >= op.flops / chip.peak("bf16") * (1 - 1e-12)
    assert t.hbm_bytes >= op.bytes
    assert t.seconds >= t.hbm_bytes / chip.memory.sustained * (1 - 1e-9)
    assert set(t.busy) == set(BOUNDS)
    assert max(t.busy.values()) <= t.seconds * (1 + 1e-12)
    assert t.busy[t.bound] == max(t.busy[b] for b in t.busy if b != "hbm" or t.bound == "hbm")
    assert 0 < t.utilization <= 1
    assert t.cycles == t.seconds * chip.clock
    assert t.on_chip_bytes > 0
    assert t.plan


@given(chips(), ops())
def test_useful_work_and_stalls_are_the_whole_time(chip, op):
    t = run(op, chip)
    useful = min(t.seconds, op.flops / chip.peak("bf16"))
    assert set(t.stalls) == set(STALLS)
    assert min(t.stalls.values()) >= 0
    assert useful + sum(t.stalls.values()) == pytest.approx(t.seconds, rel=1e-9)


def faster(chip):
    pad, memory = chip.core.scratchpad, chip.memory
    yield "bandwidth", chip.replace("memory", bandwidth=memory.bandwidth * 1.3)
    yield "SRAM", chip.replace("core.scratchpad", capacity=pad.capacity * 1.7)
    yield "clock", chip.replace(clock=chip.clock * 1.2)
    yield "ports", chip.replace("core.scratchpad", read_bytes=pad.read_bytes * 2, write_bytes=pad.write_bytes * 2)
    yield "vector", chip.replace("core.vector", lanes=chip.core.vector.lanes * 2)
    if not chip.core.prefetch:  # otherwise whole operands have less room
        yield "share", chip.replace("core", kernel_share=min(1.0, chip.core.kernel_share * 1.5))
    yield "read efficiency", chip.replace("memory", efficiency=min(1.0, memory.sustained / memory.bandwidth * 1.05))
    yield "write efficiency", chip.replace("memory", write_efficiency=min(
        1.0, memory.sustained_write / memory.bandwidth * 1.05))
    yield "one core more", chip.replace(cores=chip.cores + 1)
    yield "twice the cores", chip.replace(cores=chip.cores * 2)
    yield "one array more", chip.replace("core.array", count=chip.core.array.count + 1)
    yield "DMA latency", chip.replace("core", dma_latency=chip.core.dma_latency / 2)
    yield "transcendentals", chip.replace("core.vector", transcendentals=2048)
    yield "cross-lane unit", chip.replace("core.vector", cross_lane=1024)
    yield "dataflows", chip.replace("core.array", dataflows=("ws", "os", "is"))
    yield "shadow registers", chip.replace("core.array", shadow=True)
    yield "accumulators", chip.replace("core.array", accumulator_rows=1024)
    yield "one accumulator more", chip.replace("core.array", accumulator_rows=513)
    yield "latency", chip.replace("core.array", latency=1)
    yield "block steps", chip.replace("core", step_overhead=chip.core.step_overhead / 2)
    if chip.core.dma_queue:
        yield "DMA queue", chip.replace("core", dma_queue=chip.core.dma_queue + 1)
        yield "DMA size", chip.replace("core", dma_bytes=2 * chip.core.dma_bytes)
    if chip.core.dma_bandwidth:
        yield "DMA bandwidth", chip.replace("core", dma_bandwidth=chip.core.dma_bandwidth * 1.4)


@given(chips(), ops())
def test_more_of_a_resource_never_makes_it_slower(chip, op):
    before = run(op, chip).seconds
    for what, better in faster(chip):
        assert run(op, better).seconds <= before * (1 + 1e-9), what


@given(chips(), ops())
def test_a_faster_weight_load_never_makes_it_slower(chip, op):
    """Accumulators are given: by default they are sized to hide the load."""
    quick = chip.replace("core.array", load_bytes={d: 2 * chip.core.array.load_rate(d) for d in ("bf16", "int8")})
    assert run(op, quick).seconds <= run(op, chip).seconds * (1 + 1e-9)


def test_huge_sizes_do_not_overflow():
    huge = MatMul(m=2**31 - 1, n=2**31 - 1, k=2**31 - 1)
    assert systolic.time(huge, V6E).utilization == pytest.approx(0.92, abs=0.05)
    long = Attention(batch=1, q_len=1, kv_len=2**31 - 1, heads=8, kv_heads=8, head_dim=128)
    assert systolic.time(long, V6E).bound == "hbm"


def test_errors_name_what_is_wrong():
    with pytest.raises(UnsupportedError, match="tpu-v5e has no fp8 matrix path; it has: bf16, int8"):
        systolic.time(square(128, dtype="fp8"), V5E)
    small = V5E.replace("core.scratchpad", capacity=64 * KiB)
    with pytest.raises(ArchsimError, match="may fill 16,384 bytes of scratchpad.* blocks of a product of 4096 x 4096 x "
                                           "4096 in bf16 need 86,016"):
        systolic.time(square(4096), small)
    with pytest.raises(ArchsimError, match="the smallest blocks of attention of head size 128 need [1-9]"):
        systolic.time(Attention(batch=1, q_len=64, kv_len=4096, heads=8, kv_heads=8, head_dim=128), small)
    with pytest.raises(ArchsimError, match=r"need .* bytes of scratchpad"):
        systolic.time_matmul(square(8192), V5E, block=(8192, 8192, 8192))


@pytest.mark.parametrize("op", [
    square(4096), Attention(batch=1, q_len=4096, kv_len=4096, heads=32, kv_heads=8, head_dim=128)])
def test_what_the_error_asks_for_is_enough(op):
    """The bytes that the error names are those of blocks that run; a byte less is too small."""
    with pytest.raises(ArchsimError) as error:
        systolic.time(op, V5E.replace("core.scratchpad", capacity=16 * KiB))
    need = int(str(error.value).split()[-1].replace(",", ""))
    whole = V5E.replace("core", kernel_share=1.0)
    assert systolic.time(op, whole.replace("core.scratchpad", capacity=need)).seconds > 0
    with pytest.raises(ArchsimError, match="smallest blocks"):
        systolic.time(op, whole.replace("core.scratchpad", capacity=need - 1))


# --- defaults and ceilings --------------------------------------------------------------------------------------------


def test_an_unknown_array_loads_weights_as_fast_as_the_documented_ones():
    """Eight bytes per column and cycle are the catalogue's figures, and the default of a hypothetical array."""
    assert {c.core.array.load_rate("bf16") for c in CHIPS.values()} == {8.0}
    assert [systolic.engine(plain_chip(n, n, 1), "bf16").load for n in (128, 256)] == [32, 64]


# --- trends -----------------------------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("m", [1, 8])
def test_decode_streams_its_weights(chip, m):
    op = MatMul(m=m, n=28672, k=8192)
    t = systolic.time(op, chip)
    assert t.bound == "hbm"
    assert 1.0 <= t.seconds / (op.b_bytes / chip.memory.bandwidth) <= 1.35


@ALL
def test_prefill_is_bound_by_the_arrays(chip):
    t = systolic.time(MatMul(m=8192, n=8192, k=8192), chip)
    assert t.bound == "matrix"
    assert t.utilization > 0.85


@ALL
@pytest.mark.parametrize("side", ["m", "n", "k"])
def test_utilization_falls_far_below_the_array(chip, side):
    full = systolic.time(square(4096), chip).utilization
    thin = systolic.time(replace(square(4096), **{side: 16}), chip).utilization
    assert thin < full / 3


@pytest.mark.parametrize("side", ["n", "k"])
def test_time_steps_at_multiples_of_the_array(side):
    """One column more than a multiple of the array costs a whole tile more; then nothing until the next multiple."""
    at = {extra: systolic.time(replace(square(2048), **{side: 256 + extra}), V6E).busy["matrix"]
          for extra in (0, 1, 128, 256, 257)}
    assert at[1] >= 1.4 * at[0]
    assert at[1] == pytest.approx(at[128]) == pytest.approx(at[256])
    assert at[257] > at[256]


def test_a_head_of_128_wastes_half_of_a_wide_array():
    op = Attention(batch=1, q_len=4096, kv_len=4096, heads=32, kv_heads=8, head_dim=128)
    busy = {c.name: systolic.time(op, c).busy["matrix"] * c.peak() for c in (V5E, V6E)}
    assert busy["tpu-v6e"] == pytest.approx(2 * busy["tpu-v5e"], rel=0.1)


def test_causal_attention_skips_masked_blocks():
    op = Attention(batch=1, q_len=16384, kv_len=16384, heads=32, kv_heads=8, head_dim=128)
    causal, full = systolic.time(op, V5E), systolic.time(replace(op, causal=False), V5E)
    assert 0.5 < causal.seconds / full.seconds < 0.6
    window = systolic.time(replace(op, window=1024), V5E)
    assert window.seconds < 0.3 * causal.seconds


@ALL
def test_decode_attention_streams_the_cache(chip):
    op = Attention(batch=64, q_len=1, kv_len=4096, heads=64, kv_heads=8, head_dim=128)
    t = systolic.time(op, chip)
    assert t.bound == "hbm"
    assert t.seconds <= 1.3 * op.bytes / chip.memory.bandwidth
    grouped, ungrouped = systolic.time(op, chip), systolic.time(replace(op, kv_heads=64), chip)
    assert ungrouped.seconds / grouped.seconds == pytest.approx(8, rel=0.15)  # a group's heads share their keys


@ALL
def test_row_operators_stream(chip):
    for op in (Norm(rows=8192, cols=8192, residual=True), Elementwise(elements=2**26, inputs=2.0, ops=5.0, exps=1.0),
               Gather(rows=8192, cols=8192, entries=128256)):
        t = systolic.time(op, chip)
        assert t.bound == "hbm"
        moving = op.read_bytes / chip.memory.sustained + op.write_bytes / chip.memory.sustained_write
        assert t.seconds == pytest.approx(moving, rel=0.05)


def test_an_epilogue_hides_behind_the_arrays_but_its_operand_does_not_come_free():
    op = MatMul(m=4096, n=8192, k=4096)
    gelu = replace(op, epilogue=(Elementwise(elements=4096 * 8192, ops=8.0, exps=1.0),))
    residual = replace(op, epilogue=(Elementwise(elements=4096 * 8192, inputs=2.0, ops=1.0),))
    base, fused, added = (systolic.time(o, V5E) for o in (op, gelu, residual))
    apart = base.seconds + systolic.time(gelu.epilogue[0], V5E).seconds
    assert base.seconds <= fused.seconds < apart
    assert fused.seconds < 1.05 * base.seconds
    assert residual.bytes == op.bytes + 4096 * 8192 * 2
    assert added.hbm_bytes >= residual.bytes
    assert math.isclose(fused.vector_ops, 8.0 * 4096 * 8192)


def test_small_products_of_a_batch_share_steps():
    batch = systolic.time(MatMul(m=128, n=128, k=128, batch=1024), V5E)
    alone = systolic.time(MatMul(m=128, n=128, k=128), V5E)
    assert batch.seconds < 0.1 * 1024 * alone.seconds
    assert batch.seconds < 1.5 * batch.hbm_bytes / V5E.memory.sustained
    assert "products per step" in batch.plan


def test_one_product_more_costs_little_more():
    """Where the batch does not divide into equal steps the last step is smaller."""
    batches = [systolic.time(MatMul(m=64, n=64, k=64, batch=b), V5E).seconds for b in (64, 65, 127, 128)]
    assert batches == sorted(batches)
    assert batches[1] < 1.1 * batches[0]
    assert batches[2] > 0.95 * batches[3]


@ALL
def test_a_window_is_as_fast_as_a_cache_of_its_length(chip):
    op = Attention(batch=64, q_len=1, kv_len=131072, heads=32, kv_heads=8, head_dim=128, window=128)
    short = replace(op, kv_len=128, window=None)
    assert op.bytes == short.bytes
    assert systolic.time(op, chip).seconds == systolic.time(short, chip).seconds


def test_more_scratchpad_means_less_traffic():
    """What one operator may fill is a share: 8192^3 on v5e moves less at each doubling, down to its operands once."""
    traffic = [systolic.time(square(8192), V5E.replace("core.scratchpad", capacity=c * MiB)).hbm_bytes
               for c in (16, 32, 64, 128, 256, 4096)]
    assert all(after < before for before, after in itertools.pairwise(traffic[:5]))
    assert traffic[4:] == pytest.approx([square(8192).bytes] * 2)


def test_small_scratchpads_take_small_query_blocks():
    tiny = plain_chip(128, 128, 4).replace("core.scratchpad", capacity=256 * KiB)
    t = systolic.time(Attention(batch=1, q_len=2048, kv_len=2048, heads=32, kv_heads=8, head_dim=128), tiny)
    assert t.bound == "launch"  # tiny steps
    assert "8 queries x 4 heads" in t.plan


def test_a_long_contraction_is_split_over_cores_and_its_partial_sums_cost_traffic():
    op = MatMul(m=64, n=128, k=1_000_000)
    t = systolic.time(op, TRN2)
    assert "split 8 k" in t.plan
    assert t.hbm_bytes == pytest.approx(op.bytes + 2 * 8 * 4 * 64 * 128)  # each core's sums, out and back in
    assert t.seconds < 1.25 * op.bytes / TRN2.memory.bandwidth
    assert systolic.time(op, TRN2.replace(cores=1)).seconds > 6 * t.seconds


def test_a_long_cache_of_one_head_is_cut_for_all_cores():
    op = Attention(batch=1, q_len=1, kv_len=131072, heads=8, kv_heads=1, head_dim=128)
    one, all_cores = systolic.time(op, TRN2.replace(cores=1)), systolic.time(op, TRN2)
    assert "keys cut in 8; 8 of 8 cores" in all_cores.plan
    assert 5 < one.seconds / all_cores.seconds < 8
    partials = 8 * 8 * 128 * 4.0  # cuts x heads x head size in float32, written and read back
    queries = 7 * 8 * 128 * 2  # each piece after the first reads them again
    assert op.bytes + 2 * partials + queries <= all_cores.hbm_bytes < op.bytes + 2.1 * partials + queries
    many = systolic.time(replace(op, batch=64), TRN2)
    assert "cut" not in many.plan


def test_a_plan_says_when_weight_loads_bind():
    op = Attention(batch=64, q_len=1, kv_len=4096, heads=32, kv_heads=8, head_dim=128)
    slow = plain_chip(256, 256, 1, load_bytes=2)  # a plain shift chain: one bf16 row per cycle
    assert systolic.time(op, slow).plan.endswith("weight loads bind: 4 rows stream in 4 cycles, a load takes 256")
    assert "bind" not in systolic.time(op, plain_chip(256, 256, 1, load_bytes=64)).plan
    issue = plain_chip(128, 128, 1, min_issue=64).replace("memory", bandwidth=1e14)
    t = systolic.time(MatMul(m=1, n=4096, k=4096), issue)
    assert t.plan.endswith("weight tiles bind: 1 row streams in 1 cycle, each occupies the array for 64")
    assert "bind" not in systolic.time(square(4096), V6E).plan


def test_plans_count_in_words():
    assert systolic.time(Norm(rows=1, cols=1), V5E).plan == "1 chunk"
    assert systolic.time(Attention(batch=1, q_len=1, kv_len=1, heads=1, kv_heads=1, head_dim=64), V5E).plan.startswith(
        "1 query x 1 head against 1 key")


def test_cores_share_the_work():
    one, two = V5P.replace(cores=1), V5P
    alone, shared = systolic.time(square(8192), one), systolic.time(square(8192), two)
    assert alone.seconds / shared.seconds == pytest.approx(2, rel=0.05)
    assert "2 of 2 cores" in shared.plan
