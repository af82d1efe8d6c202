"""Typer's usage errors, in the wording of our own errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lstmctl.words import near

TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "path": "a path"}
"""By prefix of pydantic's error type."""


def in_our_words(error: Any, command: Any, words: Sequence[str]) -> tuple[str, str]:
    """Return the message and the hint for one of Typer's usage errors.

    Args:
        error: the exception; Typer does not export its classes, so they are identified by name.
        command: the whole command line, as a group of commands.
        words: the words typed after the program's name.
    """
    path = _command_path(error, command, words)
    message = _message(error)
    meant = ""
    if type(error).__name__ == "NoSuchOption":
        options = [name for name in error.possibilities or () if name != "--help"]
        meant = near(error.option_name, options, most=1, cutoff=0.7)
        if not meant and path in ("lstmctl train", "lstmctl compare"):
            meant = (
                f"settings are KEY=VALUE, such as model.hidden=512 or 'training.budget=10 epochs'; see {path} --help"
            )
    elif message.startswith("no command"):
        meant = near(message.split("`")[1], sorted(error.ctx.command.commands), most=1)
    return message, meant or f"see {path} --help"


def _message(error: Any) -> str:
    kind, text = type(error).__name__, str(error.format_message())
    parameter = getattr(error, "param", None)
    if kind == "MissingParameter" and parameter is not None:
        return f"{_name(parameter)} is missing"
    if kind == "BadParameter" and parameter is not None:
        return f"{_name(parameter)}: {_problem(error)}"
    if kind == "NoSuchOption":
        return f"no option `{error.option_name}`"
    if kind == "BadOptionUsage":
        return f"{error.option_name} {'takes no value' if 'not take' in text else 'needs a value'}"
    if found := re.fullmatch(r"No such command '(.*)'\.(?: .*)?", text, re.DOTALL):
        return f"no command `{found[1]}`"
    if found := re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", text, re.DOTALL):
        return f"too many arguments: {found[1]}"
    return text[:1].lower() + text[1:].rstrip(".")


def _name(parameter: Any) -> str:
    """Return an option as typed, or an argument as in the help."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper())


def _problem(error: Any) -> str:
    found: list[Any] = getattr(error.__cause__, "errors", list)()  # pydantic's
    if not found:
        return str(error.message).rstrip(".")
    value, kind = found[0]["input"], str(found[0]["type"])
    if choice := re.search(r"is not one of (.*?)\.?$", str(found[0]["msg"])):
        listed = choice[1].replace("'", "")
        return f"`{value}` is not one of {listed}"
    named = next((words for start, words in TYPES.items() if kind.startswith(start)), None)
    return f"`{value}` is not {named}" if named else f"`{value}`: {found[0]['msg']}"


def _command_path(error: Any, command: Any, words: Sequence[str]) -> str:
    """Return the command that was typed, for a pointer to its help."""
    if error.ctx is not None:
        return str(error.ctx.command_path)
    path = ["lstmctl"]
    for word in (word for word in words if word != "--debug"):
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        path.append(word)
    return " ".join(path)
