"""Results of comparing several networks, and of sweeping one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

from lstmctl.results.evaluation import Metrics
from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One evaluation on the validation part during training."""

    units: int
    """Targets that had entered the loss by then."""
    seconds: float
    """Time spent on training steps by then."""
    value: float
    """The primary metric, as measured during training (over lanes, not over one stream)."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of a comparison."""

    name: str
    """Name of the run's folder inside the comparison's: `lstm-seed-0`."""
    seed: int
    status: str
    """`finished` or `diverged`."""
    value: float | None
    """The primary metric on the reported part; None if the run diverged."""
    metrics: Mapping[str, Metrics | None]
    """All final metrics by part: `validation`, and `test` (None without a test part)."""
    curve: tuple[CurvePoint, ...]
    units: int
    seconds: float | None
    """Time spent on training steps only."""
    rate: float | None
    """Targets per second."""
    peak_memory: int | None
    """In bytes: of the whole process on a CPU, of allocated memory on a GPU."""
    stopped_early: bool = False
    """True if patience ended the run before its budget."""
    host: str | None = None
    """Name of the machine that made its last step."""
    device_name: str | None = None
    """The machine's kind: its GPU, or its CPU and threads."""
    by_length: Mapping[int, float] = field(default_factory=dict)
    """For sequences drawn by the program: the primary metric of further tests by the length of their sequences."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One point of a tuning grid."""

    point: Mapping[str, Any]
    """Values by dotted key."""
    value: float | None
    """The primary metric on validation; None if the run diverged."""


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm of a comparison, over all its seeds."""

    in_json: ClassVar = ("values",)

    name: str
    cell: str
    settings: Mapping[str, Any]
    """The arm's own settings, by dotted key: its width, those set by `--arm`, and those chosen by tuning."""
    chosen: Mapping[str, Any]
    """The settings chosen by tuning; empty without tuning."""
    tuning: tuple[Tried, ...]
    parameters: int
    deviation: float | None
    """Relative deviation of the parameters from the target; None if parameters are not matched."""
    steps: int
    kernel: str | None
    runs: tuple[RunResult, ...]
    mean: float | None
    low: float | None
    high: float | None
    """Ends of the interval over seeds; None with fewer than two values."""
    seconds: float | None
    rate: float | None
    peak_memory: int | None
    """Medians over the runs; for memory, the maximum."""
    seconds_to_level: float | None
    """Training time until the mean validation curve reaches the worst arm's final value; None if it never does."""
    sample: str
    """Text generated from an empty prompt by the first finished run."""
    status: str
    """`finished`, `diverged` if every run diverged, or `partly diverged`."""
    ensemble: Metrics | None = None
    """Metrics on the reported part of the median forecast of all finished runs; None with fewer than two, or for other
    tasks."""

    @property
    def values(self) -> tuple[float | None, ...]:
        """The primary metric of each seed."""
        return tuple(run.value for run in self.runs)

    @property
    def by_length(self) -> dict[int, float]:
        """The mean over the finished runs of `RunResult.by_length`."""
        found = [run.by_length for run in self.runs if run.by_length]
        return {length: fmean(one[length] for one in found) for length in (found[0] if found else ())}

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """The mean over the runs that did not diverge, for each evaluation that all of them reached."""
        curves = [run.curve for run in self.runs if run.status != "diverged"]
        return tuple(
            CurvePoint(
                points[0].units,
                fmean(point.seconds for point in points),
                fmean(point.value for point in points),
            )
            for points in zip(*curves, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two arms, `a` minus `b`."""

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Adjusted over all pairs of the comparison; None with fewer than two seeds."""
    test: Literal["paired", "welch"]


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """The result of a comparison."""

    not_in_json: ClassVar = ("path",)
    in_json: ClassVar = ("report",)
    path: str
    """The comparison's folder."""
    config: str
    """The config's name."""
    overrides: tuple[str, ...]
    command: str
    primary: str
    lower_is_better: bool
    split: str
    """The reported part: `test`, or `validation` without a test part."""
    unit: str
    """The unit of budgets, in the plural: `characters`."""
    units: int
    """Number of targets that a run of the config's own cell trains on."""
    seeds: tuple[int, ...]
    match: Literal["parameters", "hidden", "time"]
    target: int | None
    """Number of parameters to match, or None."""
    jobs: int
    """Runs in parallel; above one, times and rates are not comparable."""
    confidence: float
    baselines: Mapping[str, Metrics]
    """Metrics on the reported part by name of the baseline; `uniform` is the chance level."""
    level: float | None
    """The validation score that `seconds_to_level` refers to."""
    arms: tuple[ArmResult, ...]
    tests: tuple[Difference, ...]
    statement: str
    """A few sentences that say what the results do and don't show."""
    machine: Mapping[str, Any]
    """`device_name`, `precision`, `threads`, `platform`, `versions`."""
    data: Mapping[str, Any]
    """As in `run.json`: files, parts, vocabulary, SHA-256."""
    space: tuple[str, ...] = ()
    """The search space in which every arm was tuned with the same number of trials; empty without tuning, or with a
    grid."""

    @property
    def report(self) -> str:
        """Path of the page."""
        return str(Path(self.path) / "report.html")


@dataclass(frozen=True, slots=True)
class Sweep(Shown):
    """The same comparison for every value of one setting."""

    not_in_json: ClassVar = ("path", "config", "command")
    in_json: ClassVar = ("report",)
    path: str
    """The sweep's folder."""
    config: str
    """The config's name."""
    command: str
    key: str
    """The setting, as a dotted key: `data.length`."""
    values: tuple[Any, ...]
    """The values as in the config, in the requested order."""
    comparisons: tuple[Comparison, ...]
    """One comparison per value, all with the same arms, primary metric and reported part."""

    @property
    def report(self) -> str:
        """Path of the page."""
        return str(Path(self.path) / "report.html")
