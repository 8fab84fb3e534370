"""Story: what a comparison says, in two or three sentences computed from its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from archsim.report.quantity import percent, quantity, sig
from archsim.report.theme import BOUND_NAME

if TYPE_CHECKING:
    from archsim.economics import Cost
    from archsim.simulation import Run

Priced = tuple["Run", "Cost"]


def findings(runs: Sequence[Run], costs: Sequence[Cost | None]) -> list[str]:
    """Return the main results of a comparison as sentences.

    For each phase: the cheapest token, beside the cheapest of another kind of chip (or else the runner-up), split
    into what an hour costs and how many tokens it makes; where fewer than two chips have a price, what bounds the one
    that has, or else the fastest. Then, if there are both phases, why they differ.
    """
    phases = list(dict.fromkeys(str(r.workload.get("phase", "")) for r in runs))
    said = []
    for phase in phases:
        priced = [(r, c) for r, c in zip(runs, costs, strict=True)
                  if c is not None and str(r.workload.get("phase", "")) == phase]
        if len({r.chip for r, _ in priced}) > 1:
            said.append(_cheapest(phase, sorted(priced, key=lambda rc: rc[1].usd_per_mtoken)))
        else:
            said += [_single(phase, *rc) for rc in priced] or [_fastest(phase, [
                r for r in runs if str(r.workload.get("phase", "")) == phase])]
    by_phase = [[r for r in runs if r.workload.get("phase") == p] for p in ("prefill", "decode")]
    if all(by_phase):
        said.append(_phases(*by_phase))
    return said


def _cheapest(phase: str, priced: Sequence[Priced]) -> str:
    """Compare the cheapest run with the cheapest on another kind of chip."""
    best, cost = priced[0]
    other, its = next((rc for rc in priced[1:] if rc[0].chip.kind != best.chip.kind), priced[1])
    hour = cost.usd_per_chip_hour / its.usd_per_chip_hour
    speed = (best.tokens_per_s / best.chips) / (other.tokens_per_s / other.chips)
    what = f"{phase} token" if phase else "token"
    return (f"Cheapest {what}: {best.chip.name}, ${sig(cost.usd_per_mtoken)} per million, against "
            f"${sig(its.usd_per_mtoken)} on {other.chip.name}, because a chip-hour costs {_times(hour)} as much and "
            f"makes {_times(speed)} the tokens ({_why(best)}; {other.chip.name}: {_why(other)}).")


def _single(phase: str, run: Run, cost: Cost) -> str:
    """Say what a token costs on the only chip with a price, and why."""
    return (f"{(phase + ' on').strip().capitalize()} {run.chip.name}: ${sig(cost.usd_per_mtoken)} per million tokens, "
            f"{_why(run)}.")


def _fastest(phase: str, runs: Sequence[Run]) -> str:
    """Name the chip that makes most tokens, and what bounds it."""
    best = max(runs, key=lambda r: r.tokens_per_s / r.chips)
    rate = f"{sig(best.tokens_per_s / best.chips)} tokens/s per chip, {_why(best)}"
    what = f"{phase} on".strip().capitalize()
    return f"{what} {best.chip.name}: {rate}." if len(runs) == 1 else f"Fastest {phase}: {best.chip.name}, {rate}."


def _times(ratio: float) -> str:
    return f"{sig(ratio, 2)}×"


def _why(run: Run) -> str:
    """Say what bound a run and how much of that resource it used."""
    if run.bound == "hbm":
        rate = run.hbm_bytes / run.time_s / run.chips
        return (f"bound by HBM, moving {quantity(rate, 'B/s', 3)} of {quantity(run.chip.memory.bandwidth, 'B/s', 3)}")
    reached = f"{percent(run.utilization)} % of {quantity(run.chip.peak(run.dtype), 'FLOP/s', 3)}"
    return f"bound by {BOUND_NAME[run.bound]}, at {reached}"


def _span(values: Iterable[float], as_percent: bool = False) -> str:
    """Write the range of some values: ``6.3-24 %`` or ``295``."""
    known = sorted(values)
    write = percent if as_percent else sig
    low, high = write(known[0]), write(known[-1])
    return (low if low == high else f"{low} to {high}") + (" %" if as_percent else "")


def _phases(prefill: Sequence[Run], decode: Sequence[Run]) -> str:
    """Say how far each phase is from the chips' balance points."""
    balance = _span({r.balance for r in (*prefill, *decode)})
    text = (f"Prefill does {_span(r.arithmetic_intensity for r in prefill)} FLOP per byte and reaches "
            f"{_span((r.utilization for r in prefill), True)} of peak; decode does "
            f"{_span(r.arithmetic_intensity for r in decode)} and reaches "
            f"{_span((r.utilization for r in decode), True)}; the chips balance at {balance}")
    above = all(r.arithmetic_intensity > r.balance for r in prefill)
    below = all(r.arithmetic_intensity < r.balance for r in decode)
    if above and below:
        return text + ": FLOP/s per dollar decides prefill, bandwidth per dollar decides decode."
    return text + "."
