"""One SM's pipeline in words and numbers: what a step needs, where the cycles go, what more stages would bring."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archsim.report.quantity import percent, quantity, sig
from archsim.report.sheet import Column, Sheet
from archsim.timing.sm import BOUNDS, ROUNDS, by_stages

if TYPE_CHECKING:
    from archsim.timing.sm import SmRun, Step

SHOWN = 8
"""Steps whose events the table shows."""


def title(run: SmRun) -> str:
    """Name a tile and the SM that runs it."""
    blocks = f", {run.resident} blocks" * (run.resident > 1)
    pair = f", B shared by {run.pair} SMs" * (run.pair > 1)
    return (f"{run.bm} × {run.bn} × {run.bk} in {run.dtype}, {_number(run.stages, 'stage')}{blocks}{pair}, "
            f"on one SM of {run.chip.name}")


def _number(count: float, noun: str) -> str:
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def _cycles(value: float) -> str:
    return f"{value:,.0f}"


def verdict(run: SmRun) -> str:
    """Say what sets the pace, and what that leaves of the tensor core's peak."""
    head = f"The pace is set by {BOUNDS[run.bound]}: {percent(run.steady)} % of peak, were K endless."
    if run.bound == "turn-around":
        ahead = math.ceil(run.turn / max(run.engine, run.fetch, run.own) - 1e-9)
        need = ahead if run.asynchronous else ahead + 1
        most = by_stages(run)[-1].stages
        fit = f", but only {most} fit" if need > most == run.fitting else ""
        return f"{head} {need} stages would cover it{fit}."
    return head


def sheets(run: SmRun) -> list[Sheet | str]:
    """Return what the command prints, in order."""
    return [_numbers(run), "", _needs(run), "", _stages(run), "", _rounds(run), "", _events(run), "", verdict(run)]


def _numbers(run: SmRun) -> Sheet:
    clock = run.chip.clock
    steady = run.steps * run.step
    rows = [
        ("prologue", _cycles(run.prologue), f"from the start to the first instruction: {_cycles(run.first)} set-up, "
         f"{_cycles(run.latency)} latency, {_cycles(run.fetch / run.resident)} through the port, a barrier"),
        ("step", _cycles(run.step), f"{run.steps:,} times, {run.k:,} of K: {_cycles(steady)} cycles at an even pace"),
        ("epilogue", _cycles(run.epilogue), "from the last instruction until the results have left"),
        ("all", _cycles(run.cycles), f"{quantity(run.cycles / clock, 's', 3)} at {quantity(clock, 'Hz', 3)}; "
         f"{percent(run.utilization)} % of peak"),
    ]
    return Sheet(title(run), [Column("", [r[0] for r in rows], text=True), Column("cycles", [r[1] for r in rows]),
                              Column("", [r[2] for r in rows], text=True, wrap=True)])


def _needs(run: SmRun) -> Sheet:
    uses = run.stages if run.asynchronous else max(1, run.stages - 1)
    each = "" if run.resident == 1 else " per block"
    rows = [
        ("engine", run.engine, f"{_number(run.instructions, 'instruction')}{each} of {run.rows:.0f} × {run.cols:.0f}, "
         f"one every {sig(run.interval)} cycles, its result after {sig(run.completion)}{_beside(run)}"),
        ("port", run.fetch, f"{run.stage_bytes:,} B{each} at {_rate(run)}, from {run.source}"),
        ("barriers", run.own, "from one step of a block to its next, were all data there"),
        ("turn-around", run.turn / uses, f"{_cycles(run.turn)} cycles from one use of a stage to the next, over "
         + (_number(uses, "stage") if run.asynchronous else f"the {_number(uses, 'step')} that copies run ahead")),
    ]
    return Sheet("what a step needs; the longest sets the pace", [
        Column("", [BOUNDS[name] for name, *_ in rows], text=True),
        Column("cycles", [_cycles(cycles) for _, cycles, _ in rows]),
        Column("", ["◄" if name == run.bound else "" for name, *_ in rows], text=True),
        Column("", [text for *_, text in rows], text=True, wrap=True),
    ])


