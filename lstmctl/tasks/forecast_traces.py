"""Sums that diagnostics are made of: the primary metric by origin, series and calendar, coverage over time, and errors
one step ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.calendar import PHASES
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.data.timesteps import DAY
from lstmctl.intervals import Floats
from lstmctl.metrics.forecasts import Ratio
from lstmctl.results.diagnostics import Values
from lstmctl.results.evaluation import RowSums, Traces
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first

Doubles = NDArray[np.float64]

CYCLES = {"hour": 24, "weekday": 7, "month": 12}
"""Number of values of each phase."""
DAYS = {"hour": 1, "weekday": 7, "month": 365}
"""Length of a cycle."""
ROUNDING = 1e-6
"""Keeps a phase from falling below a whole number by rounding."""
STRETCHES = 30
"""Maximum number of stretches of a part over which coverage is counted."""
MOST_LAGS = 200
SEASONS = 2
"""Lags of the autocorrelation, in seasons."""
FEWEST_LAGS = 12


class ForecastTraces:
    """Collects traces of the forecasts of a part, batch after batch in order of series and time.

    Args:
        part: with times.
        encoding: of the run.
        primary: the primary metric.
        residuals: whether to keep the errors one step ahead.
    """

    def __init__(self, part: SeriesPart, encoding: SeriesEncoding, primary: Ratio, *, residuals: bool) -> None:
        assert part.times is not None
        self.part, self.times, self.encoding, self.primary = part, part.times, encoding, primary
        self.phases = _phases(part, encoding)
        self.by_phase = {name: np.zeros((2, CYCLES[name])) for name in self.phases}
        self.origins: list[NDArray[np.int64]] = []
        self.series: list[NDArray[np.int64]] = []
        self.sums: list[Doubles] = []
        first, last = _extent(part, self.times)
        self.edges = np.linspace(first, last, 1 + _stretches(part, last - first))[:-1].astype(np.int64)
        self.covered: dict[str, Doubles] = {}
        self.errors: list[Floats] | None = [] if residuals else None

    def seen(
        self, batch: SeriesBatch, point: Floats, terms: Iterable[tuple[str, Doubles]]
    ) -> Iterator[tuple[str, Doubles]]:
        """Collect the traces of a batch's forecasts from its `metrics.forecasts.terms`, which are passed on."""
        assert batch.origins is not None
        assert batch.series is not None
        origins, horizon = batch.origins.cpu().numpy(), point.shape[1]
        times = self.times[origins[:, np.newaxis] + np.arange(horizon)]
        local = self.encoding.step.local(times.ravel()) if self.phases else times
        places = {name: _places(name, local) for name in self.phases}
        stretch = np.searchsorted(self.edges, times.ravel(), side="right") - 1
        pair = np.zeros((2, len(origins)))
        for name, values in terms:
            if name in (self.primary.sum, self.primary.count):
                which = int(name == self.primary.count)
                by_step = values.sum(axis=2)
                pair[which] = by_step.sum(axis=1)
                for phase, own in places.items():
                    self.by_phase[phase][which] += np.bincount(own, by_step.ravel(), CYCLES[phase])
            if self.errors is not None and (name == "interval_count" or name.startswith("covered_")):
                counts = np.bincount(stretch, values.sum(axis=2).ravel(), len(self.edges))
                self.covered[name] = self.covered.get(name, 0.0) + counts.astype(np.float64)
            yield name, values
        self.origins.append(self.times[origins])
        self.series.append(batch.series.cpu().numpy())
        self.sums.append(pair)
        if self.errors is not None:
            # Errors of a series without a scale are in other units.
            error = windows_first(batch.target)[:, 0] - point[:, 0]
            if batch.unscaled is not None:
                error = np.where(batch.unscaled[0].cpu().numpy(), np.nan, error)
            self.errors.append(error)

    def found(self) -> Traces:
        """Return what was collected."""
        sums = np.concatenate(self.sums, axis=1)
        count = self.covered.get("interval_count")
        coverage = {
            name.removeprefix("covered_"): _ratios(covered, count)
            for name, covered in self.covered.items()
            if count is not None and name != "interval_count"
        }
        correlation, residuals = self._autocorrelation()
        return Traces(
            horizon=self.part.horizon,
            by_phase={name: _ratios(*pair) for name, pair in self.by_phase.items()},
            origins=_grouped(np.concatenate(self.origins), sums),
            series=_grouped(np.concatenate(self.series), sums),
            times=tuple(map(self.encoding.step.text, self.edges.tolist())) if coverage else (),
            coverage=coverage,
            autocorrelation=correlation,
            residuals=residuals,
        )

    def _autocorrelation(self) -> tuple[tuple[float, ...], int]:
        """Return the autocorrelation of the errors one step ahead by lag from 1, and the number of errors.

        Products of deviations from each series' own mean are summed over series before they are divided by the sum of
        squares, so that a series counts by its number of errors (Box and Jenkins 1976, Time series analysis).
        """
        if not self.errors:
            return (), 0
        errors, series = np.concatenate(self.errors).astype(np.float64), np.concatenate(self.series)
        _, starts = np.unique(series, return_index=True)
        longest = int(np.diff([*starts, len(series)]).max())
        lags = min(MOST_LAGS, max(FEWEST_LAGS, SEASONS * self.encoding.season), longest // 3)
        products = np.zeros(lags + 1)
        for own in np.split(errors, starts[1:]):
            known = ~np.isnan(own)
            count = known.sum(axis=0)
            deviation = np.where(known, own - np.where(known, own, 0).sum(axis=0) / np.maximum(count, 1), 0)
            for lag in range(min(lags, len(own) - 1) + 1):
                products[lag] += (deviation[lag:] * deviation[: len(own) - lag]).sum()
        if not products[0] > 0:
            return (), 0
        return tuple((products[1:] / products[0]).tolist()), int((~np.isnan(errors)).sum())


def _phases(part: SeriesPart, encoding: SeriesEncoding) -> list[str]:
    """Return the phases of the calendar that differ between the rows of a part, if it lasts for a whole cycle."""
    if encoding.step.is_index or part.times is None:
        return []
    rows = part.rows.cpu().numpy()
    longest = int(np.argmax(rows[:, 1] - rows[:, 0]))
    times = part.times[rows[longest, 0] : rows[longest, 1]]
    # The last row lasts for a step as well.
    lasts = 2 * times[-1] - times[0] - times[-2] if len(times) > 1 else 0
    local = encoding.step.local(times)
    return [name for name in CYCLES if lasts >= DAYS[name] * DAY and len(np.unique(_places(name, local))) > 1]


def _places(phase: str, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the hour, weekday or month of each time, from 0."""
    return np.floor(PHASES[phase](times) * CYCLES[phase] + ROUNDING).astype(np.int64)


def _extent(part: SeriesPart, times: NDArray[np.int64]) -> tuple[int, int]:
    """Return the first time of a label, and the last."""
    rows = part.rows.cpu().numpy()[(part.counts > 0).cpu().numpy()]
    first = part.first.cpu().numpy()[(part.counts > 0).cpu().numpy()]
    return int(times[first].min()), int(times[rows[:, 1] - 1].max())


def _stretches(part: SeriesPart, span: int) -> int:
    """Return the number of stretches: at most one per horizon, so that windows of one origin mostly share one."""
    longest = int((part.counts.max() + part.horizon - 1).item())
    return max(1, min(STRETCHES, longest // part.horizon, span or 1))


def _grouped(keys: NDArray[np.int64], sums: Doubles) -> RowSums:
    """Sum up (2, windows) by key, in ascending order."""
    _, places = np.unique(keys, return_inverse=True)
    of, out_of = (np.bincount(places, row).astype(np.float64) for row in sums)
    return RowSums(of, out_of)


def _ratios(sums: Doubles, counts: Doubles) -> Values:
    return tuple(float(one / count) if count else None for one, count in zip(sums, counts, strict=True))
