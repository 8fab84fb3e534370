"""Matrix instructions: published tables of interval, latency and bursts, and naive twins of a tile's step.

wgmma and mma.sync: Luo et al., arXiv 2402.13499 and 2501.12084. tcgen05: SemiAnalysisAI/microbench-blackwell (B200).
MFMA: ROCm/amd_matrix_instruction_calculator (cycles) and MACs by the shape.
"""

import math

import archsim.chips as chips
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import tensor_instruction as t
from archsim.timing.sm import engine

NAMES = ["v100-sxm2", "a100-sxm-80gb", "l40s", "h100-sxm", "b200", "mi210", "mi300x"]
ENGINES = {name: engine(chips.get(name), "fp16") for name in NAMES}
A100, L40S, H100, B200 = (ENGINES[n] for n in ("a100-sxm-80gb", "l40s", "h100-sxm", "b200"))

engines = st.sampled_from(list(ENGINES.values()))
sides = st.integers(1, 48).map(lambda x: 8.0 * x)


# --- warp-level instructions: m16n8k16, issue interval per sub-core and dependent latency

@pytest.mark.parametrize(("chip", "dtype", "every", "latency"), [
    ("a100-sxm-80gb", "fp16", 8, 24.6), ("a100-sxm-80gb", "int8", 8, 26.0), ("l40s", "fp16", 16, 24.6),
    ("l40s", "int8", 16, 24.5), ("v100-sxm2", "fp16", 32, 54),  # a whole wmma 16x16x16
])
def test_warp_level(chip: str, dtype: str, every: float, latency: float) -> None:
    e = engine(chips.get(chip), dtype)
    size = 1.0 if dtype == "int8" else 2.0
    assert t.interval(e, e.rows, e.cols, size, 1.0, 0.0) == every
    assert t.dependent(e, e.rows, e.cols, size, 1.0, 0.0) == pytest.approx(latency, abs=5)


def test_half_the_depth_of_k_takes_half_the_interval_and_17_7_cycles() -> None:
    half = A100._replace(k_bytes=16.0)  # m16n8k8
    assert t.interval(half, 16.0, 8.0, 2.0, 1.0, 0.0) == 4
    assert t.dependent(half, 16.0, 8.0, 2.0, 1.0, 0.0) == pytest.approx(17.7, abs=5)


def test_legacy_path_of_a_warpgroup_machine() -> None:
    """mma.sync on H800 has about half of wgmma's rate: interval 8, latency 24.1."""
    legacy = A100._replace(macs=H100.macs / 2)
    assert t.interval(legacy, 16.0, 8.0, 2.0, 1.0, 0.0) == 8
    assert t.dependent(legacy, 16.0, 8.0, 2.0, 1.0, 0.0) == pytest.approx(24.1, abs=5)


def test_three_chains_and_a_bit_fill_a_sub_core() -> None:
    """A100 needs 24.6 / 8 independent instructions per sub-core: with three it reaches 97 %, with four its peak."""
    chains = t.dependent(A100, 16.0, 8.0, 2.0, 1.0, 0.0) / t.interval(A100, 16.0, 8.0, 2.0, 1.0, 0.0)
    assert 3 <= chains < 3.1
    for rows, cols, peak in ((16.0, 8.0, 8 / 24.6), (16.0, 16.0, 16 / 24.6), (32.0, 8.0, 16 / 24.6), (32.0, 16.0, 1.0)):
        tile = A100._replace(warp_rows=rows, warp_cols=cols, shared_read=1e9)
        step = t.tile_step(tile, 2 * rows, 2 * cols, 4096.0, 2.0, 1.0, 1.0, 0.0)  # one warp of each sub-core
        assert 4 * rows * cols * 2048 / 1024 / step.alone == pytest.approx(peak)
        assert step.cycles == 4 * rows * cols * 2048 / 1024  # as many warps as hide the latency


# --- wgmma m64nNk16: interval = latency; operands of narrow ones come at 128 B per cycle

