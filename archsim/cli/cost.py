"""``archsim cost``: from die area to dollars per million tokens, and what moves them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Context, Dtype, Json, Price, Seq, dollars, whole
from archsim.cli.output import check_file, show, show_json, spinner, write_all
from archsim.errors import ArchsimError, unknown

if TYPE_CHECKING:
    import networkx as nx

    from archsim.economics.breakeven import Breakeven
    from archsim.economics.chain import Chain
    from archsim.economics.range import Range
    from archsim.hardware import Chip
    from archsim.simulation import Run
    from archsim.workload.architecture import ModelConfig

PHASES = ("prefill", "decode", "both")


def cost(
    chip: Annotated[
        str, typer.Argument(metavar="CHIP", show_default=False,
                            help="Name (see archsim chips), my_chip.py or my_chip.py:NAME.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="Name (see archsim models) or a config.json.")
    ] = "llama-3.1-70b",
    phase: Annotated[str, typer.Option("--phase", metavar="prefill|decode|both", help="Which tokens.")] = "both",
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="Sequences (default 1 in prefill, 64 in decode).")
    ] = None,
    seq: Seq = None,
    context: Context = None,
    dtype: Dtype = "bf16",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="What if: a figure of the chip, e.g. core.array.rows=256 or "
                     "memory.capacity=96GB; may be repeated."),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="NAME=VALUE", help="An input of the cost, e.g. pue=1.2 or "
                     "margin=0.3:0.5:0.7 (low, base, high); may be repeated."),
    ] = None,
    usd: Price = None,
    rent: Annotated[
        str | None, typer.Option("--rent", metavar="USD", help="Also: after how long owning pays, against this rent "
                                 "per chip-hour.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="CHIP", help="Also: how many chips must be made until a design "
                                 "of one's own has paid for itself against buying this one.")
    ] = None,
    tornado: Annotated[
        str | None, typer.Option("--tornado", metavar="FILE.png", help="Also draw what each input does to $/Mtoken.")
    ] = None,
    optimum: Annotated[
        str | None, typer.Option("--optimum", metavar="FILE.png", help="Also draw $ per useful PFLOP against array "
                                 "size, SRAM and HBM at equal die area.")
    ] = None,
    json: Json = False,
) -> None:
    """Price a chip: area, yield, chip, margin, server, site, chip-hour, token; each step with its inputs.

    Low and high of a step are where all its inputs are at the ends that lower and raise it. The margin is what the
    published price implies; it carries over to what --set changes, whose area, yield and cost follow. Without a die or
    a process the chain starts at the published price, or at --price.

    --json: one object: chip, note, inputs (name: low, base, high, unit, source), steps (an array), runs (an array, one
    object per phase: steps, sensitivity, usd_per_mtoken ...), and rent, breakeven, optimum where they were asked for.
    """
    if phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    phases = ("prefill", "decode") if phase == "both" else (phase,)
    sizes = {"batch": whole("--batch", batch), "seq": whole("--seq", seq), "context": whole("--context", context)}
    money, landlord = dollars("--price", usd), dollars("--rent", rent)
    files = {name: _figure(name, text) for name, text in (("--tornado", tornado), ("--optimum", optimum)) if text}
    if len({p.absolute() for p in files.values()}) < len(files):
        raise ArchsimError("--tornado and --optimum name the same file")
    from archsim.cli.files import find_chip
    from archsim.cli.settings import assumed, changed

    inputs = assumed(assume or [])
    hardware = changed(find_chip(chip), settings or [])
    rival = find_chip(against) if against is not None else None
    made = _chain(hardware, money, inputs)
    config, graphs = _graphs(model, phases, sizes, dtype, hardware)
    from archsim.simulation import simulate

    runs = [simulate(graph, hardware) for graph in graphs]
    from archsim.economics.sensitivity import sensitivity, work_inputs

    swings = [sensitivity(made, run, work_inputs(config, run, dtype)) for run in runs]
    result: dict[str, Any] = {
        "chip": hardware.name, "model": str(graphs[0].graph["model"]), "dtype": runs[0].dtype, "note": made.note,
        "inputs": {name: _plain(r) for name, r in made.inputs.items()},
        "steps": [s.to_dict() for s in made.steps],
        "runs": [_run_data(made, run, moved) for run, moved in zip(runs, swings, strict=True)],
    }
    sheets: list[Any] = []
    if landlord is not None:
        result["rent"], said = _rent(made, landlord, runs)
        sheets += said
    if rival is not None:
        found = _breakeven(made, runs, rival, graphs, inputs)
        result["breakeven"] = [{"phase": p, **b.to_dict()} for p, b in found]
        from archsim.report.cost_chain import breakeven_sheet

        sheets += [breakeven_sheet(found), ""]
    pictures: dict[Path, str | bytes] = {}
    title = f"{hardware.name}, {graphs[0].graph['model']}, {runs[0].dtype}"
    if "--tornado" in files:
        from archsim.report import cost_tornado, plot

        panels = [(_head(run), moved) for run, moved in zip(runs, swings, strict=True)]
        pictures[files["--tornado"]] = plot.image(cost_tornado.tornado(panels, title), files["--tornado"].suffix)
    if "--optimum" in files:
        with spinner("simulating designs of equal area"):
            pictures[files["--optimum"]], result["optimum"], said = _optimum(made, graphs, title, files["--optimum"])
        sheets += [*said, ""]
    written = write_all(pictures)
    if json:
        show_json(result)
        return
    from archsim.report.cost_chain import chain_sheet, swings_sheet

    show(chain_sheet(f"{hardware.name}: what an hour of its work costs", made.steps,
                     [made.note] if made.note else []), "")
    for run, moved in zip(runs, swings, strict=True):
        on = f"on {run.chips:,} chip{'s' * (run.chips != 1)}"
        show(chain_sheet(f"{_head(run)} of {title} {on}", made.of_run(run), known=made.steps), "",
             swings_sheet("what moves it, one input at a time", moved), "")
    show(*sheets)
    for name in written:
        show(f"wrote {name}")


def _figure(option: str, text: str) -> Path:
    from archsim.report.plot import check_path

    return check_path(check_file(text, option))


def _chain(chip: Chip, money: float | None, inputs: dict[str, Range | float]) -> Chain:
    """Return a chip's chain, with the prices on file for it or for the chip that it was made of."""
    from archsim.chips.prices import usd_range
    from archsim.economics.chain import chain
    from archsim.economics.range import Range

    origin = chip.base if chip.base is not None and chip.price == chip.base.price else chip
    found = usd_range(origin.name) if origin.price is not None else None
    listed = None
    if found is not None and origin.price is not None:
        low, high, text = found
        listed = Range(min(low, origin.price), origin.price, max(high, origin.price), "USD", text)
    try:
        return chain(chip, price=money, list_price=listed, inputs=inputs)
    except ArchsimError as e:
        raise ArchsimError(str(e).replace("or give a price", "or give --price USD")) from None


