"""One SM by itself: micro-benchmarks of one block as published, and that a chip's figures reach the kernels."""

import math
from itertools import pairwise

import archsim.chips as chips
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Cache, Chip, GpuCore, Memory, Scratchpad, TensorCore
from archsim.timing import sm
from archsim.units import GB, GHz, KiB, MiB, TB_per_s, ns

GPUS = ["v100-sxm2", "a100-sxm-80gb", "l40s", "h100-sxm", "h200", "b200", "mi210", "mi300x"]

# One block on one SM of B200, bf16, K = 131072: % of the SM's peak by stages (SemiAnalysisAI/microbench-blackwell). The
# operands of the narrow tile (50 MB) fit a partition of L2, those of the others (67 and 101 MB) lie in both.
BLACKWELL = [
    (128, 256, {2: 52, 3: 78, 4: 98}), (128, 128, {2: 35, 3: 51, 4: 67, 5: 82, 6: 94, 7: 95.5}),
    (128, 64, {2: 26, 3: 40, 4: 52, 5: 63.5, 6: 63.5, 7: 63.5}),
]


@pytest.mark.parametrize(("bm", "bn", "table"), BLACKWELL, ids=lambda x: str(x)[:8])
def test_one_block_by_stages(bm: int, bn: int, table: dict[int, float]) -> None:
    for stages, percent in table.items():
        run = sm.run(chips.get("b200"), bm, bn, 131072, stages=stages)
        assert 100 * run.utilization == pytest.approx(percent, abs=5), stages
        assert run.level == ("l2" if bn == 64 else "far")


def test_what_the_stages_of_one_block_wait_for() -> None:
    """Two stages wait for their turn-around: latency, port, arithmetic, commit; enough of them for the engine alone."""
    b200 = chips.get("b200")
    few, many = (sm.run(b200, 128, 256, 131072, stages=s) for s in (2, 4))
    assert (few.bound, many.bound) == ("turn-around", "barriers")
    assert few.turn == pytest.approx(60 + few.latency + 49152 / 128 + 512 + 148)
    assert many.step == 512 + 12, "the instructions of a step, and their commit"
    narrow = sm.run(b200, 128, 64, 131072)
    assert narrow.interval == 48, "128 x 64 needs 6 KB of operands per instruction of 32 cycles of arithmetic"
    assert narrow.engine == 4 * 48
    assert 24576 / narrow.step == pytest.approx(122, abs=3), "bytes per cycle that one SM fetches"


def test_two_groups_of_warps_keep_a_tensor_core_busy() -> None:
    """H100, 128 x 256 x 64, two groups of 64 rows: the mainloop reaches more than 95 % of wgmma's peak."""
    run = sm.run(chips.get("h100-sxm"), 128, 256, 131072)
    assert run.stages == 4
    assert run.steady > 0.95
    one = sm.run(chips.get("h100-sxm"), 64, 256, 131072)
    assert one.step >= one.engine + 12, "a single group waits for its commits"


