"""A generation shares its microarchitecture: chips of one differ in what a datasheet prints, and in what is named here.

So a device that the catalogue does not have is defined by replacing the datasheet figures of one of its generation.
"""

from dataclasses import replace

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.hardware import Chip, GpuCore, Memory, Scratchpad, TensorCore
from archsim.hardware.gpu import BY_KIND
from archsim.hardware.part import defaulted, leaves
from archsim.timing import time
from archsim.timing.gpu_figures import figures
from archsim.timing.sm import engine
from archsim.units import KiB
from archsim.workload import MatMul

GENERATIONS = {
    "Volta": ("v100-sxm2", "v100-sxm2-32gb", "v100-pcie", "v100s-pcie"),
    "Turing": ("quadro-rtx-5000", "quadro-rtx-4000", "t4"),
    "Ampere GA100": ("a100-sxm-80gb", "a100-sxm-40gb", "a100-pcie-80gb", "a100-pcie-40gb", "a800-sxm-80gb",
                     "a800-pcie-80gb", "a30"),
    "Ampere GA10x": ("a40", "a10", "rtx-a6000", "rtx-a5000", "rtx-a4000"),
    "Ada": ("l40s", "l40", "l4"),
    "Hopper": ("h100-sxm", "h100-pcie", "h100-nvl", "h200", "gh200", "h800", "h20"),
    "Blackwell": ("b200", "gb200", "b300", "gb300"),
    "CDNA 2": ("mi210", "mi250", "mi250x", "mi250x-gcd"),
    "CDNA 3": ("mi300x", "mi325x"),
}

DATASHEET = ("clock", "boost", "cores", "cache.capacity", "memory.type", "memory.stacks", "memory.capacity",
             "memory.bandwidth", "link", "host", "power.tdp", "die")
"""What datasheets print of each device."""

ABOUT = ("name", "vendor", "year", "notes", "price", "peaks", "other_peaks")
"""What no timing reads."""

MACS = "core.tensor.macs"
DIFFERS = {
    "l40": {MACS: "half rate by its datasheet"},
    "h20": {MACS: "capped for export"},
    "b300": {MACS: "more fp4, no int8", "core.sfu": "exponentials doubled"},
    "gb300": {MACS: "more fp4, no int8", "core.sfu": "exponentials doubled"},
    "mi250": {"core.dispatch": "two dies", "cache.partitions": "two dies"},
    "mi250x": {"core.dispatch": "two dies", "cache.partitions": "two dies"},
}
"""Microarchitecture in which a chip differs from the first of its generation, and why."""

OWN = ("power.idle",)
"""What was measured, or estimated, of each device by itself."""


def within(path: str, parts: tuple[str, ...]) -> bool:
    return any(path == part or path.startswith(part + ".") for part in parts)


def test_every_gpu_is_of_a_generation() -> None:
    named = [name for names in GENERATIONS.values() for name in names]
    assert sorted(named) == sorted(name for name, chip in chips.catalogue().items() if chip.kind == "gpu")


PAIRS = [(names[0], name) for names in GENERATIONS.values() for name in names[1:]]


@pytest.mark.parametrize(("first", "name"), PAIRS)
def test_chips_of_a_generation_differ_by_their_datasheets(first: str, name: str) -> None:
    a, b = ({path: value for path, value, *_ in leaves(chips.get(which))} for which in (first, name))
    differ = {path for path in a.keys() | b.keys() if a.get(path) != b.get(path)}
    free = (*DATASHEET, *ABOUT, *OWN, *DIFFERS.get(name, {}))
    assert not {path for path in differ if not within(path, free)}
    for path in DIFFERS.get(name, {}):
        assert any(within(d, (path,)) for d in differ), f"{path} is as the first's"


def from_datasheet(base: Chip, of: Chip) -> Chip:
    """Return the chip that a reader of a datasheet would define: `base` with the figures printed of another."""
    made = base.replace(clock=of.clock, cores=of.cores)
    made = made.replace("cache", capacity=of.cache.capacity)  # type: ignore[union-attr]
    return made.replace("memory", type=of.memory.type, stacks=of.memory.stacks, capacity=of.memory.capacity,
                        bandwidth=of.memory.bandwidth)

@pytest.mark.parametrize(("first", "name"), [(a, b) for a, b in PAIRS if b not in DIFFERS])
def test_a_chip_is_defined_by_replacing_the_datasheet_of_another(first: str, name: str) -> None:
    """All that kernels are told of the chip follows: bandwidth of L2 from SMs and clock, latencies in cycles ..."""
    given, made = chips.get(name), from_datasheet(chips.get(first), chips.get(name))
    assert figures(made)._asdict() == pytest.approx(figures(given)._asdict())
    for dtype in given.dtypes:
        assert engine(made, dtype) == pytest.approx(engine(given, dtype)), dtype


def test_the_chips_that_two_dies_make() -> None:
    """A package of two dies has twice the L2 bandwidth and dispatch of one, at the same latencies."""
    one, two = chips.get("mi250x-gcd"), chips.get("mi250x")
    a, b = figures(one), figures(two)
    for field in ("sms", "l2", "dispatch", "l2_capacity", "dram_read"):
        assert getattr(b, field) == pytest.approx(2 * getattr(a, field), rel=0.01), field
    assert (b.near_capacity, b.l2_latency, b.dram_latency) == (a.near_capacity, a.l2_latency, a.dram_latency)


