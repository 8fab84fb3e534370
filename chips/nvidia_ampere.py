"""NVIDIA Ampere and Ada: A100 with its PCIe and export variants, A30, A40, A10, RTX A cards; L40S, L40, L4."""

from archsim.chips import nvidia_sources as nv
from archsim.chips.nvidia_sources import sheet
from archsim.chips.prices import price_source, usd
from archsim.chips.variants import figure_at, variant

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, W, mm2, ns, pJ, us

_A100 = "A100 white paper and datasheet"
_CHANNELS = 40  # of 128 bit, 8 of each stack
_GA102 = "GA102 white paper, RTX A and A40 datasheets"
_ADA = "Ada white paper, L4, L40 and L40S datasheets"
_GUIDE = sheet("CUDA C++ programming guide, technical specifications by compute capability")
_PCIE4 = Link(type="PCIe 4.0 x16", bandwidth=32 * GB_per_s, count=1)
_HOST = Source(nv.GUOHAI, note="64 GB/s both ways")
_BRIDGE = Link(type="NVLink 3", bandwidth=300 * GB_per_s, count=12, topology="bridge of two", pod=2)

A100 = Chip(
    name="a100-sxm-80gb", vendor="NVIDIA", year=2020,
    clock=1.41 * GHz, cores=108,
    core=GpuCore(
        tensor=TensorCore(macs={"bf16": 1024, "fp16": 1024, "tf32": 512, "int8": 2048}),
        shared=Scratchpad(capacity=163 * KiB, read_bytes=128, write_bytes=128),
        fp32_lanes=64, l2_bytes=35.5, dispatch=0.95, launch=1.32 * us, stream_launch=2.61 * us,
    ),
    cache=Cache(capacity=40 * MiB, latency=150 * ns, partitions=2, far=0.74, far_latency=253 * ns),
    memory=Memory(type="HBM2e", stacks=5, capacity=80 * GB, bandwidth=2039 * GB_per_s, latency=403 * ns,
                  port=_CHANNELS * 32 * 1.41 * GB_per_s),
    link=Link(type="NVLink 3", bandwidth=300 * GB_per_s, count=12, topology="NVSwitch", pod=8), host=_PCIE4.bandwidth,
    power=Power(tdp=400 * W, idle=55 * W, voltage=0.83),
    die=Die(process="TSMC N7", area=826 * mm2, transistors=54.2e9, count=1, cores=128, stacks=6, cache=48 * MiB),
    price=usd("a100-sxm-80gb"),
    peaks={"bf16": 312 * TFLOPS, "fp16": 312 * TFLOPS, "tf32": 156 * TFLOPS, "int8": 624 * TFLOPS},
    other_peaks={"fp32_vector": 19.5 * TFLOPS, "fp64": 9.7 * TFLOPS, "fp64_matrix": 19.5 * TFLOPS,
                 "bf16_sparse": 624 * TFLOPS},
    sources=nv.common(
        year=sheet(_A100),
        clock=Source(nv.LLMCOMPASS),
        cores=sheet(_A100, "108 of 128 SM"),
        core__tensor__macs=Source(nv.XPROF, note="tf32 and int8 by the ratio of the published peaks"),
        core__tensor__depth=Source(f"m16n8k16 f16 to f32, 24.6 cycles, of which 8 arithmetic: {nv.LUO}"),
        core__l2_bytes=Source(f"5.4 TB/s of 108 SMs at 1.41 GHz, to 20 MB: {nv.TE42}, gpu-l2-cache", "derived",
                              "LLMCompass has 5120 B/cycle for all, 47 each"),
        core__dispatch=Source(f"1340 blocks/us: {nv.TE42}, gpu-small-kernels", "derived"),
        core__launch=Source(f"intercept of dependent small kernels in a replayed graph: {nv.TE42}", "derived"),
        core__stream_launch=Source(f"the same in a stream: {nv.TE42}", "derived"),
        cache__capacity=Source(nv.LLMCOMPASS, note="2 partitions of 20 MiB; its GA100.json has the full die's 48"),
        cache__far_latency=Source(f"357 cycles far hit: {nv.LUO}", note=f"408 to 484 with TLB misses: {nv.TE42}"),
        cache__partitions=Source(f"full speed up to 20 MB, half of it: {nv.TE42}, gpu-l2-cache"),
        cache__far=Source(f"4.0 of 5.4 TB/s at 30 MB: {nv.TE42}, gpu-l2-cache", "derived"),
        cache__latency=Source(f"211 cycles near hit: {nv.TE42}, {nv.LUO} 208", note="357 cycles far hit"),
        memory__type=sheet(_A100), memory__stacks=sheet(_A100),
        memory__capacity=Source(nv.AIC), memory__bandwidth=Source(nv.AIC),
        memory__port=Source("32 B per cycle of L2 from each of 40 channels", "estimated", "HBM2e outruns it; "
                            f"1769 GB/s read [{nv.TE42}], 1750 [{nv.AZURE}], where writes reach 1880 and the card of "
                            "40 GB reads 1490 of 1555", 1750 * GB_per_s, 1880 * GB_per_s),
        memory__energy=nv.HBM_ENERGY, memory__latency=Source(f"568 cycles: {nv.TE42}"),
        link=Source(nv.LLMCOMPASS, note="600 GB/s both ways"),
        link__topology=sheet("HGX A100"), link__pod=sheet("HGX A100"),
        host=sheet(_A100, "PCIe 4.0 x16, 64 GB/s both ways"),
        power__tdp=Source(nv.AIC),
        power__idle=Source("analyst judgement", "estimated", nv.IDLE_NOTE, 50 * W, 60 * W),
        power__voltage=Source(f"5.1 pJ: {nv.FP32_VOLTS}", "derived", low=0.78, high=0.90),
        die=sheet(_A100), price=price_source("a100-sxm-80gb"),
        peaks=Source(nv.AIC), peaks__tf32=sheet(_A100), other_peaks=Source(nv.SOOCHOW),
        other_peaks__bf16_sparse=sheet(_A100), other_peaks__fp64_matrix=sheet(_A100),
    ),
)

