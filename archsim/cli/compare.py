"""``archsim compare``: one model on many chips, the main job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Batch, Context, Dtype, Json, KvDtype, Logits, Model, Seq, whole
from archsim.cli.output import check_folder, make_folder, price, progress, show, show_json
from archsim.errors import ArchsimError, unknown

if TYPE_CHECKING:
    from archsim.hardware import Chip
    from archsim.simulation import Run
    from archsim.workload.config import ModelConfig

PHASES = ("prefill", "decode", "both")
DEFAULTS = {"prefill": {"batch": 1, "seq": 8192}, "decode": {"batch": 64, "context": 4096}}


def compare(
    model: Model,
    chips: Annotated[
        str | None,
        typer.Option("--chips", metavar="A,B,C", help="Names or files of chips; by default all that take the dtype."),
    ] = None,
    phase: Annotated[str, typer.Option("--phase", metavar="prefill|decode|both", help="Which steps.")] = "both",
    batch: Batch = None,
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

    By default prefill takes 1 prompt of 8,192 tokens, and decode one step of 64 sequences that attend to 4,096 keys
    (fewer where a model's learned positions end). With both phases, --seq is prefill's and --context is decode's.

    --json: one object: model, parameters, dtype, runs (an array, one object per chip and phase, as archsim run --json
    prints) and findings (an array of sentences).
    """
    if phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    given = {"batch": whole("--batch", batch), "seq": whole("--seq", seq), "context": whole("--context", context)}
    folder = check_folder(out) if out is not None else None
    import archsim.models as models
    from archsim.dtypes import dtype as dtype_name

    name = dtype_name(dtype)
    config = models.find(model)
    hardware = _chips(chips, name)
    from archsim.simulation import simulate
    from archsim.workload import transformer

    phases = ("prefill", "decode") if phase == "both" else (phase,)
    graphs = [
        transformer(config, phase=p, dtype=name, kv_dtype=kv_dtype, logits=logits,
                    **_sizes(p, given, config, both=phase == "both"))
        for p in phases
    ]
    jobs = [(graph, chip) for graph in graphs for chip in hardware]
    runs = [simulate(graph, chip) for graph, chip in progress(jobs, lambda job: job[1].name)]
    prices = [price(r) for r in runs]
    costs = [c for c, _ in prices]
    missing = {r.chip.name: why for r, (_, why) in zip(runs, prices, strict=True) if why}
    from archsim.report import data
    from archsim.report.story import findings

    sentences = findings(runs, costs)
    rows = [data.run_data(r, c, why) for r, (c, why) in zip(runs, prices, strict=True)]
    result = {"model": config.name, "parameters": config.parameters, "dtype": name, "runs": rows, "findings": sentences}
    written = _write(folder, runs, costs, result) if folder is not None else []
    if json:
        show_json(result)
        return
    from archsim.report.table import comparison

    for p in phases:
        mine = [i for i, r in enumerate(runs) if r.workload["phase"] == p]
        sheet = comparison([runs[i] for i in mine], [costs[i] for i in mine], missing=missing)
        show(replace(sheet, brief=p != phases[-1]), "")
    show(*sentences)
    if written:
        show("", f"wrote {', '.join(written)}")


def _chips(text: str | None, dtype: str) -> list[Chip]:
    """Return the chips asked for, each able to take `dtype`; all of the catalogue that can, if none are named."""
    from archsim.cli.files import find_chips

    if text is not None:
        found = find_chips(text)
        for chip in found:
            chip.check_dtype(dtype)
        return found
    import archsim.chips as catalogue

    able = [c for c in catalogue.catalogue().values() if dtype in c.dtypes]
    if not able:
        raise ArchsimError(f"no chip of the catalogue has a {dtype} matrix path")
    return able


def _sizes(phase: str, given: dict[str, int | None], model: ModelConfig, both: bool) -> dict[str, Any]:
    """Return the sizes of one phase: those given, else the defaults, as far as learned positions reach.

    With both phases, `seq` is prefill's and `context` is decode's.
    """
    reach = model.max_positions if model.positions == "learned" else 2**31
    default = {k: min(v, reach) for k, v in DEFAULTS[phase].items()}
    other = "context" if phase == "prefill" else "seq"
    return default | {k: v for k, v in given.items() if v is not None and not (both and k == other)}


def _write(folder: Any, runs: list[Run], costs: list[Any], result: dict[str, Any]) -> list[str]:
    """Write figures and tables; returns what was written."""
    from archsim.report import data, plot
    from archsim.simulation.run import write_whole

    make_folder(folder)
    written = [folder / "roofline.png"]
    plot.roofline(runs, folder / "roofline.png")
    if any(c is not None for c in costs):
        plot.cost_bars(runs, costs, folder / "cost.png")
        written.append(folder / "cost.png")
    write_whole(folder / "compare.csv", data.to_csv(result["runs"]))
    write_whole(folder / "compare.json", data.to_json(result))
    return [str(p) for p in (*written, folder / "compare.csv", folder / "compare.json")]
