"""Reading a table of measured kernels: the file, its columns, and cells as the numbers that they must be."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from archsim.errors import ArchsimError, positive_int

Row = dict[str, Any]
"""A row of the file: what stands in each column, as text."""


class BadRowError(ArchsimError):
    """A row that cannot be meant, as against one that cannot be timed."""


def read(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Return the columns, and the rows with their line numbers.

    Raises
    ------
    ArchsimError
        If the file cannot be read, is no CSV, lacks a column that every op needs, or holds no rows.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise ArchsimError(f"cannot read {path}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise ArchsimError(f"{path} is not a text file") from None
    reader = csv.DictReader(io.StringIO(content))
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


def text(row: Row, column: str, line: int) -> str:
    """Return what stands in a cell.

    Raises
    ------
    BadRowError
        If there is nothing.
    """
    value = row.get(column)
    if value is None or not value.strip():
        raise BadRowError(f"line {line}: column {column!r} is {'missing' if value is None else 'empty'}")
    return str(value).strip()


def number(row: Row, column: str, line: int) -> float:
    """Return a cell as a positive number.

    Raises
    ------
    BadRowError
        If it is none.
    """
    given = text(row, column, line)
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise BadRowError(f"line {line}: column {column!r} must be a positive number, not {given!r}")
    return value


def whole(row: Row, column: str, line: int, high: int = 2**31 - 1) -> int:
    """Return a cell as a whole number from 1 to `high`.

    Raises
    ------
    BadRowError
        If it is none.
    """
    given = text(row, column, line)
    try:
        return positive_int(column, float(given), high)
    except (ArchsimError, ValueError, OverflowError):
        raise BadRowError(f"line {line}: column {column!r} must be a whole number from 1, not {given!r}") from None


def flag(row: Row, column: str, line: int) -> bool:
    """Return a cell that says yes or no; an empty one says yes.

    Raises
    ------
    BadRowError
        If it says neither.
    """
    given = str(row.get(column) or "1").strip().lower()
    if given not in ("0", "1", "true", "false", "yes", "no"):
        raise BadRowError(f"line {line}: column {column!r} must be 0 or 1, not {given!r}")
    return given in ("1", "true", "yes")
