"""``archsim graph``, and running what it writes: files that are whole, numbers that agree, errors of one line."""

import json
from pathlib import Path

import pytest

from archsim import graph
from archsim.workload.resnet import resnet


def test_a_graph_that_was_written_runs_like_the_model(cli, tmp_path: Path) -> None:
    said = cli("graph", "gpt2", "--phase", "decode", "--batch", 4, "--context", 256, "--out", tmp_path / "g.json")
    assert said.code == 0, said.err
    assert "gpt2: 13 nodes" in said.out
    assert f"wrote {tmp_path / 'g.json'}" in said.out
    direct = cli("run", "gpt2", "--phase", "decode", "--batch", 4, "--context", 256, "--chip", "tpu-v5p", "--json")
    stored = cli("run", tmp_path / "g.json", "--chip", "tpu-v5p", "--json")
    assert json.loads(stored.out) == json.loads(direct.out)


def test_json_and_drawing(cli, tmp_path: Path) -> None:
    said = cli("graph", "resnet-50", "--batch", 2, "--json", "--draw", tmp_path / "l.png", "--layer", "stage1.rest")
    data = json.loads(said.out)
    assert data["total"]["parameters"] == 25_557_032
    assert data["total"]["flops"] == graph.inspect(resnet(50, batch=2)).total.flops
    assert data["unsupported"] == {}
    assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")


def test_an_onnx_model_runs(cli, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, path = onnx.helper, tmp_path / "m.onnx"
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 64])
    w = helper.make_tensor("w", onnx.TensorProto.FLOAT, [64, 32], [0.0] * 2048)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name="mul"),
             helper.make_node("LpNormalization", ["h"], ["y"], name="odd")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [w])), path)
    said = cli("run", path, "--dim", "batch=16", "--chip", "h100-sxm", "--json")
    data = json.loads(said.out)
    assert data["flops"] == 2 * 16 * 64 * 32
    assert data["parameters"] == 2048
    assert data["note"] == "fp32 in the file, run in bf16; not simulated: 1 x LpNormalization"
    assert "not simulated: 1 x LpNormalization" in cli("graph", path, "--dim", "batch=16").out
    for wrong, message in ((["--dim", "bacth=1"], "did you mean 'batch'"), ([], "open dimension 'batch'"),
                           (["--dim", "batch"], "--dim is NAME=SIZE"), (["--dim", "batch=x"], "whole number"),
                           (["--seq", "4"], "--seq does not apply"), (["--batch", "4"], "--batch does not apply")):
        said = cli("run", path, "--chip", "h100-sxm", *wrong)
        assert said.code == 2
        assert message in said.err
        assert said.err.count("\n") == 1


@pytest.mark.parametrize(("argv", "message"), [
    (["nope.onnx"], "cannot read nope.onnx"),
    (["resnet-51"], "did you mean '50'"),
    (["gpt2", "--dim", "b=1"], "--dim gives sizes to an ONNX model"),
    (["gpt2", "--layer", "decodr", "--draw", "x.png"], "did you mean 'decoder'"),
    (["gpt2", "--draw", "x.gif"], "a figure is .png"),
    (["resnet-50", "--phase", "decode"], "--phase does not apply"),
    (["gpt3000"], "unknown model"),
])
def test_errors_are_one_line_and_leave_no_file(
    cli, argv: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("graph", *argv, "--out", "g.json")
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
