"""Exponential smoothing of many series at once, with a level, a trend or a damped trend.

The models are ANN, AAN and AAdN of Hyndman, Koehler, Ord and Snyder (2008, Forecasting with exponential smoothing), on
seasonally adjusted series, with fixed indices from the classical decomposition. Errors are linear in the initial
states, so these have a closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lstmctl.baselines.seasonal_adjustment import (
    ADDITIVE,
    MULTIPLICATIVE,
    NONE,
    Adjusted,
    Counts,
    Doubles,
    Lanes,
    adjusted,
    each_block,
    is_seasonal,
)
from lstmctl.baselines.series import Floats

NOT_COUNTED = 3
"""Errors at the beginning that mostly reflect the initial states."""
FEWEST_ROWS = 10
"""Shorter histories are continued with their last value."""
PARAMETERS = 4
"""The kind of season, alpha, beta and phi."""
ALPHAS, RATIOS, DAMPINGS = (0.1, 0.5, 0.9), (0.03, 0.3, 0.8), (0.85, 0.95)
"""The grid on which the search begins: alpha, beta / alpha and phi."""
LOW, HIGH = (0.01, float(np.log(1e-3)), 0.8), (0.99, float(np.log(0.99)), 0.98)
"""Bounds of alpha, log(beta / alpha) and phi."""
STEPS = (0.1, 1.0, 0.05)
ROUNDS = 5
FITTED = (3, 5, 6)
"""Number of parameters, initial states and variances of the models without, with and with a damped trend."""


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Lanes after smoothing; all (candidates, lanes)."""

    error: Doubles
    """Sum of squared errors one step ahead, with the initial states that minimise it."""
    level: Doubles
    """Level after the last row."""
    trend: Doubles
    """Per row."""


def smooth(lanes: Lanes, alpha: Doubles, beta: Doubles | None = None, phi: Doubles | float = 1.0) -> Smoothed:
    """Smooth every lane with every candidate; parameters are (candidates, lanes), or (candidates, 1) for all lanes.

    With level l and trend b before a row, and e = y - (l + phi b), they become l + phi b + alpha e and phi b + beta e.
    Without beta, the model has a level alone.
    """
    # Less the first value, zeros are initial states of about the right size, and rounding is small.
    first = lanes.values[0]
    lengths = lanes.lengths
    if lengths[-1] < lengths[0]:  # derivatives stop with their lane
        alpha = np.broadcast_to(alpha, (len(alpha), len(lengths)))
    active = np.count_nonzero(lengths > np.arange(len(lanes.values))[:, np.newaxis], axis=1).tolist()
    rows = [row[:count] - first[:count] for row, count in zip(lanes.values, active, strict=True)]
    if beta is None:
        error, level = _smooth_levels(rows, alpha, len(lengths))
        return Smoothed(error, level + first, np.zeros_like(level))
    beta, phi = (np.broadcast_to(each, alpha.shape) for each in (beta, phi))
    error, level, trend = _smooth_trends(rows, alpha, beta, phi, len(lengths))
    return Smoothed(error, level + first, trend)


def _smooth_levels(rows: Sequence[Doubles], alpha: Doubles, lanes: int) -> tuple[Doubles, Doubles]:
    level, squares, mixed = (np.zeros((len(alpha), lanes)) for _ in range(3))
    derivative, square = np.ones(alpha.shape), np.zeros(alpha.shape)  # of the level by the initial one
    kept = 1 - alpha
    for number, row in enumerate(rows):
        now = slice(len(row))
        error = row - level[:, now]
        if number >= NOT_COUNTED:
            squares[:, now] += error * error
            mixed[:, now] += error * derivative[:, now]
            square[:, now] += derivative[:, now] ** 2
        error *= alpha[:, now]
        level[:, now] += error
        derivative[:, now] *= kept[:, now]
    initial = mixed / np.maximum(square, np.finfo(np.float64).tiny)
    return np.maximum(squares - initial * mixed, 0), level + derivative * initial


