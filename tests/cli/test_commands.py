"""Every command, as text and as JSON."""

import csv
import json
import math
import os
import re
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
    assert [c["name"] for c in listed] == [*chips.names(), *chips.listings()]
    assert all(c["peak_flops_per_s"] and c["memory_bandwidth_bytes_per_s"] for c in listed[:len(chips.names())])


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
    assert "still holds" not in text.out
    assert "(0.333 × compulsory; the cache still holds the rest)" in cli("gemm", 512, 512, 512, "--chip", "h100").out


def test_compare_runs_all_chips_and_both_phases(cli):
    said = strict(cli("compare", MODEL, "--json").out)
    assert said["model"] == MODEL
    assert {(r["chip"], r["phase"]) for r in said["runs"]} == {
        (c, p) for c in chips.COMPARED for p in ("prefill", "decode")}
    assert said["findings"]
    text = cli("compare", MODEL).out
    assert "prefill" in text
    assert "decode" in text
    assert said["findings"][0] in text


def test_compare_all_chips(cli):
    said = strict(cli("compare", "gpt2", "--chips", "all", "--phase", "decode", "--json").out)
    listed = {r["chip"] for r in said["runs"]}
    assert listed == {c for c in chips.names() if "bf16" in chips.get(c).dtypes}


def test_compare_sizes(cli):
    given = ("--batch", 2, "--seq", 256, "--context", 512)
    said = strict(cli("compare", MODEL, "--chips", "h100,v5p", *given, "--json").out)
    sizes = {r["phase"]: (r["batch"], r["seq"], r["context"]) for r in said["runs"]}
    assert sizes == {"prefill": (2, 256, 0), "decode": (2, 1, 512)}


def test_run_and_compare_have_the_same_defaults_and_print_them(cli):
    both = strict(cli("compare", MODEL, "--chips", "h100", "--json").out)["runs"]
    sizes = {r["phase"]: (r["batch"], r["seq"], r["context"]) for r in both}
    assert sizes == {"prefill": (1, 8192, 0), "decode": (64, 1, 4096)}
    for phase, (_, seq, context) in sizes.items():
        said = strict(cli("run", MODEL, "--chip", "h100", "--phase", phase, "--json").out)
        assert (said["batch"], said["seq"], said["context"]) == (1, seq, context)
    run, compare = (" ".join(cli(c, "--help").out.split()) for c in ("run", "compare"))
    for said in (run, compare):
        assert "(default 8192 in prefill, 1 in decode)" in said
        assert "keys attended to (default 4096). Prefill: tokens already in the KV cache (default 0)" in said
    assert "Sequences. [default: 1]" in run
    assert "Sequences (default 1 in prefill, 64 in decode, 64 in encode, 8 in train)" in compare


@pytest.mark.parametrize("argv", [(), ("--json",)])
def test_a_chip_that_cannot_run_does_not_stop_the_others(cli, tmp_path, argv):
    out = tmp_path / "out"
    said = cli("compare", MODEL, "--chips", "h100,v5p", "--dtype", "fp8", "--out", out, *argv)
    assert said.code == 0
    written = strict((out / "compare.json").read_text())
    assert {r["chip"] for r in written["runs"]} == {"h100-sxm"}
    assert [(i["chip"], i["phase"]) for i in written["infeasible"]] == [("tpu-v5p", "prefill"), ("tpu-v5p", "decode")]
    assert all("no fp8" in i["reason"] for i in written["infeasible"])
    assert {r["chip"] for r in csv.DictReader((out / "compare.csv").open())} == {"h100-sxm"}
    if argv:
        assert strict(said.out) == written
    else:
        assert len([x for x in said.out.splitlines() if x.startswith("tpu-v5p") and "–" in x]) == 2
        assert said.out.count("– tpu-v5p has no fp8 matrix path") == 1


