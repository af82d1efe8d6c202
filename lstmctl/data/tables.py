"""Tables of series: the file opened, the use of each column recognised, rows as times and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.delimited import DelimitedSheet
from lstmctl.data.delimited_start import SAMPLED
from lstmctl.data.locating import check_regular
from lstmctl.data.number_format import MISSING
from lstmctl.data.parquet import SIGNATURE, ParquetSheet
from lstmctl.data.sheets import Columns, Form, Numbers, Sheet, Wanted, kinds_of
from lstmctl.data.table_hints import SERIES, TableHints
from lstmctl.data.table_writing import Writing
from lstmctl.data.time_columns import find_time, parts_of, read_times
from lstmctl.data.timesteps import Times
from lstmctl.data.utf8 import SIGNATURES
from lstmctl.errors import DataError
from lstmctl.shell import setting
from lstmctl.words import listed, near

ID_NAMES = ("unique_id", "item_id", "series_id", "series", "id")
TARGET_NAMES = ("y", "target")
USES = ("targets", "past", "known", "static")
"""Uses of columns of numbers."""


@dataclass
class Rows:
    """A table's rows, at first in the order of the file."""

    form: Form
    ids: tuple[str, ...]
    """The names of the series in order of first appearance; ("",) for a wide table."""
    series: NDArray[np.int64]
    """(rows,) the number of each row's series."""
    times: Times
    """(rows,) microseconds since 1970-01-01 by the table's own clock, or whole numbers."""
    is_index: bool
    lines: NDArray[np.int64]
    """(rows,) the position of each row in the file."""
    values: dict[str, Numbers]
    """(rows, columns) of `targets`, `past`, `known` and `static`, NaN if missing. Categories are places in
    `categories`."""
    path: Path
    unit: str
    """The unit of `lines`: line or row."""
    notes: list[str]
    fingerprint: dict[str, object]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The categories in some columns, in order of first appearance."""

    @property
    def columns(self) -> Columns:
        """The use of each column."""
        return self.form.columns

    @property
    def zone(self) -> str:
        """Offset of the table's clock from UTC, as `+02:00` or `Z`; empty if unknown."""
        dates = self.form.writing.dates
        return dates.zone if dates is not None else ""

    def place(self, row: int) -> str:
        """Return the position of a row, for messages."""
        return f"{self.path}: {self.unit} {self.lines[row]}"

    def whose(self, row: int) -> str:
        """Return the series of a row for messages, as `series `a`: `; empty in a wide table."""
        return f"series `{self.ids[self.series[row]]}`: " if self.columns.id is not None else ""


def open_sheet(path: Path, separator: str = "auto", decimal: str = "auto", hints: TableHints = SERIES) -> Sheet:
    """Open a CSV, TSV or Parquet file, by its content.

    Raises:
        DataError: it is missing, not a regular file, of another kind, or not a table; with the position.
    """
    try:
        if is_parquet(path, hints):
            return ParquetSheet(path, decimal, hints)
        return DelimitedSheet(path, separator, decimal, hints)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def is_parquet(path: Path, hints: TableHints = SERIES) -> bool:
    """Return whether a table is Parquet, by its content, or delimited text.

    Raises:
        DataError: it is missing, not a regular file, or of another kind.
        OSError: it cannot be read.
    """
    check_regular(path, hints.what)
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(SIGNATURE):
        return True
    if path.suffix.lower() == ".parquet" and start:
        raise DataError(f"{path} is not a Parquet file, despite its name")
    for signature, kind in SIGNATURES.items():
        is_letters = signature.isascii() and signature.isalpha()
        if start.startswith(signature) and not is_letters and not kind.startswith("UTF-"):
            spreadsheet = "; a spreadsheet is saved as CSV" if kind == "zip" else ""
            raise DataError(f"{path} is {kind}, not a table", hint=f"unpack or convert it{spreadsheet}")
    return False


def read_rows(sheet: Sheet, wanted: Wanted) -> Rows:
    """Read all rows of a table as times and numbers.

    Raises:
        DataError: a column's use is unclear or its content wrong; with column, line and remedy.
    """
    if not sheet.rows:
        raise no_rows(sheet.path)
    rows = read_block(sheet, wanted)
    rows.fingerprint = {**sheet.fingerprint(), "rows": sheet.rows}
    return rows


