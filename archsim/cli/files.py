"""Chips by name or from a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.hardware import Chip


def find_chip(text: str) -> Chip:
    """Return a chip of the catalogue by name, or a user's own from ``file.py`` or ``file.py:NAME``.

    Raises
    ------
    ArchsimError
        If there is no such chip, or the file does not run or does not define it.
    """
    import archsim.chips as chips

    if text.endswith(".py") or ".py:" in text:
        return chips.load(text)
    if Path(text).is_file():
        raise ArchsimError(f"{text} is not a Python file: give my_chip.py, or a chip's name")
    try:
        return chips.get(text)
    except ArchsimError as e:
        raise ArchsimError(f"{e}; or give my_chip.py:NAME") from None


def find_chips(text: str) -> list[Chip]:
    """Return the chips of a comma-separated list, each once; of equal names all but the first get a number."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ArchsimError("--chips is empty: give names separated by commas, e.g. h100-sxm,tpu-v5p")
    found = [find_chip(name) for name in names]
    chosen: list[Chip] = []
    for chip in (c for i, c in enumerate(found) if c not in found[:i]):
        name, taken, count = chip.name, {c.name for c in chosen}, 1
        while name in taken:
            count += 1
            name = f"{chip.name[:34]} ({count})"
        chosen.append(chip if name == chip.name else chip.replace(name=name))
    return chosen
