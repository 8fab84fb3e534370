"""Statements that can be checked about one systolic chip: the arithmetic of its documents, said by the model itself.

Sources: the scaling book (jax-ml/scaling-book@0819a7d8), the compiler's own figures (openxla/xla@acb91cbace60
platform_info.py and cost_model.py), jax-ml/jax docs/pallas, Jouppi et al. (ISCA 2017) and the NKI guides
(aws-neuron-sdk@81ce03ae). The book rounds its constants: where that matters a chip is built as the book does, and
the physical one stands beside it.
"""

from collections.abc import Callable

import pytest

from archsim import chips
from archsim.hardware import Chip, SystolicCore
from archsim.timing import time
from archsim.timing.systolic import time_matmul
from archsim.units import MiB
from archsim.workload.ops import Elementwise, MatMul

V5E, V6E, V7, TRN2 = (chips.get(name) for name in ("tpu-v5e", "tpu-v6e", "tpu-v7", "trainium2"))


def at_peak(chip: Chip, bandwidth: float, peak: float | None = None, dtype: str = "bf16") -> Chip:
    """Return `chip` as a roofline argument sees it: given memory bandwidth all of which is reached, and a given peak.

    Moving rows go singly and an operator may fill the whole scratchpad, so that sizes need no rounding.
    """
    ideal = chip.replace("memory", bandwidth=bandwidth, efficiency=1.0, write_efficiency=1.0)
    ideal = ideal.replace("core", kernel_share=1.0).replace("core.array", row_granule=0)
    return ideal.replace(clock=chip.clock * peak / chip.peak(dtype)) if peak else ideal


def crossover(op: Callable[[int], MatMul], chip: Chip, low: int = 1, high: int = 1024) -> int:
    """Return the least batch at which the arrays, at their peak, work longer than memory moves bytes."""
    while low < high:
        middle = (low + high) // 2
        t = time(op(middle), chip)
        if t.flops / chip.peak(op(middle).dtype) > t.busy["hbm"]:
            high = middle
        else:
            low = middle + 1
    return low


def tile_cycles(chip: Chip, dtype: str) -> float:
    """Return the cycles that one weight tile occupies its array when a single row streams past it."""
    assert isinstance(chip.core, SystolicCore)
    array, size = chip.core.array, 4096
    tiles = size // array.rows * (size // array.cols) / array.count / chip.cores
    return time(MatMul(m=1, n=size, k=size, dtype=dtype), chip).busy["matrix"] * chip.clock / tiles


def test_1_critical_intensity() -> None:
    """Scaling book: 1.97e14 / 8.2e11 = 240 FLOP/byte on v5e, 298 on H100."""
    assert V5E.balance() == pytest.approx(240, rel=0.03)
    assert chips.get("h100-sxm").balance() == pytest.approx(298, rel=0.03)
    book = at_peak(V5E, 8.2e11, 1.97e14)
    assert book.balance() == pytest.approx(240, abs=0.5)
    assert crossover(lambda b: MatMul(m=b, n=65536, k=65536), book) == pytest.approx(240, rel=0.03)
    assert crossover(lambda b: MatMul(m=b, n=65536, k=65536), at_peak(V5E, V5E.memory.bandwidth)) == pytest.approx(
        V5E.balance(), rel=0.03)


def test_2_eight_bit_intensity() -> None:
    """Scaling book: 3.94e14 / 8.1e11 / 2 = 243 rows in int8; 120 with int8 weights and bf16 arithmetic."""
    book = at_peak(V5E, 8.1e11, 3.94e14, "int8")
    square = {"n": 65536, "k": 65536}
    assert crossover(lambda b: MatMul(m=b, dtype="int8", out_dtype="int8", **square), book) == pytest.approx(
        243, rel=0.03)
    assert crossover(lambda b: MatMul(m=b, b_dtype="int8", **square), book) == pytest.approx(120, rel=0.03)
    assert V5E.balance("int8") / 2 == pytest.approx(240, rel=0.01)  # 393.2e12 / 819e9 / 2, not rounded


def _projection(batch: int) -> MatMul:
    """int8[batch, 4096] @ int8[4096, 16384], written as int8: the book's question 4."""
    return MatMul(m=batch, n=16384, k=4096, dtype="int8", out_dtype="int8")


