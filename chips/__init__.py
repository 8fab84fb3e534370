"""The catalogue: what hardware exists. One module per vendor, each chip a literal that reads like its datasheet.

``get("tpu-v5p")`` returns a `Chip`; ``load("my_chip.py:MY_CHIP")`` returns a user's own.
"""

from __future__ import annotations

import ast
import contextlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from archsim.errors import ArchsimError, unknown
from archsim.hardware import Chip

ALIASES = {
    "a100": "a100-sxm-80gb",
    "a100-sxm": "a100-sxm-80gb",
    "a100-80gb": "a100-sxm-80gb",
    "a100-sxm4-80gb": "a100-sxm-80gb",  # as its driver reports it
    "h100": "h100-sxm",
    "h100-sxm5": "h100-sxm",
    "h100-80gb-hbm3": "h100-sxm",
    "b200-sxm": "b200",
    "v1": "tpu-v1",
    "tpuv1": "tpu-v1",
    "v2": "tpu-v2",
    "tpuv2": "tpu-v2",
    "v3": "tpu-v3",
    "tpuv3": "tpu-v3",
    "v4i": "tpu-v4i",
    "tpuv4i": "tpu-v4i",
    "tpu-v4-lite": "tpu-v4i",  # as JAX reports it
    "v4": "tpu-v4",
    "tpuv4": "tpu-v4",
    "v5e": "tpu-v5e",
    "tpuv5e": "tpu-v5e",
    "tpu-v5-lite": "tpu-v5e",  # as JAX reports it
    "tpu-v5litepod": "tpu-v5e",
    "v5p": "tpu-v5p",
    "tpuv5p": "tpu-v5p",
    "tpu-v5": "tpu-v5p",  # as JAX reports it
    "v6e": "tpu-v6e",
    "tpuv6e": "tpu-v6e",
    "tpu-v6-lite": "tpu-v6e",  # as JAX reports it
    "trillium": "tpu-v6e",
    "tpu-trillium": "tpu-v6e",
    "v7": "tpu-v7",
    "v7x": "tpu-v7",
    "tpuv7": "tpu-v7",
    "tpu7x": "tpu-v7",  # as JAX reports it
    "tpu-7x": "tpu-v7",
    "tpu-v7x": "tpu-v7",
    "ironwood": "tpu-v7",
    "tpu-ironwood": "tpu-v7",
    "tpu7x-tensorcore": "tpu-v7-core",
    "tpu7x-core": "tpu-v7-core",
    "trn1": "trainium1",
    "trainium": "trainium1",
    "inf2": "inferentia2",
    "trn2": "trainium2",
    "trn3": "trainium3",
}
"""Other names under which people and measurements know a chip."""


@cache
def catalogue() -> dict[str, Chip]:
    """Return every chip by name."""
    from archsim.chips import amazon, google, nvidia

    return {chip.name: chip for vendor in (nvidia, google, amazon) for chip in vendor.CHIPS}


@cache
def _parts() -> dict[str, Chip]:
    """Return what benchmarks call a device though it is only part of a chip."""
    from archsim.chips import google

    return {part.name: part for part in google.PARTS}


def names() -> list[str]:
    """Return the names of all chips of the catalogue."""
    return list(catalogue())


def get(name: str) -> Chip:
    """Return a chip of the catalogue, or a part of one, by name or alias.

    Case, ``_``, spaces and a vendor in front do not matter.

    ``name@state`` is the chip at one of its clock states.

    Raises
    ------
    ArchsimError
        If there is no such chip or state; the message gives the nearest name.
    """
    name, at, state = str(name).partition("@")
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    key = key.removeprefix("nvidia-").removeprefix("google-").removeprefix("aws-")
    key = ALIASES.get(key, key)
    known = {**catalogue(), **_parts()}
    if key not in known:
        raise unknown("chip", name, known)
    return known[key].at(state.strip()) if at else known[key]


def load(spec: str | os.PathLike[str]) -> Chip:
    """Return a user's chip from a Python file: ``my_chip.py:MY_CHIP``, or ``my_chip.py`` if it defines just one.

    The file may import its neighbours, and what it prints goes to stderr. A chip that it imports counts only where it
    defines none itself.

    Raises
    ------
    ArchsimError
        If the file is missing, cannot be read, does not run, or does not define the chip.
    """
    path, _, name = str(spec).partition(".py:")
    file = Path(path if not name and path.endswith(".py") else path + ".py")
    if not file.is_file():
        raise ArchsimError(f"no chip file {file}")
    try:
        tree = ast.parse(file.read_bytes(), str(file))
        with _neighbours(file.parent.resolve()), contextlib.redirect_stdout(sys.stderr):
            found = {k: v for k, v in runpy.run_path(str(file)).items() if isinstance(v, Chip)}
    except ArchsimError as e:
        raise ArchsimError(f"{_place(file, _line_in(e, file))}: {e}") from None
    except SyntaxError as e:
        raise ArchsimError(f"{_place(e.filename or file, e.lineno or None)}: not valid Python: {e.msg}") from None
    except (Exception, SystemExit) as e:
        line = _line_in(e, file)
        if line is None and isinstance(e, OSError):
            raise ArchsimError(f"cannot read {file}: {e.strerror or e}") from None
        if line is None and isinstance(e, ValueError):  # ast.parse, at a NUL byte
            raise ArchsimError(f"{file}: not valid Python: {e}") from None
        raise ArchsimError(f"{_place(file, line)}: {type(e).__name__}: {e}") from None
    if name:
        if name not in found:
            known = ", ".join(found) or "none"
            raise ArchsimError(f"{file} defines no Chip named {name!r}; it defines: {known}")
        return found[name]
    imported = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    found = {k: v for k, v in found.items() if k not in imported} or found
    if len(set(map(id, found.values()))) != 1:
        which = f"several chips ({', '.join(found)}): write {file}:NAME" if found else "no Chip"
        raise ArchsimError(f"{file} defines {which}")
    return next(iter(found.values()))


@contextlib.contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Let imports find the modules of a folder, and forget them afterwards: another folder may use the same names."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            top = name.partition(".")[0]
            if top not in before and ((folder / f"{top}.py").is_file() or (folder / top).is_dir()):
                del sys.modules[name]


def _line_in(error: BaseException, file: Path) -> int | None:
    """Line of `file` that raised, or None."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return lines[-1] if lines else None


def _place(file: Path | str, line: int | None) -> str:
    return str(file) if line is None else f"{file}, line {line}"


__all__ = ["catalogue", "get", "load", "names"]
