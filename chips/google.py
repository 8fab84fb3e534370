"""Google TPUs v4, v5e, v5p and v6e (Trillium).

Four documents carry most figures. None of the chips after v4 has a published power, die or price; what stands here is
marked estimated and its note gives the range.
"""

from archsim.hardware import (
    Chip,
    Die,
    Link,
    MatrixArray,
    Memory,
    Power,
    Scratchpad,
    Source,
    SystolicCore,
    VectorUnit,
)
from archsim.units import GB, TFLOPS, GB_per_s, GHz, GiB, KiB, MiB, W, mm2, ns

_XLA = "openxla/xla@acb91cbace60 xla/benchmarks/core/platform_info.py"
_JAX = "jax-ml/jax@04c63627 jax/_src/pallas/mosaic/tpu_info.py"
_JAX_MXU = "jax-ml/jax tpu_info.py, later version with num_mxus (third-party copy)"
_BOOK = "jax-ml/scaling-book@0819a7d8 tpus.md"
_XPROF = "openxla/xprof@a27d00aa tpu_generic_utilization_utils.cc"
_ISCA23 = "Jouppi et al., TPU v4, ISCA 2023, table 4"
_SWS = "SWS report, 2025-03-28"

_VREGS = "all 64 vector registers of 1024 float32 as sums of 4 arrays x 128 columns: 65536 / 512 = 128 rows"
_STEP = Source("measured Pallas blocks on v5e (jax docs/pallas/tpu/matmul): (step time - fill - max(compute, DMA))",
               "derived", "0.25 us on v5e; assumed the same on every TPU; +-0.1 us")
_PORTS = Source(f"2 loads + 1 store of a 4 KiB register per cycle: {_XPROF} (v6e, v7)", "derived",
                "on v5e 3 x 4 KiB x 1.5 GHz = 18.4 TB/s, the 22 x HBM of the scaling book; v5e compiler dumps show "
                "up to 3 loads in one bundle")
_SCOPED = Source(f"scoped VMEM limit of one kernel, 32 MiB, over the capacity: {_XLA}", "derived",
                 "the compiler's default; users raise it with xla_tpu_scoped_vmem_limit_kib (MaxText: 96 MiB on v6e)")
_WRITES = Source("as reads: a copy, half of it writes, reaches the published sustained rate on v6e and v7",
                 "derived", "tpu-recipes")
_ENERGY = Source("usual for HBM", "estimated", "Jouppi et al., Ten Lessons, table 2: 31-56 pJ/B for HBM2")
_MEMORY_LATENCY = Source("scalar-side latency is not published; nothing in a systolic core's timing uses it",
                         "estimated")

