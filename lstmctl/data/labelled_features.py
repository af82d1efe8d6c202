"""Detection of the feature columns of a table of frames, if a config names none.

A number that gives the answer away, or that identifies the position of a frame in the table, is learned at once but
useless on other data. So columns are left out that are named like a label, a name or a time, or that are constant
within every sequence, as labels are. Each is reported, and `data.features` includes it anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.errors import DataError
from lstmctl.words import listed

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

TEXT_NAMES = ("text",)
SEQUENCE_NAMES = ("sequence",)
LABEL_NAMES = ("label", "labels", "target")
FRAME_NAMES = ("frame", "row", "sample")
"""Names of columns that count the rows of a recording, besides the names of times."""


def recognised_features(sheet: Sheet, taken: set[int], sequence: int | None) -> tuple[int, ...]:
    """Return the numeric columns without another use that do not resemble a name, a label or a time.

    They are listed in `sheet.notes`.

    Args:
        sheet: the table.
        taken: columns with another use.
        sequence: the column that names each row's sequence.

    Raises:
        DataError: none is left; or one contains a value that is not a number, with its line.
    """
    numeric = [
        number
        for number in range(len(sheet.names))
        if number not in taken and number not in sheet.unnamed and sheet.kind(number) in ("number", "whole")
    ]
    left_out = dict(_called_otherwise(sheet, numeric))
    left_out |= _placed(sheet, [number for number in numeric if number not in left_out], sequence)
    found = tuple(number for number in numeric if number not in left_out)
    if not found:
        raise DataError(
            f"{sheet.path} has no column of numbers besides labels, sequences and times",
            hint=f"name the columns of a frame: data.features=[NAME]; its columns: {listed(sheet.names)}",
        )
    for number, why in left_out.items():
        sheet.notes.append(f"`{sheet.names[number]}` {why}, so it is not a feature; data.features would include it.")
    for number in found:
        if (note := sheet.form(number).note) is not None:
            sheet.notes.append(f"`{sheet.names[number]}` {note}.")
    names = listed([sheet.names[number] for number in found])
    sheet.notes.append(f"Features of a frame: {names}.")
    return found


def _called_otherwise(sheet: Sheet, columns: list[int]) -> Iterator[tuple[int, str]]:
    """Yield the columns whose names suggest another use than a measurement, with that use."""
    from lstmctl.data.tables import ID_NAMES

    for number in columns:
        name = sheet.names[number].casefold()
        if name in LABEL_NAMES:
            yield number, "is named like a label"
        elif name in (*SEQUENCE_NAMES, *ID_NAMES) and sheet.kind(number) == "whole":
            yield number, "is named like a sequence's name"


def _placed(sheet: Sheet, columns: list[int], sequence: int | None) -> dict[int, str]:
    """Return those of `columns` that hold a frame's position in its sequence or identify the sequence, with reasons."""
    from lstmctl.data.time_columns import TIME_NAMES

    within, found = _within_sequences(sheet, sequence), {}
    for number, values in zip(columns, sheet.numbers(columns).T, strict=True):
        steps = np.diff(values)[within]
        if sheet.names[number].casefold() in (*TIME_NAMES, *FRAME_NAMES) and (steps >= 0).all():
            found[number] = "is named like a time and never falls"
        elif sequence is not None and len(steps) and not steps.any():
            found[number] = "is the same in all rows of a sequence, as a label is"
    return found


def _within_sequences(sheet: Sheet, sequence: int | None) -> NDArray[np.bool_]:
    """Return (rows − 1,), True where a row and the next belong to one sequence."""
    if sequence is None:
        return np.ones(sheet.rows - 1, dtype=np.bool_)
    names = sheet.texts(sequence).to_numpy()
    return np.asarray(names[1:] == names[:-1], dtype=np.bool_)
