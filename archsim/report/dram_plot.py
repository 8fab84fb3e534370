"""Two pictures of device memory: what strides and patterns reach, and what bytes in flight reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.hardware import Chip, GpuCore
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.dram import SIZES, device, rows
from archsim.report.theme import FAINT, INK, MUTED
from archsim.timing.gpu_memory import read_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = dict(zip(SIZES, ("#D55E00", "#0072B2", "#009E73"), strict=True))
FLIGHTS = np.geomspace(512, 256 * 1024, 60)
"""Bytes in flight per SM that are drawn."""


@drawn
def dram_plot(chip: Chip, path: Path_ | None = None) -> Figure:
    """Draw the share of the peak over the stride, and of GPUs the rate over the bytes in flight of an SM.

    Raises
    ------
    ArchsimError
        If the memory is not known, or the file cannot be written.
    """
    device(chip)  # refuses what is not known before anything is drawn
    panels = 2 if isinstance(chip.core, GpuCore) else 1
    figure = blank(5.6 * panels, 4.2)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _strides(axes[0], chip)
    if panels == 2:
        _flights(axes[1], chip)
    return save(figure, path)


def _strides(ax: Axes, chip: Chip) -> None:
    level = {r.pattern: 100 * r.found.fraction for pattern in ("read", "copy") for r in rows(chip, pattern)}
    anywhere = {r.size: 100 * r.found.fraction for r in rows(chip, "random")}
    for size in SIZES:
        line = [(r.stride, 100 * r.found.fraction) for r in rows(chip, "strided", size)]
        xs, ys = zip((size, level["read"]), *line, strict=True)
        ax.plot(xs, ys, marker="o", markersize=3.5, color=COLOURS[size], label=f"{size} B a stride apart")
        ax.plot(2**17.4, anywhere[size], marker="D", markersize=5, color=COLOURS[size], linestyle="none")
    ax.plot([], [], marker="D", markersize=5, color=MUTED, linestyle="none", label="anywhere")
    for name, share in level.items():
        ax.axhline(share, color=MUTED, linewidth=0.8, linestyle="--", zorder=1)
        ax.annotate(f"{name} {share:.0f} %", (30, share), xytext=(0, 2 if name == "read" else -3),
                    textcoords="offset points", va="bottom" if name == "read" else "top", fontsize=8, color=MUTED)
    _binary(ax, [2**i for i in range(5, 18, 2)])
    ax.set(xlim=(28, 2**17.6), ylim=(0, 108), xlabel="stride, bytes", ylabel="% of peak bandwidth")
    ax.set_title(f"{chip.name}: device memory by access pattern", fontsize=10)
    ax.legend(loc="lower left", fontsize=8, frameon=False)


def _flights(ax: Axes, chip: Chip) -> None:
    from matplotlib.ticker import FuncFormatter

    peak = chip.memory.bandwidth / 1e9
    rate = [read_rate(chip, float(f)) / 1e9 for f in FLIGHTS]
    unloaded = FLIGHTS * (rate[0] / FLIGHTS[0])
    below = unloaded < 1.1 * peak
    ax.plot(FLIGHTS[below], unloaded[below], color=FAINT, linewidth=1.4, label="unloaded latency")
    ax.plot(FLIGHTS, rate, color=INK, linewidth=1.8, label="all SMs read")
    ax.axhline(chip.memory.sustained / 1e9, color=MUTED, linewidth=0.8, linestyle="--")
    ax.annotate(f"sustained {chip.memory.sustained / 1e9:,.0f} GB/s", (FLIGHTS[0], chip.memory.sustained / 1e9),
                va="bottom", fontsize=8, color=MUTED)
    _binary(ax, [2**i for i in range(10, 19, 2)])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    ax.set(ylim=(0, 1.1 * peak), xlabel="bytes in flight per SM", ylabel="GB/s")
    ax.set_title("reads by bytes in flight", fontsize=10)
    ax.legend(loc="lower right", fontsize=8, frameon=False)


def _binary(ax: Axes, ticks: list[int]) -> None:
    """Make the horizontal axis one of powers of two, in bytes and KiB."""
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [f"{t // 1024} Ki" if t >= 1024 else str(t) for t in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
