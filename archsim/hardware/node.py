"""Names of process nodes: what vendors write, and the node that they mean by it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archsim.errors import ArchsimError, unknown

NODES = ("28", "16", "12", "Samsung 8N", "10", "7", "6", "SMIC 7", "5", "4", "3", "2")
"""Process nodes, TSMC's where no foundry is named."""

_ALIASES: Mapping[str, str] = {
    **{alias: name for name in ("28", "16", "12", "10", "7", "6", "5", "4", "3", "2")
       for alias in (name, f"{name}nm", f"n{name}", f"n{name}p", f"n{name}e", f"{name}n", f"{name}np")},
    "28hpm": "28", "28hpc": "28", "16ff": "16", "16ff+": "16", "16ffc": "16", "14nm": "16", "12ffn": "12",
    "12ff": "12", "12ffc": "12", "12nmffc": "12", "n7+": "7", "n7ff": "7", "7ff": "7", "n3b": "3", "n3x": "3",
    "n4x": "4", "n5hpc": "5", "samsung8n": "Samsung 8N", "samsung8nm": "Samsung 8N", "8n": "Samsung 8N",
    "8nm": "Samsung 8N", "smicn+2": "SMIC 7", "smic7": "SMIC 7", "smic7nm": "SMIC 7", "smicn+1": "SMIC 7",
}


def plain(process: str) -> str:
    """Return a process's name without its foundry, brackets and blanks: ``"TSMC 4NP"`` gives ``"4np"``."""
    return re.sub(r"\(.*?\)", "", str(process)).lower().replace("tsmc", "").replace(" ", "").replace("-", "")


def node_name(process: str) -> str:
    """Return the name of the node that a process's name means: ``"TSMC 4N"``, ``"7nm"``, ``"TSMC N5 (XCD)"``.

    Parameters
    ----------
    process
        Foundry, if any, and node, as vendors write them; what stands in brackets does not count.

    Raises
    ------
    ArchsimError
        If no node is meant; the message gives the nearest.
    """
    key = plain(process)
    if not key:
        raise ArchsimError(f"the process {process!r} names no node; write e.g. 'TSMC N5'")
    if key not in _ALIASES:
        raise unknown("process node", process, [*(f"N{n}" if n.isdigit() else n for n in NODES)])
    return _ALIASES[key]
