"""architecture: what a transformer is made of (attention, FFN, layers, stacks) and what follows: parameters, KV, FLOP.

Conventions: dimensions in elements; 1 multiply-accumulate = 2 FLOP; FLOP are forward matrix work alone (no norm,
softmax, rope, embedding lookup or bias). Layers that are equal are one `Layer` with a count, so that nothing here, nor
the layer graph, grows with depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from archsim.dtypes import BYTES
from archsim.dtypes import dtype as dtype_name
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


def _check(part: Any) -> None:
    """Check the types of a dataclass's numbers and flags; every complaint names the field."""
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
        _check(self)
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
        _check(self)
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
    norm_bias: bool = False
    norms: int = 2
    parallel: bool = False
    post_norm: bool = False
    cross: AttentionConfig | None = None

    def __post_init__(self) -> None:
        _check(self)
        if self.norm not in NORMS:
            raise unknown("Layer.norm", self.norm, NORMS)

    def norm_parameters(self, hidden: int) -> int:
        """Return the parameters of one norm: a gain, and a shift if it has one."""
        return hidden * (1 + self.norm_bias)

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


@dataclass(frozen=True)
class Stack:
    """Layers one behind the other: distinct ones with their counts (their order is not kept).

    `causal`: a token sees itself and those before it. `relative_buckets`: entries per head of the stack's table of
    relative-position biases.
    """

    name: str
    groups: tuple[tuple[Layer, int], ...]
    causal: bool = True
    final_norm: bool = True
    relative_buckets: int = 0

    def __post_init__(self) -> None:
        _check(self)
        if not self.groups:
            raise ArchsimError(f"the {self.name} needs at least one layer")
        for _, count in self.groups:
            positive_int(f"layers of the {self.name}", count, 10**6)

    def __iter__(self) -> Iterator[tuple[Layer, int]]:
        return iter(self.groups)

    @property
    def first(self) -> Layer:
        """The first kind of layer."""
        return self.groups[0][0]

    @property
    def layers(self) -> int:
        """Layers, equal ones each counted."""
        return sum(count for _, count in self.groups)

    def shared_parameters(self, hidden: int) -> int:
        """Return the parameters outside the layers: the final norm and the table of relative positions."""
        first = self.first
        return self.final_norm * first.norm_parameters(hidden) + self.relative_buckets * first.attention.heads