def test_a_chip_that_fails_in_one_phase_alone(cli, monkeypatch):
    import archsim.simulation as simulation
    from archsim.errors import ArchsimError

    real = simulation.simulate

    def no_prefill(graph, chip):
        if graph.graph["phase"] == "prefill":
            raise ArchsimError("the scratchpad is too small")
        return real(graph, chip)

    monkeypatch.setattr(simulation, "simulate", no_prefill)
    said = cli("compare", MODEL, "--chips", "h100,b200")
    assert said.code == 0
    head, _, tail = said.out.partition("decode, batch 64")
    assert "llama-3.1-8b prefill, bf16" in head
    assert "– h100-sxm cannot run this: the scratchpad is too small" in head
    assert "scratchpad" not in tail
    assert len(strict(cli("compare", MODEL, "--chips", "h100,b200", "--json").out)["runs"]) == 2


def test_chips_of_one_name_are_told_apart(cli, tmp_path):
    same, other = tmp_path / "same.py", tmp_path / "other.py"
    same.write_text("from archsim.chips import get\nA = get('h100')\n")
    other.write_text("from archsim.chips import get\nA = get('h100').replace(name='h100-sxm', price=1e5)\n")
    said = strict(cli("compare", MODEL, "--chips", f"h100,{same},{other}", "--phase", "decode", "--json").out)
    assert [r["chip"] for r in said["runs"]] == ["h100-sxm", "h100-sxm (2)"]
    assert said["runs"][1]["usd_per_mtoken"] > 2 * said["runs"][0]["usd_per_mtoken"]


def test_a_price_can_be_given(cli, chip_file):
    one, two = (strict(cli("gemm", 512, 512, 512, "--chip", "h100", "--price", p, "--json").out) for p in (1e4, 2e4))
    assert two["depreciation_usd_per_hour"] == pytest.approx(2 * one["depreciation_usd_per_hour"])
    unpriced = cli("run", MODEL, "--chip", "v4", "--phase", "decode")
    assert "cost: tpu-v4 has no price: give one with --price USD" in unpriced.out
    priced = cli("run", MODEL, "--chip", "v4", "--phase", "decode", "--price", "5000")
    assert "per million tokens" in priced.out
    assert "has no price" not in priced.out


@pytest.mark.parametrize("argv", [("chips", "{}"), ("gemm", 8, 8, 8, "--chip", "{}"),
                                  ("compare", MODEL, "--chips", "h100,{}", "--phase", "decode")])
def test_json_stays_json_when_a_chip_file_prints(cli, chip_file, argv):
    chip_file.write_text("print('hello')\n" + chip_file.read_text())
    said = cli(*(str(a).format(chip_file) for a in argv), "--json")
    assert strict(said.out)
    assert said.err.startswith("hello")


@pytest.mark.parametrize("command", ["chips", "models", "run", "gemm", "validate"])
def test_help_names_arguments_plainly(cli, command):
    text = cli(command, "--help").out
    usage = text.splitlines()[0]
    assert not set("{}") & set(usage)
    assert "[[" not in usage
    assert "<str>" not in text
    for name in {"gemm": "MNK", "validate": ["FILE.csv"], "run": ["MODEL"]}.get(command, []):
        assert f"\n  {name}  " in text


def test_validate_tells_the_columns_of_every_op(cli):
    from archsim.explore.validate import SHAPES

    text = " ".join(cli("validate", "--help").out.split())
    for op, columns in SHAPES.items():
        assert op in text
        assert f"{', '.join(columns)}" in text


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
    assert "Decode on h100-sxm: $" in said.out
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


def test_validate_studies_constants(cli, tmp_path):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,64,4096,4096,16\na100,gemm,bf16,8,8192,8192,90\n")
    data = strict(cli("validate", table, "--constants", "--json").out)["constants"]
    assert {"device", "figure", "value", "unit", "meaning", "source", "datasheet", "changes"} <= set(data[0])
    assert "points of MAPE" in cli("validate", table, "--constants").out
    fit = strict(cli("validate", table, "--fit", "h100,a100", "--json").out)
    assert [f["chip"] for f in fit["fits"]] == ["h100-sxm", "a100-sxm-80gb"]
    assert any(e["carried_over"] for e in fit["fits"][0]["errors"])
    assert "carried over" in cli("validate", table, "--fit", "h100").out
    stages = strict(cli("validate", table, "--ablation", "--json").out)["ablation"]
    assert next(iter(stages[0]["mape_percent"])) == "roofline"
    assert "+ SM pipeline" in cli("validate", table, "--ablation").out


