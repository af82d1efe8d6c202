"""Tables of series as they come: the file opened, the use of each column recognised, rows as times and numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.dates import DateForm, read_dates, read_more_dates
from lstmctl.data.delimited import DelimitedSheet
from lstmctl.data.locating import check_regular
from lstmctl.data.parquet import SIGNATURE, ParquetSheet
from lstmctl.data.purposes import SERIES, Purpose
from lstmctl.data.timesteps import Step, Times
from lstmctl.data.utf8 import SIGNATURES
from lstmctl.data.written_numbers import MISSING, ColumnForm
from lstmctl.errors import DataError

Numbers = NDArray[np.float64]

TIME_NAMES = (
    *("date", "ds", "time", "timestamp", "datetime", "date_time", "day", "week", "month", "quarter", "year", "period"),
    *("hour", "minute", "index", "step", "t"),
)
ID_NAMES = ("unique_id", "item_id", "series_id", "series", "id")
TARGET_NAMES = ("y", "target")
USES = ("targets", "past", "known", "static")
"""Of columns of numbers."""


class Sheet(Protocol):
    """A file of named columns."""

    path: Path
    names: tuple[str, ...]
    unnamed: set[int]
    notes: list[str]
    lines: NDArray[np.int64]
    unit: str

    @property
    def rows(self) -> int: ...
    @property
    def known_decimal(self) -> str | None: ...
    def form(self, column: int) -> ColumnForm: ...
    def kind(self, column: int) -> str: ...
    def texts(self, column: int) -> pl.Series: ...
    def numbers(self, columns: Sequence[int]) -> Numbers: ...
    def place(self, row: int) -> str: ...
    def fingerprint(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class Columns:
    """The use of each column."""

    time: str
    id: str | None
    targets: tuple[str, ...]
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """How a table's rows are read; its first rows tell."""

    columns: Columns
    dates: DateForm | None
    """How times are written; None where they are whole numbers."""


@dataclass
class Rows:
    """A table's rows in the file's order, whatever that is."""

    form: Form
    ids: tuple[str, ...]
    """Each series' name, in the order of first appearance; ("",) for a wide table."""
    series: NDArray[np.int64]
    """(rows,) the number of each row's series."""
    times: Times
    """(rows,) microseconds since 1970-01-01 by the table's own clock, or whole numbers."""
    is_index: bool
    lines: NDArray[np.int64]
    """(rows,) where each row is in the file."""
    values: dict[str, Numbers]
    """(rows, columns) of `targets`, `past`, `known` and `static`, NaN where missing."""
    path: Path
    unit: str
    """What `lines` counts: line or row."""
    notes: list[str]
    fingerprint: dict[str, object]

    @property
    def columns(self) -> Columns:
        """The use of each column."""
        return self.form.columns

    @property
    def zone(self) -> str:
        """How far the table's clock is from UTC, as `+02:00` or `Z`; empty where it does not say."""
        return self.form.dates.zone if self.form.dates is not None else ""

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"{self.path}: {self.unit} {self.lines[row]}"


def open_sheet(path: Path, separator: str = "auto", decimal: str = "auto", purpose: Purpose = SERIES) -> Sheet:
    """A CSV, TSV or Parquet file, by its content.

    Raises:
        DataError: it is missing, no regular file, of another kind, or not a table; the message says where.
    """
    try:
        if is_parquet(path, purpose):
            return ParquetSheet(path, decimal, purpose)
        return DelimitedSheet(path, separator, decimal, purpose)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def is_parquet(path: Path, purpose: Purpose = SERIES) -> bool:
    """Whether a table is Parquet, by its content, or else delimited text.

    Raises:
        DataError: it is missing, no regular file, or of another kind.
        OSError: it cannot be read.
    """
    check_regular(path, purpose.what)
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(SIGNATURE):
        return True
    if path.suffix.lower() == ".parquet" and start:
        raise DataError(f"{path} is no Parquet file, whatever its name says")
    for signature, kind in SIGNATURES.items():
        is_letters = signature.isascii() and signature.isalpha()
        if start.startswith(signature) and not is_letters and not kind.startswith("UTF-"):
            spreadsheet = "; a spreadsheet is saved as CSV" if kind == "zip" else ""
            raise DataError(f"{path} is {kind}, not a table", hint=f"unpack or convert it{spreadsheet}")
    return False


@dataclass(frozen=True)
class Wanted:
    """What a config, or a run's encoding, says about columns; None is to be recognised."""

    time: str | None
    id: str | None
    targets: tuple[str, ...] | None
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]
    date_format: str | None
    is_run: bool = False
    """Whether a run's encoding says so: then nothing is recognised, and targets may be absent as a whole."""


