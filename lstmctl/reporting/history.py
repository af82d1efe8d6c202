"""The training history in a run's folder, read leniently, since damaged runs need a report too."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.metrics import metric
from lstmctl.reporting.stored_evaluation import StoredEvaluation, read_evaluation
from lstmctl.storage import read_json, read_plain

SAMPLE_HEADING = re.compile(r"^── step (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LossPoint:
    """The training loss reported at one step."""

    step: int
    units: int
    """Targets that entered the loss so far."""
    loss: float
    """Mean since the last report, in the task's own unit."""
    learning_rate: float


@dataclass(frozen=True, slots=True)
class EvaluationPoint:
    """Metrics of the validation part at one step."""

    step: int
    units: int
    metrics: Mapping[str, float]
    best: bool
    """True if it was the best so far."""


@dataclass(frozen=True)
class History:
    """One run: its facts, its curves and its samples."""

    name: str
    info: Mapping[str, Any]
    """`run.json`."""
    losses: list[LossPoint] = field(default_factory=list)
    evaluations: list[EvaluationPoint] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    """Step and text, in order."""
    config: str = ""
    """`config.yaml`."""
    evaluation: StoredEvaluation | None = None
    """`evaluation.json`; None if the run has none, or a damaged one."""
    folder: Path | None = None

    @property
    def unit(self) -> str:
        """The unit of the budget, in the plural: `characters`."""
        return str(self.info.get("units") or "units")

    @property
    def primary(self) -> str | None:
        """Name of the metric for model selection, or None if nothing was scored during training."""
        scored = list(dict.fromkeys(name for point in self.evaluations for name in point.metrics))
        if self.evaluation:
            told: str | None = self.evaluation.evaluation.primary
        else:  # for a forecaster, it is not the first metric in the log
            told = next((one.name for one in map(metric, scored) if self.loss in one.losses), None)
        return told if told in scored else next(iter(scored), None)

    @property
    def loss(self) -> str | None:
        """The loss of a forecasting run, such as `quantile`; None if its config does not contain it."""
        return self.settings("loss").get("loss")

    @property
    def is_forecast(self) -> bool:
        """True if the run is a forecaster."""
        return self.info.get("task") == "forecast"

    @property
    def best(self) -> EvaluationPoint | None:
        """The last evaluation that was the best at its time."""
        return next((point for point in reversed(self.evaluations) if point.best), None)

    def settings(self, *names: str) -> dict[str, str]:
        """The values of some keys of the resolved config, in which every line is `key: value`."""
        values: dict[str, str] = {}
        for line in self.config.splitlines():
            key, colon, value = line.strip().partition(": ")
            if colon and key in names and value.strip():
                values.setdefault(key, value.strip())
        return values


def read_history(run: Path) -> History:
    """Read everything in a run's folder; missing logs are empty.

    Raises:
        RunError: `run.json` is missing or damaged, or a file cannot be read.
    """
    info = read_json(run / "run.json")
    metrics, samples, config = (_text(run / name) for name in ("metrics.jsonl", "samples.txt", "config.yaml"))
    losses, evaluations = _read_metrics(metrics, info)
    name, evaluation = run.resolve().name, read_evaluation(run)
    return History(name, info, losses, evaluations, list(_samples(samples)), config, evaluation, run)


def _read_metrics(log: str, info: Mapping[str, Any]) -> tuple[list[LossPoint], list[EvaluationPoint]]:
    losses: list[LossPoint] = []
    evaluations: list[EvaluationPoint] = []
    known: dict[int, int] = {}
    per_step = info.get("units_per_step")
    for row in _rows(log):
        step = row.get("step")
        if not isinstance(step, int):
            continue
        if _is_finite(row.get("loss")):
            units = row["units"] if isinstance(row.get("units"), int) else step
            known[step] = units
            rate = row["learning_rate"] if _is_finite(row.get("learning_rate")) else math.nan
            losses.append(LossPoint(step, units, float(row["loss"]), float(rate)))
        elif isinstance(row.get("validation"), dict):
            metrics = {str(name): float(value) for name, value in row["validation"].items() if _is_finite(value)}
            # There are also evaluations between reports of the loss; only the reports count the units.
            units = known.get(step, step * per_step if isinstance(per_step, int) else step)
            if metrics:
                evaluations.append(EvaluationPoint(step, units, metrics, row.get("best") is True))
    return losses, evaluations


def _rows(log: str) -> Iterator[dict[str, Any]]:
    """The objects of a log, line by line; a line that a kill left incomplete is skipped."""
    for line in log.split("\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _samples(text: str) -> Iterator[tuple[int, str]]:
    headings = list(SAMPLE_HEADING.finditer(text))
    for heading, following in zip_longest(headings, headings[1:]):
        end = following.start() if following else len(text)
        yield int(heading[1]), text[heading.end() : end].strip("\n")


def _text(path: Path) -> str:
    try:
        return read_plain(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
