"""AWS Trainium1 to Trainium3 and Inferentia2.

A NeuronCore holds one array of 128 x 128 whose weights load four times faster than operands stream; every matmul takes
64 cycles at least; partial sums collect in PSUM. Datasheet peaks in bf16 lie 3 to 6 % above arrays x clock.
"""

import dataclasses

from archsim.chips.prices import price_source, usd

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
from archsim.units import TFLOPS, GB_per_s, GHz, GiB, MiB, W, ns

_NKI1 = "aws-neuron-sdk@4373facf nki/guides/architecture/trainium_inferentia2_arch.rst"
_NKI = "aws-neuron-sdk@4373facf nki/guides/architecture/trainium2_arch.rst"
_NKI3 = "aws-neuron-sdk@4373facf nki/guides/architecture/trainium3_arch.rst"
_DATASHEET1 = "aws-neuron-sdk about-neuron/arch/neuron-hardware/trainium.rst"
_DATASHEET_INF2 = "aws-neuron-sdk@4c317caa general/arch/neuron-hardware/inferentia2.rst"
_DATASHEET = "aws-neuron-sdk@7c165a3e about-neuron/arch/neuron-hardware/trainium2.rst"
_DATASHEET3 = "aws-neuron-sdk@6e694cbb about-neuron/arch/neuron-hardware/trainium3.rst"
_NKI_MATMUL = "aws-neuron-sdk@81ce03ae NKI programming guides"
_TRN2 = "aws-neuron-sdk@2086a70a general/arch/neuron-hardware/trn2-arch.rst"
_SWS = "SWS report, 2025-03-28"
_PANTHEON = "pantheongpu Neuron suite, publication pass of 2026-09-21"

_SHARED = {
    "core.array.load_bytes": Source(f"128 stationary rows 4 times faster than they stream: {_NKI_MATMUL}",
                                    "published", "32 cycles in bf16"),
    "core.array.min_issue": Source(f"issue interval max(N, 64): {_NKI_MATMUL}"),
    "core.array.row_granule": Source("moving columns are issued singly", "published"),
    "core.vector.row_lanes": Source(f"a row lies in one partition, so that sums along it cross no lanes: {_NKI1}",
                                    "derived"),
    "core.scratchpad.read_bytes": Source("per partition one moving bf16 (2 bytes) and four stationary ones (8 bytes) "
                                         "per cycle, x 128", "derived", "SBUF bandwidth is not published"),
    "core.scratchpad.write_bytes": Source("one float32 per partition and cycle, x 128", "derived",
                                          "SBUF bandwidth is not published"),
    "core.dma_latency": Source(f"semaphore to start of a DMA: {_NKI_MATMUL}", note="about 600 ns with hardware "
                               "descriptor generation, from NeuronCore-v3 on"),
    "memory.efficiency": Source("usual for HBM; not published", "estimated"),
    "memory.write_efficiency": Source("as reads; not published", "estimated"),
    "memory.energy": Source("usual for HBM: Jouppi et al., Ten Lessons, table 2, has 31-56 pJ/B for HBM2",
                            "estimated", low=31e-12, high=56e-12),
    "memory.latency": Source("as its DMA; nothing in a systolic core's timing uses it", "estimated"),
}

