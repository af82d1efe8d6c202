"""The order in which the sequences of a table are split: by position in the file, by time, at random, or by groups.

The order does not depend on the shares of the parts, so counts that cut off a tail leave the other parts as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.labelled_rows import Cut
from lstmctl.errors import DataError
from lstmctl.seeds import stream
from lstmctl.shell import setting
from lstmctl.words import listed, near

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

GROUP_NAMES = ("group", "subject", "speaker", "patient", "participant", "author", "user")
"""Names of columns that group rows, on their own or followed by `_id`."""
RANDOM_TASKS = ("classification", "regression")
"""Tasks whose sequences `auto` splits at random if no column says otherwise."""
FEWEST_GROUPS = 10
"""Groups that `auto` needs, to split by them."""

Order = NDArray[np.int64]


@dataclass(frozen=True)
class RowOrder:
    """The order in which sequences are split."""

    order: Order
    """(sequences,) their numbers in the file."""
    groups: Order | None
    """(sequences,) the group of each, in the file's order; parts begin with a new group. None if rows are
    independent."""
    said: str
    """A sentence; empty for the order of the file."""


def stratified(labels: Sequence[str] | None, count: int, seed: int) -> Order:
    """Return a random order of `count` rows in which every stretch has the labels in about equal shares.

    The rows of a label are shuffled and spread evenly. The first row of each label comes first, so that the training
    part has all labels.

    Args:
        labels: (count,), or None for plain shuffling.
        count: number of rows.
        seed: of the order.
    """
    # The raw output of a bit generator never changes between versions of numpy; its distributions may.
    keys = np.random.PCG64(stream(seed, "split")).random_raw(count)
    shuffled = np.argsort(keys, kind="stable").astype(np.int64)
    if labels is None:
        return shuffled
    _, numbers = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    own = numbers[shuffled]
    by_label = np.argsort(own, kind="stable")
    sizes = np.bincount(own)
    rank = np.empty(count, np.int64)
    rank[by_label] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.where(rank == 0, -1.0, (rank + 0.5) / sizes[own])
    return shuffled[np.argsort(place, kind="stable")]


def by_group(groups: Order, seed: int) -> Order:
    """Return an order of rows in which each group is one stretch, and groups are shuffled."""
    found, numbers = np.unique(groups, return_inverse=True)
    ranks = np.empty(len(found), np.int64)
    ranks[stratified(None, len(found), seed)] = np.arange(len(found))
    return np.argsort(ranks[numbers], kind="stable").astype(np.int64)


def row_order(
    sheet: Sheet,
    cut: Cut,
    used: set[int],
    split_by: str,
    seed: int,
    task: str,
    *,
    label: int | None,
    windows: bool,
) -> RowOrder:
    """Return the order in which the sequences of a table are split.

    Args:
        sheet, cut: the table and its sequences, before any are cut into windows.
        used: columns with another use; `auto` takes none of them for times or groups.
        split_by: the config's.
        seed: of random orders.
        task: as the config names it.
        label: the column of classes, for a task that predicts one per sequence.
        windows: whether the sequences are cut into windows.

    Raises:
        DataError: a named column does not exist, or cannot be used; or one recording would be shuffled.
    """
    how, _, column = split_by.partition(":")
    file_order = RowOrder(np.arange(len(cut.starts), dtype=np.int64), None, "")
    if how == "auto":
        how, column = _detected(sheet, cut, used, task, windows=windows)
    if how == "order":
        return file_order
    if how == "random":
        if len(cut.starts) == 1:
            raise DataError(
                f"{sheet.path} is one recording; its windows cannot be split at random, since neighbours are alike",
                hint="data.split_by=order splits it by position",
            )
        labels = None if label is None else sheet.texts(label).gather(cut.rows).to_list()
        order = stratified(labels, len(cut.starts), seed)
        strata = "" if labels is None else ", stratified by label"
        groups = np.arange(len(cut.starts), dtype=np.int64) if windows else None
        return RowOrder(order, groups, f"Sequences are split at random (data.split_seed {seed}){strata}.")
    if how == "time":
        number = _column(sheet, column, "time") if column else _time_column(sheet, used)
        order = np.argsort(_times(sheet, number)[cut.first_rows], kind="stable").astype(np.int64)
        return RowOrder(order, None, f"Sequences are split by time: column `{sheet.names[number]}`.")
    number = _column(sheet, column, "group")
    groups = _groups(sheet, number, cut)
    return RowOrder(
        by_group(groups, seed),
        groups,
        f"Sequences are split by group, column `{sheet.names[number]}`, at random (data.split_seed {seed}).",
    )


def _detected(sheet: Sheet, cut: Cut, used: set[int], task: str, *, windows: bool) -> tuple[str, str]:
    """Return how `auto` splits a table, and by which column."""
    if task not in RANDOM_TASKS or windows:
        return "order", ""
    free = [number for number in range(len(sheet.names)) if number not in used and number not in sheet.unnamed]
    for number in free:
        name = sheet.names[number].casefold().removesuffix("_id")
        if name in GROUP_NAMES and not (sheet.texts(number) == "").any():
            try:
                groups = len(np.unique(_groups(sheet, number, cut)))
            except DataError:  # it changes within a sequence
                continue
            if FEWEST_GROUPS <= groups < len(cut.starts):
                return "group", sheet.names[number]
    dated = [number for number in free if sheet.kind(number) == "date"]
    if len(dated) == 1:
        try:
            _times(sheet, dated[0])
        except DataError as error:
            sheet.notes.append(f"`{sheet.names[dated[0]]}` is not used to split by time: {error}")
        else:
            return "time", sheet.names[dated[0]]
    return "random", ""


def _column(sheet: Sheet, name: str, what: str) -> int:
    if name in sheet.names:
        return sheet.names.index(name)
    similar = near(name, sheet.names, mark="`")
    raise DataError(
        f"{sheet.path} has no column `{name}`, which data.split_by={what}:{name} names{similar and f'; {similar}'}",
        hint=f"its columns: {listed(sheet.names)}",
    )


def _time_column(sheet: Sheet, used: set[int]) -> int:
    from lstmctl.data.time_columns import TIME_NAMES

    free = [number for number in range(len(sheet.names)) if number not in used]
    found = [number for number in free if sheet.kind(number) == "date"]
    found = found or [number for number in free if sheet.names[number].casefold() in TIME_NAMES]
    if len(found) == 1:
        return found[0]
    names = [sheet.names[number] for number in found or free]
    example = f"time:{names[0]}" if found else "time:COLUMN"
    raise DataError(
        f"{sheet.path}: data.split_by=time needs a column of times, but "
        + (f"any of the columns {listed(names)} could be it" if found else "none was recognised"),
        hint=f"name it: {setting('data.split_by', example)}",
    )


def _times(sheet: Sheet, column: int) -> NDArray[np.int64] | NDArray[np.float64]:
    """Return the time of each row, (rows,), as numbers that can be sorted."""
    from lstmctl.data.number_format import MISSING
    from lstmctl.data.sheets import Wanted
    from lstmctl.data.time_columns import read_times

    missing = np.flatnonzero(sheet.texts(column).str.to_lowercase().is_in(sorted(MISSING)).to_numpy())
    if len(missing):
        raise DataError(
            f"{sheet.place(int(missing[0]))}, column `{sheet.names[column]}`: no time",
            hint="fill it in, or split otherwise: data.split_by=random",
        )
    if sheet.kind(column) in ("whole", "number"):
        return sheet.numbers([column])[:, 0]
    notes, wanted = len(sheet.notes), Wanted(None, None, None, (), (), (), None, None)
    times, _ = read_times(sheet, sheet.names[column], wanted, np.zeros(sheet.rows, np.int64), None)
    del sheet.notes[notes:]  # only the order of the times matters, not how they are read
    return times


def _groups(sheet: Sheet, column: int, cut: Cut) -> Order:
    """Return the group of each sequence, (sequences,), as a number.

    Raises:
        DataError: a sequence belongs to several groups, or to none.
    """
    texts = sheet.texts(column).to_numpy()
    _, numbers = np.unique(texts.astype(str), return_inverse=True)
    for row in np.flatnonzero(texts == "")[:1]:
        raise DataError(
            f"{sheet.place(int(row))}, column `{sheet.names[column]}`: no group",
            hint="name one in every row; rows that belong together have the same",
        )
    first = numbers[cut.first_rows]
    for start, stop, group in zip(cut.starts, cut.starts + cut.lengths, first, strict=True):
        if cut.agrees and (numbers[start:stop] != group).any():
            row = int(start + np.flatnonzero(numbers[start:stop] != group)[0])
            raise DataError(
                f"{sheet.place(row)}, column `{sheet.names[column]}`: `{texts[row]}`, but `{texts[start]}` before it "
                "in the same sequence",
                hint="a sequence belongs to one group: choose another column for data.split_by",
            )
    return first.astype(np.int64)