def _smooth_trends(
    rows: Sequence[Doubles], alpha: Doubles, beta: Doubles, phi: Doubles, lanes: int
) -> tuple[Doubles, Doubles, Doubles]:
    shape = (len(alpha), lanes)
    level, trend, squares, by_level, by_trend, error, product = (np.zeros(shape) for _ in range(7))
    # Derivatives of level and trend by the initial level (first) and the initial trend (second).
    levels, trends = np.zeros((2, *alpha.shape)), np.zeros((2, *alpha.shape))
    levels[0] = trends[1] = 1
    first, both, second = (np.zeros(alpha.shape) for _ in range(3))
    ratio = beta / alpha
    for number, row in enumerate(rows):
        now = (slice(None), slice(len(row)))
        a, b, e, p = alpha[now], trend[now], error[now], product[now]
        expected = level[now]
        responses, slopes = levels[:, *now], trends[:, *now]
        # In place, since new arrays would take most of the time.
        b *= phi[now]
        expected += b
        slopes *= phi[now]
        responses += slopes
        np.subtract(row, expected, out=e)
        if number >= NOT_COUNTED:
            for sums, factor in ((squares, e), (by_level, responses[0]), (by_trend, responses[1])):
                np.multiply(e, factor, out=p)
                sums[now] += p
            first[now] += responses[0] ** 2
            both[now] += responses[0] * responses[1]
            second[now] += responses[1] ** 2
        e *= a
        expected += e
        e *= ratio[now]
        b += e
        change = a * responses
        responses -= change
        slopes -= ratio[now] * change
    tiny = np.finfo(np.float64).tiny
    determinant = first * second - both**2
    regular = determinant > 1e-12 * first * second
    safe = np.where(regular, determinant, 1)
    # The initial trend is 0 where it cannot be separated from the level.
    of_trend = np.where(regular, (first * by_trend - both * by_level) / safe, 0)
    of_level = (by_level - both * of_trend) / np.maximum(first, tiny)
    error = squares - of_level * by_level - of_trend * by_trend
    return (
        np.maximum(error, 0),
        level + levels[0] * of_level + levels[1] * of_trend,
        trend + trends[0] * of_level + trends[1] * of_trend,
    )


def minimised(
    error: Callable[[Doubles], Doubles],
    start: Doubles,
    steps: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    rounds: int,
) -> tuple[Doubles, Doubles]:
    """Minimise a function for every lane by a compass search whose steps halve.

    Args:
        error: from parameters (candidates, parameters, lanes) to (candidates, lanes).
        start: (parameters, lanes)
        steps: the first step of each parameter.
        low: lower bound of each.
        high: upper bound of each.
        rounds: number of times that all neighbours are tried.

    Returns:
        the parameters (parameters, lanes) and their error (lanes,).
    """
    best, least = start, error(start[np.newaxis])[0]
    lanes = np.arange(start.shape[1])
    bounds = np.array([low, high])[:, np.newaxis, :, np.newaxis]
    directions = np.concatenate([np.diag(steps), -np.diag(steps)])[:, :, np.newaxis]
    for number in range(rounds):
        tried = np.clip(best + directions / 2**number, *bounds)
        errors = error(tried)
        chosen = errors.argmin(axis=0)
        found = errors[chosen, lanes]
        better = found < least
        best = np.where(better, tried[chosen, :, lanes].T, best)
        least = np.where(better, found, least)
    return best, least


def smoothing_forecasts(history: Floats, horizon: int, season: int, parameters: Doubles | None = None) -> Floats:
    """Forecast by exponential smoothing.

    A season that passes the test of `is_seasonal` is removed by ratios or differences. This and the trend (none,
    additive, or damped) are chosen by AICc.

    Args:
        history: (windows, rows, channels) in original units; begins with its first known value, and other missing
            values (NaN) are the last known ones. Histories of fewer than `FEWEST_ROWS` are continued with their last
            value.
        horizon: steps ahead.
        season: in rows; 1 for none.
        parameters: (windows, channels, `PARAMETERS`) of `smoothing_parameters`; by default fitted to each history.

    Returns:
        (windows, horizon, channels)
    """

    def forecast(lanes: Lanes, numbers: Counts) -> Doubles:
        given = _fitted(lanes, season) if parameters is None else parameters.reshape(-1, PARAMETERS)[numbers].T
        kind, alpha, beta, phi = given
        without = adjusted(lanes, season, kind.astype(np.int64))
        found = smooth(without.lanes, alpha[np.newaxis], beta[np.newaxis], phi[np.newaxis])
        damping = np.cumsum(phi ** np.arange(1, horizon + 1)[:, np.newaxis], axis=0)
        flat = beta == 0
        level = np.where(flat, smooth(without.lanes, alpha[np.newaxis]).level[0], found.level[0])
        forecasts = level + np.where(flat, 0, found.trend[0]) * damping
        return np.where(lanes.lengths < FEWEST_ROWS, lanes.at_end(), without.restored(forecasts))

    return each_block(history, horizon, forecast)


