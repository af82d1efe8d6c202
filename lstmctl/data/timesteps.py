"""The time between two rows: parsed, inferred, and extrapolated beyond the last row.

Times are whole microseconds since 1970-01-01 by the table's own clock, or whole numbers if the step counts rows.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.local_time import offset_at, offset_text, to_local
from lstmctl.errors import DataError
from lstmctl.step_grammar import EXAMPLES, read_step

Times = NDArray[np.int64]

DAY = 86_400_000_000  # microseconds
CHUNK = 1 << 18
"""Rows of a long table, or windows of it, to process at once."""
SPANS = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": DAY,
    "weeks": 7 * DAY,
}
"""Units of constant duration, in microseconds."""
MONTHS = {"months": 1, "month ends": 1, "business month ends": 1, "years": 12}
"""Units of the calendar, in months."""
LAST = 31
"""The day of rows that fall on the last day of every month."""


@dataclass(frozen=True)
class Step:
    """A number of units, such as 15 minutes; `month ends` are the last days of months, from the 28th to the 31st."""

    count: int
    unit: str
    holidays: tuple[int, ...] = ()
    """Days since 1970-01-01 that are not business days."""
    zone: str = ""
    """The place by whose clock times are shown, such as Europe/Vienna, if they are in UTC; otherwise empty."""

    @classmethod
    def parse(cls, text: str) -> Step:
        """Parse a step of a config; without a number it is one.

        Raises:
            DataError: it is not a step.
        """
        found = read_step(text)
        if found is None:
            raise DataError(
                f"data.step `{text}` is not a time between rows", hint=f"write one such as {EXAMPLES}, or auto"
            )
        return cls(*found)

    @classmethod
    def infer(cls, times: Times, is_index: bool) -> Step:
        """Return the most common distance between neighbours of times (rows,): at least two, unique and ascending."""
        steps, counts = _distances(times)
        span = int(steps[np.argmax(counts)])
        if is_index:
            return cls(span, "rows")
        if steps[0] >= 28 * DAY and (by_month := cls._by_month(times)) is not None:
            return by_month
        if span == DAY and times[-1] - times[0] >= 7 * DAY and not np.any(_weekday(times) >= 5):
            return cls(1, "business days")
        unit = next(unit for unit in reversed(SPANS) if span % SPANS[unit] == 0)
        return cls(span // SPANS[unit], unit)

    @classmethod
    def _by_month(cls, times: Times) -> Step | None:
        """Return the most common number of months, if all times have the same clock time and fall on `usual_day` or on
        the last business day."""
        if len(np.unique(times % DAY)) > 1:
            return None
        steps, counts = np.unique(np.diff(_month(times)), return_counts=True)
        count = int(steps[np.argmax(counts)])
        if not on_day(times, day := usual_day(times)):
            return cls(count, "business month ends") if are_business_month_ends(times) else None
        if count % 12 == 0:
            return cls(count // 12, "years")
        return cls(count, "month ends" if day == LAST else "months")

    def __str__(self) -> str:
        if self.count == 1 and self.unit in ("business days", "month ends", "business month ends"):
            return self.unit
        return f"{self.count} {self.unit.removesuffix('s') if self.count == 1 else self.unit}"

    @property
    def is_index(self) -> bool:
        """True if times are whole numbers, not dates."""
        return self.unit == "rows"

    def day_of(self, times: Times) -> int:
        """Return the day of the month of one series' times (rows,), by `usual_day`; 0 if the step has none."""
        if self.unit in ("month ends", "business month ends"):
            return LAST
        return usual_day(times) if self.unit in MONTHS and len(times) else 0

    def times_after(self, last: int, count: int, day: int = 0) -> Times:
        """Return the (count,) times after `last`.

        Args:
            last: one of the series' times.
            count: number of times.
            day: of the month, as from `day_of`, or the last one in shorter months; by default that of `last`.
        """
        return self._after(last, np.arange(1, count + 1, dtype=np.int64), day)

    def expected(self, first: int, last: int, day: int = 0) -> Times:
        """Return the regular times from `first` up to `last`; `day` as in `times_after`."""
        grid = self._after(first, np.arange(self.count_between(first, last) + 2, dtype=np.int64), day)
        return grid[grid <= last]

    def fits(self, times: Times, day: int = 0) -> bool:
        """Return whether times (rows,) are regular, without gaps."""
        first = int(times[0])
        return all(
            np.array_equal(
                times[start : start + CHUNK],
                self._after(first, np.arange(start, min(start + CHUNK, len(times)), dtype=np.int64), day),
            )
            for start in range(0, len(times), CHUNK)
        )

    def count_between(self, first: int, last: int) -> int:
        """Return an upper bound of the steps between two times, at most one too many."""
        if self.is_index:
            return (last - first) // self.count
        if self.unit == "business days":
            return int((last - first) // DAY * 5 // 7 + 5) // self.count + 1
        if self.unit in MONTHS:
            months = _month(np.array([first, last], dtype=np.int64))
            return int(months[1] - months[0]) // (self.count * MONTHS[self.unit])
        return (last - first) // (self.count * SPANS[self.unit])

    def season(self) -> int:
        """Return the rows after which series of this step usually repeat: a day for steps below a day, a week for days,
        a year for weeks and months; else 1."""
        if self.unit == "business days":
            return 5 if self.count == 1 else 1
        if self.unit in MONTHS:
            return _whole(12, self.count * MONTHS[self.unit])
        if self.unit in ("rows", "weeks"):
            return _whole(52, self.count) if self.unit == "weeks" else 1
        if self.unit == "days":
            return _whole(7, self.count)
        return _whole(DAY, self.count * SPANS[self.unit])

    def text(self, time: int) -> str:
        """Format a time, without the clock at midnights of daily or longer steps, or with the offset from UTC of the
        place; or the number."""
        if self.is_index:
            return str(time)
        if self.zone:
            ahead = offset_at(self.zone, time)
            return date_text(time + ahead) + offset_text(ahead)
        whole_days = self.unit in ("days", "weeks", "business days", *MONTHS)
        return date_text(time, clock=not whole_days or time % DAY != 0)

    def moment(self, time: int) -> datetime.datetime:
        """Return a time as a datetime by the clock of the table.

        Raises:
            TypeError: the rows are numbered, not dated.
        """
        if self.is_index:
            raise TypeError("numbered rows have no date")
        ahead = offset_at(self.zone, time) if self.zone else 0
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=time + ahead)

    def local(self, times: Times) -> Times:
        """Return times (…) by the clock of the table."""
        return to_local(times, self.zone) if self.zone else times

    def _after(self, start: int, steps: Times, own_day: int = 0) -> Times:
        """Return the times a number of steps after `start`; `own_day` as in `times_after`."""
        if self.is_index:
            return np.asarray(start + self.count * steps)
        if self.unit in SPANS:
            return np.asarray(start + self.count * SPANS[self.unit] * steps)
        moment = np.datetime64(start, "us")
        day = moment.astype("datetime64[D]")
        clock = start % DAY
        holidays = np.array(self.holidays, dtype="datetime64[D]")
        if self.unit == "business days":
            days = np.busday_offset(day, self.count * steps, roll="backward", holidays=holidays)
        elif self.unit == "business month ends":
            ends = _month_ends(day.astype("datetime64[M]") + steps * self.count)
            days = np.busday_offset(ends, 0, roll="backward", holidays=holidays)
        else:
            month = day.astype("datetime64[M]") + steps * (self.count * MONTHS[self.unit])
            ends = _month_ends(month)
            place = own_day - 1 if own_day else day - day.astype("datetime64[M]").astype("datetime64[D]")
            kept = month.astype("datetime64[D]") + place
            days = ends if self.unit == "month ends" else np.minimum(kept, ends)
        return np.asarray(days.astype("datetime64[us]").astype(np.int64) + clock)


