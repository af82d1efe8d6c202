"""Targets in a table of sequences: labels as class numbers, or numbers, for a whole sequence or for each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.labelled_rows import Cut
from lstmctl.data.scaling import fit_scale
from lstmctl.data.sequences import UNLABELLED, Numbers
from lstmctl.errors import DataError
from lstmctl.words import listed, plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]
Parts = Mapping[str, tuple[int, int]]
SHOWN = 12
"""Labels whose occurrences a note lists; it only gives the number of the others."""


@dataclass(frozen=True)
class Labels:
    """Raw labels, one for each sequence or for each step."""

    values: Texts
    """(sequences,) or (steps,)."""
    rows: NDArray[np.int64]
    """The row of each."""
    by_step: bool
    column: str

    def span(self, cut: Cut, start: int, stop: int) -> tuple[int, int]:
        """Return the start and stop of the labels of sequences `start` to `stop`."""
        return cut.steps(start, stop) if self.by_step else (start, stop)


def sequence_labels(sheet: Sheet, column: int, cut: Cut) -> Labels:
    """Return the label of every sequence, from its last row; except in windows, all its rows must have the same.

    Raises:
        DataError: a label is missing, or differs within a sequence; with the line.
    """
    written = _written(sheet, column, cut)
    if cut.agrees:
        _check_constant(sheet, column, cut, written)
    return Labels(written[cut.rows], cut.rows, False, sheet.names[column])


def frame_labels(sheet: Sheet, column: int, cut: Cut) -> Labels:
    """Return the label of every row.

    Raises:
        DataError: a label is missing; with the line.
    """
    return Labels(_written(sheet, column, cut), np.arange(sheet.rows), True, sheet.names[column])


def character_labels(sheet: Sheet, column: int, texts: list[str], cut: Cut) -> Labels:
    """Return the label of every character; a cell has one character per label, or words separated by spaces.

    Raises:
        DataError: a label is missing, or the numbers of labels and characters differ; with the line and both numbers.
    """
    written = _written(sheet, column, cut)
    found: list[str] = []
    for row, (text, label) in enumerate(zip(texts, written, strict=True)):
        several = label.split()
        # The label of a text of one character may have several characters, and no space to separate them.
        labels = several if len(several) > 1 or len(text) == 1 else list(label)
        if len(labels) != len(text):
            raise DataError(
                f"{sheet.place(row)}, column `{sheet.names[column]}`: {plural(len(labels), 'label')} for "
                f"{plural(len(text), 'character')}",
                hint="write one label character for each character of the text, or one label each, separated by "
                "spaces; blanks around a text do not count",
            )
        found += labels
    return Labels(np.array(found, dtype=object), np.repeat(cut.rows, cut.lengths), True, sheet.names[column])


def class_numbers(
    sheet: Sheet, labels: Labels, cut: Cut, parts: Parts, known: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class number of every label, and the classes of the training part or of a run, in order.

    Raises:
        DataError: there is one class only, or a later part has a label that is not a class; with its line.
    """
    classes = known
    if classes is None:
        start, stop = labels.span(cut, *parts["training"])
        classes = tuple(sorted(set(labels.values[start:stop])))
        if len(classes) < 2:
            raise DataError(
                f"{sheet.path}, column `{labels.column}`: every label of the training part is `{classes[0]}`, so there "
                "is nothing to learn",
                hint="give rows of at least two labels; data.split_by=random spreads them over the parts",
            )
    numbers = {label: number for number, label in enumerate(classes)}
    found = np.array([numbers.get(label, UNLABELLED) for label in labels.values], dtype=np.int64)
    for part, (first, last) in parts.items():
        start, stop = labels.span(cut, first, last)
        unknown = np.flatnonzero(found[start:stop] == UNLABELLED)
        if len(unknown):
            place = start + int(unknown[0])
            where = f"{sheet.place(int(labels.rows[place]))}, column `{labels.column}`: `{labels.values[place]}`"
            if known is not None:
                raise DataError(f"{where} is not a label of the run", hint=f"the run knows {listed(classes)}")
            raise DataError(
                f"{where} is a label of the {part} part that the training part never has",
                hint="task.type=regression predicts numbers"
                if all(map(_is_fraction, classes))
                else f"correct it, or split at random, so that every part has all labels: data.split_by=random; "
                f"training has {listed(classes)}",
            )
    return found, classes


def _is_fraction(label: str) -> bool:
    try:
        return not float(label).is_integer()
    except (ValueError, OverflowError):
        return False


def sequence_numbers(sheet: Sheet, columns: tuple[int, ...], cut: Cut) -> Floats:
    """Return the numbers of every sequence, (sequences, columns), from its last row; except in windows, all its rows
    must have the same.

    Raises:
        DataError: a value is missing, is not a number, or differs within a sequence; with line and column.
    """
    for column in columns:
        if sheet.kind(column) in ("text", "date"):
            raise DataError(
                f"{sheet.place(0)}, column `{sheet.names[column]}`: `{str(sheet.texts(column)[0])[:40]}` is not a "
                "number, which task.type regression requires",
                hint="task.type=classification predicts labels; or name a column of numbers: data.label=NAME",
            )
    values = frame_numbers(sheet, columns, cut)
    if cut.agrees:
        for index, column in enumerate(columns):
            _check_constant(sheet, column, cut, values[:, index])
    return values[cut.rows]


