"""Batches of pairs of texts: both sides padded behind their ends, pairs of like lengths together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lstmctl.data.pairs import Texts
from lstmctl.protocols import Batch
from lstmctl.tasks.sequence_batches import like_lengths


@dataclass(frozen=True, kw_only=True)
class PairBatch(Batch):
    """A batch of pairs: `input` are the sources (source time, batch), `target` the targets (target time, batch). Values
    past a sequence's length are padding."""

    source_lengths: Tensor
    """(batch,), from 1."""
    target_lengths: Tensor
    """(batch,), 0 where the target is not known."""

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
    def of(cls, texts: Texts, device: torch.device) -> TextsPart:
        arrays = (texts.symbols, texts.starts, texts.lengths)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def chosen(self, numbers: Tensor) -> TextsPart:
        """The texts that `numbers` (texts,) names, over the same array."""
        return replace(self, starts=self.starts[numbers], lengths=self.lengths[numbers])

    def padded(self) -> Tensor:
        """(time, texts); a padded step repeats its text's last."""
        time = torch.arange(int(self.lengths.max()), device=self.lengths.device).unsqueeze(1)
        places = self.starts + torch.minimum(time, self.lengths - 1)
        return self.symbols[places.clamp(min=0)].long()  # below 0 lies only a text that is not known


@dataclass(frozen=True)
class PairsPart:
    """Pairs on a device."""

    sources: TextsPart
    targets: TextsPart

    @classmethod
    def of(cls, sources: Texts, targets: Texts, device: torch.device) -> PairsPart:
        return cls(TextsPart.of(sources, device), TextsPart.of(targets, device))

    def __len__(self) -> int:
        return len(self.sources.starts)

    @property
    def lengths(self) -> Tensor:
        """(pairs,) steps of encoder and decoder together: what pairs are put together by."""
        return self.sources.lengths + self.targets.lengths

    def chosen(self, numbers: Tensor) -> PairsPart:
        """The pairs that `numbers` (pairs,) names."""
        return PairsPart(self.sources.chosen(numbers), self.targets.chosen(numbers))

    def first(self, count: int) -> PairsPart:
        """At most `count` pairs from its beginning."""
        return self.chosen(torch.arange(min(count, len(self)), device=self.lengths.device))

    def known(self) -> PairsPart:
        """The pairs whose target is known."""
        return self.chosen(torch.nonzero(self.targets.lengths)[:, 0])

    def batch(self, chosen: Tensor) -> PairBatch:
        """The pairs that `chosen` (batch,) names."""
        pairs = self.chosen(chosen)
        return PairBatch(
            pairs.sources.padded(),
            pairs.targets.padded(),
            fresh=True,
            source_lengths=pairs.sources.lengths,
            target_lengths=pairs.targets.lengths,
        )

    def in_order(self) -> Iterator[tuple[Tensor, PairBatch]]:
        """All pairs for scoring, of like lengths together, with their numbers (batch,)."""
        for chosen in like_lengths(self.lengths):
            yield chosen, self.batch(chosen)

    def scored_batches(self) -> Iterator[PairBatch]:
        for _, batch in self.in_order():
            yield batch