WGMMA = [(8, 18), (16, 20), (32, 24), (64, 32), (128, 64), (256, 128)]


@pytest.mark.parametrize(("n", "cycles"), WGMMA)
@pytest.mark.parametrize(("dtype", "size"), [("fp16", 2.0), ("fp8", 1.0), ("int8", 1.0), ("tf32", 4.0)])
def test_warpgroup(n: int, cycles: int, dtype: str, size: float) -> None:
    e = engine(chips.get("h100-sxm"), dtype)
    for rule in (t.interval, t.completion, t.dependent):
        assert rule(e, 64.0, float(n), size, 1.0, 1.0) == cycles


@pytest.mark.parametrize(("n", "read"), [(64, 4096), (128, 6144), (256, 10240), (16, 2048 + 32 * 16)])
def test_bytes_that_a_warpgroup_reads(n: int, read: int) -> None:
    assert t.operand_bytes(H100, 64.0, float(n), 1.0, 1.0) == read


@pytest.mark.parametrize("n", [8, 64, 256])
def test_a_in_registers_needs_b_alone(n: int) -> None:
    assert t.interval(H100, 64.0, float(n), 2.0, 1.0, 0.0) == max(n / 2, 32 * n / 128)


# --- tcgen05: SMs, rows of all SMs, A in shared memory; N: interval

TCGEN05 = [
    (1, 64, 1, {64: 32, 80: 40, 96: 48, 112: 56, 128: 64, 256: 128}),
    (1, 64, 0, {64: 32, 80: 40, 96: 48, 112: 56, 128: 64, 256: 128}),
    (1, 128, 1, {64: 48, 80: 52, 96: 56, 112: 60, 128: 64, 256: 128}),
    (1, 128, 0, {64: 32, 80: 40, 96: 48, 112: 56, 128: 64, 256: 128}),
    (2, 128, 1, {64: 25, 80: 27, 96: 29, 112: 30, 128: 32, 256: 64}),
    (2, 256, 1, {64: 43, 80: 45.3, 96: 49.4, 112: 56, 128: 64, 256: 128}),
]
LATENCY = [
    (1, 64, 1, {64: 152, 128: 184, 256: 248}), (1, 64, 0, {64: 136, 128: 168, 256: 232}),
    (1, 128, 1, {64: 168, 128: 200, 256: 264}), (1, 128, 0, {64: 136, 128: 168, 256: 232}),
    (2, 128, 1, {64: 173, 128: 197, 256: 229}), (2, 128, 0, {64: 162, 128: 178, 256: 210}),
    (2, 256, 1, {64: 202, 128: 234, 256: 298}), (2, 256, 0, {64: 170, 128: 202, 256: 266}),
]
FORMATS = [("bf16", 2.0), ("fp8", 1.0), ("int8", 1.0), ("fp4", 0.5)]  # 32 bytes of K per row: the same cycles


@pytest.mark.parametrize(("dtype", "size"), FORMATS)
@pytest.mark.parametrize(("sms", "m", "shared", "table"), TCGEN05)
def test_intervals_of_paired_instructions(sms: int, m: int, shared: int, table: dict[int, float], dtype: str,
                                          size: float) -> None:
    e = engine(chips.get("b200"), dtype)
    for n, cycles in table.items():
        got = t.interval(e, m / sms, float(n), size, float(sms), float(shared))
        assert got == pytest.approx(cycles, abs=0 if sms == 1 else 3.5)  # 1 SM: exact


@pytest.mark.parametrize(("dtype", "size"), FORMATS)
@pytest.mark.parametrize(("sms", "m", "shared", "table"), LATENCY)
def test_latencies_of_paired_instructions(sms: int, m: int, shared: int, table: dict[int, float], dtype: str,
                                          size: float) -> None:
    e = engine(chips.get("b200"), dtype)
    for n, cycles in table.items():
        got = t.completion(e, m / sms, float(n), size, float(sms), float(shared))
        assert got == pytest.approx(cycles, abs=5 if (sms, m, shared) == (2, 128, 1) else 0)


