"""``archsim chips``: the catalogue as a table; one chip's figures and sources; several compared, checked, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli.options import Json
from archsim.cli.output import check_file, page_width, show, show_json
from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.explore.select import Entry

MOST = 8
"""Chips that fit side by side."""


def chips(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHIP", show_default=False,
                       help="Names, my_chip.py or my_chip.py:NAME. The whole catalogue if none is given."),
    ] = None,
    vendor: Annotated[str | None, typer.Option("--vendor", metavar="V", help="Only this vendor's.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="K", help="systolic, gpu or roofline.")] = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="FIGURE=VALUE", help="Only those with at least this much, e.g. "
                     "peak=300TFLOPS, bandwidth=2TB/s, year=2022; may be repeated."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="FIGURE=VALUE", help="Only those with at most this much, e.g. tdp=400W."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="FIGURE", help="Order by peak, bandwidth, memory, balance, link, tdp, area, "
                     "year or price, largest first; or by name, vendor, kind."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="DTYPE", help="Number format of peak and balance (default: 16 bits)."),
    ] = None,
    sources: Annotated[bool, typer.Option("--sources", help="One chip: every figure with range, source, confidence "
                                          "and what other sources say; prices on file.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Two chips or more: the figures in which they differ.")] = False,
    every: Annotated[bool, typer.Option("--all", help="With --diff: also figures in which they are equal.")] = False,
    check: Annotated[bool, typer.Option("--check", help="One chip, e.g. my_chip.py: what is missing, does not close "
                                        "or is out of physical range.")] = False,
    errata: Annotated[bool, typer.Option("--errata", help="Errors in printed chip tables, corrected; CHIP: only "
                                         "those of a chip or a table.")] = False,
    diagram: Annotated[
        str | None, typer.Option("--diagram", metavar="FILE", help="One chip: draw its blocks (.png, .svg, .pdf).")
    ] = None,
    scatter: Annotated[
        str | None,
        typer.Option("--scatter", metavar="FILE", help="Draw peak over bandwidth, a mark per chip (.png, .svg, .pdf)."),
    ] = None,
    json: Json = False,
) -> None:
    """List the chips, or print every figure of one; compare, check and draw them.

    One chip prints every figure with its source and how far to trust it. Several are listed side by side; filters
    apply to those named, or to the whole catalogue. A bare number in --min and --max has the unit of its column.

    --check: a line per finding: error (cannot be, or contradicts itself), warn (unlike anything known, or without a
    source), info. The exit code is 0 without errors, 1 with one, 2 if the file cannot be read.

    --json: an array of chips (name, kind, fidelity, peak_flops_per_s by dtype, memory_bandwidth_bytes_per_s ...); for
    one chip an object that also has figures (path, value, unit, meaning, source, confidence, note, low, high) and
    prices; --diff: chips and figures (path, unit, values, ratios to the first chip); --check: chip, errors and findings
    (severity, figure, problem, value, low, high, unit, source); --errata: an array.
    """
    modes = {"--sources": sources, "--diff": diff, "--check": check, "--errata": errata,
             "--diagram": diagram is not None, "--scatter": scatter is not None}
    chosen = [mode for mode, asked in modes.items() if asked]
    if len(chosen) > 1:
        raise ArchsimError(f"{' and '.join(chosen)} cannot go together: run one after the other")
    if every and not diff:
        raise ArchsimError("--all goes with --diff")
    filters: dict[str, Any] = {"--vendor": vendor, "--kind": kind, "--min": least, "--max": most, "--sort": sort,
                               "--dtype": dtype}
    given = [name for name, value in filters.items() if value]
    if errata:
        _only(chosen[0], given)
        _errata(names or [], json)
    elif sources or check or diagram is not None:
        _only(chosen[0], given)
        chip = _one(names, chosen[0])
        if diagram is not None:
            _draw_one(chip, diagram, json)
        elif check:
            _check(chip, json)
        else:
            _sources(chip, json)
    else:
        entries = _select(names, vendor=vendor, kind=kind, least=least, most=most, sort=sort, dtype=dtype)
        if scatter is not None:
            _draw_all(entries, scatter, dtype, json)
        elif diff:
            _diff(entries, every, json)
        elif len(names or []) == 1 and not given:
            _figures(entries[0], json)
        else:
            _list(entries, dtype, json)


def _only(mode: str, given: Sequence[str]) -> None:
    if given:
        raise ArchsimError(f"{given[0]} chooses among many chips; it does not go with {mode}")


def _one(names: Sequence[str] | None, mode: str) -> Entry:
    """Return the one chip that a mode is about."""
    from archsim.cli.files import find_entry

    if not names or len(names) > 1:
        what = "needs a chip" if not names else f"takes one chip, not {len(names)}"
        raise ArchsimError(f"{mode} {what}: archsim chips {names[0] if names else 'NAME'} {mode}"
                           + (" FILE.png" if mode == "--diagram" else ""))
    return find_entry(names[0])


def _select(names: Sequence[str] | None, *, vendor: str | None, kind: str | None, least: Sequence[str] | None,
            most: Sequence[str] | None, sort: str | None, dtype: str | None) -> list[Entry]:
    """Return the chips that were named, or the catalogue's, as far as they fit, in the order asked for."""
    from archsim.cli.files import find_entry, known_entries
    from archsim.explore.select import select

    pool = [find_entry(n) for n in names] if names else known_entries()
    return select(pool, vendor=vendor, kind=kind, at_least=_bounds("--min", least), at_most=_bounds("--max", most),
                  sort=sort, dtype=dtype)


