"""The clips of a data set: which files, with what labels, of which speakers.

A label comes from the folder that contains the file, from the file's name by a pattern, or from a table of files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lstmctl.data.locating import locate, portable_name
from lstmctl.data.recordings import SUFFIXES
from lstmctl.data.table_hints import TableHints
from lstmctl.errors import DataError
from lstmctl.words import listed

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

TABLES = (".csv", ".tsv", ".parquet")
COLUMNS = {
    "file": ("file", "path", "filename"),
    "label": ("label", "labels"),
    "speaker": ("speaker",),
    "start": ("start",),
    "end": ("end",),
}
"""The uses of a table's columns, and their possible names."""
TABLE_OF_CLIPS = TableHints(
    what="a table of audio files",
    holds="a column `file` and a column `label`, with a header that names them",
    header=("file", "label"),
    correct="correct it, or delete the row",
    choose="`start` and `end`",
    comma="put a name that contains a comma between quotation marks",
    columns=1,
    takes_decimal=False,
)


@dataclass(frozen=True)
class Stretch:
    """A part of a clip with one label, in seconds."""

    start: float
    end: float
    label: str
    place: str
    """Its location in the table, for messages."""


@dataclass(frozen=True)
class Clip:
    """One file of a data set."""

    path: Path
    name: str
    """Its path relative to the folder or table that was named, with `/`."""
    label: str | None
    """None if it is unknown, or if its frames have labels instead."""
    speaker: str | None
    place: str
    """Source of its label, for messages: the file, or a row of a table."""
    stretches: tuple[Stretch, ...] | None = None
    """Labels of its frames; None if they are unknown."""


def find_clips(
    named: Sequence[str], pattern: str | None, task: str, config_folder: Path | None, *, is_own: bool
) -> tuple[list[Clip], tuple[str, ...]]:
    """Return the clips of folders, files and tables, sorted by name within each, and portable names of these sources.

    Args:
        named: folders, audio files or tables.
        pattern: the pattern of file names; None if the label is the name of a file's folder.
        task: classification or tagging.
        config_folder: searched first.
        is_own: whether this is a run's own data, so that labels are required; otherwise they may be missing.

    Raises:
        DataError: a source is missing or empty, or a label is missing; with the file or row.
    """
    found: list[Clip] = []
    names = []
    for name in named:
        path = locate(name, config_folder, "data.audio" if is_own else None)
        names.append(portable_name(name, path))
        if path.is_dir():
            found += _in_folder(path, pattern, task, is_own=is_own)
        elif path.suffix.lower() in TABLES:
            found += _in_table(path, task, is_own=is_own)
        else:
            found.append(_of_file(path, Path(path.parent.name, path.name), pattern, task, is_own=is_own))
    return found, tuple(names)


def _in_folder(folder: Path, pattern: str | None, task: str, *, is_own: bool) -> Iterator[Clip]:
    files = sorted(_files_below(folder), key=lambda file: file.relative_to(folder).parts)
    if not files:
        raise DataError(
            f"{folder} contains no {', '.join(SUFFIXES[:1])}, .flac or .ogg file",
            hint="name a folder of audio files, or a table with a column `file`",
        )
    for file in files:
        yield _of_file(file, file.relative_to(folder), pattern, task, is_own=is_own)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield audio files; hidden files and folders, and unreadable folders, are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)