def test_3_finite_sizes_raise_the_intensity() -> None:
    """Scaling book: B > 271. It rounds 2 x 4096 x 16384 FLOP down to 1.3e8; without that its formula gives 263."""
    exact = at_peak(V5E, 8.1e11, 3.94e14, "int8")
    rounded = at_peak(V5E, 8.1e11, 3.94e14 * (2 * 4096 * 16384) / 1.3e8, "int8")
    assert crossover(_projection, rounded) == pytest.approx(271, rel=0.03)
    assert crossover(_projection, exact) == pytest.approx(262.7, rel=0.01)
    assert crossover(_projection, exact) > crossover(
        lambda b: MatMul(m=b, n=65536, k=65536, dtype="int8", out_dtype="int8"), exact)


def test_4_weights_in_the_scratchpad() -> None:
    """Scaling book: VMEM is 22 times faster than HBM, so that B > 11 suffices; "in practice closer to 20"."""
    assert isinstance(V5E.core, SystolicCore)
    pad = V5E.core.scratchpad
    assert (pad.read_bytes + pad.write_bytes) * V5E.clock / V5E.memory.bandwidth == pytest.approx(22, rel=0.03)
    book = at_peak(V5E, 22 * 8.1e11, 3.94e14, "int8")
    assert crossover(_projection, book, high=64) == pytest.approx(11, abs=1)
    resident = at_peak(V5E, 1e15)  # operands are where they are needed; only the scratchpad's own ports count
    shares = {b: time(_projection(b), resident) for b in range(4, 40)}
    practice = next(b for b, t in shares.items() if t.flops / resident.peak("int8") > t.busy["scratchpad"])
    assert 16 <= practice <= 22


def test_5_balance_of_the_generations() -> None:
    """Peaks over bandwidth: 224 (JAX's 1230 GB/s), 166, 560, and on v7 270 by default, 313 at 2.2 GHz."""
    v4 = chips.get("tpu-v4").replace("memory", bandwidth=1230e9)
    found = [v4.balance(), chips.get("tpu-v5p").balance(), V6E.balance(), V7.balance(), V7.at("p7").balance()]
    assert found == pytest.approx([224, 166, 560, 270, 313], rel=0.03)


def test_6_the_rate_of_one_array() -> None:
    """Scaling book: 4.9e13 FLOP/s per v5e array; bf16[8, 128] @ bf16[128, 128] every 8 cycles."""
    assert V5E.peak() / 4 == pytest.approx(4.9e13, rel=0.01)
    one = V5E.replace("core.array", count=1)
    busy = [time(MatMul(m=m, n=128, k=128), one).busy["matrix"] * one.clock for m in (4096, 4096 + 16)]
    assert busy[1] - busy[0] == pytest.approx(16)  # a register holds 16 bf16 rows: 8 cycles per 8 rows


def test_7_weight_latch() -> None:
    """platform_info.py: a bf16 tile takes 32 cycles on v5e and v5p, 64 on v6e and v7; TPU v1 256; Trainium 32."""
    names = ("tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7")
    assert [round(tile_cycles(chips.get(n), "bf16"), 6) for n in names] == [32, 32, 64, 64]
    assert tile_cycles(chips.get("tpu-v1"), "int8") == pytest.approx(256)
    free = TRN2.replace("core.array", min_issue=1)  # a matmul occupies its array for 64 cycles whatever it loads
    assert [tile_cycles(c, "bf16") for c in (TRN2, free)] == pytest.approx([64, 32])


@pytest.mark.parametrize("chip", [V6E, V7], ids=lambda c: c.name)
def test_8_few_rows_wait_for_the_latch(chip: Chip) -> None:
    """cost_model.py: with everything in VMEM, M = 32 reaches 25 % of peak on v6e and v7, and M = 128 all of it."""
    for m, share in ((8, 0.0625), (16, 0.125), (32, 0.25), (64, 0.5), (128, 1.0)):
        t = time(MatMul(m=m, n=8192, k=8192), chip)
        assert t.flops / chip.peak() / t.busy["matrix"] == pytest.approx(share, rel=0.01)


DISPATCH = 110e-6
"""Seconds that the host takes to dispatch one call and hear of its end; it is in every figure of the guide."""

