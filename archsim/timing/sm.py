"""One SM by itself: a tile's software pipeline, event by event, and the three numbers that come of it.

`run` is the micro-benchmark of a tile: one block (or several that share the SM) walks K while the rest of the chip
idles. `engine` and `sm` are a chip's figures as the kernels take them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from archsim.dtypes import BYTES, arithmetic
from archsim.errors import ArchsimError, UnsupportedError, expect, positive_int, unknown
from archsim.hardware import Chip, GpuCore
from archsim.kernels import sm_pipeline as kernel
from archsim.kernels import tensor_instruction as instruction

LEVELS = {"l2": "L2, in the SM's own partition", "far": "L2, in another partition", "dram": "device memory"}
"""Where a block's operands may come from. ``far`` is the cache behind L2 where there is one."""

BOUNDS = {"engine": "the tensor core", "port": "the bytes that arrive",
          "barriers": "barriers between a block's steps", "turn-around": "the turn-around of a stage"}
"""What sets the pace of a pipeline."""

ROUNDS = {"blocks": "a new block for each", "persistent": "one block walks over them, copies run ahead",
          "double": "the same, with a second set of accumulators"}
"""How kernels run one tile after another."""

EXCHANGED = 8.0
"""Rows of a warp's tile that it brings to shared memory in one turn of an epilogue: those of one fragment of its
accumulators (CUTLASS's DefaultEpilogueTensorOp for warp-level instructions)."""

LONGEST = 100_000
"""Steps of the longest run."""


class Step(NamedTuple):
    """One pipeline step of one resident block, in cycles from the block's first copy."""

    step: int
    block: int
    stage: int
    issue: float  # of the copy
    arrive: float  # of its last byte
    start: float  # of the tensor core
    end: float  # of the tensor core's last instruction
    free: float  # of the stage


@lru_cache(maxsize=1024)
def engine(chip: Chip, dtype: str) -> instruction.Engine:
    """Return the matrix engine of one SM for operands of `dtype`, as the kernels take it.

    Raises
    ------
    UnsupportedError
        If the chip has no SMs, or its matrix engine does not take the dtype.
    """
    core = _core(chip)
    t, beside = core.tensor, float(core.tensor.asynchronous)
    return instruction.Engine(
        macs=t.macs[chip.check_dtype(dtype)], sub_cores=1.0 if beside else float(t.sub_cores),
        rows=float(t.fetch_rows if beside else t.rows), cols=float(t.fetch_cols if beside else t.cols),
        k_bytes=float(t.k_bytes), depth=t.depth, pair_depth=t.pair_depth, fold_depth=t.fold_depth, commit=t.commit,
        in_order=beside, a_first=float(t.a_first), from_shared=beside, warp_rows=float(t.fetch_rows),
        warp_cols=float(t.fetch_cols), shared_read=core.shared.read_bytes, register_read=core.register_read,
        one_port=float(core.shared_one_port),
    )


@lru_cache(maxsize=256)
def sm(chip: Chip) -> kernel.Sm:
    """Return what a pipeline needs to know of one SM beside its matrix engine, as the kernels take it.

    Where warps copy and multiply in turn, every warp instruction of a copy is issued beside its addresses, by all
    sub-cores; and an epilogue exchanges `EXCHANGED` rows of a warp's tile at a time, between two barriers and behind a
    load from shared memory. Bulk copies and stores are one thread's instruction each.
    """
    core = _core(chip)
    coupled = 0.0 if core.tensor.asynchronous else 1.0
    exchange = core.tensor.fetch_rows / EXCHANGED * (2.0 * core.barrier + core.shared_latency)
    return kernel.Sm(
        barrier=core.barrier, shared_latency=core.shared_latency, commit=core.tensor.commit, coupled=coupled,
        copy=coupled * (1.0 + core.address_ops) / core.tensor.sub_cores / instruction.WARP_LOAD,
        prologue=core.prologue + core.product_code, epilogue=core.epilogue + coupled * exchange,
        shared_read=core.shared.read_bytes, shared_write=core.shared.write_bytes,
        accumulator_read=core.accumulator_read if core.tensor.tensor_memory else 0.0,
    )


def _core(chip: Chip) -> GpuCore:
    core = expect("timing.sm", chip, Chip, "chips.get").core
    if not isinstance(core, GpuCore):
        raise UnsupportedError(f"{chip.name} has no SMs ({chip.kind}): give a chip with a GpuCore")
    return core


