"""Canvas: how every figure is made and written: our settings alone, no state left behind, whole files or none."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from archsim.errors import ArchsimError, nearest, path_of
from archsim.report.theme import RC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
"""What a figure's file may be; its suffix says which."""

P = ParamSpec("P")
Path_ = str | os.PathLike[str]


def check_path(path: Path_, formats: Sequence[str] = FORMATS) -> Path:
    """Return `path` if a figure can be written there.

    Raises
    ------
    ArchsimError
        If its suffix is none of `formats`, or its folder is missing.
    """
    target = path_of(path)
    if target.suffix.lower() not in formats:
        guess = nearest(target.suffix, formats) or formats[0]
        kind = ", ".join(formats)
        raise ArchsimError(f"{target}: a figure is {kind}; did you mean {target.stem}{guess}?")
    if not target.parent.is_dir():
        raise ArchsimError(f"cannot write {target}: no folder {target.parent}")
    return target


@contextmanager
def settings() -> Iterator[None]:
    """Use our settings alone, and leave the caller's as they are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcParams.update(matplotlib.rcParamsDefault)
        matplotlib.rcParams.update(RC)  # type: ignore[arg-type]
        yield


def drawn(make: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under our settings alone, and write the figure if the caller gave a path."""

    @wraps(make)
    def with_settings(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with settings():
            return make(*args, **kwargs)

    return with_settings


def blank(width: float, height: float) -> Figure:
    """Return an empty figure on the Agg canvas, unknown to pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def image(figure: Figure, suffix: str = ".png") -> bytes:
    """Return a figure as the bytes of a file with one of the suffixes in `FORMATS`."""
    held = io.BytesIO()
    with settings():
        figure.savefig(held, format=suffix.lstrip(".").lower())
    return held.getvalue()


def save(figure: Figure, path: Path_ | None) -> Figure:
    """Write a figure, if there is a path to write it to, and return it."""
    if path is not None:
        from archsim.simulation.run import write_whole

        target = check_path(path)
        write_whole(target, image(figure, target.suffix))
    return figure
