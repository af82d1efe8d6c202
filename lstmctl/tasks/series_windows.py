"""Windows of time series, gathered from one tensor by their origins instead of being copied beforehand.

An origin is the row of a window's first label. A part's windows have all their labels inside the part, while their
inputs may reach back into the part before. Their number therefore depends on the lookback in training alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.intervals import Floats
from lstmctl.protocols import Batch
from lstmctl.seeds import stream
from lstmctl.tasks.mapped_columns import MappedColumns
from lstmctl.tasks.permutation import Permutation
from lstmctl.tasks.windows import MOST_DRAWN

ROUNDING = 1e-6
"""A relative deviation below this is rounding of float32."""
MOST_VALUES = 2_000_000
"""Maximum number of values in a scored batch, which fit into a processor's cache or a small GPU."""


@dataclass(frozen=True)
class SeriesBatch(Batch):
    """Windows in parallel. `input` (lookback, batch, channels) and `target` (horizon, batch, channels) are scaled, NaN
    if missing."""

    past: Tensor | None = None
    """(lookback, batch, past)."""
    known: Tensor | None = None
    """(lookback + horizon, batch, known)."""
    static: Tensor | None = None
    """(1, batch, static)."""
    series: Tensor | None = None
    """(batch,), the number of each window's series in the run."""
    origins: Tensor | None = None
    """(batch,), the row of each window's first label."""
    own_scale: Tensor | None = None
    """(2, batch, channels), centre and spread removed from windows of series without a scale: 0 and 1 for others. None
    if every series has a scale."""
    unscaled: Tensor | None = None
    """(1, batch, channels), True where scaled metrics and calibration leave out a window."""
    source: SeriesPart | None = None
    """The part with the rows that `origins` counts, which begin before the windows."""

    @property
    def units(self) -> int:
        return self.lanes

    @property
    def has_scored_values(self) -> bool:
        """True if any label enters the scaled metrics."""
        known = self.target.isfinite()
        return bool((known if self.unscaled is None else known & ~self.unscaled).any())

    def scaled_by_itself(self, where: Tensor) -> Self:
        """Scale each window in `where` (batch, channels) by the known values of its input."""
        seen = ~self.input.isnan()
        values = self.input.nan_to_num()
        count = seen.sum(0, keepdim=True).clamp(min=1)
        centre = values.sum(0, keepdim=True) / count
        spread = (torch.where(seen, values - centre, 0).square().sum(0, keepdim=True) / count).sqrt()
        # Without variation, only rounding is left.
        varies = spread > ROUNDING * values.abs().amax(0, keepdim=True)
        centre = torch.where(where, centre, 0)
        spread = torch.where(where & varies, spread, 1)
        return replace(
            self,
            input=(self.input - centre) / spread,
            target=(self.target - centre) / spread,
            own_scale=torch.cat([centre, spread]),
        )


