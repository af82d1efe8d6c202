"""Results that turn into data frames."""

from __future__ import annotations

from typing import Any

from lstmctl import registry


class Framed:
    """A result with a line in `registry.FRAMES`."""

    __slots__ = ()

    def frame(self, backend: str = "polars") -> Any:
        """Return the result as a data frame, with the columns of the command's CSV output; in a forecast, `forecast…`
        whatever the cell.

        Args:
            backend: `polars`, `pandas`, `pyarrow` or another that narwhals knows.

        Raises:
            UsageError: the backend is unknown or not installed.
        """
        return registry.function(type(self).__name__, registry.FRAMES)(self, backend)