def _bounds(option: str, texts: Sequence[str] | None) -> Mapping[str, float]:
    """Return the bounds that ``--min FIGURE=VALUE`` gave, SI, by figure."""
    from archsim.explore.select import measured

    bounds = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise ArchsimError(f"{option} is FIGURE=VALUE, e.g. {option} peak=300TFLOPS, not {text!r}")
        bounds[name.strip().lower()] = measured(name.strip().lower(), value)
    return bounds


def _list(entries: Sequence[Entry], dtype: str | None, json: bool) -> None:
    from archsim.report.chips import catalogue
    from archsim.report.data import chip_data

    if json:
        show_json([chip_data(c) for c in entries])
    elif not entries:
        show("no chip fits")
    else:
        n = len(entries)
        show(catalogue(entries, dtype), f"{n} chip{'s' * (n != 1)}; one with its sources: archsim chips NAME")


def _figures(chip: Entry, json: bool) -> None:
    from archsim.report.chips import chip_sheet

    if json:
        show_json(_whole(chip))
    else:
        show(chip_sheet(chip))


def _whole(chip: Entry) -> dict[str, Any]:
    from archsim.chips.prices import prices
    from archsim.report.data import chip_data, record

    return {**chip_data(chip, figures=True), "prices": [record(p) for p in prices(chip.name)]}


def _sources(chip: Entry, json: bool) -> None:
    from archsim.chips.prices import prices
    from archsim.report.chips import price_sheet, source_sheet

    if json:
        show_json(_whole(chip))
        return
    show(source_sheet(chip))
    if on_file := prices(chip.name):
        show("", price_sheet(on_file))


def _diff(entries: Sequence[Entry], every: bool, json: bool) -> None:
    from archsim.explore.select import differences
    from archsim.report.chips import diff_sheets
    from archsim.report.data import diff_data

    if len(entries) > MOST:
        raise ArchsimError(f"--diff puts 2 to {MOST} chips side by side, not {len(entries)}: name them, or choose with "
                           "--vendor, --min, --max")
    rows = differences(entries, every=every)
    if json:
        show_json(diff_data(entries, rows))
    else:
        for i, sheet in enumerate(diff_sheets(entries, rows, page_width())):
            show(*[""] * bool(i), sheet)


def _check(chip: Entry, json: bool) -> None:
    from archsim.chips.check import check
    from archsim.hardware import Chip
    from archsim.report.chips import findings_sheet

    if not isinstance(chip, Chip):
        raise chip.error()
    found = check(chip)
    errors = sum(f.severity == "error" for f in found)
    if json:
        show_json({"chip": chip.name, "errors": errors, "findings": [f.to_dict() for f in found]})
    else:
        show(findings_sheet(chip, found))
    if errors:
        raise typer.Exit(1)


def _errata(names: Sequence[str], json: bool) -> None:
    from archsim.chips.errata import ERRATA
    from archsim.explore.select import errata
    from archsim.report.chips import errata_sheets
    from archsim.report.data import record

    rows = errata(ERRATA, *names)
    if json:
        show_json([record(e) for e in rows])
        return
    show(*errata_sheets(rows), f"\n{len(rows)} cell{'s' * (len(rows) != 1)}")


def _draw_one(chip: Entry, path: str, json: bool) -> None:
    from archsim.hardware import Chip
    from archsim.report.block_diagram import block_diagram
    from archsim.report.canvas import check_path

    if not isinstance(chip, Chip):
        raise chip.error()
    target = check_path(check_file(path, "--diagram"))
    block_diagram(chip, target)
    _wrote(str(target), json)


def _draw_all(entries: Sequence[Entry], path: str, dtype: str | None, json: bool) -> None:
    from archsim.report.canvas import check_path
    from archsim.report.catalogue_plot import scatter

    target = check_path(check_file(path, "--scatter"))
    scatter(entries, target, dtype=dtype)
    _wrote(str(target), json)


def _wrote(name: str, json: bool) -> None:
    if json:
        show_json({"wrote": name})
    else:
        show(f"wrote {name}")
