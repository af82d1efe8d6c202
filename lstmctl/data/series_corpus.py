"""Series with their parts and windows, and remarks on what may surprise a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.data.series_table import Scaled, Table
from lstmctl.errors import DataError

Indices = NDArray[np.int64]
SHOWN = 3
"""Series named in a remark; the others are counted."""


@dataclass(frozen=True, eq=False)
class SeriesCorpus:
    """Series in original units, with what scales and identifies them."""

    table: Table
    encoding: SeriesEncoding
    parts: dict[str, Indices]
    """(series, 2) start and stop row of each part in each series, observed rows alone."""
    filled: NDArray[np.bool_] | None
    """(rows, targets) True where a missing target was filled; None if none was."""
    lookback: int
    horizon: int
    names: tuple[str, ...]
    """The file as a run's own config names it, valid from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the file, and its rows."""
    notes: tuple[str, ...]
    """Notes on the table and its treatment."""
    middle: Indices | None = None
    """(series,) the row that halves the validation part; None if each series halves its own."""
    overlap: str | None = None
    """A sentence on rows in or after a later part of another series; None if there are none."""
    holidays: tuple[str, ...] = ()
    """`data.holidays` as a run's own config gives it, valid from any folder."""

    @property
    def is_mapped(self) -> bool:
        """True if its values are still on disk, so that they should not be scaled all at once."""
        return isinstance(self.table.targets, np.memmap)

    def scaled(self) -> Scaled:
        """Return the table as a network sees it."""
        return self.encoding.scaled(self.table)

    def origins(self, part: str) -> tuple[Indices, Indices]:
        """Return (series,) the first origin and the number of windows of each series in one part.

        An origin is the row of a window's first label: its input is the `lookback` rows before, its labels are the
        `horizon` rows from there on. Labels never leave the part; inputs may reach back into the part before.
        """
        start, stop = self.parts[part].T
        first = np.maximum(start, self.table.bounds[:-1] + self.lookback)
        return first, np.maximum(0, stop - self.horizon - first + 1)

    def known_too_short(self) -> str | None:
        """Return a sentence if columns known in advance end within a horizon after the last target, so that the table
        cannot be forecast; else None. Series shorter than a lookback, which need not be forecast, do not count."""
        table, names = self.table, self.encoding.known
        if not names:
            return None
        given = []
        for end, stop in zip(table.ends, table.bounds[1:], strict=True):
            ahead = table.known[end : min(stop, end + self.horizon)]
            lacking = np.isnan(ahead).any(axis=1)
            given.append(int(np.argmax(lacking)) if lacking.any() else len(ahead))
        forecast = np.flatnonzero(table.ends - table.bounds[:-1] >= self.lookback)
        short = [given[series] for series in forecast if given[series] < self.horizon]
        if not short:
            return None
        columns, targets = (", ".join(f"`{name}`" for name in used) for used in (names, self.encoding.targets))
        whose = f" in {len(short):,} of {len(given):,} series" if len(given) > 1 else ""
        least = min(short)
        reach = f"for {least:,} {'row' if least == 1 else 'rows'} only" if least else "for no row"
        many = "row" if self.horizon == 1 else "rows"
        return (
            f"{columns} {'are' if len(names) > 1 else 'is'} known {reach} after the last {targets}{whose}: `forecast` "
            f"will need {self.horizon:,} {many} with {'these columns' if len(names) > 1 else 'this column'} alone "
            "appended"
        )

    def require_windows(self, part: str) -> None:
        """Refuse a part without any window.

        Raises:
            DataError: with the rows that it has and needs.
        """
        first, counts = self.origins(part)
        if counts.any():
            return
        start, stop = self.parts[part].T
        best = int(np.argmax(stop - self.horizon - first))  # the series that lacks least
        have, need = int(stop[best] - start[best]), int(max(first[best] - start[best], 0) + self.horizon)
        whose = f" of series `{self.table.ids[best]}`, the longest," if len(self.table.ids) > 1 else ""
        reads = f"task.lookback {self.lookback} and " if need > self.horizon else ""
        lookback = "task.lookback, " if need > self.horizon else ""
        raise DataError(
            f"{self.names[0]}: the {part} part{whose} has {have:,} rows, but {reads}task.horizon {self.horizon} "
            f"{'take' if reads else 'takes'} {need:,} for one window",
            hint=f"a smaller {lookback}task.horizon, a larger share in data.split, or more rows"
            + ("" if self.middle is None else "; or cut each series by its own length: data.split_by=series"),
        )


def remarks(corpus: SeriesCorpus) -> list[str]:
    """Return sentences on future rows or a lack of them, and on series without a training window."""
    table, found = corpus.table, list[str]()
    future = table.bounds[1:] - table.ends
    if future.any():
        series = int(np.argmax(future > 0))
        first = corpus.encoding.step.text(int(table.times[table.ends[series]]))
        count = int(future.sum())
        many = "row" if count == 1 else "rows"
        found.append(f"{count:,} future {many}, without targets, from {first} on")
    if "training" in corpus.parts and (lack := corpus.known_too_short()):
        found.append(lack)
    if corpus.overlap is not None:
        found.append(corpus.overlap)
    if "training" in corpus.parts and len(table.ids) > 1:
        counts = corpus.origins("training")[1]
        short = np.flatnonzero(counts == 0)
        if len(short) and len(short) < len(counts):
            lengths = np.diff(corpus.parts["training"])[short, 0]
            named = [f"{table.ids[series]} ({length:,})" for series, length in zip(short, lengths, strict=True)]
            found.append(
                f"{len(short):,} of {len(counts):,} series have too few training rows for a window "
                f"({corpus.lookback + corpus.horizon:,}): " + ", ".join(named[:SHOWN] + ["…"] * (len(short) > SHOWN))
            )
    if "training" in corpus.parts and (unscaled := corpus.encoding.without_scale):
        shown = ", ".join([f"`{name}`" for name in unscaled[:SHOWN]] + ["…"] * (len(unscaled) > SHOWN))
        has, it = ("has", "it takes") if len(unscaled) == 1 else ("have", "they take")
        found.append(
            f"{shown} {has} no scale in the training rows: each window is scaled separately, and {it} no part in "
            "training, model selection, calibration and scaled metrics"
        )
    if "training" in corpus.parts and (unused := corpus.encoding.left_out):
        shown = ", ".join([f"`{name}`" for name in unused[:SHOWN]] + ["…"] * (len(unused) > SHOWN))
        has, is_ = ("has", "it is") if len(unused) == 1 else ("have", "they are")
        found.append(f"{shown} {has} no scale in the training rows: {is_} left out of what the network sees")
    return found
