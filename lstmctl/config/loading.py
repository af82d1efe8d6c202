"""Load a config by name, file or mapping, apply overrides, and check the settings."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from lstmctl.config import overrides as command_line
from lstmctl.config.checking import check, locate
from lstmctl.config.examples import bundled_names, bundled_path
from lstmctl.config.fields import LONE_SURROGATE
from lstmctl.config.reading import MOST_BYTES, Document, read
from lstmctl.config.reading import Path as KeyPath
from lstmctl.config.schema import Settings
from lstmctl.config.wording import LONGEST_QUOTE, inert, shortened, shown
from lstmctl.errors import ConfigError
from lstmctl.registry import is_user_class
from lstmctl.words import near

DEFAULT = "travellers"
"""The config that is used if none is named."""
DEFAULT_LABEL = f"default config {DEFAULT}"
GIVEN = "the command line"
SETTING = re.compile(r"\b(?:data|task|model|training)\.[a-z_]+")
BUNDLED = " (bundled)"
"""After the name of a bundled config in messages."""
UNSAFE = re.compile(r"[^\w.-]+")
"""Characters that are replaced in a name from the data: spaces and signs that some systems or shells reject in
names."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class LoadedConfig:
    """Checked settings and their origin."""

    settings: Settings
    name: str
    """The config's own name: of its file without the extension, of a bundled config, `stdin` or `config`."""
    folder: Path | None
    """Relative data paths are searched here first; None for stdin and mappings."""
    run_name: str = ""
    """Names of runs: the config's, or the data's if the config is not a user's file or its data is replaced."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The origin of each setting that a user wrote, in words, by dotted key."""
    decided: tuple[str, ...] = ()
    """Lines for people, if the config was derived from a user's own data."""

    def named_in(self, text: str) -> list[str]:
        """Return the origin of each setting named in a text, in words, except settings from the command line."""
        keys = dict.fromkeys(SETTING.findall(text))
        return [f"{key} is from {self.origins[key]}" for key in keys if self.origins.get(key, GIVEN) != GIVEN]


def load(
    source: str | None, overrides: Sequence[str] = (), *, trust: bool = False, defaults: Sequence[str] = ()
) -> LoadedConfig:
    """Load the settings of `source`: a path, the name of a bundled config, `-` for stdin, or None for the default one.

    `defaults` are overrides that were not typed; typed ones come after them.

    `overrides` (`KEY=VALUE`) take precedence over the file, and the file over the defaults. The order of overrides
    matters only if two set the same key: the last one wins. Nothing is imported, but a user's own cell named in the
    file needs `trust`; naming it in an override implies consent.

    Raises:
        ConfigError: lists all problems at once.
    """
    content, label, name, folder = _content(DEFAULT if source is None else source)
    if source is None:
        label = DEFAULT_LABEL
    try:
        document = read(content, label)
    except ConfigError as error:
        # The file cannot be parsed, but typos on the command line can still be reported.
        raise ConfigError([*error.problems, *_parsed(overrides)[1]]) from None
    settings = _settled(document, label, overrides, trust=trust, defaults=defaults)
    keys = {override.path[:2] for override in _parsed(overrides)[0]}
    is_bundled = label.endswith(BUNDLED) or source is None
    is_renamed = source == "-" or (is_bundled and ("data", settings.data.source) in keys)
    origins = {".".join(map(str, path)): label for path in document.places}
    origins |= {override.partition("=")[0]: DEFAULT_LABEL for override in defaults}
    origins |= {override.partition("=")[0]: GIVEN for override in overrides}
    return LoadedConfig(settings, name, folder, data_name(settings) if is_renamed else name, origins)


