"""What is wrong with a chip's definition is found, and what is right is left alone."""

import pytest

import archsim
from archsim.economics.process import NODES
from archsim.errors import ArchsimError
from archsim.explore.check_chip import SEVERITIES, check
from archsim.explore.physical_ranges import sram_density
from archsim.hardware import (
    Cache,
    Chip,
    Die,
    GpuCore,
    Link,
    MatrixArray,
    Memory,
    Power,
    RooflineCore,
    Scratchpad,
    Source,
    SystolicCore,
    TensorCore,
    VectorUnit,
)
from archsim.hardware.dram import DEVICES, find_device
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s

CORE = SystolicCore(array=MatrixArray(rows=128, cols=128, count=4), vector=VectorUnit(lanes=1024, alus=4),
                    scratchpad=Scratchpad(capacity=64 * MiB, read_bytes=8192, write_bytes=4096))
SM = GpuCore(tensor=TensorCore(macs={"bf16": 1024}), shared=Scratchpad(capacity=163 * KiB, read_bytes=128,
                                                                        write_bytes=128))
PEAK = 2 * 4 * 128 * 128 * 2 * 1.75e9


def chip(core=CORE, **more):
    """Return a sound chip, as tpu-v5p, with changes."""
    given = {
        "name": "mine", "vendor": "Me", "year": 2023, "clock": 1.75 * GHz, "cores": 2, "core": core, "price": 6000.0,
        "memory": Memory(type="HBM2e", capacity=96 * GB, bandwidth=2765 * GB_per_s, stacks=6),
        "link": Link(bandwidth=600 * GB_per_s, count=6), "power": Power(tdp=475, idle=90),
        "die": Die(process="5nm", area=500, count=1), "peaks": {"bf16": 459 * TFLOPS},
        "sources": {p: Source("a datasheet") for p in ("clock", "cores", "core", "memory", "link", "power", "die",
                                                      "price", "peaks", "year")},
    }
    given.update(more)
    parts = {k for k, v in given.items() if v is not None}
    given["sources"] = {p: s for p, s in given["sources"].items() if p in parts}
    return Chip(**{k: v for k, v in given.items() if v is not None})


def gpu(core=SM, **more):
    return chip(core, cores=108, cache=more.pop("cache", Cache(capacity=40 * MiB, bandwidth=4 * TB_per_s)),
                peaks=None, **more)


def found(chip, severity=None, near=()):
    return {f.figure: f for f in check(chip, near) if severity in (None, f.severity)}


def test_a_sound_chip_has_neither_errors_nor_warnings():
    assert not found(chip(), "error")
    assert not found(chip(), "warn"), found(chip(), "warn")
    assert not found(gpu(), "error")


def test_the_catalogue_has_no_errors():
    for known in archsim.chips.catalogue().values():
        bad = [f for f in archsim.check(known) if f.severity == "error"]
        assert not bad, (known.name, [str(f) for f in bad])


def test_matrix_instructions_of_single_warps_have_their_limit():
    """Whoever writes an H100 and forgets that its instructions are asynchronous is told."""
    h100 = archsim.chips.get("h100-sxm")
    slow = h100.replace("core.tensor", asynchronous=False)
    assert found(slow)["core.tensor.asynchronous"].severity == "warn"
    for name in ("h100-sxm", "b200", "a100-sxm-80gb", "mi300x", "l40s"):
        assert "core.tensor.asynchronous" not in found(archsim.chips.get(name))


def test_a_port_of_a_slower_memory_is_named():
    a100 = archsim.chips.get("a100-sxm-80gb")
    assert "memory.port" not in found(a100, "warn")
    faster = a100.replace("memory", type="HBM3e", bandwidth=4800 * GB_per_s)
    assert found(faster)["memory.port"].severity == "warn"
    assert "memory.port" not in found(faster.replace("memory", port=None), "warn")


def test_a_peak_that_does_not_close():
    twice = found(chip(peaks={"bf16": 2 * PEAK}))["peaks.bf16"]
    assert twice.severity == "error"
    assert twice.value == pytest.approx(PEAK)
    assert twice.low < 2 * PEAK < twice.high
    assert "half as much; is the declared peak a sparse one" in twice.problem
    assert "is it FLOP that were given" in found(chip(peaks={"bf16": PEAK / 2}))["peaks.bf16"].problem
    assert found(chip(peaks={"bf16": 1.05 * PEAK}))["peaks.bf16"].severity == "warn"
    assert "peaks.bf16" not in found(chip(peaks={"bf16": 1.009 * PEAK}))
    assert "no fp8 rate" in found(chip(peaks={"fp8": PEAK}))["peaks.fp8"].problem
    assert found(chip(peaks=None))["peaks"].severity == "info"


