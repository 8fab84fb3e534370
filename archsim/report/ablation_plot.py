"""Ablation drawn: the error of each class of shapes, falling as one piece of physics after the other is switched on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.theme import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.explore.ablation import Ablation

SHAPES: dict[str, str] = {"decode-like": "#D55E00", "skinny": "#E69F00", "large": "#0072B2"}
"""Colours of the classes of shapes."""


@drawn
def ablation(found: Sequence[Ablation], path: Path_ | None = None) -> Figure:
    """Draw the mean absolute error stage by stage, one panel per device, op and dtype, one bar per class of shapes.

    Parameters
    ----------
    found
        What `archsim.explore.ablation.ablate` returns.
    path
        Where to write it (.png, .svg, .pdf); not written if None.

    Raises
    ------
    ArchsimError
        If there is nothing to draw, or the file cannot be written.
    """
    panels: dict[tuple[str, str, str], list[Ablation]] = {}
    for a in found:
        panels.setdefault((a.device, a.op, a.dtype), []).append(a)
    if not panels:
        raise ArchsimError("nothing to draw: no class of shapes was scored")
    figure = blank(9.0, 2.5 * len(panels) + 0.6)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    for ax, (key, rows) in zip(axes[:, 0], panels.items(), strict=True):
        _panel(ax, rows)
        ax.set_title(", ".join(key), loc="left")
    from matplotlib.patches import Patch

    shown = {a.shapes for a in found}
    figure.legend(handles=[Patch(color=c, label=name) for name, c in SHAPES.items() if name in shown],
                  loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle("What each piece of physics buys", fontsize=11, fontweight="bold", x=0.01, ha="left")
    return save(figure, path)


def _panel(ax: Axes, rows: Sequence[Ablation]) -> None:
    stages = list(rows[0].errors)
    width = 0.8 / len(rows)
    for i, a in enumerate(rows):
        left = [x + (i - (len(rows) - 1) / 2) * width for x in range(len(stages))]
        ax.bar(left, [a.errors[s] for s in stages], width * 0.92, color=SHAPES[a.shapes])
        for x, stage in zip(left, stages, strict=True):
            ax.annotate(f"{a.errors[stage]:.0f}", (x, a.errors[stage]), xytext=(0, 2), textcoords="offset points",
                        ha="center", fontsize=7, color=INK)
    ax.set_xticks(range(len(stages)), [s if i == 0 else f"+ {s}" for i, s in enumerate(stages)])
    ax.set_ylabel("MAPE, %")
    ax.grid(axis="x", visible=False)
    ax.set_ylim(0, 1.15 * max(e for a in rows for e in a.errors.values()))
    counts = ", ".join(f"{a.n} {a.shapes}" for a in rows)
    ax.annotate(f"rows: {counts}", (1, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points",
                ha="right", fontsize=7.5, color=MUTED)
