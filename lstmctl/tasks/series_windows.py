"""Windows of time series: gathered from one tensor by their origins, never copied out beforehand.

An origin is the row of a window's first label. A part's windows have all their labels inside the part, while their
inputs may reach back into the part before; so how many there are does not depend on the lookback, except in training.
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
"""A deviation below this share of the values themselves is no more than float32's rounding."""
MOST_VALUES = 2_000_000
"""Windows in a batch that is only scored; this number fits into a processor's cache or a small GPU."""


@dataclass(frozen=True)
class SeriesBatch(Batch):
    """Windows side by side. `input` (lookback, batch, channels) and `target` (horizon, batch, channels) are scaled, and
    NaN where a value is missing."""

    past: Tensor | None = None
    """(lookback, batch, past)."""
    known: Tensor | None = None
    """(lookback + horizon, batch, known)."""
    static: Tensor | None = None
    """(1, batch, static)."""
    series: Tensor | None = None
    """(batch,), which of the run's series each window is of."""
    origins: Tensor | None = None
    """(batch,), the row of each window's first label."""
    own_scale: Tensor | None = None
    """(2, batch, channels), the centre and the spread that were taken out of windows of series without a scale: 0 and
    1 of the others. None where every series has a scale."""
    unscaled: Tensor | None = None
    """(1, batch, channels), True where scaled metrics and calibration leave a window out."""

    @property
    def units(self) -> int:
        return self.lanes

    @property
    def has_scored_values(self) -> bool:
        """True if any label enters the scaled metrics."""
        known = self.target.isfinite()
        return bool((known if self.unscaled is None else known & ~self.unscaled).any())

    def scaled_by_itself(self, where: Tensor) -> Self:
        """Scale windows by the known values of their own input.

        Args:
            where: (batch, channels).
        """
        seen = ~self.input.isnan()
        values = self.input.nan_to_num()
        count = seen.sum(0, keepdim=True).clamp(min=1)
        centre = values.sum(0, keepdim=True) / count
        spread = (torch.where(seen, values - centre, 0).square().sum(0, keepdim=True) / count).sqrt()
        # A window without variation leaves no more than rounding.
        varies = spread > ROUNDING * values.abs().amax(0, keepdim=True)
        centre = torch.where(where, centre, 0)
        spread = torch.where(where & varies, spread, 1)
        return replace(
            self,
            input=(self.input - centre) / spread,
            target=(self.target - centre) / spread,
            own_scale=torch.cat([centre, spread]),
        )


@dataclass(frozen=True)
class SeriesPart:
    """One part of a table of series, on a device, and where its windows are."""

    values: Tensor | MappedColumns
    """(rows, channels), scaled; NaN where missing."""
    past: Tensor | MappedColumns
    """(rows, past)."""
    known: Tensor | MappedColumns
    """(rows, known)."""
    static: Tensor
    """(series, static)."""
    begins: Tensor
    """(series,), each series' first row."""
    rows: Tensor
    """(series, 2), start and stop of the part in each series."""
    places: Tensor
    """(series,), which of the run's series each is: a table may hold some of them."""
    lookback: int
    horizon: int
    name: str = "validation"
    filled: Tensor | None = None
    """(rows, channels), True where a missing value was filled; None where none was."""
    middle: Tensor | None = None
    """(series,), the row that halves the part at one date in all series; None where each series halves its own."""
    unscaled: Tensor | None = None
    """(series, channels), True where the training rows give no scale; None where all have one."""

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
        """The first (0) or the second (1) half of the rows: no label is in both."""
        middle = self.rows.sum(1) // 2
        if self.middle is not None:
            middle = torch.minimum(torch.maximum(self.middle, self.rows[:, 0]), self.rows[:, 1])
        start, stop = (self.rows[:, 0], middle) if which == 0 else (middle, self.rows[:, 1])
        return replace(self, rows=torch.stack([start, stop], dim=1))

    def origins(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of the first labels of windows by their numbers, and the series each is of."""
        ends = self.counts.cumsum(0)
        series = torch.searchsorted(ends, windows, right=True)
        before = ends[series] - self.counts[series]
        return self.first[series] + windows - before, series

    def observed(self, numbers: Tensor) -> SeriesBatch:
        """Return windows by number for scoring: filled labels count as missing."""
        batch = self.windows(numbers)
        if self.filled is None:
            return batch
        assert batch.origins is not None
        rows = batch.origins + torch.arange(self.horizon, device=batch.origins.device).unsqueeze(1)
        return replace(batch, target=batch.target.masked_fill(self.filled[rows], torch.nan))

    def windows(self, numbers: Tensor) -> SeriesBatch:
        """Windows by their numbers (batch,), from 0 in order of series and time."""
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
        )
        if self.unscaled is None:
            return batch
        where = self.unscaled[series]
        others = self.counts > 0
        # Alone, such series are scored in deviations of their windows.
        left_out = where.unsqueeze(0) if bool((~self.unscaled[others]).any()) else None
        return replace(batch.scaled_by_itself(where), unscaled=left_out)

    def scored(self, most: int | None = None) -> Iterator[SeriesBatch]:
        """All windows in order, or at most this number, evenly spread."""
        total = len(self)
        every = 1 if most is None else max(1, -(-total // most))
        numbers = torch.arange(0, total, every, device=self.rows.device)
        values = (self.lookback + self.horizon) * (self.values.shape[1] + self.known.shape[1] + self.past.shape[1])
        for batch in numbers.split(max(1, min(1024, MOST_VALUES // values))):
            yield self.observed(batch)


class ShuffledOrigins:
    """Every window once an epoch, in an order drawn anew for each; one epoch follows the other without a break, so that
    none is left out where a batch does not divide their number.

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
        # The same order as of int64, in half the memory.
        return torch.randperm(self.count, generator=generator, dtype=torch.int32).to(self.part.rows.device)


def places(ids: Sequence[str], all_ids: Sequence[str]) -> NDArray[np.int64]:
    """(series,), at which place among the run's series `all_ids` each of a table's `ids` stands.

    Raises:
        KeyError: one is not among them; `open_series` has refused it before.
    """
    found = {name: place for place, name in enumerate(all_ids)}
    return np.array([found[name] for name in ids], dtype=np.int64)


def windows_first(tensor: Tensor) -> Floats:
    """(rows, batch, …) to an array (batch, rows, …)."""
    array: Floats = tensor.detach().float().transpose(0, 1).cpu().numpy()
    return array
