"""Settings as YAML that loads as equal settings."""

from __future__ import annotations

from lstmctl.config import scalars
from lstmctl.config.schema import Settings


def dump(settings: Settings) -> str:
    """Write the resolved config: every key, sections as blocks, lists and a cell's options on one line each."""
    lines: list[str] = []
    for name, value in settings.model_dump(mode="json").items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {key}: {inline(entry)}" for key, entry in value.items()]
        else:
            lines.append(f"{name}: {inline(value)}")
    return "\n".join(lines) + "\n"


def inline(value: object) -> str:
    """Write a value as YAML on one line."""
    if isinstance(value, list):
        return "[" + ", ".join(inline(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(key)}: {inline(entry)}" for key, entry in value.items()) + "}"
    assert value is None or isinstance(value, bool | int | float | str)
    return scalars.write(value)
