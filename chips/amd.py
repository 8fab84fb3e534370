"""AMD Instinct: MI210, MI250(X) (CDNA 2), MI300X and MI325X (CDNA 3). A core is a compute unit (CU).

Matrix instructions (MFMA) take their operands from registers, which 64 KiB of LDS feed; accumulators are half of a
512 KiB register file. Each compute die (GCD of MI200, XCD of MI300) has an L2 of its own: data that all dies read are
copied into each, and MI300's dies share a 256 MB cache behind their L2s. Both dies of an MI250X are simulated as one
chip; software sees two, each a `mi250x-gcd`.
"""

from archsim.chips.gpu_defaults import ESTIMATED, LIBRARY
from archsim.chips.prices import price_source, usd
from archsim.chips.variants import variant

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.units import GB, MB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s, W, mm2, ns, pJ, us

_TE42 = "te42kyfo/gpu-benches @1c36d50"
_RRZE = "RRZE-HPC/gpu-benches, 2025-02"
_MFMA = "ROCm/amd_matrix_instruction_calculator"
_ROCM = "rocm.docs.amd.com, gpu-specs"
_ZEXRON = "zexron.com, MI250 and MI250X table"
_XPROF = "openxla/xprof xprof/utils/hardware_type_utils.cc, FLOP per CU and cycle"
_GENZ = "GenZ-LLM-Analyzer Systems/system_configs.py @091bdd0a"
_SWS = "SWS report, 2025-03-28"
_DEFAULTS = "defaults of archsim.hardware.memory: one level, in one partition"
_REFRESH = Source("writes reach 93 % on MI210 and 91 % on MI300X, what refreshing all banks at once leaves (350 ns "
                  f"of 3.9 us), where NVIDIA's reach 97 to 99 %: {_TE42}, RRZE-HPC/gpu-benches", "derived")
_QUEUE = Source("copies reach 84 % on MI210 in spite of that", "estimated", "75 % on MI300X, whose clocks fall to its "
                "power limit meanwhile", 64, 256)
_HBM_ENERGY = Source("DRAM alone: Jouppi et al., Ten Lessons, table 2: 31-56 pJ/B for HBM2", "estimated",
                     low=31 * pJ, high=56 * pJ)


def _sheet(name: str, note: str = "") -> Source:
    return Source(f"AMD {name}", "published-unverified", note)


_CDNA = "CDNA 2 and CDNA 3 white papers and data sheets"

CDNA_TILES = (
    (256, 256, 128), (256, 192, 128), (192, 256, 128), (256, 128, 128), (128, 256, 128), (192, 128, 128),
    (128, 192, 128), (256, 256, 64), (256, 192, 64), (192, 256, 64), (256, 128, 64), (128, 256, 64), (192, 128, 64),
    (128, 192, 64), (128, 128, 64), (128, 128, 128), (128, 64, 128), (64, 128, 128), (64, 64, 128), (64, 64, 64),
    (128, 64, 256), (64, 128, 256), (64, 64, 256), (128, 32, 128), (32, 128, 128), (64, 32, 128), (32, 64, 128),
    (128, 32, 256), (32, 128, 256), (64, 32, 256), (32, 64, 256), (128, 16, 256), (16, 128, 256), (64, 16, 256),
    (16, 64, 256), (32, 32, 256), (32, 16, 256), (16, 32, 256),
)
"""GEMM tiles (rows, columns, bytes of K per step): 256 x 256, 256 x 192 and 128 x 192 are those of AMD's best kernels
[gau-nernst/learn-cuda; ROCm/rocm-blogs, maximum achievable FLOPs, part 2]; a step of the largest fills the LDS while
the next one waits in registers. Thin ones, down to one matrix instruction of 16 rows, as hipBLASLt's libraries have."""

