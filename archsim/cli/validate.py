"""``archsim validate``: score measured kernels."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.options import Json


def validate(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="Measured kernels: device, op, dtype, m, n, k ...")],
    json: Json = False,
) -> None:
    """Score measured kernels."""
    raise NotImplementedError
