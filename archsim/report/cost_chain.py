"""Tables of what a chip costs: the chain from die area to dollars per million tokens, each step with its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.report.quantity import NONE, sig
from archsim.report.sheet import Column, Sheet
from archsim.report.theme import CONFIDENCE

if TYPE_CHECKING:
    from archsim.economics.breakeven import Breakeven
    from archsim.economics.range import Range, Step
    from archsim.economics.sensitivity import Swing

MOST_INPUTS = 10
"""Of a sensitivity: what moves less is summed up in a note."""


def chain_sheet(title: str, steps: Sequence[Step], notes: Sequence[str] = (), known: Sequence[Step] = ()) -> Sheet:
    """Return the steps of a chain, one line each, and under each its inputs, where they first appear.

    Inputs that are steps themselves, here or among those `known` from another sheet, have no line of their own.
    """
    said = {s.name for s in (*steps, *known)}
    rows: list[tuple[str, Range, str, str]] = []
    last: list[int] = []
    for step in steps:
        style = "bold" if step.value.low != step.value.high else ""
        rows.append((step.name, step.value, step.how or step.value.source, style))
        for name, value in step.inputs.items():
            if name not in said:
                said.add(name)
                rows.append((f"  {name}", value, value.source, CONFIDENCE.get(value.confidence, "") or "dim"))
        last.append(len(rows) - 1)
    styles = [style for *_, style in rows]

    def ends(end: str) -> list[str]:
        return [_number(getattr(v, end)) if end == "base" or v.low != v.high else "" for _, v, _, _ in rows]

    return Sheet(title, [
        Column("step", [name for name, *_ in rows], text=True, styles=styles),
        Column("low", ends("low"), 1),
        Column("base", ends("base"), styles=["bold" if s == "bold" else "" for s in styles]),
        Column("high", ends("high"), 1),
        Column("unit", [v.unit for _, v, _, _ in rows], text=True),
        Column("from", [how for _, _, how, _ in rows], 2, text=True, wrap=True, least=30),
    ], notes=list(notes))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and 1 <= abs(value) < 1e6 else sig(value)


def swings_sheet(title: str, found: Sequence[Swing]) -> Sheet:
    """Return what each input does to a figure, the widest first."""
    shown = found[:MOST_INPUTS]
    notes = [f"{len(found) - MOST_INPUTS} more move it by less than {100 * shown[-1].share:.1f} %"] \
        if len(found) > MOST_INPUTS else []
    return Sheet(title, [
        Column("input", [s.name for s in shown], text=True),
        Column("low", [_number(s.input.low) for s in shown], 2),
        Column("base", [_number(s.input.base) for s in shown], 3),
        Column("high", [_number(s.input.high) for s in shown], 2),
        Column("unit", [s.input.unit for s in shown], 4, text=True),
        Column("$/Mtoken\nat low", [sig(s.at_low) for s in shown]),
        Column("\nat high", [sig(s.at_high) for s in shown]),
        Column("swing\n%", [f"{100 * s.share:.0f}" if s.share >= 0.1 else sig(100 * s.share, 2) for s in shown], 1),
    ], notes=notes)


def breakeven_sheet(found: Sequence[tuple[str, Breakeven]]) -> Sheet:
    """Return break-even volumes, one line per phase, with the NRE and the two prices of a token."""
    first = found[0][1]

    def chips(value: float) -> str:
        return f"{value:,.0f}" if value < 1e12 else "never"

    parts = {"masks": first.nre.masks, "design": first.nre.design, "software": first.nre.software}
    spent = ", ".join(f"{name} ${r.base / 1e6:,.0f}M ({r.low / 1e6:,.0f} to {r.high / 1e6:,.0f})"
                      for name, r in parts.items())
    return Sheet(f"{first.chip} designed for oneself against buying {first.against}: chips until the NRE has paid", [
        Column("phase", [phase for phase, _ in found], text=True),
        Column("low", [chips(b.low) for _, b in found]),
        Column("base", [chips(b.base) for _, b in found]),
        Column("high", [chips(b.high) for _, b in found]),
        Column("own\n$/Mtoken", [sig(b.own_usd_per_mtoken) for _, b in found], 1),
        Column("bought\n$/Mtoken", [sig(b.bought_usd_per_mtoken) for _, b in found], 1),
        Column("one stands\nin for", [sig(b.replaced) if b.replaced else NONE for _, b in found], 2),
    ], notes=[f"NRE: {spent}",
              "low: cheap NRE, cheap chip, dear rival; high: the contrary; never: it saves nothing then"])
