"""Block diagram: a chip drawn from its own fields: device memory, cores, one core in detail, links.

Three panels: device memory, the chip with all its cores, one core enlarged. Arrow widths are bandwidths. On the chip,
areas are bytes of on-chip memory; in the core, areas of engines are operations per cycle and areas of memories bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archsim.errors import expect
from archsim.explore.check_chip import on_chip
from archsim.explore.select import headline
from archsim.hardware import Chip, GpuCore, RooflineCore, SystolicCore
from archsim.report.canvas import Path_, blank, drawn, save
from archsim.report.plot import clip
from archsim.report.quantity import peak_rate, quantity, sig
from archsim.report.theme import BOUND, FAINT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["block_diagram"]

WIDTH, HEIGHT = 13.33, 7.5
"""Inches: a slide of 16:9."""
TOP, BOTTOM = 6.35, 1.25
"""Where panels end."""
MEMORY, CHIP, CORE = (0.45, 2.65), (3.85, 8.05), (8.85, 12.88)
"""Left and right edges of the three panels."""
PER_TB = 0.1
"""Inches of an arrow's width per TB/s, the same for all chips unless one would need more than `WIDEST`."""
WIDEST = 2.0
THINNEST = 0.03
MOST_TILES = 1600
"""Cores drawn one by one; more are drawn as one block."""

DEVICE, SRAM, MATRIX, VECTOR, LINK = BOUND["hbm"], BOUND["scratchpad"], BOUND["matrix"], BOUND["vector"], MUTED


class Box(NamedTuple):
    """A rectangle by its left, lower edge, width and height, in inches."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> tuple[float, float]:
        """The centre."""
        return self.x + self.w / 2, self.y + self.h / 2


class Pen:
    """Draws on a page measured in inches; texts shrink, and in the end shorten, to the width that they may take."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        figure = ax.figure.get_figure(root=True)
        canvas: Any = figure.canvas
        self.renderer = canvas.get_renderer()
        self.dpi = figure.dpi

    def text(self, x: float, y: float, words: str, size: float = 9.0, *, width: float, ha: str = "center",
             va: str = "center", colour: str = INK, bold: bool = False) -> None:
        """Write `words` at a point, no wider than `width`."""
        most = max(map(len, words.split("\n")))
        artist = self.ax.text(x, y, _lines(words, most), fontsize=size, ha=ha, va=va, color=colour,
                              fontweight="bold" if bold else "normal", zorder=6, linespacing=1.25)
        while artist.get_window_extent(self.renderer).width / self.dpi > width:
            if size > 6.5:
                size -= 0.25
                artist.set_fontsize(size)
            elif most > 4:
                most -= 1
                artist.set_text(_lines(words, most))
            else:
                artist.remove()
                return

    def box(self, at: Box, colour: str, *, dashed: bool = False, lw: float = 1.2, tint: float = 0.22) -> None:
        """Draw a block: a light fill and an edge of one colour."""
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Rectangle

        self.ax.add_patch(Rectangle((at.x, at.y), at.w, at.h, facecolor=to_rgba(colour, tint), edgecolor=colour,
                                    lw=lw, ls=(0, (4, 3)) if dashed else "-", zorder=3))

    def boxes(self, many: Sequence[Box], colour: str, lw: float) -> None:
        """Draw many equal blocks at once."""
        from matplotlib.collections import PatchCollection
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Rectangle

        self.ax.add_collection(PatchCollection([Rectangle((b.x, b.y), b.w, b.h) for b in many], lw=lw, zorder=3,
                                               facecolor=to_rgba(colour, 0.22), edgecolor=colour))

    def panel(self, edges: tuple[float, float], title: str) -> None:
        """Draw the frame of a panel and its title."""
        from matplotlib.patches import FancyBboxPatch

        x0, x1 = edges
        self.ax.add_patch(FancyBboxPatch((x0 + 0.08, BOTTOM + 0.08), x1 - x0 - 0.16, TOP - BOTTOM - 0.16, lw=1.0,
                                         boxstyle="round,pad=0.08,rounding_size=0.12", facecolor="white",
                                         edgecolor=MUTED, zorder=2))
        self.text((x0 + x1) / 2, TOP - 0.24, title, 11.5, width=x1 - x0 - 0.25, bold=True)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: str, *,
              both: bool = True) -> None:
        """Draw a straight block arrow whose shaft is `width` wide, with a head at one or both ends."""
        from matplotlib.patches import Polygon

        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0)
        head = min(0.3 * length, max(0.09, 0.35 * width))
        half = width / 2
        wing = half if width > length else half + max(0.05, 0.12 * width)  # barbs of a stubby arrow look like thorns
        right = [(length - head, half), (length - head, wing), (length, 0.0), (length - head, -wing),
                 (length - head, -half)]
        left = [(head, -half), (head, -wing), (0.0, 0.0), (head, wing), (head, half)] if both else [(0.0, -half),
                                                                                               (0.0, half)]
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        corners = [(x0 + along * ux - across * uy, y0 + along * uy + across * ux) for along, across in (*right, *left)]
        self.ax.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", alpha=0.8, zorder=4))


