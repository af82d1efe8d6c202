"""Write ``energy.csv``: two years of hourly electricity load and temperature of a town that does not exist.

The load of hour ``t`` is

    load(t) = (calendar(t) + weather(t)) * exp(drift(t) + noise(t))

* ``calendar`` is the daily profile of the kind of day (working day, Saturday, Sunday) times the weekly and the yearly
  season; a public holiday is a Sunday to it.
* ``weather`` is heating below 15 degrees and cooling above 22 degrees of the *smoothed* temperature: walls are slow.
* ``drift`` is steady growth plus a slow random walk.
* ``noise`` is an AR(1) process plus independent noise, both Gaussian. Because they stand in the exponent, the error in
  megawatts grows with the load: 2.7 % of it, one standard deviation, of which 1.5 % cannot be known an hour before.

Nothing else moves the load, so the smallest error that any forecaster can reach is known: see ``noise_floor`` and
``weather_floor``. Run it without arguments to rewrite the file next to it, byte for byte as it is committed; with
``--explain`` it writes nothing and prints these floors beside the errors of the simplest forecasts.
"""

from __future__ import annotations

import datetime
import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

SEED = 1888  # Of twenty that were looked at: the last tenth has ordinary weather and little drift.
START = datetime.datetime(2022, 1, 1)
DAYS = 730
HOURS = 24 * DAYS
HOURS_AHEAD = 7 * 24  # Beyond the last load, of which only the calendar is known.
HOURS_A_YEAR = 365.25 * 24

SCALE = 82.0  # Megawatts that a profile of 1 stands for.
# Height of the morning, noon and evening peak, as shares of SCALE; see daily_profile.
PEAKS: dict[str, tuple[float, float, float]] = {
    "working day": (0.22, 0.28, 0.33),
    "Saturday": (0.04, 0.31, 0.29),
    "Sunday": (0.00, 0.24, 0.28),
}
PEAK_HOURS = (8.2, 12.0, 19.0)
PEAK_SHARPNESS = (6.0, 2.5, 4.5)
NIGHT = 0.62  # The load that never sleeps, as a share of SCALE.
WEEKDAY_FACTORS = (0.985, 1.0, 1.005, 1.0, 0.98, 0.99, 0.98)  # Monday to Sunday.

# The calendar of the town, as (month, day); Orchard Monday moves, see is_holiday.
FIXED_HOLIDAYS: dict[tuple[int, int], str] = {
    (1, 1): "New Year",
    (3, 7): "Founders' Day",
    (5, 3): "Bridge Day",
    (6, 24): "Midsummer",
    (9, 14): "Harvest Day",
    (11, 2): "Lantern Day",
    (12, 25): "Midwinter",
    (12, 26): "Second Midwinter Day",
}

HEATING_BELOW, HEATING_SLOPE = 15.0, 0.95  # Degrees; megawatts for every degree.
COOLING_ABOVE, COOLING_SLOPE = 22.0, 2.3
LAG_HOURS = 14.0  # Time constant of the smoothed temperature.

ANOMALY_HOURS = 60.0  # Correlation time of the weather: two and a half days.
ANOMALY_DEVIATION = 3.4  # Degrees, of the AR(1) process as a whole.

GROWTH_A_YEAR = 0.015
WALK_STEP = 0.0002  # All four of the logarithm of the load, for every hour.
NOISE_MEMORY = 0.92
NOISE_STEP = 0.010
INDEPENDENT_NOISE = 0.009


@dataclass(frozen=True)
class Town:
    """The series of the file and what they were made of, one value for each hour."""

    load: Floats
    temperature: Floats
    holiday: Booleans
    expected: Floats  # The load without noise.
    smoothed: Floats  # The temperature that the walls feel.


def is_holiday(date: datetime.date) -> bool:
    """Tell whether a day is a public holiday: a fixed date, or Orchard Monday, the third Monday in April."""
    orchard_monday = date.month == 4 and date.weekday() == 0 and 15 <= date.day <= 21
    return orchard_monday or (date.month, date.day) in FIXED_HOLIDAYS


def midwinter_wave(hours: Floats, coldest_day: float) -> Floats:
    """Return ``cos(2 pi (t / 24 - coldest_day) / 365.25)``: 1 in the depth of winter, -1 in high summer."""
    return np.cos(2 * np.pi * (hours - 24 * coldest_day) / HOURS_A_YEAR)


