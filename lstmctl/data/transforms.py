"""Transforms of targets before they are scaled: a logarithm or a power, undone in every forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.timesteps import CHUNK
from lstmctl.errors import DataError

if TYPE_CHECKING:
    from lstmctl.data.tables import Rows

Floats = NDArray[np.float64]
TRANSFORMS = ("log", "log1p", "box-cox")
LOWEST = {"log": 0.0, "log1p": -1.0, "box-cox": 0.0}
"""Values of a target are above this."""
POWERS = np.linspace(0, 1, 101)
"""Powers of Box and Cox to choose from: from the logarithm to no transform; negative ones would forecast infinities."""
FEWEST_BLOCKS = 3


@dataclass(frozen=True, eq=False)
class Transform:
    """Transform of targets: scaled = (f(value) - centre) / spread, where f is the logarithm of the value (`log`), of
    1 + value (`log1p`), or (value^power - 1) / power (Box and Cox 1964, An analysis of transformations)."""

    name: str
    power: Floats
    """(series, targets) of `box-cox`, where 0 is the logarithm; otherwise 0."""
    centre: Floats
    """(series, targets) of the transformed training rows."""
    spread: Floats
    """(series, targets) likewise, never 0."""

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """Power, centre and spread."""
        return self.power, self.centre, self.spread

    def scaled(self, values: Floats, series: int | NDArray[np.int64]) -> Floats:
        """Transform and scale values (…, targets) of one series, or of `series` (…)."""
        return (transformed(self.name, values, self.power[series]) - self.centre[series]) / self.spread[series]


def transformed(name: str, values: Floats, power: Floats | float) -> Floats:
    """Return f(values); `power` broadcasts against them. NaN stays NaN."""
    if name == "log1p":
        return np.log1p(values)
    logs = np.log(values)
    if name == "log" or not np.any(power):
        return logs
    own = np.where(power == 0, 1, power)
    return np.where(power == 0, logs, np.expm1(own * logs) / own)


def restored(name: str, values: Floats, power: Floats | float) -> Floats:
    """Return the values whose f is given. Values below the range of f become the lowest value; infinities, which mark
    missing ends of intervals, stay."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if name == "log1p":
            found = np.expm1(values)
        else:
            own = np.where(np.equal(power, 0), 1, power)
            powers = np.exp(np.log1p(np.maximum(own * values, -1)) / own)
            found = np.where(np.equal(power, 0), np.exp(values), powers)
    return np.where(np.isinf(values), values, found)


def fit_power(values: Floats, season: int) -> float:
    """Return the power of Box and Cox after which the deviation within seasons depends least on their level, (rows,)
    with NaN if missing (Guerrero 1993, Time-series analysis supported by power transformations).

    Blocks are `season` rows, two without a season; 1, no transform, if fewer than `FEWEST_BLOCKS` vary.
    """
    length = max(2, season)
    count = len(values) // length
    blocks = values[len(values) - count * length :].reshape(count, length)
    blocks = blocks[~np.isnan(blocks).any(axis=1)]
    means, deviations = blocks.mean(axis=1), blocks.std(axis=1, ddof=1)
    means, deviations = means[deviations > 0], deviations[deviations > 0]
    if len(means) < FEWEST_BLOCKS:
        return 1.0
    ratios = np.exp(np.log(deviations) - np.outer(1 - POWERS, np.log(means)))
    return float(POWERS[np.argmin(ratios.std(axis=1, ddof=1) / ratios.mean(axis=1))])


def require_domain(rows: Rows, name: str, *, is_run: bool) -> None:
    """Refuse targets that cannot be transformed.

    Raises:
        DataError: one is too low, with its row.
    """
    values, lowest = rows.values["targets"], LOWEST[name]
    for start in range(0, len(values), CHUNK):
        low = np.argwhere(values[start : start + CHUNK] <= lowest)
        if not len(low):
            continue
        row, column = start + int(low[0, 0]), int(low[0, 1])
        whose = "the run's data.transform" if is_run else "data.transform"
        if is_run:
            hint = "correct the value, or train a run without a transform: data.transform=none"
        elif name != "log1p" and np.nanmin(values) > LOWEST["log1p"]:
            hint = "data.transform=log1p takes the logarithm of 1 + value, which 0 has too; or none"
        else:
            hint = "data.transform=none, or add a constant to the column before"
        raise DataError(
            f"{rows.place(row)}, column `{rows.columns.targets[column]}`: {rows.whose(row)}{values[row, column]:g}, "
            f"but {whose}={name} takes values above {lowest:g}",
            hint=hint,
        )
