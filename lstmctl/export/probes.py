"""Inputs from a run's held-out data, with the outputs of the run itself, to compare an export with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.graph import Predictor

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Probe:
    """Calls of one function of a predictor."""

    function: str
    inputs: Sequence[Arrays]
    """The arguments of each call, without carried states, which start from their initial values."""
    expected: Sequence[Arrays]
    """The outputs to compare in each call."""
    unit: str
    """What a difference is measured in, such as `logits`."""
    scale: Arrays
    """Divisors of the differences, by output; 1 for those that are not listed."""
    steps: int
    """The number of time steps in all calls."""

    def difference(self, found: Sequence[Arrays]) -> float:
        """Return the largest difference between outputs and the expected ones; NaN where only one side is NaN."""
        worst = 0.0
        for own, theirs in zip(found, self.expected, strict=True):
            for name, values in theirs.items():
                with np.errstate(invalid="ignore"):
                    apart = np.abs(np.asarray(own[name], np.float64).reshape(values.shape) - values)
                apart = np.where((np.asarray(own[name]).reshape(values.shape) == values), 0.0, apart)
                worst = max(worst, float((apart / self.scale.get(name, np.float64(1))).max(initial=0.0)))
                if np.isnan(apart).any():
                    return float("nan")
        return worst


@dataclass(frozen=True)
class Described:
    """A predictor, and the probe that checks its exports."""

    predictor: Predictor
    probe: Probe
