"""Tornado: how far dollars per million tokens move when one input goes from its low to its high, the widest on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.quantity import sig
from archsim.report.theme import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.economics.sensitivity import Swing

MOST_BARS = 12
LOW, HIGH = "#56B4E9", "#D55E00"
"""With the input at its low end, and at its high end."""


@drawn
def tornado(panels: Sequence[tuple[str, Sequence[Swing]]], title: str, path: Path_ | None = None) -> Figure:
    """Draw the sensitivity of dollars per million tokens, one panel per phase.

    Parameters
    ----------
    panels
        A heading, such as ``"decode, batch 64"``, and its swings, the widest first (`archsim.economics.sensitivity`).
    title
        Of the figure.
    path
        Where to write it (.png, .svg, .pdf); not written if None.

    Raises
    ------
    ArchsimError
        If no input moves anything, or the file cannot be written.
    """
    shown = [(head, list(swings)[:MOST_BARS]) for head, swings in panels if swings]
    if not shown:
        raise ArchsimError("nothing to draw: no input has a range")
    most = max(len(s) for _, s in shown)
    figure = blank(6.4 * len(shown) if len(shown) > 1 else 8.0, 0.36 * most + 1.7)
    axes = figure.subplots(1, len(shown), squeeze=False)
    for ax, (head, swings) in zip(axes[0], shown, strict=True):
        _panel(ax, swings)
        ax.set_title(f"{head}: ${sig(swings[0].base)} at base")
    from matplotlib.patches import Patch

    figure.legend(handles=[Patch(color=LOW, label="input at its low end"), Patch(color=HIGH, label="at its high end")],
                  loc="outside lower center", ncols=2, fontsize=8)
    figure.suptitle(title.replace("$", r"\$"), fontsize=11, fontweight="bold", x=0.01, ha="left")
    return save(figure, path)


def _panel(ax: Axes, swings: Sequence[Swing]) -> None:
    base = swings[0].base
    for y, s in enumerate(swings):
        for value, colour in ((s.at_low, LOW), (s.at_high, HIGH)):
            ax.barh(y, value - base, left=base, color=colour, height=0.66)
        for value, end in ((s.at_low, s.input.low), (s.at_high, s.input.high)):
            right = value > base or (value == base and max(s.at_low, s.at_high) <= base)
            if value != base:
                ax.annotate(_end(end), (value, y), xytext=(3 if right else -3, 0), textcoords="offset points",
                            ha="left" if right else "right", va="center", fontsize=7.5, color=MUTED)
    ax.axvline(base, color=INK, lw=1.0)
    ax.set_yticks(range(len(swings)), [_label(s) for s in swings])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(swings) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ends = [v for s in swings for v in (s.at_low, s.at_high)]
    room = 0.12 * (max(ends) - min(ends))
    ax.set_xlim(min(ends) - room, max(ends) + room)
    ax.set_xlabel("USD per million tokens; at the bars' ends, the input's values")


def _end(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else sig(value)


def _label(s: Swing) -> str:
    name = s.name.replace("_", " ").replace("server.", "server: ").replace("facility usd per w", "facility")
    unit = s.input.unit
    name = "electricity" if s.name == "usd_per_kwh" else name.replace(" usd", "")
    return name + (f" ({unit})" if unit else "")
