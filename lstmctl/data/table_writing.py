"""How a table is written: its separator, decimal sign and dates. A run reads newer tables likewise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DateForm:
    """How a column of dates is written."""

    format: str
    """As polars takes it, without the zone, or with `%q` for a quarter; or one of `numbered_dates.WORDS`."""
    first: str
    """The column's first date."""
    zone: str
    """How far its clock is from UTC, as `+02:00` or `Z`; empty where the dates name no zone."""
    given: bool
    """Whether a config says the format."""
    converted: bool = False
    """Whether times were converted to that zone, whatever their own."""

    @property
    def shown(self) -> str:
        """The format as people write it."""
        return self.format.replace("%.f", "")


@dataclass(frozen=True)
class Writing:
    """How a table is written, as far as its first rows or a config say."""

    separator: str | None
    """Of delimited text; None for Parquet."""
    decimal: str | None
    """None where nothing says."""
    dates: DateForm | None
    """None where times are whole numbers."""
