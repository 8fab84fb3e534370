"""The catalogue: what hardware exists. One module per vendor, each chip a literal that reads like its datasheet.

``get("tpu-v5p")`` returns a `Chip`; ``load("my_chip.py:MY_CHIP")`` returns a user's own. A product of the same silicon
is a `variants.variant` of another and states what differs; a chip of which only peaks are published is a
`rooflines.roofline`; one with no figure at all is a `Listing`. `prices` holds what chips cost and rent for, `errata`
what printed tables get wrong.
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
from importlib import import_module
from pathlib import Path

from archsim.errors import ArchsimError, nearest, unknown
from archsim.hardware import Chip
from archsim.hardware.listing import Listing

VENDORS = ("nvidia", "google", "amazon", "amd", "intel", "meta", "microsoft", "huawei", "cambricon", "enflame", "hygon",
           "jingjia", "alibaba", "baidu", "tencent")
"""Modules of the catalogue, one per vendor."""

COMPARED = ("a100-sxm-80gb", "h100-sxm", "b200", "mi300x", "tpu-v5p", "tpu-v6e", "tpu-v7", "trainium2")
"""The chips that a comparison starts with: what most large models run on."""

BRANDS = (*VENDORS, "aws", "tesla", "instinct")
"""What people write before the name of a chip."""

LIKE = {"google": ("tpu",), "amazon": ("trainium", "inferentia"), "amd": ("mi",), "meta": ("mtia",)}
"""How chips of some vendors are called: where to look first."""

ALIASES = {
    "v100": "v100-sxm2",
    "v100-sxm2-16gb": "v100-sxm2",
    "v100s": "v100s-pcie",
    "rtx-5000": "quadro-rtx-5000",
    "rtx-4000": "quadro-rtx-4000",
    "a6000": "rtx-a6000",
    "a5000": "rtx-a5000",
    "a4000": "rtx-a4000",
    "a100-40gb": "a100-sxm-40gb",
    "a100-sxm4-40gb": "a100-sxm-40gb",  # as its driver reports it
    "a100-pcie": "a100-pcie-80gb",
    "a100-80gb-pcie": "a100-pcie-80gb",  # as its driver reports it
    "a800": "a800-pcie-80gb",
    "a800-sxm": "a800-sxm-80gb",
    "a800-sxm4-80gb": "a800-sxm-80gb",
    "h200-sxm": "h200",
    "h800-sxm": "h800",
    "h200-141gb": "h200",
    "b300-sxm": "b300",
    "h20-sxm": "h20",
    "gb200-sxm": "gb200",
    "gb200-nvl72": "gb200",
    "gb300-sxm": "gb300",
    "gb300-nvl72": "gb300",
    "a40-pcie": "a40",
    "l40s-pcie": "l40s",
    "mi300x-oam": "mi300x",
    "mi325x-oam": "mi325x",
    "gaudi-2": "gaudi2",
    "hl-225": "gaudi2",
    "mtia": "mtia-v2",
    "mtia-2": "mtia-v2",
    "maia": "maia-100",
    "maia100": "maia-100",
    "910": "ascend-910",
    "910b": "ascend-910b",
    "310": "ascend-310",
    "ascend910": "ascend-910",
    "ascend910b": "ascend-910b",
    "ascend310": "ascend-310",
    "mlu290": "mlu290-m5",
    "t20": "enflame-t20",
    "t21": "enflame-t21",
    "i20": "enflame-i20",
    "dcu": "hygon-shensuan-1",
    "shensuan-1": "hygon-shensuan-1",
    "jm92-series": "jm92",
    "jm9-series": "jm9",
    "hanguang800": "hanguang-800",
    "hanguang": "hanguang-800",
    "ppu": "t-head-ppu",
    "kunlun2": "kunlun-2",
    "r200": "kunlun-2",
    "a100": "a100-sxm-80gb",
    "a100-dgx": "a100-sxm-80gb",
    "a100-pairwise-nvlink": "a100-sxm-80gb",  # as vidur names it, and the next three
    "h100-dgx": "h100-sxm",
    "h100-pairwise-nvlink": "h100-sxm",
    "a40-pairwise-nvlink": "a40",
    "gh200-480gb": "gh200",  # as its driver reports it
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
def _vendor(name: str) -> dict[str, Chip | Listing]:
    """Return all that one vendor's module defines: chips, listings, parts of chips."""
    module = import_module(f"{__name__}.{name}")
    return {x.name: x for kind in ("CHIPS", "LISTINGS", "PARTS") for x in getattr(module, kind, ())}


def _all() -> dict[str, Chip | Listing]:
    return {name: chip for vendor in VENDORS for name, chip in _vendor(vendor).items()}


@cache
def catalogue() -> dict[str, Chip]:
    """Return every chip that can be run, by name; parts of chips are left out."""
    from archsim.chips import google

    parts = {part.name for part in google.PARTS}
    return {name: chip for name, chip in _all().items() if isinstance(chip, Chip) and name not in parts}


def listings() -> dict[str, Listing]:
    """Return the chips of which too little is published to run them, by name."""
    return {name: listing for name, listing in _all().items() if isinstance(listing, Listing)}


def names() -> list[str]:
    """Return the names of all chips of the catalogue that can be run."""
    return list(catalogue())


def find(name: str) -> Chip | Listing:
    """Return a chip of the catalogue, a part of one, or the listing of one that cannot be run, by name or alias.

    Case, ``_``, spaces and a vendor in front do not matter.

    Raises
    ------
    ArchsimError
        If there is no such chip; the message gives the nearest name.
    """
    key = str(name).strip().lower().replace("_", "-").replace(" ", "-")
    keys = [key]
    for brand in BRANDS:
        keys += [k.removeprefix(f"{brand}-") for k in keys[-1:]]
    keys = [ALIASES.get(key, key) for key in keys]
    for vendor in sorted(VENDORS, key=lambda vendor: not _likely(vendor, keys)):  # one module is quicker than all
        for key in keys:
            if key in _vendor(vendor):
                return _vendor(vendor)[key]
    listed = {**catalogue(), **listings()}
    raise unknown("chip", name, listed, [*ALIASES, *(_all().keys() - listed.keys())], listing="archsim chips")


def _likely(vendor: str, keys: list[str]) -> bool:
    """Say whether one of these names looks like a chip of a vendor."""
    return any(key.startswith(LIKE.get(vendor, (vendor,))) for key in keys)


def get(name: str) -> Chip:
    """Return a chip of the catalogue, or a part of one, by name or alias (see `find`).

    ``name@state`` is the chip at one of its clock states.

    Raises
    ------
    ArchsimError
        If there is no such chip or state; the message gives the nearest name.
    UnsupportedError
        If too little of the chip is published to run it; the message says what is missing.
    """
    base, at, state = str(name).partition("@")
    chip = find(base)
    if isinstance(chip, Listing):
        raise chip.error()
    return chip.at(state.strip()) if at else chip


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
        guess = nearest(e.name, dir(e.obj)) if isinstance(e, AttributeError) and e.name else None
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ArchsimError(f"{_place(file, line)}: {type(e).__name__}: {e}{hint}") from None
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


__all__ = ["catalogue", "find", "get", "listings", "load", "names"]
