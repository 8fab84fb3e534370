"""Documents on TPUs that several chips cite, and statements that hold for more than one of them."""

from archsim.hardware import Source

XLA = "openxla/xla@acb91cbace60 xla/benchmarks/core/platform_info.py"
JAX = "jax-ml/jax@04c63627 jax/_src/pallas/mosaic/tpu_info.py"
JAX_MXU = "jax-ml/jax tpu_info.py, later version with num_mxus (third-party copy)"
BOOK = "jax-ml/scaling-book@0819a7d8 tpus.md"
XPROF = "openxla/xprof@a27d00aa tpu_generic_utilization_utils.cc"
DUMPS = "T-K-233/Modeling-Google-TPU@2e549b3e, compiler dumps of v5e"
ISCA17 = "Jouppi et al., In-Datacenter Performance Analysis of a TPU, ISCA 2017"
CACM20 = "Jouppi et al., A Domain-Specific Supercomputer, CACM 2020"
HOTCHIPS20 = "Hot Chips 32, TPUv2 and TPUv3 (live coverage)"
ISCA21 = "Jouppi et al., Ten Lessons (TPUv4i), ISCA 2021, table 1"
ISCA23 = "Jouppi et al., TPU v4, ISCA 2023, table 4"
HOTCHIPS25 = "Hot Chips 2025, Ironwood (press coverage)"
SWS = "SWS report, 2025-03-28"

VREGS = "all 64 vector registers of 1024 float32 as sums of 4 arrays x 128 columns: 65536 / 512 = 128 rows"
STEP = Source("Pallas blocks of 128 on v5e (jax docs/pallas/tpu/matmul): 0.35-0.37 us a step less 194 cycles of load, "
              "stream and skew; v7's fixed cost of a copy (tpu-recipes), 1.56 us less both DMA latencies", "derived",
              "0.22-0.24 us and 0.27 us; 0.25 is taken for every TPU since v2, +-0.1 us")
PORTS = Source(f"2 loads + 1 store of a 4 KiB register per cycle: {XPROF} (v6e, v7)", "derived",
               "on v5e 3 x 4 KiB x 1.5 GHz = 18.4 TB/s, the 22 x HBM of the scaling book; v5e compiler dumps show "
               "up to 3 loads in one bundle")
SCOPED = Source(f"scoped VMEM limit of one kernel, 32 MiB, over the capacity: {XLA}", "derived",
                "the compiler's default; users raise it with xla_tpu_scoped_vmem_limit_kib (MaxText: 96 MiB on v6e)")
ALL_VMEM = Source("all: the 32 MiB that a kernel may fill on later chips exceed it", "estimated")
WRITES = Source("as reads: a copy, half of it writes, reaches the published sustained rate on v6e and v7",
                "derived", "tpu-recipes")
ENERGY = Source("usual for HBM: Jouppi et al., Ten Lessons, table 2, has 31-56 pJ/B for HBM2", "estimated",
                low=31e-12, high=56e-12)
MEMORY_LATENCY = Source("scalar-side latency is not published; nothing in a systolic core's timing uses it",
                        "estimated")
LIKE_V5E = Source(f"as v5e, whose array has the same size: {XLA}", "estimated")
LOAD_LIKE_V5E = Source(f"as v5e, whose array has the same size: {XLA}", "estimated",
                       "32 cycles per bf16 tile; a plain shift chain would take 128", 2, 8)
GRANULE = Source(f"one (8, 128) x 32 bit register of moving rows per matmul: {BOOK}")
DMA_LATENCY = Source(f"not published; v5p to v7 lie at 630-690 ns ({XLA})", "estimated", low=500e-9, high=1100e-9)
LANES = Source(f"rows of a register lie across its 128 lanes: {BOOK}")
CROSS_LANE_OLD = Source(f"as v6e: 2 units, 4 cycles per register of 1024: {XPROF}", "estimated",
                        "from one unit to twice as many", 256, 1024)
UNPACKED = Source("16-bit operands are unpacked to 32 bits and packed again, 3 slots in place of one: compiler dumps "
                  f"({DUMPS}); bf16 arithmetic begins with v6e ({BOOK})", "derived")
PACKED = Source(f"two bf16 elements per 32-bit lane from v6e on: {BOOK}; jax docs/pallas")
EXP = Source("one register of 1024 results per cycle at most", "estimated", "the unit's rate is not published")
ARRAY = {
    "core.array.dataflows": Source(f"weights stay in the array, rows stream past them: {DUMPS}"),
    "core.array.shadow": Source(f"staging registers take the next weights beside the live ones: {DUMPS}"),
    "core.array.min_issue": Source("no minimum is described", "estimated"),
}
"""Sources of what all arrays since v2 have in common."""
