"""What the rooms hand to each other: events of a training run and results, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Started:
    """Training begins, or goes on after `step` steps."""

    step: int
    steps: int
    unit: str
    """What a budget counts, in the plural: `characters`."""
    units_per_step: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """Some steps were made since the last such event."""

    step: int
    loss: float
    """Mean over the targets since the last such event, in the task's own unit."""
    learning_rate: float
    gradient_norm: float
    """Before clipping, of the last step."""
    units: int
    """Targets that entered the loss so far."""
    seconds: float
    """Spent on training steps alone, over all sessions of the run."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The model as it stands was scored on the validation part."""

    step: int
    metrics: Metrics
    best: bool


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the model makes of an empty page by now."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class SavePoint:
    """All state is consistent here: whoever holds the trainer may take a snapshot before asking for the next event."""

    step: int
    best: bool
    """Whether the last evaluation was the best so far."""
    final: bool
    """Whether nothing follows."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint stands on the disk."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """Training ended."""

    step: int
    reason: Literal["budget", "patience", "interrupted"]


Event = Started | Stepped | Evaluated | Sampled | SavePoint | Saved | Finished


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run's score on one part of its data."""

    run: str
    split: str
    metrics: Metrics
    baselines: Mapping[str, Metrics]
    windows: int
    """Windows of the cold figure, or of the task."""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generated:
    """One text a run wrote."""

    prompt: str
    text: str
    """The continuation, without the prompt."""
    symbols: tuple[str, ...]
    probabilities: tuple[float, ...]
    """The model's own probability of each symbol, before temperature and truncation."""
    stopped: Literal["length", "stop"]