TPU_V4 = Chip(
    name="tpu-v4",
    vendor="Google",
    year=2020,
    clock=1.05 * GHz,
    cores=2,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=4, rows_per_cycle={"bf16": 1, "int8": 1}, load_bytes=8,
                          latency=131, row_granule=32, accumulator_rows=64),
        vector=VectorUnit(lanes=1024, alus=2),
        scratchpad=Scratchpad(capacity=16 * MiB, read_bytes=8 * KiB, write_bytes=4 * KiB),
        dma_latency=700 * ns,
        step_overhead=250 * ns,
    ),
    memory=Memory(type="HBM2", capacity=32 * GiB, bandwidth=1200 * GB_per_s, efficiency=0.87, write_efficiency=0.87),
    link=Link(bandwidth=300 * GB_per_s, count=6, topology="3D torus with optical circuit switches", pod=4096),
    power=Power(tdp=192 * W, idle=90 * W),
    die=Die(process="7nm", area=600 * mm2, transistors=22e9),
    peaks={"bf16": 275 * TFLOPS, "int8": 275 * TFLOPS},
    notes=(
        "The 128 MiB CMEM shared by both cores is not modelled: operands come from HBM through VMEM.",
        "No price is on file; it rents at 3.22 USD per chip-hour.",
    ),
    sources={
        "year": Source(_ISCA23, "published-unverified"),
        "clock": Source(_ISCA23, "published-unverified", "closes: 8 x 16384 x 2 x 1.05 GHz = 275.3 TFLOPS"),
        "cores": Source("docs.cloud.google.com/tpu/docs/v4"),
        "core.array": Source(_JAX_MXU),
        "core.array.rows_per_cycle": Source("275 TFLOPS at 1.05 GHz, bf16 and int8 alike", "derived"),
        "core.array.load_bytes": Source(f"as v5e, whose array is the same size: {_XLA}", "estimated"),
        "core.array.latency": Source(f"as v5e, whose array is the same size: {_XLA}", "estimated"),
        "core.array.row_granule": Source(f"one (8, 128) x 32 bit register of moving rows per matmul: {_BOOK}"),
        "core.array.accumulator_rows": Source("all 32 vector registers of 1024 float32 as sums of 4 arrays x 128 "
                                              "columns: 32768 / 512", "derived"),
        "core.vector": Source(_BOOK, note="8 sublanes x 128 lanes x 2 ALUs"),
        "core.scratchpad.capacity": Source(_JAX),
        "core.scratchpad.read_bytes": Source("as v6e: two registers loaded per cycle", "estimated"),
        "core.scratchpad.write_bytes": Source("as v6e: one register stored per cycle", "estimated"),
        "core.kernel_share": Source("all: the 32 MiB that a kernel may fill on later chips exceed it", "estimated"),
        "core.dma_latency": Source(f"not published; v5p to v7 lie at 630-690 ns ({_XLA})", "estimated"),
        "core.step_overhead": _STEP,
        "memory": Source("docs.cloud.google.com/tpu/docs/v4", note="bandwidth: JAX says 1230 GB/s"),
        "memory.type": Source(_ISCA23, "published-unverified"),
        "memory.efficiency": Source("not published; 0.84-0.90 on v5e to v7", "estimated"),
        "memory.write_efficiency": _WRITES,
        "memory.energy": _ENERGY,
        "memory.latency": _MEMORY_LATENCY,
        "link": Source(_ISCA23, "published-unverified", "6 links of 50 GB/s one-way; the scaling book says 45"),
        "link.topology": Source("docs.cloud.google.com/tpu/docs/v4"),
        "link.pod": Source("docs.cloud.google.com/tpu/docs/v4"),
        "power.tdp": Source("highest power measured in production, docs.cloud.google.com/tpu/docs/v4", "published",
                            "no TDP is published; mean 170 W"),
        "power.idle": Source(_ISCA23, "published-unverified", "the same paper prints 121 W as minimum"),
        "die": Source(_ISCA23, "published-unverified", "area is an upper bound"),
        "peaks": Source("docs.cloud.google.com/tpu/docs/v4"),
    },
)

TPU_V5E = Chip(
    name="tpu-v5e",
    vendor="Google",
    year=2023,
    clock=1.5 * GHz,
    cores=1,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=4, rows_per_cycle={"bf16": 1, "int8": 2}, load_bytes=8,
                          latency=131, row_granule=32, accumulator_rows=128),
        vector=VectorUnit(lanes=1024, alus=4),
        scratchpad=Scratchpad(capacity=128 * MiB, read_bytes=8 * KiB, write_bytes=4 * KiB),
        kernel_share=32 / 128,
        dma_latency=1133 * ns,
        dma_write_latency=439 * ns,
        step_overhead=250 * ns,
    ),
    memory=Memory(type="HBM2", capacity=16 * GB, bandwidth=819 * GB_per_s, efficiency=0.90, write_efficiency=0.90),
    link=Link(bandwidth=200 * GB_per_s, count=4, topology="2D torus", pod=256),
    power=Power(tdp=160 * W),
    die=Die(process="5nm"),
    peaks={"bf16": 197 * TFLOPS, "int8": 393 * TFLOPS},
    notes=("No price is on file; it rents at 1.20 USD per chip-hour.",),
    sources={
        "year": Source("docs.cloud.google.com/tpu/docs/v5e"),
        "clock": Source(_BOOK, note="closes: 4 x 16384 x 2 x 1.5 GHz = 196.6 TFLOPS"),
        "cores": Source("docs.cloud.google.com/tpu/docs/v5e"),
        "core.array": Source(_XLA, note="4 x 128 x 128, as docs.cloud.google.com/tpu/docs/v5e"),
        "core.array.load_bytes": Source(f"16 bf16 rows per 4 cycles: {_XLA}", note="a 128-row tile takes 32 cycles"),
        "core.array.latency": Source(_XLA, note="121 in 8-bit"),
        "core.array.accumulator_rows": Source(_VREGS, "derived"),
        "core.vector": Source(_BOOK, note="8 sublanes x 128 lanes x 4 ALUs"),
        "core.scratchpad.capacity": Source(_JAX),
        "core.scratchpad.read_bytes": _PORTS,
        "core.scratchpad.write_bytes": _PORTS,
        "core.kernel_share": _SCOPED,
        "core.dma_latency": Source(_XLA),
        "core.dma_write_latency": Source(_XLA),
        "core.step_overhead": _STEP,
        "memory": Source("docs.cloud.google.com/tpu/docs/v5e"),
        "memory.efficiency": Source("midway of what v5e to v7 reach; not published for v5e", "estimated",
                                    f"{_XLA} prints 1459 GB/s, more than the chip's peak"),
        "memory.write_efficiency": _WRITES,
        "memory.energy": _ENERGY,
        "memory.latency": _MEMORY_LATENCY,
        "link": Source("docs.cloud.google.com/tpu/docs/v5e", note="1600 Gb/s one-way; the scaling book 45 per link"),
        "power.tdp": Source("analyst judgement, no primary source", "estimated", "range 120-200 W"),
        "die.process": Source(_SWS, "estimated"),
        "peaks": Source("docs.cloud.google.com/tpu/docs/v5e and .../v6e", note="JAX: int4 788 TOPS"),
    },
)

