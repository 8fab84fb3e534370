"""The whole catalogue: every chip of the reports is there, closes, runs a model, and ranks as its figures say."""

import ast
import csv
import itertools
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from archsim.chips import prices
from archsim.chips.errata import ERRATA
from archsim.chips.variants import variant

from archsim import chips, models
from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware import Chip, GpuCore, RooflineCore, Source
from archsim.hardware.listing import Listing
from archsim.hardware.part import CONFIDENCES
from archsim.simulation import Run, simulate
from archsim.workload import transformer
from archsim.workload.resnet import resnet

ALL = chips.catalogue()
EVERY = pytest.mark.parametrize("chip", ALL.values(), ids=ALL)

NAMED = {
    "TPU v1": "tpu-v1", "TPU v2": "tpu-v2", "TPU v3": "tpu-v3", "TPU v4i": "tpu-v4i", "TPU v4": "tpu-v4",
    "TPU v5e": "tpu-v5e", "TPU v5p": "tpu-v5p", "TPU v6e": "tpu-v6e", "TPU v7 (Ironwood)": "tpu-v7",
    "Trainium1": "trainium1", "Inferentia2": "inferentia2", "Trainium2": "trainium2", "Trainium3": "trainium3",
    "V100 SXM2": "v100-sxm2", "V100 PCIe": "v100-pcie", "V100S PCIe": "v100s-pcie",
    "A100 SXM 80GB": "a100-sxm-80gb", "A100 SXM 40GB": "a100-sxm-40gb", "A100 PCIe 80GB": "a100-pcie-80gb",
    "A100 PCIe 40GB": "a100-pcie-40gb", "A800 80GB": "a800-pcie-80gb",
    "H100 SXM": "h100-sxm", "H100 PCIe": "h100-pcie", "H200": "h200", "H800": "h800", "H20": "h20",
    "B200": "b200", "GB200 (per GPU)": "gb200", "B300": "b300",
    "A40": "a40", "RTX A6000": "rtx-a6000", "RTX A5000": "rtx-a5000", "RTX A4000": "rtx-a4000",
    "Quadro RTX 5000": "quadro-rtx-5000", "Quadro RTX 4000": "quadro-rtx-4000",
    "MI250X": "mi250x", "MI250": "mi250", "MI300X": "mi300x", "MI325X": "mi325x",
    "Gaudi2": "gaudi2", "MTIA v1": "mtia-v1", "MTIA v2": "mtia-v2", "Maia 100": "maia-100",
    "Ascend 310": "ascend-310", "Ascend 910": "ascend-910", "Ascend 910B": "ascend-910b",
    "Cambricon MLU270-S4": "mlu270-s4", "Cambricon MLU270-F4": "mlu270-f4", "Cambricon MLU290-M5": "mlu290-m5",
    "Cambricon MLU370-S4": "mlu370-s4", "Cambricon MLU370-X4": "mlu370-x4", "Cambricon MLU370-X8": "mlu370-x8",
    "Enflame T20": "enflame-t20", "Enflame T21": "enflame-t21", "Enflame i20": "enflame-i20",
    "Hygon DCU Shensuan-1": "hygon-shensuan-1",
    "Jingjia JM9100": "jm9100", "Jingjia JM92 series": "jm92", "Jingjia JM9 (first)": "jm9",
    "Hanguang 800": "hanguang-800", "T-Head PPU": "t-head-ppu", "Kunlun 2": "kunlun-2", "Zixiao": "zixiao",
}
"""Every chip that the reports name, and what the catalogue calls it."""

INT8_ONLY = ("tpu-v1", "hanguang-800")
"""Chips without a 16-bit path, which a transformer's attention needs; they run the networks of their time."""


def test_every_chip_of_the_reports() -> None:
    assert len(NAMED) == len(set(NAMED.values())) == 63
    assert set(NAMED.values()) <= {*ALL, *chips.listings()}


def test_every_chip_of_the_fact_base(shared: Path) -> None:
    rows = csv.reader((shared / "facts" / "chips.csv").read_text().splitlines()[1:])
    named = {row[0] for row in rows}
    assert {name for name in named if not name.startswith("Gaudi3")} == set(NAMED), "Gaudi3 only corroborates Gaudi2"


