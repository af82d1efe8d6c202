"""Phases of dates as graphs, as `data.calendar` computes them."""

from __future__ import annotations

import math
from collections.abc import Callable

from lstmctl.export.graph import Body, Value
from lstmctl.export.tracing import NotExportableError

DAY = 86_400.0
"""Seconds."""


def calendar(body: Body, times: Value, names: tuple[str, ...]) -> Value:
    """Return the sine and cosine (rows, 2 · names) of each feature's phase at times (rows, 1), in seconds since 1970 by
    the clock of the table, or of its zone.

    Raises:
        NotExportableError: a feature is not a phase.
    """
    if odd := [name for name in names if name not in PHASES]:
        raise NotExportableError(
            f"data.calendar {', '.join(odd)} cannot be exported", hint=f"train with {', '.join(PHASES)} only"
        )
    days = body.unary("floor", times / DAY, "days")
    features = []
    for name in names:
        angle = PHASES[name](body, times, days) * (2 * math.pi)
        features += [body.unary("sin", angle), body.unary("cos", angle)]
    return body.concat(features, name="calendar")


def _hour(body: Body, times: Value, days: Value) -> Value:
    return times / DAY - days


def _weekday(body: Body, times: Value, days: Value) -> Value:
    return _modulo(body, days + 3.0, 7.0) / 7.0  # from Monday; 1970-01-01 was a Thursday


def _day_of_month(body: Body, times: Value, days: Value) -> Value:
    year, month, day = _date(body, days)
    is_december = body.binary("equal", month, 12.0)
    following = _days(body, year + is_december, body.where(is_december, 1.0, month + 1.0))
    return (day - 1.0) / (following - _days(body, year, month))


def _month(body: Body, times: Value, days: Value) -> Value:
    _, month, _ = _date(body, days)
    return (month - 1.0) / 12.0


def _quarter(body: Body, times: Value, days: Value) -> Value:
    year, month, _ = _date(body, days)
    first = body.unary("floor", (month - 1.0) / 3.0) * 3.0 + 1.0
    is_last = body.binary("less", 9.0, first)
    following = _days(body, year + is_last, body.where(is_last, 1.0, first + 3.0))
    start = _days(body, year, first)
    return (days - start) / (following - start)


def _day_of_year(body: Body, times: Value, days: Value) -> Value:
    year, _, _ = _date(body, days)
    start = _new_year(body, year)
    return (days - start) / (_new_year(body, year + 1.0) - start)


PHASES: dict[str, Callable[[Body, Value, Value], Value]] = {
    "hour": _hour,
    "weekday": _weekday,
    "day-of-month": _day_of_month,
    "month": _month,
    "quarter": _quarter,
    "day-of-year": _day_of_year,
}
"""Each feature's phase, from 0 to below 1."""


def _modulo(body: Body, x: Value, divisor: float) -> Value:
    return x - body.unary("floor", x / divisor) * divisor


def _date(body: Body, days: Value) -> tuple[Value, Value, Value]:
    """Return year, month and day of days since 1970-01-01, in the Gregorian calendar (H. Hinnant, "chrono-Compatible
    Low-Level Date Algorithms", 2013): years begin with March, so that a leap day is the last."""

    def floor(x: Value) -> Value:
        return body.unary("floor", x)

    shifted = days + 719_468.0
    era = floor(shifted / 146_097.0)
    of_era = shifted - era * 146_097.0
    leaps = floor(of_era / 1460.0) - floor(of_era / 36_524.0) + floor(of_era / 146_096.0)
    year = floor((of_era - leaps) / 365.0)
    of_year = of_era - (year * 365.0 + floor(year / 4.0) - floor(year / 100.0))
    march = floor((of_year * 5.0 + 2.0) / 153.0)
    day = of_year - floor((march * 153.0 + 2.0) / 5.0) + 1.0
    month = march + 3.0 - body.binary("less", 9.0, march) * 12.0
    year = year + era * 400.0 + body.binary("less", month, 3.0)
    for value, name in ((year, "year"), (month, "month"), (day, "day")):
        body.rename(value, name)
    return year, month, day


def _new_year(body: Body, year: Value) -> Value:
    """Return the days from 1970-01-01 to the first day of a year."""
    before = year - 1.0
    leaps = [body.unary("floor", before / every) for every in (4.0, 100.0, 400.0)]
    return before * 365.0 + leaps[0] - leaps[1] + leaps[2] - 719_162.0


def _days(body: Body, year: Value, month: Value) -> Value:
    """Return the days from 1970-01-01 to the first day of a month."""

    def floor(x: Value) -> Value:
        return body.unary("floor", x)

    is_early = body.binary("less", month, 3.0)
    year = year - is_early
    era = floor(year / 400.0)
    of_era = year - era * 400.0
    of_year = floor(((month + is_early * 12.0 - 3.0) * 153.0 + 2.0) / 5.0)
    return era * 146_097.0 + of_era * 365.0 + floor(of_era / 4.0) - floor(of_era / 100.0) + of_year - 719_468.0
