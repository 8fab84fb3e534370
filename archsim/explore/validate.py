"""Score the simulator against measured kernels, beside a plain roofline.

A table has one measured kernel per row: ``device``, ``op``, ``dtype``, ``measured_us`` (microseconds) and the shape
columns of its op (`SHAPES`); any other column is kept and ignored. What a row's time includes is a convention, applied
alike to every device:

- ``gemm`` in an 8-bit dtype (``fp8``, ``fp8_block``, ``int8``) is two kernels: activations arrive in bf16 and are
  quantised first, as serving frameworks do.
- ``attention_*`` is a framework's attention call on a paged cache: new keys and new values are each written to it by a
  kernel, one more lays out the work, then attention itself.
- ``moe`` is a fused kernel of experts: tokens are sorted by expert, the gated products up, the activation, the products
  down, and the sum over each token's experts; router and shared experts are not in it. ``inter`` is cut by ``tp``; of
  ``experts``, ``ep`` ranks hold equal shares: a row is one rank's, whose tokens all go to experts of its own.
  ``distribution`` is ``balanced`` (the default) or ``power_law_ALPHA``.
- ``silu_mul`` and ``add`` read two operands per result; ``copy`` reads and writes ``bytes_tensor``, whatever the dtype.
"""

from __future__ import annotations

import csv
import io
import math
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError, UnsupportedError, positive_int
from archsim.hardware import Chip
from archsim.simulation.run import write_whole
from archsim.timing import roofline, time
from archsim.workload.moe import Routing
from archsim.workload.ops import Attention, Elementwise, Gather, GroupedMatMul, MatMul, Norm, Op, Route, Scatter

ATTENTION = ("attention_context", "attention_prefill", "attention_generation", "attention_decode")
SHAPES: dict[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"),
    **dict.fromkeys(ATTENTION, ("batch", "q_len", "kv_len", "heads", "kv_heads", "head_dim")),
    **dict.fromkeys(("rmsnorm", "silu_mul", "add"), ("rows", "cols")),
    "moe": ("tokens", "hidden", "inter", "topk", "experts"),
    "copy": ("bytes_tensor",),
}
"""Ops that can be scored and the shape columns that each needs."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Score:
    """Errors of one group of rows, in percent of the measured time; `bias` keeps the sign (positive: predicted slow).

    `mape` is the mean and `median` the median of the absolute errors; the ``roofline_`` figures are those of
    max(FLOP / peak, compulsory bytes / peak bandwidth).
    """

    device: str
    op: str
    dtype: str
    n: int
    mape: float
    median: float
    bias: float
    roofline_mape: float
    roofline_median: float
    roofline_bias: float

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain data."""
        return {
            "device": self.device, "op": self.op, "dtype": self.dtype, "n": self.n,
            "mape_percent": self.mape, "median_ape_percent": self.median, "bias_percent": self.bias,
            "roofline_mape_percent": self.roofline_mape, "roofline_median_ape_percent": self.roofline_median,
            "roofline_bias_percent": self.roofline_bias,
        }


