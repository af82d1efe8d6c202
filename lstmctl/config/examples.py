"""The bundled configs, for `lstmctl config list/show/copy`."""

from __future__ import annotations

from pathlib import Path

from lstmctl import bundled
from lstmctl.config.wording import LONGEST_QUOTE, inert, shortened
from lstmctl.errors import ConfigError
from lstmctl.words import near


def bundled_names() -> list[str]:
    """Return the names of the bundled configs, sorted."""
    return sorted(path.stem for path in bundled.configs().glob("*.yaml"))


def bundled_path(name: str) -> Path:
    """Return the file of the bundled config `name`.

    Raises:
        ConfigError: the config does not exist; the error suggests similar names.
    """
    names = bundled_names()
    if name not in names:
        meant = near(name, names) or f"bundled configs: {', '.join(names)}"
        raise ConfigError(
            f"{inert(shortened(name, LONGEST_QUOTE))}  not a bundled config; {meant}",
            hint="list them with `lstmctl config list`",
        )
    return bundled.configs() / f"{name}.yaml"


def bundled_text(name: str) -> str:
    """Return the text of the bundled config `name`, including comments.

    Raises:
        ConfigError: the config does not exist.
    """
    return bundled_path(name).read_text(encoding="utf-8")


def list_bundled() -> list[tuple[str, str]]:
    """Return every bundled config's name and its first comment line."""
    return [(name, _first_comment(bundled_text(name))) for name in bundled_names()]


def _first_comment(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("#") and "yaml-language-server" not in line:
            return line.lstrip("# ").rstrip()
    return ""