_SAME_PEAKS = {"peaks": (A100.peaks, Source(nv.AIC)), "other_peaks": (A100.other_peaks, Source(nv.SOOCHOW))}
_HBM_40GB = {
    "memory.type": ("HBM2", sheet(_A100)),
    "memory.capacity": (40 * GB, Source(nv.VIEWER)),
    "memory.bandwidth": (1555 * GB_per_s, Source(nv.VIEWER, note="GenZ has 1600")),
}

A100_40GB = variant(A100, "a100-sxm-40gb", {**_HBM_40GB, **_SAME_PEAKS})

A100_PCIE = variant(A100, "a100-pcie-80gb", {
    "year": (2021, sheet("announcement at ISC 2021", "A100 with 80 GB, as SXM, came in 2020-11")),
    "memory.bandwidth": (1935 * GB_per_s, Source(nv.AIC)),
    "link": (_BRIDGE, Source(nv.GUOHAI, note="600 GB/s both ways by a bridge of two cards")),
    "power.tdp": (300 * W, Source(nv.AIC)),
    **_SAME_PEAKS,
}, sources={"host": _HOST})

A100_PCIE_40GB = variant(A100_PCIE, "a100-pcie-40gb", {
    "year": (2020, sheet(_A100)), **_HBM_40GB, "power.tdp": (250 * W, sheet(_A100)), **_SAME_PEAKS})

A800_SXM = variant(A100, "a800-sxm-80gb", {
    "year": (2022, Source(nv.GUOHAI)),
    "link": (Link(type="NVLink 3", bandwidth=200 * GB_per_s, count=8, topology="NVSwitch", pod=8),
             Source(nv.GUOHAI, "derived", "400 GB/s both ways is 8 links of A100's")),
    **_SAME_PEAKS,
})

A800_PCIE = variant(A100_PCIE, "a800-pcie-80gb", {
    "year": (2022, Source(nv.GUOHAI)),
    "link": (Link(type="NVLink 3", bandwidth=200 * GB_per_s, count=8, topology="bridge of two", pod=2),
             Source(nv.GUOHAI, "derived", "400 GB/s both ways is 8 links of A100's")),
    **_SAME_PEAKS,
}, sources={"memory.bandwidth": Source(nv.VIEWER), "power.tdp": Source(nv.CCTV)})

