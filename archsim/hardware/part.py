"""Parts: frozen records whose fields carry a unit, a meaning and a plausible range.

A chip is a nest of parts. A part that lacks a figure, or gets one that cannot be meant (a clock of 1.5 Hz), says so
in one line; see `figure`. Sources are kept beside the figures, by path (``"memory.bandwidth"``): see `Source`.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, dataclass_transform

from archsim.dtypes import dtype
from archsim.errors import ArchsimError, plain_number, unknown

T = TypeVar("T")


class Table(Mapping[str, float]):
    """An immutable, hashable mapping from a dtype (or another name) to a number."""

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[str, float]) -> None:
        self._items = dict(items)
        self._hash = hash(frozenset(self._items.items()))

    def __getitem__(self, key: str) -> float:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self._items) == dict(other)

    def __repr__(self) -> str:
        return repr(self._items)


CONFIDENCES = ("published", "published-unverified", "derived", "estimated", "hypothetical")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a figure comes from and how far to trust it.

    `confidence` is ``published`` (read in the document), ``published-unverified`` (quoted without the document at
    hand), ``derived`` (computed; `text` says from what), ``estimated`` or ``hypothetical`` (set by a user).
    `note` holds what other sources say instead; an estimate may say between which values, `low` and `high`, the truth
    should lie, in the unit of the figure.
    """

    text: str
    confidence: str = "published"
    note: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.confidence not in CONFIDENCES:
            raise unknown("confidence", self.confidence, CONFIDENCES)
        if (self.low is None) != (self.high is None) or (self.low or 0.0) > (self.high or 0.0):
            raise ArchsimError(f"Source.low and Source.high are a range: {self.low!r} to {self.high!r} is none")


def _describe(unit: str, doc: str) -> str:
    return f"{doc} ({unit})" if unit else doc


def figure(
    unit: str,
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    low: float = 0.0,
    high: float = math.inf,
    zero: bool = False,
    hint: str = "",
    likely: tuple[float, float] | None = None,
    instead: tuple[float, ...] = (),
) -> Any:
    """Declare a number: its unit, what it means, and the range outside which it must be a mistake.

    `low` and `high` are allowed, except that 0 is a figure only if `zero` says so (or it is the default). `likely` is
    where measurements and documents of such machines leave it, if they leave it open: what a fit may try. `instead` are
    the values of which the part itself puts one where the default is None.
    """
    return dataclasses.field(
        default=default,
        metadata={"kind": "number", "unit": unit, "doc": doc, "low": low, "high": high, "hint": hint,
                  "zero": zero or default == 0, "likely": likely, "instead": instead},
    )


def whole(doc: str, *, default: Any = dataclasses.MISSING, high: int = 1_000_000, instead: tuple[int, ...] = ()) -> Any:
    """Declare a whole number from 1 to `high`; `instead` as of `figure`."""
    return dataclasses.field(
        default=default,
        metadata={"kind": "count", "unit": "", "doc": doc, "low": 1, "high": high, "hint": "", "zero": False,
                  "instead": instead},
    )


def table(unit: str, doc: str, *, default: Any = dataclasses.MISSING, keys: str = "dtype") -> Any:
    """Declare a mapping to positive numbers from dtypes, or from names if `keys` is ``name``."""
    return dataclasses.field(default=default, metadata={"kind": "table", "unit": unit, "doc": doc, "keys": keys})


def by_dtype(unit: str, doc: str, *, default: Any = dataclasses.MISSING, low: float = 0.0,
             high: float = math.inf) -> Any:
    """Declare a number that may differ by dtype: one for all, or a mapping from dtype."""
    return dataclasses.field(default=default, metadata={"kind": "by_dtype", "unit": unit, "doc": doc, "low": low,
                                                        "high": high, "hint": "", "zero": False, "keys": "dtype"})


def option(doc: str, *, default: Any = dataclasses.MISSING, instead: tuple[Any, ...] = ()) -> Any:
    """Declare a field without a unit: a name, a flag, a nested part; `instead` as of `figure`."""
    return dataclasses.field(default=default, metadata={"kind": "option", "unit": "", "doc": doc, "instead": instead})


def settle(record: Any, kind: int, later: str = "") -> None:
    """Give fields left at None, but not `later`, what machines of this `kind` have instead: 0, 1, ... or the last."""
    for f in dataclasses.fields(record):
        if f.name != later and getattr(record, f.name) is None and (instead := f.metadata.get("instead")):
            object.__setattr__(record, f.name, instead[min(kind, len(instead) - 1)])


