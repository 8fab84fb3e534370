"""A product on one systolic array: where its cycles go, what it reads, and what would make it faster."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsim.errors import ArchsimError
from archsim.report.array_wave import FLOWS, operands
from archsim.report.quantity import percent, quantity, sig
from archsim.report.sheet import Column, Sheet
from archsim.timing.array import DATAFLOWS, run
from archsim.timing.array import count as counted

if TYPE_CHECKING:
    from archsim.timing.array import ArrayCount, ArrayRun

MATRICES = {"a": ("A", "M", "K"), "b": ("B", "K", "N"), "c": ("C", "M", "N")}
SIDES = {"ws": ("K", "N", "M"), "os": ("M", "N", "K"), "is": ("K", "M", "N")}
"""Sides of the product that lie along the array's rows, along its columns, and in time."""
BAR = 60
"""Characters of the bar."""
SMALL = 8
"""Least side of an array that half an array is proposed for."""
WORTH = 0.01
"""Least gain in utilisation of a change that is worth telling."""


def title(count: ArrayCount) -> str:
    """Name a product and the array that computes it."""
    return f"{count.m:,} × {count.n:,} × {count.k:,} (M N K) on {machine(count)}"


def machine(count: ArrayCount) -> str:
    """Name an array: its size, its dataflow, and what about it is not the plainest."""
    per_cycle = f", {count.rows_per_cycle} of {SIDES[count.dataflow][2]} per cycle" * (count.rows_per_cycle > 1)
    return (f"{count.rows} × {count.cols} PEs, {DATAFLOWS[count.dataflow]}{per_cycle}"
            f"{', no shadow registers' * (not count.shadow)}")


class Share(NamedTuple):
    """A part of the cycles: its name, how many, the mark that draws it, and what happens in it."""

    name: str
    cycles: float
    mark: str
    meaning: str


def shares(count: ArrayCount) -> list[Share]:
    """Split the cycles of a product into work and losses; they add up to all cycles."""
    down, across, time = SIDES[count.dataflow]
    held = FLOWS[count.dataflow].stays.upper()
    ideal = count.macs / (count.rows * count.cols * count.rows_per_cycle)
    partial = [side for side, of in ((down, count.rows), (across, count.cols), (time, count.rows_per_cycle))
               if getattr(count, side.lower()) % of]
    apart = "" if count.shadow else ", once per tile"
    return [
        Share("work", ideal, "█", "if every PE multiplied in every cycle"),
        Share("edges", count.stream - ideal, "▓", f"PEs without data: {' and '.join(partial)} "
              f"{'do' if len(partial) > 1 else 'does'} not come out even"),
        Share("load", count.load, "▒", f"the array waits for tiles of {held}"),
        Share("drain", count.drain, "▒", f"tiles of {held} leave and nothing can enter"),
        Share("skew", count.skew, "░", f"the wavefront crosses {_number(count.rows, 'row')} and "
              f"{_number(count.cols, 'column')}{apart}"),
    ]


def bar(count: ArrayCount) -> str:
    """Draw the shares of the cycles as one line of marks, each share to the nearest character."""
    text, done = "", 0.0
    for share in shares(count):
        done += share.cycles
        text += share.mark * (round(BAR * done / count.cycles) - len(text))
    return text


class Change(NamedTuple):
    """Another array or another product, and its count."""

    what: str
    then: ArrayCount


def recount(count: ArrayCount, **changes: Any) -> ArrayCount:
    """Count again with something changed: a size, the array, the dataflow, the ports."""
    same = {name: getattr(count, name) for name in
            ("m", "n", "k", "rows", "cols", "dataflow", "shadow", "rows_per_cycle", "load_rows")}
    same |= changes
    same["load_rows"] = min(same["load_rows"], same["rows"])
    return counted(same.pop("m"), same.pop("n"), same.pop("k"), **same)


