"""GpuCore: one streaming multiprocessor (or compute unit) with its tensor core, shared memory and registers.

A datasheet gives what has no default here: MACs per cycle and shared memory. The defaults are what is alike on the
machines that have been measured, each with its derivation beside it; a chip whose figure is known states its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archsim.errors import ArchsimError, positive_int
from archsim.hardware.memory import Scratchpad
from archsim.hardware.part import figure, option, part, settle, table, whole

Tiles = tuple[tuple[int, int, int], ...]
"""Output tile rows and columns, and bytes of K per step."""

TILES: Tiles = (
    (128, 256, 64), (256, 128, 64), (128, 128, 64), (128, 128, 128), (64, 256, 64), (256, 64, 64),
    (128, 64, 64), (64, 128, 64), (128, 64, 128), (64, 128, 128), (64, 64, 64), (64, 64, 128), (256, 256, 64),
    (256, 192, 64), (192, 256, 64),
)
"""Output tiles (rows, columns) of one SM and bytes of K per pipeline step: what libraries of warp-level matrix
instructions ship (CUTLASS's profiler set for compute capability 8.x; more than 128 x 256 fits only where registers are
plenty, as on CDNA)."""

_SIDES = ((64, (16, 32, 64, 96, 128, 160, 192, 224, 256)), (128, (16, 32, 64, 96, 128, 160, 192, 224, 256)),
          (192, (64, 96, 128, 160)), (256, (64, 96, 128)))
ASYNC_TILES: Tiles = tuple(sorted(
    {(*tile, 128) for rows, columns in _SIDES for cols in columns for tile in ((rows, cols), (cols, rows))},
    reverse=True))
"""The same for instructions that read shared memory themselves (wgmma, tcgen05): a step is one 128-byte swizzled row,
and a thin problem is transposed so that its thin side is the instruction's free one (8 to 256), of which vendors'
libraries have many."""

TENSOR_MEMORY_TILES: Tiles = tuple(tile for tile in ASYNC_TILES if {64, 128} & set(tile[:2]))
"""The same where accumulators lie outside the register file, in 128 lanes: 64 or 128 rows of one SM by 16 to 256
columns (CUTLASS for compute capability 10.0; two SMs that pair up have 128 or 256 rows)."""

SCALED_TILES: Tiles = ((128, 128, 128), (64, 128, 128), (128, 64, 128), (64, 64, 128))
"""Tiles of products of 8-bit operands with scales of their rows and columns, by such instructions: what serving
frameworks compile (CUTLASS's scaled_mm in vLLM and SGLang) where accumulators are registers. In tensor memory they take
the tiles of other products: 3432 TFLOP/s of fp8 on B200 (stas00/ml-engineering) is beyond what L2 feeds to smaller."""

THIN_SCALED_TILES: Tiles = ((16, 64, 128), (16, 128, 64), (32, 64, 128), (32, 128, 128))
"""Tiles that the same products have beside those of others where instructions are warp-level: of few rows, which larger
ones would multiply as padding, as none splits K (sm80_config_M16 and M32, sm89_fp8_config_M16 and M32 of vLLM's
scaled_mm_c2x; sm89_fp8_dispatch_shape of sgl-kernel)."""

FEW_ROWS, SCALED_CLUSTER = 128, 2
"""Rows up to which those frameworks take the smallest of these tiles where each row has one scale. Beyond they take the
largest, whatever the columns, and always in clusters of two along the rows: of three rows of blocks the fourth is run
for nothing (vLLM's sm90_fp8_config_default, M in (128, inf): 128 x 128 x 128 bytes, cluster 2 x 1). Scales by group
have the tile searched for, and clusters only where they divide the grid (DeepGEMM). None of these kernels splits K, so
that thin products take longer than in bf16: one of 2 x 64 x 51200 takes 43 us on H100 with its quantisation, in bf16
8 (ai-dynamo/aiconfigurator)."""


GROUPED_TILES: Tiles = (
    (16, 32, 128), (16, 64, 128), (16, 64, 256), (16, 128, 128), (32, 64, 128), (32, 128, 128), (64, 64, 64),
    (64, 64, 128), (64, 128, 128), (128, 64, 128), (128, 128, 128), (64, 256, 128), (128, 256, 128),
)
"""Tiles of kernels for the products of experts: what frameworks' tuned configurations hold (fused_moe of vLLM and
SGLang, written in Triton)."""

NARROW_TILES: Tiles = ((16, 128, 256), (16, 256, 128), (32, 128, 256), (32, 256, 128))
"""Tiles that kernels for weights narrower than the arithmetic add: few rows, as at few tokens these weights' bytes are
all that is left to save (Marlin's 16 to 64 rows)."""

AttentionTiles = tuple[tuple[int, int, int, int], ...]
"""Largest head dimension, query rows and keys of a tile, and keys where a kernel splits them over blocks."""

PACKED_ATTENTION_TILES: AttentionTiles = (
    (64, 128, 112, 80), (96, 128, 64, 48), (128, 128, 64, 112), (128, 128, 128, 112), (192, 128, 64, 64),
    (256, 128, 64, 64),
    (576, 64, 64, 64), (576, 64, 32, 32), (576, 32, 32, 32), (576, 16, 16, 16), (2048, 16, 16, 16),
)
"""Attention tiles of FlashAttention 3 for compute capability 8.x (hopper/tile_size.h; 128 keys where shared memory
holds one block), and smaller ones for latent attention: the heads of a group are packed into 128 rows even to decode,
which keeps the matrix engine busy with rows that are none. Serving frameworks that have one library for all GPUs run
them."""

ATTENTION_TILES: AttentionTiles = (
    *PACKED_ATTENTION_TILES,
    (64, 64, 128, 128), (96, 64, 64, 64), (128, 64, 64, 64), (192, 64, 64, 64), (256, 64, 64, 64),
    (64, 16, 128, 128), (96, 16, 64, 64), (128, 16, 64, 64), (192, 16, 64, 64), (256, 16, 64, 64), (256, 16, 32, 32),
)
"""Attention tiles of kernels of warp-level instructions: FlashAttention's, and of 64 and 16 rows for few queries, as
FlashInfer has them (FA2DetermineCtaTileQ in its utils.cuh)."""

PACKED_ASYNC_ATTENTION_TILES: AttentionTiles = (
    (64, 64, 192, 192), (64, 192, 128, 128), (64, 192, 160, 160), (64, 192, 192, 192),
    (96, 192, 128, 128), (96, 192, 144, 144),
    (128, 64, 128, 128), (128, 128, 128, 128), (128, 128, 176, 176), (128, 128, 224, 224),
    (192, 128, 96, 96), (192, 128, 112, 112), (192, 128, 160, 160),
    (256, 128, 80, 80), (256, 128, 128, 128), (576, 64, 64, 64), (576, 64, 32, 32), (2048, 16, 16, 16),
)
"""The same of FlashAttention 3 for compute capability 9.0: 64 rows, one group of warps, for few queries of heads of up
to 128 (`use_one_mma_wg` of hopper/tile_size.h), 224, 160 and 128 keys for 8-bit elements, and FlashMLA's 64 x 64."""

ASYNC_ATTENTION_TILES: AttentionTiles = (
    *PACKED_ASYNC_ATTENTION_TILES, (192, 64, 96, 96), (256, 64, 80, 80), (256, 64, 128, 128),
    (64, 16, 128, 128), (96, 16, 64, 64), (128, 16, 64, 64), (192, 16, 64, 64), (256, 16, 64, 64), (256, 16, 32, 32),
)
"""Attention tiles of kernels whose instructions read shared memory themselves: FlashAttention's, and 16 rows to decode,
multiplied transposed (XQA of TensorRT-LLM, cpp/kernels/xqa; the size of its tiles is assumed)."""

TENSOR_MEMORY_ATTENTION_TILES: AttentionTiles = (
    (128, 256, 128, 128), (128, 128, 128, 128), (128, 64, 128, 128), (192, 256, 128, 128), (192, 128, 128, 128),
    (192, 64, 128, 128), (256, 128, 64, 64), (256, 64, 128, 128), (576, 64, 128, 128), (576, 64, 64, 64),
    (2048, 16, 16, 16),
    (128, 16, 128, 128), (192, 16, 128, 128), (192, 16, 64, 64), (256, 16, 128, 128), (256, 16, 64, 64),
    (576, 16, 128, 128), (576, 16, 64, 64),
)
"""The same where accumulators lie outside the register file: two groups of 128 queries (FlashAttention 4), of which one
is multiplied while the other is exponentiated, fewer for short ones, and 16 to decode, multiplied transposed with 128
keys as rows (tileSizeQ 8 to 64, tileSizeKv 64 or 128 and swapsMmaAb of TensorRT-LLM's kernels, which all serving
frameworks run). Latent attention takes 16 rows for up to 32 heads, else 64, 128 of which two SMs multiply together
(hashFromRunnerParams of its fmhaKernels.h)."""


BY_KIND: Mapping[str, tuple[float, float]] = {"l2_write_bytes": (9.0, 18.0), "tile_stream": (0.85, 0.92)}
"""Figures of products' kernels that a core takes by its kind of matrix instruction where it states none: the first
where threads copy operands line by line and store results from registers, as estimated for A100 with measured products
in sight, the second where copies and stores are bulk, for Hopper.

- `l2_write_bytes`: half of what L2 gives each SM to readers where whole tiles are stored in bulk, a quarter where warps
  store rows of a tile, 8 at a time. On A100 results of k = 32 leave at 1350 GB/s (9 B/cycle of each SM), of k = 64 at
  1050 and of k = 128 at 760, though device memory takes 1880: what else its library's kernels for short K lose there is
  in this figure too, so that 12 to 18 fit k = 32 and k = 256 better. Nothing published derives it. With tensor memory
  L2 gives twice as much; what it takes nobody has measured, and more than 18 would be no surprise.
- `tile_stream`: what is lost is device memory's time, more than L2's: rows of a tile lie in different DRAM rows, and
  requests of single lines from many blocks mix more of them than boxes of 64 to 256 rows that one instruction asks for.
  One chip that has both tells how much more: B200 reads 7.26 TB/s by bulk copies and 6.69 TB/s by 16 bytes a thread,
  however many are in flight (SemiAnalysisAI/microbench-blackwell), a ratio of 0.92, as 0.85 to 0.92. For how much is
  lost in all there is a bound: lines anywhere, no two of them neighbours, reach 0.88 of a long read on A100 and 0.91
  on H100 in `archsim dram`.
"""


WIDE = ("bf16", "fp16")
SLOW_MACS, SLOW_L2 = 512, 22.0
"""SMs of so many 16-bit MAC per cycle or fewer, and the bytes per cycle that L2 gives each when all read: the median of
L40 (14.7), V100 (22) and MI210 (28), where faster ones have 35 to 43 (gpu-l2-cache of te42kyfo/gpu-benches)."""


@part
class TensorCore:
    """The matrix engine of one SM.

    Two switches say which of three kinds its instructions are; what is not given is then alike on the machines of that
    kind that have been measured (three defaults, a stroke between them, are of these kinds in this order):

    - Warp-level instructions on registers (mma.sync m16n8k16; the default): four sub-cores each issue their own, on
      operands that warps fetch from shared memory for tiles of 64 x 64; an instruction consumes 32 bytes of K per row
      and its result is there 24.6 cycles after its issue, 8 of which A100 spends on arithmetic (Luo et al., arXiv
      2402.13499). Accumulators are half of the register file; the other half holds operands and addresses.
    - `asynchronous` ones (wgmma m64n256k16) span the SM and read shared memory themselves: what one fetch feeds is then
      the instruction. It lasts as long as its arithmetic, or as its reads if they take longer (20 cycles with N = 16;
      the same paper).
    - with `tensor_memory` (tcgen05), 128 lanes beside the register file hold 256 KiB of accumulators, and two SMs pair
      up: A is loaded first, and a result comes 104 cycles after its arithmetic. What pairs add, and the commit, are of
      SemiAnalysisAI/microbench-blackwell (a burst takes interval x count + 132 to 182 cycles, 12 of them the commit).
    """

    macs: Mapping[str, float] = table("MAC/cycle", "dense multiply-adds per cycle of one SM, by dtype; products "
                                     "are A (their rows) times B (their columns)")
    pair: int = whole("SMs that share the B operand of one instruction", default=None, high=8, instead=(1, 1, 2))
    fetch_rows: int = whole("rows of the product that one fetch of operands from shared memory feeds: a warp's tile, "
                            "or one asynchronous instruction (of one SM)", default=None, instead=(64, 64, 128))
    fetch_cols: int = whole("columns of the same", default=None, instead=(64, 256, 256))
    rows: int = whole("rows of one warp-level instruction", default=16)
    cols: int = whole("columns of the same", default=8)
    sub_cores: int = whole("parts of the SM that issue warp-level instructions, each with its share of macs", default=4,
                           high=64)
    k_bytes: int = whole("bytes of K that one instruction consumes per row", default=32)
    depth: float = figure("cycle", "from the end of an instruction's arithmetic to its result", default=None, zero=True,
                           instead=(16.6, 0.0, 104.0))
    pair_depth: float = figure("cycle", "further, to the result of an instruction that spans paired SMs", default=34.0,
                               zero=True)
    fold_depth: float = figure("cycle", "further, where its columns fold over rows that it lacks", default=8.0,
                               zero=True)
    commit: float = figure("cycle", "from a pipeline step's last result until the warps that wait know", default=12.0,
                           zero=True, likely=(8.0, 20.0))
    a_first: bool = option("an instruction loads all of its A before B streams past it", default=None,
                           instead=(False, False, True))
    asynchronous: bool = option("instructions run beside the warps that issue them, so persistent kernels hide "
                                "barriers, prologues and epilogues", default=False)
    tensor_memory: bool = option("accumulators live outside the register file, so softmax runs beside matrix work",
                                 default=False)
    accumulators: float = figure("B", "accumulators of one SM that a tile may take; without, half of its registers, or "
                                 "all of tensor memory", default=None,
                                 instead=(128 * 1024.0, 128 * 1024.0, 256 * 1024.0))

    def __post_init__(self) -> None:
        if self.tensor_memory and not self.asynchronous:
            raise ArchsimError("TensorCore.tensor_memory needs asynchronous=True: only instructions that run beside "
                               "the warps that issue them keep their accumulators outside the register file")
        settle(self, self.settled, later="" if self.tensor_memory else "accumulators")  # which GpuCore's registers hold

    @property
    def settled(self) -> int:
        """Kind of instruction, which settles what is not given: 0 warp-level, 1 asynchronous, 2 with tensor memory."""
        return 2 if self.tensor_memory else int(self.asynchronous)


def _tiles(field: str, given: Any, width: int) -> Any:
    """Return a tile library as tuples of whole numbers, which can be hashed."""
    what = ("(rows, columns, bytes of K per step)" if width == 3 else
            "(largest head dimension, query rows, keys, keys where they are split)")
    try:
        tiles = tuple(tuple(positive_int(f"GpuCore.{field}", size) for size in tile) for tile in given)
    except TypeError:
        tiles = ()
    if not tiles or any(len(tile) != width for tile in tiles):
        raise ArchsimError(f"GpuCore.{field} must be a list of tiles, each {what}, not {given!r}")
    return tiles


@part
class GpuCore:
    """One SM or CU.

    Defaults with a stroke between them are by kind of matrix instruction: warp-level / asynchronous / with tensor
    memory (see `TensorCore`; where there are two, the second is of both that are asynchronous), and a fourth of slow
    SMs (`SLOW_L2`).

    Where the defaults come from: 16 transcendentals and 128 fp32 multiply-adds per cycle are those of most SMs since
    2017 and 2020. The port of 64 B/cycle is the L2-to-SM link of the same machines, of which 35 to 37.5 B/cycle are
    left when all SMs read (A100 and H100, gpu-l2-cache of te42kyfo/gpu-benches; for slower SMs see `SLOW_L2`). 3 stages
    are those of most kernels of libraries with per-thread copies (CUTLASS's profiler set for compute capability 8.x). A
    pipeline step's barrier and shared-memory latency are about 30 cycles each (29 cycles of shared-memory latency
    measured on three generations; 60 cycles of two barriers close the turn-around of a stage in CUTLASS's one-block
    runs on B200, SemiAnalysisAI/microbench-blackwell, see `archsim sm`). One port: DeepGEMM's model of Hopper adds what
    is written to shared memory to what is read. The register file gives 3 operands of 4 B to each of 128 lanes per
    cycle. Barrier set-up, descriptor and address work before the first load, and the same after the last store, take
    200 to 400 cycles each in published kernels. Block dispatch is 0.75 to 0.95 per cycle, and a dependent kernel of a
    replayed graph costs 0.9 to 1.9 us, on the machines of te42kyfo/gpu-benches (gpu-small-kernels); from a queue of the
    host 1.6 to 2.6 us, and the host itself needs 4 to 6 us per launch through driver and runtime. A bulk copy takes 105
    (369 against 264 cycles from L2: HPMLL's Hopper benchmark) to 170 cycles (Luo et al., arXiv 2501.12084) longer than
    a load, and it is complete with its last line, which lies in the far partition of L2: half of the 188 cycles between
    a near and a far miss (556 and 744 cycles, the same paper) later than the mean; together 199 to 264.

    Products' kernels: L2 takes a quarter to a half of what it gives; times of single copies vary at least as in a queue
    with random arrivals, whose squared coefficient of variation is 1; parameters and code that caches lack take a block
    about a visit to L2 or two. These, and what reads of tiles reach of a sequential read, are estimated with measured
    products in sight, alike for all GPUs or for those of a kind of instruction: see `BY_KIND`. What warps that copy and
    store by themselves lose beside is derived: see `archsim.timing.sm.sm`.

    Attention: warps that fetch operands overlap this with products less than whole blocks do with each other, as only
    one or two share a scheduler. Key tiles of 64 and 112 keys, whose fetches take 0.5 to 0.75 and 1 of the arithmetic,
    add 3300 and 6450 to 6900 cycles to a lone block on A100 (decode of ai-dynamo/aiconfigurator by number of keys), of
    which softmax takes 900 and 1380: an exponent of 1.6 to 2.5. Softmax beside asynchronous products: without overlap
    FlashAttention 3 falls from 661 to 582 TFLOP/s (its ablation, arXiv 2407.08608, table 2), on tiles of 128 x 176 with
    2816 cycles of products and 1536 of softmax, which is an exponent of 1.2. What such a kernel's block does once is
    estimated with measured attention in sight, alike for all GPUs.

    Kernels without matrix work: 2048 threads and 32 load-store lanes per SM, 64 integer and conversion lanes, are those
    of server GPUs since 2017. A dependent plain instruction takes 4.5 cycles, so 30 of them in a turn of a loop over
    loads take 135. A sum over a block is two trees of 5 shuffles of 30 cycles, three barriers and a visit to shared
    memory of 60 each, a division and a square root of about 100 each, and code that is fetched for the first time.
    """

    tensor: TensorCore = option("TensorCore(macs={'bf16': ...})")
    shared: Scratchpad = option("shared memory: Scratchpad(capacity=..., ...)")
    shared_one_port: bool = option("bytes written to shared memory take cycles of its reads", default=None,
                                   instead=(True, True, False))
    registers: float = figure("B", "register file", default=256 * 1024.0)
    register_read: float = figure("B/cycle", "operands that the register file gives", default=1536.0)
    fp32_lanes: int = whole("fp32 multiply-adds per cycle", default=128)
    sfu: float = figure("op/cycle", "transcendentals per cycle (special-function units)", default=16.0)
    fill_bytes: float = figure("B/cycle", "port from L2 into one SM", default=None, likely=(64.0, 128.0),
                                instead=(64.0, 64.0, 128.0))
    l2_bytes: float = figure("B/cycle", "what L2 gives each SM when all of them read", default=None,
                             likely=(15.0, 43.0), instead=(36.0, 36.0, 72.0, SLOW_L2))
    l2_write_bytes: float = figure("B/cycle", "what L2 takes from each SM when all of them write", default=None,
                                   likely=(9.0, 36.0), instead=BY_KIND["l2_write_bytes"])
    multicast: int = whole("SMs that one read of L2 can feed", default=None, high=16, instead=(1, 2, 2))
    bulk_latency: float = figure("cycle", "further, for a bulk copy (of asynchronous kernels) beside the latency of "
                                 "a load", default=215.0, zero=True, likely=(199.0, 264.0))
    through_registers: bool = option("operands pass through registers on their way to shared memory, which hold one "
                                     "stage of a pipeline", default=False)
    stages: int = whole("most stages of a software pipeline", default=None, high=64, instead=(3, 7, 7))
    scaled_stages: int = whole("the same of products of 8-bit operands with scales, where threads copy operands "
                               "asynchronously (MainLoopStages of vLLM's scaled_mm_c2x)", default=5, high=64)
    barrier: float = figure("cycle", "from a barrier's last arrival until the waiting warps run", default=30.0,
                            zero=True, likely=(20.0, 40.0))
    shared_latency: float = figure("cycle", "of a load from shared memory", default=29.0, zero=True,
                                   likely=(23.0, 33.0))
    accumulator_read: float = figure("B/cycle", "from tensor memory to registers", default=512.0,
                                     likely=(256.0, 1024.0))
    prologue: float = figure("cycle", "from a block's start to its first load: barriers, descriptors, addresses",
                             default=400.0, likely=(200.0, 400.0))
    epilogue: float = figure("cycle", "of a block's end beside moving its bytes", default=400.0, likely=(200.0, 1000.0))
    product_code: float = figure("cycle", "of what a block of a product's kernel does once: parameters and code that "
                                 "its caches lack", default=400.0, likely=(100.0, 1100.0))
    attention_code: float = figure("cycle", "of code that a block of an attention kernel runs once: addresses by "
                                   "thread, masks, code that its instruction cache lacks", default=4500.0,
                                   likely=(2500.0, 6000.0))
    fetch_overlap: float = figure("", "exponent with which an attention kernel's warps overlap their fetches from "
                                  "shared memory with their products: (x^p + y^p)^(1/p)", default=2.5, low=1.0,
                                  high=100.0, likely=(1.6, 3.0))
    overlap: float = figure("", "the same exponent of matrix engine, L2 and device memory in the tiles of attention "
                            "and of experts, and of what row kernels wait for: infinite if times of loads did not vary "
                            "(estimated with measured kernels in sight, alike on all chips)", default=4.0, low=1.0,
                            high=100.0)
    softmax_overlap: float = figure("", "exponent with which two groups of warps that hold their scores in registers "
                                    "overlap softmax with asynchronous products", default=1.2, low=1.0, high=100.0,
                                    likely=(1.0, 1.3))
    variation: float = figure("", "squared coefficient of variation of the time in which a pipeline's stage is filled",
                              default=1.0, high=100.0, likely=(0.5, 3.0))
    tile_stream: float = figure("", "share of the rate of a long sequential read, from L2 and from device memory, that "
                                "reads of operand tiles reach, whose rows lie apart", default=None, low=0.01,
                                high=1.0, likely=(0.8, 1.0), instead=BY_KIND["tile_stream"])
    dispatch: float = figure("block/cycle", "blocks that the chip starts per cycle", default=0.85, likely=(0.75, 0.95))
    threads: int = whole("threads that an SM holds", default=2048, high=65536)
    blocks: int = whole("blocks of threads that an SM holds", default=32, high=1024)
    warp: int = whole("threads that issue together (a warp or wavefront)", default=32, high=1024)
    load_lanes: int = whole("threads whose load or store of 4 bytes issues per cycle", default=32, high=1024)
    int_lanes: int = whole("integer and conversion instructions per cycle", default=64, high=4096)
    issue_lanes: int = whole("threads of which an instruction of any kind issues per cycle: four schedulers, a warp "
                             "of 32 each", default=128, high=4096)
    vector_bytes: int = whole("widest load of one thread, in bytes", default=16, high=1024)
    block_start: float = figure("cycle", "from the start of a block without shared memory to its first load",
                                default=200.0, likely=(100.0, 400.0))
    loop: float = figure("cycle", "of dependent instructions in one turn of a loop over loads: address, conversion, "
                         "arithmetic, branch", default=150.0, likely=(60.0, 200.0))
    reduction: float = figure("cycle", "of a sum or maximum over a block's threads, and of what follows from it",
                              default=800.0, likely=(400.0, 1000.0))
    address_ops: float = figure("op", "integer instructions beside one load or store: address, bounds, loop",
                                default=5.0, likely=(3.0, 8.0))
    sfu_ops: float = figure("op", "plain instructions beside one transcendental: range reduction, Newton steps",
                            default=8.0, likely=(4.0, 12.0))
    launch: float = figure("s", "device-side cost of a dependent kernel in a replayed graph", default=1.25e-6,
                           high=1e-2, likely=(0.9e-6, 1.9e-6))
    stream_launch: float = figure("s", "the same of a kernel that the host has queued", default=2.45e-6, high=1e-2,
                                  likely=(1.6e-6, 2.6e-6))
    host_launch: float = figure("s", "host's time to start one kernel through driver and runtime", default=5e-6,
                                high=1e-2, likely=(4e-6, 6e-6))
    tiles: Tiles | None = option("GEMM tiles: (rows, columns, bytes of K per step); without, what libraries ship for "
                                 "this kind of matrix instruction", default=None)
    attention_tiles: AttentionTiles | None = option(
        "attention tiles: (largest head dimension, query rows, keys, keys where a kernel splits them over blocks); "
        "without, what libraries ship for this kind of matrix instruction", default=None)
    narrow_tiles: Tiles = option("tiles that products with weights narrower than the arithmetic have beside the "
                                 "others: (rows, columns, bytes of K per step)", default=NARROW_TILES)
    grouped_tiles: Tiles = option("tiles of products of experts: (rows, columns, bytes of K per step)",
                                  default=GROUPED_TILES)
    grouped_stages: int = whole("stages of the pipeline of such a kernel", default=3, high=64)
    grouped_walk: int = whole("row blocks of an expert that go through its columns together in such a kernel "
                              "(GROUP_SIZE_M of default configurations)", default=8, high=1024)
    grouped_results: int = whole("results that each of four warps' threads computes in such a kernel at most; larger "
                                 "tiles have eight warps (num_warps of tuned configurations)", default=64, high=512)
    fuse_elementwise: bool = option("elementwise operators ride with the matrix product that feeds them (a compiler "
                                    "does so; serving frameworks launch them as kernels)", default=False)

    kind = "gpu"

    def __post_init__(self) -> None:
        macs = max(self.tensor.macs.get(name, 0.0) for name in WIDE)
        if self.l2_bytes is None and self.settled == 0 and 0 < macs <= SLOW_MACS:
            object.__setattr__(self, "l2_bytes", SLOW_L2)
        settle(self, self.settled)
        if self.tensor.accumulators is None:
            object.__setattr__(self, "tensor", replace(self.tensor, accumulators=self.registers / 2))
        if self.tiles is not None:
            object.__setattr__(self, "tiles", _tiles("tiles", self.tiles, 3))
        for name in ("grouped_tiles", "narrow_tiles"):
            object.__setattr__(self, name, _tiles(name, getattr(self, name), 3))
        if self.attention_tiles is not None:
            object.__setattr__(self, "attention_tiles", _tiles("attention_tiles", self.attention_tiles, 4))

    @property
    def settled(self) -> int:
        """Kind of matrix instruction that settles what is not given."""
        return self.tensor.settled

    def following(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return what changes with other figures: accumulators that are half of the registers stay so."""
        tensor = self.tensor
        if "registers" not in changes or tensor.tensor_memory or tensor.accumulators != self.registers / 2:
            return {}
        unset: dict[str, Any] = {"accumulators": None}
        return {"tensor": replace(tensor, **unset)}

    @property
    def library(self) -> Tiles:
        """GEMM tiles to choose from: the chip's own, or those of its kind of matrix instruction."""
        if self.tiles is not None:
            return self.tiles
        if self.tensor.tensor_memory:
            return TENSOR_MEMORY_TILES
        return ASYNC_TILES if self.tensor.asynchronous else TILES

    def scaled_library(self, rows: float, grouped: bool) -> tuple[Tiles, int]:
        """GEMM tiles for `rows` rows of operands with scales, of groups of a row or (not `grouped`) of whole rows.

        Beside them, the rows of blocks that start together, by which a grid is padded: 1 where kernels have clusters
        only if they fit.
        """
        if self.tiles or self.tensor.tensor_memory:
            return self.library, 1
        if not self.tensor.asynchronous:
            return self.library + THIN_SCALED_TILES, 1
        if grouped:
            return SCALED_TILES, 1
        if rows > FEW_ROWS:
            return SCALED_TILES[:1], SCALED_CLUSTER
        return SCALED_TILES[-1:], 1

    @property
    def scaled_depth(self) -> int:
        """Most stages of a pipeline of operands with scales."""
        if self.tensor.asynchronous or self.through_registers:
            return self.stages
        return max(self.stages, self.scaled_stages)

    @property
    def attention_library(self) -> AttentionTiles:
        """Attention tiles to choose from: the chip's own, or those of its kind of matrix instruction."""
        if self.attention_tiles is not None:
            return self.attention_tiles
        if self.tensor.tensor_memory:
            return TENSOR_MEMORY_ATTENTION_TILES
        return ASYNC_ATTENTION_TILES if self.tensor.asynchronous else ATTENTION_TILES

    @property
    def sync(self) -> float:
        """Cycles in which warps hand data on to others: a barrier, and a load of it from shared memory."""
        return self.barrier + self.shared_latency

    @property
    def rates(self) -> Mapping[str, float]:
        """MAC per cycle of one SM, by dtype."""
        return self.tensor.macs

    def flop_per_cycle(self, dtype: str) -> float:
        """Return the dense matrix FLOP per cycle of one SM."""
        return 2.0 * self.tensor.macs[dtype]
