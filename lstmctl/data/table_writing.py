"""The format of a table: separator, decimal sign and dates. A run reads newer tables in the same way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DateForm:
    """The format of a column of dates."""

    format: str
    """In the notation of polars, without the zone, or with `%q` for a quarter; or one of `numbered_dates.WORDS`."""
    first: str
    """The first date."""
    zone: str
    """Offset of its clock from UTC, as `+02:00` or `Z`; empty if the dates have no zone."""
    given: bool
    """True if a config determines the format."""
    converted: bool = False
    """True if times were converted to that zone."""

    @property
    def shown(self) -> str:
        """The format for people."""
        return self.format.replace("%.f", "")


@dataclass(frozen=True)
class Writing:
    """The format of a table, as far as its first rows or a config determine it."""

    separator: str | None
    """Of delimited text; None for Parquet."""
    decimal: str | None
    """None if undetermined."""
    dates: DateForm | None
    """None if times are whole numbers."""
