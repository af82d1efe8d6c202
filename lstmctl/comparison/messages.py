"""Messages of a comparison's processes to their parent: one JSON object per line."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from lstmctl import errors
from lstmctl.comparison.plan import PlannedRun
from lstmctl.errors import ConfigError, LstmctlError
from lstmctl.events import Event

ENDED = "ended"
STOP = "stop"
"""The request to finish the current step, save and end."""
EVENTS = {kind.__name__: kind for kind in get_args(Event)}


class Channel:
    """The way to the process that started this one: its stdout, taken from all else that would write there."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # output of a user's cell or a library is not a message
        self._one_at_a_time = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message at once."""
        line = json.dumps(message, ensure_ascii=True, default=str) + "\n"
        with self._one_at_a_time:
            self._stream.write(line)
            self._stream.flush()


def told(event: Event) -> dict[str, Any]:
    """An event as a message."""
    return {"kind": type(event).__name__, **asdict(event)}


def event_of(message: Mapping[str, Any]) -> Event | None:
    """The event in a message, or None if it contains something else."""
    fields = dict(message)
    kind = EVENTS.get(fields.pop("kind", ""))
    if kind is None:
        return None
    if "path" in fields:
        fields["path"] = Path(fields["path"])
    event: Event = kind(**fields)
    return event


def ended(code: int) -> dict[str, Any]:
    """The end of a run as a message of the process that outlives it, with its exit code, negative for a signal."""
    return {"kind": ENDED, "code": code}


def request(folder: Path, run: PlannedRun, data: Path | None) -> str:
    """The line that asks a process for a planned run.

    Args:
        folder: of the comparison.
        run: one of its plan.
        data: says where data is that was sent to this machine; None if it is where it was planned.
    """
    return json.dumps({"folder": str(folder), "run": asdict(run), "data": data and str(data)}) + "\n"


def failure(error: LstmctlError) -> dict[str, Any]:
    """An error as a message."""
    return {"kind": "error", "type": type(error).__name__, "messages": list(error.messages), "hint": error.hint}


def error_of(message: Mapping[str, Any], run: str) -> LstmctlError:
    """The error in a message, with the name of the failed run."""
    kind = getattr(errors, message["type"])
    lines = [f"{run}: {line}" for line in message["messages"]]
    error: LstmctlError = kind(lines if kind is ConfigError else "; ".join(lines), hint=message["hint"])
    return error
