"""Dates in a table: format recognised, all of them parsed, and the first that does not fit named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from lstmctl.data.numbered_dates import DIGITS, SPREADSHEETS, WORDS, parse_digits, parse_word
from lstmctl.data.table_writing import DateForm
from lstmctl.data.timesteps import Times, date_text
from lstmctl.data.zones import (
    asks_for_zone,
    has_zone,
    offset,
    plain_format,
    plain_text,
    require_zones,
    shifts,
    split_zones,
)
from lstmctl.errors import DataError

DATE_FORMATS = {
    r"\d{4}-\d{1,2}-\d{1,2}": ("%Y-%m-%d",),
    r"\d{4}/\d{1,2}/\d{1,2}": ("%Y/%m/%d",),
    r"\d{4}\.\d{1,2}\.\d{1,2}": ("%Y.%m.%d",),
    r"\d{8}": ("%Y%m%d",),
    r"\d{4}-\d{1,2}": ("%Y-%m",),
    r"\d{4}/\d{1,2}": ("%Y/%m",),
    r"\d{1,2}/\d{4}": ("%m/%Y",),
    r"\d{1,2}-\d{4}": ("%m-%Y",),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%d.%m.%Y",),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%d/%m/%Y", "%m/%d/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%d-%m-%Y", "%m-%d-%Y"),
    r"\d{1,2}\.\d{1,2}\.\d{2}": ("%d.%m.%y", "%y.%m.%d"),
    r"\d{1,2}/\d{1,2}/\d{2}": ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d"),
    r"\d{1,2}-\d{1,2}-\d{2}": ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
}
"""Shapes of dates, and the formats they may have."""
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
WORDED_FORMATS = {
    r"\d{4}([ -]?)[Qq][1-4]": "%Y{}Q%q",
    r"[Qq][1-4]([ /-]?)\d{4}": "Q%q{}%Y",
    r"\d{4}([ -]?)W\d{1,2}": "%G{}W%V",
    r"\d{4}(-?)W\d{2}-?[1-7]": "%G{0}W%V{0}%u",
    r"\d{4}([ -]?)M\d{1,2}": "%Y{}M%m",
    rf"(?i:{_MONTH})([ -])\d{{4}}": "%B{}%Y",
    rf"\d{{4}}([ -])(?i:{_MONTH})": "%Y{}%B",
    rf"\d{{1,2}}([ -])(?i:{_MONTH})[ -]\d{{4}}": "%d{0}%B{0}%Y",
    rf"\d{{4}}([ -])(?i:{_MONTH})[ -]\d{{1,2}}": "%Y{0}%B{0}%d",
    rf"\d{{1,2}}([ -])(?i:{_MONTH})[ -]\d{{2}}": "%d{0}%B{0}%y|%y{0}%B{0}%d",
    rf"(?i:{_MONTH})(-)\d{{2}}": "%B{}%y",
    rf"(?i:{_MONTH})([ -])\d{{1,2}}\1\d{{4}}": "%B{0}%d{0}%Y",
    rf"(?i:{_MONTH})( )\d{{1,2}}, \d{{4}}": "%B{0}%d, %Y",
}
"""Quarters, ISO weeks and months by name, and their formats separated by `|`; `{}` is the sign between the parts."""
_UNCLEAR = 2_524_608_000_000_000
"""2050 in microseconds since 1970. Two-digit years from 50 to 69 are read as later ones, but may be earlier."""
_CLOCK = re.compile(r"(?:([T ])\s*(\d{1,2}:\d{2})(:\d{2}(?:[.,]\d{1,9})?)?(\s?[AaPp][Mm])?)?")
_BASIC_CLOCK = re.compile(r"([T ])(\d{2})(?:(\d{2})(\d{2}(?:\.\d{1,9})?)?)?")
"""A time of day in ISO 8601's basic format: 05, 0500, 050000."""
EXAMPLE = 'data.date_format="%d.%m.%Y %H:%M"'
ISO = "write its dates in one way that cannot be misread, such as 2024-01-31"
"""The remedy for a table that a run reads: no setting changes how."""


