"""Diagnostics of forecasts: the scores of a part beyond their means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Values = tuple[float | None, ...]
"""None where nothing was scored."""


@dataclass(frozen=True, slots=True)
class Skill:
    """The share of a baseline's error that the run avoids, 1 - error / baseline's error, on the primary metric."""

    skill: float
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval; None if there are too few windows for one."""
    over: str = ""
    """The units that were resampled, such as `blocks of 24 origins`; empty without an interval."""

    @property
    def shown(self) -> Literal["ahead", "behind", "no difference shown", ""]:
        """The conclusion from the interval; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return "ahead" if self.low > 0 else "behind" if self.high < 0 else "no difference shown"


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Errors by the calendar, coverage over time, autocorrelation of residuals, and skill against baselines."""

    by_phase: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)
    """For `hour` (from 0), `weekday` (from Monday) and `month` (from January), as far as the step and the part have
    them: for `run` and each baseline, the primary metric of the values at each."""
    times: tuple[str, ...] = ()
    """Beginnings of equal stretches of the part."""
    coverage: Mapping[str, Values] = field(default_factory=dict)
    """For each level in percent, the share of values inside the run's intervals, by stretch of `times`."""
    autocorrelation: tuple[float, ...] = ()
    """Autocorrelation of the run's errors one step ahead, by lag in rows, from 1; the mean over series."""
    residuals: int = 0
    """Number of these errors."""
    skill: Mapping[str, Skill] = field(default_factory=dict)
    """The run's skill against each baseline."""
