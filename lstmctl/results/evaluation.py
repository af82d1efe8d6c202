"""Scores of a model on one part of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lstmctl.results.diagnostics import Diagnostics, Values
from lstmctl.results.framed import Framed
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
class Traces:
    """The sums from which `Diagnostics` are computed, for one model."""

    horizon: int
    by_phase: Mapping[str, Values]
    origins: RowSums
    """The primary metric of each origin, over all series; in order of time."""
    series: RowSums
    """The primary metric of each series."""
    times: tuple[str, ...] = ()
    coverage: Mapping[str, Values] = field(default_factory=dict)
    autocorrelation: tuple[float, ...] = ()
    residuals: int = 0


@dataclass(frozen=True, slots=True)
class Lead:
    """The run's lead over a baseline on the primary metric, with the interval of a paired bootstrap."""

    lead: float
    """Positive if the run is better, whatever the direction of the metric."""
    low: float
    high: float

    @property
    def shown(self) -> Literal["ahead", "behind", "no difference shown"]:
        """The conclusion from the interval."""
        return "ahead" if self.low > 0 else "behind" if self.high < 0 else "no difference shown"


@dataclass(frozen=True, slots=True)
class Score:
    """Metrics of one model or baseline on one part of the data."""

    metrics: Metrics
    windows: int
    """Number of windows of the cold metric, or of the task."""
    by_channel: Mapping[str, Metrics] = field(default_factory=dict)
    """For forecasts: the metrics of every channel by name."""
    by_step: tuple[Metrics, ...] = ()
    """For forecasts: the metrics of every step of the horizon."""
    by_label: Mapping[str, Metrics] = field(default_factory=dict)
    """For labels: precision, recall, F1 and number of true cases of each."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """For labels: the confusion matrix (rows: true, columns: predicted), in the order of `by_label`."""
    notes: tuple[str, ...] = ()
    """For forecasts: sentences about values that are not scored."""
    rows: RowSums | None = None
    """If rows are independent: the primary metric of each, in the order of the data."""
    by_series: Mapping[str, Metrics] = field(default_factory=dict)
    """For forecasts of several series: the metrics of each by its `unique_id`; the same for a wide and a long table."""
    traces: Traces | None = field(default=None, compare=False)
    """For forecasts: the sums from which diagnostics are computed."""


@dataclass(frozen=True, slots=True)
class Evaluation(Shown, Framed):
    """A run's score on one part of its data."""

    run: str
    split: str
    metrics: Metrics
    baselines: Mapping[str, Metrics]
    windows: int
    """Number of windows of the cold metric, or of the task."""
    by_channel: Mapping[str, Mapping[str, Metrics]] = field(default_factory=dict)
    """For forecasts: for `run` and each baseline, the metrics of every channel by name."""
    by_step: Mapping[str, tuple[Metrics, ...]] = field(default_factory=dict)
    """For forecasts: for `run` and each baseline, the metrics of every step of the horizon."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader needs to interpret the metrics."""
    by_label: Mapping[str, Metrics] = field(default_factory=dict)
    """For labels: precision, recall, F1 and number of true cases of each, for the run only."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """For labels: the confusion matrix (rows: true, columns: predicted), in the order of `by_label`."""
    counted: str = "windows"
    """The noun that `windows` counts, in the plural."""
    primary: str = ""
    """The primary metric of the run, such as `mse_scaled`."""
    leads: Mapping[str, Lead] = field(default_factory=dict)
    """If rows are independent: the run's lead over each baseline."""
    by_series: Mapping[str, Mapping[str, Metrics]] = field(default_factory=dict)
    """For forecasts of several series: for `run` and each baseline, the metrics of every series by its `unique_id`."""
    diagnostics: Diagnostics | None = None
    """For forecasts."""
    by_length: Mapping[int, Metrics] = field(default_factory=dict)
    """For sequences drawn by the program: the metrics of further tests by the length of their sequences."""
    warnings: tuple[str, ...] = ()
    """Reasons why the scores may mislead, in sentences without a full stop."""

    @property
    def primary_by_length(self) -> dict[int, float]:
        """The primary metric by length."""
        return {length: metrics[self.primary] for length, metrics in self.by_length.items() if self.primary in metrics}
