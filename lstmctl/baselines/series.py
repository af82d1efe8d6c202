"""Forecasts of time series without a network: repetition, a straight line, and one linear map.

All take histories (windows, lookback, channels), in which a missing value (NaN) is replaced by the last known one, or 0
if there is none; and all return forecasts (windows, horizon, channels) in the type and unit of the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

DEFAULT_PENALTIES = tuple(float(10.0**exponent) for exponent in np.arange(-4, 2.25, 0.25))
"""From negligible to far too large, for values scaled to a spread of 1."""
MOST_WINDOWS = 50_000
"""Maximum number of windows that a fit sums one by one; they take seconds at a lookback and a horizon of 720."""
MOST_CHOOSING, FEWEST_CHOOSING = 20_000, 100
"""Maximum and minimum number of windows of single channels that choose, if filled labels are excluded."""
MOST_PRODUCTS = 1 << 27
"""Maximum number of products per forecast of all of them, so that a choice takes a few seconds."""
LONG_RUN = 128
"""Number of consecutive windows from which sliding is faster than summing one by one."""

Floats = NDArray[np.floating[Any]]
Sums = NDArray[np.float64]
Origins = NDArray[np.int64]
MOST_VALUES = 1 << 21
"""Values of a table to process at once; they take about 40 bytes each."""


class Rows(Protocol):
    """An array (rows, channels), or something that becomes one when sliced."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: slice, /) -> Floats: ...


def last_value(history: Floats, horizon: int) -> Floats:
    """Repeat the last known value."""
    return forward_filled(history)[:, -1:].repeat(horizon, axis=1)


def seasonal_naive(history: Floats, horizon: int, season: int) -> Floats:
    """Repeat the last season, of `season` rows.

    Raises:
        ValueError: the season is shorter than one row, or longer than the history.
    """
    lookback = history.shape[1]
    if not 1 <= season <= lookback:
        raise ValueError(f"a season must have 1 to {lookback} rows, the length of the history, not {season}")
    return forward_filled(history)[:, lookback - season + np.arange(horizon) % season]


def drift(history: Floats, horizon: int) -> Floats:
    """Extend the straight line through the first and last known values (Hyndman and Athanasopoulos, Forecasting,
    section 5.2). A single known value gives a level line."""
    lookback = history.shape[1]
    filled = forward_filled(history)
    start = np.argmax(~np.isnan(history), axis=1, keepdims=True)
    first, last = np.take_along_axis(filled, start, axis=1), filled[:, -1:]
    slope = (last - first) / np.maximum(lookback - 1 - start, 1)
    steps = np.arange(1, horizon + 1)[:, np.newaxis]
    forecast: Floats = (last + slope * steps).astype(history.dtype)
    return forecast


@dataclass(frozen=True, eq=False)
class Ridge:
    """One linear map from a channel's past to its future, the same for all channels.

    The last value is subtracted from a history and added to the output, so that the level need not be learned. This is
    the one-layer NLinear (Zeng et al. 2023, Are transformers effective for time series forecasting?) without intercept,
    fitted in closed form.
    """

    weights: NDArray[np.float64]
    """(lookback, horizon)"""
    penalty: float
    lookback: int
    """Number of rows that it uses, at the end of a history."""

    def forecast(self, history: Floats) -> Floats:
        """Forecast from histories (windows, `lookback` or more, channels), for the number of steps that the map was
        fitted to.

        Raises:
            ValueError: the history is shorter than the lookback.
        """
        if history.shape[1] < self.lookback:
            raise ValueError(f"a history must have at least {self.lookback} rows, not {history.shape[1]}")
        # Filled before slicing: a value before the lookback is better than none.
        columns = np.swapaxes(forward_filled(history)[:, -self.lookback :], 1, 2)
        last = columns[..., -1:]
        # One large product is several times as fast as one of a few channels for every window.
        differences = (columns - last).reshape(-1, self.lookback) @ self.weights.astype(history.dtype)
        forecast = differences.reshape(*last.shape[:2], self.weights.shape[1]) + last
        return np.ascontiguousarray(np.swapaxes(forecast, 1, 2))


