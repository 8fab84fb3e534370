"""One transformer layer: its norms, its residual stream, and its sublayers in their order.

A layer's first norm adds what the layer before it made to the residual stream. The first layer has nothing to add yet;
it is counted like the others, so that equal layers stay one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.workload.attend import cross_attention, self_attention
from archsim.workload.build import Builder, Value
from archsim.workload.ffn import feed_forward
from archsim.workload.ops import Dropout, Elementwise, Norm
from archsim.workload.sublayers import Layer


@dataclass(frozen=True)
class Residual:
    """The residual stream between sublayers: what it holds, and what is still to be added to it."""

    held: Value
    added: Value | None = None


def norm(b: Builder, name: str, layer: Layer, stream: Residual, hidden: int) -> tuple[Value, Residual]:
    """Add what is to be added to the stream and normalise it; return the rows normalised and the stream."""
    op = Norm(rows=b.step.tokens, cols=hidden, name=layer.norm, residual=True, bias=layer.norm_bias,
              dtype=b.step.act, post=layer.post_norm, weights=layer.norm_gain)
    out = b.add(name, op, [v for v in (stream.added, stream.held) if v])
    return out, Residual(out if layer.post_norm else out.part("residual", b.step.tokens, hidden))


def plain_norm(b: Builder, name: str, layer: Layer, x: Value, hidden: int) -> Value:
    """Normalise rows without touching the stream."""
    op = Norm(rows=b.step.tokens, cols=hidden, name=layer.norm, bias=layer.norm_bias, dtype=b.step.act,
              weights=layer.norm_gain)
    return b.add(name, op, [x])


def block(
    b: Builder, layer: Layer, hidden: int, stream: Residual, *, causal: bool, cross: Value | None = None,
    bias: Value | None = None,
) -> Residual:
    """Add one layer.

    Parameters
    ----------
    stream
        The residual stream as it enters.
    cross
        The encoder's output, if its keys and values are made in this step.
    bias
        The table of relative positions' biases, if there is one.
    """
    if layer.post_norm:
        return _post_norm_block(b, layer, hidden, stream, causal)
    sandwich = layer.norms - 2 * (layer.cross is not None) >= 4
    x, stream = norm(b, "attn_norm", layer, stream, hidden)
    if layer.parallel:
        y = x if layer.norms == 1 else plain_norm(b, "mlp_norm", layer, stream.held, hidden)
        both = [dropped(b, "attn_dropout", self_attention(b, layer.attention, x, hidden, causal, bias)),
                dropped(b, "mlp_dropout", feed_forward(b, layer.ffn, y, hidden))]
        op = Elementwise(elements=b.step.tokens * hidden, inputs=2, name="add", dtype=b.step.act, out_dtype=b.step.act)
        return replace(stream, added=b.add("block_add", op, both, shape=(b.step.tokens, hidden)))
    made = dropped(b, "attn_dropout", self_attention(b, layer.attention, x, hidden, causal, bias))
    if sandwich:
        made = plain_norm(b, "post_attn_norm", layer, made, hidden)
    if layer.cross:
        x, stream = norm(b, "cross_norm", layer, replace(stream, added=made), hidden)
        made = dropped(b, "cross_dropout", cross_attention(b, layer.cross, x, hidden, cross))
    y, stream = norm(b, "mlp_norm", layer, replace(stream, added=made), hidden)
    made = dropped(b, "mlp_dropout", feed_forward(b, layer.ffn, y, hidden))
    if sandwich:
        made = plain_norm(b, "post_mlp_norm", layer, made, hidden)
    return replace(stream, added=made)


def _post_norm_block(b: Builder, layer: Layer, hidden: int, stream: Residual, causal: bool) -> Residual:
    """Add a layer whose norms follow the residual additions (Vaswani et al. 2017; BERT)."""
    made = dropped(b, "attn_dropout", self_attention(b, layer.attention, stream.held, hidden, causal, None))
    x, stream = norm(b, "attn_norm", layer, replace(stream, added=made), hidden)
    made = dropped(b, "mlp_dropout", feed_forward(b, layer.ffn, x, hidden))
    return norm(b, "mlp_norm", layer, replace(stream, added=made), hidden)[1]


def dropped(b: Builder, name: str, x: Value) -> Value:
    """Drop elements at random, where a step does."""
    if not b.step.dropout:
        return x
    return b.add(name, Dropout(elements=x.tensor.elements, dtype=x.tensor.dtype), [x], shape=x.tensor.shape)
