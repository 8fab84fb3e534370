"""Attention: fused scaled-dot-product attention, forward and backward, without writing the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError
from archsim.workload.op import Op, share


@dataclass(frozen=True)
class Attention(Op):
    """Fused scaled-dot-product attention: ``softmax(q k^T) v`` without writing the scores.

    `q_len` new tokens per sequence see `kv_len` keys, the new ones included; with `causal`, query i sees the first
    ``kv_len - q_len + i + 1`` of them, and with `window` at most the last `window`.
    """

    kind: ClassVar[str] = "attention"
    batch: int
    q_len: int
    kv_len: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int = 0  # as head_dim if not given
    causal: bool = True
    window: int | None = None
    dtype: str = "bf16"
    kv_dtype: str = ""
    softcap: bool = False  # scores go through cap * tanh(score / cap)
    sinks: bool = False  # one learned score per head joins every softmax and takes part of its weight
    biased: bool = False  # a bias is added to every score (ALiBi, relative positions)
    shared_kv: bool = False  # the values are the first value_dim elements of the keys (latent attention)

    def __post_init__(self) -> None:
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)
        if not self.kv_dtype:
            object.__setattr__(self, "kv_dtype", self.dtype)
        super().__post_init__()
        if self.heads % self.kv_heads:
            raise ArchsimError(f"Attention.heads = {self.heads} is no multiple of kv_heads = {self.kv_heads}")
        if self.shared_kv and self.value_dim > self.head_dim:
            raise ArchsimError(f"Attention.value_dim = {self.value_dim} exceeds head_dim = {self.head_dim}: with "
                               "shared_kv the values are a part of the keys")
        if self.causal and self.kv_len < self.q_len:
            raise ArchsimError(f"Attention.kv_len = {self.kv_len} must be at least q_len = {self.q_len}")

    @property
    def pairs(self) -> int:
        """(query, key) pairs that are not masked, of one head over the batch."""
        q, kv = self.q_len, self.kv_len
        if not self.causal:
            return self.batch * q * min(kv, self.window or kv)
        w = min(self.window or kv, kv)
        first = kv - q + 1  # keys that query 0 sees without a window
        growing = max(0, min(q, w - first))  # queries that the window does not cut yet
        return self.batch * (growing * first + growing * (growing - 1) // 2 + (q - growing) * w)

    @property
    def flops(self) -> float:
        """2 (head_dim + value_dim) per unmasked pair and head."""
        return 2.0 * self.pairs * self.heads * (self.head_dim + self.value_dim)

    @property
    def vector_ops(self) -> float:
        """Scale, running maximum, subtraction and sum: 4 per score, and the output's rescaling.

        A bias adds 1 per score, a cap 2; keys and values of a narrower format are converted and scaled, 2 per element.
        """
        per_score = 4.0 + self.biased + 2 * self.softcap
        narrow = BYTES[self.kv_dtype] < BYTES[self.dtype]
        widened = 2.0 * narrow * self.kv_bytes / BYTES[self.kv_dtype]
        return per_score * self.pairs * self.heads + self.batch * self.q_len * self.heads * self.value_dim + widened

    @property
    def transcendentals(self) -> float:
        """One exponential per score, a tanh with a cap, and one exponential per row for a sink."""
        return float(self.pairs * self.heads * (1 + self.softcap) + self.batch * self.q_len * self.heads * self.sinks)

    @property
    def parameters(self) -> int:
        """The sinks."""
        return self.heads * self.sinks

    @property
    def parameter_bytes(self) -> float:
        """Bytes of the sinks."""
        return self.parameters * BYTES[self.dtype]

    @property
    def q_bytes(self) -> float:
        """Bytes of the queries."""
        return self.batch * self.q_len * self.heads * self.head_dim * BYTES[self.dtype]

    @property
    def kv_bytes(self) -> float:
        """Bytes of the keys and values that any query sees; values that are part of the keys are read with them."""
        seen = min(self.kv_len, self.q_len + self.window - 1) if self.window else self.kv_len
        width = self.head_dim + self.value_dim * (not self.shared_kv)
        return self.batch * seen * self.kv_heads * width * BYTES[self.kv_dtype]

    @property
    def read_bytes(self) -> float:
        """Queries, keys, values and sinks, each once: a group of query heads shares its keys."""
        return self.q_bytes + self.kv_bytes + self.parameter_bytes

    @property
    def write_bytes(self) -> float:
        """The attended values."""
        return self.batch * self.q_len * self.heads * self.value_dim * BYTES[self.dtype]

    def shard(self, chips: int) -> Attention:
        """Deal out (sequence, KV head) pairs, which need nothing of each other, cut finer until the deal is even.

        Where there are fewer pairs than chips, or they do not divide evenly (5 %), each pair is cut into equal
        pieces: along the queries, dealt alternately so that each piece has the mean causal load, or, where fewer
        than 64 queries (decode) are all that reuse a key, along the keys (not those of sliding windows).
        """
        if chips == 1:
            return self
        by_queries = self.q_len >= 64 or (self.window is not None and self.q_len > 1)
        seen = min(self.kv_len, self.window or self.kv_len)
        cuts = 1
        while True:
            pieces = self.batch * self.kv_heads * cuts
            dealt = share(pieces, chips)
            if dealt * chips <= 1.05 * pieces or 2 * cuts > (self.q_len if by_queries else seen):
                break
            cuts *= 2
        units = share(dealt, cuts)  # a chip's pieces come from as few pairs as can be: those read the same keys
        one = replace(self, batch=units, heads=self.heads // self.kv_heads, kv_heads=1)
        if cuts == 1:
            return one
        if by_queries:
            q_len = share(dealt * self.q_len, cuts * units)
            kv_len = self.kv_len - (self.q_len - q_len) // 2 if self.causal else self.kv_len
            return replace(one, q_len=q_len, kv_len=kv_len)
        return replace(one, kv_len=share(dealt * seen, cuts * units), causal=False, window=None)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield q, k, v and out."""
        yield "q", (self.batch, self.q_len, self.heads, self.head_dim), self.dtype
        yield "k", (self.batch, self.kv_len, self.kv_heads, self.head_dim), self.kv_dtype
        if not self.shared_kv:
            yield "v", (self.batch, self.kv_len, self.kv_heads, self.value_dim), self.kv_dtype
        yield "out", (self.batch, self.q_len, self.heads, self.value_dim), self.dtype


