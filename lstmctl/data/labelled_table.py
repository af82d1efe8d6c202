"""Labelled sequences from a table: found, read, cut into sequences, split by position, scaled without a leak.

Scales and labels come from the training part alone; the vocabulary of texts from the whole table, as that of a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmctl.data.labelled_answers import (
    Labels,
    character_labels,
    class_numbers,
    counted,
    fit_numbers,
    frame_labels,
    frame_numbers,
    is_blank,
    missing_labels,
    numbers_apart,
    sequence_labels,
    sequence_numbers,
)
from lstmctl.data.labelled_columns import Columns, Layout, find_columns
from lstmctl.data.labelled_rows import (
    Cut,
    check_lengths,
    cut_windows,
    encode_texts,
    named_rows,
    one_recording,
    text_rows,
)
from lstmctl.data.locating import locate, portable_name
from lstmctl.data.sequences import UNLABELLED, Array, SequenceEncoding, Sequences, range_in_words
from lstmctl.data.splitting import split_positions
from lstmctl.data.table_hints import LABELLED, NEWER_LABELLED
from lstmctl.errors import DataError
from lstmctl.words import plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

__all__ = ["LabelledTable", "Layout", "open_table"]

Parts = dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """Labelled sequences, with what is needed to know them again; see `sequences.SequenceCorpus`."""

    sequences: Sequences
    """All sequences. Target numbers are in the units of the table."""
    encoding: SequenceEncoding
    parts: Parts
    """Start and stop of each part, in sequences."""
    names: tuple[str, ...]
    """Name of the file for a run's own config, which works from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the file, its sequences and their steps."""
    notes: tuple[str, ...]
    """What was found and left out, in whole sentences."""
    is_labelled: bool
    """Whether the table tells what is to be told."""
    warnings: Mapping[str, str]
    """By part: a sentence where what it holds to tell does not stand for the rest."""

    def __len__(self) -> int:
        return len(self.sequences)

    def part(self, name: str) -> Sequences:
        """The sequences of one part."""
        return self.sequences.between(*self.parts[name])


def open_table(
    paths: str | Sequence[str],
    layout: Layout,
    task: str,
    config_folder: Path | None,
    *,
    encoding: SequenceEncoding | None = None,
) -> LabelledTable:
    """Find, read, check and split a table of labelled sequences.

    Args:
        paths: the name of one file.
        layout: how it is read.
        task: classification, regression, tagging or generation-from-label.
        config_folder: where the name is looked for first.
        encoding: a run's own, for data the run has not seen: its vocabulary, features, scales and labels hold, all
            sequences are one part, `validation`, and the column of labels may be absent or empty.

    Raises:
        DataError: the data is missing or unsuitable; the message says where, and what would be right.
    """
    # Brings polars in, for which no task on a text should wait.
    from lstmctl.data.tables import open_sheet

    named = [paths] if isinstance(paths, str) else list(paths)
    if len(named) != 1:
        raise DataError(
            f"data.table names {len(named)} files, but sequences are read from one",
            hint="join them into one table: the same header once, and the rows of all",
        )
    path = locate(named[0], config_folder, "data.table" if encoding is None else None)
    # A newer table is written as the run's own: its few rows may not say what `1.000` means.
    known = None if encoding is None or layout.decimal != "auto" else encoding.decimal
    hints = LABELLED if encoding is None else NEWER_LABELLED
    sheet = open_sheet(path, layout.separator, known or layout.decimal, hints)
    if not sheet.rows:
        raise DataError(f"{sheet.path} has a header but no rows")
    columns = find_columns(sheet, layout, task, encoding)
    if task == "generation-from-label" and columns.text is None:
        raise DataError(
            f"{sheet.path} has no column of texts, which task.type {task} is to write",
            hint="say which it is: data.text=NAME",
        )
    is_labelled = bool(columns.labels) and (encoding is None or not is_blank(sheet, columns.labels))
    texts, cut = _cut(sheet, columns, layout)
    parts: Parts = {"validation": (0, len(cut.starts))} if encoding is not None else _split(sheet, cut, layout)
    inputs, fitted = _inputs(sheet, columns, cut, texts, parts, layout, encoding)
    targets, fitted, remarks = _targets(sheet, columns, cut, texts, parts, layout, task, fitted, is_labelled)
    warnings = _warnings(targets, fitted, cut, parts, by_step=task == "tagging") if is_labelled else {}
    by_step = task == "tagging"
    return LabelledTable(
        Sequences(inputs, cut.starts, cut.lengths, targets, by_step=by_step, names=cut.names),
        replace(fitted, decimal=_decimal(sheet, columns, task)) if encoding is None else encoding,
        parts,
        (portable_name(named[0], path),),
        {**sheet.fingerprint(), "sequences": len(cut.starts), "steps": len(inputs)},
        (*(_sentence(note) for note in sheet.notes), *remarks, *_sizes(cut, texts, parts)),
        is_labelled,
        warnings,
    )


def _decimal(sheet: Sheet, columns: Columns, task: str) -> str | None:
    """The decimal sign, of a table whose numbers are read."""
    return sheet.known_decimal if columns.features or task == "regression" else None


