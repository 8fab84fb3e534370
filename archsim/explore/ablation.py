"""Ablation: what each piece of physics buys, by switching them on one after the other.

Every stage is the same model on an idealised chip: what a stage leaves out is a rate so high or a latency so low that
it costs nothing. The first stage is a plain roofline, the last is the chip as defined. Errors are split by shape: a
batch of 8 tokens and one of 8,192 stand on different pieces.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from archsim.explore.constants import Constant, Progress, by_chip, changed, constants
from archsim.explore.measured_table import Row
from archsim.explore.validate import Case, Table, plain
from archsim.hardware import Chip, GpuCore
from archsim.hardware.part import metadata_at
from archsim.workload.ops import Stream

CLASSES = ("decode-like", "skinny", "large")
FEW, SOME = 16, 256
"""Most rows (tokens) of a decode-like shape, and of a skinny one."""

FREE, FAST = 1e-9, 1e12
"""Factors that make a latency cost nothing, and a rate or a capacity suffice."""


@dataclass(frozen=True)
class Piece:
    """One piece of physics: `owns` says whether a constant is idealised where the piece is left out.

    What becomes of it is its unit's to say: a latency or a count of operations shrinks to nothing, a rate or a capacity
    grows until it suffices, a share becomes 1. `ideal` are values that other figures get then, by path.
    """

    name: str
    meaning: str
    owns: Callable[[Constant], bool] = lambda c: False
    ideal: Mapping[str, Any] = field(default_factory=dict)

    def without(self, chip: Chip) -> Chip:
        """Return the chip idealised in this piece; of a part that it lacks, nothing costs anything already."""
        values = {c.path: _ideal(c) for c in constants(chip) if self.owns(c)}
        parts = {path: v for path, v in self.ideal.items() if getattr(chip, path.split(".")[0]) is not None}
        return changed(chip, {**values, **parts})


def _ideal(c: Constant) -> float:
    assert not isinstance(c.value, Mapping)
    if c.unit in ("s", "cycle", "op"):
        return c.value * FREE
    return 1.0 if c.unit == "" else c.value * FAST


_HOST = ("core.launch", "core.stream_launch", "core.host_launch")


def _in_l2(c: Constant) -> bool:
    """Whether a constant is one of the caches that all SMs share, or of the way from them to an SM."""
    return c.path in ("core.fill_bytes", "core.l2_bytes") or (
        c.path.startswith("cache.") and not c.path.endswith(".partitions"))


def _in_sm(c: Constant) -> bool:
    """Whether a constant is a latency, a rate or a count of operations of the SM, or the latency that it covers."""
    if isinstance(c.value, Mapping) or _in_l2(c) or c.path in _HOST:
        return False
    timed = c.unit in ("cycle", "s", "op") or c.unit.endswith("/cycle")
    return c.path == "memory.latency" or (c.path.startswith("core.") and timed)


TILES = Piece("tiles", "padding to tiles that fit one SM's shared memory and accumulators")
WAVES = Piece("waves", "whole tiles on whole SMs, instead of one SM as fast as all")
L2 = Piece("L2", "bandwidth of L2 and of its ports, its capacity and latency, what it holds from the kernel before",
           _in_l2)
PIECES: tuple[Piece, ...] = (
    TILES,
    WAVES,
    Piece("SM pipeline", "operands from shared memory and registers, instruction latencies, barriers, prologue and "
          "epilogue, bytes in flight, dispatch, softmax beside the products", _in_sm),
    L2,
    Piece("HBM", "the share of its bandwidth that reads and writes reach",
          ideal={"memory.efficiency": 1.0, "memory.write_efficiency": 1.0, "memory.port": None}),
    Piece("launch", "a kernel's start and end, and a graph's", lambda c: c.path in _HOST),
    Piece("power", "a clock that falls until the power limit is met", ideal={"power.capped": False}),
)
"""Pieces in the order in which they are switched on; `WAVES` and what L2 holds are switched by more than figures."""


@dataclass(frozen=True)
class Ablation:
    """Mean absolute errors of one class of shapes, in percent, with one piece after the other switched on.

    `errors` has an entry for ``roofline`` and one for each piece, which includes all before it.
    """

    device: str
    op: str
    dtype: str
    shapes: str
    n: int
    errors: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the errors as plain data."""
        return {"device": self.device, "op": self.op, "dtype": self.dtype, "class": self.shapes, "n": self.n,
                "mape_percent": dict(self.errors)}


