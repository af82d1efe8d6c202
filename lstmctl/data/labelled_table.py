"""Labelled sequences from a table: found, read, cut into sequences, split, scaled without a leak.

Scales, labels and the vocabulary come from the training part alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.labelled_answers import (
    Labels,
    character_labels,
    class_numbers,
    counted,
    fit_numbers,
    frame_labels,
    frame_numbers,
    is_blank,
    missing_labels,
    numbers_apart,
    sequence_labels,
    sequence_numbers,
)
from lstmctl.data.labelled_columns import Columns, Layout, find_columns
from lstmctl.data.labelled_rows import (
    Cut,
    check_lengths,
    cut_windows,
    encode_texts,
    named_rows,
    one_recording,
    text_rows,
)
from lstmctl.data.locating import locate, portable_name
from lstmctl.data.row_order import row_order
from lstmctl.data.sequences import UNLABELLED, Array, SequenceEncoding, Sequences, range_in_words
from lstmctl.data.shared_rows import shared_rows
from lstmctl.data.splitting import between_groups, split_positions, without_test
from lstmctl.data.symbol_words import shown_symbols, unknown_symbols
from lstmctl.data.table_hints import LABELLED, NEWER_LABELLED
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import DataError
from lstmctl.words import plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

__all__ = ["LabelledTable", "Layout", "open_table"]

Parts = dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """Labelled sequences, with the facts that identify them; see `sequences.SequenceCorpus`."""

    sequences: Sequences
    """All sequences. Target numbers are in the units of the table."""
    encoding: SequenceEncoding
    parts: Parts
    """Start and stop of each part, in sequences."""
    names: tuple[str, ...]
    """Name of the file for a run's own config, which works from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the file, its sequences and their steps."""
    notes: tuple[str, ...]
    """Sentences about what was found and left out."""
    is_labelled: bool
    """True if the table contains labels."""
    warnings: Mapping[str, tuple[str, ...]]
    """By part: sentences on why its scores may mislead."""
    unknown: Mapping[str, str]
    """By part: a sentence if some of its texts have symbols that the vocabulary lacks."""
    test_names: tuple[str, ...] = ()
    """Name of the file of the test part in a run's own config."""

    def __len__(self) -> int:
        return len(self.sequences)

    def part(self, name: str) -> Sequences:
        """Return the sequences of one part."""
        return self.sequences.between(*self.parts[name])


