"""What goes to stdout: only what was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import typer


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
    except BrokenPipeError:  # whoever read our output has seen enough
        let_go()
        raise typer.Exit(0) from None


def let_go() -> None:
    """Give stdout up: what Python flushes at its exit goes nowhere."""
    with suppress(OSError, ValueError):  # not a stream of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(data: Mapping[str, Any]) -> None:
    """One JSON object, marked with the format's version."""
    write(json.dumps({"format": 1, **data}, ensure_ascii=False, allow_nan=False) + "\n")
