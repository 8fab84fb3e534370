"""GPU timing: it never beats the hardware, gets no slower with better hardware, and shows waves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Cache, Chip, GpuCore, Memory, Scratchpad, TensorCore
from archsim.timing import BOUNDS, OpTime, gpu, roofline
from archsim.units import GB, GHz, KiB, MiB, TB_per_s
from archsim.workload.ops import Attention, Elementwise, Gather, MatMul, Norm, Op


def chip(
    sms: int = 100, clock: float = 1.5, macs: float = 1024, l2: float = 5.0, hbm: float = 2.0, shared: int = 160,
    asynchronous: bool = False, pair: int = 1,
) -> Chip:
    """Return a GPU that nobody sells, from what a datasheet gives."""
    return Chip(
        name="made-up", clock=clock * GHz, cores=sms,
        core=GpuCore(
            tensor=TensorCore(macs={"bf16": macs, "fp8": 2 * macs}, asynchronous=asynchronous, pair=pair),
            shared=Scratchpad(capacity=shared * KiB, read_bytes=128, write_bytes=128),
        ),
        cache=Cache(capacity=40 * MiB, bandwidth=l2 * TB_per_s),
        memory=Memory(capacity=80 * GB, bandwidth=hbm * TB_per_s),
    )


chips = st.builds(
    chip, sms=st.integers(8, 320), clock=st.floats(0.8, 2.5), macs=st.sampled_from([256, 512, 1024, 2048, 4096]),
    l2=st.floats(1, 30), hbm=st.floats(0.3, 10), shared=st.sampled_from([64, 96, 160, 227]),
    asynchronous=st.booleans(), pair=st.sampled_from([1, 2]),
)
dims = st.integers(1, 20_000)
products = st.builds(MatMul, m=dims, n=dims, k=dims, batch=st.integers(1, 3), dtype=st.sampled_from(["bf16", "fp8"]))
heads = st.sampled_from([(32, 32), (32, 8), (64, 1), (5, 1)])


@st.composite
def attentions(draw: st.DrawFn) -> Attention:
    h, kv_heads = draw(heads)
    q = draw(st.one_of(st.just(1), st.integers(1, 3000)))
    return Attention(
        batch=draw(st.integers(1, 64)), q_len=q, kv_len=q + draw(st.integers(0, 9000)), heads=h, kv_heads=kv_heads,
        head_dim=draw(st.sampled_from([64, 80, 128, 256])), causal=draw(st.booleans()),
        window=draw(st.none() | st.integers(1, 5000)), kv_dtype=draw(st.sampled_from(["bf16", "fp8"])),
    )


rows = st.one_of(
    st.builds(Norm, rows=dims, cols=dims),
    st.builds(Elementwise, elements=st.integers(1, 10**9), inputs=st.sampled_from([1.0, 2.0]), exps=st.just(1.0)),
    st.builds(Gather, rows=dims, cols=dims, entries=dims),
)


@given(st.one_of(products, attentions(), rows), chips)
def test_no_operator_beats_the_hardware(op: Op, on: Chip) -> None:
    t = gpu.time(op, on)
    assert t.seconds >= roofline.plain(op, on) * (1 - 1e-9)
    assert t.seconds >= max(t.busy.values()) * (1 - 1e-9)
    assert t.hbm_bytes >= op.bytes * (1 - 1e-9)
    assert 0 < t.utilization <= 1
    assert t.bound == max(t.busy, key=lambda b: t.busy[b])
    assert set(t.busy) <= set(BOUNDS)
    assert all(math.isfinite(v) and v >= 0 for v in t.busy.values())
    assert t.plan
    if isinstance(op, Attention) and "power" not in t.plan:
        rest = max(seconds for what, seconds in t.busy.items() if what != "launch")
        assert rest + t.busy["launch"] == pytest.approx(t.seconds), "what is busy longest and the fixed cost explain it"


@given(st.one_of(products, attentions(), rows), chips, st.floats(1.05, 3))
def test_better_hardware_is_never_slower(op: Op, on: Chip, factor: float) -> None:
    before = gpu.time(op, on).seconds * (1 + 1e-9)
    assert on.cache is not None
    assert gpu.time(op, on.replace("memory", bandwidth=on.memory.bandwidth * factor)).seconds <= before
    assert gpu.time(op, on.replace("cache", bandwidth=on.cache.bandwidth * factor)).seconds <= before
    assert gpu.time(op, on.replace(clock=on.clock * factor)).seconds <= before


@given(st.one_of(products, attentions()), chips, st.floats(1.05, 3))
def test_more_on_chip_memory_is_never_slower(op: Op, on: Chip, factor: float) -> None:
    before = gpu.time(op, on).seconds * (1 + 1e-9)
    core = on.core
    assert isinstance(core, GpuCore)
    assert on.cache is not None
    if not isinstance(op, Attention):  # whose kernels are built for long sequences: a larger tile where it fits
        assert gpu.time(op, on.replace("core.shared", capacity=core.shared.capacity * factor)).seconds <= before
    assert gpu.time(op, on.replace("cache", capacity=on.cache.capacity * factor)).seconds <= before
    assert gpu.time(op, on.replace("core.tensor", accumulators=core.tensor.accumulators * factor)).seconds <= before
    more = gpu.time(op, on.replace("core", registers=core.registers * factor)).seconds
    assert more <= before * (1.05 if isinstance(op, Attention) else 1.0), "3 blocks and 1 on an SM, or 2 and 2"
    assert gpu.time(op, on.replace("core.shared", write_bytes=core.shared.write_bytes * factor)).seconds <= before


def square(m: int, on: Chip, n: int = 2048, k: int = 4096) -> OpTime:
    return gpu.time(MatMul(m=m, n=n, k=k), on)


def test_time_steps_where_blocks_pass_the_number_of_sms() -> None:
    """One tile size, 16 columns of 128: the SMs run full at 100 blocks, so the step lies past m = 768."""
    one = chip(l2=50, hbm=20).replace("core", tiles=((128, 128, 128),))
    times = {m: square(m, one).seconds for m in range(128, 1793, 128)}
    flat = times[768] / times[640]
    step = times[896] / times[768]
    assert flat < 1.15, "80 or 96 blocks run at once"
    assert step > 1.4, "112 blocks need a second round, which split-K softens"
    assert times[1536] / times[1408] < 1.1, "176 or 192 blocks take two rounds"
    assert times[1664] / times[1536] > 1.25, "208 blocks need a third"
    within = [square(m, one).seconds for m in range(769, 897, 16)]
    assert max(within) / min(within) < 1.03, "a partial tile costs a whole one"


def test_a_library_smooths_the_steps() -> None:
    one = chip(l2=50, hbm=20)
    assert square(896, one).seconds / square(768, one).seconds < 1.55, "twice, were there one tile and no split-K"


def test_split_k_serves_few_long_tiles() -> None:
    on = chip()
    assert "split-K" in gpu.time(MatMul(m=64, n=256, k=65536), on).plan
    assert "split-K" not in gpu.time(MatMul(m=8192, n=8192, k=8192), on).plan


def test_a_large_cache_saves_rereads() -> None:
    op = MatMul(m=16384, n=16384, k=16384)
    small, large = chip().replace("cache", capacity=4 * MiB), chip().replace("cache", capacity=4096 * MiB)
    assert gpu.time(op, small).hbm_bytes > 2 * op.bytes
    assert gpu.time(op, large).hbm_bytes == pytest.approx(op.bytes)


def test_shared_memory_must_be_written() -> None:
    op = MatMul(m=4096, n=4096, k=4096)
    slow = chip().replace("core.shared", write_bytes=8.0)
    assert gpu.time(op, slow).seconds > 1.5 * gpu.time(op, chip()).seconds


def test_plans_count_rounds_in_english() -> None:
    assert gpu.time(MatMul(m=64, n=64, k=64), chip()).plan.endswith("1 round")
    assert gpu.time(MatMul(m=16384, n=8192, k=64), chip()).plan.endswith("rounds")


@pytest.mark.parametrize("field", ["tiles", "attention_tiles"])
@pytest.mark.parametrize("bad", [(), [()], [(0, 64, 64)], [(64, -1)], [(64,)], 5, ["128x128x64"], [(1.5, 64, 64)]])
def test_tiles_that_cannot_be_meant_name_the_field(field: str, bad: object) -> None:
    with pytest.raises(ArchsimError, match=rf"GpuCore\.{field}"):
        chip().replace("core", **{field: bad})


def test_tiles_may_be_lists() -> None:
    on = chip().replace("core", tiles=[[128, 128, 64]], attention_tiles=[[64, 64, 64, 32]])
    assert isinstance(on.core, GpuCore)
    assert on.core.tiles == ((128, 128, 64),)
    assert "128x128x64B" in gpu.time(MatMul(m=1, n=1, k=1), on).plan
    assert "64x64" in gpu.time(Attention(batch=1, q_len=1, kv_len=1, heads=1, kv_heads=1, head_dim=64), on).plan
    assert on.core.fuse_elementwise is False


def test_a_batch_shares_one_launch() -> None:
    on = chip()
    alone, eight = MatMul(m=256, n=256, k=128), MatMul(m=256, n=256, k=128, batch=8)
    assert gpu.time(eight, on).seconds < 2 * gpu.time(alone, on).seconds


def test_narrow_weights_move_fewer_bytes() -> None:
    on = chip()
    wide = gpu.time(MatMul(m=1, n=16384, k=16384, weights=True), on)
    narrow = gpu.time(MatMul(m=1, n=16384, k=16384, b_dtype="int4", weights=True), on)
    assert narrow.seconds < 0.5 * wide.seconds


def test_unknown_dtypes_and_operators_say_so() -> None:
    with pytest.raises(UnsupportedError, match="no int8 matrix path"):
        gpu.time(MatMul(m=1, n=1, k=1, dtype="int8"), chip())
    with pytest.raises(UnsupportedError, match="cannot be timed"):
        gpu.time(Op(), chip())
    with pytest.raises(UnsupportedError, match="no attention tile holds"):
        gpu.time(Attention(batch=1, q_len=1, kv_len=1, heads=1, kv_heads=1, head_dim=65536), chip())
    with pytest.raises(UnsupportedError, match="no tile of its library"):
        gpu.time(MatMul(m=1, n=1, k=1), chip().replace("core", tiles=((512, 512, 128),)))
