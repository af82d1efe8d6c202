"""A picture in a notebook's output, redrawn in place."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group, RenderableType

WIDTH = 100
SECONDS_BETWEEN = 0.25
"""Minimum time between redraws: every picture is a message to the browser."""
FORMAT = '<pre style="white-space:pre;line-height:normal;font-family:monospace">{code}</pre>'


def is_notebook() -> bool:
    """Return True if this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]

    return hasattr(get_ipython(), "kernel")


class NotebookPicture:
    """A picture in the output of the cell that runs, with lines above it that stay.

    Args:
        picture: returns the current picture.
        transient: remove the picture at the end.
        clock: returns seconds, from any origin.
    """

    def __init__(
        self, picture: Callable[[], RenderableType], *, transient: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

        self._picture, self._transient, self._clock = picture, transient, clock
        self._lines: list[RenderableType] = []
        self._drawn = clock()
        self._handle: Any = display(_Html(""), display_id=True)

    def print(self, line: RenderableType) -> None:
        """Add a line above the picture."""
        self._lines.append(line)
        self._draw(self._picture())

    def refresh(self) -> None:
        """Draw the picture again, unless it was drawn just now."""
        if self._clock() - self._drawn >= SECONDS_BETWEEN:
            self._draw(self._picture())

    def stop(self) -> None:
        """Draw the last picture, or remove it if it is transient."""
        self._draw(None if self._transient else self._picture())

    def _draw(self, picture: RenderableType | None) -> None:
        self._drawn = self._clock()
        parts = [*self._lines, *([] if picture is None else [picture])]
        self._handle.update(_Html(_as_html(Group(*parts)) if parts else ""))


class _Html:
    """HTML for a notebook, unchanged."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return self.code


def _as_html(picture: RenderableType) -> str:
    recorder = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, markup=False, emoji=False, highlight=False
    )
    recorder.print(picture)
    return recorder.export_html(inline_styles=True, code_format=FORMAT)