CDNA_ATTENTION_TILES = (
    (64, 128, 64, 64), (64, 64, 64, 64), (64, 16, 64, 64), (128, 128, 128, 128), (128, 64, 128, 128), (128, 16, 64, 64),
    (256, 128, 128, 128), (256, 128, 64, 64), (256, 64, 64, 64), (256, 16, 64, 64),
    (576, 64, 64, 64), (576, 64, 32, 32), (576, 64, 16, 16), (576, 16, 64, 64), (576, 16, 32, 32),
    (576, 16, 16, 16), (2048, 16, 16, 16),
)
"""Attention tiles (largest head dimension, query rows, keys, keys of a split): those of Composable Kernel's forward and
split kernels, 16 rows to decode, one matrix instruction high, and smaller ones for latent attention, whose 64 rows are
held by four wavefronts (mla_a8w8_qh64_1tg_16mx4_16nx1 of ROCm/aiter: 16 rows each, 16 keys)."""

_COMMON = {
    "core": LIBRARY, **ESTIMATED,
    "cache": Source(_DEFAULTS, "derived"),
    "core.shared.capacity": Source(_XPROF, note="LDS"),
    "core.shared.read_bytes": Source(_XPROF, note="LDS, 128 B/cycle"),
    "core.shared.write_bytes": Source("as its reads", "estimated"),
    "core.registers": Source("gau-nernst/learn-cuda", note="512 VGPRs per lane on 4 SIMDs"),
    "core.tensor.accumulators": Source("AGPRs, half of the register file", "derived"),
    "core.fp32_lanes": _sheet(_CDNA),
    "core.sfu": Source("a quarter of the 64 lanes", "estimated", low=8, high=16),
    "core.stages": Source("two in LDS where they fit, one in registers: gau-nernst/learn-cuda", "derived"),
    "core.through_registers": Source("loads to LDS pass through VGPRs: gau-nernst/learn-cuda"),
    "core.fill_bytes": Source(f"L1, 64 B/cycle, of which 61 are reached on MI300X: {_RRZE}, gpu-l1-cache"),
    "core.shared_latency": Source("LDS, about 64 cycles", "published-unverified"),
    "core.warp": _sheet(_CDNA, "wavefronts of 64"),
    "core.issue_lanes": Source("4 SIMDs of 16 lanes, which a wavefront takes for 4 cycles", "derived"),
    "core.load_lanes": Source("64 B/cycle of L1 are 16 lanes of 4 B", "derived"),
    "core.tiles": Source("tiles of AMD's best kernels: see CDNA_TILES", "derived"),
    "core.attention_tiles": Source("ROCm/composable_kernel, 01_fmha: see CDNA_ATTENTION_TILES", "published-unverified"),
    "memory.energy": _HBM_ENERGY,
}

CDNA2 = GpuCore(
    tensor=TensorCore(macs={"bf16": 512, "fp16": 512, "int8": 512, "fp32": 128}, cols=16, depth=8,
                      accumulators=256 * KiB),
    shared=Scratchpad(capacity=64 * KiB, read_bytes=128, write_bytes=128), registers=512 * KiB,
    fp32_lanes=64, l2_bytes=28, stages=3, through_registers=True, dispatch=0.49, launch=1.89 * us,
    stream_launch=1.9 * us, shared_latency=64, warp=64, load_lanes=16, issue_lanes=64,
    tiles=CDNA_TILES,
    attention_tiles=CDNA_ATTENTION_TILES,
)

