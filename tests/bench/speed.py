"""How fast archsim is, as ratios measured in one run. Prints a table; asserts nothing. Run: make bench."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

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
    """One simulation with an empty memo, and one matrix product with its mapping search."""
    import archsim as sim
    from archsim import timing
    from archsim.workload.ops import MatMul

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
        dice = random.Random(0)
        shapes = [MatMul(*(2 ** dice.uniform(0, 14) // 1 for _ in range(3)), weights=True) for _ in range(1000)]
        each = []
        for op in shapes:
            timing.time.cache_clear()
            start = time.perf_counter()
            timing.time(op, chip)
            each.append(time.perf_counter() - start)
        median = statistics.median(each)
        print(f"{f'one GEMM with mapping search on {name} (median of 1,000)':<58}{median * 1e6:8.1f} us "
              f"{155 / median:10,.0f} x faster than the 155 s that LLMCompass reports for one")


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
    building()
