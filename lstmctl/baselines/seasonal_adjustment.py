"""Classical seasonal adjustment of many series at once, as a step before smoothing.

A lane is one series of one history, from its first known value on. Lanes are the columns of an array (rows, lanes), the
longest first; rows beyond the length of a lane are undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmctl.baselines.series import Floats, forward_filled

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

NONE, ADDITIVE, MULTIPLICATIVE = 0, 1, 2
CRITICAL = 1.645
"""Quantile of the normal distribution for a test at 90 %."""
SMALLEST_INDEX = 0.01
"""Minimum multiplicative seasonal index; dividing by a smaller one would blow up the adjusted series."""
NEARLY_ZERO = 1e-6
"""A share of the largest value of a lane below which values count as 0, since histories are float32."""
LANES = 512
"""Lanes to process at once, so that intermediate arrays fit into a processor's cache."""


@dataclass(frozen=True, eq=False)
class Lanes:
    values: Doubles
    """(rows, lanes)"""
    lengths: Counts
    """(lanes,), in descending order."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(rows, lanes), True in rows that a lane has."""
        return np.arange(len(self.values))[:, np.newaxis] < self.lengths

    def at_end(self) -> Doubles:
        """The last value of each lane."""
        return self.values[self.lengths - 1, np.arange(len(self.lengths))]


def each_block(history: Floats, horizon: int, forecast: Callable[[Lanes, Counts], Doubles]) -> Floats:
    """Apply a function to the lanes of histories (windows, rows, channels), block by block; return (windows, horizon,
    channels) in the type of the history.

    Args:
        history: a missing value (NaN) is replaced by the last known one; a history begins with its first known value.
        horizon: number of results per lane.
        forecast: from lanes, and their numbers window · channels + channel, to (horizon, lanes).
    """
    windows, rows, channels = history.shape
    columns = np.moveaxis(forward_filled(history), 1, 0).reshape(rows, -1).astype(np.float64)
    missing = np.isnan(np.moveaxis(history, 1, 0).reshape(rows, -1))
    start = np.where(missing.all(axis=0), rows - 1, np.argmin(missing, axis=0))
    order = np.argsort(start, kind="stable")
    found = np.empty((horizon, columns.shape[1]))
    for begin in range(0, len(order), LANES):
        chosen = order[begin : begin + LANES]
        first = start[chosen]
        places = np.minimum(first + np.arange(rows - int(first[0]))[:, np.newaxis], rows - 1)
        found[:, chosen] = forecast(Lanes(columns[places, chosen], rows - first), chosen)
    return np.moveaxis(found.reshape(horizon, windows, channels), 0, 1).astype(history.dtype)


def is_seasonal(lanes: Lanes, season: int) -> NDArray[np.bool_]:
    """Test at 90 % whether the autocorrelation at the season is larger than without a season (lanes,).

    With r the autocorrelations and n the length, |r_m| > 1.645 √((1 + 2 Σ_{k<m} r_k²) / n); the test of the M4
    competition's benchmarks (Makridakis, Spiliotis and Assimakopoulos 2020). False if there are fewer than two seasons.
    """
    long_enough = lanes.lengths >= 2 * season
    if season < 2 or not long_enough.any():
        return np.zeros(len(lanes.lengths), dtype=bool)
    seen = lanes.seen
    mean = np.where(seen, lanes.values, 0).sum(axis=0) / lanes.lengths
    deviations = np.where(seen, lanes.values - mean, 0)
    size = np.maximum(np.abs(deviations).max(axis=0), np.finfo(np.float64).tiny)
    # Padded, since the transform computes a circular correlation.
    spectrum = np.fft.rfft(deviations / size, n=len(deviations) + season, axis=0)
    products = np.fft.irfft(np.square(np.abs(spectrum)), n=len(deviations) + season, axis=0)[: season + 1]
    correlation = products[1:] / np.where(products[0] > 0, products[0], 1)
    limit = CRITICAL * np.sqrt((1 + 2 * np.square(correlation[:-1]).sum(axis=0)) / lanes.lengths)
    found: NDArray[np.bool_] = long_enough & (np.abs(correlation[-1]) > limit)
    return found


