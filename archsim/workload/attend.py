"""Attention sublayers: multi-head, grouped-query and latent, to the sequence itself or to an encoder's output."""

from __future__ import annotations

from dataclasses import replace

from archsim.errors import UnsupportedError
from archsim.workload.build import SHARED, Builder, Lengths, Value, joined, reshaped, slice_of
from archsim.workload.ops import Attention, Dropout, Elementwise, MatMul, Norm, Quantize, Softmax
from archsim.workload.sublayers import AttentionConfig


def self_attention(
    b: Builder, a: AttentionConfig, x: Value, hidden: int, causal: bool, bias: Value | None
) -> Value:
    """Add attention of a sequence to itself, from the projection of queries, keys and values to that of the output.

    `bias` is the table of relative positions' biases, if there is one.
    """
    out = _latent(b, a, x, hidden, causal) if a.kind == "mla" else _heads(b, a, x, hidden, causal, bias)
    return b.linear("o_proj", out, hidden, a.heads * a.value_dim, bias=a.bias_o, split="k")


def _heads(b: Builder, a: AttentionConfig, x: Value, hidden: int, causal: bool, bias: Value | None) -> Value:
    """Add multi-head, grouped-query or multi-query attention."""
    s, t = b.step, b.step.tokens
    q, k, v = a.heads * a.head_dim, a.kv_heads * a.head_dim, a.kv_heads * a.value_dim
    qkv = b.linear("qkv_proj", x, q + k + v, hidden, bias=a.bias_qkv)
    inputs = [qkv]
    if a.qk_norm:
        normed = []
        for side, heads, width in (("q", a.heads, q), ("k", a.kv_heads, k)):
            rows, cols = (t, width) if a.qk_norm == "all" else (t * heads, a.head_dim)
            op = Norm(rows=rows, cols=cols, dtype=s.act, weights=a.qk_norm != "unweighted")
            normed.append(b.add(f"{side}_norm", op, [qkv.part(side, t, width)], shape=(t, width)))
        inputs = [*normed, qkv.part("v", t, v)]
    if a.positions == "rope":
        turned = inputs[:2] if a.qk_norm else [qkv.part("qk", t, q + k)]
        inputs = [_rope(b, a, turned, a.heads + a.kv_heads, q + k), qkv.part("v", t, v)]
    cache = _cached(b, a, inputs[-2:])
    if a.positions == "transformer-xl":
        inputs = [*_distances(b, a, qkv, hidden), qkv.part("kv", t, k + v)]
    return _attend(b, a, [*inputs, *cache], causal, bias=bias)


def _rope(b: Builder, a: AttentionConfig, inputs: list[Value], heads: int, width: int) -> Value:
    """Rotate `rope_dim` elements of each of `heads` heads; what is not rotated passes through untouched."""
    s, t = b.step, b.step.tokens
    op = Elementwise(elements=t * heads * a.rope_dim, inputs=1, ops=3, name="rope", dtype=s.act, out_dtype=s.act)
    out = b.add("rope", op, inputs, shape=(t, width))
    return out if op.elements == t * width else replace(out, name="turned")


def _cached(b: Builder, a: AttentionConfig, inputs: list[Value]) -> list[Value]:
    """Bring new keys and values into the cache's format, by a scale known before, if it is another one."""
    s = b.step
    if s.kv == s.act:
        return []
    op = Quantize(rows=s.tokens, cols=a.cached, dtype=s.act, out_dtype=s.kv, dynamic=False)
    return [b.add("kv_quantize", op, inputs)]


def _distances(b: Builder, a: AttentionConfig, qkv: Value, hidden: int) -> list[Value]:
    """Add what Transformer-XL (arXiv 1901.02860) does beside: keys of distances, and two biases of the queries."""
    s, width = b.step, a.heads * a.head_dim
    two = Elementwise(elements=2 * s.tokens * width, inputs=0.5, name="position_bias", dtype=s.act, out_dtype=s.act,
                      weights=2 * width)
    made = [b.add("position_bias", two, [qkv.part("q", s.tokens, width)], shape=(s.tokens, 2 * width))]
    if not s.decode:  # keys of distances do not depend on tokens: decode has them
        far = max(part.keys for part in s.lengths)
        op = MatMul(m=far, n=width, k=hidden, dtype=s.act, b_dtype=s.weights, out_dtype=s.act, weights=True)
        made.append(b.add("position_proj", op))
    return made


