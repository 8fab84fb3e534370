"""``archsim compare``: one model on many chips, the main job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Context, Dtype, Json, KvDtype, Logits, Model, Seq, whole
from archsim.cli.output import announce_compiling, check_folder, price, progress, show, show_json, write_all
from archsim.errors import ArchsimError, unknown

if TYPE_CHECKING:
    import networkx as nx

    from archsim.economics import Cost
    from archsim.hardware import Chip
    from archsim.simulation import Run

PHASES = ("prefill", "decode", "encode", "train", "both")
BATCH = {"prefill": 1, "decode": 64, "encode": 64, "train": 8}
"""One long prompt fills a chip; decode, and the short inputs of encoders, need many sequences."""

FILES = ("roofline.png", "cost.png", "compare.csv", "compare.json")
NO_PRICE = "try archsim run --price USD, or write price=... in a chip file"


def compare(
    model: Model,
    chips: Annotated[
        str | None,
        typer.Option("--chips", metavar="A,B,C", help="Names or files of chips, or all (default: the eight that most "
                     "large models run on, as far as they take the dtype)."),
    ] = None,
    phase: Annotated[str, typer.Option("--phase", metavar="prefill|decode|encode|train|both",
                                         help="Which steps (both: encode, if there is no decoder).")] = "both",
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B",
                                 help="Sequences (default 1 in prefill, 64 in decode, 64 in encode, 8 in train).")
    ] = None,
    seq: Seq = None,
    context: Context = None,
    dtype: Dtype = "bf16",
    kv_dtype: KvDtype = None,
    logits: Logits = "all",
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Also write roofline.png, cost.png, compare.csv and compare.json."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare chips on one model: time, tokens/s, MFU, intensity, HBM bytes, what bound it, and dollars.

    With both phases, --seq is prefill's and --context is decode's. Default lengths are shorter where a model's learned
    positions end. A chip that cannot run the model is listed with the reason.

    --json: one object: model, parameters, dtype, runs (an array, one object per chip and phase, as archsim run --json
    prints), infeasible (an array: chip, phase, reason) and findings (an array of sentences).
    """
    if phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    given = {"batch": whole("--batch", batch), "seq": whole("--seq", seq), "context": whole("--context", context)}
    folder = check_folder(out, FILES) if out is not None else None
    import archsim.models as models
    from archsim.workload import transformer

    config = models.find(model)

    decodes = any(stack.causal for stack in config.stacks)
    phases = (phase,) if phase != "both" else ("prefill", "decode") if decodes else ("encode",)
    graphs = [
        transformer(config, phase=p, dtype=dtype, kv_dtype=kv_dtype, logits=logits,
                    **_sizes(p, given, both=phase == "both"))
        for p in phases
    ]
    name = graphs[0].graph["dtype"]
    runs, infeasible = _simulate(graphs, _chips(chips, name))
    prices = [price(r, hint=NO_PRICE) for r in runs]
    costs = [c for c, _ in prices]
    missing = {r.chip.name: why for r, (_, why) in zip(runs, prices, strict=True) if why}
    from archsim.report import data
    from archsim.report.story import findings

    sentences = findings(runs, costs)
    rows = [data.run_data(r, c, why) for r, (c, why) in zip(runs, prices, strict=True)]
    result = {"model": config.name, "parameters": config.parameters, "dtype": name, "runs": rows,
              "infeasible": infeasible, "findings": sentences}
    written = write_all(_files(folder, runs, costs, result)) if folder is not None else []
    if json:
        show_json(result)
        return
    from archsim.report.table import comparison

    sheets = []
    for p in phases:
        mine = [i for i, r in enumerate(runs) if r.workload["phase"] == p]
        sheet = comparison([runs[i] for i in mine], [costs[i] for i in mine], missing=missing,
                           infeasible={i["chip"]: i["reason"] for i in infeasible if i["phase"] == p})
        sheets.append(sheet if mine else replace(sheet, title=f"{config.name} {p}, {name}"))
    for i, sheet in enumerate(sheets):  # what two tables would say alike is said below the last
        later = {note for other in sheets[i + 1:] for note in other.notes}
        show(replace(sheet, notes=[n for n in sheet.notes if n not in later], brief=bool(sheets[i + 1:])), "")
    show(*sentences)
    if written:
        show("", f"wrote {', '.join(written)}")


def _chips(text: str | None, dtype: str) -> list[Chip]:
    """Return the chips asked for: by default the usual eight that take `dtype`, with "all" every one that does."""
    from archsim.cli.files import find_chips

    if text is not None and text.strip() != "all":
        return find_chips(text)
    import archsim.chips as catalogue

    usual = catalogue.COMPARED if text is None else catalogue.names()
    able = [c for c in map(catalogue.get, usual) if dtype in c.dtypes]
    if not able and text is None:
        return _chips("all", dtype)
    if not able:
        raise ArchsimError(f"no chip of the catalogue has a {dtype} matrix path")
    return able


def _sizes(phase: str, given: dict[str, int | None], both: bool) -> dict[str, Any]:
    """Return the sizes of one phase. With both phases, `seq` is prefill's and `context` is decode's."""
    other = "seq" if phase == "decode" else "context"
    sizes: dict[str, Any] = {k: v for k, v in given.items() if not (both and k == other)}
    return sizes if sizes["batch"] is not None else {**sizes, "batch": BATCH[phase]}


def _simulate(graphs: list[nx.DiGraph], hardware: list[Chip]) -> tuple[list[Run], list[dict[str, str]]]:
    """Run every graph on every chip; return the runs, and what cannot run with the reason.

    Raises
    ------
    ArchsimError
        If nothing can run.
    """
    from archsim.simulation import simulate

    announce_compiling()
    runs, infeasible = [], []
    for graph, chip in progress([(g, c) for g in graphs for c in hardware], lambda job: job[1].name):
        try:
            chip.check_dtype(graph.graph["dtype"])
            runs.append(simulate(graph, chip))
        except ArchsimError as e:
            infeasible.append({"chip": chip.name, "phase": graph.graph["phase"], "reason": str(e)})
    if not runs:
        raise ArchsimError("; ".join(dict.fromkeys(i["reason"] for i in infeasible)))
    return runs, infeasible


def _files(folder: Path, runs: list[Run], costs: list[Cost | None], result: dict[str, Any]) -> dict[Path, str | bytes]:
    """Draw the figures and write the tables, all in memory."""
    from archsim.report import data, plot

    made: dict[str, str | bytes] = {"roofline.png": plot.image(plot.roofline(runs))}
    if any(c is not None for c in costs):
        made["cost.png"] = plot.image(plot.cost_bars(runs, costs))
    made |= {"compare.csv": data.to_csv(result["runs"]), "compare.json": data.to_json(result)}
    return {folder / name: content for name, content in made.items()}
