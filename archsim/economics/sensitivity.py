"""Sensitivity: how far a dollar figure moves when one input goes from its low to its high, all others at base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import networkx as nx

from archsim.economics.chain import Chain
from archsim.economics.range import Range
from archsim.errors import ArchsimError
from archsim.simulation import Run, simulate
from archsim.workload import ModelConfig, transformer


@dataclass(frozen=True)
class Swing:
    """What one input does to a figure: its values at the input's low and high, beside that with all at base."""

    name: str
    input: Range
    at_low: float
    base: float
    at_high: float

    @property
    def width(self) -> float:
        """How far apart the two are, in the figure's unit."""
        return abs(self.at_high - self.at_low)

    @property
    def share(self) -> float:
        """`width` over the base value."""
        return self.width / self.base if self.base else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the swing as plain data."""
        return {**asdict(self), "width": self.width}


def swings(figure: Callable[[Mapping[str, float]], float], inputs: Mapping[str, Range]) -> list[Swing]:
    """Move one input at a time and return what each does to `figure`, the widest first; what does nothing is left out.

    Parameters
    ----------
    figure
        A function of all inputs by name.
    inputs
        Their ranges.
    """
    base = {name: r.base for name, r in inputs.items()}
    middle = figure(base)
    found = [Swing(name, r, figure({**base, name: r.low}), middle, figure({**base, name: r.high}))
             for name, r in inputs.items() if r.low != r.high]
    return sorted((s for s in found if s.width > 1e-12 * abs(middle)), key=lambda s: -s.width)


def sensitivity(made: Chain, run: Run, work: Sequence[tuple[str, Range, Run, Run]] = ()) -> list[Swing]:
    """Return what every input of a chain does to dollars per million tokens of a run, the widest first.

    Parameters
    ----------
    made, run
        The chain of a chip, and a run on it.
    work
        Inputs of the work: name, range, and the runs at its low and its high; see `work_inputs`.
    """
    values = made.values
    middle = made.usd_per_mtoken(run, values)
    found = [Swing(name, r, made.usd_per_mtoken(low, values), middle, made.usd_per_mtoken(high, values))
             for name, r, low, high in work]
    found += swings(lambda v: made.usd_per_mtoken(run, v), made.inputs)
    return sorted(found, key=lambda s: -s.width)


def work_inputs(config: ModelConfig, run: Run, dtype: str | None = None) -> list[tuple[str, Range, Run, Run]]:
    """Return the inputs of the work, half and double what they are, with their runs: batch, and context or prompt.

    `dtype` is what the run's graph was built with, if it is not the run's own. What the model or the chip does not take
    is left out.
    """
    w = run.workload
    found = []
    for name in ("batch", "context" if w.get("phase") == "decode" else "seq"):
        size = int(w[name])
        ends = (max(1, size // 2), 2 * size)
        fixed = {k: w[k] for k in ("batch", "seq", "context") if w.get(k) and k != name}
        try:
            low, high = (simulate(_graph(config, run, {**fixed, name: end}, dtype), run.chip) for end in ends)
        except ArchsimError:  # beyond what the model or the chip takes
            continue
        found.append((name, Range(ends[0], size, ends[1], "", "half and double"), low, high))
    return found


def _graph(config: ModelConfig, run: Run, sizes: Mapping[str, Any], dtype: str | None) -> nx.DiGraph:
    return transformer(config, phase=run.workload["phase"], dtype=dtype or run.dtype, **sizes)


def together(groups: Sequence[Sequence[Swing]]) -> list[tuple[str, float]]:
    """Rank inputs over several chips or phases, by the mean of their shares; inputs that one lacks count as 0 there."""
    totals: dict[str, float] = {}
    for group in groups:
        for s in group:
            totals[s.name] = totals.get(s.name, 0.0) + s.share / len(groups)
    return sorted(totals.items(), key=lambda kv: -kv[1])
