"""Routing of tokens to experts, as data: how many rows each expert gets in a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.errors import ArchsimError, unknown

KINDS = ("uniform", "balanced", "power", "given")
SAMPLE = 4096
"""Tokens that are routed one by one; a longer step repeats the load of so many."""


@dataclass(frozen=True)
class Routing:
    """How tokens choose experts.

    Parameters
    ----------
    kind
        ``uniform``: every choice is equally likely; as many experts are touched as on average,
        ``E (1 - (1 - k/E)^T)`` of E for T tokens with k experts each, and share the rows evenly. ``balanced``: all
        experts share them evenly, the least that a router can do harm. ``power``: expert e is chosen with a weight of
        ``(e + 1)^-alpha``, drawn token by token without replacement from a generator seeded with `seed`
        (``alpha = 0``: uniform choices with their natural scatter). ``given``: in proportion to `load`.
    alpha, seed
        Of ``power``.
    load
        Of ``given``: a figure per expert, e.g. tokens counted in a trace.
    capacity_factor
        An expert takes at most ``ceil(factor x T x k / E)`` rows and drops the others (Lepikhin et al., GShard, arXiv
        2006.16668; Fedus et al., Switch, arXiv 2101.03961); None: the model's own, often none.
    pad
        Every expert computes exactly its capacity, missing rows being zeros, as static shapes demand.
    """

    kind: str = "uniform"
    alpha: float = 0.0
    seed: int = 0
    load: tuple[float, ...] = ()
    capacity_factor: float | None = None
    pad: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("routing", self.kind, KINDS)
        _number("Routing.alpha", self.alpha)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ArchsimError(f"Routing.seed must be a whole number of at least 0, not {self.seed!r}")
        if not isinstance(self.pad, bool):
            raise ArchsimError(f"Routing.pad must be True or False, not {self.pad!r}")
        if isinstance(self.load, str) or not isinstance(self.load, Sequence | np.ndarray):
            raise ArchsimError(f"Routing.load must be a figure per expert, not {self.load!r}")
        object.__setattr__(self, "load", tuple(float(_number(f"Routing.load[{i}]", x))
                                               for i, x in enumerate(self.load)))
        if (self.kind == "given") != bool(self.load) or (self.load and not sum(self.load)):
            raise ArchsimError("Routing.load, a figure per expert of which one is above 0, goes with kind 'given'")
        if self.capacity_factor is not None and not _number("Routing.capacity_factor", self.capacity_factor):
            raise ArchsimError("Routing.capacity_factor must be above 0")

    @classmethod
    def parse(cls, text: str) -> Routing:
        """Return the routing that a word says: ``uniform``, ``balanced``, ``power:1.2`` or ``power:1.2:seed``.

        Raises
        ------
        ArchsimError
            If it is none of these.
        """
        kind, *figures = str(text).split(":")
        if kind == "given":
            raise ArchsimError("routing 'given' needs a load per expert: use archsim.Routing('given', load=...)")
        if kind not in KINDS:
            raise unknown("routing", kind, ("uniform", "balanced", "power:ALPHA", "power:ALPHA:SEED"))
        if kind != "power":
            if figures:
                raise ArchsimError(f"routing {kind!r} takes no figures: {text!r}")
            return cls(kind)
        try:
            return cls(kind, alpha=float(figures[0]), seed=int(figures[1]) if len(figures) > 1 else 0)
        except (ValueError, IndexError) as e:
            if isinstance(e, ArchsimError):
                raise
            raise ArchsimError(f"routing {text!r}: write power:ALPHA or power:ALPHA:SEED, e.g. power:1.2") from None

    def demand(self, tokens: int, experts: int, top_k: int) -> tuple[int, ...]:
        """Return the rows that each expert is asked for; together tokens x top_k.

        Raises
        ------
        ArchsimError
            If `load` is not for so many experts, or would send a token to an expert twice.
        """
        rows = tokens * top_k
        if self.kind == "power":
            return self._drawn(tokens, experts, top_k)
        if self.kind == "given":
            if len(self.load) != experts:
                raise ArchsimError(f"Routing.load has {len(self.load)} figures, the layer {experts} experts")
            total = sum(self.load)
            dealt = _rounded([rows * x / total for x in self.load])
            if max(dealt) > tokens:
                raise ArchsimError(f"Routing.load sends {max(dealt):,} rows to one expert, but each of {tokens:,} "
                                   f"tokens meets {top_k} different ones")
            return dealt
        touched = min(experts, rows)
        if self.kind == "uniform":  # a token touches at least top_k experts
            touched = max(top_k, min(touched, round(expected_touched(tokens, experts, top_k))))
        return tuple(rows // touched + (e < rows % touched) if e < touched else 0 for e in range(experts))

    def _drawn(self, tokens: int, experts: int, top_k: int) -> tuple[int, ...]:
        """Draw `top_k` different experts per token: the largest of weights with Gumbel noise (Vieira 2014)."""
        drawn = min(tokens, SAMPLE)
        weights = -self.alpha * np.log(np.arange(1, experts + 1))
        noisy = weights + np.random.default_rng(self.seed).gumbel(size=(drawn, experts))
        chosen = np.argpartition(-noisy, top_k - 1, axis=1)[:, :top_k]
        counts = np.bincount(chosen.ravel(), minlength=experts)
        return _rounded([float(c) * tokens / drawn for c in counts])

    def rows(
        self, tokens: int, experts: int, top_k: int, capacity_factor: float | None = None
    ) -> tuple[tuple[int, ...], int]:
        """Return the rows that each expert computes, and how many of them are tokens (the others are padding).

        `capacity_factor` is the model's own, used unless the routing has one.
        """
        wanted = self.demand(tokens, experts, top_k)
        factor = capacity_factor if self.capacity_factor is None else self.capacity_factor
        if factor is None:
            if self.pad:
                raise ArchsimError("Routing.pad needs a capacity_factor: it says to what the rows are padded")
            return wanted, sum(wanted)
        capacity = math.ceil(factor * tokens * top_k / experts)
        kept = tuple(min(rows, capacity) for rows in wanted)
        return ((capacity,) * experts if self.pad else kept), sum(kept)


def expected_touched(tokens: int, experts: int, top_k: int) -> float:
    """Return how many of `experts` at least one of `tokens` meets on average, choices being uniform."""
    return experts * (1.0 - (1.0 - top_k / experts) ** tokens)


def _number(name: str, value: object) -> float:
    """Return a finite number of at least 0, or raise an error that names it."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= float(value) < math.inf:
        raise ArchsimError(f"{name} must be a number of at least 0, not {value!r}")
    return float(value)


def _rounded(shares: list[float]) -> tuple[int, ...]:
    """Round figures to whole ones of the same sum (largest remainders first)."""
    whole = [math.floor(x) for x in shares]
    left = round(sum(shares)) - sum(whole)
    for i in sorted(range(len(shares)), key=lambda i: (whole[i] - shares[i], i))[:left]:
        whole[i] += 1
    return tuple(whole)
