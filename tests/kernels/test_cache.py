"""Compiled kernels must not outlive the sources that they were compiled from."""

import os
from pathlib import Path

from archsim import kernels


def test_compiled_kernels_go_when_any_source_changes(tmp_path: Path) -> None:
    for name in ("caller.py", "callee.py"):
        (tmp_path / name).write_text("x = 1")
    compiled = tmp_path / "__pycache__"
    kernels._drop_stale(tmp_path)
    index = compiled / "caller.f-1.py311.nbi"
    index.write_bytes(b"compiled")
    kernels._drop_stale(tmp_path)
    assert index.exists(), "nothing changed"
    os.utime(tmp_path / "callee.py", (1, 1))
    kernels._drop_stale(tmp_path)
    assert not index.exists(), "a function that it calls changed"


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text("x = 1")
    (tmp_path / "__pycache__").write_text("a file where the folder should be")
    kernels._drop_stale(tmp_path)
