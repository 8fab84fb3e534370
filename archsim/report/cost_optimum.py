"""Optimum: dollars per useful PFLOP against array size, SRAM and memory stacks of dies of equal area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.quantity import sig
from archsim.report.theme import BOUND, BOUND_NAME, INK, MUTED, PHASE_MARKER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.economics.optimum import Point
    from archsim.hardware import Chip

MOST_OF_LEAST = 4.0
"""Designs that cost more than so many times the cheapest leave the panel at its top."""


@drawn
def optimum(chip: Chip, found: Sequence[Point], title: str, path: Path_ | None = None) -> Figure:
    """Draw one row per phase and one panel per choice; a ring marks the cheapest design, a square the chip as it is.

    A marker's colour is what bounds most of the time of the design, which is why the optimum lies where it does.

    Parameters
    ----------
    chip
        What the designs were made of.
    found
        From `archsim.economics.optimum.points`.
    title
        Of the figure.
    path
        Where to write it (.png, .svg, .pdf); not written if None.

    Raises
    ------
    ArchsimError
        If there is nothing to draw, or the file cannot be written.
    """
    if not found:
        raise ArchsimError("nothing to draw: no design runs this model")
    knobs = list(dict.fromkeys(p.design.knob for p in found))
    phases = list(dict.fromkeys(p.phase for p in found))
    figure = blank(3.7 * len(knobs) + 0.6, 2.9 * len(phases) + 1.0)
    axes = figure.subplots(len(phases), len(knobs), squeeze=False, sharey="row", sharex="col")
    for row, phase in zip(axes, phases, strict=True):
        for ax, knob in zip(row, knobs, strict=True):
            _panel(ax, chip, [p for p in found if p.design.knob == knob and p.phase == phase])
        usd = [p.usd_per_pflop * 1e3 for p in found if p.phase == phase]
        row[0].set_ylim(0, min(max(usd), MOST_OF_LEAST * min(usd)) * 1.08)
        row[0].set_ylabel(f"{phase}\nUSD per thousand useful PFLOP")
    for ax, knob in zip(axes[-1], knobs, strict=True):
        ax.set_xlabel(_axis(chip, knob))
    from matplotlib.lines import Line2D

    def dot(colour: str, label: str, marker: str = "o", size: float = 6.0, edge: str = "white") -> Line2D:
        return Line2D([], [], ls="", marker=marker, ms=size, mfc=colour, mec=edge, label=label)

    seen = {p.run.bound for p in found}
    items = [dot(c, f"bound by {BOUND_NAME[b]}") for b, c in BOUND.items() if b in seen]
    items += [dot("none", "cheapest", "o", 10, INK), dot("none", "the chip as it is", "s", 10, INK)]
    figure.legend(handles=items, loc="outside lower center", ncols=min(6, len(items)), fontsize=8, title_fontsize=8,
                  title="design power, clock and ports are those of the chip in all designs; the heading of a panel is "
                  "its cheapest design; communication is not counted")
    figure.suptitle(title.replace("$", r"\$"), fontsize=11, fontweight="bold", x=0.01, ha="left")
    return save(figure, path)


def _axis(chip: Chip, knob: str) -> str:
    if knob == "array":
        return "side of an array, equal MACs in all" if chip.kind == "systolic" else "MAC/cycle of an SM, equal in all"
    if knob == "SRAM":
        what, arrays = ("scratchpad", "arrays") if chip.kind == "systolic" else ("L2", "SMs")
        return f"MiB of {what}; the rest of the die is {arrays}"
    return "stacks of memory"


def _panel(ax: Axes, chip: Chip, mine: Sequence[Point]) -> None:
    if not mine:
        ax.text(0.5, 0.5, "does not run", transform=ax.transAxes, ha="center", color=MUTED)
        return
    xs, ys = [p.design.x for p in mine], [p.usd_per_pflop * 1e3 for p in mine]
    ax.plot(xs, ys, color=MUTED, lw=1.0, zorder=1)
    for x, y, p in zip(xs, ys, mine, strict=True):
        ax.plot([x], [y], ls="", marker=PHASE_MARKER["run"], ms=6, color=BOUND[p.run.bound], mec="white", zorder=3)
        if p.design.chip is chip:
            ax.plot([x], [y], ls="", marker="s", ms=11, mfc="none", mec=INK, zorder=2)
    top = min(range(len(ys)), key=ys.__getitem__)
    ax.plot([xs[top]], [ys[top]], ls="", marker="o", ms=11, mfc="none", mec=INK, zorder=2)
    ax.set_title(f"{sig(ys[top])}: {mine[top].design.label}", fontsize=8)
    if mine[0].design.knob != "HBM":
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
