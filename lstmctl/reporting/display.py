"""A picture of some lines that is redrawn in place in a terminal while work goes on."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self, TextIO

from lstmctl.reporting.console import console, is_terminal

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

REFRESHES = 4
"""A second: enough for a clock, and its drawing stays far below a per cent of the time."""
NARROWEST, WIDEST = 20, 100
"""The columns a display uses at least and at most."""
SHORTEST_BAR = 4


class Display(ABC):
    """Draws its lines in place inside its `with` block, where the stream is a terminal and it may show anything.

    Nothing it does can fail the work: a stream that is closed or lacks a character is put up with.

    Args:
        stream: where to; stderr by default.
        quiet: show nothing at all.
    """

    def __init__(self, stream: TextIO | None, *, quiet: bool) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self._live: Live | None = None
        self._console: Console | None = None

    @abstractmethod
    def lines(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        """The picture as it stands now, drawn in a thread of its own; what is wider than `width` is cut.

        `rows` are those of the terminal; `ascii_only` says that it cannot show lines and blocks.
        """

    @abstractmethod
    def settle(self) -> None:
        """Turn to the last picture, which stays on the screen."""

    def __enter__(self) -> Self:
        if not self.quiet and is_terminal(self.stream):
            from rich.live import Live

            self._console = console(self.stream)
            # stdout belongs to what was asked for: the display must not take it over.
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=REFRESHES,
                redirect_stdout=False,
                redirect_stderr=self.stream is sys.stderr,
                vertical_overflow="crop",
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self.settle()
            self._live.stop()
            self._live = None

    def render(self) -> Group:
        """The display as it stands now, no line wider than the terminal."""
        from rich.console import Group

        assert self._console is not None
        size = self._console.size
        # Three columns stay free: some terminals wrap as soon as the last is written, and Ctrl-C adds a `^C` to a line
        # which, if that wrapped, would no longer be erased.
        width = max(NARROWEST, min(WIDEST, size.width - 3))
        lines = self.lines(width, size.height, not self._draws_blocks())
        for line in lines:
            line.truncate(width, overflow="crop")
            line.no_wrap, line.overflow = True, "crop"
        return Group(*lines)

    def _draws_blocks(self) -> bool:
        assert self._console is not None
        try:
            "▁█━─│".encode(self._console.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


def bar(room: int, share: float, *, ascii_only: bool = False) -> list[tuple[str, str]]:
    """A bar of `room` columns with `share` of it done, as text and style; nothing where it would say too little."""
    if room < SHORTEST_BAR:
        return []
    done, todo = ("#", "-") if ascii_only else ("━", "─")
    filled = round(room * share)
    return [(done * filled, "green"), (todo * (room - filled), "dim")]
