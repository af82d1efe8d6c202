"""Scores of a model on one part of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lstmctl.results.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RowSums:
    """The primary metric of each scored row, as a ratio of sums: over all rows, the metric is Σ of / Σ out_of."""

    of: NDArray[np.float64]
    """(rows,), such as the number of correct labels."""
    out_of: NDArray[np.float64]
    """(rows,), such as the number of labels; 0 if the row is not scored."""


@dataclass(frozen=True, slots=True)
class Lead:
    """How much better the run is than a baseline on the primary metric, with the interval of a paired bootstrap."""

    lead: float
    """Positive if the run is better, whatever the direction of the metric."""
    low: float
    high: float

    @property
    def shown(self) -> Literal["ahead", "behind", "no difference shown"]:
        """What the interval shows."""
        return "ahead" if self.low > 0 else "behind" if self.high < 0 else "no difference shown"


@dataclass(frozen=True, slots=True)
class Score:
    """Figures of one model, or of one baseline, on one part of the data."""

    metrics: Metrics
    windows: int
    """Windows of the cold figure, or of the task."""
    by_channel: Mapping[str, Metrics] = field(default_factory=dict)
    """Of forecasts: the figures of every channel by its name."""
    by_step: tuple[Metrics, ...] = ()
    """Of forecasts: the figures of every step of the horizon."""
    by_label: Mapping[str, Metrics] = field(default_factory=dict)
    """Of labels: precision, recall, F1 and the number of true cases of each."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Of labels: how often each true one (row) was told as each (column), in the order of `by_label`."""
    notes: tuple[str, ...] = ()
    """Of forecasts: the values that are not scored, in whole sentences."""
    rows: RowSums | None = None
    """If rows are independent: the primary metric of each, in the order of the data."""


@dataclass(frozen=True, slots=True)
class Evaluation(Shown):
    """A run's score on one part of its data."""

    run: str
    split: str
    metrics: Metrics
    baselines: Mapping[str, Metrics]
    windows: int
    """Windows of the cold figure, or of the task."""
    by_channel: Mapping[str, Mapping[str, Metrics]] = field(default_factory=dict)
    """Of forecasts: for `run` and each baseline, the figures of every channel by its name."""
    by_step: Mapping[str, tuple[Metrics, ...]] = field(default_factory=dict)
    """Of forecasts: for `run` and each baseline, the figures of every step of the horizon."""
    notes: tuple[str, ...] = ()
    """What one must know to read the figures, in whole sentences."""
    by_label: Mapping[str, Metrics] = field(default_factory=dict)
    """Of labels: precision, recall, F1 and the number of true cases of each, of the run alone."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Of labels: how often each true one (row) was told as each (column), in the order of `by_label`."""
    counted: str = "windows"
    """What `windows` counts, in the plural."""
    primary: str = ""
    """The metric that the run is judged by, such as `mse_scaled`."""
    leads: Mapping[str, Lead] = field(default_factory=dict)
    """If rows are independent: the run's lead over each baseline."""
    warnings: tuple[str, ...] = ()
    """Reasons why the scores may mislead, in sentences without a full stop."""
