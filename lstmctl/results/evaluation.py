"""Scores of a model on one part of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lstmctl.results.shown import Shown

Metrics = Mapping[str, float]


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
