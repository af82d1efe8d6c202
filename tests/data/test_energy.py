"""The bundled tables are what they claim to be: a made town's load, and the airline passengers of the textbook."""

from __future__ import annotations

import csv
import datetime
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(DATA / "make_energy.py"))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (DATA / "energy.csv").open(encoding="ascii", newline="") as file:
        return [row for row in csv.DictReader(file) if row["load"]]


@pytest.fixture(scope="module")
def dates(rows: list[dict[str, str]]) -> list[datetime.datetime]:
    return [datetime.datetime.strptime(row["date"], "%Y-%m-%d %H:%M:%S") for row in rows]


@pytest.fixture(scope="module")
def load(rows: list[dict[str, str]]) -> Floats:
    return np.array([float(row["load"]) for row in rows])


@pytest.fixture(scope="module")
def temperature(rows: list[dict[str, str]]) -> Floats:
    return np.array([float(row["temperature"]) for row in rows])


@pytest.fixture(scope="module")
def holiday(rows: list[dict[str, str]]) -> npt.NDArray[np.bool_]:
    return np.array([row["holiday"] == "1" for row in rows])


@pytest.fixture(scope="module")
def weekday(dates: list[datetime.datetime]) -> npt.NDArray[np.int64]:
    return np.array([date.weekday() for date in dates])


@pytest.fixture(scope="module")
def month(dates: list[datetime.datetime]) -> npt.NDArray[np.int64]:
    return np.array([date.month for date in dates])


@pytest.fixture(scope="module")
def passengers() -> dict[str, int]:
    with (DATA / "airline-passengers.csv").open(encoding="ascii", newline="") as file:
        return {row["date"]: int(row["passengers"]) for row in csv.DictReader(file)}


