"""Recognise the kind of a user's file, and derive a config from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmctl.config import LoadedConfig, from_mapping, load
from lstmctl.config.checking import misfit
from lstmctl.config.examples import bundled_names
from lstmctl.config.loading import data_name
from lstmctl.config.overrides import parse
from lstmctl.data.locating import check_regular
from lstmctl.data.remote import fetch, is_remote
from lstmctl.deriving.derived import Derived
from lstmctl.deriving.pairs import derive_pairs
from lstmctl.deriving.tables import derive_table
from lstmctl.deriving.texts import derive_text
from lstmctl.errors import ConfigError, DataError

CONFIGS = (".yaml", ".yml", ".json")
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".tab")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
LINES_TRIED = 100
NUMBER = re.compile(rb"[-+]?[\d., ]+")


def is_config(source: str) -> bool:
    """Return whether `source`, as typed for CONFIG, is a config rather than a user's own data."""
    path = Path(source)
    if is_remote(source):
        return False
    if source == "-" or path.suffix.lower() in CONFIGS or source in bundled_names():
        return True
    try:
        return not path.exists()  # what does not exist is a mistyped config more often than mistyped data
    except (OSError, ValueError):
        return True


def load_config(
    source: str | None, overrides: Sequence[str] = (), *, trust: bool = False, defaults: Sequence[str] = ()
) -> LoadedConfig:
    """Load a config as `config.load` does, or derive it if `source` is a user's own text, table or folder.

    Raises:
        ConfigError, DataError: see `config.load` and `derive`.
    """
    if source is None or is_config(source):
        return load(source, overrides, trust=trust, defaults=defaults)
    path = fetch(source) if is_remote(source) else Path(source)
    derived = derive(str(path), overrides)
    settings = from_mapping(derived.values(), overrides)
    name = data_name(settings)
    return LoadedConfig(settings, name, path.parent, name, decided=tuple(derived.lines()))


def derive(source: str, overrides: Sequence[str] = ()) -> Derived:
    """Derive a config from a user's own text, table or folder.

    Args:
        source: the path.
        overrides: `KEY=VALUE`, as typed; they win over what is derived, and what is derived takes them into account.

    Raises:
        DataError: the file cannot be read, or it is unclear what to do with it; the hint has the commands that say so.
        ConfigError: an override is wrong.
    """
    path = Path(source)
    given: dict[str, Any] = {}
    problems = []
    for text in overrides:
        try:
            override = parse(text)
        except ConfigError:
            continue  # reported with all others when the config is checked
        if (problem := misfit(override.path, override.value)) is not None:
            problems.append(f"{override.label}  {problem}")
        given[".".join(map(str, override.path))] = override.value
    if problems:
        raise ConfigError(problems)
    if path.is_dir():
        return derive_text(path, given)
    if path.suffix.lower() in SPREADSHEETS:
        raise DataError(f"{path} is a spreadsheet", hint="save the sheet as CSV")
    if (count := _pairs(path)) is not None:
        return derive_pairs(path, count, given)
    if path.suffix.lower() in TABLES or _looks_like_a_table(path):
        return derive_table(path, given)
    return derive_text(path, given)


def _looks_like_a_table(path: Path) -> bool:
    """Return True if the first lines of a file without a known extension all have the same number of separators."""
    if path.suffix.lower() not in ("", ".txt", ".dat", ".data"):
        return False
    lines = _first_lines(path)
    for separator in (b"\t", b";", b"|"):
        counts = {line.count(separator) for line in lines}
        if len(lines) > 2 and len(counts) == 1 and counts != {0}:
            return True
    return False


def _pairs(path: Path) -> int | None:
    """Estimate the number of lines that consist of two different texts separated by a tab; None if it has none.

    A column with few distinct values contains labels, and one of numbers belongs to a table of series.
    """
    if path.suffix.lower() not in (".tsv", ".txt", ".tab"):
        return None
    lines = _first_lines(path)
    halves = [line.split(b"\t") for line in lines]
    if len(lines) < 10 or any(len(half) != 2 or not all(half) for half in halves):
        return None
    for side in zip(*halves, strict=True):
        if len(set(side)) < len(side) / 2 or sum(bool(NUMBER.fullmatch(text.strip())) for text in side) > len(side) / 2:
            return None
    return round(path.stat().st_size / max(1, sum(map(len, lines)) + len(lines)) * len(lines))


def _first_lines(path: Path) -> list[bytes]:
    """The first whole lines of a file that are not empty."""
    try:
        check_regular(path, "a text, a table or a folder of texts")
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    lines = start.splitlines()[: None if len(start) < 1 << 16 else -1]
    return [line for line in lines if line.strip()][:LINES_TRIED]
