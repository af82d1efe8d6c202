"""Known dependencies of a text: where something is recalled, and how far back it was said.

They are in a table next to the text, `NAME-dependencies.csv` for `NAME.txt`, with a row for each time that an earlier
piece of information is repeated. Columns: `kind`; `answer_start`, `answer_end` and `answer`, the answer and its
position, in characters from the text's beginning; `reminder_end`, the end of the last mention that determines the
answer, from which distances count; and, if known, `cue_start`, the position of the first mention, and `last_named`, the
answer of a rule that remembers only the last mention of the kind. The bundled `travellers.txt` has one
(data/README.md).
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lstmctl.data.text import TextCorpus
from lstmctl.errors import DataError

NEEDED = ("kind", "answer_start", "answer_end", "answer", "reminder_end")


@dataclass(frozen=True)
class Dependency:
    """One recall; places are counted in characters from the text's beginning."""

    kind: str
    first: int
    """Position of the first mention, or of the last reminder's end if it is unknown."""
    reminder_end: int
    start: int
    stop: int
    answer: str
    last_named: str | None

    @property
    def distance(self) -> int:
        """Characters over which the answer has to be remembered."""
        return self.start - self.reminder_end


def dependencies_beside(corpus: TextCorpus) -> Path | None:
    """The table next to a text of one file; None if there is none."""
    if len(corpus.files) != 1:
        return None
    (file,) = corpus.files
    path = file.with_name(f"{file.stem}-dependencies.csv")
    return path if path.is_file() else None


def read_dependencies(path: Path, corpus: TextCorpus, kind: str | None = None) -> list[Dependency]:
    """The dependencies of one kind, in the order of the table.

    Args:
        kind: by default the one with the most rows.

    Raises:
        DataError: the table cannot be read, lacks a column, has no such kind, or is not of this text.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if lacking := [name for name in NEEDED if not rows or name not in rows[0]]:
        raise DataError(f"{path} has no column {', '.join(lacking)}; a table of dependencies has {', '.join(NEEDED)}")
    kinds = Counter(row["kind"] for row in rows)
    kind = kind or kinds.most_common(1)[0][0]
    if kind not in kinds:
        raise DataError(f"{path} has no dependencies of kind {kind}; it has {', '.join(kinds)}")
    found = []
    for number, row in enumerate(rows, 2):
        if row["kind"] != kind:
            continue
        try:
            start, stop, reminder = (int(row[name]) for name in ("answer_start", "answer_end", "reminder_end"))
            first = int(row.get("cue_start") or reminder)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line {number}: places must be whole numbers") from error
        if corpus.encoding.decode(corpus.symbols[start:stop]) != row["answer"]:
            raise DataError(
                f"{path}: line {number}: the text has no {row['answer']!r} at {start}; the table is of another text"
            )
        found.append(Dependency(kind, first, reminder, start, stop, row["answer"], row.get("last_named") or None))
    return found
