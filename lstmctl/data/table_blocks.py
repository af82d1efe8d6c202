"""A table of any size, read one block of rows at a time, with the same result as reading it as a whole.

The first block determines the use of columns and the date format, which must hold for all blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lstmctl.data.delimited import DelimitedSheet
from lstmctl.data.parquet import ParquetSheet
from lstmctl.data.sheets import Columns, Sheet, Wanted
from lstmctl.data.tables import ID_NAMES, USES, is_parquet
from lstmctl.errors import DataError
from lstmctl.shell import setting

VALUE = 16
"""Bytes of a table's block that a value is taken to be, where rows are what is counted."""


@dataclass(frozen=True)
class Block:
    """Some rows of a table, and where in the file they end."""

    sheet: Sheet
    read: int
    """Bytes of delimited text up to there, rows of Parquet."""
    lines: int
    share: float
    """Of the file that is read then."""
    separator: str | None = None
    """Of delimited text."""
    decimal: str | None = None
    empty: int = 0
    """Lines in it that hold nothing."""
    first_empty: int = 0


def table_blocks(path: Path, separator: str, decimal: str, size: int, read: int = 0, lines: int = 0) -> Iterator[Block]:
    """The blocks of a table, in order.

    Args:
        path: a CSV, TSV or Parquet file.
        separator: of delimited text, or auto.
        decimal: of delimited text, and of numbers stored as texts in Parquet, or auto.
        size: bytes of a block, about.
        read: where to begin: where an earlier block ended.
        lines: likewise.

    Raises:
        DataError: the file is missing, of another kind, or no table; the message says where.
    """
    try:
        if is_parquet(path):
            for part, done in ParquetSheet.in_blocks(path, decimal, size // VALUE, read):
                yield Block(part, done, done, done / part.all_rows, decimal=part.known_decimal)
            return
        whole = path.stat().st_size
        for sheet, done, counted in DelimitedSheet.in_blocks(path, separator, decimal, size, read, lines):
            facts = (sheet.separator, sheet.known_decimal, sheet.empty, sheet.first_empty)
            yield Block(sheet, done, counted, done / whole, *facts)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def row_numbers(sheet: Sheet, columns: Columns, wanted: Wanted, before: Mapping[str, int] | None) -> dict[str, int]:
    """Return the last number in each column that is ignored because it numbers the rows.

    A column of whole numbers with a name such as `id` names the series if a number occurs twice, and otherwise numbers
    the rows. If the rows are read in blocks, the latter can only be verified if the numbers increase.

    Args:
        sheet: a block.
        columns: those detected in the first block.
        wanted: the config's settings of columns.
        before: the result for the previous block; None for the first, which was examined as a whole.

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
