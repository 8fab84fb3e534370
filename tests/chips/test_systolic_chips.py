"""The systolic chips: what the documents say is there, readings that differ, and whole models on every one of them."""

import itertools
from functools import cache

import pytest
from archsim.chips import amazon, google

from archsim import chips, models
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, SystolicCore
from archsim.simulation import Run, simulate
from archsim.timing import time
from archsim.workload import transformer
from archsim.workload.ops import MatMul

CHIPS = {chip.name: chip for chip in google.CHIPS + google.PARTS + amazon.CHIPS}
BF16 = [chip for chip in CHIPS.values() if "bf16" in chip.dtypes]
EVERY = pytest.mark.parametrize("chip", BF16, ids=lambda c: c.name)


def core(chip: Chip) -> SystolicCore:
    assert isinstance(chip.core, SystolicCore)
    return chip.core


# --- what the documents say -------------------------------------------------------------------------------------------


def test_all_run_at_register_level_fidelity() -> None:
    assert {c.kind for c in CHIPS.values()} == {"systolic"}
    assert {c.fidelity for c in CHIPS.values()} == {"cycle"}


@pytest.mark.parametrize("name", ["tpu-v5e", "tpu-v5p", "tpu-v6e", "trainium2"])
def test_unpublished_power_and_price_are_marked_estimated(name: str) -> None:
    chip = CHIPS[name]
    power = chip.sources.of("power.tdp")  # type: ignore[attr-defined]
    assert power.confidence == "estimated"
    assert power.low < chip.power.tdp < power.high
    if chip.price:
        assert chip.sources["price"].confidence == "estimated"


def test_an_estimate_says_why() -> None:
    """An estimated figure of an array, a port or a memory names its reason in a sentence, not in a word."""
    for chip in CHIPS.values():
        for path, source in chip.sources.items():
            if source.confidence == "estimated" and path.split(".")[0] in ("core", "cache", "memory"):
                assert len(source.text + source.note) > 15, (chip.name, path)


ARRAYS = [  # chip, cores, arrays per core, side, bf16 (v1: int8) rows per cycle, GHz, scratchpad MiB, HBM bytes
    ("tpu-v1", 1, 1, 256, 1, 0.7, 24, 8 * 2**30), ("tpu-v2", 2, 1, 128, 1, 0.7, 16, 16e9),
    ("tpu-v3", 2, 2, 128, 1, 0.94, 16, 32 * 2**30), ("tpu-v4i", 1, 4, 128, 1, 1.05, 16, 8 * 2**30),
    ("tpu-v4", 2, 4, 128, 1, 1.05, 16, 32 * 2**30), ("tpu-v5e", 1, 4, 128, 1, 1.5, 128, 16e9),
    ("tpu-v5p", 2, 4, 128, 1, 1.75, 64, 95e9), ("tpu-v6e", 1, 2, 256, 2, 1.75, 128, 32e9),
    ("tpu-v7", 2, 2, 256, 2, 1.9, 64, 192 * 2**30), ("trainium1", 2, 1, 128, 1, 2.8, 24, 32 * 2**30),
    ("inferentia2", 2, 1, 128, 1, 2.8, 24, 32 * 2**30), ("trainium2", 8, 1, 128, 1, 2.4, 28, 96 * 2**30),
    ("trainium3", 8, 1, 128, 1, 2.4, 32, 144 * 2**30),
]


@pytest.mark.parametrize(("name", "cores", "count", "side", "rate", "ghz", "mib", "capacity"), ARRAYS)
def test_the_catalogue_holds_what_the_documents_say(
    name: str, cores: int, count: int, side: int, rate: float, ghz: float, mib: float, capacity: float
) -> None:
    chip = CHIPS[name]
    array = core(chip).array
    assert (chip.cores, array.count, array.rows, array.cols) == (cores, count, side, side)
    assert array.rows_per_cycle["int8" if name == "tpu-v1" else "bf16"] == rate
    assert (chip.clock, core(chip).scratchpad.capacity) == (ghz * 1e9, mib * 2**20)
    assert chip.memory.capacity == capacity


def test_the_vector_units_close_with_the_published_rates() -> None:
    """The scaling book: 7e12 FLOP/s per v5p core; Trainium2's 1.0 TFLOPS is its fastest mode, twice ours."""
    for name, rate in (("tpu-v2", 1.43e12), ("tpu-v3", 1.93e12), ("tpu-v4", 2.15e12), ("tpu-v5e", 6.1e12),
                       ("tpu-v5p", 7.2e12), ("trainium2", 0.49e12)):
        vector = core(CHIPS[name]).vector
        clock = vector.clock or CHIPS[name].clock
        assert vector.lanes * vector.alus * clock == pytest.approx(rate, rel=0.01)