def open_table(
    paths: str | Sequence[str],
    layout: Layout,
    task: str,
    config_folder: Path | None,
    *,
    encoding: SequenceEncoding | None = None,
    with_labels: bool = True,
) -> LabelledTable:
    """Find, read, check and split a table of labelled sequences.

    Args:
        paths: the name of one file.
        layout: how to read it.
        task: classification, regression, tagging or generation-from-label.
        config_folder: the first folder to look for the name in.
        encoding: a run's own, for data the run has not seen: its vocabulary, features, scales and labels apply, all
            sequences are one part, `validation`, and the column of labels may be absent or empty.
        with_labels: whether to read labels; without, their columns are kept like any other.

    Raises:
        DataError: the data is missing or unsuitable; with the position and a remedy.
    """
    # Imports polars, which tasks on texts should not wait for.
    from lstmctl.data.tables import open_sheet

    named = [paths] if isinstance(paths, str) else list(paths)
    if len(named) != 1:
        raise DataError(
            f"data.table names {len(named)} files, but sequences are read from one",
            hint="join them into one table: the same header once, and the rows of all",
        )
    path = locate(named[0], config_folder, "data.table" if encoding is None else None)
    # A newer table has the run's number format: its few rows may not show what `1.000` means.
    known = None if encoding is None or layout.decimal != "auto" else encoding.decimal
    hints = LABELLED if encoding is None else NEWER_LABELLED
    sheet = open_sheet(path, layout.separator, known or layout.decimal, hints)
    if not sheet.rows:
        raise DataError(f"{sheet.path} has a header but no rows")
    columns = find_columns(sheet, layout, task, encoding, with_labels=with_labels)
    if task == "generation-from-label" and columns.text is None:
        raise DataError(
            f"{sheet.path} has no column of texts, which task.type {task} needs",
            hint="say which it is: data.text=NAME",
        )
    is_labelled = bool(columns.labels) and (encoding is None or not is_blank(sheet, columns.labels))
    texts, cut = _recordings(sheet, columns)
    groups = None
    if encoding is None:
        sheet, texts, cut, groups = _reordered(sheet, columns, texts, cut, layout, task)
    whole, cut = cut, _windows(sheet, columns, cut, layout)
    if encoding is not None:
        parts: Parts = {"validation": (0, len(cut.starts))}
    else:
        owners = np.searchsorted(whole.starts, cut.starts, side="right") - 1
        parts = _split(sheet, cut, layout, None if groups is None else groups[owners])
    inputs, fitted = _inputs(sheet, columns, cut, texts, parts, layout, encoding)
    targets, fitted, remarks = _targets(sheet, columns, cut, texts, parts, layout, task, fitted, is_labelled)
    by_step = task == "tagging"
    kept = texts if encoding is not None else ()
    sequences = Sequences(
        inputs,
        cut.starts,
        cut.lengths,
        targets,
        by_step=by_step,
        names=tuple(kept) or cut.names,
        columns=_kept(sheet, columns, cut, by_step=by_step) if not with_labels else {},
    )
    fitted = replace(fitted, decimal=_decimal(sheet, columns, task)) if encoding is None else encoding
    fingerprint = {**sheet.fingerprint(), "sequences": len(cut.starts), "steps": len(inputs)}
    test_names: tuple[str, ...] = ()
    if layout.test is not None and encoding is None:
        test = _test_part(layout, task, config_folder, fitted)
        parts["test"] = len(cut.starts), len(cut.starts) + len(test)
        sequences = _joined(sequences, test.sequences)
        if columns.text is not None:
            texts = [*texts, *test.sequences.names]
        fingerprint, test_names = _joined_fingerprint(fingerprint, test.fingerprint), test.names
        remarks += [f"{_sentence(note)[:-1]} (test part)." for note in test.notes]
    shuffles = columns.text is not None or columns.sequence is not None
    in_order = shuffles and bool((np.diff(sheet.lines) >= 0).all())
    warnings = _warnings(sequences, fitted, parts, layout, is_labelled=is_labelled, in_order=in_order, texts=texts)
    return LabelledTable(
        sequences,
        fitted,
        parts,
        (portable_name(named[0], path),),
        fingerprint,
        (*(_sentence(note) for note in sheet.notes), *remarks, _sizes(cut, texts)),
        is_labelled,
        warnings,
        _unknown(texts, fitted, parts),
        test_names,
    )


def _recordings(sheet: Sheet, columns: Columns) -> tuple[list[str], Cut]:
    """Return the texts, if there are any, and the steps of each text or recording."""
    if columns.text is not None:
        return text_rows(sheet, columns.text)
    return [], one_recording(sheet) if columns.sequence is None else named_rows(sheet, columns.sequence)


def _reordered(
    sheet: Sheet, columns: Columns, texts: list[str], cut: Cut, layout: Layout, task: str
) -> tuple[Sheet, list[str], Cut, NDArray[np.int64] | None]:
    """Return the arguments in the order of the split, and the group of each sequence, if there are groups."""
    classes = task in ("classification", "generation-from-label")
    found = row_order(
        sheet,
        cut,
        columns.used,
        layout.split_by,
        layout.split_seed,
        task,
        label=columns.labels[0] if classes else None,
        windows=layout.window is not None,
    )
    if not found.said:
        return sheet, texts, cut, None
    sheet.notes.append(found.said)
    ranges = [np.arange(cut.starts[one], cut.starts[one] + cut.lengths[one]) for one in found.order]
    rows = found.order if columns.text is not None else np.concatenate(ranges)
    from lstmctl.data.reordered_sheet import ReorderedSheet  # imports polars

    reordered = ReorderedSheet(sheet, rows)
    texts, cut = _recordings(reordered, columns)
    return reordered, texts, cut, None if found.groups is None else found.groups[found.order]


def _windows(sheet: Sheet, columns: Columns, cut: Cut, layout: Layout) -> Cut:
    """Return the sequences, cut into windows if the config says so."""
    if columns.text is not None:
        return cut
    if layout.window is not None:
        cut = cut_windows(sheet, cut, layout.window, layout.stride or layout.window)
    check_lengths(sheet, cut, "frames", "cut it into windows, say data.window=500")
    return cut