@dataclass(frozen=True)
class Patches:
    """An image as input: `image` x `image` pixels of `channels`, one token per `patch` x `patch` square."""

    image: int
    patch: int
    channels: int = 3

    def __post_init__(self) -> None:
        _check(self)
        if self.image % self.patch:
            raise ArchsimError(f"image size {self.image} is no multiple of patch size {self.patch}")

    @property
    def count(self) -> int:
        """Tokens of one image, without the class token."""
        return (self.image // self.patch) ** 2

    @property
    def pixels(self) -> int:
        """Numbers in one patch."""
        return self.channels * self.patch**2


@dataclass(frozen=True)
class ModelConfig:
    """A transformer: its stacks of layers and what is around them.

    Parameters
    ----------
    stacks
        One decoder, one encoder, or an encoder and the decoder behind it.
    vocab
        Entries of the embedding; 0 for images (`patches`).
    max_positions
        Longest sequence that the model was made for; with learned positions it cannot see farther.
    position_rows
        Entries of the table of learned positions, 0 without one.
    tied, lm_head, lm_head_bias
        Whether the output head shares the embedding, exists, has a bias.
    token_types
        Entries of BERT's table of segment embeddings.
    embed_norm
        A norm follows the embedding.
    logit_softcap
        Logits are squeezed to this bound by tanh, None: not.
    pooler, classes
        A dense layer on the first token; the width of a classification head (0: none).
    mtp
        Extra layers in the checkpoint that predict further tokens (multi-token prediction). Not counted.
    warnings
        What the config says that is not modelled.
    """

    name: str
    family: str
    hidden: int
    vocab: int
    max_positions: int
    stacks: tuple[Stack, ...]
    tied: bool = False
    lm_head: bool = True
    lm_head_bias: bool = False
    position_rows: int = 0
    token_types: int = 0
    embed_norm: bool = False
    logit_softcap: float | None = None
    patches: Patches | None = None
    pooler: bool = False
    classes: int = 0
    mtp: int = 0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("hidden", "max_positions", *(("vocab",) if self.patches is None else ())):
            positive_int(f"ModelConfig.{name}", getattr(self, name), 10**9)
        if not self.stacks or not all(isinstance(stack, Stack) for stack in self.stacks):
            raise ArchsimError("ModelConfig.stacks must hold at least one Stack")

    def stack(self, name: str = "") -> Stack:
        """Return a stack by name; without one the last, whose tokens are the model's output.

        Raises
        ------
        ArchsimError
            If the model has no such stack.
        """
        for stack in self.stacks:
            if stack.name == name:
                return stack
        if name:
            raise unknown(f"stack of {self.name}", name, [s.name for s in self.stacks])
        return self.stacks[-1]

    @property
    def note(self) -> str:
        """The warnings in one line."""
        return "; ".join(self.warnings)

    @property
    def layers(self) -> int:
        """Layers of all stacks."""
        return sum(stack.layers for stack in self.stacks)

    @property
    def norm_parameters(self) -> int:
        """Parameters of one norm of width hidden."""
        return self.stacks[-1].first.norm_parameters(self.hidden)

    @property
    def embedding_parameters(self) -> int:
        """Parameters that turn input into vectors: tokens or patches, positions, segments, the norm behind them."""
        rows = self.vocab + self.position_rows + self.token_types
        total = rows * self.hidden + self.embed_norm * self.norm_parameters
        if self.patches:
            total += (self.patches.pixels + 1) * self.hidden + self.hidden  # kernel and bias, class token
        return total

    @property
    def head_parameters(self) -> int:
        """Parameters behind the last stack that are not shared with the embedding."""
        total = 0
        if self.lm_head:
            total += (0 if self.tied else self.vocab * self.hidden) + self.lm_head_bias * self.vocab
        if self.pooler:
            total += self.hidden * (self.hidden + 1)
        return total + self.classes * (self.hidden + 1)

    @property
    def parameters(self) -> int:
        """All parameters; what is shared counts once."""
        return self._outside + sum(n * layer.parameters(self.hidden) for stack in self.stacks for layer, n in stack)

    @property
    def active_parameters(self) -> int:
        """Parameters that one token uses: of the experts its own, the embedding and everything else whole."""
        return self._outside + sum(
            n * layer.active_parameters(self.hidden) for stack in self.stacks for layer, n in stack)

    @property
    def _outside(self) -> int:
        around = sum(stack.shared_parameters(self.hidden) for stack in self.stacks)
        return self.embedding_parameters + self.head_parameters + around

    def kv_bytes_per_token(self, dtype: str = "bf16") -> float:
        """Return the bytes that one token adds to the KV cache while every window still grows (encoders: none)."""
        return self.kv_bytes(1, dtype)

    def kv_bytes(self, context: int, dtype: str = "bf16", source: int = 0) -> float:
        """Return the bytes of the KV cache of one sequence.

        Parameters
        ----------
        context
            Tokens in the sequence; layers with a window keep the last of them alone.
        source
            Tokens of the encoder, whose keys and values cross-attention keeps.
        """
        elements = sum(n * (layer.attention.cached * layer.attention.seen(context)
                            + (layer.cross.cached * source if layer.cross else 0))
                       for stack in self.stacks if stack.causal for layer, n in stack)
        return elements * BYTES[dtype_name(dtype)]

    def linear_flops_per_token(self, stack: str = "") -> float:
        """Return the forward FLOP of one token in all weight matrices: of `stack`, or of the last.

        The output head counts at every token. Of an encoder's token they include the keys and values that the
        decoder's cross-attention takes from it; a classification head and a pooler run once per input and do not count.
        """
        this, h = self.stack(stack), self.hidden
        total = sum(n * layer.matrices(h) for layer, n in this)
        if this is self.stacks[-1] and self.lm_head:
            total += self.vocab * h
        if this is not self.stacks[-1]:
            total += sum(n * layer.cross.key_matrices(h) for layer, n in self.stacks[-1] if layer.cross)
        if this is self.stacks[0] and self.patches:
            total += self.patches.pixels * h
        return 2.0 * total

    def attention_flops_per_token(self, context: int, stack: str = "", absorbed: bool = False) -> float:
        """Return the forward FLOP of one token's attention to `context` keys (of a window at most its width).

        With `absorbed`, latent attention is counted as decode runs it: see `AttentionConfig.attention_flops`.
        """
        return float(sum(n * layer.attention_flops(context, absorbed) for layer, n in self.stack(stack)))

    def flops_per_token(self, context: int = 0, stack: str = "") -> float:
        """Return the forward matrix FLOP of one token that sees `context` keys, 2 per multiply-accumulate."""
        return self.linear_flops_per_token(stack) + self.attention_flops_per_token(context, stack)


__all__ = ["ACTIVATIONS", "AttentionConfig", "FfnConfig", "Layer", "ModelConfig", "Patches", "Stack"]
