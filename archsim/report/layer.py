"""A drawing of one layer of a graph: operators from top to bottom, shapes on the edges, residuals along the side.

A box's bar says what does the work: the matrix engine, the vector unit, both (attention), or memory alone. Ranks are
longest paths; boxes of a rank stand in the order that crosses fewest edges, and as close below what feeds them as the
boxes beside them let them (Sugiyama, Tagawa & Toda 1981).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import networkx as nx

from archsim.errors import ArchsimError, unknown
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.quantity import scale, sig
from archsim.report.theme import BOUND, FAINT, INK, MUTED
from archsim.workload.ops import Attention, Conv, Elementwise, GroupedMatMul, MatMul, Norm, Op

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

WIDTH, HEIGHT, GAP, ASIDE, SPARE, LANE, NOTE = 3.3, 0.52, 0.40, 0.35, 0.9, 0.42, 0.45
"""Inches: a box, the room between ranks and between boxes of one, what a passing edge takes of it; a lane, a note."""
LONG = 4
"""Ranks from which on an edge into a sum or a norm runs along the side, as a residual does."""
MOVES = {"gather", "scatter", "transpose"}
IN, OUT = "⊤", "⊥"


@dataclass
class Spot:
    """A box, or the place where an edge passes a rank."""

    node: str | None
    rank: int
    x: float = 0.0
    beside: float = 0.0  # inches for what is written on either side
    above: list[Spot] = field(default_factory=list)
    below: list[Spot] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Inches that it takes of its rank."""
        return WIDTH + 2 * self.beside if self.node is not None else SPARE


@drawn
def draw(graph: nx.DiGraph, path: Path_ | None = None, *, layer: str | None = None) -> Figure:
    """Draw one layer of a graph.

    Parameters
    ----------
    graph
        A layer graph, e.g. from `archsim.transformer`.
    path
        Where to write the figure (.png, .svg, .pdf); not written if None.
    layer
        What the ``layer`` of its nodes says (``decoder``, ``decoder.1``, ``head`` ...); by default the one that is
        repeated most often.

    Raises
    ------
    ArchsimError
        If there is no such layer, it has more than 80 operators, or the file cannot be written.
    """
    inner, repeat, chosen = _choose(graph, layer)
    flow, along = _edges(graph, inner)
    ranks = _rank(flow, along)
    noted = {n for a, b in graph.edges if _aside(graph, a, b) for n in (a, b)}
    spots, chains = _arrange(flow, ranks, noted)
    lanes = _lanes(along, ranks)
    side = min(s.x - s.width / 2 for s in spots)
    left = side - (0.5 + LANE * max(lanes.values()) if lanes else 0.0)
    right = max(s.x + s.width / 2 for s in spots)
    last = max(s.rank for s in spots)
    figure, ax = _paper(left, right, last)
    for (a, b), chain in chains.items():
        _flow(ax, chain, flow.edges[a, b])
    for (a, b), lane in lanes.items():
        _along(ax, _spot(spots, a), _spot(spots, b), side - 0.3 - LANE * lane, along[a, b])
    for spot in spots:
        if spot.node in (IN, OUT):
            _end(ax, spot, "from the previous layer" if spot.node == IN else "to the next layer")
        elif spot.node is not None:
            _box(ax, spot, graph.nodes[spot.node]["op"], spot.node.removeprefix(f"{chosen}."))
            edge, y = spot.x + WIDTH / 2, _y(spot.rank)
            for text in sorted({_aside(graph, spot.node, b) for b in graph.successors(spot.node)} - {""}):
                _short(ax, edge, edge + 0.22, y - 0.12, text)
            for text in sorted({_aside(graph, a, spot.node) for a in graph.predecessors(spot.node)} - {""}):
                _short(ax, edge + 0.22, edge, y + 0.12, text)
    _captions(ax, graph, inner, repeat, chosen, left, last)
    return save(figure, path)


# --- what is drawn