@dataclass(frozen=True, eq=False)
class SmRun:
    """A tile's pipeline on one SM. Times are cycles of the SM clock.

    `step` is the cycles in which each of the resident blocks advances by one step, once the pipeline runs evenly;
    `cycles` is the whole run, from the blocks' start until the last results have left.
    """

    chip: Chip
    dtype: str
    bm: int
    bn: int
    bk: int  # elements of K per step
    k: int
    stages: int
    resident: int
    pair: int
    level: str  # where operands come from: a key of `LEVELS`
    steps: int
    stage_bytes: int
    latency: float  # of a copy, to its first byte
    prologue: float  # from a block's start to its first instruction
    step: float
    epilogue: float  # from the last instruction until the results have left
    cycles: float
    engine: float  # what the tensor core takes for a step of all resident blocks
    fetch: float  # what the port takes
    own: float  # from one step of a block to its next, were all data there
    turn: float  # of a stage, from one use to the next
    port: float  # bytes per cycle into shared memory
    bound: str  # what sets the pace: a key of `BOUNDS`
    instructions: float  # of one step of one block
    rounds: Mapping[str, float]  # cycles of a round of tiles, one per resident block, by a key of `ROUNDS`
    flight: float  # bytes that may be in flight, infinite if the stages alone limit them
    interval: float  # of one instruction
    completion: float  # of one instruction
    rows: float  # of one instruction, per SM
    cols: float
    peak: float  # multiply-adds per cycle
    events: tuple[Step, ...] = field(repr=False)  # of the first steps
    last: tuple[Step, ...] = field(repr=False)  # of the last steps

    @property
    def macs(self) -> int:
        """Multiply-adds of all resident blocks."""
        return self.bm * self.bn * self.k * self.resident

    @property
    def utilization(self) -> float:
        """Share of the tensor core's peak, prologue and epilogue included."""
        return self.macs / (self.cycles * self.peak)

    @property
    def steady(self) -> float:
        """Share of the tensor core's peak that an endless K would reach."""
        return self.bm * self.bn * self.bk * self.resident / (self.step * self.peak)

    @property
    def asynchronous(self) -> bool:
        """Whether copies and instructions run beside the warps, so that all stages can be under way at once."""
        return _core(self.chip).tensor.asynchronous

    @property
    def source(self) -> str:
        """Where operands come from, in words."""
        cache = self.chip.cache
        assert cache is not None
        if self.level == "far" and cache.beyond:
            return "the cache behind L2"
        return "L2" if cache.partitions == 1 and self.level != "dram" else LEVELS[self.level]

    @property
    def fitting(self) -> int:
        """The most stages that shared memory holds, and registers on the way there."""
        core = _core(self.chip)
        return int(core.shared.capacity / (self.stage_bytes * self.resident)) + core.through_registers

    @property
    def first(self) -> float:
        """Cycles from a block's start to its first copy, which the events count from."""
        return self.prologue - self.events[0].start


