"""Results that are displayed in a notebook."""

from __future__ import annotations

from typing import Any

from lstmctl import registry


class Shown:
    """Base of the results that have a line in `registry.VIEWS`."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """The result as HTML for a notebook: one element with its own styles, light and dark."""
        shown: str = registry.function("html", registry.NOTEBOOK)(self)
        return shown

    def plot(self, name: str | None = None) -> Any:
        """Return a plot of the result as a matplotlib figure, which a notebook shows.

        Args:
            name: the plot's name, if there are several; by default the first.

        Raises:
            UsageError: the result has no plot of this name, or nothing to plot.
        """
        return registry.function("plot", registry.NOTEBOOK)(self, name)