def test_a_peak_of_another_clock_state_closes():
    assert "peaks.bf16" not in found(chip(clock_states={"slow": 1.5 * GHz, "fast": 2.1 * GHz},
                                          peaks={"bf16": PEAK * 2.1 / 1.75}))


@pytest.mark.parametrize(("memory", "figure", "severity"), [
    ({"type": "HBM2e", "stacks": 4}, "memory.bandwidth", "error"),  # 691 GB/s each
    ({"type": "HBM2e", "stacks": 5}, "memory.bandwidth", "warn"),  # 553
    ({"type": "HBM3", "stacks": 3, "capacity": 72 * GB}, "memory.bandwidth", "warn"),
    ({"type": "HBM3", "stacks": 4, "capacity": 128 * GB}, "memory.capacity", "error"),
    ({"type": "HBM3e", "bandwidth": 60e12, "capacity": 2000 * GB}, "memory", "error"),  # at least 48 stacks
    ({"type": "HBM3", "bandwidth": 9e12, "capacity": 192 * GB}, "memory", "warn"),  # at least 11
    ({"type": "HBM3e", "bandwidth": 8e12, "capacity": 24 * GB}, "memory.capacity", "warn"),  # 7 stacks of 3.4 GB
    ({"type": "GDDR6", "bandwidth": 9e12, "capacity": 48 * GB}, "memory", "error"),
    ({"energy": 4e-12}, "memory.energy", "warn"),
    ({"latency": 500e-6}, "memory.latency", "error"),
    ({"type": "HBM2e", "energy": 190e-12}, "memory.energy", "error"),  # 525 W of 475
])
def test_memories_that_cannot_be(memory, figure, severity):
    given = {"type": "HBM2e", "capacity": 96 * GB, "bandwidth": 2765 * GB_per_s, **memory}
    assert found(chip(memory=Memory(**given)))[figure].severity == severity


@pytest.mark.parametrize("name", ["h100-sxm", "b200", "a100-sxm-40gb", "mi300x", "h200", "v100-sxm2", "tpu-v5p"])
def test_memories_of_known_chips_are_within_their_standard(name):
    known = archsim.chips.get(name)
    assert find_device(known.memory.type)
    assert not {"memory", "memory.bandwidth", "memory.capacity"} & {
        f.figure for f in check(known) if f.severity != "info"}


def test_an_unknown_memory_is_said_and_not_guessed():
    for kind in ("", "phlogiston"):
        f = found(chip(memory=Memory(type=kind, capacity=96 * GB, bandwidth=2765 * GB_per_s)))["memory.type"]
        assert f.severity == "info"
        assert "HBM3e" in f.source


def test_sram_and_reticle():
    small = found(chip(die=Die(process="5nm", area=50)))["die.area"]  # 128 MiB take 32 mm2
    assert small.severity == "warn"
    assert small.value == pytest.approx(128 * 8 / 31.8)
    assert found(chip(die=Die(process="5nm", area=30)))["die.area"].severity == "error"
    assert found(chip(die=Die(process="28nm", area=190)))["die.area"].severity == "error"
    assert found(chip(die=Die(process="5nm", area=900, count=1)))["die.area"].severity == "error"
    assert found(chip(die=Die(process="5nm", area=1600)))["die.area"].severity == "info"
    assert "die.area" not in found(chip(die=Die(process="5nm", area=1600, count=2)))
    tiers = Die(process="5nm", area=1200, count=1, base=Die(process="7nm", area=500))
    assert "die.area" not in found(chip(die=tiers)), "one of 700 mm2 on another of 500"
    assert "not given" in found(chip(die=None))["die.area"].problem


def test_ports_that_starve_the_arrays():
    f = found(chip().replace("core.scratchpad", read_bytes=128))["core.scratchpad.read_bytes"]
    assert f.severity == "warn"
    assert f.low == 256  # 128 rows of bf16 per cycle
    f = found(chip().replace("core.scratchpad", read_bytes=512))["core.scratchpad.read_bytes"]
    assert f.severity == "info"
    assert f.low == 1024
    assert found(chip().replace("core", dma_bandwidth=1 * TB_per_s))["core.dma_bandwidth"].severity == "warn"
    assert found(chip().replace("core.vector", lanes=64, alus=1))["core.vector.lanes"].severity == "info"
    f = found(gpu().replace("core.shared", read_bytes=32))["core.shared.read_bytes"]
    assert f.severity == "warn"
    assert f.low == pytest.approx(1024 * 2 * (64 + 64) / (64 * 64))
    assert found(gpu().replace("core", fill_bytes=4))["core.fill_bytes"].severity == "warn"
    assert found(gpu().replace("core.tensor", accumulators=512 * KiB))["core.tensor.accumulators"].severity == "error"
    assert found(gpu(cache=Cache(capacity=40 * MiB, bandwidth=1e12)))["cache.bandwidth"].severity == "warn"
    odd = RooflineCore(rates={"bf16": 1000}, vector=2000)
    assert found(chip(odd, peaks=None))["core.vector"].severity == "warn"


