"""What a comparison's processes tell the one that started them: a JSON object a line."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from lstmctl import errors
from lstmctl.errors import ConfigError, LstmctlError
from lstmctl.records import Event

EVENTS = {kind.__name__: kind for kind in get_args(Event)}
_ONE_AT_A_TIME = threading.Lock()


def send(message: Mapping[str, Any]) -> None:
    """Write a message to stdout at once."""
    line = json.dumps(message, ensure_ascii=True, default=str) + "\n"
    with _ONE_AT_A_TIME:
        sys.stdout.write(line)
        sys.stdout.flush()


def event_of(message: Mapping[str, Any]) -> Event | None:
    """The event that a message tells of, or None where it tells of something else."""
    fields = dict(message)
    kind = EVENTS.get(fields.pop("kind", ""))
    if kind is None:
        return None
    if "path" in fields:
        fields["path"] = Path(fields["path"])
    event: Event = kind(**fields)
    return event


def failure(error: LstmctlError) -> dict[str, Any]:
    """An error as a message."""
    return {"kind": "error", "type": type(error).__name__, "messages": list(error.messages), "hint": error.hint}


def error_of(message: Mapping[str, Any], run: str) -> LstmctlError:
    """The error that a message tells of, with the name of the run it befell."""
    kind = getattr(errors, message["type"])
    lines = [f"{run}: {line}" for line in message["messages"]]
    error: LstmctlError = kind(lines if kind is ConfigError else "; ".join(lines), hint=message["hint"])
    return error
