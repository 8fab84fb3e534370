"""Documents on NVIDIA GPUs that several chips cite, and statements that hold for all of them."""

from archsim.chips.gpu_defaults import ESTIMATED, LIBRARY

from archsim.hardware import Source

TE42 = "te42kyfo/gpu-benches @1c36d50"
XPROF = "openxla/xprof xprof/utils/hardware_type_utils.cc, FLOP per SM and cycle"
LUO = "Luo et al., arXiv 2402.13499 / 2501.12084"
SEMI = "SemiAnalysisAI/microbench-blackwell, 2026-05"
GUIDE = "CUDA C++ Programming Guide, arithmetic throughput and technical specifications"
AIC = "ai-dynamo/aiconfigurator systems/*.yaml @095f58a5"
KLOCK = "glennklockwood.com/garden/processors"
AZURE = "Azure/AI-benchmarking-guide"
LLMCOMPASS = "PrincetonUniversity/LLMCompass configs @2e015fd2"
VIEWER = "hahnyuan/LLM-Viewer hardware_params.py @472f71f1"
ULTRA = "developer.nvidia.com/blog inside-nvidia-blackwell-ultra"
GUOHAI = "Guohai Securities report, 2024-02"
SOOCHOW = "Soochow Securities report, 2024-03"
CCTV = "CCTV comparison table, 2025-09-16, via udn.com and ettoday.net"
IDLE_NOTE = "energies of matrix work below are those above this figure"


def sheet(name: str, note: str = "") -> Source:
    """Return the source of a figure that is known from a datasheet or white paper which was not at hand."""
    return Source(f"NVIDIA {name}", "published-unverified", note)


def common(**more: Source) -> dict[str, Source]:
    """Return sources that all GPUs share, and `more` with ``__`` for the dots of a path."""
    shared = {
        "core": LIBRARY, **ESTIMATED,
        "core.shared": Source(f"{GUIDE}: 32 banks of 4 B", "published-unverified"),
        "core.registers": Source(GUIDE, "published-unverified"),
        "core.fp32_lanes": Source(GUIDE, "published-unverified"),
        "core.sfu": Source(GUIDE, "published-unverified"),
        "cache": Source("defaults of archsim.hardware.memory: one level, in one partition", "derived"),
    }
    return {**shared, **paths(**more)}


def paths(**sources: Source) -> dict[str, Source]:
    """Return `sources` by path: ``memory__bandwidth`` is ``memory.bandwidth``."""
    return {path.replace("__", "."): source for path, source in sources.items()}


L2_ESTIMATE = Source("not published: between 14.7 (L40) and 22 (V100), whose SMs multiply as fast", "estimated",
                     low=14.7, high=22)
"""Source of what the L2 of a generation that nobody measured gives each SM."""

HBM_ENERGY = Source("DRAM alone: Jouppi et al., Ten Lessons, table 2: 31-56 pJ/B for HBM2", "estimated",
                    f"DRAM to SM end to end 117-122 pJ/B [{TE42}, power fit]; what lies on chip is in "
                    "power.energy.fill and power.energy.l2", 31e-12, 56e-12)
FP32_VOLTS = (f"fits of power against fp32 FLOP/s of FMA kernels [{TE42}, roofline]: the square root of what a FLOP "
              "takes over the 4.75 pJ that it takes at 7 nm and 0.8 V (0.70 of it at 5 nm)")
GDDR_ENERGY = Source("about 7 pJ/bit for GDDR6, device and PHY", "estimated",
                     "Jouppi et al., Ten Lessons, table 2: 44-60 pJ/B", 44e-12, 60e-12)
