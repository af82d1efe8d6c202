"""Backtests: forecasts from rolling origins, with a single network or a new one per origin."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.api import forecasting
from lstmctl.api.adaptation import adapted
from lstmctl.api.assembly import build_model, open_data
from lstmctl.api.final_fit import continued
from lstmctl.api.preparation import Choices, assemble
from lstmctl.api.trained import Start, Trained
from lstmctl.config import derive
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.data.series import SeriesCorpus
from lstmctl.data.splitting import reported_part
from lstmctl.errors import UsageError
from lstmctl.events import Evaluated, Event
from lstmctl.intervals import Floats, interval_scores, widened
from lstmctl.models.forecaster import Ensemble
from lstmctl.results.evaluation import Score
from lstmctl.results.forecasts import Backtest, SeriesForecast
from lstmctl.scoring import evaluating
from lstmctl.step_grammar import REST
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.interval_calibration import calibrated, calibration_rows, calibration_scores
from lstmctl.tasks.series_baselines import Baseline, named_baseline
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, windows_first
from lstmctl.training.trainer import load_weights


@dataclass
class _Fold:
    """Windows forecast by one network."""

    task: Forecast
    corpus: SeriesCorpus
    batch: SeriesBatch
    """The windows, without their inputs."""
    origins: NDArray[np.int64]
    point: Tensor
    """(horizon, batch, channels), scaled."""
    uncalibrated: Tensor
    """(horizon, batch, channels, levels, 2)."""
    calibrated: Floats | None
    """(batch, horizon, channels, levels, 2)."""
    scores: Floats
    """Scores on the rows that calibrated this network, (windows, horizon, channels, levels)."""
    scored_series: NDArray[np.int64]
    """(windows,), the series of each window."""
    scored_until: NDArray[np.int64]
    """(windows,), the time of each window's last label."""


def backtest(
    run: Trained,
    *,
    split: str | None = None,
    windows: int | None = None,
    stride: int | None = None,
    refit: bool | Literal["anew", "continue"] = False,
    baselines: Sequence[str] = (),
    observe: Callable[[Event], None] = lambda event: None,
) -> Backtest:
    """Forecast from rolling origins in a part of the run's data.

    Args:
        run: a forecaster.
        split: the part; by default the reported one: test, if there is one. In the validation part, the first half
            calibrates and the second is forecast.
        windows: number of origins per series, counted from the end; all by default.
        stride: rows between origins; by default the horizon, so that no row is forecast twice.
        refit: train a network for each origin on the rows before it; the last rows, a part of the same size as the
            run's validation part, select the weights. `anew` (or True) takes as long as the run did. `continue` starts
            from the weights of the previous origin (first, the run's), with the run's number of steps per training
            window for each new window, and a learning rate that falls from 0.3 of the run's to zero. Series with the
            same origin share one network: the same date if the run's parts are cut at dates, otherwise the same number
            of rows before their end.
        baselines: names of baselines to score on the same windows: any in `registry.BASELINES`, or `theta`, `ETS` and
            others that are not fitted to training rows.
        observe: called with every event of these trainings.

    Raises:
        UsageError: the run does not forecast, a setting is out of range, or a baseline is unknown or its package
            missing.
        DataError: the run's data is missing or has changed.
    """
    task, model = forecasting.forecaster(run)
    corpus = run.corpus()
    assert isinstance(corpus, SeriesCorpus)
    split = split or reported_part(corpus.parts)
    if split not in corpus.parts:
        raise UsageError(f"{run.name} has no {split} part; it has {', '.join(corpus.parts)}")
    if split == "training":
        raise UsageError("the network was trained on the training part; use validation or test")
    stride = task.settings.horizon if stride is None else stride
    if stride < 1 or (windows is not None and windows < 1):
        raise UsageError("the stride and the number of windows must be 1 or more")
    part = task.part(corpus, split, run.device)
    calibrating = task.part(corpus, "validation", run.device)
    if split == "validation":  # the calibration rows must be in the past of the forecast rows
        calibrating, part = part.with_scale().half(0), part.half(1)
    else:
        calibrating = calibration_rows(calibrating, task.settings.calibration)
    for one, what in ((part, "forecast"), (calibrating, "calibrate by")):
        if len(one) == 0:
            raise UsageError(
                f"{run.name} has too few {split} rows to {what}; task.horizon={part.horizon:,} rows are needed for one"
            )
    numbers = _numbers(part, stride, windows)
    if refit not in (False, True, "anew", "continue"):
        raise UsageError(f"refit must be anew or continue, not {refit}")
    built = {name: named_baseline(name, task.settings, task.plain.encoding) for name in baselines}
    if refit:
        folds = list(_refitted(run, corpus, part, numbers, observe, is_continued=refit == "continue"))
    else:
        folds = [_fold(task, model, corpus, part, numbers, calibrating, fresh=split == "validation")]
    others = {name: _baseline_score(task, corpus, part, numbers, baseline) for name, baseline in built.items()}
    return replace(_told(run, split, stride, folds, refit=refit), baselines=others)


