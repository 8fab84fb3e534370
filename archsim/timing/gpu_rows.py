"""GPU row operators: norms, softmax, quantisation by blocks of threads per row; other work as flat streams.

How frameworks write such kernels is a convention that all share: a block of at most 1024 threads per row, a loop over
the row in loads of 16 bytes per thread (one element where rows do not divide and norms or activations take them;
softmax, sorting and quantisation go to the next whole load and leave a ragged end), reductions by shuffles and shared
memory; and blocks of 128 threads with one load per operand each where rows do not matter. Quantisation gives a row 256
threads with two such loads at a time, and a warp as soon as each SM has two blocks of such warps; where groups of a row
have scales of their own, a group the threads that hold all of it in their registers, so that many share a warp (8 for
128 elements in SGLang's per_token_group_quant_8bit_v2, one or two for 16 in vLLM's cvt_fp16_to_fp4). Rows that outgrow
the caches while they wait for their next pass come from device memory again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.dtypes import BYTES, SCALED
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu_rows as kernel
from archsim.kernels.gpu_chip import Gpu
from archsim.kernels.gpu_l2 import reread_rate
from archsim.timing.gpu_figures import row_figures
from archsim.timing.optime import OpTime
from archsim.timing.warm import COLD, Warm
from archsim.workload.ops import Elementwise, Gather, Norm, Quantize, Route, Softmax, Sort, Stream

ROW_THREADS = 1024
"""Threads of a block at most."""
FLAT_THREADS = 128
"""Threads of a block where rows do not matter, and of one that takes several short rows."""
QUANTISING = 256
"""Threads of a block that quantises a row, several rows with a warp each, or as many groups as it holds at once."""
HELD = 16
"""Scores of a row that a thread of a warp holds in registers while it looks for the largest ones: rows of up to 512
experts are a warp's (topkGating of vLLM and SGLang)."""
OPERANDS = 8.0
"""Loads that a thread of a flat kernel has in flight at most; where a result has more operands, more threads share
them."""


@dataclass(frozen=True)
class Blocks:
    """A row operator as its kernel cuts it up.

    `turns` of a block's loop in each of `passes` over its data; `reductions` that the block's threads wait for, each
    over a whole block or (`warps`) within warps; `elements` that a thread takes in one load of `access` bytes.
    """

    blocks: int
    threads: int
    turns: int
    access: float
    elements: int
    passes: int = 1
    reductions: int = 0
    warps: bool = True


