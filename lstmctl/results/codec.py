"""Results as JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


def as_json(value: Any) -> Any:
    """Return a result as plain JSON values: its fields, without those in its class's `not_in_json`, and the properties
    in `in_json`. An infinite number is null."""
    if is_dataclass(value):
        left_out = getattr(value, "not_in_json", ())
        names = [field.name for field in fields(value) if field.name not in left_out]
        return {name: as_json(getattr(value, name)) for name in (*names, *getattr(value, "in_json", ()))}
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def from_json(kind: type[Result], data: Any) -> Result:
    """Return the result of a class that `as_json` turned into `data`.

    Raises:
        ValueError: `data` is not of that form.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(data)
