"""Rules between fields: the second pass, over the sections that are valid on their own.

Each rule names the sections it reads, and is skipped if one of them is invalid, so that problems in the other sections
are still reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lstmctl.config.fields import MOST_CELLS
from lstmctl.config.reading import Path
from lstmctl.config.schema import READ_BY, Forecast, LanguageModel
from lstmctl.config.wording import shown

Found = tuple[Path, str]  # the key at fault, and the problem
AT_ONCE = ("parallel", "refined")
"""Values of `task.decoding` that forecast all segments at once."""
MOST_DRAWN = 2**28
"""Maximum number of steps of drawn sequences in memory at once: some 3 GB."""


def broken_rules(sections: Mapping[str, Any]) -> Iterator[Found]:
    """Yield every violation of a rule by the valid `sections`."""
    for needed, rule in RULES:
        if all(name in sections for name in needed):
            yield from rule(*(sections[name] for name in needed))


def _source_fits_task(task: Any, data: Any) -> Iterator[Found]:
    if data.source == "synthetic":
        if task.type != (fitting := data.tasks[data.synthetic]):
            yield (
                ("task", "type"),
                f"data.synthetic {data.synthetic} is a {fitting} problem, not {task.type}; "
                f"use task: {{type: {fitting}}}",
            )
    elif data.source not in task.sources:
        yield another_source(task, data.source)


def another_source(task: Any, source: str) -> Found:
    """Return the problem that `task` does not read this source."""
    takes = ", ".join(f"data.{other}" for other in task.sources)
    return ("data", source), f"task.type {task.type} does not read data.{source}; it reads {takes}"


COLUMNS = {
    "series": ("time", "id", "targets", "past", "known", "static"),
    "table": ("text", "sequence", "features", "label"),
}
"""Keys of each source that name columns."""


def _a_column_has_one_use(data: Any) -> Iterator[Found]:
    uses: dict[str, str] = {}
    for key in COLUMNS.get(data.source, ()):
        named = getattr(data, key) or ()
        for name in (named,) if isinstance(named, str) else named:
            if name in uses:
                yield ("data", key), f"{shown(name)} is also named by data.{uses[name]}; a column can have only one use"
            uses.setdefault(name, key)


def _categories_are_covariates(data: Any) -> Iterator[Found]:
    if data.source != "series":
        return
    for name in data.categories:
        if name not in (*data.past, *data.known, *data.static):
            yield (
                ("data", "categories"),
                f"{shown(name)} is not among data.past, data.known and data.static; name it in one of them too",
            )


def _budget_noun_fits_task(task: Any, data: Any, training: Any) -> Iterator[Found]:
    others = {"bytes": ("symbols", "bytes"), "decomposed": ("symbols",)}
    counted = (*task.nouns, *others.get(getattr(data, "symbols", ""), ()))
    nouns = ("steps", "epochs", "seconds", *counted)
    unit = training.budget.unit
    if unit not in nouns:
        yield (
            ("training", "budget"),
            f"task.type {task.type} on data.{data.source} does not count {unit}; use one of {', '.join(nouns)}",
        )


def _direction_fits_task(task: Any, model: Any) -> Iterator[Found]:
    if task.causal and model.direction == "bidirectional":
        yield (
            ("model", "direction"),
            f"bidirectional would read what task.type {task.type} has to predict; use forward",
        )


def _separate_windows_have_no_past(task: Any, training: Any) -> Iterator[Found]:
    """Check keys for streams; defaults are allowed, as in `_task_reads_what_is_set`."""
    if not isinstance(task, LanguageModel) or task.shape == "many-to-many":
        return
    for key, lacking in (("first_window", "all of one length"), ("state_reset", "without a carried state")):
        if getattr(training, key) != _default(training, key):
            yield ("training", key), f"task.shape {task.shape} reads separate windows, {lacking}; leave it out"


def _windows_double(task: Any, training: Any) -> Iterator[Found]:
    first, window = training.first_window, training.window
    if first is None or not isinstance(task, LanguageModel):
        return
    stages = max(0, (window // first).bit_length() - 1)
    if first * 2**stages != window:
        fitting = ", ".join(str(window >> halvings) for halvings in range(1, 5) if window % 2**halvings == 0)
        yield (
            ("training", "first_window"),
            f"doubling {first} never reaches training.window {window}; {fitting or 'leave it out'}",
        )
    if training.budget.unit == "seconds":
        yield (
            ("training", "budget"),
            f"{training.budget} has no stages that are known in advance, which training.first_window needs; "
            "use characters, steps or epochs",
        )


def _accumulate_divides_batch(training: Any) -> Iterator[Found]:
    if training.batch % training.accumulate:
        yield (
            ("training", "accumulate"),
            f"{training.accumulate} does not divide training.batch {training.batch}; use a divisor of it",
        )


def _coefficients_fit_bands(data: Any) -> Iterator[Found]:
    if data.source == "audio" and data.frames == "mfcc" and data.coefficients > data.bands:
        yield ("data", "coefficients"), f"{data.coefficients} is more than data.bands; use at most {data.bands}"


def _residual_joins_equal_widths(model: Any) -> Iterator[Found]:
    width = model.hidden * (2 if model.direction == "bidirectional" else 1)
    if model.residual and model.layers == 1 and model.embedding != width:
        yield (
            ("model", "residual"),
            f"true has no effect: the only layer has {model.embedding} inputs and {width} outputs; "
            f"use model.layers of at least 2, or model.embedding {width}",
        )


def _segment_divides(task: Any) -> Iterator[Found]:
    if not isinstance(task, Forecast):
        return
    spans = ("lookback", "horizon") if task.shape == "many-to-many" else ("lookback",)
    common = math.gcd(*(getattr(task, span) for span in spans))
    for span in spans:
        length = getattr(task, span)
        if length % task.segment:
            fitting = _largest_divisor(common, below=task.segment)
            yield (
                ("task", "segment"),
                f"{task.segment} does not divide task.{span} {length}; use a divisor of "
                f"{' and '.join(f'task.{one}' for one in spans)}, such as {fitting}",
            )


def _largest_divisor(number: int, *, below: int) -> int:
    """Return the largest divisor of `number` that is less than `below`, in about √number steps."""
    small = [size for size in range(1, math.isqrt(number) + 1) if number % size == 0]
    return max(size for low in small for size in (low, number // low) if size < below)


def _task_reads_what_is_set(name: str, task: Any, section: Any) -> Iterator[Found]:
    """Reject settings that the task does not use; defaults are allowed, since a run's own config lists every key."""
    for (where, key), tasks in READ_BY.items():
        if where == name and task.type not in tasks and getattr(section, key) != _default(section, key):
            yield (
                (name, key),
                f"task.type {task.type} does not use it, only task.type {' or '.join(tasks)} does; leave it out",
            )


