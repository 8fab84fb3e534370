"""architecture: a transformer as stacks of layers, and what follows: parameters, KV cache, FLOP per token.

Layers that are equal are one `Layer` with a count, so that nothing here, nor the layer graph, grows with depth.
Conventions are those of `archsim.workload.sublayers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.dtypes import BYTES
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload.quantization import Formats, described
from archsim.workload.sublayers import Layer, check


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
        check(self)
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
        check(self)
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
    formats
        Options of `archsim.transformer` that count it in the formats of its checkpoint, as (option, format) pairs.
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
    formats: Formats = ()

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
    def notes(self) -> tuple[str, ...]:
        """The warnings, and how its checkpoint is quantised if it is."""
        return tuple(text for text in (*self.warnings, described(self.formats)) if text)

    @property
    def note(self) -> str:
        """The notes in one line."""
        return "; ".join(self.notes)

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


__all__ = ["ModelConfig", "Patches", "Stack"]