def fit_ridge(
    values: Rows,
    training: Origins,
    validation: Origins,
    *,
    lookbacks: Sequence[int],
    horizon: int,
    penalties: Sequence[float] = DEFAULT_PENALTIES,
    most_windows: int = MOST_WINDOWS,
    begins: Origins | None = None,
    filled: NDArray[np.bool_] | None = None,
) -> Ridge:
    """Fit the linear map whose lookback and penalty do best on validation windows; the shorter of two equal lookbacks.

    With X the histories and Y the labels of all n training windows of all channels, each less the last value of its
    history, the weights W of one lookback and one penalty minimise

        |Y - X W|² / n + penalty |W|²,    so that    W = (X'X / n + penalty I)⁻¹ X'Y / n

    (Hoerl and Kennard 1970, Ridge regression). One eigendecomposition of X'X serves all penalties of a lookback, and
    the products of the longest lookback include all products of shorter ones.

    All lookbacks are fitted to and compared on the same windows. A missing value before the origin is replaced by the
    last known one; a window with a missing label, or without a known first value, is left out.

    Args:
        values: (rows, channels), scaled; NaN if missing.
        training: (windows,) the row of each window's first label, with the longest lookback before it.
        validation: (windows,) likewise.
        lookbacks: to choose from.
        horizon: steps ahead.
        penalties: to choose from, above 0.
        begins: (series,) the first row of each series, ascending; nothing is filled from one to the next.
        most_windows: maximum number of windows, per channel, that are summed one by one; evenly spread ones stand for
            more. Long runs of consecutive origins do not count: all their windows enter at little cost.
        filled: (rows, channels), True where a missing value was filled; None if none was. Such values enter the fit and
            histories, but the choice counts observed labels alone: of all validation windows, or of `MOST_CHOOSING`
            evenly spread ones.

    Raises:
        ValueError: a window exceeds the table, no window of a part is complete, no label of a validation window was
            observed, or a penalty is not above 0.
    """
    if not min(penalties) > 0:
        raise ValueError(f"penalties must be above 0, not {min(penalties):g}")
    longest = max(lookbacks)
    begins = np.zeros(1, np.int64) if begins is None else begins
    fitted = _moments(values, training, longest, horizon, most_windows, begins)
    held_out: Sums | None = None
    histories = labels = np.empty((0, 0))
    if filled is not None and len(validation) and filled[validation.min() : validation.max() + horizon].any():
        histories, labels = _observed(values, filled, validation, longest, horizon)
    else:
        held_out = _moments(values, validation, longest, horizon, most_windows, begins)
    best = Ridge(np.zeros((longest, horizon)), float("inf"), longest)
    least = np.inf
    for lookback in sorted(lookbacks):
        past, future = slice(longest - lookback, longest), slice(longest, None)
        eigenvalues, vectors = np.linalg.eigh(fitted[past, past])
        # In the basis of the eigenvectors V a penalty only shrinks: with d = 1 / (eigenvalue + penalty) the weights are
        # V diag(d) V'X'Y.
        shared = vectors.T @ fitted[past, future]
        errors = (
            _errors_of_windows(histories[:, past] @ vectors, labels, shared)
            if held_out is None
            else _errors_of_moments(held_out, vectors, shared, past, future)
        )
        for penalty in penalties:
            # The last value less itself is always 0, and so is one eigenvalue: only the penalty keeps this finite.
            shrunk = 1 / (eigenvalues + penalty)
            if (error := errors(shrunk)) < least:
                least = error
                best = Ridge((vectors * shrunk) @ shared, penalty, lookback)
    return best


def _errors_of_moments(
    held_out: Sums, vectors: Sums, shared: Sums, past: slice, future: slice
) -> Callable[[Sums], float]:
    """Return the squared error of shrunk weights on the windows of some moments, less |Y|², which all have."""
    # |Y|² - 2 tr(W'X'Y) + tr(W'X'X W)
    linear = np.einsum("ih,ih->i", shared, vectors.T @ held_out[past, future])
    quadratic = (shared @ shared.T) * (vectors.T @ held_out[past, past] @ vectors)
    return lambda shrunk: float(shrunk @ quadratic @ shrunk - 2 * (shrunk @ linear))