def smoothing_parameters(history: Floats, season: int) -> Doubles:
    """Fit the parameters of `smoothing_forecasts` to histories; return (windows, channels, `PARAMETERS`)."""
    found = each_block(history.astype(np.float64), PARAMETERS, lambda lanes, _: _fitted(lanes, season))
    return np.moveaxis(found, 1, 2).astype(np.float64)


def _fitted(lanes: Lanes, season: int) -> Doubles:
    """Return (`PARAMETERS`, lanes) with the least AICc."""
    seasonal = is_seasonal(lanes, season)
    candidates = [_of_kind(lanes, adjusted(lanes, season, np.where(seasonal, ADDITIVE, NONE)))]
    if seasonal.any():
        candidates.append(_of_kind(lanes, adjusted(lanes, season, np.where(seasonal, MULTIPLICATIVE, NONE))))
    criteria = np.concatenate([criterion for criterion, _ in candidates])
    parameters = np.concatenate([found for _, found in candidates])
    return parameters[criteria.argmin(axis=0), :, np.arange(len(lanes.lengths))].T


def _of_kind(lanes: Lanes, without: Adjusted) -> tuple[Doubles, Doubles]:
    """Return the AICc (models, lanes) of the three models, and their parameters (models, `PARAMETERS`, lanes)."""
    count = len(lanes.lengths)

    def error(parameters: Doubles) -> Doubles:
        alpha = parameters[:, 0]
        if parameters.shape[1] == 1:
            return smooth(without.lanes, alpha).error
        return smooth(without.lanes, alpha, alpha * np.exp(parameters[:, 1]), _phi(parameters)).error

    criteria, found = [], []
    logs = np.log(RATIOS).tolist()
    for number, grid in enumerate((product(ALPHAS), product(ALPHAS, logs), product(ALPHAS, logs, DAMPINGS))):
        tried = np.array(list(grid))[:, :, np.newaxis]
        start = tried[error(tried).argmin(axis=0), :, 0].T
        steps, low, high = (values[: number + 1] for values in (STEPS, LOW, HIGH))
        best, least = minimised(error, start, steps, low, high, ROUNDS)
        criteria.append(_criterion(without, least, FITTED[number]))
        beta = best[0] * np.exp(best[1]) if number else np.zeros(count)
        phi = best[2] if number == 2 else np.ones(count)
        found.append([without.kinds, best[0], beta, phi])
    return np.array(criteria), np.array(found, dtype=np.float64)


def _phi(parameters: Doubles) -> Doubles | float:
    return parameters[:, 2] if parameters.shape[1] > 2 else 1.0


def _criterion(without: Adjusted, error: Doubles, fitted: int) -> Doubles:
    """Return the AICc (lanes,) of the unadjusted series, with `fitted` parameters, initial states and variances.

    With multiplicative seasons, the error of a series is the error of the adjusted series times the season, so the
    logarithms of the seasons enter the likelihood. The indices are not counted: all candidates of a lane have them.
    """
    lanes = without.lanes
    counted = np.maximum(lanes.lengths - NOT_COUNTED, 1)
    seen = lanes.seen
    size = np.where(seen, np.abs(lanes.values), 0).max(axis=0)
    variance = np.maximum(error / counted, np.square(1e-9 * size) + np.finfo(np.float64).tiny)
    likelihood = counted * np.log(variance)
    ratios = without.kinds == MULTIPLICATIVE
    if ratios.any():
        logs = np.log(np.where(ratios, without.indices, 1))
        every = logs[np.arange(len(lanes.values)) % len(logs)]
        likelihood = likelihood + 2 * np.where(seen, every, 0)[NOT_COUNTED:].sum(axis=0)
    spare = counted - fitted - 1
    correction = np.where(spare > 0, 2 * fitted * (fitted + 1) / np.maximum(spare, 1), np.inf)
    criterion: Doubles = likelihood + 2 * fitted + correction
    return criterion
