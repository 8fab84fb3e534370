"""Labels: names beside the markers of a scatter plot, placed where they cover no marker, no line, no other text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any, NamedTuple

from archsim.report.quantity import short_percent
from archsim.report.theme import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

FONT_SIZE = 7.5
LEAST = 0.02
"""A cluster with less of the time than this gets no label."""
LARGE = 0.25
"""A cluster with more of the time than this is named even where its label must stand at a distance."""


class Dot(NamedTuple):
    """A marker: where it is (data), how far it reaches in points, its share of the time and its name."""

    x: float
    y: float
    radius: float
    share: float
    name: str


class Place(NamedTuple):
    """Where a label could stand: its text, its anchor and alignment, and the box that it covers (pixels)."""

    text: str
    x: float
    y: float
    ha: str
    va: str
    box: Bbox


def label_clusters(ax: Axes, dots: Sequence[Dot], lines: int) -> None:
    """Name markers, one block of at most `lines` names for markers that touch each other.

    Blocks are placed one after another, each at its best place that is still free; of all orders of placing, the one
    that names most of the time wins. A block that finds no room is left out. The figure's layout must be settled.
    """
    from matplotlib.patheffects import withStroke

    canvas: Any = ax.figure.get_figure(root=True).canvas
    renderer = canvas.get_renderer()
    unit = float(renderer.points_to_pixels(1.0))
    clusters = [c for c in _clusters(ax, dots, unit) if sum(d.share for d in c) >= LEAST][:5]
    fixed = [*_obstacles(ax, renderer, unit), *(_around(ax, [d], unit) for d in dots)]
    options = [list(_places(ax, c, lines, fixed, renderer, unit)) for c in clusters]
    best: dict[int, Place] = {}
    best_score = -1.0
    for order in permutations(range(len(clusters))):
        chosen: dict[int, Place] = {}
        score = 0.0
        for i in order:
            for rank, place in enumerate(options[i]):
                if not any(place.box.overlaps(p.box) for p in chosen.values()):
                    chosen[i] = place
                    score += sum(d.share for d in clusters[i]) * (1.0 - rank / (2 * len(options[i])))
                    break
        if score > best_score:
            best, best_score = chosen, score
    for place in best.values():
        x, y = ax.transData.inverted().transform((place.x, place.y))
        ax.text(x, y, place.text, fontsize=FONT_SIZE, ha=place.ha, va=place.va, color=INK, zorder=5, in_layout=False,
                linespacing=1.15, multialignment="left", path_effects=[withStroke(linewidth=2.0, foreground="white")])


def _clusters(ax: Axes, dots: Sequence[Dot], unit: float) -> list[list[Dot]]:
    """Group markers that touch each other, the group with most time first."""
    groups: list[list[tuple[Dot, Any]]] = []
    for dot in dots:
        here = ax.transData.transform((dot.x, dot.y))
        near = [g for g in groups if any(math.dist(here, at) < (dot.radius + d.radius + 1.0) * unit for d, at in g)]
        groups = [g for g in groups if not any(g is n for n in near)]
        groups.append([(dot, here), *(item for g in near for item in g)])
    found = [sorted((d for d, _ in g), key=lambda d: -d.share) for g in groups]
    return sorted(found, key=lambda g: -sum(d.share for d in g))


def _words(cluster: Sequence[Dot], lines: int) -> str:
    """Name a cluster's markers, one a line, the rest summed up in the last line."""
    shown, rest = list(cluster[:lines]), list(cluster[lines:])
    if len(rest) == 1:
        shown, rest = [*shown, *rest], []
    text = [f"{d.name} {short_percent(d.share)}" for d in shown if d.share >= 0.005]
    if rest and (left := sum(d.share for d in rest)) >= 0.005:
        text.append(f"{len(rest)} more {short_percent(left)}")
    return "\n".join(text)


def _around(ax: Axes, cluster: Sequence[Dot], unit: float) -> Bbox:
    """Return the box around markers, in pixels."""
    from matplotlib.transforms import Bbox

    at = [(*ax.transData.transform((d.x, d.y)), d.radius * unit) for d in cluster]
    return Bbox.from_extents(min(x - r for x, _, r in at), min(y - r for _, y, r in at),
                             max(x + r for x, _, r in at), max(y + r for _, y, r in at))


def _obstacles(ax: Axes, renderer: Any, unit: float) -> list[Bbox]:
    """Return boxes of all text, and small ones along every line that is not faint."""
    from matplotlib.transforms import Bbox

    boxes = [t.get_window_extent(renderer) for t in ax.texts]
    for line in ax.lines:
        if line.get_linewidth() <= 1:
            continue
        for (x0, y0), (x1, y1) in pairwise(ax.transData.transform(line.get_xydata())):
            steps = max(2, int(math.hypot(x1 - x0, y1 - y0) / (3 * unit)))
            for i in range(steps + 1):
                x, y = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
                boxes.append(Bbox.from_extents(x - 1, y - 1, x + 1, y + 1))
    return boxes


def _places(
    ax: Axes, cluster: Sequence[Dot], lines: int, fixed: Sequence[Bbox], renderer: Any, unit: float
) -> Iterator[Place]:
    """Yield the places where a cluster's label is inside the axes and clear of `fixed`, the best first.

    More names are better than fewer; right of the markers and below comes first, for a roof runs on the other side.
    """
    from matplotlib.transforms import Bbox

    own, inside = _around(ax, cluster, unit), ax.get_window_extent()
    middle_x, middle_y, gap = (own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2, 2.5 * unit
    anchors = [
        (own.x1 + gap, middle_y, "left", "center"), (middle_x, own.y0 - gap, "left", "top"),
        (middle_x, own.y0 - gap, "center", "top"), (own.x1 + gap, middle_y, "left", "top"),
        (own.x0, own.y0 - gap, "left", "top"), (own.x1, own.y0 - gap, "left", "top"),
        (own.x1, own.y0 - gap, "right", "top"), (own.x1, own.y0 - 4 * gap, "right", "top"),
        (own.x0 - gap, middle_y, "right", "center"), (middle_x, own.y1 + gap, "center", "bottom"),
        (own.x1, own.y1 + gap, "right", "bottom"), (own.x0, own.y1 + gap, "left", "bottom"),
    ]
    large = sum(d.share for d in cluster) >= LARGE
    for far in (4, 7, 11, 16, 22) if large else ():  # beyond a roof, or below another label
        for x, ha in ((middle_x, "center"), (own.x0, "left"), (own.x1, "right")):
            anchors += [(x, own.y0 - far * gap, ha, "top"), (x, own.y1 + far * gap, ha, "bottom")]
    for most in range(lines, 0, -1):
        text = _words(cluster, most)
        probe = ax.text(0.5, 0.5, text, transform=ax.transAxes, fontsize=FONT_SIZE, linespacing=1.15)
        size = probe.get_window_extent(renderer)
        probe.remove()
        for x, y, ha, va in anchors:
            left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[ha] * size.width
            low = y - {"bottom": 0.0, "center": 0.5, "top": 1.0}[va] * size.height
            box = Bbox.from_bounds(left, low, size.width, size.height)
            free = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if free and not any(box.overlaps(f) for f in fixed):
                yield Place(text, x, y, ha, va, box)