def load_mapping(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> LoadedConfig:
    """Load the settings in a mapping; see `from_mapping`."""
    settings = from_mapping(values, overrides)
    return LoadedConfig(settings, "config", None, data_name(settings))


def data_name(settings: Settings) -> str:
    """Return a name for runs on these data: of their first file or folder, without its extension."""
    source = settings.data.source
    found = getattr(settings.data, source)
    first = str(found[0]) if isinstance(found, tuple) else str(found)
    stem = PurePath(first.replace("\\", "/").rstrip("/").rpartition("/")[2]).stem
    name = UNSAFE.sub("-", LONE_SURROGATE.sub("_", stem)).strip("-. ")[:LONGEST_NAME]
    return name or source


def from_mapping(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> Settings:
    """Check the settings in a mapping structured like a config file. Code that names its own cell is trusted.

    Raises:
        ConfigError: lists all problems at once.
    """
    return _settled(Document(copy.deepcopy(dict(values)), {}), None, overrides, trust=True)


def derive(settings: Settings, overrides: Sequence[str]) -> Settings:
    """Apply `overrides` to `settings` and check the result.

    Raises:
        ConfigError: lists all problems at once.
    """
    return from_mapping(settings.model_dump(mode="json"), overrides)


def _settled(
    document: Document, label: str | None, overrides: Sequence[str], *, trust: bool, defaults: Sequence[str] = ()
) -> Settings:
    values = document.value
    assert isinstance(values, dict)
    located: list[tuple[tuple[int, int, int], str]] = []  # (order, line)
    origins: dict[KeyPath, tuple[int, str]] = {}
    parsed, unreadable = _parsed([*defaults, *overrides])
    located += [((1, index, 0), text) for index, text in enumerate(unreadable)]
    command_line.give_way(values, parsed)
    # Set a section before the keys inside it, whichever was typed first.
    ordered = sorted(enumerate(parsed), key=lambda numbered: len(numbered[1].path))
    for index, override in ordered:
        try:
            command_line.apply(values, override)
        except ConfigError as error:
            located.append(((1, index, 0), error.problems[0]))
        else:
            origins[override.path] = (index, override.label if index >= len(defaults) else DEFAULT_LABEL)
    settings, problems = check(values)
    hint = None
    cell = values["model"].get("cell") if isinstance(values.get("model"), dict) else None
    if (
        isinstance(cell, str)
        and is_user_class(cell)
        and not trust
        and not _origin(("model", "cell"), origins, document)
    ):
        problems.append(
            (("model", "cell"), f"{shown(cell)} would import code that this file names; trust it, or do not run it")
        )
        hint = "add `--trust` if you know that code"
    for path, text in problems:
        key = locate(path)
        body = f"{key} — {text}" if key else text
        origin = _origin(path, origins, document)
        if origin is not None:
            located.append(((1, origin[0], 0), f"{origin[1]}  {body}"))
        elif label is None:
            located.append(((0, 0, 0), body))
        else:
            line, column = _position(document, path, text)
            located.append(((0, line, column), f"{label}:{line}:{column}  {body}"))
    if hint is None and any(line.startswith(DEFAULT_LABEL) for _, line in located):
        hint = f"no CONFIG is named, so what you do not set is from {DEFAULT}; set it, or name one: lstmctl config list"
    if located:
        raise ConfigError([inert(line) for _, line in sorted(located, key=lambda entry: entry[0])], hint=hint)
    assert settings is not None
    return settings


def _parsed(overrides: Sequence[str]) -> tuple[list[command_line.Override], list[str]]:
    parsed, problems = [], []
    for text in overrides:
        try:
            parsed.append(command_line.parse(text))
        except ConfigError as error:
            problems += error.problems
    return parsed, problems


def _origin(path: KeyPath, origins: Mapping[KeyPath, tuple[int, str]], document: Document) -> tuple[int, str] | None:
    """Return the override that set `path` or an enclosing section, or that created a section missing from the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    inside = [origin for key, origin in origins.items() if path and key[: len(path)] == path]
    return inside[0] if inside and path not in document.places else None


def _position(document: Document, path: KeyPath, text: str) -> tuple[int, int]:
    """Return the position of `path` in the file: its key if the key is wrong, else its value; or the section's key."""
    for length in range(len(path), 0, -1):
        place = document.places.get(path[:length])
        if place is not None:
            position = place.key if text.startswith(("unknown", "missing")) or length < len(path) else place.value
            return position.line, position.column
    return 1, 1


def _content(source: str) -> tuple[bytes, str, str, Path | None]:
    """Return bytes, label for messages, name and folder of `source`."""
    if source == "-":
        if sys.stdin is None:
            raise ConfigError("stdin  is closed; pipe a config into it, or name a file")
        return sys.stdin.buffer.read(MOST_BYTES + 1), "stdin", "stdin", None
    path, shown_source = Path(source), inert(shortened(source, LONGEST_QUOTE))
    try:
        if path.exists() and not path.is_dir():
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1), source, LONE_SURROGATE.sub("_", path.stem), path.parent
    except (OSError, ValueError) as error:
        raise ConfigError(f"{shown_source}  cannot be read: {getattr(error, 'strerror', None) or error}") from None
    names = bundled_names()
    name = source.removesuffix(".yaml")
    if name in names:
        bundled = bundled_path(name)
        return bundled.read_bytes(), f"{name}{BUNDLED}", name, bundled.parent
    if path.suffix and path.suffix not in (".yaml", ".yml", ".json") and not path.is_dir():
        raise ConfigError(f"{shown_source}  does not exist", hint=f"the current folder is {Path.cwd()}")
    wrong = "is a folder, not a config" if path.is_dir() else "neither a file nor a bundled config"
    meant = near(Path(name).name, names) or f"bundled configs: {', '.join(names)}"
    raise ConfigError(f"{shown_source}  {wrong}; {meant}", hint="list them with `lstmctl config list`")
