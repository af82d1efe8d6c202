"""Derive a config for a table of labelled texts or frames; the task follows from the kind of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl import shell
from lstmctl.data.labelled_features import LABEL_NAMES, SEQUENCE_NAMES, TEXT_NAMES
from lstmctl.deriving.derived import Derived, about, list_of
from lstmctl.errors import DataError
from lstmctl.words import listed

if TYPE_CHECKING:
    import polars as pl

    from lstmctl.data.sheets import Sheet

TEXTS = (*TEXT_NAMES, "sentence", "message", "review", "comment", "document", "content", "body", "name", "title")
LABELS = (*LABEL_NAMES, "class", "category", "sentiment", "tag", "tags", "y", "rating", "score", "type", "spam")
NUMBERS = ("id", "index", "row", "unnamed")
TRIED = 20_000
"""Number of rows from which the use of a column is inferred."""
MOST_LABELS = 200
SHORT_TEXT = 12
"""Minimum mean number of characters in a column of texts; shorter ones are more likely labels."""
STEPS_PER_SECOND = 250_000
"""Approximate symbols or frames per second in training on two cores without bfloat16, for 96 bidirectional units."""
LONGEST_EPOCHS = 20


def find_text(sheet: Sheet) -> str | None:
    """Return the column of texts: the one with a usual name, or else with the longest texts; None if there is none."""
    places = [number for number in range(len(sheet.names)) if sheet.kind(number) == "text"]
    named = [number for number in places if sheet.names[number].casefold() in TEXTS]
    longest = {number: _mean_length(sheet.texts(number).head(TRIED)) for number in named or places}
    free = {number: length for number, length in longest.items() if named or length >= SHORT_TEXT}
    if not free:
        return None
    return sheet.names[max(free, key=lambda number: free[number])]


def find_label(sheet: Sheet, text: str | None) -> str | None:
    """Return the column of labels: the one with a usual name, or else the only one with few distinct values; None if
    there is none.

    Raises:
        DataError: several columns are possible; the hint has a command for each.
    """
    free = [number for number, name in enumerate(sheet.names) if name != text and number not in sheet.unnamed]
    for wanted in LABELS:
        for number in free:
            if sheet.names[number].casefold() == wanted:
                return sheet.names[number]
    few = []
    for number in free:
        values = sheet.texts(number).head(TRIED)
        distinct = values.n_unique()
        if sheet.names[number].casefold() not in NUMBERS and 2 <= distinct <= min(MOST_LABELS, len(values) // 5):
            few.append(sheet.names[number])
    if len(few) > 1:
        commands = "  or  ".join(
            f"{shell.join(['lstmctl', 'train', str(sheet.path)])} {shell.setting('data.label', name)}"
            for name in few[:2]
        )
        raise DataError(f"{sheet.path}: {listed(few)} could each be the labels", hint=commands)
    return few[0] if few else None


def derive_labels(sheet: Sheet, derived: Derived) -> Derived:
    """Derive the config of a table of labelled sequences.

    Raises:
        DataError: it has no column of labels, or none of texts or frames.
    """
    given = derived.given
    is_of_frames = any(f"data.{key}" in given for key in ("sequence", "features", "window"))
    text = None if is_of_frames else given.get("data.text") or find_text(sheet)
    label = given.get("data.label") or find_label(sheet, text)
    for name in [text or [], label or []]:
        for one in [name] if isinstance(name, str) else name:
            if one not in sheet.names:
                raise DataError(f"{sheet.path} has no column `{one}`; its columns are {listed(sheet.names)}")
    if label is None:
        raise DataError(
            f"{sheet.path} has no column of labels among {listed(sheet.names)}",
            hint=f"name it: {shell.join(['lstmctl', 'train', str(sheet.path)])} data.label=NAME",
        )
    derived.decide("data.table", str(sheet.path.resolve()))
    steps = _steps(sheet, derived, text)
    first = label if isinstance(label, str) else label[0]
    task = derived.decide("task.type", *_task(sheet, text, first))
    derived.decide("data.label", label, "" if first.casefold() in LABEL_NAMES else "the column to predict")
    rows = sheet.rows
    derived.what = f"{sheet.path.name}: {rows:,} {'texts' if text else 'rows'} with `{first}`, for {task}"
    size = 64 if rows < 2000 else 96 if rows < 50_000 else 192
    derived.decide("model.cell", "lstm")
    derived.decide("model.hidden", size, f"for {rows:,} rows")
    if task not in ("generation-from-label",):
        derived.decide("model.direction", "bidirectional")
    derived.decide("model.embedding", 32)
    derived.decide("model.dropout", 0.3 if rows < 5000 else 0.2, "against overfitting")
    epochs = int(max(2, min(LONGEST_EPOCHS, derived.seconds * STEPS_PER_SECOND * 96 / size / max(1, steps))))
    seconds = round(epochs * steps / STEPS_PER_SECOND * size / 96)
    derived.decide("training.budget", f"{epochs} epochs", about(seconds))
    derived.decide("training.batch", 16 if rows < 2000 else 32 if rows < 50_000 else 64)
    derived.decide("training.learning_rate", 3e-3)
    derived.decide("training.schedule", "cosine")
    return derived


def _steps(sheet: Sheet, derived: Derived, text: str | None) -> int:
    """Decide the columns of a sequence, and return the number of steps of all sequences."""
    if text is not None:
        if text.casefold() not in TEXT_NAMES:
            derived.decide("data.text", text, "the column of texts")
        number = sheet.names.index(text)
        return round(_mean_length(sheet.texts(number).head(TRIED)) * sheet.rows)
    named = [name for name in sheet.names if name.casefold() in SEQUENCE_NAMES]
    if not named and "data.sequence" not in derived.given:
        derived.decide("data.window", 50, "rows are frames of one recording, cut into windows of 50")
    return sheet.rows


def _task(sheet: Sheet, text: str | None, label: str) -> tuple[str, str]:
    """Return the task, and the reason for it."""
    number = sheet.names.index(label)
    values = sheet.texts(number).head(TRIED)
    distinct = values.n_unique()
    if text is not None and _are_tags(sheet.texts(sheet.names.index(text)).head(TRIED), values):
        return "tagging", f"`{label}` has a label for every character"
    if sheet.kind(number) in ("number", "whole") and (
        sheet.kind(number) == "number" or distinct > min(20, len(values) // 5)
    ):
        return "regression", f"`{label}` holds numbers"
    if distinct > MOST_LABELS or distinct > len(values) // 2:
        raise DataError(
            f"{sheet.path}: `{label}` has {distinct:,} different values in {len(values):,} rows, too many for labels",
            hint=f"another column holds the labels: data.label=NAME; its columns: {listed(sheet.names)}",
        )
    shown = [str(value) for value in values.unique(maintain_order=True)]
    return "classification", f"`{label}` has {distinct:,} values: {list_of(shown)}"


def _are_tags(texts: pl.Series, values: pl.Series) -> bool:
    """Return True if each label has one character, or one word, per character of its text."""
    lengths, written = texts.str.len_chars(), values.str.len_chars()
    words = values.str.split(" ").list.len()
    return bool(((written == lengths) | (words == lengths)).all()) and bool((lengths > 1).any())


def _mean_length(texts: pl.Series) -> float:
    mean = texts.str.len_chars().mean()
    return float(mean) if isinstance(mean, int | float) else 0.0
