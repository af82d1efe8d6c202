"""A backtest as tables: its metrics with each kind of intervals, overall, by channel and by series."""

from __future__ import annotations

from dataclasses import replace

from lstmctl.metrics import metric
from lstmctl.reporting.blocks import Block, Table, known
from lstmctl.reporting.diagnostic_tables import coverage_in_words
from lstmctl.reporting.evaluation_tables import MOST_SERIES, spread_of_coverage, worst_and_best
from lstmctl.reporting.forecast_plots import MOST_PANELS, forecast_plot
from lstmctl.reporting.quantities import figure
from lstmctl.results.forecasts import Backtest

TEXT_COLUMNS = ("", "channel", "series", "intervals")


def backtest_tables(result: Backtest) -> list[Table]:
    """Return a table of all metrics and, for several channels, one of the coverage of each."""
    scores, others, adaptive = result.scores, result.baselines, result.scores["adaptive"]
    rows = [
        (metric(name).words, *(_shown(score.metrics.get(name)) for score in (*scores.values(), *others.values())))
        for name in adaptive.metrics
    ]
    refit = "trained for each" if result.refit else "one network"
    if result.continued:
        refit = "trained on for each"
    title = f"{result.run} on {result.split}: {result.origins:,} origins, {result.stride:,} rows between, {refit}"
    kinds = (f"{kind} intervals" for kind in scores)
    tables = [Table("backtest", title, ("", *kinds, *others), tuple(rows), text_columns=TEXT_COLUMNS)]
    if len(adaptive.by_channel) > 1:
        levels = [one for one in map(metric, adaptive.metrics) if one.interval and one.unit != "scaled"]
        rows = [
            (channel, kind, *(_shown(score.by_channel[channel].get(one.name)) for one in levels))
            for channel in adaptive.by_channel
            for kind, score in scores.items()
        ]
        columns = ("channel", "intervals", *(one.short_words for one in levels))
        tables.append(Table("channels", "by channel", columns, tuple(rows), text_columns=TEXT_COLUMNS))
    if (series := _by_series(result)) is not None:
        tables.append(series)
    notes = (*coverage_in_words(adaptive.by_step), *result.notes)
    return [*tables[:-1], replace(tables[-1], notes=(*tables[-1].notes, *notes))]


def _by_series(result: Backtest) -> Table | None:
    """The worst and the best series by the first metric, with the coverage of both kinds of intervals; None if channels
    are series, and all are shown."""
    scores, adaptive = result.scores, result.scores["adaptive"]
    own = adaptive.by_series
    if len(own) < 2 or own.keys() == adaptive.by_channel.keys():
        return None
    primary = metric(next(iter(adaptive.metrics)))
    levels = [one for one in map(metric, adaptive.metrics) if one.interval and one.unit == "share"]
    shown = worst_and_best(own, primary, MOST_SERIES)
    names = (primary, *levels)
    rows = [
        (
            series if kind == "calibrated" else "",
            kind,
            *(_shown(score.by_series[series].get(one.name)) for one in names),
        )
        for series in shown
        for kind, score in scores.items()
    ]
    if len(shown) < len(own):
        rows.insert(len(rows) // 2, ("…", *[""] * (1 + len(names))))
    title = f"by series, the worst first, {len(own):,} series"
    notes = (f"With adaptive intervals: {said}" for said in spread_of_coverage(own, levels))
    head = ("series", "intervals", *(one.short_words for one in names))
    return Table("series", title, head, tuple(rows), notes=tuple(notes), text_columns=TEXT_COLUMNS)


def backtest_blocks(result: Backtest) -> list[Block]:
    """Return the tables, and the forecasts from the first origins with the true values."""
    return known(forecast_plot(result.forecasts[:MOST_PANELS]), *backtest_tables(result))


def _shown(value: float | None) -> str:
    return "" if value is None else figure(value)
