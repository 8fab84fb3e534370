"""Figures of runs: rooflines, cost bars and where the time goes.

Every function draws with the Agg backend, leaves no state behind, and returns the figure; with a `path` it also writes
it, whole or not at all (.png, .svg or .pdf). Colours are those of `archsim.report.theme`: one meaning each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from archsim.errors import ArchsimError, expect
from archsim.report.canvas import FORMATS, Path_, blank, check_path, drawn, image, save
from archsim.report.labels import Dot, label_clusters
from archsim.report.quantity import quantity, scale, short_percent, sig
from archsim.report.table import workload
from archsim.report.theme import BOUND, BOUND_NAME, COST, FAINT, INK, MUTED, PHASE_MARKER, SPARE_MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.economics import Cost
    from archsim.hardware import Chip
    from archsim.simulation import OpRun, Run

__all__ = ["FORMATS", "breakdown", "check_path", "cost_bars", "image", "roofline"]

PEAK: Final = 6
"""Matplotlib's mark whose tip points up at the place."""
REACH = {"D": math.sqrt(2.0)}
"""How far a marker reaches, in half square roots of its area: a diamond is a square on its corner."""


def __dir__() -> list[str]:
    return __all__


def _runs(runs: Run | Sequence[Run]) -> list[Run]:
    from archsim.simulation import Run

    many = list(runs) if isinstance(runs, Sequence) else [runs]
    if not many:
        raise ArchsimError("nothing to draw: no runs")
    return [expect("a figure of runs", run, Run, "archsim.simulate(graph, chip)") for run in many]


def _phase(run: Run) -> str:
    return str(run.workload.get("phase", "")) or "run"


def _markers(phases: Sequence[str]) -> dict[str, str]:
    spare = iter(list(SPARE_MARKERS) * len(phases))
    return {p: PHASE_MARKER.get(p) or next(spare) for p in dict.fromkeys(phases)}


def clip(text: str, most: int) -> str:
    """Shorten a name that would not fit, in its middle; a dollar sign is no formula, a line break a space."""
    text = " ".join(text.split())
    if len(text) > most:
        text = f"{text[: most - most // 3 - 1]}…{text[-(most // 3):]}"
    return text.replace("$", r"\$")


# --- roofline ---------------------------------------------------------------------------------------------------------

class Point(NamedTuple):
    """Where an operator lies: FLOP/B and FLOP/s of one chip, and whether that is matrix work or vector operations."""

    intensity: float
    rate: float
    matrix: bool


def _point(o: OpRun) -> Point | None:
    """Return where an operator lies, None if it does no work or touches no device memory."""
    t = o.time
    work = t.flops or t.vector_ops
    if not work or not t.hbm_bytes or not t.seconds:
        return None
    return Point(work / t.hbm_bytes, work / t.seconds, bool(t.flops))


