"""Theme: one meaning per colour, the same in every table and figure.

Colours are from the Okabe-Ito set, which people with any of the common colour deficiencies can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence

INK = "#1F2933"
MUTED = "#6B7785"
FAINT = "#D5DAE0"

BOUND: dict[str, str] = {
    "matrix": "#0072B2",
    "vector": "#009E73",
    "scratchpad": "#CC79A7",
    "hbm": "#D55E00",
    "launch": "#8A8F98",
}
"""What bound an operator; the keys are `archsim.timing.BOUNDS`."""

BOUND_NAME: dict[str, str] = {
    "matrix": "matrix engine",
    "vector": "vector unit",
    "scratchpad": "scratchpad or L2",
    "hbm": "HBM",
    "launch": "launch and fill",
}
"""What a sentence or a legend calls it."""

BOUND_SHORT: dict[str, str] = {**{b: b for b in BOUND}, "launch": "launch+fill"}
"""The same in a table's column."""

COST: dict[str, str] = {"depreciation": "#3D5A73", "energy": "#E9B949"}
"""Parts of a cost."""

OPERAND: dict[str, str] = {"a": "#0072B2", "b": "#009E73", "c": "#D55E00"}
"""Operands and sums of a product, c = a b."""

PHASE_MARKER: dict[str, str] = {"prefill": "o", "decode": "D", "run": "o"}
SPARE_MARKERS: Sequence[str] = ("s", "^", "v", "P")

CONFIDENCE: dict[str, str] = {
    "published": "green",
    "published-unverified": "yellow",
    "derived": "cyan",
    "estimated": "magenta",
    "hypothetical": "red",
}
"""Terminal colours of how far a figure can be trusted."""

SEVERITY: dict[str, str] = {"error": "bold red", "warn": "yellow", "info": "dim"}
"""Terminal colours of what a check found."""

KIND: dict[str, str] = {"systolic": "#E69F00", "gpu": "#56B4E9", "roofline": "#9AA3AD"}
"""Kinds of chips."""

VENDOR_MARKER: dict[str, str] = {"Google": "o", "AWS": "D", "Amazon": "D", "NVIDIA": "s", "AMD": "^"}
"""Vendors of chips; all others have `OTHER_MARKER`."""
OTHER_MARKER = "v"

RC: dict[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#EEF1F4",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 100.0,
    "savefig.dpi": 160.0,
    "svg.fonttype": "none",
}
"""Settings of matplotlib, applied only while one of our figures is made."""
