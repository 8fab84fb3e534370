"""``archsim tables``: the tables of the reports from which such comparisons start, reproduced and corrected."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.options import Json
from archsim.cli.output import page_width, show, show_json


def tables(
    name: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", show_default=False, help="Name of a table; all are listed if none is given."),
    ] = None,
    json: Json = False,
) -> None:
    """List the tables of broker reports, or print one: as printed, recomputed, corrected, and why.

    recomputed: the report's own formulas on its own inputs, or the catalogue's figure of a chip. corrected: the right
    formula, or the right input. all corrected: the right formulas on the right inputs, through the whole table. A
    printed cell with ! behind it is wrong.

    --json: an array of tables (name, title, source, items, fields, printed_cells, errors); of one table an object that
    also has formulas, notes and cells (item, field, unit, printed, recomputed, corrected, all_corrected,
    corrected_unit, status, why, source).
    """
    from archsim.explore.tables import TABLES
    from archsim.report.report_tables import list_sheet, reproduced, sheets, table_data

    if name is not None:
        found = reproduced(name)
        if json:
            show_json(table_data(found))
        else:
            show(*sheets(found, page_width()))
        return
    known = [reproduced(t.name) for t in TABLES]
    if json:
        show_json([table_data(r, cells=False) for r in known])
    else:
        show(list_sheet(known), f"{len(known)} tables; one with every cell: archsim tables NAME")