def _latent(b: Builder, a: AttentionConfig, x: Value, hidden: int, causal: bool) -> Value:
    """Add multi-head latent attention (DeepSeek-V2, arXiv 2405.04434).

    Prefill and training rebuild keys and values of all heads from the latents. Decode absorbs the up-projections into
    the queries and the output, and attends to the latents themselves: one KV head whose values are part of its keys.
    """
    s, t = b.step, b.step.tokens
    heads, latent, rope, nope, low = a.heads, a.kv_lora, a.rope_dim, a.nope_dim, a.q_lora or 0
    down = b.linear("qkv_down_proj" if low else "kv_down_proj", x, low + latent + rope, hidden)
    if low:
        x = b.add("q_norm", Norm(rows=t, cols=low, dtype=s.act), [down.part("q", t, low)])
    q = b.linear("q_up_proj" if low else "q_proj", x, heads * a.head_dim, low or hidden, bias=a.bias_qkv)
    c = b.add("kv_norm", Norm(rows=t, cols=latent, dtype=s.act), [down.part("c", t, latent)])
    turned = []
    if rope:
        turning = [q.part("q_rope", t, heads * rope), down.part("k_rope", t, rope)]
        turned = [_rope(b, a, turning, heads + 1, (heads + 1) * rope)] if a.positions == "rope" else turning
    cache = _cached(b, a, [c, *turned[-1:]])
    plain = replace(a, kind="mha", kv_lora=0, q_lora=None)
    if not s.decode:
        kv = b.linear("kv_up_proj", c, heads * (nope + a.value_dim), latent, rows=s.keys)
        inputs = [q.part("q_nope", t, heads * nope), *turned, *cache, kv]
        return _attend(b, replace(plain, kv_heads=heads), inputs, causal, kv_dtype=s.act)
    wide = b.linear("q_absorb", q.part("q_nope", heads, t, nope), latent, nope, batch=heads, rows=t)
    seen = replace(plain, kv_heads=1, head_dim=latent + rope, value_dim=latent)
    out = _attend(b, seen, [wide, *turned, *(cache or [c])], causal, shared_kv=True)
    out = b.linear("v_absorb", reshaped(out, heads, t, latent), a.value_dim, latent, batch=heads, rows=t)
    return reshaped(out, t, heads * a.value_dim)


def cross_attention(b: Builder, a: AttentionConfig, x: Value, hidden: int, encoder: Value | None) -> Value:
    """Add attention to the encoder's output; its keys and values are cached unless that output is made in this step."""
    s = b.step
    inputs = [b.linear("cross_q_proj", x, a.heads * a.head_dim, hidden, bias=a.bias_qkv)]
    if encoder:
        inputs.append(cross_keys(b, a, encoder, hidden))
    lengths = tuple(Lengths(part.count, part.new, s.source) for part in s.lengths)
    out = _attend(b, a, inputs, False, name="cross_attention", lengths=lengths)
    return b.linear("cross_o_proj", out, hidden, a.heads * a.value_dim, bias=a.bias_o, split="k")


def cross_keys(b: Builder, a: AttentionConfig, encoder: Value, hidden: int) -> Value:
    """Add the keys and values that cross-attention takes from the encoder's output."""
    encoder = replace(encoder, name=SHARED)
    return b.linear("cross_kv_proj", encoder, a.kv_heads * (a.head_dim + a.value_dim), hidden, bias=a.bias_qkv)


def _attend(
    b: Builder, a: AttentionConfig, inputs: list[Value], causal: bool, *, name: str = "attention",
    lengths: tuple[Lengths, ...] = (), shared_kv: bool = False, kv_dtype: str = "", bias: Value | None = None,
) -> Value:
    """Add the attention itself: one operator per distinct length."""
    s = b.step
    lengths, outs = lengths or s.lengths, []
    for i, part in enumerate(lengths):
        op = Attention(
            batch=part.count, q_len=part.new, kv_len=part.keys, heads=a.heads, kv_heads=a.kv_heads,
            # Keys of distances stand beside those of content, met by the same queries with a bias of their own.
            head_dim=a.head_dim * (2 if a.positions == "transformer-xl" else 1), value_dim=a.value_dim, causal=causal,
            window=a.window, dtype=s.act, kv_dtype=kv_dtype or s.kv, softcap=a.softcap is not None, sinks=a.sinks,
            biased=a.positions in ("alibi", "relative"), shared_kv=shared_kv,
        )
        if not s.fused_attention:
            outs.append(_unfused(b, op, inputs, name))
            continue
        whole = len(lengths) == 1
        taken = inputs if whole else [slice_of(x, i, part.count * part.new, s.tokens) for x in inputs]
        out = b.add(name if whole else f"{name}.{i}", op, [*taken, *([bias] if bias else [])],
                    shape=(part.count * part.new, a.heads * a.value_dim),
                    tied_to=f"{b.prefix}{name}.0" if i and a.sinks else "")
        outs.append(out)
    return joined(outs, s.tokens, a.heads * a.value_dim)


def _unfused(b: Builder, op: Attention, inputs: list[Value], name: str) -> Value:
    """Add attention as products and a softmax that go through memory, all scores computed, as before fused kernels."""
    s, act = b.step, b.step.act
    if op.sinks or op.biased or op.softcap or op.window:
        raise UnsupportedError("attention that is not fused is modelled without sinks, biases, caps and windows")
    *others, last = inputs
    q, k = op.batch * op.q_len, op.batch * op.kv_len
    if last.name != "v":
        others, last = [*others, last.part("qk", *last.tensor.shape[:-1], last.tensor.shape[-1]
                                           - op.kv_heads * op.value_dim)], last
        last = last.part("v", k, op.kv_heads * op.value_dim)
    group = op.heads // op.kv_heads
    products = {"m": op.q_len * group, "batch": op.batch * op.kv_heads, "dtype": act}
    scores = b.add(f"{name}_scores", MatMul(n=op.kv_len, k=op.head_dim, **products), others)  # type: ignore[arg-type]
    soft = Softmax(rows=q * op.heads, cols=op.kv_len, dtype=act)
    probs = b.add(f"{name}_softmax", soft, [scores])
    if s.dropout:
        probs = b.add(f"{name}_probs_dropout", Dropout(elements=probs.tensor.elements, dtype=act), [probs])
    mix = MatMul(n=op.value_dim, k=op.kv_len, **products)  # type: ignore[arg-type]
    return b.add(f"{name}_mix", mix, [probs, replace(last, operand="b")], shape=(q, op.heads * op.value_dim))
