"""The centre and spread of a column: scaled = (value − centre) / spread.

Everything is computed in float64, over the given rows only; missing values do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12
"""A range below this share of the values themselves is no more than rounding."""
NORMAL_QUARTILES = 1.349
"""Distance between the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Scale:
    """One column's centre and spread, and what is odd about it."""

    centre: float
    spread: float
    remark: str | None = None
    is_fitted: bool = True
    """False where the values gave no spread, and 1 stands for it."""

    @property
    def caveat(self) -> str | None:
        """Return what is odd about the column, with what is done about it."""
        return self.remark if self.is_fitted else f"{self.remark}; its spread is taken as 1"


def fit_scale(scaler: str, values: NDArray[np.float64]) -> Scale:
    """The scale of one column.

    `standard` uses mean and population standard deviation; `robust` the median and the interquartile range over 1.349,
    which is the standard deviation of a normal distribution; `min-max` the minimum and the range; `none` leaves values
    unchanged. A spread is never 0: a constant column gets 1.

    Args:
        scaler: standard, robust, min-max or none.
        values: (rows,) with NaN where missing.
    """
    if scaler == "none":
        return Scale(0.0, 1.0)
    missing = np.isnan(values)
    seen = values[~missing] if missing.any() else values
    if not len(seen):
        return Scale(0.0, 1.0, "has no value in its training rows", is_fitted=False)
    low, high = float(seen.min()), float(seen.max())
    # Asked of the values: the deviation of many equal ones need not come out as 0.
    if low == high:
        return Scale(low, 1.0, f"is constant ({low:g}) in its training rows", is_fitted=False)
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        return _sound(float(np.mean(seen)), 0.0)
    if scaler == "min-max":
        return _sound(low, high - low)
    if scaler == "robust":
        lower, middle, upper = (float(part) for part in np.quantile(seen, [0.25, 0.5, 0.75]))
        if upper > lower:
            return _sound(middle, (upper - lower) / NORMAL_QUARTILES)
        remark = "has half of its training rows equal; its spread is the standard deviation"
        return _sound(middle, float(np.std(seen)), remark)
    return _sound(float(np.mean(seen)), float(np.std(seen)))


def _sound(centre: float, spread: float, remark: str | None = None) -> Scale:
    if spread > np.finfo(np.float32).tiny:
        return Scale(centre, spread, remark)
    return Scale(centre, 1.0, "varies too little in its training rows to be scaled", is_fitted=False)


def naive_error(values: NDArray[np.float64], season: int) -> float:
    """Mean |value − value a season before|, over the rows that have both; NaN where there is none, or it is 0."""
    if len(values) <= season:
        return float("nan")
    differences = values[season:] - values[:-season]
    np.abs(differences, out=differences)
    missing = np.isnan(differences)
    known = differences[~missing] if missing.any() else differences
    error = float(np.mean(known)) if len(known) else 0.0
    return error if error > 0 else float("nan")
