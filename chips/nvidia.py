"""NVIDIA data-center GPUs.

Tensor rates are dense; `clock` is the one that closes the published tensor peak. What no datasheet prints (latencies,
L2 and achieved DRAM bandwidth, launch cost) is measured by others with microbenchmarks, each named.
"""

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.hardware.gpu import ASYNC_TILES
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s, W, mm2, ns, pJ, us

_TE42 = "te42kyfo/gpu-benches @1c36d50"
_XPROF = "openxla/xprof xprof/utils/hardware_type_utils.cc, FLOP per SM and cycle"
_LUO = "Luo et al., arXiv 2402.13499 / 2501.12084"
_SEMI = "SemiAnalysisAI/microbench-blackwell, 2026-05"
_GUIDE = "CUDA C++ Programming Guide, arithmetic throughput and technical specifications"
_AIC = "ai-dynamo/aiconfigurator systems/*.yaml @095f58a5"
_KLOCK = "glennklockwood.com/garden/processors"
_AZURE = "Azure/AI-benchmarking-guide"
_LIBRARY = Source("defaults of archsim.hardware.gpu, derived there", "derived")
_IDLE_NOTE = "energies of matrix work below are those above this figure"


def _common(**more: Source) -> dict[str, Source]:
    """Return sources that all chips of this file share, and `more` with ``__`` for the dots of a path."""
    shared = {
        "core": _LIBRARY,
        "core.shared": Source(f"{_GUIDE}: 32 banks of 4 B", "published-unverified"),
        "core.registers": Source(_GUIDE, "published-unverified"),
        "core.fp32_lanes": Source(_GUIDE, "published-unverified"),
        "core.sfu": Source(_GUIDE, "published-unverified"),
        "memory.energy": Source(
            "DRAM alone: Jouppi et al., Ten Lessons, table 2: 31-56 pJ/B for HBM2", "estimated",
            f"DRAM to SM end to end 117-122 pJ/B [{_TE42}, power fit]; what lies on chip is in core.tensor.energy"),
    }
    return {**shared, **{path.replace("__", "."): source for path, source in more.items()}}


A100 = Chip(
    name="a100-sxm-80gb", vendor="NVIDIA", year=2020,
    clock=1.41 * GHz, cores=108,
    core=GpuCore(
        tensor=TensorCore(macs={"bf16": 1024, "fp16": 1024, "tf32": 512, "int8": 2048}, latency=24.6,
                          energy={"bf16": 1.31 * pJ, "fp16": 1.31 * pJ}),
        shared=Scratchpad(capacity=163 * KiB, read_bytes=128, write_bytes=128),
        fp32_lanes=64, dispatch=0.95, launch=1.32 * us,
    ),
    cache=Cache(capacity=40 * MiB, bandwidth=4.0 * TB_per_s, latency=150 * ns),
    memory=Memory(type="HBM2e", capacity=80 * GB, bandwidth=2039 * GB_per_s, efficiency=0.87, write_efficiency=0.83,
                  latency=403 * ns),
    link=Link(bandwidth=300 * GB_per_s, count=12, topology="NVSwitch", pod=8),
    power=Power(tdp=400 * W, idle=55 * W),
    die=Die(process="TSMC N7", area=826 * mm2, transistors=54.2e9),
    price=15000.0,
    peaks={"bf16": 312 * TFLOPS, "fp16": 312 * TFLOPS, "tf32": 156 * TFLOPS, "int8": 624 * TFLOPS},
    sources=_common(
        year=Source("NVIDIA A100 whitepaper", "published-unverified"),
        clock=Source("PrincetonUniversity/LLMCompass configs @2e015fd2"),
        cores=Source("NVIDIA A100 whitepaper: 108 of 128 SM", "published-unverified"),
        core__tensor__macs=Source(_XPROF, note="tf32 and int8 by the ratio of the published peaks"),
        core__tensor__latency=Source(f"{_LUO}: m16n8k16 f16 to f32, 24.6 cycles"),
        core__tensor__energy=Source(
            f"(400 W - 55 W idle - 8 W HBM) / 257 TFLOP/s, sustained at 16384^3 with random data [{_AZURE}]", "derived",
            "bounds it from above, if the limit is reached; data-dependent, +-15 %"),
        core__dispatch=Source(f"1340 blocks/us: {_TE42}, gpu-small-kernels", "derived"),
        core__launch=Source(f"intercept of dependent small kernels in a replayed graph: {_TE42}", "derived"),
        cache__capacity=Source("PrincetonUniversity/LLMCompass configs @2e015fd2", note="2 partitions of 20 MiB"),
        cache__bandwidth=Source(f"{_TE42}, gpu-l2-cache, at 30 MB", note="5.4 TB/s up to 20 MB, where each partition "
                                "holds its own copy; LLMCompass has 5120 B/cycle, 7.2 TB/s"),
        cache__latency=Source(f"211 cycles near hit: {_TE42}, {_LUO} 208", note="357 cycles far hit"),
        memory__type=Source("NVIDIA A100 datasheet", "published-unverified"),
        memory__capacity=Source(_AIC), memory__bandwidth=Source(_AIC),
        memory__efficiency=Source(f"{_TE42}: 1769 GB/s read", note=f"{_AZURE} reads 1750"),
        memory__write_efficiency=Source(f"1 / (2 / copy - 1 / read) with copy 85 %, read 87 %: {_TE42}", "derived",
                                        f"{_AZURE} copies 79 %"),
        memory__latency=Source(f"568 cycles: {_TE42}"),
        link=Source("PrincetonUniversity/LLMCompass configs @2e015fd2"),
        link__topology=Source("NVIDIA HGX A100", "published-unverified"),
        link__pod=Source("NVIDIA HGX A100", "published-unverified"),
        power__tdp=Source(_AIC), power__idle=Source("50 to 60 W", "estimated", _IDLE_NOTE),
        die=Source("NVIDIA A100 whitepaper", "published-unverified"),
        price=Source("Guohai Securities report, 2024-02", "estimated"),
        peaks=Source(_AIC), peaks__tf32=Source("NVIDIA A100 whitepaper", "published-unverified"),
    ),
)

