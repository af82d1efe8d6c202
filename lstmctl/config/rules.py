"""Rules between fields: the second pass, over the sections that are valid by themselves.

A rule names the sections it reads; it is left out when one of them is broken, so that the errors of the others are
still all shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lstmctl.config.fields import MOST_CELLS
from lstmctl.config.reading import Path
from lstmctl.config.schema import READ_BY
from lstmctl.config.wording import shown

Found = tuple[Path, str]  # the key to blame, and what is wrong with it
MOST_DRAWN = 2**28
"""Steps of the drawn sequences that are in memory together: some 3 GB."""


def broken_rules(sections: Mapping[str, Any]) -> Iterator[Found]:
    """Every rule that the valid `sections` break."""
    for needed, rule in RULES:
        if all(name in sections for name in needed):
            yield from rule(*(sections[name] for name in needed))


def _source_fits_task(task: Any, data: Any) -> Iterator[Found]:
    if data.source == "synthetic":
        if task.type != (fitting := data.tasks[data.synthetic]):
            yield (
                ("task", "type"),
                f"data.synthetic {data.synthetic} is a {fitting} problem, not {task.type}; task: {{type: {fitting}}}",
            )
    elif data.source not in task.sources:
        yield another_source(task, data.source)


def another_source(task: Any, source: str) -> Found:
    """That `task` does not read what `source` names."""
    takes = ", ".join(f"data.{other}" for other in task.sources)
    return ("data", source), f"task.type {task.type} does not read data.{source}; it takes {takes}"


COLUMNS = {
    "series": ("time", "id", "targets", "past", "known", "static"),
    "table": ("text", "sequence", "features", "label"),
}
"""The keys of a source that name columns."""


def _a_column_has_one_use(data: Any) -> Iterator[Found]:
    uses: dict[str, str] = {}
    for key in COLUMNS.get(data.source, ()):
        named = getattr(data, key) or ()
        for name in (named,) if isinstance(named, str) else named:
            if name in uses:
                yield ("data", key), f"{shown(name)} is named by data.{uses[name]} too; a column has one use"
            uses.setdefault(name, key)


def _budget_noun_fits_task(task: Any, data: Any, training: Any) -> Iterator[Found]:
    counted = (*task.nouns, "symbols", "bytes") if getattr(data, "symbols", None) == "bytes" else task.nouns
    nouns = ("steps", "epochs", "seconds", *counted)
    unit = training.budget.unit
    if unit not in nouns:
        yield (
            ("training", "budget"),
            f"task.type {task.type} on data.{data.source} does not count {unit}; one of {', '.join(nouns)}",
        )


def _direction_fits_task(task: Any, model: Any) -> Iterator[Found]:
    if task.causal and model.direction == "bidirectional":
        yield (
            ("model", "direction"),
            f"bidirectional would read what task.type {task.type} has to predict; only forward",
        )


def _separate_windows_have_no_past(task: Any, training: Any) -> Iterator[Found]:
    """A default is let pass, as in `_task_reads_what_is_set`."""
    if task.type != "language-model" or task.shape == "many-to-many":
        return
    for key, lacking in (("first_window", "all of one length"), ("state_reset", "with no state carried to them")):
        if getattr(training, key) != _default(training, key):
            yield ("training", key), f"task.shape {task.shape} reads separate windows, {lacking}; leave it out"


def _windows_double(task: Any, training: Any) -> Iterator[Found]:
    first, window = training.first_window, training.window
    if first is None or task.type != "language-model":
        return
    stages = max(0, (window // first).bit_length() - 1)
    if first * 2**stages != window:
        fitting = ", ".join(str(window >> halvings) for halvings in range(1, 5) if window % 2**halvings == 0)
        yield (
            ("training", "first_window"),
            f"{first} does not double to training.window {window}; {fitting or 'leave it out'}",
        )
    if training.budget.unit == "seconds":
        yield (
            ("training", "budget"),
            f"{training.budget} has no stages that are known in advance, which training.first_window needs; "
            "characters, steps or epochs",
        )


def _accumulate_divides_batch(training: Any) -> Iterator[Found]:
    if training.batch % training.accumulate:
        yield (
            ("training", "accumulate"),
            f"{training.accumulate} does not divide training.batch {training.batch}; a divisor of it",
        )


def _residual_joins_equal_widths(model: Any) -> Iterator[Found]:
    width = model.hidden * (2 if model.direction == "bidirectional" else 1)
    if model.residual and model.layers == 1 and model.embedding != width:
        yield (
            ("model", "residual"),
            f"true joins nothing: one layer, {model.embedding} wide at its input and {width} at its output; "
            f"model.layers of at least 2, or model.embedding {width}",
        )


def _segment_divides(task: Any) -> Iterator[Found]:
    if task.type != "forecast":
        return
    spans = ("lookback", "horizon") if task.shape == "many-to-many" else ("lookback",)
    for span in spans:
        length = getattr(task, span)
        if length % task.segment:
            fitting = _largest_divisor(length, below=task.segment)
            yield (
                ("task", "segment"),
                f"{task.segment} does not divide task.{span} {length}; a divisor of it, such as {fitting}",
            )


def _largest_divisor(number: int, *, below: int) -> int:
    """The largest divisor of `number` that is less than `below`, in about √number steps."""
    small = [size for size in range(1, math.isqrt(number) + 1) if number % size == 0]
    return max(size for low in small for size in (low, number // low) if size < below)


def _task_reads_what_is_set(name: str, task: Any, section: Any) -> Iterator[Found]:
    """A default is let pass: a run's own config names every key, read or not."""
    for (where, key), tasks in READ_BY.items():
        if where == name and task.type not in tasks and getattr(section, key) != _default(section, key):
            yield (
                (name, key),
                f"task.type {task.type} has no use for it, task.type {' or '.join(tasks)} has; leave it out",
            )