def read_rows(sheet: Sheet, wanted: Wanted) -> Rows:
    """All rows of a table as times and numbers.

    Raises:
        DataError: a column's use cannot be told or it holds what it should not; with column, line and remedy.
    """
    if not sheet.rows:
        raise no_rows(sheet.path)
    rows = read_block(sheet, wanted)
    rows.fingerprint = {**sheet.fingerprint(), "rows": sheet.rows}
    return rows


def read_block(sheet: Sheet, wanted: Wanted, form: Form | None = None) -> Rows:
    """Some rows of a table as times and numbers, without the fingerprint of all of it.

    Args:
        sheet: at least one row.
        wanted: what is said about columns.
        form: how rows before these were read; by default these tell.

    Raises:
        DataError: as `read_rows`.
    """
    columns = form.columns if form is not None else _recognise(sheet, wanted)
    ids, series = _series(sheet, columns)
    times, dates = _times(sheet, columns, wanted.date_format, series, form)
    places = {name: place for place, name in enumerate(sheet.names)}
    absent = wanted.is_run and not any(name in places for name in columns.targets)
    values: dict[str, Numbers] = {}
    for use in USES:
        names: tuple[str, ...] = getattr(columns, use)
        if absent and use in ("targets", "past"):
            values[use] = np.full((sheet.rows, len(names)), np.nan)
        else:
            values[use] = sheet.numbers([places[name] for name in names])
            if form is None and not wanted.is_run:
                notes = {name: sheet.form(places[name]).note for name in names}
                sheet.notes += [f"`{name}` {note}" for name, note in notes.items() if note is not None]
    return Rows(
        form=Form(columns, dates),
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
    )


def no_rows(path: Path) -> DataError:
    """The error for a table without any."""
    return DataError(f"{path} has a header but no rows")


def _recognise(sheet: Sheet, wanted: Wanted) -> Columns:
    """The use of each column, as said or by name and content."""
    _check_named(sheet, wanted)
    named = {name for _, names in _named(wanted) for name in names}
    free = [name for name in sheet.names if name not in named]
    time = wanted.time or _find_time(sheet, free, wanted.date_format)
    free = [name for name in free if name != time]
    series = wanted.id if wanted.id is not None or wanted.is_run else _find_id(sheet, free)
    free = [name for name in free if name != series]
    targets = wanted.targets
    if targets is None:
        targets = _find_targets(sheet, free, is_long=series is not None)
    elif not wanted.is_run and (unused := _not_row_numbers(sheet, free)):
        sheet.notes.append(f"{_listed(unused)} not used; data.past and data.known may name columns of numbers")
    return Columns(time, series, targets, wanted.past, wanted.known, wanted.static)


def _not_row_numbers(sheet: Sheet, free: list[str]) -> list[str]:
    """Columns without those that number the rows: programs write these without a name."""
    unnamed = {sheet.names[place] for place in sheet.unnamed}
    kinds = _kinds(sheet, free)
    return [name for name in free if not (name in unnamed and kinds[name] in ("empty", "whole"))]


