"""A run's predictions for sequences, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from lstmctl.results.output import Prediction


def as_csv(predictions: Sequence[Prediction], *, texts: bool) -> str:
    """One row a sequence, or where frames have labels one a frame; see `prediction_rows`."""
    written = io.StringIO()
    table, quoted = (
        csv.writer(written, lineterminator="\n", quoting=style) for style in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    names, rows = prediction_rows(predictions, texts=texts)
    table.writerow(names)
    for fields in rows:
        # Blanks at the ends of a field are seen, and kept by readers that trim, where it is quoted.
        blank = any(isinstance(field, str) and field != field.strip() for field in fields)
        (quoted if blank else table).writerow(fields)
    return written.getvalue()


def prediction_rows(predictions: Sequence[Prediction], *, texts: bool) -> tuple[list[str], Iterator[list[object]]]:
    """Return the names of the columns, and the rows.

    Columns: `text` or `sequence`; then `label` and `probability`; `labels` of a text's characters, joined if each is
    one character, else separated by spaces; `step` and `label` of frames; the names of the numbers; `output`.
    """
    name = "text" if texts else "sequence"
    names = [name, *_columns(predictions[0], texts=texts)] if predictions else [name]
    rows = ([prediction.sequence, *row] for prediction in predictions for row in _rows(prediction, texts=texts))
    return names, rows


def _columns(prediction: Prediction, *, texts: bool) -> list[str]:
    if prediction.label is not None:
        return ["label", "probability"]
    if prediction.labels:
        return ["labels"] if texts else ["step", "label"]
    return ["output"] if prediction.text is not None else list(prediction.numbers)


def _rows(prediction: Prediction, *, texts: bool) -> list[list[object]]:
    if prediction.label is not None:
        return [[prediction.label, f"{prediction.probabilities[prediction.label]:.4f}"]]
    if prediction.labels:
        if not texts:
            return [[step, label] for step, label in enumerate(prediction.labels, start=1)]
        single = all(len(label) == 1 for label in prediction.labels)
        return [[("" if single else " ").join(prediction.labels)]]
    if prediction.text is not None:
        return [[prediction.text]]
    return [[repr(value) for value in prediction.numbers.values()]]
