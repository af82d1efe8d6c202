"""Forecasts without a network, for the windows of a part."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl import registry
from lstmctl.baselines.exponential_smoothing import smoothing_forecasts, smoothing_parameters
from lstmctl.baselines.seasonal_adjustment import naive2_forecasts
from lstmctl.baselines.series import DEFAULT_PENALTIES, Ridge, drift, fit_ridge, last_value, seasonal_naive
from lstmctl.baselines.theta import theta_forecasts, theta_parameters
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.data.series_encoding import SeriesEncoding, history_rows
from lstmctl.data.timesteps import CHUNK
from lstmctl.data.transforms import LOWEST
from lstmctl.errors import UsageError
from lstmctl.intervals import Floats, widened
from lstmctl.tasks.mapped_columns import MappedColumns
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

log = logging.getLogger(__name__)

Forecasting = Callable[[SeriesBatch], Floats]
"""From windows of a part to forecasts (windows, horizon, channels), scaled."""
Baseline = Callable[[SeriesPart], Forecasting]
"""From a part to the forecasts of its windows."""
Fitting = tuple[SeriesPart, SeriesPart]
"""The training part, and the rows of the validation part that choose the settings of a fit."""
RIDGE = "ridge"
RIDGE_LOOKBACKS = 8
"""Number of fractions of the lookback, evenly spaced, from which the ridge baseline chooses."""
FOLDS = 5
"""Number of folds of the training rows, each left out of one fit of a cross-fitted regression."""
LONGEST_HISTORY = 1000
"""Rows that Naive 2 and the baselines of other packages are fitted to: all of an hourly series of the M4
competition."""
MOST_VALUES = 1 << 21
"""Maximum number of values of histories to gather at once."""
MOST_FITS = 300
"""Fits of single channels in a part, about a second; parameters from evenly spaced origins serve those after them."""


def _of_window(forecast: Callable[[Floats], Floats]) -> Baseline:
    """Return a baseline that reads the scaled input of a window, (windows, lookback, channels)."""
    return lambda part: lambda batch: forecast(windows_first(batch.input))


@dataclass(frozen=True)
class _OfHistory:
    """A baseline that reads up to `longest` rows before an origin, however short the lookback, in original units."""

    encoding: SeriesEncoding
    longest: int
    forecast: Callable[..., Floats]
    """From histories (windows, rows, channels), horizon, season and parameters (windows, channels, …), if any."""
    fit: Callable[[Floats, int], NDArray[np.float64]] | None = None
    """From histories and season to parameters."""

    def __call__(self, part: SeriesPart) -> Forecasting:
        parameters = None if self.fit is None else self._parameters(part, self.fit)
        place_of = _place_of(part)

        def forecast(batch: SeriesBatch) -> Floats:
            assert batch.origins is not None
            assert batch.series is not None
            origins = batch.origins.cpu().numpy()
            own = place_of[batch.series.cpu().numpy()]
            kept = None if parameters is None else parameters(origins, own)
            found = np.empty((len(origins), part.horizon, len(self.encoding.targets)))
            for some in self._blocks(len(origins)):
                history = self._history(part, origins[some], own[some])
                others = () if kept is None else (kept[some],)
                found[some] = self.forecast(history, part.horizon, self.encoding.season, *others)
                if self.encoding.transform is not None:
                    found[some] = within_domain(found[some], history, self.encoding.transform.name)
            return self._scaled(found, batch)

        return forecast

    def _parameters(
        self, part: SeriesPart, fit: Callable[[Floats, int], NDArray[np.float64]]
    ) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]:
        """Return the parameters of each origin, by series. They are fitted at evenly spaced origins; the others get the
        last fit before them."""
        every = -(-len(part) * len(self.encoding.targets) // MOST_FITS)
        counts, first = part.counts.cpu().numpy(), part.first.cpu().numpy()
        fits = -(-counts // every)
        before = np.cumsum(fits) - fits
        own = np.repeat(np.arange(len(fits)), fits)
        origins = first[own] + (np.arange(len(own)) - before[own]) * every
        found = np.concatenate(
            [
                fit(self._history(part, origins[some], own[some]), self.encoding.season)
                for some in self._blocks(len(own))
            ]
        )
        return lambda origins, own: found[before[own] + (origins - first[own]) // every]

    def _blocks(self, windows: int) -> list[slice]:
        at_once = max(1, MOST_VALUES // (self.longest * len(self.encoding.targets)))
        return [slice(start, start + at_once) for start in range(0, windows, at_once)]

    def _history(self, part: SeriesPart, origins: NDArray[np.int64], own: NDArray[np.int64]) -> Floats:
        """Return the rows before origins, in original units; NaN before a series begins. `own` are their series."""
        begins = part.begins.cpu().numpy()[own]
        rows = origins[:, np.newaxis] + np.arange(-min(self.longest, int((origins - begins).max())), 0)
        inside = rows >= begins[:, np.newaxis]
        gathered = part.values[torch.from_numpy(np.where(inside, rows, begins[:, np.newaxis])).to(part.rows.device)]
        values = np.where(inside[..., np.newaxis], gathered.cpu().numpy(), np.nan).astype(np.float64)
        number = part.places.cpu().numpy()[own]
        history: Floats = self.encoding.in_units(values, number[:, np.newaxis])
        return history

    def _scaled(self, forecast: Floats, batch: SeriesBatch) -> Floats:
        assert batch.series is not None
        series = batch.series.cpu().numpy()
        scaled = self.encoding.scaled_units(forecast.astype(np.float64), series[:, np.newaxis])
        if batch.own_scale is not None:
            centre, spread = batch.own_scale.double().cpu().numpy()[:, :, np.newaxis]
            scaled = (scaled - centre) / spread
        found: Floats = scaled.astype(np.float32)
        return found


def within_domain(forecast: Floats, history: Floats, transform: str) -> Floats:
    """Replace forecasts (windows, horizon, channels) that cannot be transformed, such as negative ones by a logarithm,
    by the lowest value of their history (windows, rows, channels)."""
    lowest: Floats = np.nanmin(history, axis=1, keepdims=True)
    return np.where(forecast <= LOWEST[transform], lowest, forecast)


def naive2(encoding: SeriesEncoding) -> Baseline:
    """Return Naive 2, whose season is estimated from up to `LONGEST_HISTORY` rows."""
    return _OfHistory(encoding, max(LONGEST_HISTORY, 2 * encoding.season), naive2_forecasts)


def named_baseline(name: str, settings: ForecastSettings, encoding: SeriesEncoding) -> Baseline:
    """Return a baseline of another package by its name in `registry.BASELINES`, or `NAME=PATH`; or one of our own that
    is not fitted to training rows.

    Raises:
        UsageError: the name is unknown, the package is missing, or the baseline does not apply.
    """
    if name in BASELINES:
        own = BASELINES[name](settings, encoding, None)
        if own is None:
            raise UsageError(f"--baseline {name} does not apply to this run")
        return own
    key, _, path = name.partition("=")
    if key not in registry.BASELINES:
        known = ", ".join([*registry.BASELINES, *BASELINES])
        raise UsageError(f"--baseline {key} is not known; use one of {known}")
    return _OfHistory(encoding, LONGEST_HISTORY, registry.function(key, registry.BASELINES)(path or None))


def _last_value(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline:
    return _of_window(partial(last_value, horizon=settings.horizon))


def _seasonal_naive(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline | None:
    if not 1 < encoding.season <= settings.lookback:
        return None
    return _of_window(partial(seasonal_naive, horizon=settings.horizon, season=encoding.season))


def _drift(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline | None:
    return _of_window(partial(drift, horizon=settings.horizon)) if settings.lookback > 1 else None


def _theta(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline:
    return _OfHistory(encoding, history_rows(encoding.season), theta_forecasts, theta_parameters)


def _smoothing(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline:
    return _OfHistory(encoding, history_rows(encoding.season), smoothing_forecasts, smoothing_parameters)


def _ridge(settings: ForecastSettings, encoding: SeriesEncoding, fitting: Fitting | None) -> Baseline | None:
    ridge = None if fitting is None else ridge_baseline(*fitting)
    return None if ridge is None else _of_window(ridge.forecast)


Builder = Callable[[ForecastSettings, SeriesEncoding, Fitting | None], Baseline | None]
"""From the config's `task`, the run's encoding and the rows to fit to (None without a training part), to a baseline;
None if it does not apply."""
BASELINES: Mapping[str, Builder] = {
    "last value": _last_value,
    "seasonal naive": _seasonal_naive,
    "drift": _drift,
    "theta": _theta,
    "ETS": _smoothing,
    RIDGE: _ridge,
}
"""By name."""


class Members:
    """The baselines that need no fit to training windows, and can take part in a network's forecast."""

    def __init__(self, settings: ForecastSettings, encoding: SeriesEncoding) -> None:
        built = {name: build(settings, encoding, None) for name, build in BASELINES.items()}
        self.baselines = {name: baseline for name, baseline in built.items() if baseline is not None}
        # A fit to the histories of a part is shared by all its batches.
        self._of_part = lru_cache(maxsize=2 * len(self.baselines))(lambda name, part: self.baselines[name](part))

    def forecast(self, name: str, batch: SeriesBatch) -> Tensor:
        """Return the forecast of one, (horizon, batch, channels), scaled."""
        return torch.from_numpy(self._of_part(name, batch.source)(batch)).transpose(0, 1)


