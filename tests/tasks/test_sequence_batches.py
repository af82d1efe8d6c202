"""Ragged batches: what is padded, what is shuffled, what comes when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lstmctl.data.sequences import UNLABELLED, Sequences
from lstmctl.errors import DataError
from lstmctl.tasks.sequence_batches import SCORED_STEPS, ByLength, Drawn, FreshSequences, SequencePart

CPU = torch.device("cpu")


def part(lengths: list[int], *, by_step: bool = False) -> SequencePart:
    """Sequences whose steps are numbered through; a sequence's label is its number."""
    count = sum(lengths)
    targets = np.arange(count) if by_step else np.arange(len(lengths))
    return SequencePart.of(Sequences.joined(np.arange(count), np.array(lengths), targets, by_step=by_step), CPU)


def test_a_padded_step_repeats_the_last_and_is_masked() -> None:
    batch = part([2, 1, 3]).batch(torch.tensor([2, 0]))
    assert batch.input.tolist() == [[3, 0], [4, 1], [5, 1]]
    assert batch.mask is not None
    assert batch.mask.tolist() == [[True, True], [True, True], [True, False]]
    assert batch.target.tolist() == [2, 0]
    assert batch.units == 2


def test_a_padded_step_has_no_label() -> None:
    batch = part([2, 1], by_step=True).batch(torch.tensor([0, 1]))
    assert batch.target.tolist() == [[0, 2], [1, UNLABELLED]]


def test_steps_that_do_not_count_are_marked() -> None:
    sequences = Sequences.joined(
        np.arange(3), np.array([2, 1]), np.zeros(3, int), by_step=True, scored=np.array([False, True, True])
    )
    batch = SequencePart.of(sequences, CPU).batch(torch.tensor([0, 1]))
    assert batch.counts is not None
    assert batch.counts.tolist() == [[False, True], [True, False]]


def test_lanes_are_cut_out_with_all_that_belongs_to_them() -> None:
    batch = part([2, 1, 3], by_step=True).batch(torch.tensor([0, 1, 2])).part(1, 3)
    assert batch.input.shape == (3, 2)
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [1, 3]


def test_every_sequence_comes_once_an_epoch_with_those_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, 101).tolist()
    order = ByLength(part(lengths), 10, seed=4)
    assert (order.steps_per_epoch, order.units_per_step) == (10, 10)
    seen = [label for step in range(10) for label in order[step].target.tolist()]
    assert len(set(seen)) == 100
    padding = sum(int((~order[step].mask).sum()) for step in range(10))
    assert padding < 0.1 * sum(lengths)


def test_the_order_is_a_function_of_seed_and_step_alone() -> None:
    lengths = [3, 1, 4, 1, 5, 9, 2, 6]
    one, other = ByLength(part(lengths), 2, seed=1), ByLength(part(lengths), 2, seed=1)
    for step in (5, 0, 3, 5):
        assert torch.equal(one[step].input, other[step].input)
    epochs = [[one[step].target.tolist() for step in range(start, start + 4)] for start in (0, 4)]
    assert epochs[0] != epochs[1]
    assert ByLength(part(lengths), 2, seed=2)[0].target.tolist() != one[0].target.tolist()


def test_too_few_sequences_say_which_batch_would_fit() -> None:
    with pytest.raises(DataError, match=r"has 2 sequences, but training\.batch=3 needs 3") as error:
        ByLength(part([1, 2]), 3, seed=0)
    assert error.value.hint == "training.batch=2 would fit"


def test_all_are_scored_once_in_batches_of_bounded_size() -> None:
    lengths = [SCORED_STEPS // 2, *range(1, 700), SCORED_STEPS + 5]
    found = [chosen.tolist() for chosen, _ in part(lengths).in_order()]
    assert sorted(number for chosen in found for number in chosen) == list(range(len(lengths)))
    assert found[0] == [len(lengths) - 1]
    assert all(len(chosen) * max(lengths[number] for number in chosen) <= SCORED_STEPS for chosen in found[1:])


def test_drawn_sequences_are_new_at_every_step_and_the_same_for_a_step() -> None:
    def draw(count: int, seed: int) -> Sequences:
        values = np.random.default_rng(seed).random((count * 3, 1)).astype(np.float32)
        return Sequences.joined(values, np.full(count, 3), np.zeros((count, 1)))

    order = Drawn(FreshSequences(draw, 100, CPU), 4, seed=0)
    assert (order.units_per_step, order.steps_per_epoch) == (4, 25)
    assert order[7].input.shape == (3, 4, 1)
    assert torch.equal(order[7].input, order[7].input)
    assert not torch.equal(order[7].input, order[8].input)
