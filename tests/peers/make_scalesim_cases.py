"""Run SCALE-Sim 3.0.0 from PyPI on small layers and keep what it reports.

    make peers
    build/peers/bin/python tests/peers/make_scalesim_cases.py

writes beside this script ``scalesim_cases.csv``, random arrays and layers whose last three columns are the layer's
lines in SCALE-Sim's reports, character by character, and ``scalesim_net/`` and ``scalesim_gemms/``, two runs as a user
has them: what goes in and the three files that come out. Where `stalls` is ``fixed``, the line of its read buffer that
adds each wait a second time was taken out first.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import io
import os
import platform
import random
import shutil
import sys
import tempfile
import types
from pathlib import Path

import numpy
import scalesim.memory.double_buffered_scratchpad_mem as scratchpad
import scalesim.memory.read_buffer as read_buffer
from scalesim.scale_sim import scalesim

CONFIG = """[general]
run_name = case
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {cols}
IfmapSramSzkB = {ifmap_kb}
FilterSramSzkB = {filter_kb}
OfmapSramSzkB = {ofmap_kb}
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Bandwidth = {bw_ofmap}
Dataflow = {dataflow}
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = {bw_ifmap}
IfmapSRAMBankNum = 1
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = {bw_filter}
FilterSRAMBankNum = 1
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = {mode}
UseRamulatorTrace = False
"""
LAYOUT_HEADER, LAYOUT_ROW = "Layer" + ", x" * 20 + ",\n", "name" + ", 1" * 20 + ",\n"
REPORTS = ("COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv")
COLUMNS = ("rows", "cols", "dataflow", "ifmap_kb", "filter_kb", "ofmap_kb", "mode", "bw_ifmap", "bw_filter", "bw_ofmap",
           "stalls", "kind", "layer")
SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65)
DEEP = (*SIZES, 96, 127, 128, 200, 257)
DOUBLED = "offset += potential_stall_cycles        # Offset increments if there were potential stalls\n"


def mended() -> type:
    """Return SCALE-Sim's read buffer without the line that counts a wait twice."""
    source = Path(read_buffer.__file__).read_text()
    assert source.count(DOUBLED) == 1, "another version of SCALE-Sim?"
    module = types.ModuleType("mended")
    exec(compile(source.replace(DOUBLED, "pass\n"), "mended", "exec"), module.__dict__)
    return module.read_buffer


def run(folder: Path, config: str, topology: str, kind: str) -> Path:
    """Run SCALE-Sim on files that it is given in `folder`; return the folder of its reports."""
    rows = topology.count("\n") + 64  # a line of the layout per layer, and depthwise ones have many
    files = {"config.cfg": config, "topology.csv": topology, "layout.csv": LAYOUT_HEADER + LAYOUT_ROW * rows}
    for name, text in files.items():
        Path(folder, name).write_text(text)
    paths = {name: os.path.join(folder, name) for name in files}
    with contextlib.redirect_stdout(io.StringIO()):
        tool = scalesim(save_disk_space=True, verbose=False, config=paths["config.cfg"],
                        topology=paths["topology.csv"], layout=paths["layout.csv"], input_type_gemm=kind == "gemm")
        tool.run_scale(top_path=str(folder))
    return Path(folder, "case")


def lines_of(case: dict[str, object]) -> list[str]:
    """Return the layer's line in each report."""
    scratchpad.rdbuf = mended() if case["stalls"] == "fixed" else read_buffer.read_buffer
    with tempfile.TemporaryDirectory() as folder:
        made = run(Path(folder), CONFIG.format(**case), f"Layer,\n{case['layer']},\n", str(case["kind"]))
        return [Path(made, name).read_text().splitlines()[1] for name in REPORTS]


