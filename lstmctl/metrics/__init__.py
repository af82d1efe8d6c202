"""The figures that runs are scored by: their names, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

SOLVED = "solved"
"""Stands among the baselines of a test of long memory: the figure from which on it counts as solved."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure's name as it stands in every table and JSON object."""

    name: str
    lower_is_better: bool = True

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` beats `than`. Anything finite beats None; NaN and Inf beat nothing."""
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        return value < than if self.lower_is_better else value > than

    def reaches(self, value: float, level: float) -> bool:
        """Whether `value` is at `level` or better."""
        return math.isfinite(value) and (value <= level if self.lower_is_better else value >= level)


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / math.log(2)
