"""`KEY=VALUE` overrides from the command line, applied on top of the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lstmctl.config.reading import Path, read_value
from lstmctl.config.schema import DEFAULT_TASK, READ_BY, SOURCES, TASKS, Model, owners
from lstmctl.config.wording import LONGEST_QUOTE, inert, shortened
from lstmctl.errors import ConfigError

_KEY = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


PLAIN_MARKS = (",", "|", ";", "\t")
"""Column separators; on their own, these are not valid YAML values."""


@dataclass(frozen=True)
class Override:
    """One parsed `KEY=VALUE`."""

    text: str
    path: Path
    value: object

    @property
    def label(self) -> str:
        """The location used in messages."""
        return _label(self.text)


def parse(text: str) -> Override:
    """Parse an override.

    Raises:
        ConfigError: it is not `KEY=VALUE` with a YAML value on one line.
    """
    key, equals, value = text.partition("=")
    label = _label(text)
    if not equals or not _KEY.fullmatch(key):
        raise ConfigError(f"{inert(label)}  not of the form KEY=VALUE; for example `model.hidden=256`")
    return Override(text, tuple(key.split(".")), _value(value, label))


def _label(text: str) -> str:
    return f"command line: {shortened(text, LONGEST_QUOTE)}"


def _value(text: str, label: str) -> object:
    """Parse a value as YAML.

    Shells remove the quotes of `data.date_format="%d.%m.%Y"`, so invalid YAML that starts with `%` or `,` is taken as
    plain text.
    """
    if text in PLAIN_MARKS:
        return text
    try:
        value = read_value(text, label)
        if isinstance(value, dict):
            return dict(_entry(str(key), inner, label) for key, inner in value.items())
        return value
    except ConfigError:
        if text.startswith(("%", ",")):
            return text
        raise


def _entry(key: str, value: object, label: str) -> tuple[str, object]:
    """Return an entry of `{key: value}`. YAML reads `key:value`, without a space, as a single key: never the intent."""
    name, _, text = key.partition(":")
    if value is None and text and _KEY.fullmatch(name):
        return name, read_value(text, label)
    return key, value


def apply(values: dict[str, Any], override: Override) -> None:
    """Set the override's key in `values`, in place; of two overrides of the same key, the last one wins.

    Raises:
        ConfigError: an enclosing key holds a plain value.
    """
    section: Any = values
    for depth, part in enumerate(override.path[:-1], start=1):
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            name = shortened(".".join(str(step) for step in override.path[:depth]), LONGEST_QUOTE)
            raise ConfigError(f"{override.label}  {name} — not a section; set it as a whole, `{name}=VALUE`")
    section[override.path[-1]] = override.value


def give_way(values: dict[str, Any], overrides: Iterable[Override]) -> None:
    """Drop, in place, settings in `values` that only the previous task, source or cell understands if an override
    selects another one.

    Call it before applying any of `overrides`: what they set belongs to the task, source and cell that they select,
    whatever their order, and is never dropped.
    """
    given = {override.path: override.value for override in overrides}
    before = _task(values.get("task"))
    after = given.get(("task", "type"), _task(given["task",]) if ("task",) in given else before)
    if isinstance(before, str) and isinstance(after, str) and {before, after} <= TASKS.keys():
        _give_way_to_task(values, before, after)
        _give_way_to_source(values, [key for key in SOURCES if ("data", key) in given], TASKS[after])
    model = values.get("model")
    if isinstance(model, dict):
        cell = model.get("cell", Model.model_fields["cell"].default)
        if given.get(("model", "cell"), cell) != cell:
            drop(model, {"options"}, set())


def _task(section: object) -> object:
    return section.get("type", DEFAULT_TASK) if isinstance(section, dict) else DEFAULT_TASK


def _give_way_to_task(values: dict[str, Any], before: str, after: str) -> None:
    if isinstance(values.get("task"), dict):
        drop(values["task"], _fields([TASKS[before]]), _fields([TASKS[after]]))
    for (name, key), tasks in READ_BY.items():
        if before in tasks and after not in tasks and isinstance(values.get(name), dict):
            drop(values[name], {key}, set())


def _give_way_to_source(values: dict[str, Any], named: list[str], task: Any) -> None:
    section = values.get("data")
    before, after = owners(section) if isinstance(section, dict) else [], owners(named)
    if len(before) != 1 or len(after) != 1 or before == after:
        return
    # `text` is both a source and a column of a table: for a task that reads the table, it is the column.
    if before[0] in task.sources and set(named) <= SOURCES[before[0]].model_fields.keys():
        return
    assert isinstance(section, dict)
    drop(section, _fields([SOURCES[before[0]]]), _fields(SOURCES[key] for key in after) - {before[0]})


def _fields(classes: Iterable[Any]) -> set[str]:
    return {name for cls in classes for name in cls.model_fields}


def drop(section: dict[str, Any], old: set[str], new: set[str]) -> list[str]:
    """Remove, in place, the keys of `section` that are in `old` but not in `new`; return them."""
    gone = [key for key in section if key in old - new]
    for key in gone:
        del section[key]
    return gone