def _baseline_score(
    task: Forecast, corpus: SeriesCorpus, part: SeriesPart, numbers: Tensor, baseline: Baseline
) -> Score:
    """Score the point forecasts of a baseline for some windows, scaled by the run's training rows."""
    plain = task.plain
    whole = plain.part(corpus, part.name, part.rows.device)
    part = replace(part, values=whole.values, unscaled=whole.unscaled)
    forecast = baseline(part)
    sums: Counter[str] = Counter()
    for some in numbers.split(forecasting.LANES):
        batch = part.observed(some)
        sums.update(plain.sums(batch, forecast(batch), None))
    return plain.as_score(sums, len(numbers))


def _numbers(part: SeriesPart, stride: int, windows: int | None) -> Tensor:
    """Return the numbers of a backtest's windows: every `stride`-th window of each series, counted from its last."""
    chosen, before = [], 0
    for count in part.counts.tolist():
        own = range(count - 1, -1, -stride)[: windows or count]
        chosen += [before + number for number in reversed(own)]
        before += count
    return torch.tensor(chosen, device=part.rows.device)


def _fold(
    task: Forecast,
    model: Ensemble,
    corpus: SeriesCorpus,
    part: SeriesPart,
    numbers: Tensor,
    calibrating: SeriesPart,
    *,
    fresh: bool,
) -> _Fold:
    """Forecast some windows; `fresh` recalibrates the run's intervals on `calibrating`, if rows that are forecast now
    were used to calibrate them."""
    scores, scored_series, last_rows = calibration_scores(model, calibrating, task.predictor)
    batches, points, spans = [], [], []
    with torch.no_grad(), evaluating(model):
        for some in numbers.split(forecasting.LANES):
            batch = part.observed(some)
            point, uncalibrated = task.predictor.uncalibrated(model, batch)
            batches.append(batch)
            points.append(point)
            spans.append(uncalibrated)
    point, uncalibrated = torch.cat(points, dim=1), torch.cat(spans, dim=1)
    offsets = task.calibration
    if fresh and offsets is not None:
        offsets = calibrated(scores, scored_series, task.settings.levels, task.encoding)
    spans_given: Floats | None = None
    if offsets is not None:
        series = torch.cat([batch.series for batch in batches if batch.series is not None]).cpu().numpy()
        spans_given = widened(windows_first(uncalibrated), offsets.of(series))
    elif task.likelihood.has_intervals:
        spans_given = windows_first(uncalibrated)
    labels = SeriesBatch(
        input=point.new_empty(0, len(numbers)),
        target=torch.cat([batch.target for batch in batches], dim=1),
        fresh=True,
        series=torch.cat([batch.series for batch in batches if batch.series is not None]),
        own_scale=_joined([batch.own_scale for batch in batches]),
        unscaled=_joined([batch.unscaled for batch in batches]),
    )
    origins = part.origins(numbers)[0].cpu().numpy()
    scored_until = corpus.table.times[last_rows]
    return _Fold(task, corpus, labels, origins, point, uncalibrated, spans_given, scores, scored_series, scored_until)


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    """Concatenate the tensors of all batches; None if there are none."""
    there = [part for part in parts if part is not None]
    return torch.cat(there, dim=1) if there else None


