"""The result of `lstmctl bench`: cells × tests under one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import ClassVar

from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One cell on one test, over all seeds."""

    test: str
    cell: str
    values: tuple[float | None, ...]
    """The primary metric of each seed; None if the run diverged."""
    skills: tuple[float, ...]
    """The share of the way from the baseline (0) to a perfect result (1) of each seed, 0 if it diverged."""
    parameters: int
    seconds: float | None
    """Training time of a run, the median."""
    rate: float | None
    """Targets per second, the median."""
    kernel: str | None
    by_length: Mapping[int, float] = field(default_factory=dict)
    """The primary metric by the length of further tests, the mean over seeds."""
    comparison: str = ""
    """The folder of the row's runs, next to the bench's folder."""

    @property
    def mean(self) -> float | None:
        known = [value for value in self.values if value is not None]
        return fmean(known) if known else None

    @property
    def skill(self) -> float:
        return fmean(self.skills)


@dataclass(frozen=True, slots=True)
class BenchTest:
    """One test of a profile."""

    name: str
    primary: str
    lower_is_better: bool
    baseline: str
    """The name of the baseline that skill is measured from."""
    level: float
    """Its metric."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One cell over all tests."""

    cell: str
    skill: Estimate
    """Mean over the tests."""
    wins: Estimate
    """Share of the pairs of test and other cell in which this cell's mean skill is larger; equal ones count half."""
    rank: Estimate
    """Mean over the tests, from 1."""


@dataclass(frozen=True, slots=True)
class Bench(Shown):
    """Cells × tests."""

    not_in_json: ClassVar = ("path",)

    path: str
    """The folder of the report."""
    profile: str
    command: str
    seeds: int
    tune: tuple[str, ...]
    tests: tuple[BenchTest, ...]
    rows: tuple[BenchRow, ...]
    standings: tuple[Standing, ...]
    """The best mean rank first."""

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of the standings."""
        return tuple(standing.cell for standing in self.standings)

    def row(self, test: str, cell: str) -> BenchRow:
        return next(row for row in self.rows if (row.test, row.cell) == (test, cell))
