"""Time between rows: recognised, written, and counted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.data.calendar import calendar_features
from lstmctl.data.timesteps import Step, Times
from lstmctl.errors import DataError


def moments(*texts: str) -> Times:
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


@pytest.mark.parametrize(
    ("times", "step", "following"),
    [
        (["2020-01-01T00:00", "2020-01-01T01:00", "2020-01-01T02:00"], "1 hour", "2020-01-01 03:00:00"),
        (["2020-01-01T23:30", "2020-01-01T23:45"], "15 minutes", "2020-01-02 00:00:00"),
        (["2020-01-01T00:00:00", "2020-01-01T00:00:30"], "30 seconds", "2020-01-01 00:01:00"),
        (["2020-01-01T00:00:00", "2020-01-01T00:00:00.1"], "100 milliseconds", "2020-01-01 00:00:00.200000"),
        (["2020-02-27", "2020-02-28"], "1 day", "2020-02-29"),
        (["2020-01-01", "2020-01-03"], "2 days", "2020-01-05"),
        (["2019-12-29", "2020-01-05"], "1 week", "2020-01-12"),
        (
            ["2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08", "2020-01-09", "2020-01-10"],
            "business days",
            "2020-01-13",
        ),
        (["2020-01-06", "2020-01-07", "2020-01-08", "2020-01-09", "2020-01-10"], "1 day", "2020-01-11"),
        (["2019-11-01", "2019-12-01"], "1 month", "2020-01-01"),
        (["2019-11-15", "2019-12-15"], "1 month", "2020-01-15"),
        (["2019-12-31", "2020-01-31", "2020-02-29"], "month ends", "2020-03-31"),
        (["2021-02-28", "2021-03-31", "2021-04-30"], "month ends", "2021-05-31"),
        (["2021-02-28", "2021-03-28", "2021-04-28"], "1 month", "2021-05-28"),
        (["2020-03-31", "2020-06-30", "2020-09-30"], "3 month ends", "2020-12-31"),
        (["2020-01-01", "2020-04-01", "2020-07-01"], "3 months", "2020-10-01"),
        (["2019-01-01", "2020-01-01"], "1 year", "2021-01-01"),
        (["2018-12-31", "2019-12-31", "2020-12-31"], "1 year", "2021-12-31"),
        # 29 September 2023 is the Friday before a Saturday that ends its month.
        (["2023-06-30", "2023-07-31", "2023-08-31", "2023-09-29", "2023-10-31"], "business month ends", "2023-11-30"),
        (["2023-06-30", "2023-09-29", "2023-12-29", "2024-03-29"], "3 business month ends", "2024-06-28"),
        # a day that some months lack
        (["2023-11-30", "2023-12-30", "2024-01-30", "2024-02-29"], "1 month", "2024-03-30"),
        (["2023-11-29", "2023-12-29", "2024-01-29", "2024-02-29"], "1 month", "2024-03-29"),
        (["2022-12-30", "2023-01-30", "2023-02-28"], "1 month", "2023-03-30"),
        (["2023-02-28", "2023-03-29", "2023-04-29"], "1 month", "2023-05-29"),
        (["2023-08-30", "2023-11-30", "2024-02-29"], "3 months", "2024-05-30"),
        (["2022-08-30", "2023-02-28", "2023-08-30", "2024-02-29"], "6 months", "2024-08-30"),
        (["2023-06-30", "2023-09-30"], "3 month ends", "2023-12-31"),
        (["2020-02-29", "2021-02-28", "2022-02-28", "2023-02-28"], "1 year", "2024-02-29"),
        (["2021-02-28", "2022-02-28", "2023-02-28"], "1 year", "2024-02-29"),
        (["2022-02-28", "2023-02-28", "2024-02-28"], "1 year", "2025-02-28"),
        (["2016-02-29", "2020-02-29"], "4 years", "2024-02-29"),
    ],
)
def test_steps_are_recognised_and_go_on(times: list[str], step: str, following: str) -> None:
    rows = moments(*times)
    found = Step.infer(rows, is_index=False)
    assert str(found) == step
    day = found.day_of(rows)
    assert found.text(int(found.times_after(int(rows[-1]), 1, day)[0])) == following
    np.testing.assert_array_equal(found.expected(int(rows[0]), int(rows[-1]), day), rows)
    assert found.fits(rows, day)
    assert Step.parse(str(found)) == found


def test_the_commonest_distance_counts() -> None:
    rows = moments("2020-01-01", "2020-01-02", "2020-01-04", "2020-01-05", "2020-01-06")
    step = Step.infer(rows, is_index=False)
    assert str(step) == "1 day"
    assert len(step.expected(int(rows[0]), int(rows[-1]))) == 6


def test_whole_numbers_are_rows() -> None:
    step = Step.infer(np.array([5, 15, 25]), is_index=True)
    assert (str(step), step.season(), step.text(25)) == ("10 rows", 1, "25")
    assert step.times_after(25, 2).tolist() == [35, 45]


@pytest.mark.parametrize(
    ("step", "season"),
    [
        ("1 hour", 24),
        ("15 minutes", 96),
        ("7 minutes", 1),
        ("1 day", 7),
        ("business days", 5),
        ("1 week", 52),
        ("1 month", 12),
        ("month ends", 12),
        ("business month ends", 12),
        ("3 months", 4),
        ("quarters", 4),
        ("year", 1),
        ("1 row", 1),
        ("Hours", 24),
        ("30 min", 48),
    ],
)
def test_seasons_go_by_the_step(step: str, season: int) -> None:
    assert Step.parse(step).season() == season


@pytest.mark.parametrize("text", ["", "0 hours", "1.5 hours", "-1 day", "1 moon", "hour 1", "15 minutes ago"])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"data\.step `.*` is not a time between rows") as caught:
        Step.parse(text)
    assert "15 minutes, 1 hour" in str(caught.value.hint)


UNITS = st.sampled_from(["minutes", "hours", "days", "weeks", "business days", "months", "month ends", "years", "rows"])


@given(UNITS, st.integers(1, 40), st.integers(0, 10**15), st.integers(0, 60))
def test_expected_times_are_those_that_follow(unit: str, count: int, start: int, rows: int) -> None:
    step = Step(count, unit)
    day = np.datetime64(start, "us").item().day if unit in ("months", "years") else 0
    following = step.times_after(start, rows + 1, day)
    assert np.all(np.diff(following) > 0)
    first = int(following[0])
    np.testing.assert_array_equal(step.times_after(first, rows, day), following[1:])
    expected = step.expected(first, int(following[-1]), day)
    np.testing.assert_array_equal(expected, following)
    assert rows <= step.count_between(first, int(following[-1])) <= 2 * rows + 8


def test_calendar_features_are_sine_and_cosine_of_the_phase() -> None:
    times = moments("2020-01-06T00:00", "2020-01-06T06:00", "2020-07-01T12:00", "2021-03-16T18:00")
    found = calendar_features(times, ("hour", "weekday", "month", "day-of-month", "day-of-year"), Step(1, "hours"))
    phases = np.array(
        [
            [0, 0.25, 0.5, 0.75],
            [0, 0, 2 / 7, 1 / 7],
            [0, 0, 0.5, 2 / 12],
            [5 / 31, 5 / 31, 0, 15 / 31],
            [5 / 366, 5 / 366, 182 / 366, 74 / 365],
        ]
    ).T
    np.testing.assert_allclose(found[:, 0::2], np.sin(2 * np.pi * phases), atol=1e-12)
    np.testing.assert_allclose(found[:, 1::2], np.cos(2 * np.pi * phases), atol=1e-12)
