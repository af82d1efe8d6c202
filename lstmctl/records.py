"""What the rooms hand to each other: events of a training run and results, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from lstmctl.shown import Shown

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


@dataclass(frozen=True, slots=True)
class Concluding:
    """Training has ended, and the run is scored and reported."""

    doing: str
    """In words: `scoring the test part`."""
    share: float | None = None
    """How much of that is done, 0 to 1; None where it is not known."""


Event = Started | Stepped | Evaluated | Sampled | SavePoint | Saved | Finished | Concluding


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


@dataclass(frozen=True, slots=True)
class Generated:
    """One text a run wrote."""

    prompt: str
    text: str
    """The continuation, without the prompt."""
    symbols: tuple[str, ...]
    probabilities: tuple[float, ...]
    """The model's own probability of each symbol, before temperature and truncation."""
    stopped: Literal["length", "stop", "end"]
    """Because it is as long as was asked for, at the stop string, or at an end that the run put itself."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run tells of one sequence."""

    sequence: str
    """The text that was read, or the name of a sequence of frames."""
    label: str | None = None
    """Of the whole sequence; of a language model, the likeliest symbol after it."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of every label of the whole sequence, or of every symbol, the likeliest first."""
    labels: tuple[str, ...] = ()
    """One for each step."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Of a regression, in the units of the data."""
    text: str | None = None
    """What was written for it."""


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """How one series goes on after its last known row, in its own units."""

    series: str
    """Its `unique_id`: the column of a wide table, the id of a long one, or both as `id/column`."""
    times: tuple[str, ...]
    """Of the horizon: dates as `2018-06-26 20:00:00` (without the time of day where all fall on midnight), or whole
    numbers."""
    point: tuple[float, ...]
    intervals: Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]
    """For each level in percent the lower and the upper ends; empty for a forecast without intervals."""
    history_times: tuple[str, ...] = ()
    history: tuple[float | None, ...] = ()
    """The rows before, oldest first; None where a value is missing."""
    actual: tuple[float | None, ...] = ()
    """What came, where it is known already."""
    paths: tuple[tuple[float, ...], ...] = ()
    """Sample paths, each through the whole horizon."""
    zone: str = ""
    """How far the clock of all these times is from UTC, as `+02:00` or `Z`; empty where the table did not say."""


class Forecasts(list[SeriesForecast], Shown):
    """Forecasts of several series, in the order of the series."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Backtest(Shown):
    """Forecasts from many origins in order of time, each from what was known by then."""

    run: str
    split: str
    origins: int
    """For each series."""
    stride: int
    """Rows from one origin to the next."""
    refit: bool
    """Whether a network was trained anew for each origin, on all rows before it."""
    scores: Mapping[str, Score]
    """`calibrated`: with intervals as the run has them; `adaptive`: with intervals that follow what was revealed."""
    cutoffs: tuple[str, ...]
    """Of each forecast: the last row before it."""
    forecasts: tuple[SeriesForecast, ...]
    """With adaptive intervals, and with what came. An infinite end stands for no interval: nothing was known by then
    that could make one."""
    notes: tuple[str, ...] = ()
    """Facts that a reader needs to interpret the scores, in whole sentences."""


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
class ArmResult:
    """One side of a comparison, over all its seeds."""

    name: str
    cell: str
    settings: Mapping[str, Any]
    """What this arm has of its own, by dotted key: its width, what `--arm` sets, what tuning chose."""
    chosen: Mapping[str, Any]
    """What tuning chose; empty without tuning."""
    tuning: tuple[tuple[Mapping[str, Any], float | None], ...]
    """Every point of the tuning grid with its primary figure on validation; None for one that diverged."""
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
    """All that a comparison came to."""

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


@dataclass(frozen=True, slots=True)
class Sweep(Shown):
    """The same comparison made for every value of one setting."""

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


ComparisonEvent = Planned | RunBegan | RunEvent | RunEnded
