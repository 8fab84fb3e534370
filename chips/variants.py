"""variant: another product of the same silicon, written as what differs from its base."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from archsim.errors import ArchsimError
from archsim.hardware import Chip, Source
from archsim.hardware.chip import Sources
from archsim.hardware.part import leaves, replace_at

OWN = ("price", "peaks", "other_peaks", "notes", "clock_states", "boost")
"""What a variant never takes over from its base: it states its own or has none."""


def variant(base: Chip, name: str, differs: Mapping[str, tuple[Any, Source]], notes: tuple[str, ...] = (),
            sources: Mapping[str, Source] | None = None) -> Chip:
    """Return the chip `name`: its `base`, and what `differs`, each figure (or part) at its path with its source.

    Figures that stay keep their confidence, and their source says of which chip it speaks. `Chip.replace` is for
    hypothetical chips; this is for those that exist.

    Parameters
    ----------
    base, name
        The chip to start from, and the name of the new one.
    differs
        Path -> (value, source); a value of None removes the part.
    notes
        What a reader should know of this chip.
    sources
        Sources of single figures within parts that differ, or of figures that stay.

    Raises
    ------
    ArchsimError
        If a figure is the base's own, or a source has no figure.
    """
    changed: Chip = replace_at(base, "", {"sources": Sources(), "name": name, "notes": notes,
                                          **{own: None for own in OWN if own != "notes"}})
    for path, (value, _) in differs.items():
        part, _, field = path.rpartition(".")
        if path.split(".")[0] not in OWN and value == figure_at(base, path):
            raise ArchsimError(f"{name}: {path} = {value!r} is what {base.name} has: leave it out")
        changed = replace_at(changed, part, {field: value})
    alive = set(_paths(changed))
    kept = {path: source if source.text.startswith("as ") else replace(source, text=f"as {base.name}: {source.text}")
            for path, source in base.sources.items()
            if path in alive and path.split(".")[0] not in OWN and path not in differs and not _within(path, differs)}
    given = {path: source for path, (value, source) in differs.items() if value is not None} | dict(sources or {})
    if lost := [path for path in given if path not in alive]:
        raise ArchsimError(f"{name}: sources names {lost[0]!r}, which has no value")
    result: Chip = replace_at(changed, "", {"sources": Sources({**kept, **given})})
    return result


def figure_at(record: Any, path: str) -> Any:
    """Return the figure at a path of a chip."""
    for field in path.split("."):
        record = getattr(record, field)
    return record


def _within(path: str, parts: Mapping[str, Any]) -> bool:
    return any(path.startswith(part + ".") for part in parts)


def _paths(chip: Chip) -> Iterator[str]:
    """Yield the path of every figure and of every part around one."""
    for leaf, *_ in leaves(chip):
        yield from (leaf.rsplit(".", i)[0] for i in range(leaf.count(".") + 1))
