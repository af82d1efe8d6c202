"""The progress bar of a download or of data preparation, only in a terminal."""

from __future__ import annotations

import sys
from typing import Self, TextIO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from lstmctl.reporting.console import console, encodable, inert, is_terminal


class ByteProgress:
    """Show the number of bytes done, the rate, and the time left; use it inside its `with` block.

    It disappears at the end.

    Args:
        title: the name of the file or of the work.
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
    """

    def __init__(self, title: str, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        stream = stream if stream is not None else sys.stderr
        shown = console(stream)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=shown,
            transient=True,
            redirect_stdout=False,  # stdout belongs to the results
            redirect_stderr=stream is sys.stderr,
            disable=quiet or not is_terminal(stream),
        )
        self._task = self._bar.add_task(encodable(inert(title), shown.encoding), total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def total(self) -> float:
        """Total number of bytes; 0 if unknown."""
        return self._bar.tasks[0].total or 0

    @total.setter
    def total(self, total: float) -> None:
        self._bar.update(self._task, total=total or None)

    def update(self, amount: float) -> None:
        """Add bytes that are done."""
        self._bar.advance(self._task, amount)