def _choose(graph: nx.DiGraph, layer: str | None) -> tuple[list[str], int, str]:
    """Return the operators of a layer, how often it occurs, and its name."""
    repeats: dict[str, int] = {}
    for _, data in graph.nodes(data=True):
        name = str(data.get("layer", ""))
        repeats[name] = max(repeats.get(name, 0), data.get("repeat", 1))
    if not repeats:
        raise ArchsimError("nothing to draw: the graph has no nodes")
    chosen = max(repeats, key=lambda name: repeats[name]) if layer is None else layer
    if chosen not in repeats:
        raise unknown("layer", chosen, repeats)
    inner = [n for n in nx.topological_sort(graph) if str(graph.nodes[n].get("layer", "")) == chosen]
    if len(inner) > 80:
        raise ArchsimError(f"layer {chosen!r} has {len(inner)} operators, too many to draw; layers: "
                           + ", ".join(repr(name) for name in list(repeats)[:20]))
    return inner, repeats[chosen], chosen


def _edges(graph: nx.DiGraph, inner: Sequence[str]) -> tuple[nx.DiGraph, dict[tuple[str, str], dict[str, Any]]]:
    """Return what flows from box to box, the layer's ends included, and what runs along the side."""
    kept = set(inner)
    flow = nx.DiGraph()
    flow.add_nodes_from(inner)
    along: dict[tuple[str, str], dict[str, Any]] = {}
    for a, b, data in graph.edges(data=True):
        if (a not in kept and b not in kept) or _aside(graph, a, b):
            continue
        ends = (a if a in kept else IN, b if b in kept else OUT)
        if data.get("name") == "residual":
            along[ends] = data
        else:
            flow.add_edge(*ends, **data)
    for a, b in [ends for ends in along if ends[0] == IN]:  # it comes in with everything else
        data = along.pop((a, b))
        if not flow.has_edge(a, b):
            flow.add_edge(a, b, **data)
    depth = _rank(flow, {})
    for a, b in list(flow.edges):
        op = graph.nodes[b]["op"] if b in kept else None
        adds = isinstance(op, Norm) or (isinstance(op, Elementwise) and "add" in op.name)
        if depth[b] - depth[a] >= LONG and a != IN and adds and flow.in_degree(b) > 1 and flow.out_degree(a) > 1:
            along[a, b] = dict(flow.edges[a, b])
            flow.remove_edge(a, b)
    return flow, along


def _aside(graph: nx.DiGraph, a: str, b: str) -> str:
    """Return what is written beside a box for an edge that is not drawn: of training, to another pass."""
    before, after = (str(graph.nodes[n].get("layer", "")) for n in (a, b))
    if after.endswith(".backward") and not before.endswith(".backward") and before != "head":
        return "kept"  # for the backward pass
    return "update" if after == "optimizer" != before else ""


def _rank(flow: nx.DiGraph, along: dict[tuple[str, str], dict[str, Any]]) -> dict[str, int]:
    """Return the rank of every box: one more than the deepest that feeds it; a table stands just above its reader."""
    whole = nx.DiGraph(flow)
    whole.add_edges_from(along)
    ranks: dict[str, int] = {}
    for node in nx.topological_sort(whole):
        ranks[node] = max((ranks[a] + 1 for a in whole.predecessors(node)), default=0)
    last = max(ranks.values())
    for node in reversed(list(nx.topological_sort(whole))):
        if whole.in_degree(node) == 0 and whole.out_degree(node) and node != IN:
            ranks[node] = min(ranks[b] for b in whole.successors(node)) - 1
    if OUT in ranks:
        ranks[OUT] = max(last, ranks[OUT])
    return ranks


# --- where it stands


