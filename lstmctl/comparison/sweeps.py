"""The values of a sweep: how they are written, and what makes one comparison for each of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from lstmctl.comparison.arms import COMMA, Arm
from lstmctl.comparison.plan import Plan
from lstmctl.config import LoadedConfig
from lstmctl.errors import ConfigError, LstmctlError, RunError, UsageError

EXAMPLE = "--sweep data.length=50,100,200"
SHARED = {
    "model.cell": "cells are arms: lstmctl compare rnn lstm",
    "seed": "seeds are counted by --seeds",
}
"""Settings that cannot be swept, and what takes their place."""
UNSAFE = str.maketrans(dict.fromkeys("/\\:*?\"'<>|[]{}(), \t", "-"))
Found = TypeVar("Found")


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """Return key and values of `KEY=VALUE,VALUE,…`.

    Raises:
        UsageError: the text does not have that form.
    """
    key, equals, rest = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--sweep {text} is not of the form KEY=VALUE,VALUE", hint=EXAMPLE)
    return key.strip(), [value.strip() for value in COMMA.split(rest) if value.strip()]


def check_key(
    key: str, values: Sequence[str], overrides: Sequence[str], arms: Sequence[Arm], tuned: Sequence[str]
) -> None:
    """Raise UsageError if the key is set elsewhere already, or there are fewer than two values."""
    if len(values) < 2:
        raise UsageError(f"--sweep {key}: give two values or more", hint=EXAMPLE)
    if key in SHARED:
        raise UsageError(f"--sweep {key} cannot be: {SHARED[key]}")
    others = {"after the cells": overrides, "by --tune": tuned} | {f"by {arm.name}": arm.overrides for arm in arms}
    for where, given in others.items():
        if any(text.partition("=")[0] == key for text in given):
            raise UsageError(f"--sweep {key}: it is set {where} too; remove it there")


def for_each(key: str, values: Sequence[str], find: Callable[[str], Found]) -> list[Found]:
    """Call `find` for each value, and raise the errors of all values at once."""
    found, failures = [], []
    for value in values:
        try:
            found.append(find(value))
        except LstmctlError as error:
            failures.append((value, error))
    if not failures:
        return found
    lines = [
        message if f"{key}={value}" in message else f"{key}={value}: {message}"
        for value, error in failures
        for message in error.messages
    ]
    first = failures[0][1]
    if len(lines) == 1 and not isinstance(first, ConfigError):
        raise type(first)(lines[0], hint=first.hint) from first
    raise ConfigError(lines, hint=first.hint) from first


def value_of(config: LoadedConfig, key: str) -> Any:
    """Return a setting by its dotted key."""
    settings = config.settings.model_dump(mode="json")
    return reduce(lambda section, part: section[part], key.split("."), settings)


def refuse_equal_values(key: str, values: Sequence[str], found: Sequence[Any]) -> None:
    """Raise UsageError if two values, as typed, are the same value in the config."""
    for index, value in enumerate(found):
        if value in found[:index]:
            one, other = values[found.index(value)], values[index]
            raise UsageError(f"--sweep {key}: {one} and {other} are the same value; give each once")


def require_one_metric(key: str, values: Sequence[str], plans: Sequence[Plan]) -> None:
    """Raise UsageError if the comparisons do not report the same metric of the same part."""
    for value, plan in zip(values, plans, strict=True):
        if (plan.primary, plan.split) != (plans[0].primary, plans[0].split):
            raise UsageError(
                f"--sweep {key}: {values[0]} is scored by {plans[0].primary} on the {plans[0].split} part, {value} by "
                f"{plan.primary} on the {plan.split} part; they cannot be drawn as one curve"
            )


def require_one_sweep(paths: Sequence[Path], plans: Sequence[Plan]) -> None:
    """Raise RunError if the plans at `paths` differ in their arms, their metric or the part they report."""
    for path, plan in zip(paths, plans, strict=True):
        for what in ("primary", "split"):
            first, own = getattr(plans[0], what), getattr(plan, what)
            if own != first:
                raise RunError(f"{path} has {what} {own}, but {paths[0]} has {first}: they are not of one sweep")
        first, own = (", ".join(arm.name for arm in one.arms) for one in (plans[0], plan))
        if own != first:
            raise RunError(f"{path} has the arms {own}, but {paths[0]} has {first}: they are not of one sweep")


def folder_names(key: str, values: Sequence[str]) -> list[str]:
    """Return a folder name for each value: `length-50`. Names that would be the same on some disk are numbered."""
    names: list[str] = []
    for value in values:
        stem = f"{key.rpartition('.')[2]}-{value.translate(UNSAFE)}"[:60]
        taken = {name.lower() for name in names}
        name, number = stem, 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names
