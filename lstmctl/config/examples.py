"""The bundled configs: what `lstmctl config list/show/copy` work on."""

from __future__ import annotations

import difflib
from pathlib import Path

from lstmctl import bundled
from lstmctl.config.wording import LONGEST_QUOTE, inert, shortened
from lstmctl.errors import ConfigError


def bundled_names() -> list[str]:
    """Names of the bundled configs, sorted."""
    return sorted(path.stem for path in bundled.configs().glob("*.yaml"))


def bundled_path(name: str) -> Path:
    """The file of the bundled config `name`.

    Raises ConfigError that names the nearest when there is none of that name.
    """
    names = bundled_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        meant = f"did you mean {' or '.join(near)}?" if near else f"bundled are {', '.join(names)}"
        raise ConfigError(
            f"{inert(shortened(name, LONGEST_QUOTE))}  not a bundled config; {meant}",
            hint="see them with `lstmctl config list`",
        )
    return bundled.configs() / f"{name}.yaml"


def bundled_text(name: str) -> str:
    """The bundled config `name` as it stands, comments included.

    Raises ConfigError when there is none of that name.
    """
    return bundled_path(name).read_text(encoding="utf-8")


def list_bundled() -> list[tuple[str, str]]:
    """Every bundled config's name and its first line of comment."""
    return [(name, _first_comment(bundled_text(name))) for name in bundled_names()]


def _first_comment(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("#") and "yaml-language-server" not in line:
            return line.lstrip("# ").rstrip()
    return ""
