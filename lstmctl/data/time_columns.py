"""The columns of a table that hold its rows' times: found, combined, and read.

Usually there is one. A date may also be spread over several, such as year, month and day; their names are joined by
`+`: `year+month+day`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.dates import formats_of, read_dates, read_more_dates
from lstmctl.data.local_time import is_named
from lstmctl.data.number_format import MISSING
from lstmctl.data.numbered_dates import DIGITS, EXCEL, EXCEL_1904, SPREADSHEETS, WORDS, numbered_format
from lstmctl.data.sheets import Form, Sheet, Wanted, kinds_of
from lstmctl.data.table_writing import DateForm
from lstmctl.data.timesteps import Step, Times, date_text
from lstmctl.data.zones import asks_for_zone, has_zone
from lstmctl.errors import DataError
from lstmctl.shell import setting
from lstmctl.words import listed

TIME_NAMES = (
    *("date", "ds", "time", "timestamp", "datetime", "date_time", "day", "week", "month", "quarter", "year", "period"),
    *("hour", "minute", "index", "step", "t", "epoch", "unix", "unix_time", "unixtime"),
)
_ROLES = {
    "year": ("year", "yyyy", "yr"),
    "quarter": ("quarter", "qtr"),
    "month": ("month", "mm", "mon", "mo"),
    "week": ("week", "wk", "kw", "iso_week", "isoweek", "week_of_year", "weekofyear"),
    "day": ("day", "dd", "day_of_month", "dom"),
    "hour": ("hour", "hh", "hr"),
    "minute": ("minute", "min"),
    "second": ("second", "sec"),
}
"""Parts of a date, with the names of columns that hold them."""
_CLOCKS = ("time", "hour", "hh", "hr", "clock")
"""Names of columns of the time of day, next to a column of days."""
_TRIED = 200
"""Rows to recognise a column of clocks or years by."""


def parts_of(time: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of times: one, or several joined by `+`."""
    return (time,) if time in names else tuple(time.split("+"))


def find_time(sheet: Sheet, free: list[str], date_format: str | None) -> str:
    """Return the column of times: one with a usual name and dates, else the only one with dates, else whole numbers.

    `free` are the columns without another use.

    Raises:
        DataError: none was recognised, or several are possible.
    """
    kinds = kinds_of(sheet, free)
    by_name = [name for name in free if name.casefold() in TIME_NAMES]
    dates = [name for name in by_name if kinds[name] == "date"]
    dates = dates or [name for name in free if kinds[name] == "date"]
    if len(dates) == 1 and (clock := _clock_beside(sheet, free, kinds, dates[0])):
        return f"{dates[0]}+{clock}"
    if not dates and date_format is None and (spread := _spread(sheet, free, kinds)):
        return "+".join(spread)
    whole = [name for name in by_name if kinds[name] == "whole" or _is_numbered(sheet, name, kinds[name])]
    candidates = dates or whole
    if date_format is not None and by_name and not dates:  # an unusual format, so only the name helps
        candidates = by_name
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        shown = " and ".join(f"`{name}`" for name in candidates[:3])
        raise DataError(
            f"{sheet.path}: columns {shown} could each contain the rows' times",
            hint=f"say which: {setting('data.time', candidates[0])}; or, for one date in several columns, "
            "their names in order: data.time=year+month+day",
        )
    odd = [name for name in by_name if kinds[name] == "text"]
    raise DataError(
        f"{sheet.path}: no column of dates was recognised among {listed(free)}",
        hint=f'say how `{odd[0]}` is written: data.date_format="%d.%m.%Y %H:%M"; quarters are read as 2019Q1, and ISO '
        "weeks as 2019-W07"
        if odd
        else "name the column of dates or whole numbers: data.time=NAME",
    )


