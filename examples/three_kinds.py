"""Three hypothetical chips of one size: a systolic machine, a GPU, and a chip of which only the peak is known.

Claim. All three do about 1 PFLOP/s in bf16 and read 4 TB/s, so a roofline cannot tell them apart. The cycle models
can: how the matrix engine is fed decides what is left of the peak in prefill. Decode reads memory, and there they meet.
"""

import archsim as sim
from archsim.units import GB, MB, TFLOPS, GHz, KiB, MiB, TB_per_s, W

MEMORY = sim.Memory(capacity=96 * GB, bandwidth=4 * TB_per_s)
POWER = sim.Power(tdp=700 * W)

SYSTOLIC = sim.Chip(
    name="systolic", clock=2 * GHz, cores=4,
    core=sim.SystolicCore(
        array=sim.MatrixArray(rows=256, cols=256),
        vector=sim.VectorUnit(lanes=1024, alus=4),
        scratchpad=sim.Scratchpad(capacity=48 * MiB, read_bytes=8192, write_bytes=4096),
    ),
    memory=MEMORY, power=POWER, price=8000,
)
GPU = sim.Chip(
    name="gpu", clock=1.8 * GHz, cores=136,
    core=sim.GpuCore(
        # instructions that read shared memory themselves and run beside the warps that issue them
        tensor=sim.TensorCore(macs={"bf16": 2048}, asynchronous=True),
        shared=sim.Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
    ),
    cache=sim.Cache(capacity=50 * MB, bandwidth=9 * TB_per_s),
    memory=MEMORY, power=POWER, price=8000,
)
PEAK_ONLY = sim.Chip(
    name="peak-only", clock=1 * GHz,
    core=sim.RooflineCore(rates={"bf16": 1000 * TFLOPS / GHz}, efficiency=1.0),
    memory=MEMORY, power=POWER, price=8000,
)

if __name__ == "__main__":
    model = sim.models.get("llama-3.1-8b")
    for phase, batch, sizes in (("prefill", 1, {"seq": 8192}), ("decode", 32, {"context": 2048})):
        print(f"{phase:<12}{'fidelity':<10}{'time':>10}{'MFU':>8}   bound")
        for chip in (SYSTOLIC, GPU, PEAK_ONLY):
            run = sim.simulate(sim.transformer(model, phase=phase, batch=batch, **sizes), chip)
            print(f"{chip.name:<12}{run.fidelity:<10}{run.time_s * 1e3:7.2f} ms{run.utilization:8.1%}   {run.bound}")
        print()
    print("Takeaway: a peak and a bandwidth are a promise; what a product gets of them depends on how it is fed.")
