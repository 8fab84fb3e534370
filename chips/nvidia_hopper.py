"""NVIDIA Hopper: H100 as SXM, PCIe and NVL, H200, GH200, and the export variants H800 and H20."""

from archsim.chips import nvidia_sources as nv
from archsim.chips.nvidia_sources import sheet
from archsim.chips.prices import price_source, usd
from archsim.chips.variants import variant

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, W, mm2, ns, us

_H100 = "H100 white paper and datasheet"
_H20 = "zangshuxian.com, summary of H20"
_BRIDGE = Link(type="NVLink 4", bandwidth=300 * GB_per_s, count=12, topology="bridge of two", pod=2)

H100 = Chip(
    name="h100-sxm", vendor="NVIDIA", year=2022,
    clock=1.83 * GHz, boost=1.98 * GHz, cores=132,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 2048, "fp16": 2048, "tf32": 1024, "fp8": 4096, "int8": 4096},
            fetch_rows=64, fetch_cols=256, depth=0, asynchronous=True,
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        l2_bytes=36, multicast=2, stages=7, dispatch=0.84, launch=1.23 * us,
        stream_launch=2.44 * us,
    ),
    cache=Cache(capacity=50 * MiB, latency=147 * ns, partitions=2, far=0.87, far_latency=236 * ns),
    memory=Memory(type="HBM3", stacks=5, capacity=80 * GB, bandwidth=3350 * GB_per_s,
                  latency=360 * ns),
    link=Link(type="NVLink 4", bandwidth=450 * GB_per_s, count=18, topology="NVSwitch", pod=8), host=64 * GB_per_s,
    power=Power(tdp=700 * W, idle=70 * W, voltage=1.05, voltage_clock=1.98 * GHz),
    die=Die(process="TSMC 4N", area=814 * mm2, transistors=80e9, count=1, cores=144, stacks=6, cache=60 * MiB),
    price=usd("h100-sxm"),
    peaks={"bf16": 989.4 * TFLOPS, "fp16": 989.4 * TFLOPS, "tf32": 494.7 * TFLOPS, "fp8": 1978.9 * TFLOPS,
           "int8": 1978.9 * TFLOPS},
    other_peaks={"fp32_vector": 66.9 * TFLOPS, "fp64": 33.5 * TFLOPS, "fp64_matrix": 66.9 * TFLOPS,
                 "bf16_sparse": 1978.9 * TFLOPS, "fp8_sparse": 3957.8 * TFLOPS},
    notes=("clock is that of tensor work; the SM runs at up to 1.98 GHz otherwise",),
    sources=nv.common(
        year=sheet(_H100),
        clock=Source(f"{nv.KLOCK}/h100: 1.83 GHz for tensor work"),
        boost=Source(f"{nv.KLOCK}/h100: 1.98 GHz at most"),
        cores=Source(f"{nv.KLOCK}/h100: 132 of 144 SM", note="528 tensor cores; 576 is the full die"),
        core__tensor__macs=Source(nv.XPROF, note="tf32, fp8 and int8 by the ratio of the published peaks"),
        core__tensor__fetch_rows=Source(f"wgmma m64nNk16: {nv.LUO}"),
        core__tensor__fetch_cols=Source(f"wgmma m64nNk16, N up to 256: {nv.LUO}"),
        core__tensor__depth=Source(f"m64nNk16 lasts as long as it keeps the engine busy, N/2 cycles; 16 + N/4 where "
                                   f"narrow ones wait for operands from shared memory: {nv.LUO}"),
        core__tensor__asynchronous=Source(f"wgmma is asynchronous: {nv.LUO}"),
        core__l2_bytes=Source(f"35.0 on H100 PCIe (7.0 TB/s to 28 MB, 114 SMs at 1.755 GHz), 37.5 on H200 (9.8 TB/s to "
                              f"30 MB, 132 SMs at 1.98 GHz): {nv.TE42}, gpu-l2-cache", "derived",
                              "DeepGEMM's model has 6154 B/cycle for all, 46.6 each"),
        core__multicast=Source("clusters of 2 with TMA multicast, as CUTLASS's kernels", "published-unverified"),
        core__stages=Source("227 KiB over 32 KiB stages, as DeepGEMM and CUTLASS", "derived"),
        core__dispatch=Source(f"1660 blocks/us on H200: {nv.TE42}, gpu-small-kernels", "derived"),
        core__launch=Source(f"intercept of dependent small kernels in a replayed graph, H200: {nv.TE42}", "derived"),
        core__stream_launch=Source(f"the same in a stream, H200: {nv.TE42}", "derived"),
        cache__capacity=sheet(_H100, "2 partitions of 25 MiB"),
        cache__far_latency=Source(f"414 cycles far hit on H800 PCIe at 1.755 GHz: {nv.LUO}", "derived"),
        cache__partitions=Source(f"full speed up to about half of it, 28 MB on H100 PCIe: {nv.TE42}, gpu-l2-cache"),
        cache__far=Source(f"5.7 of 7.0 TB/s at 40 MB on H100 PCIe, 9.1 of 9.8 at 44 MB on H200: {nv.TE42}, "
                          "gpu-l2-cache", "derived", low=0.81, high=0.93),
        cache__latency=Source(f"266 cycles near hit on H100 PCIe at 1.755 GHz, 280 on H200 at 1.98: {nv.TE42}",
                              "derived", "403 to 467 cycles far or mixed"),
        memory__type=Source(f"{nv.KLOCK}/h100"), memory__capacity=Source(nv.AIC),
        memory__stacks=Source(f"{nv.KLOCK}/h100", note="5 of 6 sites in use: 5 x 16 = 80 GB"),
        memory__bandwidth=Source(nv.AIC, note="calculon has 3072"),
        memory__energy=nv.HBM_ENERGY,
        memory__latency=Source(f"649 to 657 cycles at 1.755 GHz on H100 PCIe, 689 at 1.98 on H200: {nv.TE42}",
                               "derived", f"H800: 556 from the near partition of L2, 744 from the far one: {nv.LUO}",
                               348 * ns, 372 * ns),
        link=Source(nv.AIC, note="900 GB/s both ways"), link__topology=sheet("HGX H100"),
        host=sheet(_H100, "PCIe 5.0 x16, 128 GB/s both ways"),
        power__tdp=Source(nv.AIC),
        power__idle=Source("api.serialalice.pt, third-party benchmark", "estimated", nv.IDLE_NOTE, 60 * W, 75 * W),
        power__voltage=Source(f"5.8 pJ on H200: {nv.FP32_VOLTS}", "derived", low=0.98, high=1.12),
        power__voltage_clock=Source(f"H200's: {nv.TE42}"),
        power__floor=Source("nvidia-smi of an idle H800: github.com/NVIDIA/DCGM/issues/120"),
        die__process=sheet(_H100), die__count=sheet(_H100),
        die__area=Source("siliconanalysts.com cost bridge, Epoch AI based"),
        die__transistors=Source(f"{nv.KLOCK}/h100"), die__cores=Source(f"{nv.KLOCK}/h100: 132 of 144 SM"),
        die__stacks=sheet(_H100, "12 memory controllers of 512 bits"), die__cache=sheet(_H100, "the full GH100"),
        price=price_source("h100-sxm"),
        peaks=Source(f"{nv.KLOCK}/h100", note="1979 in bf16 and 3958 in fp8 are with sparsity"),
        other_peaks=Source(f"{nv.KLOCK}/h100"),
    ),
)

