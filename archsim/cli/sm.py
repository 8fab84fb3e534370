"""``archsim sm``: the software pipeline of one tile on one SM, event by event."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

import typer

from archsim.cli.options import Json, ProductDtype
from archsim.cli.output import check_file, show, show_json, write_all
from archsim.errors import ArchsimError, positive_int


def sm(
    chip: Annotated[
        str, typer.Argument(metavar="CHIP", help="Name (see archsim chips), my_chip.py or my_chip.py:NAME.")
    ],
    tile: Annotated[
        str, typer.Option("--tile", metavar="MxN[xK]", help="Rows and columns of the tile of one SM, and elements of K "
                          "per step (default: 128 bytes of them, 64 for warp-level instructions).")
    ] = "128x128",
    k: Annotated[str, typer.Option("--k", metavar="K", help="Length of the product.")] = "4096",
    stages: Annotated[
        str | None, typer.Option("--stages", metavar="S", help="Stages of the pipeline (default: as many as fit).")
    ] = None,
    dtype: ProductDtype = "bf16",
    resident: Annotated[str, typer.Option("--resident", metavar="R", help="Blocks that share the SM.")] = "1",
    pair: Annotated[
        str, typer.Option("--pair", metavar="P", help="SMs that share the tile's B, where instructions span them.")
    ] = "1",
    level: Annotated[
        str | None, typer.Option("--from", metavar="l2|far|dram", help="Where operands are: near or far part of L2, or "
                                 "device memory (default: where a block run over and over finds them).")
    ] = None,
    flight: Annotated[
        str | None, typer.Option("--in-flight", metavar="BYTES", help="Most bytes that the SM has in flight (default: "
                                 "what its stages hold).")
    ] = None,
    timeline: Annotated[
        str | None, typer.Option("--timeline", metavar="FILE.png", help="Draw copies, stages and tensor core over "
                                 "cycles.")
    ] = None,
    json: Json = False,
) -> None:
    """Run one tile's software pipeline on one SM of a chip that is otherwise idle.

    Copies fill stages of shared memory ahead of the tensor core. Says what a step needs of tensor core, port, barriers
    and stages, which of them sets the pace, and the cycles of prologue, steps and epilogue.

    Examples: archsim sm b200 --tile 128x256x64 --stages 3 --k 131072; archsim sm h100-sxm --tile 128x256 --timeline
    h100.png; archsim sm a100-sxm-80gb --tile 128x128x32 --resident 2.

    --json: one object: tile, stages, prologue_cycles, step_cycles, epilogue_cycles, cycles, utilization,
    steady_utilization, bound, step_needs_cycles, turn_around_cycles, latency_cycles, instruction, round_cycles,
    by_stages, verdict, first_events, last_events.
    """
    from archsim.cli.files import find_chip
    from archsim.timing.sm import run

    bm, bn, bk = _tile(tile)
    picture = _file(timeline)
    counts = {name: positive_int(f"--{name}", text) for name, text in
              (("k", k), ("resident", resident), ("pair", pair))}
    chosen = None if stages is None else positive_int("--stages", stages)
    made = run(find_chip(chip), bm, bn, counts["k"], dtype, bk=bk, stages=chosen, resident=counts["resident"],
               pair=counts["pair"], level=level,
               flight=math.inf if flight is None else positive_int("--in-flight", flight))
    from archsim.report import sm as report

    files: dict[Path, str | bytes] = {}
    if picture is not None:
        from archsim.report.canvas import image
        from archsim.report.sm_timeline import timeline as draw

        files[picture] = image(draw(made), picture.suffix)
    written = write_all(files)
    if json:
        show_json(report.sm_data(made))
        return
    show(*report.sheets(made))
    for name in written:
        show(f"wrote {name}")


def _tile(text: str) -> tuple[int, int, int | None]:
    """Return rows, columns and, if given, K per step of a tile such as ``128x256x64``."""
    found = re.fullmatch(r"\s*(\d+)\s*[x×,]\s*(\d+)\s*(?:[x×,]\s*(\d+)\s*)?", text, re.IGNORECASE)
    if not found:
        raise ArchsimError(f"--tile is rows x columns, or rows x columns x K per step, e.g. 128x256x64, not {text!r}")
    rows, cols = (positive_int(f"--tile {text}", found[i], 4096) for i in (1, 2))
    return rows, cols, positive_int(f"--tile {text}", found[3], 8192) if found[3] else None


def _file(text: str | None) -> Path | None:
    """Return the path of the picture, if it can be written and its suffix names a known format."""
    if text is None:
        return None
    from archsim.report.canvas import check_path

    return check_path(check_file(text, "--timeline"))
