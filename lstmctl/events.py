"""Events of a training run and of a comparison, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstmctl.results.evaluation import Metrics


@dataclass(frozen=True, slots=True)
class Decided:
    """A config was derived from a user's own data."""

    lines: tuple[str, ...]
    """What was decided and why, for people."""


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


@dataclass(frozen=True, slots=True)
class Concluding:
    """Training has ended, and a run or a comparison is scored and reported."""

    doing: str
    """In words: `scoring the test part`."""
    share: float | None = None
    """How much of that is done, 0 to 1; None where it is not known."""


Event = Decided | Started | Stepped | Evaluated | Sampled | SavePoint | Saved | Finished | Concluding


@dataclass(frozen=True, slots=True)
class Planned:
    """A comparison begins, or goes on."""

    runs: tuple[str, ...]
    """Names of all runs, in order, those of tuning among them."""
    finished: tuple[str, ...]
    """Those that need nothing more, as they were finished before."""
    title: str = ""
    """Which comparison of a sweep it is: `data.length=50 (1 of 4)`; empty for one by itself."""


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of a comparison was started, or taken up where it had stopped."""

    run: str


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something happened inside a run of a comparison."""

    run: str
    event: Event


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run of a comparison ended."""

    run: str
    status: str
    """`finished`, `diverged` or `interrupted`."""
    primary: str
    value: float | None
    """The primary figure on the reported part."""
    seconds: float | None


ComparisonEvent = Planned | RunBegan | RunEvent | RunEnded | Concluding | Decided