@drawn
def roofline(runs: Run | Sequence[Run], path: Path_ | None = None) -> Figure:
    """Draw every operator of one or many runs under the roof of its chip, one panel per chip.

    A marker's area is the operator's share of the run's time, its colour what bound it, its shape the phase. The roofs
    of the other chips are drawn faintly behind. Operators without matrix work are drawn hollow, by their vector
    operations, where there is room for them: in figures of one or two chips.

    Parameters
    ----------
    runs
        One Run, or several on the same or on different chips.
    path
        Where to write the figure (.png, .svg, .pdf); not written if None.

    Raises
    ------
    ArchsimError
        If there is nothing to draw or the file cannot be written.
    """
    many = _runs(runs)
    chips: dict[tuple[Chip, str], list[Run]] = {}
    for r in many:
        chips.setdefault((r.chip, r.dtype), []).append(r)
    n = len(chips)
    cols = n if n < 4 else 2 if n == 4 else 4
    rows = -(-n // cols)
    hollow = n <= 2
    figure = blank(8.0 if n == 1 else 10.0, 5.0 if n == 1 else 1.0 + rows * (4.2 if cols < 3 else 2.9))
    axes = figure.subplots(rows, cols, sharex=True, sharey=True, squeeze=False)
    points = [p for r in many for o in r.ops if (p := _point(o)) and (hollow or p.matrix)]
    xs = [p.intensity for p in points] + [c.balance(dt) for c, dt in chips]
    ys = [p.rate for p in points] + [c.peak(dt) for c, dt in chips]
    x = (min(xs) / 5, max(xs) * 4)
    y = (min(ys) / 3, max(ys) * 2.5)
    markers = _markers([_phase(r) for r in many])
    area = 1000.0 if n == 1 else 450.0
    for ax, (chip, mine) in zip(axes.flat, ((c, mine) for (c, _), mine in chips.items()), strict=False):
        ax.set(xscale="log", yscale="log", xlim=x, ylim=(y[0] / 1e12, y[1] / 1e12))
        for other, dt in chips:
            if other is not chip:
                balance = other.balance(dt)
                ax.plot([x[0], balance, x[1]], [v * other.memory.bandwidth / 1e12 for v in (x[0], balance, balance)],
                        color=FAINT, lw=0.8, zorder=1)
        ax.set_title(clip(chip.name, 44 if n == 1 else 20), pad=16)
        count = "/".join(dict.fromkeys(f"{r.chips:,}" for r in mine))
        beside = chip.fidelity if count == "1" else f"×{count}, {chip.fidelity}"
        if len(chip.name) + len(beside) < (32 if cols > 2 else 44):
            ax.set_title(beside, loc="right", pad=16, fontsize=8, fontweight="normal", color=MUTED)
        mfu = ", ".join(f"{_phase(r)} {short_percent(r.utilization)}" for r in mine)
        ax.text(0, 1.02, f"{mfu} of peak", transform=ax.transAxes, fontsize=8, color=MUTED, va="bottom")
    for spare in axes.flat[n:]:
        spare.set_visible(False)
    for ax in axes.flat[max(0, n - cols) : n]:
        ax.set_xlabel("FLOP per byte of HBM traffic")
        ax.xaxis.set_tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{many[0].dtype} TFLOP/s per chip")
    head = [workload(r) for r in many]
    same = len(set(head)) == 1
    title = head[0] if same else ", ".join(dict.fromkeys([str(many[0].workload.get("model", "")), *map(_short, many)]))
    figure.suptitle(clip(title.strip(", "), 120), fontsize=11, fontweight="bold", x=0.01, ha="left")
    _roofline_legend(figure, many, markers, hollow)
    figure.draw_without_rendering()  # settles the layout: labels need to know where points will be
    for ax, ((chip, dtype), mine) in zip(axes.flat, chips.items(), strict=False):
        _roof(ax, chip, dtype, x)
        _operators(ax, mine, markers, area, hollow, lines=6 if n == 1 else 4 if cols < 3 else 2)
    return save(figure, path)


def _short(run: Run) -> str:
    """Return a run's workload without the model's name."""
    text = workload(run)
    model = str(run.workload.get("model", ""))
    return text.removeprefix(model).strip(" ,").replace(", " + run.dtype, "").replace(", ", " ")


def _roof(ax: Axes, chip: Chip, dtype: str, x: tuple[float, float]) -> None:
    """Draw a chip's roof and name its peak, its bandwidth and its balance point."""
    peak, bandwidth, balance = chip.peak(dtype) / 1e12, chip.memory.bandwidth / 1e12, chip.balance(dtype)
    floor = ax.get_ylim()[0]
    ax.plot([x[0], balance, x[1]], [x[0] * bandwidth, peak, peak], color=INK, lw=1.5, zorder=2)
    ax.plot([balance, balance], [floor, peak], color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=1)
    small: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7.5, "zorder": 5, "in_layout": False}
    ax.annotate(quantity(peak * 1e12, "FLOP/s", 3), (balance, peak), xytext=(-3, 2), ha="right", color=INK, **small)
    ax.annotate(f"{sig(balance)} FLOP/B", (balance, floor), xytext=(3, 3), color=MUTED, **small)
    low, high = ax.transData.transform([(x[0], x[0] * bandwidth), (balance, peak)])
    angle = math.degrees(math.atan2(high[1] - low[1], high[0] - low[0]))
    at = max(x[0], floor / bandwidth)  # where the slope enters the panel
    lean = math.radians(angle)
    above, tall = 3.0, 8.0  # points: the text's distance from the slope and its height, which leans over the left axis
    room = float(ax.transData.transform((at, floor))[0] - ax.bbox.x0) * 72.0 / ax.figure.get_figure(root=True).dpi
    along = max(4.0, 2.0 + (above + tall) * math.tan(lean) - room / math.cos(lean))
    offset = (along * math.cos(lean) - above * math.sin(lean), along * math.sin(lean) + above * math.cos(lean))
    ax.annotate(quantity(chip.memory.bandwidth, "B/s", 3), (at, at * bandwidth), xytext=offset, rotation=angle,
                rotation_mode="anchor", color=INK, **small)


