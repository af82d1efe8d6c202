"""The facts in `run.json`, checked: edited or damaged values are reported, and never misinterpreted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from lstmctl.errors import RunError

LARGEST = 2**63

TEXTS = (
    *("arm", "cell", "cell_source", "command", "config", "device", "device_name", "ended", "headline", "host"),
    *(
        "hub",
        "initialised_from",
        "launch",
        "kernel",
        "platform",
        "precision",
        "problem",
        "shape",
        "started",
        "status",
        "stopped_by",
    ),
    *("task", "units"),
)
COUNTS = (
    *("order", "parameters", "peak_memory", "processes", "seed", "signal", "step", "steps", "steps_per_epoch"),
    *("threads", "units_per_step", "units_trained"),
)


class LackingError(RunError, KeyError):
    """A required fact is missing."""

    __str__ = RunError.__str__


class Facts(dict[str, Any]):
    """The contents of `run.json`; a missing fact raises an error that names the file."""

    def __init__(self, facts: Mapping[str, Any], path: Path) -> None:
        super().__init__(facts)
        self._path = path

    def __missing__(self, key: str) -> NoReturn:
        raise LackingError(f"{self._path} lacks `{key}`")


def checked_facts(facts: Mapping[str, Any], path: Path) -> Facts:
    """Return the facts, each of the expected type or null.

    Raises:
        RunError: a fact has the wrong type.
    """
    for key, (what, is_right) in KINDS.items():
        value = facts.get(key)
        if value is not None and not is_right(value):
            raise RunError(f"{path} is damaged: `{key}` is not {what}")
    return Facts(facts, path)


def is_count(value: object) -> bool:
    """Return True if a value from JSON is a whole number from 0 to the largest 64-bit integer."""
    return type(value) is int and 0 <= value < LARGEST


def is_number(value: object) -> bool:
    """Return True if a value from JSON is a number that a float can represent."""
    return type(value) is float or (type(value) is int and abs(value) < LARGEST)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _are_metrics(value: object) -> bool:
    return isinstance(value, dict) and all(
        part is None
        or (isinstance(part, dict) and all(metric is None or is_number(metric) for metric in part.values()))
        for part in value.values()
    )


def _is_data(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    files = value.get("files", [])
    return isinstance(files, list) and all(isinstance(file, str) for file in files)


def _are_resumptions(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    **{key: ("text", lambda value: isinstance(value, str)) for key in TEXTS},
    **dict.fromkeys(COUNTS, ("a whole number", is_count)),
    **dict.fromkeys(("rate", "training_seconds"), ("a number", is_number)),
    **dict.fromkeys(("published", "repeatable_by", "versions"), ("a JSON object", _is_mapping)),
    "calibrated": ("true or false", lambda value: isinstance(value, bool)),
    "data": ("a JSON object with a list of files", _is_data),
    "metrics": ("a JSON object of numbers for each part", _are_metrics),
    "resumed": ("a list of JSON objects", _are_resumptions),
}
