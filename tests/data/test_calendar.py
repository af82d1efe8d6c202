"""Features of the calendar: phases and marks of single days."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.calendar import calendar_features, feature_names
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.data.timesteps import Step
from lstmctl.errors import DataError

CHRISTMAS = 19716
"""Days from 1970-01-01 to 2023-12-25."""


def micros(*dates: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(dates, dtype="datetime64[us]").astype(np.int64)


def write(rows: int = 24 * 60, name: str = "a.csv") -> None:
    start = np.datetime64("2023-11-20T00")
    lines = [f"{start + np.timedelta64(row, 'h')}:00,{row % 24 + row % 7}" for row in range(rows)]
    Path(name).write_text("\n".join(["date,y", *lines]) + "\n")


def read(name: str = "a.csv", encoding: SeriesEncoding | None = None, **settings: Any) -> SeriesCorpus:
    layout = Layout(**{"calendar": ("holiday", "month-end"), "holidays": ("2023-12-25", "2024-01-01"), **settings})
    return open_series(name, layout, Path.cwd(), lookback=24, horizon=24, encoding=encoding)


def test_the_quarter_is_a_phase() -> None:
    found = calendar_features(
        micros("2023-01-01", "2023-02-15T12", "2023-06-30", "2023-07-01"), ["quarter"], Step(1, "days")
    )
    angles = 2 * np.pi * np.array([0, 45 / 90, 90 / 91, 0])
    assert found == pytest.approx(np.stack([np.sin(angles), np.cos(angles)], axis=1))


def test_the_last_and_first_days_of_months_are_marked() -> None:
    times = micros("2024-02-28", "2024-02-29T23", "2024-03-01", "2024-03-02", "2023-12-31T05")
    assert calendar_features(times, ["month-end"], Step(1, "hours")).tolist() == [
        [0, 0],
        [1, 0],
        [0, 1],
        [0, 0],
        [1, 0],
    ]


def test_they_are_business_days_in_a_table_of_business_days() -> None:
    """March 2024 ends with a weekend, and 1 April 2024 is Easter Monday."""
    times = micros("2024-03-28", "2024-03-29", "2024-04-01", "2024-04-02")
    assert calendar_features(times, ["month-end"], Step(1, "business days")).tolist() == [
        [0, 0],
        [1, 0],
        [0, 1],
        [0, 0],
    ]
    easter = tuple((micros("2024-03-29", "2024-04-01") // 86_400_000_000).tolist())
    without = calendar_features(times, ["month-end"], Step(1, "business days", easter))
    assert without.tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]


def test_holidays_and_the_days_next_to_them_are_marked() -> None:
    step = Step(1, "hours", (CHRISTMAS, CHRISTMAS + 1))
    times = micros("2023-12-23T23", "2023-12-24", "2023-12-25T08", "2023-12-26", "2023-12-27", "2023-12-28")
    found = calendar_features(times, ["hour", "holiday"], step)
    assert found[:, 2:].tolist() == [[0, 0], [0, 1], [1, 1], [1, 1], [0, 1], [0, 0]]
    assert feature_names(["hour", "holiday"]) == [
        *("hour, sine", "hour, cosine", "holiday, the day", "holiday, the day before or after")
    ]


def test_an_hourly_table_is_marked_and_the_run_keeps_the_days() -> None:
    write()
    corpus = read()
    assert str(corpus.encoding.step) == "1 hour"
    known = corpus.scaled().known
    days = corpus.table.times // 86_400_000_000
    assert known[:, 0].tolist() == np.isin(days, [CHRISTMAS, CHRISTMAS + 7]).astype(float).tolist()
    assert (known[:, 2].sum(), known[:, 3].sum()) == (2 * 24, 2 * 24)
    assert corpus.notes == (
        "2 holidays of data.holidays between its rows; they and later ones are marked in the calendar",
    )
    encoding = SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))
    assert read(encoding=encoding, holidays=(), calendar=()).scaled().known.tolist() == known.tolist()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"holidays": ()}, "data.calendar holiday needs holidays"),
        ({"step": "1 week", "order": "error"}, "is not a whole number of steps of 1 week"),
        ({"calendar": ("month-end",)}, "data.holidays concerns business days, but the step is 1 hour"),
    ],
)
def test_what_does_not_fit(settings: dict[str, Any], said: str) -> None:
    write(24 * 20)
    with pytest.raises(DataError, match=said):
        read(**settings)


@pytest.mark.parametrize("step", [Step(1, "weeks"), Step(1, "months")])
def test_single_days_mean_nothing_to_longer_steps(step: Step) -> None:
    with pytest.raises(DataError, match=f"data.calendar month-end marks single days, but the step is {step}"):
        calendar_features(micros("2024-01-01"), ["weekday", "month-end"], step)
