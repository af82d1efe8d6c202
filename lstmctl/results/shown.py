"""Results that show themselves in a notebook."""

from __future__ import annotations

from typing import Any

from lstmctl import registry


class Shown:
    """A result with a line in `registry.VIEWS`."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """The result as a notebook shows it: one element with its own styles, for light and dark."""
        shown: str = registry.function("html", registry.NOTEBOOK)(self)
        return shown

    def plot(self, name: str | None = None) -> Any:
        """Return a plot of the result as a matplotlib figure, which a notebook shows.

        Args:
            name: which one, if there are several; by default the first.

        Raises:
            UsageError: there is no such plot, or nothing to draw.
        """
        return registry.function("plot", registry.NOTEBOOK)(self, name)
