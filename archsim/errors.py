"""Errors for people: what was wrong, where, what is allowed, and the nearest valid name."""

from __future__ import annotations

import difflib
import numbers
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ArchsimError(ValueError):
    """Anything that the user can put right. The command line prints its one line and exits with 2."""


class UnsupportedError(ArchsimError):
    """The request is understood but this chip, or this version, cannot do it (a dtype, an operator)."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None: one spelt like it or beginning with it."""
    by_folded = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.5)
    if not found and len(name) >= 3:
        found = [k for k in by_folded if k.startswith(name.lower())]
    return by_folded[found[0]] if found else None


def unknown(kind: str, name: object, known: Iterable[str], aliases: Iterable[str] = ()) -> ArchsimError:
    """Build the error for a name that is not in a closed list.

    Parameters
    ----------
    kind
        What the name should have been, e.g. ``"chip"``.
    name
        What was given.
    known
        Every valid name; all are printed, the nearest one first.
    aliases
        Names that are valid too: one of them may be the nearest, but they are not listed.
    """
    names = list(known)
    guess = nearest(str(name), [*names, *aliases])
    hint = f"did you mean {guess!r}? " if guess else ""
    return ArchsimError(f"unknown {kind} {str(name)!r}: {hint}known: {', '.join(names)}")


def positive_int(name: str, value: object, high: int = 2**31 - 1) -> int:
    """Return `value` as an int from 1 to `high`, or raise an error that names it."""
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = int(value)  # type: ignore[call-overload]
        if whole != value and str(whole) != str(value).strip():
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ArchsimError(f"{name} must be a whole number, not {value!r}") from None
    if not 1 <= whole <= high:
        raise ArchsimError(f"{name} must be from 1 to {high:,}, not {whole:,}")
    return int(whole)


def plain_number(value: object) -> int | float | None:
    """Return a number, one of numpy's too, as an int or a float; None if it is no number (a truth value is none)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def expect(what: str, value: Any, kind: type[T], source: str = "") -> T:
    """Return `value` if it is of a kind, or raise an error that says `what` takes it and from what `source`."""
    if not isinstance(value, kind):
        hint = f", as {source} returns" if source else ""
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ArchsimError(f"{what} takes {article} {kind.__name__}{hint}, not {type(value).__name__}")
    return value


def path_of(value: object) -> Path:
    """Return the path of a file, or raise an error if this is none."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ArchsimError(f"the path of a file must be a string or a Path, not {value!r}")
    return Path(value)
