"""A table whose rows are in another order than in the file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.number_format import ColumnForm
from lstmctl.data.sheets import Numbers, Sheet


class ReorderedSheet(Sheet):
    """A table whose rows are in another order; errors name the lines of the file.

    Args:
        sheet: the table.
        order: (rows,) the number of each row in it.
    """

    def __init__(self, sheet: Sheet, order: NDArray[np.int64]) -> None:
        self._sheet, self._order = sheet, order
        self.path, self.names, self.unnamed, self.unit = sheet.path, sheet.names, sheet.unnamed, sheet.unit
        self.notes, self.separator = sheet.notes, sheet.separator
        self.lines = sheet.lines[order]

    @property
    def known_decimal(self) -> str | None:
        return self._sheet.known_decimal

    def form(self, column: int) -> ColumnForm:
        return self._sheet.form(column)

    def texts(self, column: int) -> pl.Series:
        return self._sheet.texts(column).gather(self._order)

    def numbers(self, columns: Sequence[int]) -> Numbers:
        return self._sheet.numbers(columns)[self._order]

    def place(self, row: int) -> str:
        return self._sheet.place(int(self._order[row]))

    def fingerprint(self) -> dict[str, object]:
        return self._sheet.fingerprint()