def ridge_baseline(
    training: SeriesPart,
    choosing: SeriesPart,
    like: Ridge | None = None,
    without: tuple[int, int] | None = None,
) -> Ridge | None:
    """Fit a ridge regression from lookback to horizon to the training windows.

    Windows with a label between two rows of their series, counted from the first of the part, can be left out
    (`without`). The lookback and penalty are taken from `like`, or chosen on the observed labels of `choosing`. Series
    without a scale are left out. Return None, with a warning unless windows are left out, if no window is complete.
    """
    lookback = training.lookback
    begins = training.begins.cpu().numpy()
    shares = range(1, RIDGE_LOOKBACKS + 1)
    try:
        return fit_ridge(
            _Rows(training.values, begins, None if training.unscaled is None else training.unscaled.cpu().numpy()),
            _origins(training.with_scale(), without),
            _origins(choosing.with_scale()),
            lookbacks=[like.lookback] if like else sorted({max(1, lookback * n // RIDGE_LOOKBACKS) for n in shares}),
            penalties=[like.penalty] if like else DEFAULT_PENALTIES,
            horizon=training.horizon,
            begins=begins,
            filled=None if choosing.filled is None else choosing.filled.cpu().numpy(),
        )
    except ValueError:
        if without is None:
            log.warning("no ridge regression: no window of the training or the validation part is complete")
        return None


def baseline_forecasts(
    baseline: Baseline, part: SeriesPart, offsets: Callable[[NDArray[np.int64]], Floats] | None
) -> Iterator[tuple[SeriesBatch, Floats, Floats | None]]:
    """Yield the batches of a part, with a baseline's points (batch, horizon, channels) and intervals (batch, horizon,
    channels, levels, 2), scaled. `offsets` returns half the widths by the series of windows; None for no intervals."""
    forecast = baseline(part)
    for batch in part.scored():
        point = forecast(batch)
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


def cross_fitted_ridge(training: SeriesPart, choosing: SeriesPart) -> Forecasting | None:
    """Return forecasts of the training windows by ridge regressions that have not seen their labels: a fifth of the
    rows at a time is left out of a fit. None if nothing can be fitted; NaN for windows that a fit would need."""
    whole = ridge_baseline(training, choosing)
    if whole is None:
        return None
    longest = int((training.rows[:, 1] - training.rows[:, 0]).max())
    bounds = np.linspace(0, longest, FOLDS + 1).round().astype(np.int64)
    fits = [ridge_baseline(training, choosing, whole, (start, stop)) for start, stop in itertools.pairwise(bounds)]
    place_of = _place_of(training)
    starts = training.rows[:, 0].cpu().numpy()

    def forecast(batch: SeriesBatch) -> Floats:
        assert batch.origins is not None
        assert batch.series is not None
        place = batch.origins.cpu().numpy() - starts[place_of[batch.series.cpu().numpy()]]
        fold = np.searchsorted(bounds[1:-1], place, side="right")
        history = windows_first(batch.input)
        found = np.full((len(history), training.horizon, history.shape[2]), np.nan, np.float32)
        for number, fit in enumerate(fits):
            if fit is not None and (own := fold == number).any():
                found[own] = fit.forecast(history[own])
        return found

    return forecast


def _place_of(part: SeriesPart) -> NDArray[np.int64]:
    """Return the position of each series in a part, by its number in the run."""
    places = part.places.cpu().numpy()
    found = np.zeros(places.max() + 1, np.int64)
    found[places] = np.arange(len(places))
    return found


def _origins(part: SeriesPart, without: tuple[int, int] | None = None) -> NDArray[np.int64]:
    """Return the origins of a part, without those of windows that have a label between two rows of their series."""
    found = np.empty(len(part), dtype=np.int64)
    keep = np.ones(len(part), dtype=np.bool_)
    for start in range(0, len(part), CHUNK):
        numbers = torch.arange(start, min(start + CHUNK, len(part)), device=part.rows.device)
        origins, series = part.origins(numbers)
        found[start : start + CHUNK] = origins.cpu().numpy()
        if without is not None:
            place = (origins - part.rows[series, 0]).cpu().numpy()
            keep[start : start + CHUNK] = (place + part.horizon <= without[0]) | (place >= without[1])
    return found[keep]