def _graphs(model: str, phases: tuple[str, ...], sizes: dict[str, int | None], dtype: str, chip: Chip
            ) -> tuple[ModelConfig, list[nx.DiGraph]]:
    import archsim.models as models
    from archsim.cli.compare import BATCH
    from archsim.workload import transformer

    config = models.find(model)
    graphs = []
    for p in phases:
        other = "seq" if p == "decode" else "context"  # with both phases, seq is prefill's and context is decode's
        mine: dict[str, Any] = {k: v for k, v in sizes.items() if len(phases) == 1 or k != other}
        graphs.append(transformer(config, phase=p, dtype=dtype, **{**mine, "batch": mine["batch"] or BATCH[p]}))
    chip.check_dtype(graphs[0].graph["dtype"])
    return config, graphs


def _head(run: Run) -> str:
    w = run.workload
    size = f"seq {w['seq']:,}" if w.get("phase") == "prefill" else f"context {w['context']:,}"
    return f"{w.get('phase')}, batch {w.get('batch'):,}, {size}"


def _plain(r: Range) -> dict[str, Any]:
    return {"low": r.low, "base": r.base, "high": r.high, "unit": r.unit, "source": r.source,
            "confidence": r.confidence}


def _run_data(made: Chain, run: Run, moved: list[Any]) -> dict[str, Any]:
    from archsim.economics import Assumptions
    from archsim.economics import cost as price

    steps = made.of_run(run)
    ends = {s.name: _plain(s.value) for s in steps}
    alone = price(run, Assumptions(), price=made.price(made.values))
    return {
        "phase": run.workload.get("phase"), "batch": run.workload.get("batch"), "chips": run.chips,
        "tokens_per_s": run.tokens_per_s, "utilization": run.utilization, "bound": run.bound,
        "usd_per_mtoken": ends["million tokens"], "joules_per_token": ends["energy per token"],
        "usd_per_mtoken_accelerator_alone": alone.usd_per_mtoken,
        "steps": [s.to_dict() for s in steps], "sensitivity": [s.to_dict() for s in moved],
    }


