"""Intervals that adapt to past errors, at the end of a table: their state after the run's test rows, and after newer
ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.trained import Trained
from lstmctl.data.series import SeriesCorpus, Table
from lstmctl.data.splitting import reported_part
from lstmctl.intervals import (
    MEMORY,
    AdaptiveIntervals,
    Floats,
    Offsets,
    interval_scores,
    quantile_offsets,
    run_adaptive,
)
from lstmctl.models.forecaster import Ensemble
from lstmctl.scoring import evaluating
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.interval_calibration import calibration_rows, calibration_scores
from lstmctl.tasks.series_windows import SeriesPart, windows_first

FEWEST = 20
"""Minimum number of calibration windows per series; with fewer, those of all series initialise its adaptive
intervals."""
LANES = 256
"""Windows forecast in parallel."""


def adapted(scores: Floats, origins: NDArray[np.int64], before: Floats, every: Floats, levels: list[float]) -> Offsets:
    """Return the offsets of one series (origins, horizon, channels, levels), each from the scores known at its origin.

    A step without a known score has the widest offset of its channel at the same origin, otherwise the widest of the
    calibration rows for any channel, otherwise an infinite one, for a missing interval.

    Args:
        scores: (origins, horizon, channels, levels), as from `interval_scores`.
        origins: (origins,) ascending rows.
        before: (windows, horizon, channels, levels) scores of the series that are known before the first origin.
        every: likewise, of all series; they begin if the series has fewer than `FEWEST`.
        levels: in ascending order.
    """
    found = run_adaptive(scores, origins, before if len(before) >= FEWEST else every, levels)
    from_calibration = _widest(quantile_offsets(every, levels)[np.newaxis], axis=(1, 2))
    for fallback in (_widest(found, axis=1), from_calibration):
        found = np.where(np.isfinite(found), found, fallback)
    return found


def adaptive_at_the_start(run: Trained, task: Forecast, model: Ensemble) -> dict[str, AdaptiveIntervals]:
    """Return adaptive intervals of every series that know the errors of the calibration rows, by the series' names.

    Raises:
        DataError: the run's own data is missing or has changed.
    """
    corpus = run.corpus()
    assert isinstance(corpus, SeriesCorpus)
    validation = task.part(corpus, "validation", run.device)
    rows = calibration_rows(validation, task.settings.calibration)
    scores, series, _ = calibration_scores(model, rows, task.predictor)
    found = {}
    for number, name in enumerate(task.encoding.ids):
        own = scores[series == number]
        found[name] = AdaptiveIntervals(own if len(own) >= FEWEST else scores, task.shares)
    return found


def offsets_at_the_end(run: Trained, task: Forecast, model: Ensemble, newer: SeriesCorpus | None = None) -> Offsets:
    """Return the offsets of adaptive intervals after a table's last row, (series, horizon, channels, levels), scaled.

    The state begins with the calibration rows, and then reveals the errors of the windows of the test part (without
    one, nothing more), and of rows of a newer table after the run's last one, in order of time. They are the errors of
    the weights that were scored: the final fit has seen these rows.

    Args:
        run: a forecaster, whose own data is read.
        task, model: its task, and the network that was scored.
        newer: the table to be forecast, if it is not the run's own.

    Raises:
        DataError: the run's own data is missing or has changed.
    """
    corpus = run.corpus()
    assert isinstance(corpus, SeriesCorpus)
    validation = task.part(corpus, "validation", run.device)
    every, scored_series, _ = calibration_scores(
        model, calibration_rows(validation, task.settings.calibration), task.predictor
    )
    part = reported_part(corpus.parts)
    pieces = []
    if part != "validation":
        pieces.append(_scores(task, model, task.part(corpus, part, run.device), corpus.table, corpus.table))
    if newer is not None:
        pieces.append(_scores(task, model, task.part(newer, "validation", run.device), newer.table, corpus.table))
    ends = dict.fromkeys(corpus.table.ids, 0) if newer is None else _ends(newer.table, corpus.table)
    found = np.full((len(task.encoding.ids), *every.shape[1:3], len(task.shares)), np.inf)
    for series, name in enumerate(task.encoding.ids):
        if name not in ends:
            continue
        owned = [(scores[own], rows[own]) for scores, of, rows in pieces if (own := of == series).any()]
        # At the end of the table the scores are unknown; a table may end before the run's.
        scores = np.concatenate([*(one for one, _ in owned), np.full((1, *every.shape[1:]), np.nan)])
        rows = np.concatenate([*(one for _, one in owned), [_LAST]])
        past = np.append(rows[:-1] < ends[name], True)
        rows[-1] = ends[name]
        before = every[scored_series == series]
        found[series] = adapted(scores[past], rows[past], before, every, task.shares)[-1]
    return found


_LAST = np.iinfo(np.int64).max


def _scores(
    task: Forecast, model: Ensemble, part: SeriesPart, table: Table, own: Table
) -> tuple[Offsets, NDArray[np.int64], NDArray[np.int64]]:
    """Return scores (windows, horizon, channels, levels) of the last `MEMORY` windows of each series of a part, in
    order, with their series in the run and the row of their first label as in `_ends`.

    Args:
        task, model, part: what to forecast.
        table: of the part.
        own: the run's; if it is another, windows with labels in its period are left out.
    """
    starts, counts = part.first.cpu().numpy(), part.counts.cpu().numpy()
    zero, skipped = table.ends, np.zeros_like(counts)
    if table is not own:
        zero = zero - np.array([_rows_after(table, series, own) for series in range(len(table.ids))])
        skipped = np.clip(zero - starts, 0, counts)
    stops = np.cumsum(counts)
    chosen = [
        np.arange(stop - min(MEMORY, count - skip), stop)
        for stop, count, skip in zip(stops.tolist(), counts.tolist(), skipped.tolist(), strict=True)
    ]
    numbers = torch.from_numpy(np.concatenate(chosen)).to(part.rows.device)
    shape = (0, part.horizon, len(task.encoding.targets), len(task.shares))
    scores, series, rows = [np.empty(shape)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    with torch.no_grad(), evaluating(model):
        for some in numbers.split(LANES) if len(numbers) else ():
            batch = part.observed(some)
            assert batch.series is not None
            assert batch.origins is not None
            _, spans = task.predictor.uncalibrated(model, batch)
            scores.append(interval_scores(windows_first(batch.target), windows_first(spans)))
            series.append(batch.series.cpu().numpy())
            rows.append(batch.origins.cpu().numpy() - zero[part.origins(some)[1].cpu().numpy()])
    return np.concatenate(scores), np.concatenate(series), np.concatenate(rows)


def _ends(table: Table, own: Table) -> dict[str, int]:
    """Return the row after the last of each series in a table, counted from the row after its last in the run's table:
    negative if the run's table ends later."""
    places = {name: place for place, name in enumerate(own.ids)}
    found = {}
    for series, name in enumerate(table.ids):
        newer = _rows_after(table, series, own)
        found[name] = newer
        if not newer and (place := places.get(name)) is not None:
            last = table.times[table.ends[series] - 1]
            times = own.times[own.bounds[place] : own.ends[place]]
            found[name] = int(np.searchsorted(times, last, side="right")) - len(times)
    return found


def _rows_after(table: Table, series: int, own: Table) -> int:
    """Return the number of rows of a series that are later than its last in the run's table; all, if it is new."""
    if table.ids[series] not in own.ids:
        return int(table.ends[series] - table.bounds[series])
    place = own.ids.index(table.ids[series])
    last = own.times[own.ends[place] - 1]
    times = table.times[table.bounds[series] : table.ends[series]]
    return len(times) - int(np.searchsorted(times, last, side="right"))


def _widest(offsets: Offsets, axis: int | tuple[int, ...]) -> Offsets:
    """Return the largest finite offset over some axes, which are kept; infinite if there is none."""
    known = np.isfinite(offsets)
    largest = np.where(known, offsets, -np.inf).max(axis, keepdims=True)
    return np.where(known.any(axis, keepdims=True), largest, np.inf)
