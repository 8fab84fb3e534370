"""Attention: fused scaled-dot-product attention, prefill and decode, without writing the scores."""

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

    def __post_init__(self) -> None:
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)
        if not self.kv_dtype:
            object.__setattr__(self, "kv_dtype", self.dtype)
        super().__post_init__()
        if self.heads % self.kv_heads:
            raise ArchsimError(f"Attention.heads = {self.heads} is no multiple of kv_heads = {self.kv_heads}")
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
        """Scale, running maximum, subtraction and sum: 4 per score, and the output's rescaling."""
        return 4.0 * self.pairs * self.heads + self.batch * self.q_len * self.heads * self.value_dim

    @property
    def transcendentals(self) -> float:
        """One exponential per score."""
        return float(self.pairs * self.heads)

    @property
    def q_bytes(self) -> float:
        """Bytes of the queries."""
        return self.batch * self.q_len * self.heads * self.head_dim * BYTES[self.dtype]

    @property
    def kv_bytes(self) -> float:
        """Bytes of the keys and values that any query sees."""
        seen = min(self.kv_len, self.q_len + self.window - 1) if self.window else self.kv_len
        return self.batch * seen * self.kv_heads * (self.head_dim + self.value_dim) * BYTES[self.kv_dtype]

    @property
    def read_bytes(self) -> float:
        """Queries, keys and values, each once: a group of query heads shares its keys."""
        return self.q_bytes + self.kv_bytes

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
        yield "v", (self.batch, self.kv_len, self.kv_heads, self.value_dim), self.kv_dtype
        yield "out", (self.batch, self.q_len, self.heads, self.value_dim), self.dtype
