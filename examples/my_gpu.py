"""A template for GPUs: what a datasheet prints is given, the rest is alike on machines with such matrix instructions.

    archsim chips --check my_gpu.py         what is missing, does not close, is out of physical range
    archsim gemm 4096 4096 4096 --chip my_gpu.py
    archsim validate measured.csv --chip my_gpu.py      our error on your own measurements

Claim. A datasheet prints a dozen of a GPU's hundred figures. Give those, say of which kind its matrix instructions are,
and it is timed within 10 % of a definition with every latency and bandwidth that others have measured.
"""

import archsim as sim
from archsim.timing import time
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s, W, mm2
from archsim.workload import MatMul

MY_GPU = sim.Chip(
    name="my-gpu", vendor="My Company", year=2022,
    clock=1.83 * GHz,  # of matrix work: the one that closes the peaks, 132 x 2048 x 2 x 1.83 GHz = 989 TFLOP/s
    boost=1.98 * GHz,  # the highest, at which other kernels run
    cores=132,  # SMs or CUs in use
    core=sim.GpuCore(
        tensor=sim.TensorCore(
            # multiply-adds per cycle and SM: dense peak / (2 x cores x clock); peaks with sparsity are twice as high
            macs={"bf16": 2048, "fp16": 2048, "tf32": 1024, "fp8": 4096, "int8": 4096},
            # which kind? none of the two: a warp multiplies registers (mma.sync, MFMA: A100, L40S, MI300X);
            asynchronous=True,  # an instruction reads shared memory beside the warps (wgmma: H100);
            tensor_memory=False,  # and adds up outside the registers, for pairs of SMs (tcgen05: B200): both True
        ),
        # what one block may take of shared memory (LDS), and its 32 banks of 4 bytes
        shared=sim.Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        registers=256 * KiB,
        fp32_lanes=128,  # fp32 cores of one SM: vector peak / (2 x cores x clock); 64 on A100 and CDNA 2
    ),
    # two partitions where L2 lies on both sides of a large die, or on two dies; `far` of the bandwidth is left between
    cache=sim.Cache(capacity=50 * MiB, partitions=2, far=0.87),
    memory=sim.Memory(type="HBM3", stacks=5, capacity=80 * GB, bandwidth=3350 * GB_per_s),
    power=sim.Power(tdp=700 * W, idle=70 * W),
    die=sim.Die(process="TSMC 4N", area=814 * mm2, count=1),  # without a process, no power limit is simulated
    peaks={"bf16": 989.4 * TFLOPS, "fp8": 1978.9 * TFLOPS},
    sources={
        **dict.fromkeys(("year", "clock", "boost", "cores", "cache", "memory", "power", "die", "peaks"),
                        sim.Source("H100 datasheet and white paper")),
        "core": sim.Source("defaults of archsim.hardware.gpu, derived there", "derived"),  # of what is not given
        "core.tensor.macs": sim.Source("dense peaks over 2 x cores x clock", "derived"),
        "core.shared": sim.Source("programming guide of the vendor"),
        "cache.far": sim.Source("as measured on H100 and H200", "estimated", low=0.81, high=0.93),
    },
)

if __name__ == "__main__":
    # Another product of a known generation shares its core: take that chip, and give what its datasheet says otherwise.
    h200 = sim.chips.get("h100-sxm").replace(name="my-h200").replace(
        "memory", type="HBM3e", stacks=6, capacity=141 * GB, bandwidth=4.8 * TB_per_s)
    mi210 = sim.chips.get("mi250x-gcd").replace(name="my-mi210", cores=104).replace("power", tdp=300 * W)

    print(f"{'product':<22}{'my-gpu, h100-sxm':>24}{'my-h200, h200':>24}{'my-mi210, mi210':>24}")
    for m, n, k in [(1, 8192, 8192), (64, 4096, 4096), (512, 28672, 8192), (8192, 8192, 8192)]:
        row = f"{f'{m} x {n} x {k}':<22}"
        for chip, like in ((MY_GPU, "h100-sxm"), (h200, "h200"), (mi210, "mi210")):
            mine, known = (time(MatMul(m=m, n=n, k=k, weights=True), c).seconds for c in (chip, sim.chips.get(like)))
            assert abs(mine / known - 1) < 0.1
            row += f"{mine * 1e6:11.1f} us {mine / known - 1:+7.1%}"
        print(row)
    print("\nTakeaway: what a generation of GPUs has in common need not be measured again for each of them.")