A30 = variant(A100_PCIE_40GB, "a30", {
    "year": (2021, sheet("A30 datasheet")),
    "clock": (1.44 * GHz, sheet("A30 datasheet")),
    "cores": (56, sheet("A30 datasheet")),
    "cache.capacity": (24 * MiB, sheet("A30 datasheet")),
    "memory.stacks": (3, Source("3072 bit [NVIDIA A30 datasheet], at the 311 GB/s per stack of A100 40GB", "derived")),
    "memory.capacity": (24 * GB, sheet("A30 datasheet")),
    "memory.bandwidth": (933 * GB_per_s, sheet("A30 datasheet")),
    "link": (Link(type="NVLink 3", bandwidth=100 * GB_per_s, count=4, topology="bridge of two", pod=2),
             sheet("A30 datasheet")),
    "power.tdp": (165 * W, sheet("A30 datasheet")),
    "power.idle": (30 * W, Source("not published: A100's 55 W by SMs in use and stacks, 56 of 108 and 3 of 5",
                                  "estimated", nv.IDLE_NOTE, 25 * W, 40 * W)),
    "peaks": ({"bf16": 165 * TFLOPS, "fp16": 165 * TFLOPS, "tf32": 82 * TFLOPS, "int8": 330 * TFLOPS},
              sheet("A30 datasheet")),
})

_LIKE_L40 = Source(f"as L40: {nv.TE42}", "estimated")


def _tenth(watts: float) -> Source:
    return Source("not published: about a tenth of the design power", "estimated", nv.IDLE_NOTE, 0.05 * watts,
                  0.15 * watts)


A40 = Chip(
    name="a40", vendor="NVIDIA", year=2020,
    clock=1.74 * GHz, cores=84,
    core=GpuCore(
        tensor=TensorCore(macs={"bf16": 512, "fp16": 512, "tf32": 256, "int8": 1024, "int4": 2048},
                          depth=8.6),
        shared=Scratchpad(capacity=99 * KiB, read_bytes=128, write_bytes=128), l2_bytes=20, threads=1536, blocks=16,
    ),
    cache=Cache(capacity=6 * MiB, latency=111 * ns),
    memory=Memory(type="GDDR6", capacity=48 * GB, stacks=12, bandwidth=696 * GB_per_s,
                  energy=56 * pJ, latency=254 * ns),
    link=_PCIE4,
    power=Power(tdp=300 * W, idle=30 * W, floor=0.706),
    die=Die(process="Samsung 8N", area=628 * mm2, transistors=28.3e9, count=1, cores=84, cache=6 * MiB),
    peaks={"bf16": 149.7 * TFLOPS, "fp16": 149.7 * TFLOPS}, other_peaks={"fp32_vector": 37.4 * TFLOPS},
    sources=nv.common(
        year=sheet(_GA102), clock=sheet(_GA102), cores=sheet(_GA102),
        core__tensor__macs=Source(nv.XPROF, note="tf32, int8 and int4 by the ratios of the white paper"),
        core__tensor__depth=Source(f"as RTX 4090, m16n8k16 f16, 24.6 cycles, of which 16 arithmetic: {nv.LUO}",
                                   "estimated"),
        core__threads=_GUIDE, core__blocks=_GUIDE,
        core__shared__capacity=Source(nv.GUIDE, "published-unverified"),
        core__l2_bytes=nv.L2_ESTIMATE, cache__capacity=sheet(_GA102), cache__latency=_LIKE_L40,
        memory=sheet(_GA102), memory__stacks=sheet(_GA102, "384 bit"),
        memory__capacity=Source("CoreWeave price list, 2023-06"),
        memory__energy=nv.GDDR_ENERGY, memory__latency=_LIKE_L40,
        link=sheet(_GA102, "cards can also be bridged in pairs, 56 GB/s one way"), power__tdp=sheet(_GA102),
        power__idle=_tenth(300 * W),
        power__floor=Source("nvidia-smi at 1095 MHz: github.com/NVIDIA/nvidia-docker/issues/1447"),
        die=sheet(_GA102), peaks=sheet(_GA102), other_peaks=sheet(_GA102),
    ),
)


