"""The table of a run's predictions."""

from __future__ import annotations

import csv
import io

from lstmctl.data.prediction_table import as_csv
from lstmctl.results.output import Prediction


def test_blanks_and_line_breaks_are_quoted_and_come_back() -> None:
    pairs = [("hell", "o"), ("so", " "), ("an end.", "\n"), ("he said, ", '"'), ("", "T")]
    table = as_csv([Prediction(text, label=label, probabilities={label: 0.5}) for text, label in pairs], texts=True)
    assert table == (
        "text,label,probability\n"
        "hell,o,0.5000\n"
        '"so"," ","0.5000"\n'
        '"an end.","\n","0.5000"\n'
        '"he said, ","""","0.5000"\n'
        ",T,0.5000\n"
    )
    rows = csv.DictReader(io.StringIO(table, newline=""))
    assert [(row["text"], row["label"]) for row in rows] == pairs
