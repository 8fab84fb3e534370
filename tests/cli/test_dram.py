"""``archsim dram``: what it prints, what it draws, and how it refuses."""

import json

import archsim.chips as chips
import pytest


def refused(said, *words):
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
    for word in ("error: ", *words):
        assert word in said.err, said.err


def test_text(cli):
    said = cli("dram", "h200")
    assert said.code == 0
    for word in ("6 stacks of HBM3e, 192 channels of 25 GB/s with 32 banks", "refreshed bank by bank", "copy", "triad",
                 "read 32 B anywhere", "as simulated", "writes among reads at", "Timings: "):
        assert word in said.out, word


def test_json_is_what_the_memory_reaches(cli):
    got = json.loads(cli("dram", "h200", "--json").out)
    memory = chips.get("h200").memory
    assert (got["type"], got["channels"], got["refresh"], got["stated"]) == ("HBM3e", 192, "per-bank", False)
    assert got["sustained_read_bytes_per_s"] == pytest.approx(memory.sustained)
    assert got["sustained_write_bytes_per_s"] == pytest.approx(memory.sustained_write)
    found = {(p["pattern"], p["size_bytes"]): p["fraction"] for p in got["patterns"]}
    assert found["read", 128] == pytest.approx(memory.reaches("read"))
    assert found["random", 32] < found["random", 64] < found["random", 128] < found["copy", 128] < found["read", 128]


def test_what_is_stated_is_said_to_be(cli):
    said = cli("dram", "tpu-v7")
    assert "87.0 % of the peak, as its definition states" in said.out and "87.0 % (stated)" in said.out
    assert json.loads(cli("dram", "tpu-v7", "--json").out)["stated"] is True
    assert "what the chip takes from its channels: 1.805 TB/s" in cli("dram", "a100-sxm-80gb").out


def test_one_pattern(cli):
    said = json.loads(cli("dram", "l40", "--pattern", "strided", "--size", 64, "--json").out)
    strides = [p["stride_bytes"] for p in said["patterns"]]
    assert {p["pattern"] for p in said["patterns"]} == {"strided"} and strides == sorted(strides) and strides[0] == 128
    one = json.loads(cli("dram", "l40", "--pattern", "strided", "--size", 64, "--stride", 2048, "--json").out)
    assert [(p["size_bytes"], p["stride_bytes"]) for p in one["patterns"]] == [(64, 2048)]


def test_draws(cli, tmp_path):
    for chip in ("b200", "tpu-v5p"):
        file = tmp_path / f"{chip}.png"
        assert f"wrote {file}" in cli("dram", chip, "--draw", file).out
        assert file.read_bytes().startswith(b"\x89PNG")


def test_a_users_chip(cli, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from archsim import *\nfrom archsim.hardware import *\nfrom archsim.units import *\n"
        "MINE = Chip(name='mine', clock=1 * GHz, core=RooflineCore(rates={'bf16': 1e6}), memory=Memory(\n"
        "    type='GDDR7', stacks=16, capacity=32 * GB, bandwidth=1.8 * TB_per_s))\n")
    said = cli("dram", f"{file}:MINE")
    assert "16 devices of GDDR7, 64 channels" in said.out, said


def test_refusals(cli, tmp_path):
    refused(cli("dram", "tpu-v2"), "memory of type 'HBM'", "HBM2e")
    refused(cli("dram", "jm9"), "does not say which", "GDDR6")
    refused(cli("dram", "h2000"), "h200")
    refused(cli("dram", "h200", "--pattern", "reed"), "did you mean 'read'")
    refused(cli("dram", "h200", "--size", "0"), "size")
    refused(cli("dram", "h200", "--size", "many"), "--size must be a whole number")
    refused(cli("dram", "h200", "--pattern", "copy", "--stride", "512"), "--stride goes with --pattern strided")
    refused(cli("dram", "h200", "--pattern", "read", "--size", "64"), "--size goes with")
    refused(cli("dram", "h200", "--pattern", "strided", "--size", "64", "--stride", "64"), "above the size")
    refused(cli("dram", "h200", "--pattern", "strided", "--stride", "0"), "--stride must be from 1 to 1,073,741,824")
    refused(cli("dram", "h200", "--pattern", "strided", "--stride", "1000"), "multiple of the 32 bytes", "992 or 1,024")
    refused(cli("dram", "h200", "--pattern", "random", "--size", 10**8), "--size must be from 1 to 65,536")
    refused(cli("dram", "h200", "--draw", tmp_path / "x.txt"), ".png")
    refused(cli("dram"), "missing CHIP")