def test_validate_lists_the_worst_rows_and_scores_rows_apart(cli, tmp_path):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,64,4096,4096,9\nh100,gemm,bf16,8,8192,8192,90\n")
    text = " ".join(cli("validate", table, table, "--worst", 1, "--by", "m").out.split())
    assert "the 1 worst of 4 rows" in text and "k.csv:" in text
    said = strict(cli("validate", table, "--worst", 1, "--by", "m", "--json").out)
    assert len(said["worst"]) == 1
    assert [(s["part"], s["chip"]) for s in said["scores"]] == [("64", "h100-sxm"), ("8", "h100-sxm")]


def test_validate_doubts_times_that_no_chip_can_reach(cli, tmp_path):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,4096,4096,4096,0.2\n")
    said = " ".join(cli("validate", table).out.split())
    assert "is measured_us in microseconds" in said


def test_validate_fails_where_nothing_can_be_timed(cli, tmp_path):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,fft,bf16,1,1,1,5\n")
    said = cli("validate", table, "--out", tmp_path / "p.csv")
    assert (said.code, said.out) == (2, "")
    assert "no row of" in said.err and "op 'fft' cannot be timed" in said.err
    assert not (tmp_path / "p.csv").exists()


def test_validate_writes_the_constants(cli, tmp_path):
    table, out = tmp_path / "k.csv", tmp_path / "constants.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,64,4096,4096,16\n")
    assert f"wrote {out}" in " ".join(cli("validate", table, "--constants", "--out", out).out.split())
    said = {row["figure"]: row for row in csv.DictReader(out.open())}
    data = {c["figure"]: c for c in strict(cli("validate", table, "--constants", "--json").out)["constants"]}
    assert set(said) == set(data)
    for path, row in said.items():
        assert row["meaning"] == data[path]["meaning"] and row["unit"] == data[path]["unit"]
        for change in data[path]["changes"]:
            want = change["minus_20_percent_points"]
            got = row["gemm bf16 -20 % (points of MAPE)"]
            assert (got == "") if want is None else float(got) == pytest.approx(want, abs=1e-4)


@pytest.mark.parametrize(("options", "message"), [
    (("--fit", "b200"), "unknown chip of the table 'b200'"), (("--fit", "h10O"), "did you mean 'h100'"),
    (("--fit", ","), "name a chip to fit on"), (("--fit", ""), "name a chip to fit on"),
    (("--fit", "a100", "--chip", "h100"), "unknown chip of the table 'a100-sxm-80gb'"),
    (("--constants", "--ablation"), "--constants and --ablation are separate"),
    (("--fit", "h100", "--worst", "3"), "--fit and --worst are separate"), (("--worst", "0"), "--worst must be from 1"),
    (("--by", "device", "--ablation"), "--ablation and --by are separate"), (("--by", "dtpe"), "did you mean 'dtype'"),
    (("--out", "k.csv"), "would replace a table"), (("--out", "x.json"), "must end in .csv"),
    (("absent.csv",), "cannot read absent.csv"),
    (("--ablation", "--out", "x.csv"), "separate"), (("--constants", "--chip", "tpu-v5p"), "no row .* on a GPU")])
def test_validate_says_what_cannot_be_studied(cli, tmp_path, monkeypatch, options, message):
    table = tmp_path / "k.csv"
    table.write_text("device,op,dtype,m,n,k,measured_us\nh100,gemm,bf16,64,4096,4096,16\n")
    monkeypatch.chdir(tmp_path)
    said = cli("validate", table, *options)
    assert said.code == 2
    assert os.listdir() == ["k.csv"]
    assert re.search(message, said.err)
    assert not said.out


@pytest.mark.parametrize("width", [80, 120])
def test_text_fits_the_terminal(cli, monkeypatch, width):
    for argv in (["chips"], ["chips", "tpu-v5p"], ["models"], ["models", MODEL], ["compare", MODEL],
                 ["run", MODEL, "--chip", "tpu-v5p"], ["gemm", 512, 512, 512, "--chip", "h100"]):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = cli(*argv).out.splitlines()
        assert max(map(len, lines)) <= width, argv