TRAINIUM1 = Chip(
    name="trainium1",
    vendor="AWS",
    year=2022,
    clock=2.8 * GHz,
    cores=2,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=1, load_bytes=8, min_issue=64, accumulator_rows=4096,
                          rows_per_cycle={"bf16": 1, "fp16": 1, "fp8": 1, "int8": 2, "fp32": 0.25}),
        vector=VectorUnit(lanes=128, alus=2, transcendentals=160, cross_lane=320, row_lanes=1, clock=1.12 * GHz),
        scratchpad=Scratchpad(capacity=24 * MiB, read_bytes=128 * 10, write_bytes=128 * 4),
        dma_latency=1300 * ns,
        dma_bandwidth=272 * GB_per_s,
        step_overhead=54 * ns,
    ),
    memory=Memory(type="HBM", stacks=2, capacity=32 * GiB, bandwidth=820 * GB_per_s, efficiency=0.92,
                  write_efficiency=0.92),
    link=Link(type="NeuronLink-v2", bandwidth=192 * GB_per_s, count=4, topology="2D torus", pod=16),
    die=Die(process="7nm", transistors=55e9),
    peaks={"bf16": 190 * TFLOPS, "fp8": 190 * TFLOPS, "int8": 380 * TFLOPS, "fp32": 47.5 * TFLOPS},
    notes=(
        "The datasheet's 190 bf16 TFLOPS would need 2.9 GHz; at the documented 2.8 GHz two arrays give 183.5, the "
        "2 x 92 of the NKI guide. Timing follows the clock.",
        "Long dense products are throttled on a real machine, to about 0.875 of the rate "
        "(pantheongpu); that is not modelled.",
        "No price or power is on file; it rents at about 1.34 USD per chip-hour.",
    ),
    sources={
        **_SHARED,
        "year": Source("general availability of Trn1, 2022-10", "estimated"),
        "clock": Source(_NKI1, note="TensorE; closes 2 x 16384 x 2 x 2.8 GHz = 183.5 TFLOPS = 2 x 92 of the guide"),
        "cores": Source(_NKI1),
        "core.array": Source(_NKI1),
        "core.array.rows_per_cycle": Source(_NKI1, note="one moving column per cycle, fp32 at a quarter; int8 from the "
                                            "datasheet's 380 TOPS, twice bf16: the guide describes no int8 path"),
        "core.array.accumulator_rows": Source(f"PSUM, 2 MiB / (128 columns x 4 bytes): {_NKI1}", "derived"),
        "core.vector": Source(_NKI1, note="VectorE: N cycles for one input; two operations per pass, as Trainium2"),
        "core.vector.transcendentals": Source(f"ScalarE, 128 per cycle of 1.4 GHz, in cycles of 1.12 GHz: {_NKI1}",
                                              "derived"),
        "core.vector.cross_lane": Source(f"transposes run on TensorE, 128 elements per cycle of 2.8 GHz: {_NKI1}",
                                         "derived", "in cycles of 1.12 GHz"),
        "core.vector.packed": Source("no 16-bit mode is documented for NeuronCore-v2", "estimated"),
        "core.scratchpad.capacity": Source(_NKI1),
        "core.kernel_share": Source(f"a kernel lays out the whole SBUF: {_NKI1}", "estimated",
                                    "no limit is documented"),
        "core.dma_bandwidth": Source(f"16 engines x 17 bytes/ns: {_NKI_MATMUL}", note="27.2 each in theory; measured "
                                     f"273 GB/s per core and 543.7 per chip ({_PANTHEON}, 3 hosts)"),
        "core.step_overhead": Source("about 60 cycles of 1.12 GHz to the first SBUF access of a dependent instruction",
                                     "derived"),
        "memory": Source(_NKI1, note=f"{_DATASHEET1} says 820 GiB/s; the DMA engines move less than either"),
        "memory.type": Source("2 stacks; generation not published", "estimated"),
        "link": Source(_DATASHEET1, "derived", "384 GB/s of 4 links both ways; Trn1n has twice that"),
        "die": Source("analyst judgement, no primary source", "estimated"),
        "peaks": Source(_DATASHEET1, note="the NKI guide: 184 in bf16"),
    },
)

INFERENTIA2 = dataclasses.replace(
    TRAINIUM1,
    name="inferentia2",
    year=2023,
    link=Link(type="NeuronLink-v2", bandwidth=96 * GB_per_s, count=2, topology="ring", pod=12),
    die=None,
    notes=(
        "The two NeuronCores and the memory of Trainium1 with half of its links.",
        "Long dense products are throttled on a real machine, to about 0.63 of the rate "
        "(pantheongpu); that is not modelled.",
        "No price or power is on file; it rents at about 1.08 USD per chip-hour.",
    ),
    sources={
        **{path: source for path, source in TRAINIUM1.sources.items() if path != "die"},
        "year": Source("general availability of Inf2, 2023-04", "estimated"),
        "link": Source(f"2 of the links of which Trainium1 has 4: {_NKI1}", "derived"),
        "link.topology": Source("AWS, Amazon EC2 Inf2 instances", "published-unverified"),
        "link.pod": Source(_DATASHEET_INF2, note="chips of one instance"),
        "peaks": Source(_DATASHEET_INF2),
    },
)