def _arrange(
    flow: nx.DiGraph, ranks: dict[str, int], noted: set[str]
) -> tuple[list[Spot], dict[tuple[str, str], list[Spot]]]:
    """Place boxes and passing edges; return them, and the chain of places of every edge."""
    at = {node: Spot(node, ranks[node], beside=NOTE if node in noted else 0.0) for node in flow}
    rows: dict[int, list[Spot]] = {}
    for node in flow:
        rows.setdefault(ranks[node], []).append(at[node])
    chains: dict[tuple[str, str], list[Spot]] = {}
    for a, b in flow.edges:
        passing = [Spot(None, rank) for rank in range(ranks[a] + 1, ranks[b])]
        for spot in passing:
            rows.setdefault(spot.rank, []).append(spot)
        chains[a, b] = [at[a], *passing, at[b]]
        for upper, lower in itertools.pairwise(chains[a, b]):
            upper.below.append(lower)
            lower.above.append(upper)
    order = [rows[rank] for rank in sorted(rows)]
    best, fewest = [list(row) for row in order], _crossings(order)
    for turn in range(12):  # each row by the middle of its neighbours above, then below
        down = turn % 2 == 0
        for row in order[1:] if down else order[-2::-1]:
            place = {id(s): i for r in order for i, s in enumerate(r)}
            row.sort(key=lambda s: _wish(s, place, down))
        if (now := _crossings(order)) < fewest:
            best, fewest = [list(row) for row in order], now
    for row in best:
        _spread(row, [0.0] * len(row))
    for turn in range(1500):  # coordinate descent on the sum of the squares of how far edges lean
        before = [s.x for row in best for s in row]
        for row in best if turn % 2 == 0 else best[::-1]:
            _spread(row, [sum(_pull(s, n) * n.x for n in (*s.above, *s.below)) / (_pulls(s) or 1.0) for s in row])
        if max(abs(s.x - x) for s, x in zip((s for row in best for s in row), before, strict=True)) < 1e-3:
            break
    return [s for row in best for s in row], chains


def _wish(spot: Spot, place: dict[int, int], down: bool) -> float:
    """Return the place in its row where a spot would stand in the middle of its neighbours above, or below."""
    return _middle([place[id(n)] for n in (spot.above if down else spot.below)], place[id(spot)])


def _middle(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _pull(a: Spot, b: Spot) -> float:
    """Return how much an edge wants to be straight: most on its way past boxes, more where it is a box's only one."""
    if a.node is None and b.node is None:
        return 8.0
    upper, lower = (a, b) if a.rank < b.rank else (b, a)
    return 4.0 if len(upper.below) == len(lower.above) == 1 else 1.0


def _pulls(spot: Spot) -> float:
    return sum(_pull(spot, other) for other in (*spot.above, *spot.below))


def _crossings(order: Sequence[Sequence[Spot]]) -> int:
    """Count the pairs of edges that cross between neighbouring rows."""
    total = 0
    for upper, lower in itertools.pairwise(order):
        place = {id(s): i for i, s in enumerate(lower)}
        ends = [(i, place[id(b)]) for i, a in enumerate(upper) for b in a.below]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))
    return total


