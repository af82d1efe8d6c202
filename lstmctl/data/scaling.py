"""The centre and spread of a column: scaled = (value − centre) / spread.

All in float64, from the given rows alone, without missing values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12
"""A relative range below this is rounding."""
NORMAL_QUARTILES = 1.349
"""Distance between the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Scale:
    """One column's centre and spread, and anything unusual about it."""

    centre: float
    spread: float
    remark: str | None = None
    is_fitted: bool = True
    """False if the values have no spread, and 1 is used instead."""

    @property
    def caveat(self) -> str | None:
        """Return what is unusual about the column, and its consequence."""
        return self.remark if self.is_fitted else f"{self.remark}; its spread is taken as 1"


def fit_scale(scaler: str, values: NDArray[np.float64]) -> Scale:
    """Fit the scale of one column, (rows,) with NaN if missing.

    `standard` uses the mean and the population standard deviation; `robust` the median and the interquartile range over
    1.349, the standard deviation of a normal distribution; `min-max` the minimum and the range; `none` leaves values
    unchanged. A spread is never 0: a constant column gets 1.
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


def naive_errors(values: NDArray[np.float64], season: int) -> tuple[float, float]:
    """Return the means of |value − value one season before| and of its square over the rows that have both; NaN if
    there is none, or they are 0."""
    if len(values) <= season:
        return float("nan"), float("nan")
    differences = values[season:] - values[:-season]
    np.abs(differences, out=differences)
    missing = np.isnan(differences)
    known = differences[~missing] if missing.any() else differences
    error, square = (float(np.mean(part)) if len(known) else 0.0 for part in (known, np.square(known)))
    return (error if error > 0 else float("nan")), (square if square > 0 else float("nan"))