_VECTOR = ({k: v for k, v in (H100.other_peaks or {}).items() if k != "fp64_matrix"}, Source(f"{nv.KLOCK}/h100"))
_BOOST = (H100.boost, Source(f"{nv.KLOCK}/h100: 1.98 GHz at most"))

H100_PCIE = variant(H100, "h100-pcie", {
    "clock": (1.62 * GHz, Source("closes the published 756.5 TFLOP/s: 114 x 2048 x 2 x 1.62 GHz", "derived")),
    "boost": (1.755 * GHz, sheet(_H100)),
    "cores": (114, sheet(_H100)),
    "memory.type": ("HBM2e", sheet(_H100)),
    "memory.bandwidth": (2000 * GB_per_s, Source(nv.AIC, note=f"2039 in {nv.TE42}")),
    "link": (_BRIDGE, Source(nv.GUOHAI, note="600 GB/s both ways by a bridge of two cards")),
    "power.tdp": (350 * W, Source(nv.AIC)),
    "power.idle": (50 * W, Source("not published", "estimated", nv.IDLE_NOTE, 40 * W, 60 * W)),
    "peaks": ({"bf16": 756.5 * TFLOPS, "fp16": 756.5 * TFLOPS, "fp8": 1513 * TFLOPS, "int8": 1513 * TFLOPS},
              Source(nv.AIC, note="1513 in bf16 is with sparsity")),
    "other_peaks": ({"fp32_vector": 51 * TFLOPS, "fp64": 26 * TFLOPS, "bf16_sparse": 1513 * TFLOPS},
                    Source(nv.GUOHAI)),
}, sources={"host": Source(nv.GUOHAI, note="PCIe 5.0, 128 GB/s both ways")})

