"""``archsim array``: what it prints, what it draws, and how it refuses."""

import json

import archsim.chips as chips
import pytest

from archsim.timing.array import count

SMALL = ("array", 6, 5, 4, "--rows", 3, "--cols", 3)


def check(said, *words):
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    for word in words:
        assert word in said.err, said.err


def test_help(cli):
    said = cli("array", "--help")
    assert said.code == 0
    for word in ("--rows", "--dataflow ws|os|is", "--no-shadow", "--trace", "--animate", "--heatmap", "--json"):
        assert word in said.out


def test_text(cli):
    said = cli("array", 512, 512, 512, "--rows", 128, "--cols", 128)
    assert said.code == 0
    for word in ("8,574", "fill 128 + stream 8,192 + drain 254", "95.5 %", "16 tiles of B: 4 along K × 4 along N",
                 "Register level agrees: 8,574 cycles",
                 "product equals A @ B", "Largest loss: skew, 254 of 8,574 cycles", "an array of 64 × 64"):
        assert word in said.out, word


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
@pytest.mark.parametrize("shadow", [True, False])
def test_json_is_the_count(cli, dataflow, shadow):
    said = cli(*SMALL, "--dataflow", dataflow, "--shadow" if shadow else "--no-shadow", "--rows-per-cycle", 2,
               "--load-rows", 3, "--json")
    got = json.loads(said.out)
    want = count(6, 5, 4, rows=3, cols=3, dataflow=dataflow, shadow=shadow, rows_per_cycle=2, load_rows=3)
    assert (got["cycles"], got["folds"], got["utilization"]) == (want.cycles, want.folds, want.utilization)
    assert got["load_cycles"] + got["stream_cycles"] + got["skew_cycles"] + got["drain_cycles"] == want.cycles
    assert got["register_level"]["cycles"] == want.cycles
    assert got["time_s"] is None


def test_large_products_are_not_run_register_by_register(cli):
    got = json.loads(cli("array", 10**6, 10**6, 10**6, "--rows", 128, "--cols", 128, "--json").out)
    assert got["register_level"] is None
    assert got["utilization"] > 0.999
    check(cli("array", 10**6, 10**6, 10**6, "--rows", 128, "--cols", 128, "--measure"), "register level", "--measure")


def test_a_chip_gives_its_array(cli):
    array = chips.get("tpu-v6e").core.array
    got = json.loads(cli("array", 300, 300, 300, "--chip", "tpu-v6e", "--json").out)
    assert (got["rows"], got["cols"]) == (array.rows, array.cols)
    assert got["rows_per_cycle"] == array.rows_per_cycle["bf16"]
    assert got["load_rows"] == array.load_rate("bf16") / 2
    assert got["time_s"] == pytest.approx(got["cycles"] / chips.get("tpu-v6e").clock)
    other = json.loads(cli("array", 300, 300, 300, "--chip", "tpu-v6e", "--rows", 3, "--no-shadow", "--json").out)
    assert (other["rows"], other["cols"], other["shadow"]) == (3, array.cols, False)
    assert other["load_rows"] == 3, "no more than there are rows"


def test_every_systolic_chip_has_an_array_to_show(cli):
    for chip in chips.catalogue().values():
        if chip.kind == "systolic" and chip.core.array.rows_per_cycle.get("bf16") in (1, 2, 4):
            assert cli("array", 64, 64, 64, "--chip", chip.name).code == 0


def test_trace(cli):
    said = cli(*SMALL, "--trace")
    assert said.code == 0
    cycles = count(6, 5, 4, rows=3, cols=3).cycles
    for t in range(1, cycles + 1):
        assert f"cycle {t} of {cycles}: " in said.out
    assert "a21" in said.out
    assert "\x1b" not in said.out, "no colours in a pipe"


def test_trace_of_chosen_cycles(cli):
    said = cli(*SMALL, "--trace", "--cycles", "4-6")
    assert [f"cycle {t} of" in said.out for t in (3, 4, 5, 6, 7)] == [False, True, True, True, False]
    assert cli(*SMALL, "--trace", "--cycles", 5).out.count("PEs multiply") == 1
    long = cli("array", 99, 3, 3, "--rows", 3, "--cols", 3, "--trace").out
    assert "more cycles: --cycles 61-" in long


