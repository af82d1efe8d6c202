"""`evaluation.json` of a run: metrics of the run and its baselines, and forecasts of windows of the scored part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.results.clips import ClipView
from lstmctl.results.codec import from_json
from lstmctl.results.diagnostics import Diagnostics
from lstmctl.results.evaluation import Evaluation
from lstmctl.results.forecasts import SeriesForecast
from lstmctl.storage import read_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """Contents of the file."""

    evaluation: Evaluation
    examples: tuple[SeriesForecast, ...]
    """Forecasts of windows of the scored part."""
    clips: tuple[ClipView, ...] = ()
    """Clips of the scored part."""
    fans: tuple[tuple[SeriesForecast, ...], ...] = ()
    """For a few series, the forecasts of their last windows, in order of time."""


def read_evaluation(run: Path) -> StoredEvaluation | None:
    """Read the file of a run folder; None if it is missing, damaged, or of a newer format.

    A damaged example or confusion matrix is left out individually, since a report is needed in any case.
    """
    try:
        data = read_json(run / "evaluation.json")
        facts = {"split": "the held-out part", "windows": 0, **data, "run": run.resolve().name}
        facts["leads"] = {name: lead for name, lead in data.get("leads", {}).items() if _is_whole(lead)}
        facts["diagnostics"] = _diagnostics(data.get("diagnostics"))
        evaluation = from_json(Evaluation, facts)
    except (RunError, ValueError):
        return None
    if data.get("format") != FORMAT or not evaluation.metrics:
        return None
    if evaluation.primary not in evaluation.metrics:
        evaluation = replace(evaluation, primary=next(iter(evaluation.metrics)))
    labels = len(evaluation.by_label)
    if [len(row) for row in evaluation.confusion] != [labels] * labels:
        evaluation = replace(evaluation, confusion=())
    examples = data.get("examples")
    found = map(_example, examples if isinstance(examples, list) else ())
    fans = data["fans"] if isinstance(data.get("fans"), list) else []
    heard = map(_clip, data["clips"] if isinstance(data.get("clips"), list) else ())
    return StoredEvaluation(
        evaluation,
        tuple(example for example in found if example is not None),
        tuple(clip for clip in heard if clip is not None),
        tuple(
            tuple(one for one in map(_example, windows) if one is not None)
            for windows in fans
            if isinstance(windows, list)
        ),
    )


def _diagnostics(data: Any) -> Diagnostics | None:
    """The diagnostics; None if there are none, or they are damaged."""
    try:
        found = from_json(Diagnostics, data)
    except ValueError:
        return None
    lengths = {"hour": 24, "weekday": 7, "month": 12}
    fits = all(len(values) == lengths.get(phase) for phase, by in found.by_phase.items() for values in by.values())
    return found if fits and all(len(values) == len(found.times) for values in found.coverage.values()) else None


def _is_whole(lead: Any) -> bool:
    numbers = lead.values() if isinstance(lead, dict) else [None]
    return all(isinstance(number, float | int | str) for number in numbers)


def _example(data: Any) -> SeriesForecast | None:
    """A forecast; None if it is damaged or its parts differ in length."""
    try:
        forecast = from_json(SeriesForecast, data)
    except ValueError:
        return None
    steps = len(forecast.point)
    ends = [end for interval in forecast.intervals.values() for end in interval]
    fits = (
        all(len(values) == steps for values in (forecast.times, *ends, *forecast.paths))
        and len(forecast.history_times) == len(forecast.history)
        and len(forecast.actual) in (0, steps)
    )
    return forecast if steps and fits else None


def _clip(data: Any) -> ClipView | None:
    """A clip; None if it is damaged or its parts differ in length."""
    try:
        clip = from_json(ClipView, data)
    except ValueError:
        return None
    if not clip.spectrogram or not clip.probabilities or clip.seconds <= 0:
        return None
    frames = clip.frames
    rows = (*clip.spectrogram, *clip.probabilities.values())
    fits = frames > 0 and len(clip.spectrogram) == len(clip.bands) and all(len(row) == frames for row in rows)
    known = not clip.truth or len(clip.truth) == (frames if clip.by_frame else 1)
    named = not clip.by_frame or set(clip.truth) <= {"", *clip.probabilities}
    return clip if fits and known and named else None
