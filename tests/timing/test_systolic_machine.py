"""What each figure of a systolic machine does: arrays, dataflows, ports, DMA queues, vector and cross-lane units."""

import itertools
from dataclasses import replace

import pytest

from archsim import chips
from archsim.hardware import Chip, MatrixArray, Memory, Scratchpad, SystolicCore, VectorUnit
from archsim.kernels import systolic as kernel
from archsim.timing import array, systolic
from archsim.units import GB, GB_per_s, GHz, GiB, KiB, MiB, ns
from archsim.workload.ops import Attention, Elementwise, MatMul, Norm, Transpose

V5E, V5P, V6E, TRN2 = (chips.get(n) for n in ("tpu-v5e", "tpu-v5p", "tpu-v6e", "trainium2"))


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


@pytest.mark.parametrize("flow", ["ws", "os", "is"])
@pytest.mark.parametrize("shadow", [True, False])
def test_a_chip_with_ideal_memory_takes_the_cycles_of_its_array(flow, shadow):
    """`array.count` equals the register level; a chip of one array around it adds only what lies outside."""
    chip = plain_chip(32, 16, 1, dataflows=(flow,), shadow=shadow, load_bytes=2, accumulator_rows=4096).replace(
        "memory", bandwidth=1e18).replace("core.scratchpad", read_bytes=1e9, write_bytes=1e9).replace(
        "core", dma_latency=1e-18, step_overhead=1e-18)
    if flow == "os":  # float32 sums leave at one row per cycle
        chip = chip.replace("core.array", load_bytes=4)
    for m, n, k in ((1, 1, 1), (100, 50, 70), (64, 64, 64), (333, 17, 500)):
        truth = array.count(m, n, k, rows=32, cols=16, dataflow=flow, shadow=shadow)
        assert systolic.time(MatMul(m=m, n=n, k=k), chip).cycles == pytest.approx(truth.cycles, rel=1e-6)


def test_few_rows_from_the_scratchpad_reach_the_published_ceiling():
    """v6e, bf16, weights in the scratchpad: 25 % of the peak at M = 32; the weight load is what the rest waits for."""
    fed = V6E.replace("memory", bandwidth=1e15).replace("core.scratchpad", capacity=64 * GiB)
    for m, share in ((8, 0.0625), (16, 0.125), (32, 0.25), (64, 0.5), (128, 1.0)):
        t = systolic.time(MatMul(m=m, n=65536, k=65536), fed)
        assert t.utilization == pytest.approx(share, rel=0.01)
        if 16 <= m < 128:
            assert t.stalls["weight load"] / t.seconds == pytest.approx(1 - share, rel=0.01)


def test_both_readings_of_the_eight_bit_latch():
    """openxla/xla has 4 cycles per latch of 32 8-bit rows, openxla/xprof 2: half of the ceiling or all of it."""
    slow, quick = ({**dict.fromkeys(V6E.dtypes, b), "bf16": 8} for b in (8, 16))
    loads = [systolic.engine(V6E.replace("core.array", load_bytes=x), "int8").load for x in (slow, quick)]
    assert loads == [32, 16]
    fed = V6E.replace("memory", bandwidth=1e15).replace("core.scratchpad", capacity=64 * GiB, read_bytes=16 * KiB)
    few = [systolic.time(MatMul(m=32, n=65536, k=65536, dtype="int8"), fed.replace("core.array", load_bytes=x))
           for x in (slow, quick)]
    assert [t.utilization for t in few] == pytest.approx([0.25, 0.5], rel=0.02)
    ported = fed.replace("core.array", load_bytes=quick).replace("core.scratchpad", read_bytes=8 * KiB)
    assert systolic.time(MatMul(m=32, n=65536, k=65536, dtype="int8"), ported).bound == "scratchpad"  # of two loads


def test_a_queue_of_dmas_hides_their_latency_only_if_it_is_deep_enough():
    """Little's law: 16 DMAs of 4 KiB in flight at 700 ns are 94 GB/s, whatever the memory could do."""
    shallow = V5E.replace("core", dma_queue=16, dma_bytes=4 * KiB, dma_latency=700 * ns)
    copy = Elementwise(elements=2**28)
    assert copy.bytes / systolic.time(copy, shallow).seconds == pytest.approx(16 * 4096 / 700e-9, rel=0.01)
    deep = shallow.replace("core", dma_queue=256)
    assert systolic.time(copy, deep).seconds == systolic.time(copy, V5E.replace(
        "core", dma_latency=700 * ns)).seconds


def test_the_trainium_partial_sum_buffer_holds_its_eight_banks():
    """PSUM, 2 MiB: 8 banks x 2 KiB x 128 partitions are 4096 float32 sums per column; a bank holds 512 moving rows."""
    psum = TRN2.core.array
    assert psum.accumulator_rows == 8 * 2 * KiB / 4
    assert psum.accumulator_rows * psum.cols * 4 == 2 * MiB
    e = systolic.engine(TRN2, "bf16")
    within, beyond = (kernel.block_way(e, kernel.WS, m, 128, 4096, False, 2.0, 1, True)[3] for m in (4096, 4224))
    assert beyond - within == (128 * 4096 + 4096 * 128) * 2  # 128 moving rows, and all weights a second time


@pytest.mark.parametrize("memory", [1, 1000])
@pytest.mark.parametrize("flow", ["ws", "os", "is"])
def test_one_row_more_costs_little_more(memory, flow):
    """In SCALE-Sim one row more, that no longer fits half of a buffer, makes 599 cycles 15,710. Here blocks shrink."""
    chip = plain_chip(32, 32, 1, dataflows=(flow,)).replace(
        "core.scratchpad", capacity=64 * KiB).replace("memory", bandwidth=memory * GB_per_s)
    times = [systolic.time(MatMul(m=m, n=64, k=64), chip).seconds for m in range(1, 700)]
    steps = [after / before for before, after in itertools.pairwise(times)]
    assert max(steps) < 1.5  # where the blocks of half the rows must do: twice as many steps
    assert min(steps) > 0.97


