"""Features of dates, two columns each: sine and cosine of a phase, or two marks of special days."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.timesteps import DAY, MONTHS, Step, Times
from lstmctl.errors import DataError


def calendar_features(times: Times, names: Sequence[str], step: Step) -> NDArray[np.float64]:
    """Return (rows, 2 · names) the two columns of each feature, in the order of `names`.

    Raises:
        DataError: the rows are numbered, not dated, or a feature does not suit their step.
    """
    if names and step.is_index:
        raise DataError(
            f"data.calendar {', '.join(names)} needs dates, but the rows are numbered",
            hint="leave data.calendar out, or name a column of dates: data.time=NAME",
        )
    if "holiday" in names and not step.holidays:
        raise DataError(
            "data.calendar holiday needs holidays",
            hint="name them: data.holidays=FILE, or a country such as data.holidays=US",
        )
    if step.unit in (*MONTHS, "weeks") and (wrong := [name for name in names if name in MARKS]):
        raise DataError(
            f"data.calendar {', '.join(wrong)} marks single days, but the step is {step}",
            hint="leave it out of data.calendar; a column of your own can count such days: data.known=[NAME]",
        )
    times = step.local(times) if names else times
    features = np.empty((len(times), 2 * len(names)))
    for index, name in enumerate(names):
        if name in MARKS:
            features[:, 2 * index : 2 * index + 2] = MARKS[name][0](times, step)
            continue
        angle = 2 * np.pi * PHASES[name](times)
        features[:, 2 * index] = np.sin(angle)
        features[:, 2 * index + 1] = np.cos(angle)
    return features


def feature_names(calendar: Sequence[str]) -> list[str]:
    """Return a name for each column of `calendar_features`."""
    return [
        f"{name}, {side}" for name in calendar for side in (MARKS[name][1] if name in MARKS else ("sine", "cosine"))
    ]


def _hour(times: Times) -> NDArray[np.float64]:
    return times % DAY / DAY


def _weekday(times: Times) -> NDArray[np.float64]:
    return (times // DAY + 3) % 7 / 7  # from Monday; 1970-01-01 was a Thursday


def _day_of_month(times: Times) -> NDArray[np.float64]:
    return _part_of(times, "datetime64[M]")


def _month(times: Times) -> NDArray[np.float64]:
    return times.view("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 / 12


def _day_of_year(times: Times) -> NDArray[np.float64]:
    return _part_of(times, "datetime64[Y]")


def _quarter(times: Times) -> NDArray[np.float64]:
    days = times.view("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first = months - months.astype(np.int64) % 3
    start, end = first.astype("datetime64[D]"), (first + 3).astype("datetime64[D]")
    return np.asarray((days - start).astype(np.int64) / (end - start).astype(np.int64))


def _month_ends(times: Times, step: Step) -> NDArray[np.float64]:
    """Return two columns: 1 on the last, and on the first (business) day of a month, by the unit of the step."""
    days = times.view("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    last, first = (months + 1).astype("datetime64[D]") - 1, months.astype("datetime64[D]")
    if step.unit == "business days":
        holidays = np.array(step.holidays, dtype="datetime64[D]")
        last = np.busday_offset(last, 0, roll="backward", holidays=holidays)
        first = np.busday_offset(first, 0, roll="forward", holidays=holidays)
    return np.stack([days == last, days == first], axis=1).astype(np.float64)


def _holidays(times: Times, step: Step) -> NDArray[np.float64]:
    """Return two columns: 1 on a holiday, and on a day before or after one."""
    days, holidays = times // DAY, np.array(step.holidays)
    near = np.isin(days + 1, holidays) | np.isin(days - 1, holidays)
    return np.stack([np.isin(days, holidays), near], axis=1).astype(np.float64)


def _part_of(times: Times, cycle: str) -> NDArray[np.float64]:
    """Return the number of whole days since the cycle began, as a fraction of the cycle."""
    days = times.view("datetime64[us]").astype("datetime64[D]")
    cycles = days.astype(cycle)
    start, end = cycles.astype("datetime64[D]"), (cycles + 1).astype("datetime64[D]")
    return np.asarray((days - start).astype(np.int64) / (end - start).astype(np.int64))


PHASES: dict[str, Callable[[Times], NDArray[np.float64]]] = {
    "hour": _hour,
    "weekday": _weekday,
    "day-of-month": _day_of_month,
    "month": _month,
    "quarter": _quarter,
    "day-of-year": _day_of_year,
}
"""Each feature's phase, from 0 to below 1."""
MARKS: dict[str, tuple[Callable[[Times, Step], NDArray[np.float64]], tuple[str, str]]] = {
    "month-end": (_month_ends, ("last day", "first day")),
    "holiday": (_holidays, ("the day", "the day before or after")),
}
"""Each feature's two columns of marks, with their names."""
