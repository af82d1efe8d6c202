"""`lstmctl stream`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmctl.cli.arguments import RunArgument, Trust

EXAMPLES = """\
Examples:

\b
  tail -f sensor.csv | lstmctl stream latest --intervals adaptive --state sensor.state
  echo "I grew up in France" | lstmctl stream travellers-lstm-001
"""
SAVED_EVERY = 1000
"""Steps between two saves of the state."""


def stream(
    run: RunArgument = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Continue from this state if the file exists, and save it at the end."),
    ] = None,
    intervals: Annotated[
        str,
        typer.Option(metavar="KIND", help="calibrated, or adaptive: their width follows the errors as they arrive."),
    ] = "calibrated",
    trust: Trust = False,
) -> None:
    """Read rows or characters from stdin; print one JSON object per step.

    Every step takes the same time, however long the stream is, since a state is carried along.

    \b
    forecast                    a header, then rows of a table: a forecast after each row
    language-model              characters: the likeliest next ones after each
    classification, regression  characters, or rows of features: the answer so far; a line
      and tagging               break, or an empty row, begins a new sequence
    """
    import json
    import sys

    from lstmctl.cli import output
    from lstmctl.cli.opening import open_run
    from lstmctl.errors import UsageError

    if sys.stdin is None:
        raise UsageError("stdin is closed; pipe rows or text into it")
    opened = open_run(run, reads_own_data=intervals == "adaptive", trust=trust)
    from lstmctl.api.streaming import characters, reader, restored, saved

    reads = reader(opened, intervals)
    if state is not None and state.exists():
        restored(opened, reads, state)
    items = _lines() if reads.by_line else characters(_chunks())
    steps = 0
    try:
        for item in items:
            found = reads.read(item)
            steps += 1
            if found is not None:
                output.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
            if state is not None and steps % SAVED_EVERY == 0:
                saved(opened, reads, state)
    finally:
        if state is not None:
            saved(opened, reads, state)


def _lines() -> Iterator[str]:
    import sys

    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _chunks() -> Iterator[bytes]:
    """Yield bytes as soon as they arrive."""
    import sys

    stdin: Any = sys.stdin.buffer
    while chunk := stdin.read1(4096):
        yield chunk