def seasonal_indices(lanes: Lanes, season: int, kind: int) -> Doubles:
    """Return (season, lanes) the mean deviation (or ratio, if multiplicative) of each phase from a centred moving
    average over one season (classical decomposition: Hyndman and Athanasopoulos, Forecasting, section 3.4).

    The first phase belongs to a lane's first row. Deviations sum to 0; the mean of ratios is 1. All lanes must have two
    seasons or more, and positive values if multiplicative; other lanes get meaningless indices.
    """
    half, rows = season // 2, len(lanes.values)
    values = np.where(lanes.seen, lanes.values, 0)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    trend = sums[2 * half + 1 :] - sums[: rows - 2 * half]
    if season % 2 == 0:
        trend = trend - (values[: rows - 2 * half] + values[2 * half :]) / 2
    trend /= season
    middle = values[half : rows - half]
    known = lanes.seen[2 * half :]
    if kind == MULTIPLICATIVE:
        deviations = np.divide(middle, trend, out=np.zeros_like(middle), where=known & (trend != 0))
    else:
        deviations = np.where(known, middle - trend, 0)
    by_phase, counts = (np.zeros((season, values.shape[1])) for _ in range(2))
    for begin in range(0, len(middle), season):
        part = slice(begin, begin + season)
        phases = (half + begin + np.arange(len(middle[part]))) % season
        by_phase[phases] += deviations[part]
        counts[phases] += known[part]
    indices = by_phase / np.maximum(counts, 1)
    mean = indices.mean(axis=0)
    centred: Doubles = indices / np.where(mean > 0, mean, 1) if kind == MULTIPLICATIVE else indices - mean
    return centred


def naive2_forecasts(history: Floats, horizon: int, season: int) -> Floats:
    """Forecast by Naive 2 of the M4 competition: repeat the last seasonally adjusted value, then restore the season.

    Args:
        history: (windows, rows, channels) in original units, as for `theta_forecasts`.
        horizon: steps ahead.
        season: in rows; 1 for none.

    Returns:
        (windows, horizon, channels)
    """

    def forecast(lanes: Lanes, _: Counts) -> Doubles:
        without = adjusted(lanes, season, np.where(is_seasonal(lanes, season), MULTIPLICATIVE, NONE))
        return without.restored(np.repeat(without.lanes.at_end()[np.newaxis], horizon, axis=0))

    return each_block(history, horizon, forecast)


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Lanes without their seasons."""

    lanes: Lanes
    kinds: NDArray[np.int64]
    """(lanes,): `NONE`, `ADDITIVE` or `MULTIPLICATIVE`."""
    indices: Doubles
    """(season, lanes); 0 without a season."""

    def restored(self, forecast: Doubles) -> Doubles:
        """Restore the seasons in forecasts (horizon, lanes)."""
        steps = np.arange(len(forecast))[:, np.newaxis]
        season = self.indices[(self.lanes.lengths + steps) % len(self.indices), np.arange(len(self.kinds))]
        found: Doubles = np.where(self.kinds == MULTIPLICATIVE, forecast * season, forecast + season)
        return found


def adjusted(lanes: Lanes, season: int, kinds: NDArray[np.int64]) -> Adjusted:
    """Remove seasons of given kinds (lanes,); multiplicative ones are additive where values or indices are not clearly
    positive, and lanes shorter than two seasons have none."""
    count = len(lanes.lengths)
    kinds = np.where(lanes.lengths >= 2 * season, kinds, NONE)
    if season < 2 or not kinds.any():
        return Adjusted(lanes, np.zeros(count, np.int64), np.zeros((1, count)))
    indices = np.zeros((season, count))
    ratios = kinds == MULTIPLICATIVE
    if ratios.any():
        seen = lanes.seen
        least = np.where(seen, lanes.values, np.inf).min(axis=0)
        most = np.where(seen, lanes.values, -np.inf).max(axis=0)
        multiplicative = seasonal_indices(lanes, season, MULTIPLICATIVE)
        ratios &= (least > NEARLY_ZERO * most) & (least > 0) & (multiplicative.min(axis=0) >= SMALLEST_INDEX)
        kinds = np.where((kinds == MULTIPLICATIVE) & ~ratios, ADDITIVE, kinds)
        indices = np.where(ratios, multiplicative, indices)
    if (kinds == ADDITIVE).any():
        indices = np.where(kinds == ADDITIVE, seasonal_indices(lanes, season, ADDITIVE), indices)
    every = indices[np.arange(len(lanes.values)) % season]
    values = np.where(ratios, lanes.values / np.where(ratios, every, 1), lanes.values - np.where(ratios, 0, every))
    return Adjusted(Lanes(values, lanes.lengths), kinds, indices)
