"""Rare symbols are hidden now and then, as the seed and the step say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lstmctl.data.sequences import Sequences
from lstmctl.models.symbol_embedding import SymbolEmbedding
from lstmctl.tasks.rare_symbols import RareSymbolsHidden, symbol_counts
from lstmctl.tasks.sequence_batches import SequenceBatch, SequencePart

UNKNOWN = 3


@dataclass
class SameBatch:
    """One batch at every step."""

    batch: SequenceBatch
    units_per_step: int = 200
    steps_per_epoch: int = 1

    def __getitem__(self, step: int) -> SequenceBatch:
        return self.batch


def hidden(counts: list[int], seed: int = 0) -> RareSymbolsHidden[SequenceBatch]:
    inputs = np.arange(600) % 3
    part = SequencePart.of(Sequences.joined(inputs, np.full(200, 3), np.zeros(200, int)), torch.device("cpu"))
    batches: Any = SameBatch(part.batch(torch.arange(200)))
    return RareSymbolsHidden(batches, torch.tensor([*counts, 0]), UNKNOWN, seed)


def test_a_symbol_is_hidden_the_more_often_the_rarer_it_is() -> None:
    batches = hidden([0, 3, 10**6])
    inputs = torch.stack([batches[step].input for step in range(50)])
    true = batches.batches[0].input.expand_as(inputs)
    shares = [float((inputs[true == symbol] == UNKNOWN).float().mean()) for symbol in range(3)]
    assert shares[0] == 1
    assert shares[1] == pytest.approx(0.25, abs=0.02)
    assert shares[2] < 0.001
    assert torch.equal(inputs[inputs != UNKNOWN], true[inputs != UNKNOWN])


def test_the_seed_and_the_step_decide() -> None:
    one, again, other = hidden([1, 1, 1]), hidden([1, 1, 1]), hidden([1, 1, 1], seed=1)
    assert torch.equal(one[7].input, again[7].input)
    assert not torch.equal(one[7].input, one[8].input)
    assert not torch.equal(one[7].input, other[7].input)
    assert torch.equal(one[7].target, again[7].target)


def test_symbols_are_counted_in_the_stretches_alone() -> None:
    symbols = torch.tensor([0, 1, 1, 2, 2, 2, 3])
    assert symbol_counts(symbols, torch.tensor([1, 5]), torch.tensor([3, 1]), 5).tolist() == [0, 2, 2, 0, 0]


def test_a_number_beyond_the_vocabulary_is_read_as_the_mean() -> None:
    embedding = SymbolEmbedding(3, 4)
    read = torch.tensor([[0, 3], [2, 1]])
    with pytest.raises(IndexError):
        embedding(read)
    found = embedding.eval()(read)
    assert torch.equal(found[0, 1], embedding.weight.mean(0))
    assert torch.equal(found[1], embedding.weight[[2, 1]])
    assert torch.equal(found[0, 0], embedding.weight[0])
