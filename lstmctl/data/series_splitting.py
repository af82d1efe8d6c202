"""Parts of series in order of time: cut at dates that all series share, or in each series by its own rows."""

from __future__ import annotations

import datetime
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.local_time import is_named, to_utc
from lstmctl.data.splitting import PARTS, split_positions
from lstmctl.data.timesteps import Times
from lstmctl.errors import DataError
from lstmctl.step_grammar import REST, read_length

if TYPE_CHECKING:
    from lstmctl.data.tables import Rows

Indices = NDArray[np.int64]
Shares = tuple[float, ...] | tuple[int, ...] | tuple[str, ...]
EPSILON = 1e-6
"""Keeps 0.8 + 0.1 from missing a whole number of rows by rounding."""


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """Start and stop of each part in each series."""

    rows: dict[str, Indices]
    """(series, 2) start and stop row of each part."""
    middle: Indices | None = None
    """(series,) the row that halves the validation part at one date in all series; None if each series halves its
    own."""
    overlap: str | None = None
    """A sentence on rows in or after a later part of another series; None if there are none."""


def split_series(
    rows: Rows,
    bounds: Indices,
    ends: Indices,
    times: Times,
    split: Shares,
    split_by: str,
    *,
    horizon: int,
    is_dated: bool,
) -> SeriesParts:
    """Cut series into parts.

    Args:
        rows: of the table, for messages.
        bounds: (series + 1,) the first row of each series.
        ends: (series,) the row after each series' last observed one.
        times: (rows,) ascending in each series.
        split: fractions, counts of rows, dates, or `rest` followed by lengths from each series' end.
        split_by: how fractions cut several series: `dates`, `series`, or `auto` for dates if series overlap.
        horizon: rows of a horizon, which lengths may be given in.
        is_dated: whether `times` are dates.

    Raises:
        DataError: a series is too short for the counts, dates are given for whole numbers, or no row has a target.
    """
    starts = bounds[:-1]
    lengths = ends - starts
    if not lengths.any():
        raise DataError(
            f"{rows.path}: no row has a value of {', '.join(f'`{name}`' for name in rows.columns.targets)}",
            hint="name the columns to forecast: data.targets=[…]",
        )
    shares = [share for share in split if not isinstance(share, str)]
    last = _last_rows(split, horizon)
    are_counts = bool(last) or (bool(shares) and all(isinstance(share, int) for share in shares))
    if not shares and not last and not is_dated:
        raise DataError(
            f"{rows.path}: data.split gives dates, but column `{rows.columns.time}` contains whole numbers",
            hint="split by counts of rows or by fractions: 'data.split=[0.7,0.1,0.2]'",
        )
    if shares and len(rows.ids) == 1:
        return SeriesParts(_one_series(rows, int(starts[0]), int(lengths[0]), shares))
    if are_counts and split_by == "dates" and len(rows.ids) > 1:
        raise DataError(
            f"{rows.path}: data.split_by=dates cuts all series at the same dates, but data.split counts rows of each",
            hint="give fractions or dates: 'data.split=[0.7,0.1,0.2]'",
        )
    at_dates = split_by == "dates" or (split_by == "auto" and is_dated and _overlap(times, starts, ends))
    if last:
        edges = [np.maximum(starts, ends - sum(last[part:])) for part in range(len(last))] + [ends]
    elif not shares:
        moments = [_moment(str(share), rows.zone) for share in split]
        edges = [_rows_before(times, starts, ends, moment) for moment in moments]
        edges += [ends] * (len(split) < len(PARTS))
    elif are_counts:
        edges = [starts + np.minimum(lengths, sum(shares[: part + 1])) for part in range(len(shares))]
    else:
        sums = [sum(shares[: part + 1]) for part in range(len(shares) - 1)]
        if at_dates:
            edges = [_cut_at_a_date(times, starts, ends, share) for share in sums]
        else:
            edges = [starts + np.floor(share * lengths + EPSILON).astype(np.int64) for share in sums]
        edges.append(ends)
    found = {
        name: np.stack(span, axis=1) for name, span in zip(PARTS, itertools.pairwise([starts, *edges]), strict=False)
    }
    middle = None
    if not are_counts and split_by != "series" and (at_dates or not shares):
        begins, stops = found["validation"].T
        middle = _cut_at_a_date(times, begins, stops, 0.5)
    overlap = None
    if is_dated:
        cure = "data.split_by=dates cuts" if shares and not are_counts else "dates in data.split cut"
        overlap = _overlapping(times, found, cure)
    return SeriesParts(found, middle, overlap)