def run(
    chip: Chip, bm: int, bn: int, k: int, dtype: str = "bf16", *, bk: int | None = None, stages: int | None = None,
    resident: int = 1, pair: int = 1, level: str | None = None, flight: float = math.inf, shown: int | None = None,
) -> SmRun:
    """Run the pipeline of one tile on one SM of a chip that is otherwise idle.

    Parameters
    ----------
    chip
        With a GpuCore.
    bm, bn
        Rows and columns of the tile of one SM.
    k
        Length of the product, elements; the last step may be part empty.
    dtype
        Of the operands; of a format with scales, what is multiplied counts.
    bk
        Elements of K per step; 128 bytes if not given, 64 for warp-level instructions, whose kernels use these.
    stages
        Of the pipeline; as many as fit, up to the chip's, if not given.
    resident
        Blocks that share the SM.
    pair
        SMs that share B (up to the chip's `TensorCore.pair`): each copies and holds its part of it.
    level
        Where operands are: ``l2``, ``far`` (another partition of L2, or the cache behind it) or ``dram``. If not
        given: where a block that is run again and again finds them, by the bytes it reads.
    flight
        Bytes that the SM may have in flight, if something else than its stages limits them.
    shown
        Steps at the start, and as many at the end, whose events are kept; four turns of the stages if not given.

    Returns
    -------
    SmRun

    Raises
    ------
    ArchsimError
        A size is not a whole number of at least 1, nothing may be in flight, the tile does not fit the SM, the level
        is not known.
    UnsupportedError
        The chip has no SMs, or does not take the dtype.
    """
    core = _core(chip)
    dtype = chip.check_dtype(arithmetic(dtype))
    size = BYTES[dtype]
    bm, bn, k = positive_int("bm", bm, 4096), positive_int("bn", bn, 4096), positive_int("k", k)
    resident, pair = positive_int("resident", resident, 32), positive_int("pair", pair)
    if pair not in (1, core.tensor.pair):
        spans = f"span {core.tensor.pair}" if core.tensor.pair > 1 else "do not span SMs"
        raise ArchsimError(f"instructions of {chip.name} {spans}: pair must be "
                           f"{' or '.join(map(str, sorted({1, core.tensor.pair})))}, not {pair}")
    if bk is None:
        bk = int((128 if core.tensor.asynchronous else 64) / size)
    bk = positive_int("bk", bk, 8192)
    steps = math.ceil(k / bk)
    if steps > LONGEST:
        raise ArchsimError(f"k = {k:,} is {steps:,} steps of {bk}: at most {LONGEST:,} can be run")
    stage = int(bk * (bm + bn / pair) * size)
    stages = _stages(chip, core, (bm, bn, bk), dtype, stage, stages, resident)
    if level is None:
        level = where(chip, (bm + bn / pair) * k * size * resident)
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    cache = chip.cache
    assert cache is not None
    if level == "far" and cache.partitions == 1 and not cache.beyond:
        raise ArchsimError(f"L2 of {chip.name} is one partition with no cache behind it: "
                           "level must be l2 or dram, not far")
    if not flight > 0:
        raise ArchsimError(f"flight must be a number of bytes above 0, not {flight!r}")
    e = engine(chip, dtype)
    step = instruction.tile_step(e, float(bm), float(bn), bk * size, size, float(pair), 1.0, float(stage))
    groups = 1.0 if core.tensor.tensor_memory or not core.tensor.asynchronous else min(2.0, math.ceil(bm / e.rows))
    block = kernel.Block(stages=float(stages), resident=float(resident), groups=groups, fetched=float(stage),
                         accumulators=bm * bn * 4.0, result=bm * bn * max(2.0, size), cols=float(bn))
    port = min(core.fill_bytes, core.shared.write_bytes)
    supply = kernel.Supply(latency=latency(chip, level), port=port, flight=flight, store=core.fill_bytes)
    p = kernel.pipeline(sm(chip), step, block, supply)
    shown = min(max(32, 4 * stages + 2) if shown is None else positive_int("shown", shown), steps)
    table = kernel.timeline(p, steps, 0.0)
    copied = p.prologue - (p.latency + p.fetch + p.barrier)  # when the first copy starts
    return SmRun(
        chip=chip, dtype=dtype, bm=bm, bn=bn, bk=bk, k=k, stages=stages, resident=resident, pair=pair, level=level,
        steps=steps, stage_bytes=stage, latency=p.latency, prologue=p.prologue, step=p.step, epilogue=p.epilogue,
        cycles=copied + kernel.mainloop(p, float(steps), 0.0) + p.epilogue, engine=resident * p.engine,
        fetch=resident * p.fetch, own=p.own, turn=p.turn, bound=_bound(p), port=port, peak=e.macs,
        instructions=step.instructions, rows=step.rows, cols=step.cols,
        rounds=_rounds(core, p, steps, bm * bn * 4 * resident), flight=flight,
        interval=instruction.interval(e, step.rows, step.cols, size, float(pair), 1.0),
        completion=instruction.completion(e, step.rows, step.cols, size, float(pair), 1.0),
        events=_events(table[:shown], 0, stages), last=_events(table[-shown:], steps - shown, stages),
    )


def by_stages(given: SmRun) -> tuple[SmRun, ...]:
    """Return the same run with every number of stages that fits the SM, up to the chip's deepest pipeline."""
    most = min(given.fitting, max(_core(given.chip).stages, given.stages))
    return tuple(
        run(given.chip, given.bm, given.bn, given.k, given.dtype, bk=given.bk, stages=stages, resident=given.resident,
            pair=given.pair, level=given.level, flight=given.flight, shown=1)
        for stages in range(1 if given.asynchronous else 2, most + 1))


