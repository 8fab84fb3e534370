"""``archsim cost``: what it prints, draws and answers to wrong arguments."""

import json

import pytest

SMALL = ("--model", "llama-3.1-8b")


def run(cli, *arguments):
    said = cli("cost", *arguments, *SMALL, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_the_chain_from_die_to_token(cli):
    said = cli("cost", "h100-sxm", *SMALL)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    order = ["die area", "gross dies", "die yield", "chip cost", "price", "server, per chip", "power at the meter",
             "chip-hour", "throughput of a chip", "energy per token", "million tokens"]
    found = [next(i for i, line in enumerate(lines) if line.startswith(name)) for name in order]
    assert found == sorted(found)
    for name in ("wafer_price", "defect_density", "memory_price", "margin", "pue", "utilization"):
        assert any(line.startswith(f"  {name}") for line in lines), name
    assert "what moves it" in said.out
    assert " nan" not in said.out


def test_as_data(cli):
    d = run(cli, "tpu-v5p")
    assert [r["phase"] for r in d["runs"]] == ["prefill", "decode"]
    assert {"low", "base", "high", "unit", "source"} <= set(d["inputs"]["pue"])
    for r in d["runs"]:
        token = r["usd_per_mtoken"]
        assert token["low"] < token["base"] < token["high"]
        widths = [s["width"] for s in r["sensitivity"]]
        assert widths == sorted(widths, reverse=True)
    alone = json.loads(cli("run", "llama-3.1-8b", "--chip", "tpu-v5p", "--phase", "decode", "--batch", "64",
                           "--context", "4096", "--json").out)
    assert d["runs"][1]["usd_per_mtoken_accelerator_alone"] == pytest.approx(alone["usd_per_mtoken"])


def step(d, name):
    return next(s["value"]["base"] for s in d["steps"] if s["name"] == name)


def test_what_if(cli):
    before = run(cli, "tpu-v5p")
    wide = run(cli, "tpu-v5p", "--set", "core.array.rows=256", "--set", "core.array.cols=256")
    assert wide["chip"] == "tpu-v5p*"
    assert step(wide, "die area") > step(before, "die area")
    assert step(wide, "chip cost") > step(before, "chip cost")
    assert step(wide, "price") > step(before, "price") == pytest.approx(6000)
    assert wide["inputs"]["margin"]["base"] == before["inputs"]["margin"]["base"]
    prefill = [d["runs"][0]["usd_per_mtoken"]["base"] for d in (before, wide)]
    assert prefill[1] < prefill[0], "four times the MACs for a little more silicon"
    more = run(cli, "tpu-v5p", "--set", "memory.capacity=190GB", "--assume", "pue=1.1")
    assert step(more, "memory") == pytest.approx(2 * step(before, "memory"))
    assert more["inputs"]["pue"]["base"] == 1.1
    half = run(cli, "h100-sxm", "--set", "core.tensor.macs.bf16=1024", "--phase", "prefill")
    assert half["runs"][0]["usd_per_mtoken"]["base"] > run(cli, "h100-sxm")["runs"][0]["usd_per_mtoken"]["base"]


def test_set_makes_parts_that_are_missing(cli):
    said = cli("cost", "trainium1", *SMALL)
    assert said.code == 2
    assert "trainium1 has no power" in said.err
    d = run(cli, "trainium1", "--set", "power.tdp=250", "--price", "3000")
    assert step(d, "price") == 3000


def test_a_users_own_chip(cli, chip_file):
    assert "mine has no power" in cli("cost", chip_file, "--price", "100", *SMALL).err
    assert "mine* has no die" in cli("cost", chip_file, "--set", "power.tdp=300", *SMALL).err
    d = run(cli, chip_file, "--set", "power.tdp=300", "--set", "die.process=TSMC N5", "--set", "die.area=400",
            "--set", "memory.type=HBM3")
    assert step(d, "die area") == 400
    assert d["inputs"]["margin"]["low"] < d["inputs"]["margin"]["high"], "no price: the margins of the trade"


def test_rent_and_break_even(cli):
    d = run(cli, "trainium2", "--rent", "2", "--against", "h100-sxm", "--phase", "decode")
    rent = d["rent"]
    assert rent["usd_per_hour_of_work_rented"] == pytest.approx(2 / 0.6)
    assert 0 < rent["payback_years"] < 4
    (found,) = d["breakeven"]
    assert found["phase"] == "decode"
    assert 0 < found["low"] < found["base"]
    said = cli("cost", "trainium2", "--rent", "2", "--against", "h100-sxm", *SMALL)
    assert "pays back in" in said.out
    assert "NRE: masks" in said.out


def test_a_rent_on_file_needs_no_option(cli):
    assert "mercatus" in run(cli, "h100-sxm")["rent"]["source"]
    assert "rent" not in run(cli, "b200")


def test_a_day(cli):
    load = ",".join(["100"] * 12 + ["20"] * 12)
    d = run(cli, "tpu-v5p", "--day", load)
    assert d["day"]["utilization"] == d["inputs"]["utilization"]["base"] == pytest.approx(0.6)
    assert d["day"]["utilization_filled"] == pytest.approx(1.0)
    for found, r in zip(d["day"]["runs"], d["runs"], strict=True):
        assert found["usd_per_mtoken"] == pytest.approx(r["usd_per_mtoken"]["base"])
        assert found["usd_per_mtoken_filled"] < 0.75 * found["usd_per_mtoken"]
    assert "40 % of the chips idle" in cli("cost", "tpu-v5p", *SMALL, "--day", load).out


def test_training(cli):
    d = run(cli, "h100-sxm", "--train", "15e12", "--cluster", "4096", "--mfu", "0.4")["training"]
    assert d["flop"] == pytest.approx(6 * 8.03e9 * 15e12, rel=0.15)
    assert d["energy_kwh_times_mfu"] == pytest.approx(0.4 * d["energy_kwh"])
    assert d["usd"] == pytest.approx(d["capital_usd"] + d["energy_usd"])
    simulated = run(cli, "h100-sxm", "--train", "15e12", "--cluster", "4096")["training"]
    assert 0.4 < simulated["mfu"] < 1
    assert "x MFU:" in cli("cost", "h100-sxm", *SMALL, "--train", "1e12").out


def test_figures(cli, tmp_path):
    bars, curves = tmp_path / "bars.png", tmp_path / "curves.svg"
    said = cli("cost", "tpu-v5p", *SMALL, "--tornado", bars, "--optimum", curves)
    assert said.code == 0, said.err
    assert bars.read_bytes().startswith(b"\x89PNG")
    text = curves.read_text()
    assert "stacks of memory" in text
    assert "cheapest" in text
    assert "HBM: cheapest in prefill" in said.out
    assert f"wrote {bars}" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tpu-v5p", "--set", "core.array.rws=256"), "did you mean core.array.rows?"),
        (("tpu-v5p", "--set", "array.rows=256"), "did you mean core.array.rows?"),
        (("tpu-v5p", "--set", "core.array.rows=many"), "--set core.array.rows needs a number, not 'many'"),
        (("tpu-v5p", "--set", "core.array.rows"), "--set is PATH=VALUE"),
        (("tpu-v5p", "--set", "=3"), "--set is PATH=VALUE"),
        (("tpu-v5p", "--set", "core.array=3"), "set e.g. core.array.rows"),
        (("tpu-v5p", "--set", "core.array.rows=0"), "MatrixArray.rows = 0 cannot be right"),
        (("tpu-v5p", "--set", "memory.capacity=96GBB"), "unknown unit 'GBB'; did you mean GB?"),
        (("trainium1", "--set", "power.tpd=250"), "did you mean 'tdp'?"),
        (("tpu-v7",), "tpu-v7 has no die"),
        (("tpu-v7",), "or give --price USD"),
        (("tpu-v5p", "--assume", "pu=3"), "did you mean 'pue'"),
        (("tpu-v5p", "--assume", "pue=x"), "--assume pue needs a number"),
        (("tpu-v5p", "--assume", "pue=1:2"), "NAME=LOW:BASE:HIGH"),
        (("tpu-v5p", "--assume", "pue=2:1.5:1"), "must not fall"),
        (("tpu-v5p", "--assume", "pue=0.3"), "Assumptions.pue = 0.3 cannot be right"),
        (("tpu-v5p", "--assume", "margin=1"), "margin is a share of the price"),
        (("tpu-v5p", "--assume", "wafer_price=-5"), "wafer_price = -5 cannot be right"),
        (("h100-sxm", "--set", "die.area=9000"), "a die of 9000 mm2 cannot be made"),
        (("tpu-v5p", "--phase", "train"), "unknown phase 'train'"),
        (("tpu-v5p", "--tornado", "x.txt"), "a figure is .png, .svg, .pdf"),
        (("tpu-v5p", "--optimum", "no/such/x.png"), "no folder"),
        (("tpu-v5p", "--tornado", "x.png", "--optimum", "./x.png"), "name the same file"),
        (("maia-100", "--optimum", "x.png"), "known by its peaks alone"),
        (("tpu-v5p", "--price", "free"), "--price must be a number of dollars"),
        (("tpu-v5p", "--rent", "-1"), "--rent must be a number of dollars"),
        (("tpu-v5p", "--against", "h10000"), "unknown chip 'h10000'"),
        (("tpu-v5p", "--price", "10", "--against", "h100"), "leave out --price"),
        (("tpu-v5p", "--dtype", "fp8"), "tpu-v5p has no fp8 matrix path"),
        (("h1000",), "unknown chip 'h1000'"),
        (("tpu-v5p", "--day", "1,2"), "24 numbers, one per hour, not 2"),
        (("tpu-v5p", "--day", "a,b"), "--day needs a number, not 'a'"),
        (("tpu-v5p", "--day", "1,2", "--assume", "utilization=1"), "leave out --assume utilization"),
        (("tpu-v5p", "--mfu", "0.4"), "--mfu belongs to --train"),
        (("tpu-v5p", "--cluster", "64"), "--cluster belongs to --train"),
        (("tpu-v5p", "--train", "many"), "--train needs a number"),
        (("tpu-v5p", "--train", "1e12", "--mfu", "4"), "mfu is a share of the peak"),
        (("tpu-v5p", "--train", "1e12", "--cluster", "0"), "--cluster must be from 1"),
    ],
)
def test_wrong_arguments_are_named(cli, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = cli("cost", *arguments, *SMALL)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
