"""Forecasts as a table: their times, with the time zone of the source table."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path

import polars
import pytest

from lstmctl.data.forecast_table import as_csv, write_forecast_table
from lstmctl.results.forecasts import SeriesForecast

HOURS = ("2024-01-01 00:00:00", "2024-01-01 01:00:00")
DAYS = ("2024-01-01", "2024-01-02")


def forecast(times: tuple[str, ...], zone: str) -> SeriesForecast:
    return SeriesForecast(series="load", times=times, point=(1.0, 2.0), intervals={}, zone=zone)


@pytest.mark.parametrize(
    ("times", "zone", "written"),
    [
        (HOURS, "", list(HOURS)),
        (HOURS, "+02:00", ["2024-01-01 00:00:00+02:00", "2024-01-01 01:00:00+02:00"]),
        (DAYS, "", list(DAYS)),
        (DAYS, "Z", ["2024-01-01 00:00:00Z", "2024-01-02 00:00:00Z"]),
        (("1", "2"), "", ["1", "2"]),
    ],
)
def test_times_have_the_zone_of_the_table(times: tuple[str, ...], zone: str, written: list[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([forecast(times, zone)], "gru"))))
    assert [row["ds"] for row in rows] == written


@pytest.mark.parametrize(
    ("times", "zone", "first"),
    [
        (HOURS, "", datetime.datetime(2024, 1, 1)),
        (HOURS, "+02:00", datetime.datetime(2023, 12, 31, 22, tzinfo=datetime.UTC)),
        (HOURS, "-03:30", datetime.datetime(2024, 1, 1, 3, 30, tzinfo=datetime.UTC)),
        (DAYS, "Z", datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        (DAYS, "", datetime.datetime(2024, 1, 1)),
        (("1", "2"), "", 1),
    ],
)
def test_parquet_holds_the_same_moments(times: tuple[str, ...], zone: str, first: object) -> None:
    write_forecast_table(Path("a.parquet"), [forecast(times, zone)], "gru", cutoffs=[times[0]])
    frame = polars.read_parquet("a.parquet")
    assert frame["ds"][0] == frame["cutoff"][0] == first
