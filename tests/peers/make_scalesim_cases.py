"""Run SCALE-Sim 3.0.0 from PyPI on small layers and print what it reports, row by row, as CSV.

    make peers
    build/peers/bin/python tests/peers/make_scalesim_cases.py > tests/peers/scalesim_cases.csv

The last three columns are the layer's lines in SCALE-Sim's three reports, character by character. Where `stalls` is
``fixed``, the line of its read buffer that adds each wait a second time was taken out first.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import io
import os
import platform
import random
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
LAYOUT = "Layer" + ", x" * 20 + ",\nname" + ", 1" * 20 + ",\n"
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


def run(case: dict[str, object]) -> list[str]:
    """Return the layer's line in each report."""
    scratchpad.rdbuf = mended() if case["stalls"] == "fixed" else read_buffer.read_buffer
    with tempfile.TemporaryDirectory() as folder:
        files = {"config.cfg": CONFIG.format(**case), "topology.csv": f"Layer,\n{case['layer']},\n",
                 "layout.csv": LAYOUT}
        for name, text in files.items():
            Path(folder, name).write_text(text)
        paths = {name: os.path.join(folder, name) for name in files}
        with contextlib.redirect_stdout(io.StringIO()):
            tool = scalesim(save_disk_space=True, verbose=False, config=paths["config.cfg"],
                            topology=paths["topology.csv"], layout=paths["layout.csv"],
                            input_type_gemm=case["kind"] == "gemm")
            tool.run_scale(top_path=folder)
        return [Path(folder, "case", name).read_text().splitlines()[1] for name in REPORTS]


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


def main() -> None:
    """Print the table."""
    print(f"# SCALE-Sim {importlib.metadata.version('scalesim')} from PyPI, numpy {numpy.__version__}, "
          f"Python {platform.python_version()}; made by tests/peers/make_scalesim_cases.py")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*COLUMNS, "compute", "bandwidth", "access"])
    for case in cases():
        try:
            out.writerow([*(case[c] for c in COLUMNS), *run(case)])
        except Exception as e:
            print(f"SCALE-Sim fails on {case}: {type(e).__name__}: {e}", file=sys.stderr)


if __name__ == "__main__":
    main()
