"""What the time of a measured layer of experts includes: who gets which tokens, and the kernels of the framework.

Conventions of ai-dynamo/aiconfigurator's collectors (collector/helper.py, collector/sglang, collector/vllm), by the
row's ``framework``; a row without one is a rank that gets the tokens of its own experts and nothing else.

- ``balanced``: token t meets experts t, t + s, t + 2 s ..., modulo their number, s being experts / topk rounded up.
- ``power_law_ALPHA``: experts' loads are drawn from a power law between 1 and 0.8 of the tokens, and scaled to their
  choices. Here each expert has a quantile of it, and is dealt to a rank at random; the busiest rank is measured.
- ``sglang``: tiles are those of the kernels' default configuration; a single expert per token needs no sum. A graph is
  five calls. Up to version 0.5.10 the kernels are called by themselves: the router's choice and copies of its results
  are in the time of one rank alone; of several, one gets the tokens that meet an expert of its own, and computes their
  other choices with its first expert. Later versions do so for models whose router is a softmax and nothing else
  (`PLAIN`); others pass SGLang's own layer (run_moe_torch, use_framework_layer): the router's choice is in the time,
  and of several ranks one gets all tokens, as with vLLM, and marks the choices of others.
- ``vllm``: a rank gets all tokens and computes the choices that are its own; blocks for the others write zeros, and
  activation and sum run over all. Tiles are the fastest, as configurations that were tuned for the device hold. A graph
  is one call. Models whose experts have no gate (`UNGATED`) are measured without; SGLang's collector gives all one.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.dtypes import BYTES, ROWS
from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.measured_table import BadRowError, Row, whole
from archsim.workload.ops import Elementwise, GroupedMatMul, Op, Quantize, Route, Scatter, Sort

Counts = NDArray[np.int64]

DRAWS = 5
"""Draws of a power law that are measured together; here, of whose ranks the one with the median load is taken."""


UNGATED = ((2688, 1856), (4096, 2688), (2048, 5120), (8192, 5120))
"""Hidden and intermediate sizes of the Nemotron 3 models, whose experts square a rectified product."""

FIRST_EXPERT = (0, 5, 10)
"""Version of SGLang up to which a rank computes choices of others with its first expert."""
PLAIN = ((4096, 14336), (6144, 16384), (2816, 704))
"""Hidden and intermediate sizes of Mixtral and Gemma 4, with which it does so in later versions."""
STEEPEST, MOST = 10.0, 2**20
"""Largest exponent and most tokens of a power law."""


@dataclass(frozen=True)
class Rank:
    """What one rank gets: rows per expert of its own, tokens, and (token, expert) pairs that row kernels go through."""

    groups: tuple[int, ...]
    tokens: int
    pairs: int


def calls(row: Row) -> int:
    """Return how many calls make one graph."""
    return 5 if str(row.get("framework") or "").strip().lower() == "sglang" or "power" in str(
        row.get("distribution")) else 1


def experts(row: Row, line: int, size: dict[str, int], name: str) -> list[Op]:
    """Return the kernels of a fused layer of experts, on one rank.

    Raises
    ------
    BadRowError
        If a cell cannot be meant.
    """
    tp, ep = (whole(row, c, line) if str(row.get(c) or "").strip() else 1 for c in ("tp", "ep"))
    framework = str(row.get("framework") or "").strip().lower()
    sglang = framework == "sglang"
    if ep > size["experts"]:
        raise BadRowError(f"line {line}: ep = {ep} ranks for {size['experts']} experts")
    if size["topk"] > size["experts"]:
        raise BadRowError(f"line {line}: topk = {size['topk']} of {size['experts']} experts")
    try:
        rank = _rank(row, size, ep, framework)
    except UnsupportedError:
        raise
    except ArchsimError as e:
        raise BadRowError(f"line {line}: {e}") from None
    width, hidden, own = -(-size["inter"] // tp), size["hidden"], len(rank.groups)
    gated = framework != "vllm" or (hidden, size["inter"]) not in UNGATED
    act = name if BYTES[name] >= 2 else "bf16"
    tile = _tile(name, rank.tokens > own) if sglang and "triton" in str(row.get("kernel") or "triton") else None
    layer = sglang and _layer(row, size)
    before: list[Op] = []
    if layer or (sglang and ep == 1):
        before = [Route(rows=rank.tokens, experts=size["experts"], top_k=size["topk"])]
    if sglang and ep > 1:
        before += [Elementwise(elements=rank.pairs, dtype="fp32", out_dtype="fp32", name="mark" if layer else "clamp")]
    elif sglang and not layer:
        before += [Elementwise(elements=n, dtype="fp32", out_dtype="fp32", name="copy")
                   for n in (rank.pairs, rank.pairs, rank.tokens * own)]
    return [
        *before,
        Elementwise(elements=rank.pairs + own, inputs=0.0, dtype="fp32", out_dtype="fp32", name="fill"),
        Sort(rows=rank.pairs, groups=own, align=tile[0] if tile else 16),
        Elementwise(elements=rank.pairs, dtype="fp32", out_dtype="fp32", name="place"),
        *quantised(rank.tokens, hidden, name),
        GroupedMatMul(groups=rank.groups, n=(1 + gated) * width, k=hidden, dtype=name, tile=tile),
        *_zeros(rank, (1 + gated) * width),
        gate(rank.pairs, width, act) if gated else
        Elementwise(elements=rank.pairs * width, ops=2.0, name="relu2", dtype=act, out_dtype=act, cols=width),
        *quantised(rank.pairs, width, name),
        GroupedMatMul(groups=rank.groups, n=hidden, k=width, dtype=name, tile=tile),
        *_zeros(rank, hidden),
        *([] if sglang and size["topk"] == 1 else
          [Scatter(rows=rank.pairs, cols=hidden, entries=rank.tokens, dtype=act)]),
        *([Elementwise(elements=rank.tokens * hidden, name="copy")] if framework == "vllm" else []),
    ]


def quantised(rows: int, cols: int, name: str) -> list[Op]:
    """Return the kernel that brings activations to a format of 8 bits, none for wider ones."""
    return [Quantize(rows=rows, cols=cols, out_dtype=ROWS.get(name, name))] if BYTES[name] < 2 else []


def gate(rows: int, cols: int, name: str) -> Elementwise:
    """Return ``silu(x) y = x / (1 + exp(-x)) y``: an exponential and a reciprocal."""
    return Elementwise(elements=rows * cols, inputs=2.0, ops=3.0, exps=2.0, name="silu_mul", dtype=name,
                       out_dtype=name, cols=cols)


def _tile(name: str, many: bool) -> tuple[int, int, int]:
    """Return the tile of SGLang's default configuration (fused_moe_triton_config.py), bytes of K per step."""
    if name == "fp8_block":
        return 64, 128, 128
    return (64, 64, round(32 * BYTES[name])) if many else (16, 32, round(64 * BYTES[name]))


