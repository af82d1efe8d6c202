"""Metrics of labels and numbers on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lstmctl.metrics import numbers
from lstmctl.metrics.labels import by_label, confusion, figures

# Three labels; the third is never true and never predicted.
TRUTH = np.array([0, 0, 0, 1, 1, 0])
TOLD = np.array([0, 0, 1, 1, 0, 0])


def test_confusion_counts_true_labels_by_prediction() -> None:
    assert confusion(TRUTH, TOLD, 3).tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_metrics_of_labels() -> None:
    """Four of six are right. F1 of label 0: 2·3 / (4 + 4); of label 1: 2·1 / (2 + 2); label 2 does not occur."""
    assert figures(confusion(TRUTH, TOLD, 3)) == pytest.approx({"accuracy": 4 / 6, "macro_f1": (0.75 + 0.5) / 2})


def test_a_label_that_is_predicted_but_never_true_counts_in_macro_f1() -> None:
    assert figures(confusion(np.array([0, 0]), np.array([0, 1]), 2))["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_rates_of_each_label() -> None:
    rates = by_label(confusion(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), 3), ("a", "b", "c"))
    assert rates["a"] == pytest.approx({"precision": 1, "recall": 1 / 3, "f1": 0.5, "count": 3})
    assert rates["b"] == pytest.approx({"precision": 1 / 3, "recall": 1, "f1": 0.5, "count": 1})
    assert rates["c"] == {"precision": 0, "recall": 0, "f1": 0, "count": 0}


def test_metrics_of_numbers() -> None:
    """Errors 1, −1 and 3; the truth has mean 2 and variance 2/3."""
    found = numbers.figures(numbers.totals(np.array([[1.0], [2], [3]]), np.array([[2.0], [1], [6]])))
    assert found == pytest.approx({"mse": 11 / 3, "rmse": (11 / 3) ** 0.5, "mae": 5 / 3, "r2": 1 - (11 / 3) / (2 / 3)})


def test_sums_of_two_batches_are_those_of_both() -> None:
    truth, told = np.arange(6.0).reshape(6, 1), np.array([[1.0], [0], [2], [2], [9], [5]])
    parts = [numbers.totals(truth[rows], told[rows]) for rows in (slice(0, 2), slice(2, 6))]
    joined = {key: parts[0][key] + parts[1][key] for key in parts[0]}
    assert joined == pytest.approx(numbers.totals(truth, told))


def test_r2_is_zero_where_the_truth_does_not_vary() -> None:
    assert numbers.figures(numbers.totals(np.ones((3, 1)), np.zeros((3, 1))))["r2"] == 0
