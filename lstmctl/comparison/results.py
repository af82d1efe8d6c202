"""Results of a comparison, gathered from its runs on disk."""

from __future__ import annotations

import bisect
import logging
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from lstmctl.api import load_run
from lstmctl.api.assembly import build_task, open_data
from lstmctl.comparison.ensemble import median_metrics
from lstmctl.comparison.execution import info_of, value_of
from lstmctl.comparison.plan import Candidate, Plan, PlannedArm, PlannedRun
from lstmctl.comparison.statement import statement
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import RunError
from lstmctl.metrics import Metric, metric
from lstmctl.registry import is_user_class
from lstmctl.results.comparison import ArmResult, Comparison, CurvePoint, RunResult, Tried
from lstmctl.results.evaluation import Metrics
from lstmctl.runs.folder import RunFolder
from lstmctl.runs.logs import read_json_lines
from lstmctl.seeds import stream
from lstmctl.statistics import compare_all, interval
from lstmctl.tasks.problem import Corpus

log = logging.getLogger(__name__)

CONFIDENCE = 0.95
MACHINE = ("device_name", "precision", "threads", "platform", "versions")
ORDER = ("batch", "window", "first_window", "state_reset")
"""Settings of the training that, with the seed, determine the order of the data. Those that a task does not read have
their defaults in every arm."""


def choose(folder: Path, plan: Plan) -> dict[str, int]:
    """The candidate of each arm that is best on validation; the first, where none finished or nothing was tuned."""
    primary = metric(plan.primary)
    chosen = {arm.name: 0 for arm in plan.arms}
    best: dict[str, float] = {}
    for run in plan.tuning_runs:
        value = value_of(info_of(folder, run), run, plan)
        if value is not None and primary.better(value, best.get(run.arm)):
            best[run.arm], chosen[run.arm] = value, run.candidate
    return chosen


def gather(folder: Path, plan: Plan) -> Comparison:
    """Everything that the runs of a finished comparison say, and what follows from it.

    Raises:
        RunError: a run is missing or damaged, or the data has changed.
        DataError: the data is gone.
    """
    chosen = choose(folder, plan)
    runs = plan.runs(chosen)
    infos = {run.name: RunFolder(folder / run.name).info() for run in runs}
    settings = plan.arms[0].candidates[0].settings
    corpus = open_data(settings, folder)
    plan.require_same_data(corpus.fingerprint)
    arms = []
    for arm in plan.arms:
        results = tuple(_run_result(folder, run, plan, infos[run.name]) for run in runs if run.arm == arm.name)
        candidate = arm.candidates[chosen[arm.name]]
        result = _arm_result(folder, plan, arm, candidate, results, infos[results[0].name])
        arms.append(replace(result, ensemble=_ensemble(folder, plan, result, corpus)))
    primary = metric(plan.primary)
    level = _worst_final_level(arms, primary)
    if level is not None:
        arms = [replace(arm, seconds_to_level=seconds_to(level, arm.curve, primary)) for arm in arms]
    tests = compare_all(
        {arm.name: arm.values for arm in arms}, lambda a, b: _same_order(plan, chosen, a, b), CONFIDENCE, primary.bounds
    )
    task = build_task(settings, corpus)
    found = {**task.references(corpus, plan.split), **task.named_references(corpus, plan.split, plan.baselines)}
    baselines = {name: dict(score.metrics) for name, score in found.items()}
    return Comparison(
        path=str(folder),
        config=plan.config,
        overrides=plan.overrides,
        command=plan.command,
        primary=plan.primary,
        lower_is_better=primary.lower_is_better is not False,
        split=plan.split,
        unit=plan.unit,
        units=plan.units,
        seeds=plan.seeds,
        match=plan.match,
        target=plan.target,
        jobs=max(plan.jobs, runs_at_once(infos.values())),
        confidence=CONFIDENCE,
        baselines=baselines,
        level=level,
        arms=tuple(arms),
        tests=tuple(tests),
        statement=statement(plan, arms, tests, baselines, CONFIDENCE),
        machine=_machine(list(infos.values())),
        data=plan.data,
        space=plan.tuning.space if plan.tuning is not None else (),
    )


def runs_at_once(infos: Iterable[Mapping[str, Any]]) -> int:
    """Return the most runs that one machine was making at the same time, by their `run.json`: those of several
    commands, or of a cluster, are not in the plan."""
    times: dict[Any, list[tuple[str, int]]] = {}
    for info in infos:
        if info.get("started") and info.get("ended"):
            times.setdefault(info.get("host"), []).extend([(info["started"], 1), (info["ended"], -1)])
    return max((count for one in times.values() for count in accumulate(step for _, step in sorted(one))), default=1)


def _run_result(folder: Path, run: PlannedRun, plan: Plan, info: Mapping[str, Any]) -> RunResult:
    log_file = folder / run.name / "metrics.jsonl"
    try:
        curve = _curve(log_file, plan.primary)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"{log_file} is damaged: {type(error).__name__}: {error}") from error
    return RunResult(
        name=run.name,
        seed=run.seed,
        status=str(info["status"]),
        value=value_of(info, run, plan),
        metrics=info.get("metrics") or {"validation": None, "test": None},
        curve=curve,
        units=int(info.get("units_trained") or (curve[-1].units if curve else 0)),
        seconds=info.get("training_seconds"),
        rate=info.get("rate"),
        peak_memory=info.get("peak_memory"),
        stopped_early=info.get("stopped_by") == "patience",
        host=info.get("host"),
        device_name=info.get("device_name"),
        by_length={int(length): value for length, value in info.get("by_length", {}).items()},
    )


