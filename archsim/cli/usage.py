"""Usage errors of the option parser, said in one line with the nearest valid choice."""

from __future__ import annotations

import re
from typing import Any

import typer.core

from archsim.errors import nearest


class Command(typer.core.TyperCommand):
    """A command whose help names arguments as its errors do: ``MODEL`` and ``[CHIP]``, without braces and types."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if param.param_type_name == "argument":
                param.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line."""
        return [piece.translate({ord("{"): None, ord("}"): None}) for piece in super().collect_usage_pieces(ctx)]


def explain(error: Any) -> str | None:
    """Return what is wrong with a command line, or None if the error is only the help that was asked for."""
    kind, context = type(error).__name__, getattr(error, "ctx", None)
    if kind == "NoArgsIsHelpError":
        return None
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    if context is None:
        return message[:1].lower() + message[1:]
    if kind == "NoSuchOption":
        return _no_option(error.option_name, context)
    unknown = re.match(r"No such command '(.*?)'", message)
    if unknown:
        known = list(context.command.commands)
        guess = nearest(unknown[1], known)
        hint = f"did you mean {guess!r}? " if guess else ""
        return f"unknown command {unknown[1]!r}: {hint}known: {', '.join(known)}"
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
    if kind == "MissingParameter":
        param = error.param
        name = param.opts[0] if param.param_type_name == "option" else param.metavar or param.name.upper()
        listing = {"--chip": " (archsim chips lists them)", "MODEL": " (archsim models lists them)"}.get(name, "")
        return f"missing {name}{listing}; usage: {usage}"
    return f"{message[:1].lower()}{message[1:]}; usage: {usage}"


def _no_option(given: str, context: Any) -> str:
    """Explain an option that does not exist; a negative number looks like one."""
    if re.fullmatch(r"-+\d.*", given):
        return f"sizes must be whole numbers of at least 1, not {given}"
    known = sorted(o for p in context.command.get_params(context) for o in p.opts if o.startswith("--"))
    argument = next((p.metavar or p.name.upper() for p in context.command.get_params(context)
                     if p.param_type_name == "argument" and given == f"--{p.name}"), None)
    if argument:
        usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
        return f"unknown option {given!r}: {argument} stands without it; usage: {usage}"
    guess = nearest(given, known)
    hint = f"did you mean {guess!r}? " if guess else ""
    return f"unknown option {given!r}: {hint}known: {', '.join(known)}"
