"""GPU timing: one model per kind of operator."""

from __future__ import annotations

from archsim.errors import UnsupportedError
from archsim.hardware import Chip
from archsim.timing.gpu_attention import attention
from archsim.timing.gpu_grouped import grouped
from archsim.timing.gpu_matmul import matmul
from archsim.timing.gpu_rows import row_operator
from archsim.timing.optime import OpTime
from archsim.timing.warm import COLD, Warm
from archsim.workload.ops import Attention, AttentionBackward, GroupedMatMul, MatMul, Op, Stream


def time(op: Op, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time one operator on a GPU whose L2 holds `warm` of its operands.

    Raises
    ------
    UnsupportedError
        If the chip has no matrix path for the operator's dtype, or the operator is of no known kind.
    """
    if isinstance(op, MatMul):
        return matmul(op, chip, warm)
    if isinstance(op, GroupedMatMul):
        return grouped(op, chip, warm)
    if isinstance(op, Attention | AttentionBackward):
        return attention(op, chip, warm)
    if isinstance(op, Stream):
        return row_operator(op, chip, warm)
    raise UnsupportedError(f"{chip.name}: {op.kind} cannot be timed on a GPU yet")
