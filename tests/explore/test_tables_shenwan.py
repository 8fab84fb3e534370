"""Shenwan Hongyuan's tables, cell by cell: what is printed closes, or is in the list of errors with the right value."""

import archsim.chips as chips
import pytest

from archsim.economics.chip_cost import chip_cost
from archsim.economics.site import Assumptions
from archsim.economics.training import dense_flop, training
from archsim.explore.tables.shenwan_megascale import FULL_ATTENTION, HALF_ATTENTION

INTENSITY = {"H100": (295.5, 295.3), "B200": (281.3, 281.3), "B300": (421.9, 281.3), "MI325X": (216.7, 217.9),
             "TPU v5p": (166, 166), "TPU v6e": (564.6, 559.8), "Trainium 2": (107.8, 230), "MTIA v2": (864.3, 864.3),
             "Maia 100": (500, 444.4)}
"""Balance points, FLOP/B: from the report's own cells, and from corrected ones."""


def test_comparison(work_out, check_cells):
    r = work_out("chip-comparison")
    one_way = {"H100": 450, "B200": 900, "B300": 900, "MI325X": 448, "TPU v6e": 400, "Trainium 2": 640}
    check_cells(r, {
        ("B300", "year"): 2025, ("Trainium 2", "year"): 2024,
        ("B300", "peak_bf16"): 2250, ("TPU v6e", "peak_bf16"): 918, ("Trainium 2", "peak_bf16"): 667,
        ("B300", "power"): 1100, ("Maia 100", "power"): 700, ("Maia 100", "memory_type"): "HBM2e",
        ("TPU v5p", "memory_capacity"): 95, ("Trainium 2", "memory_bandwidth"): 2900,
        ("Maia 100", "memory_bandwidth"): 1800,
        **{(chip, "link_bandwidth"): rate for chip, rate in one_way.items()},
        **{(chip, "compute_intensity"): own for chip, (own, _) in INTENSITY.items()},
        ("MI325X", "compute_dies"): 8, ("H100", "hbm_stacks"): 5, ("MTIA v2", "hbm_stacks"): "none",
    })
    for chip, (_, right) in INTENSITY.items():
        assert r.cell(chip, "compute_intensity").all_corrected == pytest.approx(right, rel=1e-3)


def test_intensity_ranks_otherwise_than_balance(work_out):
    r = work_out("chip-comparison")
    cells = {c.item: c for c in r.cells if c.field == "compute_intensity"}
    assert min(cells, key=lambda i: cells[i].recomputed) == "MTIA v2"
    assert max(cells, key=lambda i: cells[i].all_corrected) == "MTIA v2"


def test_costs(work_out, check_cells):
    r = work_out("chip-cost")
    check_cells(r, {("TPU v6e", "peak_bf16"): 918, ("Trainium2", "peak_bf16"): 667, ("H100", "memory_capacity"): 80,
                    ("TPU v5p", "memory_capacity"): 95})
    margins = {"H100": 86.1, "B200": 85.3, "TPU v5p": 70.0, "TPU v6e": 69.4, "Trainium2": 51.1}
    per_gb = {"H100": 11.98, "B200": 14.06, "TPU v5p": 10.42, "TPU v6e": 12.50, "Trainium2": 11.98}
    for chip, margin in margins.items():
        assert r.cell(chip, "implied_margin").recomputed == pytest.approx(margin, abs=0.05)
        assert r.cell(chip, "memory_usd_per_gb").recomputed == pytest.approx(per_gb[chip], abs=0.005)
        price = r.cell(chip, "estimated_price")
        assert price.status == "closes" and price.recomputed.low <= float(price.printed) <= price.recomputed.high + 1e-6
    assert r.cell("H100", "memory_usd_per_gb").all_corrected == pytest.approx(14.375)
    assert (r.cell("H100", "estimated_price").recomputed.low, r.cell("H100", "estimated_price").recomputed.high) == \
        pytest.approx((16_667, 25_000), abs=1)


def test_costs_are_what_economics_says(work_out):
    """The report's totals lie between the low and the high end of archsim's own chain, and cost goes the same way."""
    r = work_out("chip-cost")
    own, printed = {}, {}
    for item in r.table.items:
        reckoned = chip_cost(chips.get(item.chip)).total
        span = r.cell(item.name, "own_range").recomputed
        own[item.name], printed[item.name] = reckoned.base, float(r.cell(item.name, "total_cost").printed)
        assert r.cell(item.name, "own_total_cost").recomputed == reckoned.base
        assert (span.low, span.high) == (reckoned.low, reckoned.high)
        assert span.low <= printed[item.name] <= span.high
    assert sorted(own, key=own.__getitem__) == sorted(printed, key=printed.__getitem__)


TRAINED = ("H100", "B200", "GB200", "TPU v5p", "Trainium 2")