def _operators(
    ax: Axes, runs: Sequence[Run], markers: dict[str, str], area: float, hollow: bool, lines: int
) -> None:
    """Draw the operators of all runs on one chip, and name those that take most of the time."""
    dots: list[Dot] = []
    for run in runs:
        ranked = sorted(run.ops, key=lambda o: -o.time_s)  # large markers first, small ones on top
        for o in ranked:
            p = _point(o)
            if p is None or not (hollow or p.matrix):
                continue
            share = o.time_s / run.time_s
            size = max(area * share, 6.0)
            colour = BOUND[o.time.bound]
            ax.scatter(p.intensity, p.rate / 1e12, s=size, marker=markers[_phase(run)],
                       facecolor=colour if p.matrix else "white", edgecolor="white" if p.matrix else colour,
                       linewidth=0.6 if p.matrix else 1.0, alpha=0.9, zorder=3)
            reach = math.sqrt(size) / 2 * REACH.get(markers[_phase(run)], 1.0)
            dots.append(Dot(p.intensity, p.rate / 1e12, reach, share, o.name))
    label_clusters(ax, dots, lines)


def _roofline_legend(figure: Figure, runs: Sequence[Run], markers: dict[str, str], hollow: bool) -> None:
    from matplotlib.lines import Line2D

    def dot(colour: str, marker: str, label: str, **more: Any) -> Line2D:
        return Line2D([], [], ls="", marker=marker, ms=6, mfc=colour, mec=more.get("mec", "white"), label=label)

    shown = [(o, p) for r in runs for o in r.ops if (p := _point(o)) and (hollow or p.matrix)]
    seen = {o.time.bound for o, _ in shown}
    items = [dot(colour, "o", f"bound by {BOUND_NAME[b]}") for b, colour in BOUND.items() if b in seen]
    if len(markers) > 1:
        items += [dot(MUTED, m, p) for p, m in markers.items()]
    if any(not p.matrix for _, p in shown):
        items.append(dot("white", "o", "vector operations only", mec=MUTED))
    items.append(Line2D([], [], ls="", label="area = share of the run's time"))
    figure.legend(handles=items, loc="outside lower center", ncols=4 if len(items) > 5 else len(items), fontsize=8,
                  handletextpad=0.4, columnspacing=1.4)


# --- cost -------------------------------------------------------------------------------------------------------------

@drawn
def cost_bars(runs: Run | Sequence[Run], costs: Sequence[Cost | None], path: Path_ | None = None) -> Figure:
    """Draw dollars per million tokens and per achieved PFLOP, one row per phase, chips in the order of their cost.

    Bars are split into depreciation and energy; a mark below shows what a PFLOP would cost at the chip's peak. Chips
    without a cost are only named.

    Raises
    ------
    ArchsimError
        If no run has a cost, or the file cannot be written.
    """
    many = _runs(runs)
    priced = [(r, c) for r, c in zip(many, costs, strict=True) if c is not None]
    if not priced:
        raise ArchsimError("no cost to draw: none of the chips has a price and a power")
    phases = list(dict.fromkeys(_phase(r) for r, _ in priced))
    most = max(sum(_phase(r) == p for r, _ in priced) for p in phases)
    matrix = all(r.flops for r, _ in priced)  # without matrix work there is no price of a PFLOP
    figure = blank(10.0, (0.3 * most + 1.0) * len(phases) + 0.9)
    axes = figure.subplots(len(phases), 2 if matrix else 1, squeeze=False)
    for row, phase in zip(axes, phases, strict=True):
        mine = sorted(((r, c) for r, c in priced if _phase(r) == phase), key=lambda rc: rc[1].usd_per_mtoken)
        head = clip(_short(mine[0][0]), 60) or phase
        _bars(row[0], mine, [c.usd_per_mtoken for _, c in mine], head, "USD per million tokens")
        if matrix:
            achieved = [c.usd_per_pflop_achieved * 1e3 for _, c in mine]
            _bars(row[1], mine, achieved, "", "USD per thousand PFLOP achieved",
                  peak=[c.usd_per_pflop_peak * 1e3 for _, c in mine])
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    items = [*(Patch(color=c, label=k) for k, c in COST.items()),
             *([Line2D([], [], color=INK, marker=PEAK, ms=5, ls="", label="at the chip's peak")] if matrix else [])]
    bare = list(dict.fromkeys(r.chip.name for r, c in zip(many, costs, strict=True) if c is None))
    more = f" and {len(bare) - 3} more" if len(bare) > 4 else ""
    notes = ["×n: the fewest chips that hold the model; communication not counted"
             ] if any(r.chips > 1 for r, _ in priced) else []
    if bare:
        notes.append(f"no cost: {', '.join(clip(b, 24) for b in (bare[:3] if more else bare))}{more}")
    figure.legend(handles=items, loc="outside lower center", ncols=len(items), fontsize=8,
                  title="\n".join(notes) or None, title_fontsize=8)
    model = clip(str(priced[0][0].workload.get("model", "graph")), 80)
    figure.suptitle(f"{model}, {priced[0][0].dtype}", fontsize=11, fontweight="bold", x=0.01, ha="left")
    return save(figure, path)


