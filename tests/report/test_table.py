"""Tables say what the run says, and fit."""

from io import StringIO

import pytest
from archsim.models import get
from rich.console import Console

from archsim.report import table
from archsim.report.sheet import Column, Sheet


def at(width: int, *parts: object) -> str:
    out = StringIO()
    console = Console(file=out, width=width, color_system=None)
    for part in parts:
        console.print(part)
    return out.getvalue()


def test_comparison_names_every_chip_and_marks_what_has_no_price(prefill, price):
    costs = [price(r) for r in prefill]
    text = str(table.comparison(prefill, costs, missing={"secret": "secret has no price: do this"}))
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert {"fat", "wide", "secret"} <= set(lines)
    assert lines["secret"].rstrip().endswith("–")
    assert "no cost: secret has no price" in text
    assert f"{prefill[0].tokens_per_s:,.0f}" in lines["fat"]


def test_comparison_works_without_costs(decode):
    assert "hbm" in str(table.comparison(decode))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_table_is_wider_than_the_terminal_or_cuts_a_number(prefill, price, width):
    sheets = [table.comparison(prefill, [price(r) for r in prefill]), table.table(prefill[0]),
              table.summary(prefill[0], price(prefill[0])), table.catalogue([r.chip for r in prefill]),
              table.chip_sheet(prefill[0].chip), table.models_sheet([get("gpt3-175b"), get("llama-3.1-8b")]),
              table.model_sheet(get("llama-3.1-8b"))]
    for sheet in sheets:
        text = at(width, sheet)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_narrow_terminals_are_told_what_is_left_out(prefill, price):
    sheet = table.comparison(prefill, [price(r) for r in prefill])
    assert "left out at this width" in at(80, sheet)
    assert "fidelity" in at(80, sheet)
    assert "left out" not in at(200, sheet)


def test_columns_leave_by_rank():
    sheet = Sheet("", [Column("keep", ["1"]), Column("second", ["22"], 1), Column("first", ["333"], 2)])
    assert [c.heading for c in sheet.fit(80)[0]] == ["keep", "second", "first"]
    assert [c.heading for c in sheet.fit(16)[0]] == ["keep", "second"]
    assert [c.heading for c in sheet.fit(1)[0]] == ["keep"]


def test_operator_shares_add_up(prefill):
    run = prefill[0]
    sheet = table.table(run)
    shares = next(c for c in sheet.columns if c.name.startswith("share"))
    assert sum(float(c) for c in shares.cells) == pytest.approx(100, abs=1)
    assert list(sheet.columns[0].cells) == [o.name for o in run.ops]


def test_summary_says_when_the_model_does_not_fit(chips):
    from archsim.simulation import simulate
    from archsim.workload import transformer

    run = simulate(transformer(get("llama-3.1-405b"), phase="decode"), chips[0])
    assert "communication NOT counted" in str(table.summary(run))
    assert f"{run.chips} × fat" in str(table.summary(run))


def test_workload_leaves_out_what_goes_without_saying(prefill, decode):
    assert table.workload(prefill[0]) == "llama-3.1-8b prefill, batch 1, seq 2,048, bf16"
    assert table.workload(decode[0]) == "llama-3.1-8b decode, batch 8, context 2,048, bf16"


def test_chip_sheet_prints_sources(chips):
    from archsim.hardware import Source

    chip = chips[0].replace("memory", bandwidth=2e12)
    text = str(table.chip_sheet(chip))
    assert "hypothetical" in text
    assert "2 TB/s" in text
    assert Source("set by replace()", "hypothetical").text in text


def test_graphs_without_matrix_work_have_tables(norms, price):
    text = "\n".join(map(str, (table.summary(norms[0], price(norms[0])), table.table(norms[0]),
                               table.comparison(norms, [price(r) for r in norms]))))
    assert "graph, bf16 on fat" in text
    assert "nan" not in text
    assert "inf" not in text
