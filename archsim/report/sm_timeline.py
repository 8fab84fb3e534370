"""The timeline of one SM's pipeline: copies, stages, tensor core and epilogue over cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.quantity import percent
from archsim.report.sm import title, verdict
from archsim.report.theme import BOUND, FAINT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.timing.sm import SmRun, Step

COPY, TENSOR, WAIT, LEAVE = BOUND["hbm"], BOUND["matrix"], "#F3D9A4", BOUND["vector"]
LEGEND = (("set-up", MUTED), ("copy under way", FAINT), ("copy through the port", COPY),
          ("stage full, waiting", WAIT), ("tensor core works", TENSOR), ("results complete", "#9CC5E3"),
          ("results leave", LEAVE))
ROOM = 0.72
"""Share of a row that its bars fill."""


@drawn
def timeline(run: SmRun, path: Path_ | None = None) -> Figure:
    """Draw a run's pipeline: its start and, if that is not all, its end, on one scale of cycles.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    from matplotlib.patches import Patch

    spans = _spans(run)
    rows = _rows(run)
    figure = blank(11.0, 2.1 + 0.3 * len(rows))
    widths = [end - start for _, start, end in spans]
    panels = figure.subplots(1, len(spans), squeeze=False, width_ratios=widths, sharey=True)[0]
    for ax, (events, start, end) in zip(panels, spans, strict=True):
        _panel(ax, run, rows, events, start, end)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    for ax in panels[1:]:
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.text(0.0, 0.0, "//  ", transform=ax.transAxes, ha="right", va="center", color=MUTED, fontsize=9)
    panels[0].set_title(title(run), pad=30)
    numbers = (f"prologue {run.prologue:,.0f} + {run.steps:,} steps of {run.step:,.0f} + epilogue {run.epilogue:,.0f} "
               f"cycles: {percent(run.utilization)} % of peak")
    panels[0].text(0, 1.02, f"{numbers}\n{verdict(run)}", transform=panels[0].transAxes, fontsize=8, color=MUTED)
    panels[0].set_xlabel("cycles from the block's start", loc="left")
    figure.legend(handles=[Patch(color=colour, label=name) for name, colour in LEGEND], loc="outside lower center",
                  ncols=len(LEGEND), fontsize=8, handlelength=1.2, columnspacing=1.2)
    return save(figure, path)


def _spans(run: SmRun) -> list[tuple[list[Step], float, float]]:
    """Return panels: the events that each shows, and from which cycle to which."""
    early = 3 * run.stages + 1
    if run.steps <= early + run.stages + 2:
        every = {(e.step, e.block): e for e in (*run.events, *run.last)}
        return [(list(every.values()), 0.0, run.cycles * 1.01)]
    until = max(e.start for e in run.events if e.step < early)
    since = min(e.start for e in run.last if e.step >= run.steps - run.stages - 1)
    return [(list(run.events), 0.0, run.first + until),  # copies run ahead: later steps begin there too
            (list(run.last), run.first + since, run.cycles + run.step / 4)]


def _rows(run: SmRun) -> list[str]:
    """Return the names of the rows, from the top."""
    blocks = range(run.resident)
    names = [f"stage {s}" if run.resident == 1 else f"block {r}, stage {s}" for r in blocks for s in range(run.stages)]
    return ["copy engine", *names, "tensor core", "epilogue"]


def _panel(ax: Axes, run: SmRun, rows: list[str], events: list[Step], start: float, end: float) -> None:
    """Draw the events between two cycles."""
    from matplotlib.ticker import MaxNLocator

    origin, tensor, leaving = run.first, len(rows) - 2, len(rows) - 1

    def bar(row: int, begin: float, until: float, colour: str, share: float = ROOM) -> None:
        begin, until = max(begin, start), min(until, end)
        if until > begin:
            ax.broken_barh([(begin, until - begin)], (row - share / 2, share), facecolor=colour,
                           edgecolor="white", lw=0.5)

    if start == 0.0:
        bar(0, 0.0, origin, MUTED)
    moving = run.fetch / run.resident
    for e in events:
        row = 1 + e.block * run.stages + e.stage
        issue, arrive, begin, stop, free = (origin + t for t in e[3:])
        bar(0, arrive - moving, arrive, COPY)
        bar(row, issue, arrive, FAINT, 0.4)
        bar(row, arrive - moving, arrive, COPY)
        bar(row, arrive, begin, WAIT)
        bar(row, begin, stop, TENSOR)
        bar(row, stop, free, "#9CC5E3")
        busy = run.engine / run.resident
        bar(tensor, begin, begin + busy, TENSOR)
        if start <= begin and begin + busy <= end and busy > 0.024 * _extent(run):
            ax.text(begin + busy / 2, tensor, str(e.step), ha="center", va="center", color="white", fontsize=7)
    done = run.cycles - run.epilogue
    bar(leaving, done, run.cycles, LEAVE)
    ax.set_xlim(start, end)
    ax.grid(visible=False, axis="y")
    for row in range(len(rows)):
        ax.axhline(row + 0.5, color="#EEF1F4", lw=0.6, zorder=0)
    ax.tick_params(labelsize=8, labelcolor=INK)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(max(2, round(9 * (end - start) / _extent(run))), min_n_ticks=2))


def _extent(run: SmRun) -> float:
    """Return the cycles that all panels together show."""
    return sum(end - start for _, start, end in _spans(run))
