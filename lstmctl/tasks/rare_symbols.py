"""Training batches in which rare symbols are sometimes replaced by the unknown symbol, so that it is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from lstmctl.protocols import Batch, Batches
from lstmctl.seeds import stream

ALPHA = 1.0
"""A symbol that occurs n times in the training part is replaced with probability α / (α + n): about once per epoch."""

BatchT = TypeVar("BatchT", bound=Batch)


class RareSymbolsHidden(Generic[BatchT]):
    """The same batches with some symbols of their input hidden: a function of the seed and the step.

    The probability is that of Kiperwasser & Goldberg 2016 (Simple and accurate dependency parsing using bidirectional
    LSTM feature representations), with α = 1.

    Args:
        batches: whose `input` holds symbol numbers.
        counts: (symbols,), how often each symbol occurs in the training part.
        unknown: the number of the unknown symbol.
        seed: of the run.
    """

    def __init__(self, batches: Batches, counts: Tensor, unknown: int, seed: int) -> None:
        self.batches, self.unknown, self.seed = batches, unknown, seed
        self.chance = ALPHA / (ALPHA + counts.float())
        self.units_per_step, self.steps_per_epoch = batches.units_per_step, batches.steps_per_epoch

    def __getitem__(self, step: int) -> BatchT:
        batch: BatchT = self.batches[step]  # type: ignore[assignment]
        generator = torch.Generator().manual_seed(stream(self.seed, "unknown", step))
        drawn = torch.rand(batch.input.shape, generator=generator).to(batch.input.device)
        hidden = drawn < self.chance[batch.input]
        return replace(batch, input=torch.where(hidden, self.unknown, batch.input))


def symbol_counts(symbols: Tensor, starts: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Count the symbols of some stretches of an array.

    Args:
        symbols: (symbols,) numbers.
        starts, lengths: (stretches,).
        size: number of distinct symbols.

    Returns:
        (size,).
    """
    before = torch.repeat_interleave(starts - (lengths.cumsum(0) - lengths), lengths)
    places = before + torch.arange(len(before), device=before.device)
    return torch.bincount(symbols[places].long(), minlength=size)