def _lines(words: str, most: int) -> str:
    """Return words with each line shortened to `most` characters."""
    return "\n".join(clip(line, most) for line in words.split("\n"))


@drawn
def block_diagram(chip: Chip, path: Path_ | None = None) -> Figure:
    """Draw a chip's blocks with their sizes and bandwidths.

    Parameters
    ----------
    chip
        Any chip; what its definition does not tell is not drawn.
    path
        Where to write the figure (.png, .svg, .pdf); not written if None.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    expect("block_diagram()", chip, Chip, "archsim.chips.get(name)")
    figure = blank(WIDTH, HEIGHT)
    figure.set_layout_engine("none")  # places are ours, in inches
    figure.set_dpi(160.0)  # texts are measured as they will be written, for hinting widens small ones
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    pen = Pen(ax)
    pen.text(0.45, 7.08, chip.name, 20, width=WIDTH - 0.9, ha="left", bold=True)
    pen.text(0.45, 6.68, _subtitle(chip), 11, width=WIDTH - 0.9, ha="left", colour=MUTED)
    rates = [chip.memory.bandwidth, chip.cache_bandwidth, chip.link.bandwidth if chip.link else 0]
    per = min(PER_TB, WIDEST / (max(rates) / 1e12))
    _memory(pen, chip, per)
    tile = _chip(pen, chip, per)
    _zoom(pen, tile)
    _core(pen, chip)
    _links(pen, chip, per)
    _caption(pen, chip, per)
    return save(figure, path)


def _shaft(rate: float, per: float) -> float:
    """Return an arrow's width in inches for B/s."""
    return max(THINNEST, rate / 1e12 * per)


def _subtitle(chip: Chip) -> str:
    kind = headline(chip)
    facts = [", ".join(t for t in (chip.vendor, str(chip.year or "")) if t)]
    if kind:
        facts += [f"{peak_rate(chip.peak(kind), kind, 3)} {kind}", f"balance {sig(chip.balance(kind))} FLOP/B"]
    if chip.power:
        facts.append(quantity(chip.power.tdp, "W"))
    if chip.die:
        facts.append(chip.die.process + (f", {sig(chip.die.area)} mm²" if chip.die.area else ""))
    known = {"systolic": "systolic arrays", "gpu": "tensor-core GPU", "roofline": "known as a roofline"}[chip.kind]
    return "  ·  ".join(f for f in (*facts, known) if f)


# --- device memory ----------------------------------------------------------------------------------------------------

