"""A run's predictions for sequences, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import groupby

from lstmctl.results.output import Prediction

GIVEN = "given_"
"""Stands before the name of a column that was read, if a column of the output has the same name."""


def as_csv(predictions: Sequence[Prediction], *, texts: bool) -> str:
    """Return one row per sequence, or per frame if frames are labelled; see `prediction_rows`."""
    written = io.StringIO()
    table, quoted = (
        csv.writer(written, lineterminator="\n", quoting=style) for style in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    names, rows = prediction_rows(predictions, texts=texts)
    table.writerow(names)
    for fields in rows:
        # Quotes make surrounding blanks visible, and keep them in readers that trim.
        blank = any(isinstance(field, str) and field != field.strip() for field in fields)
        (quoted if blank else table).writerow(fields)
    return written.getvalue()


def prediction_rows(predictions: Sequence[Prediction], *, texts: bool) -> tuple[list[str], Iterator[list[object]]]:
    """Return the names of the columns, and the rows.

    Columns: `text` or `sequence`; then `label` and `probability`; `labels` of a text's characters, joined if each is
    one character, else separated by spaces; `step` and `label` of frames, or for frames of sound `start`, `end` (in
    seconds) and `label` of each stretch with one label; the names of the numbers; `output`. Then the other columns of
    the table that was read, with `given_` before a name that is already taken.

    Args:
        predictions: all of one run.
        texts: whether the sequences are texts.
    """
    is_sound = any(prediction.seconds is not None for prediction in predictions)
    name = "text" if texts else "file" if is_sound else "sequence"
    own = [name, *_columns(predictions[0], texts=texts)] if predictions else [name]
    kept = list(predictions[0].columns) if predictions else []

    def rows() -> Iterator[list[object]]:
        for prediction in predictions:
            for number, row in enumerate(_rows(prediction, texts=texts)):
                values = [prediction.columns[column] for column in kept]
                others = [value if isinstance(value, str) else value[number] for value in values]
                yield [prediction.sequence, *row, *others]

    return [*own, *(f"{GIVEN}{column}" if column in own else column for column in kept)], rows()


def _columns(prediction: Prediction, *, texts: bool) -> list[str]:
    if prediction.label is not None:
        return ["label", "probability"]
    if prediction.labels:
        if prediction.seconds is not None:
            return ["start", "end", "label"]
        return ["labels"] if texts else ["step", "label"]
    return ["output"] if prediction.text is not None else list(prediction.numbers)


def _rows(prediction: Prediction, *, texts: bool) -> list[list[object]]:
    if prediction.label is not None:
        return [[prediction.label, f"{prediction.probabilities[prediction.label]:.4f}"]]
    if prediction.labels:
        if prediction.seconds is not None:
            return _stretches(prediction.labels, prediction.seconds)
        if not texts:
            return [[step, label] for step, label in enumerate(prediction.labels, start=1)]
        single = all(len(label) == 1 for label in prediction.labels)
        return [[("" if single else " ").join(prediction.labels)]]
    if prediction.text is not None:
        return [[prediction.text]]
    return [[repr(value) for value in prediction.numbers.values()]]


def _stretches(labels: Sequence[str], seconds: float) -> list[list[object]]:
    """Return one row per stretch of equal labels."""
    rows: list[list[object]] = []
    start = 0
    for label, frames in groupby(labels):
        stop = start + len(list(frames))
        rows.append([f"{start * seconds:.3f}", f"{stop * seconds:.3f}", label])
        start = stop
    return rows