PALLAS = [  # block (m, k, n) or None for XLA, size, milliseconds, share of 197 TFLOPS
    ((128, 128, 128), 1024, 0.298, 0.037), ((128, 128, 128), 4096, 11.77, 0.059), ((128, 128, 128), 8192, 91.84, 0.061),
    ((512, 1024, 1024), 1024, 0.127, 0.086), ((512, 1024, 1024), 4096, 0.889, 0.785),
    ((512, 1024, 1024), 8192, 6.10, 0.915),
    (None, 1024, 0.1194, 0.091), (None, 4096, 0.827, 0.843), (None, 8192, 6.047, 0.923),
]


@pytest.mark.parametrize(("block", "size", "ms", "share"), PALLAS)
def test_9_pallas_blocks(block: tuple[int, int, int] | None, size: int, ms: float, share: float) -> None:
    """jax docs/pallas/tpu/matmul on v5e, bf16: blocks of 128 reach 6 % of peak, 512 x 1024 x 1024 91 %."""
    op = MatMul(m=size, n=size, k=size)
    seconds = (time_matmul(op, V5E, block=block) if block else time(op, V5E)).seconds + DISPATCH
    assert seconds == pytest.approx(ms * 1e-3, rel=0.10)
    assert op.flops / seconds / 197e12 == pytest.approx(share, rel=0.10)


@pytest.mark.parametrize(("size", "share"), [(4096, 0.778), (8192, 0.910)])
def test_9_pallas_fused_activation(size: int, share: float) -> None:
    """The same guide: a fused ReLU costs about half a per cent, and so does a transpose of the weights (79.4, 91.4 %).

    It rides on the vector unit while the arrays work, and results leave once.
    """
    plain = MatMul(m=size, n=size, k=size)
    fused = MatMul(m=size, n=size, k=size, epilogue=(Elementwise(elements=size * size, ops=1.0),))
    t, base = (time_matmul(op, V5E, block=(512, 1024, 1024)).seconds for op in (fused, plain))
    assert fused.flops / (t + DISPATCH) / 197e12 == pytest.approx(share, rel=0.10)
    assert base <= t <= 1.01 * base


def test_30_all_of_memory_once() -> None:
    """Scaling book: 16 GB at 8.2e11 B/s take 19 ms, the floor of a decode step."""
    op = MatMul(m=1, n=122070, k=65536)
    assert op.b_bytes == pytest.approx(16e9, rel=0.001)
    assert time(op, at_peak(V5E, 8.2e11)).seconds == pytest.approx(19.5e-3, rel=0.03)
    assert time(op, V5E).seconds == pytest.approx(16e9 / V5E.memory.sustained, rel=0.03)


def test_33_a_feed_forward_pair_of_four_chips() -> None:
    """Scaling book: D = 8192, F = 32768 over 4 chips: a floor of about 365 us and a knee at 240 rows.

    The weights alone, 2 D F x 2 bytes / 4 / 8.1e11, are 331 us; 90 % of the bandwidth makes 365 of them.
    """
    def half(batch: int) -> MatMul:
        return MatMul(m=batch, n=8192, k=8192, weights=True)

    assert 2 * time(half(8), V5E).seconds == pytest.approx(365e-6, rel=0.05)
    book = at_peak(V5E, 8.1e11, 1.97e14)
    assert 2 * time(half(8), book).busy["hbm"] == pytest.approx(331e-6, rel=0.03)
    finite = 1 / (1 / 243.2 - 2 / 8192)  # the activations of 8192 x 8192 move too
    assert crossover(half, book) == pytest.approx(finite, rel=0.03)
    flat, knee, beyond = (time(half(b), book).seconds for b in (8, 240, 480))
    assert knee / flat < 1.15
    assert beyond / knee == pytest.approx(2, rel=0.10)


