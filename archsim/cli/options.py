"""Options that several commands share, and how their text becomes numbers and names."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from archsim.errors import ArchsimError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, SI units in the key names.")]
Chip = Annotated[
    str, typer.Option("--chip", metavar="CHIP", help="Name (see archsim chips), my_chip.py or my_chip.py:NAME.")
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False,
                        help="Name (see archsim models), or the path of a config.json or its folder.")
]
Seq = Annotated[
    str | None,
    typer.Option("--seq", metavar="S", help="New tokens per sequence (default 8192 in prefill, 1 in decode)."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="C", help="Decode: keys attended to (default 4096). Prefill: tokens already in "
                 "the KV cache (default 0)."),
]
PowerLimit = Annotated[
    str | None, typer.Option("--power-limit", metavar="W",
                             help="What the chip may draw; its clock falls until it does (default: its design power). "
                             "Costs count it as the design power.")
]
Price = Annotated[
    str | None, typer.Option("--price", metavar="USD", help="Price of one chip (default: the chip's own, if known).")
]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="DTYPE", help="bf16, fp16, fp8, int8 ... of the matrix work, or checkpoint: "
                      "as a model's config.json says that its checkpoint is stored.")
]
ProductDtype = Annotated[
    str, typer.Option("--dtype", metavar="DTYPE", help="bf16, fp16, fp8, int8 ... of the operands.")
]
KvDtype = Annotated[
    str | None, typer.Option("--kv-dtype", metavar="DTYPE", help="Of the KV cache; as the activations if not given.")
]
Logits = Annotated[
    str,
    typer.Option("--logits", metavar="all|last", help="Output head at all tokens, or at the last of each sequence."),
]


Dims = Annotated[
    list[str] | None,
    typer.Option("--dim", metavar="NAME=SIZE", help="Size of an open dimension of an ONNX model; may be repeated."),
]


def sizes_of(dims: list[str] | None) -> dict[str, int]:
    """Return the sizes that ``--dim NAME=SIZE`` gave, by name.

    Raises
    ------
    ArchsimError
        If one is not of that form.
    """
    given: dict[str, int] = {}
    for text in dims or []:
        name, equals, size = text.rpartition("=")
        if not equals or not name:
            raise ArchsimError(f"--dim is NAME=SIZE, e.g. --dim batch=8, not {text!r}")
        given[name] = int(whole(f"--dim {name}", size) or 0)
    return given


def whole(name: str, text: str | None) -> int | None:
    """Return the whole number that an option was given, None if it was not; its range is the library's to check.

    Raises
    ------
    ArchsimError
        If it is not a whole number.
    """
    try:
        return None if text is None else int(text)
    except ValueError:
        shown = text if len(str(text)) <= 20 else f"{str(text)[:20]}…"
        raise ArchsimError(f"{name} must be a whole number, not {shown!r}") from None


def dollars(name: str, text: str | None) -> float | None:
    """Return the price that an option was given, None if it was not.

    Raises
    ------
    ArchsimError
        If it is not a number of dollars.
    """
    if text is None:
        return None
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not 0.0 <= usd < math.inf:
        raise ArchsimError(f"{name} must be a number of dollars, not {text!r}")
    return usd
