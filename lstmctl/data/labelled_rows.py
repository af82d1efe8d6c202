"""Rows of a table that form a sequence: one text per row, or the frames of one name or of one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.sequences import LONGEST
from lstmctl.data.vocabulary import Symbols, TextEncoding
from lstmctl.errors import DataError
from lstmctl.words import plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """Sequences as stretches of steps, and their rows in the table."""

    starts: Indices
    lengths: Indices
    """(sequences,) in steps: characters or rows."""
    rows: Indices
    """(sequences,) the row with a sequence's label: its text's own, or its last frame's."""
    first_rows: Indices
    """(sequences,) the first row."""
    names: tuple[str, ...] = ()
    agrees: bool = False
    """True if all rows of a sequence must have the same label."""

    def steps(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first step and the step after the last of sequences `start` to `stop`, which are in order and not
        empty."""
        if start == stop:
            return 0, 0
        return int(self.starts[start]), int((self.starts + self.lengths)[start:stop].max())


def text_rows(sheet: Sheet, column: int) -> tuple[list[str], Cut]:
    """Return the texts of a column, and one sequence for each.

    Raises:
        DataError: a text is empty or longer than a sequence may be; with its line.
    """
    texts = [str(text) for text in sheet.texts(column)]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        raise DataError(
            f"{sheet.place(int(empty[0]))}, column `{sheet.names[column]}`: the text is empty",
            hint="write it, or delete the row",
        )
    rows = np.arange(len(texts), dtype=np.int64)
    cut = Cut(np.cumsum(lengths) - lengths, lengths, rows, rows)
    check_lengths(sheet, cut, "characters", "cut it into several rows")
    return texts, cut


def encode_texts(texts: Sequence[str], encoding: TextEncoding) -> Symbols:
    """Return the symbol numbers (steps,) of all texts, one after the other, with those that are unknown."""
    return encoding.read("".join(texts))


def named_rows(sheet: Sheet, column: int) -> Cut:
    """Return one sequence per name in a column, from consecutive rows.

    Raises:
        DataError: a name is missing, or occurs again after another; with the line.
    """
    names = np.array([str(name) for name in sheet.texts(column)], dtype=object)
    empty = np.flatnonzero(names == "")
    if len(empty):
        raise DataError(
            f"{sheet.place(int(empty[0]))}, column `{sheet.names[column]}`: no sequence is named",
            hint="name it, or delete the row",
        )
    starts = np.concatenate([[0], np.flatnonzero(names[1:] != names[:-1]) + 1]).astype(np.int64)
    seen: dict[str, int] = {}
    for start in starts:
        name = str(names[start])
        if name in seen:
            raise DataError(
                f"{sheet.place(int(start))}, column `{sheet.names[column]}`: sequence `{name}` continues here, but "
                f"other rows are between it and its beginning ({sheet.unit} {sheet.lines[seen[name]]})",
                hint="rows of one sequence follow each other: sort them, or give a new sequence a new name",
            )
        seen[name] = int(start)
    lengths = np.diff(np.append(starts, len(names))).astype(np.int64)
    return Cut(starts, lengths, starts + lengths - 1, starts, tuple(seen), agrees=True)


def one_recording(sheet: Sheet) -> Cut:
    """Return all rows as one sequence."""
    rows = sheet.rows
    return Cut(np.array([0]), np.array([rows]), np.array([rows - 1]), np.array([0]), ("",))


def cut_windows(sheet: Sheet, cut: Cut, window: int, stride: int) -> Cut:
    """Cut each sequence into windows of `window` rows, one every `stride` rows; frames are not copied.

    Raises:
        DataError: no sequence is long enough for one.
    """
    counts = np.maximum(0, (cut.lengths - window) // stride + 1)
    if not counts.any():
        raise DataError(
            f"{sheet.path}: the longest sequence has {cut.lengths.max():,} rows, but data.window {window:,} takes more",
            # Every part needs windows, so a window that fits once or twice would be refused as well.
            hint=f"a smaller one, such as data.window={max(1, cut.lengths.max() // 10)}; or give more rows",
        )
    owners = np.repeat(np.arange(len(counts)), counts)
    order = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = (cut.starts[owners] + order * stride).astype(np.int64)
    ends = starts + window - 1
    names = tuple(
        f"{cut.names[owner]}{': ' if cut.names[owner] else ''}{sheet.unit}s {sheet.lines[first]} to {sheet.lines[last]}"
        for owner, first, last in zip(owners, starts, ends, strict=True)
    )
    covered = np.minimum(cut.lengths, np.where(counts > 0, (counts - 1) * stride + window, 0))
    if stride <= window and (left := int((cut.lengths - covered).sum())):
        sheet.notes.append(f"{plural(left, 'row does', 'rows do')} not fill a whole window of {window:,}: not used.")
    return Cut(starts, np.full(len(starts), window, dtype=np.int64), ends, starts, names)


def check_lengths(sheet: Sheet, cut: Cut, unit: str, remedy: str) -> None:
    """Refuse a sequence that is too long to be trained on as a whole.

    Raises:
        DataError: with the line at which it begins, and its length.
    """
    long = np.flatnonzero(cut.lengths > LONGEST)
    if len(long):
        first = int(long[0])
        raise DataError(
            f"{sheet.place(int(cut.first_rows[first]))}: a sequence of {cut.lengths[first]:,} {unit}, but one may have "
            f"{LONGEST:,} at most",
            hint=remedy,
        )