MI210 = Chip(
    name="mi210", vendor="AMD", year=2022,
    clock=1.7 * GHz, cores=104, core=CDNA2,
    cache=Cache(capacity=8 * MiB, latency=142 * ns),
    memory=Memory(type="HBM2e", stacks=4, capacity=64 * GB, bandwidth=1638 * GB_per_s, efficiency=0.82,
                  write_efficiency=0.86, latency=365 * ns,
                  refresh="all-bank", write_queue=128),
    link=Link(type="Infinity Fabric", bandwidth=150 * GB_per_s, count=3, topology="fully connected", pod=4),
    power=Power(tdp=300 * W, idle=45 * W),
    die=Die(process="TSMC N6", area=724 * mm2, transistors=29.1e9, count=1, cores=112),
    peaks={"bf16": 181 * TFLOPS, "fp16": 181 * TFLOPS, "int8": 181 * TFLOPS, "fp32": 45.3 * TFLOPS},
    other_peaks={"fp32_vector": 22.6 * TFLOPS, "fp64": 22.6 * TFLOPS, "fp64_matrix": 45.3 * TFLOPS},
    sources={
        **_COMMON,
        "year": _sheet("MI210 data sheet"), "clock": Source(_TE42), "cores": _sheet("MI210 data sheet"),
        "core.tensor.macs": Source(f"cycles of the matrix instructions: {_MFMA}", "derived",
                                   "XProf prints 2048 FLOP per CU, twice as many: it takes a module for a die"),
        "core.tensor.cols": Source(f"16x16x16: {_MFMA}"),
        "core.tensor.depth": Source(f"16x16x16 issues for 32 cycles and ends 2 passes of 4 cycles later: {_MFMA}",
                                    "published-unverified"),
        "core.dispatch": Source(f"830 blocks/us: {_TE42}, gpu-small-kernels", "derived"),
        "core.launch": Source(f"intercept of dependent small kernels in a replayed graph: {_TE42}", "derived"),
        "core.stream_launch": Source(f"the same in a stream: {_TE42}", "derived", "a graph gains nothing"),
        "cache.capacity": Source(_TE42, note="full speed to 6-8 MB"),
        "core.l2_bytes": Source(f"4.8 to 5.1 TB/s to 5 MB, 104 CUs at 1.7 GHz: {_TE42}, gpu-l2-cache", "derived"),
        "cache.latency": Source(f"236 to 248 cycles: {_TE42}"),
        "memory": _sheet("MI210 data sheet"),
        "memory.refresh": _REFRESH, "memory.write_queue": _QUEUE,
        "memory.efficiency": Source(f"1345 GB/s read, where writes reach 1526: {_TE42}"),
        "memory.write_efficiency": Source(f"1 / (2 / copy - 1 / read) with copies at 1375 GB/s: {_TE42}", "derived"),
        "memory.latency": Source(f"570 to 670 cycles: {_TE42}"),
        "link": _sheet("MI210 data sheet", "3 Infinity Fabric links, 300 GB/s both ways"),
        "power.tdp": _sheet("MI210 data sheet"),
        "power.idle": Source("not published", "estimated", low=35 * W, high=55 * W),
        "die": _sheet(_CDNA), "peaks": _sheet("MI210 data sheet"), "other_peaks": _sheet("MI210 data sheet"),
    },
)

_TWO_DIES = ("two dies (GCDs) that software sees as two devices, simulated as one chip",)
_TWICE = Source(f"two dies of MI210's, {_TE42}", "derived")

MI250X = variant(MI210, "mi250x", {
    "year": (2021, Source(_ZEXRON)),
    "cores": (220, Source(_ZEXRON, note="2 x 110")),
    "cache.capacity": (16 * MiB, _sheet(_CDNA, "8 MiB per die")),
    "cache.partitions": (2, _sheet(_CDNA, "one L2 per die")),
    "core.dispatch": (0.98, _TWICE),
    "memory.stacks": (8, Source(_ZEXRON)),
    "memory.capacity": (128 * GB, Source(_ZEXRON)),
    "memory.bandwidth": (3277 * GB_per_s, Source(_ZEXRON)),
    "link": (Link(type="Infinity Fabric", bandwidth=400 * GB_per_s, count=8, topology="mesh", pod=8), Source(
        _ROCM, note="8 Infinity Fabric links, 800 GB/s both ways")),
    "power.tdp": (500 * W, Source("yobitel.com, MI250", note="560 W at most")),
    "power.idle": (90 * W, Source("two dies of MI210's", "estimated", low=70 * W, high=110 * W)),
    "die": (Die(process="TSMC N6", area=1448 * mm2, transistors=58.2e9, count=2, cores=224), _sheet(_CDNA)),
    "peaks": ({"bf16": 383 * TFLOPS, "fp16": 383 * TFLOPS, "int8": 383 * TFLOPS, "fp32": 95.7 * TFLOPS},
              Source(_ZEXRON)),
    "other_peaks": ({"fp32_vector": 47.9 * TFLOPS, "fp64": 47.9 * TFLOPS, "fp64_matrix": 95.7 * TFLOPS},
                    Source(_ZEXRON)),
}, notes=_TWO_DIES)

_HALF = Source(_ZEXRON, "derived", "half of the package's")