def test_kinds_by_what_is_published() -> None:
    kinds = {name: chip.kind for name, chip in ALL.items()}
    cycle = {vendor for name, chip in ALL.items() for vendor in [chip.vendor] if kinds[name] != "roofline"}
    assert cycle >= {"NVIDIA", "AMD", "Google", "AWS"}, "their microarchitectures close"
    for chip in ALL.values():
        if chip.kind == "roofline":
            assert any("roofline" in note for note in chip.notes), f"{chip.name} says so"


# --- figures ----------------------------------------------------------------------------------------------------------


VECTOR_OPEN = {
    "h20": "44 TFLOP/s printed, 39.5 with 78 SMs at 1.98 GHz: closes at no Hopper clock",
    "gb200": "80 needs 2.06 GHz; its tensor peak closes at 2.008",
}


@EVERY
def test_vector_units_close(chip: Chip) -> None:
    printed = (chip.other_peaks or {}).get("fp32_vector")
    if printed is None or not isinstance(chip.core, GpuCore):
        return
    off = chip.cores * chip.core.fp32_lanes * 2 * (chip.boost or chip.clock) / printed - 1
    assert (abs(off) > 0.01) == (chip.name in VECTOR_OPEN), f"{off:+.1%}"


@EVERY
def test_boost_is_no_slower_than_the_clock(chip: Chip) -> None:
    assert chip.boost is None or chip.boost > chip.clock


@pytest.mark.parametrize("chip", [*ALL.values(), *chips.listings().values()], ids=lambda c: c.name)
def test_estimates_lie_in_their_ranges(chip: Chip | Listing) -> None:
    for path, value, _, _, source in chip.figures():
        if source is not None and source.low is not None and isinstance(value, int | float):
            assert source.high is not None
            if source in (chip.sources.get(path), None):
                assert source.low <= value <= source.high, path


@EVERY
def test_estimates_that_results_hang_on_have_a_range(chip: Chip) -> None:
    for path, value, _, _, source in chip.figures():
        matters = path.startswith(("power.", "cache.bandwidth", "core.l2_bytes", "core.efficiency"))
        if matters and source is not None and source.confidence == "estimated":
            assert source.low is not None, (path, value)


@EVERY
def test_a_link_states_one_way_bandwidth_and_how_it_is_wired(chip: Chip) -> None:
    """Per link and one way, published links lie between PCIe 3.0 x1 and 200 GB/s; 18 NVLinks of 50 make 900."""
    if chip.link is None:
        return
    assert 1e9 < chip.link.bandwidth / chip.link.count <= 350e9
    assert chip.link.type or chip.name == "t-head-ppu"
    assert chip.sources.of("link") is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "both_ways"), [
    ("v100-sxm2", 300), ("a100-sxm-80gb", 600), ("a800-sxm-80gb", 400), ("h100-sxm", 900), ("h800", 400), ("h20", 900),
    ("b200", 1800), ("gb200", 1800), ("mi250x", 800), ("mi300x", 896), ("trainium2", 1280), ("tpu-v5p", 1200),
    ("gaudi2", 600), ("ascend-910b", 392), ("t-head-ppu", 700), ("mlu290-m5", 600)])
def test_links_are_on_one_basis(name: str, both_ways: float) -> None:
    """Data sheets sum both ways (900 GB/s of an H100); the catalogue has one."""
    link = ALL[name].link
    assert link is not None
    assert 2 * link.bandwidth == pytest.approx(both_ways * 1e9)


def test_hbm_per_stack_is_physical() -> None:
    """One stack: HBM 128, HBM2 256 to 311, HBM2e to 460, HBM3 to 819, HBM3e to 1229 GB/s."""
    most = {"HBM": 820e9, "HBM2": 315e9, "HBM2e": 461e9, "HBM3": 820e9, "HBM3e": 1229e9}
    for chip in ALL.values():
        if chip.memory.type in most and chip.memory.stacks:
            assert 80e9 < chip.memory.bandwidth / chip.memory.stacks <= most[chip.memory.type], chip.name


