"""Scatter of the catalogue: peak over memory bandwidth, a mark per chip, with lines of equal balance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from archsim.dtypes import dtype as checked_dtype
from archsim.errors import ArchsimError
from archsim.explore.select import Entry, bandwidth, headline, peak
from archsim.hardware import Chip
from archsim.hardware.listing import Listing
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.plot import clip
from archsim.report.theme import FAINT, INK, KIND, MUTED, OTHER_MARKER, VENDOR_MARKER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

__all__ = ["scatter"]

BALANCES = (1, 3, 10, 30, 100, 300, 1000, 3000)
"""FLOP per byte of the lines that are drawn where they cross the figure."""
SIZE = 42.0
"""Area of a mark in square points."""
FONT_SIZE = 7.5


@drawn
def scatter(chips: Sequence[Entry], path: Path_ | None = None, *, dtype: str | None = None) -> Figure:
    """Draw the peak of chips over their memory bandwidth, both on logarithmic axes.

    A mark's colour is the chip's kind, its shape the vendor; it is hollow where the chip has no 16-bit peak and that of
    8 bits or fp32 stands in. Chips equal to three digits share a mark. As many marks are named as there is room for,
    those whose microarchitecture is known first, of those the latest and the largest.

    Parameters
    ----------
    chips
        What to draw; those of which a peak or the bandwidth is unknown are only counted.
    path
        Where to write the figure (.png, .svg, .pdf); not written if None.
    dtype
        Number format of the peak; each chip's own (bf16, else fp16, else what it has) if None.

    Raises
    ------
    ArchsimError
        If there is nothing to draw or the file cannot be written.
    """
    dtype = None if dtype is None else checked_dtype(dtype)
    chips = list(chips) if isinstance(chips, Iterable) else [chips]
    for chip in chips:
        if not isinstance(chip, Chip | Listing):
            raise ArchsimError(f"scatter() takes chips, as archsim.chips.get(name) returns, not {chip!r}")
    known = [c for c in chips if peak(c, dtype) and bandwidth(c)]
    if not known:
        raise ArchsimError("nothing to draw: no chip has both a peak and a memory bandwidth")
    figure = blank(13.33, 7.5)
    ax = figure.subplots()
    xs, ys = [_gb(c) for c in known], [_tflop(c, dtype) for c in known]
    x, y = (min(xs) / 1.6, max(xs) * 1.6), (min(ys) / 1.8, max(ys) * 1.8)
    ax.set(xscale="log", yscale="log", xlim=x, ylim=y)
    ax.set_xlabel("memory bandwidth, GB/s")
    ax.set_ylabel(f"dense {dtype or 'bf16 or fp16'} peak, TFLOP/s")
    for axis, (low, high) in ((ax.xaxis, x), (ax.yaxis, y)):
        axis.set_major_formatter(_plain())
        axis.set_minor_formatter(_plain(digits="25" if high < 200 * low else ""))
    alike: dict[tuple[str, str], list[Entry]] = {}
    for c in known:
        alike.setdefault((f"{_gb(c):.3g}", f"{_tflop(c, dtype):.3g}"), []).append(c)
    groups = {(_gb(same[0]), _tflop(same[0], dtype)): same for same in alike.values()}
    left_out = len(chips) - len(known)
    said = [f"{left_out} without one of them"] if left_out else []
    ax.set_title(_title(known, said), fontsize=11, pad=12)
    for (gb, tflop), same in groups.items():
        _mark(ax, gb, tflop, same[0], hollow=dtype is None and headline(same[0]) not in ("bf16", "fp16"))
    _legend(figure, known, dtype)
    figure.draw_without_rendering()  # settles the layout: lines and labels need to know where points will be
    marks = _marks(ax, list(groups))
    _balance_lines(ax, marks)
    if unnamed := _labels(ax, groups, marks):
        ax.set_title(_title(known, [*said, f"no room to name {unnamed}"]), fontsize=11, pad=12)
    return save(figure, path)


def _title(known: Sequence[Entry], said: Sequence[str]) -> str:
    return f"{len(known)} chips: peak over memory bandwidth" + f" ({'; '.join(said)})" * bool(said)


def _gb(chip: Entry) -> float:
    return (bandwidth(chip) or 0.0) / 1e9


def _tflop(chip: Entry, dtype: str | None) -> float:
    return (peak(chip, dtype) or 0.0) / 1e12


def _plain(digits: str = "123456789") -> Any:
    """Write 100 and 1,000 rather than powers of ten, where the first digit is one of `digits`."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda v, _: (f"{v:,.0f}" if v >= 1 else f"{v:g}") if f"{v:e}"[0] in digits else "")


def _marker(chip: Entry) -> str:
    return VENDOR_MARKER.get(chip.vendor, OTHER_MARKER)


def _mark(ax: Axes, x: float, y: float, chip: Entry, *, hollow: bool) -> None:
    colour = KIND.get(chip.kind, MUTED)
    ax.scatter(x, y, s=SIZE, marker=_marker(chip), facecolor="white" if hollow else colour, zorder=4,
               edgecolor=colour if hollow else INK, linewidth=1.4 if hollow else 0.5)