MI250X_GCD = variant(MI210, "mi250x-gcd", {
    "year": (2021, Source(_ZEXRON)),
    "cores": (110, Source(_ZEXRON, note="of 220")),
    "link": (Link(type="Infinity Fabric", bandwidth=200 * GB_per_s, count=4, topology="mesh", pod=16), Source(
        _ROCM, "derived", "half of the package's, which its two dies also share with each other")),
    "power.tdp": (250 * W, Source("yobitel.com, MI250", "derived", "half of the package's")),
    "peaks": ({dtype: peak / 2 for dtype, peak in (MI250X.peaks or {}).items()}, _HALF),
    "other_peaks": ({name: peak / 2 for name, peak in (MI250X.other_peaks or {}).items()}, _HALF),
}, notes=("one of the two dies of an MI250X, which is what software sees as a device",))

MI250 = variant(MI250X, "mi250", {
    "cores": (208, Source(_ZEXRON, note="2 x 104")),
    "link": (Link(type="Infinity Fabric", bandwidth=300 * GB_per_s, count=6, topology="mesh", pod=8), _sheet(
        "MI250 data sheet", "6 Infinity Fabric links of 100 GB/s both ways")),
    "peaks": ({"bf16": 362.1 * TFLOPS, "fp16": 362.1 * TFLOPS, "int8": 362.1 * TFLOPS, "fp32": 90.5 * TFLOPS},
              Source(_ZEXRON)),
    "other_peaks": ({"fp32_vector": 45.3 * TFLOPS, "fp64": 45.3 * TFLOPS, "fp64_matrix": 90.5 * TFLOPS},
                    Source(_ZEXRON)),
}, notes=_TWO_DIES)

_EIGHT_DIES = ("eight compute dies on four base dies: each has its own 4 MiB L2, and all share what is behind",)

CDNA3 = GpuCore(
    tensor=TensorCore(macs={"bf16": 1024, "fp16": 1024, "tf32": 512, "fp8": 2048, "int8": 2048, "fp32": 128},
                      cols=16, depth=8, accumulators=256 * KiB),
    shared=Scratchpad(capacity=64 * KiB, read_bytes=128, write_bytes=128), registers=512 * KiB,
    fp32_lanes=128, l2_bytes=43, stages=3, through_registers=True, dispatch=3.9, launch=1.89 * us,
    stream_launch=1.9 * us, shared_latency=64, warp=64, load_lanes=16, issue_lanes=64,
    tiles=CDNA_TILES,
    attention_tiles=CDNA_ATTENTION_TILES,
)

