"""Regression metrics, in the units of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def totals(truth: NDArray[Any], told: NDArray[Any]) -> dict[str, float]:
    """Sum the terms that `figures` needs from numbers (sequences, outputs); sums of several batches can be added."""
    import numpy as np

    truth, error = truth.astype(np.float64), told.astype(np.float64) - truth
    return {
        "count": float(truth.size),
        "squared": float((error**2).sum()),
        "absolute": float(np.abs(error).sum()),
        "truth": float(truth.sum()),
        "truth_squared": float((truth**2).sum()),
    }


def figures(totals: dict[str, float]) -> dict[str, float]:
    """Return `mse`, `rmse`, `mae`, and `r2`: 1 − mse / variance of the truth, or 0 if the truth is constant."""
    count = totals["count"]
    mse = totals["squared"] / count
    variance = totals["truth_squared"] / count - (totals["truth"] / count) ** 2
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": totals["absolute"] / count,
        "r2": 1 - mse / variance if variance > 0 else 0.0,
    }
