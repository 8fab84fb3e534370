"""AWS Trainium2."""

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

_NKI = "aws-neuron-sdk@4373facf nki/guides/architecture/trainium2_arch.rst"
_DATASHEET = "aws-neuron-sdk@7c165a3e about-neuron/arch/neuron-hardware/trainium2.rst"
_NKI_MATMUL = "aws-neuron-sdk@81ce03ae NKI programming guides"
_TRN2 = "aws-neuron-sdk@2086a70a general/arch/neuron-hardware/trn2-arch.rst"
_SWS = "SWS report, 2025-03-28"

TRAINIUM2 = Chip(
    name="trainium2",
    vendor="AWS",
    year=2024,
    clock=2.4 * GHz,
    cores=8,
    core=SystolicCore(
        array=MatrixArray(rows=128, cols=128, count=1, load_bytes=8, min_issue=64, accumulator_rows=4096,
                          rows_per_cycle={"bf16": 1, "fp16": 1, "fp8": 2, "fp32": 0.25}),
        vector=VectorUnit(lanes=256, alus=2, transcendentals=160, clock=0.96 * GHz),
        scratchpad=Scratchpad(capacity=28 * MiB, read_bytes=128 * 10, write_bytes=128 * 4),
        dma_latency=1300 * ns,
        dma_bandwidth=368 * GB_per_s,
        step_overhead=63 * ns,
    ),
    memory=Memory(type="HBM3", capacity=96 * GiB, bandwidth=2900 * GB_per_s, efficiency=0.92, write_efficiency=0.92),
    link=Link(bandwidth=640 * GB_per_s, count=4, topology="2D torus of 4 x 4, rings of 4 across instances", pod=64),
    power=Power(tdp=500 * W),
    die=Die(process="5nm"),
    price=4400.0,
    peaks={"bf16": 667 * TFLOPS, "fp8": 1299 * TFLOPS, "fp32": 181 * TFLOPS},
    notes=(
        "The datasheet's 667 bf16 TFLOPS would need 2.55 GHz; at the documented 2.4 GHz eight arrays give 629, the "
        "8 x 79 of the NKI guide. Timing follows the clock.",
        "fp8 runs as two contraction rows per cell; it is modelled as two moving rows per cycle.",
    ),
    sources={
        "year": Source("announced 2023-11, available 2024-12; press", "published-unverified"),
        "clock": Source(_NKI, note="TensorE; closes 8 x 16384 x 2 x 2.4 GHz = 629 TFLOPS = 8 x 79 of the NKI guide"),
        "cores": Source(_NKI),
        "core.array": Source(_NKI),
        "core.array.rows_per_cycle": Source(_NKI, note="one moving column per cycle in bf16, fp32 at a quarter"),
        "core.array.load_bytes": Source(f"128 stationary rows 4 times faster than they stream: {_NKI_MATMUL}",
                                        "published", "32 cycles in bf16"),
        "core.array.min_issue": Source(f"issue interval max(N, 64): {_NKI_MATMUL}"),
        "core.array.row_granule": Source("moving columns are issued singly", "published"),
        "core.array.accumulator_rows": Source(f"PSUM, 2 MiB / (128 columns x 4 bytes): {_NKI}", "derived"),
        "core.vector": Source(_NKI, note="VectorE: 512 elements/cycle in bf16 from SBUF, 256 otherwise; its 1.0 TFLOPS "
                              "= 512 x 2 operations x 0.96 GHz"),
        "core.vector.transcendentals": Source(f"ScalarE, 128 per cycle of 1.2 GHz, in cycles of 0.96 GHz: {_NKI}",
                                              "derived"),
        "core.scratchpad.capacity": Source(_NKI),
        "core.scratchpad.read_bytes": Source("per partition one moving bf16 (2 bytes) and four stationary ones "
                                             "(8 bytes) per cycle, x 128", "derived",
                                             "SBUF bandwidth is not published"),
        "core.scratchpad.write_bytes": Source("one float32 per partition and cycle, x 128", "derived",
                                              "SBUF bandwidth is not published"),
        "core.kernel_share": Source(f"a kernel lays out the whole SBUF: {_NKI}", "estimated", "no limit is documented"),
        "core.dma_latency": Source(f"semaphore to start of a DMA: {_NKI_MATMUL}", note="about 600 ns with hardware "
                                   "descriptor generation"),
        "core.dma_bandwidth": Source(f"16 engines x 23 bytes/ns: {_NKI_MATMUL}"),
        "core.step_overhead": Source("about 60 cycles of 0.96 GHz to the first SBUF access of a dependent instruction",
                                     "derived"),
        "memory": Source(_DATASHEET, note="bandwidth: the NKI guide says 3000, a report 4000 GB/s; SemiAnalysis HBM3e"),
        "memory.efficiency": Source("usual for HBM; not published", "estimated"),
        "memory.write_efficiency": Source("as reads; not published", "estimated"),
        "memory.energy": Source("usual for HBM", "estimated",
                                "Jouppi et al., Ten Lessons, table 2: 31-56 pJ/B for HBM2"),
        "memory.latency": Source("as its DMA; nothing in a systolic core's timing uses it", "estimated"),
        "link": Source(_TRN2, "derived", "1280 GB/s of all links both ways"),
        "power.tdp": Source("SemiAnalysis, quoted by an analyst", "estimated",
                            f"{_SWS} uses 700 W; AWS publishes none"),
        "die.process": Source(_SWS, "estimated"),
        "price": Source(_SWS, "estimated", "cost 2,150 USD; SemiAnalysis: 4,000 USD"),
        "peaks": Source(_DATASHEET, note="the NKI guide: 632, 1264, 160"),
    },
)

CHIPS: tuple[Chip, ...] = (TRAINIUM2,)
