"""The confusion matrix as a picture."""

from __future__ import annotations

from typing import Any

import pytest

from lstmctl.reporting.label_plots import MOST_LABELS, confusion_plot
from lstmctl.results.evaluation import Evaluation

pytestmark = pytest.mark.drawn


def evaluation(labels: int) -> Evaluation:
    """Label n occurs n + 1 times and is always predicted correctly, except the last, once predicted as the first."""
    counts = [[0] * labels for _ in range(labels)]
    for label in range(labels):
        counts[label][label] = label + 1
    counts[-1][0] += 1
    names = [f"label-{number}" for number in range(labels)]
    rates = {name: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "count": 1.0} for name in names}
    return Evaluation("run", "test", {"accuracy": 1.0}, {}, 9, by_label=rates, confusion=tuple(map(tuple, counts)))


def axes(labels: int) -> Any:
    plot = confusion_plot(evaluation(labels))
    assert plot is not None
    return plot.draw(6.5, "black").axes


def test_rows_and_columns_are_the_labels_from_frequent_to_rare() -> None:
    (panel,) = axes(3)
    names = ["label-2", "label-1", "label-0"]
    assert [text.get_text() for text in panel.get_xticklabels()] == names
    assert [text.get_text() for text in panel.get_yticklabels()] == names
    written = {(text.get_position(), text.get_text()) for text in panel.texts}
    assert written == {((0, 0), "3"), ((2, 0), "1"), ((1, 1), "2"), ((2, 2), "1")}


def test_many_labels_are_cut_to_the_frequent_ones_without_counts() -> None:
    (panel,) = axes(MOST_LABELS + 9)
    assert len(panel.get_xticklabels()) == MOST_LABELS
    assert panel.get_xticklabels()[0].get_text() == f"label-{MOST_LABELS + 8}"
    assert not panel.texts


def test_one_label_has_no_picture() -> None:
    assert confusion_plot(evaluation(1)) is None
