"""Convert a table of any size to numbers on disk, with little memory (see `data.prepared_table` for the format).

The file is read once for its SHA-256 and once for its rows, one block at a time.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmctl.data.locating import check_regular, locate
from lstmctl.data.prepared_folder import NumberFiles, Prepared, other_data, prepared, progress_of, refuse_prepared
from lstmctl.data.prepared_table import (
    FILES,
    LINES,
    SERIES,
    TIMES,
    Header,
    check_numbers,
    number_of,
    read_header,
    require_said,
    said_of,
    widths,
)
from lstmctl.data.series import Layout, one_file, wanted_columns
from lstmctl.data.sheets import Form, Wanted
from lstmctl.data.table_blocks import Block, row_numbers, table_blocks
from lstmctl.data.table_hints import SERIES as PURPOSE
from lstmctl.data.tables import Rows, no_rows, read_block
from lstmctl.errors import DataError

if TYPE_CHECKING:
    from lstmctl.data.downloading import Progress

BLOCK = 1 << 22
"""Bytes of a block of the table; as numbers and dates they are several times as many."""
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
    check_regular(path, PURPOSE.what)
    said = said_of(wanted, layout.separator, layout.decimal)
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


def _written(
    folder: Path, path: Path, wanted: Wanted, said: dict[str, Any], tell: Callable[[int], object], size: int
) -> Header:
    """Write the numbers.

    Raises:
        DataError: the table cannot be used, or changed while it was read.
    """
    identity = _identity(path)
    sha256 = _sha256(path, tell)
    first: Rows | None = None
    found: dict[str, Any] = {}
    ids: dict[str, int] = {}
    largest: dict[str, int] | None = None
    count, empty, share = 0, [0, 0], 0.0
    blocks = table_blocks(path, said["separator"], said["decimal"], size)
    with NumberFiles(folder) as files, ThreadPoolExecutor(AT_ONCE) as readers:
        for block, rows in _read_ahead(blocks, wanted, readers):
            empty = [empty[0] + block.empty, empty[1] or block.first_empty]
            if rows is not None:
                # Series are numbered by their first appearance in the whole table.
                rows.series = np.array([ids.setdefault(name, len(ids)) for name in rows.ids])[rows.series]
                if first is None:
                    first, found = rows, _found(rows, block, wanted)
                largest = row_numbers(block.sheet, rows.columns, wanted, largest)
                count += len(rows.times)
                arrays = {TIMES: rows.times, LINES: rows.lines, SERIES: rows.series}
                arrays |= {f"{use}.bin": values for use, values in rows.values.items()}
                files.put({name: arrays[name].astype(number_of(name), copy=False) for name in widths(rows.columns)})
            tell(int(block.share * identity[0]) - int(share * identity[0]))
            share = block.share
        if first is None:
            raise no_rows(path)
        if _identity(path) != identity:
            raise DataError(f"{path} changed while it was read", hint="give the command again once it is at rest")
        numbers = files.finish()
    dates = first.form.writing.dates
    return Header(
        file=str(path.absolute()),
        bytes=identity[0],
        sha256=sha256,
        rows=count,
        unit=first.unit,
        said=said,
        found=found,
        dates={} if dates is None else asdict(dates),
        ids=list(ids),
        notes=first.notes,
        empty=empty,
        numbers=numbers,
    )


def _found(rows: Rows, block: Block, wanted: Wanted) -> dict[str, Any]:
    """Return the settings that were recognised in the first rows, by the config's keys."""
    dates = rows.form.writing.dates
    return {
        **said_of(wanted, "", ""),
        "time": rows.columns.time,
        "id": rows.columns.id,
        "targets": list(rows.columns.targets),
        "date_format": None if dates is None else dates.shown,
        "zone": None if dates is None or not dates.zone else dates.zone.replace("Z", "UTC"),
        "separator": block.separator,
        "decimal": block.decimal,
    }


def _read_ahead(
    blocks: Iterator[Block], wanted: Wanted, readers: ThreadPoolExecutor
) -> Iterator[tuple[Block, Rows | None]]:
    """Yield each block with its rows, None if it has none; the next ones are read in the meantime.

    Raises:
        DataError: a block cannot be used; those before it come first.
    """
    waiting: deque[tuple[Block, Future[Rows | None]]] = deque()
    form: Form | None = None
    wrong: DataError | None = None
    while True:
        try:
            block = next(blocks, None)
        except DataError as error:
            block, wrong = None, error
        if block is None:
            break
        if form is None and block.sheet.rows:
            rows = read_block(block.sheet, wanted)
            form = rows.form
            yield block, rows
            continue
        waiting.append((block, readers.submit(_rows, block, wanted, form)))
        if len(waiting) > AT_ONCE:
            first, reading = waiting.popleft()
            yield first, reading.result()
    for first, reading in waiting:
        yield first, reading.result()
    if wrong is not None:
        raise wrong


def _rows(block: Block, wanted: Wanted, form: Form | None) -> Rows | None:
    return read_block(block.sheet, wanted, form) if block.sheet.rows else None
