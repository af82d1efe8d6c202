"""What goes to stdout: only what was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import typer


def write(text: str) -> None:
    """Text to stdout at once, unchanged; what the terminal cannot show is escaped by it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes stdout once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def write_json(data: Mapping[str, Any]) -> None:
    """One JSON object, marked with the format's version."""
    write(json.dumps({"format": 1, **data}, ensure_ascii=False, allow_nan=False) + "\n")
