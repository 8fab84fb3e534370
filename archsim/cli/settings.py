"""``--set PATH=VALUE``: figures of a chip changed at the shell, and ``--assume NAME=VALUE`` for inputs of a cost."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.errors import ArchsimError, nearest, unknown

if TYPE_CHECKING:
    from archsim.economics.range import Range
    from archsim.hardware import Chip

_NUMBER = re.compile(r"\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*?\s*([A-Za-z_][A-Za-z_0-9]*)?\s*\Z")


def changed(chip: Chip, settings: Sequence[str]) -> Chip:
    """Return the variant of a chip with figures set by path, e.g. ``core.array.rows=256`` or ``memory.capacity=96GB``.

    Settings of one part are made together, so that figures that must agree can change at once.

    Raises
    ------
    ArchsimError
        If a setting is not PATH=VALUE, its path is no figure of the chip (the message gives the nearest), or the value
        is no number where one is needed, or is out of range.
    """
    by_part: dict[str, dict[str, Any]] = {}
    absent: dict[str, dict[str, Any]] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path or not value.strip():
            raise ArchsimError(f"--set is PATH=VALUE, e.g. --set core.array.rows=256, not {text!r}")
        head, _, rest = path.partition(".")
        if rest and (kind := _absent(chip, head)) is not None:
            if rest not in [f.name for f in dataclasses.fields(kind)]:
                raise unknown(f"figure of {head}", rest, [f.name for f in dataclasses.fields(kind)])
            absent.setdefault(head, {})[rest] = _value(path, value.strip(), kind, rest)
            continue
        part, name, key = _find(chip, path)
        mine = by_part.setdefault(part, {})
        if key is None:
            mine[name] = _value(path, value.strip(), _at(chip, part), name)
        else:
            table = mine.get(name) or dict(getattr(_at(chip, part), name))
            mine[name] = {**table, key: number(f"--set {path}", value)}
    for part, figures in absent.items():
        kind = _absent(chip, part)
        assert kind is not None
        chip = chip.replace(**{part: kind(**figures)})
    for part, figures in by_part.items():
        chip = chip.replace(part, **figures)
    return chip


def _absent(chip: Chip, name: str) -> type | None:
    """Return the class of a part that the chip may have but has not, such as ``power``."""
    from archsim.hardware import Chip as Whole

    if getattr(chip, name, chip) is not None:
        return None
    classes = typing.get_args(typing.get_type_hints(Whole)[name])
    return next((c for c in classes if isinstance(c, type) and dataclasses.is_dataclass(c)), None)


def _at(chip: Chip, part: str) -> Any:
    found: Any = chip
    for name in filter(None, part.split(".")):
        found = getattr(found, name)
    return found


def _paths(record: Any, prefix: str = "") -> list[str]:
    """Return the paths of all that can be set in a nest of parts, figures without a value included."""
    from archsim.hardware.part import Table

    found: list[str] = []
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if f.name in ("sources", "notes"):
            continue
        if dataclasses.is_dataclass(value):
            found += _paths(value, f"{prefix}{f.name}.")
        elif isinstance(value, Table):
            found += [f"{prefix}{f.name}.{key}" for key in value]
        else:
            found.append(f"{prefix}{f.name}")
    return found


def _find(chip: Chip, path: str) -> tuple[str, str, str | None]:
    """Return part, figure and, in a table of figures by dtype, its key."""
    from archsim.hardware.part import Table

    part, _, name = path.rpartition(".")
    known = _paths(chip)
    if path not in known:
        whole = [p for p in known if p.startswith(path + ".")]
        if whole:
            raise ArchsimError(f"--set {path}: that is not one figure; set e.g. {whole[0]}")
        guess = nearest(path, known) or nearest(name, [p.rpartition(".")[2] for p in known])
        full = next((p for p in known if p == guess or p.rpartition(".")[2] == guess), None)
        hint = f"did you mean {full}? " if full else ""
        raise ArchsimError(f"--set {path}: {chip.name} has no such figure; {hint}archsim chips {chip.name} lists all")
    owner = _at(chip, part)
    if isinstance(owner, Table):
        part, _, table = part.rpartition(".")
        return part, table, name
    return part, name, None


def _value(path: str, text: str, owner: Any, name: str) -> Any:
    field = next(f for f in dataclasses.fields(owner) if f.name == name)
    if field.metadata["kind"] != "option":
        return number(f"--set {path}", text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return tuple(t.strip() for t in text.split(",")) if isinstance(getattr(owner, name, None), tuple) else text


def number(option: str, text: str) -> float:
    """Return a number with an optional unit of `archsim.units`: ``256``, ``96GB``, ``1.75*GHz``.

    Raises
    ------
    ArchsimError
        If it is none.
    """
    import archsim.units as units

    match = _NUMBER.match(text)
    if match is None:
        raise ArchsimError(f"{option} needs a number, not {text.strip()!r}")
    value = float(match[1].replace("_", ""))
    if match[2] is not None:
        known = {n: u for n, u in vars(units).items() if isinstance(u, float)}
        if match[2] not in known:
            guess = nearest(match[2], known)
            raise ArchsimError(f"{option}: unknown unit {match[2]!r}; " + (f"did you mean {guess}? " if guess else "")
                               + f"known: {', '.join(known)}")
        value *= known[match[2]]
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def assumed(settings: Sequence[str]) -> dict[str, Range | float]:
    """Return inputs of a cost from ``NAME=VALUE`` or ``NAME=LOW:BASE:HIGH``.

    Raises
    ------
    ArchsimError
        If one is not of that form.
    """
    from archsim.economics.range import Range

    found: dict[str, Range | float] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        parts = [p for p in value.split(":") if p.strip()]
        if not equals or not name.strip() or len(parts) not in (1, 3):
            raise ArchsimError(f"--assume is NAME=VALUE or NAME=LOW:BASE:HIGH, e.g. --assume pue=1.2, not {text!r}")
        numbers = [float(number(f"--assume {name.strip()}", p)) for p in parts]
        if len(numbers) == 1:
            found[name.strip()] = numbers[0]
        else:
            low, base, high = numbers
            found[name.strip()] = Range(low, base, high, "", "given", "hypothetical")
    return found
