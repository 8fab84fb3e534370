"""Animation of a small systolic array: every operand and partial sum, cycle by cycle, as a GIF."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.errors import ArchsimError
from archsim.report.array import title
from archsim.report.array_trace import doing
from archsim.report.array_wave import MEANING, Tags, Wave, label
from archsim.report.canvas import settings
from archsim.report.theme import FAINT, INK, MUTED, OPERAND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from PIL.Image import Image

    Place = tuple[int, int]

MOST_CYCLES = 120
"""Frames of the longest animation: more than a minute."""
MOST_BYTES = 2_000_000
"""Largest file: what mail and chat still show. A longer animation is drawn smaller."""
SHARES = (1.0, 0.85, 0.7, 0.55)
"""How much smaller: with the last, labels of 8 x 8 processing elements can just be read."""
MOST_SIDE = 8
"""Processing elements along a side that can still be labelled."""
QUEUE = 3
"""Elements shown before they enter, and sums after they have left."""
DPI = 125
BUSY = "#FFF3D6"


def check_side(rows: int, cols: int) -> None:
    """Refuse an array that is too large to label.

    Raises
    ------
    ArchsimError
        If it is.
    """
    if max(rows, cols) > MOST_SIDE:
        raise ArchsimError(f"an animation labels at most {MOST_SIDE} x {MOST_SIDE} processing elements, not "
                           f"{rows} x {cols}: give smaller --rows and --cols")


def animation(wave: Wave, seconds_per_cycle: float = 0.7) -> bytes:
    """Draw a product's way through the array as a GIF, one frame a cycle.

    Left, the array: operands wait at its edges, staggered as they enter; each processing element shows its registers;
    results leave below. Right, the share of processing elements that multiply in each cycle, and when operands enter
    and results leave.

    Raises
    ------
    ArchsimError
        If the array is too large to label, or the file would be larger than `MOST_BYTES`.
    """
    from PIL import Image

    check_side(wave.count.rows, wave.count.cols)
    with settings():
        stage = _Stage(wave)
        frames = [Image.fromarray(stage.frame(t)) for t in range(wave.cycles)]
    return _gif(frames, seconds_per_cycle)


def _gif(frames: list[Image], seconds: float) -> bytes:
    """Encode frames with one palette, so that what does not change between two costs nothing; smaller if need be.

    Raises
    ------
    ArchsimError
        If the smallest is still larger than `MOST_BYTES`.
    """
    from PIL.Image import Dither, Resampling

    palette = _palette()
    duration = [round(1000 * seconds)] * (len(frames) - 1) + [2500]  # rest on the result
    width, height = frames[0].size
    for share in SHARES:
        size = round(share * width), round(share * height)
        scaled = frames if share == 1.0 else [f.resize(size, Resampling.LANCZOS) for f in frames]
        few = [f.quantize(palette=palette, dither=Dither.NONE) for f in scaled]
        out = io.BytesIO()
        few[0].save(out, "GIF", save_all=True, append_images=few[1:], duration=duration, loop=0, optimize=True)
        if out.tell() <= MOST_BYTES:
            return out.getvalue()
    raise ArchsimError(f"an animation of {len(frames)} cycles takes {out.tell() / 1e6:.1f} MB, more than "
                       f"{MOST_BYTES / 1e6:g}: give a smaller product")


def _palette() -> Image:
    """Return an image with our colours and steps from each to white, which smooth the edges of letters and lines."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    colours = [(c, share) for c in (*OPERAND.values(), INK, MUTED) for share in (1.0, 0.6, 0.25)]
    colours += [(FAINT, 1.0), (BUSY, 1.0), (BUSY, 0.0)]
    made = Image.new("P", (1, 1))
    made.putpalette([round(255 * (1 - share * (1 - part))) for c, share in colours for part in to_rgb(c)])
    return made


class _Pill:
    """A label on a rounded patch; an empty label hides it. What waits or passes is hollow."""

    def __init__(self, ax: Axes, x: float, y: float, colour: str, size: float, hollow: bool = False) -> None:
        from matplotlib.patches import FancyBboxPatch

        width, height = 0.84, 0.29
        self.patch = FancyBboxPatch((x - width / 2, y - height / 2), width, height, lw=0.9, ec=colour,
                                    boxstyle="round,pad=0,rounding_size=0.1", fc="white" if hollow else colour)
        ax.add_patch(self.patch)
        self.size = size
        self.text = ax.text(x, y + 0.01, "", ha="center", va="center", fontsize=size,
                            color=colour if hollow else "white")

    def show(self, text: str) -> None:
        """Show a label, or nothing."""
        self.patch.set_visible(bool(text))
        self.text.set_text(text)
        self.text.set_fontsize(self.size * min(1.0, 6 / max(1, len(text))))