def _errors_of_windows(histories: Sums, labels: Sums, shared: Sums) -> Callable[[Sums], float]:
    """Return the mean squared error of shrunk weights on windows, over the labels that are not NaN."""
    return lambda shrunk: float(np.nanmean(np.square(labels - (histories * shrunk) @ shared)))


def _observed(
    values: Rows, filled: NDArray[np.bool_], origins: Origins, lookback: int, horizon: int
) -> tuple[Sums, Sums]:
    """Gather histories (windows, lookback) and labels (windows, horizon) of single channels, each less the last value
    of its history; a label is NaN where it was filled or is missing.

    Raises:
        ValueError: a window reaches beyond the table, or no label was observed.
    """
    rows, channels = values.shape
    _check(rows, origins, lookback, horizon)
    count = len(origins) * channels
    most = min(MOST_CHOOSING, max(FEWEST_CHOOSING, MOST_PRODUCTS // (lookback * horizon)))
    # Channel after channel, as in `_sum_alone`.
    chosen = np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.int64)
    windows = np.empty((len(chosen), lookback + horizon))
    for place, (channel, number) in enumerate(zip(*np.divmod(chosen, len(origins)), strict=True)):
        start, stop = origins[number] - lookback, origins[number] + horizon
        windows[place] = values[start:stop][:, channel]
        windows[place, lookback:][filled[stop - horizon : stop, channel]] = np.nan
    histories, labels = windows[:, :lookback], windows[:, lookback:]
    labels[np.isnan(histories[:, 0])] = np.nan
    if np.isnan(labels).all():
        raise ValueError("no label of a validation window was observed")
    known = forward_filled(histories[..., np.newaxis])[..., 0].astype(np.float64)
    return known - known[:, -1:], labels - known[:, -1:]


def forward_filled(history: Floats) -> Floats:
    """Replace missing values by the last known one, along the second last axis; 0 if there is none."""
    missing = np.isnan(history)
    if not missing.any():
        return history
    places = np.arange(history.shape[-2])[:, np.newaxis]
    last_known = np.maximum.accumulate(np.where(missing, 0, places), axis=-2)
    return np.nan_to_num(np.take_along_axis(history, last_known, axis=-2), nan=0.0, posinf=np.inf, neginf=-np.inf)


def _check(rows: int, origins: Origins, lookback: int, horizon: int) -> None:
    if len(origins) and not (origins.min() >= lookback and origins.max() + horizon <= rows):
        raise ValueError(
            f"origins must lie from {lookback} to {rows - horizon} in a table of {rows} rows, "
            f"not from {origins.min()} to {origins.max()}"
        )


def _moments(values: Rows, origins: Origins, lookback: int, horizon: int, most_windows: int, begins: Origins) -> Sums:
    """Return the mean over windows of the outer product of each with itself, less its last known value, (lookback +
    horizon, lookback + horizon)."""
    rows, channels = values.shape
    _check(rows, origins, lookback, horizon)
    if np.any(origins[1:] < origins[:-1]):
        origins = np.sort(origins)
    at_once = max(1, MOST_VALUES // channels)
    total, count = np.zeros((lookback + horizon, lookback + horizon)), 0
    start = 0
    while start < len(origins):
        if rows <= at_once:
            low, high, stop = 0, rows, len(origins)
        else:
            # Rows before these do not fill missing values, so a window at their beginning may be left out.
            stop = int(np.searchsorted(origins, origins[start] + at_once))
            low, high = int(origins[start]) - lookback, int(origins[stop - 1]) + horizon
        series = np.unique(np.maximum(begins - low, 0))
        sums, found = _sums(
            values[low:high], origins[start:stop] - low, lookback, horizon, most_windows, series[series < high - low]
        )
        total, count, start = total + sums, count + found, stop
    if not count:
        raise ValueError(f"no window of {lookback} and {horizon} rows is complete")
    return total / count


def _sums(
    values: Floats, origins: Origins, lookback: int, horizon: int, most_windows: int, begins: Origins
) -> tuple[Sums, int]:
    """Return the sum of the outer products of `_moments` over windows, and their number; origins ascend."""
    missing = np.isnan(values)
    series = np.searchsorted(begins, origins - lookback, side="right") - 1
    spans = [slice(int(start), int(stop)) for start, stop in zip(begins, [*begins[1:], len(values)], strict=True)]
    # (series, channels): the first row of each with a known value.
    begun = np.stack(
        [
            span.start + np.where(missing[span].all(axis=0), len(values), np.argmin(missing[span], axis=0))
            for span in spans
        ]
    )
    before = np.concatenate([np.zeros((1, values.shape[1]), np.int64), np.cumsum(missing, axis=0)])
    complete = (before[origins + horizon] == before[origins]) & (begun[series] <= origins[:, np.newaxis] - lookback)
    # Subtracting a constant from a channel only reduces rounding.
    filled = values.astype(np.float64)
    if missing.any():
        for span in spans:
            filled[span] = forward_filled(filled[span])
    columns: Sums = filled - filled.mean(axis=0)

    width = lookback + horizon
    total = np.zeros((width, width))
    # Channels that have all windows go together; `alone` holds (first rows, channel) of the others.
    whole = complete.all(axis=0)
    groups = [whole, *(np.arange(len(whole)) == channel for channel in np.flatnonzero(~whole))]
    alone: list[tuple[Origins, int]] = []
    for group in groups:
        channels = np.flatnonzero(group)
        if not len(channels):
            continue
        starts = origins[complete[:, channels[0]]] - lookback
        for run in np.split(starts, np.flatnonzero(np.diff(starts) != 1) + 1):
            if len(run) >= LONG_RUN:
                total += _slide(columns[run[0] : run[-1] + width, channels], len(run))
            elif len(run):
                alone += [(run, int(channel)) for channel in channels]
    total += _sum_alone(columns, alone, width, most_windows)

    # From the products of windows to those of windows less their last value.
    last = lookback - 1
    total = total - total[:, last : last + 1] - total[last : last + 1] + total[last, last]
    return total, int(np.count_nonzero(complete))


def _slide(columns: Sums, windows: int) -> Sums:
    """Return the sum of outer products of consecutive windows, (width, width), over all channels of (rows, channels).

    The product of rows i + 1 and j + 1 of all windows is that of i and j, without the first window's and with the one
    after the last. So only the first line needs all of them.
    """
    width = len(columns) - windows + 1
    total = np.empty((width, width))
    total[0] = sum(np.correlate(column, column[:windows], "valid") for column in columns.T)
    total[:, 0] = total[0]
    first, after = columns[: width - 1], columns[windows:]
    for row in range(width - 1):
        total[row + 1, 1:] = total[row, :-1] + after @ after[row] - first @ first[row]
    return total


def _sum_alone(columns: Sums, runs: list[tuple[Origins, int]], width: int, most_windows: int) -> Sums:
    """Sum outer products one by one; of more than `most_windows`, evenly spread ones stand for all. `runs` are the
    first rows of windows, and their channel."""
    total = np.zeros((width, width))
    if not runs:
        return total
    starts = np.concatenate([run for run, _ in runs])
    channels = np.repeat([channel for _, channel in runs], [len(run) for run, _ in runs])
    count = len(starts)
    if count > most_windows:
        # Channel after channel: across them, a stride that is a multiple of their number would see only one.
        chosen = np.lexsort((starts, channels))[np.linspace(0, count - 1, most_windows).round().astype(np.int64)]
        starts, channels = starts[chosen], channels[chosen]
    windows = sliding_window_view(columns, width, axis=0)
    for place in range(0, len(starts), 4096):
        part = windows[starts[place : place + 4096], channels[place : place + 4096]]
        total += part.T @ part
    return total * (count / len(starts))
