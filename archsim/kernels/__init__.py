"""Numba functions of numbers and arrays: the cycle models themselves. They know no chips, graphs or Python objects."""

from __future__ import annotations

import contextlib
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


def _drop_stale(folder: Path) -> None:
    """Drop compiled kernels if any kernel's source has changed.

    Numba compares a compiled function with its own file alone: one that calls another file's functions, which are
    compiled into it, would run their old code after an edit or a ``git pull``.
    """
    sources = sorted(f for f in folder.glob("*.py"))
    stamp = "\n".join(f"{f.name} {f.stat().st_mtime_ns} {f.stat().st_size}" for f in sources)
    compiled = folder / "__pycache__"
    seen = compiled / "sources.txt"
    with contextlib.suppress(OSError):  # a read-only installation does not change
        if not seen.exists() or seen.read_text() != stamp:
            for file in (*compiled.glob("*.nbi"), *compiled.glob("*.nbc")):
                file.unlink(missing_ok=True)
            compiled.mkdir(exist_ok=True)
            seen.write_text(stamp)


_place_cache()
_drop_stale(Path(__file__).parent)
