"""Timing of fused attention on systolic cores."""

from __future__ import annotations

import math
from dataclasses import replace

from archsim.dtypes import BYTES
from archsim.hardware import Chip
from archsim.kernels.systolic import Engine
from archsim.kernels.systolic_attention import Heads, attention_bytes, query_unit, search_attention
from archsim.timing.optime import OpTime
from archsim.timing.systolic_result import assemble, counted, loads_bind, too_small
from archsim.workload.ops import Attention, AttentionBackward


def heads(op: Attention | AttentionBackward) -> Heads:
    """Return attention as the kernels see it: the query heads of a group are packed as rows beside their keys.

    Keys that no query's window reaches do not count. Gradients walk the same tiles and do more with each: products,
    the scores computed again among them, vector operations, and bytes of operands and of their gradients.
    """
    if isinstance(op, AttentionBackward):
        f = op.forward
        return heads(f)._replace(score_ops=5.0 + f.biased + 4.0 * f.softcap, products=op.executed_flops / f.flops,
                                 traffic=op.bytes / f.bytes)
    seen = min(op.kv_len, op.q_len + op.window - 1) if op.window else op.kv_len
    return Heads(
        units=op.batch * op.kv_heads, group=op.heads // op.kv_heads, q_len=op.q_len, kv_len=seen,
        head_dim=op.head_dim, value_dim=op.value_dim, causal=int(op.causal), window=op.window or 0,
        q_size=BYTES[op.dtype], kv_size=BYTES[op.kv_dtype], out_size=BYTES[op.dtype],
        shared=int(op.shared_kv), score_ops=4.0 + op.biased + 2.0 * op.softcap, score_exps=1.0 + op.softcap,
        products=1.0, traffic=1.0,
    )


def time(op: Attention | AttentionBackward, chip: Chip, e: Engine) -> OpTime:
    """Time prefill or decode attention, or its gradients, with the best query and key blocks.

    Raises
    ------
    ArchsimError
        If no block fits into the scratchpad.
    """
    h = heads(op)
    plan, w = search_attention(e, h, chip.cores)
    if not math.isfinite(w.seconds):
        unit = min(h.q_len, query_unit(e, h)), min(h.kv_len, max(e.rows, e.cols))
        raise too_small(chip, e, f"attention of head size {h.head_dim}", attention_bytes(e, h, *unit, 1, False))
    bq, bkv, pack, resident, used, cuts = (int(x) for x in plan)
    text = f"{counted(bq, 'query', 'queries')} x {counted(h.group, 'head')} against {counted(bkv, 'key')}"
    text += f", {pack} (sequence, head) pairs per step" if pack > 1 else ""
    text += ", keys resident" if resident else ""
    text += f", keys cut in {cuts}" if cuts > 1 else ""
    text += f"; {used} of {chip.cores} cores" if chip.cores > 1 else ""
    if isinstance(op, AttentionBackward):
        text = f"scores again, then gradients: {text}"
        w = w._replace(macs=w.macs * op.flops / op.forward.flops)
    done = assemble(op, chip, w, max(w.read + w.written, op.bytes), w.on_chip, text)
    return replace(done, plan=text + loads_bind(e, bq * h.group)) if done.bound == "matrix" else done
