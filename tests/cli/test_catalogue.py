"""``archsim chips``: list, figures, sources, differences, errata, check, pictures; and what is said of mistakes."""

import json
from pathlib import Path

import archsim.chips as chips
import pytest
from archsim.chips.errata import ERRATA
from archsim.chips.prices import prices

TEMPLATE = Path(__file__).parents[2] / "examples" / "my_chip.py"


def strict(text):
    """Parse JSON that holds no NaN and no infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def listed(cli, *argv):
    said = cli("chips", *argv, "--json")
    assert said.code == 0, said.err
    return [c["name"] for c in strict(said.out)]


def test_filters_and_order(cli):
    every = listed(cli)
    assert every == [*chips.names(), *chips.listings()]
    some = listed(cli, "--vendor", "nvidia", "--kind", "gpu", "--sort", "bandwidth", "--min", "peak=300TFLOPS")
    assert {"h100-sxm", "b200", "a100-sxm-80gb"} <= set(some)
    rates = [chips.get(n).memory.bandwidth for n in some]
    assert rates == sorted(rates, reverse=True)
    assert all(chips.get(n).vendor == "NVIDIA" and chips.get(n).peak() >= 3e14 for n in some)
    cool = listed(cli, "--max", "tdp=100W", "--min", "year=2020")
    assert cool
    assert all(chips.get(n).power.tdp <= 100 and chips.get(n).year >= 2020 for n in cool)
    assert set(listed(cli, "--dtype", "fp4")) == {n for n in chips.names() if "fp4" in chips.get(n).dtypes}
    assert listed(cli, "h100", "b200", "--sort", "year") == ["b200", "h100-sxm"]
    assert listed(cli, "--kind", "roofline", "--min", "memory=1PB") == []
    assert "no chip fits" in cli("chips", "--min", "memory=1PB").out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_all_rows_fit_and_nothing_is_cut(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = cli("chips").out
    lines = out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out
    rows = {line.split()[0] for line in lines if line}
    assert {*chips.names(), *chips.listings()} <= rows
    for column in ("TFLOP/s", "GB/s", "FLOP/B", "kind"):
        assert column in out
    assert ("left out at this width" in out) == (width < 140)


def test_sources(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    said = cli("chips", "tpu-v5p", "--sources").out
    for words in ("core.array", "  rows ", "memory", "2.765 TB/s", "published", "derived", "estimated",
                  "475 W", "as above"):
        assert words in said, words
    assert "prices on file" in cli("chips", "h100-sxm", "--sources").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = cli("chips", "h100-sxm", "--sources").out
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow
    whole = strict(cli("chips", "h100", "--sources", "--json").out)
    assert {"path", "value", "unit", "source", "confidence", "note", "low", "high"} <= set(whole["figures"][0])
    assert len(whole["prices"]) == len(prices("h100-sxm")) > 0


def test_an_estimate_shows_its_range(cli):
    said = cli("chips", TEMPLATE, "--sources").out
    assert "(60 to 120 W)" in said
    figure = next(f for f in strict(cli("chips", TEMPLATE, "--json").out)["figures"] if f["path"] == "power.idle")
    assert (figure["low"], figure["high"]) == (60.0, 120.0)


def test_diff(cli, monkeypatch):
    said = cli("chips", "h100", "b200", "--diff")
    assert said.code == 0
    assert "×2.39" in next(x for x in said.out.splitlines() if x.startswith("memory.bandwidth"))
    assert "core.shared.capacity" not in said.out, "which is equal"
    assert "core.shared.capacity" in cli("chips", "h100", "b200", "--diff", "--all").out
    three = strict(cli("chips", "h100", "b200", "tpu-v5p", "--diff", "--json").out)
    assert three["chips"] == ["h100-sxm", "b200", "tpu-v5p"]
    balance = next(f for f in three["figures"] if f["path"] == "balance")
    assert balance["ratios"]["tpu-v5p"] == pytest.approx(chips.get("v5p").balance() / chips.get("h100").balance())
    monkeypatch.setenv("COLUMNS", "80")
    narrow = cli("chips", "h100", "b200", "tpu-v5p", "tpu-v6e", "--diff").out
    assert max(map(len, narrow.splitlines())) <= 80
    assert "left out at this width" in narrow
    same = cli("chips", "h100", "h100", "--diff")
    assert "0 figures" in same.out
    filtered = cli("chips", "--vendor", "google", "--min", "year=2024", "--diff")
    assert "tpu-v6e | tpu-v7" in filtered.out


def test_errata(cli, monkeypatch):
    every = strict(cli("chips", "--errata", "--json").out)
    assert len(every) == len(ERRATA)
    assert {"table", "row", "column", "printed", "corrected", "unit", "reason", "source"} == set(every[0])
    one = strict(cli("chips", "--errata", "tpu-v6e", "--json").out)
    assert one
    assert {e["row"] for e in one} == {"tpu-v6e"}
    table = ERRATA[0].table
    assert len(strict(cli("chips", "--errata", table, "--json").out)) == sum(e.table == table for e in ERRATA)
    said = cli("chips", "--errata").out
    assert f"{len(ERRATA)} cells" in said
    assert all(e.table in said for e in ERRATA)
    monkeypatch.setenv("COLUMNS", "80")
    assert "…" not in cli("chips", "--errata").out


def test_check_of_the_template(cli):
    said = cli("chips", "--check", TEMPLATE)
    assert said.code == 0
    assert "error" not in said.out
    assert "warn" not in said.out
    assert cli("chips", TEMPLATE, "--check").out == said.out, "in either order"


def test_check_finds_errors_and_exits_with_1(cli, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(TEMPLATE.read_text().replace("393 * TFLOPS", "786 * TFLOPS"))
    said = cli("chips", "--check", path)
    assert said.code == 1
    assert "half as much; is the declared peak a sparse one" in " ".join(said.out.split())
    assert said.err == ""
    data = strict(cli("chips", "--check", path, "--json").out)
    assert (data["chip"], data["errors"]) == ("my-chip", 1)
    assert data["findings"][0]["severity"] == "error"
    assert data["findings"][0]["figure"] == "peaks.bf16"
    path.write_text("nonsense (")
    broken = cli("chips", "--check", path)
    assert broken.code == 2
    assert "not valid Python" in broken.err


def test_pictures(cli, tmp_path):
    one, every = tmp_path / "h100.png", tmp_path / "all.svg"
    said = cli("chips", "h100", "--diagram", one)
    assert (said.code, said.out) == (0, f"wrote {one}\n")
    assert one.read_bytes().startswith(b"\x89PNG")
    assert strict(cli("chips", "--scatter", every, "--vendor", "nvidia", "--json").out) == {"wrote": str(every)}
    assert "h100-sxm" in every.read_text()
    assert "tpu-v5p" not in every.read_text()
    assert cli("chips", TEMPLATE, "h100", "--scatter", tmp_path / "two.pdf").code == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["h100-smx"], ["unknown chip 'h100-smx'", "did you mean 'h100-sxm'"]),
        (["h1000"], ["unknown chip 'h1000'", "did you mean 'h100'?"]),
        (["/"], ["/ is not a Python file"]),
        (["tpu-v7@2.2"], ["unknown clock state of tpu-v7 '2.2'", "p7 is 2.2 GHz"]),
        (["h100", "b2000", "--diff"], ["unknown chip 'b2000'", "b200"]),
        (["h100", "--diff"], ["at least two chips"]),
        (["--diff"], ["2 to 8 chips side by side, not"]),
        (["h100", "b200", "--all"], ["--all goes with --diff"]),
        (["--vendor", "nvidai"], ["unknown vendor 'nvidai'", "did you mean 'NVIDIA'"]),
        (["--kind", "sytolic"], ["did you mean 'systolic'"]),
        (["--sort", "speed"], ["unknown figure to sort by 'speed'", "bandwidth"]),
        (["--min", "peak"], ["--min is FIGURE=VALUE", "peak=300TFLOPS"]),
        (["--max", "tpd=300"], ["unknown figure 'tpd'", "did you mean 'tdp'"]),
        (["--min", "peak=300GB"], ["is no dense peak", "peak=300TFLOPS"]),
        (["--min-peak", "3"], ["did you mean '--min'"]),
        (["--dtype", "bf61"], ["unknown dtype 'bf61'"]),
        (["--check"], ["--check needs a chip"]),
        (["--check", "h100", "b200"], ["--check takes one chip, not 2"]),
        (["--check", "nowhere.py"], ["no chip file nowhere.py"]),
        (["--check", "h100", "--vendor", "x"], ["--vendor chooses among many chips"]),
        (["--sources"], ["--sources needs a chip"]),
        (["h100", "b200", "--sources"], ["takes one chip"]),
        (["h100", "--check", "--diff"], ["--diff and --check cannot go together"]),
        (["--errata", "nobody's table"], ["no erratum of", "tables: "]),
        (["--errata", "--sort", "year"], ["--sort chooses among many chips"]),
        (["--diagram", "x.png"], ["--diagram needs a chip"]),
        (["h100", "--diagram", "x.jpg"], ["a figure is .png, .svg, .pdf"]),
        (["h100", "--diagram", "x.pgn"], ["did you mean x.png?"]),
        (["h100", "--diagram", ""], ["--diagram is empty"]),
        (["h100", "--diagram", "no/such/folder/x.png"], ["no folder no/such/folder"]),
        (["--scatter", "x"], ["a figure is .png, .svg, .pdf"]),
        (["--scatter", "x.png", "--min", "memory=1PB"], ["nothing to draw"]),
        (["h100", "--diff", "--diagram", "x.png"], ["cannot go together"]),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_what_goes_wrong_is_one_line(cli, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    said = cli("chips", *argv)
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    for word in words:
        assert word in said.err, said.err
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_protected_file_stays(cli, tmp_path):
    target = tmp_path / "old.png"
    target.write_bytes(b"mine")
    target.chmod(0o444)
    for argv in (["h100", "--diagram", target], ["--scatter", target]):
        said = cli("chips", *argv)
        assert said.code == 2
        assert "write-protected" in said.err
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("name", list(chips.listings()))
def test_a_listed_chip_is_shown_but_neither_checked_nor_drawn(cli, tmp_path, name):
    assert "cannot be run" in cli("chips", name).out
    assert cli("chips", name, "--sources").code == 0
    assert strict(cli("chips", name, "--json").out)["missing"]
    assert cli("chips", name, "h100", "--diff").code == 0
    for argv in (["--check"], ["--diagram", tmp_path / "x.png"]):
        said = cli("chips", name, *argv)
        assert said.code == 2
        assert "cannot be run" in said.err
    assert not list(tmp_path.iterdir())


def test_the_help_tells_exit_codes_and_json(cli):
    said = " ".join(cli("chips", "--help").out.split())
    assert "exit code is 0 without errors, 1 with one, 2 if the file cannot be read" in said
    for option in ("--vendor", "--min", "--diff", "--check", "--errata", "--diagram", "--scatter", "--sources"):
        assert option in said
