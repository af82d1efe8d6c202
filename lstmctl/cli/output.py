"""What goes to stdout: only what was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import typer

from lstmctl.reporting.console import UNSAFE, harmless, is_broken_pipe, is_screen


def write(text: str) -> None:
    """Write text to stdout at once: unchanged to a file or a pipe, made `harmless` on a terminal.

    Raises:
        OSError: the disk that stdout goes to is full.
    """
    _write(harmless(text) if is_screen(sys.stdout) else text)


def write_pieces(pieces: Iterable[str]) -> None:
    """`write` a text that grows, piece by piece, as if it were whole.

    Raises:
        OSError: the disk that stdout goes to is full.
    """
    on_screen, held = is_screen(sys.stdout), ""
    for piece in pieces:
        text = held + piece
        # A carriage return is harmless only as a part of a line break, which the next piece may complete.
        held = "\r" if on_screen and text.endswith("\r") else ""
        write(text.removesuffix(held))
    if held:
        write(held)


def _write(text: str) -> None:
    if sys.stdout is None:  # closed by whoever started us
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        let_go()  # whoever read our output has seen enough
        raise typer.Exit(0) from None


def let_go() -> None:
    """Give stdout up: what Python flushes at its exit goes nowhere."""
    with suppress(OSError, ValueError):  # not a stream of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(data: Mapping[str, Any]) -> None:
    """One JSON object, marked with the format's version; what stdout cannot encode is written as JSON's own escapes."""
    text = json.dumps({"format": 1, **data}, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps({"format": 1, **data}, allow_nan=False)
    if is_screen(sys.stdout):  # JSON has escapes of its own for what it may hold as it is
        text = UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)
    write(text + "\n")
