"""Messages for problems found by pydantic: the problem; the allowed values."""

from __future__ import annotations

import math
from typing import Any

from lstmctl.config import scalars

_LONGEST = 48
LONGEST_QUOTE = 200
"""Maximum length of an argument quoted in a message, in characters."""
_UNTOLD = 10**9
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "null": "null",
    "array": "a list",
    "object": "a section",
}


def inert(text: str) -> str:
    """Return `text` with escapes for all characters that could move a terminal's cursor or break the line."""
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in text)


def shortened(text: str, most: int = _LONGEST) -> str:
    """Shorten `text` to part of a line."""
    return text if len(text) <= most else text[: most - 1] + "…"


def shown(value: object) -> str:
    """Format `value` as in a config file, shortened to part of a line."""
    if isinstance(value, str):
        return inert(shortened(f'"{value}"'))
    if isinstance(value, dict):
        return "a section of keys"
    if isinstance(value, list | tuple):
        return shortened("[" + ", ".join(shown(part) for part in value[:4]) + (", …]" if len(value) > 4 else "]"))
    if value is None or isinstance(value, bool | float):
        return scalars.write(value)
    if isinstance(value, int):
        return shortened(str(value)) if abs(value) < 10**400 else "a number of more than 400 digits"
    return f"a {type(value).__name__}"


def allowed(schema: dict[str, Any], value: object = None) -> str:
    """Describe the values that a field allows, given its JSON Schema and the rejected `value`.

    Limits in the billions exist for technical reasons and are mentioned only if `value` exceeds them.
    """
    if "anyOf" in schema:
        return " or ".join(allowed(choice, value) for choice in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"])
    words = _TYPES.get(schema.get("type", ""), "something else")
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and low == high:
        return f"only {low:g}"
    bounds = [
        f"of at least {low:g}" if low is not None else "",
        f"above {above:g}" if above is not None else "",
        f"at most {_written(high)}" if high is not None and (high < _UNTOLD or _beyond(value, high)) else "",
        f"below {below:g}" if below is not None else "",
    ]
    bounds = [bound for bound in bounds if bound]
    return f"{words} {' and '.join(bounds)}" if bounds else words


def _written(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _beyond(value: object, limit: float) -> bool:
    return isinstance(value, int | float) and limit < value < math.inf


def wrong(value: object, schema: dict[str, Any]) -> str:
    """Describe the problem with `value`, which the field with this JSON Schema rejected."""
    kinds = {choice.get("type", "choice") for choice in schema.get("anyOf", [schema])}
    numeric = bool(kinds & {"integer", "number"})
    if isinstance(value, float) and not math.isfinite(value):
        return f"{shown(value)} is not a finite number"
    if value is None:
        return "empty" if not numeric else "null is not a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        if numeric and isinstance(value, str):
            return f"{shown(value)} is text, not a number"
        return f"{shown(value)} is not a number" if numeric else f"{shown(value)} is not allowed"
    if not numeric:
        return f"{shown(value)} is not allowed"
    if "number" not in kinds and isinstance(value, float):
        return f"{shown(value)} is not a whole number"
    lows = [bound for choice in schema.get("anyOf", [schema]) for bound in _lows(choice)]
    small = any(value < bound or (exclusive and value <= bound) for bound, exclusive in lows)
    return f"{shown(value)} is too {'small' if small else 'large'}"


def _lows(schema: dict[str, Any]) -> list[tuple[float, bool]]:
    result = []
    if "minimum" in schema:
        result.append((schema["minimum"], False))
    if "exclusiveMinimum" in schema:
        result.append((schema["exclusiveMinimum"], True))
    return result
