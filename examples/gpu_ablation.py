"""What each piece of physics buys: from a roofline to a GPU, one piece at a time, against published products.

Claim. A roofline knows what a GPU could do and nothing of how: it is 15 to 50 % too fast. Padding to tiles, waves of
blocks, the software pipeline of an SM, what L2 delivers, what HBM reaches, the start of a kernel and the power limit
each explain a part of that, and not the same part: latencies and launch matter where there is little to do, power where
there is much. Each piece is switched off by making a figure of the chip ideal, so anyone can do it to a chip of theirs.

The points are published ones (published_products.csv says where). LLMCompass's are by the host's clock, some 20 us of
which are the host's, so that short ones are left out. Its A100 did 278 TFLOP/s at 8192^3 in 50 calls, where Azure's did
254 for long: it may have had a higher power limit than the 400 W that are timed here, and power makes its rows worse
while it makes all others better. Give a table of your own:
python examples/gpu_ablation.py my_kernels.csv
"""

import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import archsim as sim
from archsim.explore.ablation import ablate
from archsim.explore.validate import load
from archsim.report import validation
from archsim.report.ablation_plot import ablation as draw

PUBLISHED = Path(__file__).parent / "published_products.csv"

if __name__ == "__main__":
    given = [a for a in sys.argv[1:] if a.endswith(".csv")]
    found = ablate(load(given[0] if given else PUBLISHED, resolve=sim.chips.get))
    print(validation.ablation(found))
    picture = Path(tempfile.gettempdir()) / "gpu_ablation.png"
    draw(found, picture)
    print(f"drawn: {picture}\n")
    for a in found:
        stages = list(a.errors.items())
        gains = {name: before - now for (_, before), (name, now) in pairwise(stages)}
        best = max(gains, key=lambda name: gains[name])
        print(f"{a.device}, {a.shapes} {a.op} in {a.dtype}: {stages[0][1]:.0f} % off as a roofline, "
              f"{stages[-1][1]:.0f} % with everything; '{best}' buys most, {gains[best]:.0f} points")
    print("\nTakeaway: no single correction makes a roofline right. What a product waits for depends on its shape, so "
          "every piece must be there, and each must be a figure of the chip to be right on the next one.")
