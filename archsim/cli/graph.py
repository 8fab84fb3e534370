"""``archsim graph``: the layer graph of a model: what it is made of, as a file, as a drawing of one layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archsim.cli.files import find_graph
from archsim.cli.options import Context, Dims, Dtype, Json, Seq, sizes_of, whole
from archsim.cli.output import check_file, show, show_json, write_all
from archsim.errors import ArchsimError


def graph(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", show_default=False,
                            help="Name (see archsim models), a config.json, resnet-50, model.onnx or graph.json.")
    ],
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="prefill|decode|encode|train",
                                 help="Which step (default: prefill; encode without a decoder).")
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="B", help="Sequences or images (default 1).")] = None,
    seq: Seq = None,
    context: Context = None,
    dtype: Dtype = "bf16",
    dims: Dims = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="NAME", help="The layer to draw (default: the one repeated most).")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.json", help="Write the graph, for archsim run or an editor.")
    ] = None,
    drawing: Annotated[
        str | None, typer.Option("--draw", metavar="FILE.png", help="Draw one layer (.png, .svg, .pdf).")
    ] = None,
    json: Json = False,
) -> None:
    """Count the operators of a model's layer graph, write it as JSON, draw one of its layers.

    --json: one object: model, nodes, edges, unsupported (imported nodes that are not simulated, with counts), total and
    kinds, each with count, flops, bytes and parameters.
    """
    sizes = {"batch": whole("--batch", batch), "seq": whole("--seq", seq), "context": whole("--context", context)}
    if layer is not None and drawing is None:
        raise ArchsimError("--layer goes with --draw FILE.png")
    target = check_file(out) if out is not None else None
    picture = None
    if drawing is not None:
        from archsim.report.canvas import check_path

        picture = check_path(check_file(drawing, "--draw"))
    made = find_graph(model, batch=sizes["batch"], dtype=dtype, dims=sizes_of(dims),
                      unfit={"--phase": phase, "--seq": seq, "--context": context})
    if made is None:
        import archsim.models as models
        from archsim.workload import transformer

        made = transformer(models.find(model), phase=phase, seq=sizes["seq"], context=sizes["context"], dtype=dtype,
                           batch=1 if sizes["batch"] is None else sizes["batch"])
    from archsim.workload import graph as graphs

    files: dict[Path, str | bytes] = {}
    if target is not None:
        files[target] = graphs.text(made)
    if picture is not None:
        from archsim.report.canvas import image
        from archsim.report.layer import draw

        files[picture] = image(draw(made, layer=layer), picture.suffix)
    summary = graphs.inspect(made)
    written = write_all(files)
    if json:
        show_json({"model": made.graph.get("model"), "nodes": len(made), "edges": made.number_of_edges(),
                   "unsupported": made.graph.get("unsupported", {}), **summary.to_dict()})
        return
    show(f"{made.graph.get('model', 'graph')}: {len(made)} nodes, {made.number_of_edges()} edges", "", str(summary))
    if made.graph.get("note"):
        show(f"note: {made.graph['note']}")
    for name in written:
        show(f"wrote {name}")
