"""Where results go: the terminal, JSON on stdout, files that are written whole, a progress bar on stderr."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.economics import Cost
    from archsim.simulation import Run

T = TypeVar("T")


def show(*parts: Any) -> None:
    """Print tables and lines: fitted and coloured in a terminal, plain and unabridged in a pipe."""
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False)
        for part in parts:
            console.print(part, markup=False)
        return
    held = io.StringIO()
    console = Console(file=held, highlight=False, color_system=None, width=int(_columns() or 250))
    for part in parts:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in held.getvalue().splitlines()))


def _columns() -> str:
    """Return the width that the environment asks for, or nothing."""
    text = os.environ.get("COLUMNS", "")
    return text if text.isdigit() and int(text) > 0 else ""


def show_json(data: Any) -> None:
    """Print one JSON document and nothing else."""
    from archsim.report.data import to_json

    sys.stdout.write(to_json(data))


def price(run: Run) -> tuple[Cost | None, str | None]:
    """Return the cost of a run, or None and why there is none."""
    from archsim.economics import cost

    try:
        return cost(run), None
    except ArchsimError as e:
        return None, str(e)


def check_file(text: str) -> Path:
    """Return a path that a file can be written to; nothing is left there yet.

    Raises
    ------
    ArchsimError
        If it is a folder, or its folder is missing or cannot be written to.
    """
    target = Path(text)
    if target.is_dir():
        raise ArchsimError(f"cannot write {target}: it is a folder")
    if not target.parent.is_dir():
        raise ArchsimError(f"cannot write {target}: no folder {target.parent}")
    _probe(target.parent, target)
    return target


def check_folder(text: str) -> Path:
    """Return a folder that exists or can be made; nothing is made yet.

    Raises
    ------
    ArchsimError
        If it is a file, or lies where nothing can be written.
    """
    target = Path(text)
    holder = next(p for p in (target.absolute(), *target.absolute().parents) if p.exists())
    if not holder.is_dir():
        raise ArchsimError(f"cannot write to {target}: {holder} is a file, not a folder")
    _probe(holder, target)
    return target


def _probe(folder: Path, target: Path) -> None:
    """Write and drop a nameless file, for permission bits do not tell of read-only or full disks."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise ArchsimError(f"cannot write {target}: {e.strerror or e}") from None


def make_folder(target: Path) -> None:
    """Make a folder that `check_folder` approved."""
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ArchsimError(f"cannot make {target}: {e.strerror or e}") from None


def progress(items: Sequence[T], name: Callable[[T], str], patience: float = 1.0) -> Iterator[T]:
    """Yield items; once they take longer than `patience` seconds, show a bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    start = time.monotonic()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), transient=True,
                   console=Console(stderr=True))
    task = bar.add_task("", total=len(items))
    started = False
    try:
        for i, item in enumerate(items):
            if not started and time.monotonic() - start > patience:
                bar.start()
                started = True
            bar.update(task, completed=i, description=name(item))
            yield item
    finally:
        if started:
            bar.stop()


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Say what is going on, on stderr, while it goes on, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
