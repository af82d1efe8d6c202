"""Times by the clock of a place, whose offset from UTC changes with daylight saving time.

Times are in microseconds since 1970-01-01, in UTC or by the local clock.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.errors import DataError
from lstmctl.words import near

if TYPE_CHECKING:
    import polars

Times = NDArray[np.int64]
MINUTE = 60_000_000


def is_named(zone: str | None) -> bool:
    """Return whether a zone is named after a place, such as Europe/Vienna, rather than UTC or an offset."""
    return zone is not None and "/" in zone


def require_known(zone: str) -> None:
    """Raise DataError if the zone is unknown."""
    import polars

    try:
        polars.Series([0]).cast(polars.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except polars.exceptions.PolarsError as error:
        from zoneinfo import available_timezones

        similar = near(zone, available_timezones())
        raise DataError(
            f"data.zone {zone} is not a known time zone{similar and f'; {similar}'}",
            hint="name a place of the time zone database, such as Europe/Vienna or America/New_York",
        ) from error


def to_local(times: Times, zone: str) -> Times:
    """Return times in UTC (…) by the local clock."""
    import polars

    own = polars.Series(times.ravel()).cast(polars.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    return _numbers(own.dt.replace_time_zone(None)).reshape(times.shape)


@lru_cache(maxsize=1 << 16)
def offset_at(zone: str, time: int) -> int:
    """Return the microseconds that the local clock is ahead of UTC at a time in UTC."""
    return int(to_local(np.array([time]), zone)[0]) - time


def offset_text(ahead: int) -> str:
    """Format an offset from UTC in microseconds as `+02:00`."""
    hours, minutes = divmod(abs(ahead) // MINUTE, 60)
    return f"{'-' if ahead < 0 else '+'}{hours:02}:{minutes:02}"


def to_utc(times: Times, zone: str) -> tuple[Times, Times, NDArray[np.bool_]]:
    """Return the first and the last moment (rows,) in UTC at which the local clock shows a time, and whether it ever
    does. The two differ in the hour that is repeated in autumn, and are undefined in the one skipped in spring."""
    import polars

    own = polars.Series(times).cast(polars.Datetime("us"))
    found = [
        own.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")  # type: ignore[arg-type, unused-ignore]
    ]
    exists = found[0].is_not_null().to_numpy()
    early, late = (_numbers(moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)) for moments in found)
    return early, late, exists


def resolved(times: Times, series: NDArray[np.int64], zone: str) -> tuple[Times, NDArray[np.bool_]]:
    """Return local times (rows,) in UTC, and whether the local clock shows them at all.

    A time that the clock shows twice is the first moment at its first occurrence in a series and the second one after;
    in a series in reverse order, the other way round. One that occurs once is the first, unless a series begins there.
    """
    early, late, exists = to_utc(times, zone)
    twice = np.flatnonzero(exists & (early != late))
    if not len(twice):
        return early, exists
    same = series[1:] == series[:-1]
    changes = np.diff(times)[same]
    backwards = np.count_nonzero(changes < 0) > np.count_nonzero(changes > 0)
    order = np.lexsort((-twice if backwards else twice, times[twice], series[twice]))
    rows = twice[order]
    begins = np.flatnonzero(np.append(True, (np.diff(times[rows]) != 0) | (np.diff(series[rows]) != 0)))
    sizes = np.diff(np.append(begins, len(rows)))
    is_first = np.zeros(len(rows), dtype=bool)
    is_first[begins] = True
    clear = np.ones(len(times), dtype=bool)
    clear[twice] = False
    first_clear = np.full(int(series.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first_clear, series[clear], times[clear])
    at_the_start = (np.repeat(sizes, sizes) == 1) & (times[rows] < first_clear[series[rows]])
    found = early.copy()
    found[rows] = np.where(is_first & ~at_the_start, early[rows], late[rows])
    return found, exists


def _numbers(moments: polars.Series) -> Times:
    return moments.to_physical().fill_null(0).to_numpy().astype(np.int64)