def _balance_lines(ax: Axes, marks: Sequence[Bbox]) -> None:
    """Draw lines of equal peak / bandwidth, named at the end where no mark is in the way."""
    renderer, unit = _renderer(ax)
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for balance in BALANCES:
        flop = balance / 1e3  # TFLOP/s per GB/s
        left, right = max(x0, y0 / flop), min(x1, y1 / flop)
        if left >= right:
            continue
        ax.plot([left, right], [left * flop, right * flop], color=FAINT, lw=0.9, zorder=1)
        low, high = ax.transData.transform([(left, left * flop), (right, right * flop)])
        angle = math.degrees(math.atan2(high[1] - low[1], high[0] - low[0]))
        if math.hypot(*(high - low)) < 80 * unit:
            continue
        for at, side, offset in ((left, "left", (7, -1.5)), (right, "right", (-8, -4))):
            made = ax.annotate(f"{balance:,} FLOP/B", (at, at * flop), xytext=offset, textcoords="offset points",
                               rotation=angle, rotation_mode="anchor", ha=side, va="top", fontsize=7.5, color=MUTED,
                               zorder=1.5, annotation_clip=False)
            inside = ax.get_window_extent()
            box = made.get_window_extent(renderer)
            free = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if free and not any(piece.overlaps(m) for piece in _along(made, renderer) for m in marks):
                break
            made.remove()


def _renderer(ax: Axes) -> tuple[Any, float]:
    """Return what measures texts, and the pixels of a point."""
    canvas: Any = ax.figure.get_figure(root=True).canvas
    renderer = canvas.get_renderer()
    return renderer, float(renderer.points_to_pixels(1.0))


def _marks(ax: Axes, places: Sequence[tuple[float, float]]) -> list[Bbox]:
    """Return the boxes (pixels) that marks at these places cover."""
    from matplotlib.transforms import Bbox

    unit = _renderer(ax)[1]
    reach = math.sqrt(SIZE) / 2 * unit + unit
    return [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in ax.transData.transform(places)]


def _labels(ax: Axes, groups: dict[tuple[float, float], list[Entry]], marks: Sequence[Bbox]) -> int:
    """Name marks where a name covers no mark, no other name and no name of a line; return how many have no room.

    Chips whose microarchitecture is known come first, of those the latest and the largest.
    """
    unnamed = 0
    renderer, unit = _renderer(ax)
    boxes = dict(zip(groups, marks, strict=True))
    taken = [*marks, *(piece for t in ax.texts for piece in _along(t, renderer))]
    inside = ax.get_window_extent()
    back = ax.transData.inverted()

    def rank(at: tuple[float, float]) -> tuple[bool, int, float]:
        return groups[at][0].kind == "roofline", -max(c.year or 0 for c in groups[at]), -at[1]

    for at in sorted(groups, key=rank):
        text, mark = _names(groups[at]), boxes[at]
        px, py = (mark.x0 + mark.x1) / 2, (mark.y0 + mark.y1) / 2
        for dx, dy, ha, va in _around(mark.width / 2 + unit):
            x, y = back.transform((px + dx, py + dy))
            made = ax.text(x, y, text, ha=ha, va=va, fontsize=FONT_SIZE, color=INK, zorder=3.5,
                           bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4})
            box = made.get_window_extent(renderer)
            free = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if free and not any(box.overlaps(t) for t in taken):
                taken.append(box.padded(2.5 * unit))  # its white ground hides what is beside it
                if dx and dy:  # a name that stands apart is tied to its mark
                    tied = [back.transform((px, py)), (x, y)]
                    ax.plot(*zip(*tied, strict=True), color=MUTED, lw=0.6, zorder=3)
                break
            made.remove()
        else:
            unnamed += 1
    return unnamed


def _along(text: Any, renderer: Any) -> Iterator[Bbox]:
    """Yield small boxes along a slanted text: its own box would forbid the whole square around it."""
    from matplotlib.transforms import Bbox

    box = text.get_window_extent(renderer)
    pieces = 8
    steps = [(box.x0 + box.width * i / pieces, box.y0 + box.height * i / pieces) for i in range(pieces + 1)]
    for (x0, y0), (x1, y1) in pairwise(steps):
        yield Bbox.from_extents(x0, y0, x1, y1)


def _around(gap: float) -> Iterator[tuple[float, float, str, str]]:
    """Yield places beside a mark, the best first: offsets in pixels and how the text is aligned to them."""
    yield gap, 0.0, "left", "center"
    yield -gap, 0.0, "right", "center"
    yield 0.0, gap, "center", "bottom"
    yield 0.0, -gap, "center", "top"
    for far in (0.7, 1.4, 2.5, 4.0, 6.0, 8.0):
        yield far * gap, far * gap, "left", "bottom"
        yield -far * gap, far * gap, "right", "bottom"
        yield far * gap, -far * gap, "left", "top"
        yield -far * gap, -far * gap, "right", "top"


def _names(same: Sequence[Entry]) -> str:
    """Return the names of chips at one place: the first two, and how many more."""
    names = [c.name for c in same]
    more = f" +{len(names) - 2}" if len(names) > 2 else ""
    return clip(", ".join(names[:2]), 44) + more


def _legend(figure: Figure, chips: Sequence[Entry], dtype: str | None) -> None:
    from matplotlib.lines import Line2D

    def dot(label: str, marker: str = "o", face: str = "white", edge: str = INK) -> Line2D:
        return Line2D([], [], ls="", marker=marker, ms=6.5, mfc=face, mec=edge, mew=0.8, label=label)

    items = [dot(kind, face=colour) for kind, colour in KIND.items() if any(c.kind == kind for c in chips)]
    vendors = list(dict.fromkeys(c.vendor for c in chips if c.vendor in VENDOR_MARKER))
    items += [dot(v, VENDOR_MARKER[v], FAINT) for v in vendors]
    if any(c.vendor not in VENDOR_MARKER for c in chips):
        items.append(dot("other vendors", OTHER_MARKER, FAINT))
    if dtype is None and any(headline(c) not in ("bf16", "fp16") for c in chips):
        items.append(dot("8 bits or fp32: no 16-bit peak", "o", "white", MUTED))
    figure.legend(handles=items, loc="outside lower center", ncols=min(5, len(items)), fontsize=8, handletextpad=0.3,
                  columnspacing=1.6)
