"""Columns of a table on disk, scaled on demand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.data.series_table import Table
from lstmctl.data.timesteps import CHUNK

Indices = NDArray[np.int64]


class MappedColumns:
    """Acts as a tensor (rows, columns) of scaled values, without holding them.

    Args:
        table: mapped.
        width: number of columns.
        scale: from row numbers (…) and their series in the table to values (…, columns).
    """

    device = torch.device("cpu")

    def __init__(self, table: Table, width: int, scale: Callable[[Indices, Indices], NDArray[np.float32]]) -> None:
        self._bounds, self._scale = table.bounds, scale
        self.shape = torch.Size((len(table.times), width))

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return scaled values (…, columns) of rows (…)."""
        numbers = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows.numpy()
        if not self.shape[1]:
            return torch.empty(*numbers.shape, 0)
        series = np.zeros((), np.int64)
        if len(self._bounds) > 2:
            series = np.searchsorted(self._bounds, numbers, side="right") - 1
        return torch.from_numpy(self._scale(numbers, series))

    def __len__(self) -> int:
        return self.shape[0]

    def to(self, device: torch.device) -> Tensor:
        """Copy all values to another device."""
        found = torch.empty(self.shape, device=device)
        for start in range(0, len(self), CHUNK):
            found[start : start + CHUNK] = self[start : start + CHUNK].to(device)
        return found


def mapped_columns(
    encoding: SeriesEncoding, table: Table, own: Indices
) -> tuple[MappedColumns, MappedColumns, MappedColumns]:
    """Return targets, past and known columns of a mapped table, with the values of `SeriesEncoding.scaled`. `own`
    (series,) are the numbers of the table's series in the encoding."""

    def targets(rows: Indices, series: Indices) -> NDArray[np.float32]:
        return encoding.scaled_targets(table, rows, own[series])

    def past(rows: Indices, series: Indices) -> NDArray[np.float32]:
        return encoding.scaled_past(table, rows, own[series])

    def known(rows: Indices, series: Indices) -> NDArray[np.float32]:
        return encoding.scaled_known(table, rows, own[series], table.ends[series])

    return (
        MappedColumns(table, len(encoding.targets), targets),
        MappedColumns(table, len(encoding.past), past),
        MappedColumns(table, encoding.known_width, known),
    )
