"""Power on the command line: what a run draws, the limit that it is given, and errors in it."""

import json

import pytest

PREFILL = ("run", "llama-2-7b", "--chip", "h100-sxm", "--batch", "4", "--seq", "4096")


def test_a_run_says_what_it_draws(cli):
    d = json.loads(cli(*PREFILL, "--json").out)
    assert d["watts_per_chip"] == pytest.approx(700)
    assert d["clock_hz"] < 1.83e9
    assert d["joules"] == pytest.approx(sum(d["energy_j"].values()))
    assert d["joules"] == pytest.approx(sum(op["joules"] for op in d["ops"]))
    assert d["joules_per_token"] == pytest.approx(d["joules"] / d["tokens"])
    said = " ".join(cli(*PREFILL).out.split())
    assert "power 700 W per chip of 700 W" in said
    assert "GHz" in said
    assert "per token: matrix engine" in said


def test_a_lower_limit_is_slower(cli):
    free, tight = (json.loads(cli(*PREFILL, *more, "--json").out) for more in ((), ("--power-limit", "400")))
    assert tight["watts_per_chip"] == pytest.approx(400)
    assert tight["time_s"] > 1.1 * free["time_s"]
    assert tight["joules"] < free["joules"]


def test_a_product_says_what_it_draws(cli):
    d = json.loads(cli("gemm", "8192", "8192", "8192", "--chip", "a100-sxm-80gb", "--json").out)
    assert d["watts_per_chip"] == pytest.approx(400)
    assert set(d["energy_j"]) >= {"matrix", "on_chip", "memory", "idle"}
    said = " ".join(cli("gemm", "8192", "8192", "8192", "--chip", "tpu-v5p").out.split())
    assert "per product: idle" in said, "its idle power is a fifth of a guess"
    assert "matrix engine" in said


def test_a_chip_without_energies_says_nothing_of_them(cli, chip_file):
    d = json.loads(cli("gemm", "512", "512", "512", "--chip", chip_file, "--json").out)
    assert d["joules"] is d["watts_per_chip"] is d["energy_j"] is None
    assert "per product" not in cli("gemm", "512", "512", "512", "--chip", chip_file).out


@pytest.mark.parametrize(("watts", "why"), [("much", "must be a number of watts"), ("50", "draws idle, 70 W"),
                                            ("nan", "draws idle"), ("1e9", "at most")])
def test_wrong_limits(cli, watts, why):
    said = cli(*PREFILL, "--power-limit", watts)
    assert said.code == 2
    assert why in said.err


def test_a_limit_needs_energies(cli, chip_file):
    said = cli("run", "llama-2-7b", "--chip", chip_file, "--power-limit", "300")
    assert said.code == 2
    assert "no power" in said.err


def test_a_product_takes_a_limit_too(cli):
    product = ("gemm", "8192", "8192", "8192", "--chip", "h100-sxm")
    free, tight = (json.loads(cli(*product, *more, "--json").out) for more in ((), ("--power-limit", "300")))
    assert tight["watts_per_chip"] == pytest.approx(300)
    assert tight["time_s"] > 1.3 * free["time_s"]
    assert cli(*product, "--power-limit", "0").code == 2


def test_a_limit_that_is_not_met_is_said(cli):
    said = " ".join(cli("gemm", "8192", "8192", "8192", "--chip", "h100-sxm", "--power-limit", "71").out.split())
    assert "more than the limit of 71 W, which is not met" in said
    assert "not met" not in cli("gemm", "8192", "8192", "8192", "--chip", "h100-sxm").out


def test_what_is_lacking_for_power_is_said(cli, chip_file):
    assert "its power is not given" in cli("gemm", "512", "512", "512", "--chip", chip_file).out
    guess = " ".join(cli("gemm", "512", "512", "512", "--chip", "tpu-v5p").out.split())
    assert "475 W, is an estimate" in guess
    assert "limits nothing" in guess
