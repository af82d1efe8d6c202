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
class DateForm:
    """How a column of dates is written."""

    format: str
    """As polars takes it, without the zone."""
    first: str
    """The column's first date."""
    zone: str
    """How far its clock is from UTC, as `+02:00` or `Z`; empty where the dates name no zone."""
    given: bool
    """Whether a config says the format."""

    @property
    def shown(self) -> str:
        """The format as people write it."""
        return self.format.replace("%.f", "")


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
) -> tuple[Times, DateForm]:
    """Parse a column of dates, in the format given or the one recognised from its first row.

    Args:
        texts: (rows,) as they are written, none missing.
        place: names a row in messages.
        column: its name.
        date_format: as in a config, or None.
        is_regular: decides between day and month where both readings fit every row.

    Returns:
        (rows,) microseconds since 1970-01-01 by the table's own clock, and how they are written.

    Raises:
        DataError: a row does not fit, zones are mixed, or both readings fit equally well.
    """
    first, given = str(texts[0]), date_format is not None
    formats = (date_format,) if date_format is not None else formats_of(first)
    if not formats:
        raise DataError(
            f"{place(0)}, column `{column}`: `{first[:40]}` is not written as dates usually are",
            hint=f"say how: {EXAMPLE}; or name another column of dates: data.time=NAME",
        )
    zoned = _names_zone(first, formats)
    zone = ""
    if zoned:
        texts = _without_zone(texts, first, place, column)
        formats = tuple(re.sub(r"\s?%[zZ]", "", form) for form in formats)
        found = re.search(ZONE, first)
        assert found is not None
        zone = re.sub(r"^(UTC|GMT)$", "Z", re.sub(r"^([+-]\d{2})(\d{2})$", r"\1:\2", found[1]))
    forms = [DateForm(form, first, zone, given) for form in formats]
    readings, failures = [], []
    for form in forms:
        times, wrong = _parse(texts, form.format)
        if wrong is None:
            readings.append((times, form))
        else:
            failures.append((wrong, form))
    if not readings:
        row, form = max(failures, key=lambda failure: (failure[0], failure[1].format))
        raise _misfit(texts, place, column, row, form)
    if len(readings) > 1:
        regular = [reading for reading in readings if is_regular(reading[0])]
        if len(regular) != 1:
            both = " and ".join(form.shown for _, form in readings)
            raise DataError(
                f"{place(0)}, column `{column}`: `{first}` may be read as {both}; "
                f"every row that was read fits both, and {'either' if regular else 'neither'} gives regular steps",
                hint="say which: " + " or ".join(f'data.date_format="{form.shown}"' for _, form in readings),
            )
        readings = regular
    return readings[0]


def read_more_dates(texts: pl.Series, place: Callable[[int], str], column: str, form: DateForm) -> Times:
    """(rows,) the times of later rows of a column whose first ones told how it is written.

    Raises:
        DataError: a row is written in another way.
    """
    if form.zone:
        texts = _without_zone(texts, form.first, place, column)
    times, wrong = _parse(texts, form.format)
    if wrong is not None:
        raise _misfit(texts, place, column, wrong, form)
    return times


def _names_zone(first: str, formats: tuple[str, ...]) -> bool:
    asked = any("%z" in form or "%Z" in form for form in formats)
    return bool(re.search(ZONE, first) and (asked or re.search(r":\d{2}(\.\d+)?" + ZONE, first)))


def _without_zone(texts: pl.Series, first: str, place: Callable[[int], str], column: str) -> pl.Series:
    """The texts by their own clock, all of which must name the zone that the first does."""
    zones = texts.str.extract(ZONE, 1)
    zone = pl.Series([first]).str.extract(ZONE, 1)
    other = zones.ne_missing(zone).arg_true()
    if len(other):
        row = int(other[0])
        raise DataError(
            f"{place(row)}, column `{column}`: time zone {zones[row] or '(none)'}, but {zone[0]} in the first row",
            hint="convert all dates to one zone, such as UTC",
        )
    return texts.str.replace(ZONE, "")


def _parse(texts: pl.Series, form: str) -> tuple[Times, int | None]:
    """(rows,) times, and the first row that does not fit; None where all do."""
    if not re.search(r"%[dejDFxsc]", form):  # a month alone means its first day, a year alone its first month
        missing = "-%d" if re.search(r"%[mbBh]", form) else "-%m-%d"
        form, texts = form + missing, texts + missing.replace("%m", "01").replace("%d", "01")
    try:
        # Most tables have no fractions of seconds, and without them dates are read several times as fast.
        parsed = texts.str.strptime(pl.Datetime("us"), form.replace("%.f", ""), strict=False)
        if "%.f" in form and parsed.has_nulls():
            parsed = texts.str.strptime(pl.Datetime("us"), form, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return np.empty(0, np.int64), 0
    wrong = parsed.is_null().arg_true()
    if len(wrong):
        return np.empty(0, np.int64), int(wrong[0])
    return parsed.to_physical().to_numpy().astype(np.int64), None


def _misfit(texts: pl.Series, place: Callable[[int], str], column: str, row: int, form: DateForm) -> DataError:
    text = str(texts[row])
    if form.given:
        return DataError(
            f'{place(row)}, column `{column}`: `{text[:40]}` does not fit data.date_format "{form.shown}"',
            hint="correct the row or the format, or leave data.date_format out to have it recognised",
        )
    if not form.zone and re.search(r":\d{2}(\.\d+)?" + ZONE, text):
        return DataError(
            f"{place(row)}, column `{column}`: `{text[:40]}` names a time zone, but the first row does not",
            hint="convert all dates to one zone, such as UTC",
        )
    same = form.format in formats_of(text)
    first = form.first if not form.zone else re.sub(ZONE, "", form.first)
    return DataError(
        f"{place(row)}, column `{column}`: `{text[:40]}` "
        + ("is no date that exists" if same else f"does not fit {form.shown}, as the first row `{first}` does"),
        hint="correct the row" if same else f"write all dates in one format, or say which: {EXAMPLE}",
    )
