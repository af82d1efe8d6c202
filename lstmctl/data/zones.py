"""Offsets from UTC in a column of dates: found, compared and converted."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.errors import DataError

MINUTE = 60_000_000  # microseconds
_CLOCK = (
    r"(:\d{2}(?:[.,]\d{1,9})?(?:\s?[AaPp][Mm])?"
    r"|(?:\dT|\d{8} )\d{2}(?:\d{2}(?:\d{2}(?:[.,]\d{1,9})?)?)?)"
)
"""The end of a time of day; or all of one in ISO 8601's basic format, without separators."""
_OFFSET = r"\s?([Zz]|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?|UTC|GMT)$"
"""PostgreSQL writes `+02:00` as `+02`."""
_ZONE_OF_FORMAT = r"\s?%[:#]*[zZ]"
CONVERT = "data.zone=UTC converts all dates to UTC"


def has_zone(text: str) -> bool:
    """Return whether a date ends in an offset from UTC, after its time of day."""
    return re.search(_CLOCK + _OFFSET, text) is not None


def asks_for_zone(form: str) -> bool:
    """Return whether a format has a directive for the zone."""
    return re.search(_ZONE_OF_FORMAT, form) is not None


def plain_format(form: str) -> str:
    """Remove the zone from a format."""
    return re.sub(_ZONE_OF_FORMAT, "", form)


def plain_text(text: str) -> str:
    """Remove the zone from a date."""
    return re.sub(_CLOCK + _OFFSET, r"\1", text)


def split_zones(texts: pl.Series, *, asked: bool) -> tuple[pl.Series, pl.Series]:
    """Return dates without their zones, and the zones as `Z` or `+02:00`, null if there is none. A zone must follow a
    time of day, unless a format asks for it."""
    pattern = ("()" if asked else _CLOCK) + _OFFSET
    zones = texts.str.extract(pattern, 2)
    written = zones.unique().drop_nulls()
    names = pl.Series([_name(zone) for zone in written], dtype=pl.String)
    return texts.str.replace(pattern, "$1"), zones.replace_strict(written, names, default=None, return_dtype=pl.String)


def offset(zone: str) -> int:
    """Return the offset from UTC in microseconds of `Z`, `UTC` or `+02:00`."""
    if not zone.startswith(("+", "-")):
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return (-minutes if zone.startswith("-") else minutes) * MINUTE


def shifts(zones: pl.Series, to: str) -> NDArray[np.int64]:
    """Return (rows,) the microseconds that convert times from their zones to one zone."""
    written = zones.unique()
    ahead = pl.Series([offset(to) - offset(zone) for zone in written], dtype=pl.Int64)
    return zones.replace_strict(written, ahead, return_dtype=pl.Int64).to_numpy()


def require_zones(zones: pl.Series, first: str, place: Callable[[int], str], column: str, *, convert: bool) -> None:
    """Refuse dates without a zone, and those in another zone than the first unless they are converted.

    Raises:
        DataError: with the row.
    """
    if zones.has_nulls():
        row = int(zones.is_null().arg_true()[0])
        raise DataError(
            f"{place(row)}, column `{column}`: time zone (none), but {first} in the first row",
            hint="write every date with its zone, or none of them",
        )
    other = zones.ne(first).arg_true()
    if convert or not len(other):
        return
    row = int(other[0])
    is_summer = abs(offset(zones[row]) - offset(first)) in (60 * MINUTE, 30 * MINUTE)
    raise DataError(
        f"{place(row)}, column `{column}`: time zone {zones[row]}, but {first} in the first row"
        + (", as where clocks are set for daylight saving time" if is_summer else ""),
        hint=CONVERT,
    )


def _name(zone: str) -> str:
    digits = re.search(r"([+-])(\d{2}):?(\d{2})?$", zone)
    return "Z" if digits is None else f"{digits[1]}{digits[2]}:{digits[3] or '00'}"
