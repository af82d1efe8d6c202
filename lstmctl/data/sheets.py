"""Tables as sheets of named columns, and what is wanted of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.number_format import ColumnForm, NumberForm, misreading, read_numbers
from lstmctl.data.table_hints import TableHints
from lstmctl.data.table_writing import Writing
from lstmctl.data.timesteps import Step
from lstmctl.errors import DataError

Numbers = NDArray[np.float64]
LARGEST = 1e37
"""Maximum magnitude of a value; beyond it, the network's float32 numbers soon overflow."""


class Sheet(ABC):
    """A table of named columns, as delimited text or Parquet."""

    unit: str
    """The unit of `lines`: line or row."""
    path: Path
    names: tuple[str, ...]
    unnamed: set[int]
    """Numbers of the columns without a name."""
    notes: list[str]
    separator: str = ""
    """Of delimited text; empty for Parquet."""
    empty = first_empty = 0
    """The number of empty lines, and the first of them."""
    lines: NDArray[np.int64]
    """(rows,) the position of each row in the file."""
    _numbers: NumberForm
    _hints: TableHints
    _sha256: str
    _size: int

    @property
    def rows(self) -> int:
        """Number of rows with any content."""
        return len(self.lines)

    @property
    @abstractmethod
    def known_decimal(self) -> str | None:
        """The decimal sign, if the first rows or a config determine it."""

    @abstractmethod
    def form(self, column: int) -> ColumnForm:
        """Return what a column holds, judged by its type or its first rows."""

    @abstractmethod
    def texts(self, column: int) -> pl.Series:
        """Return a column (rows,) as texts without surrounding blanks, empty if missing."""

    @abstractmethod
    def numbers(self, columns: Sequence[int]) -> Numbers:
        """Return columns (rows, columns) as numbers, NaN if missing.

        Raises:
            DataError: a value is not a number or too large; with its row, column and value.
        """

    def kind(self, column: int) -> str:
        """Return what a column holds: whole, number, date, text, or empty."""
        return self.form(column).kind

    def place(self, row: int) -> str:
        """Return the position of a row, for messages."""
        return f"{self.path}: {self.unit} {self.lines[row]}"

    def fingerprint(self) -> dict[str, object]:
        """Return SHA-256 and size in bytes of the file."""
        return {"sha256": self._sha256, "bytes": self._size}

    def _read_numbers(self, texts: pl.DataFrame, columns: Sequence[int]) -> Numbers:
        """Read numbers from the texts of some columns."""
        values, wrong = read_numbers(texts, self._numbers, [self.form(column) for column in columns])
        if wrong is not None:
            row, column = wrong[0], columns[wrong[1]]
            text, name = str(texts[wrong]).strip(), self.names[column]
            message, hint = misreading(text, self._numbers, self.form(column), name, self._hints, self.separator)
            raise DataError(f"{self.place(row)}, column `{name}`: {message}", hint=hint)
        return values

    def _check_size(self, values: Numbers, columns: Sequence[int]) -> None:
        with np.errstate(invalid="ignore"):
            large = np.abs(values) > LARGEST
        if large.any():
            column, row = (int(place) for place in np.argwhere(large.T)[0])
            what = "infinite" if np.isinf(values[row, column]) else "too large to learn from"
            raise DataError(
                f"{self.place(row)}, column `{self.names[columns[column]]}`: {values[row, column]:g} is {what}",
                hint=self._hints.correct,
            )


@dataclass(frozen=True)
class Columns:
    """The use of each column."""

    time: str
    id: str | None
    targets: tuple[str, ...]
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """Format of a table, as determined by its first rows."""

    columns: Columns
    writing: Writing


@dataclass(frozen=True)
class Asked:
    """Settings of columns and dates, by the keys of a config's `data` section; None for automatic detection."""

    time: str | None
    id: str | None
    targets: tuple[str, ...] | None
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]
    date_format: str | None
    zone: str | None
    """The zone to convert dates to."""


@dataclass(frozen=True)
class Wanted(Asked):
    """Column settings of a config, or of a run's encoding."""

    is_run: bool = False
    """True if they come from a run's encoding: then columns are not detected."""
    writing: Writing | None = None
    """The format of the run's own table; None if it was not kept."""
    step: Step | None = None
    """The run's."""
    categories: tuple[str, ...] = ()
    """Covariates that hold categories."""


def kinds_of(sheet: Sheet, names: Sequence[str]) -> dict[str, str]:
    """Return what each of some columns holds."""
    places = {name: place for place, name in enumerate(sheet.names)}
    return {name: sheet.kind(places[name]) for name in names}