def _cut(sheet: Sheet, columns: Columns, layout: Layout) -> tuple[list[str], Cut]:
    """The texts, if there are any, and which steps make a sequence."""
    if columns.text is not None:
        return text_rows(sheet, columns.text)
    cut = one_recording(sheet) if columns.sequence is None else named_rows(sheet, columns.sequence)
    if layout.window is not None:
        cut = cut_windows(sheet, cut, layout.window, layout.stride or layout.window)
    check_lengths(sheet, cut, "frames", "cut it into windows, say data.window=500")
    return [], cut


def _split(sheet: Sheet, cut: Cut, layout: Layout) -> Parts:
    """Start and stop of each part, no frame in two of them: windows that reach into the part before are left out."""
    try:
        parts = split_positions(len(cut.starts), layout.split, "sequences")
    except DataError as error:
        hint = "fewer sequences for its parts in data.split, or more in the table"
        raise DataError(f"{sheet.path}: {error}", hint=hint) from error
    end, left = 0, 0
    for name, (start, stop) in parts.items():
        fresh = start + int(np.searchsorted(cut.starts[start:stop], end))
        if fresh == stop:
            raise DataError(
                f"{sheet.path}: every window of the {name} part has frames of the part before it",
                hint="a larger data.stride, a smaller data.window, or a larger share in data.split",
            )
        parts[name] = fresh, stop
        left += fresh - start
        end = cut.steps(fresh, stop)[1]
    if left:
        windows = plural(left, "window is", "windows are")
        sheet.notes.append(f"{windows} left out: they have frames in common with the part before.")
    return parts


def _inputs(
    sheet: Sheet,
    columns: Columns,
    cut: Cut,
    texts: list[str],
    parts: Parts,
    layout: Layout,
    encoding: SequenceEncoding | None,
) -> tuple[Array, SequenceEncoding]:
    """(steps,) symbols or (steps, features) scaled numbers, and how they were written."""
    if columns.text is not None:
        inputs, symbols = encode_texts(sheet, texts, cut, None if encoding is None else encoding.symbols)
        return inputs, SequenceEncoding(symbols=symbols) if encoding is None else encoding
    values = frame_numbers(sheet, columns.features, cut)
    if encoding is None:
        start, stop = cut.steps(*parts["training"])
        names = tuple(sheet.names[column] for column in columns.features)
        encoding = SequenceEncoding(features=fit_numbers(sheet, names, layout.scaler, values[start:stop]))
    assert encoding.features is not None
    return encoding.features.scaled(values), encoding


def _targets(
    sheet: Sheet,
    columns: Columns,
    cut: Cut,
    texts: list[str],
    parts: Parts,
    layout: Layout,
    task: str,
    encoding: SequenceEncoding,
    is_labelled: bool,
) -> tuple[Array, SequenceEncoding, list[str]]:
    """The targets, the encoding with the table's format, and notes."""
    if task == "regression":
        outputs = encoding.outputs
        if not is_labelled:
            assert outputs is not None
            return np.full((len(cut.starts), len(outputs.names)), np.nan), encoding, []
        values = sequence_numbers(sheet, columns.labels, cut)
        if outputs is None:
            names = tuple(sheet.names[column] for column in columns.labels)
            start, stop = parts["training"]
            outputs = fit_numbers(sheet, names, layout.scaler, values[start:stop])
        return values, SequenceEncoding(encoding.symbols, encoding.features, outputs=outputs), []
    if not is_labelled:
        steps = int(cut.lengths.sum()) if columns.text is not None else sheet.rows
        count = steps if task == "tagging" else len(cut.starts)
        return np.full(count, UNLABELLED, dtype=np.int64), encoding, []
    labels = _labels(sheet, columns, cut, texts, task)
    numbers, classes = class_numbers(sheet, labels, cut, parts, encoding.labels or None)
    return numbers, SequenceEncoding(encoding.symbols, encoding.features, classes), [counted(labels, cut, parts)]


def _warnings(targets: Array, encoding: SequenceEncoding, cut: Cut, parts: Parts, *, by_step: bool) -> dict[str, str]:
    if encoding.outputs is not None:
        return numbers_apart(targets, encoding.outputs.names, parts) if "training" in parts else {}
    spans = {name: cut.steps(*part) if by_step else part for name, part in parts.items()}
    return missing_labels(targets, encoding.labels, spans)


def _labels(sheet: Sheet, columns: Columns, cut: Cut, texts: list[str], task: str) -> Labels:
    column = columns.labels[0]
    if task != "tagging":
        return sequence_labels(sheet, column, cut)
    return frame_labels(sheet, column, cut) if columns.text is None else character_labels(sheet, column, texts, cut)


def _sizes(cut: Cut, texts: list[str], parts: Parts) -> list[str]:
    """The range of lengths, and texts that a later part has in common with the training part."""
    unit = "characters" if texts else "frames"
    remarks = [f"Sequences have {range_in_words(int(cut.lengths.min()), int(cut.lengths.max()))} {unit}."]
    if texts and "training" in parts:
        start, stop = parts["training"]
        seen = set(texts[start:stop])
        for name, (first, last) in list(parts.items())[1:]:
            again = sum(text in seen for text in texts[first:last])
            if again:
                remarks.append(
                    f"{again:,} of the {last - first:,} texts of the {name} part are in the training part too."
                )
    return remarks


def _sentence(note: str) -> str:
    return note if note.endswith(".") else f"{note}."
