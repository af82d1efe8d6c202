"""Forecasts without a network, for the windows of a part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.baselines.series import DEFAULT_PENALTIES, Ridge, drift, fit_ridge, last_value, seasonal_naive
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.data.timesteps import CHUNK
from lstmctl.intervals import Floats, widened
from lstmctl.tasks.mapped_columns import MappedColumns
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

log = logging.getLogger(__name__)

Baseline = Callable[[Floats], Floats]
"""From histories (windows, lookback, channels) to forecasts (windows, horizon, channels), scaled."""
Fitting = tuple[SeriesPart, SeriesPart]
"""The training part, and the rows of the validation part that choose."""
RIDGE_LOOKBACKS = 8
"""The ridge baseline chooses among the lookback and this number of even parts of it."""


def _last_value(settings: ForecastSettings, season: int, fitting: Fitting | None) -> Baseline:
    return partial(last_value, horizon=settings.horizon)


def _seasonal_naive(settings: ForecastSettings, season: int, fitting: Fitting | None) -> Baseline | None:
    if not 1 < season <= settings.lookback:
        return None
    return partial(seasonal_naive, horizon=settings.horizon, season=season)


def _drift(settings: ForecastSettings, season: int, fitting: Fitting | None) -> Baseline | None:
    return partial(drift, horizon=settings.horizon) if settings.lookback > 1 else None


def _ridge(settings: ForecastSettings, season: int, fitting: Fitting | None) -> Baseline | None:
    ridge = None if fitting is None else ridge_baseline(*fitting)
    return None if ridge is None else ridge.forecast


BASELINES: Mapping[str, Callable[[ForecastSettings, int, Fitting | None], Baseline | None]] = {
    "last value": _last_value,
    "seasonal naive": _seasonal_naive,
    "drift": _drift,
    "ridge": _ridge,
}
"""By name: from the config's `task`, the season in rows and the rows to fit to (None without a training part), to a
baseline; None if it does not apply."""


def ridge_baseline(training: SeriesPart, choosing: SeriesPart, like: Ridge | None = None) -> Ridge | None:
    """Fit a ridge regression from lookback to horizon to the training windows.

    Its lookback and penalty are those of `like`, or are chosen on the observed labels of `choosing`. Series without a
    scale are left out. None, with a warning, if no window is complete.
    """
    lookback = training.lookback
    begins = training.begins.cpu().numpy()
    shares = range(1, RIDGE_LOOKBACKS + 1)
    try:
        return fit_ridge(
            _Rows(training.values, begins, None if training.unscaled is None else training.unscaled.cpu().numpy()),
            _origins(training.with_scale()),
            _origins(choosing.with_scale()),
            lookbacks=[like.lookback] if like else sorted({max(1, lookback * n // RIDGE_LOOKBACKS) for n in shares}),
            penalties=[like.penalty] if like else DEFAULT_PENALTIES,
            horizon=training.horizon,
            begins=begins,
            filled=None if choosing.filled is None else choosing.filled.cpu().numpy(),
        )
    except ValueError:
        log.warning("no ridge regression: no window of the training or the validation part is complete")
        return None


def baseline_forecasts(
    baseline: Baseline, part: SeriesPart, offsets: Callable[[NDArray[np.int64]], Floats] | None
) -> Iterator[tuple[SeriesBatch, Floats, Floats | None]]:
    """Yield the batches of a part, with a baseline's points (batch, horizon, channels) and intervals (batch, horizon,
    channels, levels, 2), scaled. `offsets` returns half the widths by the series of windows; None for no intervals."""
    for batch in part.scored():
        point = baseline(windows_first(batch.input))
        if offsets is None:
            yield batch, point, None
        else:
            assert batch.series is not None
            own = offsets(batch.series.cpu().numpy())
            yield batch, point, widened(np.broadcast_to(point[..., None, None], (*own.shape, 2)), own)


class _Rows:
    """Values (rows, channels) on any device, as arrays when sliced; missing if a series or channel has no scale:
    `unscaled` (series, channels), None if all have one."""

    def __init__(
        self, values: Tensor | MappedColumns, begins: NDArray[np.int64], unscaled: NDArray[np.bool_] | None
    ) -> None:
        self.values, self.shape = values, tuple(values.shape)
        self.begins, self.unscaled = begins, unscaled

    def __getitem__(self, rows: slice) -> Floats:
        array: Floats = self.values[rows].cpu().numpy()
        if self.unscaled is None:
            return array
        series = np.searchsorted(self.begins, np.arange(*rows.indices(self.shape[0])), side="right") - 1
        return np.where(self.unscaled[series], np.float32(np.nan), array)


def _origins(part: SeriesPart) -> NDArray[np.int64]:
    found = np.empty(len(part), dtype=np.int64)
    for start in range(0, len(part), CHUNK):
        numbers = torch.arange(start, min(start + CHUNK, len(part)), device=part.rows.device)
        found[start : start + CHUNK] = part.origins(numbers)[0].cpu().numpy()
    return found