class _Stage:
    """The figure, drawn once; `frame` changes what moves."""

    def __init__(self, wave: Wave) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.wave = wave
        self.figure = Figure(figsize=(10.4, 6.6), dpi=DPI)
        self.canvas: Any = FigureCanvasAgg(self.figure)
        self._array()
        self._words()
        self._curve()

    def _array(self) -> None:
        """Draw the processing elements, and queues around them."""
        from matplotlib.patches import FancyBboxPatch

        flow, rows, cols = self.wave.flow, self.wave.count.rows, self.wave.count.cols
        ax = self.figure.add_axes((0.01, 0.01, 0.62, 0.91))
        ax.axis("off")
        ax.set(xlim=(-QUEUE - 0.6, cols - 0.4), ylim=(rows + 0.75, -1.75))
        ax.set_aspect("equal")
        ax.apply_aspect()
        pixels = float(ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0])
        self.size = size = min(11.0, 0.21 * pixels * 72 / DPI)
        self.room = 0.9 * pixels * 72 / DPI / 0.68  # points of width of a PE over those of a bold character of 1 point
        self.cells: dict[Place, Any] = {}
        self.right: dict[Place, _Pill] = {}
        self.down: dict[Place, _Pill] = {}
        self.stays: dict[Place, Text] = {}
        self.beside: dict[Place, Text] = {}
        for r, c in np.ndindex(rows, cols):
            cell = FancyBboxPatch((c - 0.46, r - 0.46), 0.92, 0.92, boxstyle="round,pad=0,rounding_size=0.08", lw=1.0)
            self.cells[r, c] = ax.add_patch(cell)
            self.right[r, c] = _Pill(ax, c, r - 0.28, OPERAND[flow.right], size)
            self.down[r, c] = _Pill(ax, c, r + 0.28, OPERAND[flow.down], size)
            stays: dict[str, Any] = {"va": "center", "color": OPERAND[flow.stays]}
            self.stays[r, c] = ax.text(c, r, "", fontweight="bold", **stays)
            self.beside[r, c] = ax.text(c, r, "", **stays)
        steps = range(1, QUEUE + 1)
        top = flow.down if flow.stays == "c" else flow.stays
        self.left_queue = {(r, d): _Pill(ax, -d - 0.03, r - 0.28, OPERAND[flow.right], size, hollow=True)
                           for r in range(rows) for d in steps}
        self.top_queue = {(c, d): _Pill(ax, c, -0.36 - 0.36 * d, OPERAND[top], size, hollow=True)
                          for c in range(cols) for d in steps}
        self.bottom = {(c, d): _Pill(ax, c, rows - 0.64 + 0.36 * d, OPERAND["c"], size)
                       for c in range(cols) for d in steps}

    def _words(self) -> None:
        """Write what does not change, and places for what does."""
        from matplotlib.lines import Line2D

        flow = self.wave.flow
        self.figure.text(0.015, 0.95, title(self.wave.count), fontsize=12.5, fontweight="bold")
        self.clock = self.figure.text(0.665, 0.865, "", fontsize=19, fontweight="bold")
        self.doing = self.figure.text(0.665, 0.825, "", fontsize=10.5, color=MUTED)
        second = "finished, draining" if flow.stays == "c" else "the next tile"
        beside = f"; small: {second}" if self.wave.count.shadow else ""
        words = [(flow.right, "moves right"), (flow.down, "moves down"), (flow.stays, f"stays{beside}")]
        for i, (letter, what) in enumerate(words):
            y = 0.125 - 0.036 * i
            self.figure.add_artist(Line2D([0.674], [y + 0.008], marker="s", ms=8, color=OPERAND[letter]))
            example = "row 3, column 1" if i == 0 else ""
            self.figure.text(0.688, y, f"{letter}31, {MEANING[letter]}{', ' * bool(example)}{example}: {what}",
                             fontsize=8.5)
        lanes = self.wave.count.rows_per_cycle
        if lanes > 1:
            step = (1, 0) if self.wave.count.dataflow == "ws" else (0, 1)  # M streams, else columns of what moves right
            several = label(flow.right, np.array([np.add((3, 1), np.multiply(lane, step)) for lane in range(lanes)]))
            self.figure.text(0.688, 0.017, f"{several}: {lanes} elements in one PE", fontsize=8.5)

    def _curve(self) -> None:
        """Draw the share of busy PEs over time, and lanes that show when words cross the array's edges."""
        wave = self.wave
        self.busy = 100.0 * wave.busy.mean(axis=(1, 2))
        ax = self.figure.add_axes((0.715, 0.395, 0.27, 0.365))
        ax.set(xlim=(0, wave.cycles), ylim=(0, 105), ylabel="PEs that multiply, %")
        ax.step(range(wave.cycles + 1), [*self.busy, self.busy[-1]], where="post", color=FAINT, lw=1.4)
        (self.line,) = ax.step([], [], where="post", color=INK, lw=1.8)
        self.average = ax.text(0.0, 1.02, "", transform=ax.transAxes, fontsize=9, color=MUTED)
        lanes = self.figure.add_axes((0.715, 0.235, 0.27, 0.13), sharex=ax)
        top = wave.flow.down if wave.flow.stays == "c" else wave.flow.stays
        crossing = {wave.flow.right: wave.right[:, :, :, 0], top: wave.entering, "c": wave.leaving}
        names = {"a": "A enters", "b": "B enters", "c": "C leaves"}
        for i, letter in enumerate("abc"):
            inside = (crossing[letter][..., 0] >= 0).any(axis=(1, 2))
            lanes.broken_barh([(int(t), 1) for t in np.flatnonzero(inside)], (i - 0.36, 0.72), color=OPERAND[letter],
                              lw=0)
        lanes.set(ylim=(2.6, -0.6), xlabel="cycle")
        lanes.set_yticks(range(3), list(names.values()), fontsize=8)
        lanes.tick_params(axis="y", length=0)
        lanes.grid(axis="y", visible=False)
        ax.tick_params(labelbottom=False)
        self.now = [a.axvline(0, color=INK, lw=0.8) for a in (ax, lanes)]

    def _middle(self, r: int, c: int, stays: str, beside: str) -> None:
        """Write what stays in a PE, and beside it what is in its second register or passes, as large as they fit."""
        if len(stays) + len(beside) > 8:
            beside = beside.replace(self.wave.flow.stays, "")  # its colour says what it is
        for text, shown, x in ((self.stays[r, c], stays, -0.44), (self.beside[r, c], beside, 0.44)):
            alone = not (stays and beside)
            text.set(text=shown, x=c if alone else c + x, ha="center" if alone else "left" if x < 0 else "right",
                     fontsize=min(self.size, self.room / max(1, len(stays) + len(beside) + (not alone))))
        self.beside[r, c].set_alpha(1.0 if beside.startswith("↓") else 0.6)

    def frame(self, t: int) -> Tags:
        """Draw cycle `t` and return its pixels (height, width, 3)."""
        wave, flow = self.wave, self.wave.flow
        for (r, c), cell in self.cells.items():
            busy = bool(wave.busy[t, r, c])
            cell.set(facecolor=BUSY if busy else "white", edgecolor=INK if busy else FAINT)
            self.right[r, c].show(label(flow.right, wave.right[t, :, r, c]))
            self.down[r, c].show(label(flow.down, wave.down[t, :, r, c]))
            passing = label(flow.stays, wave.passing[t, :, r, c])
            self._middle(r, c, label(flow.stays, wave.stays[t, :, r, c]),
                         f"↓{passing}" if passing else label(flow.stays, wave.second[t, :, r, c]))
        top = flow.down if flow.stays == "c" else flow.stays
        for (r, d), pill in self.left_queue.items():
            pill.show(label(flow.right, wave.right[t + d, :, r, 0]) if t + d < wave.cycles else "")
        for (c, d), pill in self.top_queue.items():
            pill.show(label(top, wave.entering[t + d, :, c]) if t + d < wave.cycles else "")
        for (c, d), pill in self.bottom.items():
            pill.show(label("c", wave.leaving[t - d, :, c]) if t >= d else "")
        self.clock.set_text(f"cycle {t + 1} of {wave.cycles}")
        self.doing.set_text(doing(wave, t))
        self.line.set_data(range(t + 2), [*self.busy[: t + 1], self.busy[t]])
        for mark in self.now:
            mark.set_xdata([t + 0.5, t + 0.5])
        self.average.set_text(f"now {self.busy[t]:.0f} %, average so far {self.busy[: t + 1].mean():.0f} %")
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[:, :, :3].copy()