def _default(section: Any, key: str) -> object:
    return type(section).model_fields[key].get_default(call_default_factory=True)


def _paths_are_not_averaged(task: Any, model: Any) -> Iterator[Found]:
    if task.type != "forecast" or task.shape != "many-to-many" or task.decoding == "parallel":
        return
    draws = f"but task.decoding {task.decoding} with task.loss {task.loss} draws paths"
    if task.loss in ("gaussian", "student-t"):
        if task.symmetry == "odd":
            yield ("task", "symmetry"), f"odd averages two forecasts, {draws}; none"
        if model.ridge:
            yield ("model", "ridge"), f"{model.ridge:g} averages two forecasts, {draws}; 0"


def _decoding_goes_through_a_horizon(task: Any) -> Iterator[Found]:
    if task.type == "forecast" and task.shape == "many-to-one" and task.decoding != "parallel":
        yield (
            ("task", "decoding"),
            f"{task.decoding} makes steps through the horizon, which task.shape many-to-one does not; "
            "task.shape many-to-many, or leave it out",
        )


def _linear_is_direct(task: Any, model: Any) -> Iterator[Found]:
    if task.type == "forecast" and model.linear and task.shape == "many-to-many" and task.decoding != "parallel":
        yield (
            ("model", "linear"),
            f"true maps to the whole horizon at once, which task.decoding {task.decoding} does not; parallel, or false",
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
    (("task", "data", "training"), _budget_noun_fits_task),
    (("task", "model"), _direction_fits_task),
    (("data", "training"), _drawn_sequences_are_few),
    (("training",), _accumulate_divides_batch),
    (("task", "training"), _separate_windows_have_no_past),
    (("task", "training"), _windows_double),
    (("model",), _cells_are_few),
    (("model",), _residual_joins_equal_widths),
    (("task",), _segment_divides),
    (("task",), _decoding_goes_through_a_horizon),
    (("task", "model"), partial(_task_reads_what_is_set, "model")),
    (("task", "training"), partial(_task_reads_what_is_set, "training")),
    (("task", "model"), _linear_is_direct),
    (("task", "model"), _paths_are_not_averaged),
)
