"""Calibration of intervals on rows of the validation part (conformal prediction), for each series by its own windows as
far as it has enough of them (`intervals.partly_pooled_offsets`).

The rows that calibrate are not those that selected the weights, unless the config shares them (`task.calibration`).
Rows of the test part never calibrate.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.errors import DataError, RunError
from lstmctl.intervals import Floats, interval_scores, offsets_of_few, partly_pooled_offsets, widened
from lstmctl.models.forecaster import Ensemble
from lstmctl.scoring import evaluating
from lstmctl.tasks.series_baselines import Baseline
from lstmctl.tasks.series_predictor import MOST_WINDOWS_OF_PATHS, SeriesPredictor
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

log = logging.getLogger(__name__)

Rows = Literal["separate", "shared", "none"]
"""`task.calibration`."""

MOST_WINDOWS = 20_000
"""Maximum number of windows of a series that calibrate intervals; more would not move a quantile."""
MOST_NUMBERS = 100_000_000
"""Maximum number of scores, over windows, steps, channels and levels, to hold in memory."""
MOST_OF_SERIES = 20_000_000
"""Above this number of scores, several series together calibrate by `MOST_WINDOWS`."""
MOST_STORED = 2_000_000
"""Maximum number of offsets of single series; beyond it, all series have the offsets of the pool."""
DIGITS = 7
"""Digits of an offset that a run keeps."""
ROUNDING = 1e-6
"""Tolerance when rounding up, so that a number that already has `DIGITS` digits does not grow."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Offsets by which intervals are widened, scaled."""

    pool: Floats
    """(horizon, channels, levels), from all series."""
    by_series: Floats
    """(series, horizon, channels, levels)."""
    windows: NDArray[np.int64]
    """(series, channels), the number of own windows that calibrate each; 0 if it has the offsets of the pool."""

    def of(self, series: NDArray[np.int64]) -> Floats:
        """Return the offsets of windows of these series, (windows, horizon, channels, levels)."""
        return self.by_series[series]

    def with_series(self, count: int) -> Calibration:
        """Return the same for further series, which have the offsets of the pool."""
        more = np.repeat(self.pool[np.newaxis], count, axis=0)
        windows = np.zeros((count, self.windows.shape[1]), np.int64)
        return Calibration(self.pool, np.concatenate([self.by_series, more]), np.concatenate([self.windows, windows]))

    def to_json(self, channels: Sequence[str]) -> dict[str, Any]:
        """Return the content of `calibration.json`; `channels` are names of all channels of all series."""
        own = self.by_series.transpose(0, 2, 1, 3).reshape(-1, *self.pool.shape[::2])
        of_own = np.flatnonzero(self.windows).tolist()
        return {
            "offsets": self.pool.tolist(),
            "series": {channels[place]: own[place].tolist() for place in of_own},
            "series_windows": {channels[place]: int(self.windows.flat[place]) for place in of_own},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], channels: Sequence[str], shape: tuple[int, int, int]) -> Calibration:
        """Restore from `to_json`, or from a run that had the offsets of the pool alone.

        Raises:
            RunError: it is damaged, or its offsets have another shape.
        """
        horizon, targets, levels = shape
        pool = _offsets(stored.get("offsets"), shape)
        windows = np.zeros((len(channels) // targets, targets), np.int64)
        by_series = np.repeat(pool[np.newaxis], len(windows), axis=0)
        own, counts = stored.get("series", {}), stored.get("series_windows", {})
        places = {name: place for place, name in enumerate(channels)}
        if (
            not isinstance(own, Mapping)
            or not isinstance(counts, Mapping)
            or not own.keys() == counts.keys() <= places.keys()
        ):
            raise RunError("calibration.json is damaged: its series differ from the run's")
        for name, offsets in own.items():
            series, target = divmod(places[name], targets)
            by_series[series, :, target] = _offsets(offsets, (horizon, levels))
            windows[series, target] = counts[name]
        return cls(pool, by_series, windows)


def choosing_rows(validation: SeriesPart, rows: Rows) -> SeriesPart:
    """Return the validation rows that select weights: all, or the first half if the second is kept for calibration.

    Raises:
        DataError: a half holds no window, or no series with a scale has one.
    """
    part = _with_scale(validation)
    return _half(part, 0) if rows == "separate" else part


def calibration_rows(validation: SeriesPart, rows: Rows) -> SeriesPart:
    """Return the validation rows for calibration; raises as `choosing_rows`."""
    part = _with_scale(validation)
    return _half(part, 1) if rows == "separate" else part


def calibration_scores(
    model: Ensemble, part: SeriesPart, predictor: SeriesPredictor
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Score the uncalibrated intervals of the calibration windows, in order of series and time.

    Returns:
        (windows, horizon, channels, levels) distance of the truth from each interval; (windows,) the series of each
            window; (windows,) the row of its last label.
    """
    scores, series, last_rows = [], [], []
    with torch.no_grad(), evaluating(model):
        for batch in _calibrating(part, predictor):
            assert batch.series is not None
            assert batch.origins is not None
            _, spans = predictor.uncalibrated(model, batch)
            scores.append(interval_scores(_truth(part, batch), windows_first(spans)))
            series.append(batch.series.cpu().numpy())
            last_rows.append(batch.origins.cpu().numpy() + part.horizon - 1)
    return np.concatenate(scores), np.concatenate(series), np.concatenate(last_rows)


def baseline_scores(
    baseline: Baseline, part: SeriesPart, predictor: SeriesPredictor, most: int | None = None
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the absolute errors of a baseline, (windows, horizon, channels), in the windows that calibrate the
    predictor's intervals, or in at most `most` of them; and (windows,) the series of each window."""
    scores, series = [], []
    forecast = baseline(part)
    for batch in _calibrating(part, predictor) if most is None else part.scored(most):
        assert batch.series is not None
        scores.append(np.abs(_truth(part, batch) - forecast(batch)))
        series.append(batch.series.cpu().numpy())
    return np.concatenate(scores), np.concatenate(series)


def calibrated(
    scores: Floats, series: NDArray[np.int64], levels: Sequence[int], encoding: SeriesEncoding
) -> Calibration | None:
    """Return the offsets that widen intervals; None, with a warning, if windows are too few.

    The columns of a wide table are its series, and pooled like the series of a long one.

    Args:
        scores: (windows, horizon, channels), or with levels.
        series: (windows,) the series of each window.
        levels: in percent.
        encoding: of the run.
    """
    scores = scores if scores.ndim == 4 else scores[..., np.newaxis]
    windows, horizon, channels, _ = scores.shape
    shares, count = [level / 100 for level in levels], len(encoding.ids)
    pool = np.empty((horizon, channels, len(shares)))
    own = np.empty((count, *pool.shape))
    for group in [list(range(channels))] if encoding.id is None else [[channel] for channel in range(channels)]:
        flat = scores[:, :, group].transpose(0, 2, 1, 3).reshape(windows * len(group), horizon, -1)
        owners = (series[:, np.newaxis] * len(group) + np.arange(len(group))).ravel()
        of_all, of_each = partly_pooled_offsets(flat, owners, count * len(group), shares)
        pool[:, group] = of_all[:, np.newaxis]
        own[:, :, group] = of_each.reshape(count, len(group), horizon, -1).swapaxes(1, 2)
    known = np.isfinite(pool)
    if not known.any((0, 1)).all():
        pool = np.asarray(offsets_of_few(scores, shares))
        own[:], known = np.inf, np.isfinite(pool)
        if not known.all():
            log.warning("%d windows are too few to calibrate intervals of %d %%", windows, max(levels))
            return None
    lacking = [name for name, whole in zip(encoding.targets, np.asarray(known.all((0, 2))), strict=True) if not whole]
    if lacking:
        log.warning("too few known values of %s to calibrate by: it gets the widest of the others", ", ".join(lacking))
        pool = np.where(known, pool, np.where(known, pool, -np.inf).max((0, 1)))
    counts = np.zeros((count, channels), np.int64)
    np.add.at(counts, series, (~np.isnan(scores)).any((1, 3)))
    if counts.astype(bool).sum() * horizon * len(shares) > MOST_STORED:
        counts[:] = 0
    of_its_own = (counts > 0)[:, np.newaxis, :, np.newaxis] & np.isfinite(own)
    return Calibration(_rounded(pool), _rounded(np.where(of_its_own, own, pool)), counts)


def _rounded(values: Floats) -> Floats:
    """Round up to the digits that a run keeps, so that values at the end of an interval stay inside."""
    sizes = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values)))))
    return np.ceil(values * sizes - ROUNDING) / sizes


