"""Area against published dies, part by part against hand counts, and how it moves with a chip's definition."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim as sim
from archsim.economics import blocks
from archsim.economics.area import PER_CORE, area
from archsim.economics.process import NODES, node
from archsim.economics.range import Range, spread, total
from archsim.errors import ArchsimError
from archsim.hardware import Cache, Chip, Die, Link, MatrixArray, Memory, Power, Scratchpad, SystolicCore, VectorUnit
from archsim.units import GB, GB_per_s, GHz, KiB, MiB, W

SYSTOLIC = [name for name, chip in sim.chips.catalogue().items() if chip.kind == "systolic" and chip.die]


def made(**changes) -> Chip:
    """A small chip of one core of a hypothetical kind."""
    return Chip(**{"name": "small", "clock": 1 * GHz, "memory": Memory(type="HBM3", capacity=32 * GB, stacks=2,
                                                                     bandwidth=1600 * GB_per_s),
                   "core": SystolicCore(array=MatrixArray(rows=128, cols=128, rows_per_cycle={"bf16": 1}),
                                        vector=VectorUnit(lanes=1024),
                                        scratchpad=Scratchpad(capacity=32 * MiB, read_bytes=4 * KiB,
                                                              write_bytes=4 * KiB)),
                   "link": Link(bandwidth=200 * GB_per_s), "power": Power(tdp=200 * W),
                   "die": Die(process="TSMC N5")} | changes)


def part(chip: Chip, name: str) -> float:
    """mm2 of one part."""
    return next(p.value.base for p in area(chip).parts if p.name.removeprefix(PER_CORE) == name)


# --- published dies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chip", "published", "tolerance"), [
    # GA100: 826 mm2, 128 SMs, 6 HBM sites, 48 MB of L2 [A100 white paper; LLMCompass computes +0.5 %].
    ("a100-sxm-80gb", 826, 0.08),
    # GH100: 814 mm2, 144 SMs, 6 sites, 60 MB [H100 white paper]. No constant of the model was set on it.
    ("h100-sxm", 814, 0.08),
    # Aldebaran: two of 724 mm2, 112 CUs each [CDNA 2 white paper; LLMCompass computes -7.5 %].
    ("mi250x", 2 * 724, 0.08),
    # GA102: 628 mm2, TU104: 545 mm2 [white papers]; raster engines and ray tracing are not modelled. Not set on them.
    ("rtx-a6000", 628, 0.15),
    ("quadro-rtx-5000", 545, 0.08),
])
def test_dies_of_gpus(chip, published, tolerance):
    found = area(sim.chips.get(chip))
    assert found.published == published
    assert found.computed.base == pytest.approx(published, rel=tolerance)


@pytest.mark.parametrize(("chip", "bound", "least"), [
    ("tpu-v1", 331, 0.6),  # Jouppi et al., ISCA 2017
    ("tpu-v2", 625, 0.6), ("tpu-v3", 700, 0.6),  # Jouppi et al., ISCA 2021: "< 625", "< 700"
    ("tpu-v4i", 400, 0.6),  # the same: "< 400"
    ("tpu-v4", 600, 0.6),  # Jouppi et al., ISCA 2023: "< 600"
])
def test_dies_of_systolic_chips_stay_below_their_published_bound(chip, bound, least):
    assert least * bound < area(sim.chips.get(chip)).computed.base <= bound


@pytest.mark.parametrize(("chip", "off"), [
    ("h100-sxm", -0.01), ("quadro-rtx-5000", -0.01), ("rtx-a6000", -0.11),  # GA102 has ray tracing and raster engines
    ("l40s", -0.22),  # AD102 likewise, and more of it
    ("b200", -0.17),  # what joins the two dies is not modelled
    ("mi300x", 0.35),  # XCDs: denser than the CUs of 6 nm that control logic was read from
    ("v100-sxm2", 0.40),  # SMs simpler than the ones of 7 nm that it was read from
])
def test_dies_that_no_constant_was_set_on(chip, off):
    """What the model computes, over what is published: its errors, kept in sight."""
    found = area(sim.chips.get(chip))
    assert found.computed.base / found.published - 1 == pytest.approx(off, abs=0.015)


def test_parts_of_tpu_v1_are_those_of_its_floorplan():
    """At most 24 % of 331 mm2 are multipliers, 29 % + 6 % the unified buffer and accumulators (ISCA 2017, fig. 2)."""
    chip = sim.chips.get("tpu-v1")
    arrays = part(chip, "matrix arrays (int8)") + part(chip, "array registers")
    assert 0.5 * 0.24 * 331 < arrays < 0.24 * 331 * 1.05
    assert 0.6 * 0.35 * 331 < part(chip, "scratchpad") + part(chip, "accumulators") < 0.35 * 331 * 1.05


# --- the parts --------------------------------------------------------------------------------------------------------


def test_a_scratchpad_by_hand():
    """32 MiB at 5 nm: 268 million cells of 0.021 um2, three times over for banks and ports: 16.9 mm2."""
    assert part(made(), "scratchpad") == pytest.approx(32 * 2**20 * 8 * 0.021e-6 * 3.0)


def test_an_array_by_hand():
    """A bf16 multiply-add at 45 nm: 13.5 x 8 x 8 for the multiplier, 17 x 16 to align, a quarter of an fp32 adder."""
    mac = 13.5 * 64 + 17 * 16 + 4184 / 4
    assert blocks.mac("bf16").base == pytest.approx(mac)
    shrink = 138.2 / (7.7 * (40 / 45) ** 2)
    assert part(made(), "matrix arrays (bf16)") == pytest.approx(128 * 128 * mac * 3.0 / shrink / 1e6)


def test_formats_in_order_of_area():
    """Energy and area per format: int8 below fp8 below bf16 below fp16 below fp32 (Horowitz, ISSCC 2014)."""
    sizes = [blocks.mac(d).base for d in ("int4", "int8", "bf16", "fp16", "fp32", "fp64")]
    assert sizes == sorted(sizes)
    assert blocks.mac("fp4").base < blocks.mac("fp8").base < blocks.mac("bf16").base
    # Published at 45 nm: 1,640 + 1,360 um2 for an fp16 multiplier with an fp16 adder; 282 + 137 for int8 with int32.
    assert blocks.mac("fp16").base == pytest.approx(1640 + 1360, rel=0.1)
    assert blocks.mac("int8").base == pytest.approx(282 + 137, rel=0.05)


def test_formats_share_their_multipliers():
    both = made(core=SystolicCore(array=MatrixArray(rows=128, cols=128, rows_per_cycle={"bf16": 1, "int8": 1}),
                                  vector=VectorUnit(lanes=1024), scratchpad=made().core.scratchpad))
    assert part(both, "matrix arrays (bf16)") == part(made(), "matrix arrays (bf16)")


def test_parts_add_up_and_low_is_below_high():
    for name in [*SYSTOLIC, "a100-sxm-80gb", "b200", "mi300x"]:
        found = area(sim.chips.get(name))
        for end in ("low", "base", "high"):
            assert math.fsum(getattr(p.value, end) for p in found.parts) == pytest.approx(getattr(found.computed, end))
        assert 0 < found.computed.low < found.computed.base < found.computed.high
        assert all(p.how and p.inputs and p.value.unit == "mm2" for p in found.parts)
        assert 0 < found.core_share < 1


def test_spares_are_on_the_die():
    a100 = sim.chips.get("a100-sxm-80gb")
    found = area(a100)
    assert (found.cores, a100.cores) == (128, 108)
    interfaces = next(p for p in found.parts if p.name == "HBM2e interfaces")
    assert interfaces.inputs["count"].base == 6 and a100.memory.stacks == 5


# --- a hypothetical chip ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tpu-v4", "tpu-v5p", "h100-sxm", "b200", "mi300x"])
def test_a_change_that_is_not_of_silicon_keeps_the_area(name):
    chip = sim.chips.get(name)
    for same in (chip.replace(price=1.0), chip.replace("power", tdp=600 * W), chip.replace(name="other"),
                 chip.replace(clock=1.2 * GHz)):
        assert area(same).used.base == pytest.approx(area(chip).used.base)


def test_a_published_area_moves_by_the_ratio_of_the_computed_ones():
    chip = sim.chips.get("tpu-v4")
    larger = chip.replace("core.array", rows=256)
    before, after = area(chip), area(larger)
    assert before.used.base == 600
    assert after.used.base == pytest.approx(600 * after.computed.base / before.computed.base)
    assert after.used.base > 640
    twice = larger.replace("core.scratchpad", capacity=32 * MiB)
    assert area(twice).used.base == pytest.approx(600 * area(twice).computed.base / before.computed.base)
    assert area(larger.replace("die", area=500)).used.base == 500  # what a user states is taken


def test_without_a_published_area_it_is_the_computed_one():
    chip = sim.chips.get("tpu-v5p")
    assert area(chip).used == area(chip).computed
    assert area(chip.replace("core.array", rows=256)).used.base > area(chip).used.base * 1.05


def test_transistors_tell_an_area_where_none_is_published():
    """Trainium1: 55 billion transistors do not fit on the 170 mm2 of the parts that are known of it."""
    found = area(sim.chips.get("trainium1"))
    assert found.published is None and found.computed.base < 250
    assert found.used.base == pytest.approx(55e9 / (96.3e6 * 0.68))
    assert 55e9 / found.used.low / 1e6 < 96.3  # no denser than cells are
    larger = sim.chips.get("trainium1").replace("core.array", rows=256)
    assert area(larger).used.base > found.used.base
    denser = sim.chips.get("trainium1").replace("die", process="TSMC N5")  # shrinks as its parts do, and only once
    assert area(denser).used.base == pytest.approx(
        found.used.base * area(denser).computed.base / found.computed.base)


@pytest.mark.parametrize("chip", ["a100-sxm-80gb", "h100-sxm", "mi250x", "v100-sxm2", "l40s", "rtx-a6000", "t4"])
def test_the_density_of_real_chips(chip):
    die = sim.chips.get(chip).die
    fill = die.transistors / 1e6 / die.area / node(die.process).density.base
    assert blocks.FILL.low * 0.95 <= fill <= blocks.FILL.high * 1.01


def test_a_new_process_shrinks_logic_more_than_memory_and_interfaces_least():
    old, new = made(die=Die(process="7nm")), made(die=Die(process="5nm"))
    ratio = {p.name: q.value.base / p.value.base for p, q in zip(area(old).parts, area(new).parts, strict=True)}
    assert ratio[f"{PER_CORE}matrix arrays (bf16)"] < ratio[f"{PER_CORE}scratchpad"] < ratio["HBM3 interfaces"] < 1


def test_spares_stay_in_proportion():
    h100 = sim.chips.get("h100-sxm")
    assert area(h100.replace(cores=66)).cores == 72
    share = area(h100).core_share  # and the interfaces stay
    assert area(h100.replace(cores=66)).used.base == pytest.approx(814 * (1 - share / 2 * 1.27), rel=0.001)


GROWTH = st.sampled_from([
    ("core.array", "rows", 128, 512), ("core.array", "cols", 128, 512), ("core.array", "count", 1, 8),
    ("core.vector", "lanes", 128, 4096), ("core.scratchpad", "capacity", 1 * MiB, 256 * MiB),
    ("memory", "bandwidth", 100 * GB_per_s, 8000 * GB_per_s), ("memory", "stacks", 1, 12),
    ("link", "bandwidth", 10 * GB_per_s, 2000 * GB_per_s), ("", "cores", 1, 16)])


@settings(max_examples=60)
@given(GROWTH, st.floats(0, 1), st.floats(0, 1), st.sampled_from(sorted(NODES)))
def test_more_of_anything_takes_more_area(what, a, b, process):
    path, field, low, high = what
    kind = int if isinstance(low, int) else float
    few, many = (kind(low + x * (high - low)) for x in sorted((a, b)))
    chip = made(die=Die(process=f"N{process}" if process.isdigit() else process))
    small, large = (area(chip.replace(path, **{field: n})).computed for n in (few, many))
    assert small.low <= large.low and small.base <= large.base and small.high <= large.high


# --- names and errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("process", "name"), [
    ("TSMC N7", "7"), ("TSMC 4N", "4"), ("TSMC 4NP", "4"), ("7nm", "7"), ("5 nm", "5"), ("TSMC 12FFN", "12"),
    ("Samsung 8N", "Samsung 8N"), ("SMIC N+2 (7nm class)", "SMIC 7"), ("12nm FFC", "12"), ("TSMC N7+", "7"),
    ("n3e", "3"), ("N2", "2"), ("28nm", "28"), ("TSMC N3P", "3")])
def test_processes_by_their_vendors_names(process, name):
    assert node(process).name == name


def test_every_process_of_the_catalogue_is_known():
    for chip in sim.chips.catalogue().values():
        if chip.die:
            assert node(chip.die.process).name in NODES


@pytest.mark.parametrize("process", ["N9", "TSMC", "", "4 micron", "seven"])
def test_an_unknown_process_is_an_error(process):
    with pytest.raises(ArchsimError, match="node"):
        node(process)


def test_the_nearest_process_is_named():
    with pytest.raises(ArchsimError, match="did you mean 'N5'"):
        node("N5Q")


def test_what_is_missing_is_said():
    with pytest.raises(ArchsimError, match=r"has no die: define it, e.g. replace\(die=Die\("):
        area(made(die=None))
    with pytest.raises(ArchsimError, match=r"gaudi2 has no die area.*replace\('die', area="):
        area(sim.chips.get("gaudi2"))
    with pytest.raises(ArchsimError, match=r"what memory it has: define Memory\(type="):
        area(made(memory=Memory(capacity=32 * GB, bandwidth=1e12)))
    with pytest.raises(ArchsimError, match="did you mean 'HBM3e'"):
        area(made(memory=Memory(type="HBM3ee", capacity=32 * GB, bandwidth=1e12)))
    with pytest.raises(ArchsimError, match="takes a Chip"):
        area("h100")
    with pytest.raises(ArchsimError, match="that of all dies"):
        area(made(die=Die(process="N5", area=300, base=Die(process="N6", area=400))))


def test_a_chip_in_tiers_has_its_interfaces_below():
    chip = made(cache=Cache(capacity=64 * MiB, bandwidth=2e12), die=Die(process="N5", base=Die(process="N6", count=2)))
    found = area(chip)
    assert {p.name for p in found.base.parts} >= {"cache", "HBM3 interfaces", "links", "host bus"}
    assert not {"cache", "links"} & {p.name for p in found.parts}
    assert found.all.base == pytest.approx(found.used.base + found.base.used.base)
    assert found.base.dies == 2 and found.base.node == "6"


# --- ranges -----------------------------------------------------------------------------------------------------------


def test_ranges():
    assert str(Range(1, 2, 3, "USD")) == "2 (1 to 3) USD" and str(Range.exactly(5, "mm2")) == "5 mm2"
    quotient = spread(lambda a, b: a / b, {"a": Range(1, 2, 4), "b": Range(1, 2, 4)})
    assert (quotient.low, quotient.base, quotient.high) == (0.25, 1, 4)
    both = total([Range(1, 2, 3), Range(10, 20, 30)])
    assert (both.low, both.base, both.high) == (11, 22, 33)
    for wrong in ((3, 2, 1), (1, float("nan"), 2), ("1", 2, 3), (True, 2, 3)):
        with pytest.raises(ArchsimError, match="Range"):
            Range(*wrong)
    with pytest.raises(ArchsimError, match="confidence"):
        Range(1, 2, 3, confidence="sure")
