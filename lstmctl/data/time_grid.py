"""Rows in order and on a regular time grid: sorted, unique, with gaps found."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.local_time import is_named, require_known, resolved, to_local
from lstmctl.data.tables import Rows
from lstmctl.data.timesteps import (
    CHUNK,
    DAY,
    MONTHS,
    SPANS,
    Step,
    Times,
    are_business_month_ends,
    are_month_ends,
    date_text,
    on_day,
    usual_day,
)
from lstmctl.data.zones import offset
from lstmctl.errors import DataError
from lstmctl.shell import setting
from lstmctl.words import plural

Indices = NDArray[np.int64]
FILL_HINT = "data.missing=interpolate (or forward-fill) fills them, data.missing=mask leaves them unscored"
MOST_MISSING = 10
"""Missing rows per present one beyond which the step is probably wrong."""


def put_in_order(rows: Rows, order: str, duplicates: str) -> Indices:
    """Sort rows by series and time, in place, with unique times; return (series + 1,) the first row of each series.

    Raises:
        DataError: rows are out of order or duplicated, if that is an error; with both lines.
    """
    # Comparing neighbours takes less memory than their differences.
    if np.any(rows.series[1:] < rows.series[:-1]):
        _take(rows, np.argsort(rows.series, kind="stable"))
    same = rows.series[1:] == rows.series[:-1]
    back = np.flatnonzero(same & (rows.times[1:] < rows.times[:-1]))
    if len(back):
        if order == "error":
            first = int(back[np.argmin(rows.lines[back + 1])])
            raise DataError(
                f"{rows.place(first + 1)}: {rows.whose(first)}{_time(rows, first + 1)} comes after "
                f"{_time(rows, first)} ({rows.unit} {rows.lines[first]})",
                hint=f"data.order=sort sorts the rows{_several(rows)}",
            )
        _take(rows, np.lexsort((rows.lines, rows.times, rows.series)))
        rows.notes.append(f"rows sorted by time: {len(back):,} came after a later one")
        same = rows.series[1:] == rows.series[:-1]
    twice = np.flatnonzero(same & (rows.times[1:] == rows.times[:-1]))
    if len(twice):
        if duplicates == "error":
            first = int(twice[np.argmin(rows.lines[twice + 1])])
            raise DataError(
                f"{rows.place(first + 1)}: {rows.whose(first)}{_time(rows, first)} occurs twice, "
                f"first in {rows.unit} {rows.lines[first]}",
                hint=f"data.duplicates=first (or last, mean) keeps one{_several(rows)}",
            )
        line, time = rows.lines[twice[0] + 1], _time(rows, int(twice[0]))
        rows.notes.append(
            f"{plural(len(twice), 'row')} with a time that occurred before: "
            f"{duplicates} kept, first at {time} ({rows.unit} {line})"
        )
        _merge(rows, twice, duplicates)
    return np.searchsorted(rows.series, np.arange(len(rows.ids) + 1)).astype(np.int64)


def convert(rows: Rows, zone: str | None) -> None:
    """Convert times to another zone, in place; those without a zone are assumed to be in it."""
    writing = rows.form.writing
    if not zone or writing.dates is None or writing.dates.zone == zone:
        return
    if writing.dates.zone:
        rows.times = rows.times + (offset(zone) - offset(writing.dates.zone))
    rows.form = replace(rows.form, writing=replace(writing, dates=replace(writing.dates, zone=zone)))


def by_the_clock_of(rows: Rows, place: str, *, are_days: bool | None = None) -> None:
    """Convert times by the clock of a place to UTC, in place: then no hour is missing in spring, and none occurs twice
    in autumn. Rows are in the order of the file, which distinguishes the repeated hour from the one before.

    Rows at one time of day, as in a table of days, keep the local clock instead: their days have 23 to 25 hours.

    Args:
        rows: with dates; converted from UTC or an offset from it if they have one.
        place: such as Europe/Vienna.
        are_days: whether rows are at one time of day; None to find out.

    Raises:
        DataError: the place is unknown, or its clock never shows a time.
    """
    writing = rows.form.writing
    if rows.is_index or writing.dates is None:
        return
    require_known(place)
    zone = rows.zone
    utc = rows.times - offset(zone) if zone else rows.times
    local = to_local(utc, place) if zone else rows.times
    if are_days is None:
        are_days = bool(np.all(local % DAY == local[0] % DAY))
    if are_days:
        rows.times = local
    elif zone:
        rows.times = utc
    else:
        rows.times, exists = resolved(local, rows.series, place)
        if not exists.all():
            row = int(np.argmin(exists))
            raise DataError(
                f"{rows.place(row)}: {rows.whose(row)}{date_text(int(local[row]))} does not exist in {place}, where "
                f"clocks are set forward then ({plural(int((~exists).sum()), 'such row', 'such rows')})",
                hint="delete the row; or leave data.zone out if the table has 24 hours on every day",
            )
    dates = replace(writing.dates, zone="" if are_days else place)
    rows.form = replace(rows.form, writing=replace(writing, dates=dates))


LAST_WEEK = 53
BUSINESS = ("business days", "business month ends")
"""Units that holidays concern."""


def find_step(
    rows: Rows, bounds: Indices, step: str, holidays: tuple[int, ...] = (), *, are_marked: bool = False
) -> Step:
    """Return the config's step, or the step of the longest series, with the `holidays` that it leaves out, or that
    `are_marked` by a feature of the calendar.

    Raises:
        DataError: it is not a step, does not suit the column of times or the holidays, or there is one row only.
    """
    found = _step_of(rows, bounds, step, holidays)
    if holidays and found.unit not in BUSINESS and not are_marked:
        raise DataError(
            f"{rows.path}: data.holidays concerns business days, but the step is {found}",
            hint='mark them for the network: data.calendar=[holiday]; or data.step="business days"; or leave them out',
        )
    return replace(found, holidays=holidays, zone=rows.zone if is_named(rows.zone) and not found.is_index else "")


def _step_of(rows: Rows, bounds: Indices, step: str, holidays: tuple[int, ...]) -> Step:
    lengths = np.diff(bounds)
    longest = int(np.argmax(lengths))
    times = rows.times[bounds[longest] : bounds[longest + 1]]
    if step == "auto":
        if len(times) < 2:
            what = "each series" if len(rows.ids) > 1 else "the table"
            raise DataError(
                f"{rows.path}: {what} has one row only; a series needs more",
                hint=f"`{rows.columns.id}` is taken to name the series; another column: data.id=NAME"
                if rows.columns.id
                else "a wide table has one row per time and one column per series",
            )
        found = Step.infer(times, rows.is_index)
        if holidays and found.unit not in BUSINESS and are_business_month_ends(times, holidays):
            return Step(1, "business month ends")
        return found
    parsed = Step.parse(step)
    if rows.is_index and not parsed.is_index:
        raise DataError(
            f"{rows.path}: data.step is `{parsed}`, but column `{rows.columns.time}` contains whole numbers, not dates",
            hint='data.step="1 row", or how dates are written: data.date_format="%Y%m%d"',
        )
    if parsed.unit == "months" and are_month_ends(times) and len(times) > 1:
        return Step(parsed.count * MONTHS[parsed.unit], "month ends")
    if parsed.unit == "months" and not on_day(times, usual_day(times)) and are_business_month_ends(times, holidays):
        return Step(parsed.count, "business month ends")
    return parsed


def number_rows(rows: Rows, bounds: Indices, step: Step) -> None:
    """Replace dates, which then determine the order alone, by row numbers from 1 in each series, in place."""
    times = np.empty(len(rows.times), dtype=np.int64)
    for start, stop in itertools.pairwise(bounds):
        times[start:stop] = np.arange(1, stop - start + 1)
    rows.times = times
    rows.times *= step.count
    rows.is_index = True


def days_of_month(rows: Rows, bounds: Indices, step: Step, known: Mapping[str, int]) -> Indices:
    """Return (series,) the day of the month of each series, 0 if the step has none. `known` are days by series from
    earlier rows: a few new rows may not show it, as 28 February may stand for the 30th."""
    days = np.zeros(len(rows.ids), dtype=np.int64)
    if step.unit in MONTHS:
        for series, (start, stop) in enumerate(itertools.pairwise(bounds)):
            times, day = rows.times[start:stop], known.get(rows.ids[series], 0)
            days[series] = day if day and on_day(times, day) else step.day_of(times)
    return days


def insert_missing(rows: Rows, bounds: Indices, step: Step, days: Indices, missing: str) -> Indices:
    """Insert a row for every missing time between a series' first and last, with NaN and without a line, in place.

    `bounds` and the result are (series + 1,) the first row of each series; `days` are those of `days_of_month`.

    Raises:
        DataError: a time is not on the grid, or rows are missing and that is an error.
    """
    _check_holidays(rows, step)
    grids: list[Times] = []
    places: list[Indices | None] = []
    """Position of each row of a series; None if all are in place."""
    gaps = []
    for (start, stop), day in zip(itertools.pairwise(bounds), days.tolist(), strict=True):
        times = rows.times[start:stop]
        if step.fits(times, day):  # nearly always: nothing as long as the series is made then
            grids.append(times)
            places.append(None)
            continue
        first, last = int(times[0]), int(times[-1])
        if step.count_between(first, last) > MOST_MISSING * len(times) + 1000:
            raise DataError(
                f"{rows.path}: {rows.whose(int(start))}{len(times):,} rows from {step.text(first)} to "
                f"{step.text(last)} are few for a step of {step}: most rows would be missing",
                hint=_step_hint(rows),
            )
        grid = step.expected(first, last, day)
        if not len(grid) or grid[0] != first:
            raise DataError(
                f"{rows.place(int(start))}: {rows.whose(int(start))}{_time(rows, int(start))} cannot be one of "
                f"{'the ' if step.unit in (*BUSINESS, 'month ends') else 'the times with a step of '}{step}",
                hint=_step_hint(rows),
            )
        found = np.searchsorted(grid, times)
        off = np.flatnonzero(grid[np.minimum(found, len(grid) - 1)] != times)
        if len(off):
            raise _off_step(rows, int(start + off[0]), step, int(start))
        after = np.flatnonzero(np.diff(found) > 1)
        gaps += [(int(start + row), int(found[row + 1] - found[row] - 1)) for row in after[:1]]
        grids.append(grid)
        places.append(found)
    lengths = np.array([len(grid) for grid in grids], dtype=np.int64)
    count = int(lengths.sum()) - len(rows.times)
    if not count:
        return bounds
    row, size = min(gaps, key=lambda gap: rows.lines[gap[0]])
    where = f"after {step.text(int(rows.times[row]))}"
    if missing == "error":
        raise DataError(
            f"{rows.place(row)}: {rows.whose(row)}{plural(size, 'row is', 'rows are')} missing {where}; "
            f"the next is {step.text(int(rows.times[row + 1]))}, and the step is {step}"
            + (f" ({count:,} missing in all)" if count > size else ""),
            hint=_missing_hint(rows, step, count),
        )
    done = "left unscored" if missing == "mask" else "filled"
    rows.notes.append(
        f"{plural(count, 'missing row')} {done} ({missing}), first {where} ({rows.unit} {rows.lines[row]})"
    )
    new = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    target = np.concatenate(
        [
            start + (np.arange(length) if place is None else place)
            for start, length, place in zip(new[:-1], lengths, places, strict=True)
        ]
    )
    rows.times = np.concatenate(grids)
    rows.series = np.repeat(np.arange(len(lengths)), lengths)
    lines = np.zeros(new[-1], dtype=np.int64)
    lines[target] = rows.lines
    rows.lines = lines
    for use, values in rows.values.items():
        spread = np.full((new[-1], values.shape[1]), np.nan)
        spread[target] = values
        rows.values[use] = spread
    return new


def observed_ends(rows: Rows, bounds: Indices) -> Indices:
    """Return (series,) the row after the last one of each series with any target."""
    targets = rows.values["targets"]
    ends = bounds[:-1].copy()
    for series, (start, stop) in enumerate(itertools.pairwise(bounds.tolist())):
        for last in range(stop, start, -CHUNK):
            first = max(start, last - CHUNK)
            known = np.flatnonzero(~np.isnan(targets[first:last]).all(axis=1))
            if len(known):
                ends[series] = first + known[-1] + 1
                break
    return ends


def static_values(rows: Rows, bounds: Indices, missing: str) -> NDArray[np.float64]:
    """Return (series, static columns) the one value of each series, or the place of its category.

    Raises:
        DataError: a series has several values, or none and that is an error.
    """
    values = rows.values["static"]
    if not values.shape[1]:
        return np.empty((len(rows.ids), 0))
    low = np.fmin.reduceat(values, bounds[:-1], axis=0)
    high = np.fmax.reduceat(values, bounds[:-1], axis=0)
    for series, column in np.argwhere(low < high)[:1]:
        name, start = rows.columns.static[column], int(bounds[series])
        block = values[start : bounds[series + 1], column]
        first = int(np.argmax(~np.isnan(block)))
        row = start + int(np.argmax(~np.isnan(block) & (block != block[first])))
        now, before = (
            f"`{rows.categories[name][int(value)]}`" if name in rows.categories else f"{value:g}"
            for value in (values[row, column], block[first])
        )
        raise DataError(
            f"{rows.place(row)}, column `{name}`: {rows.whose(row)}{now}, but {before} before; a static column has one "
            "value a series",
            hint=f"name it as {setting('data.known', [name])} or {setting('data.past', [name])} instead",
        )
    for series, column in np.argwhere(np.isnan(low))[:1]:
        if missing != "mask":
            raise DataError(
                f"{rows.place(int(bounds[series]))}, column `{rows.columns.static[column]}`: "
                f"{rows.whose(int(bounds[series]))}no value in any row",
                hint="write it, leave the column out of data.static, or take the mean for it: data.missing=mask",
            )
    return np.asarray(low)


def _merge(rows: Rows, twice: Indices, keep: str) -> None:
    """Merge runs of rows with the same time; `twice` are those whose next row has the same time."""
    starts = np.setdiff1d(np.arange(len(rows.times)), twice + 1)
    if keep == "last":
        _take(rows, np.setdiff1d(np.arange(len(rows.times)), twice))
        return
    means = {}
    if keep == "mean":
        for use, values in rows.values.items():
            known = ~np.isnan(values)
            counts = np.add.reduceat(known.astype(np.float64), starts, axis=0)
            sums = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0)
            means[use] = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
            for column, name in enumerate(getattr(rows.columns, use)):
                if name in rows.categories:
                    means[use][:, column] = values[starts, column]
    _take(rows, starts)
    rows.values.update(means)


def _take(rows: Rows, chosen: Indices) -> None:
    rows.series, rows.times, rows.lines = rows.series[chosen], rows.times[chosen], rows.lines[chosen]
    for use, values in rows.values.items():
        rows.values[use] = values[chosen]


def _off_step(rows: Rows, row: int, step: Step, start: int) -> DataError:
    return DataError(
        f"{rows.place(row)}: {rows.whose(row)}{_time(rows, row)} is not a whole number of steps of {step} after "
        f"{_time(rows, start)} ({rows.unit} {rows.lines[start]})",
        hint=_step_hint(rows),
    )


def _check_holidays(rows: Rows, step: Step) -> None:
    """Raise DataError if a row is on a holiday."""
    if not step.holidays or step.unit not in BUSINESS:
        return
    days = np.floor_divide(rows.times, DAY)
    found = np.flatnonzero(np.isin(days, np.array(step.holidays)) & ((days + 3) % 7 < 5))
    if len(found):
        row = int(found[0])
        raise DataError(
            f"{rows.place(row)}: {rows.whose(row)}{date_text(int(rows.times[row]), clock=False)} is a holiday by "
            f"data.holidays, but has a row ({plural(len(found), 'such row', 'such rows')})",
            hint="delete the row, or leave the day out of data.holidays: a file with one date per line names any days, "
            "and an exchange such as NYSE its own",
        )


def _missing_hint(rows: Rows, step: Step, count: int) -> str:
    """Say what to do about missing rows: usually fill them, unless they are nights, weekends or holidays."""
    if (
        not rows.is_index
        and step.unit in SPANS
        and SPANS[step.unit] * step.count < DAY
        and count > len(rows.times) // 2
    ):
        return (
            'if nights or weekends have no rows, data.step="1 row" takes the rows as they come, without '
            f"filling the time between; otherwise {FILL_HINT}"
        )
    years, weeks = np.divmod(rows.times, 100)
    if rows.is_index and np.all((years >= 1900) & (years < 2100) & (weeks >= 1) & (weeks <= LAST_WEEK)):
        return f"if `{rows.columns.time}` holds ISO weeks, write them as {years[0]}-W{weeks[0]:02d}; {FILL_HINT}"
    days = "if these are holidays, name them: data.holidays=FILE or a country such as data.holidays=US; "
    return f"{days if step.unit in BUSINESS else ''}{FILL_HINT}; {_step_hint(rows)}"


def _step_hint(rows: Rows) -> str:
    return (
        'another step: data.step="2 rows"'
        if rows.is_index
        else 'data.step="1 row" takes the rows as they come; or set the right step, such as data.step="1 day"'
    )


def _several(rows: Rows) -> str:
    return "" if rows.columns.id is not None else "; if the rows belong to several series, data.id=NAME"


def _time(rows: Rows, row: int) -> str:
    time = int(rows.times[row])
    if rows.is_index:
        return str(time)
    return Step(1, "hours", zone=rows.zone).text(time) if is_named(rows.zone) else date_text(time)