def read_times(
    sheet: Sheet, time: str, wanted: Wanted, series: NDArray[np.int64], form: Form | None
) -> tuple[Times, DateForm | None]:
    """Return each row's time, and the format of dates; None for whole numbers.

    Args:
        sheet: at least one row.
        time: the column, or several joined by `+`.
        wanted: what a config or a run says about it.
        series: (rows,) the number of each row's series.
        form: how earlier rows were read; by default these determine it.

    Raises:
        DataError: a row has no time, or one that does not fit.
    """
    texts = _texts(sheet, time)
    if form is not None:
        if form.writing.dates is None:
            return _whole_numbers(sheet, time, texts), None
        return read_more_dates(texts, sheet.place, time, form.writing.dates), form.writing.dates
    date_format = wanted.date_format
    parts = parts_of(time, sheet.names)
    if date_format is None and len(parts) == 1 and sheet.kind(sheet.names.index(time)) in ("whole", "number"):
        date_format = _plain_format(sheet, time, texts, wanted)
        if date_format is None:
            return _whole_numbers(sheet, time, texts), None

    own = np.bincount(series).argmax()

    def regularity(times: Times) -> tuple[float, bool]:
        rows = times[series == own]
        return missing_between(np.unique(rows), wanted.step), bool(np.all(rows[1:] >= rows[:-1]))

    # `time_grid.by_the_clock_of` converts times by the clock of a place once all rows are read.
    has_offset = has_zone(str(texts[0])) or (date_format is not None and asks_for_zone(date_format))
    is_place = is_named(wanted.zone) and (has_offset or date_format in {*WORDS} - {*SPREADSHEETS})
    times, dates = read_dates(
        texts,
        sheet.place,
        time,
        regularity,
        date_format=date_format,
        zone="Z" if wanted.zone == "UTC" or is_place else None if is_named(wanted.zone) else wanted.zone,
        form=None if wanted.writing is None else wanted.writing.dates,
        is_run=wanted.is_run,
    )
    if wanted.date_format is None and not wanted.is_run:
        read_as = _read_as(int(times[0]), dates, is_spread=len(parts) > 1)
        if read_as is not None:
            what, otherwise = read_as
            shown = f"{date_text(int(times[0]))}{dates.zone}"
            sheet.notes.append(f"`{time}` is read as {what}: {texts[0]} is {shown}; {otherwise}")
    return times, dates


def _read_as(first: int, dates: DateForm, *, is_spread: bool) -> tuple[str, str] | None:
    """Return what ambiguous dates are read as, and how to have them read differently; None for other dates. `first` is
    the first time, `is_spread` whether they come from several columns."""
    if dates.format == EXCEL:
        other = date_text(first - SPREADSHEETS[EXCEL] + SPREADSHEETS[EXCEL_1904])
        return "days of a spreadsheet", (
            f"data.date_format={EXCEL_1904} reads a workbook that counts from 1904, where it is {other}; "
            'data.step="1 row" would take the rows as they come'
        )
    if dates.format in WORDS:
        return f"{dates.format} since 1970", 'data.step="1 row" would take the rows as they come'
    if is_spread and dates.format == "%G-W%V":
        return "ISO weeks", "if weeks are counted otherwise, write the first day of each"
    return None


def missing_between(times: Times, step: Step | None) -> float:
    """Count the times missing from a grid; infinite if some times are not on it. `times` (rows,) are unique and
    ascending; a `step` of None is inferred."""
    if len(times) < 2:
        return np.inf
    if step is None or step.is_index:
        step = Step.infer(times, is_index=False)
    day = step.day_of(times)
    if step.fits(times, day):
        return 0
    first, last = int(times[0]), int(times[-1])
    if step.count_between(first, last) > 3 * len(times) + 10:
        return np.inf
    grid = step.expected(first, last, day)
    return len(grid) - len(times) if np.isin(times, grid).all() else np.inf


def _plain_format(sheet: Sheet, time: str, texts: pl.Series, wanted: Wanted) -> str | None:
    """Return the format of times that are plain numbers; None for whole numbers that are not dates."""
    writing = wanted.writing
    if writing is not None and (writing.dates is None or writing.dates.format in (*WORDS, *DIGITS.values())):
        return None if writing.dates is None else writing.dates.format
    found = numbered_format(texts, time)
    # Older runs took other forms for whole numbers, and still do.
    known = not wanted.is_run or writing is not None or found == DIGITS[8]
    return found if known else None


def _texts(sheet: Sheet, time: str) -> pl.Series:
    """Return the times as texts; several columns are combined, as in `2024-1-31 5:00`."""
    parts = parts_of(time, sheet.names)
    columns = [sheet.texts(sheet.names.index(part)) for part in parts]
    for part, texts in zip(parts, columns, strict=True):
        empty = (texts.str.to_lowercase().is_in(list(MISSING))).arg_true()
        if len(empty):
            raise DataError(
                f"{sheet.place(int(empty[0]))}, column `{part}`: no time", hint="write it, or delete the row"
            )
    return columns[0] if len(columns) == 1 else _together(parts, columns)