H100_NVL = variant(H100_PCIE, "h100-nvl", {
    "year": (2023, sheet("H100 NVL datasheet")),
    "clock": (1.545 * GHz, Source("closes the published 835.5 TFLOP/s: 132 x 2048 x 2 x 1.545 GHz", "derived")),
    "boost": (1.785 * GHz, sheet("H100 NVL datasheet")),
    "cores": (132, sheet("H100 NVL datasheet")),
    "memory.type": ("HBM3", sheet("H100 NVL datasheet")),
    "memory.stacks": (6, sheet("H100 NVL datasheet")),
    "memory.capacity": (94 * GB, sheet("H100 NVL datasheet")),
    "memory.bandwidth": (3938 * GB_per_s, sheet("H100 NVL datasheet")),
    "power.tdp": (400 * W, sheet("H100 NVL datasheet")),
    "peaks": ({"bf16": 835.5 * TFLOPS, "fp16": 835.5 * TFLOPS, "fp8": 1670.5 * TFLOPS, "int8": 1670.5 * TFLOPS},
              sheet("H100 NVL datasheet", "half of the sparse figures")),
    "other_peaks": ({"fp32_vector": 60 * TFLOPS, "fp64": 30 * TFLOPS}, sheet("H100 NVL datasheet")),
})

H200 = variant(H100, "h200", {
    "year": (2024, sheet("H200 datasheet")),
    "boost": _BOOST,
    "memory.type": ("HBM3e", sheet("H200 datasheet")),
    "memory.stacks": (6, sheet("H200 datasheet")),
    "memory.capacity": (141 * GB, Source(nv.AIC)),
    "memory.bandwidth": (4800 * GB_per_s, Source(nv.AIC)),
    "power.idle": (80 * W, Source("80.3 W: api.serialalice.pt, third party", "estimated", nv.IDLE_NOTE, 70 * W,
                                  90 * W)),
    "peaks": ({"bf16": 989 * TFLOPS, "fp16": 989 * TFLOPS, "fp8": 1978 * TFLOPS, "int8": 1978 * TFLOPS},
              Source(nv.AIC)),
    "other_peaks": _VECTOR,
}, notes=H100.notes)

_GH200 = "GH200 Grace Hopper datasheet"