@dataclass(frozen=True, eq=False)
class SeriesPart:
    """One part of a table of series, on a device, and the positions of its windows."""

    values: Tensor | MappedColumns
    """(rows, channels), scaled; NaN where missing."""
    past: Tensor | MappedColumns
    """(rows, past)."""
    known: Tensor | MappedColumns
    """(rows, known)."""
    static: Tensor
    """(series, static)."""
    begins: Tensor
    """(series,), the first row of each series."""
    rows: Tensor
    """(series, 2), start and stop of the part in each series."""
    places: Tensor
    """(series,), the number of each series in the run; a table may hold some of them."""
    lookback: int
    horizon: int
    name: str = "validation"
    filled: Tensor | None = None
    """(rows, channels), True where a missing value was filled; None if none was."""
    middle: Tensor | None = None
    """(series,), the row that halves the part at one date in all series; None if each series halves its own."""
    unscaled: Tensor | None = None
    """(series, channels), True if the training rows give no scale; None if all have one."""
    times: NDArray[np.int64] | None = None
    """(rows,), of the table; None if they are not needed."""

    @property
    def first(self) -> Tensor:
        """(series,), the first origin in each."""
        return torch.maximum(self.rows[:, 0], self.begins + self.lookback)

    @property
    def counts(self) -> Tensor:
        """(series,), windows in each."""
        return (self.rows[:, 1] - self.horizon - self.first + 1).clamp(min=0)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def with_scale(self) -> Self:
        """Return the part without the windows of series that have no scale in any channel."""
        if self.unscaled is None:
            return self
        dropped = self.unscaled.all(1)
        start, stop = self.rows.T
        rows = torch.stack([start, torch.where(dropped, start, stop)], dim=1)
        rest = self.unscaled if bool(self.unscaled[~dropped].any()) else None
        return replace(self, rows=rows, unscaled=rest)

    def half(self, which: int) -> Self:
        """Return the first (0) or second (1) half of the rows; no label is in both."""
        middle = self.rows.sum(1) // 2
        if self.middle is not None:
            middle = torch.minimum(torch.maximum(self.middle, self.rows[:, 0]), self.rows[:, 1])
        start, stop = (self.rows[:, 0], middle) if which == 0 else (middle, self.rows[:, 1])
        return replace(self, rows=torch.stack([start, stop], dim=1))

    def origins(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the origins and the series of windows, by their numbers."""
        ends = self.counts.cumsum(0)
        series = torch.searchsorted(ends, windows, right=True)
        before = ends[series] - self.counts[series]
        return self.first[series] + windows - before, series

    def observed(self, numbers: Tensor) -> SeriesBatch:
        """Return windows by their numbers, with filled labels missing."""
        batch = self.windows(numbers)
        if self.filled is None:
            return batch
        assert batch.origins is not None
        rows = batch.origins + torch.arange(self.horizon, device=batch.origins.device).unsqueeze(1)
        return replace(batch, target=batch.target.masked_fill(self.filled[rows], torch.nan))

    def windows(self, numbers: Tensor) -> SeriesBatch:
        """Return windows by their numbers (batch,), from 0 in order of series and time."""
        origins, series = self.origins(numbers)
        rows = origins + torch.arange(-self.lookback, self.horizon, device=origins.device).unsqueeze(1)
        values = self.values[rows]
        batch = SeriesBatch(
            input=values[: self.lookback],
            target=values[self.lookback :],
            fresh=True,
            past=self.past[rows[: self.lookback]],
            known=self.known[rows],
            static=self.static[series].unsqueeze(0),
            series=self.places[series],
            origins=origins,
            source=self,
        )
        if self.unscaled is None:
            return batch
        where = self.unscaled[series]
        others = self.counts > 0
        # If all series are unscaled, they are scored in deviations of their windows.
        left_out = where.unsqueeze(0) if bool((~self.unscaled[others]).any()) else None
        return replace(batch.scaled_by_itself(where), unscaled=left_out)

    def scored(self, most: int | None = None) -> Iterator[SeriesBatch]:
        """Yield all windows in order, or at most `most`, evenly spread."""
        total = len(self)
        every = 1 if most is None else max(1, -(-total // most))
        numbers = torch.arange(0, total, every, device=self.rows.device)
        values = (self.lookback + self.horizon) * (self.values.shape[1] + self.known.shape[1] + self.past.shape[1])
        for batch in numbers.split(max(1, min(1024, MOST_VALUES // values))):
            yield self.observed(batch)


class ShuffledOrigins:
    """Batches of windows: every window once per epoch, in a new order each time.

    Epochs follow each other without a gap, so that no window is left out if a batch does not divide their number.

    Args:
        part: the training part.
        batch: windows in a step.
        seed: of the run.
    """

    def __init__(self, part: SeriesPart, batch: int, seed: int) -> None:
        self.part, self.batch, self.seed = part, batch, seed
        self.count = len(part)
        self.units_per_step = batch
        self.steps_per_epoch = max(1, round(self.count / batch))
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def __getitem__(self, step: int) -> SeriesBatch:
        numbers: list[Tensor] = []
        device = self.part.rows.device
        start, stop = step * self.batch, (step + 1) * self.batch
        while start < stop:
            epoch, position = divmod(start, self.count)
            taken = min(stop - start, self.count - position)
            places = torch.arange(position, position + taken, device=device)
            numbers.append(self._order(epoch)[places].long())
            start += taken
        return self.part.windows(torch.cat(numbers) if len(numbers) > 1 else numbers[0])

    def _shuffle(self, epoch: int) -> Tensor | Permutation:
        seed = stream(self.seed, "order", epoch)
        if self.count > MOST_DRAWN:
            return Permutation(self.count, seed)
        generator = torch.Generator().manual_seed(seed)
        # The same order as int64 gives, in half the memory.
        return torch.randperm(self.count, generator=generator, dtype=torch.int32).to(self.part.rows.device)


def places(ids: Sequence[str], all_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return (series,) the positions of a table's `ids` among the run's `all_ids`.

    Raises:
        KeyError: one is not among them; `open_series` has refused it before.
    """
    found = {name: place for place, name in enumerate(all_ids)}
    return np.array([found[name] for name in ids], dtype=np.int64)


def windows_first(tensor: Tensor) -> Floats:
    """Convert a tensor (rows, batch, …) to an array (batch, rows, …)."""
    array: Floats = tensor.detach().float().transpose(0, 1).cpu().numpy()
    return array