def where(chip: Chip, read: float) -> str:
    """Return the level at which a block that is run again and again finds the `read` bytes that it reads.

    One SM's reads are kept in its own partition of L2 as far as they fit there; what does not is kept once, and half of
    every stage comes from afar, for which all of it waits.
    """
    cache = chip.cache
    assert cache is not None
    if read <= cache.capacity / cache.partitions:
        return "l2"
    return "far" if read <= cache.total else "dram"


def latency(chip: Chip, level: str) -> float:
    """Return the cycles from a copy's issue to its first byte, of an idle chip; `level` is a key of `LEVELS`."""
    core, cache = _core(chip), chip.cache
    assert cache is not None
    seconds = {"l2": cache.latency, "far": cache.far_latency or cache.last.latency, "dram": chip.memory.latency}[level]
    return seconds * chip.clock + core.bulk_latency * float(core.tensor.asynchronous)


def _stages(
    chip: Chip, core: GpuCore, tile: tuple[int, int, int], dtype: str, stage: int, stages: int | None, resident: int
) -> int:
    """Return the stages of a tile's pipeline, or say why it does not fit."""
    bm, bn, bk = tile
    name = f"{bm} x {bn} x {bk} in {dtype}" + f", {resident} blocks" * (resident > 1)
    held, room = bm * bn * 4 * resident, core.tensor.accumulators
    if held > room:
        most = int(room / 4 / resident)
        raise ArchsimError(f"{name}: accumulators take {held:,} B, and an SM of {chip.name} has {room:,.0f} B of them: "
                           f"at most {most:,} results per tile, e.g. {min(bm, most)} x "
                           f"{max(1, most // bm)}")
    least = 1 if core.tensor.asynchronous else 2
    most = int(core.shared.capacity / (stage * resident))
    most += core.through_registers and most > 0
    if most < least:
        raise ArchsimError(f"{name}: {'a stage' if least == 1 else f'{least} stages'} of {stage:,} B will not fit the "
                           f"{core.shared.capacity:,.0f} B of shared memory of an SM of {chip.name}: at most "
                           f"{int(bk * core.shared.capacity / (least * stage * resident))} of K per step")
    if stages is None:
        return max(least, min(most, core.stages))
    stages = positive_int("stages", stages, 1024)
    if stages < least:
        raise ArchsimError(f"{chip.name}'s warps copy and multiply in turn: a pipeline has 2 stages at least, not 1")
    if stages > most:
        raise ArchsimError(f"{name}: {stages} stages of {stage:,} B take {stages * stage * resident:,} B, and an SM of "
                           f"{chip.name} has {core.shared.capacity:,.0f} B of shared memory: at most {most} "
                           f"stage{'s' * (most > 1)}")
    return stages


def _rounds(core: GpuCore, p: kernel.Pipeline, steps: int, held: int) -> dict[str, float]:
    """Return the cycles of a round of tiles by the ways that kernels have; `held` is the bytes of its accumulators."""
    ways = {"blocks": (0.0, 0.0)}
    if core.tensor.asynchronous:  # kernels whose warps copy and multiply in turn start a block per tile
        ways["persistent"] = (1.0, 0.0)
        if 2 * held <= core.tensor.accumulators:
            ways["double"] = (1.0, 1.0)
    return {name: kernel.tile_cycles(p, float(steps), *way) for name, way in ways.items()}


def _bound(p: kernel.Pipeline) -> str:
    """Return what sets the pace; of equals, the engine first."""
    paces = {"engine": p.resident * p.engine, "port": p.resident * p.fetch, "barriers": p.own,
             "turn-around": p.turn / p.uses}
    if p.own == p.alone == p.engine:  # a single block whose gaps are filled: its chain is the engine's work
        paces["barriers"] = 0.0
    return max(paces, key=lambda name: paces[name])


def _events(table: np.ndarray[Any, np.dtype[np.float64]], first: int, stages: int) -> tuple[Step, ...]:
    """Return rows of a timeline as events; `first` is the number of the first step."""
    return tuple(Step(first + i, r, (first + i) % stages, *(float(x) for x in table[i, r]))
                 for i in range(table.shape[0]) for r in range(table.shape[1]))