def _ga102(name: str, sms: int, ghz: float, bf16: float, fp32: float, memory: float, rate: float, watts: float,
           year: int = 2020, document: str = _GA102, l2: float = 6 * MiB, die: Die | None = None,
           bits: int = 384) -> Chip:
    """Return a card of A40's generation from its datasheet: SMs, GHz, TFLOP/s, GB, GB/s, W and bits of memory bus."""
    s = sheet(document)
    figures = {
        "year": year, "clock": ghz * GHz, "cores": sms, "cache.capacity": l2,
        "memory.capacity": memory * GB, "memory.bandwidth": rate * GB_per_s, "memory.stacks": bits // 32,
        "power.tdp": watts * W,
    }
    differs = {path: (value, s) for path, value in figures.items() if value != figure_at(A40, path)}
    return variant(A40, name, {
        **differs,
        "peaks": ({"bf16": bf16 * TFLOPS, "fp16": bf16 * TFLOPS}, s),
        "other_peaks": ({"fp32_vector": fp32 * TFLOPS}, s),
        **({"die": (die, s)} if die else {}),
        **({"power.idle": (watts / 10, _tenth(watts))} if "power.tdp" in differs else {}),
    }, sources=dict.fromkeys(figures, s))


RTX_A6000 = _ga102("rtx-a6000", 84, 1.800, 154.8, 38.7, 48, 768, 300)
RTX_A5000 = _ga102("rtx-a5000", 64, 1.695, 111.1, 27.8, 24, 768, 230, year=2021)
RTX_A4000 = _ga102("rtx-a4000", 48, 1.560, 76.7, 19.2, 16, 448, 140, year=2021, l2=4 * MiB, bits=256,
                    die=Die(process="Samsung 8N", area=392 * mm2, transistors=17.4e9, count=1, cores=48,
                            cache=4 * MiB))
A10 = _ga102("a10", 72, 1.695, 125.0, 31.2, 24, 600, 150, year=2021, document="A10 datasheet")

L40S = Chip(
    name="l40s", vendor="NVIDIA", year=2023,
    clock=2.52 * GHz, cores=142,
    core=GpuCore(
        tensor=TensorCore(macs={"bf16": 512, "fp16": 512, "tf32": 256, "fp8": 1024, "int8": 1024},
                          depth=8.6),
        shared=Scratchpad(capacity=99 * KiB, read_bytes=128, write_bytes=128),
        l2_bytes=14.7, dispatch=0.75, launch=0.96 * us, stream_launch=1.59 * us, threads=1536, blocks=24,
    ),
    cache=Cache(capacity=96 * MiB, latency=111 * ns),
    memory=Memory(type="GDDR6", capacity=48 * GB, stacks=12, bandwidth=864 * GB_per_s,
                  energy=56 * pJ, latency=254 * ns),
    link=_PCIE4,
    power=Power(tdp=350 * W, idle=35 * W, voltage=1.02, voltage_clock=2.49 * GHz, floor=0.88),
    die=Die(process="TSMC 4N", area=609 * mm2, transistors=76.3e9, count=1, cores=144, cache=96 * MiB),
    peaks={"bf16": 366.5 * TFLOPS, "fp16": 366.5 * TFLOPS, "tf32": 183 * TFLOPS, "fp8": 733 * TFLOPS,
           "int8": 733 * TFLOPS},
    other_peaks={"fp32_vector": 91.6 * TFLOPS},
    sources=nv.common(
        year=sheet(_ADA), clock=sheet(_ADA), cores=sheet(_ADA, "142 of 144 SM"),
        core__tensor__macs=Source("rates of AD102 with fp32 accumulation", "derived", "142 x 512 x 2 x 2.52 GHz"),
        core__tensor__depth=Source(f"RTX 4090, m16n8k16 f16, 24.6 cycles, of which 16 arithmetic: {nv.LUO}"),
        core__threads=_GUIDE, core__blocks=_GUIDE,
        core__shared__capacity=Source(nv.GUIDE, "published-unverified"),
        core__dispatch=Source(f"1850 blocks/us on L40: {nv.TE42}, gpu-small-kernels", "derived"),
        core__launch=Source(f"intercept of dependent small kernels in a replayed graph, L40: {nv.TE42}", "derived"),
        core__stream_launch=Source(f"the same in a stream, L40: {nv.TE42}", "derived"),
        core__l2_bytes=Source(f"5.2 TB/s of L40's 142 SMs at 2.49 GHz, flat to 92 MB: {nv.TE42}, gpu-l2-cache",
                              "derived"),
        cache__capacity=sheet(_ADA),
        cache__latency=Source(f"277 cycles on L40 at 2.49 GHz: {nv.TE42}", note="222 to 339 by SM: arXiv 2606.22588"),
        memory=sheet(_ADA),
        memory__energy=nv.GDDR_ENERGY, memory__latency=Source(f"632 cycles on L40 at 2.49 GHz: {nv.TE42}"),
        link=sheet(_ADA), power__tdp=sheet(_ADA),
        power__idle=Source("not published", "estimated", nv.IDLE_NOTE, 25 * W, 45 * W), die=sheet(_ADA),
        power__voltage=Source(f"5.4 pJ on L40: {nv.FP32_VOLTS}", "derived", low=0.95, high=1.07),
        power__voltage_clock=Source(f"L40's: {nv.TE42}"),
        power__floor=Source("L40 at its limit of 300 W: 39.7 fp32 TFLOP/s at 1.74 GHz, and 28.3 at 1.44 GHz with 845 "
                            f"GB/s, take alike per FLOP, 4.0 pJ: {nv.TE42}, roofline", "derived", low=0.80, high=0.92),
        peaks=sheet(_ADA, "half of the sparse figures; its dense bf16 and tf32 are printed at L40's clock: 362, 183"),
        other_peaks=sheet(_ADA),
    ),
)