def _offsets(stored: Any, shape: tuple[int, ...]) -> Floats:
    """Return the offsets of `calibration.json` as an array.

    Raises:
        RunError: they are damaged, or have another shape.
    """
    try:
        offsets = np.array(stored, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RunError("calibration.json is damaged") from error
    if offsets.shape != shape:
        raise RunError(f"calibration.json contains offsets of shape {offsets.shape}, not {shape}")
    if not np.isfinite(offsets).all():
        raise RunError("calibration.json is damaged: its offsets are not finite numbers")
    return offsets


def widened_intervals(intervals: Tensor, offsets: Floats) -> Tensor:
    """Move each end of intervals (horizon, batch, channels, levels, 2) outwards by (batch, horizon, channels,
    levels)."""
    ends = widened(windows_first(intervals), offsets)
    return torch.from_numpy(np.ascontiguousarray(ends)).to(intervals).transpose(0, 1)


def _calibrating(part: SeriesPart, predictor: SeriesPredictor) -> Iterator[SeriesBatch]:
    """Yield fewer windows if each takes many paths, and never more numbers than fit in memory."""
    numbers = part.horizon * part.values.shape[1] * len(predictor.settings.levels)
    series = int((part.counts > 0).sum())
    most = max(MOST_WINDOWS, min(MOST_WINDOWS * series, MOST_OF_SERIES // numbers))
    if predictor.has_joint_distribution:
        most = MOST_WINDOWS_OF_PATHS
    return part.scored(max(100, min(most, MOST_NUMBERS // numbers)))


def _truth(part: SeriesPart, batch: SeriesBatch) -> Floats:
    """Return the truth, (windows, horizon, channels), NaN where a window without a scale would calibrate the intervals
    of windows that have one."""
    if batch.unscaled is None or part.unscaled is None:
        return windows_first(batch.target)
    shared = (~part.unscaled).any(0)
    return windows_first(batch.target.masked_fill(batch.unscaled & shared, torch.nan))


def _with_scale(validation: SeriesPart) -> SeriesPart:
    part = validation.with_scale()
    if len(validation) and not len(part):
        raise DataError(
            "no series with a scale has a window in the validation part, so nothing there can choose the weights",
            hint="increase the training part in data.split, so that more series have a scale",
        )
    return part


def _half(part: SeriesPart, which: int) -> SeriesPart:
    half = part.half(which)
    if len(half) == 0:
        raise DataError(
            f"half of the validation part contains no window of task.horizon={part.horizon:,} rows",
            hint="task.calibration=shared calibrates on the rows that choose the weights, =none not at all; "
            "or increase the validation part in data.split",
        )
    return half
