"""Rows on a day that not every month has: read, filled, kept in a run, and forecast on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series


def clipped(day: int, count: int, start: str = "2020-11", every: int = 1) -> list[str]:
    """Dates on a day of every month, or on the last of a month without it."""
    months = np.datetime64(start, "M") + every * np.arange(count)
    ends = (months + 1).astype("datetime64[D]") - 1
    return [str(date) for date in np.minimum(months.astype("datetime64[D]") + (day - 1), ends)]


def read(rows: list[str], header: str = "date,load", **settings: Any) -> SeriesCorpus:
    Path("a.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    encoding = settings.pop("encoding", None)
    return open_series("a.csv", Layout(**settings), None, lookback=2, horizon=1, encoding=encoding)


def after(corpus: SeriesCorpus, count: int = 3) -> list[list[str]]:
    """The next dates of every series."""
    step, table = corpus.encoding.step, corpus.table
    last = table.times[table.bounds[1:] - 1]
    return [
        [step.text(int(time)) for time in step.times_after(int(end), count, int(day))]
        for end, day in zip(last, table.days, strict=True)
    ]


@pytest.mark.parametrize("step", ["auto", "1 month"])
@pytest.mark.parametrize(
    ("day", "until", "following"),
    [
        (28, 40, ["2024-03-28", "2024-04-28", "2024-05-28"]),
        (29, 40, ["2024-03-29", "2024-04-29", "2024-05-29"]),
        (30, 40, ["2024-03-30", "2024-04-30", "2024-05-30"]),
        (31, 40, ["2024-03-31", "2024-04-30", "2024-05-31"]),
        (30, 28, ["2023-03-30", "2023-04-30", "2023-05-30"]),
    ],
)
def test_months_keep_to_the_day_of_the_table(step: str, day: int, until: int, following: list[str]) -> None:
    corpus = read([f"{date},{row}" for row, date in enumerate(clipped(day, until))], step=step)
    assert after(corpus) == [following]
    kept = json.loads(json.dumps(corpus.encoding.to_json()))
    assert SeriesEncoding.from_json(kept).tail.days.tolist() == corpus.table.days.tolist()


def test_every_series_keeps_to_a_day_of_its_own() -> None:
    days = {"a": 15, "b": 29, "c": 30, "d": 31}
    rows = [f"{name},{date},{row}" for name, day in days.items() for row, date in enumerate(clipped(day, 28))]
    corpus = read(rows, "unique_id,ds,y", step="1 month")
    assert after(corpus, 1) == [["2023-03-15"], ["2023-03-29"], ["2023-03-30"], ["2023-03-31"]]


def test_missing_months_are_filled_on_that_day() -> None:
    dates = clipped(30, 40)
    corpus = read([f"{date},{row}" for row, date in enumerate(dates) if row not in (3, 4)], missing="mask")
    assert [corpus.encoding.step.text(int(time)) for time in corpus.table.times] == dates


def test_a_newer_table_keeps_to_the_day_of_the_run() -> None:
    dates = clipped(30, 30)
    run = read([f"{date},{row}" for row, date in enumerate(dates[:20])]).encoding
    february = dates.index("2023-02-28")
    newer = read([f"{date},1" for date in dates[february : february + 1]], encoding=run)
    assert after(newer, 2) == [["2023-03-30", "2023-04-30"]]
    # On another day, its own counts.
    other = read([f"{date},1" for date in clipped(12, 3, "2022-08")], encoding=run)
    assert after(other, 1) == [["2022-11-12"]]


def test_a_run_of_before_days_were_kept_counts_by_its_last_rows() -> None:
    kept = read([f"{date},{row}" for row, date in enumerate(clipped(30, 40))]).encoding.to_json()
    del kept["tail"]["days"]
    assert SeriesEncoding.from_json(kept).tail.days.tolist() == [30]
