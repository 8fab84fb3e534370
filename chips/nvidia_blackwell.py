"""NVIDIA Blackwell: B200, the GPU of GB200, and B300 with its GB300 variant. Two dies each, simulated as one."""

from archsim.chips import nvidia_sources as nv
from archsim.chips.nvidia_sources import sheet
from archsim.chips.prices import price_source, usd
from archsim.chips.variants import variant

from archsim.hardware import Cache, Chip, Die, GpuCore, Link, Memory, Power, Scratchpad, Source, TensorCore
from archsim.units import GB, TFLOPS, GB_per_s, GHz, KiB, MiB, TB_per_s, W, mm2, ns, us

_TABLE = Source("NVIDIA Blackwell datasheet table at zdszero.github.io", note="sparse figures; dense is half")
_TWO_DIES = "two dies; traffic between them is not modelled"

B200 = Chip(
    name="b200", vendor="NVIDIA", year=2024,
    clock=1.856 * GHz, boost=1.965 * GHz, cores=148,
    core=GpuCore(
        tensor=TensorCore(
            macs={"bf16": 4096, "fp16": 4096, "tf32": 2048, "fp8": 8192, "int8": 8192, "fp4": 16384},
            pair=2, fetch_rows=128, fetch_cols=256, depth=104, a_first=True,
            asynchronous=True, tensor_memory=True,
            accumulators=256 * KiB,
        ),
        shared=Scratchpad(capacity=227 * KiB, read_bytes=128, write_bytes=128),
        shared_one_port=False, fill_bytes=128, l2_bytes=72, multicast=2, stages=7, dispatch=0.84, launch=1.23 * us,
        stream_launch=2.44 * us,
    ),
    cache=Cache(capacity=126 * MiB, latency=150 * ns, partitions=2, far=0.87, far_latency=303 * ns),
    memory=Memory(type="HBM3e", stacks=8, capacity=192 * GB, bandwidth=8 * TB_per_s, latency=438 * ns),
    link=Link(type="NVLink 5", bandwidth=900 * GB_per_s, count=18, topology="NVSwitch", pod=8),
    power=Power(tdp=1000 * W, idle=140 * W, voltage=1.05),
    die=Die(process="TSMC 4NP", area=1600 * mm2, transistors=208e9, count=2, cores=160),
    price=usd("b200"),
    peaks={"bf16": 2250 * TFLOPS, "fp16": 2250 * TFLOPS, "fp8": 4500 * TFLOPS, "int8": 4500 * TFLOPS,
           "fp4": 9000 * TFLOPS},
    other_peaks={"fp32_vector": 75 * TFLOPS, "fp64": 37 * TFLOPS, "bf16_sparse": 4500 * TFLOPS,
                 "fp8_sparse": 9000 * TFLOPS, "fp4_sparse": 18000 * TFLOPS},
    notes=(_TWO_DIES, "the datasheet prints 1100 TFLOP/s tf32, a quarter of fp8 is 1125"),
    sources=nv.common(
        year=sheet("Blackwell datasheet"),
        clock=Source("closes the published 2250 TFLOP/s: 148 x 4096 x 2 x 1.856 GHz", "derived"),
        boost=Source("1.965 GHz seen at most", "published-unverified"),
        cores=Source("chipsandcheese.com, B200: 148 of 160 SM"),
        core__tensor__macs=Source(f"8153 to 8161 FLOP/cycle/SM in bf16, twice in fp8 and int8, 4 x in fp4: {nv.SEMI}",
                                  note=f"{nv.XPROF} agrees; tf32 is half of bf16"),
        core__tensor__pair=Source(f"tcgen05.mma cta_group::2: {nv.SEMI}"),
        core__tensor__fetch_rows=Source(f"tcgen05.mma M = 128 per SM: {nv.SEMI}"),
        core__tensor__fetch_cols=Source(f"tcgen05.mma N = 256: {nv.SEMI}"),
        core__tensor__depth=Source(f"result 104 + A/128 + N/2 cycles after the issue, one SM; 138 two SMs: {nv.SEMI}",
                                   "derived"),
        core__tensor__a_first=Source(f"A from shared memory adds its bytes / 128 to the latency: {nv.SEMI}", "derived"),
        core__shared_one_port=Source(f"122 B/cycle enter beside 128 that tiles of 128 x 128 read: {nv.SEMI}",
                                      "derived"),
        core__tensor__asynchronous=Source(f"tcgen05.mma is asynchronous: {nv.SEMI}"),
        core__tensor__tensor_memory=Source(f"TMEM, 256 KB per SM: {nv.ULTRA}"),
        core__tensor__accumulators=Source(f"TMEM, 256 KB per SM: {nv.ULTRA}"),
        core__fill_bytes=Source(f"one SM alone fetches 122 B/cycle: {nv.SEMI}", "derived"),
        core__l2_bytes=Source("not published: twice Hopper's, as its port; about 21 TB/s", "estimated",
                              f"from what enters shared memory with multicast, 13.3 TB/s [{nv.SEMI}], to the ports",
                              45, 128),
        core__multicast=Source(f"SM pairs and clusters of 2: {nv.SEMI}"),
        core__stages=Source("227 KiB over 32 KiB stages, as DeepGEMM and CUTLASS", "derived"),
        core__dispatch=Source(f"as H200: {nv.TE42}", "estimated", low=0.75, high=0.95),
        core__launch=Source(f"as H200: {nv.TE42}", "estimated", low=1.0 * us, high=1.9 * us),
        core__stream_launch=Source(f"as H200: {nv.TE42}", "estimated", low=1.6 * us, high=2.6 * us),
        cache__capacity=Source("126 MB, markdewing/AI_kernels reads 126.5", "estimated", low=120 * MiB,
                               high=128 * MiB),
        cache__far_latency=Source("about 300 cycles from die to die beyond a near hit: buzzberg, of SemiAnalysis",
                                  "published-unverified"),
        cache__partitions=Source("one in each die, as each half of Hopper's", "estimated"),
        cache__far=Source("as Hopper, whose partitions share a die", "estimated", low=0.5, high=1.0),
        cache__latency=Source("295 cycles at 1.965 GHz: markdewing/AI_kernels",
                              note="about 300 more from the other die"),
        memory__type=Source(f"{nv.KLOCK}/B200"), memory__stacks=Source(f"{nv.KLOCK}/B200"),
        memory__capacity=Source(_TABLE.text, note="HGX ships 180 GB"),
        memory__bandwidth=Source(_TABLE.text, note="HGX 7700 GB/s"),
        memory__energy=nv.HBM_ENERGY,
        memory__latency=Source("860 cycles at 1.965 GHz: markdewing/AI_kernels", note="round trip of a TMA load: 900 "
                               f"cycles for 512 B, 1038 for 4 KB [{nv.SEMI}]"),
        link=Source(nv.AIC, note="1800 GB/s both ways"), link__topology=sheet("HGX B200"),
        power__tdp=_TABLE,
        power__idle=Source("not published", "estimated", nv.IDLE_NOTE, 100 * W, 180 * W),
        power__voltage=Source("as H100 at its highest clock", "estimated", low=0.95, high=1.1),
        die__process=Source(nv.ULTRA), die__count=Source(nv.ULTRA),
        die__area=Source("two reticle-limited dies of about 800 mm2", "estimated", low=1500 * mm2, high=1660 * mm2),
        die__transistors=Source(nv.ULTRA), die__cores=Source(nv.ULTRA, note="160 SM in the full GPU"),
        price=price_source("b200"),
        peaks=_TABLE, peaks__fp4=Source(f"{nv.KLOCK}/B200"), other_peaks=_TABLE,
    ),
)

