"""Dates in a table: their format recognised, all of them parsed, and the first that does not fit named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from lstmctl.data.timesteps import Times
from lstmctl.errors import DataError

DATE_FORMATS = {
    r"\d{4}-\d{1,2}-\d{1,2}": ("%Y-%m-%d",),
    r"\d{4}/\d{1,2}/\d{1,2}": ("%Y/%m/%d",),
    r"\d{4}\.\d{1,2}\.\d{1,2}": ("%Y.%m.%d",),
    r"\d{4}-\d{1,2}": ("%Y-%m",),
    r"\d{4}/\d{1,2}": ("%Y/%m",),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%d.%m.%Y",),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%d/%m/%Y", "%m/%d/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%d-%m-%Y", "%m-%d-%Y"),
}
"""How dates are written, and the formats that may mean."""
ZONE = r"\s?(Z|UTC|GMT|[+-]\d{2}:?\d{2})$"
_CLOCK = re.compile(r"(?:([T ])\s*(\d{1,2}:\d{2})(:\d{2}(?:[.,]\d{1,9})?)?(\s?[AaPp][Mm])?)?")
EXAMPLE = 'data.date_format="%d.%m.%Y %H:%M"'


@dataclass(frozen=True)
class Reading:
    """One way to read a column of dates."""

    format: str
    times: Times
    """(rows,) microseconds since 1970-01-01 by the table's own clock."""
    zone: str
    """How far that clock is from UTC, as `+02:00` or `Z`; empty where the dates name no zone."""


def is_date(text: str) -> bool:
    """Whether a text is written as dates usually are."""
    return bool(formats_of(text))


def formats_of(text: str) -> tuple[str, ...]:
    """The formats that a date may be written in, without its zone: none, one, or two where day and month may swap."""
    text = re.sub(r"(?<=:\d{2})(\.\d{1,9})?" + ZONE, r"\1", text.strip())
    found = re.match(r"[\d./-]+", text)
    if found is None:
        return ()
    dates = next((formats for shape, formats in DATE_FORMATS.items() if re.fullmatch(shape, found[0])), ())
    clock = _CLOCK.fullmatch(text[found.end() :])
    if not dates or clock is None:
        return ()
    between, minutes, seconds, half = clock.groups()
    suffix = ""
    if minutes:
        hour = "%I" if half else "%H"
        # `%.f` also fits where a second has no fraction, so whole and broken seconds may be mixed.
        suffix = f"{between}{hour}:%M" + ("%S" and ":%S%.f" if seconds else "")
        suffix += (" %p" if half.startswith(" ") else "%p") if half else ""
    return tuple(date + suffix for date in dates)


def read_dates(
    texts: pl.Series,
    place: Callable[[int], str],
    column: str,
    date_format: str | None,
    is_regular: Callable[[Times], bool],
) -> Reading:
    """Parse a column of dates, in the format given or the one recognised from its first row.

    Args:
        texts: (rows,) as they are written, none missing.
        place: names a row in messages.
        column: its name.
        date_format: as in a config, or None.
        is_regular: decides between day and month where both readings fit every row.

    Raises:
        DataError: a row does not fit, zones are mixed, or both readings fit equally well.
    """
    first = str(texts[0])
    formats = (date_format,) if date_format is not None else formats_of(first)
    if not formats:
        raise DataError(
            f"{place(0)}, column `{column}`: `{first[:40]}` is not written as dates usually are",
            hint=f"say how: {EXAMPLE}; or name another column of dates: data.time=NAME",
        )
    texts, formats, zone = _without_zone(texts, formats, place, column)
    readings, failures = [], []
    for form in formats:
        parsed = _parse(texts, form)
        wrong = parsed.is_null().arg_true()
        if len(wrong):
            failures.append((int(wrong[0]), form))
        else:
            times = parsed.to_physical().to_numpy().astype(np.int64)
            readings.append(Reading(form.replace("%.f", ""), times, zone))
    if not readings:
        raise _misfit(texts, place, column, max(failures), given=date_format is not None)
    if len(readings) > 1:
        regular = [reading for reading in readings if is_regular(reading.times)]
        if len(regular) != 1:
            both = " and ".join(reading.format for reading in readings)
            raise DataError(
                f"{place(0)}, column `{column}`: `{first}` may be read as {both}; "
                f"every row fits both, and {'either' if regular else 'neither'} gives regular steps",
                hint="say which: " + " or ".join(f'data.date_format="{reading.format}"' for reading in readings),
            )
        readings = regular
    return readings[0]


def _without_zone(
    texts: pl.Series, formats: tuple[str, ...], place: Callable[[int], str], column: str
) -> tuple[pl.Series, tuple[str, ...], str]:
    """The texts by their own clock, and the zone that all of them name, if any."""
    first = str(texts[0])
    asked = any("%z" in form or "%Z" in form for form in formats)
    if not re.search(ZONE, first) or not (asked or re.search(r":\d{2}(\.\d+)?" + ZONE, first)):
        return texts, formats, ""
    zones = texts.str.extract(ZONE, 1)
    other = zones.ne_missing(pl.Series([zones[0]])).arg_true()
    if len(other):
        row = int(other[0])
        raise DataError(
            f"{place(row)}, column `{column}`: time zone {zones[row] or '(none)'}, but {zones[0]} in the first row",
            hint="convert all dates to one zone, such as UTC",
        )
    formats = tuple(re.sub(r"\s?%[zZ]", "", form) for form in formats)
    zone = re.sub(r"^(UTC|GMT)$", "Z", re.sub(r"^([+-]\d{2})(\d{2})$", r"\1:\2", str(zones[0])))
    return texts.str.replace(ZONE, ""), formats, zone


def _parse(texts: pl.Series, form: str) -> pl.Series:
    """(rows,) moments, null where a text does not fit."""
    if not re.search(r"%[dejDFxsc]", form):  # a month alone means its first day, a year alone its first month
        missing = "-%d" if re.search(r"%[mbBh]", form) else "-%m-%d"
        form, texts = form + missing, texts + missing.replace("%m", "01").replace("%d", "01")
    try:
        return texts.str.strptime(pl.Datetime("us"), form, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return pl.repeat(None, len(texts), dtype=pl.Datetime("us"), eager=True)


def _misfit(
    texts: pl.Series, place: Callable[[int], str], column: str, failure: tuple[int, str], *, given: bool
) -> DataError:
    row, form = failure
    shown, text = form.replace("%.f", ""), str(texts[row])
    if given:
        return DataError(
            f'{place(row)}, column `{column}`: `{text[:40]}` does not fit data.date_format "{shown}"',
            hint="correct the row or the format, or leave data.date_format out to have it recognised",
        )
    if row and re.search(r":\d{2}(\.\d+)?" + ZONE, text):
        return DataError(
            f"{place(row)}, column `{column}`: `{text[:40]}` names a time zone, but the first row does not",
            hint="convert all dates to one zone, such as UTC",
        )
    same = bool(formats_of(text)) and form in formats_of(text)
    return DataError(
        f"{place(row)}, column `{column}`: `{text[:40]}` "
        + ("is no date that exists" if same else f"does not fit {shown}, as the first row `{texts[0]}` does"),
        hint="correct the row" if same else f"write all dates in one format, or say which: {EXAMPLE}",
    )
