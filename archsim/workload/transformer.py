"""transformer: the layer graph of one prefill or one decode step, from embedding to logits.

Equal layers appear once with a ``repeat``, so that the graph grows with distinct layers, not with depth. Nodes carry

- ``op``: an `archsim.workload.ops.Op` (shapes, dtypes, FLOPs, compulsory bytes),
- ``layer``: ``embedding``, ``decoder`` or ``head``, and ``repeat``: how many equal layers it stands for,
- ``tied_to``: the node that holds its weights, if they are shared.

Edges carry ``tensor`` (shape, dtype, bytes).
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

from archsim.dtypes import BYTES
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload.config import ACTIVATIONS, ModelConfig
from archsim.workload.ops import Attention, Elementwise, Gather, MatMul, Norm, Op

PHASES = ("prefill", "decode")

@dataclass(frozen=True)
class Tensor:
    """What travels along an edge."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> float:
        """Size in bytes."""
        total = BYTES[self.dtype]
        for side in self.shape:
            total *= side
        return total


class _Chain:
    """A graph under construction; each node is appended behind the last, plus the residual edges asked for."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.graph = nx.DiGraph()
        self.last: str | None = None

    def add(self, name: str, op: Op, layer: str, repeat: int = 1, tied_to: str = "") -> str:
        extra = {"tied_to": tied_to} if tied_to else {}
        self.graph.add_node(name, op=op, layer=layer, repeat=repeat, **extra)
        if self.last is not None:
            self.join(self.last, name)
        self.last = name
        return name

    def deep(self, name: str, op: Op) -> str:
        return self.add(name, op, "decoder", self.layers)

    def join(self, before: str, after: str) -> None:
        *_, (_, shape, dt) = self.graph.nodes[before]["op"].shapes()
        self.graph.add_edge(before, after, tensor=Tensor(shape, dt))


def transformer(
    model: ModelConfig,
    *,
    phase: str = "prefill",
    batch: int = 1,
    seq: int | None = None,
    context: int | None = None,
    dtype: str = "bf16",
    kv_dtype: str | None = None,
    logits: str = "all",
) -> nx.DiGraph:
    """Build the layer graph of one step of a model.

    Parameters
    ----------
    model
        From `archsim.models.get` or `archsim.models.read`.
    phase
        ``prefill``: `seq` new tokens per sequence (default 8192) behind `context` cached ones (default 0).
        ``decode``: `seq` new tokens per sequence (default 1), each step attending to `context` keys (default 4096),
        the new ones included. Learned positions cut the defaults short where they end.
    batch
        Sequences.
    dtype
        Format of weights and of matrix operands. With 8 bits or fewer everything else stays bf16.
    kv_dtype
        Format of the KV cache; as the activations if not given.
    logits
        ``all``: the output head runs at every token, as FLOPs per token are counted in the literature;
        ``last``: at the last token of each sequence, as serving engines run prefill.

    Returns
    -------
    networkx.DiGraph
        ``graph.graph`` holds model, phase, batch, seq, context, dtype, tokens, parameters, kv_bytes and note.

    Raises
    ------
    ArchsimError
        If a name is unknown, a size is out of range, or learned positions do not reach.
    """
    if not isinstance(model, ModelConfig):
        raise ArchsimError(f"transformer() takes a ModelConfig, as archsim.models.get(name) returns, not {model!r}")
    if phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    if logits not in ("all", "last"):
        raise unknown("logits", logits, ("all", "last"))
    dt = dtype_name(dtype)
    act = dt if BYTES[dt] >= 2 else "bf16"
    kv_dt = dtype_name(kv_dtype) if kv_dtype else act
    b = positive_int("batch", batch, 2**20)
    reach = model.max_positions if model.positions == "learned" else 2**25
    if phase == "prefill":
        new = positive_int("seq", min(8192, reach) if seq is None else seq, 2**24)
        past = positive_int("context", context, 2**24) if context else 0
        keys = past + new
    else:
        past = 0
        new = positive_int("seq", 1 if seq is None else seq, 2**24)
        keys = positive_int("context", min(4096, reach) if context is None else context, 2**24)
        if keys < new:
            raise ArchsimError(f"context = {keys:,} must be at least seq = {new:,}: it includes the new tokens")
    if keys > reach:
        raise ArchsimError(f"{model.name} has {model.max_positions:,} learned positions, not {keys:,}: "
                           "choose a shorter seq or context")
    t = positive_int("batch x seq", b * new)
    h, q, kv, f = model.hidden, model.heads * model.head_dim, model.kv_heads * model.head_dim, model.ffn
    norm_bias = model.norm == "layernorm"

    def norm(residual: bool) -> Norm:
        return Norm(rows=t, cols=h, name=model.norm, residual=residual, bias=norm_bias, dtype=act)

    def linear(n: int, k: int, bias: bool, split: str = "n", rows: int = t) -> MatMul:
        return MatMul(m=rows, n=n, k=k, dtype=dt, out_dtype=act, weights=True, bias=bias, split=split)

    c = _Chain(model.layers)
    c.add("embed", Gather(rows=t, cols=h, entries=model.vocab, dtype=act), "embedding")
    if model.positions == "learned":
        c.last = None
        c.add("position_embed", Gather(rows=t, cols=h, entries=model.max_positions, dtype=act), "embedding")
        c.add("position_add", Elementwise(elements=t * h, inputs=2, name="add", dtype=act, out_dtype=act), "embedding")
        c.join("embed", "position_add")
    entry = c.last
    # A norm first adds what the sublayer before it made to the residual stream. The first layer has nothing to add
    # yet; it is counted like the others, so that equal layers stay one.
    c.deep("attn_norm", norm(residual=True))
    c.deep("qkv_proj", linear(q + 2 * kv, h, model.bias_qkv))
    if model.positions == "rope":
        rope = Elementwise(elements=t * (q + kv), inputs=1, ops=3, name="rope", dtype=act, out_dtype=act)
        c.deep("rope", rope)
    c.deep("attention", Attention(
        batch=b, q_len=new, kv_len=keys, heads=model.heads, kv_heads=model.kv_heads, head_dim=model.head_dim,
        causal=True, window=model.window, dtype=act, kv_dtype=kv_dt,
    ))
    c.deep("o_proj", linear(h, q, model.bias_o, split="k"))
    c.deep("mlp_norm", norm(residual=True))
    assert entry is not None
    c.join(entry, "mlp_norm")
    plain, exps = ACTIVATIONS[model.activation]
    if model.gated:
        c.deep("gate_up_proj", linear(2 * f, h, model.bias_mlp))
        gate = f"{model.activation}_mul"
        c.deep("act_mul", Elementwise(elements=t * f, inputs=2, ops=plain + 1, exps=exps, name=gate, dtype=act,
                                      out_dtype=act))
    else:
        c.deep("up_proj", linear(f, h, model.bias_mlp))
        c.deep("act", Elementwise(elements=t * f, inputs=1, ops=plain, exps=exps, name=model.activation, dtype=act,
                                  out_dtype=act))
    c.deep("down_proj", linear(h, f, model.bias_mlp, split="k"))
    c.add("final_norm", norm(residual=True), "head")
    c.join("mlp_norm", "final_norm")
    c.add("lm_head", linear(model.vocab, h, bias=False, rows=t if logits == "all" else b), "head",
          tied_to="embed" if model.tied else "")
    c.graph.graph.update(
        model=model.name, phase=phase, batch=b, seq=new, context=past if phase == "prefill" else keys, dtype=dt,
        tokens=t, parameters=model.parameters, note=model.note, kv_bytes=b * keys * model.kv_bytes_per_token(kv_dt),
    )
    return c.graph