def _rent(made: Chain, rent: float, runs: list[Run]) -> tuple[dict[str, Any], list[Any]]:
    from archsim.economics import cost as price
    from archsim.economics.site import payback_years
    from archsim.report.quantity import sig

    site, paid = made.assumptions(made.values), made.price(made.values)
    years = payback_years(made.chip, rent, site, paid)
    owned = made.hour(made.values).total
    rented = [price(run, site, rent=rent).usd_per_mtoken for run in runs]
    data = {"usd_per_chip_hour": rent, "usd_per_hour_of_work_owned": owned,
            "usd_per_hour_of_work_rented": rent / site.utilization,
            "payback_years": years if years < 1e6 else None, "usd_per_mtoken_rented": rented}
    when = f"owning pays back in {sig(years)} years" if years < 1e6 else "owning never pays back"
    tokens = ", ".join(f"${sig(r)} per million tokens in {run.workload.get('phase')}"
                       for r, run in zip(rented, runs, strict=True))
    return data, [f"Rented at ${sig(rent)} per chip-hour, work or not: ${sig(rent / site.utilization)} per hour of "
                  f"work against ${sig(owned)} owned, {tokens}; {when}.", ""]


def _breakeven(made: Chain, runs: list[Run], rival: Chip, graphs: list[nx.DiGraph],
               inputs: dict[str, Range | float]) -> list[tuple[str, Breakeven]]:
    from archsim.economics.breakeven import breakeven, nre
    from archsim.economics.site import SITE
    from archsim.simulation import simulate

    if made.making is None:
        why = made.note or "leave out --price"
        raise ArchsimError(f"--against needs what {made.chip.name} costs to make: {why}")
    once = nre(made.making.area.node)
    shared = {n: r for n, r in inputs.items() if n in SITE or n.startswith("server.")}
    other = _chain(rival, None, shared)
    rival.check_dtype(graphs[0].graph["dtype"])
    return [(str(run.workload.get("phase")), breakeven(made, run, other, simulate(graph, rival), once))
            for run, graph in zip(runs, graphs, strict=True)]


def _optimum(made: Chain, graphs: list[nx.DiGraph], title: str, path: Path
             ) -> tuple[bytes, list[dict[str, Any]], list[str]]:
    from archsim.economics.optimum import designs, explain, points
    from archsim.report import cost_optimum, plot

    found = points(made, graphs, designs(made.chip))
    figure = cost_optimum.optimum(made.chip, found, f"{title}: equal die area")
    data = [{"knob": p.design.knob, "x": p.design.x, "label": p.design.label, "phase": p.phase, "bound": p.run.bound,
             "utilization": p.run.utilization, "price_usd": p.price, "usd_per_pflop": p.usd_per_pflop} for p in found]
    phases = list(dict.fromkeys(p.phase for p in found))
    said = [explain(found, knob, phases) for knob in dict.fromkeys(p.design.knob for p in found)]
    return plot.image(figure, path.suffix), data, said