def test_files(cli, tmp_path):
    gif, heat, active = tmp_path / "a.gif", tmp_path / "h.png", tmp_path / "b.svg"
    said = cli("array", 2, 2, 2, "--rows", 2, "--cols", 2, "--animate", gif, "--heatmap", heat, "--activity", active)
    assert said.code == 0
    assert gif.read_bytes().startswith(b"GIF89a")
    assert heat.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in active.read_bytes()
    assert said.out.count("wrote ") == 3


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5", "nan", "9" * 30, ""])
def test_sizes(cli, value):
    for place in range(3):
        sizes = ["8", "8", "8"]
        sizes[place] = value
        check(cli("array", *sizes, "--rows", 4, "--cols", 4))
    for option in ("--rows", "--cols", "--rows-per-cycle", "--load-rows"):
        sides = {"--rows": 4, "--cols": 4} | {option: value}
        check(cli("array", 8, 8, 8, *(x for pair in sides.items() for x in pair)), option)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--dataflow", "sw"], ["unknown dataflow 'sw'", "did you mean 'ws'", "os, is"]),
        (["--dataflow", ""], ["unknown dataflow"]),
        (["--rows-per-cycle", 3], ["--rows-per-cycle must be 1, 2 or 4, not 3"]),
        (["--load-rows", 4], ["--load-rows must be from 1 to the array's 3 rows, not 4"]),
        (["--rows", 65537], ["--rows must be from 1 to 65,536"]),
        (["--cycles", "1-3"], ["--cycles goes with --trace"]),
        (["--trace", "--cycles", "x"], ["--cycles must be like 1-12 or 7, not 'x'"]),
        (["--trace", "--cycles", "0-3"], ["--cycles must lie within 1-"]),
        (["--trace", "--cycles", "5-4"], ["the first not after the last"]),
        (["--trace", "--cycles", "999"], ["--cycles must lie within 1-"]),
        (["--trace", "--json"], ["--trace is text"]),
        (["--dtype", "int8"], ["--dtype goes with --chip"]),
        (["--heatmap", "a.png", "--activity", "a.png"], ["--heatmap and --activity both name a.png"]),
        (["--animate", "a.png"], ["a figure is .gif; did you mean a.gif?"]),
        (["--animate", ""], ["--animate is empty"]),
        (["--heatmap", "a.gif"], ["a figure is .png, .svg, .pdf"]),
        (["--activity", "no/such/a.png"], ["no folder"]),
        (["--chip", "h100"], ["h100-sxm has no systolic array", "archsim gemm"]),
        (["--chip", "tpu-v5q"], ["unknown chip", "tpu-v5p"]),
        (["--chip", "tpu-v5p", "--dtype", "fp9"], ["fp9"]),
        (["--row", 3], ["unknown option '--row'", "did you mean '--rows'"]),
    ],
    ids=lambda x: " ".join(map(str, x)) if isinstance(x, list) else None,
)
def test_what_goes_wrong_is_said_in_one_line(cli, argv, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(cli(*SMALL, *argv), *words)
    assert not list(tmp_path.iterdir())


def test_the_size_of_the_array_is_not_guessed(cli):
    check(cli("array", 8, 8, 8), "missing --rows and --cols", "--chip")
    check(cli("array", 8, 8, 8, "--rows", 4), "missing --cols")


def test_what_is_too_large_to_look_at(cli, tmp_path, monkeypatch):
    gif = tmp_path / "a.gif"
    check(cli("array", 8, 8, 8, "--rows", 9, "--cols", 8, "--animate", gif), "at most 8 x 8", "9 x 8")
    check(cli("array", 800, 8, 8, "--rows", 8, "--cols", 8, "--animate", gif), "cycles are too many to look at")
    check(cli("array", 8, 8, 8, "--rows", 64, "--cols", 8, "--trace"), "at most 16 x 16")
    monkeypatch.setenv("COLUMNS", "50")
    check(cli("array", 8, 8, 8, "--rows", 16, "--cols", 16, "--trace"), "characters a line, not 50")
    assert not gif.exists()


def test_a_protected_file_stays_as_it_is(cli, tmp_path):
    old = tmp_path / "a.gif"
    old.write_text("old")
    old.chmod(0o444)
    check(cli(*SMALL, "--animate", old, "--heatmap", tmp_path / "h.png"), "write-protected")
    assert old.read_text() == "old"
    assert not (tmp_path / "h.png").exists()
