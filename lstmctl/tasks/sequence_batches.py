"""Batches of sequences of different lengths: padded, similar lengths together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from lstmctl.data.sequences import UNLABELLED, Sequences
from lstmctl.errors import DataError
from lstmctl.protocols import Batch
from lstmctl.seeds import stream

SCORED_STEPS = 1 << 16
"""Maximum number of steps of a scored batch, including padding."""
SCORED_BATCH = 512
SORTED_BATCHES = 50
"""Number of batches whose sequences are sorted by length together."""


@dataclass(frozen=True)
class SequenceBatch(Batch):
    """Sequences in parallel, each from a zero state."""

    lengths: Tensor | None = None
    """(batch,)."""
    counts: Tensor | None = None
    """(time, batch), True where a label counts in metrics; None if all do."""

    @property
    def units(self) -> int:
        return self.lanes


@dataclass(frozen=True)
class SequencePart:
    """Sequences on a device."""

    inputs: Tensor
    """(steps,) or (steps, features)."""
    starts: Tensor
    lengths: Tensor
    """(sequences,)."""
    targets: Tensor
    """(sequences,), (sequences, outputs) or, by step, (steps,)."""
    by_step: bool
    scored: Tensor | None = None
    """(steps,)."""

    @classmethod
    def of(cls, sequences: Sequences, device: torch.device) -> SequencePart:
        found = sequences
        return cls(
            torch.from_numpy(found.inputs).to(device),
            torch.from_numpy(found.starts).to(device),
            torch.from_numpy(found.lengths).to(device),
            torch.from_numpy(found.targets).to(device),
            found.by_step,
            None if found.scored is None else torch.from_numpy(found.scored).to(device),
        )

    def __len__(self) -> int:
        return len(self.starts)

    def first(self, count: int) -> SequencePart:
        """Return the first sequences, at most `count`."""
        targets = self.targets if self.by_step else self.targets[:count]
        return replace(self, starts=self.starts[:count], lengths=self.lengths[:count], targets=targets)

    def batch(self, chosen: Tensor) -> SequenceBatch:
        """Return the batch of some sequences, by their numbers (batch,); padding repeats the last step of a
        sequence."""
        lengths = self.lengths[chosen]
        time = torch.arange(int(lengths.max()), device=lengths.device).unsqueeze(1)
        mask = time < lengths
        places = self.starts[chosen] + torch.minimum(time, lengths - 1)
        input = self.inputs[places]
        counts = None
        if self.by_step:
            target = torch.where(mask, self.targets[places].long(), UNLABELLED)
            counts = None if self.scored is None else self.scored[places] & mask
        elif self.targets.is_floating_point():
            target = self.targets[chosen].unsqueeze(0)
        else:
            target = self.targets[chosen].long()
        return SequenceBatch(
            input if input.is_floating_point() else input.long(),
            target,
            fresh=True,
            mask=mask,
            lengths=lengths,
            counts=counts,
        )

    def in_order(self) -> Iterator[tuple[Tensor, SequenceBatch]]:
        """Yield all sequences for scoring, of similar lengths together, with their numbers (batch,)."""
        for chosen in like_lengths(self.lengths):
            yield chosen, self.batch(chosen)

    def scored_batches(self) -> Iterator[SequenceBatch]:
        for _, batch in self.in_order():
            yield batch


def like_lengths(lengths: Tensor) -> Iterator[Tensor]:
    """Yield the numbers (batch,) of all sequences in scoring batches of similar lengths; `lengths` is (sequences,)."""
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        size = max(1, min(SCORED_BATCH, SCORED_STEPS // int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


OneBatch = TypeVar("OneBatch", bound=Batch, covariant=True)


class Ragged(Protocol[OneBatch]):
    """Sequences of different lengths on a device."""

    @property
    def lengths(self) -> Tensor:
        """(sequences,)."""
        ...

    def batch(self, chosen: Tensor) -> OneBatch: ...


class ByLength(Generic[OneBatch]):
    """Every sequence once per epoch, in shuffled batches of similar lengths.

    Args:
        part: the training part.
        batch: sequences in one step.
        seed: of the run.

    Raises:
        DataError: there are fewer sequences than a batch.
    """

    def __init__(self, part: Ragged[OneBatch], batch: int, seed: int) -> None:
        count = len(part.lengths)
        if count < batch:
            raise DataError(
                f"the training part has {count:,} sequences, but training.batch={batch} needs {batch:,}",
                hint=f"training.batch={count} would fit",
            )
        self.part, self.batch, self.seed = part, batch, seed
        self.steps_per_epoch = count // batch
        self.units_per_step = batch
        self._order = lru_cache(maxsize=1)(self._shuffle)

    def __getitem__(self, step: int) -> OneBatch:
        return self.part.batch(self.chosen(step))

    def chosen(self, step: int) -> Tensor:
        """Return the numbers (batch,) of the sequences of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self._order(epoch)[position]

    def _shuffle(self, epoch: int) -> Tensor:
        """Return (steps of an epoch, batch) numbers of sequences."""
        generator = torch.Generator().manual_seed(stream(self.seed, "order", epoch))
        lengths = self.part.lengths.cpu()
        order = torch.randperm(len(lengths), generator=generator)[: self.steps_per_epoch * self.batch]
        groups = [
            group[torch.argsort(lengths[group], stable=True)] for group in order.split(self.batch * SORTED_BATCHES)
        ]
        batches = torch.cat(groups).view(-1, self.batch)
        shuffled = batches[torch.randperm(len(batches), generator=generator)]
        return shuffled.to(self.part.lengths.device)


@dataclass(frozen=True)
class FreshSequences:
    """An endless supply of training sequences, drawn on demand."""

    draw: Callable[[int, int], Sequences]
    """Draw a number of sequences from a seed."""
    epoch: int
    """Number of sequences that count as an epoch."""
    device: torch.device
    """The device of batches."""


class Drawn:
    """New sequences at every step, drawn from the seed and the step.

    Args:
        fresh: their source.
        batch: sequences in one step.
        seed: of the run.
    """

    def __init__(self, fresh: FreshSequences, batch: int, seed: int) -> None:
        self.fresh, self.batch, self.seed = fresh, batch, seed
        self.units_per_step = batch
        self.steps_per_epoch = max(1, fresh.epoch // batch)

    def __getitem__(self, step: int) -> SequenceBatch:
        drawn = self.fresh.draw(self.batch, stream(self.seed, "order", step))
        part = SequencePart.of(drawn, self.fresh.device)
        return part.batch(torch.arange(len(part), device=self.fresh.device))
