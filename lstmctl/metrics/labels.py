"""Figures of labels: how often they are right, over all and label by label.

Everything follows from the confusion matrix, (labels, labels): how often each true label (row) was told as each
(column). Confusion matrices of several batches add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Confusion = NDArray[Any]


def confusion(truth: NDArray[Any], told: NDArray[Any], labels: int) -> Confusion:
    """Counts (labels, labels) of true and told class numbers (any shape, both the same)."""
    import numpy as np

    pairs = truth.ravel().astype(np.int64) * labels + told.ravel()
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)


def figures(counts: Confusion) -> dict[str, float]:
    """`accuracy`, and `macro_f1`: the mean of F1 over the labels that occur in the truth or were told."""
    import numpy as np

    _, _, f1 = _rates(counts)
    present = (counts.sum(0) + counts.sum(1)) > 0
    return {
        "accuracy": float(np.trace(counts) / counts.sum()),
        "macro_f1": float(f1[present].mean()),
    }


def by_label(counts: Confusion, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and the number of true cases, label by label; 0 where a rate has no case."""
    precision, recall, f1 = _rates(counts)
    return {
        label: {
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "count": float(counts[number].sum()),
        }
        for number, label in enumerate(labels)
    }


def _rates(counts: Confusion) -> tuple[Any, Any, Any]:
    """Precision, recall, and F1 = 2 · right / (true + told) (van Rijsbergen 1979), 0 where nothing is there."""
    import numpy as np

    right, true, told = np.diag(counts).astype(float), counts.sum(1), counts.sum(0)
    return (
        right / np.maximum(told, 1),
        right / np.maximum(true, 1),
        2 * right / np.maximum(true + told, 1),
    )
