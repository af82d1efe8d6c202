"""Baselines of labels on cases with a known answer."""

from __future__ import annotations

import numpy as np

from lstmctl.baselines.labels import bag_of_steps, label_of_each_step, majority, numbers_from_bags
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


def test_the_label_of_a_character_alone_is_its_most_frequent_one() -> None:
    training = sequences([np.array([0, 0, 0, 1])], np.array([1, 1, 0, 0]), by_step=True)
    scored = sequences([np.array([0, 1, 2])], np.zeros(3, int), by_step=True)
    # Symbol 2 was never seen: labels 0 and 1 are equally frequent, so the first.
    assert label_of_each_step(training, scored, 3, 2).tolist() == [1, 0, 0]


def test_the_label_of_a_frame_alone_follows_its_values() -> None:
    frames = DRAW.normal(size=(200, 1)).astype(np.float32)
    labels = (frames[:, 0] > 0).astype(int)
    part = sequences([frames], labels, by_step=True)
    assert (label_of_each_step(part, part, 1, 2) == labels).mean() > 0.95
