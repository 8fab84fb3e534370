"""``archsim array``: one matrix product on one systolic array, cycle by cycle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_file, page_width, show, show_json, spinner, write_all
from archsim.errors import ArchsimError, positive_int, unknown

if TYPE_CHECKING:
    from archsim.hardware import Chip
    from archsim.timing.array import ArrayCount, ArrayRun

LANES = (1, 2, 4)
"""Moving rows that an array here may take per cycle."""
MOST_SIDE = 65536
"""Processing elements along a side, as in a chip."""
QUICK = 3e8
"""Register updates that are done without being asked for: some 0.1 s."""
MOST_WORDS = 2**28
"""Matrix elements of a product at the register level: some 2 GB."""
TRACED = 60
"""Cycles that a trace prints if it is not told which."""


def array(
    m: Annotated[str, typer.Argument(metavar="M", help="Rows of a and of the result.")],
    n: Annotated[str, typer.Argument(metavar="N", help="Columns of b and of the result.")],
    k: Annotated[str, typer.Argument(metavar="K", help="Columns of a, rows of b.")],
    rows: Annotated[str | None, typer.Option("--rows", metavar="R", help="Rows of processing elements (PEs).")] = None,
    cols: Annotated[str | None, typer.Option("--cols", metavar="C", help="Columns of PEs.")] = None,
    dataflow: Annotated[
        str | None, typer.Option("--dataflow", metavar="ws|os|is", help="What stays in the PEs: weights b (ws, the "
                                 "default), outputs (os) or inputs a (is).")
    ] = None,
    shadow: Annotated[
        bool | None, typer.Option("--shadow/--no-shadow", show_default=False, help="A second set of registers: the "
                                  "next tile loads, or the last one drains, beside the stream (default: with).")
    ] = None,
    rows_per_cycle: Annotated[
        str | None, typer.Option("--rows-per-cycle", metavar="1|2|4", help="Moving rows that enter per cycle; as many "
                                 "multiply-adds per PE (default 1).")
    ] = None,
    load_rows: Annotated[
        str | None, typer.Option("--load-rows", metavar="L", help="Rows of a tile that load or drain per cycle "
                                 "(default 1).")
    ] = None,
    chip: Annotated[
        str | None, typer.Option("--chip", metavar="CHIP", help="Take one array of this chip (name or file); the "
                                 "options above change it.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", metavar="DTYPE", help="With --chip: int8 ... (default bf16).")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run the register level too, however long it takes (small products: "
                           "always).")
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Print every register, cycle by cycle (small arrays).")
    ] = False,
    cycles: Annotated[
        str | None, typer.Option("--cycles", metavar="FIRST-LAST", help="With --trace: which cycles, from 1.")
    ] = None,
    animate: Annotated[
        str | None, typer.Option("--animate", metavar="FILE.gif", help="Draw operands and sums moving (8 x 8 PEs at "
                                 "most).")
    ] = None,
    heatmap: Annotated[
        str | None, typer.Option("--heatmap", metavar="FILE.png", help="Draw the utilisation over M and N.")
    ] = None,
    activity: Annotated[
        str | None, typer.Option("--activity", metavar="FILE.png", help="Draw how often each PE multiplied, as "
                                 "measured at the register level.")
    ] = None,
    json: Json = False,
) -> None:
    """Run one matrix product, out[M, N] = a[M, K] b[K, N], on one systolic array with ideal memory.

    Says how many cycles it takes and where they go, what is read from SRAM, and what would raise the utilisation.
    Counts come from a recurrence over folds (the stationary tiles, one after the other), for any size. Small products
    are also computed at the register level, every register of every PE in every cycle, which must agree.

    Examples: archsim array 512 512 512 --rows 128 --cols 128; archsim array 8 8 8 --rows 4 --cols 4 --trace;
    archsim array 256 4096 4096 --chip tpu-v6e --heatmap v6e.png.

    --json: one object: cycles, utilization, folds, load_cycles, stream_cycles, skew_cycles, drain_cycles,
    cycles_by_cause, a_words_read, b_words_read, c_words_written, sram_words_per_mac, register_level, verdict, changes,
    and the array.
    """
    sizes = {side: positive_int(side.upper(), text) for side, text in (("m", m), ("n", n), ("k", k))}
    gif = _file(animate, "--animate", (".gif",))
    pictures = {"--heatmap": _file(heatmap, "--heatmap"), "--activity": _file(activity, "--activity")}
    if cycles is not None and not trace:
        raise ArchsimError("--cycles goes with --trace")
    if dtype is not None and chip is None:
        raise ArchsimError("--dtype goes with --chip")
    if heatmap is not None and pictures["--heatmap"] == pictures["--activity"]:
        raise ArchsimError(f"--heatmap and --activity both name {heatmap}")
    if trace and json:
        raise ArchsimError("--trace is text: leave out --json")
    asked, clock = _array(rows, cols, dataflow, shadow, rows_per_cycle, load_rows, chip, dtype or "bf16")
    from archsim.timing.array import count as counted

    count = counted(sizes["m"], sizes["n"], sizes["k"], **asked)
    measured = _measured(count, forced=measure or activity is not None)
    drawn = _trace(count, cycles) if trace else []
    files: dict[Path, str | bytes] = {}
    if gif is not None:
        from archsim.report.array_animation import MOST_CYCLES, animation, check_side
        from archsim.report.array_wave import trace_wave

        check_side(count.rows, count.cols)
        with spinner(f"drawing {count.cycles:,} cycles"):
            files[gif] = animation(trace_wave(count, MOST_CYCLES))
    files |= _pictures(count, measured, pictures)
    written = write_all(files)
    from archsim.report import array as report

    if json:
        show_json(report.array_data(count, measured, clock))
        return
    show(*drawn, *report.sheets(count, measured, clock))
    for name in written:
        show(f"wrote {name}")


def _file(text: str | None, option: str, formats: tuple[str, ...] | None = None) -> Path | None:
    """Return the path that an option gave, if it can be written and its suffix names a known format."""
    if text is None:
        return None
    from archsim.report.canvas import FORMATS, check_path

    return check_path(check_file(text, option), formats or FORMATS)


def _array(
    rows: str | None, cols: str | None, dataflow: str | None, shadow: bool | None, rows_per_cycle: str | None,
    load_rows: str | None, chip: str | None, dtype: str,
) -> tuple[dict[str, Any], float | None]:
    """Return the array that was asked for, and its clock if a chip says so."""
    from archsim.hardware.systolic import DATAFLOWS

    if dataflow is not None and dataflow not in DATAFLOWS:
        raise unknown("dataflow", dataflow, DATAFLOWS)
    given = {name: positive_int(f"--{name.replace('_', '-')}", text, MOST_SIDE) for name, text in
             (("rows", rows), ("cols", cols), ("rows_per_cycle", rows_per_cycle), ("load_rows", load_rows))
             if text is not None}
    made: dict[str, Any] = {"dataflow": "ws", "shadow": True, "rows_per_cycle": 1, "load_rows": 1}
    clock = None
    if chip is not None:
        from archsim.cli.files import find_chip

        hardware = find_chip(chip)
        made, clock = _chip_array(hardware, dtype), hardware.clock
    made |= given
    made |= {name: value for name, value in (("dataflow", dataflow), ("shadow", shadow)) if value is not None}
    missing = [f"--{side}" for side in ("rows", "cols") if side not in made]
    if missing:
        raise ArchsimError(f"missing {' and '.join(missing)}: the size of the array in processing elements, e.g. "
                           "--rows 128 --cols 128, or --chip NAME to take a chip's")
    if made["rows_per_cycle"] not in LANES:
        raise ArchsimError(f"--rows-per-cycle must be 1, 2 or 4, not {made['rows_per_cycle']}")
    if made["load_rows"] > made["rows"]:
        if "load_rows" in given:
            raise ArchsimError(f"--load-rows must be from 1 to the array's {made['rows']} rows, not {load_rows}")
        made["load_rows"] = made["rows"]
    return made, clock


def _chip_array(chip: Chip, dtype: str) -> dict[str, Any]:
    """Return one array of a chip as `archsim.timing.array.count` takes it.

    Raises
    ------
    ArchsimError
        If the chip has no systolic array, or not one that takes 1, 2 or 4 rows of `dtype` per cycle.
    """
    from archsim.dtypes import BYTES
    from archsim.hardware import SystolicCore

    if not isinstance(chip.core, SystolicCore):
        raise ArchsimError(f"{chip.name} has no systolic array to show ({chip.kind}): archsim gemm times it as it is")
    name = chip.check_dtype(dtype)
    array = chip.core.array
    rate = array.rows_per_cycle[name]
    if rate not in LANES:
        raise ArchsimError(f"{chip.name} takes {rate:g} rows of {name} per cycle, and only 1, 2 or 4 can be shown: "
                           "give another --dtype")
    return {"rows": array.rows, "cols": array.cols, "dataflow": array.dataflows[0], "shadow": array.shadow,
            "rows_per_cycle": int(rate), "load_rows": max(1, int(array.load_rate(name) / BYTES[name]))}


def _measured(count: ArrayCount, forced: bool) -> ArrayRun | None:
    """Run the register level where it is quick, or where it was asked for."""
    from archsim.report.array import measure
    from archsim.timing.array import LONGEST

    updates = float(count.cycles) * count.rows * count.cols * count.rows_per_cycle
    if updates > QUICK and not forced:
        return None
    words = count.m * count.k + count.k * count.n + 2 * count.m * count.n
    if updates > LONGEST or words > MOST_WORDS:
        raise ArchsimError(f"the register level would update {updates:.2g} registers for {words:.2g} matrix elements: "
                           "give a smaller product, or leave out --measure and --activity")
    if updates <= QUICK:
        return measure(count)
    with spinner(f"updating {updates:.2g} registers"):
        return measure(count)


def _trace(count: ArrayCount, cycles: str | None) -> list[Any]:
    """Draw the cycles that were asked for."""
    from archsim.report.array_trace import wavefront
    from archsim.report.array_wave import trace_wave

    chosen = _cycles(cycles, count.cycles)
    lines: list[Any] = wavefront(trace_wave(count, 5000), chosen, page_width())
    if cycles is None and count.cycles > len(chosen):
        lines.append(f"… {count.cycles - len(chosen):,} more cycles: --cycles {len(chosen) + 1}-{count.cycles}")
        lines.append("")
    return lines


def _cycles(text: str | None, last: int) -> range:
    """Return which cycles to print, counted from 0."""
    if text is None:
        return range(min(last, TRACED))
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", text)
    if not found:
        raise ArchsimError(f"--cycles must be like 1-12 or 7, not {text!r}")
    first = int(found[1])
    end = int(found[2] or first)
    if not 1 <= first <= end or first > last:
        raise ArchsimError(f"--cycles must lie within 1-{last:,}, the first not after the last, not {text!r}")
    return range(first - 1, min(end, last))


def _pictures(
    count: ArrayCount, measured: ArrayRun | None, paths: dict[str, Path | None]
) -> dict[Path, bytes]:
    """Draw the heat maps that were asked for."""
    if not any(paths.values()):
        return {}
    from archsim.report import array_heatmap
    from archsim.report.canvas import image

    files = {}
    if (path := paths["--heatmap"]) is not None:
        with spinner("counting"):
            files[path] = image(array_heatmap.utilization_map(count), path.suffix)
    if (path := paths["--activity"]) is not None and measured is not None:
        files[path] = image(array_heatmap.activity_map(measured), path.suffix)
    return files
