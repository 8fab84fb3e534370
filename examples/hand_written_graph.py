"""A layer graph in ten lines: a network that no config.json describes.

Claim. A two-tower recommender (a wide gather, two small towers, one dot product per pair) is no transformer, yet the
same chips run it. Nearly all its parameters are in the table, and most of its time goes into moving and adding rows.
"""

import archsim as sim
from archsim import graph, ops

USERS, WIDTH, ITEMS = 65_536, 256, 100_000_000

g = graph.new("two-tower", tokens=USERS)
rows = graph.add(g, "table", ops.Gather(rows=32 * USERS, cols=WIDTH, entries=ITEMS))
mean = graph.add(g, "mean", ops.Elementwise(elements=USERS * WIDTH, inputs=32, ops=32, name="mean"), rows)
user = graph.add(g, "user", ops.MatMul(m=USERS, n=1024, k=WIDTH, weights=True), mean)
relu = graph.add(g, "relu", ops.Elementwise(elements=USERS * 1024, name="relu"), user)
item = graph.add(g, "item", ops.MatMul(m=USERS, n=WIDTH, k=1024, weights=True), relu)
graph.add(g, "score", ops.MatMul(m=1, n=1, k=WIDTH, batch=USERS), item, mean)

if __name__ == "__main__":
    graph.validate(g)
    print(graph.inspect(g))
    for name in ("tpu-v5p", "h100-sxm"):
        run = sim.simulate(g, sim.chips.get(name))
        slowest = max(run.ops, key=lambda o: o.time_s)
        print(f"\n{run.chip.name}: {run.time_s * 1e3:.2f} ms, {run.tokens_per_s / 1e6:.1f} M users/s, "
              f"{slowest.name} takes {slowest.time_s / run.time_s:.0%} and is bound by {slowest.time.bound}")
    print("\nTakeaway: a graph is operators and edges; whatever can be counted can be timed.")
