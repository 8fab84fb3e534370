"""Lowering: operators that no engine has a model of its own for, as ones that every engine has.

A convolution is the matrix product of its windows and its filters. The product's moving operand is laid out on the way
to the multipliers (implicit GEMM on a GPU, the scratchpad's address generator on a systolic core), so device memory
gives each pixel once: `MatMul.a_reuse` tells the engine models. Algorithms with fewer multiplications (Winograd, FFT)
are not modelled.

The experts of a layer are products one after the other, those with equal rows as one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archsim.dtypes import BYTES
from archsim.hardware import Chip, SystolicCore
from archsim.timing.optime import OpTime, pace
from archsim.workload.conv import Conv
from archsim.workload.ops import Elementwise, GroupedMatMul, Op


def conv(op: Conv, chip: Chip, time: Callable[[Op, Chip], OpTime]) -> OpTime:
    """Time a convolution as a matrix product or, with few channels per group, on the vector unit if that is faster.

    A depthwise convolution has one column of results per group: a matrix engine would mostly multiply padding.

    Raises
    ------
    UnsupportedError
        If the chip's matrix engine does not take the dtype.
    """
    matrix = time(op.as_matmul(), chip)
    if op.groups == 1:
        return matrix
    written = max(1, round(op.write_bytes / BYTES[op.out_dtype]))
    stream = Elementwise(
        elements=written, inputs=op.read_bytes / BYTES[op.dtype] / written, ops=(op.flops + op.vector_ops) / written,
        exps=op.transcendentals / written, name="grouped_conv", dtype=op.dtype, out_dtype=op.out_dtype,
    )
    vector = time(stream, chip)
    if vector.seconds >= matrix.seconds:
        return matrix
    done = min(1.0, op.flops / chip.peak(op.dtype) / vector.seconds)  # of what the arrays would have done meanwhile
    stalls = {cause: stall * (1.0 - done) for cause, stall in vector.stalls.items()}
    return replace(vector, flops=op.flops, utilization=done, stalls=stalls,
                   plan=f"on the vector unit, {vector.plan}")


def grouped(op: GroupedMatMul, chip: Chip, time: Callable[[Op, Chip], OpTime]) -> OpTime:
    """Time the products of experts as one pipeline: each follows the one before without waiting for memory to answer.

    Raises
    ------
    UnsupportedError
        If the chip's matrix engine does not take the dtype.
    """
    core = chip.core
    assert isinstance(core, SystolicCore)
    back = core.dma_latency if core.dma_write_latency is None else core.dma_write_latency
    parts = [time(replace(member, batch=count), chip) for count, member in op.members]
    hidden = (core.dma_latency + back) * (len(parts) - 1)  # the loads of one go out while the one before works
    busy = {b: sum(p.busy[b] for p in parts) for b in parts[0].busy}
    busy["launch"] -= hidden
    stalls = {cause: sum(p.stalls[cause] for p in parts) for cause in parts[0].stalls}
    stalls["DMA latency"] -= hidden
    seconds = sum(p.seconds for p in parts) - hidden
    rows = f"{op.counts[-1][0]} to {op.counts[0][0]} rows" if len(parts) > 1 else f"{op.counts[0][0]} rows"
    padding = (op.executed_flops - op.flops) / chip.peak(op.dtype)
    stalls["padding"] += padding
    return replace(
        parts[0], seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops,
        hbm_bytes=sum(p.hbm_bytes for p in parts), on_chip_bytes=sum(p.on_chip_bytes for p in parts),
        utilization=op.flops / chip.peak(op.dtype) / seconds, bound=pace(seconds, busy, stalls), busy=busy,
        stalls=stalls, resident=max(p.resident for p in parts),
        plan=f"{op.touched} experts with {rows}: {parts[0].plan}",
    )
