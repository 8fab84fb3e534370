"""Carry-over: a fit finds the constants of a made-up truth, and what it finds serves a chip that it never saw."""

from pathlib import Path

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.explore.carry_over import CarryOver, _Search, carry_over
from archsim.explore.constants import changed, free
from archsim.explore.validate import load, predict
from archsim.hardware.part import replace_at
from tests.explore.test_constants import A100, H100, measured

TRUTH = {"core.prologue": 240.0, "core.epilogue": 900.0}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> CarryOver:
    table = measured(tmp_path_factory.mktemp("rows"), TRUTH, ("h100", "a100"))
    return carry_over(table, [H100.name, A100.name])


def test_a_fit_meets_rows_that_the_model_made(both: CarryOver) -> None:
    for fit in both.fits:
        own = fit.errors[fit.chip, "gemm", "bf16"]
        assert own < 0.1 * both.roofline[fit.chip, "gemm", "bf16"]
        assert own < 2.0


def test_physical_constants_carry_over(both: CarryOver) -> None:
    for fit, other in zip(both.fits, (A100.name, H100.name), strict=True):
        assert fit.errors[other, "gemm", "bf16"] < 0.4 * both.roofline[other, "gemm", "bf16"]


def test_values_stay_within_their_ranges(both: CarryOver) -> None:
    for fit, chip in zip(both.fits, (H100, A100), strict=True):
        assert fit.values
        assert set(fit.values) <= set(free(chip))
        for path, value in fit.values.items():
            low, high = fit.constants[path].likely or (1.0, 0.0)
            assert low <= value <= high
        assert "core.sfu_ops" not in fit.values, "no product depends on it"


def test_the_same_answer_twice(tmp_path: Path) -> None:
    table = measured(tmp_path, TRUTH)
    assert carry_over(table, [H100.name]) == carry_over(table, [H100.name])


def test_a_value_of_the_other_fit_costs_something(both: CarryOver) -> None:
    for fit in both.fits:
        assert set(fit.costs) <= set(fit.values)
    data = both.to_dict()
    assert set(data) == {"errors", "fits", "differing", "apart"}
    assert set(data["differing"]) <= {c["figure"] for f in data["fits"] for c in f["constants"]}


def test_what_is_not_the_same_thing_is_carried_over_only_beside(tmp_path: Path) -> None:
    other = replace_at(replace_at(H100, "core", {"epilogue": 700.0}), "", {"name": "other"})
    file = tmp_path / "rows.csv"
    rows = "h100,gemm,bf16,64,4096,4096,16\nother,gemm,bf16,64,4096,4096,16\n"
    file.write_text(f"device,op,dtype,m,n,k,measured_us\n{rows}")
    table = load(file, resolve=lambda name: other if name == "other" else H100)
    result = carry_over(table, [H100.name])
    assert {chip: c.value for chip, c in result.apart["core.epilogue"].items()} == {H100.name: 400.0, "other": 700.0}
    (fit,) = result.fits
    case = table.cases[1]
    shared = {path: value for path, value in fit.values.items() if path != "core.epilogue"}
    for errors, values in ((fit.errors, shared), (fit.forced, fit.values)):
        by_hand = abs(predict(case, changed(other, values)) / case.seconds - 1)
        assert errors["other", "gemm", "bf16"] == pytest.approx(100 * by_hand)


def test_one_set_of_constants_serves_all_ops(tmp_path: Path) -> None:
    """What a constant does not move is not timed again: the error must come out as if it were."""
    file, other = tmp_path / "products.csv", tmp_path / "sums.csv"
    file.write_text("device,op,dtype,m,n,k,measured_us\n" + "".join(
        f"h100,gemm,{dtype},{m},4096,4096,{us}\n" for dtype in ("bf16", "fp8") for m, us in ((8, 16), (512, 40))))
    other.write_text("device,op,dtype,rows,cols,measured_us\nh100,rmsnorm,bf16,64,4096,4\nh100,add,bf16,64,4096,3\n")
    search = _Search(load([file, other], resolve=chips.get).cases)
    assert set(search.groups) == {("gemm", "bf16"), ("gemm", "fp8"), ("rmsnorm", "bf16"), ("add", "bf16")}
    assert ("add", "bf16") not in search.moves["core.barrier"], "no product's constant moves it"
    assert {("rmsnorm", "bf16"), ("gemm", "fp8")} <= set(search.moves["core.reduction"]), "fp8 is quantised first"
    before = search.best
    for _ in range(2):
        search.sweep()
    assert search.best < before
    assert search.best == pytest.approx(search.error(search.values), rel=1e-12)
    assert all(search.moves[path] for path in search.open)


def test_a_chip_without_rows_is_named(tmp_path: Path) -> None:
    table = measured(tmp_path, {})
    with pytest.raises(ArchsimError, match="unknown chip of the table 'b200'.*h100-sxm"):
        carry_over(table, ["b200"])
    with pytest.raises(ArchsimError, match="name a chip"):
        carry_over(table, [])
