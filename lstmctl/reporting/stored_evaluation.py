"""`evaluation.json` of a run: its figures beside its baselines', read leniently, as a report is wanted in any case."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.results.clips import ClipView
from lstmctl.results.evaluation import Evaluation, Metrics
from lstmctl.results.forecasts import SeriesForecast
from lstmctl.storage import read_plain

FORMAT = 1
LARGEST = 10**300


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """What the file says."""

    evaluation: Evaluation
    examples: tuple[SeriesForecast, ...]
    """Forecasts of windows of the scored part."""
    clips: tuple[ClipView, ...] = ()
    """Clips of the scored part."""


def read_evaluation(run: Path) -> StoredEvaluation | None:
    """The file of a run folder; None where it is missing, damaged, or of a newer format.

    What inside it makes no sense is left out by itself.
    """
    try:
        data = json.loads(read_plain(run / "evaluation.json"))
    except (OSError, RunError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return None
    metrics = _metrics(data.get("metrics"))
    if not metrics:
        return None
    primary, windows = data.get("primary"), data.get("windows")
    notes, examples = data.get("notes"), data.get("examples")
    forecasts = map(_forecast, examples) if isinstance(examples, list) else ()
    return StoredEvaluation(
        Evaluation(
            run=run.resolve().name,
            split=str(data.get("split") or "the held-out part"),
            metrics=metrics,
            baselines={name: _metrics(values) for name, values in _mapping(data.get("baselines")).items()},
            windows=windows if isinstance(windows, int) and not isinstance(windows, bool) else 0,
            by_channel={
                model: {channel: _metrics(values) for channel, values in _mapping(channels).items()}
                for model, channels in _mapping(data.get("by_channel")).items()
            },
            by_step={
                model: tuple(map(_metrics, steps))
                for model, steps in _mapping(data.get("by_step")).items()
                if isinstance(steps, list)
            },
            by_label={label: _metrics(rates) for label, rates in _mapping(data.get("by_label")).items()},
            confusion=_counts(data.get("confusion"), len(_mapping(data.get("by_label")))),
            counted="sequences" if data.get("counted") == "sequences" else "windows",
            notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
            primary=primary if isinstance(primary, str) and primary in metrics else next(iter(metrics)),
        ),
        tuple(forecast for forecast in forecasts if forecast is not None),
        tuple(clip for clip in map(_clip, data.get("clips") or ()) if clip is not None)
        if isinstance(data.get("clips"), list)
        else (),
    )


def _forecast(data: object) -> SeriesForecast | None:
    """A forecast as JSON has it; None where its parts do not belong together."""
    fields = _mapping(data)
    try:
        point = _floats(fields["point"], len(fields["point"]))
        forecast = SeriesForecast(
            series=str(fields["series"]),
            times=tuple(map(str, fields["times"])),
            point=point,
            intervals={
                int(level): (_floats(low, len(point)), _floats(high, len(point)))
                for level, (low, high) in _mapping(fields.get("intervals")).items()
            },
            history_times=tuple(map(str, fields.get("history_times") or ())),
            history=_values(fields.get("history")),
            actual=_values(fields.get("actual")),
            paths=tuple(_floats(path, len(point)) for path in fields.get("paths") or ()),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    whole = len(forecast.times) == len(point) and len(forecast.history_times) == len(forecast.history)
    return forecast if point and whole and len(forecast.actual) in (0, len(point)) else None


def _clip(data: object) -> ClipView | None:
    """A clip as JSON has it; None where its parts do not belong together."""
    fields = _mapping(data)
    try:
        clip = ClipView(
            name=str(fields["name"]),
            seconds=float(fields["seconds"]),
            bands=_floats(fields["bands"], len(fields["bands"])),
            spectrogram=tuple(_floats(row, len(fields["spectrogram"][0])) for row in fields["spectrogram"]),
            probabilities={
                str(label): _floats(values, len(fields["spectrogram"][0]))
                for label, values in _mapping(fields["probabilities"]).items()
            },
            truth=tuple(map(str, fields["truth"])),
            by_frame=bool(fields["by_frame"]),
            waveform=tuple((float(low), float(high)) for low, high in fields["waveform"]),
        )
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None
    whole = len(clip.spectrogram) == len(clip.bands) > 0 and clip.frames > 0 and clip.seconds > 0
    known = not clip.truth or len(clip.truth) == (clip.frames if clip.by_frame else 1)
    named = not clip.by_frame or set(clip.truth) <= {"", *clip.probabilities}
    return clip if whole and known and named and clip.probabilities else None


def _counts(rows: object, labels: int) -> tuple[tuple[int, ...], ...]:
    """A square of counts; none where it is not one."""
    found = (
        tuple(
            tuple(count for count in row if type(count) is int and count >= 0) for row in rows if isinstance(row, list)
        )
        if isinstance(rows, list)
        else ()
    )
    return found if len(found) == labels and all(len(row) == labels for row in found) else ()


def _floats(values: Any, length: int) -> tuple[float, ...]:
    """As many numbers as there are steps; NaN stands for one that JSON cannot say."""
    numbers = tuple(math.nan if value is None else float(value) for value in values)
    if len(numbers) != length:
        raise ValueError(f"{len(numbers)} values for {length} steps")
    return numbers


def _values(values: Any) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in values or ())


def _metrics(values: object) -> Metrics:
    """Figures that are numbers, NaN and Inf among them: they say that something went wrong."""
    return {
        name: float(value)
        for name, value in _mapping(values).items()
        # JSON has whole numbers of any length, which no float holds.
        if isinstance(value, float) or (type(value) is int and abs(value) < LARGEST)
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
