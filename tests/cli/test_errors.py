"""What goes wrong is said in one line, with exit code 2, and nothing is written."""

import json

import archsim.models as models
import pytest

MODEL = "llama-3.1-8b"
RUN = ("run", MODEL, "--chip", "h100")


def check(said, *words):
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err, said.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["run", MODEL, "--chip", "h1oo"], ["unknown chip 'h1oo'", "h100-sxm"]),
        (["run", "lama-3.1-8b", "--chip", "h100"], ["unknown model", "did you mean 'llama-3.1-8b'"]),
        ([*RUN, "--phase", "decod"], ["unknown phase 'decod'", "did you mean 'decode'"]),
        ([*RUN, "--dtype", "bf61"], ["unknown dtype 'bf61'", "bf16"]),
        ([*RUN, "--dtype", "fp4"], ["h100-sxm has no fp4", "fp8"]),
        ([*RUN, "--kv-dtype", "fp9"], ["unknown dtype 'fp9'", "fp8"]),
        ([*RUN, "--logits", "lst"], ["unknown logits", "last"]),
        (["compare", MODEL, "--phase", "bth"], ["unknown phase", "both"]),
        (["compare", MODEL, "--chips", "h100,v5q"], ["unknown chip 'v5q'", "tpu-v5p"]),
        (["compare", MODEL, "--chips", ","], ["--chips is empty"]),
        (["compare", MODEL, "--chips", "tpu-v5p", "--dtype", "fp4"], ["tpu-v5p has no fp4"]),
        (["compare", MODEL, "--chips", "v5p,a100", "--dtype", "fp8"], ["tpu-v5p has no fp8", "a100-sxm-80gb has no"]),
        (["compare", MODEL, "--chips", "h100,nope", "--dtype", "fp8"], ["unknown chip 'nope'"]),
        ([*RUN, "--price", "cheap"], ["--price must be a number of dollars, not 'cheap'"]),
        ([*RUN, "--price", "-1"], ["--price"]),
        ([*RUN, "--price", "inf"], ["--price"]),
        ([*RUN, "--out", ""], ["--out is empty"]),
        ([*RUN, "--figure", " "], ["--figure is empty"]),
        (["compare", MODEL, "--out", ""], ["--out is empty"]),
        (["validate", "x.csv", "--out", ""], ["--out is empty"]),
        (["chips", "tpu5p"], ["unknown chip", "tpu-v5p"]),
        (["models", "gpt-3"], ["unknown model", "gpt3-175b"]),
        (["gemm", 1, 1, 1, "--chip", "nope"], ["unknown chip"]),
        (["rnu"], ["unknown command 'rnu'", "did you mean 'run'"]),
        ([*RUN, "--bach", 3], ["unknown option '--bach'", "did you mean '--batch'"]),
        ([*RUN, "-x"], ["unknown option '-x'"]),
        (["sm", "--chip", "h100"], ["CHIP stands without it", "usage: archsim sm [OPTIONS] CHIP"]),
        (["sm", "l40s", "--from", "far"], ["one partition", "l2 or dram"]),
        (["run", MODEL, "--chip", "v5p", "--eager"], ["--eager is of GPUs", "tpu-v5p"]),
        ([*RUN, "--batch"], ["--batch", "requires an argument"]),
        ([*RUN, "spare"], ["unexpected extra argument"]),
        (["run"], ["missing MODEL", "usage: archsim run"]),
        (["run", MODEL], ["missing --chip (archsim chips lists them)"]),
        (["gemm", 1, 2, "--chip", "h100"], ["missing K"]),
        (["gemm", 1, 2, 3, 4, "--chip", "h100"], ["unexpected extra argument"]),
        (["validate", "no.csv"], ["cannot read no.csv"]),
        (["run", MODEL, "--chip", ""], ["unknown chip ''"]),
        (["cost", "v5p", "--batch", "0"], ["batch must be from 1"]),
        (["graph", MODEL, "--batch", "0"], ["batch must be from 1"]),
        (["run", "resnet-50", "--chip", "h100", "--batch", "0"], ["batch must be from 1"]),
        (["graph", MODEL, "--layer", "decoder"], ["--layer goes with --draw"]),
        ([*RUN, "--source", "5"], ["has no cross-attention"]),
        ([*RUN, "--expert-dtype", "int4"], ["has no experts"]),
        ([*RUN, "--optimizer", "sgd"], ["optimizer", "belong to phase 'train'"]),
    ],
    ids=lambda x: " ".join(map(str, x)) if isinstance(x, list) else None,
)
def test_names_and_usage(cli, argv, words):
    check(cli(*argv), *words)


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5", "", "nan", "inf", "1e400", "9" * 30, "4096.5", "٣x"])
@pytest.mark.parametrize("option", ["--batch", "--seq", "--context"])
def test_sizes_of_run(cli, option, value):
    check(cli(*RUN, "--phase", "decode", option, value), option.strip("-"))


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5", "nan", "9" * 30, "--5"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_sizes_of_gemm(cli, place, value):
    sizes = ["8", "8", "8"]
    sizes[place] = value
    check(cli("gemm", *sizes, "--chip", "h100"))


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5"])
def test_sizes_elsewhere(cli, value):
    check(cli("compare", MODEL, "--batch", value), "batch")
    check(cli("models", "--context", value), "--context")


