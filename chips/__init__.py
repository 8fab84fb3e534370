"""The catalogue: what hardware exists. One module per vendor, each chip a literal that reads like its datasheet.

``get("tpu-v5p")`` returns a `Chip`; ``load("my_chip.py:MY_CHIP")`` returns a user's own.
"""

from __future__ import annotations

import os
import runpy
import traceback
from functools import cache
from pathlib import Path

from archsim.errors import ArchsimError, unknown
from archsim.hardware import Chip

ALIASES = {
    "a100": "a100-sxm-80gb",
    "a100-sxm": "a100-sxm-80gb",
    "a100-80gb": "a100-sxm-80gb",
    "h100": "h100-sxm",
    "b200-sxm": "b200",
    "v4": "tpu-v4",
    "v5e": "tpu-v5e",
    "v5p": "tpu-v5p",
    "v6e": "tpu-v6e",
    "tpuv4": "tpu-v4",
    "tpuv5e": "tpu-v5e",
    "tpuv5p": "tpu-v5p",
    "tpuv6e": "tpu-v6e",
    "trillium": "tpu-v6e",
    "trn2": "trainium2",
}
"""Other names under which people and measurements know a chip."""


@cache
def catalogue() -> dict[str, Chip]:
    """Return every chip by name."""
    from archsim.chips import amazon, google, nvidia

    return {chip.name: chip for vendor in (nvidia, google, amazon) for chip in vendor.CHIPS}


def names() -> list[str]:
    """Return the names of all chips of the catalogue."""
    return list(catalogue())


def get(name: str) -> Chip:
    """Return a chip of the catalogue by its name or alias; case, ``_`` and spaces do not matter.

    Raises
    ------
    ArchsimError
        If there is no such chip; the message gives the nearest name.
    """
    key = str(name).strip().lower().replace("_", "-").replace(" ", "-")
    key = ALIASES.get(key, key)
    known = catalogue()
    if key not in known:
        raise unknown("chip", name, known)
    return known[key]


def load(spec: str | os.PathLike[str]) -> Chip:
    """Return a user's chip from a Python file: ``my_chip.py:MY_CHIP``, or ``my_chip.py`` if it defines just one.

    Raises
    ------
    ArchsimError
        If the file is missing, does not run, or does not define the chip.
    """
    path, _, name = str(spec).partition(".py:")
    file = Path(path if not name and path.endswith(".py") else path + ".py")
    if not file.is_file():
        raise ArchsimError(f"no chip file {file}")
    try:
        found = {k: v for k, v in runpy.run_path(str(file)).items() if isinstance(v, Chip)}
    except ArchsimError as e:
        raise ArchsimError(f"{file}, line {_line_in(e, file)}: {e}") from None
    except SyntaxError as e:
        raise ArchsimError(f"{file}, line {e.lineno}: not valid Python: {e.msg}") from None
    except (Exception, SystemExit) as e:
        raise ArchsimError(f"{file}, line {_line_in(e, file)}: {type(e).__name__}: {e}") from None
    if name:
        if name not in found:
            known = ", ".join(found) or "none"
            raise ArchsimError(f"{file} defines no Chip named {name!r}; it defines: {known}")
        return found[name]
    if len(set(map(id, found.values()))) != 1:
        which = f"several chips ({', '.join(found)}): write {file}:NAME" if found else "no Chip"
        raise ArchsimError(f"{file} defines {which}")
    return next(iter(found.values()))


def _line_in(error: BaseException, file: Path) -> int | str:
    """Line of `file` that raised, or ``?``."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return lines[-1] if lines and lines[-1] is not None else "?"


__all__ = ["catalogue", "get", "load", "names"]
