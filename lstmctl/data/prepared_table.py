"""Prepared tables: their rows in files of numbers, which a training maps into memory instead of reading a table.

A folder contains `times.bin` and `lines.bin` (int64, one per row), `series.bin` (int64, if a column names the series),
`targets.bin`, `past.bin`, `known.bin` and `static.bin` (float64, row by row; NaN where a value is missing), all
little-endian, and `prepared.json`, which describes them. The rows are those of the file, in its order: order, steps,
parts, scales and missing values are handled when they are opened, as for any table. `data.preparing_table` writes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data import prepared_folder
from lstmctl.data.delimited import empty_lines
from lstmctl.data.prepared_folder import AGAIN, HEADER, checked_blocks
from lstmctl.data.sheets import Columns, Form, Wanted
from lstmctl.data.table_writing import DateForm, Writing
from lstmctl.data.tables import USES, Rows
from lstmctl.errors import DataError
from lstmctl.words import plural

FORMAT = 1
TIMES, LINES, SERIES = "times.bin", "lines.bin", "series.bin"
FILES = (TIMES, LINES, SERIES, *(f"{use}.bin" for use in USES))
COLUMNS = ("time", "id", *USES)
WRITING = ("date_format", "zone", "separator", "decimal")
"""Keys of a config that say how a table is written; auto and null leave it to be recognised."""


@dataclass(frozen=True)
class Header:
    """The contents of `prepared.json`."""

    file: str
    """The table's, for people."""
    bytes: int
    sha256: str
    """Of the table's file."""
    rows: int
    unit: str
    """Unit of the numbers in `lines.bin`: line or row."""
    said: dict[str, Any]
    """The config's settings of columns and table format, by the keys of its `data` section."""
    found: dict[str, Any]
    """The same keys, with what was recognised in the place of what was not said."""
    dates: dict[str, Any]
    """The date format, as in `DateForm`; empty if times are whole numbers."""
    ids: list[str]
    notes: list[str]
    """Notes on how columns were recognised."""
    empty: list[int]
    """Number of empty lines, and the first of them."""
    numbers: dict[str, str]
    """SHA-256 of each file of numbers."""
    holds: str = "series"
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def form(self) -> Form:
        """How the rows were read."""
        return form_of(self.found, self.dates)


def form_of(found: dict[str, Any], dates: dict[str, Any]) -> Form:
    """Return how rows were read, from a header or a progress note.

    Raises:
        ValueError: it does not say it.
    """
    try:
        uses = [found[use] for use in USES]
        names = [found["time"], "" if found["id"] is None else found["id"], *itertools.chain(*uses)]
        form = DateForm(**dates) if dates else None
        separator, decimal = found["separator"], found["decimal"]
    except (KeyError, TypeError) as error:
        raise ValueError("a key is missing, or is not a list") from error
    if not _are_texts(names) or not all(isinstance(use, list) for use in uses):
        raise ValueError("a column's name must be text")
    if form is not None and [type(value) for value in asdict(form).values()] != [str, str, str, bool, bool]:
        raise ValueError("a list of date formats is required")
    if not _are_texts(value for value in (separator, decimal) if value is not None):
        raise ValueError("separator and decimal must be text")
    return Form(Columns(found["time"], found["id"], *map(tuple, uses)), Writing(separator, decimal, form))


def said_of(wanted: Wanted, separator: str, decimal: str) -> dict[str, Any]:
    """Settings of columns and table format in a config or a run."""
    said = {key: getattr(wanted, key) for key in (*COLUMNS, "date_format", "zone")}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}
    return {**plain, "separator": separator, "decimal": decimal}


def widths(columns: Columns) -> dict[str, int]:
    """Number of values per row in each file."""
    found = {TIMES: 1, LINES: 1, **({SERIES: 1} if columns.id is not None else {})}
    return found | {f"{use}.bin": len(getattr(columns, use)) for use in USES if getattr(columns, use)}


def number_of(file: str) -> np.dtype[Any]:
    """The type of a file's numbers."""
    return np.dtype("<i8" if file in (TIMES, LINES, SERIES) else "<f8")


def read_header(folder: Path) -> Header:
    """The header of a prepared table.

    Raises:
        DataError: it is missing, not one, or one of text.
    """
    types: dict[str, type] = {"file": str, "bytes": int, "sha256": str, "rows": int, "unit": str, "said": dict}
    types |= {"found": dict, "dates": dict, "ids": list, "notes": list, "empty": list, "numbers": dict}
    path = folder / HEADER
    header = Header(**prepared_folder.read_header(folder, "series", FORMAT, types))
    try:
        form = header.form
    except ValueError as error:
        raise DataError(f"{path}: found or dates is damaged", hint=AGAIN) from error
    if not _are_texts([*header.ids, *header.notes]) or not header.ids:
        raise DataError(f"{path}: ids or notes is damaged", hint=AGAIN)
    if header.rows < 1 or [type(number) for number in header.empty] != [int, int]:
        raise DataError(f"{path}: rows or empty is damaged", hint=AGAIN)
    if set(header.numbers) != set(widths(form.columns)) or not _are_texts(header.numbers.values()):
        raise DataError(f"{path}: numbers does not name the files of these columns", hint=AGAIN)
    return header


def open_rows(folder: Path, wanted: Wanted, separator: str, decimal: str) -> Rows:
    """The rows of a prepared table, checked and mapped read-only; the same that `read_rows` gives of the table.

    All files are read once, a block at a time, for their hash.

    Args:
        folder: as `data.preparing_table.prepare_table` made it.
        wanted: what a config or a run says about columns.
        separator: as the config has it.
        decimal: likewise.

    Raises:
        DataError: the folder is not whole, not as it was prepared, or was prepared with other columns.
    """
    header = read_header(folder)
    require_said(folder, header, said_of(wanted, separator, decimal), is_run=wanted.is_run)
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


def private(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers for this process to change: of those that are mapped, only what it changes is copied."""
    if values.flags.writeable or not isinstance(values, np.memmap) or values.filename is None:
        return values
    return np.asanyarray(np.memmap(values.filename, np.float64, "c", shape=values.shape))


def require_said(folder: Path, header: Header, said: dict[str, Any], *, is_run: bool = False) -> None:
    """Refuse a config or a run that would read the table otherwise.

    Raises:
        DataError: it says something else of a column, or of how the table is written.
    """
    for key, value in said.items():
        then, found = header.said.get(key), header.found.get(key)
        if is_run and key == "zone":  # what was prepared is converted to the run's
            continue
        if key in WRITING:
            # Whole numbers are not dates in any format; Parquet has no column separator.
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
    """Raises DataError where the numbers are not those that the header is of."""
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


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _shown(value: Any) -> str:
    """As the command line has it."""
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return "null" if value is None else str(value)
