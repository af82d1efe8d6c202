"""Parquet files as sheets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.delimited import AT_ONCE, POLARS_ERRORS
from lstmctl.data.delimited_start import EVIDENCE, SAMPLED
from lstmctl.data.number_format import ColumnForm, column_form, number_form
from lstmctl.data.sheets import Sheet
from lstmctl.data.table_hints import SERIES, TableHints
from lstmctl.errors import DataError

SIGNATURE = b"PAR1"


class ParquetSheet(Sheet):
    """A Parquet file of plain columns; its rows count from 1."""

    unit = "row"

    def __init__(self, path: Path, decimal: str, hints: TableHints = SERIES) -> None:
        """Read the columns' names and types, and the file for its checksum; `decimal` is that of numbers stored as
        texts.

        Raises:
            DataError: the file is not Parquet, or a column holds lists, structures or objects.
        """
        self._recognise(path, decimal, hints)
        self.lines = np.arange(1, self._count + 1, dtype=np.int64)
        with path.open("rb") as file:
            self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._size = file.tell()

    @classmethod
    def in_blocks(cls, path: Path, decimal: str, values: int) -> Iterator[tuple[Self, float]]:
        """Yield the file as several sheets of at most `values` values, with the share of its rows up to the end of
        each.

        Raises:
            DataError: as for the whole.
        """
        whole = cls.__new__(cls)
        whole._recognise(path, decimal, SERIES)
        rows = max(1, values // len(whole.names))
        for start in range(0, whole._count, rows):
            part, stop = copy(whole), min(start + rows, whole._count)
            part._frame, part.notes = whole._frame.slice(start, stop - start), []
            part.lines = np.arange(start + 1, stop + 1, dtype=np.int64)
            yield part, stop / whole._count

    def _recognise(self, path: Path, decimal: str, hints: TableHints) -> None:
        """Read the columns' names and types, and the first rows of those with texts."""
        self.path, self._hints = path, hints
        self.notes: list[str] = []
        self.unnamed: set[int] = set()
        try:
            self._frame = pl.scan_parquet(path, glob=False)
            schema = self._frame.collect_schema()
            self._count = int(self._frame.select(pl.len()).collect().item())
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
            number: column_form(column.head(SAMPLED).to_list(), self.separator)
            for number, column in zip(texts, first, strict=True)
        }

    @property
    def known_decimal(self) -> str | None:
        has_texts = any(form.kind in ("whole", "number") for form in self._forms.values())
        return self._numbers.decimal if has_texts and self._numbers.is_sure else None

    def form(self, column: int) -> ColumnForm:
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

    def texts(self, column: int) -> pl.Series:
        """Return a column as texts: moments as `2016-07-01 05:00:00`, with `+02:00` if they have a zone."""
        values = self._column(column)
        kind = self._kinds[column]
        if isinstance(kind, pl.Datetime):
            values = values.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("" if kind.time_zone is None else "%:z"))
        return _plain_texts(values)

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
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
                if column in self._forms:
                    texts = series.cast(pl.String).to_frame()
                    values[:, place] = self._read_numbers(texts, [column])[:, 0]
                else:
                    values[:, place] = series.cast(pl.Float64).to_numpy()
        self._check_size(values, columns)
        return values

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
        return DataError(f"{self.path} cannot be read as Parquet: {first}")


def _is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.Categorical or kind == pl.Enum


def _plain_texts(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).fill_null("").str.strip_chars()