def cases(seed: int = 3) -> list[dict[str, object]]:
    """Return random arrays, buffers, bandwidths and layers, each dataflow and mode as often as the others."""
    rng = random.Random(seed)
    found: list[dict[str, object]] = []
    while len(found) < 120:
        i = len(found)
        kind = "gemm" if i % 4 else "conv"
        mode = ("CALC", "USER")[i // 4 % 2]
        dataflow = ("os", "ws", "is")[i // 8 % 3]
        rows, cols = rng.choice([(4, 4), (8, 8), (8, 32), (16, 16), (32, 8), (24, 40), (64, 16), (7, 5), (1, 9)])
        if kind == "gemm":
            m, n, k = rng.choice(DEEP), rng.choice(SIZES), rng.choice(DEEP)
            layer = f"product, {m}, {n}, {k}"
        else:
            window = rng.choice([1, 1, 2, 3, 5])
            sides = [rng.choice([window, 5, 8, 9, 12, 14]) for _ in range(2)]
            height, width = (max(side, window) for side in sides)
            stride, channels = rng.choice([1, 1, 2, 3]), rng.choice([1, 3, 8, 16])
            n = rng.choice([1, 4, 8, 10, 24])
            layer = f"picture, {height}, {width}, {window}, {window}, {channels}, {n}, {stride}"
            m = -(-(height - window + stride) // stride) * -(-(width - window + stride) // stride)
            k = window * window * channels
        high, wide, time = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[dataflow]
        lines = -(-high // rows) * -(-wide // cols) * (2 * rows + cols + time)
        work = lines * (rows + 2 * cols)
        small = rng.random() < 0.75
        kb = [rng.choice([1, 1, 2, 3] if small else [4, 16, 64]) for _ in range(3)]
        bws = [rng.choice([1, 2, 4, 8, 10, 16, 64]) for _ in range(3)]
        if not 200 < m * n * k < 1_000_000 or work > 400_000 or (small and m * k < 300):
            continue
        found.append({
            "rows": rows, "cols": cols, "dataflow": dataflow, "ifmap_kb": kb[0], "filter_kb": kb[1], "ofmap_kb": kb[2],
            "mode": mode, "bw_ifmap": bws[0], "bw_filter": bws[1], "bw_ofmap": bws[2],
            "stalls": "fixed" if mode == "USER" and rng.random() < 0.3 else "pip", "kind": kind, "layer": layer,
        })
    return found


NETS = {
    "scalesim_net": ("conv", {"rows": 12, "cols": 20, "dataflow": "os", "mode": "CALC"}, """\
Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 18, 20, 5, 3, 3, 16, 2,
DPConv2, 8, 9, 3, 3, 4, 1, 1,
Shortcut, 10, 10, 1, 1, 16, 24, 2,
Conv3, 9, 9, 3, 3, 8, 30, 1,
FC, 1, 1, 1, 1, 128, 33, 1,
"""),
    "scalesim_gemms": ("gemm", {"rows": 16, "cols": 8, "dataflow": "ws", "mode": "USER"}, """\
Layer, M, N, K,
QK, 48, 40, 33,
AV, 16, 12, 70,
Row, 1, 64, 65,
"""),
}


def main() -> None:
    """Write everything beside this script."""
    here = Path(__file__).parent
    with Path(here, "scalesim_cases.csv").open("w") as file:
        print(f"# SCALE-Sim {importlib.metadata.version('scalesim')} from PyPI, numpy {numpy.__version__}, "
              f"Python {platform.python_version()}; made by build/peers/bin/python tests/peers/make_scalesim_cases.py",
              file=file)
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*COLUMNS, "compute", "bandwidth", "access"])
        for case in cases():
            try:
                out.writerow([*(case[c] for c in COLUMNS), *lines_of(case)])
            except Exception as e:
                print(f"SCALE-Sim fails on {case}: {type(e).__name__}: {e}", file=sys.stderr)
    scratchpad.rdbuf = read_buffer.read_buffer
    sizes = {"ifmap_kb": 1, "filter_kb": 2, "ofmap_kb": 1, "bw_ifmap": 10, "bw_filter": 10, "bw_ofmap": 4}
    for name, (kind, array, topology) in NETS.items():
        target = Path(here, name)
        target.mkdir(exist_ok=True)
        config = CONFIG.format(**sizes, **array)
        with tempfile.TemporaryDirectory() as folder:
            made = run(Path(folder), config, topology, kind)
            for report in REPORTS:
                shutil.copy(Path(made, report), Path(target, report))
        Path(target, "scale.cfg").write_text(config)
        Path(target, "topology.csv").write_text(topology)


if __name__ == "__main__":
    main()