TRAINIUM2 = Chip(
    name="trainium2",
    vendor="AWS",
    year=2024,
    clock=2.4 * GHz,
    cores=8,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=1, load_bytes=8, min_issue=64, accumulator_rows=4096,
                          rows_per_cycle={"bf16": 1, "fp16": 1, "fp8": 2, "fp32": 0.25}),
        vector=VectorUnit(lanes=256, alus=2, transcendentals=160, cross_lane=320, row_lanes=1, packed=2,
                          clock=0.96 * GHz),
        scratchpad=Scratchpad(capacity=28 * MiB, read_bytes=128 * 10, write_bytes=128 * 4),
        dma_latency=1300 * ns,
        dma_bandwidth=368 * GB_per_s,
        step_overhead=63 * ns,
    ),
    memory=Memory(type="HBM3", stacks=4, capacity=96 * GiB, bandwidth=2900 * GB_per_s, efficiency=0.92,
                  write_efficiency=0.92),
    link=Link(type="NeuronLink-v3", bandwidth=640 * GB_per_s, count=4,
              topology="2D torus of 4 x 4, rings of 4 across instances", pod=64),
    power=Power(tdp=500 * W, capped=False),
    die=Die(process="5nm", count=2),
    price=usd("trainium2"),
    peaks={"bf16": 667 * TFLOPS, "fp8": 1299 * TFLOPS, "fp32": 181 * TFLOPS},
    notes=(
        "The datasheet's 667 bf16 TFLOPS would need 2.55 GHz; at the documented 2.4 GHz eight arrays give 629, the "
        "8 x 79 of the NKI guide. Timing follows the clock.",
        "fp8 runs as two contraction rows per cell; it is modelled as two moving rows per cycle.",
    ),
    sources={
        **_SHARED,
        "year": Source("announced 2023-11, available 2024-12; press", "published-unverified"),
        "clock": Source(_NKI, note="TensorE; closes 8 x 16384 x 2 x 2.4 GHz = 629 TFLOPS = 8 x 79 of the NKI guide"),
        "cores": Source(_NKI),
        "core.array": Source(_NKI),
        "core.array.rows_per_cycle": Source(_NKI, note="one moving column per cycle in bf16, fp32 at a quarter"),
        "core.array.accumulator_rows": Source(f"PSUM, 2 MiB / (128 columns x 4 bytes): {_NKI}", "derived"),
        "core.vector": Source(_NKI, note="VectorE: 512 elements/cycle in bf16 from SBUF, 256 otherwise; its 1.0 TFLOPS "
                              "= 512 x 2 operations x 0.96 GHz"),
        "core.vector.transcendentals": Source(f"ScalarE, 128 per cycle of 1.2 GHz, in cycles of 0.96 GHz: {_NKI}",
                                              "derived"),
        "core.vector.cross_lane": Source(f"transposes run on TensorE, 128 elements per cycle of 2.4 GHz: {_NKI}",
                                         "derived", "in cycles of 0.96 GHz"),
        "core.vector.packed": Source(f"512 bf16 elements per cycle from SBUF, 256 otherwise: {_NKI}"),
        "core.scratchpad.capacity": Source(_NKI),
        "core.kernel_share": Source(f"a kernel lays out the whole SBUF: {_NKI}", "estimated", "no limit is documented"),
        "core.dma_bandwidth": Source(f"16 engines x 23 bytes/ns: {_NKI_MATMUL}"),
        "core.step_overhead": Source("about 60 cycles of 0.96 GHz to the first SBUF access of a dependent instruction",
                                     "derived"),
        "memory": Source(_DATASHEET, note="bandwidth: the NKI guide says 3000, a report 4000 GB/s; SemiAnalysis HBM3e"),
        "link": Source(_TRN2, "derived", "1280 GB/s of all links both ways"),
        "power.tdp": Source("SemiAnalysis, quoted by an analyst", "estimated",
                            f"{_SWS} uses 700 W; AWS publishes none", 450.0, 700.0),
        "die": Source(_SWS, "estimated"),
        "price": price_source("trainium2"),
        "peaks": Source(_DATASHEET, note="the NKI guide: 632, 1264, 160"),
    },
)

