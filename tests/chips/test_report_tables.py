"""Every figure of the reports' chip tables equals the catalogue's, to printed rounding, or is an erratum."""

import csv
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archsim.chips import errata, prices
from archsim.chips.errata import ERRATA, Erratum

from archsim import chips
from archsim.hardware import Chip, GpuCore, SystolicCore
from archsim.units import GB, TFLOPS, GB_per_s, GiB

Cell = float | str
KNOWN = {(e.table, e.row, e.column): e for e in ERRATA}

COMPARED = ("h100-sxm", "b200", "b300", "mi325x", "tpu-v5p", "tpu-v6e", "trainium2", "mtia-v2", "maia-100")
SWS_CHIPS: dict[str, tuple[Cell, ...]] = {
    "year": (2022, 2024, 2024, 2024, 2023, 2024, 2023, 2024, 2023),
    "process": (4, 4, 4, 5, 5, 4, 5, 5, 5),
    "peak_bf16": (990, 2250, 3375, 1300, 459, 926, 431, 177, 800),
    "power": (700, 1000, 1200, 1000, "", "", "", 90, 860),
    "memory_type": ("HBM3", "HBM3e", "HBM3e", "HBM3e", "HBM2e", "HBM3", "HBM3", "LPDDR5", "HBM3e"),
    "memory_capacity": (80, 192, 288, 256, 96, 32, 96, 128, 64),
    "memory_bandwidth": (3350, 8000, 8000, 6000, 2765, 1640, 4000, 204.8, 1600),
    "link_bandwidth": (900, 1800, 1800, 896, 600, 3584, 768, "", 600),
    "compute_intensity": (12.4, 11.7, 11.7, 5.1, 4.8, 28.9, 4.5, 1.4, 12.5),
    "compute_dies": (1, 2, 2, 4, 1, 1, 2, 1, 1),
    "hbm_stacks": (6, 8, 8, 8, 6, 2, 4, 4, 4),
}
"""Shenwan Hongyuan, 2025-03-28, comparison of GPU and ASIC chips, as printed."""

ONE_WAY = ("tpu-v5p", "tpu-v6e", "maia-100")
"""Chips whose link that table prints one way; it sums the others' both ways."""

COSTED = ("h100-sxm", "b200", "tpu-v5p", "tpu-v6e", "trainium2")
SWS_COSTS: dict[str, tuple[Cell, ...]] = {
    "process": (4, 4, 5, 4, 5),
    "peak_bf16": (990, 2250, 459, 926, 431),
    "memory_capacity": (96, 192, 96, 32, 96),
    "memory_type": ("HBM3", "HBM3e", "HBM2e", "HBM3", "HBM3"),
    "memory_cost": (1150, 2700, 1000, 400, 1150),
    "manufacturing_packaging_test_cost": (1350, 2150, 800, 550, 1000),
    "total_cost": (2500, 4850, 1800, 950, 2150),
    "gross_margin_low": (85, 85, 65, 65, 47),
    "gross_margin_high": (90, 90, 70, 70, 53),
    "estimated_price": (18000, 33000, 6000, 3100, 4400),
}
"""The same report, estimated costs in USD, as printed."""

TRAINED = ("h100-sxm", "b200", "gb200", "tpu-v5p", "trainium2")
SWS_TRAINING: dict[str, tuple[float, ...]] = {
    "peak_fp16": (990, 2250, 5000, 459, 650),
    "accelerator_price": (18000, 33000, 70000, 6000, 4400),
    "accelerator_power": (700, 1000, 2400, 700, 700),
}
"""The same report, what its training run says of chips; gb200 is a superchip of two."""

SWS_ARCHITECTURE: tuple[tuple[str, str, Cell], ...] = (
    ("tpu-v4i", "tensor_cores", 1), ("tpu-v4i", "mxu_per_tensor_core", 4), ("tpu-v4i", "mxu_dim", "128x128"),
    ("tpu-v4i", "vpu", "128 lanes x 16 ALUs"), ("tpu-v4", "tensor_cores", 2), ("h100-sxm", "tensor_cores", 576),
    ("trainium2", "neuron_cores", 8), ("trainium2", "tensor_engine", "128x128 systolic array"),
    ("trainium2", "tensor_engine_fp16", 79), ("trainium2", "vector_engine", "1 TFLOPS FP16"),
    ("trainium2", "scalar_engine", "1.2 TFLOPS FP16"),
)
"""The same report, its text."""

