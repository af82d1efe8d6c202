"""Classification metrics, overall and per label.

All follow from the confusion matrix (rows: true, columns: predicted), (labels, labels). Confusion matrices of several
batches add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Confusion = NDArray[Any]


def confusion(truth: NDArray[Any], told: NDArray[Any], labels: int) -> Confusion:
    """Count true and predicted class numbers (any shape, the same for both) in a matrix (labels, labels)."""
    import numpy as np

    pairs = truth.ravel().astype(np.int64) * labels + told.ravel()
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)


def figures(counts: Confusion) -> dict[str, float]:
    """Return `accuracy`, and `macro_f1`: the mean F1 of the labels that occur in the truth or in the predictions."""
    import numpy as np

    _, _, f1 = _rates(counts)
    present = (counts.sum(0) + counts.sum(1)) > 0
    return {
        "accuracy": float(np.trace(counts) / counts.sum()),
        "macro_f1": float(f1[present].mean()),
    }


def by_label(counts: Confusion, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and the number of true cases for each label; rates without cases are 0."""
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
    """Return precision, recall and F1 = 2 · right / (true + predicted) (van Rijsbergen 1979), 0 without cases."""
    import numpy as np

    right, true, told = np.diag(counts).astype(float), counts.sum(1), counts.sum(0)
    return (
        right / np.maximum(told, 1),
        right / np.maximum(true, 1),
        2 * right / np.maximum(true + told, 1),
    )
