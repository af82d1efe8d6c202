"""The progress of work other than training: a line with a bar in a terminal or notebook, occasional lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self, TextIO

from rich.console import RenderableType
from rich.text import Text

from lstmctl.progress import heard_by, is_heard
from lstmctl.reporting.console import inert, write_line
from lstmctl.reporting.display import Display, bar_line
from lstmctl.reporting.quantities import duration

SECONDS_BEFORE = 0.5
"""Shorter work is not shown on a terminal."""
SECONDS_BETWEEN_LINES = 10.0
"""Time between lines on a stream that is not a terminal."""


class WorkDisplay(Display):
    """Show reported progress (`lstmctl.progress`) inside the `with` block. Nothing stays on a terminal.

    Args:
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
        clock: returns seconds, from any origin.
    """

    transient = True

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self.clock = clock
        self._began = self._said = clock()
        self._now: tuple[str, float | None, float] | None = None
        """The current work, the share that is done, and its start time."""
        self._listening = ExitStack()

    def __call__(self, doing: str, share: float | None) -> None:
        """Take one report."""
        now = self.clock()
        since = now if self._now is None or self._now[0] != doing else self._now[2]
        self._now = (doing, share, since)
        self.refresh()
        if self.live is None and not self.quiet and now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            done = "" if share is None else f": {int(100 * share)} %"
            write_line(inert(f"{doing}{done}, {duration(now - self._began)} so far"), self.stream)

    def picture(self) -> RenderableType:
        now = self.clock()
        if self._now is None or now - self._began < SECONDS_BEFORE:
            return Text("")
        doing, share, since = self._now
        elapsed = duration(now - since)
        if share is None:
            return Text(f"{self.shown(doing)}  {elapsed}", style="bold")
        return bar_line(Text(self.shown(doing), style="bold"), share, elapsed)

    def settle(self) -> None:
        self._now = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._listening.enter_context(heard_by(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.close()
        super().__exit__(*error)


@contextmanager
def shown_work(*, quiet: bool) -> Iterator[None]:
    """Show reported progress inside this context, unless there is already a listener."""
    if is_heard():
        yield
        return
    with WorkDisplay(quiet=quiet):
        yield
