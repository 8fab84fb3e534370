"""``archsim validate``: score the simulator against a table of measured kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_file, progress, show, show_json, spinner
from archsim.errors import ArchsimError, positive_int

SAID = 3
"""Reasons why nothing can be timed that are printed, of those that are many."""


def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE.csv", show_default=False,
                       help="Measured kernels, one a row; see above for their columns. Several files are one table."),
    ],
    chip: Annotated[
        str | None,
        typer.Option("--chip", metavar="CHIP", help="Time every row on this chip, whatever its device says."),
    ] = None,
    constants: Annotated[
        bool, typer.Option("--constants", help="Every constant of the GPUs in the file, and how far the error moves "
                           "when it is 20 % less or more.")
    ] = False,
    fit: Annotated[
        str | None,
        typer.Option("--fit", metavar="CHIP,...", help="Fit the constants that documents leave open on this chip's "
                     "rows alone, and carry them over to the others; several chips, one fit each.")
    ] = None,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="The error with one piece of the GPU model after the other switched on.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Also score rows apart that differ in this column, "
                                 "e.g. framework.")
    ] = None,
    worst: Annotated[
        int | None, typer.Option("--worst", metavar="N", help="Also list the N rows that are predicted worst.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv", help="Also write the rows with a column predicted_us; "
                                 "with --constants, the table of constants.")
    ] = None,
    json: Json = False,
) -> None:
    """Score the simulator against measured kernels, beside a plain roofline.

    Errors are in percent of the measured time, per device, op and dtype: their mean absolute value (MAPE), its median,
    and the signed bias (positive: predicted slow). Rows that cannot be timed are counted and named.

    Every row needs device, op, dtype and measured_us (microseconds), and the columns of its op:

    - gemm: m, n, k (and copies, if not six weights took turns; repeats, how often it ran in a row)

    - attention_context, attention_prefill, attention_generation, attention_decode: batch, q_len, kv_len, heads,
    kv_heads, head_dim (and kv_dtype and causal, if not as the dtype and 1)

    - moe: tokens, hidden, inter, topk, experts (and tp, ep, distribution, if not 1, 1 and balanced, e.g.
    power_law_1.2, and framework: sglang or vllm)

    - rmsnorm, silu_mul, add: rows, cols

    - copy: bytes_tensor

    host_us, where the host's clock was read, is the host's share of measured_us.

    --constants and --ablation say what the GPUs of the files stand on, --fit whether their constants carry over: give
    it tables of several ops at once, and one set of constants is found for all. --constants scores a sample of at most
    150 rows of each device, op and dtype again for every constant; --fit searches on at most 200 of each (600 in all),
    and gives the errors of all rows.

    --json: one object: scores (an array: device, chip, op, dtype, part, n, mape_percent, median_ape_percent,
    bias_percent and the same for the roofline, and how many rows beat it), total, skipped (an array: device, op, dtype,
    reason, n), rows_scored, rows_skipped, worst if asked for; or constants; or errors, fits, differing and apart; or
    ablation.
    """
    studies = {"--constants": constants, "--fit": fit is not None, "--ablation": ablation}
    alone = {"--by": by is not None, "--worst": worst is not None, "--out": out is not None and not constants}
    asked = [name for name, given in studies.items() if given]
    if len(asked) > 1 or (asked and any(alone.values())):
        asked += [name for name, given in alone.items() if given]
        raise ArchsimError(f"{' and '.join(asked)} are separate: give one of them")
    if by == "":
        raise ArchsimError("--by is empty: give the name of a column")
    if worst is not None:
        positive_int("--worst", worst)
    target = _target(out, files) if out is not None else None
    import archsim.chips as catalogue
    from archsim.cli.files import find_chip
    from archsim.report import validation

    hardware = find_chip(chip) if chip is not None else None
    from archsim.explore.validate import load, scored

    with spinner(f"timing the kernels of {', '.join(files)}"):
        table = load(files, hardware, resolve=catalogue.get)
    if not table.cases:
        why = "; ".join(f"{s.n:,} × {s.device} {s.op} {s.dtype}: {s.reason}" for s in table.skipped[:SAID])
        more = f"; and {len(table.skipped) - SAID} groups more" if len(table.skipped) > SAID else ""
        raise ArchsimError(f"no row of {', '.join(files)} can be timed: {why}{more}")
    if constants:
        from archsim.explore.constants import sensitivity, write

        moved = sensitivity(table, progress=progress)
        if target is not None:
            write(target, moved)
        _print([m.to_dict() for m in moved] if json else validation.sensitivity(moved), "constants", json)
    elif fit is not None:
        from archsim.explore.carry_over import carry_over

        given = [name.strip() for name in fit.split(",") if name.strip()]
        own = {} if hardware is None else {chip: hardware.name, hardware.name: hardware.name}  # of a user's own file
        carried = carry_over(table, [own.get(name) or catalogue.get(name).name for name in given], progress=progress)
        _print(carried.to_dict() if json else validation.carried(carried), "", json)
    elif ablation:
        from archsim.explore.ablation import ablate

        stages = ablate(table, progress=progress)
        _print([s.to_dict() for s in stages] if json else [validation.ablation(stages)], "ablation", json)
    else:
        report = scored(table, by or "")
        if target is not None:
            report.write(target)
        rows = {} if worst is None else {"worst": [m.to_dict() for m in report.misses[:worst]]}
        _print({**report.to_dict(), **rows} if json else
               [validation.scores(report), *([validation.worst(report, worst)] if worst else [])], "", json)
    if target is not None and not json:
        show(f"wrote {target}")


def _target(out: str, files: list[str]) -> Path:
    """Return where to write, which must be a CSV file and none of the tables."""
    target = check_file(out)
    if target.suffix.lower() != ".csv":
        raise ArchsimError(f"--out writes CSV: {target} must end in .csv")
    if any(Path(file).exists() and target.exists() and target.samefile(file) for file in files):
        raise ArchsimError(f"--out {target} would replace a table of measurements: give another name")
    return target


def _print(what: Any, key: str, json: bool) -> None:
    if json:
        show_json({key: what} if key else what)
        return
    for i, sheet in enumerate(what):
        show(*([""] if i else []), sheet)