def test_no_figure_is_written_twice() -> None:
    """Within one chip's definition no number of four digits stands under two names (peaks by dtype, 1024 lanes may)."""
    for file in (Path(chips.__file__).parent).glob("*.py"):
        for statement in ast.parse(file.read_text()).body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
                continue
            skipped = {id(n) for d in ast.walk(statement) if isinstance(d, ast.Dict) and d.keys and all(
                isinstance(k, ast.Constant) and str(k.value).split("_")[0] in PEAK_KEYS for k in d.keys)
                for n in ast.walk(d)}
            found = Counter(n.value for n in ast.walk(statement) if isinstance(n, ast.Constant)
                            and isinstance(n.value, int | float) and id(n) not in skipped and n.value != 1024
                            and len(f"{n.value:.6f}".rstrip("0").replace(".", "").strip("0")) >= 4)
            assert all(count == 1 for count in found.values()), (file.name, statement.targets, found)


PEAK_KEYS = ("bf16", "fp16", "tf32", "fp8", "int8", "fp4", "int4", "fp32", "fp64", "mx9", "mx6", "int16", "cint32")


@pytest.mark.parametrize("literal", ["2765", "989.4", "3350", "1307.4", "2459", "614.4", "18000.0"])
def test_a_reader_finds_a_figure_in_one_place(literal: str) -> None:
    code = [line.split("#")[0] for file in Path(chips.__file__).parent.glob("*.py")
            if file.name != "errata.py" for line in file.read_text().splitlines()
            if f" {literal} *" in line or f"={literal} *" in line or f", {literal}," in line]
    assert len(code) <= 1, code


# --- sources ----------------------------------------------------------------------------------------------------------


@EVERY
def test_a_variant_says_of_which_chip_its_figures_are(chip: Chip) -> None:
    """No source is hypothetical, and what a chip took from another names it once."""
    for path, source in chip.sources.items():
        assert source.confidence in CONFIDENCES[:-1], path
        assert "as as " not in source.text


def test_variant() -> None:
    base = ALL["a100-sxm-80gb"]
    source = Source("a data sheet")
    other = variant(base, "other", {"memory.bandwidth": (1e12, source)}, notes=("new",))
    assert other.memory.bandwidth == 1e12
    assert other.memory.capacity == base.memory.capacity
    assert other.sources["memory.bandwidth"] is source
    assert other.sources["cores"].text == f"as {base.name}: {base.sources['cores'].text}"
    assert other.sources["cores"].confidence == base.sources["cores"].confidence
    assert (other.price, other.peaks, other.other_peaks, other.notes) == (None, None, None, ("new",))
    third = variant(other, "third", {"link": (None, source)})
    assert third.link is None
    assert third.sources["cores"] == other.sources["cores"], "the chip that it was published of stays named"
    with pytest.raises(ArchsimError, match="is what a100-sxm-80gb has: leave it out"):
        variant(base, "x", {"cores": (108, source)})
    with pytest.raises(ArchsimError, match="x: sources names 'boost', which has no value"):
        variant(base, "x", {"cores": (10, source)}, sources={"boost": source})


def test_a_range_needs_both_ends_in_order() -> None:
    for low, high in ((1.0, None), (None, 1.0), (2.0, 1.0)):
        with pytest.raises(ArchsimError, match="range"):
            Source("x", low=low, high=high)


def test_conflicts_are_kept_as_notes() -> None:
    """Where sources differ one is chosen and the other stands in the note."""
    for name, path, said in (
        ("tpu-v5p", "memory.bandwidth", "2460"), ("tpu-v6e", "memory.bandwidth", "1600"), ("h20", "power.tdp", "550"),
        ("tpu-v3", "memory.bandwidth", "825"), ("trainium2", "memory.bandwidth", "3000"),
        ("mi210", "core.tensor.macs", "2048"), ("h100-sxm", "peaks.bf16", "1979"), ("maia-100", "power.tdp", "860"),
        ("ascend-910", "peaks.fp16", "320"), ("mlu370-x8", "peaks.fp32", "32"), ("b300", "peaks.fp4", "14000"),
        ("h100-sxm", "price", "36,500"), ("hanguang-800", "peaks.int8", "820"), ("mi300x", "price", "30,000"),
        ("b200", "memory.bandwidth", "7700"), ("b300", "memory.bandwidth", "7750"), ("tpu-v5p", "power.tdp", "700"),
    ):
        source = ALL[name].sources.of(path)  # type: ignore[attr-defined]
        assert said in source.note, (name, path, source)