GUOHAI_GPUS = ("v100-pcie", "a100-pcie-80gb", "a800-pcie-80gb", "h100-pcie")
GUOHAI: dict[str, tuple[Cell, ...]] = {
    "fp64": (7, 9.7, 9.7, 26),
    "fp32": (14, 19.5, 19.5, 51),
    "fp16_tensor": ("", 312, 312, 756.5),
    "int8_tensor": (62, 624, 624, 1513),
    "memory": ("32/16 HBM2", "80 HBM2e", "80 HBM2e", "80"),
    "bandwidth": (900, 1935, 1935, 2000),
    "tdp": (250, 300, 300, "300-350"),
    "nvlink": (300, 600, 400, 600),
    "pcie": (32, 64, 64, 128),
}
"""Guohai 2024-02, NVIDIA GPUs, as printed; the last two lines are one there (interconnect)."""

SOOCHOW_COLUMNS = ("int8_tops", "fp16_tflops", "fp32_tflops", "fp64_tflops", "tdp_w", "bandwidth_gb_s")
SOOCHOW: dict[str, tuple[Cell, ...]] = {
    "ascend-310": (16, 8, "", "", 8, ""),
    "ascend-910": (640, 320, "", "", 310, ""),
    "mlu370-s4": (192, 96, 18, "", 75, 307.2),
    "mlu370-x4": (256, 96, 24, "", 150, 307.2),
    "mlu370-x8": (256, 96, 24, "", 250, 614.4),
    "mlu290-m5": (512, "TOPS (INT16)", "OPS (CINT32)", "", 350, 1228),
    "mlu270-s4": (128, "", "", "", 70, 102),
    "mlu270-f4": (128, "", "", "", 150, 102),
    "jm9100": ("", "", 0.512, "", "5-15", 25.6),
    "jm92": ("", "", 1.2, "", "15-30", 128),
    "jm9": ("", "", 1.5, "", "<30", 128),
    "hygon-shensuan-1": ("", "", "", "", 350, 1024),
    "enflame-t20": (256, 128, 32, "", 300, 1600),
    "enflame-t21": (256, 128, 32, "", 300, 1600),
    "enflame-i20": (256, 128, 32, "", 150, 819),
    "v100-pcie": ("", "", 14, 7, 250, 900),
    "v100-sxm2": ("", "", 15.7, 7.8, 300, 900),
    "v100s-pcie": ("", "", 16.4, 8.2, 250, 1134),
    "a100-pcie-80gb": ("", 312, 19.5, 9.7, 300, 1935),
    "a100-sxm-80gb": ("", 312, 19.5, 9.7, 400, 2039),
    "h100-sxm": ("", 1979, 67, 34, 700, 3350),
    "h100-pcie": ("", 1513, 51, 26, "300-350", 2000),
    "mi250": (362.1, 362.1, 45.3, 45.3, "", 100),
    "mi250x": (383, 383, 47.9, 47.9, "", 100),
}
"""Soochow 2024-03-26, figure 5, as printed; the two MLU270 cells that only name int16 are left out."""

COREWEAVE = {
    "h100-sxm": (80, 4.76), "h100-pcie": (80, 4.25), "a100-sxm-80gb": (80, 2.21), "a100-pcie-80gb": (80, 2.21),
    "a100-sxm-40gb": (40, 2.06), "a100-pcie-40gb": (40, 2.06), "a40": (48, 1.28), "rtx-a6000": (48, 1.28),
    "rtx-a5000": (24, 0.77), "rtx-a4000": (16, 0.61), "quadro-rtx-5000": (16, 0.57), "quadro-rtx-4000": (8, 0.24),
    "v100-sxm2": (16, 0.80),
}
"""Tianfeng 2023-06-20, CoreWeave's list: GB and USD per hour, in its order."""

VENDORS = {"h100-sxm": "36500", "a100-sxm-80gb": "15000", "mi300x": ">30000", "gaudi2": "8000-10000",
           "h20": "12000-15000", "ascend-910b": "120000"}
"""Guohai 2024-02, unit prices: USD, but CNY for Ascend 910B."""


