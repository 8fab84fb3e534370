"""Tables of scores, constants, carry-over and ablation: what they show is what was computed."""

from io import StringIO

import pytest
from rich.console import Console

from archsim.explore.ablation import PIECES, Ablation, ablate
from archsim.explore.carry_over import carry_over
from archsim.explore.constants import Constant, Sensitivity, sensitivity
from archsim.explore.validate import Table, scored
from archsim.hardware import Source
from archsim.report import validation
from tests.explore.test_constants import H100, measured


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return measured(tmp_path_factory.mktemp("rows"), {"core.epilogue": 900.0}, ("h100", "a100"))


def test_scores(table: Table) -> None:
    said = str(validation.scores(scored(table)))
    assert "MAPE" in said and "roofline" in said
    assert "h100" in said and "a100" in said


def test_a_table_of_constants_per_device(table: Table) -> None:
    found = sensitivity(table)
    sheets = validation.sensitivity(found)
    assert len(sheets) == 2
    said = str(next(s for s in sheets if s.title.startswith("h100-sxm")))
    for heading in ("figure", "value", "−20 %", "+20 %", "kind", "meaning", "source"):
        assert heading in said
    assert "memory.bandwidth" in said and "3.35 TB/s" in said and "datasheet" in said
    assert "moves nothing" in said and "memory.capacity" in said


def test_many_ops_share_columns_of_their_changes() -> None:
    constant = Constant("core.x", 2.0, "cycle", "waits", None, None)
    ops = [(f"op{i}", "bf16") for i in range(6)]
    found = Sensitivity("chip", constant, {op: -0.1 * i for i, op in enumerate(ops)}, None)
    (sheet,) = validation.sensitivity([found])
    cells = {column.name: column.cells for column in sheet.columns}
    assert cells["mean of ops −20 %"] == ["-0.25"] and cells["most of any −20 %"] == ["-0.50"]
    assert cells["mean of ops +20 %"] == ["–"]
    assert not any("op1" in name for name in cells)


def test_constants_of_three_ops_keep_their_names_on_narrow_terminals() -> None:
    constant = Constant("core.tensor.accumulators", 131072.0, "B", "holds", None, None)
    ops = [("gemm", dtype) for dtype in ("bfloat16", "fp8", "fp8_block")]
    out = StringIO()
    Console(file=out, width=80, color_system=None).print(
        *validation.sensitivity([Sensitivity("chip", constant, dict.fromkeys(ops, -0.5), None)]))
    assert "core.tensor.accumulators" in out.getvalue() and "−20 %" in out.getvalue()
    assert "…" not in out.getvalue()


def test_carry_over(table: Table) -> None:
    result = carry_over(table, ["h100-sxm", "a100-sxm-80gb"])
    errors, constants, *apart = map(str, validation.carried(result))
    assert bool(apart) == bool(result.apart)
    assert all(path in apart[0] for path in result.apart)
    assert f"{result.fits[0].errors['h100-sxm', 'gemm', 'bf16']:.1f}*" in errors
    assert f"{result.defined['a100-sxm-80gb', 'gemm', 'bf16']:.1f}" in errors
    assert "core.epilogue" in constants and "cost on h100-sxm" in constants
    alone = list(map(str, validation.carried(carry_over(table, ["h100-sxm"]))))
    assert "cost" not in alone[1]


def test_ablation(table: Table) -> None:
    said = str(validation.ablation(ablate(table)))
    for piece in PIECES:
        assert f"+ {piece.name}" in said and piece.meaning in said
    assert "decode-like" in said and "large" in said


@pytest.mark.parametrize(("value", "unit", "want"), [
    ({"bf16": 1024.0, "fp8": 2048.0}, "MAC/cycle", "bf16 1,024, fp8 2,048 MAC/cycle"),
    ({"bf16": 0.9e-12, "fp8": 0.5e-12}, "J/FLOP", "bf16 0.9, fp8 0.5 pJ/FLOP"), (1.25e-6, "s", "1.25 µs")])
def test_values_with_their_unit(value, unit: str, want: str) -> None:
    constant = Constant("x", value, unit, "", Source("somebody", "derived"), None)
    assert validation._value(constant) == want
    assert validation._source(constant) == "somebody (derived)"


def test_headings_name_the_chip_that_was_fitted(table: Table) -> None:
    headings = [column.name for column in validation.carried(carry_over(table, [H100.name]))[0].columns]
    assert f"fit on {H100.name}" in headings


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_ablation_fits_narrow_terminals(width: int) -> None:
    errors = {"roofline": 90.0, **{piece.name: 50.0 for piece in PIECES}}
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(
        validation.ablation([Ablation("a100_sxm", "gemm", "bfloat16", "decode-like", 1200, errors)]))
    assert "…" not in out.getvalue()
    assert "roofline" in out.getvalue() and f"+ {PIECES[-1].name}" in out.getvalue()
    assert set(validation.LEAVE) == {piece.name for piece in PIECES[:-1]}