def bump(hours_from_peak: Floats, sharpness: float) -> Floats:
    """Return ``exp(sharpness (cos(2 pi x / 24) - 1))``: 1 at the peak, and no seam at midnight."""
    return np.exp(sharpness * (np.cos(2 * np.pi * hours_from_peak / 24) - 1))


def daily_profile(hours: Floats, kind: str) -> Floats:
    """Return ``night + sum over morning, noon and evening of height * bump(h - peak, sharpness)`` for a kind of day.

    Dark evenings begin early: the evening peak comes an hour earlier in midwinter than in spring and autumn and is 15 %
    higher, and the opposite in summer.
    """
    wave = midwinter_wave(hours, coldest_day=-10.0)  # The shortest day, not the coldest.
    morning, noon, evening = PEAKS[kind]
    return (
        NIGHT
        + morning * bump(hours - PEAK_HOURS[0], PEAK_SHARPNESS[0])
        + noon * bump(hours - PEAK_HOURS[1], PEAK_SHARPNESS[1])
        + evening * (1 + 0.15 * wave) * bump(hours - PEAK_HOURS[2] + wave, PEAK_SHARPNESS[2])
    )


def yearly_season(hours: Floats) -> Floats:
    """Return ``1 + 0.03 cos(2 pi (d - 10) / 365.25) - 0.06 exp(-((y - 218) / 9)^2 / 2)``, ``y`` the day of the year.

    The second term is the fortnight in August when half of the town is away.
    """
    day_of_year = hours / 24 % 365  # Neither of the two years is a leap year.
    leave = np.exp(-(((day_of_year - 218) / 9) ** 2) / 2)
    return 1 + 0.03 * midwinter_wave(hours, coldest_day=10.0) - 0.06 * leave


def calendar_load(hours: Floats, weekday: npt.NDArray[np.int64], holiday: Booleans) -> Floats:
    """Return ``scale * daily_profile * weekday factor * yearly_season``, a holiday counting as a Sunday."""
    kind_of_day = np.where(holiday, 6, weekday)
    profile = np.select(
        [kind_of_day == 6, kind_of_day == 5],
        [daily_profile(hours, "Sunday"), daily_profile(hours, "Saturday")],
        daily_profile(hours, "working day"),
    )
    factor: Floats = np.asarray(WEEKDAY_FACTORS)[kind_of_day]
    return SCALE * profile * factor * yearly_season(hours)


def climate(hours: Floats) -> Floats:
    """Return ``10.5 - 10 w + (3.2 - 1.4 w) cos(2 pi (h - 15) / 24)``, ``w`` the wave whose coldest day is 20 January.

    So a day is warmest at three in the afternoon, and days and nights differ most in summer.
    """
    wave = midwinter_wave(hours, coldest_day=19.0)
    return 10.5 - 10 * wave + (3.2 - 1.4 * wave) * np.cos(2 * np.pi * (hours - 15) / 24)


def autoregression(innovations: Floats, memory: float) -> Floats:
    """Return ``x(t) = memory * x(t - 1) + innovation(t)``, the first value as spread as all the others."""
    series = np.empty_like(innovations)
    state = innovations[0] / np.sqrt(1 - memory**2)
    series[0] = state
    for step in range(1, len(innovations)):
        state = memory * state + innovations[step]
        series[step] = state
    return series


def smoothed_temperature(temperature: Floats) -> Floats:
    """Return ``s(t) = s(t - 1) + (1 - exp(-1 / lag)) (temperature(t) - s(t - 1))``."""
    keep = np.exp(-1 / LAG_HOURS)
    smoothed = np.empty_like(temperature)
    state = temperature[:24].mean()
    for step, value in enumerate(temperature):
        state = keep * state + (1 - keep) * value
        smoothed[step] = state
    return smoothed


def weather_load(smoothed: Floats) -> Floats:
    """Return ``0.95 max(0, 15 - s) + 2.3 max(0, s - 22)`` megawatts, ``s`` the smoothed temperature."""
    heating = HEATING_SLOPE * np.maximum(0, HEATING_BELOW - smoothed)
    return heating + COOLING_SLOPE * np.maximum(0, smoothed - COOLING_ABOVE)


