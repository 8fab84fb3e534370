"""transformer: the layer graph of one step of a model, from embedding to logits (and back, in training).

Equal layers appear once with a ``repeat``, so that the graph grows with distinct layers, not with depth. Nodes carry

- ``op``: an `archsim.workload.ops.Op` (shapes, dtypes, FLOPs, compulsory bytes),
- ``layer``: ``embedding``, ``decoder`` (``decoder.0``, ``decoder.1`` ... where a stack has distinct layers), ``head``,
  and ``repeat``: how many equal layers it stands for,
- ``tied_to``: the node that holds its weights, if they are shared.

In training, ``repeat`` counts every microbatch and ``copies`` the layers alone; nodes of the backward pass are marked
``backward``, those among them that run again rather than keep what they made ``recomputed``.

Edges carry ``tensor`` (shape, dtype, bytes), and ``name`` where that is a part of what the node makes, or something
beside it (the residual stream behind a norm).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import networkx as nx
import numpy as np

from archsim.dtypes import BYTES, arithmetic
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload.architecture import ModelConfig, Stack
from archsim.workload.attend import cross_keys
from archsim.workload.backward import RECOMPUTE, backward, optimize
from archsim.workload.build import SHARED, Builder, Lengths, Step, Tensor, Value
from archsim.workload.gradient import OPTIMIZERS
from archsim.workload.layers import Residual, block, dropped
from archsim.workload.moe import Routing
from archsim.workload.ops import CrossEntropy, Elementwise, Gather, Norm

PHASES = ("prefill", "decode", "encode", "train")

GROUPED = {"int4": "int4_g128", "fp4": "mxfp4"}
"""Weights stored in a bare 4-bit format get the scales that checkpoints have: see `archsim.dtypes.SCALED`."""

Size: TypeAlias = int | Sequence[int] | None


def transformer(
    model: ModelConfig,
    *,
    phase: str | None = None,
    batch: int | None = None,
    seq: Size = None,
    context: Size = None,
    source: int | None = None,
    dtype: str = "bf16",
    weight_dtype: str | None = None,
    expert_dtype: str | None = None,
    activation_dtype: str | None = None,
    kv_dtype: str | None = None,
    logits_dtype: str | None = None,
    logits: str = "all",
    routing: Routing | str = "uniform",
    fused_attention: bool = True,
    microbatches: int = 1,
    recompute: str = "none",
    optimizer: str = "adam",
    gradient_dtype: str = "fp32",
    dropout: bool = False,
) -> nx.DiGraph:
    """Build the layer graph of one step of a model.

    Parameters
    ----------
    model
        From `archsim.models.get` or `archsim.models.read`.
    phase
        ``prefill`` (the default): `seq` new tokens per sequence (default 8192) behind `context` cached ones (default
        0): a chunk of a longer prompt. ``decode``: `seq` new tokens per sequence (default 1, more for speculative
        decoding), which attend to `context` keys (default 4096), the new ones included. ``encode`` (the default of
        models without a decoder): one pass of an encoder over `seq` tokens. ``train``: forward and backward pass over
        `seq` tokens per sequence, and the optimizer's step. Learned positions cut the defaults short where they end.
    batch
        Sequences (default 1). Sequences of different lengths: give `seq` or `context`, or both, as a list.
    source
        Tokens of the encoder that each sequence's cross-attention sees (default 512); in training it reads so many.
    dtype
        Format of weights and of matrix operands. With 8 bits or fewer everything else stays bf16, the output head
        and routers too, and activations are quantised before each product, row by row; training then keeps weights in
        bf16 and quantises gradients too. ``checkpoint``: the formats that the model's config.json says its checkpoint
        is stored in, those of weights, experts and cache too where they are not given (bf16, if it says nothing).
    weight_dtype, expert_dtype
        Format in which weights of layers, and those of routed experts, lie in memory (default: as `dtype`, as
        `weight_dtype`). A narrower one than `dtype` is weight-only quantisation, which leaves embeddings and output
        head alone. ``int4`` means groups of 128 with an fp16 scale (``int4_g128``), ``fp4`` means ``mxfp4``.
    activation_dtype
        Format of activations between products, and of attention's arithmetic (default: as `dtype`, bf16 if that has 8
        bits or fewer). A chip whose matrix engine takes int8 alone needs int8.
    kv_dtype
        Format of the KV cache; as the activations if not given.
    logits_dtype
        Format in which logits are written; as the activations if not given.
    logits
        ``all``: the output head runs at every token, as FLOPs per token are counted in the literature;
        ``last``: at the last token of each sequence, as serving engines run prefill.
    routing
        How tokens choose experts: a `Routing`, or ``uniform``, ``balanced``, ``power:ALPHA``, ``power:ALPHA:SEED``.
    fused_attention
        False: scores and probabilities go through memory, as before fused kernels.
    microbatches
        Training: parts, one after another, whose gradients add up to those of `batch`.
    recompute
        Training: what the backward pass computes again instead of keeping it: ``none``; ``selective``: scores and
        probabilities of attention (a fused kernel does so anyway); ``full``: whole layers from their inputs
        (Korthikanti et al. 2022, arXiv 2205.05198).
    optimizer
        Training: ``adam``, ``momentum`` or ``sgd``, with states and weights of its own in fp32.
    gradient_dtype
        Training: format in which gradients of weights are kept and added up.
    dropout
        Training: dropout behind attention and feed-forward blocks (and on probabilities, if attention is not fused).

    Returns
    -------
    networkx.DiGraph
        ``graph.graph`` holds model, phase, batch, seq, context, dtype, weight_dtype, kv_dtype, tokens, parameters,
        kv_bytes, untouched_bytes (weights of the model that this step does not use) and note.

    Raises
    ------
    ArchsimError
        If a name is unknown, a size is out of range, learned positions do not reach, or options contradict each other.
    """
    if not isinstance(model, ModelConfig):
        raise ArchsimError(f"transformer() takes a ModelConfig, as archsim.models.get(name) returns, not {model!r}")
    phase = _phase(model, phase)
    for kind, value, known in (("logits", logits, ("all", "last")), ("recompute", recompute, RECOMPUTE),
                               ("optimizer", optimizer, OPTIMIZERS)):
        if not isinstance(value, str) or value not in known:
            raise unknown(kind, value, known)
    if phase != "train" and (microbatches != 1 or recompute != "none" or optimizer != "adam" or dropout):
        raise ArchsimError("microbatches, recompute, optimizer and dropout belong to phase 'train'")
    layers = [layer for stack in model.stacks for layer, _ in stack]
    if source is not None and not any(layer.cross for layer in layers):
        raise ArchsimError(f"{model.name} has no cross-attention: leave source out")
    if expert_dtype is not None and not any(layer.ffn.experts for layer in layers):
        raise ArchsimError(f"{model.name} has no experts: leave expert_dtype out")
    if phase == "train" and (weight_dtype or expert_dtype or kv_dtype or activation_dtype):
        raise ArchsimError("weight_dtype, expert_dtype, activation_dtype and kv_dtype belong to inference: training "
                           "keeps weights as activations are, in 16 bits at least, and has no KV cache")
    notes = model.notes
    if dtype == "checkpoint":
        said, notes = dict(model.formats), model.warnings
        dtype = said.get("dtype", "bf16")
        if phase != "train":
            weight_dtype = weight_dtype or said.get("weight_dtype")
            expert_dtype = expert_dtype or said.get("expert_dtype")
            kv_dtype = kv_dtype or said.get("kv_dtype")
    stored = dtype_name(dtype)
    act = stored if BYTES[arithmetic(stored)] >= 2 else "bf16"
    if activation_dtype is not None:
        act = arithmetic(dtype_name(activation_dtype))
    weights = act if phase == "train" else _storage("weight_dtype", weight_dtype, stored, stored)
    parts = positive_int("microbatches", microbatches, 2**20)
    whole = _lengths(model, phase, batch, seq, context)
    step = Step(
        lengths=_cut(whole, parts), stored=stored, weights=weights,
        experts=_storage("expert_dtype", expert_dtype, weights, stored), act=act,
        kv=dtype_name(kv_dtype) if kv_dtype else act,
        routing=routing if isinstance(routing, Routing) else Routing.parse(routing),
        decode=phase == "decode", fused_attention=_flag("fused_attention", fused_attention),
        dropout=_flag("dropout", dropout),
        source=positive_int("source", 512 if source is None else source, 2**24),
    )
    decoders = tuple(stack for stack in model.stacks if stack.causal)
    stacks = {"encode": model.stacks[:1], "train": model.stacks}.get(phase, decoders)
    positive_int("batch x seq", sum(part.count * part.new for part in whole))
    b = Builder(step)
    x = _stacks(b, model, stacks, phase)
    if stacks[-1] is model.stacks[-1]:
        _head(b, model, x, logits, logits_dtype, phase == "train")
    graph = b.graph
    held = sum(d["op"].parameters * d["repeat"] for _, d in graph.nodes(data=True) if not d.get("tied_to"))
    if phase == "train":
        graph = optimize(backward(graph, recompute, gradient_dtype, parts), optimizer, gradient_dtype)
    graph.graph.update(
        **_about(model, phase, whole, step), untouched_bytes=max(0, model.parameters - held) * BYTES[weights],
        note=_note([*notes], model.mtp, len(whole), phase == "train"))
    return graph


def _phase(model: ModelConfig, phase: str | None) -> str:
    """Return the phase, by default the first that the model has; raise an error if it has not the one that is asked."""
    decodes, encodes = model.stacks[-1].causal, not model.stacks[0].causal
    phase = phase if phase is not None else ("prefill" if decodes else "encode")
    if not isinstance(phase, str) or phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    if phase in ("prefill", "decode") and not decodes:
        raise ArchsimError(f"{model.name} has no decoder: {phase} does not exist, choose phase 'encode' or 'train'")
    if phase == "encode" and not encodes:
        raise ArchsimError(f"{model.name} has no encoder: choose phase 'prefill', 'decode' or 'train'")
    return phase


def _about(model: ModelConfig, phase: str, lengths: Sequence[Lengths], step: Step) -> dict[str, object]:
    """Return what a graph says of its step: of sequences of different lengths the longest, and all their cache."""
    longest = max(lengths, key=lambda part: (part.keys, part.new))
    context = {"prefill": longest.keys - longest.new, "decode": longest.keys}.get(phase, 0)
    if phase == "train":
        cache = 0.0
    elif phase == "encode":  # the decoder's keys and values of the encoder's output
        cache = sum(part.count * model.kv_bytes(0, step.kv, part.new) for part in lengths)
    else:
        cache = sum(part.count * model.kv_bytes(part.keys, step.kv, step.source) for part in lengths)
    return {"model": model.name, "phase": phase, "batch": sum(part.count for part in lengths), "seq": longest.new,
            "context": context, "dtype": step.dtype, "weight_dtype": step.weights, "kv_dtype": step.kv,
            "tokens": sum(part.count * part.new for part in lengths), "parameters": model.parameters,
            "kv_bytes": cache}


def _flag(name: str, value: object) -> bool:
    """Return a flag, or raise an error that names it."""
    if not isinstance(value, bool):
        raise ArchsimError(f"{name} must be True or False, not {value!r}")
    return value


def _storage(name: str, given: str | None, default: str, stored: str) -> str:
    """Return the format of weights in memory; they may be narrower than the arithmetic, not wider."""
    if given is None:
        return default
    found = dtype_name(given)
    found = GROUPED.get(found, found)
    if BYTES[arithmetic(found)] > BYTES[arithmetic(stored)]:
        raise ArchsimError(f"{name} = {found} is wider than the arithmetic, {arithmetic(stored)}: choose dtype {found}")
    return found


def _note(notes: list[str], mtp: int, lengths: int, train: bool) -> str:
    """Return what a reader of results should know, in one line."""
    if mtp:
        notes.append(f"{mtp} multi-token-prediction layer{'s' * (mtp > 1)} not included")
    if lengths > 1:
        notes.append(f"{lengths} distinct lengths, the longest is shown")
    if train:
        notes.append("memory of weights includes gradients and the optimizer's states")
    return "; ".join(notes)


# --- lengths


def _sizes(name: str, given: Size, default: int, low: int = 1) -> list[int]:
    """Return a size, or a list of sizes, checked."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        if not given:
            raise ArchsimError(f"{name} is an empty list: give a length per sequence")
        return [0 if x == 0 and not low else positive_int(f"{name}[{i}]", x, 2**24) for i, x in enumerate(given)]
    if given is None or (given == 0 and not low and not isinstance(given, bool)):
        return [default if given is None else 0]
    return [positive_int(name, given, 2**24)]


