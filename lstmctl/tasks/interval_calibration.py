"""Calibration of intervals on rows of the validation part (conformal prediction).

The rows that calibrate are not those that selected the weights, unless the config shares them (`task.calibration`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.errors import DataError, RunError
from lstmctl.intervals import Floats, conformal_offsets, interval_scores, offsets_of_few, quantile_offsets, widened
from lstmctl.models.forecaster import Ensemble
from lstmctl.scoring import evaluating
from lstmctl.tasks.series_baselines import Baseline
from lstmctl.tasks.series_predictor import MOST_WINDOWS_OF_PATHS, SeriesPredictor
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

log = logging.getLogger(__name__)

Rows = Literal["separate", "shared", "none"]
"""`task.calibration`."""

MOST_WINDOWS = 20_000
"""Maximum number of windows that calibrate intervals; more would not move a quantile."""
MOST_NUMBERS = 100_000_000
"""Maximum number of scores, over windows, steps, channels and levels, to hold in memory."""


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


def baseline_scores(baseline: Baseline, part: SeriesPart, predictor: SeriesPredictor) -> Floats:
    """Return the absolute errors of a baseline, (windows, horizon, channels), in the windows that calibrate the
    predictor's intervals."""
    return np.concatenate(
        [np.abs(_truth(part, batch) - baseline(windows_first(batch.input))) for batch in _calibrating(part, predictor)]
    )


def calibrated_offsets(scores: Floats, levels: Sequence[int], targets: Sequence[str]) -> Floats | None:
    """Return how far to widen intervals, (horizon, channels, levels), scaled; None, with a warning, if windows are too
    few. Scores are (windows, horizon, channels), or with levels."""
    shares = [level / 100 for level in levels]
    found = np.asarray((conformal_offsets if scores.ndim == 3 else quantile_offsets)(scores, shares))
    known = np.isfinite(found)
    if known.all():
        return found
    whole = np.asarray(known.all((0, 2)))
    lacking = [name for name, own in zip(targets, whole, strict=True) if not own]
    if not known.any((0, 1)).all():
        by_level = scores[..., np.newaxis] if scores.ndim == 3 else scores
        together = offsets_of_few(by_level, shares)
        if np.isfinite(together).all():
            return together
        log.warning("%d windows are too few to calibrate intervals of %d %%", len(scores), max(levels))
        return None
    log.warning("too few known values of %s to calibrate by: it takes the widest of the others", ", ".join(lacking))
    widest = np.where(known, found, -np.inf).max((0, 1))
    return np.where(known, found, widest)


def stored_offsets(calibration: Mapping[str, Any], shape: tuple[int, int, int]) -> Floats:
    """Return the offsets (horizon, channels, levels) of `calibration.json`.

    Raises:
        RunError: it is damaged, or its offsets have another shape.
    """
    try:
        offsets = np.array(calibration["offsets"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError("calibration.json is damaged") from error
    if offsets.shape != shape:
        raise RunError(f"calibration.json contains offsets of shape {offsets.shape}, not {shape}")
    if not np.isfinite(offsets).all():
        raise RunError("calibration.json is damaged: its offsets are not finite numbers")
    return offsets


def widened_intervals(intervals: Tensor, offsets: Floats) -> Tensor:
    """Move each end of intervals (horizon, batch, channels, levels, 2) outwards by (horizon, channels, levels)."""
    ends = widened(windows_first(intervals), offsets)
    return torch.from_numpy(np.ascontiguousarray(ends)).to(intervals).transpose(0, 1)


def _calibrating(part: SeriesPart, predictor: SeriesPredictor) -> Iterator[SeriesBatch]:
    """Yield fewer windows if each takes many paths, and never more numbers than fit in memory."""
    numbers = part.horizon * part.values.shape[1] * len(predictor.settings.levels)
    most = MOST_WINDOWS_OF_PATHS if predictor.has_joint_distribution else MOST_WINDOWS
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
