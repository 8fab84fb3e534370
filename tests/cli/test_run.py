"""``archsim run``: every phase and every option of a step, and what is said of wrong ones."""

import json

import pytest


def run(cli, *arguments):
    said = cli("run", *arguments, "--chip", "tpu-v5p", "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_training_step(cli):
    step = ("llama-3.1-8b", "--phase", "train", "--batch", "2", "--seq", "256")
    plain, full = run(cli, *step), run(cli, *step, "--recompute", "full", "--microbatches", "2")
    assert plain["phase"] == "train"
    assert plain["flops"] == full["flops"]
    assert full["activation_bytes"] < plain["activation_bytes"]
    assert plain["weight_bytes"] == 18 * plain["parameters"], "weights, gradients, states"
    assert "gradients" in plain["note"]
    sgd = run(cli, *step, "--optimizer", "sgd")
    assert sgd["weight_bytes"] == 10 * plain["parameters"]
    names = [op["name"] for op in full["ops"]]
    assert names.index("loss") < names.index("down_proj.again") < names.index("down_proj.wgrad") < names.index("update")
    assert {op["flops"] for op in full["ops"] if op["name"].endswith(".again")} == {0.0}


def test_encoders_encode_by_themselves(cli):
    assert run(cli, "bert-base-uncased")["phase"] == "encode"
    assert run(cli, "llama-2-7b", "--seq", "64")["phase"] == "prefill"
    assert run(cli, "t5-11b", "--phase", "decode", "--source", "64", "--context", "8")["phase"] == "decode"


def test_a_list_of_lengths(cli):
    done = run(cli, "llama-2-7b", "--phase", "decode", "--context", "100,200,100")
    assert done["batch"] == 3
    assert [op["shapes"]["k"][:2] for op in done["ops"] if op["kind"] == "attention"] == [[2, 100], [1, 200]]


def test_routing_and_formats(cli):
    step = ("mixtral-8x7b", "--phase", "decode", "--batch", "32", "--context", "64")
    even, skewed = run(cli, *step), run(cli, *step, "--routing", "power:2:1")
    assert skewed["flops"] == even["flops"]
    cut = run(cli, *step, "--routing", "power:2:1", "--capacity-factor", "1")
    assert cut["flops"] < skewed["flops"], "what is beyond the capacity is dropped"
    narrow = run(cli, *step, "--weight-dtype", "int4", "--expert-dtype", "mxfp4")
    assert narrow["weight_bytes"] < 0.3 * even["weight_bytes"]
    unfused = run(cli, "llama-2-7b", "--seq", "64", "--unfused-attention")
    assert "attention_scores" in [op["name"] for op in unfused["ops"]]


def test_formats_of_the_checkpoint(cli):
    step = ("gpt-oss-20b", "--phase", "decode", "--context", "64")
    plain, stored = run(cli, *step), run(cli, *step, "--dtype", "checkpoint")
    assert "--dtype checkpoint counts it so (--dtype bf16 --expert-dtype mxfp4)" in plain["note"]
    assert "checkpoint" not in stored["note"]
    assert stored["weight_bytes"] == pytest.approx(13.76e9, rel=1e-3), "the size of its files"
    said = cli("compare", *step, "--dtype", "checkpoint", "--chips", "tpu-v5p,h100-sxm", "--json")
    assert said.code == 0, said.err
    assert [r["weight_bytes"] for r in json.loads(said.out)["runs"]] == [stored["weight_bytes"]] * 2


def test_comparing_training_steps_and_encoders(cli):
    for arguments, phase in ((("llama-2-7b", "--phase", "train", "--seq", "128"), "train"), (("vit-b-16",), "encode")):
        said = cli("compare", *arguments, "--chips", "tpu-v5p,h100-sxm", "--json")
        assert said.code == 0, said.err
        assert [r["phase"] for r in json.loads(said.out)["runs"]] == [phase, phase]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("llama-2-7b", "--phase", "training"), "unknown phase 'training': did you mean 'train'"),
        (("llama-2-7b", "--recompute", "full"), "belong to phase 'train'"),
        (("llama-2-7b", "--phase", "train", "--recompute", "all"), "unknown recompute 'all'"),
        (("llama-2-7b", "--phase", "train", "--batch", "3", "--microbatches", "2"), "2 equal microbatches"),
        (("llama-2-7b", "--phase", "train", "--microbatches", "x"), "--microbatches must be a whole number"),
        (("llama-2-7b", "--phase", "train", "--optimizer", "adm"), "unknown optimizer 'adm': did you mean 'adam'"),
        (("llama-2-7b", "--phase", "train", "--kv-dtype", "fp8"), "belong to inference"),
        (("llama-2-7b", "--routing", "random"), "unknown routing 'random'"),
        (("llama-2-7b", "--routing", "power:x"), "write power:ALPHA"),
        (("llama-2-7b", "--capacity-factor", "much"), "--capacity-factor must be a number, not 'much'"),
        (("llama-2-7b", "--capacity-factor", "-1"), "capacity_factor must be"),
        (("llama-2-7b", "--weight-dtype", "int5"), "unknown dtype 'int5'"),
        (("llama-2-7b", "--seq", "1,x"), "--seq must be a whole number, not 'x'"),
        (("llama-2-7b", "--seq", "1,"), "--seq must be a whole number"),
        (("llama-2-7b", "--seq", "8,16", "--batch", "3"), "leave batch out"),
        (("llama-2-7b", "--phase", "encode"), "has no encoder"),
        (("bert-base-uncased", "--phase", "decode"), "has no decoder"),
        (("t5-11b", "--phase", "decode", "--source", "0"), "source must be from 1"),
    ],
)
def test_wrong_options_are_named(cli, arguments, says):
    said = cli("run", *arguments, "--chip", "tpu-v5p")
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
