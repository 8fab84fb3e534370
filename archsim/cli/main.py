"""The ``archsim`` command: its commands, and one way to fail (one line on stderr, exit code 2, never a traceback)."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer

from archsim.cli import array, catalogue, chips, compare, cost, dram, graph, run, scalesim, sm, tables, validate
from archsim.cli.usage import Command, explain
from archsim.errors import ArchsimError

ABOUT = """What a token costs on a chip, and why.

Simulates transformers on systolic ASICs and tensor-core GPUs, operator by operator: time, bytes, what bound each,
and dollars. Chips and models come from the catalogue or from your own files.
"""

# A usage error, whichever module this version of typer keeps it in.
UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="archsim", help=ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Try: archsim compare llama-3.1-70b",
)


def _version(asked: bool) -> None:
    if asked:
        from archsim import __version__

        typer.echo(f"archsim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


app.command("compare", cls=Command, short_help="One model on many chips: time, utilisation, dollars.")(compare.compare)
app.command("run", cls=Command, short_help="One step of a model on one chip, operator by operator.")(run.run)
app.command("gemm", cls=Command, short_help="One matrix product on one chip.")(run.gemm)
app.command("cost", cls=Command, short_help="From die area to dollars per million tokens.")(cost.cost)
app.command("array", cls=Command, short_help="One matrix product on one systolic array, cycle by cycle.")(array.array)
app.command("sm", cls=Command, short_help="One tile's software pipeline on one SM of a GPU.")(sm.sm)
app.command("dram", cls=Command, short_help="What streams reach of a chip's device memory.")(dram.dram)
app.command("graph", cls=Command, short_help="A model's layer graph: counted, written, drawn.")(graph.graph)
app.command("chips", cls=Command, short_help="The chips: list, figures, sources, diff, check, draw.")(chips.chips)
app.command("models", cls=Command, short_help="The models, or one with its dimensions.")(catalogue.models)
app.command("validate", cls=Command, short_help="Score the simulator against measured kernels.")(validate.validate)
app.command("tables", cls=Command, short_help="Tables of broker reports, reproduced and corrected.")(tables.tables)
app.command("scalesim", cls=Command, short_help="SCALE-Sim's figures, from its own files.")(scalesim.scalesim)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 when all went well, 2 when the user can put something right (one line on stderr says what), 130 after Ctrl-C,
    1 when ``chips --check`` found an error, the reader of a pipe went away, or for a fault of ours; set
    ``ARCHSIM_DEBUG=1`` to see that one's traceback.
    """
    if sys.stdout is None:  # started with >&-
        return _fail("cannot write to stdout: it is closed", 2)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # an ASCII terminal shows "?" for "×"
    try:
        code: Any = app(args=list(sys.argv[1:] if argv is None else argv), prog_name="archsim", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ArchsimError as e:
        return _fail(str(e), 2)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        _drop_stdout()
        return 1
    except SystemExit as e:  # typer and rich leave so when the reader of a pipe went away
        return e.code if isinstance(e.code, int) else 1
    except UsageError as e:
        message = explain(e)
        if message is None:  # no command given: the help is the message
            print(e)
            return 0
        return _fail(message, 2)
    except Exception as e:
        if isinstance(e, OSError) and e.strerror and e.filename is None:  # a stream: a file would have its name here
            _drop_stdout()
            return _fail(f"cannot write to stdout: {e.strerror}", 2)
        if os.environ.get("ARCHSIM_DEBUG"):
            raise
        return _fail(f"a fault in archsim, not in your input: {type(e).__name__}: {e} "
                     "(ARCHSIM_DEBUG=1 shows where; please report it)", 1)


def _drop_stdout() -> None:
    """Send what is left to nowhere, or Python's exit would complain of it once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    if sys.stderr is not None:  # started with 2>&-
        with contextlib.suppress(OSError):
            print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
