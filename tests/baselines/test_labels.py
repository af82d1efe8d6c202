"""Baselines of labels on cases with a known answer."""

from __future__ import annotations

import numpy as np

from lstmctl.baselines import labels
from lstmctl.baselines.labels import (
    bag_of_steps,
    label_of_each_step,
    majority,
    mean_and_spread,
    numbers_from_bags,
)
from lstmctl.data.sequences import UNLABELLED, Sequences

DRAW = np.random.default_rng(3)


def sequences(inputs: list[np.ndarray], targets: np.ndarray, *, by_step: bool = False) -> Sequences:
    lengths = np.array([len(one) for one in inputs])
    return Sequences.joined(np.concatenate(inputs), lengths, targets, by_step=by_step)


def test_majority_leaves_out_what_has_no_label() -> None:
    assert majority(np.array([UNLABELLED, UNLABELLED, UNLABELLED, 2, 2, 1])) == 2


def test_a_bag_knows_what_is_in_a_sequence_but_not_its_order() -> None:
    inputs = [DRAW.integers(0, 4, DRAW.integers(5, 9)) for _ in range(400)]
    held = np.array([int(np.count_nonzero(one == 3) / len(one) > 0.25) for one in inputs])
    first = np.array([int(one[0] > one[-1]) for one in inputs])
    for classes, least, most in ((held, 0.9, 1.0), (first, 0.4, 0.7)):
        part = sequences(inputs, classes)
        told = bag_of_steps(part.between(0, 300), part.between(300, 400), 4, 2)
        assert least <= (told == classes[300:]).mean() <= most


def test_a_bag_of_frames_knows_their_mean() -> None:
    inputs = [DRAW.normal(size=(DRAW.integers(4, 8), 2)).astype(np.float32) for _ in range(300)]
    means = np.array([[one[:, 1].mean()] for one in inputs])
    part = sequences(inputs, means)
    told = numbers_from_bags(part.between(0, 200), part.between(200, 300), 2)
    assert np.abs(told - means[200:]).mean() < 0.05 * np.abs(means).mean()


def test_mean_and_spread_tell_frames_apart_but_not_their_order() -> None:
    spreads = DRAW.choice([1.0, 2.0, 4.0], 300)
    wide = [DRAW.normal(0, spread, (DRAW.integers(40, 60), 2)).astype(np.float32) for spread in spreads]
    part = sequences(wide, np.log2(spreads).astype(int))
    told = mean_and_spread(part.between(0, 200), part.between(200, 300), 3)
    assert (told == part.targets[200:]).mean() > 0.97
    part = sequences(wide, np.array([int(one[0, 0] > one[-1, 0]) for one in wide]))
    told = mean_and_spread(part.between(0, 200), part.between(200, 300), 2)
    assert (told == part.targets[200:]).mean() < 0.65


def test_logistic_regression_finds_the_smallest_penalised_loss() -> None:
    frames = [DRAW.normal(size=(2, 1)) for _ in range(60)]
    part = sequences(frames, DRAW.integers(0, 3, 60))
    inputs = labels._with_one(labels._moments(part))
    weights = labels._logistic(inputs[:, :-1], part.targets, 3)
    shares = np.exp(inputs @ weights)
    shares /= shares.sum(1, keepdims=True)
    slope = inputs.T @ (shares - np.eye(3)[part.targets]) / 60
    slope[:-1] += labels.LOGISTIC_PENALTY * weights[:-1]
    assert np.abs(slope).max() < 1e-4


def test_the_label_of_a_character_alone_is_its_most_frequent_one() -> None:
    training = sequences([np.array([0, 0, 0, 1])], np.array([1, 1, 0, 0]), by_step=True)
    scored = sequences([np.array([0, 1, 2])], np.zeros(3, int), by_step=True)
    # Symbol 2 was never seen: labels 0 and 1 are equally frequent, so the first.
    assert label_of_each_step(training, scored, 3, 2).tolist() == [1, 0, 0]


def test_the_label_of_a_frame_alone_follows_its_values() -> None:
    frames = DRAW.normal(size=(200, 1)).astype(np.float32)
    positive = (frames[:, 0] > 0).astype(int)
    part = sequences([frames], positive, by_step=True)
    assert (label_of_each_step(part, part, 1, 2) == positive).mean() > 0.95
