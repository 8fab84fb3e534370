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
              table.summary(prefill[0], price(prefill[0])), table.models_sheet([get("gpt3-175b"), get("llama-3.1-8b")]),
              table.model_sheet(get("llama-3.1-8b"))]
    for sheet in sheets:
        text = at(width, sheet)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_models_are_listed_with_the_source_of_their_count():
    text = at(200, table.models_sheet([get("gpt3-175b"), get("mixtral-8x7b"), get("glm-4.5")]))
    assert "table D.1" in text
    assert "46.70" in text and "12.88" in text
    assert "glm-4.5: published as 355,000,000,000: the headline rounds" in text


def test_one_model_shows_each_kind_of_layer_and_what_is_not_modelled():
    text = at(120, table.model_sheet(get("deepseek-v3")))
    assert "58 decoder layers" in text
    assert "8 of 256 experts of 2,048" in text
    assert "671,026,419,200" in text
    assert "note: the checkpoint is quantised: --dtype checkpoint" in text


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


def test_a_chip_that_cannot_run_is_a_row_of_dashes_and_a_reason(prefill, price):
    reasons = {"tiny": "qkv_proj: tiny: no room", "old": "old has no fp8"}
    sheet = table.comparison(prefill[:1], [price(prefill[0])], infeasible=reasons)
    assert [c.cells[1:] for c in sheet.columns[1:]] == [["–", "–"]] * (len(sheet.columns) - 1)
    assert all(len(c.styles) in (0, 3) for c in sheet.columns)
    text = str(sheet)
    assert "– tiny cannot run this: qkv_proj: no room" in text
    assert "– old has no fp8" in text
    only = str(table.comparison([], [], infeasible={"tiny": "no room"}))
    assert "– tiny cannot run this: no room" in only


def test_dollars_per_pflop_have_one_unit_whatever_their_size(prefill, decode, price):
    for runs in (prefill, decode):
        cost = price(runs[0])
        column = next(c for c in table.comparison(runs, [price(r) for r in runs]).columns if "at peak" in c.heading)
        assert column.heading == "at peak\nm$/PFLOP"
        assert float(column.cells[0]) == pytest.approx(cost.usd_per_pflop_peak * 1e3, rel=0.01)


def test_traffic_is_decimal(chips):
    import networkx as nx

    from archsim.simulation import simulate
    from archsim.workload import MatMul

    graph = nx.DiGraph()
    graph.add_node("gemm", op=MatMul(m=4096, n=4096, k=4096))
    run = simulate(graph, chips[0])
    assert run.hbm_bytes == 96 * 2**20
    for sheet in (table.gemm_sheet(run), table.summary(run)):
        assert "HBM traffic    100.7 MB" in str(sheet)


def test_launch_is_called_by_its_full_name(prefill):
    from dataclasses import replace

    run = prefill[0]
    ops = tuple(replace(o, time=replace(o.time, bound="launch")) for o in run.ops)
    slow = replace(run, ops=ops)
    assert "launch+fill" in str(table.table(slow))
    assert "launch+fill 100.0 %" in str(table.summary(slow))
    assert "launch+fill" in str(table.comparison([slow]))
    assert set(slow.to_dict()["time_by_bound_s"]) >= {"launch"}


def test_very_narrow_terminals_see_where_a_name_is_cut(prefill, price):
    for sheet in (table.table(prefill[0]), table.comparison(prefill, [price(r) for r in prefill]),
                  Sheet("", [Column("name", ["a" * 40], text=True), Column("figure", ["123,456"])])):
        text = at(40, sheet)
        assert max(map(len, text.splitlines())) <= 40
        numbers = [c for c in sheet.fit(40)[0] if not c.text]
        assert all(cell in text for c in numbers for cell in c.cells), "a number is never cut"
    assert "a…" in text


def test_a_prefill_behind_a_cache_says_so(prefill):
    from dataclasses import replace

    run = replace(prefill[0], workload={**prefill[0].workload, "context": 2048})
    assert table.workload(run) == "llama-3.1-8b prefill, batch 1, seq 2,048, cached 2,048, bf16"


def test_workload_leaves_out_what_goes_without_saying(prefill, decode):
    assert table.workload(prefill[0]) == "llama-3.1-8b prefill, batch 1, seq 2,048, bf16"
    assert table.workload(decode[0]) == "llama-3.1-8b decode, batch 8, context 2,048, bf16"


def test_the_module_lists_its_functions_alone():
    assert "comparison" in dir(table)
    assert "BOUND" not in dir(table)


def test_graphs_without_matrix_work_have_tables(norms, price):
    text = "\n".join(map(str, (table.summary(norms[0], price(norms[0])), table.table(norms[0]),
                               table.comparison(norms, [price(r) for r in norms]))))
    assert "graph, bf16 on fat" in text
    assert "nan" not in text
    assert "inf" not in text


def test_a_comparison_says_for_whom_no_power_limit_is_modelled():
    from archsim import chips
    from archsim.simulation import simulate
    from archsim.workload import transformer

    runs = [simulate(transformer(get("llama-2-7b"), seq=4096), chips.get(name)) for name in ("h100-sxm", "tpu-v5p")]
    said = str(table.comparison(runs))
    assert "no power limit is known: tpu-v5p" in said
    assert "no power limit" not in str(table.comparison(runs[:1]))
