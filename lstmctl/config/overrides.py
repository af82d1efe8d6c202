"""`KEY=VALUE` from the command line, laid over what the file says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lstmctl.config.reading import Path, read_value
from lstmctl.config.schema import DEFAULT_TASK, READ_BY, SOURCES, TASKS, Model
from lstmctl.config.wording import inert
from lstmctl.errors import ConfigError

_KEY = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


PLAIN_MARKS = (",", "|", ";", "\t")
"""What separates columns; alone, none of it is a value in YAML's own sense."""


@dataclass(frozen=True)
class Override:
    """One `KEY=VALUE`, read."""

    text: str
    path: Path
    value: object

    @property
    def label(self) -> str:
        """How messages locate it."""
        return f"command line: {self.text}"


def parse(text: str) -> Override:
    """The override that `text` is.

    Raises ConfigError for anything that is not `KEY=VALUE` with a YAML value on one line.
    """
    key, equals, value = text.partition("=")
    label = f"command line: {text}"
    if not equals or not _KEY.fullmatch(key):
        raise ConfigError(f"{inert(label)}  not of the form KEY=VALUE; for example `model.hidden=256`")
    return Override(text, tuple(key.split(".")), _value(value, label))


def _value(text: str, label: str) -> object:
    """What a value means as YAML. A shell takes the quotes off `data.date_format="%d.%m.%Y"`; so what is no YAML, and
    opens no list, mapping or quotes either, is the text that it looks like."""
    if text in PLAIN_MARKS:
        return text
    try:
        return read_value(text, label)
    except ConfigError:
        if text.startswith(("%", ",")):
            return text
        raise


def apply(values: dict[str, Any], override: Override) -> None:
    """Set the override's key in `values`, in place.

    Raises ConfigError when a key on its way holds a plain value.
    """
    _give_way(values, override)
    section: Any = values
    for depth, part in enumerate(override.path[:-1], start=1):
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            name = ".".join(str(step) for step in override.path[:depth])
            raise ConfigError(f"{override.label}  {name} — not a section; set it as a whole, `{name}=VALUE`")
    section[override.path[-1]] = override.value


def _give_way(values: dict[str, Any], override: Override) -> None:
    """Naming another source, or another task, drops the keys that only the one before it understands."""
    name, *rest = override.path
    section = values.get(str(name))
    if name == "data" and isinstance(section, dict) and len(rest) == 1 and rest[0] in SOURCES:
        before = [SOURCES[key] for key in section if key in SOURCES and key != rest[0]]
        drop(section, _fields(before), _fields([SOURCES[str(rest[0])]]))
    elif name == "task" and rest == ["type"] and override.value in TASKS:
        task_before = section.get("type", DEFAULT_TASK) if isinstance(section, dict) else DEFAULT_TASK
        if task_before in TASKS:
            _give_way_to_task(values, task_before, str(override.value))


def _give_way_to_task(values: dict[str, Any], before: str, after: str) -> None:
    if isinstance(values.get("task"), dict):
        drop(values["task"], _fields([TASKS[before]]), _fields([TASKS[after]]))
    for (name, key), tasks in READ_BY.items():
        if before in tasks and after not in tasks and isinstance(values.get(name), dict):
            drop(values[name], {key}, set())


def give_way_to_cell(values: dict[str, Any], overrides: Iterable[Override]) -> None:
    """Naming another cell drops the options of the one before, in place, before any of `overrides` is applied; options
    that they give are for the cell that they name."""
    named = [override.value for override in overrides if override.path == ("model", "cell")]
    model = values.get("model")
    if named and isinstance(model, dict) and named[-1] != model.get("cell", Model.model_fields["cell"].default):
        drop(model, {"options"}, set())


def _fields(classes: Iterable[Any]) -> set[str]:
    return {name for cls in classes for name in cls.model_fields}


def drop(section: dict[str, Any], old: set[str], new: set[str]) -> list[str]:
    """Remove from `section`, in place, the keys of `old` that are not of `new`; which they were."""
    gone = [key for key in section if key in old - new]
    for key in gone:
        del section[key]
    return gone
