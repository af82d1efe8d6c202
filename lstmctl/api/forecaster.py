"""A forecaster in three lines, with the method names of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

from lstmctl.api.frames import backend_of, is_frame
from lstmctl.api.run import Run
from lstmctl.api.training import train
from lstmctl.errors import UsageError


class Forecaster:
    """Fits a table of series, and predicts the rows after it.

    A config is derived from the table, as `lstmctl train FILE` does.

    Args:
        settings: `KEY=VALUE` of the config, such as `task.horizon=12`.
        observe: called with every event of the training.
    """

    def __init__(self, *settings: str, observe: Any = lambda event: None) -> None:
        self.settings, self.observe = settings, observe
        self.run: Run | None = None
        """The trained run, after `fit`."""
        self._backend = "polars"

    def fit(self, data: Any) -> Self:
        """Train on a data frame or the path of a table.

        Raises:
            DataError, ConfigError, ResourceError: see `train`.
        """
        self._backend = backend_of(data) if is_frame(data) else "polars"
        self.run = train(data, ["task.type=forecast", *self.settings], observe=self.observe)
        return self

    def predict(self, data: Any = None) -> Any:
        """Return the forecasts as a data frame of the library that `fit` was given one of (or polars).

        Args:
            data: a newer table with the same columns; by default, the forecasts follow the table of `fit`.

        Raises:
            UsageError: `fit` was not called.
            DataError: the newer table cannot be used.
        """
        if self.run is None:
            raise UsageError("the forecaster has not been fitted", hint="call fit(table) first")
        return self.run.forecast(data).frame(self._backend)
