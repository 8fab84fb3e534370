"""``archsim scalesim`` as a user of SCALE-Sim meets it."""

import json
import os
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[1] / "peers"
REPORTS = ("BANDWIDTH_REPORT.csv", "COMPUTE_REPORT.csv", "DETAILED_ACCESS_REPORT.csv")


@pytest.fixture(params=["scalesim_net", "scalesim_gemms"])
def files(request):
    folder = PEERS / request.param
    return folder, folder / "scale.cfg", folder / "topology.csv"


def test_the_reports_are_those_of_scalesim(cli, files, tmp_path):
    folder, config, topology = files
    said = cli("scalesim", "-c", config, "-t", topology, "-p", tmp_path / "new" / "out")
    assert (said.code, said.err) == (0, "")
    out = tmp_path / "new" / "out" / "case"
    assert sorted(p.name for p in out.iterdir()) == sorted(REPORTS)
    for name in REPORTS:
        assert (out / name).read_bytes() == (folder / name).read_bytes()
        assert f"wrote {out / name}" in said.out
    assert cli("scalesim", "-c", config, "-t", topology, "-p", tmp_path / "new" / "out").code == 0  # once more


def test_the_table_names_layers_and_artefacts(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = PEERS / "scalesim_gemms"
    said = cli("scalesim", "-c", folder / "scale.cfg", "-t", folder / "topology.csv")
    assert (said.code, said.err) == (0, "")
    first = (folder / "COMPUTE_REPORT.csv").read_text().splitlines()[1].split(", ")
    row = next(line for line in said.out.splitlines() if line.startswith("QK"))
    assert row.split()[:6] == ["QK", "48", "40", "33", f"{int(first[2]):,}", first[3]]
    assert "16 × 8 array, ws, buffers 1 / 2 / 1 kB, USER, 10 / 10 / 4 words per cycle" in said.out
    assert "Stalls for reads are counted twice" in said.out
    assert os.listdir(tmp_path) == []  # nothing is written unasked


def test_stalls_counted_once(cli):
    folder = PEERS / "scalesim_gemms"
    argv = ("scalesim", "-c", folder / "scale.cfg", "-t", folder / "topology.csv", "--json")
    twice, once = json.loads(cli(*argv).out), json.loads(cli(*argv, "--fixed-stalls").out)
    assert (twice["stalls"], once["stalls"]) == ("scalesim-3.0.0", "fixed")
    assert 0 < sum(x["stall_cycles"] for x in once["layers"]) < sum(x["stall_cycles"] for x in twice["layers"])
    assert not any("counted twice" in note for note in once["artefacts"])


def test_json(cli, files, tmp_path):
    folder, config, topology = files
    said = cli("scalesim", "-c", config, "-t", topology, "-p", tmp_path, "--json")
    data = json.loads(said.out)
    assert data["input"] == ("conv" if folder.name == "scalesim_net" else "gemm")
    assert sorted(Path(name).name for name in data["files"]) == sorted(REPORTS)
    lines = (folder / "COMPUTE_REPORT.csv").read_text().splitlines()[1:]
    assert [x["total_cycles"] for x in data["layers"]] == [int(line.split(", ")[2]) for line in lines]
    assert data["total_cycles"] == sum(x["total_cycles"] for x in data["layers"])
    assert data["warnings"] == []
    assert data["artefacts"]


def test_what_is_ignored_is_said(cli, tmp_path):
    topology = tmp_path / "net.csv"
    topology.write_text("Layer,M,N,K,S,\na,64,64,64,2:4,\n")
    argv = ("scalesim", "-c", PEERS / "scalesim_gemms" / "scale.cfg", "-t", topology)
    assert f"warning: {topology}: sparsity 2:4 is ignored" in cli(*argv).out
    assert "sparsity 2:4" in json.loads(cli(*argv, "--json").out)["warnings"][0]


@pytest.mark.parametrize(("config", "topology", "more", "message"), [
    ("Dataflow = wss", None, (), "unknown Dataflow 'wss': did you mean 'ws'?"),
    ("ArrayHeight = 0", None, (), "ArrayHeight must be from 1"),
    ("ArrayHeight = x", None, (), "ArrayHeight must be a whole number"),
    ("run_name = ../up", None, (), "cannot be the name of a folder"),
    (None, "Layer,M,N,K\n", (), "holds no layers"), (None, "\0", (), "is not a text file"),
    (None, "Layer,M,N,K\na,1,x,2\n", (), "line 2 (a): N must be a whole number, not 'x'"),
    (None, "Layer,M,N,K\na,1000000,1000000,1000000\n", (), "layer 0 (a): "),
    (None, None, ("-i", "gem"), "unknown input type 'gem': did you mean 'gemm'?"),
    (None, None, ("-i", "conv"), "is this a file for -i gemm?"),
    (None, None, ("--fixd-stalls",), "did you mean '--fixed-stalls'?"),
])
def test_one_line_and_nothing_written(cli, tmp_path, config, topology, more, message):
    text = (PEERS / "scalesim_gemms" / "scale.cfg").read_text()
    if config:
        key = config.split(" = ")[0]
        text = "\n".join(config if line.startswith(key) else line for line in text.splitlines())
    (tmp_path / "scale.cfg").write_text(text)
    (tmp_path / "net.csv").write_text(topology or (PEERS / "scalesim_gemms" / "topology.csv").read_text())
    said = cli("scalesim", "-c", tmp_path / "scale.cfg", "-t", tmp_path / "net.csv", "-p", tmp_path / "out", *more)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert not (tmp_path / "out").exists()


def test_missing_files_and_options(cli, tmp_path):
    folder = PEERS / "scalesim_gemms"
    for argv, message in [
        (("-t", folder / "topology.csv"), "missing -c"), (("-c", folder / "scale.cfg"), "missing -t"),
        (("-c", tmp_path / "nope", "-t", folder / "topology.csv"), "cannot read"),
        (("-c", folder / "scale.cfg", "-t", tmp_path), "Is a directory"),
    ]:
        said = cli("scalesim", *argv)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert message in said.err


def test_where_nothing_can_be_written(cli, tmp_path):
    folder = PEERS / "scalesim_gemms"
    argv = ("scalesim", "-c", folder / "scale.cfg", "-t", folder / "topology.csv", "-p")
    file = tmp_path / "file"
    file.write_text("mine")
    blocked = tmp_path / "blocked"
    (blocked / "case" / "COMPUTE_REPORT.csv").mkdir(parents=True)
    protected = tmp_path / "protected"
    (protected / "case").mkdir(parents=True)
    (protected / "case" / "BANDWIDTH_REPORT.csv").write_text("mine")
    (protected / "case" / "BANDWIDTH_REPORT.csv").chmod(0o444)
    for target, message in [(file, "is a file, not a folder"), ("", "-p is empty"), (blocked, "it is a folder"),
                            (protected, "write-protected")]:
        said = cli(*argv, target)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert message in said.err
    assert file.read_text() == "mine"
    assert os.listdir(protected / "case") == ["BANDWIDTH_REPORT.csv"]
