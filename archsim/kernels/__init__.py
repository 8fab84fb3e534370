"""Numba functions of numbers and arrays: the cycle models themselves. They know no chips, graphs or Python objects."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def _place_cache() -> None:
    """Give numba a folder for compiled kernels where neither the package's nor the user's can be written.

    Containers often run so; numba would refuse to compile at all.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(Path(__file__).parent, os.W_OK):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    nearest = next((p for p in (home, *home.parents) if p.exists()), home)
    if os.access(nearest, os.W_OK):
        return
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"archsim-kernels-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    mine = not hasattr(os, "getuid") or folder.stat().st_uid == user  # compiled code is loaded from there
    os.environ["NUMBA_CACHE_DIR"] = str(folder) if mine else tempfile.mkdtemp(prefix="archsim-kernels-")


_place_cache()