def generate(seed: int) -> Town:
    """Return the town of a seed; the order of the draws is part of the file."""
    generator = np.random.Generator(np.random.PCG64(seed))
    hours = np.arange(HOURS, dtype=np.float64)
    dates = [(START + datetime.timedelta(days=day)).date() for day in range(DAYS)]
    weekday = np.repeat(np.array([date.weekday() for date in dates], dtype=np.int64), 24)
    holiday = np.repeat(np.array([is_holiday(date) for date in dates]), 24)

    anomaly_memory = np.exp(-1 / ANOMALY_HOURS)
    anomaly_step = ANOMALY_DEVIATION * np.sqrt(1 - anomaly_memory**2)
    anomaly = autoregression(anomaly_step * generator.standard_normal(HOURS), anomaly_memory)
    temperature = climate(hours) + anomaly
    smoothed = smoothed_temperature(temperature)

    walk = np.cumsum(WALK_STEP * generator.standard_normal(HOURS))
    drift = GROWTH_A_YEAR * hours / HOURS_A_YEAR + walk
    noise = autoregression(NOISE_STEP * generator.standard_normal(HOURS), NOISE_MEMORY)
    noise += INDEPENDENT_NOISE * generator.standard_normal(HOURS)

    expected = (calendar_load(hours, weekday, holiday) + weather_load(smoothed)) * np.exp(drift)
    return Town(expected * np.exp(noise), temperature, holiday, expected, smoothed)


@functools.cache
def spread_one_hour_ahead() -> tuple[Floats, Floats]:
    """Return what a Kalman filter that has watched the load for long does not know of (walk, AR(1)) an hour ahead.

    The first value is the covariance of its prediction, the fixed point of the Riccati equation; the second is the
    transition of that state. The drift and the noise of the log load are the sum of both, plus independent noise.
    """
    transition = np.diag([1.0, NOISE_MEMORY])
    steps = np.diag([WALK_STEP**2, NOISE_STEP**2])
    spread = steps
    for _ in range(5_000):  # The walk is followed slowly, over some six hundred hours.
        gain = spread.sum(axis=1) / (spread.sum() + INDEPENDENT_NOISE**2)
        spread = transition @ (spread - np.outer(gain, spread.sum(axis=0))) @ transition + steps
    return spread, transition


def noise_floor(horizon: int = 1) -> float:
    """Return the standard deviation of the innovation of the log load, ``horizon`` hours ahead.

    This is the error, as a share of the load, of somebody who knows every formula and figure of this file, all loads
    up to now and also the temperatures to come, but not the drift and the noise. These two follow a linear Gaussian
    model, so the Kalman filter is the best forecaster, and its variance does not depend on the data.
    """
    spread, transition = spread_one_hour_ahead()
    for _ in range(horizon - 1):
        spread = transition @ spread @ transition + np.diag([WALK_STEP**2, NOISE_STEP**2])
    return float(np.sqrt(spread.sum() + INDEPENDENT_NOISE**2))


def weather_floor(horizon: int) -> float:
    """Return the standard deviation, in degrees, of the best forecast of the smoothed temperature.

    Nobody knows the weather to come: innovation ``j`` of the AR(1) process, with memory ``m``, reaches the smoothed
    temperature of hour ``n``, which keeps ``k`` of itself, with the weight ``sum over i = j..n of
    (1 - k) k^(n - i) m^(i - j)``; the variances of the ``n`` innovations add.
    """
    memory, keep = np.exp(-1 / ANOMALY_HOURS), np.exp(-1 / LAG_HOURS)
    weights = [
        sum((1 - keep) * keep ** (horizon - i) * memory ** (i - j) for i in range(j, horizon + 1))
        for j in range(1, horizon + 1)
    ]
    step = ANOMALY_DEVIATION * np.sqrt(1 - memory**2)
    return float(step * np.sqrt(np.sum(np.square(weights))))


def floor_deviations(town: Town, horizon: int, weather_known: bool) -> Floats:
    """Return for each hour the standard deviation in megawatts of the best forecast made ``horizon`` hours before.

    Without the weather to come, its error counts with the slope of the load at that hour's smoothed temperature.
    """
    deviations = noise_floor(horizon) * town.expected
    if weather_known:
        return deviations
    slope = np.where(town.smoothed < HEATING_BELOW, HEATING_SLOPE, 0.0)
    slope = np.where(town.smoothed > COOLING_ABOVE, COOLING_SLOPE, slope)
    return np.hypot(deviations, slope * weather_floor(horizon))


