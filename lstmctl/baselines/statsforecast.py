"""Forecasts of the package statsforecast (extra `baselines`), one series at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lstmctl.baselines.packages import Forecaster, each_series, imported
from lstmctl.baselines.series import Floats
from lstmctl.errors import UsageError

FEWEST_ROWS = 10
"""Shorter series are continued with their last value."""


def auto_ets(path: str | None) -> Forecaster:
    """Return the exponential smoothing whose error, trend and season AICc selects."""
    return _model("AutoETS", path)


def auto_arima(path: str | None) -> Forecaster:
    """Return the ARIMA model whose orders AICc selects."""
    return _model("AutoARIMA", path)


def _model(name: str, path: str | None) -> Forecaster:
    if path is not None:
        raise UsageError(f"--baseline {name}={path}: {name} is fitted to the data and takes no path")
    make: Any = getattr(imported("statsforecast.models", name, "baselines"), name)

    def forecast(history: Floats, horizon: int, season: int) -> Floats:
        def of_series(values: Floats) -> Floats:
            if len(values) < FEWEST_ROWS:
                return np.repeat(values[-1:], horizon)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on seasons of more than 24 rows, which are left out
                found: Floats = make(season_length=season).forecast(y=values, h=horizon)["mean"]
            return found

        return each_series(history, horizon, of_series)

    return forecast