def _named(wanted: Wanted) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The keys of a config that name columns, with the columns."""
    yield "time", (wanted.time,) if wanted.time is not None else ()
    yield "id", (wanted.id,) if wanted.id is not None else ()
    yield "targets", wanted.targets or ()
    yield "past", wanted.past
    yield "known", wanted.known
    yield "static", wanted.static


def _check_named(sheet: Sheet, wanted: Wanted) -> None:
    """Every column that is named is there."""
    present = wanted.targets is not None and any(name in sheet.names for name in wanted.targets)
    for key, names in _named(wanted):
        if wanted.is_run and not present and key in ("targets", "past"):
            continue
        for name in names:
            if name not in sheet.names:
                near = difflib.get_close_matches(name, sheet.names)
                similar = f"; did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else ""
                whose = f"the run's data.{key}" if wanted.is_run else f"data.{key}"
                raise DataError(
                    f"{sheet.path} has no column `{name}`, which {whose} names{similar}",
                    hint=f"its columns: {_listed(sheet.names)}",
                )


def _find_time(sheet: Sheet, free: list[str], date_format: str | None) -> str:
    """The column of times: one named like that with dates, else the only one with dates, else whole numbers."""
    kinds = _kinds(sheet, free)
    by_name = [name for name in free if name.casefold() in TIME_NAMES]
    dates = [name for name in by_name if kinds[name] == "date"]
    dates = dates or [name for name in free if kinds[name] == "date"]
    whole = [name for name in by_name if kinds[name] == "whole"]
    candidates = dates or whole
    if date_format is not None and by_name and not dates:  # written in an unusual way, so only the name tells
        candidates = by_name
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        shown = " and ".join(f"`{name}`" for name in candidates[:3])
        raise DataError(
            f"{sheet.path}: columns {shown} may each hold the rows' times",
            hint=f"say which: data.time={candidates[0]}",
        )
    odd = [name for name in by_name if kinds[name] == "text"]
    raise DataError(
        f"{sheet.path}: no column of dates was recognised among {_listed(free)}",
        hint=f'say how `{odd[0]}` is written: data.date_format="%d.%m.%Y %H:%M"'
        if odd
        else "name the column of dates or whole numbers: data.time=NAME",
    )


def _find_id(sheet: Sheet, free: list[str]) -> str | None:
    """The column that names the series, where there is one."""
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
    """Columns to forecast: `y` or `target` of a long table, else every column of numbers that has no other use."""
    numeric = []
    kinds = _kinds(sheet, free)
    main = [name for name in free if name.casefold() in TARGET_NAMES and kinds[name] in ("number", "whole")]
    if is_long and len(main) == 1:
        others = [name for name in free if name != main[0]]
        if others:
            sheet.notes.append(
                f"`{main[0]}` is forecast; {_listed(others)} not used: data.past or data.known would use them"
            )
        return (main[0],)
    useful = set(_not_row_numbers(sheet, free))
    for name in free:
        if name not in useful:
            sheet.notes.append(f"{name} has no name and is left out")
        elif name.casefold() in ID_NAMES and kinds[name] == "whole" and not is_long:
            sheet.notes.append(f"`{name}` has another number in every row and is left out")
        elif kinds[name] in ("text", "date"):
            raise DataError(
                f"{sheet.path}: column `{name}` holds {'dates' if kinds[name] == 'date' else 'text'}, and has no use",
                hint=f"name the columns to forecast: data.targets={_example(sheet, free)}"
                + ("" if is_long or kinds[name] == "date" else f"; or, if it names the series, data.id={name}"),
            )
        else:
            numeric.append(name)
    if not numeric:
        raise DataError(
            f"{sheet.path} has no column of numbers to forecast",
            hint=f"its columns: {_listed(sheet.names)}; name one: data.targets=[NAME]",
        )
    return tuple(numeric)


def _kinds(sheet: Sheet, names: Sequence[str]) -> dict[str, str]:
    """What each of some columns holds."""
    places = {name: place for place, name in enumerate(sheet.names)}
    return {name: sheet.kind(places[name]) for name in names}


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


def _times(
    sheet: Sheet, columns: Columns, date_format: str | None, series: NDArray[np.int64], form: Form | None
) -> tuple[Times, DateForm | None]:
    """Each row's time, and how dates are written; None for whole numbers."""
    column = sheet.names.index(columns.time)
    texts = sheet.texts(column)
    empty = (texts.str.to_lowercase().is_in(list(MISSING))).arg_true()
    if len(empty):
        raise DataError(
            f"{sheet.place(int(empty[0]))}, column `{columns.time}`: no time", hint="write it, or delete the row"
        )
    if form is not None:
        if form.dates is None:
            return _whole_numbers(sheet, columns.time, texts), None
        return read_more_dates(texts, sheet.place, columns.time, form.dates), form.dates
    if date_format is None and sheet.kind(column) == "whole":
        # Eight digits that are days, every one of them, are meant as days.
        if _are_days(texts.head(200)):
            date_format = "%Y%m%d"
        else:
            return _whole_numbers(sheet, columns.time, texts), None

    def is_regular(times: Times) -> bool:
        unique = np.unique(times[series == series[0]])
        if len(unique) < 2:
            return False
        step = Step.infer(unique, is_index=False)
        first, last = int(unique[0]), int(unique[-1])
        if step.count_between(first, last) > len(unique) + 10:
            return False
        return np.array_equal(step.expected(first, last), unique)

    return read_dates(texts, sheet.place, columns.time, date_format, is_regular)


def _are_days(texts: pl.Series) -> bool:
    if not texts.str.contains(r"^(1[89]|20|21)\d{6}$").all():
        return False
    return not texts.str.strptime(pl.Date, "%Y%m%d", strict=False).has_nulls()


def _whole_numbers(sheet: Sheet, name: str, texts: pl.Series) -> Times:
    numbers = texts.cast(pl.Int64, strict=False)
    # Their differences must fit too.
    bad = (numbers.is_null() | (numbers.abs() > 2**61)).fill_null(True).arg_true()
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{sheet.place(row)}, column `{name}`: `{str(texts[row])[:40]}` is no whole number, as the first rows are",
            hint="correct the row, or name another column: data.time=NAME",
        )
    return numbers.to_numpy().astype(np.int64)


def _example(sheet: Sheet, free: list[str]) -> str:
    numeric = [name for name, kind in _kinds(sheet, free).items() if kind in ("number", "whole")]
    return f"[{', '.join(numeric[:3])}]" if numeric else "[NAME]"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