_NVL72 = Link(type="NVLink 5", bandwidth=900 * GB_per_s, count=18, topology="NVSwitch", pod=72)

GB200 = variant(B200, "gb200", {
    "clock": (2.008 * GHz, Source("closes the published 2500 TFLOP/s: 152 x 4096 x 2 x 2.008 GHz", "derived")),
    "cores": (152, Source("analyst judgement", "estimated", low=148, high=160)),
    "memory.capacity": (186 * GB, Source(_TABLE.text, note="192 GB raw")),
    "link": (_NVL72, Source(nv.AIC, note="NVL72; 1800 GB/s both ways")),
    "power.tdp": (1200 * W, Source(_TABLE.text, note="2700 W for two with their Grace processor")),
    "peaks": ({"bf16": 2500 * TFLOPS, "fp16": 2500 * TFLOPS, "fp8": 5000 * TFLOPS, "fp4": 10000 * TFLOPS},
              Source(nv.AIC)),
    "other_peaks": ({"fp32_vector": 80 * TFLOPS, "bf16_sparse": 5000 * TFLOPS, "fp8_sparse": 10000 * TFLOPS,
                     "fp4_sparse": 20000 * TFLOPS}, _TABLE),
}, notes=(_TWO_DIES, "one GPU of a GB200 superchip, which has two and a Grace processor"))

