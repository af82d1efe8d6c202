"""The purpose of a table, as its messages mention it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TableHints:
    """Parts of hints that depend on the use of a table."""

    what: str
    """The expected kind of file."""
    holds: str
    """The minimum content of a table."""
    header: tuple[str, ...]
    """An example header."""
    correct: str
    """Remedy for a value that is not a number or too large."""
    choose: str
    """The key that names the columns of numbers."""
    comma: str
    """Remedy for a field with a comma, if commas separate columns."""
    columns: int = 2
    """Minimum number of columns."""
    categories: str = ""
    """Remedy for a column of words."""
    takes_decimal: bool = True
    """True if the command supports `data.decimal`."""


SERIES = TableHints(
    what="a table of series",
    holds="a column of dates and at least one of numbers, with a header that names them",
    header=("date", "value"),
    correct="correct it, or leave it empty and write data.missing=interpolate",
    choose="data.targets=[…]",
    comma="a number with a decimal comma needs another separator or quotes",
    categories="; if it is a covariate of categories, name it in data.categories",
)
LABELLED = TableHints(
    what="a table of labelled sequences",
    holds="a column of texts or columns of numbers, and one of labels, with a header that names them",
    header=("text", "label"),
    correct="correct it, or delete the sequence",
    choose="data.features=[…]",
    comma="put a text with a comma between quotation marks",
    columns=1,  # texts alone may be predicted
)
NEWER_SERIES = replace(SERIES, takes_decimal=False, categories="")
NEWER_LABELLED = replace(LABELLED, takes_decimal=False)
"""Tables that a run reads after its training."""