def _default(section: Any, key: str) -> object:
    return type(section).model_fields[key].get_default(call_default_factory=True)


def _paths_are_not_averaged(task: Any, model: Any) -> Iterator[Found]:
    if not isinstance(task, Forecast) or task.shape != "many-to-many" or task.decoding in AT_ONCE:
        return
    draws = f"but task.decoding {task.decoding} with task.loss {task.loss} draws paths"
    if task.loss in ("gaussian", "student-t"):
        if task.symmetry == "odd":
            yield ("task", "symmetry"), f"odd averages two forecasts, {draws}; use none"
        if model.ridge:
            yield ("model", "ridge"), f"{model.ridge} averages two forecasts, {draws}; use 0"


def _decoding_goes_through_a_horizon(task: Any) -> Iterator[Found]:
    if isinstance(task, Forecast) and task.shape == "many-to-one" and task.decoding != "parallel":
        yield (
            ("task", "decoding"),
            f"{task.decoding} steps through the horizon, which task.shape many-to-one does not; "
            "use task.shape many-to-many, or leave it out",
        )


def _linear_is_direct(task: Any, model: Any) -> Iterator[Found]:
    if not isinstance(task, Forecast) or task.shape != "many-to-many" or task.decoding in AT_ONCE:
        return
    if model.linear:
        yield (
            ("model", "linear"),
            f"true maps to the whole horizon at once, which task.decoding {task.decoding} does not; "
            "use parallel or refined, or false",
        )


def _cells_are_few(model: Any) -> Iterator[Found]:
    if model.layers * model.ensemble > MOST_CELLS:
        yield (
            ("model", "layers"),
            f"{model.layers} in each of {model.ensemble} networks are more than {MOST_CELLS} layers in all; "
            f"at most {MOST_CELLS // model.ensemble}",
        )


def _drawn_sequences_are_few(data: Any, training: Any) -> Iterator[Found]:
    if data.source != "synthetic":
        return
    for path, count in ((("data", "held_out"), data.held_out), (("training", "batch"), training.batch)):
        if 0 < (most := MOST_DRAWN // data.length) < count:
            yield path, f"{count} sequences of data.length {data.length} are too many to draw; at most {most}"


RULES: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Found]]], ...] = (
    (("task", "data"), _source_fits_task),
    (("data",), _a_column_has_one_use),
    (("data",), _categories_are_covariates),
    (("task", "data", "training"), _budget_noun_fits_task),
    (("task", "model"), _direction_fits_task),
    (("data", "training"), _drawn_sequences_are_few),
    (("training",), _accumulate_divides_batch),
    (("task", "training"), _separate_windows_have_no_past),
    (("task", "training"), _windows_double),
    (("model",), _cells_are_few),
    (("model",), _residual_joins_equal_widths),
    (("data",), _coefficients_fit_bands),
    (("task",), _segment_divides),
    (("task",), _decoding_goes_through_a_horizon),
    (("task", "model"), partial(_task_reads_what_is_set, "model")),
    (("task", "training"), partial(_task_reads_what_is_set, "training")),
    (("task", "model"), _linear_is_direct),
    (("task", "model"), _paths_are_not_averaged),
)
