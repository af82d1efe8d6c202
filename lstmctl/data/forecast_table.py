"""Forecasts as a table to hand on: one row a series and time."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import polars

from lstmctl.errors import UsageError
from lstmctl.results.forecasts import SeriesForecast
from lstmctl.storage import ANOTHER_FILE, replace_file

KINDS = (".csv", ".parquet")


def forecast_columns(
    forecasts: Sequence[SeriesForecast], model: str, cutoffs: Sequence[str] = ()
) -> dict[str, list[object]]:
    """Columns `unique_id`, `ds`, of a backtest `cutoff`, `y` where what came is known, `<model>` and, for each level,
    `<model>-lo-90` and `<model>-hi-90`; where a forecast has sample paths, `<model>-path-1` and so on. Times name the
    zone where the table's own did. An interval with infinite ends is none: its cells are empty."""
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
    """A time with its zone, which belongs to a time of day."""
    if not zone:
        return time
    return f"{time}{zone}" if " " in time else f"{time} 00:00:00{zone}"


def as_csv(forecasts: Sequence[SeriesForecast], model: str) -> str:
    """The table as CSV, each number with as many digits as are needed to restore it."""
    text = io.StringIO()
    polars.DataFrame(forecast_columns(forecasts, model)).write_csv(text)
    return text.getvalue()


def write_forecast_table(
    path: Path, forecasts: Sequence[SeriesForecast], model: str, cutoffs: Sequence[str] = ()
) -> None:
    """The table as a file, by its ending: CSV, or Parquet with real dates, in UTC where they have a zone. `cutoffs`
    are the last rows before each forecast of a backtest.

    Raises:
        UsageError: the ending is neither.
        ResourceError: the file cannot be written.
    """
    check_ending(path)
    frame = polars.DataFrame(forecast_columns(forecasts, model, cutoffs))
    content = io.BytesIO()
    if path.suffix.lower() == ".csv":
        frame.write_csv(content)
    else:
        frame.with_columns([_times(frame[name]) for name in ("ds", "cutoff") if name in frame]).write_parquet(content)
    replace_file(path, content.getvalue(), remedy=ANOTHER_FILE)


def _times(text: polars.Series) -> polars.Series:
    """Times as text to dates, or to whole numbers where all are."""
    numbers = text.cast(polars.Int64, strict=False)
    if not numbers.null_count():
        return numbers
    if text.str.contains(r"(Z|[+-]\d{2}:\d{2})$").all():
        return text.str.replace("Z$", "+00:00").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_zone="UTC")
    days = text.str.len_chars().max() == len("2018-06-26")
    return text.str.to_datetime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S%.f")


def check_ending(path: Path) -> None:
    """Raises UsageError where a file's name ends in no known way."""
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path} has an unsupported file extension; use {' or '.join(KINDS)}")
