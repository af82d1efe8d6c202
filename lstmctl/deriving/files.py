"""Recognise the kind of a user's file, and derive a config from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmctl import shell
from lstmctl.config import LoadedConfig, from_mapping, load
from lstmctl.config.checking import misfit
from lstmctl.config.examples import bundled_names
from lstmctl.config.loading import data_name
from lstmctl.config.overrides import parse
from lstmctl.data.locating import check_regular
from lstmctl.data.recordings import SUFFIXES as SOUNDS
from lstmctl.data.remote import fetch, is_remote
from lstmctl.deriving.derived import SECONDS, Derived, seconds_of
from lstmctl.deriving.pairs import derive_pairs
from lstmctl.deriving.recordings import by_suffix, derive_recordings
from lstmctl.deriving.texts import derive_text
from lstmctl.errors import ConfigError, DataError, UsageError
from lstmctl.words import plural

CONFIGS = (".yaml", ".yml", ".json")
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".tab")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".heic")
READ = "lstmctl reads a text, a table, a folder of .txt files, or a folder of recordings (.wav, .flac, .ogg)"
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
    source: str | None,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    defaults: Sequence[str] = (),
    time: str | None = None,
) -> LoadedConfig:
    """Load a config as `config.load` does, or derive it if `source` is a user's own text, table or folder.

    Args:
        source, overrides, trust, defaults: see `config.load`.
        time: see `derive`; only for a user's own data.

    Raises:
        UsageError: `time` is given for a config.
        ConfigError, DataError: see `config.load` and `derive`.
    """
    if source is None or is_config(source):
        if time is not None:
            raise UsageError(
                f"--time is for your own data; {source or 'the default config'} is a config, which has its own budget",
                hint='set it: training.budget="10 minutes"',
            )
        return load(source, overrides, trust=trust, defaults=defaults)
    path = fetch(source) if is_remote(source) else Path(source)
    derived = derive(str(path), overrides, time)
    settings = from_mapping(derived.values(), overrides)
    name = data_name(settings)
    return LoadedConfig(settings, name, path.parent, name, decided=tuple(derived.lines()))


def derive(source: str, overrides: Sequence[str] = (), time: str | None = None) -> Derived:
    """Derive a config from a user's own text, table or folder.

    Args:
        source: the path.
        overrides: `KEY=VALUE`, as typed; they win over what is derived, and what is derived takes them into account.
        time: the training time that sizes and budget are derived for, such as `10m`; by default a minute and a half.

    Raises:
        UsageError: `time` is not a time.
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
    derived = Derived("", given=given, seconds=SECONDS if time is None else seconds_of(time))
    if path.is_dir():
        return _derive_folder(path, derived)
    if (suffix := path.suffix.lower()) in (*SOUNDS, *PICTURES):
        raise DataError(
            f"{path} is {'one recording' if suffix in SOUNDS else 'a picture'}",
            hint="give a folder of recordings, with one folder per label" if suffix in SOUNDS else READ,
        )
    if path.suffix.lower() in SPREADSHEETS:
        raise DataError(f"{path} is a spreadsheet", hint="save the sheet as CSV")
    if (count := _pairs(path)) is not None:
        return derive_pairs(path, count, derived)
    if path.suffix.lower() in TABLES or _looks_like_a_table(path):
        from lstmctl.deriving.tables import derive_table  # takes polars, which a config may not need

        return derive_table(path, derived)
    return derive_text(path, derived)


def _derive_folder(folder: Path, derived: Derived) -> Derived:
    """Derive the config of a folder of texts or recordings.

    Raises:
        DataError: it holds neither, or both.
    """
    found = by_suffix(folder)
    sounds = sorted(file for suffix in SOUNDS for file in found.get(suffix, ()))
    task = derived.given.get("task.type")
    if sounds and ".txt" in found and task is None:
        command = shell.join(["lstmctl", "train", str(folder)])
        raise DataError(
            f"{folder} holds {plural(len(found['.txt']), 'text')} and {plural(len(sounds), 'recording')}",
            hint=f"say which: {command} task.type=language-model  or  {command} task.type=classification",
        )
    if sounds and task != "language-model":
        return derive_recordings(folder, sounds, derived)
    if ".txt" not in found and found:
        suffix = max(found, key=lambda suffix: len(found[suffix]))
        what = "pictures" if suffix in PICTURES else "tables" if suffix in TABLES else "files"
        hint = "join them into one table with a column that names the series" if suffix in TABLES else READ
        raise DataError(f"{folder} holds {what}, such as {found[suffix][0].name}, and no text or recording", hint=hint)
    return derive_text(folder, derived)


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
    """Return the first whole lines of a file that are not empty."""
    try:
        check_regular(path, "a text, a table or a folder of texts")
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    lines = start.splitlines()[: None if len(start) < 1 << 16 else -1]
    return [line for line in lines if line.strip()][:LINES_TRIED]
