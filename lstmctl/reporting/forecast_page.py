"""Forecasts for a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from lstmctl.reporting.blocks import Block, Folded, Table
from lstmctl.reporting.forecast_plots import forecast_plot
from lstmctl.reporting.quantities import count, figure
from lstmctl.results.forecasts import SeriesForecast

MOST_ROWS = 200


def forecast_blocks(forecasts: Sequence[SeriesForecast]) -> list[Block]:
    """Return fan charts and a table of the values with the ends of their intervals."""
    plot = forecast_plot(forecasts)
    if plot is None:
        return []
    levels = sorted({level for forecast in forecasts for level in forecast.intervals})
    rows = [
        (forecast.series, time, figure(point), *_ends(forecast, levels, step))
        for forecast in forecasts
        for step, (time, point) in enumerate(zip(forecast.times, forecast.point, strict=True))
    ]
    ends = [f"{end} of {level} %" for level in levels for end in ("low", "high")]
    left_out = (f"and {count(len(rows) - MOST_ROWS)} more rows",) if len(rows) > MOST_ROWS else ()
    columns = ("series", "time", "forecast", *ends)
    table = Table("forecasts", "", columns, tuple(rows[:MOST_ROWS]), notes=left_out, text_columns=("series", "time"))
    return [plot, Folded("As a table", (table,))]


def _ends(forecast: SeriesForecast, levels: Sequence[int], step: int) -> list[str]:
    """The ends of each interval at a step; empty for one that this series lacks."""
    found = []
    for level in levels:
        low, high = forecast.intervals.get(level, ((), ()))
        found += [figure(low[step]), figure(high[step])] if low else ["", ""]
    return found
