"""The linear model of n-grams: features as written out, weights as the optimum says, order that it can tell."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from lstmctl.baselines.lbfgs import minimise
from lstmctl.baselines.ngram_regression import Grams, classes_by_ngrams, fitted_classes, numbers_by_ngrams
from lstmctl.data.sequences import UNLABELLED, Sequences


def texts(words: list[str], targets: Any) -> Sequences:
    symbols = np.array([ord(one) for one in "".join(words)])
    return Sequences.joined(symbols, np.array([len(word) for word in words]), np.asarray(targets))


WORDS = ["abab", "abc", "b", "cab", "bbbb", "xyz"]


def test_features_are_the_normalised_tf_idf_of_grams_in_at_least_two_texts() -> None:
    part = texts(WORDS, np.zeros(6, int))
    found = Grams.of(part, np.arange(6)).features(part).toarray()
    grams = [Counter(word[at : at + n] for n in range(1, 5) for at in range(len(word) - n + 1)) for word in WORDS]
    frequencies = Counter(gram for each in grams for gram in each)
    used = sorted((gram for gram, count in frequencies.items() if count >= 2), key=lambda gram: (len(gram), gram))
    assert used == ["a", "b", "c", "ab"]
    for row, each in zip(found, grams, strict=True):
        values = np.array([each[gram] * (math.log(7 / (1 + frequencies[gram])) + 1) for gram in used])
        norm = math.sqrt(float((values**2).sum()))
        assert row == pytest.approx(values / norm if norm else values)


def test_a_part_of_the_texts_and_unseen_symbols() -> None:
    part = texts(WORDS, np.zeros(6, int))
    grams = Grams.of(part, np.array([0, 1, 3]))
    whole = grams.features(part).toarray()
    assert grams.features(part, np.array([3, 5])).toarray() == pytest.approx(whole[[3, 5]])
    assert not whole[5].any()
    other = texts(["abé\u4e00ab"], [0])
    row = grams.features(other).toarray()[0]
    assert np.count_nonzero(row) == 3  # a, b, ab


def test_the_most_frequent_grams_are_used_if_there_are_too_many() -> None:
    part = texts(["ab", "ab", "abc", "bc", "b"], np.zeros(5, int))
    grams = Grams.of(part, np.arange(5), 2)
    assert grams.features(part).toarray()[4].tolist() == [0, 1]  # a or ab, and b
    assert grams.weights == pytest.approx([math.log(6 / 4) + 1, math.log(6 / 6) + 1])


def test_weights_are_those_at_which_the_gradient_vanishes() -> None:
    part = texts(["ab", "ba", "aab", "abb", "bb", "aa"] * 5, [0, 1, 0, 1, 2, 2] * 5)
    features = Grams.of(part, np.arange(30)).features(part)
    weights = fitted_classes(features, part.targets, 3, 10.0, np.zeros((features.shape[1] + 1) * 3))
    inner = weights[:-3].reshape(-1, 3)
    slope = 10 * (softmax(features @ inner + weights[-3:], axis=1) - np.eye(3)[part.targets])
    assert features.T @ slope + inner == pytest.approx(np.zeros_like(inner), abs=0.1)
    assert slope.sum(0) == pytest.approx(np.zeros(3), abs=0.1)


def test_the_order_of_neighbours_tells_what_a_bag_cannot() -> None:
    draw = np.random.default_rng(1)
    words = ["".join(draw.permutation(list("abccc"))) for _ in range(600)]
    order = np.array([int("ab" in word) for word in words])
    part = texts(words, order)
    told = classes_by_ngrams(part.between(0, 400), part.between(400, 500), part.between(500, 600), 2)
    assert (told == order[500:]).all()


def test_texts_without_a_label_do_not_count() -> None:
    part = texts(["aa", "bb", "ab", "aa", "bb", "bb"] * 4, [0, 1, UNLABELLED, 0, 1, 1] * 4)
    assert classes_by_ngrams(part, part, texts(["aaa", "b"], [0, 0]), 2).tolist() == [0, 1]


def test_numbers() -> None:
    draw = np.random.default_rng(2)
    words = ["".join(draw.choice(list("abcd"), 8)) for _ in range(500)]
    counts = np.array([[word.count("ab"), -word.count("c")] for word in words], float)
    part = texts(words, counts)
    told = numbers_by_ngrams(part.between(0, 400), part.between(400, 450), part.between(450, 500))
    assert told.shape == (50, 2)
    errors = np.square(told - counts[450:]).mean(0)
    assert (errors < 0.2 * counts[450:].var(0)).all()


def test_the_minimum_of_an_ill_conditioned_bowl() -> None:
    scales = np.logspace(-1, 2, 20)
    wanted = np.arange(20.0)
    found = minimise(
        lambda point: (float((scales * (point - wanted) ** 2).sum() / 2), scales * (point - wanted)),
        np.zeros(20),
        steps=200,
        tolerance=1e-10,
    )
    assert found == pytest.approx(wanted, abs=1e-5)