TRAINIUM3 = Chip(
    name="trainium3",
    vendor="AWS",
    year=2025,
    clock=2.4 * GHz,
    cores=8,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=1, load_bytes=8, min_issue=64, accumulator_rows=4096,
                          rows_per_cycle={"bf16": 1, "fp16": 1, "fp8": 4, "fp32": 0.25}),
        vector=VectorUnit(lanes=256, alus=2, transcendentals=512, cross_lane=256, row_lanes=1, packed=2,
                          clock=1.2 * GHz),
        scratchpad=Scratchpad(capacity=32 * MiB, read_bytes=128 * 10, write_bytes=128 * 4),
        dma_latency=1300 * ns,
        dma_bandwidth=528 * GB_per_s,
        step_overhead=50 * ns,
    ),
    memory=Memory(type="HBM3e", stacks=4, capacity=144 * GiB, bandwidth=4900 * GB_per_s, efficiency=0.92,
                  write_efficiency=0.92),
    link=Link(type="NeuronLink-v4", bandwidth=1280 * GB_per_s, count=4, pod=64),
    die=Die(process="3nm"),
    peaks={"bf16": 671 * TFLOPS, "fp8": 2517 * TFLOPS, "fp32": 183 * TFLOPS},
    notes=(
        "The datasheet's 671 bf16 TFLOPS would need 2.56 GHz; at the documented 2.4 GHz eight arrays give 629, and "
        "its 2517 in MXFP8 closes exactly. Timing follows the clock.",
        "MXFP8 runs as four contraction rows per cell; it is modelled as four moving rows per cycle.",
        "No price or power is on file.",
    ),
    sources={
        **_SHARED,
        "year": Source(_DATASHEET3),
        "clock": Source(_NKI3, note="TensorE; closes 8 x 65536 x 2 x 2.4 GHz = 2517 TFLOPS in MXFP8"),
        "cores": Source(_NKI3),
        "core.array": Source(_NKI3),
        "core.array.rows_per_cycle": Source(_NKI3, note="315 MXFP8 TFLOPS per core, 4 times bf16; fp32 as Trainium2"),
        "core.array.accumulator_rows": Source(f"PSUM, 2 MiB / (128 columns x 4 bytes): {_NKI3}", "derived",
                                              "twice that in bf16"),
        "core.vector": Source(_NKI3, note="VectorE: 512 elements/cycle in bf16 and fp8, 1.2 TFLOPS in fp32"),
        "core.vector.transcendentals": Source(f"VectorE's exponential, 4 times ScalarE's 128 per cycle: {_NKI3}",
                                              note="other functions run on ScalarE, 256 per cycle in 16 bits"),
        "core.vector.cross_lane": Source(f"transposes run on TensorE, 128 elements per cycle of 2.4 GHz: {_NKI3}",
                                         "derived", "in cycles of 1.2 GHz"),
        "core.vector.packed": Source(f"512 16-bit elements per cycle, 256 otherwise: {_NKI3}"),
        "core.scratchpad.capacity": Source(_NKI3),
        "core.kernel_share": Source(f"a kernel lays out the whole SBUF: {_NKI3}", "estimated",
                                    "no limit is documented"),
        "core.dma_bandwidth": Source(f"16 engines x 33 bytes/ns: {_NKI_MATMUL}", note="38.4 each in theory"),
        "core.step_overhead": Source("about 60 cycles of 1.2 GHz to the first SBUF access of a dependent instruction",
                                     "derived"),
        "memory": Source(_DATASHEET3, note="bandwidth: the NKI guide says 4700 GB/s"),
        "link": Source(_DATASHEET3, "derived", "2560 GB/s of all links both ways"),
        "link.pod": Source("Gen1 UltraServer", "estimated", "Gen2: 144"),
        "die.process": Source(_SWS),
        "peaks": Source(_DATASHEET3, note="the NKI guide: 632 in bf16"),
    },
)

CHIPS: tuple[Chip, ...] = (TRAINIUM1, INFERENTIA2, TRAINIUM2, TRAINIUM3)