# --- prices -----------------------------------------------------------------------------------------------------------


def test_prices() -> None:
    for p in prices.PRICES:
        assert p.chip in ALL, p
        assert p.basis in prices.BASES
        assert p.currency in ("USD", "CNY")
        assert p.confidence in CONFIDENCES
        assert 2017 <= int(p.date[:4]) <= 2026
        assert p.source
        assert (p.low is None) == (p.high is None)
        assert p.low is None or p.low <= p.amount <= (p.high or 0)


def test_the_newest_price_stands_in_the_catalogue() -> None:
    for name, chip in ALL.items():
        on_file = [p for p in prices.prices(name, "chip") if p.currency == "USD"]
        assert chip.price == (on_file[0].amount if on_file else None)
    assert prices.usd("h100-sxm") == 18000
    with pytest.raises(ArchsimError, match="no price in USD is on file for ascend-910b"):
        prices.usd("ascend-910b")


def test_prices_are_above_costs() -> None:
    for name in ALL:
        for cost, price in itertools.product(prices.prices(name, "cost"), prices.prices(name, "chip")):
            assert cost.currency != price.currency or cost.amount < price.amount, name


# --- a chip that cannot be run ----------------------------------------------------------------------------------------


def test_a_chip_without_figures_is_listed_and_says_what_is_missing() -> None:
    zixiao = chips.listings()["zixiao"]
    assert chips.find("Tencent Zixiao") is zixiao
    assert zixiao.fidelity == "not runnable"
    assert "zixiao" not in chips.names()
    with pytest.raises(UnsupportedError, match=r"^zixiao \(Tencent\) cannot be run: no public source gives its peak"):
        chips.get("zixiao")
    assert {path: source for path, *_, source in zixiao.figures()}["year"] is not None
    with pytest.raises(ArchsimError, match="nothing is missing"):
        Listing(name="x", missing=())


# --- runs -------------------------------------------------------------------------------------------------------------


@cache
def run(name: str, phase: str) -> Run:
    chip = ALL[name]
    sizes = {"batch": 1, "seq": 2048} if phase == "prefill" else {"batch": 4, "context": 2048}
    dtype = next(d for d in ("bf16", "fp16", "fp32") if d in chip.dtypes)
    return simulate(transformer(models.get("llama-3.1-8b"), phase=phase, dtype=dtype, **sizes), chip)  # type: ignore[arg-type]


RUNNABLE = [name for name in ALL if name not in INT8_ONLY]


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_chip_runs_a_model(name: str) -> None:
    prefill, decode = run(name, "prefill"), run(name, "decode")
    assert prefill.fidelity == decode.fidelity == ALL[name].fidelity
    assert prefill.bound == "matrix"
    assert 0.3 < prefill.utilization < 1, "a power limit of 70 W leaves a third"
    assert decode.bound == "hbm"
    assert 0 < decode.utilization < prefill.utilization
    assert decode.chips == prefill.chips or ALL[name].memory.capacity < 40e9


@pytest.mark.parametrize("name", INT8_ONLY)
def test_chips_of_int8_alone_say_so(name: str) -> None:
    graph = transformer(models.get("llama-3.1-8b"), phase="decode", batch=1, context=512, dtype="int8")
    with pytest.raises(UnsupportedError, match=f"{name} has no bf16 matrix path; it has: int8"):
        simulate(graph, ALL[name])
    images = simulate(resnet(50, batch=16, dtype="int8"), ALL[name])
    assert images.chips == 1
    assert images.flops / images.time_s < ALL[name].peak("int8")