GH200 = variant(H100, "gh200", {
    "year": (2023, sheet(_GH200)),
    "boost": _BOOST,
    "cache.capacity": (60 * MiB, Source(nv.TE42, note="the whole die's")),
    "memory.stacks": (6, sheet(_GH200)),
    "memory.capacity": (96 * GB, sheet(_GH200, "also with 144 GB of HBM3e, 4.9 TB/s")),
    "memory.bandwidth": (4000 * GB_per_s, sheet(_GH200)),
    "link": (Link(type="NVLink 4", bandwidth=450 * GB_per_s, count=18, topology="NVSwitch", pod=32), sheet(
        "GH200 NVL32")),
    "host": (450 * GB_per_s, sheet(_GH200, "NVLink-C2C to its Grace processor, 900 GB/s both ways")),
    "power.tdp": (900 * W, Source("stas00/ml-engineering", note="450 to 1000 W for the module with its processor")),
    "peaks": ({"bf16": 990 * TFLOPS, "fp16": 990 * TFLOPS, "tf32": 494 * TFLOPS, "fp8": 1979 * TFLOPS,
               "int8": 1979 * TFLOPS}, sheet(_GH200, "half of the sparse figures")),
    "other_peaks": ({"fp32_vector": 67 * TFLOPS, "fp64": 34 * TFLOPS, "fp64_matrix": 67 * TFLOPS}, sheet(_GH200)),
}, notes=(*H100.notes, "the GPU of a Grace Hopper superchip"))

H800 = variant(H100, "h800", {
    "year": (2023, sheet("H800")),
    "boost": _BOOST,
    "link": (Link(type="NVLink 4", bandwidth=200 * GB_per_s, count=8, topology="NVSwitch", pod=8),
             sheet("H800", "400 GB/s both ways: 8 links of H100's")),
    "peaks": ({"bf16": 989 * TFLOPS, "fp16": 989 * TFLOPS}, sheet("H800")),
    "other_peaks": ({"fp64": 1 * TFLOPS}, sheet("H800", "capped for export")),
}, notes=H100.notes)

H20 = variant(H100, "h20", {
    "year": (2024, sheet("H20")),
    "clock": (1.853 * GHz, Source("closes the published 148 TFLOP/s: 78 x 512 x 2 x 1.853 GHz", "derived",
                                  "at H100's 1.83 GHz it would be 146.2")),
    "boost": (1.98 * GHz, Source(f"{nv.KLOCK}/h100: 1.98 GHz at most", "estimated",
                                 "fp32 closes at no Hopper clock: 39.5 TFLOP/s here, 44 printed")),
    "cores": (78, Source(_H20)),
    "core.tensor.macs": ({"bf16": 512, "fp16": 512, "tf32": 256, "fp8": 1024, "int8": 1024}, Source(
        "a quarter of H100's, solved from 148 TFLOP/s of 78 SMs", "derived", "capped for export")),
    "cache.capacity": (60 * MiB, Source("the whole die's, as GH200", "estimated", low=50 * MiB, high=60 * MiB)),
    "memory.stacks": (6, Source(nv.CCTV)),
    "memory.capacity": (96 * GB, Source(nv.CCTV)),
    "memory.bandwidth": (4000 * GB_per_s, Source(_H20)),
    "power.tdp": (400 * W, sheet("H20", f"550 W in {nv.CCTV}")),
    "price": (usd("h20"), price_source("h20")),
    "peaks": ({"bf16": 148 * TFLOPS, "fp16": 148 * TFLOPS, "tf32": 74 * TFLOPS, "fp8": 296 * TFLOPS,
               "int8": 296 * TFLOPS}, Source(_H20)),
    "other_peaks": ({"fp32_vector": 44 * TFLOPS, "fp64": 1 * TFLOPS}, Source(_H20)),
}, notes=("tensor rate capped to a quarter of H100's for export",), sources={
    "link": Source(nv.CCTV, "derived", "900 GB/s both ways: 18 links of H100's")})

CHIPS: tuple[Chip, ...] = (H100, H100_PCIE, H100_NVL, H200, GH200, H800, H20)
"""Every chip of this module."""