def is_date(text: str) -> bool:
    """Return whether a text looks like a date."""
    return bool(formats_of(text))


def formats_of(text: str) -> tuple[str, ...]:
    """Return the possible formats of a date without its zone: none, one, or two if day and month may be swapped."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d*[.,]?\d*", text):  # nearly always, in a table
        return ()
    text = plain_text(text)
    for shape, form in WORDED_FORMATS.items():
        if (worded := re.match(shape, text)) and (suffix := _clock_format(text[worded.end() :])) is not None:
            return tuple(date + suffix for date in form.format(worded[1]).split("|"))
    found = re.match(r"[\d./-]+", text)
    if found is None:
        return ()
    dates = next((formats for shape, formats in DATE_FORMATS.items() if re.fullmatch(shape, found[0])), ())
    suffix = _clock_format(text[found.end() :], is_basic=found[0].isdecimal())
    return () if suffix is None else tuple(date + suffix for date in dates)


def _clock_format(text: str, *, is_basic: bool = False) -> str | None:
    """Return the format of the text after a day; None if it is not a time of day. After a day in ISO 8601's basic
    format (`is_basic`), `0500` after a blank is a time too."""
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        basic = _BASIC_CLOCK.fullmatch(text)
        if basic is None or (basic[1] == " " and not (is_basic and basic[3])):
            return None
        return f"{basic[1]}%H" + ("%M" if basic[3] else "") + ("%S%.f" if basic[4] else "")
    between, minutes, seconds, half = clock.groups()
    if not minutes:
        return ""
    hour = "%I" if half else "%H"
    # `%.f` also fits seconds without a fraction, so both may be mixed.
    suffix = f"{between}{hour}:%M" + ("%S" and ":%S%.f" if seconds else "")
    return suffix + ((" %p" if half.startswith(" ") else "%p") if half else "")


def read_dates(
    texts: pl.Series,
    place: Callable[[int], str],
    column: str,
    regularity: Callable[[Times], tuple[float, bool]],
    *,
    date_format: str | None = None,
    zone: str | None = None,
    form: DateForm | None = None,
    is_run: bool = False,
) -> tuple[Times, DateForm]:
    """Parse a column of dates, in the given format or the one recognised from its first row.

    Args:
        texts: (rows,) none missing.
        place: the position of a row, for messages.
        column: its name.
        regularity: from times to the number that is missing between regular ones (infinite if they are not regular),
            and whether they are in order; it decides between formats that all fit.
        date_format: of the config.
        zone: to convert all dates to; None keeps the table's own clock.
        form: the format of a run's own table, used if the first row fits it.
        is_run: whether a run reads newer rows. Dates without a zone are then in the zone of the run.

    Returns:
        (rows,) microseconds since 1970-01-01 by the clock of the zone, and the format.

    Raises:
        DataError: a row does not fit, zones are mixed, several formats fit equally well, or the century of a year is
            unclear.
    """
    first, given = str(texts[0]), date_format is not None
    formats = (date_format,) if date_format is not None else formats_of(first)
    if date_format is None and form is not None and _fits(first, form.format):
        formats = (form.format,)
    if not formats:
        raise DataError(
            f"{place(0)}, column `{column}`: `{first[:40]}` is not in a usual date format",
            hint=ISO if is_run else f"say how: {EXAMPLE}; or name another column of dates: data.time=NAME",
        )
    asked = any(map(asks_for_zone, formats))
    formats = tuple(map(plain_format, formats))
    shown = DateForm(formats[0], first, "", given)
    texts, ahead, shown = _by_one_clock(texts, place, column, shown, asked=asked, zone=zone, is_run=is_run)
    readings, failures = [], []
    for own in (replace(shown, format=form) for form in formats):
        times, wrong = _parse(texts, own.format)
        if wrong is None:
            readings.append((times + ahead, own))
        else:
            failures.append((wrong, own))
    if not readings:
        row, own = max(failures, key=lambda failure: (failure[0], failure[1].format))
        raise _misfit(texts, place, column, row, own, is_run=is_run)
    if not given and not is_run:
        readings = _of_clear_years(readings, texts, place, column)
    # Several readings agree if all rows are on a day such as 1 January.
    different = [
        reading
        for number, reading in enumerate(readings)
        if not any(np.array_equal(reading[0], other) for other, _ in readings[:number])
    ]
    if len(different) == 1:
        return different[0]
    measured = [(form, *regularity(times)) for times, form in different]
    close = [found for found in measured if found[1] == 0] or [found for found in measured if found[1] <= len(texts)]
    close = [found for found in close if found[2]] or close
    if len(close) != 1:
        names = [found[0].shown for found in close or measured]
        how_many = ("both", "either", "neither") if len(names) == 2 else ("all of them", "each", "none")
        raise DataError(
            f"{place(0)}, column `{column}`: `{first}` may be read as {', '.join(names[:-1])} and {names[-1]}; "
            f"every row that was read fits {how_many[0]}, and {how_many[1 if close else 2]} gives regular steps",
            hint=ISO if is_run else "say which: " + " or ".join(f'data.date_format="{name}"' for name in names),
        )
    return next(reading for reading in different if reading[1] is close[0][0])


def _of_clear_years(
    readings: list[tuple[Times, DateForm]], texts: pl.Series, place: Callable[[int], str], column: str
) -> list[tuple[Times, DateForm]]:
    """Return the readings whose two-digit years are unambiguous.

    Raises:
        DataError: no reading is.
    """
    times, form = readings[0]
    if form.format == "%B-%y" and min(texts.str.head(3).n_unique(), texts.str.tail(2).n_unique()) == 1:
        month = str(texts[0])
        raise DataError(
            f"{place(0)}, column `{column}`: `{month}` may be a month of {date_text(int(times[0]))[:4]} or day "
            f"{month[-2:]} of a month",
            hint='data.date_format="%b-%y" if they are months; else write the year of each date, as in 2024-01-31',
        )
    unclear = [(times >= _UNCLEAR) & ("%y" in form.format) for times, form in readings]
    clear = [reading for reading, rows in zip(readings, unclear, strict=True) if not rows.any()]
    if clear:
        return clear
    row = int(np.argmax(unclear[0]))
    year = date_text(int(times[row]))[:4]
    raise DataError(
        f"{place(row)}, column `{column}`: the year of `{str(texts[row])[:40]}` may be {year} or {int(year) - 100}",
        hint=f'write years with four digits; data.date_format="{form.shown}" takes 70 to 99 for 1970 to 1999 and the '
        "others for 2000 to 2069",
    )


def read_more_dates(texts: pl.Series, place: Callable[[int], str], column: str, form: DateForm) -> Times:
    """Return (rows,) the times of later rows, in the format of the first ones.

    Raises:
        DataError: a row has another format.
    """
    ahead: Times | int = 0
    if form.zone and form.format not in WORDS:
        texts, zones = split_zones(texts, asked=not has_zone(form.first))
        require_zones(zones, form.zone, place, column, convert=form.converted)
        ahead = shifts(zones, form.zone) if form.converted else 0
    elif form.converted:
        ahead = offset(form.zone)
    times, wrong = _parse(texts, form.format)
    if wrong is not None:
        raise _misfit(texts, place, column, wrong, form)
    return times + ahead


def _by_one_clock(
    texts: pl.Series,
    place: Callable[[int], str],
    column: str,
    form: DateForm,
    *,
    asked: bool,
    zone: str | None,
    is_run: bool,
) -> tuple[pl.Series, Times | int, DateForm]:
    """Return dates without their zones, the microseconds to add to them, and their format with the resulting zone.

    Raises:
        DataError: zones are mixed and not converted, or dates to be converted have none.
    """
    if form.format in WORDS:
        zoned = form.format not in SPREADSHEETS  # counted from 1970 in UTC
        if zoned:
            to = zone or "Z"
            return texts, offset(to), replace(form, zone=to, converted=zone is not None)
    elif has_zone(form.first) or (asked and not split_zones(pl.Series([form.first]), asked=True)[1].has_nulls()):
        texts, zones = split_zones(texts, asked=asked)
        own = str(zones[0])
        require_zones(zones, own, place, column, convert=zone is not None)
        if zone is None:
            return texts, 0, replace(form, zone=own)
        return texts, shifts(zones, zone), replace(form, zone=zone, converted=True)
    if zone is not None and not is_run:
        raise DataError(
            f"{place(0)}, column `{column}`: `{form.first[:40]}` has no time zone to convert from",
            hint="leave data.zone out: times are then by the table's own clock",
        )
    return texts, 0, replace(form, zone=zone or "")


def _fits(text: str, form: str) -> bool:
    """Return True if a date fits a format, ignoring its zone."""
    return _parse(pl.Series([plain_text(text)]), plain_format(form))[1] is None


def _parse(texts: pl.Series, form: str) -> tuple[Times, int | None]:
    """Return (rows,) times, and the first row that does not fit; None if all do."""
    if form in WORDS:
        return parse_word(texts, form)
    if form in DIGITS.values():
        return _moments(parse_digits(texts, form))
    form, texts = _completed(form, texts)
    try:
        # Most tables have no fractions of seconds, and parsing is several times as fast without.
        parsed = texts.str.strptime(pl.Datetime("us"), form.replace("%.f", ""), strict=False)
        if "%.f" in form and parsed.has_nulls():
            parsed = texts.str.strptime(pl.Datetime("us"), form, strict=False)
        if parsed.has_nulls() and "%H" in form:  # by ISO 8601, a day may end at 24:00
            midnight = texts.str.replace(r"([T ])24:00(:00)?", "${1}00:00$2")
            late = midnight.str.strptime(pl.Datetime("us"), form, strict=False) + pl.duration(days=1)
            parsed = pl.select(pl.when(parsed.is_null() & texts.ne(midnight)).then(late).otherwise(parsed)).to_series()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return np.empty(0, np.int64), 0
    return _moments(parsed)


def _completed(form: str, texts: pl.Series) -> tuple[str, pl.Series]:
    """Complete a format and dates that give only a month or an hour, with its first moment."""
    if "%q" in form:
        for quarter in range(1, 5):
            texts = texts.str.replace(f"[Qq]{quarter}", f"Q{3 * quarter - 2:02}")
        form = form.replace("%q", "%m")
    if "%V" in form and not re.search(r"%[uwaA]", form):
        return form + "-%u", texts + "-1"
    if not re.search(r"%[dejDFxscV]", form):  # a month alone means its first day, a year alone its first month
        missing = "-%d" if re.search(r"%[mbBh]", form) else "-%m-%d"
        form, texts = form + missing, texts + missing.replace("%m", "01").replace("%d", "01")
    if re.search(r"%[HkIl]", form) and "%M" not in form:
        form, texts = form + " :%M", texts + " :00"
    return form, texts


def _moments(parsed: pl.Series) -> tuple[Times, int | None]:
    wrong = parsed.is_null().arg_true()
    if len(wrong):
        return np.empty(0, np.int64), int(wrong[0])
    return parsed.to_physical().to_numpy().astype(np.int64), None


def _misfit(
    texts: pl.Series, place: Callable[[int], str], column: str, row: int, form: DateForm, *, is_run: bool = False
) -> DataError:
    text = str(texts[row])
    if form.given:
        return DataError(
            f'{place(row)}, column `{column}`: `{text[:40]}` does not fit data.date_format "{form.shown}"',
            hint="correct the row"
            if is_run
            else "correct the row or the format, or leave data.date_format out to have it recognised",
        )
    if not form.zone and has_zone(text):
        return DataError(
            f"{place(row)}, column `{column}`: `{text[:40]}` has a time zone, but the first row has none",
            hint="convert all dates to one zone, such as UTC",
        )
    same = form.format in formats_of(text)
    first = plain_text(form.first) if form.zone else form.first
    return DataError(
        f"{place(row)}, column `{column}`: `{text[:40]}` "
        + ("is not a valid date" if same else f"does not fit {form.shown}, as the first row `{first}` does"),
        hint="correct the row"
        if same
        else ISO
        if is_run
        else f"write all dates in one format, or say which: {EXAMPLE}",
    )