@pytest.mark.parametrize(("sms", "m", "shared", "n", "beyond"), [
    (1, 128, 0, 64, 116), (1, 128, 0, 256, 116), (1, 128, 1, 64, 132), (1, 128, 1, 256, 148), (1, 64, 1, 128, 132),
    (2, 256, 0, 256, 150), (2, 256, 1, 256, 182), (2, 256, 1, 128, 182),
])
@pytest.mark.parametrize("count", [1, 4, 64])
def test_bursts(sms: int, m: int, shared: int, n: int, beyond: float, count: int) -> None:
    """T = count x interval + 116 (A in tensor memory), 132 to 148 (shared memory), 150 and 182 (two SMs)."""
    shape = m / sms, float(n), 2.0, float(sms), float(shared)
    assert t.burst(B200, float(count), *shape) == count * t.interval(B200, *shape) + beyond


@pytest.mark.parametrize(("sms", "m", "n", "fewest", "most"), [(1, 128, 128, 3, 5), (1, 128, 256, 3, 5),
                                                               (2, 256, 256, 3, 5), (2, 128, 64, 7, 7)])
def test_instructions_under_way_that_saturate(sms: int, m: int, n: int, fewest: int, most: int) -> None:
    shape = m / sms, float(n), 2.0, float(sms), 1.0
    assert fewest - 1 < t.completion(B200, *shape) / t.interval(B200, *shape) < most + 0.5


# --- MFMA: one wave on one of four SIMDs; cycles of the calculator

MFMA = [  # chip, dtype, rows, cols, K, cycles
    ("mi210", "bf16", 32, 32, 8, 64), ("mi300x", "bf16", 32, 32, 8, 32), ("mi210", "fp16", 16, 16, 16, 32),
    ("mi300x", "fp16", 16, 16, 16, 16), ("mi300x", "fp8", 32, 32, 16, 32), ("mi300x", "int8", 32, 32, 16, 32),
    ("mi210", "int8", 32, 32, 8, 64), ("mi300x", "fp8", 16, 16, 32, 16), ("mi210", "int8", 16, 16, 16, 32),
    ("mi300x", "tf32", 32, 32, 4, 32), ("mi210", "fp32", 32, 32, 2, 64), ("mi300x", "fp32", 32, 32, 2, 64),
]
SIZES = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "tf32": 4.0, "fp32": 4.0}


@pytest.mark.parametrize(("chip", "dtype", "rows", "cols", "depth", "cycles"), MFMA)
def test_waves(chip: str, dtype: str, rows: int, cols: int, depth: int, cycles: int) -> None:
    size = SIZES[dtype]
    e = engine(chips.get(chip), dtype)._replace(rows=float(rows), cols=float(cols), k_bytes=depth * size)
    assert t.interval(e, e.rows, e.cols, size, 1.0, 0.0) == cycles
    assert t.dependent(e, e.rows, e.cols, size, 1.0, 0.0) == cycles + 8  # two passes of four cycles


# --- naive twins

def naive_burst(e: t.Engine, count: int, shape: tuple[float, ...]) -> float:
    """Issue instructions one by one: the next when the engine is free, each result its latency after its issue."""
    free = done = 0.0
    for _ in range(count):
        issued = free
        free = issued + t.interval(e, *shape)
        done = issued + t.completion(e, *shape)
    return done + e.commit


@given(engines, st.integers(1, 30), st.integers(1, 32))
def test_a_burst_is_its_instructions_one_by_one(e: t.Engine, count: int, n: int) -> None:
    shape = e.rows, min(e.cols, 8.0 * n), 2.0, 1.0, 1.0
    assert t.burst(e, float(count), *shape) == pytest.approx(naive_burst(e, count, shape))


