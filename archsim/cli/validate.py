"""``archsim validate``: score the simulator against a table of measured kernels."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_file, progress, show, show_json, spinner
from archsim.errors import ArchsimError


def validate(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE.csv", show_default=False,
                       help="Measured kernels, one a row; see above for its columns."),
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
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv", help="Also write the rows with a column predicted_us.")
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

    - moe: tokens, hidden, inter, topk, experts (and tp, ep, distribution, if not 1, 1 and balanced, and framework:
    sglang or vllm)

    - rmsnorm, silu_mul, add: rows, cols

    - copy: bytes_tensor

    host_us, where the host's clock was read, is the host's share of measured_us.

    --constants and --ablation say what the GPUs of the file stand on, --fit whether their constants carry over.
    --constants scores a sample of at most 150 rows of each device, op and dtype again for every constant; --fit uses
    200 for the search, and all rows for the errors that it prints.

    --json: one object: scores (an array: device, op, dtype, n, mape_percent, median_ape_percent, bias_percent and the
    same for the roofline), total, skipped (an array: device, op, dtype, reason, n), rows_scored, rows_skipped; or
    constants; or errors, fits, differing and apart; or ablation.
    """
    studies = {"--constants": constants, "--fit": fit is not None, "--ablation": ablation, "--out": out is not None}
    asked = [name for name, given in studies.items() if given]
    if len(asked) > 1:
        raise ArchsimError(f"{' and '.join(asked)} are separate: give one of them")
    target = check_file(out) if out is not None else None
    import archsim.chips as catalogue
    from archsim.cli.files import find_chip
    from archsim.report import validation

    hardware = find_chip(chip) if chip is not None else None
    from archsim.explore.validate import load, scored

    with spinner(f"timing the kernels of {file}"):
        table = load(file, hardware, resolve=catalogue.get)
    if constants:
        from archsim.explore.constants import sensitivity

        moved = sensitivity(table, progress=progress)
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
        report = scored(table)
        if target is not None:
            report.write(target)
        _print(report.to_dict() if json else [validation.scores(report)], "", json)
        if target is not None and not json:
            show(f"wrote {target}")


def _print(what: Any, key: str, json: bool) -> None:
    if json:
        show_json({key: what} if key else what)
        return
    for i, sheet in enumerate(what):
        show(*([""] if i else []), sheet)
