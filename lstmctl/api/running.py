"""Bring a run from its current state to its end: trained, scored, reported."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from lstmctl import registry
from lstmctl.api.assembly import portable
from lstmctl.api.clips import clip_examples
from lstmctl.api.failures import memory_errors, status_on_failure
from lstmctl.api.preparation import Assembled
from lstmctl.api.run import Run
from lstmctl.api.unchanged import trained_as
from lstmctl.config import dump
from lstmctl.data.audio import AudioCorpus
from lstmctl.data.splitting import reported_part
from lstmctl.errors import DivergedError
from lstmctl.events import Concluding, Ended, Event, Finished, Opened
from lstmctl.metrics import Metric
from lstmctl.reporting.run_page import write_report
from lstmctl.results.codec import as_json
from lstmctl.results.evaluation import Score
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.runs.folder import CALIBRATION, EVALUATION, FINAL_WEIGHTS, RunFolder, now
from lstmctl.storage import disk_errors, replace_file, replace_json
from lstmctl.tasks.problem import Corpus
from lstmctl.training.device import peak_memory
from lstmctl.training.interruption import Interruption
from lstmctl.training.recorder import follow, record

Observer = Callable[[Event], None]
SECONDS_BETWEEN_WORDS = 0.25
"""Minimum time between reports of scoring progress to an observer, in seconds."""


def run_to_end(folder: RunFolder, assembled: Assembled, snapshot: Snapshot | None, observe: Observer) -> Run:
    """Train to the end or to an interruption, then score and report.

    The status finished or interrupted is written last, so that a reader who sees it finds the report and the metrics.
    """
    finished: Finished | None = None
    config = trained_as(assembled)
    with status_on_failure(folder), memory_errors():
        observe(Opened(folder.path, snapshot.step if snapshot is not None else 0, config, dict(folder.info())))
        with Interruption() as interruption:
            for event in record(assembled.trainer, folder, snapshot, interruption, config):
                if isinstance(event, Finished):
                    finished = event
                observe(event)
            assembled.trainer.processes.part()
        assert finished is not None
        progress = assembled.trainer.progress
        rate = progress.units / progress.seconds if progress.seconds else 0.0
        facts: dict[str, Any] = {
            "step": progress.step,
            "units_trained": progress.units,
            "training_seconds": round(progress.seconds, 2),
            "rate": round(rate, 1),
            "peak_memory": _larger(peak_memory(assembled.choices.device), folder.info().get("peak_memory")),
            "ended": now(),
        }
        folder.checkpoints.tidy()
        if finished.reason == "interrupted":
            _end(folder, status="interrupted", signal=interruption.signal, **facts)
            observe(Ended(folder.path, progress.step, "interrupted", {}))
            return Run(folder, trust=True)
        _forget_ending(folder)
        run = Run(folder, trust=True, device=assembled.choices.device)
        concluding = _Concluding(observe)
        concluding("scoring the validation part")
        calibration = run.task.calibrate(run.model, assembled.corpus, run.device)
        if calibration is not None:
            replace_json(folder.path / CALIBRATION, calibration)
            folder.update(calibrated=True)
        if "forecast" in run.settings.task.abilities:
            from lstmctl.api.final_fit import fit_on_all_rows  # other tasks need nothing of what it imports

            heard = concluding.sharing("training on all rows, for forecasts")
            if (final := fit_on_all_rows(run, assembled, heard)) is not None:
                folder.update(final_fit=final)
                run.info["final_fit"] = final
        corpus = assembled.corpus
        parts = [part for part in ("validation", "test") if part in corpus.parts]
        scores = {part: run.score(corpus, part, concluding.scoring(part)) for part in parts}
        for part, score in scores.items():
            _require_finite(run.task.primary, float(score.metrics[run.task.primary.name]), part)
        metrics = {"validation": None, "test": None, **{part: dict(score.metrics) for part, score in scores.items()}}
        if "arm" not in run.info:  # a comparison computes the baselines once for all its runs
            concluding("computing baselines")
            evaluated = _evaluated(run, corpus, scores)
            metrics[evaluated["split"]] = dict(evaluated["metrics"])  # with those relative to a baseline
            replace_json(folder.path / EVALUATION, evaluated)
        elif lengths := run.by_length(corpus, reported_part(scores)):
            facts["by_length"] = {str(length): found[run.task.primary.name] for length, found in lengths.items()}
        facts["ended"] = now()
        concluding("drawing the report")
        _end(folder, status="finished", stopped_by=finished.reason, metrics=metrics, **facts)
        observe(Ended(folder.path, progress.step, "finished", metrics))
    return Run(folder, trust=True)


class _Concluding:
    """Reports the work after training to an observer."""

    def __init__(self, observe: Observer) -> None:
        self.observe = observe

    def __call__(self, doing: str) -> None:
        self.observe(Concluding(doing))

    def scoring(self, part: str) -> Callable[[int, int], None]:
        """Begin a part of the data; return a function that is called with the number of targets scored and the
        total."""
        return self.sharing(f"scoring the {part} part")

    def sharing(self, doing: str) -> Callable[[int, int], None]:
        """Begin some work; return a function that is called with the amount done and the total."""
        self.observe(Concluding(doing, 0.0))
        told = time.monotonic()

        def heard(done: int, in_all: int) -> None:
            nonlocal told
            if time.monotonic() - told > SECONDS_BETWEEN_WORDS:
                self.observe(Concluding(doing, done / max(1, in_all)))
                told = time.monotonic()

        return heard


def _require_finite(metric: Metric, value: float, part: str) -> None:
    """Raise DivergedError if a whole part overflows, which the shorter stretches of an evaluation may not show."""
    if not math.isfinite(value):
        raise DivergedError(
            f"training diverged: {metric.words} of the {part} part is {value}, since the states grow along it",
            hint="a smaller training.learning_rate often helps, or a cell whose states are bounded",
        )


def _forget_ending(folder: RunFolder) -> None:
    """Remove the traces of an earlier end: its problem, its signal, and what was derived from other weights."""
    left = [key for key in ("problem", "signal", "calibrated", "final_fit") if folder.info().get(key) is not None]
    if left:
        folder.update(**dict.fromkeys(left))
    for name in (CALIBRATION, FINAL_WEIGHTS):
        with disk_errors(folder.path / name):
            (folder.path / name).unlink(missing_ok=True)


def _end(folder: RunFolder, **facts: Any) -> None:
    """Write the report, then the facts in it."""
    write_report(folder.path, facts)
    folder.update(**facts)


def follow_to_end(assembled: Assembled, snapshot: Snapshot | None) -> NoReturn:
    """Train together with the first process, which does everything else, then exit."""
    with Interruption() as interruption:
        follow(assembled.trainer, snapshot, interruption)
        assembled.trainer.processes.part()
    sys.exit(0 if interruption.signal is None else 128 + interruption.signal)


def _evaluated(run: Run, corpus: Corpus, scores: Mapping[str, Score]) -> dict[str, Any]:
    """Write `evaluation.json`: metrics of the reported part, together with simple baselines."""
    part = reported_part(scores)
    facts = as_json(run.evaluation(corpus, part, part, scores[part]))
    facts.pop("run")
    if "forecast" in run.settings.task.abilities:
        from lstmctl.api.forecasting import examples  # other tasks need nothing of what it imports
        from lstmctl.data.series import SeriesCorpus

        assert isinstance(corpus, SeriesCorpus)
        primary = run.task.primary
        errors = {
            series: primary.sign * metrics[primary.name]
            for series, metrics in scores[part].by_series.items()
            if primary.name in metrics
        }
        facts["examples"], facts["fans"] = map(as_json, examples(run, corpus, part, errors))
    if isinstance(corpus, AudioCorpus):
        facts["clips"] = as_json(clip_examples(run, corpus, part))
    primary = run.task.primary
    return {"format": 1, "primary": primary.name, "lower_is_better": primary.lower_is_better, **facts}


def _larger(one: int | None, other: int | None) -> int | None:
    """Return the larger of two numbers, either of which may be unknown."""
    return max((number for number in (one, other) if number is not None), default=None)


def write_inputs(folder: RunFolder, assembled: Assembled) -> None:
    """Rewrite the inputs of a run: the source of a user's cell, the config, the encoding."""
    if source := registry.source_file(assembled.settings.model.cell):
        replace_file(folder.path / source.name, source.read_bytes())
    replace_file(folder.path / "config.yaml", dump(portable(assembled.settings, assembled.corpus)).encode())
    replace_json(folder.path / "encoding.json", assembled.corpus.encoding.to_json())
