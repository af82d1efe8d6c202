"""Format of a table: its separator, decimal sign and dates. A run reads newer tables in the same way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DateForm:
    """Format of a column of dates."""

    format: str
    """As polars takes it, without the zone, or with `%q` for a quarter; or one of `numbered_dates.WORDS`."""
    first: str
    """The column's first date."""
    zone: str
    """Offset of its clock from UTC, such as `+02:00` or `Z`; empty if the dates have no zone."""
    given: bool
    """True if a config defines the format."""
    converted: bool = False
    """True if times were converted to that zone."""

    @property
    def shown(self) -> str:
        """The format as people write it."""
        return self.format.replace("%.f", "")


@dataclass(frozen=True)
class Writing:
    """Format of a table, as far as its first rows or a config determine it."""

    separator: str | None
    """Of delimited text; None for Parquet."""
    decimal: str | None
    """None where nothing says."""
    dates: DateForm | None
    """None where times are whole numbers."""