def close(value: float, printed: float) -> bool:
    """Return whether a value, rounded to the significant digits of a printed one, is that one."""
    digits = len(f"{printed:.10f}".rstrip("0").replace(".", "").strip("0"))
    exponent = math.floor(math.log10(abs(printed)))
    step = 10.0 ** (exponent - digits + 1)
    return abs(value - printed) <= step / 2 * (1 + 1e-9)


def peak(chip: Chip, *keys: str) -> float | None:
    known = {**(chip.other_peaks or {}), **(chip.peaks or {})}
    return next((known[k] / TFLOPS for k in keys if k in known), None)


def link(chip: Chip) -> float | None:
    if chip.link is None:
        return None
    return chip.link.bandwidth / GB_per_s * (1 if chip.name in ONE_WAY else 2)


def nm(chip: Chip) -> float | None:
    found = re.search(r"\d+", chip.die.process if chip.die else "")
    return float(found[0]) if found else None


def engines(chip: Chip) -> float:
    return 4.0 * chip.cores if isinstance(chip.core, GpuCore) else float(chip.cores)


FIGURES: dict[str, Callable[[Chip], Cell | None]] = {
    "year": lambda c: c.year,
    "process": nm,
    "peak_bf16": lambda c: peak(c, "bf16"),
    "power": lambda c: c.power.tdp if c.power else None,
    "memory_type": lambda c: c.memory.type,
    "memory_capacity": lambda c: c.memory.capacity / (GiB if c.memory.capacity % GiB == 0 else GB),
    "memory_bandwidth": lambda c: c.memory.bandwidth / GB_per_s,
    "link_bandwidth": link,
    "compute_intensity": lambda c: (peak(c, "bf16") or 0.0) * TFLOPS / c.memory.bandwidth,
    "compute_dies": lambda c: c.die.count if c.die else None,
    "hbm_stacks": lambda c: c.memory.stacks or "none",
    "tensor_cores": engines, "neuron_cores": engines,
    "mxu_per_tensor_core": lambda c: c.core.array.count if isinstance(c.core, SystolicCore) else None,
    "fp64": lambda c: peak(c, "fp64"), "fp64_tflops": lambda c: peak(c, "fp64"),
    "fp32": lambda c: peak(c, "fp32_vector", "fp32"), "fp32_tflops": lambda c: peak(c, "fp32_vector", "fp32"),
    "fp16_tensor": lambda c: peak(c, "fp16"), "fp16_tflops": lambda c: peak(c, "fp16"),
    "int8_tensor": lambda c: peak(c, "int8") or "none", "int8_tops": lambda c: peak(c, "int8"),
    "bandwidth": lambda c: c.memory.bandwidth / GB_per_s, "bandwidth_gb_s": lambda c: c.memory.bandwidth / GB_per_s,
    "tdp": lambda c: c.power.tdp if c.power else None, "tdp_w": lambda c: c.power.tdp if c.power else None,
    "nvlink": lambda c: link(c) if c.link and "NVLink" in c.link.type else "none",
    "pcie": lambda c: 2 * c.host / GB_per_s if c.host else None,
    "unit_price": lambda c: c.price,
    "peak_int8": lambda c: peak(c, "int8"),
    "clock": lambda c: c.clock / 1e9,
    "fp4": lambda c: (peak(c, "fp4") or 0) / 1e3, "fp8": lambda c: (peak(c, "fp8") or 0) / 1e3,
    "accelerator_power": lambda c: c.power.tdp if c.power else None,
    "peak_fp16": lambda c: peak(c, "bf16"),
}
"""What the catalogue says under the name of a printed column."""


def agrees(value: Cell | None, printed: Cell) -> bool:
    if isinstance(printed, int | float):
        return isinstance(value, int | float) and close(float(value), float(printed))
    if isinstance(value, int | float) and (ends := [float(x) for x in re.findall(r"[\d.]+", printed)]):
        return (0.0 if printed.startswith("<") else min(ends)) <= value <= max(ends)
    return value is not None and printed.lower().startswith(str(value).lower())


def check(table: str, column: str, cells: Iterator[tuple[str, Cell]]) -> None:
    for name, printed in cells:
        if printed == "":
            continue
        value = FIGURES[column](chips.get(name))
        erratum = KNOWN.get((table, name, column))
        if erratum is None:
            assert agrees(value, printed), f"{name} {column}: printed {printed}, catalogue {value}"
        else:
            assert erratum.printed == printed
            assert column == "compute_intensity" or not agrees(value, printed), f"{name} {column} is no erratum"