FAMILIES = (
    ("v100-pcie", "v100-sxm2-32gb", "v100-sxm2", "v100s-pcie"), ("t4", "quadro-rtx-4000", "quadro-rtx-5000"),
    ("a30", "a100-pcie-40gb", "a100-pcie-80gb", "a100-sxm-40gb", "a100-sxm-80gb", "a800-sxm-80gb", "a800-pcie-80gb"),
    ("a10", "a40", "rtx-a4000", "rtx-a5000", "rtx-a6000"), ("l4", "l40", "l40s"),
    ("h20", "h100-pcie", "h100-nvl", "h100-sxm", "h200", "h800"), ("b200", "gb200", "b300", "gb300"),
    ("mi210", "mi250", "mi250x", "mi300x", "mi325x"), ("ascend-310", "ascend-910", "ascend-910b"),
    ("mlu270-s4", "mlu270-f4", "mlu290-m5", "mlu370-s4", "mlu370-x4", "mlu370-x8"),
    ("enflame-t20", "enflame-t21", "enflame-i20"), ("jm9", "jm9100", "jm92"), ("mtia-v1", "mtia-v2"),
    ("tpu-v2", "tpu-v3", "tpu-v4"), ("tpu-v4i", "tpu-v5e"), ("tpu-v5p", "tpu-v7"), ("trainium2", "trainium3"),
)


def speed(name: str, phase: str) -> float:
    """Return tokens per second of one chip."""
    return run(name, phase).tokens_per_s / run(name, phase).chips


def matrix_peak(name: str) -> float:
    return ALL[name].peak(run(name, "prefill").dtype)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f[0])
def test_relatives_rank_as_their_figures_do(family: tuple[str, ...]) -> None:
    """More peak at no less power prefills no slower (but for how tiles divide), and more bandwidth decodes faster."""
    for a, b in itertools.permutations(family, 2):
        watts = [power.tdp if power else 0.0 for power in (ALL[a].power, ALL[b].power)]
        if matrix_peak(a) > 1.03 * matrix_peak(b) and (watts[0] >= watts[1] or 0.0 in watts):
            assert speed(a, "prefill") > 0.99 * speed(b, "prefill"), (a, b)
        if ALL[a].memory.sustained > 1.05 * ALL[b].memory.sustained:
            assert speed(a, "decode") > speed(b, "decode"), (a, b)


def test_all_chips_rank_as_their_figures_do() -> None:
    """Across vendors twice the peak prefills faster, and twice the bandwidth decodes faster."""
    alike = [name for name in RUNNABLE if run(name, "prefill").dtype in ("bf16", "fp16")]
    for a, b in itertools.permutations(alike, 2):
        watts = [power.tdp if power else 0.0 for power in (ALL[a].power, ALL[b].power)]
        if matrix_peak(a) > 2 * matrix_peak(b) and (watts[0] >= watts[1] / 2 or 0.0 in watts):
            assert speed(a, "prefill") > speed(b, "prefill"), (a, b)
        if ALL[a].memory.bandwidth > 2 * ALL[b].memory.bandwidth:
            assert speed(a, "decode") > speed(b, "decode"), (a, b)


# Sustained bf16 or fp16 TFLOP/s of the best large product: ROCm/rocm-blogs, maximum achievable FLOPs (MI300X, MI325X),
# stas00/ml-engineering (B200, GB200, B300, A100 PCIe, Gaudi2, MI250X: two dies of 147), GOATnote (H100 PCIe),
# Azure/AI-benchmarking-guide (A100 SXM). One set of energies, by process, limits all of them but Gaudi2. MI210, the
# same die as MI250X's, is not among them: its 121.6 [PrincetonUniversity/LLMCompass] are 67 % of its peak where
# MI250X's 147 are 77 %, with less power for a die.
@pytest.mark.parametrize(("name", "tflops"), [
    ("mi250x", 294), ("a100-pcie-80gb", 252.9), ("a100-sxm-80gb", 257), ("gaudi2", 429.3),
    ("mi300x", 708), ("mi325x", 843), ("h100-pcie", 634), ("b200", 1745), ("gb200", 1822), ("b300", 1769)])
def test_published_throughput_of_large_products(name: str, tflops: float) -> None:
    from archsim.timing import time
    from archsim.workload.ops import MatMul

    t = time(MatMul(m=8192, n=8192, k=8192), ALL[name])
    assert 2 * 8192**3 / t.seconds / 1e12 == pytest.approx(tflops, rel=0.15)


