"""A backtest as tables: its metrics with each kind of intervals, overall and by channel."""

from __future__ import annotations

from dataclasses import replace

from lstmctl.metrics import metric
from lstmctl.reporting.blocks import Block, Table, known
from lstmctl.reporting.forecast_plots import MOST_PANELS, forecast_plot
from lstmctl.reporting.quantities import figure
from lstmctl.results.forecasts import Backtest

TEXT_COLUMNS = ("", "channel", "intervals")


def backtest_tables(result: Backtest) -> list[Table]:
    """Return a table of all metrics and, if there are several channels, one of how well intervals cover each."""
    scores, adaptive = result.scores, result.scores["adaptive"]
    rows = [
        (metric(name).words, *(_shown(score.metrics.get(name)) for score in scores.values()))
        for name in adaptive.metrics
    ]
    refit = "trained for each" if result.refit else "one network"
    title = f"{result.run} on {result.split}: {result.origins:,} origins, {result.stride:,} rows between, {refit}"
    kinds = (f"{kind} intervals" for kind in scores)
    tables = [Table("backtest", title, ("", *kinds), tuple(rows), text_columns=TEXT_COLUMNS)]
    if len(adaptive.by_channel) > 1:
        levels = [one for one in map(metric, adaptive.metrics) if one.interval and one.unit != "scaled"]
        rows = [
            (channel, kind, *(_shown(score.by_channel[channel].get(one.name)) for one in levels))
            for channel in adaptive.by_channel
            for kind, score in scores.items()
        ]
        columns = ("channel", "intervals", *(one.short_words for one in levels))
        tables.append(Table("channels", "by channel", columns, tuple(rows), text_columns=TEXT_COLUMNS))
    return [*tables[:-1], replace(tables[-1], notes=result.notes)]


def backtest_blocks(result: Backtest) -> list[Block]:
    """Return the tables, and the forecasts from the first origins with the true values."""
    return known(forecast_plot(result.forecasts[:MOST_PANELS]), *backtest_tables(result))


def _shown(value: float | None) -> str:
    return "" if value is None else figure(value)
