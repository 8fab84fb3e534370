"""GPU attention and its gradients: the fastest query and key tile and split of the keys, with softmax beside."""

from __future__ import annotations

import math

from archsim.dtypes import BYTES
from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.kernels.gpu_attention import best_attention
from archsim.kernels.gpu_attention_tile import Heads, Vector
from archsim.timing.gpu_figures import as_array, figures, optime, rounds
from archsim.timing.optime import OpTime
from archsim.timing.sm import engine
from archsim.timing.warm import COLD, Warm
from archsim.workload.ops import Attention, AttentionBackward


def heads(op: Attention | AttentionBackward) -> Heads:
    """Return attention as the kernels see it; gradients walk the same tiles and do more with each."""
    if isinstance(op, AttentionBackward):
        f = op.forward
        return heads(f)._replace(score_ops=5.0 + f.biased + 4.0 * f.softcap, gradients=1.0)
    return Heads(
        float(op.batch), float(op.q_len), float(op.kv_len), float(op.heads), float(op.kv_heads), float(op.head_dim),
        float(op.value_dim), float(op.causal), float(op.window or math.inf), BYTES[op.dtype], BYTES[op.kv_dtype],
        float(op.shared_kv), 4.0 + op.biased + 2.0 * op.softcap, 1.0 + op.softcap,
    )


def attention(op: Attention | AttentionBackward, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time fused attention, or its gradients.

    Keys and values of 8 bits beside queries of 16 are converted in the main loop of warp-level kernels. Those of
    asynchronous instructions get their few queries in 8 bits instead (vLLM and SGLang hand them to FlashAttention 3 and
    TensorRT-LLM's kernels so); their products are timed at the rate of the operator's format all the same, to which
    its utilisation is related.

    Where products and softmax take turns, the engine with the longer turn is busy for both: what `busy` says of the
    bound and of the launch add up to the time.

    Raises
    ------
    UnsupportedError
        If the chip has no matrix path for the dtype, or no tile of the library holds the head dimension.
    """
    gpu = figures(chip)
    core = chip.core
    assert isinstance(core, GpuCore)
    kv_dtype = (op.forward if isinstance(op, AttentionBackward) else op).kv_dtype
    alike = core.tensor.asynchronous and kv_dtype == "fp8" and kv_dtype in chip.dtypes
    vector = Vector(float(core.fp32_lanes), core.sfu, core.registers, core.attention_code,
                    math.inf if alike else float(core.int_lanes), core.fetch_overlap, core.softmax_overlap)
    library = core.attention_library
    p, bq, bk = best_attention(gpu, engine(chip, op.dtype), as_array(library), heads(op), vector, 1.0 - warm.inputs,
                               warm.output)
    if p.tile < 0:
        dim = op.forward.head_dim if isinstance(op, AttentionBackward) else op.head_dim
        raise UnsupportedError(f"{chip.name}: no attention tile holds head_dim {dim} in one SM")
    split = f", split-KV {int(p.splits)}" if p.splits > 1 else ""
    turns = "" if gpu.decoupled or max(p.matrix, p.vector) < max(p.on_chip, p.hbm) else ", products and softmax in turn"
    plan = f"tile {bq:.0f}x{bk:.0f}{split}, {rounds(p)}{turns}"
    if isinstance(op, AttentionBackward):
        plan = f"scores again, then gradients: {plan}"
    return optime(op, chip, p, warm, vector=p.vector, plan=plan)
