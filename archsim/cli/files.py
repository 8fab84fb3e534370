"""Chips by name or from a user's file, and layer graphs from files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    import networkx as nx

    from archsim.explore.select import Entry
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
    if text and Path(text).exists():
        raise ArchsimError(f"{text} is not a Python file: give my_chip.py, or a chip's name")
    try:
        return chips.get(text)
    except ArchsimError as e:
        raise ArchsimError(f"{e}; or give my_chip.py:NAME") from None


def known_entries() -> list[Entry]:
    """Return all that the catalogue holds: chips, and those of which too little is known to run them."""
    import archsim.chips as chips

    return [*chips.catalogue().values(), *chips.listings().values()]


def find_entry(text: str) -> Entry:
    """Return a chip as `find_chip` does, or one that is listed though it cannot be run.

    Raises
    ------
    ArchsimError
        As `find_chip`.
    """
    import archsim.chips as chips

    with contextlib.suppress(ArchsimError):  # what is wrong is said below
        found = chips.find(text)
        if found.fidelity == "not runnable":
            return found
    return find_chip(text)


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


def find_graph(
    text: str, *, batch: int | None, dtype: str, dims: Mapping[str, int], unfit: Mapping[str, object]
) -> nx.DiGraph | None:
    """Return the graph that is in a file or is built by name, None if `text` names a model's dimensions.

    Parameters
    ----------
    text
        ``model.onnx``, ``graph.json`` as `archsim.graph.save` writes it, or ``resnet-50``.
    batch, dtype
        Images, and the format of the matrix work (``graph.json`` has both already).
    dims
        Sizes of an ONNX model's open dimensions.
    unfit
        Options that mean nothing to such a graph, by name; each must be None.

    Raises
    ------
    ArchsimError
        If the file is broken, or an option was given that means nothing here.
    """
    network = re.fullmatch(r"resnet-?(\d+)", text.strip().lower())
    path = Path(text)
    onnx = path.suffix.lower() == ".onnx"
    saved = path.suffix.lower() == ".json" and path.is_file() and _holds_nodes(path)
    if dims and not onnx:
        raise ArchsimError(f"--dim gives sizes to an ONNX model; {text} is none")
    if not (network or onnx or saved):
        return None
    given = [name for name, value in unfit.items() if value is not None]
    if given:
        raise ArchsimError(f"{given[0]} does not apply to {text}: its graph is what it is"
                           + (", its open dimensions are given by --dim NAME=SIZE" if onnx else ""))
    if network:
        from archsim.workload.resnet import resnet

        return resnet(int(network[1][:4]), batch=1 if batch is None else batch, dtype=dtype)
    if batch is not None:
        raise ArchsimError(f"--batch does not apply to {text}: its graph has its sizes"
                           + (", give open dimensions by --dim NAME=SIZE" if onnx else ""))
    if onnx:
        from archsim.importers.onnx import read

        return read(path, dims=dims, dtype=dtype)
    from archsim.dtypes import dtype as dtype_name
    from archsim.workload.graph import load

    graph = load(path)
    if dtype != "bf16" and dtype_name(dtype) != graph.graph["dtype"]:  # bf16 is what the option says if it is not given
        raise ArchsimError(f"--dtype does not apply to {text}: its operators have their formats")
    return graph


def _holds_nodes(path: Path) -> bool:
    """Return whether a JSON file is a graph: a model's config.json has no nodes."""
    import json

    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False  # whoever reads it says what is wrong
    return isinstance(data, dict) and ("nodes" in data or data.get("format") == "archsim-graph")
