"""Forecasts as a table, with one row per series and time; and their metrics, with one row per series and model."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars

from lstmctl.errors import UsageError
from lstmctl.results.evaluation import Metrics
from lstmctl.results.forecasts import SeriesForecast
from lstmctl.storage import ANOTHER_FILE, replace_file

KINDS = (".csv", ".parquet")


def forecast_columns(
    forecasts: Sequence[SeriesForecast], model: str, cutoffs: Sequence[str] = ()
) -> dict[str, list[object]]:
    """Return the columns of a table of forecasts.

    They are `unique_id`, `ds`, for a backtest `cutoff`, `y` if the truth is known, `<model>` and, for each level,
    `<model>-lo-90` and `<model>-hi-90`; with sample paths, `<model>-path-1` and so on. Times have the zone of the
    table, if any. The cells of an interval with infinite ends are empty.
    """
    columns: dict[str, list[object]] = {"unique_id": [], "ds": []}
    if cutoffs:
        columns["cutoff"] = [
            _zoned(cutoff, one.zone) for cutoff, one in zip(cutoffs, forecasts, strict=True) for _ in one.times
        ]
    if any(forecast.actual for forecast in forecasts):
        columns["y"] = []
    columns[model] = []
    for forecast in forecasts:
        columns["unique_id"] += [forecast.series] * len(forecast.times)
        columns["ds"] += [_zoned(time, forecast.zone) for time in forecast.times]
        columns[model] += forecast.point
        if "y" in columns:
            columns["y"] += forecast.actual or [None] * len(forecast.times)
        for level, ends in sorted(forecast.intervals.items()):
            for end, values in zip(("lo", "hi"), ends, strict=True):
                given = (None if math.isinf(value) else value for value in values)
                columns.setdefault(f"{model}-{end}-{level}", []).extend(given)
        for index, path in enumerate(forecast.paths):
            columns.setdefault(f"{model}-path-{index + 1}", []).extend(path)
    return columns


def _zoned(time: str, zone: str) -> str:
    """Append the zone to a time, which then needs a time of day."""
    if not zone:
        return time
    return f"{time}{zone}" if " " in time else f"{time} 00:00:00{zone}"


def as_csv(forecasts: Sequence[SeriesForecast], model: str) -> str:
    """Return the table as CSV, with all digits needed to restore each number."""
    text = io.StringIO()
    polars.DataFrame(forecast_columns(forecasts, model)).write_csv(text)
    return text.getvalue()


def write_forecast_table(
    path: Path, forecasts: Sequence[SeriesForecast], model: str, cutoffs: Sequence[str] = ()
) -> None:
    """Write the table as CSV, or as Parquet with real dates, in UTC if they have a zone, by the file's extension.

    `cutoffs` are the last times before each forecast of a backtest.

    Raises:
        UsageError: the extension is neither.
        ResourceError: the file cannot be written.
    """
    frame = polars.DataFrame(forecast_columns(forecasts, model, cutoffs))
    if path.suffix.lower() != ".csv":
        frame = frame.with_columns([_times(frame[name]) for name in ("ds", "cutoff") if name in frame])
    _write(path, frame)


def series_columns(by_series: Mapping[str, Mapping[str, Metrics]]) -> dict[str, list[object]]:
    """Return the columns of a table with one row per series and model: `unique_id`, `model` (`run` or the name of a
    baseline), and one column per metric, empty where a series has none.

    Args:
        by_series: for each model, the metrics of every series, as in `Evaluation`.
    """
    rows = [(series, model, metrics) for model, own in by_series.items() for series, metrics in own.items()]
    order = {series: place for place, series in enumerate(next(iter(by_series.values()), {}))}
    rows.sort(key=lambda row: order.get(row[0], len(order)))
    names = dict.fromkeys(name for _, _, metrics in rows for name in metrics)
    columns: dict[str, list[object]] = {"unique_id": [row[0] for row in rows], "model": [row[1] for row in rows]}
    return columns | {name: [metrics.get(name) for _, _, metrics in rows] for name in names}


def write_series_table(path: Path, by_series: Mapping[str, Mapping[str, Metrics]]) -> None:
    """Write `series_columns` as CSV or Parquet, by the file's extension.

    Raises:
        UsageError: the extension is neither.
        ResourceError: the file cannot be written.
    """
    _write(path, polars.DataFrame(series_columns(by_series)))


def _write(path: Path, frame: polars.DataFrame) -> None:
    check_ending(path)
    content = io.BytesIO()
    if path.suffix.lower() == ".csv":
        frame.write_csv(content)
    else:
        frame.write_parquet(content)
    replace_file(path, content.getvalue(), remedy=ANOTHER_FILE)


def _times(text: polars.Series) -> polars.Series:
    """Convert times to dates, or to whole numbers if all are."""
    numbers = text.cast(polars.Int64, strict=False)
    if not numbers.null_count():
        return numbers
    if text.str.contains(r"(Z|[+-]\d{2}:\d{2})$").all():
        return text.str.replace("Z$", "+00:00").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_zone="UTC")
    days = text.str.len_chars().max() == len("2018-06-26")
    return text.str.to_datetime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S%.f")


def check_ending(path: Path) -> None:
    """Raise UsageError if the file extension is unsupported."""
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path}: unsupported file extension; use {' or '.join(KINDS)}")
