"""``archsim sm``: what it prints, what it draws, and how it refuses."""

import json

import archsim.chips as chips
import pytest

from archsim.timing.sm import run


def check(said, *words):
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    for word in words:
        assert word in said.err, said.err


def test_help(cli):
    said = cli("sm", "--help")
    assert said.code == 0
    for word in ("--tile MxN[xK]", "--stages", "--resident", "--pair", "--from l2|far|dram", "--timeline", "--json"):
        assert word in said.out


def test_text(cli):
    said = cli("sm", "b200", "--tile", "128x256x64", "--stages", 2, "--from", "far")
    assert said.code == 0
    for word in ("128 × 256 × 64 in bf16, 2 stages, on one SM of b200", "prologue", "epilogue", "by stages",
                 "49,152 B at 128 B/cycle, from L2, in another partition", "one every 128 cycles, its result after 264",
                 "a second set of accumulators", "The pace is set by the turn-around of a stage",
                 "4 stages would cover it"):
        assert word in said.out, word


@pytest.mark.parametrize(("chip", "level", "words"), [
    ("a100-sxm-80gb", "l2", "from L2, in the SM's own partition"), ("mi300x", "far", "from the cache behind L2"),
    ("mi210", "l2", "from L2\n"), ("mi300x", "dram", "from device memory"),
])
def test_where_operands_come_from(cli, chip, level, words):
    assert words in cli("sm", chip, "--from", level).out


def test_json_is_the_run(cli):
    got = json.loads(cli("sm", "h100-sxm", "--tile", "128x128", "--k", 8192, "--stages", 4, "--json").out)
    want = run(chips.get("h100-sxm"), 128, 128, 8192, stages=4)
    assert (got["prologue_cycles"], got["step_cycles"], got["epilogue_cycles"], got["cycles"]) == (
        want.prologue, want.step, want.epilogue, want.cycles)
    assert got["utilization"] == want.utilization
    assert got["tile"] == [128, 128, 64]
    assert got["first_events"][0]["copy_issued"] == want.first
    assert got["last_events"][-1]["step"] == want.steps - 1
    assert set(got["round_cycles"]) == {"blocks", "persistent", "double"}
    assert got["in_flight_limit_bytes"] is None
    assert [r["stages"] for r in got["by_stages"]] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("chip", ["a100", "h100", "b200", "mi300x", "l40s", "v100"])
def test_chips(cli, chip):
    said = cli("sm", chip, "--dtype", "fp16", "--tile", "64x64")
    assert said.code == 0, said
    assert "of peak" in said.out


def test_timeline(cli, tmp_path):
    for name in ("whole.png", "part.svg"):
        said = cli("sm", "a100", "--resident", 2, "--k", 64 if name == "whole.png" else 4096, "--timeline",
                   tmp_path / name)
        assert said.code == 0, said
        assert f"wrote {tmp_path / name}" in said.out.replace("\n", "")
        assert (tmp_path / name).stat().st_size > 10_000


def test_refusals(cli, tmp_path):
    check(cli("sm"), "missing CHIP")
    check(cli("sm", "b200", "--tile", "128"), "--tile", "128x256x64", "'128'")
    check(cli("sm", "b200", "--tile", "128x0"), "must be from 1")
    check(cli("sm", "b200", "--tile", "128x256", "--stages", 9), "9 stages", "at most 4")
    check(cli("sm", "b200", "--tile", "128x256", "--stages", "two"), "--stages must be a whole number")
    check(cli("sm", "b200", "--k", "1e3"), "--k must be a whole number")
    check(cli("sm", "b200", "--in-flight", 0), "--in-flight must be from 1")
    check(cli("sm", "b200", "--from", "hbm"), "unknown level 'hbm'", "dram")
    check(cli("sm", "b200", "--dtype", "bf61"), "bf61")
    check(cli("sm", "h100", "--dtype", "fp4"), "no fp4")
    check(cli("sm", "tpu-v5p"), "no SMs")
    check(cli("sm", "b201"), "b200")
    check(cli("sm", "b200", "--timeline", tmp_path / "x.gif"), ".png")
    check(cli("sm", "b200", "--timeline", tmp_path / "none" / "x.png"), "no folder")
    assert not list(tmp_path.iterdir())


def test_formats_go_by_all_their_names(cli):
    """As in `archsim gemm`: bfloat16 is bf16, and of elements with scales the elements are multiplied."""
    assert cli("sm", "h100", "--dtype", "bfloat16").out == cli("sm", "h100", "--dtype", "bf16").out
    assert cli("sm", "b200", "--dtype", "nvfp4").out == cli("sm", "b200", "--dtype", "fp4").out
    for dtype, why in (("fp9", "did you mean 'fp8'"), ("fp4", "no fp4 matrix path")):
        said = cli("sm", "h100", "--dtype", dtype)
        assert said.code == 2 and why in said.err
