"""A table of any size, read in blocks of rows, with the same result as reading it whole.

The first block determines the use of columns and the format of dates, which must hold for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from lstmctl.data.delimited import DelimitedSheet
from lstmctl.data.parquet import ParquetSheet
from lstmctl.data.sheets import Columns, Sheet, Wanted
from lstmctl.data.tables import ID_NAMES, USES, is_parquet
from lstmctl.errors import DataError
from lstmctl.shell import setting

VALUE = 16
"""Assumed bytes of a value, where blocks count rows."""


def table_blocks(path: Path, separator: str, decimal: str, size: int) -> Iterator[tuple[Sheet, float]]:
    """Yield the blocks of a table, in order, of about `size` bytes each, with the share of the file up to their end.

    Raises:
        DataError: the file is missing, of another kind, or not a table; with the position.
    """
    try:
        if is_parquet(path):
            yield from ParquetSheet.in_blocks(path, decimal, size // VALUE)
            return
        whole = path.stat().st_size
        for sheet, done in DelimitedSheet.in_blocks(path, separator, decimal, size):
            yield sheet, done / whole
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def row_numbers(sheet: Sheet, columns: Columns, wanted: Wanted, before: Mapping[str, int] | None) -> dict[str, int]:
    """Return the last number in each column that is ignored because it numbers the rows.

    A column of whole numbers with a name such as `id` is such a column if no number occurs twice. In a table that is
    read in blocks, its numbers must continue to rise after the block `before`; the first block was examined as a whole.

    Raises:
        DataError: the numbers do not increase; with the line.
    """
    if wanted.id is not None or columns.id is not None:
        return {}
    used = {columns.time, *(name for use in USES for name in getattr(columns, use))}
    last = {}
    for number, name in enumerate(sheet.names):
        if name in used or name.casefold() not in ID_NAMES or sheet.kind(number) != "whole":
            continue
        values = sheet.texts(number).cast(pl.Int64, strict=False)
        if before is not None:
            rises = values > pl.concat([pl.Series([before[name]], dtype=pl.Int64), values[:-1]])
            wrong = (~rises).fill_null(value=True).arg_true()
            if len(wrong):
                raise DataError(
                    f"{sheet.place(int(wrong[0]))}, column `{name}` does not increase from row to row, so it may name "
                    "the series, although no number occurs twice in the first rows",
                    hint=f"if it names them: {setting('data.id', name)}; otherwise remove the column from the file",
                )
        last[name] = max((value for value in (values.max(),) if isinstance(value, int)), default=0)
    return last
