"""How fast one systolic array is simulated, against SCALE-Sim and memory bandwidth, in one run. Run: make bench.

CPU seconds of the simulating process, without imports and compilation. SCALE-Sim comes from `make peers`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from archsim.timing import array

SIZE, SIDE = 512, 128  # the product, and the array; weight-stationary, one row per cycle, nothing overlaps
PEER = Path(__file__).parents[2] / "build" / "peers"
# SCALE-Sim's own example configuration (configs/scale.cfg) but for the array: bandwidth without stalls.
CONFIG = """\
[general]
run_name = bench
[architecture_presets]
ArrayHeight : {side}
ArrayWidth : {side}
IfmapSramSzkB : 64
FilterSramSzkB : 64
OfmapSramSzkB : 64
IfmapOffset : 0
FilterOffset : 10000000
OfmapOffset : 20000000
Bandwidth : 10
Dataflow : ws
MemoryBanks : 1
ReadRequestBuffer : 32
WriteRequestBuffer : 32
[layout]
IfmapCustomLayout : False
IfmapSRAMBankBandwidth : 100
IfmapSRAMBankNum : 10
IfmapSRAMBankPort : 2
FilterCustomLayout : False
FilterSRAMBankBandwidth : 100
FilterSRAMBankNum : 10
FilterSRAMBankPort : 2
[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40
[run_presets]
InterfaceBandwidth : CALC
UseRamulatorTrace : False
"""
PROGRAM = """\
import contextlib, io, sys, time
from scalesim.scale_sim import scalesim
quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
with quiet[0], quiet[1]:
    start = time.process_time()
    scalesim(save_disk_space=sys.argv[1] == "no", verbose=False, config="config.cfg", topology="gemm.csv",
             layout="layout.csv", input_type_gemm=True).run_scale(top_path="out")
    taken = time.process_time() - start
print(taken)
"""


def cpu_seconds(work: Callable[[], object], times: int) -> float:
    """Return the least CPU seconds of `work` over `times` calls."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def peer(traces: str) -> tuple[float, int]:
    """Return SCALE-Sim's CPU seconds without imports, and its cycles; `traces` (yes, no): whether it writes them."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "config.cfg").write_text(CONFIG.format(side=SIDE))
        (here / "gemm.csv").write_text(f"Layer,M,N,K,\nbench,{SIZE},{SIZE},{SIZE},\n")
        (here / "layout.csv").write_text("Layer" + ",x" * 30 + "\nbench" + ",1" * 30 + "\n")
        out = subprocess.run([PEER / "bin" / "python", "-c", PROGRAM, traces], cwd=here, check=True,
                             capture_output=True, text=True).stdout
        rows = next(here.glob("out/*/COMPUTE_REPORT.csv")).read_text().splitlines()
    report = dict(zip(*([cell.strip() for cell in row.split(",")] for row in rows[:2]), strict=True))
    return float(out), round(float(next(report[name] for name in ("Total Cycles", "Compute Cycles") if name in report)))


def add_bandwidth() -> float:
    """Return bytes per second of numpy's ``a = b + c`` over planes as large as the array's (in the L2 cache)."""
    a, b, c = (np.ones(SIDE * (SIDE + 1), np.float32) for _ in range(3))
    times = 2000

    def work() -> None:
        for _ in range(times):
            np.add(b, c, out=a)

    return 3 * a.nbytes * times / cpu_seconds(work, 5)


def main() -> None:
    """Print the table."""
    dice = np.random.default_rng(0)
    a, b = (dice.standard_normal((SIZE, SIZE), np.float32) for _ in range(2))
    shape = {"rows": SIDE, "cols": SIDE, "dataflow": "ws", "shadow": False}
    times = 2000

    def fold_level() -> None:
        for _ in range(times):
            array.count(SIZE, SIZE, SIZE, **shape)

    measured, counted = array.run(a, b, **shape), array.count(SIZE, SIZE, SIZE, **shape)
    registers = cpu_seconds(lambda: array.run(a, b, **shape), 7)
    start = time.perf_counter()
    array.run(a, b, **shape)
    wall = time.perf_counter() - start
    fold_level()
    folds = cpu_seconds(fold_level, 5) / times
    updates = measured.cycles * SIDE * SIDE
    print(f"{SIZE}^3, {SIDE} x {SIDE} PEs, weight-stationary: CPU seconds (least of several)")
    print(f"{'register level':<58}{registers * 1e3:8.2f} ms {measured.cycles:10,} cycles")
    print(f"{f'  by the clock, columns of folds on {os.cpu_count()} cores':<58}{wall * 1e3:8.2f} ms")
    print(f"{'fold level':<58}{folds * 1e6:8.2f} us {counted.cycles:10,} cycles")
    print(f"{'PE updates per second and core, register level':<58}{updates / registers / 1e9:8.2f} G")
    # Per update, float32: moving operand read and written, sum read and written, weight read; marks of data in bytes:
    # one read and written, one read; a byte counter read and written.
    moved = 5 * 4 + 5
    bandwidth = add_bandwidth()
    print(f"{'numpy a = b + c on planes of this size':<58}{bandwidth / 1e9:8.1f} GB/s "
          f"{bandwidth / moved / 1e9:6.2f} G updates/s if an update's {moved} bytes went as fast")
    if not (PEER / "done").exists():
        print("SCALE-Sim is not installed: run `make peers` first to compare with it")
        return
    for traces, name in (("yes", "SCALE-Sim 3.0.0 as its command runs"), ("no", "SCALE-Sim 3.0.0 without trace files")):
        seconds, cycles = peer(traces)
        print(f"{name:<58}{seconds:8.2f} s  {cycles:10,} cycles (it counts from zero: one less)")
        print(f"{'  register level, times faster':<58}{seconds / registers:8,.0f} x")
        print(f"{'  fold level, times faster':<58}{seconds / folds:8,.0f} x")
        if not cycles + 1 == measured.cycles == counted.cycles:
            raise SystemExit("the cycles differ")


if __name__ == "__main__":
    main()