def test_a_roofline_reaches_its_peaks() -> None:
    for chip in ALL.values():
        if isinstance(chip.core, RooflineCore):
            for dtype, peak in (chip.peaks or {}).items():
                assert chip.peak(dtype) == pytest.approx(peak)


# --- loading ----------------------------------------------------------------------------------------------------------


def test_one_chip_loads_one_module() -> None:
    code = ("import sys; from archsim import chips; assert 'archsim.chips.nvidia' not in sys.modules;"
            "chips.get('tpu-v5p'); print(*(m for m in sys.modules if m.startswith('archsim.chips.')));"
            "assert 'numba' not in sys.modules and 'networkx' not in sys.modules")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "google" in loaded
    assert not any(vendor in loaded for vendor in ("nvidia", "amd", "cambricon"))


def test_errata_are_data() -> None:
    assert len(ERRATA) > 80


# --- the fact base ----------------------------------------------------------------------------------------------------

FACTS: dict[str, tuple[str, float]] = {
    "year": ("year", 1), "die_area": ("die.area", 1), "transistors": ("die.transistors", 1e9),
    "hbm_capacity": ("memory.capacity", 1e9), "mem_capacity": ("memory.capacity", 1e9),
    "hbm_bw": ("memory.bandwidth", 1e9), "mem_bw": ("memory.bandwidth", 1e9), "tdp": ("power.tdp", 1),
    "sm": ("cores", 1), "cu": ("cores", 1), "link_total_oneway": ("link.bandwidth", 1e9), "links": ("link.count", 1),
    "peak_bf16": ("peaks.bf16", 1e12), "peak_fp16_dense": ("peaks.fp16", 1e12), "peak_fp16": ("peaks.fp16", 1e12),
    "peak_fp8_dense": ("peaks.fp8", 1e12), "peak_int8_dense": ("peaks.int8", 1e12), "peak_int8": ("peaks.int8", 1e12),
    "peak_tf32_dense": ("peaks.tf32", 1e12), "peak_fp4_dense": ("peaks.fp4", 1e12),
    "peak_fp64": ("other_peaks.fp64", 1e12), "peak_fp16_sparse": ("other_peaks.bf16_sparse", 1e12),
    "tensor_flop_cycle_fp16": ("core.tensor.macs.fp16", 0.5), "fp32_lanes": ("core.fp32_lanes", 1),
    "sfu_per_cycle": ("core.sfu", 1),
}
"""Fields of the fact base that stand in a catalogue chip under a path, and their unit."""

OTHERWISE = {
    ("b200", "peaks.tf32"): "1100 is printed for a quarter of fp8's 4500, which is 1125: kept as a note",
    ("v100-pcie", "peaks.int8"): "DP4A on the vector units: other_peaks.int8_dp4a",
    ("v100s-pcie", "year"): "2017 is V100's; V100S was announced at SC19",
    ("a100-pcie-80gb", "year"): "2020 is A100's; the PCIe card with 80 GB was announced at ISC 2021",
}
"""Figures of the fact base that the catalogue has elsewhere."""


def test_figures_are_those_of_the_fact_base(shared: Path) -> None:
    compared = 0
    for chip, field, value, *_ in csv.reader((shared / "facts" / "chips.csv").read_text().splitlines()[1:]):
        if field not in FACTS or NAMED.get(chip) not in ALL or not value.replace(".", "").isdigit():
            continue
        path, unit = FACTS[field]
        found = {p: v for p, v, *_ in ALL[NAMED[chip]].figures()}.get(path)
        if found is None:
            assert (NAMED[chip], path) in OTHERWISE
            continue
        compared += 1
        binary = path == "memory.capacity" and found == pytest.approx(float(value) * 2**30)
        within = 0 if path == "year" else 2e-3 * float(value) * unit
        same = binary or abs(found - float(value) * unit) <= within
        assert same or (NAMED[chip], path) in OTHERWISE, (chip, field, found)
    assert compared > 500


@pytest.mark.parametrize("name", INT8_ONLY)
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_chips_of_int8_alone_run_a_transformer_all_in_int8(name: str, phase: str) -> None:
    graph = transformer(models.get("llama-3.1-8b"), phase=phase, dtype="int8", activation_dtype="int8")
    assert 0 < simulate(graph, ALL[name]).utilization < 1
