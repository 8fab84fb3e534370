"""Options that several commands share, and how their text becomes numbers and names."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.errors import positive_int

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, SI units in the key names.")]
Chip = Annotated[
    str, typer.Option("--chip", metavar="CHIP", help="Name (see archsim chips), my_chip.py or my_chip.py:NAME.")
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False,
                        help="Name (see archsim models), or the path of a config.json or its folder.")
]
Batch = Annotated[str | None, typer.Option("--batch", metavar="B", help="Sequences.")]
Seq = Annotated[
    str | None,
    typer.Option("--seq", metavar="S", help="New tokens per sequence: the prompt of a prefill; 1 in decode."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="C", help="Decode: keys attended to. Prefill: tokens already in the KV cache."),
]
Dtype = Annotated[str, typer.Option("--dtype", metavar="DTYPE", help="bf16, fp16, fp8, int8 ... of the matrix work.")]
KvDtype = Annotated[
    str | None, typer.Option("--kv-dtype", metavar="DTYPE", help="Of the KV cache; as the activations if not given.")
]
Logits = Annotated[
    str,
    typer.Option("--logits", metavar="all|last", help="Output head at all tokens, or at the last of each sequence."),
]


def whole(name: str, text: str | None, high: int = 2**31 - 1) -> int | None:
    """Return the whole number that an option was given, None if it was not.

    Raises
    ------
    ArchsimError
        If it is not a whole number from 1 to `high`.
    """
    return None if text is None else positive_int(name, text, high)


def size(name: str, text: str) -> int:
    """Return the whole number that an argument was given, as `whole`."""
    return positive_int(name, text)
