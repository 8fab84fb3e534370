"""Where results go: the terminal, JSON on stdout, files that are written whole, a progress bar on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.economics import Cost
    from archsim.simulation import Run

T = TypeVar("T")

PIPE_WIDTH = 250
"""Characters of a line in a pipe."""


def show(*parts: Any) -> None:
    """Print tables and lines: fitted and coloured in a terminal, plain in a pipe.

    In a pipe nothing is fitted or wrapped unless ``COLUMNS`` says how wide the reader's page is.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False)
        for part in parts:
            console.print(part, markup=False)
        return
    held = io.StringIO()
    console = Console(file=held, highlight=False, color_system=None, width=int(_columns() or PIPE_WIDTH))
    for part in parts:
        console.print(part, markup=False, soft_wrap=isinstance(part, str) and not _columns())
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in held.getvalue().splitlines()))


def _columns() -> str:
    """Return the width that the environment asks for, or nothing."""
    text = os.environ.get("COLUMNS", "")
    return text if text.isdigit() and int(text) > 0 else ""


def page_width() -> int:
    """Return how many characters a line may have: the terminal's, or what ``COLUMNS`` says of a pipe's reader."""
    if sys.stdout.isatty():
        from rich.console import Console

        return Console().width
    return int(_columns() or PIPE_WIDTH)


def show_json(data: Any) -> None:
    """Print one JSON document and nothing else."""
    from archsim.report.data import to_json

    sys.stdout.write(to_json(data))


def price(run: Run, usd: float | None = None, *, hint: str) -> tuple[Cost | None, str | None]:
    """Return the cost of a run, or None and why there is none; `usd` replaces the chip's price, `hint` says how."""
    from archsim.economics import cost

    if usd is None and run.chip.price is None:
        return None, f"{run.chip.name} has no price: {hint}"
    try:
        return cost(run, price=usd), None
    except ArchsimError as e:
        if usd is not None and run.chip.power is not None:  # the price that was given is to blame
            raise
        return None, str(e)


def check_file(text: str, option: str = "--out") -> Path:
    """Return a path that a file can be written to; nothing is left there yet.

    Raises
    ------
    ArchsimError
        If it is empty, a folder or write-protected, or its folder is missing or cannot be written to.
    """
    if not text.strip():
        raise ArchsimError(f"{option} is empty: give the name of a file")
    target = Path(text)
    if target.is_dir():
        raise ArchsimError(f"cannot write {target}: it is a folder")
    if not target.parent.is_dir():
        raise ArchsimError(f"cannot write {target}: no folder {target.parent}")
    _check_protection(target)
    _probe(target.parent, target)
    return target


def check_folder(text: str, names: Sequence[str] = (), option: str = "--out") -> Path:
    """Return a folder that exists or can be made, for files of some names; nothing is made yet.

    Raises
    ------
    ArchsimError
        If it is empty, a file, or lies where nothing can be written, or holds one of the files write-protected.
    """
    if not text.strip():
        raise ArchsimError(f"{option} is empty: give the name of a folder")
    target = Path(text)
    holder = next(p for p in (target.absolute(), *target.absolute().parents) if p.exists())
    if not holder.is_dir():
        raise ArchsimError(f"cannot write to {target}: {holder} is a file, not a folder")
    for name in names:
        if (target / name).is_dir():
            raise ArchsimError(f"cannot write {target / name}: it is a folder")
        _check_protection(target / name)
    _probe(holder, target)
    return target


def _check_protection(target: Path) -> None:
    """Refuse a file that its owner protected: replacing it would need only the folder's permission."""
    if target.exists() and not (target.stat().st_mode & 0o222 and os.access(target, os.W_OK)):
        raise ArchsimError(f"cannot write {target}: it is write-protected")


def _probe(folder: Path, target: Path) -> None:
    """Write and drop a nameless file, for permission bits do not tell of read-only or full disks."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise ArchsimError(f"cannot write {target}: {e.strerror or e}") from None


def write_all(contents: Mapping[Path, str | bytes]) -> list[str]:
    """Write files that are ready, and make the folders that they need; return their names.

    If one cannot be written, or at Ctrl-C, what this call wrote or made is removed again.

    Raises
    ------
    ArchsimError
        If a file or a folder cannot be written.
    """
    if not contents:
        return []
    from archsim.simulation.run import write_whole

    made: list[Path] = []
    new: list[Path] = []
    try:
        for path, content in contents.items():
            for folder in reversed([f for f in (path.parent, *path.parent.parents) if not f.exists()]):
                try:
                    folder.mkdir()
                except OSError as e:
                    raise ArchsimError(f"cannot make {folder}: {e.strerror or e}") from None
                made.append(folder)
            if not path.exists():
                new.append(path)
            write_whole(path, content)
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return [str(p) for p in contents]


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


def announce_compiling() -> None:
    """Say so on stderr, if that is a terminal, when kernels are compiled: the first run ever spends its time on it."""
    if not sys.stderr.isatty():
        return
    from numba.core import event

    class Once(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                print("compiling the kernels, once: up to 20 seconds", file=sys.stderr, flush=True)
                self.said = True

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Once())  # type: ignore[no-untyped-call]


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Say what is going on, on stderr, while it goes on, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