def test_a_dataflow_suits_the_shape_that_it_keeps():
    """What stays is loaded most seldom if it is the small operand: weights, inputs or, of a long contraction, sums."""
    base = plain_chip(128, 16, 1, load_bytes=1).replace("memory", bandwidth=1e14)
    alone = {f: base.replace("core.array", dataflows=(f,)) for f in ("ws", "os", "is")}
    choice = base.replace("core.array", dataflows=("ws", "os", "is"))
    for op, best in ((MatMul(m=16, n=16384, k=128), "is"), (MatMul(m=128, n=16, k=65536), "os"),
                     (MatMul(m=16384, n=16, k=128), "ws")):
        seconds = {f: systolic.time(op, c).seconds for f, c in alone.items()}
        assert min(seconds, key=lambda f: seconds[f]) == best
        free = systolic.time(op, choice)
        assert free.seconds <= seconds[best]
        assert free.plan.endswith(f"dataflow {best}")


def test_without_shadow_registers_every_tile_waits_for_its_weights():
    plain = plain_chip(128, 128, 1).replace("memory", bandwidth=1e14)
    bare = plain.replace("core.array", shadow=False)
    op = MatMul(m=128, n=4096, k=4096)
    with_, without = systolic.time(op, plain), systolic.time(op, bare)
    tile = 128 + 32 + 254  # stream, load, skew
    assert without.busy["matrix"] == pytest.approx(1024 * tile / bare.clock, rel=0.01)
    assert with_.busy["matrix"] == pytest.approx(1024 * 128 / plain.clock, rel=0.01)


def test_reductions_wait_for_the_cross_lane_unit():
    """A row is folded lane by lane to one register; what is left crosses lanes, and a transpose moves everything."""
    fed = V5E.replace("memory", bandwidth=1e14)
    slow = fed.replace("core.vector", cross_lane=16, row_lanes=128)
    norm, wide = Norm(rows=65536, cols=128), Norm(rows=1024, cols=8192)
    for op, crossing in ((norm, 65536 * 128), (wide, 1024 * 128), (Transpose(rows=4096, cols=4096), 4096 * 4096)):
        t = systolic.time(op, slow)
        assert t.busy["vector"] == pytest.approx(max(crossing / 16 / V5E.clock, systolic.time(op, fed).busy["vector"]))
    assert systolic.time(norm, slow).bound == "vector"
    add = Elementwise(elements=2**24)
    assert systolic.time(add, slow).seconds == systolic.time(add, fed).seconds


def test_sixteen_bit_elements_are_packed_or_must_be_unpacked():
    fed = V5E.replace("memory", bandwidth=1e14)
    one, chain = Elementwise(elements=2**24), Elementwise(elements=2**24, ops=8.0)
    busy = {p: [systolic.time(op, fed.replace("core.vector", packed=p)).busy["vector"] for op in (one, chain)]
            for p in (1, 2, 1 / 3)}
    assert busy[2] == pytest.approx([b / 2 for b in busy[1]])
    assert busy[1 / 3] == pytest.approx([3 * busy[1][0], busy[1][1] * 10 / 8])  # unpack, 8 operations, pack
    wide = Elementwise(elements=2**24, dtype="fp32")
    assert len({systolic.time(wide, fed.replace("core.vector", packed=p)).seconds for p in busy}) == 1


def test_a_capped_score_costs_a_tanh():
    op = Attention(batch=8, q_len=2048, kv_len=2048, heads=16, kv_heads=16, head_dim=256)
    plain, capped = (systolic.time(replace(op, softcap=c), V6E) for c in (False, True))
    assert capped.busy["vector"] > 1.4 * plain.busy["vector"]
    slow = V6E.replace("core.vector", transcendentals=64)
    assert systolic.time(replace(op, softcap=True), slow).seconds > 1.8 * systolic.time(op, slow).seconds


def test_values_that_are_part_of_the_keys_are_read_once():
    """Latent attention in decode: 576 elements per key, of which 512 are its value."""
    op = Attention(batch=64, q_len=1, kv_len=8192, heads=128, kv_heads=1, head_dim=576, value_dim=512)
    apart, shared = systolic.time(op, V5P), systolic.time(replace(op, shared_kv=True), V5P)
    assert shared.hbm_bytes == pytest.approx(replace(op, shared_kv=True).bytes, rel=0.02)
    assert shared.hbm_bytes < 0.6 * apart.hbm_bytes


def test_one_large_array_against_four_small_ones():
    """Four 128 x 128 win where matrices are small; on large ones 256 x 256 ties, with half the scratchpad traffic."""
    one, four = plain_chip(256, 256, 1), plain_chip(128, 128, 4)
    assert one.peak() == four.peak()
    for n in (64, 128):
        assert systolic.time(square(n), one).busy["matrix"] >= 1.9 * systolic.time(square(n), four).busy["matrix"]
        assert systolic.time(square(n), one).seconds > systolic.time(square(n), four).seconds
    large = [systolic.time(square(8192), c) for c in (one, four)]
    assert large[0].seconds == pytest.approx(large[1].seconds, rel=0.02)
    assert 1.7 < large[1].on_chip_bytes / large[0].on_chip_bytes <= 2.0  # results cross the ports as often
    reads = [kernel.block_cycles(systolic.engine(c, "bf16"), 2048, 2048, 2048, False, 2.0, 1)[4] for c in (one, four)]
    assert reads[1] / reads[0] == pytest.approx(2.0)
