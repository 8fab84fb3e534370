"""SCALE-Sim's figures: equal, digit by digit, to what SCALE-Sim 3.0.0 printed for the same files and layers."""

import csv
import math
from pathlib import Path

import pytest

from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.scalesim import (
    Config,
    Layer,
    notes,
    own_counts,
    read_config,
    read_topology,
    reports,
    simulate,
    to_dict,
)

PEERS = Path(__file__).parents[1] / "peers"
SIDES = ("ifmap", "filter", "ofmap")


def _rows(path):
    with path.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _config(row, rows="rows", cols="cols", mode="mode"):
    words = tuple(int(row[f"bw_{s}"]) for s in SIDES) if row[mode] == "USER" else None
    return Config(int(row[rows]), int(row[cols]), row["dataflow"], *(int(row[f"{s}_kb"]) for s in SIDES), words)


def _layer(case):
    name, *cells = case["layer"].split(",")
    sizes = [int(cell) for cell in cells]
    return Layer.gemm(name, *sizes) if case["kind"] == "gemm" else Layer(name, *sizes, sizes[-1])


CASES = _rows(PEERS / "scalesim_cases.csv")


def test_the_cases_cover_what_there_is():
    def seen(*columns):
        return {tuple(case[c] for c in columns) for case in CASES}

    assert len(CASES) == 120
    assert len(seen("dataflow", "mode", "kind")) == 3 * 2 * 2
    assert seen("mode", "stalls") == {("CALC", "pip"), ("USER", "pip"), ("USER", "fixed")}
    assert sum(case["kind"] == "gemm" for case in CASES) >= 60


@pytest.mark.parametrize("mode", ["CALC", "USER"])
@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_every_line_of_every_report_is_what_scalesim_printed(dataflow, mode):
    for case in CASES:
        if (case["dataflow"], case["mode"]) != (dataflow, mode):
            continue
        texts = reports(simulate(_config(case), [_layer(case)], fixed_stalls=case["stalls"] == "fixed"))
        assert [text.splitlines()[1] for text in texts.values()] == [case["compute"], case["bandwidth"], case["access"]]


@pytest.mark.parametrize("net", ["scalesim_net", "scalesim_gemms"])
def test_whole_reports_byte_for_byte(net):
    folder = PEERS / net
    work = read_topology(folder / "topology.csv")
    assert work.kind == ("conv" if net == "scalesim_net" else "gemm")
    texts = reports(simulate(read_config(folder / "scale.cfg"), work.layers))
    assert {name: text.encode() for name, text in texts.items()} == {
        path.name: path.read_bytes() for path in folder.glob("*_REPORT.csv")
    }


@pytest.mark.parametrize("name", ["reference.csv", "reference_conv.csv"])
def test_the_shared_reference(shared, name):
    columns = {
        "total_cycles": lambda r: r.cycles, "stall_cycles": lambda r: r.stalls,
        "compute_cycles": lambda r: r.cycles - r.stalls, "total_cycles_incl_prefetch": lambda r: r.cycles_prefetch,
        "overall_util": lambda r: r.utilization, "mapping_eff": lambda r: r.mapping,
        "compute_util": lambda r: r.compute_utilization, "sram_ifmap_reads": lambda r: r.sram_ifmap.words,
        "sram_filter_reads": lambda r: r.sram_filter.words, "sram_ofmap_writes": lambda r: r.sram_ofmap.words,
        "dram_ifmap_reads": lambda r: r.dram_ifmap.words, "dram_filter_reads": lambda r: r.dram_filter.words,
        "dram_ofmap_writes": lambda r: r.dram_ofmap.words,
    }
    rows = _rows(shared / "scalesim" / name)
    assert rows
    for row in rows:
        config = _config(row, "array_rows", "array_cols", "bandwidth_mode")
        if "layer" in row:
            sizes = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "num_filter", "stride", "stride")
            layer = Layer(row["layer"], *(int(row[c]) for c in sizes))
        else:
            layer = Layer.gemm("product", int(row["M"]), int(row["N"]), int(row["K"]))
        (result,) = simulate(config, [layer], fixed_stalls="no-double" in row["version"])
        assert {c: round(f(result), 6) for c, f in columns.items()} == {c: float(row[c]) for c in columns}, row


def test_closed_forms_of_the_compute_figures():
    for case in CASES:
        config = _config(case)
        x = _layer(case)
        (r,) = simulate(config, [x])
        high, wide, time = {"os": (x.m, x.n, x.k), "ws": (x.k, x.n, x.m), "is": (x.k, x.m, x.n)}[config.dataflow]
        fr, fc = math.ceil(high / config.rows), math.ceil(wide / config.cols)
        fold = config.rows + config.cols + time - 2 + (0 if config.dataflow == "os" else config.rows)
        skew = 0 if config.dataflow == "os" else config.cols - 1
        mapping = 100 * high * wide / (fr * fc * config.rows * config.cols)
        assert r.cycles == fr * fc * fold - 1 + r.stalls
        assert r.mapping == pytest.approx(mapping)
        assert r.compute_utilization == pytest.approx(mapping * time / (fold + skew))


def test_a_large_layer_takes_no_time_and_equal_layers_are_run_once(monkeypatch):
    from archsim.explore.scalesim import model

    made = []
    monkeypatch.setattr(model._Run, "result", lambda self, real=model._Run.result: made.append(1) or real(self))
    config = Config(128, 128, "ws", 512, 512, 256)
    results = simulate(config, [Layer.gemm(f"layer {i}", 4096, 4096, 4096) for i in range(100)])
    assert len(made) == 1
    assert [r.layer.name for r in results] == [f"layer {i}" for i in range(100)]
    assert results[0].sram_ifmap.words == 32 * 4096**2
    assert results[0].cycles == 32 * 32 * (2 * 128 + 128 + 4096 - 2) - 1