def test_35_large_products_on_v7() -> None:
    """Trace at state p7: 94 to 96.5 % of 1153.5 TFLOPS per core; tpu-recipes at the default state: 96 % of 996.

    Both ran with the whole VMEM given to one kernel (xla_tpu_scoped_vmem_limit_kib=65536); by default it is half.
    """
    core = chips.get("tpu-v7-core").replace("core", kernel_share=1.0)
    for m, n, k in ((8192, 8192, 8192), (16384, 8192, 8192), (16384, 16384, 16384)):
        assert 0.94 * 0.97 <= time(MatMul(m=m, n=n, k=k), core.at("p7")).utilization <= 0.965 * 1.03
    default = time(MatMul(m=32768, n=32768, k=32768), core)
    assert default.flops / default.seconds == pytest.approx(956e12, rel=0.03)
    assert time(MatMul(m=32768, n=32768, k=32768), chips.get("tpu-v7-core")).utilization > 0.90


def test_36_copies() -> None:
    """tpu-recipes: 1360 GB/s on v6e (83 %); on one core of v7 3.21 TB/s (87 %) + 1.56 us."""
    def copy(gigabytes: float, chip: Chip) -> tuple[float, float]:
        op = Elementwise(elements=round(gigabytes * 1e9 / 4))  # bf16, read and written
        return op.bytes, time(op, chip).seconds

    moved, seconds = copy(4, V6E)
    assert moved / seconds == pytest.approx(1360e9, rel=0.03)
    core = chips.get("tpu-v7-core")
    moved, seconds = copy(8, core)
    assert moved / seconds == pytest.approx(3210e9, rel=0.03)
    assert copy(1e-6, core)[1] == pytest.approx(1.56e-6, rel=0.03)


NKI = [  # a block's m, k, n; DMAs of a tile each; TensorE and DMA active (aws-neuron-sdk@4373facf kernel-optimization)
    ((128, 8192, 512), 32 * (64 + 16 * 64 + 16), 0.9985, 0.9973),  # tiles of 128 x 128 and 128 x 512, and results
    ((256, 8192, 1024), 16 * (2 * 64 + 8 * 2 * 64 + 8 * 2 * 2), 0.9952, 0.9570),  # the same tiles; m and n blocked
    ((4096, 1024, 1024), 8 * (8 * (8 + 2 * 8) + 32), 0.9950, 0.2154),  # tiles of 128 x 2048 and 128 x 1024; k too
]


def test_39_a_neuron_core_hides_its_loads() -> None:
    """NKI: 128 x 128 x 512 in 512 cycles, 213 ns; blocking leaves the array busy and lets the DMA engines rest.

    The guide's tutorial multiplies 4096 x 8192 by 8192 x 8192 in float32 on one core, with loads hoisted out of the
    loop over k, then blocks of m and n, then of all. Its profiler calls DMA active while any transfer is in flight:
    here the documented 1.3 us that each takes to start, and its bytes at 16 x 23 bytes/ns. Bytes alone would be 86, 44
    and 14 % of the time. Two differences: the tutorial frees operands tile by tile, where whole blocks in two buffers
    need more than the core's scratchpad; and nothing here says how far starts of transfers overlap, so they do not.
    """
    tile = MatMul(m=512, n=128, k=128)
    one = TRN2.replace(cores=1)
    assert time(tile, one).busy["matrix"] * one.clock == pytest.approx(512)
    assert time(tile, one).busy["matrix"] == pytest.approx(213e-9, rel=0.01)
    assert isinstance(one.core, SystolicCore)
    roomy = one.replace("core.scratchpad", capacity=96 * MiB)
    bytes_alone = []
    for block, transfers, array, dma in NKI:
        t = time_matmul(MatMul(m=4096, n=8192, k=8192, dtype="fp32"), roomy, block=block)
        assert t.busy["matrix"] / t.seconds == pytest.approx(array, abs=0.01)
        assert t.busy["matrix"] / t.seconds > 0.99
        bytes_alone.append(t.busy["hbm"] / t.seconds)
        in_flight = transfers * one.core.dma_latency + t.busy["hbm"]
        assert min(1.0, in_flight / t.seconds) == pytest.approx(dma, abs=0.05)
    assert bytes_alone == pytest.approx([0.86, 0.44, 0.14], abs=0.01)
    for core in (one, one.replace("core", dma_bandwidth=one.memory.bandwidth / 8)):  # what the search finds by itself
        assert time(MatMul(m=4096, n=8192, k=8192), core).busy["matrix"] > 0.99 * time(
            MatMul(m=4096, n=8192, k=8192), core).seconds
