"""The theta method for many series at once.

Assimakopoulos and Nikolopoulos (2000, The theta model: a decomposition approach to forecasting), as in the benchmarks
of the M4 competition: the mean of a straight line through the series without its season, and of a simple exponential
smoothing of twice the series less that line (Hyndman and Billah 2003, Unmasking the theta method).
"""

from __future__ import annotations

import numpy as np

from lstmctl.baselines.exponential_smoothing import minimised, smooth
from lstmctl.baselines.seasonal_adjustment import (
    MULTIPLICATIVE,
    NONE,
    Counts,
    Doubles,
    Lanes,
    adjusted,
    each_block,
    is_seasonal,
)
from lstmctl.baselines.series import Floats

FEWEST_ROWS = 6
"""Shorter histories are continued with their last value."""
LOW, HIGH = 0.1, 0.99
"""Bounds of alpha (Fiorucci et al. 2016, Models for optimising the theta method)."""
GRID, ROUNDS = 12, 14


def theta_forecasts(history: Floats, horizon: int, season: int, alpha: Doubles | None = None) -> Floats:
    """Forecast by the theta method.

    A season that passes the test of `is_seasonal` is removed by ratios, or by differences if values are not positive.

    Args:
        history: (windows, rows, channels) in original units; begins with its first known value, and other missing
            values (NaN) are the last known ones. Histories of fewer than `FEWEST_ROWS` are continued with their last
            value.
        horizon: steps ahead.
        season: in rows; 1 for none.
        alpha: (windows, channels, 1) of `theta_parameters`; by default fitted to each history.

    Returns:
        (windows, horizon, channels)
    """

    def forecast(lanes: Lanes, numbers: Counts) -> Doubles:
        without = adjusted(lanes, season, np.where(is_seasonal(lanes, season), MULTIPLICATIVE, NONE))
        intercept, slope = _line(without.lanes)
        doubled = _doubled(without.lanes, intercept, slope)
        chosen = _alpha(doubled) if alpha is None else alpha.reshape(-1)[numbers]
        level = smooth(doubled, chosen[np.newaxis]).level[0]
        ahead = lanes.lengths + np.arange(horizon)[:, np.newaxis]
        found = without.restored((intercept + slope * ahead + level) / 2)
        return np.where(lanes.lengths < FEWEST_ROWS, lanes.at_end(), found)

    return each_block(history, horizon, forecast)


def theta_parameters(history: Floats, season: int) -> Doubles:
    """Fit the alpha of `theta_forecasts` to histories; return (windows, channels, 1)."""

    def fitted(lanes: Lanes, numbers: Counts) -> Doubles:
        without = adjusted(lanes, season, np.where(is_seasonal(lanes, season), MULTIPLICATIVE, NONE)).lanes
        return _alpha(_doubled(without, *_line(without)))[np.newaxis]

    return np.moveaxis(each_block(history.astype(np.float64), 1, fitted), 1, 2).astype(np.float64)


def _alpha(doubled: Lanes) -> Doubles:
    """Return the alpha (lanes,) with the least squared error of the forecasts of the next row."""
    grid = np.linspace(LOW, HIGH, GRID)
    start = grid[smooth(doubled, grid[:, np.newaxis]).error.argmin(axis=0)]
    step = (HIGH - LOW) / (GRID - 1) / 2
    best, _ = minimised(
        lambda tried: smooth(doubled, tried[:, 0]).error, start[np.newaxis], (step,), (LOW,), (HIGH,), ROUNDS
    )
    alpha: Doubles = best[0]
    return alpha


def _line(lanes: Lanes) -> tuple[Doubles, Doubles]:
    """Return intercept and slope (lanes,) of the least-squares line over rows 0, 1, …"""
    rows, seen = np.arange(len(lanes.values))[:, np.newaxis], lanes.seen
    middle = (lanes.lengths - 1) / 2
    mean = np.where(seen, lanes.values, 0).sum(axis=0) / lanes.lengths
    moments = np.where(seen, (rows - middle) * (lanes.values - mean), 0).sum(axis=0)
    slope = moments / np.maximum(lanes.lengths * (lanes.lengths**2 - 1) / 12, 1)
    return mean - slope * middle, slope


def _doubled(lanes: Lanes, intercept: Doubles, slope: Doubles) -> Lanes:
    """Return the theta line with theta = 2."""
    rows = np.arange(len(lanes.values))[:, np.newaxis]
    return Lanes(2 * lanes.values - intercept - slope * rows, lanes.lengths)