def _last_rows(split: Shares, horizon: int) -> list[int]:
    """Return the rows of each part after the training part; empty if the split does not count from the end."""
    if split[0] != REST:
        return []
    lengths = [read_length(length) for length in split[1:]]
    return [count * (horizon if unit == "horizons" else 1) for count, unit in filter(None, lengths)]


def _one_series(rows: Rows, start: int, length: int, shares: list[float] | list[int]) -> dict[str, Indices]:
    try:
        found = split_positions(length, shares)
    except DataError as error:
        hint = "fewer rows for its parts in data.split, or more rows in the table"
        raise DataError(f"{rows.path}: {error} rows", hint=hint) from error
    return {name: start + np.array([part], dtype=np.int64) for name, part in found.items()}


def _overlap(times: Times, starts: Indices, ends: Indices) -> bool:
    """Return whether any two series overlap in time."""
    there = ends > starts
    first, last = times[starts[there]], times[ends[there] - 1]
    order = np.argsort(first, kind="stable")
    return bool(np.any(first[order][1:] <= np.maximum.accumulate(last[order])[:-1]))


def _cut_at_a_date(times: Times, starts: Indices, ends: Indices, share: float) -> Indices:
    """Return the first row of each series at or after the date before which a share of all rows lies. Series with the
    same times are cut where each alone would be."""
    before = math.floor(share * int((ends - starts).sum()) + EPSILON * len(starts))
    there = ends > starts
    if not there.any():
        return ends.copy()
    low, high = int(times[starts[there]].min()), int(times[ends[there] - 1].max()) + 1
    while low < high:  # find the smallest time with more rows up to it
        middle = (low + high) // 2
        if int((_rows_before(times, starts, ends, middle + 1) - starts).sum()) > before:
            high = middle
        else:
            low = middle + 1
    return _rows_before(times, starts, ends, low)


def _rows_before(times: Times, starts: Indices, ends: Indices, moments: int | Indices) -> Indices:
    """Return the first row of each series at or after a moment, by bisection in all series at once."""
    low, high = starts.astype(np.int64), ends.astype(np.int64)
    while (open_still := low < high).any():
        middle = (low + high) // 2
        before = open_still & (times[np.minimum(middle, len(times) - 1)] < moments)
        low = np.where(before, middle + 1, low)
        high = np.where(open_still & ~before, middle, high)
    return low


def _overlapping(times: Times, parts: dict[str, Indices], cure: str) -> str | None:
    """Return a sentence on rows in or after the period of a later part of another series; None if there are none."""
    names, found = list(parts), []
    for later in names[:0:-1]:
        starts, stops = parts[later].T
        begins = np.where(stops > starts, times[np.minimum(starts, len(times) - 1)], np.iinfo(np.int64).max)
        if len(begins) < 2:
            return None
        order = np.argsort(begins, kind="stable")
        others = np.full(len(begins), begins[order[0]])
        others[order[0]] = begins[order[1]]
        for earlier in names[: names.index(later)]:
            own_starts, own_stops = parts[earlier].T
            count = int((own_stops - _rows_before(times, own_starts, own_stops, others)).sum())
            if count:
                whole = int((own_stops - own_starts).sum())
                found.append(
                    f"{count:,} of {whole:,} {earlier} rows are in or after the {later} period of another series"
                )
    return f"{', '.join(found)}; {cure} all series at the same dates" if found else None


def _moment(text: str, zone: str) -> int:
    """Return a date of the config in microseconds by the table's own clock, or in UTC if `zone` is a place.

    Raises:
        DataError: it is not a date, or has an offset from UTC by the table's own clock.
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"data.split `{text}` is not a date such as 2017-07-01 or 2017-07-01T12:00") from error
    if is_named(zone):
        if moment.tzinfo is not None:
            return _micros(moment.astimezone(datetime.UTC).replace(tzinfo=None))
        return int(to_utc(np.array([_micros(moment)]), zone)[0][0])
    if moment.tzinfo is not None:
        raise DataError(
            f"data.split `{text}` has a time zone, but times are by the table's own clock",
            hint=f"write it by that clock: {moment.replace(tzinfo=None).isoformat()}",
        )
    return _micros(moment)


def _micros(moment: datetime.datetime) -> int:
    return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
