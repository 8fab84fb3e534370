"""Feed-forward sublayers: dense, gated or not, and mixtures of experts with shared ones beside them."""

from __future__ import annotations

from archsim.workload.build import Builder, Value
from archsim.workload.ops import Elementwise, Gather, GroupedMatMul, Route, Scatter
from archsim.workload.sublayers import ACTIVATIONS, FfnConfig


def feed_forward(b: Builder, f: FfnConfig, x: Value, hidden: int) -> Value:
    """Add a feed-forward sublayer."""
    return mixture(b, f, x, hidden) if f.experts else dense(b, f, x, hidden, f.ffn)


def dense(b: Builder, f: FfnConfig, x: Value, hidden: int, width: int, prefix: str = "") -> Value:
    """Add a dense block of `width`."""
    if f.gated:
        y = b.linear(f"{prefix}gate_up_proj", x, 2 * width, hidden, bias=f.bias)
    else:
        y = b.linear(f"{prefix}up_proj", x, width, hidden, bias=f.bias)
    y = activate(b, f, y, width, prefix)
    return b.linear(f"{prefix}down_proj", y, hidden, width, bias=f.bias, split="k")


def activate(b: Builder, f: FfnConfig, y: Value, width: int, prefix: str = "") -> Value:
    """Add the activation, with a gate its product."""
    plain, exps = ACTIVATIONS[f.activation]
    rows, act = y.tensor.shape[0], b.step.act
    name, what = ("act_mul", f"{f.activation}_mul") if f.gated else ("act", f.activation)
    op = Elementwise(elements=rows * width, inputs=1 + f.gated, ops=plain + f.gated, exps=exps, name=what, dtype=act,
                     out_dtype=act)
    return b.add(prefix + name, op, [y], shape=(rows, width))


def mixture(b: Builder, f: FfnConfig, x: Value, hidden: int) -> Value:
    """Add a mixture of experts: router, choice, gather, the experts' products, and the weighted sum back.

    The router stays in the activations' format. Experts without tokens are not read.
    """
    s, t = b.step, b.step.tokens
    scores = b.linear("router", x, f.experts, hidden, bias=f.router_bias, wide=True, out_dtype="fp32")
    choice = b.add("route", Route(rows=t, experts=f.experts, top_k=f.top_k), [scores])
    groups, useful = s.routing.rows(t, f.experts, f.top_k, f.capacity_factor)
    rows = sum(groups)
    tokens = b.quantise("dispatch", x) if s.quantised else x
    sent = b.add("dispatch", Gather(rows=rows, cols=hidden, entries=t, dtype=tokens.tensor.dtype, weights=False),
                 [tokens, choice])

    def product(name: str, y: Value, n: int, k: int, split: str) -> Value:
        y = b.quantise(name, y) if s.quantised and y.tensor.dtype == s.act else y
        op = GroupedMatMul(groups=groups, n=n, k=k, dtype=s.dtype, a_dtype=y.tensor.dtype, b_dtype=s.experts,
                           out_dtype=s.act, bias=f.bias, split=split, useful=useful if useful < rows else None)
        return b.add(name, op, [y])

    width = f.expert_ffn
    y = product("experts_up", sent, (1 + f.gated) * width, hidden, "n")
    y = product("experts_down", activate(b, f, y, width, "experts_"), hidden, width, "k")
    back = Scatter(rows=rows, cols=hidden, entries=t, weighted=True, dtype=s.act)
    out = b.add("combine", back, [y, choice])
    if not f.shared_ffn:
        return out
    shared = dense(b, f, x, hidden, f.shared_ffn, "shared_")
    summands = [out, shared]
    if f.shared_gate:  # the shared experts' sum is scaled by a sigmoid of its own
        summands.append(b.linear("shared_gate", x, 1, hidden, wide=True))
    op = Elementwise(elements=t * hidden, inputs=2, ops=1 + f.shared_gate, name="add", dtype=s.act, out_dtype=s.act)
    return b.add("moe_add", op, summands, shape=(t, hidden))
