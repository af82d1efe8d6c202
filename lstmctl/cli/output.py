"""Output to stdout: only the requested results."""

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
    """Write text to stdout immediately: unchanged to a file or pipe, `harmless` on a terminal.

    Raises:
        OSError: the disk that stdout is redirected to is full.
    """
    _write(harmless(text) if is_screen(sys.stdout) else text)


def write_pieces(pieces: Iterable[str]) -> None:
    """`write` a growing text piece by piece, with the same result as for the whole text.

    Raises:
        OSError: the disk that stdout is redirected to is full.
    """
    on_screen, held = is_screen(sys.stdout), ""
    for piece in pieces:
        text = held + piece
        # A carriage return is harmless only in a line break, which the next piece may complete.
        held = "\r" if on_screen and text.endswith("\r") else ""
        write(text.removesuffix(held))
    if held:
        write(held)


def _write(text: str) -> None:
    if sys.stdout is None:  # closed by the parent process
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        let_go()  # the reader of our output has closed the pipe
        raise typer.Exit(0) from None


def let_go() -> None:
    """Discard stdout, so that Python's final flush cannot fail."""
    with suppress(OSError, ValueError):  # stdout is not a file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(data: Mapping[str, Any]) -> None:
    """Write one JSON object with the format's version; characters that stdout cannot encode are JSON escapes."""
    text = json.dumps({"format": 1, **data}, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps({"format": 1, **data}, allow_nan=False)
    if is_screen(sys.stdout):  # JSON has escapes for characters that are unsafe on a terminal
        text = UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)
    write(text + "\n")