def _spread(row: Sequence[Spot], wanted: Sequence[float]) -> None:
    """Put the spots of a row as near as can be to where they want to be, in order and clear of each other.

    Least squares under order is isotonic regression: neighbours that would overlap move as one block to the mean of
    what they want (pool adjacent violators).
    """
    offset, total = [0.0], 0.0
    for a, b in itertools.pairwise(row):
        total += (a.width + b.width) / 2 + ASIDE
        offset.append(total)
    blocks: list[list[float]] = []  # sum of weights times wishes, weights, members
    for spot, wish, shift in zip(row, wanted, offset, strict=True):
        weight = _pulls(spot) or 1.0
        blocks.append([(wish - shift) * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            upper = blocks.pop()
            blocks[-1] = [x + y for x, y in zip(blocks[-1], upper, strict=True)]
    placed = [block[0] / block[1] for block in blocks for _ in range(int(block[2]))]
    for spot, x, shift in zip(row, placed, offset, strict=True):
        spot.x = x + shift


def _lanes(along: dict[tuple[str, str], dict[str, Any]], ranks: dict[str, int]) -> dict[tuple[str, str], int]:
    """Give every edge along the side a lane: the nearest one that is free from its first to its last rank."""
    taken: list[list[tuple[int, int]]] = []
    lanes: dict[tuple[str, str], int] = {}
    for a, b in sorted(along, key=lambda e: ranks[e[1]] - ranks[e[0]]):
        low, high = ranks[a], ranks[b]
        lane = next((i for i, t in enumerate(taken) if all(high <= p or low >= q for p, q in t)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        lanes[a, b] = lane
    return lanes


def _spot(spots: Sequence[Spot], node: str) -> Spot:
    return next(s for s in spots if s.node == node)


# --- ink


def _y(rank: float) -> float:
    """Return the height of the middle of a rank, in inches, downwards."""
    return -rank * (HEIGHT + GAP)


def _paper(left: float, right: float, last: int) -> tuple[Figure, Axes]:
    """Return a figure in inches, with room for the captions."""
    low, high = _y(last) - 0.95, 0.95
    width, height = max(right - left + 0.5, 6.4), high - low
    figure = blank(width, height)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    middle = (left + right) / 2
    ax.set(xlim=(middle - width / 2, middle + width / 2), ylim=(low, high))
    ax.axis("off")
    return figure, ax


def _shape(data: dict[str, Any]) -> str:
    """Return what an edge carries, in words."""
    shape = " × ".join(f"{side:,}" for side in data["tensor"].shape if side > 1) or "1"
    name = str(data.get("name") or "")
    return f"{name}  {shape}" if name else shape


def _amount(value: float, unit: str) -> str:
    """Return an amount with three digits and a decimal prefix."""
    factor, unit = scale([value], unit)
    return f"{sig(value / factor)} {unit}"


def _engines(op: Op) -> list[str]:
    """Return the colours of what does the work of an operator."""
    if op.flops:
        return [BOUND["matrix"], BOUND["vector"]] if op.transcendentals else [BOUND["matrix"]]
    return [BOUND["hbm"]] if op.kind in MOVES else [BOUND["vector"]]


def _words(op: Op) -> str:
    """Return what an operator does, in the few words that fit into its box."""
    if isinstance(op, MatMul):
        times = f"{op.batch:,} × " if op.batch > 1 else ""
        return f"{times}[{op.m:,} × {op.k:,}] · [{op.k:,} × {op.n:,}]"
    if isinstance(op, GroupedMatMul):
        return f"{len(op.groups):,} experts, each [{op.k:,} × {op.n:,}]"
    if isinstance(op, Conv):
        kernel = op.kernel if isinstance(op.kernel, tuple) else (op.kernel, op.kernel)
        return f"{kernel[0]} × {kernel[1]} kernel, {op.c_in:,} to {op.c_out:,} channels"
    if isinstance(op, Attention):
        shared = f", {op.kv_heads} KV head{'s' * (op.kv_heads > 1)}" if op.kv_heads != op.heads else ""
        return f"{op.heads} heads × {op.head_dim}{shared}, {op.kv_len:,} keys"
    if isinstance(op, Norm):
        name = "RMSNorm" if op.name == "rmsnorm" else "LayerNorm"
        return f"{name}, first adds the residual" if op.residual else name
    described = op.kind if not isinstance(op, Elementwise) else f"elementwise, {op.name.replace('_', ' ')}"
    *_, (_, shape, _) = op.shapes()
    return f"{described}, {' × '.join(f'{side:,}' for side in shape)}" if len(shape) > 1 else described


def _box(ax: Axes, spot: Spot, op: Op, name: str) -> None:
    """Draw an operator: its name and what it does on the left, FLOP and bytes on the right."""
    from matplotlib.patches import FancyBboxPatch, Rectangle

    x, y = spot.x - WIDTH / 2, _y(spot.rank)
    ax.add_patch(FancyBboxPatch((x, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.06",
                                facecolor="#F7F9FB", edgecolor=FAINT, linewidth=1.0, zorder=3))
    colours = _engines(op)
    part = (HEIGHT - 0.14) / len(colours)
    for i, colour in enumerate(colours):
        ax.add_patch(Rectangle((x + 0.07, y + HEIGHT / 2 - 0.07 - (i + 1) * part), 0.06, part, facecolor=colour,
                               linewidth=0, zorder=4))
    words = _words(op)
    work = _amount(op.flops, "FLOP") if op.flops else ""
    line: dict[str, Any] = {"va": "center", "zorder": 4, "in_layout": False}
    ax.text(x + 0.2, y + 0.11, name if len(name) <= 26 else f"{name[:25]}…", fontsize=10, fontweight="bold",
            color=INK, **line)
    ax.text(x + 0.2, y - 0.12, words if len(words) <= 41 else f"{words[:40]}…", fontsize=7.5, color=MUTED, **line)
    ax.text(x + WIDTH - 0.1, y + 0.11, work, fontsize=8, ha="right", color=INK, **line)
    ax.text(x + WIDTH - 0.1, y - 0.12, _amount(op.bytes, "B"), fontsize=8, ha="right", color=INK, **line)


def _short(ax: Axes, start: float, stop: float, y: float, text: str) -> None:
    """Draw a short arrow beside a box, out of it or into it, and what it stands for."""
    ax.annotate("", (stop, y), (start, y), arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.2, "shrinkA": 0,
                                                       "shrinkB": 0}, zorder=2, annotation_clip=False)
    ax.text(max(start, stop) + 0.04, y, text, fontsize=7.5, color=MUTED, va="center", zorder=4, in_layout=False)


def _end(ax: Axes, spot: Spot, text: str) -> None:
    """Draw one end of the layer."""
    ax.text(spot.x, _y(spot.rank), text, fontsize=8.5, color=MUTED, ha="center", va="center", style="italic", zorder=4,
            in_layout=False, bbox={"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": FAINT})


def _port(spot: Spot, others: Sequence[Spot], towards: Spot) -> float:
    """Return where along its side an edge meets a box: edges to several neighbours stand in the order of these."""
    if spot.node is None or len(others) < 2:
        return spot.x
    ordered = sorted(others, key=lambda s: (s.x, id(s)))
    room = min(0.9, 0.5 * (len(ordered) - 1)) if spot.node not in (IN, OUT) else 0.5
    return spot.x + room * (ordered.index(towards) / (len(ordered) - 1) - 0.5) * 2 * 0.8


def _flow(ax: Axes, chain: Sequence[Spot], data: dict[str, Any]) -> None:
    """Draw an edge from box to box through the ranks between, with what it carries written beside it."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    top, bottom = chain[0], chain[-1]
    x0, x1 = _port(top, top.below, chain[1]), _port(bottom, bottom.above, chain[-2])
    if len(chain) == 2 and len(top.below) == 1:
        x0 = x1 if abs(x1 - top.x) < WIDTH / 2 - 0.2 else x0
    elif len(chain) == 2 and len(bottom.above) == 1:
        x1 = x0 if abs(x0 - bottom.x) < WIDTH / 2 - 0.2 else x1
    half = HEIGHT / 2
    points = [(x0, _y(top.rank) - (half if top.node != IN else 0.16))]
    points += [(s.x, _y(s.rank)) for s in chain[1:-1]]
    points.append((x1, _y(bottom.rank) + (half if bottom.node != OUT else 0.16)))
    path, codes = [points[0]], [Path.MOVETO]
    for i, ((xa, ya), (xb, yb)) in enumerate(itertools.pairwise(points)):
        if i and i < len(points) - 1:  # straight past the boxes of a rank
            path.append((xa, ya - half))
            codes.append(Path.LINETO)
            ya -= half
        stop = yb + half if i < len(points) - 2 else yb
        path += [(xa, (ya + stop) / 2), (xb, (ya + stop) / 2), (xb, stop)]
        codes += [Path.CURVE4] * 3
        if i < len(points) - 2:
            path.append((xb, yb))
            codes.append(Path.LINETO)
    ax.add_patch(FancyArrowPatch(path=Path(path, codes), arrowstyle="-|>,head_width=2.2,head_length=4.5",
                                 color=MUTED, linewidth=1.2, zorder=2, shrinkA=0, shrinkB=0))
    (xa, ya), (xb, yb) = points[0], points[1]
    yb += half if len(points) > 2 else 0.0
    straight = abs(xb - xa) < 0.05
    leftmost = len(top.below) > 1 and chain[1] is min(top.below, key=lambda s: s.x)
    x, y = (xa + xb) / 2 + (0.0 if not straight else -0.07 if leftmost else 0.07), (ya + yb) / 2
    aligned = "center" if not straight else "right" if leftmost else "left"
    ax.text(x, y, _shape(data), fontsize=7.5, color=INK, ha=aligned, va="center", zorder=5, in_layout=False,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"})


def _along(ax: Axes, top: Spot, bottom: Spot, x: float, data: dict[str, Any]) -> None:
    """Draw a residual along the side."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    r = 0.14
    y0, y1 = _y(top.rank) - 0.12, _y(bottom.rank) + (0.12 if bottom.node != OUT else 0.0)
    start, stop = top.x - WIDTH / 2, bottom.x - (WIDTH / 2 if bottom.node != OUT else 0.66)
    path = [(start, y0), (x + r, y0), (x, y0), (x, y0 - r), (x, y1 + r), (x, y1), (x + r, y1), (stop, y1)]
    codes = [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO]
    ax.add_patch(FancyArrowPatch(path=Path(path, codes), arrowstyle="-|>,head_width=2.2,head_length=4.5",
                                 color=MUTED, linewidth=1.2, zorder=2, shrinkA=0, shrinkB=0))
    ax.text(x, (y0 + y1) / 2, _shape({**data, "name": "residual"}), fontsize=7.5, color=INK, rotation=90, ha="center",
            va="center", zorder=5, in_layout=False,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"})


def _captions(
    ax: Axes, graph: nx.DiGraph, inner: Sequence[str], repeat: int, chosen: str, left: float, last: int
) -> None:
    """Write what is drawn above, its totals and the key of the colours below."""
    from matplotlib.patches import Rectangle

    low = ax.get_xlim()[0]
    about = graph.graph
    ops = [graph.nodes[n]["op"] for n in inner]
    sizes = [f"{k} {about[k]:,}" for k in ("batch", "seq", "context") if about.get(k)]
    head = str(about.get("model", "graph"))
    which = f"layer {chosen!r}" if chosen else "the whole graph"
    if repeat > 1:
        which = f"one of {repeat} equal layers" + (", backward" if chosen.endswith(".backward") else "")
    ax.text(low + 0.25, 0.72, f"{head}: {which}", fontsize=13, fontweight="bold", color=INK, va="center")
    detail = ", ".join([*([str(about["phase"])] if about.get("phase") else []), *sizes, str(about.get("dtype", ""))])
    ax.text(low + 0.25, 0.46, detail.strip(", "), fontsize=9, color=MUTED, va="center")
    y = _y(last) - 0.62
    held = sum(graph.nodes[n]["op"].parameters for n in inner if not graph.nodes[n].get("tied_to"))
    totals = [f"{held:,} parameters", _amount(sum(op.flops for op in ops), "FLOP"),
              f"{_amount(sum(op.bytes for op in ops), 'B')} read and written"]
    ax.text(low + 0.25, y, ",  ".join(totals), fontsize=9, color=INK, va="center")
    x, seen = low + 0.25, {colour for op in ops for colour in _engines(op)}
    for kind, text in (("matrix", "matrix engine"), ("vector", "vector unit"), ("hbm", "moves data only")):
        if BOUND[kind] in seen:
            ax.add_patch(Rectangle((x, y - 0.27), 0.1, 0.1, facecolor=BOUND[kind], linewidth=0))
            ax.text(x + 0.15, y - 0.22, text, fontsize=8, color=MUTED, va="center")
            x += 0.35 + 0.075 * len(text)
