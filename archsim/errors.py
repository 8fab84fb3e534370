"""Errors for people: what was wrong, where, what is allowed, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArchsimError(ValueError):
    """Anything that the user can put right. The command line prints its one line and exits with 2."""


class UnsupportedError(ArchsimError):
    """The request is understood but this chip, or this version, cannot do it (a dtype, an operator)."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None: one spelt like it, or that begins with it."""
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