def _beside(run: SmRun) -> str:
    """Say what a step would take of the tensor core if operands took no time."""
    arithmetic = run.macs / run.peak / run.k * run.bk
    return f"; {_cycles(arithmetic)} without operands from shared memory" * (run.engine > 1.001 * arithmetic)


def _rate(run: SmRun) -> str:
    """Write the bytes per cycle that reach shared memory, and what limits them."""
    little = run.flight / run.latency if run.latency else math.inf
    if run.port <= little:
        return f"{sig(run.port)} B/cycle"
    return f"{sig(little)} B/cycle ({run.flight:,.0f} B in flight over the latency)"


def _rounds(run: SmRun) -> Sheet:
    tiles = run.macs / run.peak
    return Sheet("one tile after another", [
        Column("", [ROUNDS[name] for name in run.rounds], text=True),
        Column("cycles", [_cycles(cycles) for cycles in run.rounds.values()]),
        Column("% of peak", [percent(tiles / cycles) for cycles in run.rounds.values()]),
    ])


def _stages(run: SmRun) -> Sheet:
    others = by_stages(run)
    return Sheet("by stages", [
        Column("stages", [str(r.stages) for r in others]),
        Column("KiB", [sig(r.stages * r.stage_bytes * r.resident / 1024) for r in others]),
        Column("cycles\nper step", [_cycles(r.step) for r in others]),
        Column("% of peak,\nendless K", [percent(r.steady) for r in others]),
        Column(f"% of peak,\nK = {run.k:,}", [percent(r.utilization) for r in others]),
        Column("pace set by", [BOUNDS[r.bound] for r in others], 1, text=True),
    ])


def _events(run: SmRun) -> Sheet:
    shown = run.events[:SHOWN]
    times = ("issue", "arrive", "start", "end", "free")
    heads = ("copy\nissued", "bytes\nthere", "tensor core\nstarts", "tensor core\nends", "stage\nfree")
    blocks = [Column("block", [str(e.block) for e in shown])] if run.resident > 1 else []
    return Sheet("the first steps, in cycles from the block's start", [
        Column("step", [str(e.step) for e in shown]), *blocks, Column("stage", [str(e.stage) for e in shown]),
        *(Column(head, [_cycles(run.first + getattr(e, name)) for e in shown])
          for head, name in zip(heads, times, strict=True)),
    ])


def _event(e: Step, first: float) -> dict[str, Any]:
    return {"step": e.step, "block": e.block, "stage": e.stage, "copy_issued": first + e.issue,
            "bytes_there": first + e.arrive, "tensor_core_start": first + e.start, "tensor_core_end": first + e.end,
            "stage_free": first + e.free}


def sm_data(run: SmRun) -> dict[str, Any]:
    """Return the same as a plain dictionary; times of events count from the block's start."""
    return {
        "chip": run.chip.name, "dtype": run.dtype, "tile": [run.bm, run.bn, run.bk], "k": run.k,
        "stages": run.stages, "resident_blocks": run.resident, "paired_sms": run.pair, "operands_from": run.level,
        "steps": run.steps, "stage_bytes": run.stage_bytes, "clock_hz": run.chip.clock,
        "prologue_cycles": run.prologue, "step_cycles": run.step, "epilogue_cycles": run.epilogue,
        "cycles": run.cycles, "time_s": run.cycles / run.chip.clock, "utilization": run.utilization,
        "steady_utilization": run.steady, "bound": run.bound,
        "step_needs_cycles": {"engine": run.engine, "port": run.fetch, "barriers": run.own},
        "turn_around_cycles": run.turn, "latency_cycles": run.latency,
        "instruction": {"rows": run.rows, "cols": run.cols, "per_step": run.instructions,
                        "interval_cycles": run.interval, "completion_cycles": run.completion},
        "round_cycles": dict(run.rounds), "in_flight_limit_bytes": run.flight if math.isfinite(run.flight) else None,
        "by_stages": [{"stages": r.stages, "step_cycles": r.step, "utilization": r.utilization,
                       "steady_utilization": r.steady, "bound": r.bound} for r in by_stages(run)],
        "verdict": verdict(run),
        "first_events": [_event(e, run.first) for e in run.events],
        "last_events": [_event(e, run.first) for e in run.last],
    }
