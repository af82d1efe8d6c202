"""Features of dates, each as sine and cosine of its phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.timesteps import DAY, Step, Times
from lstmctl.errors import DataError


def calendar_features(times: Times, names: Sequence[str], step: Step) -> NDArray[np.float64]:
    """Return (rows, 2 · names) sine and cosine of each feature's phase, in the order of `names`.

    Raises:
        DataError: the rows are numbered, not dated.
    """
    if names and step.is_index:
        raise DataError(
            f"data.calendar {', '.join(names)} needs dates, but the rows are numbered",
            hint="leave data.calendar out, or name a column of dates: data.time=NAME",
        )
    features = np.empty((len(times), 2 * len(names)))
    for index, name in enumerate(names):
        angle = 2 * np.pi * PHASES[name](times)
        features[:, 2 * index] = np.sin(angle)
        features[:, 2 * index + 1] = np.cos(angle)
    return features


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


def _part_of(times: Times, cycle: str) -> NDArray[np.float64]:
    """Return whole days since the cycle began, as a share of its days."""
    days = times.view("datetime64[us]").astype("datetime64[D]")
    cycles = days.astype(cycle)
    start, end = cycles.astype("datetime64[D]"), (cycles + 1).astype("datetime64[D]")
    return np.asarray((days - start).astype(np.int64) / (end - start).astype(np.int64))


PHASES: dict[str, Callable[[Times], NDArray[np.float64]]] = {
    "hour": _hour,
    "weekday": _weekday,
    "day-of-month": _day_of_month,
    "month": _month,
    "day-of-year": _day_of_year,
}
"""Each feature's phase, from 0 to below 1."""
