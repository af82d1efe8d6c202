"""The use of each column of a table of labelled sequences, as a config says or by name and content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from lstmctl.data.labelled_features import LABEL_NAMES, SEQUENCE_NAMES, TEXT_NAMES, recognised_features
from lstmctl.data.sequences import SequenceEncoding
from lstmctl.errors import DataError
from lstmctl.shell import setting
from lstmctl.words import listed, near

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet


@dataclass(frozen=True)
class Layout:
    """Settings for reading a table of labelled sequences: all keys of the config's `data` section except `table`."""

    text: str | None = None
    sequence: str | None = None
    features: tuple[str, ...] | None = None
    label: tuple[str, ...] | None = None
    window: int | None = None
    stride: int | None = None
    separator: str = "auto"
    decimal: str = "auto"
    scaler: str = "standard"
    split: tuple[float, ...] | tuple[int, ...] = (0.8, 0.1, 0.1)
    split_by: str = "auto"
    split_seed: int = 0
    test: str | tuple[str, ...] | None = None
    vocabulary: str = "training"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings in a config's `data` section."""
        found: dict[str, Any] = {field.name: values[field.name] for field in fields(cls)}
        for name, value in found.items():
            if isinstance(value, list):
                found[name] = tuple(value)
        return cls(**found)


@dataclass(frozen=True)
class Columns:
    """The use of each column, by number."""

    text: int | None
    sequence: int | None
    features: tuple[int, ...]
    labels: tuple[int, ...]
    """Empty if the table has no targets."""

    @property
    def used(self) -> set[int]:
        """The columns that have a use."""
        single = {number for number in (self.text, self.sequence) if number is not None}
        return {*single, *self.features, *self.labels}


def find_columns(
    sheet: Sheet, layout: Layout, task: str, encoding: SequenceEncoding | None, *, with_labels: bool = True
) -> Columns:
    """Return the use of each column; those that are left out are noted in `sheet.notes`.

    Args:
        sheet: the table.
        layout: the settings of a config.
        task: its name in a config.
        encoding: of a run: its features are then read, and labels may be absent.
        with_labels: whether columns of labels have a use.

    Raises:
        DataError: a named column is missing or has two uses, or the use of columns is ambiguous; with what would be
            right.
    """
    _check_named(sheet, layout, encoding)
    labels = _labels(sheet, layout, task, encoding) if with_labels else ()
    text = _text(sheet, layout, encoding)
    if text is not None:
        _note_unused(sheet, {text, *labels})
        return Columns(text, None, (), labels)
    sequence = _named_or(sheet, layout.sequence, SEQUENCE_NAMES)
    _check_cut(sheet, layout, sequence)
    if encoding is not None:
        assert encoding.features is not None
        features = tuple(sheet.names.index(name) for name in encoding.features.names)
    elif layout.features is not None:
        features = tuple(sheet.names.index(name) for name in layout.features)
    else:
        features = recognised_features(sheet, {*labels, *([] if sequence is None else [sequence])}, sequence)
    _note_unused(sheet, {*features, *labels, *([] if sequence is None else [sequence])})
    return Columns(None, sequence, features, labels)


def _uses(layout: Layout) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the keys of a config that name columns, with the columns."""
    yield "text", () if layout.text is None else (layout.text,)
    yield "sequence", () if layout.sequence is None else (layout.sequence,)
    yield "features", layout.features or ()
    yield "label", layout.label or ()


def _check_named(sheet: Sheet, layout: Layout, encoding: SequenceEncoding | None) -> None:
    """Raise DataError if a column that the config names is missing or has two uses."""
    features = () if encoding is None or encoding.features is None else encoding.features.names
    absent = encoding is not None and not any(name in sheet.names for name in layout.label or ())
    used: dict[str, str] = {}
    for key, names in (*_uses(layout), ("features", features if layout.features is None else ())):
        for name in names:
            if name in used:
                raise DataError(f"column `{name}` is named by data.{used[name]} and by data.{key}; leave it in one")
            used[name] = key
            if name not in sheet.names and not (key == "label" and absent):
                similar = near(name, sheet.names, mark="`")
                whose = "the run's data" if encoding is not None else "data"
                raise DataError(
                    f"{sheet.path} has no column `{name}`, which {whose}.{key} names{similar and f'; {similar}'}",
                    hint=f"its columns: {listed(sheet.names)}",
                )
    if layout.text is not None and (layout.sequence or layout.features or layout.window):
        frames = "sequence" if layout.sequence else "features" if layout.features else "window"
        raise DataError(
            f"data.text says that every row is a text, but data.{frames} that every row is a frame; leave one out"
        )


def _labels(sheet: Sheet, layout: Layout, task: str, encoding: SequenceEncoding | None) -> tuple[int, ...]:
    if layout.label is not None:
        if task != "regression" and len(layout.label) > 1:
            raise DataError(
                f"data.label names {len(layout.label)} columns, but task.type {task} reads one of labels",
                hint=f"name one: {setting('data.label', layout.label[0])}; several are numbers of task.type regression",
            )
        return tuple(sheet.names.index(name) for name in layout.label if name in sheet.names)
    names = LABEL_NAMES if encoding is None or encoding.outputs is None else encoding.outputs.names
    found = _named_or(sheet, None, names)
    if found is None and encoding is None:
        raise DataError(
            f"{sheet.path} has no column of labels: none is named {', '.join(LABEL_NAMES[:-1])} or {LABEL_NAMES[-1]}",
            hint=f"say which it is: data.label=NAME; its columns: {listed(sheet.names)}",
        )
    return () if found is None else (found,)


def _text(sheet: Sheet, layout: Layout, encoding: SequenceEncoding | None) -> int | None:
    if encoding is not None and encoding.symbols is None:
        return None
    if layout.sequence or layout.features or layout.window:
        return None
    found = _named_or(sheet, layout.text, TEXT_NAMES)
    if found is None and encoding is not None:
        raise DataError(
            f"{sheet.path} has no column `{TEXT_NAMES[0]}`, which the run reads",
            hint=f"its columns: {listed(sheet.names)}",
        )
    return found


def _named_or(sheet: Sheet, name: str | None, recognised: tuple[str, ...]) -> int | None:
    """Return the column named `name`, or else the first with a recognised name; None if there is none."""
    if name is not None:
        return sheet.names.index(name)
    places = {found.casefold(): number for number, found in reversed(list(enumerate(sheet.names)))}
    return next((places[wanted.casefold()] for wanted in recognised if wanted.casefold() in places), None)


def _check_cut(sheet: Sheet, layout: Layout, sequence: int | None) -> None:
    if sequence is None and layout.window is None:
        raise DataError(
            f"{sheet.path} has neither a column of texts nor one that names the sequence of each row",
            hint="say which it is: data.text=NAME or data.sequence=NAME; or cut the rows, one recording, into windows: "
            f"data.window=50; its columns: {listed(sheet.names)}",
        )
    if layout.stride is not None and layout.window is None:
        raise DataError("data.stride needs data.window; set both, or neither")


def _note_unused(sheet: Sheet, used: set[int]) -> None:
    unused = [name for number, name in enumerate(sheet.names) if number not in used]
    if unused:
        sheet.notes.append(f"Not used: {listed(unused)}.")
