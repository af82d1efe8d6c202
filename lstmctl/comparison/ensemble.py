"""The median forecast of one network trained with several seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmctl.api import Run, load_run
from lstmctl.api.forecasting import forecaster
from lstmctl.comparison.execution import status_of
from lstmctl.comparison.plan import read_plan
from lstmctl.config import Settings
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import RunError
from lstmctl.intervals import Floats
from lstmctl.results.evaluation import Metrics
from lstmctl.results.forecasts import Forecasts, SeriesForecast
from lstmctl.tasks.series_windows import windows_first


class SeedEnsemble:
    """The finished runs of a comparison of one arm.

    Args:
        folder: the comparison's.
        trust: allow a run whose cell is a user's own class to import it.

    Raises:
        RunError: the comparison is damaged, has several arms, or no run of it is finished.
        ConfigError: its cell needs `trust`.
    """

    def __init__(self, folder: str | Path, *, trust: bool = False) -> None:
        self.path = Path(folder)
        plan = read_plan(self.path, trust=trust)
        if len(plan.arms) > 1:
            names = ", ".join(arm.name for arm in plan.arms)
            raise RunError(f"{folder} compares {names}; an ensemble has the seeds of one", hint="name a run inside it")
        (arm,) = plan.arms
        runs = [run for run in plan.runs({arm.name: 0}) if status_of(self.path, run) == "finished"]
        if not runs:
            raise RunError(f"no run of {folder} is finished", hint=f"continue it: lstmctl compare --resume {self.path}")
        self.runs = tuple(load_run(self.path / run.name, trust=trust) for run in runs)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def settings(self) -> Settings:
        """The settings of the first run; others differ in their seed alone."""
        return self.runs[0].settings

    def forecast(self, data: Any = None, **settings: Any) -> Forecasts:
        """Return the median over the seeds of every forecast and of every end of an interval; see `Run.forecast`."""
        return median_forecasts([run.forecast(data, **settings) for run in self.runs])


def median_forecasts(forecasts: Sequence[Sequence[SeriesForecast]]) -> Forecasts:
    """Return the median of several forecasts of the same series."""
    found = Forecasts()
    for same in zip(*forecasts, strict=True):
        intervals = {
            level: (
                _median([one.intervals[level][0] for one in same]),
                _median([one.intervals[level][1] for one in same]),
            )
            for level in same[0].intervals
            if all(level in one.intervals for one in same)  # a run with too few windows to calibrate has none
        }
        found.append(replace(same[0], point=_median([one.point for one in same]), intervals=intervals))
    return found


def median_metrics(runs: Sequence[Run], corpus: SeriesCorpus, split: str) -> Metrics:
    """Return the metrics of the median forecast of several runs on the same part of the same data.

    The weights are those that the runs' own scores are of.
    """
    members = [forecaster(run) for run in runs]
    task = members[0][0]
    part = task.part(corpus, split, runs[0].device)
    sums: Counter[str] = Counter()
    for batch in part.scored():
        points: list[Floats] = []
        spans: list[Floats] = []
        for own, model in members:
            with torch.no_grad():
                point, intervals = own.forecasts(model, batch)
            points.append(windows_first(point))
            spans += [] if intervals is None else [windows_first(intervals)]
        whole = np.median(spans, axis=0) if len(spans) == len(members) else None
        sums.update(task.sums(batch, np.median(points, axis=0), whole))
    return task.as_score(sums, len(part)).metrics


def _median(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(np.median(values, axis=0).tolist())
