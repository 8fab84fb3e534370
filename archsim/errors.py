"""Errors for people: what was wrong, where, what is allowed, and the nearest valid name."""

from __future__ import annotations

import difflib
import numbers
import os
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ArchsimError(ValueError):
    """Anything that the user can put right. The command line prints its one line and exits with 2."""


class UnsupportedError(ArchsimError):
    """The request is understood but this chip, or this version, cannot do it (a dtype, an operator)."""


def _plain(name: str) -> str:
    """Return a name in lower case without the signs that people place differently: ``GPT-3`` and ``gpt3`` are alike."""
    return "".join(c for c in name.lower() if c.isalnum())


def alike(name: str, known: Iterable[str], most: int, cutoff: float = 0.5) -> list[str]:
    """Return the `most` known names that are spelt like `name`: those that begin with it first, then the closest."""
    given = _plain(name)
    scored = []
    for other in sorted(known, reverse=True):  # of equally close ones the last, as p7 for p8
        plain = _plain(other)
        starts = len(given) >= 3 and plain.startswith(given)
        score = difflib.SequenceMatcher(None, plain, given).ratio()
        if starts or score >= cutoff:
            common = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(plain, given, strict=False))))
            scored.append((-starts, -score, -common, other))
    return [other for *_, other in sorted(scored, key=lambda s: s[:3])[:most]]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None: one spelt like it or beginning with it."""
    return next(iter(alike(name, known, 1)), None)


def unknown(
    kind: str, name: object, known: Iterable[str], aliases: Iterable[str] = (), listing: str = ""
) -> ArchsimError:
    """Build the error for a name that is not in a closed list.

    Parameters
    ----------
    kind
        What the name should have been, e.g. ``"chip"``.
    name
        What was given.
    known
        Every valid name; all are printed, unless there is a listing.
    aliases
        Names that are valid too: one of them may be the nearest, but they are not printed.
    listing
        The command that lists all names: then only those spelt most alike are printed.
    """
    names = list(known)
    spelt = {_plain(n) for n in names}
    guess = nearest(str(name), [*names, *(a for a in aliases if _plain(a) not in spelt)])
    hint = f"did you mean {guess!r}? " if guess else ""
    if not listing:
        return ArchsimError(f"unknown {kind} {str(name)!r}: {hint}known: {', '.join(names)}")
    near = alike(str(name), names, 6, cutoff=0.3)
    some = f"most alike: {', '.join(near)}; " if len(near) > 1 else ""
    return ArchsimError(f"unknown {kind} {str(name)!r}: {hint}{some}{listing} lists all {len(names)}")


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