H100 = Chip(
    name="h100-sxm", vendor="NVIDIA", year=2022,
    clock=1.83 * GHz, cores=132,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 2048, "fp16": 2048, "tf32": 1024, "fp8": 4096, "int8": 4096},
            fetch_rows=64, fetch_cols=256, latency=20, asynchronous=True,
            energy={"bf16": 0.76 * pJ, "fp16": 0.76 * pJ, "fp8": 0.43 * pJ},
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        multicast=2, stages=7, dispatch=0.84, launch=1.23 * us, tiles=ASYNC_TILES,
    ),
    cache=Cache(capacity=50 * MiB, bandwidth=8.4 * TB_per_s, latency=150 * ns),
    memory=Memory(type="HBM3", capacity=80 * GB, bandwidth=3350 * GB_per_s, efficiency=0.95, write_efficiency=0.795,
                  latency=430 * ns),
    link=Link(bandwidth=450 * GB_per_s, count=18, topology="NVSwitch", pod=8),
    power=Power(tdp=700 * W, idle=70 * W),
    die=Die(process="TSMC 4N", area=814 * mm2, transistors=80e9),
    price=18000.0,
    peaks={"bf16": 989.4 * TFLOPS, "fp16": 989.4 * TFLOPS, "tf32": 494.7 * TFLOPS, "fp8": 1978.9 * TFLOPS,
           "int8": 1978.9 * TFLOPS},
    notes=("clock is that of tensor work; the SM runs at up to 1.98 GHz otherwise",),
    sources=_common(
        year=Source("NVIDIA H100 whitepaper", "published-unverified"),
        clock=Source(f"{_KLOCK}/h100: 1.83 GHz for tensor work, 1.98 GHz at most"),
        cores=Source(f"{_KLOCK}/h100: 132 of 144 SM"),
        core__tensor__macs=Source(_XPROF, note="tf32, fp8 and int8 by the ratio of the published peaks"),
        core__tensor__fetch_rows=Source(f"wgmma m64nNk16: {_LUO}"),
        core__tensor__fetch_cols=Source(f"wgmma m64nNk16, N up to 256: {_LUO}"),
        core__tensor__latency=Source(f"wgmma of N = 16 with operands in shared memory, 16 + N/4 cycles: {_LUO}",
                                     "derived", "wider ones last N/2 cycles, which their arithmetic covers"),
        core__tensor__asynchronous=Source(f"wgmma is asynchronous: {_LUO}"),
        core__tensor__energy=Source(
            "(700 W - 70 W idle - 20 W HBM) / 800 TFLOP/s bf16, and 1400 fp8, sustained with random data "
            f"[stas00/ml-engineering; {_AZURE}]", "derived",
            "bounds it from above, if the limit is reached; data-dependent, +-15 %"),
        core__multicast=Source("clusters of 2 with TMA multicast, as CUTLASS's kernels", "published-unverified"),
        core__stages=Source("227 KiB over 32 KiB stages, as DeepGEMM and CUTLASS", "derived"),
        core__dispatch=Source(f"1660 blocks/us on H200: {_TE42}, gpu-small-kernels", "derived"),
        core__launch=Source(f"intercept of dependent small kernels in a replayed graph, H200: {_TE42}", "derived"),
        cache__capacity=Source("NVIDIA H100 whitepaper", "published-unverified", "2 partitions of 25 MiB"),
        cache__bandwidth=Source(f"9.1 TB/s at 44 MB on H200 at 1.98 GHz: {_TE42}, scaled to 1.83 GHz", "derived",
                                "H100 PCIe: 7.0 to 28 MB, 5.7 TB/s at 40 MB"),
        cache__latency=Source(f"266 cycles near hit on H100 PCIe: {_TE42}", note="403 to 467 cycles far or mixed"),
        memory__type=Source(f"{_KLOCK}/h100"), memory__capacity=Source(_AIC), memory__bandwidth=Source(_AIC),
        memory__efficiency=Source(f"3180 to 3240 GB/s: {_AZURE}"),
        memory__write_efficiency=Source(f"1 / (2 / copy - 1 / read) with copy 87 %, read 96 %: {_AZURE}", "derived"),
        memory__latency=Source(f"649 to 657 cycles by load on H100 PCIe [{_TE42}], and 105 by TMA "
                               "[HPMLL/NVIDIA-Hopper-Benchmark]", "derived"),
        link=Source(_AIC), link__topology=Source("NVIDIA HGX H100", "published-unverified"),
        power__tdp=Source(_AIC), power__idle=Source("60 to 75 W, third-party benchmark", "estimated", _IDLE_NOTE),
        die__process=Source("NVIDIA H100 whitepaper", "published-unverified"),
        die__area=Source("siliconanalysts.com cost bridge, Epoch AI based"),
        die__transistors=Source(f"{_KLOCK}/h100"),
        price=Source("SWS report, 2025-03", "estimated", "25000 to 30000 in 2023; 36500 in Guohai 2024-02"),
        peaks=Source(f"{_KLOCK}/h100"),
    ),
)

