"""Events of a training run and of a comparison, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lstmctl.results.evaluation import Metrics


@dataclass(frozen=True, slots=True)
class Decided:
    """A config was derived from a user's own data."""

    lines: tuple[str, ...]
    """Decisions and their reasons, for people."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run's folder is complete, and its training begins or continues after `step` steps."""

    path: Path
    step: int
    config: Mapping[str, Any]
    """The settings by dotted key."""
    facts: Mapping[str, Any]
    """The contents of `run.json`."""


@dataclass(frozen=True, slots=True)
class Started:
    """Training begins, or continues after `step` steps."""

    step: int
    steps: int
    unit: str
    """The unit of the budget, in the plural: `characters`."""
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
    """The current model was scored on the validation part."""

    step: int
    metrics: Metrics
    best: bool


@dataclass(frozen=True, slots=True)
class Sampled:
    """A text that the model generates from an empty prompt at this step."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class SavePoint:
    """All state is consistent here: the trainer's owner may take a snapshot before requesting the next event."""

    step: int
    best: bool
    """True if the last evaluation was the best so far."""
    final: bool
    """True if no further step follows."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint was written to disk."""

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
    """The share that is done, 0 to 1; None if unknown."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's folder is up to date: it is finished and reported, or interrupted and saved."""

    path: Path
    step: int
    status: Literal["finished", "interrupted"]
    metrics: Mapping[str, Metrics | None]
    """By part; empty if the run was interrupted."""


Event = Decided | Opened | Started | Stepped | Evaluated | Sampled | SavePoint | Saved | Finished | Concluding | Ended


@dataclass(frozen=True, slots=True)
class Planned:
    """A comparison begins or continues."""

    runs: tuple[str, ...]
    """Names of all runs, in order, including runs for tuning."""
    finished: tuple[str, ...]
    """Names of runs that were finished before."""
    title: str = ""
    """The comparison's place in a sweep: `data.length=50 (1 of 4)`; empty outside a sweep."""


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of a comparison was started or resumed."""

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
    """The primary metric on the reported part."""
    seconds: float | None


ComparisonEvent = Planned | RunBegan | RunEvent | RunEnded | Concluding | Decided