def _rank(row: Row, size: dict[str, int], ep: int, framework: str) -> Rank:
    """Return what the measured rank gets."""
    tokens, count, topk = size["tokens"], size["experts"], size["topk"]
    own = max(1, count // ep)
    alpha = _exponent(row)
    if alpha is None:
        chosen, times = _strided(tokens, count, topk)
    else:
        if tokens > MOST:
            raise UnsupportedError(f"power laws are drawn for at most {MOST:,} tokens, not {tokens:,}")
        loads = _power_law(tokens, count, topk, alpha, ep)
        chosen, times = _assigned(loads, tokens, topk), np.ones(tokens, dtype=np.int64)
    mine = chosen < own
    local = np.bincount(chosen[mine], weights=np.broadcast_to(times[:, None], chosen.shape)[mine], minlength=own)
    meets = int(times[mine.any(axis=1)].sum())
    groups = tuple(int(x) for x in local)
    several = framework == "sglang" and ep > 1 and "cutlass" not in str(row.get("kernel") or "")
    first = several and not _layer(row, size)
    if framework == "vllm" or (several and not first):
        return Rank(_some(groups), tokens, tokens * topk)
    if first:
        meets = max(1, meets)
        return Rank((meets * topk - sum(groups[1:]), *groups[1:]), meets, meets * topk)
    groups = _some(groups)
    return Rank(groups, max(1, meets), sum(groups))


def _exponent(row: Row) -> float | None:
    """Return the exponent of the power law by which tokens choose experts, None if they are balanced."""
    given = str(row.get("distribution") or "").strip() or "balanced"
    if given == "balanced":
        return None
    kind, _, alpha = given.rpartition("_")
    try:
        exponent = float(alpha)
    except ValueError:
        exponent = math.nan
    if kind != "power_law" or math.isnan(exponent):
        raise ArchsimError(f"unknown distribution {given!r}: known: balanced, power_law_ALPHA, e.g. power_law_1.2")
    if not 0.0 <= exponent <= STEEPEST:
        raise ArchsimError(f"the power of a distribution is between 0 and {STEEPEST:g}, not {alpha}")
    return exponent


def _layer(row: Row, size: dict[str, int]) -> bool:
    """Return whether SGLang's layer was called instead of its kernels."""
    return _version(row) > FIRST_EXPERT and (size["hidden"], size["inter"]) not in PLAIN


def _version(row: Row) -> tuple[int, ...]:
    """Return the framework's version, a row without one being of a new one."""
    numbers = str(row.get("version") or "").strip().split(".")
    return tuple(int(n) for n in numbers) if all(n.isdigit() for n in numbers) else (sys.maxsize,)


def _zeros(rank: Rank, cols: int) -> list[Op]:
    """Return the writing of zeros for pairs that the rank does not compute."""
    left = rank.pairs - sum(rank.groups)
    return [Elementwise(elements=left * cols, inputs=0.0, ops=0.0, name="zeros")] if left > 0 else []


def _some(groups: tuple[int, ...]) -> tuple[int, ...]:
    """Return the rows; a rank that no token meets computes one all the same."""
    return groups if any(groups) else (1, *groups[1:])


def _strided(tokens: int, count: int, topk: int) -> tuple[Counts, Counts]:
    """Return the experts of balanced tokens, equal tokens once, and how many tokens are equal."""
    stride = -(-count // topk)
    alike = min(tokens, count) if tokens >= stride else tokens
    first = np.arange(alike)[:, None] if tokens >= stride else np.arange(alike)[:, None] * stride / tokens
    chosen = ((first + np.arange(topk)[None, :] * stride) % count).astype(np.int64)
    times = np.full(alike, tokens // alike, dtype=np.int64)
    times[: tokens % alike] += 1
    return chosen, times


def _power_law(tokens: int, count: int, topk: int, alpha: float, ep: int) -> Counts:
    """Return the tokens of each expert; experts of the measured rank, the busiest, come first."""
    low, high = (1.0, tokens * 0.8) if tokens * topk > count else (0.01, 2.0)
    u = (np.arange(count) + 0.5) / count
    if abs(alpha - 1.0) < 1e-6:
        load = low * (high / low) ** u
    else:
        b = 1.0 - alpha
        load = ((high**b - low**b) * u + low**b) ** (1.0 / b)
    wanted = np.minimum(tokens, np.round(load / load.sum() * tokens * topk).astype(np.int64))
    while (left := tokens * topk - int(wanted.sum())) != 0:  # who has most gives, who has least gets
        order = np.argsort(wanted if left > 0 else -wanted, kind="stable")
        room = order[wanted[order] < tokens] if left > 0 else order[wanted[order] > 0]
        wanted[room[: abs(left)]] += 1 if left > 0 else -1
    draws = []
    for seed in range(DRAWS if ep > 1 else 1):
        dealt = wanted[np.random.default_rng(seed).permutation(count)] if ep > 1 else wanted
        if ep > 1:
            own = count // ep
            loads = dealt[: own * ep].reshape(ep, own).sum(axis=1)
            busiest = int(loads.argmax())
            dealt = np.concatenate((dealt[busiest * own:(busiest + 1) * own], dealt[: busiest * own],
                                    dealt[(busiest + 1) * own:]))
        draws.append(dealt)
    draws.sort(key=lambda d: int(d[: max(1, count // ep)].sum()))
    median: Counts = draws[len(draws) // 2]
    return median


def _assigned(loads: Counts, tokens: int, topk: int) -> Counts:
    """Return the experts of every token: the busiest expert's tokens first, then the next one's, column by column."""
    order = np.argsort(-loads, kind="stable")
    chosen: Counts = np.repeat(order, loads[order]).reshape(topk, tokens).T
    return chosen
