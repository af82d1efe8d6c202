"""Uses of a forecaster: forecasts beyond a table's end, sample paths, and backtests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.api.adaptation import offsets_at_the_end
from lstmctl.api.trained import Trained
from lstmctl.data.series import SeriesCorpus, Table
from lstmctl.errors import UsageError
from lstmctl.intervals import Offsets
from lstmctl.models.forecaster import Ensemble
from lstmctl.results.forecasts import SeriesForecast
from lstmctl.scoring import evaluating
from lstmctl.seeds import stream
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.interval_calibration import widened_intervals
from lstmctl.tasks.last_windows import last_windows
from lstmctl.tasks.series_windows import SeriesBatch

HISTORIES = 3
"""Length of the history in a plot, in horizons."""
WINDOWS, EXAMPLES, FANS = 3, 6, 3
"""Windows of a single series, series with one window each, and series with their last windows."""
LAST_WINDOWS = 4
INTERVALS = ("calibrated", "adaptive")
LANES = 256
"""Maximum number of series forecast in parallel."""


def forecaster(run: Trained, *, final: bool = False) -> tuple[Forecast, Ensemble]:
    """Return the task and the network of a forecaster: the one that is scored, or with `final` the one that forecasts.

    Raises:
        UsageError: the run has a different task.
    """
    if not isinstance(run.task, Forecast):
        raise UsageError(
            f"{run.name} does not forecast: its task is {run.settings.task.type}",
            hint="lstmctl train energy trains a forecaster; lstmctl runs list shows all runs",
        )
    model = run.final_model if final else run.model
    assert isinstance(model, Ensemble)
    return run.task, model


def forecast(run: Trained, file: str | None = None, *, intervals: str = "calibrated") -> list[SeriesForecast]:
    """Forecast every series beyond its last row.

    Args:
        run: a forecaster.
        file: a newer table, which may have new series; by default the end of the training table, which the run keeps.
        intervals: `calibrated`, as the run has them; or `adaptive`, whose width follows the errors of the run's test
            rows and of newer rows. These need the run's own data.

    Raises:
        UsageError: the run does not forecast, or the kind of intervals is unknown.
        DataError: the table cannot be used, or columns known in advance end too soon; or, for adaptive intervals, the
            run's own data is missing or has changed.
    """
    if intervals not in INTERVALS:
        raise UsageError(f"intervals must be {' or '.join(INTERVALS)}, not {intervals}")
    task, model = forecaster(run, final=True)
    task, corpus = (task, None) if file is None else task.read_to_forecast(file)
    batch, last = last_windows(task.encoding, task.settings, run.device, corpus, masked=task.masked)
    offsets = offsets_at_the_end(run, task, forecaster(run)[1], corpus) if intervals == "adaptive" else None
    point, spans = _in_parts(task, model, batch, offsets)
    table = task.encoding.tail if corpus is None else corpus.table
    return series_forecasts(task, table, batch, last + 1, point, spans)


def sample_paths(run: Trained, file: str | None = None, *, count: int, seed: int | None = None) -> list[SeriesForecast]:
    """Draw sample paths of every series from the joint distribution of the horizon.

    Raises:
        UsageError: the run has no joint distribution; the message says which settings would have one.
    """
    task, model = forecaster(run, final=True)
    if not task.predictor.has_joint_distribution:
        settings = task.settings
        way = settings.shape if settings.shape == "many-to-one" else f"task.decoding={settings.decoding}"
        raise UsageError(
            f"{run.name} has no joint distribution to draw from: with {way} and task.loss={settings.loss} it models "
            "the uncertainty of each step, but not the dependence between steps",
            hint="train with task.decoding=recursive or encoder-decoder and task.loss=gaussian or student-t",
        )
    if count < 1:
        raise UsageError(f"count must be 1 or more, not {count}")
    task, corpus = (task, None) if file is None else task.read_to_forecast(file)
    batch, last = last_windows(task.encoding, task.settings, run.device, corpus, masked=task.masked)
    generator = torch.Generator().manual_seed(stream(run.settings.seed if seed is None else seed, "sampling"))
    with torch.no_grad(), evaluating(model):
        paths = task.predictor.paths(model, batch, count, generator)
        point, intervals = task.forecasts(model, batch)
    table = task.encoding.tail if corpus is None else corpus.table
    forecasts = series_forecasts(task, table, batch, last + 1, point, intervals)
    drawn = _unscaled(task, batch, paths).flatten(2).permute(2, 0, 1).tolist()
    return [replace(one, paths=tuple(map(tuple, own))) for one, own in zip(forecasts, drawn, strict=True)]


def examples(
    run: Trained, corpus: SeriesCorpus, split: str, errors: Mapping[str, float]
) -> tuple[list[SeriesForecast], list[list[SeriesForecast]]]:
    """Return example forecasts of a part with the true values.

    Args:
        run: a forecaster.
        corpus: the run's data.
        split: the part.
        errors: of each series by name, if there are several: the chosen ones range from the worst to the best.

    Returns:
        The last window of `EXAMPLES` series, or of a single series `WINDOWS` windows, evenly spread; and for `FANS`
        series the last windows whose horizons do not overlap, in order of time.
    """
    task, model = forecaster(run)
    part = task.part(corpus, split, run.device)
    targets, counts = len(task.encoding.targets), part.counts.tolist()
    last = np.cumsum(counts) - 1
    places = part.places.tolist()
    series_of = {name: divmod(place, targets) for place, name in enumerate(task.encoding.channels)}

    def forecasts(numbers: list[int], target: int | None) -> list[SeriesForecast]:
        batch = part.windows(torch.tensor(numbers, device=run.device))
        with torch.no_grad(), evaluating(model):
            point, intervals = task.forecasts(model, batch)
        assert batch.origins is not None
        found = series_forecasts(
            task, corpus.table, batch, batch.origins.cpu().numpy(), point, intervals, corpus.filled
        )
        return found if target is None else found[target::targets]

    def back(own: int) -> list[int]:
        """Return the numbers of the last windows of a series of the table, in order."""
        return list(range(int(last[own]), int(last[own]) - counts[own], -part.horizon))[:LAST_WINDOWS][::-1]

    ordered = sorted((name for name in errors if np.isfinite(errors[name])), key=lambda name: -errors[name])
    if not ordered:
        own = next(place for place, count in enumerate(counts) if count)
        spread = np.linspace(last[own] - counts[own] + 1, last[own], min(counts[own], WINDOWS)).round().astype(int)
        fans = [forecasts(back(own), target) for target in range(min(targets, FANS))]
        return forecasts(spread.tolist(), None), fans
    shown, fanned = (
        [ordered[place] for place in sorted({round(at * (len(ordered) - 1)) for at in np.linspace(0, 1, most)})]
        for most in (EXAMPLES, FANS)
    )
    table = {
        name: (places.index(series), target) for name, (series, target) in series_of.items() if name in shown + fanned
    }
    singles = [forecasts([int(last[table[name][0]])], table[name][1])[0] for name in shown]
    return singles, [forecasts(back(table[name][0]), table[name][1]) for name in fanned]


def _in_parts(
    task: Forecast, model: Ensemble, batch: SeriesBatch, offsets: Offsets | None = None
) -> tuple[Tensor, Tensor | None]:
    """Forecast many series, some at a time, with the run's intervals or, if given, intervals widened by `offsets`
    (series, horizon, channels, levels)."""
    points, spans = [], []
    with torch.no_grad(), evaluating(model):
        for start in range(0, batch.lanes, LANES):
            some = batch.part(start, start + LANES)
            if offsets is None:
                point, intervals = task.forecasts(model, some)
            else:
                assert some.series is not None
                point, uncalibrated = task.predictor.uncalibrated(model, some)
                intervals = widened_intervals(uncalibrated, offsets[some.series.cpu().numpy()])
            points.append(point)
            if intervals is not None:
                spans.append(intervals)
    return torch.cat(points, dim=1), torch.cat(spans, dim=1) if spans else None


def _unscaled(task: Forecast, batch: SeriesBatch, values: Tensor) -> Tensor:
    """Return scaled values (…, batch, channels) in the series' own units, in float64."""
    return torch.from_numpy(task.in_units(batch, values.detach().double().cpu().numpy()))


