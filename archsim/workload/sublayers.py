"""sublayers: attention, feed-forward block and the layer they make: dimensions, parameters, FLOP of one token.

Conventions: dimensions in elements; 1 multiply-accumulate = 2 FLOP; FLOP are forward matrix work alone (no norm,
softmax, rope, embedding lookup or bias).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from archsim.errors import ArchsimError, positive_int, unknown

# Plain and transcendental operations per result of an activation. Sigmoid is exp and reciprocal; tanh is one.
ACTIVATIONS = {
    "silu": (2.0, 2.0),
    "swish": (2.0, 2.0),
    "gelu": (5.0, 1.0),
    "gelu_new": (8.0, 1.0),
    "gelu_fast": (8.0, 1.0),
    "gelu_tanh": (8.0, 1.0),
    "gelu_pytorch_tanh": (8.0, 1.0),
    "quick_gelu": (2.0, 2.0),  # x sigmoid(1.702 x)
    "relu": (1.0, 0.0),
    "relu2": (2.0, 0.0),
}

POSITIONS = ("rope", "learned", "alibi", "relative", "transformer-xl", "none")
"""How attention knows positions. ``relative``: a bias per distance bucket and head (T5), one table per stack.
``transformer-xl``: distances have keys of their own, by a projection per layer, and every query meets them too."""

QK_NORMS = ("", "head", "all", "unweighted")
"""Norm of queries and keys: none; per head, one gain of head_dim for all heads; over all heads at once; no gain."""

NORMS = ("rmsnorm", "layernorm")


def check(part: Any) -> None:
    """Check a dataclass's numbers and flags; every complaint names the field."""
    for f in fields(part):
        value, where, kind = getattr(part, f.name), f"{type(part).__name__}.{f.name}", str(f.type)
        if value is None and kind.endswith("| None"):
            continue
        if kind.startswith("int"):
            if not (f.default == 0 and type(value) is int and value == 0):
                object.__setattr__(part, f.name, positive_int(where, value, 10**9))
        elif kind.startswith("float"):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ArchsimError(f"{where} must be a number above 0, not {value!r}")
        elif kind == "bool" and not isinstance(value, bool):
            raise ArchsimError(f"{where} must be True or False, not {value!r}")


