"""``archsim scalesim``: SCALE-Sim's reports from SCALE-Sim's files."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_folder, show, show_json, spinner, write_all


def scalesim(
    config: Annotated[str, typer.Option("-c", "--config", metavar="CONFIG", help="SCALE-Sim's configuration (INI).")],
    topology: Annotated[str, typer.Option("-t", "--topology", metavar="TOPOLOGY", help="SCALE-Sim's layers (CSV).")],
    kind: Annotated[
        str | None,
        typer.Option("-i", "--input", metavar="gemm|conv", help="What the rows of TOPOLOGY are (default: what its "
                     "header says, else conv)."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("-p", "--path", metavar="OUT", help="Also write COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv and "
                     "DETAILED_ACCESS_REPORT.csv to OUT/run_name."),
    ] = None,
    fixed_stalls: Annotated[
        bool, typer.Option("--fixed-stalls", help="Count stalls once; SCALE-Sim 3.0.0 counts those for reads twice.")
    ] = False,
    json: Json = False,
) -> None:
    """Give the figures of SCALE-Sim 3.0.0 (PyPI), and say which are artefacts.

    Files are read tolerantly: keys and sections that older versions lack, rows without a comma at their end, blank
    rows. Sparsity is refused, and in USER mode custom layouts and Ramulator traces. Figures and reports equal
    SCALE-Sim's to the last digit; archsim's own cycles stand beside them.

    --json: one object: run_name, array_rows, array_cols, dataflow, bandwidth_mode, stalls, total_cycles, layers (an
    array: name, m, n, k, total_cycles, stall_cycles, overall_util_percent, sram_ifmap ... dram_ofmap, archsim_cycles),
    artefacts, warnings, files.
    """
    from archsim.explore import scalesim as sim

    kind = kind.strip().lower() if kind is not None else None
    setup = sim.read_config(config)
    work = sim.read_topology(topology, kind)
    folder = None
    if out is not None:
        folder = check_folder(out, [f"{setup.run_name}/{name}" for name in sim.reports([])], "-p") / setup.run_name
    with spinner(f"{len(work.layers)} layers"):
        results = sim.simulate(setup, work.layers, fixed_stalls=fixed_stalls)
    files = {folder / name: text for name, text in sim.reports(results).items()} if folder is not None else {}
    written = write_all(files)
    warnings = [*(f"{config}: {w}" for w in setup.warnings), *(f"{topology}: {w}" for w in work.warnings)]
    if json:
        show_json({**sim.to_dict(setup, results, fixed_stalls=fixed_stalls), "input": work.kind, "warnings": warnings,
                   "files": written})
        return
    from archsim.report.scalesim import scalesim_sheet

    show(scalesim_sheet(setup, results), "", "what in SCALE-Sim's figures is an artefact:",
         *(f"  {note}" for note in sim.notes(setup, results, fixed_stalls=fixed_stalls)))
    for warning in warnings:
        show(f"warning: {warning}")
    for name in written:
        show(f"wrote {name}")