@pytest.mark.parametrize(("asynchronous", "like"), [(False, "a100-sxm-80gb"), (False, "mi300x"), (True, "h100-sxm")])
def test_a_core_written_from_a_datasheet_takes_what_its_kind_of_instruction_has(asynchronous: bool, like: str) -> None:
    core = GpuCore(tensor=TensorCore(macs={"bf16": 1024}, asynchronous=asynchronous),
                   shared=Scratchpad(capacity=160 * KiB, read_bytes=128, write_bytes=128))
    other = chips.get(like).core
    assert isinstance(other, GpuCore)
    for name in BY_KIND:
        assert getattr(core, name) == getattr(other, name)
        assert name in set(defaulted(core)), "a sheet of the chip says that nobody gave it"
    if like != "mi300x":
        assert core.library == other.library


@pytest.mark.parametrize(("name", "kind"), [
    ("a100-sxm-80gb", {}), ("h100-sxm", {"asynchronous": True}),
    ("b200", {"asynchronous": True, "tensor_memory": True}),
])
def test_a_tensor_core_written_from_a_datasheet_is_that_of_its_generation(name: str, kind: dict[str, bool]) -> None:
    known = chips.get(name)
    assert isinstance(known.core, GpuCore)
    core = GpuCore(tensor=TensorCore(macs=known.core.tensor.macs, **kind),
                   shared=Scratchpad(capacity=known.core.shared.capacity, read_bytes=128, write_bytes=128))
    assert core.tensor == known.core.tensor
    for field in ("shared_one_port", "fill_bytes", "multicast", "stages", "registers"):
        assert getattr(core, field) == getattr(known.core, field), field
    mine = known.replace(core=core)
    for op in (MatMul(m=1, n=8192, k=8192), MatMul(m=128, n=4096, k=4096), MatMul(m=8192, n=8192, k=8192)):
        assert time(op, mine).seconds == pytest.approx(time(op, known).seconds, rel=0.05)


@pytest.mark.parametrize(("macs", "rate"), [
    ({"bf16": 512}, 22), ({"fp16": 256, "int8": 1024}, 22), ({"bf16": 1024}, 36), ({"int8": 512}, 36),
])
def test_l2_gives_slow_sms_less(macs: dict[str, float], rate: float) -> None:
    core = GpuCore(tensor=TensorCore(macs=macs), shared=Scratchpad(capacity=1e5, read_bytes=128, write_bytes=128))
    assert core.l2_bytes == rate
    assert "l2_bytes" in set(defaulted(core))


def test_tensor_memory_needs_asynchronous_instructions() -> None:
    with pytest.raises(ArchsimError, match="tensor_memory needs asynchronous=True"):
        TensorCore(macs={"bf16": 4096}, tensor_memory=True)


@pytest.mark.parametrize(("kind", "latency"), [("HBM3", 365e-9), ("", 365e-9), ("GDDR6", 254e-9), ("GDDR7", 254e-9)])
def test_an_unknown_latency_is_that_of_the_kind_of_memory(kind: str, latency: float) -> None:
    assert Memory(type=kind, capacity=1e10, bandwidth=1e12).latency == latency


@pytest.mark.parametrize("name", ["b200", "gb200", "b300"])
def test_tiles_in_tensor_memory_have_the_rows_of_its_lanes(name: str) -> None:
    """128 lanes: 64 or 128 rows of one SM, or columns where a kernel transposes, by up to 256."""
    core = chips.get(name).core
    assert isinstance(core, GpuCore)
    for bm, bn, _ in core.library:
        assert bm in (64, 128) or bn in (64, 128)
        assert bm * bn * 4 <= core.tensor.accumulators
    assert (128, 256, 128) in core.library


def test_a_variant_with_other_matrix_instructions_has_what_belongs_to_them() -> None:
    """What the base was given by its own kind changes; what its definition states otherwise stays."""
    a100, h100 = chips.get("a100-sxm-80gb"), chips.get("h100-sxm")
    other = a100.replace("core.tensor", asynchronous=True)
    assert isinstance(a100.core, GpuCore) and isinstance(other.core, GpuCore) and isinstance(h100.core, GpuCore)
    assert other.core.tensor == replace(h100.core.tensor, macs=a100.core.tensor.macs)
    assert (other.core.stages, other.core.multicast, other.core.tile_stream) == (7, 2, 0.92)
    assert (other.core.l2_bytes, other.core.fp32_lanes) == (a100.core.l2_bytes, a100.core.fp32_lanes)
    back = other.replace("core.tensor", asynchronous=False)
    assert back == a100.replace(name=back.name)
    kept = a100.replace("core.tensor", asynchronous=True, fetch_cols=64)
    assert isinstance(kept.core, GpuCore)
    assert kept.core.tensor.fetch_cols == 64


def test_accumulators_that_are_half_of_the_registers_stay_so() -> None:
    def accumulators(chip: Chip) -> float:
        assert isinstance(chip.core, GpuCore)
        return chip.core.tensor.accumulators

    h100, b200 = chips.get("h100-sxm"), chips.get("b200")
    less = h100.replace("core", registers=64 * KiB)
    assert accumulators(less) == 32 * KiB
    product = MatMul(m=4096, n=4096, k=4096, weights=True)
    assert time(product, less).seconds > 1.1 * time(product, h100).seconds, "only small tiles fit"
    assert accumulators(h100.replace("core.tensor", accumulators=1e5).replace("core", registers=64 * KiB)) == 1e5
    assert accumulators(b200.replace("core", registers=64 * KiB)) == accumulators(b200), "they lie elsewhere"