@dataclass(frozen=True)
class AttentionConfig:
    """One attention sublayer.

    `head_dim` is that of queries and keys, `value_dim` that of values (as head_dim if 0). `kind` is ``mha``
    (multi-head, with fewer KV heads grouped-query, with one multi-query) or ``mla`` (multi-head latent attention: keys
    and values are rebuilt from `kv_lora` cached elements per token, next to `rope_dim` rotated ones that heads share).
    `window`: a query sees at most so many keys, itself included. `rope_dim`: elements of a head that are rotated
    (all, if 0 and positions are rope). `sinks`: a learned logit per head joins the softmax. `cross`: keys and values
    come from the encoder's output.
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int = 0
    kind: str = "mha"
    window: int | None = None
    softcap: float | None = None
    bias_qkv: bool = False
    bias_o: bool = False
    qk_norm: str = ""
    sinks: bool = False
    positions: str = "rope"
    rope_dim: int = 0
    q_lora: int | None = None
    kv_lora: int = 0
    cross: bool = False

    def __post_init__(self) -> None:
        check(self)
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)
        if self.positions == "rope" and not self.rope_dim:
            object.__setattr__(self, "rope_dim", self.head_dim)
        for name, value, known in (("kind", self.kind, ("mha", "mla")), ("positions", self.positions, POSITIONS),
                                   ("qk_norm", self.qk_norm, QK_NORMS)):
            if value not in known:
                raise unknown(f"AttentionConfig.{name}", value, known)
        if self.heads % self.kv_heads:
            raise ArchsimError(f"heads = {self.heads} is no multiple of kv_heads = {self.kv_heads}")
        if self.rope_dim > self.head_dim:
            raise ArchsimError(f"rope_dim = {self.rope_dim} exceeds head_dim = {self.head_dim}")
        if (self.kind == "mla") != bool(self.kv_lora):
            raise ArchsimError("kv_lora belongs to latent attention (kind 'mla'), which needs it")

    @property
    def nope_dim(self) -> int:
        """Elements of a head that are not rotated."""
        return self.head_dim - self.rope_dim

    @property
    def cached(self) -> int:
        """Elements that one token adds to the KV cache of one layer."""
        if self.kind == "mla":
            return self.kv_lora + self.rope_dim
        return self.kv_heads * (self.head_dim + self.value_dim)

    def seen(self, keys: int) -> int:
        """Return how many of `keys` keys a query sees."""
        return min(keys, self.window or keys)

    def query_matrices(self, hidden: int) -> int:
        """Weights that multiply the token that asks: query and output projections."""
        a, d, v = self.heads, self.head_dim, self.value_dim
        q = hidden * a * d if self.q_lora is None else self.q_lora * (hidden + a * d)
        return q + a * v * hidden

    def key_matrices(self, hidden: int) -> int:
        """Weights that multiply the token that is seen: key and value projections."""
        if self.kind == "mla":
            up = self.kv_lora * self.heads * (self.nope_dim + self.value_dim)
            return hidden * (self.kv_lora + self.rope_dim) + up
        return hidden * self.kv_heads * (self.head_dim + self.value_dim)

    def parameters(self, hidden: int) -> int:
        """Return all parameters of the sublayer in a model of width `hidden`."""
        a, k, d, v = self.heads, self.kv_heads, self.head_dim, self.value_dim
        total = self.query_matrices(hidden) + self.key_matrices(hidden)
        if self.kind == "mla":
            total += (self.q_lora or 0) + self.kv_lora  # a gain of RMSNorm behind each down-projection
        total += self.bias_qkv * (a * d + k * (d + v)) + self.bias_o * hidden + self.sinks * a
        total += {"head": 2 * d, "all": (a + k) * d}.get(self.qk_norm, 0)
        if self.positions == "transformer-xl":
            total += hidden * a * d + 2 * a * d  # keys of distances; a bias of content and one of distance
        return total

    def attention_flops(self, keys: int, absorbed: bool = False) -> int:
        """Return the FLOP of scores and weighted values of one query against `keys` keys.

        With `absorbed`, latent attention works on the cache itself, as in decode: the up-projections are applied to
        the query and to the result instead of to the keys and values, which makes each head's key kv_lora + rope_dim
        and its value kv_lora wide.
        """
        width = self.head_dim + self.value_dim
        if absorbed and self.kind == "mla":
            width = 2 * self.kv_lora + self.rope_dim
        elif self.positions == "transformer-xl":
            width += self.head_dim
        return 2 * self.heads * width * self.seen(keys)


@dataclass(frozen=True)
class FfnConfig:
    """One feed-forward sublayer: dense (`ffn` wide), or a mixture of `experts` of which each token meets `top_k`.

    `shared_ffn` is the width of all experts together that every token meets; `shared_gate` a scalar gate on them;
    `router_bias` one number per expert; `capacity_factor` cuts what an expert takes at so many times its fair share.
    """

    ffn: int = 0
    gated: bool = True
    activation: str = "silu"
    bias: bool = False
    experts: int = 0
    top_k: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    capacity_factor: float | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.activation not in ACTIVATIONS:
            raise unknown("FfnConfig.activation", self.activation, ACTIVATIONS)
        if self.experts and not (self.top_k and self.expert_ffn):
            raise ArchsimError("a mixture of experts needs experts, top_k and expert_ffn")
        if not self.experts and not self.ffn:
            raise ArchsimError("a feed-forward layer needs a width (ffn) or experts")
        if self.top_k > self.experts:
            raise ArchsimError(f"top_k = {self.top_k} exceeds experts = {self.experts}")

    def _block(self, hidden: int, width: int) -> tuple[int, int]:
        """Return (matrix weights, biases) of one feed-forward block."""
        ups = 2 if self.gated else 1
        return (ups + 1) * hidden * width, self.bias * (ups * width + hidden)

    def _count(self, hidden: int, experts: int) -> tuple[int, int]:
        if not self.experts:
            return self._block(hidden, self.ffn)
        matrices, bias = self._block(hidden, self.expert_ffn)
        matrices, bias = experts * matrices, experts * bias
        if self.shared_ffn:
            shared, shared_bias = self._block(hidden, self.shared_ffn)
            matrices, bias = matrices + shared + self.shared_gate * hidden, bias + shared_bias
        return matrices + hidden * self.experts, bias + self.router_bias * self.experts

    def matrices(self, hidden: int) -> int:
        """Weights that multiply one token: its experts', the shared ones' and the router's."""
        return self._count(hidden, self.top_k)[0]

    def parameters(self, hidden: int) -> int:
        """All parameters."""
        return sum(self._count(hidden, self.experts))

    def active_parameters(self, hidden: int) -> int:
        """Parameters that one token meets, the router whole."""
        return sum(self._count(hidden, self.top_k))


@dataclass(frozen=True)
class Layer:
    """One layer: attention, in a decoder behind an encoder also cross-attention, and a feed-forward block.

    `norms` counts the norms of width hidden: 2 usually, 1 where parallel sublayers share it, 4 where sublayers' results
    are normed too, 3 with cross-attention. `parallel`: attention and FFN read the same input. `post_norm`: the norm
    follows the residual addition (BERT) instead of opening the sublayer.
    """

    attention: AttentionConfig
    ffn: FfnConfig
    norm: str = "rmsnorm"
    norm_gain: bool = True
    norm_bias: bool = False
    norms: int = 2
    parallel: bool = False
    post_norm: bool = False
    cross: AttentionConfig | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.norm not in NORMS:
            raise unknown("Layer.norm", self.norm, NORMS)

    def norm_parameters(self, hidden: int) -> int:
        """Return the parameters of one norm: a gain and a shift, where it has them."""
        return hidden * (self.norm_gain + self.norm_bias)

    def _around_ffn(self, hidden: int) -> int:
        cross = self.cross.parameters(hidden) if self.cross else 0
        return self.attention.parameters(hidden) + cross + self.norms * self.norm_parameters(hidden)

    def parameters(self, hidden: int) -> int:
        """All parameters."""
        return self._around_ffn(hidden) + self.ffn.parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Parameters that one token meets."""
        return self._around_ffn(hidden) + self.ffn.active_parameters(hidden)

    def matrices(self, hidden: int) -> int:
        """Weights that multiply one token of this stack (keys and values of cross-attention are the encoder's)."""
        cross = self.cross.query_matrices(hidden) if self.cross else 0
        own = self.attention.query_matrices(hidden) + self.attention.key_matrices(hidden)
        return own + cross + self.ffn.matrices(hidden)

    def attention_flops(self, keys: int, absorbed: bool = False) -> int:
        """Return the FLOP of one query against `keys` keys, as many of the encoder's as of its own."""
        cross = self.cross.attention_flops(keys) if self.cross else 0
        return self.attention.attention_flops(keys, absorbed) + cross


__all__ = ["ACTIVATIONS", "AttentionConfig", "FfnConfig", "Layer", "check"]