def _lengths(model: ModelConfig, phase: str, batch: int | None, seq: Size, context: Size) -> tuple[Lengths, ...]:
    """Return the distinct (new tokens, keys) of the batch, and how many sequences have each."""
    seq, context = (x.tolist() if isinstance(x, np.ndarray) else x for x in (seq, context))
    reach = model.max_positions if model.position_rows else 2**25
    if model.patches:
        tokens = model.patches.count + 1
        if seq is not None and seq != tokens:
            raise ArchsimError(f"{model.name} sees images of {tokens - 1} patches and a class token: leave seq out")
        reach = tokens
    if phase in ("encode", "train"):
        if context is not None and context != 0:
            raise ArchsimError(f"context belongs to phases prefill and decode, not to {phase}")
        new = _sizes("seq", seq, min(8192, reach, model.max_positions))
        other = [0]
    elif phase == "prefill":
        new = _sizes("seq", seq, min(8192, reach))
        other = _sizes("context", context, 0, low=0)
    else:
        new = _sizes("seq", seq, 1)
        other = _sizes("context", context, min(4096, reach))
    listed = max(len(new), len(other))
    if len(new) > 1 < len(other) and len(new) != len(other):
        raise ArchsimError(f"seq lists {len(new)} sequences, context {len(other)}")
    mixed = any(isinstance(x, Sequence) and not isinstance(x, str) for x in (seq, context))
    count = positive_int("batch", (listed if mixed else 1) if batch is None else batch, 2**20)
    if mixed and count != listed:
        raise ArchsimError(f"batch = {count}, but seq or context list {listed} sequences: leave batch out")
    pairs = zip(new * (listed // len(new)), other * (listed // len(other)), strict=True)
    found: Counter[tuple[int, int]] = Counter()
    for n, c in pairs:
        keys = c if phase == "decode" else n + c
        if keys < n:
            raise ArchsimError(f"context = {keys:,} must be at least seq = {n:,}: it includes the new tokens")
        if keys > reach:
            raise ArchsimError(f"{model.name} has {model.max_positions:,} learned positions, not {keys:,}: "
                               "choose a shorter seq or context")
        found[n, keys] += count if listed == 1 else 1
    return tuple(Lengths(times, *pair) for pair, times in found.items())


def _cut(lengths: tuple[Lengths, ...], microbatches: int) -> tuple[Lengths, ...]:
    """Return one of `microbatches` equal parts of a batch."""
    for part in lengths:
        if part.count % microbatches:
            several = "s" * (part.count > 1)
            raise ArchsimError(f"batch: {part.count} sequence{several} of {part.new:,} tokens cannot be cut into "
                               f"{microbatches} equal microbatches")
    return tuple(Lengths(part.count // microbatches, part.new, part.keys) for part in lengths)


# --- stacks


def _stacks(b: Builder, model: ModelConfig, stacks: tuple[Stack, ...], phase: str) -> Value:
    """Add stacks one behind the other, each behind its embedding; return what the last one makes."""
    encoder: Value | None = None
    embedded = ""
    x, step = None, b.step
    for stack in stacks:
        if phase == "train" and stack is not stacks[-1]:
            seen = tuple(Lengths(part.count, step.source, step.source) for part in step.lengths)
            b.step = replace(step, lengths=seen)
        else:
            b.step = step
        prefix = f"{stack.name}." if len(stacks) > 1 else ""
        x = _embedding(b, model, stack is model.stacks[0], prefix, embedded)
        embedded = embedded or f"{prefix}embed"
        x = _layers(b, model, stack, x, prefix, encoder)
        encoder = x
    assert x is not None
    behind = model.stacks[-1]
    if phase == "encode" and behind is not stacks[-1]:  # the decoder's keys and values of this output
        for i, (layer, count) in enumerate(behind):
            if layer.cross:
                b.begin("cross", count, f"cross.{i}." if len(behind.groups) > 1 else "")
                cross_keys(b, layer.cross, x, model.hidden)
    return x


def _embedding(b: Builder, model: ModelConfig, first: bool, prefix: str, embedded: str) -> Value:
    """Add what turns tokens, or patches of images, into vectors."""
    s, t, h = b.step, b.step.tokens, model.hidden
    b.begin("embedding", 1, prefix)
    if model.patches and first:
        p = model.patches
        pixels = Value("", Tensor((s.batch * p.count, p.pixels), s.act))
        made = [b.linear("patch_embed", pixels, h, p.pixels, bias=True)]
    else:
        table = Gather(rows=t, cols=h, entries=model.vocab, dtype=s.act)
        made = [b.add("embed", table, tied_to=embedded)]
    learned = {"position_embed": model.position_rows, "segment_embed": model.token_types}
    made += [b.add(name, Gather(rows=t, cols=h, entries=rows, dtype=s.act)) for name, rows in learned.items() if rows]
    x = made[0]
    if len(made) > 1 or model.patches:
        op = Elementwise(elements=t * h, inputs=len(made), ops=max(1, len(made) - 1), name="add", dtype=s.act,
                         out_dtype=s.act, weights=h if model.patches else None)  # the class token
        x = b.add("position_add", op, made, shape=(t, h))
    if model.embed_norm:
        layer = model.stacks[0].first
        x = b.add("embed_norm", Norm(rows=t, cols=h, name=layer.norm, bias=layer.norm_bias, dtype=s.act,
                                      weights=layer.norm_gain), [x])
    return dropped(b, "embed_dropout", x)


def _layers(
    b: Builder, model: ModelConfig, stack: Stack, x: Value, prefix: str, encoder: Value | None
) -> Value:
    """Add a stack's layers, each distinct one once, and its final norm."""
    s, h, bias = b.step, model.hidden, None
    if stack.relative_buckets:
        distances = max(part.new + part.keys - 1 for part in s.lengths)
        table = Gather(rows=distances, cols=stack.first.attention.heads, entries=stack.relative_buckets, dtype=s.act)
        bias = replace(b.add("relative_bias", table), name=SHARED)
    stream = Residual(x)
    for i, (layer, count) in enumerate(stack):
        name = f"{stack.name}.{i}" if len(stack.groups) > 1 else stack.name
        b.begin(name, count, f"{name}." if len(stack.groups) > 1 else prefix)
        stream = block(b, layer, h, stream, causal=stack.causal, cross=encoder, bias=bias)
    b.begin("head", 1, prefix)
    if not stack.final_norm:
        if stream.added is None:
            return stream.held
        op = Elementwise(elements=s.tokens * h, inputs=2, name="add", dtype=s.act, out_dtype=s.act)
        return b.add("residual_add", op, [stream.added, stream.held], shape=(s.tokens, h))
    last = stack.groups[-1][0]
    final = Norm(rows=s.tokens, cols=h, name=last.norm, bias=last.norm_bias, residual=stream.added is not None,
                 dtype=s.act, post=True, weights=last.norm_gain)
    return b.add("final_norm", final, [v for v in (stream.added, stream.held) if v])


def _head(b: Builder, model: ModelConfig, x: Value, logits: str, logits_dtype: str | None, loss: bool) -> None:
    """Add what is behind the last stack: logits over the vocabulary, or a pooler and a classification of each input."""
    s, h = b.step, model.hidden
    tied = next((n for n in b.graph if str(n).endswith("embed") and b.graph.nodes[n]["op"].kind == "gather"), "")
    made = []
    b.begin("head")
    if model.lm_head:
        rows = s.batch if logits == "last" else s.tokens
        seen = x.part("last", rows, h) if rows < s.tokens else x
        out = b.linear("lm_head", seen, model.vocab, h, bias=model.lm_head_bias and not model.tied,
                       wide=True,  # quantised checkpoints leave the head alone: DeepSeek-V3, arXiv 2412.19437, 3.3.1
                       out_dtype=dtype_name(logits_dtype) if logits_dtype else "",
                       tied_to=tied if model.tied else "")
        if model.lm_head_bias and model.tied:  # the bias is the head's own
            plus = Elementwise(elements=rows * model.vocab, name="add", dtype=out.tensor.dtype,
                               out_dtype=out.tensor.dtype, weights=model.vocab)
            out = b.add("lm_head_bias", plus, [out], shape=(rows, model.vocab))
        if model.logit_softcap:
            cap = Elementwise(elements=rows * model.vocab, ops=2, exps=1, name="softcap", dtype=out.tensor.dtype,
                              out_dtype=out.tensor.dtype)
            out = b.add("logit_softcap", cap, [out], shape=(rows, model.vocab))
        made.append(out)
    y = x.part("first", s.batch, h) if s.batch < s.tokens else x
    if model.pooler:
        y = b.linear("pooler", y, h, h, bias=True)
        tanh = Elementwise(elements=s.batch * h, ops=0, exps=1, name="tanh", dtype=s.act, out_dtype=s.act)
        y = b.add("pooler_tanh", tanh, [y], shape=(s.batch, h))
    if model.classes:
        made.append(b.linear("classifier", y, model.classes, h, bias=True))
    for out in made if loss else []:
        rows, cols = out.tensor.shape
        b.add("loss" if out is made[0] else f"{out.node}_loss",
              CrossEntropy(rows=rows, cols=cols, dtype=out.tensor.dtype), [out])


__all__ = ["PHASES", "Tensor", "transformer"]
