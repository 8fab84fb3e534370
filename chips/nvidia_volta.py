"""NVIDIA Volta and Turing: V100, T4, Quadro RTX. Their tensor cores take fp16 (Turing also int8 and int4), no bf16."""

from archsim.chips import nvidia_sources as nv
from archsim.chips.nvidia_sources import sheet
from archsim.chips.variants import variant

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, W, mm2, ns

_VOLTA = "Volta white paper and V100 datasheet"
_QUADRO = "Turing white paper and Quadro RTX datasheets"
_PCIE3 = Link(type="PCIe 3.0 x16", bandwidth=16 * GB_per_s, count=1)
_FP64 = Source(nv.SOOCHOW)

V100 = Chip(
    name="v100-sxm2", vendor="NVIDIA", year=2017,
    clock=1.53 * GHz, cores=80,
    core=GpuCore(
        tensor=TensorCore(macs={"fp16": 512}, depth=22, cols=16),
        shared=Scratchpad(capacity=96 * KiB, read_bytes=128, write_bytes=128),
        fp32_lanes=64, l2_bytes=22, stages=2, through_registers=True,
    ),
    cache=Cache(capacity=6 * MiB, latency=156 * ns),
    memory=Memory(type="HBM2", stacks=4, capacity=16 * GB, bandwidth=900 * GB_per_s,
                  latency=314 * ns),
    link=Link(type="NVLink 2", bandwidth=150 * GB_per_s, count=6, topology="hybrid cube mesh", pod=8),
    host=_PCIE3.bandwidth, power=Power(tdp=300 * W, idle=55 * W),
    die=Die(process="TSMC 12FFN", area=815 * mm2, transistors=21.1e9, count=1, cores=84),
    peaks={"fp16": 125 * TFLOPS}, other_peaks={"fp32_vector": 15.7 * TFLOPS, "fp64": 7.8 * TFLOPS},
    sources=nv.common(
        year=sheet(_VOLTA), clock=sheet(_VOLTA), cores=sheet(_VOLTA),
        core__tensor__macs=Source(nv.XPROF),
        core__tensor__cols=Source("wmma 16x16x16", "published-unverified"),
        core__tensor__depth=Source("a whole wmma 16x16x16 takes 54 cycles, of which 32 arithmetic: Jia et al. / Raihan "
                                   "et al. 2019", "published-unverified", "GPGPU-Sim has 64 for all"),
        core__shared__capacity=sheet(_VOLTA, "128 KiB with L1"),
        core__stages=Source("one is filled while one is used", "derived"),
        core__through_registers=Source("loads to shared memory pass through registers before Ampere's cp.async",
                                       "published-unverified"),
        core__l2_bytes=Source(f"1760 B/cycle of all 80 SMs: {nv.TE42}, gpu-l2-cache", "derived", "25.6 nominal"),
        cache__capacity=sheet(_VOLTA),
        cache__latency=Source(f"215 cycles at 1.38 GHz: {nv.TE42}"),
        memory=sheet(_VOLTA),
        memory__energy=nv.HBM_ENERGY, memory__latency=Source(f"428 to 437 cycles at 1.38 GHz: {nv.TE42}"),
        link=sheet(_VOLTA, "300 GB/s both ways"), link__pod=sheet("DGX-1"), link__topology=sheet("DGX-1"),
        host=sheet(_VOLTA, "PCIe 3.0 x16, 32 GB/s both ways"),
        power__tdp=sheet(_VOLTA),
        power__idle=Source("AccelWattch: 32.3 W constant and 0.283 W for each of 80 idle SMs", "derived"),
        die=sheet(_VOLTA), peaks=sheet(_VOLTA), other_peaks=_FP64,
    ),
)

V100_32GB = variant(V100, "v100-sxm2-32gb", {
    "year": (2018, sheet("announcement at GTC 2018")),
    "memory.capacity": (32 * GB, sheet(_VOLTA)),
    "peaks": (V100.peaks, sheet(_VOLTA)), "other_peaks": (V100.other_peaks, _FP64),
})

V100_PCIE = variant(V100, "v100-pcie", {
    "clock": (1.38 * GHz, sheet(_VOLTA)),
    "link": (_PCIE3, sheet(_VOLTA, "no NVLink")),
    "power.tdp": (250 * W, Source(nv.GUOHAI)),
    "peaks": ({"fp16": 112 * TFLOPS}, Source(nv.VIEWER)),
    "other_peaks": ({"fp32_vector": 14 * TFLOPS, "fp64": 7 * TFLOPS, "int8_dp4a": 62 * TFLOPS}, Source(
        nv.GUOHAI, note="int8 runs on the vector units (DP4A); 62 is the figure of the SXM2 clock")),
}, notes=("also sold with 32 GB",), sources={"host": Source(nv.GUOHAI, note="32 GB/s both ways")})