@pytest.mark.parametrize("column", SWS_CHIPS)
def test_comparison_of_chips(column: str) -> None:
    check(errata.CHIPS, column, iter(zip(COMPARED, SWS_CHIPS[column], strict=True)))


def test_intensity_is_peak_over_capacity() -> None:
    table = zip(SWS_CHIPS["peak_bf16"], SWS_CHIPS["memory_capacity"], SWS_CHIPS["compute_intensity"], strict=True)
    for peak_bf16, capacity, intensity in table:
        assert close(float(peak_bf16) / float(capacity), float(intensity))


@pytest.mark.parametrize("column", ["process", "peak_bf16", "memory_capacity", "memory_type"])
def test_costs_of_chips(column: str) -> None:
    check(errata.COSTS, column, iter(zip(COSTED, SWS_COSTS[column], strict=True)))


def test_costs_prices_and_margins() -> None:
    """The parts sum up, prices are those on file, and each margin lies within its printed range."""
    for i, name in enumerate(COSTED):
        row = {column: float(cells[i]) for column, cells in SWS_COSTS.items() if column != "memory_type"}
        sws = {p.basis: p.amount for p in prices.prices(name) if p.source == prices.SWS}
        assert sws == {"cost": row["total_cost"], "chip": row["estimated_price"]}
        assert row["memory_cost"] + row["manufacturing_packaging_test_cost"] == row["total_cost"]
        margin = 100 * (1 - row["total_cost"] / row["estimated_price"])
        assert row["gross_margin_low"] <= margin <= row["gross_margin_high"]


def test_training_run() -> None:
    for i, name in enumerate(TRAINED):
        chip, of = chips.get(name), 2 if name == "gb200" else 1
        sws = [p.amount for p in prices.prices(name) if p.source == prices.SWS and p.basis != "cost"]
        assert sws == [SWS_TRAINING["accelerator_price"][i]]
        for column in ("peak_fp16", "accelerator_power"):
            printed, value = SWS_TRAINING[column][i], FIGURES[column](chip)
            assert isinstance(value, float)
            if (errata.TRAINING, name, column) in KNOWN and name != "gb200":  # whose watts other rows contradict
                assert not close(of * value, printed)
            else:
                assert close(of * value, printed), (name, column)


def test_architectures() -> None:
    for name, column, printed in SWS_ARCHITECTURE:
        chip, erratum = chips.get(name), KNOWN.get((errata.ARCHITECTURE, name, column))
        if erratum is not None:
            assert erratum.printed == printed
        elif isinstance(chip.core, SystolicCore) and isinstance(printed, str):
            a, v = chip.core.array, chip.core.vector
            if column == "vpu":
                assert v.lanes * v.alus == 128 * 16
            else:
                assert printed.startswith(f"{a.rows}x{a.cols}")
        elif column == "tensor_engine_fp16":
            assert close(chip.peak() / chip.cores / TFLOPS, float(printed))
        else:
            assert FIGURES[column](chip) == printed


@pytest.mark.parametrize("column", [c for c in GUOHAI if c != "memory"])
def test_nvidia_gpus(column: str) -> None:
    check(errata.GUOHAI, column, iter(zip(GUOHAI_GPUS, GUOHAI[column], strict=True)))


def test_memories_of_nvidia_gpus() -> None:
    for name, printed in zip(GUOHAI_GPUS, GUOHAI["memory"], strict=True):
        memory = chips.get(name).memory
        sizes, _, kind = str(printed).partition(" ")
        assert f"{memory.capacity / GB:.0f}" in sizes.split("/")
        assert kind in ("", memory.type)


@pytest.mark.parametrize("name", SOOCHOW)
def test_figure_5(name: str) -> None:
    for column, printed in zip(SOOCHOW_COLUMNS, SOOCHOW[name], strict=True):
        check(errata.SOOCHOW, column, iter([(name, printed)]))


def test_rents() -> None:
    for name, (capacity, usd) in COREWEAVE.items():
        assert chips.get(name).memory.capacity == capacity * GB
        assert [p.amount for p in prices.prices(name, "chip-hour") if p.source == prices.COREWEAVE] == [usd]


def test_unit_prices() -> None:
    for name, printed in VENDORS.items():
        found = next(p for p in prices.prices(name, "chip") if p.source == prices.GUOHAI)
        ends = [float(x) for x in re.findall(r"\d+", printed)]
        assert (found.low or found.amount, found.high or found.amount) == (ends[0], ends[-1])
        assert found.currency == ("CNY" if name == "ascend-910b" else "USD")


