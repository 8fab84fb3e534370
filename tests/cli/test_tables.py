"""``archsim tables``: the list, one table for a reader and for a program, wrong names."""

import json

import pytest

from archsim.explore.tables import TABLES
from archsim.report.report_tables import reproduced, sheets

NAMES = [t.name for t in TABLES]


def test_list(cli):
    said = cli("tables")
    assert said.code == 0
    assert all(name in said.out for name in NAMES)


def test_list_for_programs(cli):
    rows = json.loads(cli("tables", "--json").out)
    assert [r["name"] for r in rows] == NAMES
    assert all(r["printed_cells"] > 0 and r["source"] and r["items"] and r["fields"] for r in rows)


@pytest.mark.parametrize("width", [80, 100, 250])
@pytest.mark.parametrize("name", NAMES)
def test_every_table_fits_the_page(cli, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    said = cli("tables", name)
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= width
    assert "left out" not in said.out  # what the page does not hold comes in a second part
    words = said.out.split()
    assert all(c.printed + "!" in words for c in reproduced(name).errors if len(c.printed.split()) == 1)
    assert "…" not in said.out
    errors = reproduced(name).errors
    assert ("wrong, and why" in said.out) is bool([c for c in reproduced(name).cells if c.why])
    assert said.out.count("!") >= len({(c.item, c.field) for c in errors})


@pytest.mark.parametrize("name", NAMES)
def test_every_table_for_programs(cli, name):
    data = json.loads(cli("tables", name, "--json").out)
    assert data["name"] == name
    wrong = [c for c in data["cells"] if c["status"] == "error"]
    assert len(wrong) == data["errors"]
    assert all(c["why"] or c["source"] for c in wrong)
    assert all(c["corrected"] is not None for c in wrong)
    assert all(c["recomputed"] is not None for c in data["cells"] if c["status"] == "closes")
    printed = [c for c in data["cells"] if c["printed"]]
    assert len(printed) == data["printed_cells"]


def test_a_wrong_cell_is_flagged_and_explained(cli):
    out = cli("tables", "llama3-405b-training").out
    energy = next(line for line in out.splitlines() if line.startswith("energy, 10 MWh"))
    assert energy.split()[-5:] == ["587!", "334!", "324!", "1097!", "851!"]
    for words in ("no duty cycle", "unit ten times too large", "hidden adder", "37908", "1468"):
        assert words in out.replace("\n", " ").replace("  ", " ") or words in out


def test_names_may_be_mistyped(cli):
    said = cli("tables", "gpt4")
    assert said.code == 2
    assert said.err.startswith("error: unknown table 'gpt4': did you mean 'gpt4-")
    assert said.out == ""
    assert cli("tables", "Chip_Cost").code == 0
    assert cli("tables", "chip-cost", "megascale").code == 2


def test_a_notebook_gets_the_same(cli):
    text = "\n".join(map(str, sheets(reproduced("chip-cost"))))
    assert "implied margin" in text
    assert "86.11" in text
