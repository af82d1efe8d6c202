"""Tables as Parquet files: the same view of them as of delimited text.

A column of texts that are numbers is read as those of delimited text are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.delimited import AT_ONCE, BLOCK, LARGEST, POLARS_ERRORS
from lstmctl.data.table_hints import SERIES, TableHints
from lstmctl.data.table_start import EVIDENCE, SAMPLED
from lstmctl.data.written_numbers import (
    ColumnForm,
    column_form,
    misreading,
    number_form,
    read_numbers,
)
from lstmctl.errors import DataError

SIGNATURE = b"PAR1"


class ParquetSheet:
    """A Parquet file of plain columns; its rows count from 1."""

    unit = "row"

    def __init__(self, path: Path, decimal: str, hints: TableHints = SERIES) -> None:
        """Read the columns' names and types, and the file for its checksum.

        Args:
            path: a regular file.
            decimal: of numbers that are stored as texts: `.`, `,` or auto.
            hints: what it is read for, as far as errors say what would be right.

        Raises:
            DataError: it is no Parquet file, or a column holds lists, structures or objects.
        """
        self._recognise(path, decimal, hints)
        self.lines = np.arange(1, self.rows + 1, dtype=np.int64)
        digest, self._bytes = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                self._bytes += len(block)
        self._sha256 = digest.hexdigest()

    @classmethod
    def in_blocks(cls, path: Path, decimal: str, values: int, read: int = 0) -> Iterator[tuple[Self, int]]:
        """The same file as several sheets, with the rows up to each's end.

        Args:
            path: a regular file.
            decimal: as for the whole.
            values: of a sheet at most, its rows times all columns.
            read: rows that are left out.

        Raises:
            DataError: as for the whole.
        """
        whole = cls.__new__(cls)
        whole._recognise(path, decimal, SERIES)
        rows = max(1, values // len(whole.names))
        for start in range(read, whole.rows, rows):
            part = copy(whole)
            part.rows, part.notes = min(rows, whole.rows - start), []
            part._frame = whole._frame.slice(start, part.rows)
            part.lines = np.arange(start + 1, start + part.rows + 1, dtype=np.int64)
            yield part, start + part.rows

    def _recognise(self, path: Path, decimal: str, hints: TableHints) -> None:
        """Read the columns' names and types, and the first rows of those that hold texts."""
        self.path, self._hints = path, hints
        self.notes: list[str] = []
        self.unnamed: set[int] = set()
        try:
            self._frame = pl.scan_parquet(path, glob=False)
            schema = self._frame.collect_schema()
            self.rows = self.all_rows = int(self._frame.select(pl.len()).collect().item())
        except POLARS_ERRORS as error:
            raise self._unreadable(error) from error
        self.names = tuple(schema.names())
        self._kinds = list(schema.dtypes())
        for name, kind in zip(self.names, self._kinds, strict=True):
            if kind.is_nested() or kind in (pl.Object, pl.Binary):
                raise DataError(
                    f"{path}, column `{name}` contains {str(kind).split('(')[0].lower()} values, not plain ones",
                    hint="write one plain value per row and column: a date, a number or a name",
                )

        texts = [number for number, kind in enumerate(self._kinds) if _is_text(kind)]
        first = self._texts(texts, EVIDENCE)
        self._numbers = number_form((text for column in first for text in column), decimal)
        self._forms = {
            number: column_form(column.head(SAMPLED).to_list(), separator="")
            for number, column in zip(texts, first, strict=True)
        }

    @property
    def known_decimal(self) -> str | None:
        """The decimal sign of numbers stored as texts, if the first rows or the config say it."""
        has_texts = any(form.kind in ("whole", "number") for form in self._forms.values())
        return self._numbers.decimal if has_texts and self._numbers.is_sure else None

    def form(self, column: int) -> ColumnForm:
        """Content of a column; for texts, judged by the first rows."""
        kind = self._kinds[column]
        if column in self._forms:
            return self._forms[column]
        if kind == pl.Boolean:
            return ColumnForm("number", is_truth=True)
        if kind in (pl.Date, pl.Datetime):
            return ColumnForm("date")
        if kind == pl.Null:
            return ColumnForm("empty")
        return ColumnForm("whole" if kind.is_integer() else "number" if kind.is_numeric() else "text")

    def kind(self, column: int) -> str:
        """Content of a column: whole, number, date, text, or empty."""
        return self.form(column).kind

    def texts(self, column: int) -> pl.Series:
        """(rows,) a column as texts, empty where there is none; moments as `2016-07-01 05:00:00`, and `+02:00` where
        they have a zone."""
        values = self._column(column)
        kind = self._kinds[column]
        if isinstance(kind, pl.Datetime):
            values = values.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("" if kind.time_zone is None else "%:z"))
        return _plain_texts(values)

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """(rows, columns) float64, with NaN where a value is missing.

        Raises:
            DataError: a column is not of numbers, or a number is too large.
        """
        for column in columns:
            if self.kind(column) not in ("whole", "number", "empty") and column not in self._forms:
                raise DataError(
                    f"{self.path}, column `{self.names[column]}` contains {self._kinds[column]}, not numbers",
                    hint=f"store it as numbers, or leave it out: {self._hints.choose}",
                )
        values = np.empty((self.rows, len(columns)))
        at_once = max(1, AT_ONCE // max(1, self.rows))
        for first in range(0, len(columns), at_once):
            chunk = columns[first : first + at_once]
            for place, series in enumerate(self._columns(chunk), start=first):
                column = columns[place]
                read = self._numbers_of(series, column) if column in self._forms else series.cast(pl.Float64).to_numpy()
                values[:, place] = read
        with np.errstate(invalid="ignore"):
            large = np.abs(values) > LARGEST
        if large.any():
            index, row = (int(place) for place in np.argwhere(large.T)[0])
            what = "infinite" if np.isinf(values[row, index]) else "too large to learn from"
            raise DataError(
                f"{self.place(row)}, column `{self.names[columns[index]]}`: {values[row, index]:g} is {what}",
                hint=self._hints.correct,
            )
        return values

    def place(self, row: int) -> str:
        """Position of a row, for messages."""
        return f"{self.path}: row {self.lines[row]}"

    def fingerprint(self) -> dict[str, object]:
        """SHA-256 and size in bytes of the file."""
        return {"sha256": self._sha256, "bytes": self._bytes}

    def _numbers_of(self, texts: pl.Series, column: int) -> NDArray[np.float64]:
        """A column of texts as numbers."""
        form, name = self.form(column), self.names[column]
        values, wrong = read_numbers(texts.cast(pl.String).to_frame(), self._numbers, [form])
        if wrong is not None:
            text = str(texts[wrong[0]]).strip()
            message, hint = misreading(text, self._numbers, form, name, self._hints, separator="")
            raise DataError(f"{self.place(wrong[0])}, column `{name}`: {message}", hint=hint)
        return values[:, 0]

    def _column(self, column: int) -> pl.Series:
        return self._columns([column])[0]

    def _texts(self, columns: Sequence[int], rows: int) -> list[pl.Series]:
        return [_plain_texts(series) for series in self._columns(columns, rows)]

    def _columns(self, columns: Sequence[int], rows: int | None = None) -> list[pl.Series]:
        frame = self._frame.select(pl.col(self.names[column]) for column in columns)
        try:
            return (frame if rows is None else frame.head(rows)).collect().get_columns()
        except POLARS_ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> DataError:
        first = str(error).split("\n", 1)[0]
        return DataError(f"{self.path} cannot be read as a Parquet file: {first}")


def _is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.Categorical or kind == pl.Enum


def _plain_texts(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).fill_null("").str.strip_chars()