def read_block(sheet: Sheet, wanted: Wanted, form: Form | None = None) -> Rows:
    """Read some rows of a table as times and numbers, without a fingerprint; at least one.

    `form` is how earlier rows were read; by default these determine it.

    Raises:
        DataError: as `read_rows`.
    """
    columns = form.columns if form is not None else _recognise(sheet, wanted)
    ids, series = _series(sheet, columns)
    times, dates = read_times(sheet, columns.time, wanted, series, form)
    places = {name: place for place, name in enumerate(sheet.names)}
    values: dict[str, Numbers] = {}
    categories: dict[str, tuple[str, ...]] = {}
    for use in USES:
        every: tuple[str, ...] = getattr(columns, use)
        names = [name for name in every if name not in wanted.categories]
        values[use] = sheet.numbers([places[name] for name in names])
        for column, name in enumerate(every):
            if name in wanted.categories:
                own, categories[name] = _categories(sheet.texts(places[name]))
                values[use] = np.insert(values[use], column, own, axis=1)
        if form is None and not wanted.is_run:
            notes = {name: sheet.form(places[name]).note for name in names}
            sheet.notes += [f"`{name}` {note}" for name, note in notes.items() if note is not None]
    return Rows(
        form=Form(columns, Writing(sheet.separator or None, sheet.known_decimal, dates)),
        ids=ids,
        series=series,
        times=times,
        is_index=dates is None,
        lines=sheet.lines,
        values=values,
        path=sheet.path,
        unit=sheet.unit,
        notes=sheet.notes,
        fingerprint={},
        categories=categories,
    )


def _categories(texts: pl.Series) -> tuple[Numbers, tuple[str, ...]]:
    """Return (rows,) the place of each text among the different ones, NaN for an empty one, and these."""
    names = texts.filter(texts != "").unique(maintain_order=True)
    places = pl.Series(range(len(names)), dtype=pl.Float64)
    found = texts.replace_strict(names, places, default=None, return_dtype=pl.Float64)
    return found.fill_null(np.nan).to_numpy().astype(np.float64), tuple(names)


def no_rows(path: Path) -> DataError:
    """Return the error for a table without rows."""
    return DataError(f"{path} has a header but no rows")


def _recognise(sheet: Sheet, wanted: Wanted) -> Columns:
    """Return the use of each column, as given or by name and content."""
    _check_named(sheet, wanted)
    named = {name for _, names in _named(wanted) for name in names}
    named.update(parts_of(wanted.time, sheet.names) if wanted.time is not None else ())
    free = [name for name in sheet.names if name not in named]
    time = wanted.time or find_time(sheet, free, wanted.date_format)
    times = parts_of(time, sheet.names)
    free = [name for name in free if name not in times]
    series = wanted.id if wanted.id is not None or wanted.is_run else _find_id(sheet, free)
    free = [name for name in free if name != series]
    targets = wanted.targets
    if targets is None:
        targets = _find_targets(sheet, free, is_long=series is not None)
    elif not wanted.is_run and (unused := _not_row_numbers(sheet, free)):
        sheet.notes.append(f"{listed(unused)} not used; data.past and data.known may name columns of numbers")
    return Columns(time, series, targets, wanted.past, wanted.known, wanted.static)


def _not_row_numbers(sheet: Sheet, free: list[str]) -> list[str]:
    """Return the columns that do not number the rows, which programs write without a name."""
    unnamed = {sheet.names[place] for place in sheet.unnamed}
    kinds = kinds_of(sheet, free)
    return [name for name in free if not (name in unnamed and kinds[name] in ("empty", "whole"))]