V100S_PCIE = variant(V100, "v100s-pcie", {
    "year": (2019, sheet("announcement at SC19")),
    "clock": (1.597 * GHz, sheet(_VOLTA)),
    "memory.capacity": (32 * GB, sheet(_VOLTA)),
    "memory.bandwidth": (1134 * GB_per_s, Source(nv.SOOCHOW)),
    "link": (_PCIE3, sheet(_VOLTA, "no NVLink")),
    "power.tdp": (250 * W, Source(nv.SOOCHOW)),
    "peaks": ({"fp16": 130 * TFLOPS}, sheet(_VOLTA)),
    "other_peaks": ({"fp32_vector": 16.4 * TFLOPS, "fp64": 8.2 * TFLOPS}, Source(nv.SOOCHOW)),
})

_GDDR_READ = Source(f"as L40: {nv.TE42}", "estimated")

RTX5000 = Chip(
    name="quadro-rtx-5000", vendor="NVIDIA", year=2018,
    clock=1.815 * GHz, cores=48,
    core=GpuCore(
        tensor=TensorCore(macs={"fp16": 512, "int8": 1024, "int4": 2048}),
        shared=Scratchpad(capacity=64 * KiB, read_bytes=128, write_bytes=128),
        fp32_lanes=64, l2_bytes=20, stages=2, through_registers=True,
    ),
    cache=Cache(capacity=4 * MiB, latency=111 * ns),
    memory=Memory(type="GDDR6", stacks=8, capacity=16 * GB, bandwidth=448 * GB_per_s,
                  energy=56e-12, latency=254 * ns),
    link=_PCIE3,
    power=Power(tdp=265 * W, idle=20 * W),
    die=Die(process="TSMC 12FFN", area=545 * mm2, transistors=13.6e9, count=1, cores=48),
    peaks={"fp16": 89.2 * TFLOPS}, other_peaks={"fp32_vector": 11.2 * TFLOPS},
    sources=nv.common(
        year=sheet(_QUADRO), clock=sheet(_QUADRO), cores=sheet(_QUADRO),
        core__tensor__macs=Source(nv.XPROF, note="int8 and int4 by the ratios of the white paper"),
        core__shared__capacity=Source(nv.GUIDE, "published-unverified"),
        core__stages=Source("one is filled while one is used", "derived"),
        core__through_registers=Source("loads to shared memory pass through registers before Ampere's cp.async",
                                       "published-unverified"),
        core__l2_bytes=nv.L2_ESTIMATE, cache__capacity=sheet(_QUADRO),
        cache__latency=Source(f"as L40: {nv.TE42}", "estimated"),
        memory=sheet(_QUADRO), memory__stacks=sheet(_QUADRO, "256 bit"),
        memory__energy=nv.GDDR_ENERGY, memory__latency=_GDDR_READ,
        link=sheet(_QUADRO), power__tdp=sheet(_QUADRO),
        power__idle=Source("not published", "estimated", low=10 * W, high=30 * W),
        die=sheet(_QUADRO), peaks=sheet(_QUADRO), other_peaks=sheet(_QUADRO),
    ),
)

RTX4000 = variant(RTX5000, "quadro-rtx-4000", {
    "clock": (1.545 * GHz, sheet(_QUADRO)),
    "cores": (36, sheet(_QUADRO)),
    "memory.capacity": (8 * GB, sheet(_QUADRO)),
    "memory.bandwidth": (416 * GB_per_s, sheet(_QUADRO)),
    "power.tdp": (160 * W, sheet(_QUADRO)),
    "peaks": ({"fp16": 57.0 * TFLOPS}, sheet(_QUADRO)),
    "other_peaks": ({"fp32_vector": 7.1 * TFLOPS}, sheet(_QUADRO)),
})

T4 = variant(RTX5000, "t4", {
    "clock": (1.59 * GHz, sheet("T4 datasheet")),
    "cores": (40, sheet("T4 datasheet")),
    "memory.bandwidth": (320 * GB_per_s, sheet("T4 datasheet")),
    "power.tdp": (70 * W, sheet("T4 datasheet")),
    "power.idle": (10 * W, Source("not published", "estimated", low=8 * W, high=17 * W)),
    "peaks": ({"fp16": 65 * TFLOPS, "int8": 130 * TFLOPS, "int4": 260 * TFLOPS}, sheet("T4 datasheet")),
    "other_peaks": ({"fp32_vector": 8.1 * TFLOPS}, sheet("T4 datasheet")),
}, notes=("70 W hold its clock far below the 1.59 GHz of its peak",))

CHIPS: tuple[Chip, ...] = (V100, V100_32GB, V100_PCIE, V100S_PCIE, T4, RTX5000, RTX4000)
"""Every chip of this module."""