def test_figures_in_the_text_of_soochow() -> None:
    b200, h100 = chips.get("b200"), chips.get("h100-sxm")
    assert b200.die and h100.die
    assert (b200.die.transistors, h100.die.transistors) == (208e9, 80e9)
    assert peak(chips.get("gb200"), "fp4_sparse") == 20000, "what the text calls B200's 20 PFLOPS"


# --- the errata themselves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("e", [e for e in ERRATA if e.row in chips.names() and e.column in FIGURES],
                         ids=lambda e: f"{e.row} {e.column}")
def test_what_errata_correct_is_what_the_catalogue_says(e: Erratum) -> None:
    value = FIGURES[e.column](chips.get(e.row))
    if e.row == "gb200":  # the table counts superchips
        return
    if (e.table, e.column) == (errata.SOOCHOW, "fp16_tflops") and e.row == "mlu290-m5":
        value = peak(chips.get(e.row), "int16")
    if (e.table, e.column) == (errata.SOOCHOW, "fp32_tflops"):
        value = peak(chips.get(e.row), "cint32")
    if (e.table, e.column) == (errata.SOOCHOW_11, "tensor_cores"):
        assert value == e.corrected
    assert agrees(value, e.corrected), f"{value} is not {e.corrected}"


def test_errata_are_complete() -> None:
    """Each says what and why, and where a chip is meant the catalogue knows it."""
    assert len({(e.table, e.row, e.column, e.printed) for e in ERRATA}) == len(ERRATA)
    for e in ERRATA:
        assert e.printed != e.corrected
        assert e.source
        assert e.table in vars(errata).values()
        if e.table in (errata.CHIPS, errata.COSTS, errata.GUOHAI, errata.SOOCHOW, errata.SOOCHOW_11):
            assert e.row == "all" or e.row in chips.names()


def test_energy_of_training_counts_utilisation_as_duty() -> None:
    for e in ERRATA:
        if e.table == errata.TRAINING and e.column == "energy":
            assert close(float(e.corrected) * 0.40, float(e.printed)) or \
                float(e.corrected) * 0.40 == pytest.approx(float(e.printed), rel=0.002)


# --- what stands above is what the reports print ----------------------------------------------------------------------


def cell(text: str) -> Cell:
    try:
        return float(text)
    except ValueError:
        return text


def table(folder: Path, name: str) -> list[list[str]]:
    file = folder / "facts" / "tables" / f"{name}.csv"
    return [row for row in csv.reader(file.read_text().splitlines()) if row and not row[0].startswith("#")]


def test_tables_as_printed(shared: Path) -> None:
    for file, printed in (("sws_chip_comparison", SWS_CHIPS), ("sws_chip_cost", SWS_COSTS)):
        rows = {row[0].replace("_as_printed", ""): row[2:] for row in table(shared, file)}
        for column, cells in printed.items():
            assert [cell(x) for x in rows[column]] == [float(c) if isinstance(c, int) else c for c in cells], column
    rows = {row[0]: row[2:-1] for row in table(shared, "sws_training_cost")}
    for column, numbers in SWS_TRAINING.items():
        assert [float(x) for x in rows[column]] == list(numbers)
    rows = {row[0]: row[2:] for row in table(shared, "guohai_nvidia_gpus")}
    for column, cells in GUOHAI.items():
        if column in rows and column != "memory":
            assert [cell(x) for x in rows[column]] == [float(c) if isinstance(c, int) else c for c in cells], column


def test_figure_5_as_printed(shared: Path) -> None:
    rows = table(shared, "soochow_chips")[1:]
    assert len(rows) == len(SOOCHOW)
    for row, (name, cells) in zip(rows, SOOCHOW.items(), strict=True):
        for text, printed in zip(row[4:], cells, strict=True):
            if isinstance(printed, int | float):
                assert float(text.split(" ")[0]) == printed, (name, row)
            elif "-" in printed or printed == "":
                assert text == printed or text == "(INT16)", (name, row)
    rents = [(float(row[1]), float(row[4])) for row in table(shared, "tianfeng_coreweave")[1:]]
    assert rents == [(float(gb), usd) for gb, usd in COREWEAVE.values()]