def test_one_kernel_fills_the_documented_part_of_the_scratchpad() -> None:
    """The compiler's default is 32 MiB of 128 (v5e, v6e) or 64 (v5p, v7); kept as a share so that it grows along."""
    for name in ("tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7"):
        assert core(CHIPS[name]).scratchpad.capacity * core(CHIPS[name]).kernel_share == 32 * 2**20
        assert CHIPS[name].sources["core.kernel_share"].confidence == "derived"
    assert core(CHIPS["trainium2"]).kernel_share == 1.0


def test_tpu_v1_knee() -> None:
    """Jouppi et al., ISCA 2017: the roofline's knee lies at about 1350 multiply-accumulates per byte of weights."""
    assert CHIPS["tpu-v1"].balance("int8") / 2 == pytest.approx(1350, rel=0.01)


def test_clock_states_of_v7() -> None:
    """platform_info.py: states 0 to 7; peaks are published at 2.2 GHz, and 1.9 GHz is the default."""
    v7 = CHIPS["tpu-v7"]
    assert [s / 1e9 for s in (v7.clock_states or {}).values()] == [1.6, 1.7, 1.8, 1.9, 2.0, 2.05, 2.1, 2.2]
    assert v7.at("p3").clock == v7.clock
    assert v7.peak() == pytest.approx(1992e12, rel=0.001)
    assert v7.at("p7").peak() == pytest.approx(2307e12, rel=0.001)
    speed = [time(MatMul(m=16384, n=16384, k=16384), v7.at(f"p{i}")).seconds for i in range(8)]
    assert all(a > b for a, b in itertools.pairwise(speed))
    memory = [time(MatMul(m=1, n=16384, k=16384), v7.at(f"p{i}")).seconds for i in (0, 7)]
    assert memory[0] == pytest.approx(memory[1], rel=0.02), "memory keeps its speed"


def test_a_core_of_v7_is_half_of_it() -> None:
    whole, half = CHIPS["tpu-v7"], CHIPS["tpu-v7-core"]
    assert half.peak() == whole.peak() / 2
    assert half.memory.bandwidth == whole.memory.bandwidth / 2
    assert half.memory.capacity == whole.memory.capacity / 2


# --- readings that differ ---------------------------------------------------------------------------------------------


def matrix_share(op: MatMul, chip: Chip) -> float:
    """Return the share of peak that the arrays reach while they are busy, whatever memory does."""
    return op.flops / chip.peak(op.dtype) / time(op, chip).busy["matrix"]


def test_weight_latch_in_8_bit() -> None:
    """platform_info.py latches 32 8-bit rows in 4 cycles, XProf in 2: at M = 32 in int8, v6e doubles its throughput."""
    slow = CHIPS["tpu-v6e"]
    fast = slow.replace("core.array", load_bytes={"bf16": 8, "int8": 16, "int4": 16, "fp8": 16, "fp32": 16})
    few = MatMul(m=32, n=8192, k=8192, dtype="int8")
    assert matrix_share(few, slow) == pytest.approx(0.25, rel=0.01)  # 32 rows stream in 8 cycles, a load takes 32
    assert matrix_share(few, fast) == pytest.approx(0.50, rel=0.01)
    for same in (MatMul(m=32, n=8192, k=8192), MatMul(m=4096, n=8192, k=8192, dtype="int8")):
        assert matrix_share(same, fast) == pytest.approx(matrix_share(same, slow), rel=0.01)


def test_two_arrays_of_two_rows_against_four_of_one() -> None:
    """Both close with v6e's 918 TFLOPS; they part where few rows meet a tile, by a factor of two."""
    two = CHIPS["tpu-v6e"]
    rates = {dtype: rate / 2 for dtype, rate in core(two).array.rows_per_cycle.items()}
    four = two.replace("core.array", count=4, rows_per_cycle=rates)
    assert four.peak() == two.peak()
    for m, factor in ((16, 2.0), (32, 2.0), (64, 2.0), (128, 1.0), (8192, 1.0)):
        op = MatMul(m=m, n=8192, k=8192)
        assert matrix_share(op, four) / matrix_share(op, two) == pytest.approx(factor, rel=0.01), m


def test_v5p_memory_of_2765_or_2460() -> None:
    """Cloud documents against JAX: decode slows by the ratio, prefill does not."""
    docs = CHIPS["tpu-v5p"]
    jax = docs.replace("memory", bandwidth=2460e9)
    few, many = (MatMul(m=m, n=28672, k=8192) for m in (1, 8192))
    assert time(few, jax).seconds / time(few, docs).seconds == pytest.approx(2765 / 2460, rel=0.03)
    assert time(many, jax).seconds / time(many, docs).seconds == pytest.approx(1, rel=0.01)