def _test_part(layout: Layout, task: str, config_folder: Path | None, encoding: SequenceEncoding) -> LabelledTable:
    """Return the test part from a separate file."""
    assert layout.test is not None
    names = [layout.test] if isinstance(layout.test, str) else list(layout.test)
    if len(names) != 1:
        raise DataError(f"data.test names {len(names)} files, but sequences are read from one")
    name = str(locate(names[0], config_folder, "data.test"))
    test = open_table(name, replace(layout, test=None), task, config_folder, encoding=encoding)
    if not test.is_labelled:
        raise DataError(f"{name} has no labels, so it cannot be the test part", hint="give each row its label")
    return replace(test, names=(portable_name(names[0], Path(name)),))


def _joined(first: Sequences, second: Sequences) -> Sequences:
    """Return two sets of sequences, one after the other."""
    return replace(
        first,
        values=np.concatenate([first.values, second.values]),
        starts=np.concatenate([first.starts, second.starts + len(first.values)]),
        lengths=np.concatenate([first.lengths, second.lengths]),
        targets=np.concatenate([first.targets, second.targets]),
        names=(*first.names, *second.names) if first.names else (),
    )


def _joined_fingerprint(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the total sizes of two files, and a SHA-256 that changes with either."""
    both = sha256(f"{first['sha256']} {second['sha256']}".encode()).hexdigest()
    return {"sha256": both, **{key: first[key] + second[key] for key in ("bytes", "sequences", "steps")}}


def _kept(sheet: Sheet, columns: Columns, cut: Cut, *, by_step: bool) -> dict[str, tuple[str, ...]]:
    """Return every other column: one value per sequence, or per frame if every frame is labelled. Columns that vary
    within a sequence with one label are left out."""
    own = {columns.text, columns.sequence}
    found = {}
    for number, name in enumerate(sheet.names):
        if number in own:
            continue
        values = sheet.texts(number).to_numpy()
        if columns.text is not None or by_step:
            found[name] = tuple(map(str, values))
            continue
        spans = zip(cut.starts, cut.starts + cut.lengths, strict=True)
        if all((values[start:stop] == values[start]).all() for start, stop in spans):
            found[name] = tuple(str(values[start]) for start in cut.starts)
    return found


def _unknown(texts: Sequence[str], encoding: SequenceEncoding, parts: Parts) -> dict[str, str]:
    """Return, by part, a sentence if its texts have symbols that the vocabulary lacks."""
    found = {}
    for name, (start, stop) in parts.items():
        if encoding.symbols is None or not texts:
            break
        count, symbols = unknown_symbols(texts[start:stop], encoding.symbols)
        if count:
            own = "training" in parts
            found[name] = (
                f"{count:,} of {plural(stop - start, 'text')}{f' of the {name} part' if own else ''} "
                f"{'has' if count == 1 else 'have'} symbols that "
                f"{'the training part lacks' if own else 'the run does not know'}, read as unknown: "
                f"{shown_symbols(symbols)}."
            )
    return found


def _decimal(sheet: Sheet, columns: Columns, task: str) -> str | None:
    """Return the decimal sign, if the table's numbers are read."""
    return sheet.known_decimal if columns.features or task == "regression" else None


def _split(sheet: Sheet, cut: Cut, layout: Layout, groups: NDArray[np.int64] | None) -> Parts:
    """Return start and stop of each part. Windows that reach into the part before are left out, so no frame is in two
    parts."""
    split = layout.split if layout.test is None else without_test(layout.split)
    try:
        parts = split_positions(len(cut.starts), split, "sequences")
        if groups is not None:
            parts = between_groups(parts, groups)
    except DataError as error:
        if groups is not None:
            raise DataError(f"{sheet.path}: {error}", hint=error.hint) from error
        hint = "fewer sequences for its parts in data.split, or more in the table"
        raise DataError(f"{sheet.path}: {error}", hint=hint) from error
    end, left = 0, 0
    for name, (start, stop) in parts.items():
        fresh = start + int(np.searchsorted(cut.starts[start:stop], end))
        if fresh == stop:
            raise DataError(
                f"{sheet.path}: every window of the {name} part has frames of the part before it",
                hint="a larger data.stride, a smaller data.window, or a larger share in data.split",
            )
        parts[name] = fresh, stop
        left += fresh - start
        end = cut.steps(fresh, stop)[1]
    if left:
        windows = plural(left, "window is", "windows are")
        sheet.notes.append(f"{windows} left out: they have frames in common with the part before.")
    return parts


def _inputs(
    sheet: Sheet,
    columns: Columns,
    cut: Cut,
    texts: list[str],
    parts: Parts,
    layout: Layout,
    encoding: SequenceEncoding | None,
) -> tuple[Array, SequenceEncoding]:
    """Return (steps,) symbols or (steps, features) scaled numbers, and their encoding."""
    if columns.text is not None:
        if encoding is None:
            of_training = layout.vocabulary == "training"
            start, stop = parts["training"] if of_training else (0, len(texts))
            symbols = TextEncoding.of("".join(texts[start:stop]), has_unknown=of_training)
            encoding = SequenceEncoding(symbols=symbols)
        assert encoding.symbols is not None
        return encode_texts(texts, encoding.symbols), encoding
    values = frame_numbers(sheet, columns.features, cut)
    if encoding is None:
        start, stop = cut.steps(*parts["training"])
        names = tuple(sheet.names[column] for column in columns.features)
        encoding = SequenceEncoding(features=fit_numbers(sheet, names, layout.scaler, values[start:stop]))
    assert encoding.features is not None
    return encoding.features.scaled(values), encoding


def _targets(
    sheet: Sheet,
    columns: Columns,
    cut: Cut,
    texts: list[str],
    parts: Parts,
    layout: Layout,
    task: str,
    encoding: SequenceEncoding,
    is_labelled: bool,
) -> tuple[Array, SequenceEncoding, list[str]]:
    """Return the targets, the encoding with the table's format, and notes."""
    if task == "regression":
        outputs = encoding.outputs
        if not is_labelled:
            assert outputs is not None
            return np.full((len(cut.starts), len(outputs.names)), np.nan), encoding, []
        values = sequence_numbers(sheet, columns.labels, cut)
        if outputs is None:
            names = tuple(sheet.names[column] for column in columns.labels)
            start, stop = parts["training"]
            outputs = fit_numbers(sheet, names, layout.scaler, values[start:stop])
        return values, SequenceEncoding(encoding.symbols, encoding.features, outputs=outputs), []
    if not is_labelled:
        steps = int(cut.lengths.sum()) if columns.text is not None else sheet.rows
        count = steps if task == "tagging" else len(cut.starts)
        return np.full(count, UNLABELLED, dtype=np.int64), encoding, []
    labels = _labels(sheet, columns, cut, texts, task)
    numbers, classes = class_numbers(sheet, labels, cut, parts, encoding.labels or None)
    return numbers, SequenceEncoding(encoding.symbols, encoding.features, classes), [counted(labels, cut, parts)]


def _warnings(
    sequences: Sequences,
    encoding: SequenceEncoding,
    parts: Parts,
    layout: Layout,
    *,
    is_labelled: bool,
    in_order: bool,
    texts: Sequence[str],
) -> dict[str, tuple[str, ...]]:
    """Return, by part, sentences on labels that it lacks and sequences that it shares with the training part."""
    found: list[dict[str, str]] = []
    remedy = "data.split_by=random shuffles the rows" if in_order else ""
    if is_labelled and encoding.outputs is not None:
        found.append(numbers_apart(sequences.targets, encoding.outputs.names, parts, remedy))
    elif is_labelled:
        spans = {name: sequences.steps(*part) if sequences.by_step else part for name, part in parts.items()}
        found.append(missing_labels(sequences.targets, encoding.labels, spans, remedy))
    if texts:
        grouped = layout.split_by == f"group:{layout.text or 'text'}" or layout.test is not None
        cure = "" if grouped else f"; data.split_by=group:{layout.text or 'text'} keeps equal texts in one part"
        found.append(shared_rows(texts, parts, "text", cure))
    elif "training" in parts:
        digests = [blake2b(sequences.input(one).tobytes()).digest() for one in range(len(sequences))]
        found.append(shared_rows(digests, parts, "sequence"))
    return {name: said for name in parts if (said := tuple(each[name] for each in found if name in each))}


def _labels(sheet: Sheet, columns: Columns, cut: Cut, texts: list[str], task: str) -> Labels:
    column = columns.labels[0]
    if task != "tagging":
        return sequence_labels(sheet, column, cut)
    return frame_labels(sheet, column, cut) if columns.text is None else character_labels(sheet, column, texts, cut)


def _sizes(cut: Cut, texts: Sequence[str]) -> str:
    """Return the range of lengths, in words."""
    unit = "characters" if texts else "frames"
    return f"Sequences have {range_in_words(int(cut.lengths.min()), int(cut.lengths.max()))} {unit}."


def _sentence(note: str) -> str:
    return note if note.endswith(".") else f"{note}."
