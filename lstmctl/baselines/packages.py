"""Baselines of other packages (`--baseline`), which are optional; `registry.BASELINES` lists them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from lstmctl.baselines.series import Floats, forward_filled
from lstmctl.errors import UsageError

Forecaster = Callable[[Floats, int, int], Floats]
"""From histories (windows, rows, channels) in original units, a horizon and a season, to forecasts (windows, horizon,
channels). A history begins with its first known value."""


def imported(module: str, baseline: str, extra: str) -> Any:
    """Import an optional package.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"--baseline {baseline} needs the package {module.partition('.')[0]}, which cannot be imported: {error}",
            hint=f"pip install 'lstmctl[{extra}]'",
        ) from error


def series_of(history: Floats) -> list[Floats]:
    """Return the series of histories (windows, rows, channels), window by window, each from its first known value (one
    0 if there is none); later missing values are the last known one."""
    lanes = np.swapaxes(forward_filled(history), 1, 2).reshape(-1, history.shape[1]).astype(np.float64)
    missing = np.isnan(np.swapaxes(history, 1, 2).reshape(lanes.shape))
    starts = np.where(missing.all(axis=1), lanes.shape[1] - 1, np.argmin(missing, axis=1))
    return [values[start:] for values, start in zip(lanes, starts, strict=True)]


def each_series(history: Floats, horizon: int, forecast: Callable[[Floats], Floats]) -> Floats:
    """Forecast every series of histories (windows, rows, channels) on its own; return (windows, horizon, channels)."""
    windows, _, channels = history.shape
    found = np.array([forecast(values) for values in series_of(history)], dtype=np.float64)
    return np.moveaxis(found.reshape(windows, channels, horizon), 1, 2)