def _check_number(part: str, name: str, value: Any, meta: Mapping[str, Any]) -> Any:
    what = _describe(meta["unit"], meta["doc"])
    given, value = value, plain_number(value)
    if value is None:
        raise ArchsimError(f"{part}.{name} must be a number, not {given!r}: {what}")
    if meta["kind"] == "count" and value % 1:
        raise ArchsimError(f"{part}.{name} must be a whole number, not {value!r}: {what}")
    low, high = meta["low"], meta["high"]
    too_low = value < low or (value == 0 and not meta["zero"])
    if not math.isfinite(value) or too_low or value > high:
        allowed = f"above {low:g}" if low == 0 and not meta["zero"] else f"at least {low:g}"
        if high < math.inf:
            allowed += f" and at most {high:g}"
        hint = f"; {meta['hint']}" if meta["hint"] else ""
        raise ArchsimError(f"{part}.{name} = {value!r} cannot be right: {what} must be {allowed}{hint}")
    return int(value) if meta["kind"] == "count" else float(value)


def _check_table(part: str, name: str, value: Any, meta: Mapping[str, Any]) -> Table:
    what = _describe(meta["unit"], meta["doc"])
    if not isinstance(value, Mapping) or not value:
        raise ArchsimError(f"{part}.{name} must be a mapping such as {{'bf16': 1024}}, not {value!r}: {what}")
    checked = {}
    for key, given in value.items():
        number = plain_number(given)
        if number is None or not 0 < number < math.inf:
            raise ArchsimError(f"{part}.{name}[{key!r}] must be a positive number, not {given!r}: {what}")
        checked[dtype(key) if meta["keys"] == "dtype" else str(key)] = float(number)
    return Table(checked)


def _classes(hint: Any) -> tuple[type, ...]:
    """Return the classes that a type hint admits: ``Cache | None`` gives (Cache, NoneType)."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return tuple(c for member in typing.get_args(hint) for c in _classes(member))
    origin = typing.get_origin(hint) or hint
    return (origin,) if isinstance(origin, type) else (object,)


def _frozen(value: Any) -> Any:
    """Return lists as tuples, at any depth, so that a part stays hashable."""
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value


def _check_option(part: str, name: str, value: Any, hint: Any) -> Any:
    classes = _classes(hint)
    value = _frozen(value)
    if not isinstance(value, classes):
        plain = {str: "string", bool: "True or False", tuple: "list or tuple", collections.abc.Mapping: "mapping"}
        wanted = " or ".join(plain.get(c, c.__name__) for c in classes if c is not types.NoneType)
        given = repr(value) if len(repr(value)) <= 40 else type(value).__name__
        raise ArchsimError(f"{part}.{name} must be a {wanted}, not {given}".replace("a True or", "True or"))
    return value


def _with_fields(doc: str, fields: Mapping[str, Any]) -> str:
    """Return a class's docstring followed by its fields: name, unit, default, meaning."""
    lines = [doc.rstrip(), "", "    Parameters", "    ----------"]
    for name, f in fields.items():
        unit = f" ({f.metadata['unit']})" if f.metadata["unit"] else ""
        default = "required" if f.default is dataclasses.MISSING else f"default {f.default!r}"
        if instead := f.metadata.get("instead"):
            default = "default " + " / ".join(str(v) if isinstance(v, bool) else f"{v:g}" for v in instead)
        lines += [f"    {name}{unit}, {default if len(default) < 60 else 'has a default'}",
                  f"        {f.metadata['doc']}"]
    return "\n".join(lines) + "\n"


@dataclass_transform(kw_only_default=True, frozen_default=True,
                     field_specifiers=(figure, whole, table, by_dtype, option))
