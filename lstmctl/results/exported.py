"""Exports of runs."""

from __future__ import annotations

from dataclasses import dataclass

from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Models that have a share in a run's predictions, but not in its export."""

    shares: dict[str, float]
    """By name."""
    metric: str
    part: str
    """The part of the data that was scored."""
    with_them: float
    without_them: float


@dataclass(frozen=True, slots=True)
class Exported(Shown):
    """A run in another form, and how it compares with the run itself."""

    run: str
    target: str
    path: str
    """The folder."""
    precision: str
    """Precision of the stored weights."""
    files: dict[str, int]
    """Bytes by name."""
    parameters: int
    checked_by: str | None
    """The program that ran the export, such as `node v20.20.2`; None if it was not checked."""
    unchecked: str | None
    """The reason why it was not checked."""
    difference: float | None
    """The largest difference to the run's own outputs on its held-out data; None if it was not checked, or is not a
    number."""
    unit: str
    """The unit of the difference."""
    steps: int
    """The number of time steps, or forecasts, that were compared."""
    counted: str
    """`time steps` or `forecasts`."""
    seconds_per_step: float | None
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True)
class LivingRun:
    """A run in a page; the fields are those of `Exported`."""

    run: str
    name: str
    parameters: int
    checked_by: str | None
    unchecked: str | None
    difference: float | None
    unit: str
    steps: int
    counted: str
    seconds_per_step: float | None
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True)
class LivingPage(Shown):
    """A page in which trained networks run."""

    path: str
    bytes: int
    precision: str
    """Precision of its weights."""
    runs: tuple[LivingRun, ...]