@dataclass(frozen=True)
class Stage:
    """The chip on which a stage times products and attention, and the one for kernels that know no tiles.

    `held` says whether L2 holds what the kernel before left there.
    """

    name: str
    chip: Chip
    streams: Chip
    held: bool

    def seconds(self, case: Case) -> float:
        """Return the seconds of a row's kernels at this stage."""
        return sum(k.seconds(self.streams if isinstance(k.op, Stream) else self.chip, held=self.held, once=True)
                   for k in case.kernels)


def stages(chip: Chip) -> list[Stage]:
    """Return the stages, by the piece that each adds; the last is the chip itself."""
    found = []
    for i, piece in enumerate(PIECES):
        streams = chip
        for left_out in PIECES[i + 1:]:
            streams = left_out.without(streams)
        tiled = _one_sm(streams) if WAVES in PIECES[i + 1:] else streams
        found.append(Stage(piece.name, tiled, streams, i >= PIECES.index(L2)))
    return found


def _one_sm(chip: Chip) -> Chip:
    """Return the chip with one SM that works as fast as all of them: no tile ever waits for a wave to fill.

    Its clock rises as far as a chip may state, for an instruction needs a cycle at least; what is left, its width does.
    """
    core = chip.core
    assert isinstance(core, GpuCore)
    clock = min(metadata_at(chip, "clock")["high"], chip.clock * chip.cores)
    wider = chip.cores * chip.clock / clock
    macs = {dtype: rate * wider for dtype, rate in core.tensor.macs.items()}
    return changed(chip, {"core.tensor.macs": macs, "core.fp32_lanes": round(core.fp32_lanes * wider), "cores": 1,
                          "clock": clock, "boost": None})


def shape_class(row: Row) -> str:
    """Return the class of a row's shape by its rows: tokens that share a weight, or ask a cache."""
    named = next((row[c] for c in ("m", "tokens", "rows") if row.get(c)), None)
    rows = float(named) if named else float(row.get("batch") or SOME + 1) * float(row.get("q_len") or 1)
    return CLASSES[0] if rows <= FEW else CLASSES[1] if rows <= SOME else CLASSES[2]


def ablate(table: Table, *, progress: Progress[Any] | None = None) -> list[Ablation]:
    """Return the errors of every class of shapes, stage by stage.

    Parameters
    ----------
    table
        What `archsim.explore.validate.load` returns.
    progress
        Wraps the stages, to show how far it is.

    Raises
    ------
    ArchsimError
        If no row was measured on a GPU.
    """
    groups = by_chip(table)
    jobs = [(cases, stage) for cases in groups.values() for stage in stages(cases[0].chip)]
    errors: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}

    def note(case: Case, stage: str, seconds: float) -> None:
        key = (*case.key, shape_class(table.rows[case.row]))
        errors.setdefault(key, {}).setdefault(stage, []).append(abs(seconds / case.seconds - 1.0))

    for cases in groups.values():
        for case in cases:
            note(case, "roofline", plain(case))
    for cases, stage in progress(jobs, lambda job: f"{job[1].streams.name}: {job[1].name}") if progress else jobs:
        for case in cases:
            note(case, stage.name, stage.seconds(case))
    return [Ablation(*key, len(by["roofline"]), {name: 100.0 * statistics.fmean(e) for name, e in by.items()})
            for key, by in sorted(errors.items(), key=lambda kv: (*kv[0][:3], CLASSES.index(kv[0][3])))]