def least_squares_error(town: Town) -> float:
    """Return the mean absolute error of a linear model 24 hours ahead, over the last tenth, fitted to all before it.

    The logarithm of the load is explained by itself 24 and 168 hours before, by the heating and the cooling that the
    smoothed temperature of 24 hours before asks for, and by a constant for every hour of every kind of day, now and
    24 and 168 hours before. The temperatures to come stay unknown.
    """
    logarithm, temperature = np.log(town.load.round(2)), town.temperature.round(1)
    targets = np.arange(168, HOURS)
    hours = np.arange(HOURS)
    weekday = (hours // 24 + START.weekday()) % 7
    kind_of_day = np.select([town.holiday | (weekday == 6), weekday == 5], [2, 1], 0)
    group = 24 * kind_of_day + hours % 24
    smoothed = smoothed_temperature(temperature)[targets - 24]
    columns = [logarithm[targets - 24], logarithm[targets - 168]]
    columns += [np.maximum(0, HEATING_BELOW - smoothed), np.maximum(0, smoothed - COOLING_ABOVE)]
    table = np.concatenate([np.stack(columns, axis=1)] + [np.eye(72)[group[targets - lag]] for lag in (0, 24, 168)], 1)
    last = targets >= HOURS - HOURS // 10
    weights = np.linalg.lstsq(table[~last], logarithm[targets][~last], rcond=None)[0]
    return float(np.abs(np.exp(table[last] @ weights) - np.exp(logarithm[targets][last])).mean())


def explain(town: Town) -> None:
    """Print the floors and the errors of the simplest forecasts, each over the last tenth of the hours."""
    last = slice(HOURS - HOURS // 10, HOURS)
    print("hours ahead  floor, % of the load  MAE of the floor, MW  ... when the weather is unknown")
    for horizon in (1, 6, 24):
        errors = [np.sqrt(2 / np.pi) * floor_deviations(town, horizon, known)[last].mean() for known in (True, False)]
        print(f"{horizon:11d}  {100 * noise_floor(horizon):20.2f}  {errors[0]:20.2f}  {errors[1]:27.2f}")
    print(f"standard deviation of the innovation one hour ahead: {noise_floor() * town.expected[last].mean():.2f} MW")
    floors = [
        np.mean([np.sqrt(2 / np.pi) * floor_deviations(town, ahead, known)[last].mean() for ahead in range(1, 25)])
        for known in (True, False)
    ]
    print(f"MAE of the floor, mean of 1 to 24 hours ahead: {floors[0]:.2f} MW, weather unknown {floors[1]:.2f} MW")
    load = town.load.round(2)
    targets = np.arange(HOURS)[last]
    last_value = np.mean([np.abs(load[targets] - load[targets - ahead]).mean() for ahead in range(1, 25)])
    one_hour = np.abs(load[targets] - load[targets - 1]).mean()
    print(f"MAE of the last value, one hour ahead: {one_hour:.2f} MW, mean of 1 to 24 hours ahead: {last_value:.2f} MW")
    for period in (24, 168):
        error = np.abs(load[targets] - load[targets - period]).mean()
        print(f"MAE of the value {period} hours before: {error:.2f} MW")
    print(f"MAE of least squares, 24 hours ahead, weather unknown: {least_squares_error(town):.2f} MW")


def write(folder: Path) -> None:
    """Write the table: the two years, and the calendar of the week after them with load and temperature left empty."""
    town = generate(SEED)
    rows = ["date,load,temperature,holiday"]
    for hour in range(HOURS):
        date = START + datetime.timedelta(hours=hour)
        temperature = round(float(town.temperature[hour]), 1) + 0.0  # Never "-0.0".
        rows.append(f"{date:%Y-%m-%d %H:%M:%S},{town.load[hour]:.2f},{temperature:.1f},{int(town.holiday[hour])}")
    for hour in range(HOURS, HOURS + HOURS_AHEAD):
        date = START + datetime.timedelta(hours=hour)
        rows.append(f"{date:%Y-%m-%d %H:%M:%S},,,{int(is_holiday(date.date()))}")
    folder.joinpath("energy.csv").write_bytes(("\n".join(rows) + "\n").encode("ascii"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--explain"]:
        explain(generate(SEED))
    elif sys.argv[1:]:
        sys.exit("usage: make_energy.py [--explain]")
    else:
        write(Path(__file__).resolve().parent)
