"""Heat maps of a systolic array: utilisation over matrix sizes, and what each processing element did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.errors import ArchsimError
from archsim.report.array import SIDES, machine, recount, title
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.quantity import percent
from archsim.report.theme import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.timing.array import ArrayCount, ArrayRun

POINTS = 220
"""Sizes along an axis, spaced evenly in their logarithm."""
MARKED = {50: "white", 90: INK}
"""Lines beyond which all larger products reach so many percent, and their colours."""


def sizes(top: int) -> np.ndarray:
    """Return whole numbers from 1 to `top`, evenly spaced in their logarithm as far as whole numbers can be."""
    return np.unique(np.round(np.geomspace(1, top, POINTS)).astype(np.int64))


@drawn
def utilization_map(count: ArrayCount, path: Path_ | None = None) -> Figure:
    """Draw the utilisation over M and N, for the K, array and dataflow of a count, which is marked in it.

    Every point is counted at the fold level; nothing is interpolated.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    top = _extent(count)
    along = sizes(2 * top)  # the lines know what lies beyond the map's edge
    share = 100.0 * np.array([[recount(count, m=int(m), n=int(n)).utilization for n in along] for m in along])
    figure = blank(7.6, 6.4)
    ax = figure.subplots()
    mesh = ax.pcolormesh(along, along, share, vmin=0, vmax=100, cmap="cividis", shading="nearest", rasterized=True)
    least = _least_beyond(share)
    levels = [level for level in MARKED if least.min() < level < least.max()]
    if levels:
        ax.contour(along, along, least, levels=levels, colors=[MARKED[level] for level in levels], linewidths=1.1)
    ax.grid(visible=False)
    for axis, set_scale, name in ((ax.xaxis, ax.set_xscale, "N"), (ax.yaxis, ax.set_yscale, "M")):
        set_scale("log", base=2)
        axis.set_major_locator(LogLocator(base=4.0))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axis.set_label_text(f"{name}, elements")
    ax.set(xlim=(1, top), ylim=(1, top))
    _mark_tiles(ax, count, top)
    ax.plot(count.n, count.m, marker="o", ms=7, mfc="white", mec=INK, mew=1.5, ls="", clip_on=False, zorder=5)
    ax.annotate(f"{percent(count.utilization)} %", (count.n, count.m), xytext=(7, -3), textcoords="offset points",
                color=INK, fontsize=9, fontweight="bold", bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5})
    bar = figure.colorbar(mesh, ax=ax, label="utilisation, %")
    for level in levels:
        bar.ax.axhline(level, color=MARKED[level], lw=1.5)
    ax.set_title(f"K = {count.k:,} on {machine(count)}", pad=20)
    lines = [f"{name} line: all larger products reach {level} %" for level, name in zip(MARKED, ("white", "dark"),
             strict=True) if level in levels]
    ax.text(0, 1.02, "; ".join([*lines, "dots: multiples of the array"]), transform=ax.transAxes, fontsize=8,
            color=MUTED)
    return save(figure, path)


def _extent(count: ArrayCount) -> int:
    """Return the largest M and N of the map: many tiles and twice the product; less where that cannot be counted."""
    top = max(1024, 64 * max(count.rows, count.cols), 2 * count.m, 2 * count.n)
    while top > 1:
        try:
            recount(count, m=2 * top, n=2 * top)
        except ArchsimError:
            top //= 2
        else:
            break
    return top


def _least_beyond(share: np.ndarray) -> np.ndarray:
    """Return for each point the least of all points that are at least as large in both directions."""
    least = np.minimum.accumulate(share[::-1, ::-1], axis=0)
    return np.asarray(np.minimum.accumulate(least, axis=1)[::-1, ::-1])


def _mark_tiles(ax: Axes, count: ArrayCount, top: int) -> None:
    """Mark the first multiples of the array's sides on the axes along which tiles lie."""
    down, across, _ = SIDES[count.dataflow]
    for side, pes in ((down, count.rows), (across, count.cols)):
        for times in (1, 2, 4, 8):
            if pes * times <= top and side != "K":
                (ax.axvline if side == "N" else ax.axhline)(pes * times, color="white", lw=0.7, ls=(0, (2, 4)))


@drawn
def activity_map(run: ArrayRun, path: Path_ | None = None) -> Figure:
    """Draw in how many of the cycles each processing element multiplied, as measured at the register level.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    share = 100.0 * run.activity / run.cycles
    longest = max(run.rows, run.cols)
    figure = blank(1.6 + max(4.8, 5.0 * run.cols / longest), 1.4 + max(2.0, 5.0 * run.rows / longest))
    ax = figure.subplots()
    picture = ax.imshow(share, vmin=0, vmax=float(share.max()), cmap="cividis", interpolation="nearest", aspect="auto")
    ax.grid(visible=False)
    if max(run.rows, run.cols) <= 16:
        for (r, c), value in np.ndenumerate(share):
            ax.text(c, r, f"{value:.0f}", ha="center", va="center", fontsize=7.5,
                    color="white" if value < 0.6 * share.max() else INK)
    down, across, _ = SIDES[run.dataflow]
    ax.set(xlabel=f"column of the array (holds {across})", ylabel=f"row of the array (holds {down})")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    ax.set_title(title(run), pad=18, x=0)
    ax.text(0, 1.02, f"{run.cycles:,} cycles; {percent(run.utilization)} % of what all PEs could do",
            transform=ax.transAxes, fontsize=8, color=MUTED)
    figure.colorbar(picture, ax=ax, label="cycles in which the PE multiplied, %")
    return save(figure, path)