def part(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass that checks its figures and explains what is missing."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    fields = {f.name: f for f in dataclasses.fields(made)}  # type: ignore[arg-type]
    plain_init: Callable[..., None] = made.__init__
    made.__doc__ = _with_fields(cls.__doc__ or "", fields)

    @functools.cache
    def hints() -> dict[str, Any]:
        return typing.get_type_hints(made)

    @functools.wraps(plain_init)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
        if args:
            raise ArchsimError(f"{made.__name__}(...) takes names: write {next(iter(fields))}={args[0]!r}")
        for name in given:
            if name not in fields:
                raise unknown(f"field of {made.__name__}", name, fields)
        for name, f in fields.items():
            meta = f.metadata
            if name not in given:
                if f.default is dataclasses.MISSING:
                    what = _describe(meta["unit"], meta["doc"])
                    raise ArchsimError(f"{made.__name__} lacks {name!r}: {what}")
                continue
            value = given[name]
            if value is None and f.default is None:
                continue
            if meta["kind"] in ("number", "count") or (meta["kind"] == "by_dtype" and not isinstance(value, Mapping)):
                given[name] = _check_number(made.__name__, name, value, meta)
            elif meta["kind"] == "table" or (meta["kind"] == "by_dtype" and isinstance(value, Mapping)):
                given[name] = _check_table(made.__name__, name, value, meta)
            else:
                given[name] = _check_option(made.__name__, name, value, hints()[name])
        plain_init(self, **given)

    fresh: Callable[[Any], int] = made.__hash__

    def __hash__(self: Any) -> int:  # noqa: N807
        """Return the hash, which is computed once: every memo asks a chip for it at every call."""
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = fresh(self)
            object.__setattr__(self, "_hash", known)
        return known

    def __getstate__(self: Any) -> dict[str, Any]:  # noqa: N807
        """Return the fields alone: hashes of names differ from process to process."""
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    made.__init__ = __init__  # type: ignore[method-assign]
    made.__hash__ = __hash__  # type: ignore[method-assign]
    made.__getstate__ = __getstate__  # type: ignore[method-assign]
    return made


def leaves(record: Any, prefix: str = "") -> Iterator[tuple[str, Any, str, str]]:
    """Yield (path, value, unit, meaning) of every figure in a nest of parts, skipping those that are None."""
    for f in dataclasses.fields(record):
        if f.name == "sources":
            continue
        value = getattr(record, f.name)
        path = f"{prefix}{f.name}"
        if value is None or value == "" or value == ():
            continue
        if dataclasses.is_dataclass(value):
            yield from leaves(value, path + ".")
        elif isinstance(value, Table):
            for key, number in value.items():
                yield f"{path}.{key}", number, f.metadata["unit"], f.metadata["doc"]
        else:
            yield path, value, f.metadata["unit"], f.metadata["doc"]


def defaulted(record: Any, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the figures in a nest of parts that have their default value."""
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if dataclasses.is_dataclass(value):
            yield from defaulted(value, f"{prefix}{f.name}.")
        elif value is not None and (value == f.default or value in f.metadata.get("instead", ())):
            yield from (f"{prefix}{f.name}.{key}" for key in value) if isinstance(value, Table) else (prefix + f.name,)


def metadata_at(record: Any, path: str) -> Mapping[str, Any]:
    """Return what was declared of the figure at a path of a nest of parts: unit, meaning, ranges."""
    *parts, name = path.split(".")
    for part_name in parts:
        record = getattr(record, part_name)
    return next(f.metadata for f in dataclasses.fields(record) if f.name == name)


def replace_at(record: Any, path: str, changes: Mapping[str, Any], whole: str = "") -> Any:
    """Return a copy of a nest of parts with `changes` made to the part at `path` (dots between field names)."""
    if not path:
        return _replaced(record, changes)
    head, _, rest = path.partition(".")
    names = [f.name for f in dataclasses.fields(record)]
    if head not in names:
        raise unknown(f"part of {whole or type(record).__name__}", head, names)
    child = getattr(record, head)
    if not dataclasses.is_dataclass(child):
        have = "is not set" if child is None else f"is a figure: write replace({whole!r}, {head}=...)"
        raise ArchsimError(f"{type(record).__name__}.{head} {have}")
    return _replaced(record, {head: replace_at(child, rest, changes, f"{whole}.{head}".strip("."))})


def _replaced(record: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy with `changes`. Where they make it another kind of machine, what it had by its kind changes too.

    So does what a part says of itself (``following``) that it had by a figure which is changed.
    """
    if hasattr(record, "following"):
        changes = {**record.following(changes), **changes}
    made = dataclasses.replace(record, **changes)
    old, new = getattr(record, "settled", 0), getattr(made, "settled", 0)
    if old == new:
        return made
    follow = {f.name: None for f in dataclasses.fields(record) if (instead := f.metadata.get("instead"))
              and getattr(record, f.name) == instead[min(old, len(instead) - 1)]}
    return dataclasses.replace(record, **{**follow, **changes})
