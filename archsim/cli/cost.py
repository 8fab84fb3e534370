"""``archsim cost``: from die area to dollars per million tokens, and what moves them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Context, Dtype, Json, Price, Seq, dollars, whole
from archsim.cli.output import announce_compiling, check_file, show, show_json, spinner, write_all
from archsim.errors import ArchsimError, positive_int, unknown

if TYPE_CHECKING:
    import networkx as nx

    from archsim.economics.breakeven import Breakeven
    from archsim.economics.chain import Chain
    from archsim.economics.day import Day
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
        str | None, typer.Option("--rent", metavar="USD", help="Rent per chip-hour, to compare owning with (default: "
                                 "the newest on file).")
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="L0,...,L23", help="Load of each hour of a day, in any unit: its "
                                 "mean over its peak is the utilization. Also: what filling the night is worth.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="CHIP", help="Also: how many chips must be made until a design "
                                 "of one's own has paid for itself against buying this one.")
    ] = None,
    tokens: Annotated[
        str | None, typer.Option("--train", metavar="TOKENS", help="Also: days, MWh and dollars of training the model "
                                 "on so many tokens, e.g. 15e12.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="N", help="Chips to train on (default 1024).")
    ] = None,
    mfu: Annotated[
        str | None, typer.Option("--mfu", metavar="SHARE", help="MFU of training, 0 to 1 (default: simulated, an upper "
                                 "bound: communication is not counted).")
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
    object per phase: steps, sensitivity, usd_per_mtoken ...), and rent, day, training, breakeven,
    optimum where they were asked for (rent also where one is on file).
    """
    if phase not in PHASES:
        raise unknown("phase", phase, PHASES)
    phases = ("prefill", "decode") if phase == "both" else (phase,)
    sizes = {"batch": whole("--batch", batch), "seq": whole("--seq", seq), "context": whole("--context", context)}
    money = dollars("--price", usd)
    landlord = None if rent is None else ("given", dollars("--rent", rent) or 0.0)
    files = {name: _figure(name, text) for name, text in (("--tornado", tornado), ("--optimum", optimum)) if text}
    if len({p.absolute() for p in files.values()}) < len(files):
        raise ArchsimError("--tornado and --optimum name the same file")
    from archsim.cli.files import find_chip
    from archsim.cli.settings import assumed, changed, number

    inputs = assumed(assume or [])
    load = _day(day, inputs) if day is not None else None
    lesson = None
    if tokens is not None:
        lesson = (float(number("--train", tokens)), positive_int("--cluster", 1024 if cluster is None else cluster),
                  float(number("--mfu", mfu)) if mfu is not None else None)
    elif mfu is not None or cluster is not None:
        raise ArchsimError(f"{'--mfu' if mfu is not None else '--cluster'} belongs to --train TOKENS")
    hardware = changed(find_chip(chip), settings or [])
    rival = find_chip(against) if against is not None else None
    made = _chain(hardware, money, inputs)
    config, graphs = _graphs(model, phases, sizes, dtype, hardware)
    from archsim.simulation import simulate

    announce_compiling()
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
    if landlord is not None or (landlord := _rent_on_file(hardware)) is not None:
        result["rent"], said = _rent(made, landlord, runs)
        sheets += said
    if load is not None:
        result["day"], said = _filled(made, load, runs)
        sheets += said
    if lesson is not None:
        result["training"], said = _training(made, config, dtype, *lesson)
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
        mine["batch"] = BATCH[p] if mine["batch"] is None else mine["batch"]
        graphs.append(transformer(config, phase=p, dtype=dtype, **mine))
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


def _day(text: str, inputs: dict[str, Range | float]) -> Day:
    """Return the day that ``--day`` gave, and put its utilization among the inputs."""
    from archsim.cli.settings import number
    from archsim.economics import Day

    if "utilization" in inputs:
        raise ArchsimError("--day gives the utilization: leave out --assume utilization=...")
    load = Day(tuple(float(number("--day", part)) for part in text.split(",")))
    inputs["utilization"] = load.utilization
    return load