def test_power_and_links():
    assert found(chip(power=None))["power"].severity == "warn"
    hot = gpu().replace("power.energy", add=1e-11)
    assert found(hot)["power.energy"].severity == "error"
    assert found(chip(die=None))["die.process"].severity == "info"
    assert found(chip(die=None))["die.process"].problem.startswith("not given")
    assert found(chip(link=Link(bandwidth=4800 * GB_per_s)))["link.bandwidth"].severity == "warn"
    assert found(chip(link=None))["link"].severity == "info"


def test_what_has_no_source_and_what_has_a_default():
    bare = found(chip(sources={}), "warn")
    assert "capacity, bandwidth" in bare["memory"].problem
    assert "price" in bare["chip"].problem
    bare = found(chip(sources={}), "info")
    assert "dma_latency" in bare["core"].problem
    assert bare["core"].source == "see help(archsim.SystolicCore)"
    assert found(chip(year=None))["year"].severity == "info"


# --- beside its neighbours --------------------------------------------------------------------------------------------

NEAR = [chip(name=f"near{i}", year=2022 + i) for i in range(3)]
TRAITS = ("die.area", "power.tdp", "memory.bandwidth", "link.bandwidth", "clock")


def test_a_chip_like_its_neighbours_is_left_alone():
    assert not [f for f in check(chip(), NEAR) if "of its year" in f.problem]


@pytest.mark.parametrize(("change", "problem", "severity"), [
    ({"die": Die(process="5nm", area=250, count=1)}, "peak per die area (bf16): 2.0 times", "warn"),
    ({"die": Die(process="5nm", area=100, count=1)}, "peak per die area (bf16): 5.0 times", "error"),
    ({"power": Power(tdp=100, idle=20)}, "peak per watt (bf16): 4.8 times", "error"),
    ({"power": Power(tdp=1000, idle=20)}, "power per die area: 2.1 times", "warn"),
    ({"clock": 3.5 * GHz, "peaks": None}, "clock: 2.0 times", "warn"),
    ({"link": Link(bandwidth=1200 * GB_per_s)}, "one-way link bandwidth: 2.0 times", "warn"),
    ({"link": Link(bandwidth=60 * GB_per_s)}, "one-way link bandwidth: 10.0 times below", "info"),
])
def test_a_chip_unlike_its_neighbours(change, problem, severity):
    hits = [f for f in check(chip(**change), NEAR) if f.problem.startswith(problem)]
    assert [f.severity for f in hits] == [severity]
    assert "3 chips of 2022 to 2024; highest: near" in hits[0].source


def test_neighbours_are_those_of_its_year_or_the_nearest():
    old = [chip(name=f"old{i}", year=2010, clock=0.5 * GHz, peaks=None) for i in range(3)]
    assert not [f for f in check(chip(), [*old, *NEAR]) if f.figure == "clock"]
    assert "clock" in found(chip(year=1, clock=3.5 * GHz, peaks=None), near=NEAR)
    late = [f for f in check(chip(year=2031), [*old, *NEAR]) if f.problem.startswith("clock")]
    assert not late, "the nearest in time, 2022 to 2024, bound it"
    early = [f for f in check(chip(year=2008), [*old, *NEAR]) if f.problem.startswith("clock")]
    assert early[0].severity == "warn"
    assert not [f for f in check(chip(), NEAR[:2]) if "of its year" in f.problem], "two are too few"


def test_the_worst_comes_first_and_reads_as_a_line():
    many = check(chip(peaks={"bf16": 1e15}, sources={}, power=None), NEAR)
    order = [SEVERITIES.index(f.severity) for f in many]
    assert order == sorted(order)
    assert str(many[0]).startswith("error peaks.bf16: cores x MAC x 2 x clock is -54.1 % off")
    assert "9.9e+14 to 1.01e+15" in str(many[0])
    assert set(many[0].to_dict()) == {"severity", "figure", "problem", "value", "low", "high", "unit", "source"}


def test_what_is_no_chip_is_told():
    with pytest.raises(ArchsimError, match="check takes a Chip"):
        archsim.check("h100")


# --- ranges -----------------------------------------------------------------------------------------------------------

def test_ranges_are_in_order():
    assert sram_density("N5") == pytest.approx(31.8 * MiB / 8)
    assert sram_density("secret") == max(map(sram_density, NODES)), "only the impossible is refused"
    for device in DEVICES.values():
        assert device.low < device.high
        assert find_device(device.name) is device
    assert find_device("HBM3E 8 stacks").name == "HBM3e"
    assert find_device("HBM") is None, "of which generation?"