def test_more_blocks_fill_the_barriers_of_warps_that_copy_and_multiply() -> None:
    a100 = chips.get("a100-sxm-80gb")
    one, two = (sm.run(a100, 128, 128, 65536, resident=r) for r in (1, 2))
    assert one.bound == "barriers"
    copies = 16384 / 512 * (1 + a100.core.address_ops) / 4  # instructions with their addresses, by four sub-cores
    assert one.step == 512 + a100.core.barrier + copies
    assert two.bound == "engine"
    assert two.steady == pytest.approx(1.0)


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_runs_every_tile_of_its_library(name: str) -> None:
    chip = chips.get(name)
    core = chip.core
    assert isinstance(core, GpuCore)
    dtype, ran = chip.dtypes[0], 0
    size = 4 if dtype == "tf32" else 2
    for bm, bn, step in core.library:
        try:
            run = sm.run(chip, bm, bn, 4096, dtype, bk=step // size, shown=1)
        except ArchsimError:
            continue
        ran += 1
        assert 0 < run.utilization <= run.steady * 1.0000001 <= 1.0000002
        assert run.cycles >= run.macs / run.peak
    assert ran > len(core.library) / 2


@given(st.sampled_from(GPUS), st.sampled_from([16, 64, 128, 192, 256]), st.sampled_from([16, 64, 96, 128, 256]),
       st.integers(1, 9000), st.integers(1, 3), st.sampled_from(list(sm.LEVELS)))
@settings(deadline=None, max_examples=60)
def test_invariants(name: str, bm: int, bn: int, k: int, resident: int, level: str) -> None:
    chip = chips.get(name)
    try:
        runs = [sm.run(chip, bm, bn, k, "fp16", resident=resident, level=level)]
    except ArchsimError:
        return
    runs += sm.by_stages(runs[0])
    best = runs[0]
    for r in runs:
        assert r.cycles >= r.macs / r.peak
        assert r.step >= max(r.engine, r.fetch) - 1e-9
        assert 0 < r.steady <= 1 + 1e-9
    by_stage = sorted(runs[1:], key=lambda r: r.stages)
    assert all(a.cycles >= b.cycles - 1e-6 for a, b in pairwise(by_stage)), "stages only help"
    done = max(e.end for e in best.last)
    assert best.cycles == pytest.approx(best.first + done + best.epilogue)
    assert best.prologue == pytest.approx(best.first + best.events[0].start)
    for e in (*best.events, *best.last):
        assert e.issue <= e.arrive <= e.start <= e.end <= e.free
        assert e.stage == e.step % best.stages
    assert len({(e.step, e.block) for e in (*best.events, *best.last)}) <= best.steps * resident


@st.composite
def machines(draw: st.DrawFn) -> Chip:
    """Return a GPU that nobody makes: 1 or 1000 SMs, 1 or 4 GHz, ports of 16 or 512 bytes per cycle."""
    kind, macs = draw(st.sampled_from([0, 1, 2])), draw(st.sampled_from([64, 512, 4096, 16384]))
    width = st.sampled_from([64, 128, 512])
    shared = Scratchpad(capacity=draw(st.sampled_from([48, 227, 4096])) * KiB, read_bytes=draw(width),
                        write_bytes=draw(width))
    core = GpuCore(
        tensor=TensorCore(macs={"bf16": macs, "fp8": 2 * macs}, asynchronous=kind > 0, tensor_memory=kind == 2),
        shared=shared, fill_bytes=draw(st.sampled_from([16, 64, 512])), through_registers=draw(st.booleans()))
    return Chip(
        name="x", clock=draw(st.sampled_from([1, 4])) * GHz, cores=draw(st.sampled_from([1, 132, 1000])), core=core,
        cache=Cache(capacity=draw(st.sampled_from([1, 500])) * MiB, latency=draw(st.sampled_from([20, 400])) * ns,
                    partitions=draw(st.sampled_from([1, 2, 8]))),
        memory=Memory(type="HBM4", capacity=64 * GB, bandwidth=8 * TB_per_s))


@given(machines(), st.sampled_from([1, 7, 64, 100, 128, 256]), st.sampled_from([1, 9, 64, 128, 250, 512]),
       st.sampled_from([1, 63, 4096]), st.sampled_from(["bf16", "fp8"]), st.sampled_from([1, 2, 4]),
       st.sampled_from(list(sm.LEVELS)))
@settings(deadline=None, max_examples=150)
def test_what_holds_of_any_machine(chip: Chip, bm: int, bn: int, k: int, dtype: str, resident: int, level: str) -> None:
    try:
        base = sm.run(chip, bm, bn, k, dtype, resident=resident, level=level)
    except ArchsimError:
        return

    def rounds(machine: Chip, flight: float = math.inf) -> list[float]:
        made = sm.run(machine, bm, bn, k, dtype, resident=resident, level=level, stages=base.stages, flight=flight)
        return [made.cycles, *made.rounds.values()]

    ideal, found = base.macs / base.peak, rounds(chip)
    assert all(ideal * (1 - 1e-9) <= cycles < math.inf for cycles in found)
    assert all(a >= b * (1 - 1e-9) for a, b in pairwise(found)), "what hides more is no slower"
    core, shared, cache = chip.core, chip.core.shared, chip.cache
    assert isinstance(core, GpuCore) and cache is not None
    for path, better in (("core", {"fill_bytes": 2 * core.fill_bytes}), ("core", {"barrier": 5.0}),
                         ("core.shared", {"write_bytes": 2 * shared.write_bytes}), ("core", {"bulk_latency": 1.0}),
                         ("core", {"epilogue": 10.0}), ("core.tensor", {"depth": 0.0}),
                         ("core.tensor", {"commit": 1.0}), ("cache", {"latency": cache.latency / 2}),
                         ("memory", {"latency": 50 * ns})):
        assert all(a <= b * (1 + 1e-9) for a, b in zip(rounds(chip.replace(path, **better)), found, strict=True)), path
    faster = {d: 2 * rate for d, rate in core.tensor.macs.items()}
    for path, better in (("core.shared", {"read_bytes": 2 * shared.read_bytes}), ("core.tensor", {"macs": faster})):
        # a tile may then be laid along the engine in its other way, which is faster but ends a little later
        assert all(a <= 1.01 * b for a, b in zip(rounds(chip.replace(path, **better)), found, strict=True)), path
    limited = rounds(chip, 4096.0)
    assert all(a >= b * (1 - 1e-9) for a, b in zip(limited, found, strict=True))


def test_a_stage_is_not_filled_before_it_is_free() -> None:
    for name in ("b200", "h100-sxm"):
        run = sm.run(chips.get(name), 128, 128, 4096, stages=3, shown=64)
        for before, after in zip(run.events, run.events[3:], strict=False):
            assert after.issue >= before.free


def test_a_faster_machine_is_no_slower() -> None:
    b200 = chips.get("b200")
    base = sm.run(b200, 128, 128, 65536, stages=4)
    for path, change in (("core", {"fill_bytes": 256.0}), ("memory", {"latency": 1e-7}), ("cache", {"latency": 1e-8})):
        assert sm.run(b200.replace(path, **change), 128, 128, 65536, stages=4).cycles <= base.cycles
    slow = b200.replace("cache", latency=4e-7, far_latency=9e-7)
    assert sm.run(slow, 128, 128, 65536, stages=4).cycles > base.cycles
    assert math.isclose(sm.run(slow, 128, 128, 65536, stages=4, level="dram").cycles,
                        sm.run(b200, 128, 128, 65536, stages=4, level="dram").cycles)


def test_bytes_in_flight_limit_what_arrives() -> None:
    """32 KB in flight over the latency, whatever the port could take."""
    run = sm.run(chips.get("b200"), 128, 128, 65536, level="dram", flight=32768)
    assert run.fetch == pytest.approx(run.latency)
    assert run.step == run.fetch
    assert sm.run(chips.get("b200"), 128, 128, 65536, level="dram", flight=1e9).fetch == 32768 / 128


def test_tiles_one_after_another() -> None:
    """Persistent kernels hide the prologue, a second set of accumulators the epilogue, if there is room for it."""
    b200 = sm.run(chips.get("b200"), 128, 256, 4096)
    assert b200.rounds["blocks"] == pytest.approx(b200.cycles)
    assert b200.rounds["blocks"] > b200.rounds["persistent"] > b200.rounds["double"] == b200.steps * b200.step
    assert set(sm.run(chips.get("h100-sxm"), 128, 256, 4096).rounds) == {"blocks", "persistent"}
    assert set(sm.run(chips.get("h100-sxm"), 128, 128, 4096).rounds) == {"blocks", "persistent", "double"}
    assert set(sm.run(chips.get("a100-sxm-80gb"), 128, 128, 4096).rounds) == {"blocks"}


def test_pairs_copy_half_of_b() -> None:
    alone = sm.run(chips.get("b200"), 128, 256, 8192, pair=1)
    pair = sm.run(chips.get("b200"), 128, 256, 8192, pair=2)
    assert (alone.stage_bytes, pair.stage_bytes) == (49152, 32768)
    assert pair.stages == 7 > alone.stages


@pytest.mark.parametrize(("chip", "tile", "more", "words"), [
    ("b200", (128, 256), {"stages": 5}, ("5 stages of 49,152 B take 245,760 B", "232,448 B", "at most 4 stages")),
    ("h100-sxm", (256, 256), {}, ("262,144 B", "131,072 B", "e.g. 256 x 128")),
    ("h100-sxm", (128, 256), {"resident": 2}, ("2 blocks", "262,144 B")),
    ("h100-sxm", (4096, 1), {"resident": 32}, ("at most 1,024 results per tile, e.g. 1024 x 1",)),
    ("b200", (128, 128), {"bk": 4096}, ("at most", "of K per step")),
    ("a100-sxm-80gb", (128, 128), {"pair": 2}, ("do not span SMs",)),
    ("b200", (128, 128), {"pair": 3}, ("span 2", "1 or 2, not 3")),
    ("a100-sxm-80gb", (128, 128), {"stages": 1}, ("2 stages at least",)),
    ("b200", (128, 128), {"flight": 0}, ("flight must be a number of bytes above 0",)),
    ("b200", (128, 128), {"level": "hbm"}, ("unknown level", "dram")),
    ("b200", (128, 128), {"k": 10**9}, ("at most 100,000",)),
    ("b200", (0, 128), {}, ("bm must be from 1",)),
    ("b200", (128, 1.5), {}, ("bn must be a whole number",)),
    ("b200", (128, 128), {"k": "long"}, ("k must be a whole number",)),
])
def test_what_does_not_fit_is_said(chip: str, tile: tuple[int, int], more: dict[str, int],
                                   words: tuple[str, ...]) -> None:
    given_ = {"k": 4096, **more}
    with pytest.raises(ArchsimError) as e:
        sm.run(chips.get(chip), *tile, given_.pop("k"), **given_)  # type: ignore[arg-type]
    for word in words:
        assert word in str(e.value)


def test_chips_without_sms() -> None:
    with pytest.raises(UnsupportedError, match="no SMs"):
        sm.run(chips.get("tpu-v5p"), 128, 128, 4096)
    with pytest.raises(UnsupportedError, match="fp4"):
        sm.run(chips.get("h100-sxm"), 128, 128, 4096, "fp4")
    with pytest.raises(ArchsimError):
        sm.run("b200", 128, 128, 4096)  # type: ignore[arg-type]