def _refitted(
    run: Trained,
    corpus: SeriesCorpus,
    part: SeriesPart,
    numbers: Tensor,
    observe: Callable[[Event], None],
    *,
    is_continued: bool,
) -> Iterator[_Fold]:
    """Yield a fold for each trained network, in order of time."""
    choices = Choices(**{key: run.info[key] for key in Choices.__dataclass_fields__})
    origins, series = (found.cpu().numpy() for found in part.origins(numbers))
    start = run.start() if is_continued else run.initial()
    first = learned = _windows(corpus)
    for overrides, own in _splits(corpus, origins, series):
        settings = derive(run.settings, overrides)
        opened = open_data(settings, run.path)
        steps = 0
        if is_continued:
            assert isinstance(opened, SeriesCorpus)
            steps = round((run.step or 0) * max(0, _windows(opened) - learned) / max(1, first))
            learned = max(learned, _windows(opened))
            settings = continued(settings, max(1, steps))
        assembled = assemble(settings, run.path, run.cell, choices=choices, source=start, corpus=opened)
        trainer, best = assembled.trainer, None
        if is_continued and steps == 0:  # nothing new to learn
            best = trainer.snapshot().weights
        else:
            for event in trainer.events():
                observe(event)
                if isinstance(event, Evaluated) and event.best:
                    best = trainer.snapshot().best_weights
        task, model = assembled.task, build_model(settings, assembled.task, run.cell, "float32")
        assert isinstance(task, Forecast)
        assert isinstance(model, Ensemble)
        assert isinstance(assembled.corpus, SeriesCorpus)
        load_weights(model, best or trainer.snapshot().best_weights)
        if is_continued:
            start = Start(run.name, settings, task, model.state_dict())
        model.to(run.device).eval()
        learnt = task.part(assembled.corpus, "validation", run.device)
        task.calibrate_on(model, learnt, task.part(assembled.corpus, "training", run.device))
        test = task.part(assembled.corpus, "test", run.device)
        before = (test.counts.cumsum(0) - test.counts).cpu().numpy()[series[own]]
        chosen = before + origins[own] - test.first.cpu().numpy()[series[own]]
        calibrating = calibration_rows(learnt, task.settings.calibration)
        windows = torch.from_numpy(chosen).to(run.device)
        yield _fold(task, model, assembled.corpus, test, windows, calibrating, fresh=False)


def _windows(corpus: SeriesCorpus) -> int:
    """Return the number of training windows."""
    return int(corpus.origins("training")[1].sum())


def _splits(
    corpus: SeriesCorpus, origins: NDArray[np.int64], series: NDArray[np.int64]
) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    """Yield the parts of each new network as overrides, in order of time, and a mask (windows,) of what it forecasts.

    The parts are cut as the run's own were: at the date of the origin if all series share dates, otherwise at the same
    number of rows before the end of each series.

    Raises:
        UsageError: no rows are left to train on.
    """
    table, validation = corpus.table, np.diff(corpus.parts["validation"])[:, 0]
    # Rows that the config numbers have no times, although their parts may be cut at dates.
    at_dates = corpus.middle is not None and not corpus.encoding.step.is_index
    keys = table.times[origins] if at_dates else origins - table.ends[series]
    rows = max(1, int(np.median(validation[validation > 0])))
    for key in np.unique(keys):
        own = keys == key
        past = origins[own] - table.bounds[series[own]]
        longest = int(np.argmax(past))
        if past[longest] <= rows:
            whose = f" of {table.ids[series[own][longest]]}" if len(table.ids) > 1 else ""
            raise UsageError(
                f"--refit leaves no training rows before row {past[longest]:,}{whose}: the {rows:,} before it select "
                "weights"
            )
        if at_dates:
            begins = origins[own][longest] - np.array([rows, 0])
            # By the clock of a place, times are in UTC.
            zone = "+00:00" if corpus.encoding.step.zone else ""
            split = [f"{np.datetime64(int(moment), 'us')}{zone}" for moment in table.times[begins]]
            yield [f"data.split={json.dumps(split)}"], own
        else:
            yield [f"data.split=[{REST}, {rows} rows, {-int(key)} rows]", "data.split_by=series"], own