def frame_numbers(sheet: Sheet, columns: tuple[int, ...], cut: Cut) -> Floats:
    """Return the numbers of every row, (rows, columns).

    Raises:
        DataError: one is missing or not a number; with line and column.
    """
    values = sheet.numbers(columns)
    missing = np.isnan(values)
    if missing.any():
        row, index = (int(number) for number in np.argwhere(missing)[0])
        raise DataError(
            f"{sheet.place(row)}, column `{sheet.names[columns[index]]}`: no number",
            hint="fill it in, or delete the row" if len(cut.first_rows) == sheet.rows else "fill it in",
        )
    return values


def fit_numbers(sheet: Sheet, names: tuple[str, ...], scaler: str, values: Floats) -> Numbers:
    """Return the scale of each column of `values` (rows, columns), and add a note on unusual ones to the sheet."""
    scales = [fit_scale(scaler, column) for column in values.T]
    for name, scale in zip(names, scales, strict=True):
        if scale.caveat is not None:
            sheet.notes.append(f"`{name}` {scale.caveat}.")
    return Numbers(names, tuple(scale.centre for scale in scales), tuple(scale.spread for scale in scales))


def is_blank(sheet: Sheet, columns: tuple[int, ...]) -> bool:
    """Return True if all of these columns are empty in every row."""
    return all(bool((sheet.texts(column) == "").all()) for column in columns)


def counted(labels: Labels, cut: Cut, parts: Parts) -> str:
    """Return a sentence with the number of occurrences of each label in all parts."""
    found: Counter[str] = Counter()
    for part in parts.values():
        start, stop = labels.span(cut, *part)
        found.update(labels.values[start:stop])
    named = [f"{label} {count:,}" for label, count in found.most_common(SHOWN)]
    more = f" and {len(found) - SHOWN} labels more" if len(found) > SHOWN else ""
    return f"{'Steps' if labels.by_step else 'Sequences'} by label: {', '.join(named)}{more}."


def missing_labels(
    numbers: NDArray[np.int64], classes: Sequence[str], spans: Mapping[str, tuple[int, int]], remedy: str
) -> dict[str, str]:
    """Return, by part, a sentence if it has one label only or lacks one.

    Args:
        numbers: the class of every label, in the order of the table.
        classes: all of them.
        spans: start and stop of the labels of each part.
        remedy: the remedy if the table is sorted by label; empty if unknown.
    """
    found = {}
    sorted_by_label = np.count_nonzero(np.diff(numbers)) < len(set(numbers.tolist()))
    if sorted_by_label and remedy:
        remedy = f"the table is sorted by label: {remedy}"
    for part, (start, stop) in spans.items():
        there = set(numbers[start:stop].tolist()) - {UNLABELLED}
        lacking = [f"`{name}`" for number, name in enumerate(classes) if number not in there]
        where = f"the {part} part" if len(spans) > 1 else "the table"
        if len(there) == 1:
            says = f"{where} has only the label `{classes[there.pop()]}`, so its scores say little"
        elif there and lacking:
            shown = ", ".join(lacking[:SHOWN]) + (", …" if len(lacking) > SHOWN else "")
            says = f"{where} lacks {len(lacking)} of {len(classes)} labels: {shown}"
        else:
            continue
        found[part] = f"{says}; {remedy}" if remedy and len(spans) > 1 else says
    return found


def numbers_apart(values: Floats, names: Sequence[str], parts: Parts, remedy: str) -> dict[str, str]:
    """Return, by part, a sentence if every target number is outside the range of the training part.

    Args:
        values: (sequences, columns).
        names: of the columns.
        parts: of the sequences.
        remedy: the remedy if the order of the rows means nothing; empty if unknown.
    """
    found: dict[str, str] = {}
    if "training" not in parts:
        return found
    start, stop = parts["training"]
    low, high = values[start:stop].min(0), values[start:stop].max(0)
    for part, (first, last) in parts.items():
        own = values[first:last]
        for name, apart in zip(names, ((own < low) | (own > high)).all(0), strict=True):
            if apart:
                found.setdefault(
                    part,
                    f"every `{name}` of the {part} part lies outside the range of the training part"
                    + (f"; if the order of the rows means nothing, {remedy}" if remedy else ""),
                )
    return found


def _written(sheet: Sheet, column: int, cut: Cut) -> Texts:
    """Return a column of labels, (rows,); raise DataError if one is empty."""
    written = np.array([str(text) for text in sheet.texts(column)], dtype=object)
    empty = np.flatnonzero(written == "")
    if len(empty):
        raise DataError(
            f"{sheet.place(int(empty[0]))}, column `{sheet.names[column]}`: no label",
            hint="write it, or delete the row" if len(cut.first_rows) == sheet.rows else "write it",
        )
    return written


def _check_constant(sheet: Sheet, column: int, cut: Cut, values: Texts | Floats) -> None:
    """Raise DataError if the rows of a sequence have different values."""
    changed = values[1:] != values[:-1]
    changed[cut.starts[1:] - 1] = False  # from one sequence to the next
    found = np.flatnonzero(changed)
    if len(found):
        row = int(found[0]) + 1
        name = cut.names[int(np.searchsorted(cut.starts, row, side="right")) - 1]
        is_number = isinstance(values[row], float)
        here, before = (f"{value:g}" if is_number else value for value in (values[row], values[row - 1]))
        raise DataError(
            f"{sheet.place(row)}, column `{sheet.names[column]}`: `{here}`, but `{before}` before it, "
            f"and both in sequence `{name}`",
            hint=f"write one {'number' if is_number else 'label'} in all rows of a sequence; "
            + ("or data.window, whose last row counts" if is_number else "a label for each row is task.type=tagging"),
        )