@dataclass(frozen=True)
class Skipped:
    """Rows that were not scored, and why."""

    device: str
    op: str
    dtype: str
    reason: str
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain data."""
        return {"device": self.device, "op": self.op, "dtype": self.dtype, "reason": self.reason, "n": self.n}


@dataclass(frozen=True)
class Report:
    """What scoring a table gives: a `Score` per (device, op, dtype), one over all, what was skipped, and the rows.

    `rows` are those of the file, every column as it was, with ``predicted_us`` added (None where not scored).
    """

    scores: tuple[Score, ...]
    total: Score | None
    skipped: tuple[Skipped, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores, without the rows, as plain data."""
        return {
            "scores": [s.to_dict() for s in self.scores],
            "total": self.total.to_dict() if self.total else None,
            "skipped": [s.to_dict() for s in self.skipped],
            "rows_scored": sum(s.n for s in self.scores),
            "rows_skipped": sum(s.n for s in self.skipped),
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the rows with ``predicted_us`` as CSV, whole or not at all.

        Raises
        ------
        ArchsimError
            If the file cannot be written.
        """
        text = io.StringIO()
        names = [c for c in self.columns if c != "predicted_us"]
        out = csv.DictWriter(text, [*names, "predicted_us"], lineterminator="\n", extrasaction="ignore")
        out.writeheader()
        for row in self.rows:
            predicted = row["predicted_us"]
            out.writerow({**row, "predicted_us": "" if predicted is None else f"{predicted:.4f}"})
        write_whole(path, text.getvalue())

    def __str__(self) -> str:
        lines = [f"{'device':<16} {'op':<22} {'dtype':<10} {'n':>6} {'MAPE %':>8} {'median':>8} {'bias':>8} "
                 f"{'roofline MAPE':>14}"]
        for s in (*self.scores, *((self.total,) if self.total else ())):
            lines.append(f"{s.device:<16} {s.op:<22} {s.dtype:<10} {s.n:>6} {s.mape:>8.1f} {s.median:>8.1f} "
                         f"{s.bias:>+8.1f} {s.roofline_mape:>14.1f}")
        lines += [f"not scored: {s.n} x {s.device} {s.op} {s.dtype}: {s.reason}" for s in self.skipped]
        return "\n".join(lines)


def validate(
    path: str | os.PathLike[str], chip: Chip | None = None, *, resolve: Callable[[str], Chip] | None = None
) -> Report:
    """Predict every row of a table of measured kernels and score the predictions.

    Parameters
    ----------
    path
        CSV file; see the module's text for its columns.
    chip
        Time every row on this chip, whatever its ``device`` says.
    resolve
        Otherwise: returns the chip of a device name, e.g. `archsim.chips.get`.

    Returns
    -------
    Report

    Raises
    ------
    ArchsimError
        If the file cannot be read, or a row lacks a column or holds a value that cannot be meant; the message names
        line and column. Rows of an op, dtype or device that cannot be timed are no error: they are counted.
    """
    if chip is None and resolve is None:
        raise ArchsimError("validate needs chip=..., or resolve=... to find each row's device, e.g. archsim.chips.get")
    columns, table = _read(Path(path))
    rows: list[Row] = []
    errors: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    skipped: Counter[tuple[str, str, str, str]] = Counter()
    for line, row in table:
        predicted: float | None = None
        try:
            measured = _number(row, "measured_us", line)
            device = _text(row, "device", line) if chip is None else row.get("device") or chip.name
            key = (device, _text(row, "op", line), _text(row, "dtype", line))
            beside, kernels = _kernels(row, line)
            on = chip or (resolve(device) if resolve else None)
            assert on is not None
            predicted = sum(time(op, on).seconds for op in (*beside, *kernels)) * 1e6
            plain = sum(roofline.plain(op, on) for op in kernels) * 1e6
            errors.setdefault(key, []).append((predicted / measured - 1.0, plain / measured - 1.0))
        except _BadRowError as e:
            raise ArchsimError(f"{path}, {e}") from None
        except ArchsimError as e:
            skipped[(*key, str(e))] += 1
        rows.append({**row, "predicted_us": predicted})
    scores = tuple(_score(key, pairs) for key, pairs in errors.items())
    every = [pair for pairs in errors.values() for pair in pairs]
    return Report(
        scores, _score(("all", "all", "all"), every) if every else None,
        tuple(Skipped(*key, n) for key, n in skipped.items()), tuple(columns), tuple(rows),
    )


class _BadRowError(ArchsimError):
    """A row that cannot be meant, as against one that cannot be timed."""


def _read(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Return the columns, and the rows with their line numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise ArchsimError(f"cannot read {path}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise ArchsimError(f"{path} is not a text file") from None
    reader = csv.DictReader(io.StringIO(text))
    columns = [c.strip() for c in reader.fieldnames or ()]
    reader.fieldnames = columns
    for needed in ("op", "dtype", "measured_us"):
        if needed not in columns:
            raise ArchsimError(f"{path}, line 1: no column {needed!r}; it has: {', '.join(columns) or 'none'}")
    if len(set(columns)) < len(columns):
        raise ArchsimError(f"{path}, line 1: a column is named twice: {', '.join(columns)}")
    table = []
    try:
        for row in reader:
            if None in row:
                raise ArchsimError(f"{path}, line {reader.line_num}: more values than the {len(columns)} columns")
            table.append((reader.line_num, row))
    except csv.Error as e:
        raise ArchsimError(f"{path}, line {reader.line_num}: not valid CSV: {e}") from None
    if not table:
        raise ArchsimError(f"{path} holds no rows")
    return columns, table


def _text(row: Row, column: str, line: int) -> str:
    value = row.get(column)
    if value is None or not value.strip():
        raise _BadRowError(f"line {line}: column {column!r} is {'missing' if value is None else 'empty'}")
    return str(value).strip()


def _number(row: Row, column: str, line: int) -> float:
    text = _text(row, column, line)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise _BadRowError(f"line {line}: column {column!r} must be a positive number, not {text!r}")
    return value


def _whole(row: Row, column: str, line: int, high: int = 2**31 - 1) -> int:
    text = _text(row, column, line)
    try:
        return positive_int(column, float(text), high)
    except (ArchsimError, ValueError, OverflowError):
        raise _BadRowError(f"line {line}: column {column!r} must be a whole number from 1, not {text!r}") from None


def _flag(row: Row, column: str, line: int) -> bool:
    text = str(row.get(column) or "1").strip().lower()
    if text not in ("0", "1", "true", "false", "yes", "no"):
        raise _BadRowError(f"line {line}: column {column!r} must be 0 or 1, not {text!r}")
    return text in ("1", "true", "yes")


def _kernels(row: Row, line: int) -> tuple[list[Op], list[Op]]:
    """Return the kernels that a row's time holds: those beside its operator, and the operator's own."""
    op = _text(row, "op", line).lower()
    if op not in SHAPES:
        raise UnsupportedError(f"op {op!r} cannot be timed yet; these can: {', '.join(SHAPES)}")
    size = {column: _whole(row, column, line, 2**60 if op == "copy" else 2**31 - 1) for column in SHAPES[op]}
    if op == "copy":
        return [], [Elementwise(elements=-(-size["bytes_tensor"] // 2), ops=0.0, name="copy")]
    name = dtype(_text(row, "dtype", line).lower().removesuffix("_block"))
    if op == "gemm":
        product = MatMul(m=size["m"], n=size["n"], k=size["k"], dtype=name, weights=True)
        return _quantise(size["m"] * size["k"], name), [product]
    if op == "moe":
        return _experts(row, line, size, name)
    if op in ATTENTION:
        return _attention(row, line, size, name)
    if op == "rmsnorm":
        return [], [Norm(rows=size["rows"], cols=size["cols"], dtype=name)]
    gated = op == "silu_mul"
    return [], [_gate(size["rows"] * size["cols"], name) if gated else
                Elementwise(elements=size["rows"] * size["cols"], inputs=2.0, name=op, dtype=name, out_dtype=name)]


def _quantise(values: int, name: str) -> list[Op]:
    """Return the kernel that brings activations to a format of 8 bits, none for wider ones."""
    return [Elementwise(elements=values, ops=3.0, name="quantize", out_dtype=name)] if BYTES[name] < 2 else []


def _gate(values: int, name: str) -> Elementwise:
    """Return ``silu(x) y = x / (1 + exp(-x)) y``: an exponential and a reciprocal."""
    return Elementwise(elements=values, inputs=2.0, ops=3.0, exps=2.0, name="silu_mul", dtype=name, out_dtype=name)


def _experts(row: Row, line: int, size: dict[str, int], name: str) -> tuple[list[Op], list[Op]]:
    """Return what a fused kernel of experts does beside its products, and the products of one rank."""
    tp, ep = (_whole(row, c, line) if str(row.get(c) or "").strip() else 1 for c in ("tp", "ep"))
    kind, _, alpha = str(row.get("distribution") or "balanced").strip().removesuffix("_").partition("power_law_")
    try:
        routing = Routing("power", alpha=float(alpha)) if alpha else Routing(kind)
        own = max(1, size["experts"] // ep)
        groups = routing.demand(size["tokens"], own, min(own, size["topk"]))
    except UnsupportedError:
        raise
    except (ArchsimError, ValueError) as e:
        raise _BadRowError(f"line {line}: {e}") from None
    rows, width, hidden = sum(groups), -(-size["inter"] // tp), size["hidden"]
    act = name if BYTES[name] >= 2 else "bf16"
    sort = Route(rows=size["tokens"], experts=own, top_k=min(own, size["topk"]))
    reduce = Scatter(rows=rows, cols=hidden, entries=size["tokens"], weighted=True, dtype=act)
    beside = [sort, *_quantise(size["tokens"] * hidden, name), _gate(rows * width, act),
              *_quantise(rows * width, name), reduce]
    return beside, [GroupedMatMul(groups=groups, n=2 * width, k=hidden, dtype=name),
                    GroupedMatMul(groups=groups, n=hidden, k=width, dtype=name)]


def _attention(row: Row, line: int, size: dict[str, int], name: str) -> tuple[list[Op], list[Op]]:
    """Return what a framework's attention call does beside the kernel, and the kernel."""
    kv = dtype(row.get("kv_dtype") or name)
    try:
        call = Attention(
            batch=size["batch"], q_len=size["q_len"], kv_len=size["kv_len"], heads=size["heads"],
            kv_heads=size["kv_heads"], head_dim=size["head_dim"], causal=_flag(row, "causal", line), dtype=name,
            kv_dtype=kv,
        )
    except UnsupportedError:
        raise
    except ArchsimError as e:
        raise _BadRowError(f"line {line}: {e}") from None
    new, cache = size["batch"] * size["q_len"], size["batch"] * size["kv_len"]
    write = Gather(rows=new, cols=size["kv_heads"] * size["head_dim"], entries=cache, dtype=kv)
    return [write, write, Elementwise(elements=size["batch"], name="schedule")], [call]


def _score(key: tuple[str, str, str], pairs: Iterable[tuple[float, float]]) -> Score:
    ours, plain = zip(*pairs, strict=True)

    def percent(errors: tuple[float, ...]) -> tuple[float, float, float]:
        size = [abs(e) for e in errors]
        return 100 * statistics.fmean(size), 100 * statistics.median(size), 100 * statistics.fmean(errors)

    return Score(*key, len(ours), *percent(ours), *percent(plain))
