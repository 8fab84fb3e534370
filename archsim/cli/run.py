"""``archsim run`` and ``archsim gemm``: one step of a model, or one matrix product, on one chip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsim.cli.options import (
    Chip,
    Context,
    Dims,
    Dtype,
    Json,
    KvDtype,
    Logits,
    Model,
    PowerLimit,
    Price,
    ProductDtype,
    Seq,
    dollars,
    sizes_of,
    whole,
)
from archsim.cli.output import announce_compiling, check_file, price, show, show_json, write_all
from archsim.errors import ArchsimError, positive_int

if TYPE_CHECKING:
    from archsim.hardware import Chip as Hardware

NO_PRICE = "give one with --price USD"


def run(
    model: Model,
    chip: Chip,
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="prefill|decode|encode|train",
                                 help="Which step (default: prefill; encode without a decoder).")
    ] = None,
    batch: Annotated[str, typer.Option("--batch", metavar="B", help="Sequences.")] = "1",
    seq: Seq = None,
    context: Context = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="S", help="Encoder tokens seen by cross-attention (default 512).")
    ] = None,
    dtype: Dtype = "bf16",
    weight_dtype: Annotated[
        str | None, typer.Option("--weight-dtype", metavar="DTYPE",
                                 help="Of weights in memory, e.g. int4: groups of 128 with a scale (default: DTYPE).")
    ] = None,
    expert_dtype: Annotated[
        str | None, typer.Option("--expert-dtype", metavar="DTYPE", help="Of experts in memory (default: as weights).")
    ] = None,
    activation_dtype: Annotated[
        str | None, typer.Option("--activation-dtype", metavar="DTYPE",
                                 help="Of activations and of attention (default: as DTYPE, bf16 if that is narrower); "
                                 "int8 for a chip that takes nothing else.")
    ] = None,
    kv_dtype: KvDtype = None,
    logits: Logits = "all",
    routing: Annotated[
        str, typer.Option("--routing", metavar="uniform|balanced|power:ALPHA[:SEED]", help="How tokens choose experts.")
    ] = "uniform",
    capacity: Annotated[
        str | None, typer.Option("--capacity-factor", metavar="F",
                                 help="An expert takes at most F times its fair share (default: the model's).")
    ] = None,
    microbatches: Annotated[
        str, typer.Option("--microbatches", metavar="M", help="Training: parts of the batch, one after another.")
    ] = "1",
    recompute: Annotated[
        str, typer.Option("--recompute", metavar="none|selective|full",
                          help="Training: what runs again instead of being kept.")
    ] = "none",
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="adam|momentum|sgd", help="Training: whose states are kept.")
    ] = "adam",
    unfused: Annotated[
        bool, typer.Option("--unfused-attention", help="Scores go through memory, as before fused kernels.")
    ] = False,
    eager: Annotated[
        bool, typer.Option("--eager", help="The host starts every kernel, instead of a graph replayed by the GPU.")
    ] = False,
    watts: PowerLimit = None,
    dims: Dims = None,
    usd: Price = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.json", help="Also write the run as JSON.")
    ] = None,
    figure: Annotated[
        str | None, typer.Option("--figure", metavar="FILE.png", help="Also draw the roofline (.png, .svg, .pdf).")
    ] = None,
    json: Json = False,
) -> None:
    """Simulate one step of a model on one chip: where time and bytes go, and what it costs.

    Default lengths are shorter where a model's learned positions end. Sequences of different lengths: give --seq or
    --context as a list, e.g. --context 512,4096,32768. MODEL may also be model.onnx, a graph.json that archsim graph
    has written, or resnet-50; a token is then a row or an image.

    --json: one object: time_s, tokens_per_s, flops, hbm_bytes, arithmetic_intensity, utilization (MFU), bound,
    fidelity, clock_hz, joules, joules_per_token, watts_per_chip, energy_j, usd_per_mtoken, usd_per_pflop_achieved ...
    and ops, an array with the same for every operator. Figures that are not known (a chip without a price) are null.
    """
    sizes = {"batch": whole("--batch", batch), "seq": _lengths("--seq", seq),
             "context": _lengths("--context", context), "source": whole("--source", source),
             "microbatches": whole("--microbatches", microbatches)}
    if batch == "1" and any(isinstance(size, list) for size in sizes.values()):
        sizes["batch"] = None  # as many as the list has
    factor = _factor(capacity)
    money = dollars("--price", usd)
    target = check_file(out) if out is not None else None
    picture = None
    if figure is not None:
        from archsim.report.plot import check_path

        picture = check_path(check_file(figure, "--figure"))
    from archsim.cli.files import find_chip, find_graph
    from archsim.hardware import GpuCore

    hardware = _limited(find_chip(chip), watts)
    graph = find_graph(model, batch=None if batch == "1" else whole("--batch", batch), dtype=dtype, dims=sizes_of(dims),
                       unfit={"--phase": phase, "--seq": seq, "--context": context, "--source": source,
                              "--weight-dtype": weight_dtype, "--expert-dtype": expert_dtype,
                              "--activation-dtype": activation_dtype, "--kv-dtype": kv_dtype})
    from archsim.simulation import simulate

    if graph is None:
        import archsim.models as models
        from archsim.workload import Routing, transformer

        graph = transformer(
            models.find(model), phase=phase, dtype=dtype, weight_dtype=weight_dtype, expert_dtype=expert_dtype,
            activation_dtype=activation_dtype,
            kv_dtype=kv_dtype, logits=logits, routing=replace(Routing.parse(routing), capacity_factor=factor),
            recompute=recompute, optimizer=optimizer, fused_attention=not unfused, **sizes,  # type: ignore[arg-type]
        )
    hardware.check_dtype(graph.graph["dtype"])
    if eager and not isinstance(hardware.core, GpuCore):
        raise ArchsimError(f"--eager is of GPUs: {hardware.name} has no kernels that a host could start one by one")
    announce_compiling()
    done = simulate(graph, hardware, launch="eager" if eager else "graph")
    cost, missing = price(done, money, hint=NO_PRICE)
    from archsim.report import data

    result = data.run_data(done, cost, missing)
    files: dict[Path, str | bytes] = {}
    if picture is not None:
        from archsim.report import plot

        files[picture] = plot.image(plot.roofline(done), picture.suffix)
    if target is not None:
        files[target] = data.to_json(result)
    written = write_all(files)
    if json:
        show_json(result)
        return
    from archsim.report import table

    show(table.summary(done, cost), "", table.table(done))
    if missing:
        show(f"cost: {missing}")
    for name in written:
        show(f"wrote {name}")


def _lengths(name: str, text: str | None) -> int | list[int] | None:
    """Return the length that an option was given, or the lengths of a list with commas."""
    if text is None or "," not in text:
        return whole(name, text)
    return [int(whole(name, part.strip()) or 0) for part in text.split(",")]


def _limited(chip: Hardware, watts: str | None) -> Hardware:
    """Return the chip under a power limit in watts, or as it is."""
    if watts is None:
        return chip
    try:
        number = float(watts)
    except ValueError:
        raise ArchsimError(f"--power-limit must be a number of watts, not {watts!r}") from None
    from archsim.power import known

    if chip.power is None or not known(chip):
        raise ArchsimError(f"{chip.name} has no power or no process node: what its work costs is not known, and no "
                           "--power-limit can slow it")
    if not number > chip.power.standby:
        raise ArchsimError(f"--power-limit must be more than what {chip.name} draws idle, {chip.power.standby:g} W")
    return chip.replace("power", tdp=number, capped=True)


def _factor(text: str | None) -> float | None:
    """Return the capacity factor that was given; its range is the library's to check."""
    try:
        return None if text is None else float(text)
    except ValueError:
        raise ArchsimError(f"--capacity-factor must be a number, not {text!r}") from None


