"""A hypothetical chip in ten lines: would one big array beat four small ones?

Claim. Four 128x128 arrays and one 256x256 array have the same peak. On a large matrix product they tie, and the big
array reads half as much from the scratchpad. On a small one the big array loses: most of it has nothing to do.
"""

import archsim as sim
from archsim.timing import time
from archsim.units import GB, GHz, MiB, TB_per_s, W
from archsim.workload import MatMul

FOUR_SMALL = sim.Chip(
    name="four-128",
    clock=1.5 * GHz,
    core=sim.SystolicCore(
        array=sim.MatrixArray(rows=128, cols=128, count=4),
        vector=sim.VectorUnit(lanes=1024, alus=4),
        scratchpad=sim.Scratchpad(capacity=64 * MiB, read_bytes=8192, write_bytes=4096),
    ),
    memory=sim.Memory(capacity=64 * GB, bandwidth=2 * TB_per_s),
    power=sim.Power(tdp=300 * W),
)
ONE_BIG = FOUR_SMALL.replace("core.array", rows=256, cols=256, count=1).replace(name="one-256")

if __name__ == "__main__":
    print(f"{'product':<22}{'chip':<10}{'time':>12}{'of peak':>10}{'scratchpad':>14}")
    for m, n, k in [(8192, 8192, 8192), (2048, 128, 128), (64, 4096, 4096)]:
        for chip in (FOUR_SMALL, ONE_BIG):
            t = time(MatMul(m=m, n=n, k=k, weights=True), chip)
            print(f"{f'{m} x {n} x {k}':<22}{chip.name:<10}{t.seconds * 1e6:9.2f} us{t.utilization:10.1%}"
                  f"{t.on_chip_bytes / 1e6:11.1f} MB")
    print("\nTakeaway: a larger array saves scratchpad traffic where matrices are large, and wastes itself where they "
          "are not.")
