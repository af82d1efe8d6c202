"""Numbers as tables write them: decimal commas, thousands separators, percent and currency signs, true and false.

`1.000` is one or a thousand. The first rows of a file usually decide: `0.5` in any column implies a decimal point. If
nothing decides, such a value is refused with both readings, never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.dates import is_date
from lstmctl.data.table_hints import TableHints

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "."}
"""Words for a missing value, in lower case."""
TRUTH = {"true": 1.0, "false": 0.0}
OTHER = {".": ",", ",": "."}
_MINUS = "\u2212"
_GROUPING = ",.'\u2019 \u00a0\u2009\u202f"
"""Thousands separators."""
_UNIT = (
    r"(?:[%\u2030$\u00a2-\u00a5\u20a0-\u20cf]|R\$|CA\$|US\$|A\$"
    r"|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|SEK|TRY|USD|ZAR|z\u0142|kr)"
)
_WRITTEN = re.compile(
    rf"([+-]?)\s?({_UNIT}?)\s?([+-]?)((?:\d|[.,](?=\d))(?:[\d{_GROUPING}]*[\d.,])?(?:[eE][+-]?\d+)?)\s?({_UNIT}?)"
)
_GROUPED = {
    decimal: re.compile(
        rf"(?:[1-9]\d{{0,2}}([{re.escape(_GROUPING.replace(decimal, ''))}])\d{{3}}(?:\1\d{{3}})*"
        + (r"|[1-9]\d?(?:,\d\d)+,\d{3}" if decimal == "." else "")  # lakh and crore
        + rf")({re.escape(decimal)}\d+)?"
    )
    for decimal in ".,"
}
_PLAIN = {
    decimal: re.compile(rf"(?:\d+{re.escape(decimal)}?\d*|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?")
    for decimal in ".,"
}
_EITHER = r"[1-9]\d{0,2}[.,]\d{3}"
"""One sign before exactly three digits."""
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_FRACTION = re.compile(r"[+-]?\d*[.,]?\d+")


@dataclass(frozen=True)
class NumberForm:
    """The number format of a file."""

    decimal: str
    """`.` or `,`."""
    is_sure: bool
    """True if a config or the first rows determine it; otherwise a sign before three digits may separate thousands."""
    groups: bool
    """True if the other sign is known to separate thousands."""
    is_said: bool = False
    """True if a config determines it."""


@dataclass(frozen=True)
class ColumnForm:
    """Content of a column, judged by its first rows."""

    kind: str
    """whole, number, date, text, or empty."""
    unit: str = ""
    """The percent or currency sign of its values."""
    is_truth: bool = False
    """True if it contains true and false."""
    is_decimal: bool = False
    """True if every value has a decimal sign, so that a sign before three digits is one too."""

    @property
    def note(self) -> str | None:
        """Note on how it is read, if it is needed."""
        if self.is_truth:
            return "contains true and false, read as 1 and 0"
        return f"is written in {self.unit}, read without the sign" if self.unit else None


def number_form(fields: Iterable[str], decimal: str) -> NumberForm:
    """Find the number format of a file from the fields of its first rows, and the decimal sign of a config, or auto."""
    if decimal != "auto":
        return NumberForm(decimal, is_sure=True, groups=True, is_said=True)
    signs, groups = Counter[str](), Counter[str]()
    for field in fields:
        if "." not in field and "," not in field:
            continue
        split = _split(field)
        if split is None:
            continue
        body = split[1]
        for sign in ".,":
            grouped = _GROUPED[sign].fullmatch(body)
            if grouped is not None and _is_evident(body, grouped) and ("." in body or "," in body):
                signs[sign] += 1
                groups[OTHER[sign]] += OTHER[sign] in body
            elif sign in body and _PLAIN[sign].fullmatch(body) and not re.fullmatch(_EITHER, body):
                signs[sign] += 1
    found = "," if signs[","] > signs["."] else "."
    return NumberForm(found, is_sure=signs[found] > 0, groups=groups[OTHER[found]] > 0)


def column_form(values: Sequence[str], separator: str) -> ColumnForm:
    """Find what a column holds, from the values of its first rows without surrounding blanks; `separator` is empty for
    Parquet."""
    values = [value for value in values if value.casefold() not in MISSING]
    if not values:
        return ColumnForm("empty")
    # A typo in one row must not change a column's use: the row must be found and named.
    if sum(_FRACTION.fullmatch(value) is None and is_date(value) for value in values) > len(values) / 2:
        return ColumnForm("date")
    if all(value.casefold() in TRUTH for value in values):
        return ColumnForm("number", is_truth=True)
    numbers = [value for value in values if is_number(value)]
    if not numbers:
        return ColumnForm("text")
    if all(map(_WHOLE.fullmatch, numbers)):
        return ColumnForm("whole")
    first = _split(numbers[0])
    assert first is not None
    # An unquoted decimal comma is impossible between commas, so a point is the decimal sign where all values have one.
    is_decimal = separator == "," and all("." in value for value in numbers)
    return ColumnForm("number", unit=first[2], is_decimal=is_decimal)


def is_number(text: str) -> bool:
    """Return whether a text is a number in any known format."""
    split = _split(text)
    if split is None:
        return False
    body = split[1]
    return any(_PLAIN[sign].fullmatch(body) or _GROUPED[sign].fullmatch(body) for sign in ".,")


def read_numbers(
    texts: pl.DataFrame, form: NumberForm, columns: Sequence[ColumnForm]
) -> tuple[NDArray[np.float64], tuple[int, int] | None]:
    """Read columns of numbers: (rows, columns), NaN if missing; and row and column of the first value, column by
    column, that is not a number, or None."""
    texts = texts.select(pl.all().fill_null("").str.strip_chars())
    read = texts.select(
        expression
        for name, column in zip(texts.columns, columns, strict=True)
        for expression in _expressions(name, form, column)
    ).get_columns()
    found = np.empty(texts.shape)
    for place, (numbers, odd) in enumerate(zip(read[::2], read[1::2], strict=True)):
        found[:, place] = numbers.to_numpy()
        if not odd.any():
            continue
        rows = odd.arg_true()
        written = texts.to_series(place)[rows]
        each = {text: _number(text, form, columns[place]) for text in written.unique()}
        values = np.array([each[text] for text in written], dtype=np.float64)  # None becomes NaN
        found[rows.to_numpy(), place] = values
        if np.isnan(values).any():
            return found, (int(rows[int(np.argmax(np.isnan(values)))]), place)
    return found, None


def _expressions(name: str, form: NumberForm, column: ColumnForm) -> tuple[pl.Expr, pl.Expr]:
    """Return the plain numbers of a column, and where another look is needed."""
    text = pl.col(name)
    missing = text.str.to_lowercase().is_in(list(MISSING))
    plain = text if form.decimal == "." else text.str.replace(",", ".", literal=True)
    numbers = plain.cast(pl.Float64, strict=False)
    if column.unit or column.is_truth:
        odd = pl.lit(value=True)
    else:
        odd = numbers.is_null()
        if form.decimal == ",":
            odd |= text.str.contains(".", literal=True)
        if not form.is_sure and not column.is_decimal:
            odd |= text.str.contains(rf"^[+-]?{_EITHER}$")
    return pl.when(~missing).then(numbers).alias(f"{name} number"), (odd & ~missing).alias(f"{name} odd")


def misreading(
    text: str, form: NumberForm, column: ColumnForm, name: str, hints: TableHints, separator: str
) -> tuple[str, str]:
    """Return the problem of a value that is not a number, and what to do. `separator` is empty for Parquet."""
    split = _split(text)
    if split is not None and not column.is_truth:
        sign, body, unit = split
        if unit != column.unit:
            wrong = f"is in {unit}" if unit else "has no sign"
            return (
                f"`{text[:40]}` {wrong}, but the first rows are {f'in {column.unit}' if column.unit else 'plain'}",
                f"write all values of `{name}` in one unit",
            )
        if re.fullmatch(_EITHER, body) and not form.is_said:
            readings = {decimal: _plainly(sign + body, decimal) for decimal in ".,"}
            choice = " or ".join(f'data.decimal="{decimal}" for {value}' for decimal, value in readings.items())
            change = f"write {body.replace(',', '').replace('.', '')}, or {_plainly(body, body[-4])} with other digits"
            return (
                f"`{text[:40]}` may be read as {readings['.']} or as {readings[',']}; nothing before it shows which",
                f"set the decimal sign: {choice}" if hints.takes_decimal else change,
            )
        other = OTHER[form.decimal]
        if _PLAIN[other].fullmatch(body) or _GROUPED[other].fullmatch(body):
            quoted = ', and data.separator=";" in a file separated by semicolons' if separator == "," == other else ""
            kind = "comma" if other == "," else "point"
            return (
                f"`{text[:40]}` is not a number; `{form.decimal}` is the decimal sign",
                f'numbers with a decimal {kind}: data.decimal="{other}"{quoted}'
                if hints.takes_decimal
                else f"write it with a decimal {'point' if other == ',' else 'comma'}, as the run's table does",
            )
    correct = hints.correct.replace(", or ", ", ", 1)
    leave = f"{correct}, or leave the column `{name}` out: {hints.choose}"
    if column.is_truth:
        return f"`{text[:40]}` is neither true nor false, as the first rows are", leave
    if (inner := re.fullmatch(r"\((.+)\)", text)) and is_number(inner[1]):
        return f"`{text[:40]}` is not a number", f"write a negative number with a minus sign: -{inner[1]}"
    if (start := re.match(r"[+-]?[\d.,]*\d", text)) and is_number(start[0]):
        return f"`{text[:40]}` is not a number", f"write the number alone, {start[0]}; or {leave}"
    return f"`{text[:40]}` is not a number", leave + hints.categories


def _split(text: str) -> tuple[str, str, str] | None:
    """Return sign, digits with separators, and unit of a number; None for anything else."""
    written = _WRITTEN.fullmatch(text.replace(_MINUS, "-"))
    if written is None:
        return None
    sign, before, inner, body, after = written.groups()
    if (sign and inner) or (before and after):
        return None
    return sign or inner, body, before or after


def _number(text: str, form: NumberForm, column: ColumnForm) -> float | None:
    if column.is_truth:
        return TRUTH.get(text.casefold())
    split = _split(text)
    if split is None or split[2] != column.unit:
        return None
    sign, body, _ = split
    if _PLAIN[form.decimal].fullmatch(body):
        if re.fullmatch(_EITHER, body) and not (form.is_sure or column.is_decimal):
            return None
        return float(sign + body.replace(",", "."))
    grouped = _GROUPED[form.decimal].fullmatch(body)
    if grouped is None or not (form.groups or _is_evident(body, grouped)):
        return None
    return float(_plainly(sign + body, form.decimal))


def _is_evident(body: str, grouped: re.Match[str]) -> bool:
    """Return whether thousands are separated beyond doubt: twice, before a decimal sign, or not by three digits
    alone."""
    return grouped[2] is not None or re.fullmatch(_EITHER, body) is None


def _plainly(text: str, decimal: str) -> str:
    """Return a number with a decimal point and without thousands separators."""
    return re.sub(rf"[{re.escape(_GROUPING.replace(decimal, ''))}]", "", text).replace(",", ".")
