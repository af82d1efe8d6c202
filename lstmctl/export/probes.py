"""Inputs from a run's held-out data, with the outputs of the run itself, to compare an export with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.graph import Predictor
from lstmctl.results.exported import LeftOut

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Call:
    """A call of a function of a predictor."""

    function: str
    inputs: Arrays
    """The arguments that no function returns; each other argument is the value returned last under its name."""
    expected: Arrays
    """The outputs to compare."""
    restarts: bool = False
    """True if carried states have their initial values again."""
    scale: Arrays = field(default_factory=dict)
    """Divisors of the differences, by output; 1 for those that are not listed."""


@dataclass(frozen=True)
class Probe:
    """Calls of a predictor, in order."""

    calls: Sequence[Call]
    unit: str
    """The unit of differences, such as `logits`."""
    steps: int
    """The number of time steps in all calls, or of the units that `counted` names."""
    counted: str = "time steps"

    def difference(self, found: Sequence[Arrays]) -> float:
        """Return the largest difference between outputs and the expected ones; NaN where only one side is NaN."""
        worst = 0.0
        for own, call in zip(found, self.calls, strict=True):
            for name, values in call.expected.items():
                theirs = np.asarray(own[name], np.float64).reshape(values.shape)
                both = (np.isnan(theirs) & np.isnan(values)) | (theirs == values)
                apart = np.where(both, 0.0, np.abs(theirs - values) / call.scale.get(name, np.float64(1)))
                if np.isnan(apart).any():
                    return float("nan")
                worst = max(worst, float(apart.max(initial=0.0)))
        return worst


@dataclass(frozen=True)
class Described:
    """A predictor, and the probe that checks its exports."""

    predictor: Predictor
    probe: Probe
    left_out: LeftOut | None = None
    """Models that are part of the run's own predictions only."""