def test_the_release_counts_waits_twice():
    config = Config(16, 16, "ws", 2, 2, 2, (1, 1, 1))
    layer = Layer.gemm("product", 256, 32, 17)
    (twice,), (once,) = simulate(config, [layer]), simulate(config, [layer], fixed_stalls=True)
    assert (twice.stalls, once.stalls) == (16199, 14220)
    assert twice.dram_ifmap.words == once.dram_ifmap.words


@pytest.mark.parametrize(("dataflow", "words"), [
    ("os", ["Results leave the array", "SRAM OFMAP Writes count 384 words too many"]),
    ("ws", ["Compute Util % counts the skew", "Partial sums of every fold along K"]),
    ("is", ["Compute Util % counts the skew", "Partial sums of every fold along K"]),
])
def test_artefacts_are_named(dataflow, words):
    config = Config(16, 16, dataflow, 1, 1, 1, (1, 1, 1))
    results = simulate(config, [Layer.gemm("product", 40, 60, 50)])
    said = "\n".join(notes(config, results))
    for part in (*words, "Nothing overlaps", "a part of the 16 x 16 array", "USER", "counted twice", "no clock"):
        assert part in said
    assert "counted twice" not in "\n".join(notes(config, results, fixed_stalls=True))
    fits = Config(16, 16, dataflow, 64, 64, 64)
    said = "\n".join(notes(fits, simulate(fits, [Layer.gemm("product", 16, 16, 16)])))
    for part in ("a part of the", "USER", "counted twice", "Partial sums", "on every use", "padding"):
        assert part not in said
    assert "CALC" in said


def test_partial_folds_are_where_the_two_models_part():
    """One row more than the array has costs SCALE-Sim a whole fold; a second set of registers hides its load."""
    config = Config(128, 128, "ws", 512, 512, 256)
    fits, one_more = simulate(config, [Layer.gemm("fits", 128, 128, 128), Layer.gemm("one more", 128, 128, 129)])
    assert one_more.cycles - fits.cycles == 2 * 128 + 128 + 128 - 2
    own = own_counts(config, [fits, one_more])
    assert own[0].cycles == fits.cycles + 1  # SCALE-Sim numbers its last cycle from 0
    assert own[1].cycles - own[0].cycles <= 128 + 1


def test_archsims_own_count_takes_every_array_that_can_be_given():
    config = Config(2**16, 2**16, "ws", 64, 64, 64)
    results = simulate(config, [Layer.gemm("product", 8, 8, 8)])
    assert to_dict(config, results)["layers"][0]["archsim_cycles"] == results[0].cycles + 1


@pytest.mark.parametrize(("change", "message"), [
    ({"rows": 0}, "rows must be from 1"), ({"cols": -3}, "cols must be from 1"),
    ({"rows": 2**20}, "rows must be from 1 to 65,536"),
    ({"ifmap_kb": "x"}, "ifmap_kb must be a whole number"), ({"dataflow": "wss"}, "did you mean 'ws'"),
    ({"bandwidths": (1, 2)}, "must be three"), ({"bandwidths": (1, 2, 0)}, "bandwidth must be from 1"),
    ({"run_name": "../up"}, "cannot be the name of a folder"), ({"run_name": ""}, "cannot be the name of a folder"),
])
def test_an_array_that_cannot_be(change, message):
    with pytest.raises(ArchsimError, match=message):
        Config(**{"rows": 8, "cols": 8, "dataflow": "ws", "ifmap_kb": 1, "filter_kb": 1, "ofmap_kb": 1, **change})


@pytest.mark.parametrize(("sizes", "message"), [
    ((5, 5, 7, 1, 1, 1), "filter_h 7, ifmap_h 5"), ((5, 5, 1, 6, 1, 1), "filter_w 6"), ((5, 5, 1, 1, 0, 1), "channels"),
    ((5, 5, 1, 1, 1, 1.5), "filters"), ((5, 5, 1, 1, 1, 1, 0, 1), "stride_h"),
])
def test_a_layer_that_cannot_be(sizes, message):
    with pytest.raises(ArchsimError, match=message):
        Layer("layer", *sizes)
    with pytest.raises(ArchsimError, match="N must be"):
        Layer.gemm("product", 3, 0, 3)


@pytest.mark.parametrize(("config", "sizes", "message"), [
    (Config(8, 8, "ws", 1, 1, 1), (2**31 - 1, 2, 2), "more than can be followed"),
    (Config(1, 1, "os", 1, 1, 1), (10**5, 10**5, 2), "folds"),
    (Config(128, 128, "ws", 1, 1, 1, (1, 1, 1)), (20_000, 4_000, 20_000), "requests for"),
    (Config(1, 1, "os", 1, 1, 1), (1, 1, 1), "takes it 0 cycles"),
    (Config(2, 700, "ws", 1, 1, 1), (5, 700, 3), "divides by zero"),
])
def test_a_layer_that_cannot_be_run(config, sizes, message):
    with pytest.raises(UnsupportedError, match=f"layer 1 .big.: .*{message}"):
        simulate(config, [Layer.gemm("small", 1, 2, 1), Layer.gemm("big", *sizes)])
