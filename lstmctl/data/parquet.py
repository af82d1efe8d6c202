"""Tables as Parquet files: the same view of them as of delimited text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.dates import is_date
from lstmctl.data.delimited import BLOCK, LARGEST, POLARS_ERRORS, SAMPLED
from lstmctl.data.purposes import SERIES, Purpose
from lstmctl.errors import DataError

SIGNATURE = b"PAR1"


class ParquetSheet:
    """A Parquet file of plain columns; its rows count from 1."""

    unit = "row"

    def __init__(self, path: Path, purpose: Purpose = SERIES) -> None:
        """Read the columns' names and types, and the file for its checksum.

        Raises:
            DataError: it is no Parquet file, or a column holds lists, structures or objects.
        """
        self._recognise(path, purpose)
        self.lines = np.arange(1, self.rows + 1, dtype=np.int64)
        digest, self._bytes = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                self._bytes += len(block)
        self._sha256 = digest.hexdigest()

    @classmethod
    def in_blocks(cls, path: Path, values: int, read: int = 0) -> Iterator[tuple[Self, int]]:
        """The same file as several sheets, with the rows up to each's end.

        Args:
            path: a regular file.
            values: of a sheet at most, its rows times all columns.
            read: rows that are left out.

        Raises:
            DataError: as for the whole.
        """
        whole = cls.__new__(cls)
        whole._recognise(path, SERIES)
        rows = max(1, values // len(whole.names))
        for start in range(read, whole.rows, rows):
            part = copy(whole)
            part.rows, part.notes = min(rows, whole.rows - start), []
            part._frame = whole._frame.slice(start, part.rows)
            part.lines = np.arange(start + 1, start + part.rows + 1, dtype=np.int64)
            yield part, start + part.rows

    def _recognise(self, path: Path, purpose: Purpose) -> None:
        """Read the columns' names and types."""
        self.path, self._purpose = path, purpose
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
                    f"{path}, column `{name}` holds {str(kind).split('(')[0].lower()} values, not plain ones",
                    hint="write one plain value a row and column: a date, a number or a name",
                )

    def kind(self, column: int) -> str:
        """What a column holds: whole, number, date, text, or empty."""
        kind = self._kinds[column]
        if kind in (pl.Date, pl.Datetime):
            return "date"
        if kind.is_integer():
            return "whole"
        if kind.is_numeric() or kind == pl.Boolean:
            return "number"
        if kind == pl.Null:
            return "empty"
        first = [str(text) for text in self._column(column, SAMPLED).cast(pl.String).drop_nulls()]
        return "date" if first and all(is_date(text) for text in first) else "text"

    def texts(self, column: int) -> pl.Series:
        """(rows,) a column as texts, empty where there is none; moments as `2016-07-01 05:00:00`, and `+02:00` where
        they have a zone."""
        values = self._column(column)
        kind = self._kinds[column]
        if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
            offsets = (values.dt.base_utc_offset() + values.dt.dst_offset()).drop_nulls()
            if offsets.n_unique() > 1:
                row = int(offsets.ne(offsets[0]).arg_true()[0])
                raise DataError(
                    f"{self.place(row)}, column `{self.names[column]}`: the clock of {kind.time_zone} was changed here",
                    hint="convert all dates to one zone, such as UTC",
                )
        if isinstance(kind, pl.Datetime):
            values = values.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("" if kind.time_zone is None else "%:z"))
        return values.cast(pl.String).fill_null("").str.strip_chars()

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """(rows, columns) float64, with NaN where a value is missing.

        Raises:
            DataError: a column is not of numbers, or a number is too large.
        """
        values = np.empty((self.rows, len(columns)))
        for index, column in enumerate(columns):
            if self.kind(column) not in ("whole", "number", "empty"):
                raise DataError(
                    f"{self.path}, column `{self.names[column]}` holds {self._kinds[column]}, not numbers",
                    hint=f"store it as numbers, or leave it out: {self._purpose.choose}",
                )
            values[:, index] = self._column(column).cast(pl.Float64).to_numpy()
            with np.errstate(invalid="ignore"):
                large = np.abs(values[:, index]) > LARGEST
            if large.any():
                row = int(np.argmax(large))
                what = "infinite" if np.isinf(values[row, index]) else "too large to learn from"
                raise DataError(
                    f"{self.place(row)}, column `{self.names[column]}`: {values[row, index]:g} is {what}",
                    hint=self._purpose.correct,
                )
        return values

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"{self.path}: row {self.lines[row]}"

    def fingerprint(self) -> dict[str, object]:
        """SHA-256 and size in bytes of the file."""
        return {"sha256": self._sha256, "bytes": self._bytes}

    def _column(self, column: int, rows: int | None = None) -> pl.Series:
        frame = self._frame.select(pl.col(self.names[column]))
        try:
            return (frame if rows is None else frame.head(rows)).collect().to_series()
        except POLARS_ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> DataError:
        first = str(error).split("\n", 1)[0]
        return DataError(f"{self.path} is no Parquet file that can be read: {first}")
