"""How fast archsim is, as ratios measured in one run. Prints a table; asserts nothing. Run: make bench."""

from __future__ import annotations

import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RUN = ["run", "llama-3.1-70b", "--phase", "decode", "--batch", "64", "--context", "4096"]


def seconds(work: Callable[[], object], times: int) -> float:
    """Median wall-clock seconds of `work` over `times` calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def shell(arguments: list[str], **environment: str) -> None:
    """Run a Python process to its end; complain if it fails."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, **environment})


def at_the_shell() -> None:
    """Whole processes: the command line warm, against importing what it must import."""
    imports = seconds(lambda: shell(["-c", "import numpy, numba, networkx"]), 7)
    print(f"{'import numpy, numba, networkx (the floor)':<58}{imports:8.2f} s")
    for chip in ("tpu-v5p", "h100-sxm"):
        command = ["-m", "archsim", *RUN, "--chip", chip]
        shell(command)  # compile, if it has not been
        warm = seconds(lambda command=command: shell(command), 7)  # type: ignore[misc]
        print(f"{'archsim run llama-3.1-70b --chip ' + chip + ', warm':<58}{warm:8.2f} s {warm / imports:8.1f} x floor")
    probe = ("import atexit, sys; from archsim.cli.main import main; "
             "atexit.register(lambda: print('matplotlib' in sys.modules)); "
             f"sys.argv[1:] = {[*RUN, '--chip', 'tpu-v5p']!r}; main()")
    out = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    print(f"{'matplotlib imported by archsim run':<58}{out.split()[-1]:>8}")
    with tempfile.TemporaryDirectory() as empty:
        first = seconds(lambda: shell(["-m", "archsim", "compare", "llama-3.1-70b"], NUMBA_CACHE_DIR=empty), 1)
    print(f"{'archsim compare, the first run ever (compiles every kernel)':<58}{first:8.2f} s")


def in_the_process() -> None:
    """One simulation with an empty memo, on a chip of each kind."""
    import archsim as sim
    from archsim import timing

    model = sim.models.get("llama-3.1-70b")
    for name in ("tpu-v5p", "h100-sxm"):
        chip = sim.chips.get(name)

        def simulation(chip: sim.Chip = chip) -> None:
            timing.time.cache_clear()
            for phase, size in (("prefill", {"seq": 8192}), ("decode", {"context": 8192})):
                sim.simulate(sim.transformer(model, phase=phase, batch=8, **size), chip)

        simulation()
        both = seconds(simulation, 21)
        print(f"{f'simulate 70B prefill + decode on {name}, empty memo':<58}{both * 1e3:8.2f} ms")


def shapes() -> tuple[list[tuple[int, int, int]], str]:
    """Return 1,500 products (m, n, k), and what they are: those of a table of measured kernels, if one is at hand.

    Otherwise as such a table has them: m from 1 to 2^15, n and k from 2^5 to 2^16, evenly in logarithms.
    """
    folder = Path(os.environ.get("ARCHSIM_SHARED", Path(__file__).parents[3] / "shared"))
    table = folder / "measured" / "kernels" / "gemm.csv"
    if table.is_file():
        with table.open() as file:
            return [(int(r["m"]), int(r["n"]), int(r["k"])) for r in csv.DictReader(file)], "measured"
    dice = random.Random(0)
    return [tuple(round(2 ** dice.uniform(low, high)) for low, high in ((0, 15), (5, 16), (5, 16)))  # type: ignore[misc]
            for _ in range(1500)], "drawn"


# Zhang et al., LLMCompass, ISCA 2024, abstract: "within 16 minutes on commodity hardware, including 26,400 rounds of
# the mapper's parameter search". What one GEMM takes its artifact (github.com/PrincetonUniversity/LLMCompass), 75 to
# 155 s, is reported of an unnamed machine: no publication is known that states it, and it is not run here.
LLMCOMPASS_GEMM, LLMCOMPASS_MAPPINGS = 155.0, 26_400 / (16 * 60)


def products() -> None:
    """One matrix product with its mapping search, warm: median and slowest over 1,500 shapes, empty memo."""
    import archsim as sim
    from archsim import timing
    from archsim.workload.ops import MatMul

    given, which = shapes()
    print(f"LLMCompass: {LLMCOMPASS_GEMM:.0f} s for one GEMM is reported of its artifact, on an unnamed machine;\n"
          f"{LLMCOMPASS_MAPPINGS:.1f} mappings/s are its paper's 26,400 in 16 minutes. Neither was run here.")
    ops = [MatMul(*shape, weights=True) for shape in given]
    for name in ("tpu-v5p", "a100-sxm-80gb", "h100-sxm", "b200", "mi300x"):
        chip = sim.chips.get(name)
        timing.time(ops[0], chip)
        timing.time.cache_clear()
        each = []
        for op in ops:
            start = time.perf_counter()
            timing.time(op, chip)
            each.append(time.perf_counter() - start)
        median = statistics.median(each)
        print(f"{f'one GEMM with kernel choice on {name} ({len(ops):,} {which})':<58}{median * 1e6:8.1f} us "
              f"{LLMCOMPASS_GEMM / median:12,.0f} x faster than LLMCompass' 155 s; slowest {max(each) * 1e3:.2f} ms")
        if chip.kind == "gpu":
            tried = len(chip.core.library) / median  # each tile with several splits of K and blocks per SM
            print(f"{'  mappings per second, counting tiles alone':<58}{tried:8,.0f}    "
                  f"{tried / LLMCOMPASS_MAPPINGS:12,.0f} x LLMCompass' {LLMCOMPASS_MAPPINGS:.1f}")


def building() -> None:
    """The graph of every shipped model, in every phase that it has."""
    import archsim as sim

    taken = []
    for name in sim.models.names():
        model = sim.models.get(name)
        for phase in (*(("prefill", "decode") if model.stacks[-1].causal else ("encode",)), "train"):
            once = seconds(lambda m=model, p=phase: sim.transformer(m, phase=p), 3)  # type: ignore[misc]
            taken.append((once, f"{name}, {phase}"))
    slowest, which = max(taken)
    median = statistics.median(t for t, _ in taken)
    print(f"{f'build the graph of a model (median of {len(taken)})':<58}{median * 1e3:8.2f} ms")
    print(f"{f'build the slowest ({which})':<58}{slowest * 1e3:8.2f} ms")


if __name__ == "__main__":
    at_the_shell()
    in_the_process()
    products()
    building()
