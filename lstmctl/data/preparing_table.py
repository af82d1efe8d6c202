"""Convert a table of any size to numbers on disk, with little memory (see `data.prepared_table` for the format).

The file is read once for its SHA-256 and once for its rows, one block at a time.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.locating import check_regular, locate
from lstmctl.data.prepared_folder import NumberFiles, Prepared, other_data, prepared, progress_of, refuse_prepared
from lstmctl.data.prepared_table import (
    FILES,
    LINES,
    SERIES,
    TIMES,
    Found,
    Header,
    Said,
    check_numbers,
    number_of,
    read_header,
    refuse_categories,
    require_said,
    widths,
)
from lstmctl.data.series import Layout, one_file, wanted_columns
from lstmctl.data.sheets import Form, Sheet, Wanted
from lstmctl.data.table_blocks import row_numbers, table_blocks
from lstmctl.data.table_hints import SERIES as PURPOSE
from lstmctl.data.tables import Rows, no_rows, read_block
from lstmctl.errors import DataError

if TYPE_CHECKING:
    from lstmctl.data.downloading import Progress

BLOCK = 1 << 22
"""Bytes per block of the table; its numbers and dates take several times this in memory."""
AT_ONCE = 2
"""Blocks whose rows are read while another is checked; reading takes most of the time."""


def prepare_table(
    files: str | Sequence[str],
    layout: Layout,
    folder: Path | None = None,
    config_folder: Path | None = None,
    *,
    watch: Progress | None = None,
    block: int = BLOCK,
) -> Prepared[Header]:
    """Convert a table to numbers on disk.

    Args:
        files: the name of one file, as in `data.series`.
        layout: how to read its columns and dates; everything else is applied when the data is opened.
        folder: the destination; by default `NAME.prepared` in the current folder, for the file NAME.
        config_folder: the first folder to look for the name in.
        watch: the bytes read.
        block: bytes of the table to hold in memory at once.

    Raises:
        DataError: the table is missing or cannot be used, or the folder contains something else.
        ResourceError: the disk is full or cannot be written.
    """
    path = locate(one_file(files), config_folder, "data.series")
    refuse_prepared([path])
    wanted = wanted_columns(layout)
    refuse_categories(path, wanted)
    check_regular(path, PURPOSE.what)
    said = Said.of(wanted, layout.separator, layout.decimal)
    tell = progress_of(watch, 2 * path.stat().st_size)

    def check(folder: Path) -> Header:
        header, sha256 = read_header(folder), _sha256(path, tell)
        if header.sha256 != sha256:
            raise other_data(folder, "table", header.sha256, path.absolute(), sha256)
        require_said(folder, header, said)
        check_numbers(folder, header)
        return header

    return prepared(
        folder or Path(f"{path.stem}.prepared"),
        FILES,
        check=check,
        write=lambda folder: _written(folder, path, wanted, said, tell, block),
    )


def _sha256(path: Path, tell: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while content := file.read(1 << 20):
                digest.update(content)
                tell(len(content))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _identity(path: Path) -> tuple[int, int]:
    """Return the size and the modification time of a file."""
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return facts.st_size, facts.st_mtime_ns


def _written(folder: Path, path: Path, wanted: Wanted, said: Said, tell: Callable[[int], object], size: int) -> Header:
    """Write the numbers.

    Raises:
        DataError: the table cannot be used, or changed while it was read.
    """
    identity = _identity(path)
    sha256 = _sha256(path, tell)
    first: tuple[Rows, Found] | None = None
    ids: dict[str, int] = {}
    largest: dict[str, int] | None = None
    count, empty, share = 0, (0, 0), 0.0
    blocks = table_blocks(path, said.separator or "auto", said.decimal or "auto", size)
    with NumberFiles(folder) as files, ThreadPoolExecutor(AT_ONCE) as readers:
        for sheet, upto, rows in _read_ahead(blocks, wanted, readers):
            empty = empty[0] + sheet.empty, empty[1] or sheet.first_empty
            if rows is not None:
                # Series are numbered by their first appearance in the whole table.
                rows.series = np.array([ids.setdefault(name, len(ids)) for name in rows.ids])[rows.series]
                if first is None:
                    first = rows, _found(rows, said)
                largest = row_numbers(sheet, rows.columns, wanted, largest)
                count += len(rows.times)
                arrays: dict[str, NDArray[Any]] = {TIMES: rows.times, LINES: rows.lines, SERIES: rows.series}
                arrays |= {f"{use}.bin": values for use, values in rows.values.items()}
                files.put({name: arrays[name].astype(number_of(name), copy=False) for name in widths(rows.columns)})
            tell(int(upto * identity[0]) - int(share * identity[0]))
            share = upto
        if first is None:
            raise no_rows(path)
        if _identity(path) != identity:
            raise DataError(f"{path} changed while it was read", hint="wait until it is complete, then try again")
        numbers = files.finish()
    begun, found = first
    return Header(
        file=str(path.absolute()),
        bytes=identity[0],
        sha256=sha256,
        rows=count,
        unit=begun.unit,
        said=said,
        found=found,
        dates=begun.form.writing.dates or {},
        ids=list(ids),
        notes=begun.notes,
        empty=empty,
        numbers=numbers,
    )


def _found(rows: Rows, said: Said) -> Found:
    columns, writing = rows.columns, rows.form.writing
    dates = writing.dates
    return Found(
        time=columns.time,
        id=columns.id,
        targets=columns.targets,
        past=said.past,
        known=said.known,
        static=said.static,
        date_format=None if dates is None else dates.shown,
        zone=None if dates is None or not dates.zone else dates.zone.replace("Z", "UTC"),
        separator=writing.separator,
        decimal=writing.decimal,
    )


def _read_ahead(
    blocks: Iterator[tuple[Sheet, float]], wanted: Wanted, readers: ThreadPoolExecutor
) -> Iterator[tuple[Sheet, float, Rows | None]]:
    """Yield each block with its rows, None if it has none; the next ones are read in the meantime.

    Raises:
        DataError: a block cannot be used; those before it come first.
    """
    waiting: deque[tuple[Sheet, float, Future[Rows | None]]] = deque()
    form: Form | None = None
    wrong: DataError | None = None
    while True:
        try:
            block = next(blocks, None)
        except DataError as error:
            block, wrong = None, error
        if block is None:
            break
        sheet, share = block
        if form is None and sheet.rows:
            rows = read_block(sheet, wanted)
            form = rows.form
            yield sheet, share, rows
            continue
        waiting.append((sheet, share, readers.submit(_rows, sheet, wanted, form)))
        if len(waiting) > AT_ONCE:
            first, upto, reading = waiting.popleft()
            yield first, upto, reading.result()
    for first, upto, reading in waiting:
        yield first, upto, reading.result()
    if wrong is not None:
        raise wrong


def _rows(sheet: Sheet, wanted: Wanted, form: Form | None) -> Rows | None:
    return read_block(sheet, wanted, form) if sheet.rows else None