def changes(count: ArrayCount) -> list[Change]:
    """Return what would raise the utilisation, each counted, the best first.

    Tried are one thing at a time: shadow registers, a port four times as wide, another dataflow, four times as long a
    stream past each tile, and an array of half the side.
    """
    time = SIDES[count.dataflow][2]
    size = 4 * getattr(count, time.lower())
    ideas: list[tuple[str, dict[str, Any]]] = [
        (f"{time} = {size:,}, four times as long a stream past each tile", {time.lower(): size})]
    if not count.shadow:
        ideas.append(("shadow registers", {"shadow": True}))
    if count.load_rows < count.rows:
        wide = min(4 * count.load_rows, count.rows)
        ideas.append((f"a port that moves {wide} rows of a tile per cycle", {"load_rows": wide}))
    ideas += [(name, {"dataflow": d}) for d, name in DATAFLOWS.items() if d != count.dataflow]
    if min(count.rows, count.cols) >= SMALL:
        half = {"rows": count.rows // 2, "cols": count.cols // 2}
        ideas.append((f"an array of {half['rows']} × {half['cols']}, a quarter of the peak", half))
    tried = []
    for what, changed in ideas:
        with contextlib.suppress(ArchsimError):  # a product too large to count
            tried.append(Change(what, recount(count, **changed)))
    better = [c for c in tried if c.then.utilization >= count.utilization + WORTH]
    return sorted(better, key=lambda c: -c.then.utilization)


def verdict(count: ArrayCount) -> str:
    """Name the largest loss with its size and its cause in this product."""
    down, across, time = SIDES[count.dataflow]
    loss = max(shares(count)[1:], key=lambda s: s.cycles)
    if loss.cycles < WORTH * count.cycles:
        return f"No loss takes 1 % of the cycles: the array does {percent(count.utilization)} % of what it could."
    head = (f"Largest loss: {loss.name}, {_round(loss.cycles)} of {count.cycles:,} cycles "
            f"({percent(loss.cycles / count.cycles)} %). ")
    stream = count.stream // count.folds
    port = -(-count.rows // count.load_rows)
    if loss.name == "edges":
        partial = [f"{side} = {size:,} fills {sig(size / pes)} of {_number(-(-size // pes), 'tile')} of {pes}"
                   for side, pes in ((down, count.rows), (across, count.cols))
                   if (size := getattr(count, side.lower())) % pes]
        if not partial:
            partial = [f"{time} does not fill the last of its groups of {count.rows_per_cycle}"]
        return head + " and ".join(partial) + "; filling them costs no cycle more."
    if loss.name == "skew":
        takes = f"The wavefront takes {count.rows:,} + {count.cols:,} - 2 cycles from corner to corner, "
        if count.shadow or count.folds == 1:
            return head + takes + f"once, against {_number(count.stream, 'cycle')} in which operands enter."
        return head + takes + (f"for each of {count.folds:,} tiles, against {_number(stream, 'cycle')} in which "
                               "operands enter; without shadow registers tiles cannot follow each other closely.")
    moves = "drains" if loss.name == "drain" else "loads"
    hides = ("nothing hides the only one" if count.folds == 1
             else f"shadow registers hide {stream:,} of them behind the stream" if count.shadow
             else "without shadow registers nothing hides them")
    return head + f"A tile {moves} in {_number(port, 'cycle')}; {hides}."


def _number(many: int, what: str) -> str:
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def _round(cycles: float) -> str:
    return f"{cycles:,.0f}" if cycles == int(cycles) else f"{cycles:,.1f}"


def sheets(count: ArrayCount, measured: ArrayRun | None = None, clock: float | None = None) -> list[Sheet | str]:
    """Return all that is to be said: the totals, where the cycles go, what is read, and what would help.

    Parameters
    ----------
    count
        The product at the fold level.
    measured
        The same at the register level, if it was run.
    clock
        Hz, to say the time in seconds.
    """
    return [_totals(count, clock), "", _cycles(count), bar(count), "", _words(count, measured), "",
            *([_agreement(count, measured), ""] if measured is not None else []), verdict(count), *_help(count)]


def _totals(count: ArrayCount, clock: float | None) -> Sheet:
    down, across, time = SIDES[count.dataflow]
    tiles = [-(-getattr(count, side.lower()) // pes) for side, pes in ((down, count.rows), (across, count.cols))]
    port = "drain" if count.dataflow == "os" else "load"
    rows = [
        ("cycles", f"{count.cycles:,}" + (f"  ({quantity(count.cycles / clock, 's', 3)} at {quantity(clock, 'Hz', 3)})"
                                          if clock else "")),
        ("in turn", _phases(count)),
        ("utilisation", f"{percent(count.utilization)} % of "
                        f"{_number(count.rows * count.cols * count.rows_per_cycle, 'multiply-add')} per cycle"),
        ("folds", f"{_number(count.folds, 'tile')} of {FLOWS[count.dataflow].stays.upper()}: {tiles[0]:,} along {down} "
                  f"× {tiles[1]:,} along {across}; {time} = {getattr(count, time.lower()):,} streams past each, "
                  f"{count.rows_per_cycle} per cycle"),
        ("tiles", f"{port} {_number(count.load_rows, 'row')} per cycle, "
                  + ("beside the stream (shadow registers)" if count.shadow else "before or after the stream")),
    ]
    return Sheet(title(count), [Column("", [a for a, _ in rows], text=True),
                                Column("", [b for _, b in rows], text=True, wrap=True)])


def _phases(count: ArrayCount) -> str:
    """Split the cycles by time: until operands can enter, while they do, and until the last result has left."""
    parts = [("fill", count.load), ("stream", count.stream), ("drain", count.skew + count.drain)]
    times = f", over {_number(count.folds, 'tile')}" * (not count.shadow)
    return " + ".join(f"{name} {cycles:,}" for name, cycles in parts if cycles) + times


def _cycles(count: ArrayCount) -> Sheet:
    shown = [s for s in shares(count) if s.cycles > 0 or s.name == "work"]
    return Sheet("where the cycles go", [
        Column("", [s.mark for s in shown], text=True),
        Column("", [s.name for s in shown], text=True),
        Column("cycles", [_round(s.cycles) for s in shown]),
        Column("%", ["< 0.1" if s.cycles < 0.001 * count.cycles else percent(s.cycles / count.cycles) for s in shown]),
        Column("", [s.meaning for s in shown], 1, text=True),
    ])


def traffic(count: ArrayCount) -> dict[str, int]:
    """Return the words that cross the array's edge, by matrix."""
    return {"a": count.read_a, "b": count.read_b, "c": count.written}


def _words(count: ArrayCount, measured: ArrayRun | None) -> Sheet:
    words = traffic(count)
    each = {x: words[x] / (getattr(count, i.lower()) * getattr(count, j.lower())) for x, (_, i, j) in MATRICES.items()}
    way = {"a": "read", "b": "read", "c": "written" if count.dataflow == "os" else "partial sums out"}
    notes = []
    if each["c"] > 1:
        notes.append("partial sums of C are added up beside the array")
    if measured is not None:
        notes.append(f"inside the array: {sig(measured.registers_per_mac)} registers read or written per multiply-add, "
                     "each next to its multiplier")
    total = sum(words.values())
    return Sheet("words between SRAM and array", [
        Column("", [*(MATRICES[x][0] for x in words), "all"], text=True),
        Column("", [*way.values(), ""], text=True),
        Column("words", [f"{w:,}" for w in (*words.values(), total)]),
        Column("times\neach", [*(sig(each[x]) for x in words), ""]),
        Column("words\nper MAC", [sig(w / count.macs) for w in (*words.values(), total)]),
        Column("MACs\nper word", [sig(count.macs / w) for w in (*words.values(), total)]),
    ], notes=notes, rules=[2])


def _agreement(count: ArrayCount, measured: ArrayRun) -> str:
    """Say that the register level gave the same; `check` has made sure of it."""
    return (f"Register level agrees: {measured.cycles:,} cycles, {sum(traffic(measured).values()):,} words, and the "
            "product equals A @ B.")


def _help(count: ArrayCount) -> list[Sheet | str]:
    found = changes(count)
    if not found:
        return []
    return ["", Sheet("what would raise the utilisation, one change at a time", [
        Column("change", [c.what for c in found], text=True, wrap=True),
        Column("cycles", [f"{c.then.cycles:,}" for c in found]),
        Column("utilisation\n%", [percent(c.then.utilization) for c in found]),
    ])]


def array_data(count: ArrayCount, measured: ArrayRun | None = None, clock: float | None = None) -> dict[str, Any]:
    """Return the same as a plain dictionary."""
    return {
        "m": count.m, "n": count.n, "k": count.k, "rows": count.rows, "cols": count.cols, "dataflow": count.dataflow,
        "shadow": count.shadow, "rows_per_cycle": count.rows_per_cycle, "load_rows": count.load_rows,
        "cycles": count.cycles, "clock_hz": clock, "time_s": count.cycles / clock if clock else None,
        "utilization": count.utilization, "macs": count.macs, "folds": count.folds,
        "load_cycles": count.load, "stream_cycles": count.stream, "skew_cycles": count.skew,
        "drain_cycles": count.drain, "cycles_by_cause": {s.name: s.cycles for s in shares(count)},
        "a_words_read": count.read_a, "b_words_read": count.read_b, "c_words_written": count.written,
        "sram_words_per_mac": count.sram_per_mac,
        "register_level": None if measured is None else {
            "cycles": measured.cycles, "register_reads": measured.register_reads,
            "register_writes": measured.register_writes, "registers_per_mac": measured.registers_per_mac,
            "product_equals_a_times_b": True},
        "verdict": verdict(count),
        "changes": [{"change": c.what, "cycles": c.then.cycles, "utilization": c.then.utilization}
                    for c in changes(count)],
    }


def measure(count: ArrayCount) -> ArrayRun:
    """Run the counted product at the register level, with made-up small integers, and check what it gives.

    Raises
    ------
    AssertionError
        If the levels disagree or the product is wrong, which would be a fault of ours.
    """
    a, b = operands(count)
    measured = run(a, b, rows=count.rows, cols=count.cols, dataflow=count.dataflow, shadow=count.shadow,
                   rows_per_cycle=count.rows_per_cycle, load_rows=count.load_rows)
    same = all(getattr(measured, x) == getattr(count, x) for x in
               ("folds", "load", "stream", "skew", "drain", "read_a", "read_b", "written"))
    if not same or not np.array_equal(measured.product, exact(a, b)):
        raise AssertionError(f"register level and fold level disagree: {measured} and {count}")
    return measured


def exact(a: Any, b: Any) -> Any:
    """Return the product of small whole numbers; float64 is exact up to 2**53, and far faster than integers."""
    return (np.asarray(a, np.float64) @ np.asarray(b, np.float64)).astype(np.int64)