def _distances(times: Times) -> tuple[Times, Times]:
    """Return the distinct distances between neighbours, ascending, and their counts."""
    neighbours = range(0, max(1, len(times) - 1), CHUNK)
    parts = [np.unique(np.diff(times[start : start + CHUNK + 1]), return_counts=True) for start in neighbours]
    steps, places = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
    counts = np.zeros(len(steps), np.int64)
    np.add.at(counts, places, np.concatenate([part for _, part in parts]))
    return steps, counts


def date_text(time: int, *, clock: bool = True) -> str:
    """Format a time as `2018-06-26 20:00:00`, with a fraction of a second if there is one, or the date alone."""
    whole = str(np.datetime64(time, "us")).replace("T", " ").removesuffix(".000000")
    return whole if clock else whole.split(" ")[0]


def are_month_ends(times: Times) -> bool:
    """Return whether every time falls on the last day of its month."""
    return bool(np.all(_month(times + DAY) != _month(times)))


def are_business_month_ends(times: Times, holidays: tuple[int, ...] = ()) -> bool:
    """Return whether every time falls on the last business day of its month."""
    days = times.view("datetime64[us]").astype("datetime64[D]")
    last = np.busday_offset(
        _month_ends(days.astype("datetime64[M]")),
        0,
        roll="backward",
        holidays=np.array(holidays, dtype="datetime64[D]"),
    )
    return bool(np.all(days == last))


def usual_day(times: Times) -> int:
    """Return the day of the month of times (rows,): `LAST` if several are all month ends.

    A month without that day has its last one instead: 30 January, 29 February, 30 March. So it is the latest of all
    days or, if some do not fit it, the most common one.
    """
    if len(times) > 1 and are_month_ends(times):
        return LAST
    days = _day_of_month(times) + 1
    latest = int(days.max())
    return latest if on_day(times, latest) else int(np.bincount(days).argmax())


def on_day(times: Times, day: int) -> bool:
    """Return whether all times fall on a day of the month, or on the last one in shorter months."""
    days = _day_of_month(times) + 1
    return bool(np.all((days == day) | ((days < day) & (_month(times + DAY) != _month(times)))))


def _month_ends(months: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return the last day of each month."""
    return np.asarray((months + 1).astype("datetime64[D]") - 1)


def _whole(length: int, step: int) -> int:
    return length // step if length % step == 0 else 1


def _weekday(times: Times) -> Times:
    return np.asarray((times // DAY + 3) % 7)  # 1970-01-01 was a Thursday; Monday is 0


def _month(times: Times) -> Times:
    return np.asarray(times.view("datetime64[us]").astype("datetime64[M]").astype(np.int64))


def _day_of_month(times: Times) -> Times:
    days = times.view("datetime64[us]").astype("datetime64[D]")
    return np.asarray((days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64))
