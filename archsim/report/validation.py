"""Tables of how well measured kernels are met: scores, constants with their sensitivity, carry-over, ablation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from archsim.report.quantity import NONE, quantity, scale
from archsim.report.sheet import Column, Sheet

if TYPE_CHECKING:
    from archsim.explore.ablation import Ablation
    from archsim.explore.carry_over import CarryOver
    from archsim.explore.constants import Constant, Sensitivity
    from archsim.explore.validate import Report


def _percents(heading: str, values: Sequence[float], rank: int = 0, signed: bool = False) -> Column:
    return Column(heading, [_percent(v, signed) for v in values], rank)


def _percent(value: float, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{value:{sign}.1f}" if abs(value) < 1e6 else f"{value:{sign}.1e}"


ABSURD, NOTHING = 1000.0, -98.0
"""Percent by which a roofline may be too slow, and a prediction too fast, before the unit of the times is in doubt."""


def scores(report: Report) -> Sheet:
    """Return how well measured kernels were predicted, beside a plain roofline, and what could not be timed."""
    rows = [*report.scores, *([report.total] if report.total and len(report.scores) > 1 else [])]
    notes = [f"not scored: {s.n:,} × {s.device} {s.op} {s.dtype}: {s.reason}" for s in report.skipped]
    for s in report.scores:
        what = " ".join(filter(None, (s.device, s.op, s.dtype, s.part)))
        if s.roofline_median > ABSURD or s.bias < NOTHING:
            speed = "faster" if s.bias > 0.0 else "slower"
            notes.append(f"{what}: far {speed} than the chip: is measured_us in microseconds, and is this the chip?")
        elif s.beyond:
            rest = "" if s.rest is None else f"; MAPE without them {_percent(s.rest)}"
            notes.append(f"{what}: {s.beyond:,} of {s.n:,} rows were measured faster than the roofline, by up to "
                         f"{s.fastest:.2f} × (operands in a cache, or a wrong measurement){rest}")
    return Sheet(
        "error in % of the measured time",
        [
            Column("device", [s.device for s in rows], text=True),
            *([Column("timed as", [s.chip for s in rows], 4, text=True)]
              if any(s.chip != s.device for s in report.scores) else []),
            Column("op", [s.op for s in rows], text=True),
            Column("dtype", [s.dtype for s in rows], text=True),
            *([Column(report.by, [s.part for s in rows], text=True)] if report.by else []),
            Column("rows", [f"{s.n:,}" for s in rows]),
            _percents("MAPE", [s.mape for s in rows]),
            _percents("median", [s.median for s in rows], 1),
            _percents("bias", [s.bias for s in rows], signed=True),
            _percents("roofline\nMAPE", [s.roofline_mape for s in rows]),
            _percents("roofline\nmedian", [s.roofline_median for s in rows], 3),
            _percents("roofline\nbias", [s.roofline_bias for s in rows], 2, signed=True),
        ] if rows else [],
        notes=notes,
        rules=[len(report.scores) - 1] if len(rows) > 1 else [],
    )


def worst(report: Report, most: int) -> Sheet:
    """Return the rows that were predicted worst, with their shapes and where they stand."""
    rows = report.misses[:most]
    return Sheet(
        f"the {len(rows):,} worst of {len(report.misses):,} rows",
        [
            Column("row", [m.place for m in rows], text=True),
            Column("device", [m.device for m in rows], 2, text=True),
            Column("op", [m.op for m in rows], text=True),
            Column("dtype", [m.dtype for m in rows], 1, text=True),
            Column("shape", [", ".join(f"{c} {v}" for c, v in m.shape.items()) for m in rows], text=True, wrap=True),
            Column("measured\nµs", [quantity(m.measured_us) for m in rows]),
            Column("predicted\nµs", [quantity(m.predicted_us) for m in rows]),
            _percents("error\n%", [m.error for m in rows], signed=True),
            _percents("roofline\n%", [m.roofline_error for m in rows], 3, signed=True),
        ],
    )


def _value(constant: Constant) -> str:
    if isinstance(constant.value, Mapping):
        return _together(constant.value.values(), constant.unit, [f"{name} " for name in constant.value], ", ")
    return quantity(constant.value, constant.unit)


def _together(values: Iterable[float], unit: str, names: Sequence[str], between: str) -> str:
    """Write values of one unit with the unit said once: ``bf16 1,024, fp8 2,048 MAC/cycle``, ``30 to 90 cycle``."""
    numbers = list(values)
    factor, unit = scale(numbers, unit) if not 1e-3 < max(numbers) < 1e6 else (1.0, unit)
    said = [f"{name}{quantity(v / factor, digits=3)}" for name, v in zip(names, numbers, strict=True)]
    return f"{between.join(said)} {unit}".rstrip()


def _source(constant: Constant) -> str:
    if constant.source is None:
        return NONE
    kind = "" if constant.source.confidence == "published" else f" ({constant.source.confidence})"
    return f"{constant.source.text}{kind}"


def _moves(changes: Mapping[tuple[str, str], float] | None, key: tuple[str, str]) -> str:
    if changes is None:
        return NONE
    return "0" if abs(changes[key]) < 0.005 else f"{changes[key]:+.2f}"


WIDE = 4
"""Ops and dtypes that have columns of their own; of more, the mean and the largest are shown."""


def _over(changes: Mapping[tuple[str, str], float] | None, pick: Callable[[Iterable[float]], float]) -> str:
    """Write what becomes of the changes of all ops."""
    return NONE if changes is None else _moves({("", ""): pick(changes.values())}, ("", ""))


def _largest(values: Iterable[float]) -> float:
    return max(values, key=abs)


def sensitivity(found: Sequence[Sensitivity]) -> list[Sheet]:
    """Return a table of constants per device: value, meaning, source, and what a fifth less or more does to the error.

    The largest effect comes first. Figures that change no prediction are named below the table.
    """
    sheets = []
    for device in dict.fromkeys(s.device for s in found):
        mine = [s for s in found if s.device == device]
        shown = [s for s in mine if s.largest >= 0.005]
        idle = [s.constant.path for s in mine if s.largest < 0.005]
        keys = sorted({key for s in mine for key in (*(s.down or {}), *(s.up or {}))})
        constants = [s.constant for s in shown]
        columns = [
            Column("figure", [c.path for c in constants], text=True),
            Column("value", [_value(c) for c in constants], text=True, wrap=True, least=12),
            *(Column(f"{op}\n{dtype}\n{sign}", [_moves(getattr(s, side), (op, dtype)) for s in shown], i)
              for i, (op, dtype) in enumerate(keys if len(keys) <= WIDE else ())
              for sign, side in (("−20 %", "down"), ("+20 %", "up"))),
            *(Column(f"{what}\n{sign}", [_over(getattr(s, side), pick) for s in shown])
              for what, pick in ((("mean of ops", fmean), ("most of any", _largest)) if len(keys) > WIDE else ())
              for sign, side in (("−20 %", "down"), ("+20 %", "up"))),
            Column("kind", ["datasheet" if c.datasheet else "" for c in constants], WIDE, text=True),
            Column("meaning", [c.meaning for c in constants], WIDE + 2, text=True, wrap=True, least=24),
            Column("source", [_source(c) for c in constants], WIDE + 1, text=True, wrap=True, least=24),
        ]
        notes = [f"{NONE} cannot be changed so: a whole number that rounds to itself, or out of range"] if any(
            s.down is None or s.up is None for s in shown) else []
        if len(keys) > WIDE:
            notes.append("each op by itself: --json, or --out FILE.csv")
        if idle:
            notes.append(f"moves nothing by 0.005 points: {', '.join(idle)}")
        sheets.append(Sheet(f"{device}: points of MAPE when one figure is 20 % less, or more", columns if shown else [],
                            notes=notes, brief=True))
    return sheets


def carried(result: CarryOver) -> list[Sheet]:
    """Return the errors of constants fitted on one chip and carried over to others, and the constants themselves."""
    from archsim.explore.carry_over import MATTERS

    keys = list(result.defined)
    errors = Sheet(
        "MAPE in %: constants fitted on one chip's rows, carried over to the others",
        [
            Column("chip", [k[0] for k in keys], text=True),
            Column("op", [k[1] for k in keys], text=True),
            Column("dtype", [k[2] for k in keys], text=True),
            _percents("roofline", [result.roofline[k] for k in keys]),
            _percents("as defined", [result.defined[k] for k in keys]),
            *(Column(f"fit on\n{f.chip}", [f"{f.errors[k]:.1f}{'*' if k[0] == f.chip else ' '}" for k in keys])
              for f in result.fits),
            *(Column(f"all values of\n{f.chip}", [f"{f.forced[k]:.1f}" for k in keys], 1)
              for f in result.fits if result.apart),
        ],
        notes=["* the rows that the fit saw" + "; all others are carried over" * (len({k[0] for k in keys}) > 1),
               *(f"fit on {f.chip}: {len(f.values)} constants, {f.rows:,} rows, {f.evaluations} evaluations"
                 for f in result.fits),
               *(f"fit on {f.chip}: too few rows for so many constants: any values would do"
                 for f in result.fits if f.rows < 10 * len(f.values)),
               *(["all values: also of constants that are not the same thing on both chips by their definitions"]
                 if result.apart else [])],
    )
    paths = list(dict.fromkeys(path for f in result.fits for path in f.values))
    first = {path: next(f.constants[path] for f in result.fits if path in f.constants) for path in paths}

    def fitted(values: Mapping[str, float], path: str) -> str:
        return quantity(values[path], first[path].unit, 3) if path in values else NONE

    constants = Sheet(
        "the constants that documents leave open",
        [
            Column("figure", paths, text=True),
            Column("range", [_together(first[p].likely or (), first[p].unit, ["", ""], " to ") for p in paths]),
            *(column for f in result.fits for column in (
                Column(f"{f.chip}\nas defined", [_value(f.constants[p]) if p in f.constants else NONE for p in paths]),
                Column(f"{f.chip}\nfitted", [fitted(f.values, p) for p in paths]))),
            *(Column(f"cost on {f.chip}\nof the other's", [
                f"{f.costs[p]:+.2f}" if p in f.costs else NONE for p in paths], 1)
              for f in result.fits if len(result.fits) > 1),
            Column("differs", ["yes" if p in result.differing else "" for p in paths], 2, text=True),
            Column("meaning", [first[p].meaning for p in paths], 4, text=True, wrap=True, least=24),
        ] if paths else [],
        notes=[f"{NONE} its definition has it from a measurement or a document, or no row depends on it",
               *(["cost: points of MAPE on the fitted rows with the value that the other fit found; differs: by more "
                  f"than a tenth of the range, at more than {MATTERS} points"] if len(result.fits) > 1 else [])],
    )
    lines = [(path, chip, c) for path, own in result.apart.items() for chip, c in own.items()]
    apart = Sheet(
        "constants that are not the same thing on all chips, and why",
        [
            Column("figure", [path for path, _, _ in lines], text=True),
            Column("chip", [chip for _, chip, _ in lines], text=True),
            Column("as defined", [_value(c) for _, _, c in lines]),
            Column("source", [_source(c) for _, _, c in lines], text=True, wrap=True, least=30),
            Column("meaning", [c.meaning for _, _, c in lines], 1, text=True, wrap=True, least=24),
        ],
        notes=["a default that differs is of another kind of matrix instruction: help(archsim.GpuCore) derives both"],
    )
    return [errors, constants, *([apart] if lines else [])]


LEAVE = ("SM pipeline", "L2", "launch", "tiles", "HBM", "waves")
"""Stages of an ablation that a narrow terminal leaves out, the last of them first: the one after then shows both."""


def ablation(found: Sequence[Ablation]) -> Sheet:
    """Return the errors of every class of shapes as one piece of physics after the other is switched on."""
    from archsim.explore.ablation import FEW, PIECES, SOME

    names = list(found[0].errors) if found else []
    return Sheet(
        "MAPE in %, each stage with all before it",
        [
            Column("device", [a.device for a in found], text=True),
            Column("op", [a.op for a in found], 1, text=True),
            Column("dtype", [a.dtype for a in found], text=True),
            Column("shapes", [a.shapes for a in found], text=True),
            Column("rows", [f"{a.n:,}" for a in found], 2 + len(LEAVE)),
            *(Column(name if i == 0 else f"+ {name}", [f"{a.errors[name]:.1f}" for a in found],
                     2 + LEAVE.index(name) if name in LEAVE else 0) for i, name in enumerate(names)),
        ],
        notes=[f"decode-like: at most {FEW} rows; skinny: at most {SOME}; large: more",
               *(f"+ {p.name}: {p.meaning}" for p in PIECES)],
        rules=[i for i in range(len(found) - 1) if (found[i].device, found[i].dtype) !=
               (found[i + 1].device, found[i + 1].dtype)],
    )


__all__ = ["ablation", "carried", "scores", "sensitivity", "worst"]
