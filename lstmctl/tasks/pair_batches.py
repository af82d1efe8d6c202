"""Batches of pairs of texts: both sides padded, pairs of similar lengths together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lstmctl.data.sequences import Ragged
from lstmctl.protocols import Batch
from lstmctl.tasks.sequence_batches import like_lengths


@dataclass(frozen=True, kw_only=True)
class PairBatch(Batch):
    """Pairs side by side: `input` holds the sources (source time, batch), `target` the targets (target time, batch)."""

    source_lengths: Tensor
    """(batch,), at least 1."""
    target_lengths: Tensor
    """(batch,), 0 for an unknown target."""

    @property
    def units(self) -> int:
        return self.lanes


@dataclass(frozen=True)
class TextsPart:
    """Texts on a device, each a stretch of one array."""

    symbols: Tensor
    """(symbols,)."""
    starts: Tensor
    lengths: Tensor
    """(texts,)."""

    @classmethod
    def of(cls, texts: Ragged, device: torch.device) -> TextsPart:
        arrays = (texts.values, texts.starts, texts.lengths)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def chosen(self, numbers: Tensor) -> TextsPart:
        """Select texts by their numbers (texts,)."""
        return replace(self, starts=self.starts[numbers], lengths=self.lengths[numbers])

    def padded(self) -> Tensor:
        """Return (time, texts); padding repeats the last symbol of a text."""
        time = torch.arange(int(self.lengths.max()), device=self.lengths.device).unsqueeze(1)
        places = self.starts + torch.minimum(time, self.lengths - 1)
        return self.symbols[places.clamp(min=0)].long()  # below 0 for an unknown text


@dataclass(frozen=True)
class PairsPart:
    """Pairs on a device."""

    sources: TextsPart
    targets: TextsPart

    @classmethod
    def of(cls, sources: Ragged, targets: Ragged, device: torch.device) -> PairsPart:
        return cls(TextsPart.of(sources, device), TextsPart.of(targets, device))

    def __len__(self) -> int:
        return len(self.sources.starts)

    @property
    def lengths(self) -> Tensor:
        """(pairs,) steps of encoder and decoder together."""
        return self.sources.lengths + self.targets.lengths

    def chosen(self, numbers: Tensor) -> PairsPart:
        """Select pairs by their numbers (pairs,)."""
        return PairsPart(self.sources.chosen(numbers), self.targets.chosen(numbers))

    def first(self, count: int) -> PairsPart:
        """Return the first pairs, at most `count`."""
        return self.chosen(torch.arange(min(count, len(self)), device=self.lengths.device))

    def known(self) -> PairsPart:
        """Return the pairs with a known target."""
        return self.chosen(torch.nonzero(self.targets.lengths)[:, 0])

    def batch(self, chosen: Tensor) -> PairBatch:
        """Return the batch of some pairs, by their numbers (batch,)."""
        pairs = self.chosen(chosen)
        return PairBatch(
            pairs.sources.padded(),
            pairs.targets.padded(),
            fresh=True,
            source_lengths=pairs.sources.lengths,
            target_lengths=pairs.targets.lengths,
        )

    def in_order(self) -> Iterator[tuple[Tensor, PairBatch]]:
        """Yield all pairs for scoring, of similar lengths together, with their numbers (batch,)."""
        for chosen in like_lengths(self.lengths):
            yield chosen, self.batch(chosen)

    def scored_batches(self) -> Iterator[PairBatch]:
        for _, batch in self.in_order():
            yield batch