def _told(run: Trained, split: str, stride: int, folds: list[_Fold], *, refit: bool | str) -> Backtest:
    task = folds[0].task
    point = torch.cat([fold.point for fold in folds], dim=1)
    uncalibrated = np.concatenate([windows_first(fold.uncalibrated) for fold in folds])
    truth = np.concatenate([windows_first(fold.batch.target) for fold in folds])
    series = torch.cat([fold.batch.series for fold in folds if fold.batch.series is not None]).cpu().numpy()
    origins = np.concatenate([fold.origins for fold in folds])
    offsets = _adaptive(task, truth, uncalibrated, series, origins, folds[0])
    adaptive = widened(uncalibrated, offsets)
    sums: dict[str, Counter[str]] = {"calibrated": Counter(), "adaptive": Counter()}
    forecasts: list[SeriesForecast] = []
    start = 0
    for fold in folds:
        stop = start + fold.point.shape[1]
        for kind, spans in (("calibrated", fold.calibrated), ("adaptive", adaptive[start:stop])):
            sums[kind].update(fold.task.sums(fold.batch, windows_first(fold.point), spans))
        ends = torch.from_numpy(np.ascontiguousarray(adaptive[start:stop])).transpose(0, 1)
        forecasts += forecasting.series_forecasts(
            fold.task, fold.corpus.table, fold.batch, fold.origins, fold.point, ends, fold.corpus.filled
        )
        start = stop
    # New networks forecast origin by origin; the result is series by series.
    targets = range(len(task.encoding.targets))
    order = np.argsort(series, kind="stable").tolist()
    forecasts = [forecasts[window * len(targets) + target] for window in order for target in targets]
    scores = {kind: task.as_score(own, point.shape[1]) for kind, own in sums.items()}
    return Backtest(
        run=str(run.path),
        split=split,
        origins=int(np.bincount(series).max()),
        stride=stride,
        refit=bool(refit),
        continued=refit == "continue",
        scores=scores,
        cutoffs=tuple(forecast.history_times[-1] for forecast in forecasts),
        forecasts=tuple(forecasts),
        notes=(*scores["adaptive"].notes, *_lacking(folds), *(() if refit in (True, "anew") else _notes(run, split))),
    )


def _adaptive(
    task: Forecast,
    truth: Floats,
    uncalibrated: Floats,
    series: NDArray[np.int64],
    origins: NDArray[np.int64],
    fold: _Fold,
) -> NDArray[np.float64]:
    """Return offsets (windows, horizon, channels, levels), each based on the data known at its origin: they adapt to
    the scores of the window's own series."""
    scores = interval_scores(truth, uncalibrated)
    offsets = np.empty(scores.shape)
    for one in np.unique(series):
        own = series == one
        # Calibration rows of other series may be in this one's future if parts overlap in time.
        passed = np.full(len(fold.scores), fill_value=True)
        if not task.encoding.step.is_index:
            passed = fold.scored_until < fold.corpus.table.times[origins[own][0]]
        every = fold.scores[passed]
        before = fold.scores[passed & (fold.scored_series == one)]
        offsets[own] = adapted(scores[own], origins[own], before, every, task.shares)
    return offsets


def _lacking(folds: list[_Fold]) -> tuple[str, ...]:
    """Return a note if the run should have calibrated intervals but has none."""
    if folds[0].task.settings.calibration == "none" or all(fold.calibrated is not None for fold in folds):
        return ()
    return ("The run has no calibrated intervals to score: its calibration rows contain too few windows.",)


def _notes(run: Trained, split: str) -> tuple[str, ...]:
    """Return the caveat of a backtest on the validation part, whose second half is forecast."""
    settings = run.settings
    assert isinstance(settings.task, ForecastSettings)
    if split != "validation" or settings.task.calibration == "separate":
        return ()
    decided = {
        "chose the weights": run.info.get("headline") == "best",
        "decided when training stopped": settings.training.patience is not None,
        "chose the ridge regression in the forecast": settings.model.ridge != 0,
    }
    done = [what for what, is_so in decided.items() if is_so]
    if not done:
        return ()
    return (
        f"The rows forecast here also {' and '.join(done)}: task.calibration={settings.task.calibration} uses all "
        "of the validation part for this. Scores on new rows will be worse.",
    )
