"""A file on its way: a bar in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TextIO

from lstmctl.reporting.console import console, encodable, inert, is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TransferBar:
    """Shows how much of a file has come, how fast, and how long the rest will take; use it inside its `with` block.

    It has the shape that pooch asks of a progress bar (`total`, `update`, `reset`, `close`), and vanishes at the end.

    Args:
        title: what comes, such as the file's name.
        stream: where to; stderr by default.
        quiet: show nothing at all.
    """

    def __init__(self, title: str, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.title, self.quiet = title, quiet
        self.stream = stream if stream is not None else sys.stderr
        self._total = 0.0
        self._done = 0.0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if not self.quiet and is_terminal(self.stream):
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            shown = console(self.stream)
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=shown,
                transient=True,
                # stdout belongs to what was asked for: the bar must not take it over.
                redirect_stdout=False,
                redirect_stderr=self.stream is sys.stderr,
            )
            self._task = self._bar.add_task(encodable(inert(self.title), shown.encoding), total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def total(self) -> float:
        """Bytes to come; 0 where nobody knows."""
        return self._total

    @total.setter
    def total(self, total: float) -> None:
        self._total = total
        self._show()

    def update(self, amount: float) -> None:
        """So many bytes more; the last chunk is counted as a full one, so never more than all."""
        self._done += amount
        if self._total:
            self._done = min(self._done, self._total)
        self._show()

    def reset(self) -> None:
        """Back to none; what is shown waits for the next update."""
        self._done = 0.0

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=self._total or None)
