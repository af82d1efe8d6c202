"""What goes to stdout: only what was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import typer

from lstmctl.reporting.console import is_broken_pipe


def write(text: str) -> None:
    """Text to stdout at once, unchanged; what the terminal cannot show is escaped by it.

    Raises:
        OSError: the disk that stdout goes to is full.
    """
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
    write(text + "\n")
