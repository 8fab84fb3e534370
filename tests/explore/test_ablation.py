"""Ablation: from the roofline to the model in steps, each of which can only add time until L2 holds something."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from archsim import chips
from archsim.explore import ablation as a
from archsim.explore.constants import constants
from archsim.explore.validate import load, plain, scored
from archsim.hardware import Chip
from tests.explore.test_constants import A100, H100, measured

CHIPS = [H100, A100, *(chips.get(name) for name in ("b200", "l40s", "mi300x"))]


@pytest.mark.parametrize("chip", CHIPS, ids=lambda c: c.name)
def test_the_first_stage_leaves_nothing_that_takes_time(chip: Chip) -> None:
    """What remains of a chip's latencies and rates must be the roofline's: the matrix engine and device memory."""
    stage, *_, last = a.stages(chip)
    first = {c.path: c for c in constants(stage.chip)}
    for c in constants(chip):
        if c.path.split(".")[0] not in ("core", "memory", "cache") or isinstance(c.value, Mapping):
            continue
        if c.unit in ("s", "cycle") and not c.path.startswith("cache.beyond"):
            assert first[c.path].value <= 1e-6 * c.value, f"{c.path} is in no piece"
        if c.unit.endswith("/cycle"):
            assert first[c.path].value >= 1e6 * c.value, f"{c.path} is in no piece"
    assert first["memory.bandwidth"].value == chip.memory.bandwidth
    assert stage.chip.peak("bf16") == pytest.approx(chip.peak("bf16"))
    assert last == a.Stage("power", chip, chip, held=True)


def test_stages_run_from_roofline_to_the_chip_itself(tmp_path: Path) -> None:
    table = measured(tmp_path, {}, ("h100", "a100"))
    found = a.ablate(table)
    assert sum(x.n for x in found) == len(table.cases)
    report = scored(table)
    for score in report.scores:
        mine = [x for x in found if x.device == score.device]
        assert list(mine[0].errors) == ["roofline", *(p.name for p in a.PIECES)]
        for stage, want in (("roofline", score.roofline_mape), (a.PIECES[-1].name, score.mape)):
            assert sum(x.errors[stage] * x.n for x in mine) / score.n == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("chip", CHIPS, ids=lambda c: c.name)
def test_a_piece_never_makes_a_cold_kernel_faster(chip: Chip, tmp_path: Path) -> None:
    for case in measured(tmp_path, {}).cases:
        seconds = [replace(stage, held=False).seconds(case) for stage in a.stages(chip)]
        assert seconds[0] >= 0.999 * sum(k.op.flops / chip.peak("bf16") for k in case.kernels)
        for before, after in pairwise(seconds):
            assert after >= 0.98 * before, "kernel choice may shift by a tile"


def test_the_first_stage_is_nearly_the_roofline_where_tiles_fit(tmp_path: Path) -> None:
    for case in measured(tmp_path, {}).cases:
        op = case.kernels[-1].op
        if op.m % 64 == 0 and op.n % 64 == 0:
            assert a.stages(H100)[0].seconds(case) == pytest.approx(plain(case), rel=0.1)


def test_kernels_without_tiles_know_no_waves(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("device,op,dtype,rows,cols,measured_us\nh100,rmsnorm,bf16,64,4096,5\nh100,add,bf16,4096,4096,50\n")
    for case in load(file, resolve=chips.get).cases:
        tiles, waves, *_ = a.stages(H100)
        assert tiles.seconds(case) == waves.seconds(case)


@pytest.mark.parametrize(("row", "want"), [
    ({"m": "1"}, "decode-like"), ({"m": "16"}, "decode-like"), ({"m": "17"}, "skinny"), ({"tokens": "256"}, "skinny"),
    ({"rows": "257"}, "large"), ({"batch": "8", "q_len": "1"}, "decode-like"), ({"batch": "8", "q_len": "64"}, "large"),
    ({"bytes_tensor": "64"}, "large")])
def test_classes_of_shapes(row: dict[str, str], want: str) -> None:
    assert a.shape_class(row) == want