def _bars(ax: Axes, mine: Sequence[tuple[Run, Cost]], total: Sequence[float], title: str, label: str,
          peak: Sequence[float] = ()) -> None:
    """Draw horizontal bars split into depreciation and energy, the cheapest on top, values at their ends."""
    names = [clip(r.chip.name, 26) + (f" ×{r.chips:,}" if r.chips > 1 else "")
             + (f" ({r.fidelity})" if r.fidelity != "cycle" else "") for r, _ in mine]
    energy = [t * c.energy_usd_per_hour / c.usd_per_chip_hour if c.usd_per_chip_hour else 0.0
              for t, (_, c) in zip(total, mine, strict=True)]
    rest = [t - e for t, e in zip(total, energy, strict=True)]
    where = range(len(mine))
    ax.barh(where, rest, color=COST["depreciation"], height=0.66)
    ax.barh(where, energy, left=rest, color=COST["energy"], height=0.66)
    for y, t in zip(where, total, strict=True):
        ax.annotate(sig(t), (t, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    for y, p in zip(where, peak, strict=bool(peak)):  # below the bar, which may be thinner than the mark
        ax.plot([p], [y + 0.34], marker=PEAK, ms=5, color=INK, ls="", zorder=4, clip_on=False)
    ax.set_yticks(list(where), names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(mine) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, max(total) * 1.14 or 1.0)
    ax.set_xlabel(label)
    ax.set_title(title)


# --- time -------------------------------------------------------------------------------------------------------------

@drawn
def breakdown(run: Run, path: Path_ | None = None) -> Figure:
    """Draw the time of every operator in the order of execution, coloured by what bound it.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    from matplotlib.patches import Patch

    ops = run.ops
    factor, unit = scale([o.time_s for o in ops], "s")
    figure = blank(8.0, 0.27 * len(ops) + 1.6)
    ax = figure.subplots()
    where = range(len(ops))
    ax.barh(where, [o.time_s / factor for o in ops], color=[BOUND[o.time.bound] for o in ops], height=0.7)
    for y, o in zip(where, ops, strict=True):
        ax.annotate(short_percent(o.time_s / run.time_s), (o.time_s / factor, y), xytext=(4, 0),
                    textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(list(where), [f"{o.name} ×{o.repeat}" if o.repeat > 1 else o.name for o in ops])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, 1.1 * max(o.time_s for o in ops) / factor)
    ax.set_xlabel(f"time of all equal layers, {unit}")
    chips = f"{run.chips} × " if run.chips > 1 else ""
    what = f"{clip(workload(run), 60)} on {chips}{clip(run.chip.name, 26)}"
    ax.set_title(f"{what}: {quantity(run.time_s, 's', 3)}", x=0, fontsize=10)
    seen = {o.time.bound for o in ops}
    figure.legend(handles=[Patch(color=c, label=f"bound by {BOUND_NAME[b]}") for b, c in BOUND.items() if b in seen],
                  loc="outside lower center", ncols=len(seen), fontsize=8)
    return save(figure, path)