L40 = variant(L40S, "l40", {
    "year": (2022, sheet(_ADA)),
    "clock": (2.49 * GHz, sheet(_ADA)),
    "core.tensor.macs": ({"bf16": 256, "fp16": 256, "tf32": 128, "fp8": 512, "int8": 512},
                         sheet(_ADA, "half of L40S's rates")),
    "power.tdp": (300 * W, sheet(_ADA)),
    "peaks": ({"bf16": 181 * TFLOPS, "fp16": 181 * TFLOPS, "tf32": 90.5 * TFLOPS, "fp8": 362 * TFLOPS,
               "int8": 362 * TFLOPS}, sheet(_ADA)),
    "other_peaks": ({"fp32_vector": 90.5 * TFLOPS}, sheet(_ADA)),
})

L4 = variant(L40S, "l4", {
    "clock": (2.04 * GHz, sheet(_ADA)),
    "cores": (58, sheet(_ADA)),
    "cache.capacity": (48 * MiB, sheet(_ADA)),
    "memory.capacity": (24 * GB, sheet(_ADA)),
    "memory.stacks": (6, sheet(_ADA, "192 bit")),
    "memory.bandwidth": (300 * GB_per_s, sheet(_ADA)),
    "power.tdp": (72 * W, sheet(_ADA)),
    "power.idle": (16 * W, Source("not published", "estimated", nv.IDLE_NOTE, 12 * W, 20 * W)),
    "die": (Die(process="TSMC 4N", area=294 * mm2, transistors=35.8e9, count=1, cores=60, cache=48 * MiB),
            sheet(_ADA)),
    "peaks": ({"bf16": 121 * TFLOPS, "fp16": 121 * TFLOPS, "tf32": 60.5 * TFLOPS, "fp8": 242.5 * TFLOPS,
               "int8": 242.5 * TFLOPS}, sheet(_ADA)),
    "other_peaks": ({"fp32_vector": 30.3 * TFLOPS}, sheet(_ADA)),
})

CHIPS: tuple[Chip, ...] = (A100, A100_40GB, A100_PCIE, A100_PCIE_40GB, A800_SXM, A800_PCIE, A30, A40, A10, RTX_A6000,
                           RTX_A5000, RTX_A4000, L40S, L40, L4)
"""Every chip of this module."""