def _together(parts: Sequence[str], columns: list[pl.Series]) -> pl.Series:
    """Combine columns, in the order of `parts`, to one text per row."""
    if formats_of(str(columns[0][0])):  # a day, and the time of day
        day, *clock = columns
        return _with_clock(day, clock)
    whole = [texts.str.replace(r"^(\d+)[.,]0*$", "$1") for texts in columns]
    roles = [_role(part) for part in parts]
    if roles[:2] == ["year", "week"]:
        return whole[0] + "-W" + whole[1].str.replace("^[Ww]", "").str.zfill(2)
    if roles[:2] == ["year", "quarter"]:
        return whole[0] + "-Q" + whole[1].str.replace("^[Qq]", "")
    date = whole[0]
    for texts in whole[1:3]:
        date = date + "-" + texts
    return _with_clock(date, whole[3:])


def _with_clock(day: pl.Series, clock: list[pl.Series]) -> pl.Series:
    """Append the time of day: one text, or hour, minute and second."""
    if not clock:
        return day
    hour, *rest = clock
    text = day + " " + hour
    if not rest:
        return text + pl.select(pl.when(hour.str.contains(":")).then(pl.lit("")).otherwise(pl.lit(":00"))).to_series()
    for texts in rest:
        text = text + ":" + texts.str.zfill(2)
    return text


def _role(name: str) -> str | None:
    return next((role for role, names in _ROLES.items() if name.casefold() in names), None)


def _spread(sheet: Sheet, free: list[str], kinds: dict[str, str]) -> list[str]:
    """Return the columns of year, month and so on that make a date together; none if they do not."""
    found: dict[str, str] = {}
    for name in free:
        if (role := _role(name)) is not None and kinds[name] in ("whole", "number", "text"):
            found.setdefault(role, name)
    if "day" not in found and "week" in found and _counts_weeks(sheet, found["week"]):
        found.pop("month", None)
    else:
        found.pop("week", None)
    coarse = next((role for role in ("month", "week", "quarter") if role in found), None)
    if "year" not in found or coarse is None:
        return []
    years = sheet.texts(sheet.names.index(found["year"])).head(_TRIED)
    if not years.str.contains(r"^(1[5-9]|2[0-2])\d{2}([.,]0*)?$").all():
        return []
    if coarse != "month":
        return [found["year"], found[coarse]]
    order = ["year", "month", "day", "hour", "minute", "second"]
    count = next((number for number, role in enumerate(order) if role not in found), len(order))
    return [found[role] for role in order[:count]]


def _counts_weeks(sheet: Sheet, name: str) -> bool:
    """Return whether a column counts the weeks of a year, rather than of a month."""
    weeks = sheet.texts(sheet.names.index(name)).head(_TRIED).str.replace("^[Ww]", "").str.replace("[.,]0*$", "")
    numbers = weeks.cast(pl.Int64, strict=False)
    return not numbers.has_nulls() and bool(numbers.is_between(0, 53).all()) and bool((numbers > 5).any())


def _clock_beside(sheet: Sheet, free: list[str], kinds: dict[str, str], date: str) -> str | None:
    """Return the column of the time of day for a column of days that occur several times."""
    named = [name for name in free if name.casefold() in _CLOCKS and name != date]
    if len(named) != 1 or sheet.rows < 2:
        return None
    days, clock = (sheet.texts(sheet.names.index(name)).head(_TRIED) for name in (date, named[0]))
    if days.str.contains(":", literal=True).any():
        return None
    if kinds[named[0]] == "whole":
        hours = clock.cast(pl.Int64, strict=False)
        goes_on = (days[1:] == days[:-1]) & (hours[1:] != hours[:-1])
        return named[0] if goes_on.any() and hours.is_between(0, 24).all() else None
    return named[0] if clock.str.contains(r"^\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s?[AaPp][Mm])?$").all() else None


def _is_numbered(sheet: Sheet, name: str, kind: str) -> bool:
    """Return whether a column of fractions holds dates, such as 44927.5."""
    return kind == "number" and numbered_format(sheet.texts(sheet.names.index(name)), name) is not None


def _whole_numbers(sheet: Sheet, name: str, texts: pl.Series) -> Times:
    numbers = texts.cast(pl.Int64, strict=False)
    # Their differences must fit into 64 bits too.
    bad = (numbers.is_null() | (numbers.abs() > 2**61)).fill_null(True).arg_true()
    if len(bad):
        row = int(bad[0])
        text = str(texts[row])[:40]
        raise DataError(
            f"{sheet.place(row)}, column `{name}`: `{text}` is not a whole number, unlike the first rows",
            hint="correct the row, or name another column: data.time=NAME",
        )
    return numbers.to_numpy().astype(np.int64)
