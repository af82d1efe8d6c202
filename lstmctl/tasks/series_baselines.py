"""Forecasts of a part's windows without a network, as baselines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.baselines.series import Ridge, drift, fit_ridge, last_value, seasonal_naive
from lstmctl.data.timesteps import CHUNK
from lstmctl.intervals import Floats, widened
from lstmctl.tasks.mapped_columns import MappedColumns
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

log = logging.getLogger(__name__)

Baseline = Callable[[Floats], Floats]
"""From histories (windows, lookback, channels) to forecasts (windows, horizon, channels), scaled."""

RIDGE_LOOKBACKS = 8
"""The ridge baseline chooses among the lookback and this number of even fractions of it."""


def repeating_baselines(lookback: int, horizon: int, season: int) -> dict[str, Baseline]:
    """Baselines for the continuation of a window, by name: last value, seasonal naive, drift. Those that need a longer
    lookback are left out.

    Args:
        lookback, horizon: rows of a window.
        season: rows after which the series repeat.
    """
    found: dict[str, Baseline] = {"last value": lambda history: last_value(history, horizon)}
    if 1 < season <= lookback:
        found["seasonal naive"] = lambda history: seasonal_naive(history, horizon, season)
    if lookback > 1:
        found["drift"] = lambda history: drift(history, horizon)
    return found


def ridge_baseline(training: SeriesPart, choosing: SeriesPart) -> Ridge | None:
    """A ridge regression from lookback to horizon, fitted to the windows of the training part; its lookback and penalty
    are chosen on what was observed of the labels of `choosing`. Series without a scale take no part. None, with a
    warning, where no window is complete."""
    lookback = training.lookback
    begins = training.begins.cpu().numpy()
    shares = range(1, RIDGE_LOOKBACKS + 1)
    try:
        return fit_ridge(
            _Rows(training.values, begins, None if training.unscaled is None else training.unscaled.cpu().numpy()),
            _origins(training.with_scale()),
            _origins(choosing.with_scale()),
            lookbacks=sorted({max(1, lookback * share // RIDGE_LOOKBACKS) for share in shares}),
            horizon=training.horizon,
            begins=begins,
            filled=None if choosing.filled is None else choosing.filled.cpu().numpy(),
        )
    except ValueError:
        log.warning("no ridge regression: no window of the training or the validation part is complete")
        return None


def baseline_forecasts(
    baseline: Baseline, part: SeriesPart, offsets: Floats | None
) -> Iterator[tuple[SeriesBatch, Floats, Floats | None]]:
    """All windows of a part, with the points (batch, horizon, channels) and the intervals (batch, horizon, channels,
    levels, 2) of a baseline, scaled.

    Args:
        offsets: (horizon, channels, levels), how far intervals reach to either side; None for no intervals.
    """
    for batch in part.scored():
        point = baseline(windows_first(batch.input))
        if offsets is None:
            yield batch, point, None
        else:
            both_ends = np.repeat(point[..., None, None], offsets.shape[-1], -2).repeat(2, -1)
            yield batch, point, widened(both_ends, offsets)


class _Rows:
    """Values (rows, channels) on whatever device, as arrays where they are cut; missing where a series or a channel
    has no scale: `unscaled` (series, channels), if any has none."""

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
