"""Reading a table of measured kernels: the file, its columns, and cells as the numbers that they must be."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from archsim.errors import ArchsimError, nearest, positive_int

Row = dict[str, Any]
"""A row of the file: what stands in each column, as text."""


class BadRowError(ArchsimError):
    """A row that cannot be meant, as against one that cannot be timed."""


def read(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Return the columns, and the rows with their line numbers; commas, semicolons or tabs separate values.

    Raises
    ------
    ArchsimError
        If the file cannot be read, is no CSV, lacks a column that every op needs, or holds no rows.
    """
    content = _decoded(path)
    first = content.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(content), delimiter=separator)
    try:
        columns = [c.strip() for c in reader.fieldnames or ()]
        reader.fieldnames = columns
        for needed in ("op", "dtype", "measured_us"):
            if needed not in columns:
                raise ArchsimError(f"{path}, line 1: {_lacks(needed, columns)}")
        if len(set(columns)) < len(columns):
            raise ArchsimError(f"{path}, line 1: a column is named twice: {', '.join(columns)}")
        table = []
        for row in reader:
            if None in row:
                raise ArchsimError(f"{path}, line {reader.line_num}: more values than the {len(columns)} columns")
            if any(str(value or "").strip() for value in row.values()):  # spreadsheets leave empty rows
                table.append((reader.line_num, row))
    except csv.Error as e:
        raise ArchsimError(f"{path}, line {reader.line_num + 1}: not valid CSV: {e}") from None
    if not table:
        raise ArchsimError(f"{path} holds no rows")
    return columns, table


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as e:
        raise ArchsimError(f"cannot read {path}: {e.strerror or e}") from None
    if content.startswith(b"PK\x03\x04"):
        raise ArchsimError(f"{path} is a spreadsheet or an archive: save it as CSV")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArchsimError(f"{path} is not a text file in UTF-8: save it as CSV UTF-8") from None


def _lacks(needed: str, columns: list[str]) -> str:
    """Say that a column is missing, and which one was probably meant."""
    meant = f"{needed!r}" + (" (microseconds)" if needed == "measured_us" else "")
    near = nearest(needed, columns)
    hint = f": did you mean {near!r}?" if near else ";"
    return f"no column {meant}{hint} it has: {', '.join(columns) or 'none'}"


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
        comma = ", written with a decimal point and no other sign" if "," in given else ""
        raise BadRowError(f"line {line}: column {column!r} must be a positive number{comma}, not {given!r}")
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
        most = f" to {high:,}" if given.isdigit() and int(given[:30]) else ""
        raise BadRowError(f"line {line}: column {column!r} must be a whole number from 1{most}, not {given!r}"
                          ) from None


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
