"""What a scheduled chip does across operators: weights loaded ahead of their use, results kept on the chip.

An ahead-of-time compiler knows what comes next. While one operator leaves device memory idle, the weights of the next
ones can come into scratchpad that no operator's blocks use, or into a scratchpad that all cores share; and a result
that fits into the latter need not visit device memory before its only reader takes it (XLA's memory-space assignment
does both). First-order model:

- Of an operator's seconds, those in which its arrays wait for device memory (`OpTime.stalls`) shrink by the transfer
  time of what is already there, and by no more; nothing else changes. So nothing becomes slower.
- Weights move once, earlier: bytes are those of the operator that uses them, the time of the transfer is that of the
  operators during which it happens. They take no more than the idle time of the memory, and no more than the room.
- Equal layers follow each other: the first of them finds what came before, the others find their own last operators.
  What comes before all of them happens once and can load for the first of them only.
  (A program that keeps layers as the body of a loop, and is not pipelined, would not load across its turns.)
- What an operator keeps whole in that scratchpad for itself (`OpTime.resident`) leaves no room for others' weights
  while it runs. Its own weights, loaded early, lie where it keeps them.
- What the operators of one layer keep or load early is not weighed against larger blocks for themselves: how much of
  the scratchpad blocks may fill is the core's `kernel_share`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import networkx as nx

from archsim.hardware import Chip, SystolicCore
from archsim.simulation.run import OpRun
from archsim.timing import OpTime
from archsim.timing.optime import pace

MEMORY = "device memory"


def schedule(rows: Sequence[OpRun], graph: nx.DiGraph, chip: Chip, chips: int) -> tuple[OpRun, ...]:
    """Return the operators of a step with what is prefetched and kept on the chip taken into account.

    Parameters
    ----------
    rows
        Operators in the order in which they run, each timed by itself.
    graph
        The graph that they are the nodes of, after fusion.
    chip
        The chip; without `SystolicCore.prefetch`, or if it is of another kind, nothing changes.
    chips
        Chips that share every operator evenly.
    """
    core = chip.core
    if not isinstance(core, SystolicCore) or not core.prefetch:
        return tuple(rows)
    room = chip.cores * core.scratchpad.capacity * (1 - core.kernel_share)
    done = list(rows)
    if chip.cache:
        room += chip.cache.capacity - _keep(done, graph, chip, chips)
    _prefetch(done, chip, chips, room)
    return tuple(done)


def _keep(rows: list[OpRun], graph: nx.DiGraph, chip: Chip, chips: int) -> float:
    """Leave results in the shared scratchpad if the next operator alone reads them; return the most bytes so kept."""
    assert chip.cache is not None
    memory, most, before = chip.memory, 0.0, 0.0
    for i, (row, after) in enumerate(pairwise(tuple(rows))):
        edge = graph.get_edge_data(row.name, after.name)
        size = edge["tensor"].bytes / chips if edge and "tensor" in edge else 0.0
        alone = size and graph.out_degree(row.name) == 1 and row.repeat == after.repeat
        if not alone or before + size > chip.cache.capacity or size > row.op.write_bytes / chips:
            before = 0.0
            continue
        near = size / chip.cache_bandwidth
        written = size / memory.sustained_write
        rows[i] = replace(row, time=_spared(rows[i].time, chip, written - near, written, size))
        read = size / memory.sustained
        rows[i + 1] = replace(after, time=_spared(rows[i + 1].time, chip, read - near, read, size))
        most, before = max(most, before + size), size
    return most


def _spared(t: OpTime, chip: Chip, seconds: float, busy: float, moved: float = 0.0) -> OpTime:
    """Return a time with up to `seconds` less waiting, `busy` seconds less of memory, and `moved` bytes less.

    It remains no shorter than any other resource is busy.
    """
    others = max((s for resource, s in t.busy.items() if resource != "hbm"), default=0.0)
    gain = max(0.0, min(seconds, t.stalls.get(MEMORY, 0.0), t.seconds - others))
    left = t.seconds - gain
    resources = {**t.busy, "hbm": max(0.0, t.busy["hbm"] - busy)}
    stalls = {**t.stalls, MEMORY: t.stalls.get(MEMORY, 0.0) - gain}
    return replace(
        t, seconds=left, cycles=left * chip.clock, hbm_bytes=max(0.0, t.hbm_bytes - moved),
        utilization=min(1.0, t.utilization * t.seconds / left), busy=resources,
        bound=pace(left, resources, stalls), stalls=stalls,
    )


@dataclass
class _Turn:
    """An operator where it runs: `count` times alike."""

    row: int
    count: int
    inputs: float = 0.0  # bytes of activations that it keeps whole beside its blocks
    weights: float = 0.0  # bytes of weights that it keeps so
    ahead: float = 0.0  # bytes of its weights that are there when it starts
    lent: float = 0.0  # bytes of others' weights that come while it runs, times how often they are used

    @property
    def own(self) -> float:
        """Bytes that it keeps, beside what is there when it starts."""
        return self.inputs + max(0.0, self.weights - self.ahead)


def _unroll(rows: Sequence[OpRun]) -> list[_Turn]:
    """Return the operators in order, equal layers as the first one and the others."""
    turns = []
    for (_, repeat), members in groupby(range(len(rows)), key=lambda i: (rows[i].layer, rows[i].repeat)):
        layer = list(members)
        turns += [_Turn(i, 1, *rows[i].time.resident) for i in layer]
        if repeat > 1:
            turns += [_Turn(i, repeat - 1, *rows[i].time.resident) for i in layer]
    return turns


def _prefetch(rows: list[OpRun], chip: Chip, chips: int, room: float) -> None:
    """Load weights in the order of their use, as early as idle memory and `room` bytes allow."""
    core = chip.core
    assert isinstance(core, SystolicCore)
    rate = min(chip.memory.sustained, chip.cores * (core.dma_rate or chip.memory.sustained))
    useful = [min(r.op.parameter_bytes / chips, r.time.stalls.get(MEMORY, 0.0) * rate) if r.op.flops else 0.0
              for r in rows]
    turns = _unroll(rows)
    held = 0.0  # bytes of weights that are there and not done with
    wanted = [(place, turn) for place, turn in enumerate(turns) if useful[turn.row] > 0]
    following = 0  # of `wanted`: the first that still lacks something
    spent = [0.0] * len(rows)  # bytes for the next of equal layers, which come while this row of the layer before runs
    for place, turn in enumerate(turns):
        time = rows[turn.row].time
        idle = max(0.0, time.seconds - time.busy["hbm"]) * rate - spent[turn.row]
        while following < len(wanted) and idle > 0:
            at, user = wanted[following]
            if user.count > turn.count and rows[user.row].layer != rows[turn.row].layer:
                break  # what comes before equal layers comes before the first of them only
            take = min(useful[user.row] - user.ahead, idle) if at > place else 0.0
            if take:  # what comes now stays while others run
                left = min(room - held - max(t.own for t in turns[place:at]), room - user.inputs - user.ahead)
                take = max(0.0, min(take, left))
            user.ahead += take
            turn.lent += take * user.count
            spent[turn.row] += take if user.count > turn.count else 0.0
            idle, held = idle - take, held + take
            if at > place and user.ahead < useful[user.row]:
                break
            following += 1
        held -= turn.ahead
    early, moved = [0.0] * len(rows), [0.0] * len(rows)
    for turn in turns:
        early[turn.row] += turn.ahead * turn.count
        moved[turn.row] += turn.lent
    for i, row in enumerate(rows):
        ahead, lent = early[i] / row.repeat, moved[i] / row.repeat
        if ahead or lent:
            time = _spared(row.time, chip, ahead / rate, (ahead - lent) / rate)
            rows[i] = replace(row, time=time, prefetched=ahead)
