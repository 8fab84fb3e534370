"""Lowering: operators that no engine has a model of its own for, as ones that every engine has.

A convolution is the matrix product of its windows and its filters. The product's moving operand is laid out on the way
to the multipliers (implicit GEMM on a GPU, the scratchpad's address generator on a systolic core), so device memory
gives each pixel once: `MatMul.a_reuse` tells the engine models. Algorithms with fewer multiplications (Winograd, FFT)
are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archsim.dtypes import BYTES
from archsim.hardware import Chip
from archsim.timing.optime import OpTime
from archsim.workload.conv import Conv
from archsim.workload.ops import Elementwise, Op


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
    peak = chip.peak(op.dtype)
    return replace(vector, flops=op.flops, utilization=op.flops / peak / vector.seconds,
                   plan=f"on the vector unit, {vector.plan}")