def _curve(log_file: Path, primary: str) -> tuple[CurvePoint, ...]:
    """The evaluations on the way; targets and seconds until each follow from the reports of the loss around it."""
    rows = list(read_json_lines(log_file))
    steps, units, seconds = [0], [0.0], [0.0]
    for row in rows:
        if "units" in row:
            steps.append(row["step"])
            units.append(row["units"])
            seconds.append(row["seconds"])
    return tuple(
        CurvePoint(round(_between(row["step"], steps, units)), _between(row["step"], steps, seconds), float(figure))
        for row in rows
        if (figure := row.get("validation", {}).get(primary)) is not None
    )


def _between(at: float, known: Sequence[float], values: Sequence[float]) -> float:
    """The value at `at` on the line through the neighbours of it that are known; beyond the last, the last."""
    after = bisect.bisect_left(known, at)
    if after == len(known):
        return values[-1]
    if known[after] == at or after == 0:
        return values[after]
    share = (at - known[after - 1]) / (known[after] - known[after - 1])
    return values[after - 1] + share * (values[after] - values[after - 1])


def _worst_final_level(arms: Iterable[ArmResult], primary: Metric) -> float | None:
    """The final value of the worst arm's mean curve."""
    return max((arm.curve[-1].value for arm in arms if arm.curve), key=lambda end: primary.sign * end, default=None)


def seconds_to(level: float, curve: Sequence[CurvePoint], primary: Metric) -> float | None:
    """The training time at which a curve first is as good as `level`, on a line between evaluations."""
    before: CurvePoint | None = None
    for point in curve:
        if primary.reaches(point.value, level):
            if before is None or before.value == point.value:
                return point.seconds
            share = (before.value - level) / (before.value - point.value)
            return before.seconds + share * (point.seconds - before.seconds)
        before = point
    return None


def _arm_result(
    folder: Path,
    plan: Plan,
    arm: PlannedArm,
    candidate: Candidate,
    runs: tuple[RunResult, ...],
    info: Mapping[str, Any],
) -> ArmResult:
    """`info` is the `run.json` of its first run; steps and kernel are those of all."""
    values = [run.value for run in runs if run.value is not None]
    summary = interval(values, CONFIDENCE, metric(plan.primary).bounds)
    finished = [run for run in runs if run.status == "finished"]
    tuning = [run for run in plan.tuning_runs if run.arm == arm.name]
    diverged = len(runs) - len(finished)
    return ArmResult(
        name=arm.name,
        cell=arm.cell,
        settings={**arm.own, "model.hidden": candidate.settings.model.hidden, **candidate.point},
        chosen=candidate.point,
        tuning=tuple(
            Tried(arm.candidates[run.candidate].point, value_of(info_of(folder, run), run, plan)) for run in tuning
        ),
        parameters=candidate.parameters,
        deviation=None if plan.target is None else candidate.parameters / plan.target - 1,
        steps=int(info["steps"]),
        kernel=info.get("kernel"),
        runs=runs,
        mean=summary.mean,
        low=summary.low,
        high=summary.high,
        seconds=_median([run.seconds for run in finished]),
        rate=_median([run.rate for run in finished]),
        peak_memory=max((run.peak_memory for run in finished if run.peak_memory), default=None),
        seconds_to_level=None,
        sample=_sample(folder, finished, trust=is_user_class(arm.cell)),
        status="finished" if not diverged else "partly diverged" if finished else "diverged",
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _sample(folder: Path, finished: Sequence[RunResult], *, trust: bool) -> str:
    if not finished:
        return ""
    run = load_run(folder / finished[0].name, trust=trust)
    return run.task.sample(run.model, torch.Generator().manual_seed(stream(run.settings.seed, "sampling")))


def _same_order(plan: Plan, chosen: Mapping[str, int], a: str, b: str) -> bool:
    """Return True if two arms read the same data in the same order, so that runs with the same seed are paired."""
    one, other = (plan.arm(name).candidates[chosen[name]].settings.training for name in (a, b))
    return all(getattr(one, key) == getattr(other, key) for key in ORDER)


def _ensemble(folder: Path, plan: Plan, arm: ArmResult, corpus: Corpus) -> Metrics | None:
    """The metrics of the median forecast of an arm's finished runs; None with fewer than two, or for other tasks."""
    finished = [run.name for run in arm.runs if run.status == "finished"]
    if len(finished) < 2 or not isinstance(corpus, SeriesCorpus):
        return None
    return median_metrics(
        [load_run(folder / name, trust=is_user_class(arm.cell)) for name in finished], corpus, plan.split
    )


def _machine(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The machine of the first run; a warning if another run used a different machine or other versions."""
    first = {key: infos[0].get(key) for key in MACHINE}
    for key in MACHINE:
        if key != "precision" and any(info.get(key) != first[key] for info in infos):
            log.warning("the runs were not all made with the same %s: their times do not compare", key)
    return first
