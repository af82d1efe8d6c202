"""What a table is read for, as far as its errors say what would be right."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TableHints:
    """The words of the hints that differ with the use of a table."""

    what: str
    """What is to be given."""
    holds: str
    """What a table has at least."""
    header: tuple[str, ...]
    """A header line, for those who have none."""
    correct: str
    """What to do with a value that is no number or too large."""
    choose: str
    """The key that names the columns of numbers."""
    comma: str
    """What to do with a field that holds a comma, where commas separate."""
    columns: int = 2
    """The least number of columns."""
    takes_decimal: bool = True
    """Whether a command that reads it takes `data.decimal`."""


SERIES = TableHints(
    what="a table of series",
    holds="a column of dates and at least one of numbers, with a header that names them",
    header=("date", "value"),
    correct="correct it, or leave it empty and write data.missing=interpolate",
    choose="data.targets=[…]",
    comma="a number with a decimal comma needs another separator or quotes",
)
LABELLED = TableHints(
    what="a table of labelled sequences",
    holds="a column of texts or columns of numbers, and one of labels, with a header that names them",
    header=("text", "label"),
    correct="correct it, or delete the sequence",
    choose="data.features=[…]",
    comma="a text that contains a comma must be in quotation marks",
    columns=1,  # texts alone may be predicted
)
NEWER_SERIES = replace(SERIES, takes_decimal=False)
NEWER_LABELLED = replace(LABELLED, takes_decimal=False)
"""Tables that a run reads after its training."""
