"""The software pipeline of one SM: copies run stages ahead of the matrix engine, for one block or several.

A block walks K in steps. Each step's operands are copied into a stage of shared memory, multiplied, and the stage is
free for a later step. What happens in which order, for step i of each of R resident blocks, which take turns:

* ``issue[i]``: the copy of step i starts when its stage is free. A producer warp waits for the instructions that read
  the stage to complete (step i - S) and for the barrier that says so. Warps that copy and multiply in turn (coupled)
  start it with the step before the next use of the stage: ``start[i - S + 1]``.
* ``arrive[i]``: a latency later its bytes pass the port into shared memory, after those of all copies before.
* ``start[i]``: the engine starts once a barrier has told of the arrival, the block's own step before is done (with a
  gap for barriers, unless another group of warps fills it), and no other block has the engine.
* ``free[i]``: the results of the last instruction are complete, a tail after its issue interval.

These are sums and maxima, so the pace is that of the slowest circuit: the engine, the port, a block's own chain of
steps, or the turn-around of a stage over the stages. `pipeline` gives that closed form, `timeline` every event.

Times are cycles of the SM clock, rates bytes per cycle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.tensor_instruction import TileStep

ISSUE, ARRIVE, START, END, FREE = 0, 1, 2, 3, 4
"""Columns of a timeline."""

CHUNK = 32.0
"""Columns of a tile that one turn of an epilogue moves (epilogue tiles of CUTLASS are 64 x 32)."""


class Sm(NamedTuple):
    """What a pipeline needs to know of an SM beside its engine."""

    barrier: float  # cycles from a barrier's last arrival until waiting warps run, and of their code beside the step
    shared_latency: float  # cycles of a load from shared memory
    commit: float  # cycles that the engine idles between two steps of one group of warps
    coupled: float  # 1 if the warps that multiply also copy, 0 if copies are a warp's own job
    copy: float  # cycles of issue per byte that such warps copy
    prologue: float  # cycles from a block's start to its first copy, and of other code that runs once
    epilogue: float  # cycles of a block's end beside moving its bytes
    shared_read: float
    shared_write: float
    accumulator_read: float  # from accumulators to registers; 0 if they lie there


class Block(NamedTuple):
    """How a kernel runs a tile."""

    stages: float
    resident: float  # blocks that share the SM
    groups: float  # groups of warps whose instructions alternate on a block's tile
    fetched: float  # bytes copied per step
    accumulators: float  # bytes of one tile
    result: float  # bytes of one tile that leave the SM
    cols: float  # columns of the tile


class Supply(NamedTuple):
    """What reaches this SM from L2 and device memory, as loaded as they are."""

    latency: float  # cycles from a copy's issue to its first byte
    port: float  # bytes per cycle into shared memory
    flight: float  # bytes that may be in flight; infinite if only the stages limit them
    store: float  # bytes per cycle out of the SM


class Pipeline(NamedTuple):
    """The pace of a pipeline in cycles, and what sets it. Per step: each resident block advances by one."""

    prologue: float  # from a block's start until its first instruction
    step: float
    epilogue: float  # from the last instruction until the block's results have left
    engine: float  # of one block's step
    fetch: float  # of one block's step
    own: float  # from one step of a block to its next, were all data there
    turn: float  # of a stage: from one use to the next
    uses: float  # steps that one turn-around spans
    alone: float
    tail: float
    latency: float  # from a copy's first instruction to its first byte
    barrier: float
    resident: float
    coupled: float


@njit(cache=True)
def pipeline(sm: Sm, step: TileStep, block: Block, supply: Supply) -> Pipeline:
    """Return prologue, step and epilogue of a block's pipeline.

    Copies in flight are rate x latency (Little), so a limit on them is a limit on the rate.
    """
    rate = min(supply.port, supply.flight / supply.latency) if supply.latency > 0.0 else supply.port
    fetch = block.fetched / rate
    issue = block.fetched * sm.copy
    latency = issue + supply.latency
    if sm.coupled > 0.0:
        # the first slice of the next stage is loaded beside the last slice of this one
        gap = sm.barrier + issue + max(0.0, sm.shared_latency - step.slice)
        turn = latency + fetch + sm.barrier
        uses = max(1.0, block.stages - 1.0)
    else:
        gap = sm.commit
        turn = sm.barrier + latency + fetch + sm.barrier + step.alone + step.tail
        uses = block.stages
    own = max(step.alone, step.alone / block.groups + gap)
    pace = max(block.resident * step.cycles, block.resident * fetch, own, turn / uses)
    return Pipeline(
        prologue=sm.prologue + latency + fetch + sm.barrier, step=pace,
        epilogue=_epilogue(sm, step, block, supply), engine=step.cycles, fetch=fetch, own=own, turn=turn, uses=uses,
        alone=step.alone, tail=step.tail, latency=latency, barrier=sm.barrier, resident=block.resident,
        coupled=sm.coupled,
    )


@njit(cache=True)
def _epilogue(sm: Sm, step: TileStep, block: Block, supply: Supply) -> float:
    """Cycles from the last instruction until a tile's results have left.

    Results go through shared memory, so that whole lines leave. Bulk stores of one chunk leave while the next is
    converted. Coupled kernels exchange the accumulators themselves and store from registers, in turn.
    """
    leave = block.result / supply.store
    if sm.coupled > 0.0:
        staging = block.accumulators / sm.shared_write + block.accumulators / sm.shared_read
        return step.tail + sm.epilogue + staging + leave
    staging = block.result / sm.shared_write
    if sm.accumulator_read > 0.0:
        staging = max(staging, block.accumulators / sm.accumulator_read)
    chunks = max(1.0, block.cols / CHUNK)
    return step.tail + sm.epilogue + max(staging, leave) + min(staging, leave) / chunks


@njit(cache=True)
def _loop(p: Pipeline, steps: float, resident: float, filled: float) -> float:
    """Return `mainloop` with another number of resident blocks.

    The last step starts after the longest chain of events that leads to it. A chain advances by S steps per
    turn-around of a stage, by one per step of its block, and by one block on the engine or the port; its length grows
    linearly with the numbers of each, so the longest is at an end of their ranges.
    """
    away, between = steps - 1.0, resident - 1.0
    pace = max(p.engine, p.fetch)  # from a block to the next
    first, before = p.latency + p.fetch + p.barrier, pace
    if filled > 0.0:  # operands of the first turn are there: the port holds nothing up
        first, before = 0.0, p.engine
    longest = max(resident * before, p.own) * away + between * before
    most = float(math.floor(away / p.uses))
    for turns in (min(1.0, most), most):
        if turns > 0.0:
            rest = away - turns * p.uses
            longest = max(longest, turns * p.turn + max(resident * pace, p.own) * rest + between * pace)
    return first + longest + p.alone


@njit(cache=True)
def mainloop(p: Pipeline, steps: float, filled: float) -> float:
    """Cycles from the first copy of `steps` steps until the last instruction of all resident blocks.

    With `filled`, from the first instruction of stages that were filled while an epilogue ran.
    """
    return _loop(p, steps, p.resident, filled)


@njit(cache=True)
def tile_cycles(p: Pipeline, steps: float, persistent: float, double: float) -> float:
    """Cycles that one round of tiles (one for each resident block) takes of an SM, among many.

    Blocks that share an SM drift apart until the prologue and epilogue of one run beside the steps of another: a round
    is then what engine and port take for all, or what one block takes by itself. However tiles follow each other, a
    stage is not used again before it has turned around. Two sets of accumulators are each filled and emptied once in
    two rounds, and the warps that empty them do so one after the other.

    Parameters
    ----------
    persistent
        1 if blocks walk over tiles, so that the next tile's copies run while this one's results leave.
    double
        1 if the next tile's accumulators are others (a second set, or another group of warps), so that its
        instructions run meanwhile too.
    """
    if double > 0.0:
        held = (steps - 1.0) * p.step + p.alone + p.epilogue
        return max(steps * p.step, held / 2.0, p.epilogue - p.tail)
    shared = p.resident * steps * max(p.engine, p.fetch)
    if persistent > 0.0:
        return max(shared, steps * p.turn / p.uses, _loop(p, steps, 1.0, 1.0) + p.epilogue)
    start = p.prologue - (p.latency + p.fetch + p.barrier)
    return max(shared, start + _loop(p, steps, 1.0, 0.0) + p.epilogue)


@njit(cache=True)
def timeline(p: Pipeline, steps: int, filled: float) -> NDArray[np.float64]:
    """Return issue, arrival, start, end and release of every step, in cycles from the first copy.

    With `filled`, from the first instruction of stages that were filled before.

    Returns
    -------
    array of float64, shape (steps, resident, 5)
        Columns as `ISSUE`, `ARRIVE`, `START`, `END`, `FREE`.
    """
    resident, uses = int(p.resident), int(p.uses)
    events = np.zeros((steps, resident, 5))
    port = engine = 0.0
    for i in range(steps):
        for r in range(resident):
            issue = 0.0
            if i >= uses:
                issue = events[i - uses, r, START] if p.coupled > 0.0 else events[i - uses, r, FREE] + p.barrier
            arrive = -p.barrier
            if filled == 0.0 or i >= uses:
                arrive = port = max(issue + p.latency, port) + p.fetch
            start = max(arrive + p.barrier, engine)
            if i > 0:
                start = max(start, events[i - 1, r, START] + p.own)
            engine = start + p.engine
            end = start + p.alone
            events[i, r, ISSUE], events[i, r, ARRIVE], events[i, r, START] = issue, arrive, start
            events[i, r, END], events[i, r, FREE] = end, end + p.tail
    return events