TPU_V5P = Chip(
    name="tpu-v5p",
    vendor="Google",
    year=2023,
    clock=1.75 * GHz,
    cores=2,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=4, rows_per_cycle={"bf16": 1, "int8": 2}, load_bytes=8,
                          latency=131, row_granule=32, accumulator_rows=128),
        vector=VectorUnit(lanes=1024, alus=4),
        scratchpad=Scratchpad(capacity=64 * MiB, read_bytes=8 * KiB, write_bytes=4 * KiB),
        kernel_share=32 / 64,
        dma_latency=667 * ns,
        dma_write_latency=624 * ns,
        dma_bandwidth=1459 * GB_per_s,
        step_overhead=250 * ns,
    ),
    memory=Memory(type="HBM2e", capacity=95 * GB, bandwidth=2765 * GB_per_s, efficiency=0.87, write_efficiency=0.87),
    link=Link(bandwidth=600 * GB_per_s, count=6, topology="3D torus", pod=8960),
    power=Power(tdp=475 * W),
    die=Die(process="5nm"),
    price=6000.0,
    peaks={"bf16": 459 * TFLOPS, "int8": 918 * TFLOPS},
    sources={
        "year": Source("docs.cloud.google.com/tpu/docs/v5p"),
        "clock": Source("8 x 16384 x 2 x clock = 459 TFLOPS", "derived", f"{_XLA} has 1.75 GHz too"),
        "cores": Source("docs.cloud.google.com/tpu/docs/v5p"),
        "core.array": Source(_XLA, note="4 x 128 x 128 per core, as docs.cloud.google.com/tpu/docs/v5p"),
        "core.array.load_bytes": Source(f"16 bf16 rows per 4 cycles: {_XLA}", note="a 128-row tile takes 32 cycles"),
        "core.array.latency": Source(_XLA, note="121 in 8-bit"),
        "core.array.accumulator_rows": Source(_VREGS, "derived"),
        "core.vector": Source(_BOOK, note="8 sublanes x 128 lanes x 4 ALUs"),
        "core.scratchpad.capacity": Source(_JAX),
        "core.scratchpad.read_bytes": _PORTS,
        "core.scratchpad.write_bytes": _PORTS,
        "core.kernel_share": _SCOPED,
        "core.dma_latency": Source(_XLA),
        "core.dma_write_latency": Source(_XLA),
        "core.dma_bandwidth": Source(f"HBM to VMEM of one core: {_XLA}", note="more than half of what the chip "
                                     "sustains: it binds where one core works alone"),
        "core.step_overhead": _STEP,
        "memory": Source("docs.cloud.google.com/tpu/docs/v5p", note="bandwidth: JAX 2460 GB/s; capacity: report 96"),
        "memory.efficiency": Source("as v7, whose sustained rate is published; not published for v5p", "estimated"),
        "memory.write_efficiency": _WRITES,
        "memory.energy": _ENERGY,
        "memory.latency": _MEMORY_LATENCY,
        "link": Source("docs.cloud.google.com/tpu/docs/v5p", note="4800 Gb/s one-way; the scaling book 90 per link"),
        "power.tdp": Source("analyst judgement, no primary source", "estimated",
                            f"range 400-550 W; {_SWS} uses 700 W"),
        "die.process": Source(_SWS, "estimated"),
        "price": Source(_SWS, "estimated", "cost 1,800 USD at a margin of 70 %"),
        "peaks": Source("docs.cloud.google.com/tpu/docs/v5p", note=f"int8: {_JAX}"),
    },
)

