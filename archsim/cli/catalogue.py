"""``archsim models``: the models of the catalogue, or one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.options import Json
from archsim.cli.output import show, show_json
from archsim.errors import positive_int


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", show_default=False, help="Name, or the path of a config.json or its folder."),
    ] = None,
    context: Annotated[str, typer.Option("--context", metavar="C", help="Keys that a token attends to.")] = "4096",
    json: Json = False,
) -> None:
    """List the models, or print one with its dimensions and what in its config is not modelled.

    --json: an array of models, or one object: dimensions by stack, parameters, active_parameters, kv_bytes_per_token
    (bf16), flops_per_token (output head included, attention to the cache apart), flops_per_token_at_context, source.
    """
    import archsim.models as catalogue
    from archsim.report import data, table

    keys = positive_int("--context", context, 2**24)
    if name is None:
        known = [catalogue.get(n) for n in catalogue.names()]
        if json:
            show_json([data.model_data(m, keys) for m in known])
        else:
            show(table.models_sheet(known, keys))
        return
    model = catalogue.find(name)
    if json:
        show_json(data.model_data(model, keys))
    else:
        show(table.model_sheet(model, keys))
