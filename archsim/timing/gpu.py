"""GPU timing: matrix products by tiles and waves, row operators by bandwidth; attention has its own file."""

from __future__ import annotations

import math

from archsim.dtypes import BYTES
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu as kernel
from archsim.kernels import gpu_rows as row_kernel
from archsim.timing.gpu_attention import attention
from archsim.timing.gpu_figures import as_array, figures, optime, powered, rounds, row_figures
from archsim.timing.optime import OpTime
from archsim.workload.ops import Attention, AttentionBackward, GroupedMatMul, MatMul, Norm, Op, Stream

VECTOR_BYTES = 16.0
"""Bytes of a thread's widest load, on every GPU since 2006 (float4).

That a norm with a residual uses it and a plain norm takes one element at a time is no property of hardware but a
convention, that of the kernels that serving frameworks share (vllm-project/vllm csrc/layernorm_kernels.cu:
fused_add_rms_norm_kernel has a vectorised path for aligned rows, rms_norm_kernel had none). A plain norm written with
wide loads would take about the time that a residual one does here.
"""


def time(op: Op, chip: Chip) -> OpTime:
    """Time one operator on a GPU.

    Raises
    ------
    UnsupportedError
        If the chip has no matrix path for the operator's dtype, or the operator is of no known kind.
    """
    if isinstance(op, MatMul | GroupedMatMul):
        return matmul(op, chip)
    if isinstance(op, Attention | AttentionBackward):
        return attention(op, chip)
    if isinstance(op, Stream):
        return row_operator(op, chip)
    raise UnsupportedError(f"{chip.name}: {op.kind} cannot be timed on a GPU yet")


def matmul(op: MatMul | GroupedMatMul, chip: Chip) -> OpTime:
    """Time a matrix product: the fastest tile and split-K of the core's library.

    Products of experts are one grouped kernel: blocks of all experts fill the SMs together.
    """
    core = chip.core
    assert isinstance(core, GpuCore)
    groups, n, k, reuse = products(op)
    a, b, out = BYTES[op.a_dtype], BYTES[op.b_dtype], BYTES[op.out_dtype]
    rows, number = sum(m * count for m, count in groups), sum(count for _, count in groups)
    operands = op.a_bytes + number * k * n * b + rows * n * out
    floor = powered(op, chip, 0.0)
    per_byte = powered(op, chip, 1e9) / 1e9 - floor / 1e9
    p = kernel.best_gemm(figures(chip, op.dtype), as_array(core.tiles), as_array(groups), n, k, a, b, out,
                         max(0.0, op.bytes - operands), reuse, floor * chip.clock, per_byte * chip.clock)
    if not math.isfinite(p.cycles):
        raise UnsupportedError(f"{chip.name}: no tile of its library fits one SM")
    bm, bn, bk = core.tiles[int(p.tile)]
    split = f", split-K {int(p.splits)}" if p.splits > 1 else ""
    grouped = f", {int(number)} products in one kernel" if isinstance(op, GroupedMatMul) else ""
    plan = f"tile {bm}x{bn}x{bk}B, {int(p.stages)} stages{split}, {int(p.occupancy)}/SM, {rounds(p)}{grouped}"
    vector = (op.vector_ops / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores
    return optime(op, chip, p, vector=vector, floor=powered(op, chip, p.hbm_bytes), plan=plan)


def products(op: MatMul | GroupedMatMul) -> tuple[tuple[tuple[float, float], ...], float, float, float]:
    """Return (rows and number of equal products, n, k, reuse of a) of a product or of the experts' products.

    Gradients of experts' weights contract over the rows, which differ: each counts with the mean.
    """
    if isinstance(op, MatMul):
        return ((float(op.m), float(op.batch)),), float(op.n), float(op.k), op.a_reuse
    if op.wgrad:
        return ((float(op.k), float(op.touched)),), float(op.n), op.rows / op.touched, 1.0
    return tuple((float(m), float(count)) for m, count in op.counts), float(op.n), float(op.k), 1.0


def row_operator(op: Stream, chip: Chip) -> OpTime:
    """Time a row operator.

    An elementwise operator or a gather streams: its bytes at the rate of device memory, or its arithmetic, after a
    launch and a latency. A norm needs its row twice, and its block of threads waits in between.
    """
    core, cache, memory = chip.core, chip.cache, chip.memory
    assert isinstance(core, GpuCore) and cache is not None
    hz = chip.clock
    busy = {
        "hbm": op.read_bytes / memory.sustained + op.write_bytes / (memory.bandwidth * memory.write_efficiency),
        "scratchpad": op.bytes / cache.bandwidth,
        "vector": (op.vector_ops / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores / hz,
    }
    stream, fixed, plan = max(busy.values()), core.launch + memory.latency + cache.latency, "a stream over all SMs"
    seconds = stream + fixed
    if isinstance(op, Norm):
        size = BYTES[op.dtype]
        access = VECTOR_BYTES / size if op.residual and op.cols * size % VECTOR_BYTES == 0 else 1.0
        cycles = row_kernel.norm(row_figures(chip), float(op.rows), float(op.cols), size, access,
                                 op.read_bytes - op.parameter_bytes, op.write_bytes)
        seconds, plan = max(seconds, cycles / hz), "a block per row, two passes"
        fixed = max(fixed, seconds - stream)
    busy["launch"] = fixed
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=op.bytes,
        on_chip_bytes=op.bytes, utilization=op.bytes / memory.bandwidth / seconds,
        bound=max(busy, key=lambda x: busy[x]), busy=busy, plan=plan,
    )