B200 = Chip(
    name="b200", vendor="NVIDIA", year=2024,
    clock=1.856 * GHz, cores=148,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 4096, "fp16": 4096, "tf32": 2048, "fp8": 8192, "int8": 8192, "fp4": 16384},
            pair=2, fetch_rows=128, fetch_cols=256, latency=32, asynchronous=True, tensor_memory=True,
            accumulators=256 * KiB, energy={"bf16": 0.47 * pJ, "fp16": 0.47 * pJ, "fp8": 0.24 * pJ},
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        fill_bytes=128, multicast=2, stages=7, dispatch=0.84, launch=1.23 * us, tiles=ASYNC_TILES,
    ),
    cache=Cache(capacity=126 * MiB, bandwidth=21 * TB_per_s, latency=159 * ns),
    memory=Memory(type="HBM3e", capacity=192 * GB, bandwidth=8 * TB_per_s, efficiency=0.91, latency=458 * ns),
    link=Link(bandwidth=900 * GB_per_s, count=18, topology="NVSwitch", pod=8),
    power=Power(tdp=1000 * W, idle=140 * W),
    die=Die(process="TSMC 4NP", area=1600 * mm2, transistors=208e9),
    price=33000.0,
    peaks={"bf16": 2250 * TFLOPS, "fp16": 2250 * TFLOPS, "fp8": 4500 * TFLOPS, "int8": 4500 * TFLOPS,
           "fp4": 9000 * TFLOPS},
    notes=("two dies; traffic between them is not modelled",
           "the datasheet prints 1100 TFLOP/s tf32, a quarter of fp8 is 1125"),
    sources=_common(
        year=Source("NVIDIA Blackwell datasheet", "published-unverified"),
        clock=Source("closes the published 2250 TFLOP/s: 148 x 4096 x 2 x 1.856 GHz", "derived", "1.965 GHz at most"),
        cores=Source("chipsandcheese.com, B200: 148 of 160 SM"),
        core__tensor__macs=Source(f"8153 to 8161 FLOP/cycle/SM in bf16, twice in fp8 and int8, 4 x in fp4: {_SEMI}",
                                  note=f"{_XPROF} agrees; tf32 is half of bf16"),
        core__tensor__pair=Source(f"tcgen05.mma cta_group::2: {_SEMI}"),
        core__tensor__fetch_rows=Source(f"tcgen05.mma M = 128 per SM: {_SEMI}"),
        core__tensor__fetch_cols=Source(f"tcgen05.mma N = 256: {_SEMI}"),
        core__tensor__latency=Source(f"issue interval of the narrowest instruction, N = 64: {_SEMI}",
                                     note="completion takes 104 + A/128 + N/2 cycles, but instructions queue"),
        core__tensor__asynchronous=Source(f"tcgen05.mma is asynchronous: {_SEMI}"),
        core__tensor__tensor_memory=Source("TMEM, 256 KB per SM: developer.nvidia.com/blog inside-blackwell-ultra"),
        core__tensor__accumulators=Source("TMEM, 256 KB per SM: developer.nvidia.com/blog inside-blackwell-ultra"),
        core__tensor__energy=Source(
            "(1000 W - 140 W idle - 40 W HBM) / 1745 TFLOP/s bf16, and 3432 fp8, best measured [stas00/ml-engineering]",
            "derived", "bounds it from above, if the limit is reached; data-dependent, +-15 %"),
        core__fill_bytes=Source(f"one SM alone fetches 122 B/cycle: {_SEMI}", "derived"),
        core__multicast=Source(f"SM pairs and clusters of 2: {_SEMI}"),
        core__stages=Source("227 KiB over 32 KiB stages, as DeepGEMM and CUTLASS", "derived"),
        core__dispatch=Source(f"as H200: {_TE42}", "estimated"),
        core__launch=Source(f"as H200: {_TE42}", "estimated"),
        cache__capacity=Source("126 MB, markdewing/AI_kernels reads 126.5", "estimated"),
        cache__bandwidth=Source("not published; about 21 TB/s, 76 B/cycle/SM", "estimated",
                                f"at least 13.3 TB/s into shared memory with multicast: {_SEMI}"),
        cache__latency=Source("295 cycles: markdewing/AI_kernels", note="about 300 more from the other die"),
        memory__type=Source(f"{_KLOCK}/B200"),
        memory__capacity=Source("NVIDIA Blackwell datasheet", note="HGX ships 180 GB"),
        memory__bandwidth=Source("NVIDIA Blackwell datasheet", note="HGX 7700 GB/s"),
        memory__efficiency=Source(f"7260 GB/s by TMA: {_SEMI}"),
        memory__write_efficiency=Source("default of archsim.hardware.memory", "estimated"),
        memory__latency=Source(f"900 cycles round trip of a 512 B TMA load: {_SEMI}"),
        link=Source(_AIC), link__topology=Source("NVIDIA HGX B200", "published-unverified"),
        power__tdp=Source("NVIDIA Blackwell datasheet"),
        power__idle=Source("not published", "estimated", _IDLE_NOTE),
        die__process=Source("developer.nvidia.com/blog inside-nvidia-blackwell-ultra"),
        die__area=Source("two reticle-limited dies of about 800 mm2", "estimated"),
        die__transistors=Source("developer.nvidia.com/blog inside-nvidia-blackwell-ultra"),
        price=Source("SWS report, 2025-03", "estimated", "30000 to 40000 elsewhere"),
        peaks=Source("NVIDIA Blackwell datasheet: sparse figures, dense = half"), peaks__fp4=Source(f"{_KLOCK}/B200"),
    ),
)

CHIPS: tuple[Chip, ...] = (A100, H100, B200)
"""Every chip of this module."""