@dataclass(frozen=True)
class AttentionBackward(Op):
    """The gradients of a fused attention, ``dq, dk, dv``, with the scores computed again instead of kept.

    Five products of the size of the forward's two (Dao et al., FlashAttention, arXiv 2205.14135, algorithm 4): scores
    again, ``dv = p^T do``, ``dp = do v^T``, ``dq = ds k``, ``dk = ds^T q``. The first is no work of the model.
    """

    kind: ClassVar[str] = "attention_backward"
    forward: Attention

    def __post_init__(self) -> None:
        if not isinstance(self.forward, Attention):
            raise ArchsimError(f"AttentionBackward.forward must be an Attention, not {self.forward!r}")

    @property
    def dtype(self) -> str:
        """Format of the arithmetic."""
        return self.forward.dtype

    @property
    def flops(self) -> float:
        """Twice the forward's: a gradient for each operand of each product."""
        return 2.0 * self.forward.flops

    @property
    def executed_flops(self) -> float:
        """`flops` and the scores again."""
        f = self.forward
        return self.flops + 2.0 * f.pairs * f.heads * f.head_dim

    @property
    def vector_ops(self) -> float:
        """Scale, subtraction; ``p (dp - delta)`` and its scale: 5 per score; ``delta = sum(do o)``: 2 per output."""
        f = self.forward
        per_score = 5.0 + f.biased + 4 * f.softcap
        return per_score * f.pairs * f.heads + 2.0 * f.batch * f.q_len * f.heads * f.value_dim

    @property
    def transcendentals(self) -> float:
        """As forward: the scores are computed again."""
        return self.forward.transcendentals

    @property
    def row_bytes(self) -> float:
        """Bytes of one fp32 figure per query and head: the forward keeps the logarithm of each row's sum."""
        return 4.0 * self.forward.batch * self.forward.q_len * self.forward.heads

    @property
    def read_bytes(self) -> float:
        """q, k, v, the output, its gradient, and the logarithm of each row's sum."""
        return self.forward.read_bytes + 2.0 * self.forward.write_bytes + self.row_bytes

    @property
    def write_bytes(self) -> float:
        """dq, dk, dv."""
        return self.forward.read_bytes

    def shard(self, chips: int) -> AttentionBackward:
        """Deal out as the forward pass does."""
        return replace(self, forward=self.forward.shard(chips))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield what the forward pass takes and makes, the gradient of its result, and dq, dk, dv."""
        *operands, (_, out, dtype) = self.forward.shapes()
        yield from operands
        yield "o", out, dtype
        yield "do", out, dtype
        for name, shape, dt in operands:
            yield f"d{name}", shape, dt