def gemm(
    m: Annotated[str, typer.Argument(metavar="M", help="Rows of a and of the result.")],
    n: Annotated[str, typer.Argument(metavar="N", help="Columns of b and of the result.")],
    k: Annotated[str, typer.Argument(metavar="K", help="Columns of a, rows of b.")],
    chip: Chip,
    dtype: ProductDtype = "bf16",
    watts: PowerLimit = None,
    usd: Price = None,
    json: Json = False,
) -> None:
    """Time one matrix product, out[M, N] = a[M, K] b[K, N], on one chip, as it runs again and again.

    --json: one object: chip, m, n, k, dtype, time_s, cycles, flops, hbm_bytes, on_chip_bytes, arithmetic_intensity,
    utilization, bound, busy_s (seconds that each resource alone would need), plan, fidelity, clock_hz, joules,
    watts_per_chip, energy_j, usd_per_pflop_achieved.
    """
    from archsim.cli.files import find_chip
    from archsim.dtypes import arithmetic
    from archsim.dtypes import dtype as dtype_name

    sizes = {side: positive_int(side.upper(), text) for side, text in (("m", m), ("n", n), ("k", k))}
    money = dollars("--price", usd)
    name = dtype_name(dtype)
    hardware = _limited(find_chip(chip), watts)
    hardware.check_dtype(arithmetic(name))
    import networkx as nx

    from archsim.simulation import simulate
    from archsim.workload.ops import MatMul

    graph = nx.DiGraph(dtype=arithmetic(name))
    graph.add_node("gemm", op=MatMul(**sizes, dtype=name))  # type: ignore[arg-type]
    announce_compiling()
    done = simulate(graph, hardware)
    cost, missing = price(done, money, hint=NO_PRICE)
    if json:
        from archsim.report import data

        show_json(data.gemm_data(done, cost, missing))
        return
    from archsim.report import table

    show(table.gemm_sheet(done, cost))
    if missing:
        show(f"cost: {missing}")
