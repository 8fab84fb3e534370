"""Meta's inference accelerators, MTIA v1 and v2."""

from archsim.chips.rooflines import ROOFLINE_NOTE, roofline, roofline_sources

from archsim.hardware import Cache, Chip, Die, Memory, Power, Source
from archsim.units import GB, MB, TFLOPS, GB_per_s, GHz, TB_per_s, W, mm2

_PAPERS = Source("Meta, MTIA v1 (ISCA 2023), MTIA v2 blog and ISCA 2025", "published-unverified")
_V1 = Source("php.cn, MTIA v1")
_V2 = Source("techpowerup, MTIA v2")
_V2_DIE = Source("eenewseurope, MTIA v2")
_SWS = Source("SWS report, 2025-03-28")
_LATENCY = Source("default of archsim.hardware.memory", "estimated")

MTIA_V1 = Chip(
    name="mtia-v1", vendor="Meta", year=2023,
    **roofline({"fp16": 51.2 * TFLOPS, "int8": 102.4 * TFLOPS}, clock=0.8 * GHz, cores=64),
    cache=Cache(capacity=128 * MB, bandwidth=800 * GB_per_s),
    memory=Memory(type="LPDDR5", capacity=64 * GB, bandwidth=176 * GB_per_s),
    host=16 * GB_per_s, power=Power(tdp=25 * W),
    die=Die(process="TSMC 7nm", area=373 * mm2, count=1),
    notes=(ROOFLINE_NOTE, "64 PEs, 8 x 8; 1024 int8 MAC per PE and cycle would make 104.9: 102.4 is a round figure"),
    sources={
        **roofline_sources(_V1, _V1, _PAPERS), "year": Source(_V1.text, note="designed in 2020"),
        "cache": _PAPERS, "cache.latency": _LATENCY,
        "memory.type": _SWS, "memory.capacity": Source(_SWS.text, note="up to 128 GB"), "memory.bandwidth": _PAPERS,
        "host": Source(_PAPERS.text, _PAPERS.confidence, "PCIe 4.0 x8"),
        "power.tdp": _V1, "die": _V1, "die.area": _PAPERS, "die.count": _PAPERS,
    },
)

MTIA_V2 = Chip(
    name="mtia-v2", vendor="Meta", year=2024,
    **roofline({"bf16": 177 * TFLOPS, "fp16": 177 * TFLOPS, "int8": 354 * TFLOPS}, clock=1.35 * GHz, cores=64,
               vector=16),
    cache=Cache(capacity=256 * MB, bandwidth=2.7 * TB_per_s),
    memory=Memory(type="LPDDR5", capacity=128 * GB, bandwidth=204.8 * GB_per_s),
    host=32 * GB_per_s, power=Power(tdp=90 * W),
    die=Die(process="TSMC 5nm", area=421 * mm2, count=1),
    other_peaks={"fp32_vector": 2.76 * TFLOPS, "fp16_sparse": 354 * TFLOPS, "int8_sparse": 708 * TFLOPS},
    notes=(ROOFLINE_NOTE, "64 PEs, 8 x 8, of 2048 int8 or 1024 fp16 MAC per cycle",
           "press prints its 2.35e9 gates as transistors"),
    sources={
        **roofline_sources(_V2, _V2, _V2_DIE), "peaks.bf16": _SWS,
        "core.vector": Source("2.76 TFLOP/s fp32 / 2 / 64 / 1.35 GHz", "derived"),
        "year": Source(_V2.text, note="announced 2024-04, then in 16 regions; a roadmap of SWS has it in 2H25"),
        "cache": _V2_DIE, "cache.latency": _LATENCY,
        "memory.type": _SWS, "memory.capacity": Source(_V2.text, note="press: 128 GB per board of two chips"),
        "memory.bandwidth": _SWS,
        "host": Source(_PAPERS.text, _PAPERS.confidence, "PCIe 5.0 x8"),
        "power.tdp": _V2, "die": _V2, "die.area": _V2_DIE, "die.count": _V2_DIE, "other_peaks": _V2,
    },
)

CHIPS: tuple[Chip, ...] = (MTIA_V1, MTIA_V2)
"""Every chip of this module."""