def series_forecasts(
    task: Forecast,
    table: Table,
    batch: SeriesBatch,
    origins: NDArray[np.int64],
    point: Tensor,
    intervals: Tensor | None,
    filled: NDArray[np.bool_] | None = None,
) -> list[SeriesForecast]:
    """Return one forecast per window and channel, in order. `origins` (batch,) are rows of `table`, or one past its end
    for the future. Values that were `filled` (rows, channels) have no true value."""
    assert batch.series is not None
    encoding, settings = task.encoding, task.settings
    step, horizon, targets = encoding.step, settings.horizon, len(encoding.targets)
    points = _unscaled(task, batch, point)
    ends = None if intervals is None else _unscaled(task, batch, intervals.movedim(-2, 0).movedim(-1, 0))
    owns = {name: place for place, name in enumerate(table.ids)}
    found = []
    for lane, origin in enumerate(map(int, origins)):
        series = int(batch.series[lane])
        own = owns[encoding.ids[series]]
        begin, end = int(table.bounds[own]), int(table.ends[own])
        start = max(begin, origin - min(settings.lookback, HISTORIES * horizon))
        following = step.times_after(int(table.times[origin - 1]), horizon, int(table.days[own]))
        times = tuple(step.text(int(time)) for time in following)
        history_times = tuple(step.text(int(time)) for time in table.times[start:origin])
        for target in range(targets):
            spans: Mapping[int, Any] = {}
            if ends is not None:
                spans = {
                    level: tuple(tuple(ends[side, place, :, lane, target].tolist()) for side in (0, 1))
                    for place, level in enumerate(settings.levels)
                }
            rows = slice(origin, min(end, origin + horizon))
            after = table.targets[rows, target]
            if filled is not None:
                after = np.where(filled[rows, target], np.nan, after)
            found.append(
                SeriesForecast(
                    series=encoding.channels[series * targets + target],
                    times=times,
                    point=tuple(points[:, lane, target].tolist()),
                    intervals=spans,
                    history_times=history_times,
                    history=_plain(table.targets[start:origin, target]),
                    actual=_plain(after) if len(after) == horizon else (),
                    zone="" if step.zone else table.zone,
                )
            )
    return found


def _plain(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
