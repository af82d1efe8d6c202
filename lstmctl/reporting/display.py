"""A display in a terminal that rich redraws in place while work is in progress."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Self, TextIO

from rich.console import RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lstmctl.reporting.console import console, encodable, inert, is_terminal, write_line

MARGIN = 3
"""Columns left free on the right: the `^C` that a terminal echoes must not wrap the last line."""
LONGEST_BAR = 40


class Display(ABC):
    """Draw a picture in place inside the `with` block if the stream is a terminal, and nothing otherwise.

    It never disturbs the work: a closed stream is ignored, and characters that its encoding lacks are replaced.

    Args:
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
    """

    def __init__(self, stream: TextIO | None, *, quiet: bool) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self.console = console(self.stream)
        self.live: Live | None = None

    @property
    def width(self) -> int:
        """Columns available to the display."""
        return max(1, self.console.width - MARGIN)

    @abstractmethod
    def picture(self) -> RenderableType:
        """Return the current display; rich calls this from its own thread."""

    @abstractmethod
    def settle(self) -> None:
        """Prepare the final display, which stays on the screen."""

    def write_lines(self, lines: Iterable[str]) -> None:
        """Write lines that stay, above the picture if there is one."""
        for line in lines:
            if self.live is None:
                write_line(inert(line), self.stream)
            else:
                self.live.console.print(self.shown(line), markup=False, highlight=False)

    def shown(self, text: str) -> str:
        """Return `text` on one line, without control characters and in the terminal's encoding."""
        return encodable(inert(text), self.console.encoding, "replace")

    def __enter__(self) -> Self:
        if not self.quiet and is_terminal(self.stream):
            self.live = Live(
                get_renderable=lambda: Constrain(self.picture(), self.width),
                console=self.console,
                redirect_stdout=False,  # stdout belongs to the results
                redirect_stderr=self.stream is sys.stderr,
            )
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.settle()
            self.live.stop()
            self.live = None


def bar(share: float) -> ProgressBar:
    """A bar with `share` (0 to 1) of it done; it shrinks if there is little room."""
    return ProgressBar(
        total=1.0, completed=share, width=LONGEST_BAR, complete_style="green", finished_style="green", style="dim"
    )


def bar_line(before: Text, share: float, after: str) -> Table:
    """One line: `before`, a bar with `share` of it done, the percentage, and `after`."""
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(no_wrap=True, overflow="crop")
    line.add_column()
    line.add_column(no_wrap=True, overflow="crop")
    line.add_row(before, bar(share), Text(f"{int(share * 100)} %  {after}"))
    return line
