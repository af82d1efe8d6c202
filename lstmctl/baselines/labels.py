"""Closed-form baselines for labelling sequences.

A bag describes the contents of a sequence regardless of order: the share of every symbol, and the logarithm of the
length; for frames, the mean, standard deviation, minimum and maximum of every feature. Labels are predicted from it by
ridge regression to one column per class (the largest wins), numbers by ridge regression to the numbers themselves. For
clips of sound, logistic regression on mean and standard deviation alone is fitted as well.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PENALTY = 1e-2
"""Penalty of the ridge regression, for features with unit variance and the mean of the squares."""
LOGISTIC_PENALTY = 1e-3
"""Penalty of the logistic regression: on half the sum of the squared weights, for the mean of the losses."""


class Labelled(Protocol):
    """Sequences in one array, with their targets; see `data.sequences.Sequences`."""

    @property
    def inputs(self) -> Array:
        """(steps,) symbol numbers, or (steps, features)."""
        ...

    @property
    def starts(self) -> Array: ...
    @property
    def lengths(self) -> Array: ...
    @property
    def targets(self) -> Array:
        """Class numbers for each sequence or step, negative where missing; or numbers (sequences, outputs)."""
        ...


def majority(classes: Array) -> int:
    """Return the most frequent class number; the smallest if several are equally frequent."""
    return int(np.bincount(classes[classes >= 0]).argmax())


def bag_of_steps(training: Labelled, scored: Labelled, inputs: int, labels: int) -> Array:
    """Predict a class number for each scored sequence, (sequences,), from its bag.

    Args:
        training, scored: sequences to fit and to predict.
        inputs: number of distinct symbols, or of features.
        labels: number of classes.
    """
    known = training.targets >= 0
    scores = _ridge(_bags(training, inputs)[known], np.eye(labels)[training.targets[known]], _bags(scored, inputs))
    classes: Array = scores.argmax(1)
    return classes


def mean_and_spread(training: Labelled, scored: Labelled, labels: int) -> Array:
    """Predict a class number (sequences,) for each scored sequence of frames by multinomial logistic regression on the
    mean and standard deviation of every feature."""
    known = training.targets >= 0
    features, wanted = _moments(training)[known], training.targets[known]
    centre, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 0, spread, 1)
    weights = _logistic((features - centre) / spread, wanted, labels)
    found: Array = (_with_one((_moments(scored) - centre) / spread) @ weights).argmax(1)
    return found


def numbers_from_bags(training: Labelled, scored: Labelled, inputs: int) -> Array:
    """Predict numbers (sequences, outputs) for each scored sequence from its bag."""
    known = ~np.isnan(training.targets).any(1)
    return _ridge(_bags(training, inputs)[known], training.targets[known], _bags(scored, inputs))


def label_of_each_step(training: Labelled, scored: Labelled, inputs: int, labels: int) -> Array:
    """Predict a class number (steps,) for each step of the scored sequences' arrays from that step alone: the most
    frequent label of its symbol, or ridge regression from its frame."""
    where = np.zeros(len(training.inputs), bool)
    for start, length in zip(training.starts, training.lengths, strict=True):
        where[start : start + length] = True
    where &= training.targets >= 0
    if training.inputs.ndim == 1:
        counts = np.zeros((inputs, labels), np.int64)
        np.add.at(counts, (training.inputs[where], training.targets[where]), 1)
        # A symbol that never occurs in training gets the most frequent label overall.
        counts = np.where(counts.any(1, keepdims=True), counts, counts.sum(0))
        told: Array = counts.argmax(1)[scored.inputs]
    else:
        told = _ridge(training.inputs[where], np.eye(labels)[training.targets[where]], scored.inputs).argmax(1)
    return told


def _bags(sequences: Labelled, inputs: int) -> Array:
    spans = zip(sequences.starts, sequences.lengths, strict=True)
    each = [sequences.inputs[start : start + length] for start, length in spans]
    if sequences.inputs.ndim == 1:
        shares = np.stack([np.bincount(symbols, minlength=inputs) / len(symbols) for symbols in each])
    else:
        parts = [[frames.mean(0), frames.std(0), frames.min(0), frames.max(0)] for frames in each]
        shares = np.array(parts).reshape(len(each), -1)
    return np.column_stack([shares, np.log(sequences.lengths)])


def _moments(sequences: Labelled) -> Array:
    """Return mean and standard deviation (sequences, 2 · features) of each sequence of frames."""
    spans = zip(sequences.starts, sequences.lengths, strict=True)
    each = [sequences.inputs[start : start + length].astype(np.float64) for start, length in spans]
    return np.array([np.concatenate([frames.mean(0), frames.std(0)]) for frames in each])


def _with_one(features: Array) -> Array:
    return np.column_stack([features, np.ones(len(features))])


def _logistic(features: Array, wanted: Array, labels: int) -> Array:
    """Fit the weights (features + 1, labels) of multinomial logistic regression, the last row an unpenalised intercept,
    by L-BFGS on the exact gradient."""
    from scipy.optimize import minimize

    inputs, truth = _with_one(features), np.eye(labels)[wanted]
    penalty = np.full((inputs.shape[1], 1), LOGISTIC_PENALTY)
    penalty[-1] = 0

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(-1, labels)
        scores = inputs @ weights
        scores -= scores.max(1, keepdims=True)
        sums = np.exp(scores).sum(1, keepdims=True)
        nats = (np.log(sums[:, 0]) - (scores * truth).sum(1)).mean()
        slope = inputs.T @ (np.exp(scores) / sums - truth) / len(inputs) + penalty * weights
        return float(nats + (penalty * weights**2).sum() / 2), slope.ravel()

    fitted = minimize(loss, np.zeros(inputs.shape[1] * labels), jac=True, method="L-BFGS-B")
    found: Array = fitted.x.reshape(-1, labels)
    return found


def _ridge(features: Array, targets: Array, scored: Array) -> Array:
    """Fit ridge regression with an unpenalised intercept (Hoerl & Kennard 1970), W = (X'X / n + λ I)⁻¹ X'Y / n on
    features of mean 0 and variance 1, and predict `scored`."""
    centre, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 0, spread, 1)
    scaled = (features - centre) / spread
    mean = targets.mean(0)
    count = len(scaled)
    gram = scaled.T @ scaled / count + PENALTY * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (targets - mean) / count)
    found: Array = (scored - centre) / spread @ weights + mean
    return found
