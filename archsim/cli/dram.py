"""``archsim dram``: what streams reach of a chip's device memory, and what refresh, bus turns and rows cost."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.files import find_chip
from archsim.cli.options import Json
from archsim.cli.output import check_file, show, show_json, write_all
from archsim.errors import ArchsimError, positive_int


def dram(
    chip: Annotated[
        str, typer.Argument(metavar="CHIP", show_default=False,
                            help="Name (see archsim chips), my_chip.py or my_chip.py:NAME.")
    ],
    pattern: Annotated[
        str | None, typer.Option("--pattern", metavar="PATTERN", help="Only read, copy, triad, write, strided (over "
                                 "strides) or random (over sizes).")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="BYTES", help="Bytes of one strided or random access (default: 32, "
                                 "64 and 128).")
    ] = None,
    stride: Annotated[
        str | None, typer.Option("--stride", metavar="BYTES", help="From one strided access to the next.")
    ] = None,
    draw: Annotated[
        str | None, typer.Option("--draw", metavar="FILE", help="Draw the share of the peak by stride, and of a GPU "
                                 "the rate by bytes in flight (.png, .svg, .pdf).")
    ] = None,
    json: Json = False,
) -> None:
    """Say what share of its peak bandwidth a chip's device memory reaches, access pattern by access pattern.

    One channel is simulated request by request: banks and open rows, activation limits, refresh, bus turn-arounds, a
    controller that keeps rows open and gathers writes. Timings are those of the memory's type, e.g. HBM3e. Strides and
    sizes are those that a channel sees; traffic is spread over all of them.

    Examples: archsim dram h200; archsim dram a100-sxm-80gb --pattern strided --size 32; archsim dram b200 --draw b.png.

    --json: one object: chip, type, channels, refresh, sustained_read_bytes_per_s, sustained_write_bytes_per_s, stated,
    timings_ns, and patterns (pattern, size_bytes, stride_bytes, fraction, refresh, turns, rows, bytes_per_s).
    """
    from archsim.hardware.dram_stream import MOST_SIZE, MOST_STRIDE

    sizes = {name: None if text is None else positive_int(name, text, most)
             for name, text, most in (("--size", size, MOST_SIZE), ("--stride", stride, MOST_STRIDE))}
    if sizes["--stride"] and pattern not in (None, "strided"):
        raise ArchsimError(f"--stride goes with --pattern strided, not {pattern}")
    if sizes["--size"] and pattern not in (None, "strided", "random"):
        raise ArchsimError(f"--size goes with --pattern strided or random, not {pattern}")
    if (sizes["--stride"] or 1 << 62) <= (sizes["--size"] or 32):
        raise ArchsimError(f"--stride must be above the size of an access, not {sizes['--stride']}")
    file = None
    if draw is not None:
        from archsim.report.canvas import FORMATS, check_path

        file = check_path(check_file(draw, "--draw"), FORMATS)
    from archsim.report import dram as report

    found = find_chip(chip)
    table = report.rows(found, pattern, sizes["--size"], sizes["--stride"])
    written = []
    if file is not None:
        from archsim.report.canvas import image
        from archsim.report.dram_plot import dram_plot

        written = write_all({file: image(dram_plot(found), file.suffix)})
    if json:
        show_json(report.dram_data(found, table))
        return
    show(*report.sheets(found, table), *(f"wrote {name}" for name in written))