def cut(op: Stream, chip: Chip) -> Blocks:
    """Return the blocks of threads that run an operator."""
    core = chip.core
    assert isinstance(core, GpuCore)
    size = BYTES[str(getattr(op, "dtype", "fp32"))]
    wide = getattr(op, "access", None) or core.vector_bytes * (1 + isinstance(op, Quantize))
    rows, cols = _rows(op)
    elements = max(1, int(wide / size))
    if not rows:
        loads = op.read_bytes / (elements * size)
        stores = op.write_bytes / (elements * size)
        threads = max(1, math.ceil(max(min(loads, stores) if loads and stores else loads + stores, loads / OPERANDS)))
        return Blocks(math.ceil(threads / FLAT_THREADS), FLAT_THREADS, 1, elements * size, elements)
    if cols % elements and not isinstance(op, Softmax | Quantize | Sort):
        elements = 1
    if isinstance(op, Route) and cols <= HELD * core.warp:  # a warp has a row
        together = max(1, FLAT_THREADS // core.warp)
        return Blocks(math.ceil(rows / together), together * core.warp, 1, elements * size, elements,
                      reductions=round(op.reduced / (rows * cols)))
    if isinstance(op, Quantize) and op.out_dtype in SCALED:  # some threads of a warp have a group
        together = max(1, QUANTISING // math.ceil(cols / elements))
        return Blocks(math.ceil(rows / together), QUANTISING, 1, elements * size, elements, reductions=int(op.dynamic))
    threads, together = min(ROW_THREADS, core.warp * math.ceil(cols / (core.warp * elements))), 1
    if isinstance(op, Quantize):
        together = max(1, QUANTISING // core.warp)
        by_warp = rows >= 2 * chip.cores * together
        threads, together = (min(threads, core.warp), together) if by_warp else (min(threads, QUANTISING), 1)
    together = max(together, FLAT_THREADS // threads)  # rows that one block takes
    reductions = round(op.reduced / (rows * cols)) if op.passes > 1 else 0
    return Blocks(math.ceil(rows / together), threads * together, math.ceil(cols / (threads * elements)),
                  elements * size, elements, max(1, min(3, round(op.passes))), reductions,
                  threads <= core.warp and not isinstance(op, Sort))


def _rows(op: Stream) -> tuple[int, int]:
    """Return the rows that blocks take and their elements; (0, 0) where rows do not matter."""
    if isinstance(op, Quantize) and op.out_dtype in SCALED:
        group = SCALED[op.out_dtype].group
        return op.rows * math.ceil(op.cols / group), min(op.cols, group)
    if isinstance(op, Route):
        return op.rows, op.experts
    if isinstance(op, Sort):
        return 1, op.places
    if isinstance(op, Elementwise):
        return (max(1, op.elements // op.cols), op.cols) if op.cols else (0, 0)
    if op.passes > 1:
        return op.rows, op.cols  # type: ignore[attr-defined]  # every such operator has both
    return 0, 0


def row_operator(op: Stream, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time an operator without matrix work whose operands L2 holds to the shares of `warm`.

    A block waits for its loads, turn after turn, and for its reductions; blocks that share an SM hide that from each
    other, until issue slots, L2 or device memory are full. Such kernels run at the highest clock.
    """
    core, cache, memory = chip.core, chip.cache, chip.memory
    assert isinstance(core, GpuCore) and cache is not None
    gpu, hz = _figures(chip)
    own = op.parameter_bytes if not isinstance(op, Gather) else 0.0  # a lookup reads rows, not its table
    own = min(own, op.read_bytes)
    inputs = op.read_bytes - own
    reads = inputs * (1.0 - warm.inputs) + own * (1.0 - warm.weights)
    writes = op.write_bytes * (1.0 - warm.output)
    b = cut(op, chip)

    # one block's chain: a load from where the data are, later passes from L2, and what is done with them
    near = (gpu.l2_latency + (gpu.partitions - 1.0) * gpu.far_latency) / gpu.partitions
    missing = reads / op.read_bytes if op.read_bytes else 0.0
    first = near + missing * max(0.0, gpu.dram_latency - near)
    turn = core.loop * (1.0 + op.transcendentals / max(1.0, _results(op)))
    latency = b.turns * (first + turn + (b.passes - 1) * (near + core.loop))
    shuffles = math.log2(core.warp) * core.shared_latency  # a tree within a warp
    latency += b.reductions * (shuffles if b.warps else core.reduction)
    if isinstance(op, Gather):
        latency += near  # the index comes before the row
    if isinstance(op, Route):
        latency += b.reductions * core.loop  # each choice is a turn of a loop over the scores that a thread holds

    # pipes, in cycles of an SM: loads and stores, their addresses and conversions, arithmetic; slots to issue them all
    shared = own * b.blocks if isinstance(op, Norm) else own  # every row meets all of the gain
    accesses = (inputs * b.passes + shared + op.write_bytes) / b.access
    ints = accesses * (core.address_ops + b.elements)
    plain = op.vector_ops + op.transcendentals * core.sfu_ops
    issue = kernel.issue(
        accesses * max(1.0, b.access / 4.0) / core.load_lanes, ints / core.int_lanes, plain / core.fp32_lanes,
        op.transcendentals / core.sfu, (accesses + ints + plain + op.transcendentals) / core.issue_lanes,
        float(b.elements),
    )

    resident = max(1, min(core.blocks, core.threads // b.threads))
    moved = op.read_bytes + op.write_bytes
    held = inputs / b.blocks * min(b.blocks, resident * chip.cores)  # of rows that wait for their next pass
    if held > chip.cores * core.shared.capacity:  # not nearby, and beyond L2's capacity not on the chip
        again = (b.passes - 1) * inputs * max(0.0, 1.0 - cache.largest.capacity / held)
        reads, moved = reads + again, moved + (b.passes - 1) * inputs
    cycles = kernel.stream(gpu, float(b.blocks), float(resident), core.block_start, latency, issue / b.blocks, reads,
                           writes, moved)
    seconds = cycles / hz
    busy = {
        "hbm": reads / memory.sustained + writes / memory.sustained_write,
        "scratchpad": moved / reread_rate(gpu, moved, gpu.far) / hz,
        "vector": issue / chip.cores / hz,
    }
    busy["launch"] = max(core.launch, seconds - max(busy.values()))
    seconds = max(seconds, *busy.values())
    each = f"{b.blocks:,} block{'s' if b.blocks > 1 else ''} of {b.threads} threads"
    loop = f", {b.turns} turn{'s' if b.turns > 1 else ''}" if b.turns * b.passes > 1 else ""
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops,
        hbm_bytes=reads + writes, on_chip_bytes=moved, utilization=min(1.0, op.bytes / memory.bandwidth / seconds),
        bound=max(busy, key=lambda x: busy[x]), busy=busy,
        plan=each + loop + (f", {b.passes} passes" if b.passes > 1 else ""),
    )


def _results(op: Stream) -> float:
    """Return the elements that an operator works on."""
    rows, cols = _rows(op)
    return float(rows * cols or getattr(op, "elements", 0) or op.write_bytes / BYTES[str(getattr(op, "dtype", "fp32"))])


def _figures(chip: Chip) -> tuple[Gpu, float]:
    """Return the chip's figures in cycles of its highest clock, and that clock."""
    gpu, hz = row_figures(chip), chip.boost or chip.clock
    ratio = hz / chip.clock
    return gpu._replace(
        launch=gpu.launch * ratio, l2_latency=gpu.l2_latency * ratio, far_latency=gpu.far_latency * ratio,
        dram_latency=gpu.dram_latency * ratio, dram_read=gpu.dram_read / ratio, dram_write=gpu.dram_write / ratio,
    ), hz