@pytest.mark.parametrize("value", [2**24 + 1, 2**31 - 1, 99_999_999_999])
def test_a_range_is_the_same_whatever_the_size(cli, value):
    check(cli(*RUN, "--context", value), f"context must be from 1 to 16,777,216, not {value:,}")


def test_sizes_that_are_each_fine_but_not_together(cli):
    check(cli(*RUN, "--batch", 2**20, "--seq", 2**24), "batch x seq")
    check(cli(*RUN, "--phase", "decode", "--seq", 8, "--context", 4), "context")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def broken(:\n", ["line 1", "not valid Python"]),
        ("import no_such_module_at_all\n", ["line 1", "no_such_module_at_all"]),
        ("x = 1\n", ["defines no Chip"]),
        ("1 / 0\n", ["line 1", "ZeroDivisionError"]),
        ("raise SystemExit(7)\n", ["SystemExit"]),
        ("from archsim.hardware import Chip\nA = Chip(name='a')\n", ["line 2", "Chip lacks 'clock'"]),
        ("from archsim.hardware import Chip\nA = Chip(nome='a')\n", ["line 2", "did you mean 'name'"]),
        ("import archsim.chips as c\nA, B = c.get('h100'), c.get('b200')\n", ["several chips", "A, B"]),
    ],
)
def test_chip_files(cli, tmp_path, source, words):
    path = tmp_path / "c.py"
    path.write_text(source)
    check(cli("run", MODEL, "--chip", path), "c.py", *words)
    check(cli("chips", path), *words)


def test_hub_names_and_files_without_a_suffix(cli, tmp_path, monkeypatch):
    assert json.loads(cli("models", "meta-llama/Llama-3.1-70B", "--json").out)["name"] == "llama-3.1-70b"
    check(cli("run", "meta-llama/Llama-9-70B", "--chip", "h100"), "Llama-9-70B")
    (tmp_path / "model.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    check(cli("models", "model.txt"), "model.txt: not valid JSON")


def test_chip_files_that_are_not_there(cli, tmp_path, chip_file):
    check(cli("chips", tmp_path / "none.py"), "no chip file")
    check(cli("chips", f"{tmp_path / 'none.py'}:X"), "no chip file")
    check(cli("chips", f"{chip_file}:MIN"), "no Chip named 'MIN'", "MINE")
    text = tmp_path / "chip.txt"
    text.write_text("hello")
    check(cli("chips", text), "not a Python file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": None}, ["lacks 'hidden_size'"]),
        ({"hidden_size": -1}, ["hidden_size"]),
        ({"hidden_size": "wide"}, ["hidden_size"]),
        ({"num_attention_heads": 7}, ["num_attention_heads"]),
        ({"model_type": "lama"}, ["unknown model_type", "did you mean 'llama'"]),
        ({"model_type": None}, ["lacks 'model_type'"]),
    ],
)
def test_configs(cli, tmp_path, change, words):
    config = {**json.loads((models.FOLDER / f"{MODEL}.json").read_text()), **change}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    check(cli("run", path, "--chip", "h100"), "config.json", *words)