MI300X = Chip(
    name="mi300x", vendor="AMD", year=2023,
    clock=2.1 * GHz, cores=304,
    core=CDNA3,
    cache=Cache(capacity=32 * MiB, latency=102 * ns, partitions=8,
                beyond=Cache(capacity=256 * MB, bandwidth=12.4 * TB_per_s, latency=218 * ns)),
    memory=Memory(type="HBM3", stacks=8, capacity=192 * GB, bandwidth=5300 * GB_per_s, efficiency=0.79,
                  latency=420 * ns,
                  refresh="all-bank", write_queue=128),
    link=Link(type="Infinity Fabric", bandwidth=448 * GB_per_s, count=7, topology="fully connected", pod=8),
    power=Power(tdp=750 * W, idle=170 * W, voltage=0.913, voltage_clock=1.45 * GHz),
    die=Die(process="TSMC N5", area=2400 * mm2, transistors=153e9, count=8, cores=320,
            base=Die(process="TSMC N6", area=1480 * mm2, count=4)),
    price=usd("mi300x"),
    peaks={"bf16": 1307.4 * TFLOPS, "fp16": 1307.4 * TFLOPS, "tf32": 653.7 * TFLOPS, "fp8": 2614.9 * TFLOPS,
           "int8": 2614.9 * TFLOPS, "fp32": 163.4 * TFLOPS},
    other_peaks={"fp32_vector": 163.4 * TFLOPS, "fp64": 81.7 * TFLOPS, "fp64_matrix": 163.4 * TFLOPS,
                 "bf16_sparse": 2614.9 * TFLOPS, "fp8_sparse": 5229.8 * TFLOPS},
    notes=_EIGHT_DIES,
    sources={
        **_COMMON,
        "year": Source(_ROCM), "clock": _sheet(_CDNA), "cores": Source(_ROCM, note="38 of 40 per die"),
        "core.tensor.macs": Source(_XPROF, note=f"{_MFMA} agrees"),
        "core.tensor.cols": Source(f"16x16x16: {_MFMA}"),
        "core.tensor.depth": Source(f"16x16x16 issues for 16 cycles and ends 2 passes of 4 cycles later: {_MFMA}",
                                    "published-unverified"),
        "core.dispatch": Source(f"MI210's for each of eight dies: {_TE42}", "estimated", low=0.49, high=3.9),
        "core.launch": Source(f"as MI210: {_TE42}", "estimated"),
        "core.stream_launch": Source(f"as MI210: {_TE42}", "estimated"),
        "core.l2_bytes": Source(f"27.5 TB/s of 304 CUs at 2.1 GHz: {_RRZE}, gpu-l2-cache", "derived"),
        "cache.capacity": _sheet(_CDNA, "8 x 4 MiB"),
        "cache.partitions": _sheet(_CDNA, "one L2 per compute die"),
        "cache.latency": Source(f"213 cycles at 2.09 GHz, to 4 MB: {_RRZE}"),
        "cache.beyond": Source(_DEFAULTS, "derived"),
        "cache.beyond.capacity": _sheet(_CDNA, "Infinity Cache"),
        "cache.beyond.bandwidth": Source(f"at 11.8 MB: {_RRZE}, gpu-l2-cache", note="17.2 TB/s nominal"),
        "cache.beyond.latency": Source(f"456 cycles at 2.09 GHz: {_RRZE}"),
        "memory": Source(_ROCM), "memory.bandwidth": Source(_GENZ),
        "memory.refresh": _REFRESH, "memory.write_queue": _QUEUE,
        "memory.efficiency": Source(f"4199 GB/s read, where writes reach 4801: {_RRZE}", note="copies 3997"),
        "memory.latency": Source(f"880 cycles: {_RRZE}"),
        "link": Source(_ROCM, note="7 links, 896 GB/s both ways"),
        "power.tdp": _sheet(_CDNA),
        "power.idle": Source("not published", "estimated", low=120 * W, high=190 * W),
        "power.voltage": Source(
            f"fp32 FMA at the limit, 750 W: 1401 to 1476 MHz, 4.3 pJ/FLOP [{_RRZE}, roofline], over the 3.33 that one "
            "takes at 5 nm and 0.8 V", "derived", low=0.84, high=0.98),
        "power.voltage_clock": Source(f"the clock of that measurement: {_RRZE}"),
        "die": _sheet(_CDNA),
        "die.base": _sheet(_CDNA, "four IODs with Infinity Cache, HBM and links"),
        "die.base.area": Source("4 x 370 mm2", "estimated", low=1360 * mm2, high=1520 * mm2),
        "die.area": Source("8 x 115 mm2 and 4 x 370 mm2, stacked", "estimated", "secondary sources print 1725",
                           1725 * mm2, 2400 * mm2),
        "price": price_source("mi300x"),
        "peaks": _sheet(_CDNA), "peaks.bf16": Source(_GENZ), "peaks.fp16": Source(_GENZ), "other_peaks": _sheet(_CDNA),
    },
)

MI325X = variant(MI300X, "mi325x", {
    "year": (2024, Source(_SWS)),
    "memory.type": ("HBM3e", Source(_SWS)),
    "memory.capacity": (256 * GB, Source(_ROCM)),
    "memory.bandwidth": (6000 * GB_per_s, Source(_SWS)),
    "power.tdp": (1000 * W, Source(_SWS)),
    "peaks": (MI300X.peaks, Source(_GENZ, note="printed as 1300 in bf16")),
    "other_peaks": (MI300X.other_peaks, _sheet(_CDNA)),
}, notes=_EIGHT_DIES)

CHIPS: tuple[Chip, ...] = (MI210, MI250, MI250X, MI250X_GCD, MI300X, MI325X)
"""Every chip of this module."""
