"""Known dependencies of a text: where it repeats earlier information, and how far back that is.

They are in a table next to the text, `NAME-dependencies.csv` for `NAME.txt`, with one row per repetition. Columns:
`kind`; `answer_start`, `answer_end` and `answer`, the answer and its position, in characters from the text's beginning;
`reminder_end`, the end of the last mention that determines the answer, from which distances count; and, if known,
`cue_start`, the position of the first mention, and `last_named`, the answer of a rule that remembers only the last
mention of the kind. The bundled `travellers.txt` has one (data/README.md).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

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
    """Return the table next to a text of one file; None if it does not exist."""
    return table_beside(corpus.files)


def table_beside(files: Sequence[Path]) -> Path | None:
    """Return the table next to a text's only file; None if it does not exist, or the text has several files."""
    if len(files) != 1:
        return None
    (file,) = files
    path = file.with_name(_name(file))
    return path if path.is_file() else None


def _name(file: Path) -> str:
    return f"{file.stem}-dependencies.csv"


def read_dependencies(path: Path, corpus: TextCorpus, kind: str | None = None) -> list[Dependency]:
    """Return the dependencies of one kind, in the order of the table.

    Args:
        kind: by default the one with the most rows.

    Raises:
        DataError: the table cannot be read, lacks a column or the kind, or belongs to another text.
    """
    rows = _rows(path, _content(path))
    kinds = Counter(row["kind"] for row in rows.values())
    kind = kind or kinds.most_common(1)[0][0]
    if kind not in kinds:
        raise DataError(f"{path} has no dependencies of kind {kind}; it has {', '.join(kinds)}")
    return [_dependency(path, corpus, line, row) for line, row in rows.items() if row["kind"] == kind]


def emphasise(corpus: TextCorpus) -> TextCorpus:
    """Return the corpus with the symbols marked that decide its answers.

    These are the first symbols of each answer in the table, of any kind, up to the one that distinguishes it from all
    other answers of its kind ("Po" of Polish, "Por" of Portuguese), or all of them.

    Raises:
        DataError: the table next to the text is missing, or `read_dependencies` would refuse it.
    """
    path = dependencies_beside(corpus)
    if path is None:
        raise DataError(
            f"data.emphasis needs a table of dependencies next to the text, but {_missing(corpus)}",
            hint="leave out data.emphasis, or write the table (docs/inspecting.md describes it)",
        )
    content = _content(path)
    answers = defaultdict(list)
    for line, row in _rows(path, content).items():
        answers[row["kind"]].append(_dependency(path, corpus, line, row))
    marked = np.zeros(len(corpus), np.bool_)
    for of_kind in answers.values():
        deciding = deciding_lengths({one.answer for one in of_kind})
        for one in of_kind:
            marked[one.start : one.start + deciding[one.answer]] = True
    fingerprint = {**corpus.fingerprint, "dependencies_sha256": hashlib.sha256(content).hexdigest()}
    return replace(corpus, emphasised=marked, fingerprint=fingerprint)


def deciding_lengths(answers: Collection[str]) -> dict[str, int]:
    """Return the number of first characters that distinguish each answer from all others; its whole length if another
    answer begins with it."""
    beginnings = Counter(answer[:length] for answer in answers for length in range(1, len(answer) + 1))
    return {
        answer: next((length for length in range(1, len(answer)) if beginnings[answer[:length]] == 1), len(answer))
        for answer in answers
    }


def _missing(corpus: TextCorpus) -> str:
    if len(corpus.files) == 1:
        return f"{corpus.files[0].with_name(_name(corpus.files[0]))} does not exist"
    return f"{', '.join(corpus.names)} are several files, and a table belongs to one"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _rows(path: Path, content: bytes) -> dict[int, dict[str, str]]:
    """Return the rows of a table by line number, with all columns that are needed."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if lacking := [name for name in NEEDED if not rows or name not in rows[0]]:
        raise DataError(f"{path} has no column {', '.join(lacking)}; a table of dependencies has {', '.join(NEEDED)}")
    return dict(enumerate(rows, 2))


def _dependency(path: Path, corpus: TextCorpus, line: int, row: dict[str, str]) -> Dependency:
    """Return the dependency of one row, checked against the text."""
    try:
        start, stop, reminder = (int(row[name]) for name in ("answer_start", "answer_end", "reminder_end"))
        first = int(row.get("cue_start") or reminder)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: line {line}: places must be whole numbers") from error
    if corpus.encoding.decode(corpus.symbols[start:stop]) != row["answer"]:
        raise DataError(
            f"{path}: line {line}: the text has no {row['answer']!r} at {start}; the table is of another text"
        )
    return Dependency(row["kind"], first, reminder, start, stop, row["answer"], row.get("last_named") or None)
