"""Every command, as text and as JSON."""

import csv
import json
import math
import shutil

import archsim.chips as chips
import archsim.models as models
import pytest

MODEL = "llama-3.1-8b"


def strict(text):
    """Parse JSON that holds no NaN and no infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_help_and_version(cli):
    assert cli("--help").code == 0
    assert "compare" in cli("--help").out
    assert cli("--version").out.startswith("archsim ")
    bare = cli()
    assert bare.code == 0
    assert "Usage" in bare.out


@pytest.mark.parametrize("command", ["chips", "models", "run", "gemm", "compare", "validate"])
def test_every_command_has_help(cli, command):
    said = cli(command, "--help")
    assert said.code == 0
    assert "--json" in said.out


def test_chips_lists_the_catalogue(cli):
    said = cli("chips")
    assert said.code == 0
    for name in chips.names():
        assert name in said.out
    listed = strict(cli("chips", "--json").out)
    assert [c["name"] for c in listed] == chips.names()
    assert all(c["peak_flops_per_s"] and c["memory_bandwidth_bytes_per_s"] for c in listed)


def test_one_chip_prints_every_figure_with_its_source(cli):
    said = strict(cli("chips", "h100", "--json").out)
    assert said["name"] == "h100-sxm"
    paths = [f["path"] for f in said["figures"]]
    assert "memory.bandwidth" in paths
    text = cli("chips", "h100").out
    assert all(p in text for p in paths if p != "name")
    assert "published" in text


def test_models(cli):
    listed = strict(cli("models", "--json").out)
    assert [m["name"] for m in listed] == models.names()
    one = strict(cli("models", MODEL, "--json").out)
    assert one["parameters"] == 8_030_261_248
    assert one["layers"] == 32
    assert "8,030,261,248" in cli("models", MODEL).out


def test_run_json_is_documented_and_adds_up(cli):
    sizes = ("--phase", "decode", "--batch", 4, "--context", 1024)
    said = strict(cli("run", MODEL, "--chip", "tpu-v5p", *sizes, "--json").out)
    for key in ("time_s", "tokens_per_s", "flops", "hbm_bytes", "arithmetic_intensity", "utilization", "bound",
                "fidelity", "usd_per_mtoken", "usd_per_pflop_achieved", "usd_per_pflop_peak", "parameters"):
        assert key in said, key
    assert said["tokens_per_s"] == pytest.approx(4 / said["time_s"])
    assert math.isclose(sum(o["time_s"] for o in said["ops"]), said["time_s"])
    assert said["batch"] == 4


def test_run_text_shows_operators_and_cost(cli):
    said = cli("run", MODEL, "--chip", "h100", "--seq", 512)
    assert said.code == 0
    assert "gate_up_proj" in said.out
    assert "per million tokens" in said.out
    assert said.err == ""


def test_run_writes_files(cli, tmp_path):
    out, figure = tmp_path / "run.json", tmp_path / "roof.png"
    said = cli("run", MODEL, "--chip", "h100", "--seq", 512, "--out", out, "--figure", figure)
    assert said.code == 0
    assert strict(out.read_text())["chip"] == "h100-sxm"
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["roof.png", "run.json"]


def test_options_reach_the_graph(cli):
    def run(*more):
        return strict(cli("run", MODEL, "--chip", "h100", "--phase", "decode", "--batch", 8, "--json", *more).out)

    plain = run()
    assert run("--kv-dtype", "fp8")["kv_bytes"] == plain["kv_bytes"] / 2
    assert run("--dtype", "fp8")["weight_bytes"] < plain["weight_bytes"]

    def prefill(*more):
        return strict(cli("run", MODEL, "--chip", "h100", "--seq", 128, "--json", *more).out)

    assert prefill("--logits", "last")["flops"] < prefill()["flops"]


def test_gemm(cli):
    said = strict(cli("gemm", 512, 1024, 2048, "--chip", "tpu-v5p", "--json").out)
    assert said["flops"] == 2 * 512 * 1024 * 2048
    assert said["hbm_bytes"] >= said["compulsory_bytes"]
    assert said["time_s"] >= said["flops"] / chips.get("tpu-v5p").peak()
    assert max(said["busy_s"].values()) <= said["time_s"] * 1.0001
    text = cli("gemm", 512, 1024, 2048, "--chip", "tpu-v5p")
    assert text.code == 0
    assert "512 × 1,024 × 2,048" in text.out


def test_compare_runs_all_chips_and_both_phases(cli):
    said = strict(cli("compare", MODEL, "--json").out)
    assert said["model"] == MODEL
    assert {(r["chip"], r["phase"]) for r in said["runs"]} == {
        (c, p) for c in chips.names() for p in ("prefill", "decode")}
    assert said["findings"]
    text = cli("compare", MODEL).out
    assert "prefill" in text
    assert "decode" in text
    assert said["findings"][0] in text


def test_compare_sizes(cli):
    given = ("--batch", 2, "--seq", 256, "--context", 512)
    said = strict(cli("compare", MODEL, "--chips", "h100,v5p", *given, "--json").out)
    sizes = {r["phase"]: (r["batch"], r["seq"], r["context"]) for r in said["runs"]}
    assert sizes == {"prefill": (2, 256, 256), "decode": (2, 1, 512)}


@pytest.mark.parametrize("name", models.names())
def test_compare_has_sizes_that_suit_every_model(cli, name):
    assert cli("compare", name, "--chips", "tpu-v5p").code == 0


def test_compare_writes_table_and_figures(cli, tmp_path):
    folder = tmp_path / "new" / "out"
    said = cli("compare", MODEL, "--chips", "h100,v5p", "--phase", "decode", "--out", folder)
    assert said.code == 0
    assert sorted(p.name for p in folder.iterdir()) == ["compare.csv", "compare.json", "cost.png", "roofline.png"]
    rows = list(csv.DictReader((folder / "compare.csv").open()))
    runs = strict((folder / "compare.json").read_text())["runs"]
    assert [r["chip"] for r in rows] == [r["chip"] for r in runs] == ["h100-sxm", "tpu-v5p"]
    assert float(rows[0]["usd_per_mtoken"]) == runs[0]["usd_per_mtoken"]


def test_a_users_chip_without_a_price_is_a_dash_in_the_table_and_null_in_json(cli, chip_file):
    said = cli("compare", MODEL, "--chips", f"{chip_file},h100", "--phase", "decode")
    assert said.code == 0
    line = next(x for x in said.out.splitlines() if x.startswith("mine"))
    assert line.rstrip().endswith("–")
    assert "no cost: mine" in said.out
    runs = strict(cli("compare", MODEL, "--chips", f"{chip_file},h100", "--json").out)["runs"]
    mine = next(r for r in runs if r["chip"] == "mine")
    assert mine["usd_per_mtoken"] is None
    assert "price" in mine["cost_note"]


@pytest.mark.parametrize("suffix", ["", ":MINE"])
def test_a_users_chip_by_file(cli, chip_file, suffix):
    said = strict(cli("gemm", 64, 64, 64, "--chip", f"{chip_file}{suffix}", "--json").out)
    assert (said["chip"], said["fidelity"]) == ("mine", "roofline")


def test_a_users_model_by_file_or_folder(cli, tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    shutil.copy(models.FOLDER / f"{MODEL}.json", folder / "config.json")
    for path in (folder, folder / "config.json"):
        said = strict(cli("models", path, "--json").out)
        assert (said["name"], said["parameters"]) == ("my-model", 8_030_261_248)
        assert cli("run", path, "--chip", "h100", "--seq", 64).code == 0


def test_validate(cli, tmp_path):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,4096,4096,4096,200\nh100,fft,bf16,1,1,1,5\n")
    said = strict(cli("validate", table, "--json").out)
    assert (said["rows_scored"], said["rows_skipped"]) == (1, 1)
    text = cli("validate", table, "--out", tmp_path / "p.csv")
    assert text.code == 0
    assert "fft" in text.out
    assert "roofline" in text.out
    assert float(next(csv.DictReader((tmp_path / "p.csv").open()))["predicted_us"]) > 0
    other = strict(cli("validate", table, "--chip", "tpu-v5p", "--json").out)
    assert other["scores"][0]["mape_percent"] != said["scores"][0]["mape_percent"]


@pytest.mark.parametrize("width", [80, 120])
def test_text_fits_the_terminal(cli, monkeypatch, width):
    for argv in (["chips"], ["chips", "tpu-v5p"], ["models"], ["models", MODEL], ["compare", MODEL],
                 ["run", MODEL, "--chip", "tpu-v5p"], ["gemm", 512, 512, 512, "--chip", "h100"]):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = cli(*argv).out.splitlines()
        tables = [x for x in lines if not x.startswith(("Cheapest", "Prefill"))]
        assert max(map(len, tables)) <= width, argv