def _memory(pen: Pen, chip: Chip, per: float) -> None:
    """Draw device memory, a block for each stack where their number is known, and its arrow into the chip."""
    m = chip.memory
    x0, x1 = MEMORY
    count = m.stacks or 1
    middle = (TOP + BOTTOM) / 2
    name = m.type or "device memory"
    known = f"{m.stacks} stack{'s' * (count != 1)} of {name}" if m.stacks else name
    pen.text((x0 + x1) / 2, TOP - 0.24, quantity(m.capacity, "B"), 11.5, width=x1 - x0, bold=True)
    pen.text((x0 + x1) / 2, TOP - 0.53, known, 9.5, width=x1 - x0, colour=MUTED)
    columns = 1 if count < 4 or count in (5, 7) else 2 if count <= 16 else 4
    rows = -(-count // columns)
    high, gap = TOP - BOTTOM - 0.85, 0.1
    w, h = (x1 - x0 - gap * (columns - 1)) / columns, min(1.6, (high - gap * (rows - 1)) / rows)
    if count == 1:
        h = high * 0.75
    low = middle - 0.35 - (rows * h + (rows - 1) * gap) / 2
    for i in range(count):
        at = Box(x0 + (i % columns) * (w + gap), low + (rows - 1 - i // columns) * (h + gap), w, h)
        pen.box(at, DEVICE)
        if h > 0.3:
            each = quantity(m.capacity / count, "B", 3)
            rate = quantity(m.bandwidth / count, "B/s", 3)
            words = f"{each}\n{rate}" if h > 0.5 else each
            pen.text(*at.middle, words if m.stacks else "number of devices\nnot given", 9, width=w - 0.1,
                     colour=INK if m.stacks else MUTED)
    y, shaft = middle - 0.35, _shaft(m.bandwidth, per)
    pen.arrow((x1 + 0.06, y), (CHIP[0] - 0.04, y), shaft, DEVICE)
    centre, room = (x1 + CHIP[0]) / 2, CHIP[0] - x1 - 0.1
    clear = shaft / 2 + max(0.05, 0.12 * shaft)
    pen.text(centre, y + clear + 0.15, quantity(m.bandwidth, "B/s"), 11, width=room, bold=True)
    pen.text(centre, y - clear - 0.15, f"{m.sustained / m.bandwidth:.0%} sustained", 8.5, width=room, colour=MUTED)


# --- the chip ---------------------------------------------------------------------------------------------------------

def _chip(pen: Pen, chip: Chip, per: float) -> Box:
    """Draw the shared cache and every core, areas by bytes of memory; return the core to enlarge."""
    x0, x1 = CHIP
    pen.panel(CHIP, f"{chip.cores:,} core{'s' * (chip.cores != 1)} at {quantity(chip.clock, 'Hz')}")
    total, cache = on_chip(chip), chip.cache
    low, high = BOTTOM + 0.55, TOP - 0.95
    core_bytes = (total - (cache.total if cache else 0.0)) / chip.cores
    share = cache.total / total if cache and total else 0.0
    inner = x1 - x0 - 0.5
    strip = min(0.55, max(0.22, share)) * inner if cache else 0.0  # what the cache may take of the panel's width
    gap = 0.7 if cache else 0.0
    field = Box(x0 + 0.25 + strip + gap, low, inner - strip - gap, high - low)
    cell, columns = _grid(chip.cores, field.w, field.h)
    tile_bytes = core_bytes * (chip.cores if chip.cores > MOST_TILES else 1)  # too many are drawn as one
    per_byte = (0.86 * cell) ** 2 / tile_bytes if tile_bytes else math.inf
    if cache:
        per_byte = min(per_byte, strip * field.h / cache.total)
    side = math.sqrt(per_byte * tile_bytes) if tile_bytes else 0.86 * cell
    side = max(side, 0.03)
    if cache:
        area = per_byte * cache.total
        tall = min(field.h, max(area / strip, math.sqrt(area)))
        at = Box(x0 + 0.25 + (strip - area / tall) / 2, low + (field.h - tall) / 2, area / tall, tall)
        pen.box(at, SRAM)
        name = "shared cache" if isinstance(chip.core, GpuCore) else "shared memory"
        pen.text(x0 + 0.25 + strip / 2, TOP - 0.58, name, 9.5, width=strip + 0.25)
        holds = " + ".join(quantity(level.capacity, "B") for level in (cache, cache.beyond) if level)
        pen.text(x0 + 0.25 + strip / 2, TOP - 0.79, holds, 9.5, width=strip + 0.2, bold=True)
        shaft = _shaft(chip.cache_bandwidth, per)
        y = low + field.h / 2
        pen.arrow((x0 + 0.25 + strip + 0.05, y), (field.x - 0.05, y), min(shaft, field.h * 0.8), SRAM)
        pen.text((x0 + x1) / 2, BOTTOM + 0.27, f"{name} to all cores: {quantity(chip.cache_bandwidth, 'B/s')}", 9.5,
                 width=x1 - x0 - 0.3, bold=True)
    tiles = _tiles(chip.cores, field, cell, columns, side)
    dashed = not core_bytes
    if len(tiles) <= 8:
        for tile in tiles:
            pen.box(tile, MATRIX if dashed else SRAM, dashed=dashed)
            if side > 0.7:
                pen.text(*tile.middle, _in_tile(chip, core_bytes), 10, width=side - 0.1)
    else:
        pen.boxes(tiles, MATRIX if dashed else SRAM, 0.7 if side > 0.12 else 0.35)
    if core_bytes:
        each = f"{quantity(core_bytes, 'B', 3)}{' each' * (chip.cores > 1)}"
        pen.text(field.x + field.w / 2, TOP - 0.58, "in each core" if cache and chip.cores > 1 else
                 "in the core" if cache else "scratchpad", 9.5, width=field.w + 0.1)
        pen.text(field.x + field.w / 2, TOP - 0.79, each, 9.5, width=field.w, bold=True)
    return tiles[min(columns, len(tiles)) - 1]  # the right-hand one of the top row


def _in_tile(chip: Chip, core_bytes: float) -> str:
    """Return what is written into a core that is drawn large."""
    if not core_bytes:
        return "one block:\nonly its peak is known"
    if chip.cores > MOST_TILES:
        return f"{chip.cores:,} cores,\n{quantity(core_bytes * chip.cores, 'B', 3)} together"
    return quantity(core_bytes, "B")


def _grid(count: int, w: float, h: float) -> tuple[float, int]:
    """Return the side of the square cells, and how many go into a row, that fill a field best."""
    if count > MOST_TILES:
        return min(w, h), 1
    cells = {columns: min(w / columns, h / -(-count // columns)) for columns in range(1, count + 1)}
    best = max(cells, key=lambda c: cells[c])
    even = [c for c in cells if count % c == 0 and cells[c] > 0.7 * cells[best]]  # full rows, if not much smaller
    chosen = max(even, key=lambda c: cells[c]) if even and count <= 64 else best
    return cells[chosen], chosen


def _tiles(count: int, field: Box, cell: float, columns: int, side: float) -> list[Box]:
    """Return the cores as squares in a centred grid, the top row first."""
    shown = 1 if count > MOST_TILES else count
    rows = -(-shown // columns)
    x = field.x + (field.w - columns * cell) / 2 + (cell - side) / 2
    y = field.y + (field.h + rows * cell) / 2 - cell + (cell - side) / 2
    return [Box(x + (i % columns) * cell, y - (i // columns) * cell, side, side) for i in range(shown)]


def _zoom(pen: Pen, tile: Box) -> None:
    """Draw the light beam from one core to its enlargement."""
    from matplotlib.patches import Polygon

    right = tile.x + tile.w
    pen.ax.add_patch(Polygon([(right, tile.y + tile.h), (CORE[0], TOP - 0.05), (CORE[0], BOTTOM + 0.05),
                              (right, tile.y)], closed=True, facecolor=FAINT, alpha=0.55, edgecolor="none",
                             zorder=2.5))


# --- one core ---------------------------------------------------------------------------------------------------------

def _core(pen: Pen, chip: Chip) -> None:
    kind = headline(chip)
    peak = f": {peak_rate(chip.peak(kind) / chip.cores, kind, 3)} {kind}" if kind else ""
    pen.panel(CORE, f"one core{peak}" if chip.cores > 1 else f"the core{peak}")
    if isinstance(chip.core, SystolicCore):
        _systolic(pen, chip, chip.core)
    elif isinstance(chip.core, GpuCore):
        _gpu(pen, chip, chip.core)
    else:
        _unknown(pen, chip)


def _per_cycle(rate: float) -> str:
    """Write bytes per cycle: ``128 B/cycle``, ``8 KiB/cycle``."""
    return f"{rate / 1024:g} KiB/cycle" if rate >= 1024 and rate % 256 == 0 else f"{quantity(rate)} B/cycle"


def _rate(per_cycle: float, clock: float) -> str:
    return f"{_per_cycle(per_cycle)}\n{quantity(per_cycle * clock, 'B/s', 3)}"


def _scaled(sizes: Sequence[float], w: float, h: float, gap: float) -> list[float]:
    """Return the sides of squares of these areas, stacked with `gap` between them, as large as the field allows."""
    roots = [math.sqrt(s) for s in sizes]
    scale = min(w / max(roots), (h - gap * (len(roots) - 1)) / sum(roots))
    return [scale * r for r in roots]


def _systolic(pen: Pen, chip: Chip, core: SystolicCore) -> None:
    """Draw a scratchpad, its ports, the arrays and the vector unit, engines by operations per cycle."""
    a, v, pad = core.array, core.vector, core.scratchpad
    left = Box(CORE[0] + 0.22, BOTTOM + 0.35, 0.98, TOP - BOTTOM - 0.95)
    pen.box(left, SRAM)
    pen.text(*left.middle, f"scratchpad\n{quantity(pad.capacity, 'B')}", 10, width=left.w - 0.08, bold=True)
    right = Box(CORE[1] - 1.85, left.y, 1.65, left.h)
    dtype = next(iter(a.rows_per_cycle))
    rows = a.rows_per_cycle[dtype]
    # Arrays keep their shape; the vector unit is a square. One scale for both: inches per root of an operation.
    lanes = float(v.lanes * v.alus)
    field_w, field_h = right.w, right.h - 1.45
    columns = min(range(1, a.count + 1), key=lambda c: (
        max(c * a.cols / field_w, -(-a.count // c) * a.rows / (0.72 * field_h)), c)) if a.count <= MOST_TILES else (
        math.ceil(math.sqrt(a.count)))
    down = -(-a.count // columns)
    gap = 0.07 if a.count <= 16 else 0.02 if a.count <= 100 else 0.0
    speed = math.sqrt(rows)  # an array that takes two rows per cycle does twice the work of its cells
    scale = min((field_w - gap * (columns - 1)) / (columns * a.cols), (0.72 * field_h - gap * (down - 1))
                / (down * a.rows), field_w * 0.8 / math.sqrt(lanes) * speed, 0.28 * field_h / math.sqrt(lanes) * speed)
    w, h = scale * a.cols, scale * a.rows
    side = max(scale * math.sqrt(lanes) / speed, 0.03)
    tall = 0.38 + down * h + (down - 1) * gap + 0.78 + side + 0.2
    top = TOP - 0.62 - max(0.0, (TOP - BOTTOM - 0.95 - tall) / 2)
    pen.text(right.x + right.w / 2, top, f"{a.count} array{'s' * (a.count != 1)} of {a.rows} × {a.cols}", 10,
             width=right.w + 0.15, bold=True)
    pen.text(right.x + right.w / 2, top - 0.2, f"{quantity(rows)} row{'s' * (rows != 1)} per cycle in {dtype}", 8.5,
             width=right.w + 0.15, colour=MUTED)
    first = top - 0.38
    x = right.x + (right.w - columns * w - gap * (columns - 1)) / 2
    y = first - down * h - (down - 1) * gap
    if a.count > MOST_TILES:
        pen.box(Box(x, y, columns * w, down * h), MATRIX)
    else:
        pen.boxes([Box(x + (i % columns) * (w + gap), first - h - (i // columns) * (h + gap), w, h)
                   for i in range(a.count)], MATRIX, 1.2 if a.count <= 100 else 0.4)
    y -= 0.42
    pen.text(right.x + right.w / 2, y, "vector unit", 10, width=right.w + 0.15, bold=True)
    pen.text(right.x + right.w / 2, y - 0.2, f"{v.lanes:,} lanes × {v.alus} ALU{'s' * (v.alus != 1)}", 8.5,
             width=right.w + 0.15, colour=MUTED)
    pen.box(Box(right.x + (right.w - side) / 2, y - 0.36 - side, side, side), VECTOR)
    if v.transcendentals:
        pen.text(right.x + right.w / 2, y - 0.5 - side, f"{v.transcendentals:,.0f} exp per cycle", 8.5,
                 width=right.w + 0.15, colour=MUTED)
    x0, x1 = left.x + left.w, right.x
    widest = max(pad.read_bytes, pad.write_bytes)
    for rate, name, at, forward in ((pad.read_bytes, "read", left.y + 0.68 * left.h, True),
                                    (pad.write_bytes, "write", left.y + 0.26 * left.h, False)):
        shaft = max(THINNEST, 0.5 * rate / widest)
        ends = ((x0 + 0.05, at), (x1 - 0.02, at))
        pen.arrow(*(ends if forward else ends[::-1]), shaft, SRAM, both=False)
        pen.text((x0 + x1) / 2, at + shaft / 2 + 0.19, name, 9.5, width=x1 - x0 - 0.02, bold=True)
        pen.text((x0 + x1) / 2, at - shaft / 2 - 0.29, _rate(rate, chip.clock), 8.5, width=x1 - x0 - 0.02)


def _gpu(pen: Pen, chip: Chip, core: GpuCore) -> None:
    """Draw an SM's memories by bytes and its engines by operations per cycle."""
    t = core.tensor
    dtype = headline(chip) or next(iter(t.macs))
    memories = [("shared memory", core.shared.capacity), ("registers", core.registers)]
    if t.tensor_memory:
        memories.append(("tensor memory", t.accumulators))
    engines = [("tensor core", t.macs[dtype], f"{t.macs[dtype]:,.0f} MAC/cycle {dtype}", MATRIX),
               ("fp32 lanes", float(core.fp32_lanes), f"{core.fp32_lanes:,} MAC/cycle", VECTOR),
               ("special functions", core.sfu, f"{quantity(core.sfu)} exp/cycle", VECTOR)]
    high = TOP - BOTTOM - 0.95
    left, right, width = CORE[0] + 1.05, CORE[1] - 0.95, 1.7
    top = TOP - 0.62
    places = []
    for centre, items in ((left, [(n, s, quantity(s, "B"), SRAM) for n, s in memories]), (right, engines)):
        label = 0.44
        sides = _scaled([s for _, s, _, _ in items], 1.35, high - label * len(items), 0.1)
        y = top - max(0.0, (high - sum(sides) - (label + 0.1) * len(items)) / 2)
        for (name, _, words, colour), side in zip(items, sides, strict=True):
            side = max(side, 0.03)
            pen.text(centre, y, name, 10, width=width, bold=True)
            pen.text(centre, y - 0.19, words, 8.5, width=width, colour=MUTED)
            at = Box(centre - side / 2, y - 0.31 - side, side, side)
            pen.box(at, colour)
            places.append(at)
            y -= side + label + 0.1
    shared, engine = places[0], places[len(memories)]
    y = (max(shared.y, engine.y) + min(shared.y + shared.h, engine.y + engine.h)) / 2
    widest = max(core.shared.read_bytes, core.fill_bytes)
    shaft = max(THINNEST, 0.3 * core.shared.read_bytes / widest)
    x0 = shared.x + shared.w if shared.h > shaft else left + 0.69  # clear of the words above a small block
    x1 = engine.x if engine.h > shaft else right - 0.7
    pen.arrow((x0 + 0.04, y), (x1 - 0.04, y), shaft, SRAM, both=False)
    x0, x1 = left + 0.69, right - 0.7  # between what may be written in the two columns
    pen.text((x0 + x1) / 2, y - shaft / 2 - 0.3, _rate(core.shared.read_bytes, chip.clock), 8.5, width=x1 - x0)
    fill = max(THINNEST, 0.3 * core.fill_bytes / widest)
    pen.arrow((CORE[0] + 0.03, y), (shared.x - 0.03, y), fill, SRAM, both=False)
    pen.text(CORE[0] + 0.2, BOTTOM + 0.2, f"filled from the shared cache at {_per_cycle(core.fill_bytes)}, "
             f"{quantity(core.fill_bytes * chip.clock, 'B/s', 3)}", 8.5, width=CORE[1] - CORE[0] - 0.4, ha="left")


def _unknown(pen: Pen, chip: Chip) -> None:
    """Draw what is known of a roofline chip: its peak in every number format, as bars."""
    frame = Box(CORE[0] + 0.25, BOTTOM + 0.3, CORE[1] - CORE[0] - 0.5, TOP - BOTTOM - 0.85)
    pen.box(frame, MATRIX, dashed=True, tint=0.04)
    pen.text(frame.x + frame.w / 2, frame.y + frame.h - 0.25, "microarchitecture not published or not modelled", 9.5,
             width=frame.w - 0.2, colour=MUTED)
    pen.text(frame.x + frame.w / 2, frame.y + frame.h - 0.55, "dense peak of the chip", 10.5, width=frame.w - 0.2,
             bold=True)
    peaks = sorted(((chip.peak(d), d) for d in chip.dtypes), reverse=True)
    room = frame.h - 1.2
    step = min(0.55, room / len(peaks))
    for i, (peak, dtype) in enumerate(peaks):
        y = frame.y + frame.h - 1.0 - i * step
        pen.text(frame.x + 0.62, y, dtype, 10, width=0.5, ha="right")
        length = max(0.02, (frame.w - 2.0) * peak / peaks[0][0])
        pen.box(Box(frame.x + 0.72, y - 0.3 * step, length, 0.6 * step), MATRIX, tint=0.5)
        pen.text(frame.x + 0.8 + length, y, peak_rate(peak, dtype, 3), 9.5, ha="left", width=frame.w - length - 0.85)
    if isinstance(chip.core, RooflineCore):
        pen.text(frame.x + frame.w / 2, frame.y + 0.2, f"large products reach {chip.core.efficiency:.0%} of it", 9,
                 width=frame.w - 0.2, colour=MUTED)


# --- links and caption ------------------------------------------------------------------------------------------------

def _links(pen: Pen, chip: Chip, per: float) -> None:
    """Draw the way to other chips, below the chip."""
    x = CHIP[0] + 0.7
    if chip.link is None:
        return
    link = chip.link
    pen.arrow((x, BOTTOM - 0.02), (x, 0.62), _shaft(link.bandwidth, per), LINK)
    named = f" of {link.type}" if link.type else ""
    words = [f"{link.count} link{'s' * (link.count != 1)}{named}, {quantity(link.bandwidth, 'B/s')} one way together"]
    words += [link.topology] if link.topology else []
    words += [f"up to {link.pod:,} chips"] if link.pod > 1 else []
    at = x + _shaft(link.bandwidth, per) / 2 + 0.18
    pen.text(at, 0.93, "  ·  ".join(words), 10.5, width=WIDTH - at - 0.45, ha="left", bold=True)


def _caption(pen: Pen, chip: Chip, per: float) -> None:
    """Say what is to scale, with an arrow of a round bandwidth as the scale."""
    round_ = next(r for r in (1e12, 1e13, 1e14, 1e15, 1e16, 1e18, 1e24) if r / 1e12 * per >= 0.05)
    pen.arrow((0.45, 0.28), (0.95, 0.28), _shaft(round_, per), MUTED)
    scale = ("To scale: widths of arrows into, on and out of the chip" if chip.cache
             else "To scale: widths of arrows into and out of the chip")
    more = {
        "systolic": "on the chip, areas of on-chip memories; in the core, arrays and vector unit by operations per "
                    "cycle, and its arrows among themselves",
        "gpu": "on the chip, areas of on-chip memories; in the core, memories by bytes, engines by operations per "
               "cycle, and its arrows among themselves",
        "roofline": "the bars of peaks",
    }[chip.kind]
    pen.text(1.05, 0.28, f"= {quantity(round_, 'B/s')}.  {scale}; {more}. Device memory is not.", 8,
             width=WIDTH - 1.5, ha="left", colour=MUTED)
