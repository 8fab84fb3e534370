"""Tables of chips say what the chips say, fit the page and cut no number."""

from io import StringIO

import pytest
from archsim.chips import catalogue, get, listings
from archsim.chips.errata import ERRATA, Erratum
from archsim.chips.prices import Price
from rich.console import Console

import archsim
from archsim.explore.check_chip import Finding
from archsim.explore.select import differences
from archsim.hardware import Source
from archsim.report import chips as sheets
from archsim.report.data import chip_data, diff_data, record, to_json

EVERY = [*catalogue().values(), *listings().values()]


def at(width: int, *parts: object) -> str:
    out = StringIO()
    console = Console(file=out, width=width, color_system=None)
    for part in parts:
        console.print(part)
    return out.getvalue()


def row(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_everything_fits(width):
    pair = [get("h100"), get("b200")]
    shown = [sheets.catalogue(EVERY), sheets.chip_sheet(get("tpu-v5p")), sheets.source_sheet(get("b200")),
             *sheets.diff_sheets(pair, differences(pair, every=True), width), *sheets.errata_sheets(ERRATA),
             sheets.findings_sheet(get("trainium2"), archsim.check(get("trainium2")))]
    for sheet in shown:
        text = at(width, sheet)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_the_catalogue_shows_16_bits_or_the_format_asked_for():
    text = at(200, sheets.catalogue(EVERY))
    v5p = get("tpu-v5p")
    cells = row(text, "tpu-v5p")
    assert f"{v5p.peak() / 1e12:.1f}" in cells
    assert "2,765" in cells
    assert f"{v5p.balance():.0f}" in cells
    assert row(text, "tpu-v1")[4] == "–", "no 16-bit peak"
    assert "of int8 or fp32 where there is no 16-bit peak" in text
    assert "fp16" not in text
    eight = at(200, sheets.catalogue([get("h100")], "fp8"))
    assert "fp8" in eight
    assert "1,979" in row(eight, "h100-sxm")


def test_chip_sheet_prints_sources():
    chip = get("h100").replace("memory", bandwidth=2e12)
    for made in (sheets.chip_sheet(chip), sheets.source_sheet(chip)):
        text = str(made)
        assert "hypothetical" in text
        assert "2 TB/s" in text
        assert Source("set by replace()", "hypothetical").text in text


def test_every_figure_stands_in_both_sheets_of_a_chip():
    for chip in EVERY:
        one, whole = str(sheets.chip_sheet(chip)), str(sheets.source_sheet(chip))
        for path, *_ in chip.figures():
            if path not in ("name", "notes", "missing", "vendor"):
                assert path in one, (chip.name, path)
                assert path.rpartition(".")[2] in whole, (chip.name, path)


def test_differences_have_ratios_and_long_values_a_note():
    pair = [get("h100"), get("a100")]
    text = at(120, *sheets.diff_sheets(pair, differences(pair), 120))
    assert row(text, "core.tensor.macs.bf16")[-1] == "×0.500"
    pair = [get("h100"), get("mi300x")]
    text = at(120, *sheets.diff_sheets(pair, differences(pair), 120))
    assert "below" in row(text, "core.tiles")
    assert "core.tiles of mi300x: (256, 256, 128)" in text


def test_a_comparison_loses_no_chip_on_a_narrow_page():
    five = [get(name) for name in ("h100", "mi300x", "tpu-v5p", "gaudi2", "trainium2")]
    rows = differences(five)
    for width, pages in ((80, 4), (120, 2), (250, 1)):
        made = sheets.diff_sheets(five, rows, width)
        assert len(made) == pages
        text = at(width, *made)
        assert max(map(len, text.splitlines())) <= width
        assert [row(text, "figure")[1]] == ["h100-sxm"]
        shown = [line.split()[1:] for line in text.splitlines() if line.startswith("figure")]
        assert [name for line in shown for name in line[1:] if name != "ratio"] == [c.name for c in five[1:]]


def test_errata_are_grouped_by_table_and_repeat_no_reason():
    rows = [Erratum("T", "a", "x", 1.0, 2.0, "GB/s", "because", "s"),
            Erratum("T", "b", "x", 3.0, 4.0, "", "because", "s"),
            Erratum("U", "b", "name", "a long printed name", "right", "", "because", "s")]
    text = at(100, *sheets.errata_sheets(rows))
    assert "T: 2" in text
    assert "U: 1" in text
    assert text.count("because") == 2
    assert "(GB/s)" in text
    assert "a long" in text


def test_prices_in_their_currency_with_their_range():
    rows = [Price("c", 3.495, "USD", "chip-hour", "2026-05", "a list", low=2.0, high=5.0),
            Price("c", 120000.0, "CNY", "chip", "2024", "press")]
    text = at(100, sheets.price_sheet(rows))
    assert "$3.495" in text
    assert "($2 to $5)" in text
    assert "CNY 120,000" in text


def test_findings():
    text = at(120, sheets.findings_sheet(get("h100"), [
        Finding("error", "clock", "too fast", 2e10, 1e9, 2e9, "Hz", "its year"),
        Finding("warn", "link", "slow", 1e9, 2e9, None, "B/s"), Finding("info", "price", "not given")]))
    assert "1 error, 1 warning, 1 note" in text
    assert "too fast: 20 GHz; 1 GHz to 2 GHz [its year]" in text
    assert "slow: 1 GB/s; at least 2 GB/s" in text
    assert "nothing found" in at(120, sheets.findings_sheet(get("h100"), []))


def test_data_is_json_with_none_for_what_is_unknown():
    for chip in EVERY:
        data = chip_data(chip, figures=True)
        assert to_json(data)
        assert bool(data["missing"]) == (chip.fidelity == "not runnable")
    listed = chip_data(next(iter(listings().values())))
    assert listed["clock_hz"] is None
    assert listed["peak_flops_per_s"] == {}
    pair = [get("h100"), get("b200")]
    made = diff_data(pair, differences(pair))
    assert to_json(made)
    assert made["figures"][0]["values"]["b200"] == pair[1].peak()
    assert record(ERRATA[0])["table"] == ERRATA[0].table


def test_the_module_lists_its_functions_alone():
    assert "catalogue" in dir(sheets)
    assert "Any" not in dir(sheets)
    assert all(hasattr(sheets, name) for name in sheets.__all__)