def _filled(made: Chain, day: Day, runs: list[Run]) -> tuple[dict[str, Any], list[Any]]:
    """Return what a token costs on such a day, and with the night filled with batch work."""
    from archsim.report.quantity import sig

    full = day.filled()
    now, then = made.values, made.at(utilization=full.utilization)
    rows: list[dict[str, Any]] = [
        {"phase": run.workload.get("phase"), "usd_per_mtoken": made.usd_per_mtoken(run, now),
         "usd_per_mtoken_filled": made.usd_per_mtoken(run, then)} for run in runs]
    text = ", ".join(f"${sig(float(r['usd_per_mtoken']))} to ${sig(float(r['usd_per_mtoken_filled']))} in {r['phase']}"
                     for r in rows)
    return ({"utilization": day.utilization, "utilization_filled": full.utilization, "runs": rows},
            [f"The day leaves {100 * (1 - day.utilization):.0f} % of the chips idle; with that filled with batch work "
             f"a million tokens falls from {text}.", ""])


def _training(made: Chain, config: ModelConfig, dtype: str, tokens: float, chips: int, mfu: float | None
              ) -> tuple[dict[str, Any], list[Any]]:
    """Return days, energy and dollars of a training run; MFU as simulated, or as given."""
    from archsim.cli.compare import BATCH
    from archsim.economics import training, training_of
    from archsim.simulation import simulate
    from archsim.workload import transformer

    step = simulate(transformer(config, phase="train", dtype=dtype, batch=BATCH["train"]), made.chip)
    site = made.assumptions({**made.values, "utilization": 1.0})  # a cluster in training has no night
    paid = made.price(made.values)
    if mfu is None:
        done = training_of(step, tokens, chips, assumptions=site, price=paid)
    else:
        done = training(made.chip, chips, flop=step.flops / step.tokens * tokens, mfu=mfu, dtype=step.dtype,
                        assumptions=site, price=paid)
    how = "given" if mfu is not None else "simulated, without communication"
    return done.to_dict(), [f"Training on {tokens:.3g} tokens, MFU {how}: {done}. A chip that waits for memory or "
                            "network draws near full power: energy x MFU, as some reports have it, is too low.", ""]


def _rent_on_file(chip: Chip) -> tuple[str, float] | None:
    from archsim.chips.prices import prices

    found = [p for p in prices((chip.base or chip).name, "chip-hour") if p.currency == "USD"]
    return (f"{found[0].source}, {found[0].date}", found[0].amount) if found else None


def _rent(made: Chain, landlord: tuple[str, float], runs: list[Run]) -> tuple[dict[str, Any], list[Any]]:
    source, rent = landlord
    from archsim.economics import cost as price
    from archsim.economics.site import payback_years
    from archsim.report.quantity import sig

    site, paid = made.assumptions(made.values), made.price(made.values)
    years = payback_years(made.chip, rent, site, paid)
    owned = made.hour(made.values).total
    rented = [price(run, site, rent=rent).usd_per_mtoken for run in runs]
    data = {"usd_per_chip_hour": rent, "source": source, "usd_per_hour_of_work_owned": owned,
            "usd_per_hour_of_work_rented": rent / site.utilization,
            "payback_years": years if years < 1e6 else None, "usd_per_mtoken_rented": rented}
    when = f"owning pays back in {sig(years)} years" if years < 1e6 else "owning never pays back"
    tokens = ", ".join(f"${sig(r)} per million tokens in {run.workload.get('phase')}"
                       for r, run in zip(rented, runs, strict=True))
    return data, [f"Rented at ${sig(rent)} per chip-hour ({source}), work or not: ${sig(rent / site.utilization)} "
                  f"per hour of work against ${sig(owned)} owned, {tokens}; {when}.", ""]


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
    said.append("Design power, clock and ports are the chip's in all designs: more arrays may not keep them.")
    return plot.image(figure, path.suffix), data, said
