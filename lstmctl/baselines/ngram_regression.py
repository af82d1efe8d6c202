"""A strong baseline for texts: linear models on the tf-idf of symbol n-grams of lengths 1 to 4.

Labels are predicted by multinomial logistic regression with an L2 penalty, fitted by L-BFGS; numbers by ridge
regression, fitted by LSQR (Paige & Saunders 1982). The penalty is the one of a few that is best on the validation part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr
from scipy.special import log_softmax, softmax

from lstmctl.baselines.labels import Labelled
from lstmctl.baselines.lbfgs import minimise

LONGEST = 4
"""Symbols in the longest n-gram."""
FEWEST_TEXTS = 2
"""Training texts that an n-gram must occur in."""
MOST_GRAMS = 200_000
"""Maximum number of n-grams, the most frequent ones."""
MOST_WEIGHTS = 2_000_000
"""Maximum number of n-grams times the number of classes, which limits memory to some 400 MB."""
MOST_SYMBOLS = 2_000_000
"""Maximum number of training symbols, taken from the first texts."""
STRENGTHS = (1.0, 10.0, 100.0)
"""Weights of the sum of losses against half the squared norm of the weights."""
STEPS = 60
"""Maximum number of steps of the optimiser for each strength."""

TOLERANCE = 1e-3

Array = NDArray[Any]


def classes_by_ngrams(training: Labelled, validation: Labelled, scored: Labelled, labels: int) -> Array:
    """Predict a class number for each scored text, (texts,).

    Args:
        training, validation, scored: texts to fit, to choose the penalty by, and to predict.
        labels: number of classes.
    """
    known = np.flatnonzero(training.targets[: _most(training)] >= 0)
    grams = Grams.of(training, known, MOST_WEIGHTS // labels)
    features, classes = grams.features(training, known), training.targets[known]
    chosen = np.flatnonzero(validation.targets >= 0)
    held_out, truth = grams.features(validation, chosen), validation.targets[chosen]
    best, best_weights = (-1.0, -np.inf), None
    weights = np.zeros((features.shape[1] + 1) * labels)
    for strength in STRENGTHS:
        weights = fitted_classes(features, classes, labels, strength, weights)
        scores = _scores(held_out, weights, labels)
        nats = log_softmax(scores, axis=1)[np.arange(len(truth)), truth].sum()
        reached = float((scores.argmax(1) == truth).sum()), float(nats)
        if reached > best or best_weights is None:
            best, best_weights = reached, weights
    assert best_weights is not None
    found: Array = _scores(grams.features(scored), best_weights, labels).argmax(1)
    return found


def numbers_by_ngrams(training: Labelled, validation: Labelled, scored: Labelled) -> Array:
    """Predict numbers (texts, outputs) for each scored text; arguments as for `classes_by_ngrams`."""
    known = np.flatnonzero(~np.isnan(training.targets[: _most(training)]).any(1))
    grams = Grams.of(training, known)
    features, numbers = grams.features(training, known), training.targets[known]
    chosen = np.flatnonzero(~np.isnan(validation.targets).any(1))
    held_out, wanted = grams.features(validation, chosen), grams.features(scored)
    found = []
    for output, truth in zip(numbers.T, validation.targets[chosen].T, strict=True):
        centre = output.mean()
        fits = [lsqr(features, output - centre, damp=strength**-0.5, iter_lim=STEPS)[0] for strength in STRENGTHS]
        errors = [np.square(held_out @ weights + centre - truth).sum() for weights in fits]
        found.append(wanted @ fits[int(np.argmin(errors))] + centre)
    return np.stack(found, axis=1)


def fitted_classes(features: csr_array, classes: Array, labels: int, strength: float, start: Array) -> Array:
    """Return the weights that minimise `strength` times the cross-entropy plus half the squared norm of the weights.

    Args:
        features: (texts, features).
        classes: (texts,).
        labels: number of classes.
        strength: see `STRENGTHS`.
        start: weights to start from, ((features + 1) · labels,): first of the features, then the biases, which are not
            penalised. The result has the same form.
    """
    width = features.shape[1]
    turned = features.T.tocsr()
    one_hot = np.eye(labels)[classes]

    def loss(weights: Array) -> tuple[float, Array]:
        scores = _scores(features, weights, labels)
        nats = -log_softmax(scores, axis=1)[np.arange(len(classes)), classes].sum()
        slope = strength * (softmax(scores, axis=1) - one_hot)
        inner = weights[: width * labels]
        gradient = np.concatenate([(turned @ slope).ravel() + inner, slope.sum(0)])
        return strength * nats + 0.5 * float(inner @ inner), gradient

    return minimise(loss, start, steps=STEPS, tolerance=TOLERANCE)


def _scores(features: csr_array, weights: Array, labels: int) -> Array:
    """Return (texts, labels)."""
    width = features.shape[1]
    found: Array = features @ weights[: width * labels].reshape(width, labels) + weights[width * labels :]
    return found


@dataclass(frozen=True)
class Grams:
    """The n-grams of the training texts, and their weights.

    An n-gram has a key: the number of its first n − 1 symbols among those of that length, times `base`, plus its last
    symbol.
    """

    base: int
    keys: tuple[Array, ...]
    """For each length, the sorted keys of all n-grams of the training texts."""
    columns: tuple[Array, ...]
    """For each length, the column of each n-gram; −1 if it is not used."""
    weights: Array
    """(columns,), the inverse document frequency ln((1 + texts) / (1 + texts with the n-gram)) + 1."""

    @classmethod
    def of(cls, texts: Labelled, chosen: Array, most: int = MOST_GRAMS) -> Grams:
        """Collect the n-grams of the `chosen` texts: the `most` frequent ones."""
        symbols, owners = _joined(texts, chosen)
        base = int(symbols.max(initial=0)) + 2  # one more for symbols that do not occur
        keys, frequencies = [], []
        numbers = np.zeros(len(symbols), np.int64)
        for length in range(1, LONGEST + 1):
            own, key = _keys(numbers, symbols, owners, base, length)
            found, numbers = np.unique(key, return_inverse=True)
            pairs = np.unique(numbers * len(chosen) + own)
            keys.append(found)
            frequencies.append(np.bincount(pairs // len(chosen), minlength=len(found)))
        counts = np.concatenate(frequencies)
        used = np.flatnonzero(counts >= min(FEWEST_TEXTS, len(chosen)))
        used = np.sort(used[np.argsort(-counts[used], kind="stable")[: min(most, MOST_GRAMS)]])
        columns = np.full(len(counts), -1, np.int64)
        columns[used] = np.arange(len(used))
        ends = np.cumsum([len(found) for found in keys])
        weights = np.log((1 + len(chosen)) / (1 + counts[used])) + 1
        return cls(base, tuple(keys), tuple(np.split(columns, ends[:-1])), weights)

    def features(self, texts: Labelled, chosen: Array | None = None) -> csr_array:
        """Return the tf-idf of texts, (texts, columns), each row of length 1 unless it has no known n-gram."""
        chosen = np.arange(len(texts.starts)) if chosen is None else chosen
        symbols, owners = _joined(texts, chosen)
        symbols = np.where(symbols < self.base - 1, symbols, self.base - 1)
        rows, columns = [], []
        numbers = np.zeros(len(symbols), np.int64)
        for length, (known, column) in enumerate(zip(self.keys, self.columns, strict=True), start=1):
            own, key = _keys(numbers, symbols, owners, self.base, length)
            numbers = np.searchsorted(known, key)
            found_key = np.append(known, -1)[numbers]
            numbers = np.where(found_key == key, numbers, len(known))
            found = np.append(column, -1)[numbers]
            rows.append(own[found >= 0])
            columns.append(found[found >= 0])
        row, place = np.concatenate(rows), np.concatenate(columns)
        shape = len(chosen), len(self.weights)
        counts = csr_array((np.ones(len(row)), (row, place)), shape=shape)
        counts.sum_duplicates()
        counts.data *= self.weights[counts.indices]
        lengths = np.sqrt(np.bincount(np.repeat(np.arange(shape[0]), np.diff(counts.indptr)), counts.data**2, shape[0]))
        counts.data /= np.repeat(lengths, np.diff(counts.indptr))
        return counts


def _keys(numbers: Array, symbols: Array, owners: Array, base: int, length: int) -> tuple[Array, Array]:
    """Return the text and the key of each n-gram of a length, from the numbers of the n-grams one shorter."""
    last = length - 1
    inside = owners[last:] == owners[: len(owners) - last]
    places = np.flatnonzero(inside)
    if length == 1:
        return owners, symbols
    # `numbers` belong to the shorter n-grams inside a text, in order: of each text, all but its last.
    shorter = np.flatnonzero(owners[last - 1 :] == owners[: len(owners) - last + 1])
    before = np.full(len(owners), -1, np.int64)
    before[shorter] = numbers
    return owners[places], before[places] * base + symbols[places + last]


def _joined(texts: Labelled, chosen: Array) -> tuple[Array, Array]:
    """Return the symbols of the chosen texts, one after the other, and the text that each belongs to."""
    lengths = texts.lengths[chosen]
    owners = np.repeat(np.arange(len(chosen)), lengths)
    places = np.arange(len(owners)) + np.repeat(texts.starts[chosen] - (np.cumsum(lengths) - lengths), lengths)
    return texts.inputs[places].astype(np.int64), owners


def _most(texts: Labelled) -> int:
    """Return the number of texts to use, counted from the first."""
    return max(1, int(np.searchsorted(np.cumsum(texts.lengths), MOST_SYMBOLS, side="right")))