def naive_step(e: t.Engine, bm: float, bn: float, bk: float) -> tuple[float, float]:
    """Walk over the tile's instructions, K slice by K slice: cycles and bytes from shared memory."""
    cycles = read = 0.0
    for _ in range(int(bk / e.k_bytes)):
        for i in range(0, int(bm), int(e.rows)):
            columns = math.ceil(bn / e.cols)
            for _ in range(columns):
                rows, cols = min(e.rows, bm - i), math.ceil(bn / columns / 8) * 8.0
                bytes_ = e.k_bytes * (rows + cols)
                idle = max(1.0, e.rows / rows)
                cycles += max(rows * cols * e.k_bytes / 2.0 / e.macs * idle, bytes_ / e.shared_read)
                read += bytes_
    return cycles, read


@given(st.sampled_from([H100, B200]), sides, sides, st.sampled_from([64.0, 128.0]))
def test_step_of_instructions_that_read_shared_memory(e: t.Engine, bm: float, bn: float, bk: float) -> None:
    got = t.tile_step(e, bm, bn, bk, 2.0, 1.0, 1.0, 0.0)
    ways = naive_step(e, bm, bn, bk), naive_step(e, bn, bm, bk)
    cycles = min(ways)[0]
    assert got.cycles == pytest.approx(cycles)
    assert any(got.reads == pytest.approx(r) for c, r in ways if c == pytest.approx(cycles))


@pytest.mark.parametrize(("bm", "bn", "rows", "cols"), [(128, 256, 64, 64), (128, 128, 64, 64), (64, 64, 32, 32),
                                                       (128, 64, 32, 64), (64, 256, 64, 64), (16, 128, 16, 32),
                                                       (16, 16, 16, 8)])
def test_every_sub_core_gets_a_warp(bm: int, bn: int, rows: int, cols: int) -> None:
    assert t.warp_tile(A100, float(bm), float(bn)) in ((rows, cols), (cols, rows))


@given(st.sampled_from([A100, L40S, ENGINES["mi300x"]]), st.sampled_from([(128, 256), (128, 128), (64, 64), (256, 64)]))
def test_step_of_warps_counts_their_fetches(e: t.Engine, tile: tuple[int, int]) -> None:
    bm, bn = tile
    rows, cols = t.warp_tile(e, float(bm), float(bn))
    read = sum(rows * 128 + cols * 128 for _ in range(int(bm / rows)) for _ in range(int(bn / cols)))
    step = t.tile_step(e, float(bm), float(bn), 128.0, 2.0, 1.0, 1.0, 0.0)
    assert step.reads == read
    assert step.cycles == max(bm * bn * 64 / e.macs, read / e.shared_read)


@given(engines, sides, sides, st.sampled_from([32.0, 64.0, 128.0]), st.floats(0.0, 1e5))
def test_invariants_of_a_step(e: t.Engine, bm: float, bn: float, bk: float, writes: float) -> None:
    step = t.tile_step(e, bm, bn, bk, 2.0, 1.0, 1.0, writes)
    assert step.cycles >= bm * bn * bk / 2.0 / e.macs - 1e-6, "no engine is faster than its multipliers"
    assert step.cycles >= step.reads / e.shared_read - 1e-6, "nor than its port"
    assert step.alone >= step.cycles
    assert step.reads >= (bm + bn) * bk - 1e-6, "every operand is read once at least"
    assert t.tile_step(e._replace(shared_read=2 * e.shared_read), bm, bn, bk, 2.0, 1.0, 1.0, writes).cycles \
        <= step.cycles + 1e-6
    assert t.tile_step(e, bm, bn, bk, 2.0, 1.0, 1.0, writes + 1e3).cycles >= step.cycles - 1e-6


@given(sides, sides)
def test_pairs_read_less_and_are_no_slower(bm: float, bn: float) -> None:
    one = t.tile_step(B200, bm, bn, 128.0, 2.0, 1.0, 1.0, 0.0)
    two = t.tile_step(B200, bm, bn, 128.0, 2.0, 2.0, 1.0, 0.0)
    assert two.cycles <= one.cycles
    assert two.tail >= 0
