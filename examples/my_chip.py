"""A template: copy this file, put your figures in, and let archsim say what does not fit together.

    archsim chips --check my_chip.py        what is missing, does not close, is out of physical range
    archsim chips my_chip.py --diagram my_chip.png
    archsim compare llama-3.1-8b --chips my_chip.py,h100-sxm,tpu-v5p

Claim. A definition whose figures come from one another closes: the clock, the arrays and the peak agree, the ports feed
the arrays, the memory is one that can be bought. One wrong digit breaks that, and the check names the figure.
"""

import archsim as sim
from archsim.units import GB, TFLOPS, GB_per_s, GHz, MiB, W, mm2, ns

# Who says so, and how far to trust it: published, published-unverified, derived (say from what), estimated (with the
# low and the high of the figure), hypothetical. One source may stand for a whole part, e.g. "memory".
SHEET = sim.Source("our datasheet, revision 3")
DESIGN = sim.Source("our architecture document, chapter 2", "hypothetical")

MY_CHIP = sim.Chip(
    name="my-chip", vendor="My Company", year=2025,
    clock=1.5 * GHz,
    cores=2,
    # A GPU has core=sim.GpuCore(tensor=sim.TensorCore(macs={...}), shared=sim.Scratchpad(...)) and needs a cache; a
    # chip of which only the peak is known, core=sim.RooflineCore(rates={"bf16": FLOP per cycle}).
    core=sim.SystolicCore(
        array=sim.MatrixArray(rows=128, cols=128, count=4, rows_per_cycle={"bf16": 1, "int8": 2}),
        vector=sim.VectorUnit(lanes=1024, alus=4),
        scratchpad=sim.Scratchpad(capacity=48 * MiB, read_bytes=8192, write_bytes=4096),
        dma_latency=700 * ns,
    ),
    memory=sim.Memory(type="HBM3", stacks=4, capacity=96 * GB, bandwidth=2900 * GB_per_s),
    # bandwidth: one way, all links together
    link=sim.Link(type="800 Gb Ethernet", bandwidth=400 * GB_per_s, count=4, topology="2D torus", pod=256),
    power=sim.Power(tdp=400 * W, idle=80 * W),
    die=sim.Die(process="TSMC N5", area=450 * mm2, count=1),
    price=8000.0,
    peaks={"bf16": 393 * TFLOPS, "int8": 786 * TFLOPS},  # as published: 2 x 4 x 128 x 128 x 2 x 1.5 GHz must meet them
    sources={
        "clock": SHEET, "cores": SHEET, "memory": SHEET, "link": SHEET, "peaks": SHEET, "year": SHEET,
        "core": sim.Source("defaults of archsim.hardware.systolic, derived there", "derived"),  # of what is not given
        "core.array": DESIGN, "core.vector": DESIGN, "core.scratchpad": DESIGN, "core.dma_latency": DESIGN,
        "core.array.rows_per_cycle": sim.Source("int8 twice bf16, by the ratio of the peaks", "derived"),
        "power.tdp": SHEET,
        "power.idle": sim.Source("a fifth of the TDP", "estimated", low=60.0, high=120.0),
        "die": SHEET,
        "price": sim.Source("list price, 2025-06"),
    },
)


def show(title: str, chip: sim.Chip) -> None:
    """Print what is wrong with a chip, and how much is only worth knowing."""
    found = sim.check(chip)
    print(f"{title}:")
    for finding in found:
        if finding.severity != "info":
            print(f"  {finding}")
    print("  " + ", ".join(f"{s}: {sum(f.severity == s for f in found)}" for s in ("error", "warn", "info")) + "\n")


if __name__ == "__main__":
    show("as it stands", MY_CHIP)
    show("with 128 B/cycle from the scratchpad", MY_CHIP.replace("core.scratchpad", read_bytes=128))
    show("with 15 GHz for 1.5", MY_CHIP.replace(clock=15 * GHz))
    print("Takeaway: a chip is a set of figures that must agree; check them before believing what they simulate.")