TPU_V6E = Chip(
    name="tpu-v6e",
    vendor="Google",
    year=2024,
    clock=1.75 * GHz,
    cores=1,
    core=SystolicCore(
        array=MatrixArray(rows=256, cols=256, count=2, rows_per_cycle={"bf16": 2, "int8": 4, "fp8": 2},
                          load_bytes=8, latency=192, row_granule=32, accumulator_rows=128),
        vector=VectorUnit(lanes=1024, alus=4),
        scratchpad=Scratchpad(capacity=128 * MiB, read_bytes=8 * KiB, write_bytes=4 * KiB),
        kernel_share=32 / 128,
        dma_latency=628 * ns,
        dma_write_latency=523 * ns,
        step_overhead=250 * ns,
    ),
    memory=Memory(type="HBM", capacity=32 * GB, bandwidth=1640 * GB_per_s, efficiency=0.84, write_efficiency=0.84),
    link=Link(bandwidth=400 * GB_per_s, count=4, topology="2D torus", pod=256),
    power=Power(tdp=300 * W),
    die=Die(process="4nm"),
    price=3100.0,
    peaks={"bf16": 918 * TFLOPS, "int8": 1836 * TFLOPS, "fp8": 918 * TFLOPS},
    notes=("fp8 operands run at the bf16 rate: there is no fp8 multiplier.",),
    sources={
        "year": Source("docs.cloud.google.com/tpu/docs/v6e"),
        "clock": Source(_XLA, note="closes: 2 arrays x 65536 x 2 rows x 2 x 1.75 GHz = 917.5 TFLOPS"),
        "cores": Source("docs.cloud.google.com/tpu/docs/v6e"),
        "core.array": Source(_XLA, note="2 arrays, as JAX and XProf; one revision of the v6e page says 4"),
        "core.array.rows_per_cycle": Source(f"16 bf16 rows per 8 cycles: {_XLA}", note="two rows per cycle; fp8 is "
                                            "emulated at the bf16 rate"),
        "core.array.load_bytes": Source(f"16 bf16 rows per 4 cycles: {_XLA}", note="a 256-row tile takes 64 cycles; "
                                        "XProf has half of that in 8-bit"),
        "core.array.latency": Source(_XLA, note="182 in 8-bit"),
        "core.array.accumulator_rows": Source("all 64 vector registers of 1024 float32 as sums of 2 arrays x 256 "
                                              "columns: 65536 / 512 = 128 rows", "derived"),
        "core.vector": Source(_XPROF, note="8 sublanes x 128 lanes x 4 ALUs"),
        "core.scratchpad.capacity": Source(_JAX),
        "core.scratchpad.read_bytes": Source(_XPROF, note="2 loads of 4 KiB per cycle"),
        "core.scratchpad.write_bytes": Source(_XPROF, note="1 store of 4 KiB per cycle"),
        "core.kernel_share": _SCOPED,
        "core.dma_latency": Source(_XLA),
        "core.dma_write_latency": Source(_XLA),
        "core.step_overhead": _STEP,
        "memory": Source("docs.cloud.google.com/tpu/docs/v6e", note="bandwidth: two revisions say 1600 GB/s"),
        "memory.type": Source(_SWS, "estimated", "generation not published"),
        "memory.efficiency": Source(f"1373 of 1638 GB/s: {_XLA}", note="a measured copy reaches 1360 (tpu-recipes)"),
        "memory.write_efficiency": _WRITES,
        "memory.energy": _ENERGY,
        "memory.latency": _MEMORY_LATENCY,
        "link": Source("docs.cloud.google.com/tpu/docs/v6e", note="3200 Gb/s one-way; two revisions say 3584 Gb/s"),
        "power.tdp": Source("analyst judgement, no primary source", "estimated", "range 250-350 W"),
        "die.process": Source(_SWS, "estimated"),
        "price": Source(_SWS, "estimated", "cost 950 USD at a margin of 69 %"),
        "peaks": Source("docs.cloud.google.com/tpu/docs/v6e and .../tpu7x (fp8)", note="bf16: the report says 926"),
    },
)

CHIPS: tuple[Chip, ...] = (TPU_V4, TPU_V5E, TPU_V5P, TPU_V6E)