def test_a_saved_graph_has_its_formats(cli, tmp_path):
    saved = tmp_path / "graph.json"
    assert cli("graph", MODEL, "--out", saved).code == 0
    check(cli("run", saved, "--chip", "h100", "--dtype", "fp8"), "--dtype does not apply to")
    assert cli("run", saved, "--chip", "h100").code == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\x01", "[" * 5000])
def test_configs_that_are_no_config(cli, tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    check(cli("models", path), "config.json")


def test_configs_that_are_not_there(cli, tmp_path):
    check(cli("models", tmp_path / "config.json"), "cannot read")
    check(cli("models", tmp_path), "cannot read")


def explode(*_, **__):
    raise AssertionError("the simulation ran before the output was checked")


@pytest.mark.parametrize("place", ["none/x.json", "file.txt/x.json", "folder"])
def test_out_is_checked_before_anything_runs(cli, tmp_path, monkeypatch, place):
    monkeypatch.setattr("archsim.simulation.simulate", explode)
    (tmp_path / "file.txt").write_text("here before")
    (tmp_path / "folder").mkdir()
    check(cli(*RUN, "--out", tmp_path / place), "cannot write")
    check(cli("validate", "x.csv", "--out", tmp_path / place), "cannot write")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file.txt", "folder"]


@pytest.mark.parametrize("place", ["none/x.png", "roof.jpg", "roof"])
def test_figure_is_checked_before_anything_runs(cli, tmp_path, monkeypatch, place):
    monkeypatch.setattr("archsim.simulation.simulate", explode)
    check(cli(*RUN, "--figure", tmp_path / place))
    assert not list(tmp_path.iterdir())


def test_compare_out_is_checked_before_anything_runs(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.simulation.simulate", explode)
    (tmp_path / "file.txt").write_text("here before")
    for place in ("file.txt", "file.txt/deeper"):
        check(cli("compare", MODEL, "--out", tmp_path / place), "is a file, not a folder")
    check(cli("compare", MODEL, "--out", "/proc/archsim"), "cannot write")


def test_write_protected_files_are_refused_before_anything_runs(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.simulation.simulate", explode)
    for name in ("run.json", "roof.png", "cost.png"):
        (tmp_path / name).write_text("mine")
        (tmp_path / name).chmod(0o444)
    check(cli(*RUN, "--out", tmp_path / "run.json"), "run.json: it is write-protected")
    check(cli(*RUN, "--figure", tmp_path / "roof.png"), "roof.png: it is write-protected")
    check(cli("compare", MODEL, "--out", tmp_path), "cost.png: it is write-protected")


@pytest.mark.parametrize("stop", ["archsim.report.plot.roofline", "archsim.report.plot.cost_bars",
                                  "archsim.report.data.to_csv"])
def test_ctrl_c_leaves_no_file_and_no_folder(cli, tmp_path, monkeypatch, stop):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(stop, interrupt)
    said = cli("compare", MODEL, "--chips", "h100", "--phase", "decode", "--out", tmp_path / "new" / "out")
    assert said.code == 130
    assert not list(tmp_path.iterdir())


def test_an_error_after_the_check_leaves_no_file(cli, tmp_path):
    check(cli("run", MODEL, "--chip", "nope", "--out", tmp_path / "a.json", "--figure", tmp_path / "a.png"))
    check(cli("compare", MODEL, "--chips", "nope", "--out", tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_our_own_faults_are_one_line_too(cli, monkeypatch):
    def bug(*_, **__):
        raise KeyError("oops")

    monkeypatch.setattr("archsim.models.find", bug)
    monkeypatch.delenv("ARCHSIM_DEBUG", raising=False)
    said = cli(*RUN)
    assert said.code == 1
    assert said.err.startswith("error: a fault in archsim")
    assert said.err.count("\n") == 1


def test_interrupt_is_quiet(cli, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("archsim.models.find", stop)
    assert cli(*RUN) == (130, "", "")