def test_trainium_peaks_by_clock_or_datasheet() -> None:
    """The datasheet's 667 needs 2.55 GHz; it is one replace() away and moves prefill alone."""
    guide = CHIPS["trainium2"]
    sheet = guide.replace(clock=guide.clock * 667e12 / guide.peak())
    assert sheet.peak() == pytest.approx(667e12)
    large, small = MatMul(m=16384, n=8192, k=8192), MatMul(m=1, n=8192, k=8192)
    assert time(guide_op := large, guide).seconds / time(guide_op, sheet).seconds == pytest.approx(667 / 629, rel=0.02)
    assert time(small, guide).seconds == pytest.approx(time(small, sheet).seconds, rel=0.01)


# --- whole models -----------------------------------------------------------------------------------------------------


@cache
def run(name: str, phase: str) -> Run:
    sizes = {"batch": 1, "seq": 4096} if phase == "prefill" else {"batch": 4, "context": 2048}
    return simulate(transformer(models.get("llama-3.1-8b"), phase=phase, **sizes), CHIPS[name])  # type: ignore[arg-type]


def streams(chip: Chip) -> float:
    """Return the bytes per second that memory or the DMA engines of all cores move, whichever is less."""
    engines = core(chip).dma_bandwidth
    return min(chip.memory.bandwidth, chip.cores * engines) if engines else chip.memory.bandwidth


@EVERY
def test_every_chip_runs_a_model(chip: Chip) -> None:
    """Prefill lies near the arrays' peak, decode near the memory's; chips too small for the weights share them."""
    prefill, decode = run(chip.name, "prefill"), run(chip.name, "decode")
    assert prefill.fidelity == decode.fidelity == "cycle"
    assert prefill.bound == "matrix"
    assert 0.5 < prefill.utilization < 1
    assert decode.bound == "hbm"
    embeddings = 2 * 128256 * 4096  # looked up, not streamed
    floor = (decode.weight_bytes - embeddings + decode.kv_bytes) / decode.chips / streams(chip)
    assert 1 < decode.time_s / floor < 1.5
    assert decode.chips == (2 if chip.name in ("tpu-v2", "tpu-v4i", "tpu-v5e") else 1)


def test_models_rank_chips_as_their_specifications_do() -> None:
    """Half as much again of peak means a faster prefill per chip, and of bandwidth a faster decode."""
    for a, b in itertools.permutations(BF16, 2):
        if a.peak() > 1.5 * b.peak():
            assert run(a.name, "prefill").tokens_per_s / run(a.name, "prefill").chips > \
                run(b.name, "prefill").tokens_per_s / run(b.name, "prefill").chips, (a.name, b.name)
        if streams(a) > 1.5 * streams(b):
            assert run(a.name, "decode").tokens_per_s / run(a.name, "decode").chips > \
                run(b.name, "decode").tokens_per_s / run(b.name, "decode").chips, (a.name, b.name)


def test_tpu_v1_says_what_it_takes() -> None:
    graph = transformer(models.get("llama-3.1-8b"), phase="decode", batch=1, context=512)
    with pytest.raises(UnsupportedError, match="tpu-v1 has no bf16 matrix path; it has: int8"):
        simulate(graph, chips.get("tpu-v1"))


def test_tpu_v1_streams_its_weights() -> None:
    """Jouppi et al., ISCA 2017: 8-bit layers of few rows wait for DDR3; many rows fill the array."""
    v1 = CHIPS["tpu-v1"]
    few = time(MatMul(m=200, n=2048, k=2048, dtype="int8", out_dtype="int8"), v1)
    assert few.bound == "hbm"
    assert few.utilization < 0.15
    many = MatMul(m=16384, n=2048, k=2048, dtype="int8", out_dtype="int8")
    assert matrix_share(many, v1) > 0.98
    load = time(MatMul(m=64, n=2048, k=2048, dtype="int8"), v1).busy["matrix"]
    assert load == pytest.approx(64 * 256 / v1.clock, rel=0.01), "64 tiles of 256 cycles, however few rows stream"


def test_neuron_cores_read_what_their_engines_move() -> None:
    """pantheongpu, Neuron suite, 2026-09-21: 273 GB/s per core and 543.7 per Trainium1, 542.8 per Inferentia2."""
    for name, measured in (("trainium1", 543.7e9), ("inferentia2", 542.8e9)):
        op = MatMul(m=1, n=65536, k=65536)
        assert op.bytes / time(op, CHIPS[name]).seconds == pytest.approx(measured, rel=0.03)
        assert op.bytes / time(op, CHIPS[name].replace(cores=1)).seconds == pytest.approx(273e9, rel=0.03)