def mean_day(series: Floats, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Return the mean of each of the 24 hours over the chosen days."""
    mean: Floats = series.reshape(-1, 24)[chosen[::24]].mean(axis=0)
    return mean


def test_the_committed_file_is_what_the_generator_makes(tmp_path: Path, maker: dict[str, Any]) -> None:
    maker["write"](tmp_path)
    written = (tmp_path / "energy.csv").read_bytes()
    assert written == (DATA / "energy.csv").read_bytes()
    assert len(written) < 700_000


def test_another_seed_makes_another_town(maker: dict[str, Any]) -> None:
    one, other = maker["generate"](maker["SEED"]), maker["generate"](maker["SEED"] + 1)
    assert not np.allclose(one.load, other.load, rtol=0.001)
    assert np.array_equal(one.holiday, other.holiday)


def test_two_years_of_hours_without_gap_or_repetition(
    rows: list[dict[str, str]], dates: list[datetime.datetime]
) -> None:
    assert list(rows[0]) == ["date", "load", "temperature", "holiday"]
    assert {row["holiday"] for row in rows} == {"0", "1"}
    start = datetime.datetime(2022, 1, 1)
    assert dates == [start + datetime.timedelta(hours=hour) for hour in range(17_520)]


def test_the_calendar_continues_for_a_week() -> None:
    with (DATA / "energy.csv").open(encoding="ascii", newline="") as file:
        ahead = list(csv.DictReader(file))[17_520:]
    start = datetime.datetime(2024, 1, 1)
    assert [row["date"] for row in ahead] == [str(start + datetime.timedelta(hours=hour)) for hour in range(168)]
    assert {(row["load"], row["temperature"]) for row in ahead} == {("", "")}
    assert [row["holiday"] for row in ahead] == ["1"] * 24 + ["0"] * 144  # New Year


def test_load_and_temperature_are_plausible(load: Floats, temperature: Floats) -> None:
    assert 35 < load.min() < 60
    assert 95 < load.max() < 130
    assert -20 < temperature.min() < -5
    assert 28 < temperature.max() < 40
    assert 8 < temperature.mean() < 13
    # Neither series leaps from one hour to the next.
    assert np.abs(np.diff(temperature)).max() < 4.5
    assert np.abs(np.diff(load) / load[1:]).max() < 0.25


def test_working_days_have_two_peaks_and_sundays_no_morning_one(
    load: Floats, weekday: npt.NDArray[np.int64], holiday: npt.NDArray[np.bool_]
) -> None:
    working = mean_day(load, (weekday < 5) & ~holiday)
    sunday = mean_day(load, (weekday == 6) & ~holiday)
    assert working.argmin() in (1, 2, 3, 4)
    tops = [hour for hour in range(1, 23) if working[hour - 1] < working[hour] > working[hour + 1]]
    assert [8 <= tops[0] <= 9, 18 <= tops[-1] <= 20, len(tops)] == [True, True, 2]
    assert working[8] > working[6] * 1.05  # The morning rises steeply,
    assert working[8] > working[15] > working[4]  # and the afternoon is lower.
    assert working[8] > sunday[8] * 1.15
    assert abs(working[3] / sunday[3] - 1) < 0.03  # At night all days are alike.
    assert 9 < sunday[:16].argmax() < 15


def test_the_week_has_its_order(load: Floats, weekday: npt.NDArray[np.int64], holiday: npt.NDArray[np.bool_]) -> None:
    days = [load[(weekday == day) & ~holiday].mean() for day in range(7)]
    assert days[6] < days[5] < min(days[:5])
    assert 0.8 < days[6] / np.mean(days[:5]) < 0.95


def test_the_year_has_its_seasons(load: Floats, temperature: Floats, month: npt.NDArray[np.int64]) -> None:
    by_month = [temperature[month == number].mean() for number in range(1, 13)]
    assert min(by_month[0], by_month[1]) < 4
    assert max(by_month[6], by_month[7]) > 17
    assert load[month == 1].mean() > 1.2 * load[month == 6].mean()
    # Warm afternoons, cool nights.
    assert temperature.reshape(-1, 24).mean(axis=0).argmax() in (14, 15, 16)


def test_load_answers_to_cold_and_to_heat_slowly(
    load: Floats, temperature: Floats, weekday: npt.NDArray[np.int64], holiday: npt.NDArray[np.bool_]
) -> None:
    days = ((weekday < 5) & ~holiday)[::24]
    daily_load = load.reshape(-1, 24).mean(axis=1)
    daily_temperature = temperature.reshape(-1, 24).mean(axis=1)
    cold, mild, hot = (
        daily_load[days & (daily_temperature > low) & (daily_temperature < high)].mean()
        for low, high in ((-15, 2), (15, 19), (24, 40))
    )
    assert cold > 1.2 * mild
    assert hot > 1.02 * mild
    # In winter, compared with the same hour of the same kind of day, the mean of a day says more than the moment.
    winter = 59 * 24
    kind = np.where(holiday, 6, weekday) * 24 + np.arange(len(load)) % 24
    left = load[:winter].copy()
    for group in np.unique(kind[:winter]):
        left[kind[:winter] == group] -= load[:winter][kind[:winter] == group].mean()
    day = np.convolve(temperature, np.ones(24) / 24)[24:winter]
    now, slow = (np.corrcoef(left[24:], values)[0, 1] for values in (temperature[24:winter], day))
    assert slow < now - 0.05 < 0


def test_holidays_look_like_sundays(
    dates: list[datetime.datetime], load: Floats, weekday: npt.NDArray[np.int64], holiday: npt.NDArray[np.bool_]
) -> None:
    # The same day of the week before and after, unless that is a holiday too, says what the day would have been.
    beside: dict[str, list[float]] = {"as a working day": [], "as a Sunday": []}
    for start in np.flatnonzero(holiday & (weekday < 5))[::24]:
        noon = load[start + 7 : start + 10].sum()
        weeks = [hour for hour in (start - 168, start + 168) if 0 <= hour < len(load) and not holiday[hour]]
        sundays = [start - 24 * (weekday[start] + 1), start + 24 * (6 - weekday[start])]
        sundays = [hour for hour in sundays if 0 <= hour < len(load) and not holiday[hour]]
        for name, others in (("as a working day", weeks), ("as a Sunday", sundays)):
            beside[name] += [float(noon / load[hour + 7 : hour + 10].sum()) for hour in others]
    assert len(beside["as a Sunday"]) >= 20
    assert np.mean(beside["as a working day"]) < 0.9
    assert np.mean(beside["as a Sunday"]) == pytest.approx(1, abs=0.03)
    # All day or not at all; both years have the same fixed ones, and one moves with the calendar.
    assert (holiday.reshape(-1, 24).sum(axis=1) % 24 == 0).all()
    days = {date.date() for date, free in zip(dates, holiday, strict=True) if free}
    first, second = ({(day.month, day.day) for day in days if day.year == year} for year in (2022, 2023))
    assert len(first & second) == 8
    assert first - second == {(4, 18)}
    assert second - first == {(4, 17)}
    # The last tenth of the file has some on working days, so that a forecaster can be caught out there.
    assert sum(holiday[-1752:] & (weekday[-1752:] < 5)) >= 3 * 24


def test_the_floor_of_the_error_is_what_the_best_forecaster_meets(maker: dict[str, Any]) -> None:
    """A forecaster that knows everything but drift and noise follows both with a filter, and reaches the floor, not
    less."""
    town = maker["generate"](maker["SEED"])
    hours = np.arange(maker["HOURS"], dtype=np.float64)
    weekday = np.repeat((np.arange(maker["DAYS"]) + maker["START"].weekday()) % 7, 24)
    known = maker["calendar_load"](hours, weekday, town.holiday) + maker["weather_load"](town.smoothed)
    memory, independent = maker["NOISE_MEMORY"], maker["INDEPENDENT_NOISE"] ** 2
    steps = np.array([[maker["WALK_STEP"] ** 2, 0.0], [0.0, maker["NOISE_STEP"] ** 2]])
    decay = np.array([1.0, memory])
    state, spread = np.zeros(2), steps.copy()
    errors: dict[int, list[float]] = {1: [], 24: []}
    series = np.log(town.load / known)
    for now, value in enumerate(series):
        gain = spread.sum(axis=1) / (spread.sum() + independent)
        state = state + gain * (value - state.sum())
        spread = (spread - np.outer(gain, spread.sum(axis=0))) * np.outer(decay, decay) + steps
        for horizon, found in errors.items():
            if now + horizon < len(series):
                found.append(series[now + horizon] - (state * decay**horizon).sum())
        state = state * decay
    for horizon, tolerance in ((1, 0.02), (24, 0.06)):
        assert np.std(errors[horizon]) == pytest.approx(maker["noise_floor"](horizon), rel=tolerance), horizon
    assert 0.01 < maker["noise_floor"]() < maker["noise_floor"](24) < 0.04


def test_the_floor_of_the_weather_is_what_the_best_forecaster_meets(maker: dict[str, Any]) -> None:
    town = maker["generate"](maker["SEED"])
    horizon = 24
    climate = maker["climate"](np.arange(maker["HOURS"], dtype=np.float64))
    memory, keep = np.exp(-1 / maker["ANOMALY_HOURS"]), np.exp(-1 / maker["LAG_HOURS"])
    count = len(climate) - horizon
    smoothed = town.smoothed[:count]
    for ahead in range(1, horizon + 1):
        best = climate[ahead : count + ahead] + memory**ahead * (town.temperature - climate)[:count]
        smoothed = keep * smoothed + (1 - keep) * best
    deviation = np.std(town.smoothed[horizon:] - smoothed)
    assert deviation == pytest.approx(maker["weather_floor"](horizon), rel=0.1)


def test_calendar_and_temperature_beat_yesterday_but_not_the_floor(maker: dict[str, Any], load: Floats) -> None:
    town = maker["generate"](maker["SEED"])
    error = maker["least_squares_error"](town)
    last = np.arange(len(load) - len(load) // 10, len(load))
    naive = [np.abs(load[last] - load[last - period]).mean() for period in (24, 168)]
    floor = np.sqrt(2 / np.pi) * maker["floor_deviations"](town, 24, weather_known=False)[last].mean()
    assert 1.1 * floor < error < 0.75 * min(naive)


def test_the_last_tenth_is_not_another_regime(load: Floats, temperature: Floats) -> None:
    last = len(load) // 10
    year = 364 * 24  # The same days of the week.
    assert load[-last:].mean() / load[-last - year : -year].mean() == pytest.approx(1, abs=0.05)
    assert abs(temperature[-last:].mean() - temperature[-last - year : -year].mean()) < 3


def test_explaining_prints_the_floor_and_writes_nothing(
    maker: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (DATA / "energy.csv").stat().st_mtime_ns
    maker["explain"](maker["generate"](maker["SEED"]))
    printed = capsys.readouterr().out
    assert f"{100 * maker['noise_floor'](1):.2f}" in printed
    assert "168 hours before" in printed
    assert (DATA / "energy.csv").stat().st_mtime_ns == before


def test_passengers_are_the_numbers_of_the_textbook(passengers: dict[str, int]) -> None:
    assert list(passengers) == [f"{year}-{month:02d}-01" for year in range(1949, 1961) for month in range(1, 13)]
    assert passengers["1949-01-01"] == 112
    assert passengers["1960-12-01"] == 432
    assert max(passengers, key=passengers.__getitem__) == "1960-07-01"
    assert passengers["1960-07-01"] == 622
    assert min(passengers.values()) == passengers["1949-11-01"] == 104
    # A yearly total and a monthly total for each would catch any single wrong value.
    table = np.array(list(passengers.values())).reshape(12, 12)
    by_year = [1520, 1676, 2042, 2364, 2700, 2867, 3408, 3939, 4421, 4572, 5140, 5714]
    by_month = [2901, 2820, 3242, 3205, 3262, 3740, 4216, 4213, 3629, 3199, 2794, 3142]
    assert table.sum(axis=1).tolist() == by_year
    assert table.sum(axis=0).tolist() == by_month
    assert table.sum() == 40_363


def test_the_simplest_forecasts_of_the_passengers_err_as_documented(passengers: dict[str, int]) -> None:
    series = np.array(list(passengers.values()))
    last = np.arange(len(series) - 24, len(series))
    assert np.abs(series[last] - series[last - 1]).mean() == pytest.approx(44.2, abs=0.05)
    assert np.abs(series[last] - series[last - 12]).mean() == pytest.approx(47.6, abs=0.05)


def test_passengers_fly_in_summer_and_ever_more(passengers: dict[str, int]) -> None:
    table = np.array(list(passengers.values())).reshape(12, 12)
    assert set(table.argmax(axis=1)) <= {6, 7}  # July or August,
    assert set(table.argmin(axis=1)) <= {0, 1, 10}  # and November or the first two months.
    assert (np.diff(table.sum(axis=1)) > 0).all()
    # The swing of the year grows with the level.
    swing = np.ptp(table, axis=1)
    assert np.corrcoef(swing, table.mean(axis=1))[0, 1] > 0.95