_B300_MACS = {"bf16": 4096, "fp16": 4096, "tf32": 2048, "fp8": 8192, "fp4": 24576}
_NO_INT8 = "int8 left the tensor cores: about 160 TOP/s remain on the vector units"

B300 = variant(B200, "b300", {
    "year": (2025, Source(nv.ULTRA)),
    "boost": (B200.boost, Source("as b200", "estimated")),
    "core.tensor.macs": (_B300_MACS, Source("as B200; fp4 1.5 times B200's, by the published peaks", "derived")),
    "core.sfu": (32, Source(f"twice Blackwell's: {nv.ULTRA}", "published-unverified",
                            "10.7 TeraExp/s: 160 x 32 x 2.08 GHz")),
    "memory.capacity": (288 * GB, Source(nv.AIC, note="nvidia-smi shows 275040 MiB")),
    "power.tdp": (1100 * W, Source(nv.AIC)),
    "peaks": ({"bf16": 2250 * TFLOPS, "fp16": 2250 * TFLOPS, "fp8": 4500 * TFLOPS, "fp4": 13125 * TFLOPS},
              Source(nv.AIC, note=f"fp4: {nv.KLOCK}/B300, which also has 14000")),
    "other_peaks": ({"fp32_vector": 75 * TFLOPS, "fp64": 1.25 * TFLOPS, "int8_vector": 153.5 * TFLOPS},
                    Source(f"{nv.KLOCK}/B300", note=f"int8: {nv.AIC}; {nv.KLOCK}/B300 lists 4500")),
}, notes=(_TWO_DIES, _NO_INT8), sources={"memory.bandwidth": Source(nv.AIC, note="HGX 7750 GB/s")})

GB300 = variant(B300, "gb300", {
    "clock": (1.907 * GHz, Source("closes the published 2500 TFLOP/s: 160 x 4096 x 2 x 1.907 GHz", "derived")),
    "cores": (160, Source(nv.ULTRA, "estimated", "the full GPU's; how many are in use is not published", 148, 160)),
    "link": (_NVL72, Source(nv.AIC, note="NVL72; 1800 GB/s both ways")),
    "power.tdp": (1400 * W, Source(nv.AIC)),
    "peaks": ({"bf16": 2500 * TFLOPS, "fp16": 2500 * TFLOPS, "fp8": 5000 * TFLOPS, "fp4": 15000 * TFLOPS},
              Source(nv.AIC)),
}, notes=(_TWO_DIES, _NO_INT8, "one GPU of a GB300 superchip, which has two and a Grace processor"))

CHIPS: tuple[Chip, ...] = (B200, GB200, B300, GB300)
"""Every chip of this module."""
