"""Timing of fused attention on systolic cores."""

from __future__ import annotations

import math

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError
from archsim.hardware import Chip
from archsim.kernels.systolic import Engine, core_bandwidth
from archsim.kernels.systolic_attention import Heads, search_attention
from archsim.timing.optime import OpTime
from archsim.workload.ops import Attention


def heads(op: Attention) -> Heads:
    """Return attention as the kernels see it: the query heads of a group are packed as rows beside their keys."""
    return Heads(
        units=op.batch * op.kv_heads, group=op.heads // op.kv_heads, q_len=op.q_len, kv_len=op.kv_len,
        head_dim=op.head_dim, value_dim=op.value_dim, causal=int(op.causal), window=op.window or 0,
        q_size=BYTES[op.dtype], kv_size=BYTES[op.kv_dtype],
    )


def time(op: Attention, chip: Chip, e: Engine) -> OpTime:
    """Time prefill or decode attention with the best query and key blocks.

    Raises
    ------
    ArchsimError
        If no block fits into the scratchpad.
    """
    h = heads(op)
    plan, w = search_attention(e, h, chip.cores)
    if not math.isfinite(w.seconds):
        raise ArchsimError(f"{chip.name}: a scratchpad of {e.capacity:,.0f} bytes holds no attention block of "
                           f"head size {op.head_dim}")
    bq, bkv, pack, resident = (int(x) for x in plan)
    used = min(chip.cores, -(-h.units // pack) * (1 if resident else -(-h.q_len // bq)))
    moved = max(w.read + w.written, op.bytes)
    busy = {
        "matrix": w.matrix, "vector": w.vector, "scratchpad": w.port,
        "hbm": (w.read + w.written * e.write_cost) / used / core_bandwidth(e, used), "launch": w.fixed,
    }
    seconds = max(w.seconds, *busy.values())
    text = f"{bq} queries x {h.group} heads against {bkv} keys"
    text += f", {pack} (sequence, head) pairs per step" if pack > 1 else ""
    text += ", keys resident" if resident else ""
    return OpTime(
        seconds=seconds, cycles=seconds * chip.clock, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=moved,
        on_chip_bytes=w.on_chip, utilization=op.flops / chip.peak(op.dtype) / seconds,
        bound=max(busy, key=lambda b: busy[b]), busy=busy,
        plan=text + (f"; {used} of {chip.cores} cores" if chip.cores > 1 else ""),
    )
