"""Prepared tables: their rows in files of numbers, which training memory-maps instead of reading a table.

A folder holds `times.bin` and `lines.bin` (int64, one per row), `series.bin` (int64, if a column names the series),
`targets.bin`, `past.bin`, `known.bin` and `static.bin` (float64, row by row; NaN if missing), all little-endian, and
`prepared.json`, which describes them. Rows are kept as in the file, in its order; sorting, steps, parts, scales and
missing values are handled when the folder is opened, as with any table. `data.preparing_table` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lstmctl.data import prepared_folder
from lstmctl.data.delimited import empty_lines
from lstmctl.data.prepared_folder import AGAIN, HEADER, checked_blocks
from lstmctl.data.sheets import Asked, Columns, Form, Wanted
from lstmctl.data.table_writing import DateForm, Writing
from lstmctl.data.tables import USES, Rows
from lstmctl.errors import DataError
from lstmctl.words import plural

FORMAT = 1
TIMES, LINES, SERIES = "times.bin", "lines.bin", "series.bin"
FILES = (TIMES, LINES, SERIES, *(f"{use}.bin" for use in USES))
WRITING = ("date_format", "zone", "separator", "decimal")
"""Keys of a config for the table's format; auto and null leave it to be recognised."""


@dataclass(frozen=True)
class Said(Asked):
    """The same with the table's format."""

    separator: str | None
    decimal: str | None

    @classmethod
    def of(cls, wanted: Wanted, separator: str, decimal: str) -> Said:
        asked = {field.name: getattr(wanted, field.name) for field in fields(Asked)}
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in asked.items()
        }
        return cls(**plain, separator=separator, decimal=decimal)


@dataclass(frozen=True)
class Found(Said):
    """The same, with recognised values for missing ones."""

    time: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """Content of `prepared.json`."""

    file: str
    """The table's path, for people."""
    bytes: int
    sha256: str
    """Of the table's file."""
    rows: Annotated[int, Field(ge=1)]
    unit: str
    """The unit of `lines.bin`: line or row."""
    said: Said
    found: Found
    dates: DateForm | Annotated[dict[str, Any], Field(max_length=0)]
    """The format of dates; empty if times are whole numbers."""
    ids: Annotated[list[str], Field(min_length=1)]
    notes: list[str]
    """Notes on how columns were recognised."""
    empty: tuple[int, int]
    """The number of empty lines, and the first of them."""
    numbers: dict[str, str]
    """SHA-256 of each file of numbers."""
    holds: str = "series"
    format: int = FORMAT

    @property
    def form(self) -> Form:
        """The format in which the rows were read."""
        found, dates = self.found, self.dates
        columns = Columns(found.time, found.id, found.targets, found.past, found.known, found.static)
        return Form(columns, Writing(found.separator, found.decimal, dates if isinstance(dates, DateForm) else None))


def widths(columns: Columns) -> dict[str, int]:
    """Return the number of columns in each file."""
    found = {TIMES: 1, LINES: 1, **({SERIES: 1} if columns.id is not None else {})}
    return found | {f"{use}.bin": len(getattr(columns, use)) for use in USES if getattr(columns, use)}


def number_of(file: str) -> np.dtype[Any]:
    """Return the type of a file's numbers."""
    return np.dtype("<i8" if file in (TIMES, LINES, SERIES) else "<f8")


def read_header(folder: Path) -> Header:
    """Read the header of a prepared table.

    Raises:
        DataError: it is missing, damaged, or of a text.
    """
    header = prepared_folder.read_header(folder, "series", FORMAT, Header)
    if header.numbers.keys() != widths(header.form.columns).keys():
        raise DataError(f"{folder / HEADER}: numbers does not name the files of these columns", hint=AGAIN)
    return header