def _of_file(path: Path, relative: Path, pattern: str | None, task: str, *, is_own: bool) -> Clip:
    """Return the clip of a file; its label and speaker come from its path, relative to the folder that was named."""
    name = relative.as_posix()
    if task == "tagging":
        if is_own:
            raise DataError(
                f"{path}: task.type tagging needs the times of its labels, which a folder of files does not contain",
                hint="name a table with the columns file, start, end (in seconds) and label: data.audio=TABLE.csv",
            )
        return Clip(path, name, None, None, str(path))
    if pattern is None:
        label = relative.parent.name or None
        if label is None and is_own:
            raise DataError(
                f"{path} has no label: it is not in a folder named after one",
                hint="sort the files into one folder per label, or set a pattern of their names, such as "
                "\"data.file_names='{label}_{speaker}_{take}'\"",
            )
        return Clip(path, name, label, None, str(path))
    matched = compiled(pattern).search(relative.with_suffix("").as_posix())
    if matched is None and is_own:
        raise DataError(
            f"{path} does not match data.file_names `{pattern}`",
            hint="rename it, move it to another folder, or correct the pattern",
        )
    fields = matched.groupdict() if matched is not None else {}
    return Clip(path, name, fields.get("label"), fields.get("speaker"), str(path))


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern such as `{label}_{take}`, for the end of a path without its suffix."""
    parts = re.split(r"\{(\w+)\}", pattern)
    fields = [f"(?P<{part}>[^/]+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile(rf"(?:^|/){''.join(fields)}$")


def _in_table(path: Path, task: str, *, is_own: bool) -> list[Clip]:
    """Return the clips of a table: one row per file, or for tagging one row per labelled stretch of a file."""
    # Imports polars, which other sources do not need.
    from lstmctl.data.tables import open_sheet

    sheet = open_sheet(path, hints=TABLE_OF_CLIPS)
    if not sheet.rows:
        raise DataError(f"{sheet.path} has a header but no rows")
    columns = _columns(sheet, task, is_own=is_own)
    texts = {
        use: [str(text) for text in sheet.texts(column)]
        for use, column in columns.items()
        if use not in ("start", "end")
    }
    for use, values in texts.items():
        if "" in values:
            row = values.index("")
            raise DataError(f"{sheet.place(row)}, column `{sheet.names[columns[use]]}`: empty", hint="fill it in")
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(texts["file"]):
        rows.setdefault(name.replace("\\", "/"), []).append(row)
    times = _times(sheet, columns) if "start" in columns and task == "tagging" else None
    return [_of_rows(sheet, path, name, own, texts, times, task) for name, own in rows.items()]


def _columns(sheet: Sheet, task: str, *, is_own: bool) -> dict[str, int]:
    """Return the column of each use.

    Raises:
        DataError: a required column is missing.
    """
    places = {name.casefold(): number for number, name in reversed(list(enumerate(sheet.names)))}
    found = {use: places[name] for use, names in COLUMNS.items() for name in reversed(names) if name in places}
    required = ["file", *(["label"] if is_own else []), *(["start", "end"] if is_own and task == "tagging" else [])]
    if task == "tagging" and len({"start", "end", "label"} & set(found)) < 3 and not is_own:
        found = {use: column for use, column in found.items() if use in ("file", "speaker")}
    for use in required:
        if use not in found:
            raise DataError(
                f"{sheet.path} has no column `{use}`",
                hint=f"task.type {task} reads the columns {', '.join(required)}; its columns: {listed(sheet.names)}",
            )
    return found


def _times(sheet: Sheet, columns: dict[str, int]) -> list[tuple[float, float]]:
    values = sheet.numbers([columns["start"], columns["end"]])
    wrong = np.flatnonzero(~((values[:, 0] >= 0) & (values[:, 1] > values[:, 0])))  # NaN compares as false
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{sheet.place(row)}: from `{values[row, 0]:g}` to `{values[row, 1]:g}` is not a stretch of time",
            hint="write start and end in seconds, the end after the start",
        )
    return [(start, end) for start, end in values.tolist()]


def _of_rows(
    sheet: Sheet,
    table: Path,
    name: str,
    rows: list[int],
    texts: dict[str, list[str]],
    times: list[tuple[float, float]] | None,
    task: str,
) -> Clip:
    """Return the clip of a file's rows."""
    place = sheet.place(rows[0])
    path = table.parent / name
    if not path.is_file():
        raise DataError(f"{place}: {path} does not exist", hint="a file's name is relative to the table's folder")
    speakers = {texts["speaker"][row] for row in rows} if "speaker" in texts else {None}
    if len(speakers) > 1:
        raise DataError(f"{place}: `{name}` has two speakers in its rows, {listed(sorted(map(str, speakers)))}")
    (speaker,) = speakers
    if task == "tagging":
        stretches = None if times is None else _stretches(sheet, name, rows, texts["label"], times)
        return Clip(path, name, None, speaker, place, stretches)
    if len(rows) > 1:
        raise DataError(
            f"{sheet.place(rows[1])}: `{name}` again; it already has {sheet.unit} {sheet.lines[rows[0]]}",
            hint="write one row per file; several stretches of a file are for task.type tagging",
        )
    return Clip(path, name, texts["label"][rows[0]] if "label" in texts else None, speaker, place)


def _stretches(
    sheet: Sheet, name: str, rows: list[int], labels: Sequence[str], times: Sequence[tuple[float, float]]
) -> tuple[Stretch, ...]:
    found = sorted(
        (Stretch(*times[row], labels[row], sheet.place(row)) for row in rows), key=lambda stretch: stretch.start
    )
    for before, after in pairwise(found):
        if after.start < before.end:
            raise DataError(
                f"{after.place}: from {after.start:g} s it overlaps the stretch of `{name}` up to {before.end:g} s",
                hint="a frame has one label; correct the times",
            )
    return tuple(found)


def check_labels(labels: Iterable[str], places: Iterable[str]) -> None:
    """Refuse labels that differ only in case.

    Raises:
        DataError: there are two; with the file or row of the second one.
    """
    known: dict[str, str] = {}
    for label, place in zip(labels, places, strict=True):
        first = known.setdefault(label.casefold(), label)
        if first != label:
            raise DataError(
                f"{place}: label `{label}` differs from `{first}` only in case", hint="write both the same way"
            )
