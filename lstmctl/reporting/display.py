"""A display in a terminal or a notebook, redrawn in place while work is in progress."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Self, TextIO, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.control import Control
from rich.live import Live
from rich.live_render import LiveRender
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lstmctl.reporting.console import console, encodable, inert, is_terminal, write_line
from lstmctl.reporting.notebook_display import NotebookPicture, is_notebook

MARGIN = 3
"""Columns left free on the right: the `^C` that a terminal echoes must not wrap the last line."""
LONGEST_BAR = 40


class Display(ABC):
    """Draw a picture in place inside the `with` block if the stream is a terminal or in a notebook, else nothing.

    It never disturbs the work: a closed stream is ignored, and characters that its encoding lacks are replaced.

    Args:
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
    """

    transient: ClassVar[bool] = False
    """True if the display disappears at the end."""

    def __init__(self, stream: TextIO | None, *, quiet: bool) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self.console = console(self.stream)
        self.live: Live | NotebookPicture | None = None

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
                self.above(Text(self.shown(line)))

    def shown(self, text: str) -> str:
        """Return `text` on one line, without control characters and in the terminal's encoding."""
        return encodable(inert(text), self.console.encoding, "replace")

    def refresh(self) -> None:
        """Redraw a notebook's picture; a terminal's is redrawn by rich."""
        if isinstance(self.live, NotebookPicture):
            self.live.refresh()

    def above(self, line: RenderableType) -> None:
        """Print a line that stays, above the picture."""
        if isinstance(self.live, NotebookPicture):
            self.live.print(line)
        elif self.live is not None:
            self.live.console.print(line)
            self.live.refresh()  # otherwise the picture could show for a moment what the line says too

    def __enter__(self) -> Self:
        if self.quiet:
            return self
        if is_terminal(self.stream):
            self.live = Live(
                get_renderable=lambda: Constrain(self.picture(), self.width),
                console=self.console,
                redirect_stdout=False,  # stdout belongs to the results
                redirect_stderr=self.stream is sys.stderr,
                transient=self.transient,
            )
            self.live._live_render = ReflowedRender(self.live._live_render, self.console)
            self.live.start()
        elif self.stream is sys.stderr and is_notebook():
            self.live = NotebookPicture(self.picture, transient=self.transient)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.settle()
            self.live.stop()
            self.live = None


class ReflowedRender(LiveRender):
    """rich's own, which also erases the lines that a terminal has broken in two since its window was narrowed."""

    def __init__(self, other: LiveRender, console: Console) -> None:
        super().__init__(other.renderable, other.style, other.vertical_overflow)
        self.console = console
        self.lengths: list[int] = []
        """Columns of each line as it was drawn."""

    def position_cursor(self) -> Control:
        self._count_broken_lines()
        return super().position_cursor()

    def restore_cursor(self) -> Control:
        self._count_broken_lines()
        return super().restore_cursor()

    def _count_broken_lines(self) -> None:
        width = self.console.width
        if self._shape is not None and width < max(self.lengths, default=0):
            rows = sum(max(1, -(-length // width)) for length in self.lengths)
            self._shape = (width, min(rows, self.console.height))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = [part for part in super().__rich_console__(console, options) if isinstance(part, Segment)]
        self.lengths = [sum(part.cell_length for part in line) for line in Segment.split_lines(drawn)]
        yield from drawn


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


Observed = TypeVar("Observed")
DisplayT = TypeVar("DisplayT", bound=Display)


@contextmanager
def observed_by(
    observe: Callable[[Observed], None] | None, display: Callable[[], DisplayT]
) -> Iterator[Callable[[Observed], None] | DisplayT]:
    """Yield `observe`, or if it is None a display, which is open inside this context."""
    if observe is not None:
        yield observe
        return
    with display() as own:
        yield own
