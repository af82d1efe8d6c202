"""The result of a comparison of several networks, and of a sweep over one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

from lstmctl.results.evaluation import Metrics
from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A model on its way: the validation part scored while it trained."""

    units: int
    """Targets that had entered the loss."""
    seconds: float
    """Spent on training steps until then."""
    value: float
    """The primary figure, as it is taken on the way (over lanes, not one stream)."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of a comparison."""

    name: str
    """The run's folder inside the comparison's: `lstm-seed-0`."""
    seed: int
    status: str
    """`finished` or `diverged`."""
    value: float | None
    """The primary figure on the reported part; None where the run diverged."""
    metrics: Mapping[str, Metrics | None]
    """All final figures by part: `validation`, and `test` (None where there is no test part)."""
    curve: tuple[CurvePoint, ...]
    units: int
    seconds: float | None
    """In training steps alone."""
    rate: float | None
    """Targets a second."""
    peak_memory: int | None
    """Bytes: of the whole process on a CPU, of what was allocated on a GPU."""
    stopped_early: bool = False
    """Whether patience ended it before its budget did."""


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
    """What this arm has of its own, by dotted key: its width, what `--arm` sets, what tuning chose."""
    chosen: Mapping[str, Any]
    """What tuning chose; empty without tuning."""
    tuning: tuple[Tried, ...]
    parameters: int
    deviation: float | None
    """Of the parameters from the target, relative; None where parameters are not matched."""
    steps: int
    kernel: str | None
    runs: tuple[RunResult, ...]
    mean: float | None
    low: float | None
    high: float | None
    """Ends of the interval over seeds; None below two values."""
    seconds: float | None
    rate: float | None
    peak_memory: int | None
    """Medians over the runs (the largest, for memory)."""
    seconds_to_level: float | None
    """Training time until the mean validation curve is as good as the worst arm's ends up; None where it never is."""
    sample: str
    """What the first finished run makes of an empty page."""
    status: str
    """`finished`; `diverged` where every run diverged; `partly diverged`."""

    @property
    def values(self) -> tuple[float | None, ...]:
        """The primary figure of each seed."""
        return tuple(run.value for run in self.runs)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """The mean over the runs that did not diverge, evaluation by evaluation, as far as each of them goes."""
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
    """Two arms against each other: `a` minus `b`."""

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Adjusted for all pairs of the comparison; None below two seeds."""
    test: Literal["paired", "welch"]


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """The result of a comparison."""

    not_in_json: ClassVar = ("path",)
    in_json: ClassVar = ("report",)
    path: str
    """Its folder."""
    config: str
    """The config's name."""
    overrides: tuple[str, ...]
    command: str
    primary: str
    lower_is_better: bool
    split: str
    """The part that is reported: `test`, or `validation` where no test part was kept apart."""
    unit: str
    """What a budget counts, in the plural: `characters`."""
    units: int
    """Targets of one run of the config's own cell."""
    seeds: tuple[int, ...]
    match: Literal["parameters", "hidden", "time"]
    target: int | None
    """Parameters to match, or None."""
    jobs: int
    """Runs at once; above one, times and rates are not comparable."""
    confidence: float
    baselines: Mapping[str, Metrics]
    """Figures on the reported part by the name of the baseline; `uniform` is the chance level."""
    level: float | None
    """The figure on validation that `seconds_to_level` waits for."""
    arms: tuple[ArmResult, ...]
    tests: tuple[Difference, ...]
    statement: str
    """What was shown, and what was not, in plain words."""
    machine: Mapping[str, Any]
    """`device_name`, `precision`, `threads`, `platform`, `versions`."""
    data: Mapping[str, Any]
    """As in `run.json`: files, parts, vocabulary, SHA-256."""

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
    """Its folder."""
    config: str
    """The config's name."""
    command: str
    key: str
    """The setting, dotted: `data.length`."""
    values: tuple[Any, ...]
    """As the config has them, in the order in which they were asked for."""
    comparisons: tuple[Comparison, ...]
    """One for each value. All have the same arms, the same primary figure and the same part that is reported."""

    @property
    def report(self) -> str:
        """Path of the page."""
        return str(Path(self.path) / "report.html")
