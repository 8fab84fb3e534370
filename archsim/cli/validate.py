"""``archsim validate``: score the simulator against a table of measured kernels."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_file, show, show_json, spinner


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
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv", help="Also write the rows with a column predicted_us.")
    ] = None,
    json: Json = False,
) -> None:
    """Score the simulator against measured kernels, beside a plain roofline.

    Errors are in percent of the measured time, per device, op and dtype: their mean absolute value (MAPE), its median,
    and the signed bias (positive: predicted slow). Rows that cannot be timed are counted and named.

    Every row needs device, op, dtype and measured_us (microseconds), and the columns of its op:

    - gemm: m, n, k

    - attention_context, attention_prefill, attention_generation, attention_decode: batch, q_len, kv_len, heads,
    kv_heads, head_dim (and kv_dtype and causal, if not as the dtype and 1)

    - moe: tokens, hidden, inter, topk, experts (and tp, ep, distribution, if not 1, 1 and balanced)

    - rmsnorm, silu_mul, add: rows, cols

    - copy: bytes_tensor

    --json: one object: scores (an array: device, op, dtype, n, mape_percent, median_ape_percent, bias_percent and the
    same for the roofline), total, skipped (an array: device, op, dtype, reason, n), rows_scored, rows_skipped.
    """
    target = check_file(out) if out is not None else None
    import archsim.chips as catalogue
    from archsim.cli.files import find_chip

    hardware = find_chip(chip) if chip is not None else None
    from archsim.explore.validate import validate as score

    with spinner(f"timing the kernels of {file}"):
        report = score(file, hardware, resolve=catalogue.get)
    if target is not None:
        report.write(target)
    if json:
        show_json(report.to_dict())
        return
    from archsim.report.table import scores

    show(scores(report))
    if target is not None:
        show(f"wrote {target}")