def open_rows(folder: Path, wanted: Wanted, separator: str, decimal: str) -> Rows:
    """Return the rows of a prepared table, checked and mapped read-only; the same as `read_rows` of the table.

    All files are read once, one block at a time, for their hash.

    Args:
        folder: from `data.preparing_table.prepare_table`.
        wanted: what a config or a run says about columns.
        separator, decimal: of the config.

    Raises:
        DataError: the folder is incomplete or damaged, or was prepared with other columns.
    """
    refuse_categories(folder, wanted)
    header = read_header(folder)
    require_said(folder, header, Said.of(wanted, separator, decimal), is_run=wanted.is_run)
    check_numbers(folder, header)
    form = header.form
    if wanted.date_format is not None and (dates := form.writing.dates) is not None:
        form = replace(form, writing=replace(form.writing, dates=replace(dates, format=wanted.date_format, given=True)))
    mapped = {
        file: np.memmap(folder / file, number_of(file), "r", shape=(header.rows, width))
        for file, width in widths(form.columns).items()
    }
    nothing = np.zeros((), np.int64)
    return Rows(
        form=form,
        ids=tuple(header.ids),
        series=mapped[SERIES][:, 0] if SERIES in mapped else np.broadcast_to(nothing, header.rows),
        times=mapped[TIMES][:, 0],
        is_index=form.writing.dates is None,
        lines=mapped[LINES][:, 0],
        values={use: mapped.get(f"{use}.bin", np.empty((header.rows, 0))) for use in USES},
        path=Path(header.file),
        unit=header.unit,
        notes=[*filter(None, [empty_lines(*header.empty)]), *([] if wanted.is_run else header.notes)],
        fingerprint={"sha256": header.sha256, "bytes": header.bytes, "rows": header.rows},
    )


def refuse_categories(path: Path, wanted: Wanted) -> None:
    """Raise DataError if columns of categories are asked for: a prepared table holds numbers alone."""
    if wanted.categories:
        raise DataError(
            f"{path}: a prepared table holds numbers, but data.categories names {', '.join(wanted.categories)}",
            hint="read the table itself: data.series=FILE; or number the categories in the file",
        )


def private(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a copy-on-write array: only the changed pages of mapped numbers are copied."""
    if values.flags.writeable or not isinstance(values, np.memmap) or values.filename is None:
        return values
    return np.asanyarray(np.memmap(values.filename, np.float64, "c", shape=values.shape))


def require_said(folder: Path, header: Header, said: Said, *, is_run: bool = False) -> None:
    """Refuse a config or a run that would read the table differently.

    Raises:
        DataError: it has another setting for a column or the table's format.
    """
    for key, value in vars(said).items():
        then, found = getattr(header.said, key), getattr(header.found, key)
        if is_run and key == "zone":  # what was prepared is converted to the run's
            continue
        if key in WRITING:
            # Whole numbers are not dates in any format; Parquet has no separator.
            same = value in (None, "auto", then, found) or (found is None and key != "date_format")
        elif is_run:
            same = value == found or (key == "time" and value is None)
        else:
            same = value in (then, found)
        if not same:
            whose = "the run" if is_run else "the config"
            as_then = "" if is_run else f"; or read it as it was prepared: data.{key}={_shown(then)}"
            raise DataError(
                f"{folder} was prepared with data.{key}={_shown(then)}"
                + (f" ({_shown(found)})" if then != found else "")
                + f", but {whose} says {_shown(value)}",
                hint=f"prepare the table again for this use: lstmctl data prepare --to FOLDER{as_then}",
            )


def check_numbers(folder: Path, header: Header) -> None:
    """Raise DataError if the numbers do not match the header."""
    for file, width in widths(header.form.columns).items():
        for content in _checked(folder, header, file, width):
            if file == SERIES:
                series = np.frombuffer(content, number_of(file))
                if series.min() < 0 or series.max() >= len(header.ids):
                    raise DataError(
                        f"{folder / file}: a row is of series number {series.max()}, counted from 0, but the header "
                        f"has {len(header.ids):,}",
                        hint=AGAIN,
                    )


def _checked(folder: Path, header: Header, file: str, width: int) -> Iterator[bytes]:
    expected = f"{header.rows:,} rows of {plural(width, 'number')} of 8 bytes"
    return checked_blocks(folder / file, 8 * width * header.rows, header.numbers[file], expected)


def _shown(value: Any) -> str:
    """Format a value for the command line."""
    if isinstance(value, tuple):
        return f"[{','.join(map(str, value))}]"
    return "null" if value is None else str(value)