def test_training(work_out, check_cells):
    r = work_out("llama3-405b-training")
    every = {
        "total_compute": [37_908] * 5, "per_accelerator_day": [34_214, 77_760, 172_800, 15_863, 22_464],
        "server_price": [144.2, 264.2, 2523.6, 48.2, 70.8], "depreciation_years": [5] * 5,
        "yearly_depreciation": [10.815, 19.815, 42.06, 3.615, 2.655], "electricity_price": [0.10] * 5,
        "energy": [1468, 836, 810, 2744, 2127],
    }
    check_cells(r, {
        **{(i, name): v for name, row in every.items() for i, v in zip(TRAINED, row, strict=True)},
        ("GB200", "peak_fp16"): 2500, ("Trainium 2", "peak_fp16"): 667, ("GB200", "accelerators"): 48_000,
        ("GB200", "accelerators_per_server"): 72, ("TPU v5p", "accelerators_per_server"): 4,
        ("GB200", "accelerator_price"): 35_000, ("GB200", "accelerator_power"): 1350,
        ("TPU v5p", "accelerator_power"): 475, ("Trainium 2", "accelerator_power"): 500,
    })
    units = {"per_accelerator_day": "PFLOP", "server_price": "kUSD", "yearly_depreciation": "10 MUSD",
             "electricity_price": "USD/kWh"}
    for name, unit in units.items():
        assert {c.right_unit for c in r.cells if c.field == name} == {unit}


def test_training_rows(work_out):
    """The figures behind the rounded cells, and what the report hides or leaves blank."""
    r = work_out("llama3-405b-training")

    def row(name, which="recomputed"):
        return [getattr(r.cell(i, name), which) for i in TRAINED]

    assert row("days") == pytest.approx([21.92, 9.645, 4.340, 47.28, 33.39], abs=0.006)
    assert row("fleet_price") == pytest.approx([4.326, 7.926, 16.82, 1.446, 1.062], rel=1e-3)
    assert row("usd_per_processor") == [100.0] * 5
    assert row("cluster_power") == pytest.approx([27.9, 36.1, 77.8, 24.2, 26.6], abs=0.05)
    assert row("days_at_24000_gpus")[2] == pytest.approx(8.68, abs=0.01)
    assert row("days", "all_corrected")[0] / row("days")[0] == pytest.approx(37_908 / 18_000, rel=1e-3)
    # without the hidden 100 USD per CPU no depreciation closes
    for i, bare in zip(TRAINED, (144_000, 264_000, 2_520_000, 48_000, 70_400), strict=True):
        servers, days = r.cell(i, "servers").recomputed, r.cell(i, "days").recomputed
        assert round(servers * bare / 4 * days / 365 / 1e4) != float(r.cell(i, "depreciation_cost").printed)


def test_training_is_what_economics_says(work_out):
    """All corrected, the table is archsim's own training run: days, and energy with and without MFU."""
    r = work_out("llama3-405b-training")
    chip = chips.get("h100-sxm")
    own = training(chip, 24_000, flop=dense_flop(405e9, 15.6e12), mfu=0.40, assumptions=Assumptions())
    days = own.chip_hours / 24_000 / 24
    assert r.cell("H100", "days").all_corrected == pytest.approx(days, rel=1e-4)
    assert own.energy_kwh_times_mfu == pytest.approx(0.40 * own.energy_kwh)
    ratio = r.cell("H100", "energy").recomputed / r.cell("H100", "energy").corrected
    assert ratio == pytest.approx(own.energy_kwh_times_mfu / own.energy_kwh)


def test_megascale(work_out, check_cells):
    r = work_out("megascale")
    check_cells(r, {
        ("MegaScale 768, 256 GPUs", "throughput"): 49.15, ("Megatron-LM 6144, 12288 GPUs", "throughput"): 1468.3,
        ("MegaScale 768, 512 GPUs", "mfu"): 63.37, ("MegaScale 768, 768 GPUs", "mfu"): 60.73,
        ("MegaScale 6144, 8192 GPUs", "mfu"): 54.79, ("MegaScale 6144, 12288 GPUs", "mfu"): 55.09,
        ("Megatron-LM 768, 256 GPUs", "aggregate"): 42.3, ("Megatron-LM 768, 512 GPUs", "aggregate"): 79.7,
        ("Megatron-LM 768, 1024 GPUs", "aggregate"): 142.8, ("MegaScale 6144, 8192 GPUs", "aggregate"): 1400.5,
        ("MegaScale 6144, 12288 GPUs", "aggregate"): 2116.3,
        ("MegaScale 6144, 6144 GPUs", "speed_up"): 1.199, ("MegaScale 6144, 8192 GPUs", "speed_up"): 1.2654,
    })
    assert pytest.approx(1.0764e12, rel=1e-4) == FULL_ATTENTION
    assert pytest.approx(1.0645e12, rel=1e-4) == HALF_ATTENTION
    for c in r.cells:
        if c.field in ("throughput", "mfu"):  # measured: to the last digit of the iteration, never far off
            assert c.recomputed == pytest.approx(float(c.printed), rel=0.01)
