"""Series as numbers, in the table's own units and as a network sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.timesteps import Times


@dataclass(frozen=True, eq=False)
class Table:
    """Series one after the other, each with rows on a regular grid, in original units."""

    ids: tuple[str, ...]
    """Names of the series; ("",) for a wide table, whose columns are the series."""
    bounds: NDArray[np.int64]
    """(series + 1,) the rows of series i are bounds[i]:bounds[i + 1]."""
    ends: NDArray[np.int64]
    """(series,) the row after a series' last one with any target; later rows are future rows."""
    times: Times
    """(rows,) microseconds since 1970-01-01 by the table's own clock, or whole numbers."""
    targets: NDArray[np.float64]
    """(rows, targets) NaN where missing (data.missing=mask) and in future rows."""
    past: NDArray[np.float64]
    """(rows, past columns)"""
    known: NDArray[np.float64]
    """(rows, known columns)"""
    static: NDArray[np.float64]
    """(series, static columns)"""
    days: NDArray[np.int64]
    """(series,) the day of the month of each series, from `Step.day_of`."""
    zone: str = ""
    """Offset of the table's clock from UTC, as `+02:00` or `Z`; empty if unknown, or if rows are numbered."""

    def tail(self, lookback: int, horizon: int) -> Table:
        """Return the last `lookback` observed rows of each series, and up to `horizon` future rows."""
        starts = np.maximum(self.bounds[:-1], self.ends - lookback)
        stops = np.minimum(self.bounds[1:], self.ends + horizon)
        rows = np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])
        bounds = np.concatenate([[0], np.cumsum(stops - starts)]).astype(np.int64)
        return Table(
            ids=self.ids,
            bounds=bounds,
            ends=bounds[:-1] + self.ends - starts,
            times=self.times[rows],
            targets=self.targets[rows],
            past=self.past[rows],
            known=self.known[rows],
            static=self.static,
            days=self.days,
            zone=self.zone,
        )


@dataclass(frozen=True, eq=False)
class Scaled:
    """A table as a network sees it."""

    values: NDArray[np.float32]
    """(rows, targets) NaN where missing or future."""
    past: NDArray[np.float32]
    """(rows, past columns) 0, their mean, if missing."""
    known: NDArray[np.float32]
    """(rows, known columns + 2 · calendar features) 0 if missing in an observed row, NaN in a future row."""
    static: NDArray[np.float32]
    """(series, static columns) 0 if missing."""
