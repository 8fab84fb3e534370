"""NVIDIA data-center GPUs. Tensor rates are dense; `clock` is the one that closes the published tensor peak."""

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.hardware.gpu import ASYNC_TILES
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s, W, mm2, ns, us

pJ = 1e-12  # joules

_BENCHES = "te42kyfo/gpu-benches @1c36d50"
_XPROF = "openxla/xprof hardware_type_utils.cc, FLOP per SM and cycle"
_LUO = "Luo et al., Dissecting Hopper via microbenchmarking, arXiv 2402.13499 / 2501.12084"
_SEMI = "SemiAnalysisAI/microbench-blackwell, 2026-05"
_GUIDE = "CUDA C++ Programming Guide, arithmetic throughput and technical specification tables"
_A100 = "NVIDIA A100 whitepaper / datasheet"
_H100 = "NVIDIA H100 whitepaper / datasheet"
_B200 = "NVIDIA Blackwell datasheet table (sparse figures, dense = half)"
_KLOCK = "glennklockwood.com/garden/processors"
_AIC = "ai-dynamo/aiconfigurator systems/*.yaml @095f58a5"
_BLOG = "developer.nvidia.com/blog inside-nvidia-blackwell-ultra"

A100 = Chip(
    name="a100-sxm-80gb", vendor="NVIDIA", year=2020,
    clock=1.41 * GHz, cores=108,
    core=GpuCore(
        tensor=TensorCore(macs={"bf16": 1024, "fp16": 1024, "tf32": 512, "int8": 2048}, latency=24.6,
                          energy={"bf16": 1.31 * pJ, "fp16": 1.31 * pJ}),
        shared=Scratchpad(capacity=163 * KiB, read_bytes=128, write_bytes=128),
        registers=256 * KiB, fp32_lanes=64, sfu=16, fill_bytes=64, dispatch=0.95, launch=1.32 * us,
    ),
    cache=Cache(capacity=40 * MiB, bandwidth=4.0 * TB_per_s, latency=150 * ns),
    memory=Memory(capacity=80 * GB, bandwidth=2039 * GB_per_s, efficiency=0.87, latency=403 * ns, type="HBM2e"),
    link=Link(bandwidth=300 * GB_per_s, count=12, topology="NVSwitch", pod=8),
    power=Power(tdp=400 * W, idle=55 * W),
    die=Die(process="TSMC N7", area=826 * mm2, transistors=54.2e9),
    price=15000.0,
    peaks={"bf16": 312 * TFLOPS, "fp16": 312 * TFLOPS, "tf32": 156 * TFLOPS, "int8": 624 * TFLOPS},
)

H100 = Chip(
    name="h100-sxm", vendor="NVIDIA", year=2022,
    clock=1.83 * GHz, cores=132,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 2048, "fp16": 2048, "tf32": 1024, "fp8": 4096, "int8": 4096},
            fetch_rows=64, fetch_cols=256, latency=20, asynchronous=True,
            energy={"bf16": 0.76 * pJ, "fp16": 0.76 * pJ, "fp8": 0.40 * pJ},
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        registers=256 * KiB, fp32_lanes=128, sfu=16, fill_bytes=64, multicast=2, stages=7, tiles=ASYNC_TILES, dispatch=0.84,
        launch=1.23 * us,
    ),
    cache=Cache(capacity=50 * MiB, bandwidth=8.4 * TB_per_s, latency=150 * ns),
    memory=Memory(capacity=80 * GB, bandwidth=3350 * GB_per_s, efficiency=0.95, latency=430 * ns, type="HBM3"),
    link=Link(bandwidth=450 * GB_per_s, count=18, topology="NVSwitch", pod=8),
    power=Power(tdp=700 * W, idle=70 * W),
    die=Die(process="TSMC 4N", area=814 * mm2, transistors=80e9),
    price=18000.0,
    peaks={"bf16": 989.4 * TFLOPS, "fp16": 989.4 * TFLOPS, "tf32": 494.7 * TFLOPS, "fp8": 1978.9 * TFLOPS,
           "int8": 1978.9 * TFLOPS},
)

B200 = Chip(
    name="b200", vendor="NVIDIA", year=2024,
    clock=1.856 * GHz, cores=148,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 4096, "fp16": 4096, "tf32": 2048, "fp8": 8192, "int8": 8192, "fp4": 16384},
            pair=2, fetch_rows=128, fetch_cols=256, latency=32, asynchronous=True, tensor_memory=True,
            accumulators=256 * KiB,
            energy={"bf16": 0.47 * pJ, "fp16": 0.47 * pJ, "fp8": 0.24 * pJ},
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        registers=256 * KiB, fp32_lanes=128, sfu=16, fill_bytes=128, multicast=2, stages=7, tiles=ASYNC_TILES, dispatch=0.84,
        launch=1.23 * us,
    ),
    cache=Cache(capacity=126 * MiB, bandwidth=21 * TB_per_s, latency=159 * ns),
    memory=Memory(capacity=192 * GB, bandwidth=8 * TB_per_s, efficiency=0.91, latency=458 * ns, type="HBM3e"),
    link=Link(bandwidth=900 * GB_per_s, count=18, topology="NVSwitch", pod=8),
    power=Power(tdp=1000 * W, idle=140 * W),
    die=Die(process="TSMC 4NP", area=1600 * mm2, transistors=208e9),
    price=33000.0,
    peaks={"bf16": 2250 * TFLOPS, "fp16": 2250 * TFLOPS, "tf32": 1100 * TFLOPS, "fp8": 4500 * TFLOPS,
           "int8": 4500 * TFLOPS, "fp4": 9000 * TFLOPS},
)

CHIPS: tuple[Chip, ...] = (A100, H100, B200)
"""Every chip of this module."""
