"""The result of a search for hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lstmctl.results.comparison import Comparison
from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class Trial:
    """One point of the space, trained once."""

    number: int
    """From 1, in the order in which trials began."""
    point: Mapping[str, Any]
    """Values by dotted key."""
    status: str
    """`finished`, `pruned`, `diverged` or `failed`."""
    value: float | None
    """The primary metric on validation; for a pruned trial, the last value before it was pruned. None if unknown."""
    parameters: int | None
    seconds: float | None
    """Time spent on training steps."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """One of the best trials, trained again with several new seeds."""

    number: int
    """The trial's number."""
    point: Mapping[str, Any]
    values: tuple[float | None, ...]
    """The primary metric on validation by seed; None if the run diverged."""
    mean: float | None
    low: float | None
    high: float | None
    """Ends of the interval over seeds; None with fewer than two values."""


@dataclass(frozen=True, slots=True)
class Search(Shown):
    """The result of a search: all trials, the best of them with several seeds, and the winner's test score."""

    not_in_json: ClassVar = ("path",)
    in_json: ClassVar = ("report",)
    path: str
    """The search's folder."""
    config: str
    command: str
    primary: str
    lower_is_better: bool
    space: Mapping[str, str]
    """The range or the list of each setting, as typed."""
    seeds: tuple[int, ...]
    """Seeds of the finalists and the winner."""
    trials: tuple[Trial, ...]
    finalists: tuple[Finalist, ...]
    """The best first."""
    importance: Mapping[str, float]
    """Share of the variation among the best trials that each setting explains, by PED-ANOVA; empty if unknown."""
    winner: Comparison
    """Runs of the winner on all parts of the data, a comparison of one arm."""
    winner_config: str
    """The winner's config as YAML."""

    @property
    def report(self) -> str:
        """Path of the page."""
        return str(Path(self.path) / "report.html")
