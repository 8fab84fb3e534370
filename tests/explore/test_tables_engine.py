"""The engine of report tables: printed numbers and their rounding, the three ways of working a cell out, the errata."""

from dataclasses import replace

import archsim.chips as chips
import pytest
from archsim.chips.errata import ERRATA
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ArchsimError
from archsim.explore import tables
from archsim.explore.tables import Catalogue, Field, Fix, Item, Span, Table
from archsim.explore.tables.printed import agrees, half_unit

CATALOGUE = Catalogue(chips.find, ERRATA)


@pytest.mark.parametrize(("text", "value"), [
    ("990", 990), ("0.10", 0.10), ("1.8e12", 1.8e12), ("24,000", 24_000), ("300-350", Span(300, 350)),
    ("32/16", Span(16, 32)), ("<30", Span(0, 30)), ("N7+", 7), ("TSMC 6nm", 6), ("12nm FFC", 12), ("96 (TOPS)", 96),
    ("(INT16)", "(INT16)"), ("", None),
])
def test_printed_numbers(text, value):
    assert tables.parse(text) == value


@pytest.mark.parametrize(("text", "half"), [("22", 0.5), ("12.4", 0.05), ("0.0049", 0.00005), ("2.4e9", 0.05e9)])
def test_rounding_of_a_printed_number(text, half):
    assert half_unit(text) == pytest.approx(half)


@pytest.mark.parametrize(("text", "value", "zeros", "same"), [
    ("22", 21.92, False, True), ("22", 22.6, False, False), ("2.3", 2.25, False, True), ("9900", 9938, False, False),
    ("9900", 9938, True, True), ("990", 989.4, True, True), ("431", 667, True, False), ("8000", 7900, True, False),
    ("300-350", 350, False, True), ("300-350", 351, False, False), ("18000", Span(16_667, 25_000), False, True),
])
def test_agreement(text, value, zeros, same):
    assert agrees(text, value, zeros=zeros) is same


@given(st.floats(0.01, 1e6), st.integers(0, 4))
def test_a_value_agrees_with_its_own_rounding(value, decimals):
    assert agrees(f"{value:.{decimals}f}", value)
    assert not agrees(f"{value + 1.01 * 10.0**-decimals:.{decimals}f}", value)


TOY = Table("toy", "", "", (Item("a"), Item("b")), (
    Field("x", "", "2 | 3", fixes=(Fix("should be 4", 4.0, items=("b",)),)),
    Field("twice", "", "4 | 6", formula=lambda c: 2 * c["x"]),
    Field("square", "m", "4 | 6", formula=lambda c: c["twice"], fixes=(
        Fix("doubled, not squared", lambda c: c["x"] ** 2, "m2"),)),
    Field("after", "", formula=lambda c: c["square"] + 1),
))


def test_three_ways_of_working_out():
    r = tables.reproduce(TOY, CATALOGUE)
    got = {(c.item, c.field): (c.recomputed, c.corrected, c.all_corrected, c.status) for c in r.cells}
    assert got["a", "x"] == (None, 2, 2, "given")
    assert got["b", "x"] == (None, 4, 4, "error")
    assert got["b", "twice"] == (6, 6, 8, "closes")
    assert got["b", "square"] == (6, 9, 16, "error")
    assert got["b", "after"] == (7, 10, 17, "computed")
    assert r.cell("a", "square").right_unit == "m2"


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda t: t.name)
def test_a_number_that_does_not_close_is_an_error(table):
    """No cell is right because a table says so: print another number in one that closes, and it is wrong."""
    right = tables.reproduce(table, CATALOGUE)
    closing = [c for c in right.cells if c.status == "closes" and isinstance(c.recomputed, int | float)]
    assert closing or table.name in ("gpt4-training", "gpt4-inference")
    for c in closing[:: max(1, len(closing) // 5)]:
        f, at = table.field(c.field), [i.name for i in table.items].index(c.item)
        misprint = f"{1.5 * float(c.recomputed) + 3:.1f}"
        cells = [*f.cells[:at], misprint, *f.cells[at + 1:]]
        fields = tuple(replace(x, printed=" | ".join(cells)) if x is f else x for x in table.fields)
        assert tables.reproduce(replace(table, fields=fields), CATALOGUE).cell(c.item, c.field).error, c


def test_cells_must_fit_the_items():
    with pytest.raises(ArchsimError, match="3 cells for 2 items"):
        replace(TOY, fields=(Field("x", "", "1 | 2 | 3"),))


def test_names():
    assert tables.find("Chip_Cost").name == "chip-cost"
    with pytest.raises(ArchsimError, match="did you mean 'megascale'"):
        tables.find("megascal")
    names = [t.name for t in tables.TABLES]
    assert len(names) == len(set(names)) >= 12


def test_every_erratum_of_these_tables_is_a_cell_marked_wrong():
    """The catalogue's list of errors and these tables tell the same: same cells, same corrected numbers."""
    of = {t.errata: t for t in tables.TABLES if t.errata}
    told = {"link_bandwidth", "roadmap", "gross_margin", "training days", "inference", "shipments_2023"}  # in words
    seen = 0
    for e in ERRATA:
        if e.table not in of or e.column in told:
            continue
        table = of[e.table]
        r = tables.reproduce(table, CATALOGUE)
        mine = [c for c in r.errors if c.field == e.column
                and (e.row == "all" or e.row in (c.item, table.item(c.item).chip))]
        assert mine, e
        seen += 1
        if isinstance(e.corrected, int | float) and e.row != "gb200":
            assert any(isinstance(v, int | float) and v == pytest.approx(e.corrected, rel=6e-3)
                       for c in mine for v in (c.corrected, c.all_corrected)), e
    assert seen > 40
