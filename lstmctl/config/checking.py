"""Check plain data: return `Settings`, or all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from lstmctl.config.fields import did_you_mean
from lstmctl.config.reading import Path
from lstmctl.config.rules import Found, another_source, broken_rules
from lstmctl.config.schema import (
    DEFAULT_TASK,
    SECTIONS,
    SOURCES,
    TASKS,
    Model,
    Section,
    Settings,
    Training,
    owners,
)
from lstmctl.config.wording import allowed, shortened, shown, wrong

CLASSES: dict[str, tuple[type[Section], ...]] = {
    "task": tuple(TASKS.values()),
    "data": tuple(SOURCES.values()),
    "model": (Model,),
    "training": (Training,),
}
"""The classes that define the keys of each section."""
SAVED = {
    *("budget", "batch", "window", "learning_rate", "schedule", "warm_up", "final_fraction", "optimizer"),
    *("weight_decay", "momentum", "betas", "clip", "accumulate", "evaluate_every", "save_every", "sample_every"),
}
"""Keys of `training` that a config saved by a run always lists, and hardly a config written by hand."""
BEFORE_ROW_SPLITS = {"split_by": "order", "vocabulary": "all"}
"""Defaults of splitting and vocabulary from before `data` had these keys."""
OWN_DEFAULTS = {"budget": "task", "precision": "data"}
"""Keys of `training`, and the section whose class may define its own default for each as an attribute of that name."""


def check(values: Mapping[str, object]) -> tuple[Settings | None, list[Found]]:
    """Return the settings given by `values`, or None and all problems with their keys."""
    values = _as_saved(values)
    problems: list[Found] = []
    valid: dict[str, Section] = {}
    for name in SECTIONS:
        if name == "training":
            values = _with_own_defaults(values, valid)
        section, found = _section(name, values)
        problems += [((name, *path), text) for path, text in found]
        if section is not None:
            valid[name] = section
    if "data" not in valid and (foreign := _foreign_source(valid.get("task"), values.get("data"))) is not None:
        # Skip other problems in this section: they refer to a source that was not intended.
        problems = [*(one for one in problems if one[0][0] != "data"), foreign]
    top = {key: value for key, value in values.items() if key not in SECTIONS}
    # Use a stand-in for a broken section, so that problems in the other sections are found too.
    whole, found = _validated(Settings, {"data": SOURCES["text"].model_construct(), **valid, **top})
    problems += [*found, *broken_rules(valid)]
    return (whole if not problems else None), problems


def _as_saved(values: Mapping[str, object]) -> Mapping[str, object]:
    """Add the former behaviour to the config of a run that was saved before rows could be split otherwise."""
    data, training = values.get("data"), values.get("training")
    if not isinstance(data, dict) or not isinstance(training, dict) or not training.keys() >= SAVED:
        return values
    if owners([key for key in data if key in SOURCES]) not in (["table"], ["pairs"]):
        return values
    return {**values, "data": {**BEFORE_ROW_SPLITS, **data}}


def _with_own_defaults(values: Mapping[str, object], valid: Mapping[str, Section]) -> Mapping[str, object]:
    """Add the task's and the source's own defaults for training to `values`, for keys that the config does not set."""
    training = values.get("training", {})
    if not isinstance(training, dict):
        return values
    own = {key: getattr(valid[name], key) for key, name in OWN_DEFAULTS.items() if hasattr(valid.get(name), key)}
    return {**values, "training": {**own, **training}}


def _section(name: str, values: Mapping[str, object]) -> tuple[Section | None, list[Found]]:
    raw = values.get(name, {})
    if name == "data" and name not in values:
        return None, [((), f"missing; set a source, such as `data: {{text: FILE}}` (sources: {_sources()})")]
    if not isinstance(raw, dict):
        return None, [
            ((), ("empty" if raw is None else f"{shown(raw)} is not a section") + "; add keys to it, or leave it out")
        ]
    if name == "task":
        return _task(raw)
    if name == "data":
        return _data(raw)
    return _validated(Settings.model_fields[name].annotation, raw)  # type: ignore[arg-type]


def _task(raw: dict[str, object]) -> tuple[Section | None, list[Found]]:
    kind = raw.get("type", DEFAULT_TASK)
    if not isinstance(kind, str) or kind not in TASKS:
        near = did_you_mean(kind, TASKS) if isinstance(kind, str) else ""
        return None, [(("type",), f"{shown(kind)} is not a task; {near}one of {', '.join(TASKS)}")]
    return _validated(TASKS[kind], raw)


def _data(raw: dict[str, object]) -> tuple[Section | None, list[Found]]:
    named = [key for key in raw if key in SOURCES]
    found = owners(named)
    if named and len(found) != 1:
        return None, [((named[1],), f"a second source besides data.{named[0]}; use exactly one of {_sources()}")]
    if named:
        return _validated(SOURCES[found[0]], raw)
    # Without a known source, other keys cannot be judged unless no source has them.
    fields = {field for source in SOURCES.values() for field in source.model_fields}
    unknown = [key for key in raw if key not in fields]
    if unknown:
        return None, [((key,), _unknown(key, sorted(fields)) + f"the sources are {_sources()}") for key in unknown]
    return None, [((), f"no source is set; use exactly one of {_sources()}")]


def _foreign_source(task: Any, data: object) -> Found | None:
    named = owners([key for key in data if key in SOURCES]) if isinstance(data, dict) and task is not None else []
    if len(named) != 1 or named[0] in ("synthetic", *task.sources):
        return None
    return another_source(task, named[0])


def _sources() -> str:
    return ", ".join(f"data.{source}" for source in SOURCES)


def _unknown(key: str, known: list[str]) -> str:
    return f"unknown key; {did_you_mean(key, known)}"


def _validated(cls: type[Section], raw: Mapping[Any, object]) -> tuple[Any, list[Found]]:
    foreign = [key for key in raw if not isinstance(key, str)]  # only possible in a mapping from Python
    if foreign:
        return None, [((), f"{shown(key)} is used as a key; keys must be text") for key in foreign]
    try:
        return cls.model_validate(raw), []
    except ValidationError as error:
        return None, list(_worded(cls, raw, error))


def _worded(cls: type[Section], raw: Mapping[str, object], error: ValidationError) -> Iterator[Found]:
    """Yield one problem per key; pydantic reports one for every alternative of a union."""
    properties = cls.model_json_schema()["properties"]
    seen: set[str] = set()
    for detail in error.errors(include_url=False):
        key = str(detail["loc"][0])
        if key in seen:
            continue
        seen.add(key)
        if detail["type"] == "extra_forbidden":
            known = list(cls.model_fields)
            near = did_you_mean(key, known).rstrip() or _elsewhere(key)
            yield (key,), "unknown key; " + (near or f"one of {', '.join(known)}")
        elif detail["type"] == "missing":
            yield (key,), f"missing; {allowed(properties[key])}"
        elif detail["type"] == "value_error":
            yield (key,), str(detail["ctx"]["error"])
        else:
            value = raw[key]
            choices = properties[key].get("enum", [])
            near = did_you_mean(value, choices) if isinstance(value, str) else ""
            yield (key,), f"{wrong(value, properties[key])}; {near}{allowed(properties[key], value)}"


def _elsewhere(key: str) -> str:
    """Return `did you mean model.hidden?` if a section has this key, otherwise an empty string."""
    homes = [name for name, classes in CLASSES.items() if any(key in cls.model_fields for cls in classes)]
    return f"did you mean {' or '.join(f'{name}.{key}' for name in homes)}?" if homes else ""


def misfit(path: Path, value: object) -> str | None:
    """Return why no task or source accepts `value` for the key at `path`; None if one does or if the key is unknown."""
    section, key = (str(part) for part in path) if len(path) == 2 else ("", "")
    problem = ""
    for cls in CLASSES.get(section, ()):
        if key in cls.model_fields:
            found = [text for place, text in _validated(cls, {key: value})[1] if place == (key,)]
            if not found:
                return None
            problem = problem or found[0]
    return f"{locate(path)} — {problem}" if problem else None


def locate(path: Path) -> str:
    """Return a key as messages name it: `model.hidden`."""
    return ".".join(shortened(str(part)) for part in path)
