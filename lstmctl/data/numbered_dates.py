"""Dates written as plain numbers: 202301, 20230115, seconds since 1970, days of a spreadsheet."""

from __future__ import annotations

import numpy as np
import polars as pl

from lstmctl.data.timesteps import DAY, Times

PER_MICROSECOND = {"seconds": 1e-6, "milliseconds": 1e-3, "microseconds": 1.0, "nanoseconds": 1e3}
EXCEL, EXCEL_1904 = "excel", "excel-1904"
SPREADSHEETS = {EXCEL: -25_569 * DAY, EXCEL_1904: -24_107 * DAY}
"""Day 0 of spreadsheets, in microseconds since 1970. Some workbooks count from 1904, which numbers do not show."""
WORDS = (*PER_MICROSECOND, *SPREADSHEETS)
"""Formats named by a word: the unit since 1970 in UTC, or days of spreadsheets."""
DIGITS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Formats without separators, by their number of digits."""
SAMPLED = 200
"""Rows to recognise a format by."""
_DATED = ("date", "datetime", "date_time", "ds", "timestamp")
_COUNTS = ("index", "step", "t", "hour", "minute")
_EARLIEST, _LATEST = 315_532_800, 4_102_444_800
"""1980 and 2100 in seconds; no number is in this range in two units."""
_EXCEL_EARLIEST, _EXCEL_LATEST = 25_569, 49_999
"""1970 and 2036; from 50,000 on, numbers may be modified Julian days."""


def numbered_format(texts: pl.Series, name: str) -> str | None:
    """Return the format of a column of plain numbers (rows,), none missing, if they must be dates; None for whole
    numbers that count rows. A few names imply counts, and only some allow days of spreadsheets."""
    texts = texts.head(SAMPLED)
    name = name.casefold()
    digits = texts.str.len_chars()
    if texts.str.contains(r"^(1[89]|20|21)\d+$").all() and digits.n_unique() == 1 and digits[0] in DIGITS:
        form = DIGITS[digits[0]]
        if (name not in _COUNTS or form == DIGITS[8]) and not parse_digits(texts, form).has_nulls():
            return form
    if name in _COUNTS:
        return None
    numbers = texts.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    if numbers.has_nulls():
        return None
    for unit, scale in PER_MICROSECOND.items():
        factor = scale / PER_MICROSECOND["seconds"]
        if (numbers >= _EARLIEST * factor).all() and (numbers < _LATEST * factor).all():
            return unit
    if name in _DATED and numbers.is_between(_EXCEL_EARLIEST, _EXCEL_LATEST).all():
        return EXCEL
    return None


def parse_digits(texts: pl.Series, form: str) -> pl.Series:
    """Parse moments without separators; null if invalid."""
    digits = next(count for count, known in DIGITS.items() if known == form)
    full = texts + "00000101000000"[digits:]
    signed = full.str.replace(r"^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})$", "$1-$2-$3 $4:$5:$6")
    return signed.str.strptime(pl.Datetime("us"), "%Y-%m-%d %H:%M:%S", strict=False)


def parse_word(texts: pl.Series, word: str) -> tuple[Times, int | None]:
    """Parse numbers in a format of `WORDS`: (rows,) times, and the first row that is not such a number, or None."""
    texts = texts.str.replace(",", ".", literal=True)
    whole = texts.cast(pl.Int64, strict=False)
    values = texts.cast(pl.Float64, strict=False)
    wrong = (values.is_null() | ~values.is_finite() | (values.abs() > 2.0**62)).fill_null(value=True).arg_true()
    if len(wrong):
        return np.empty(0, np.int64), int(wrong[0])
    if word in SPREADSHEETS:
        # Four digits of a day resolve minutes, and six seconds.
        digits = texts.str.extract(r"[.](\d+)$", 1).str.len_chars().max()
        unit = 60_000_000 if isinstance(digits, int) and digits < 6 else 1_000_000
        days = values.to_numpy()
        if np.any(np.abs(days) > 1e8):
            return np.empty(0, np.int64), int(np.argmax(np.abs(days) > 1e8))
        return np.rint(days * (DAY / unit)).astype(np.int64) * unit + SPREADSHEETS[word], None
    scale = PER_MICROSECOND[word]
    if not whole.has_nulls():  # exact, where numbers with a fraction are not beyond 2^53
        numbers = whole.to_numpy()
        if scale >= 1:
            return numbers // int(scale), None
        factor = round(1 / scale)
        if np.all(np.abs(numbers) < 2**62 // factor):
            return numbers * factor, None
    micro = values.to_numpy() / scale
    large = np.abs(micro) > 2.0**62
    if large.any():
        return np.empty(0, np.int64), int(np.argmax(large))
    return np.rint(micro).astype(np.int64), None