def _named(wanted: Wanted) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the keys of a config that name columns, with the columns."""
    yield "time", (wanted.time,) if wanted.time is not None else ()
    yield "id", (wanted.id,) if wanted.id is not None else ()
    yield "targets", wanted.targets or ()
    yield "past", wanted.past
    yield "known", wanted.known
    yield "static", wanted.static


def _check_named(sheet: Sheet, wanted: Wanted) -> None:
    """Raise DataError if a named column is missing."""
    for key, names in _named(wanted):
        if key == "time" and names:
            names = parts_of(names[0], sheet.names)
        for name in names:
            if name not in sheet.names:
                similar = near(name, sheet.names, mark="`")
                whose = f"the run's data.{key}" if wanted.is_run else f"data.{key}"
                raise DataError(
                    f"{sheet.path} has no column `{name}`, which {whose} names{similar and f'; {similar}'}",
                    hint=f"its columns: {listed(sheet.names)}",
                )


def _find_id(sheet: Sheet, free: list[str]) -> str | None:
    """Return the column of series names, if there is one."""
    order = {name: ID_NAMES.index(name.casefold()) for name in free if name.casefold() in ID_NAMES}
    found = [name for name in order if sheet.kind(sheet.names.index(name)) in ("text", "whole")]
    if not found:
        return None
    name = min(found, key=lambda name: order[name])
    if sheet.kind(sheet.names.index(name)) == "whole":
        texts = sheet.texts(sheet.names.index(name))
        if texts.n_unique() == len(texts):
            return None
    return name


def _find_targets(sheet: Sheet, free: list[str], *, is_long: bool) -> tuple[str, ...]:
    """Return the columns to forecast: `y` or `target` of a long table, else every column of numbers without another
    use."""
    numeric = []
    kinds = kinds_of(sheet, free)
    main = [name for name in free if name.casefold() in TARGET_NAMES and kinds[name] in ("number", "whole")]
    if is_long and len(main) == 1:
        others = [name for name in free if name != main[0]]
        if others:
            sheet.notes.append(
                f"`{main[0]}` is forecast; {listed(others)} not used: data.past or data.known would use them"
            )
        return (main[0],)
    useful = set(_not_row_numbers(sheet, free))
    for name in free:
        if name not in useful:
            sheet.notes.append(f"{name} has no name; ignored")
        elif name.casefold() in ID_NAMES and kinds[name] == "whole" and not is_long:
            sheet.notes.append(f"`{name}` has a different value in every row (probably an ID); ignored")
        elif kinds[name] == "text" and (written := _as_number(sheet, name)) is not None:
            raise DataError(
                f"{sheet.path}: column `{name}` holds numbers such as `{written}` that are not plain",
                hint="write each without its unit or brackets, a negative one with a minus sign; or name the columns "
                f"to forecast: {_example(sheet, free)}",
            )
        elif kinds[name] in ("text", "date"):
            raise DataError(
                f"{sheet.path}: column `{name}` holds {'dates' if kinds[name] == 'date' else 'text'}, and has no use",
                hint=f"name the columns to forecast: {_example(sheet, free)}"
                + (
                    ""
                    if is_long or kinds[name] == "date"
                    else f"; or, if it names the series, {setting('data.id', name)}"
                ),
            )
        else:
            numeric.append(name)
    if not numeric:
        raise DataError(
            f"{sheet.path} has no column of numbers to forecast",
            hint=f"its columns: {listed(sheet.names)}; name one: data.targets=[NAME]",
        )
    return tuple(numeric)


def _as_number(sheet: Sheet, name: str) -> str | None:
    """Return the first value of a column of texts that are all numbers with a unit or in brackets; else None."""
    texts = sheet.texts(sheet.names.index(name)).head(SAMPLED)
    written = texts.filter(~texts.str.to_lowercase().is_in(list(MISSING)))
    is_number = written.str.contains(r"^[(]?[+-]?\d[\d.,]*(?:[)]|\s?\p{L}[^\s\d]{0,5})$")
    return str(written[0])[:40] if len(written) and is_number.all() else None


def _series(sheet: Sheet, columns: Columns) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if columns.id is None:
        return ("",), np.zeros(sheet.rows, dtype=np.int64)
    texts = sheet.texts(sheet.names.index(columns.id))
    empty = (texts == "").arg_true()
    if len(empty):
        raise DataError(
            f"{sheet.place(int(empty[0]))}, column `{columns.id}`: no series is named",
            hint="name it, or delete the row",
        )
    names = texts.unique(maintain_order=True)
    numbers = texts.replace_strict(names, pl.Series(range(len(names)), dtype=pl.Int64), return_dtype=pl.Int64)
    return tuple(names), numbers.to_numpy().astype(np.int64)


def _example(sheet: Sheet, free: list[str]) -> str:
    numeric = [name for name, kind in kinds_of(sheet, free).items() if kind in ("number", "whole")]
    return setting("data.targets", numeric[:3]) if numeric else "data.targets=[NAME]"
