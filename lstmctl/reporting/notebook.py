"""Results in a notebook, as HTML and as matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstmctl import registry
from lstmctl.errors import UsageError
from lstmctl.reporting import html as html_renderer
from lstmctl.reporting.blocks import Block, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html(result: object) -> str:
    """Return what a notebook shows of a result that has a view."""
    return html_renderer.fragment(_view(result))


def figure(result: object, name: str | None = None) -> Figure:
    """Return the first plot of a result that has a view, or the one with a name.

    Raises:
        UsageError: the result has no plot of this name.
    """
    return figure_of(_view(result), name)


def figure_of(blocks: Sequence[Block], name: str | None = None) -> Figure:
    """Return the first plot among blocks, or the one with a name.

    Raises:
        UsageError: the result has no plot of this name.
    """
    found = plots(blocks)
    if not found:
        raise UsageError("this result has no plot")
    if name is not None and name not in found:
        raise UsageError(f"`{name}` is not a plot of this result; it has {', '.join(found)}")
    return found[name or next(iter(found))].figure()


def _view(result: object) -> list[Block]:
    blocks: list[Block] = registry.function(type(result).__name__, registry.VIEWS)(result)
    return blocks
