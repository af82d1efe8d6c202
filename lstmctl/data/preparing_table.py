"""A table of any size made into numbers on the disk, within little memory (see `data.prepared_table` for the numbers).

The file is read once for its SHA-256 and once for its rows, one block at a time. During the second reading, the lengths
of all files and their SHA-256 so far are recorded repeatedly, after the numbers are on disk. An interrupted attempt
continues from there: everything written is read once more, for its hash, but nothing is recomputed.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data.locating import check_regular, locate
from lstmctl.data.number_files import Note, NumberFiles
from lstmctl.data.prepared_folder import HEADER, PROGRESS, Watch, folder_errors, held, is_prepared, told
from lstmctl.data.prepared_table import FILES, Header, check_numbers, read_header, require_said, said_of, widths
from lstmctl.data.series import Layout, one_file, wanted_columns
from lstmctl.data.sheets import Form, Wanted
from lstmctl.data.table_blocks import Block, row_numbers, table_blocks
from lstmctl.data.table_hints import SERIES as PURPOSE
from lstmctl.data.tables import Rows, no_rows, read_block
from lstmctl.errors import DataError
from lstmctl.storage import replace_json

BLOCK = 1 << 22
"""Bytes per block of the table; as numbers and dates, they take several times as many."""
AT_ONCE = 2
"""Blocks whose rows are read while another is checked; reading is what takes the time."""
NOTED_EVERY = 1 << 27
"""Bytes of a table between two notes of how far it has come."""


@dataclass(frozen=True)
class PreparedTable:
    """A prepared table on the disk."""

    folder: Path
    header: Header
    was_there: bool
    """True if the data already existed, and nothing was written."""
    resumed: int
    """Rows that an earlier attempt had done."""


def prepare_table(
    files: str | Sequence[str],
    layout: Layout,
    folder: Path | None = None,
    config_folder: Path | None = None,
    *,
    watch: Watch | None = None,
    block: int = BLOCK,
    noted_every: int = NOTED_EVERY,
) -> PreparedTable:
    """Convert a table to numbers on disk, or continue an interrupted attempt.

    Args:
        files: the name of one file, as in `data.series`.
        layout: how it is read, as far as columns and dates go; all else is done when it is opened.
        folder: where to; by default in the current folder, `NAME.prepared` for the file NAME.
        config_folder: where the name is looked for first.
        watch: called as the table is read.
        block: bytes of the table to have in memory at once.
        noted_every: bytes of the table that are done anew, at most, after an attempt that was ended.

    Raises:
        DataError: the table is missing or cannot be used, or the folder holds something else.
        ResourceError: the disk does not take it; what was done stays.
    """
    path = locate(one_file(files), config_folder, "data.series")
    if is_prepared(path):
        raise DataError(f"{path} is prepared data already")
    wanted = wanted_columns(layout)
    folder = (folder or Path(f"{path.stem}.prepared")).absolute()
    check_regular(path, PURPOSE.what)
    if watch is not None:
        watch.total = 2 * path.stat().st_size
    with held(folder, FILES):
        source = _source(path, watch)
        begun = Note(source, said_of(wanted, layout.separator, layout.decimal), block)
        if (folder / HEADER).exists():
            return _present(folder, begun)
        begun = _noted(folder, begun) or begun
        note = _written(folder, path, wanted, begun, watch, noted_every)
        header = Header(
            file=source[0],
            bytes=source[1],
            sha256=source[3],
            rows=note.rows,
            unit=note.unit,
            said=note.said,
            found=note.found,
            dates=note.dates,
            ids=note.ids,
            notes=note.notes,
            empty=[note.empty, note.first_empty],
            numbers=note.numbers,
        )
        with folder_errors(folder):
            replace_json(folder / HEADER, header.to_json())
            (folder / PROGRESS).unlink()
    return PreparedTable(folder, header, was_there=False, resumed=begun.rows)


def _source(path: Path, watch: Watch | None) -> list[Any]:
    """Return the fingerprint of a table's file, which is read completely."""
    tell, digest = told(watch), hashlib.sha256()
    identity = _identity(path)
    try:
        with path.open("rb") as file:
            while content := file.read(1 << 20):
                digest.update(content)
                tell(len(content))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return [*identity, digest.hexdigest()]


def _identity(path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]


def _present(folder: Path, asked: Note) -> PreparedTable:
    """Return the existing data, if it is complete and belongs to this table and these columns.

    Raises:
        DataError: it is not.
    """
    header = read_header(folder)
    if header.sha256 != asked.source[3]:
        raise DataError(
            f"{folder} contains another table: its SHA-256 is {header.sha256[:16]}…, that of {asked.source[0]} is "
            f"{asked.source[3][:16]}…",
            hint="remove it, or prepare the table elsewhere: --to FOLDER",
        )
    require_said(folder, header, asked.said)
    check_numbers(folder, header)
    return PreparedTable(folder, header, was_there=True, resumed=0)


def _noted(folder: Path, begun: Note) -> Note | None:
    """Return the progress of an earlier, identical attempt, or None if there is none that can be used."""
    try:
        note = Note(**json.loads((folder / PROGRESS).read_bytes()))
        is_whole = all(type(value) is type(getattr(begun, key)) for key, value in vars(note).items())
        files = widths(note.form.columns).keys() if is_whole and note.form is not None else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    same = (note.source, note.said, note.block) == (begun.source, begun.said, begun.block)
    return note if same and files is not None and files == note.numbers.keys() else None


def _written(folder: Path, path: Path, wanted: Wanted, begun: Note, watch: Watch | None, noted_every: int) -> Note:
    """Write the numbers, from where the note says; the note of all of them.

    A thread hashes and writes the rows of a block while the next ones are read.

    Raises:
        DataError: the table cannot be used, or what the note is of has changed.
    """
    tell, size = told(watch), begun.source[1]
    series = {name: number for number, name in enumerate(begun.ids)}
    separator, decimal = begun.said["separator"], begun.said["decimal"]
    done, share, noted = begun, 0.0, 0.0
    files: NumberFiles | None = None
    with ExitStack() as opened, ThreadPoolExecutor(AT_ONCE) as readers, ThreadPoolExecutor(1) as helper:
        writing: Future[Any] = helper.submit(int)
        blocks = table_blocks(path, separator, decimal, begun.block, begun.read, begun.lines)
        for block, rows in _read_ahead(blocks, wanted, begun.form, readers):
            note = _after(done, block, rows, wanted, series)
            if rows is not None and files is None:
                # Not before some rows were read: a table that cannot be used leaves nothing behind.
                files = opened.enter_context(NumberFiles(folder, rows.columns, begun))
                files.save(begun)
                noted = share
            writing.result()
            if files is not None and rows is not None:
                if (share - noted) * size >= noted_every:
                    files.save(done)
                    noted = share
                writing = helper.submit(files.put, rows)
            tell(int(block.share * size) - int(share * size))
            done, share = note, block.share
        writing.result()
        if files is None and begun.form is not None:  # killed between the last note and the header
            files = opened.enter_context(NumberFiles(folder, begun.form.columns, begun))
        if files is None:
            raise no_rows(path)
        if _identity(path) != begun.source[:3]:
            raise DataError(f"{path} changed while it was read", hint="run it again when the file no longer changes")
        return files.save(done)


def _read_ahead(
    blocks: Iterator[Block], wanted: Wanted, form: Form | None, readers: ThreadPoolExecutor
) -> Iterator[tuple[Block, Rows | None]]:
    """Each block with its rows, None where it has none; some are read while those before are worked on.

    Raises:
        DataError: a block cannot be used; those before it come first.
    """
    waiting: deque[tuple[Block, Future[Rows | None]]] = deque()
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


def _after(before: Note, block: Block, rows: Rows | None, wanted: Wanted, series: dict[str, int]) -> Note:
    """The note of all rows up to a block's end; series are numbered as in all of the table.

    Args:
        series: the number of each series met so far; new ones are added.
    """
    note = replace(
        before,
        read=block.read,
        lines=block.lines,
        empty=before.empty + block.empty,
        first_empty=before.first_empty or block.first_empty,
    )
    if rows is None:
        return note
    numbers = np.array([series.setdefault(name, len(series)) for name in rows.ids])
    rows.series = numbers[rows.series]
    if before.form is None:
        dates = rows.form.writing.dates
        found = {
            **said_of(wanted, "", ""),
            "time": rows.columns.time,
            "id": rows.columns.id,
            "targets": list(rows.columns.targets),
            "date_format": None if dates is None else dates.shown,
            "zone": None if dates is None or not dates.zone else dates.zone.replace("Z", "UTC"),
            "separator": block.separator,
            "decimal": block.decimal,
        }
        plain = {} if dates is None else asdict(dates)
        note = replace(note, found=found, dates=plain, unit=rows.unit, notes=rows.notes)
    return replace(
        note,
        rows=before.rows + len(rows.times),
        ids=before.ids if len(before.ids) == len(series) else list(series),
        largest=row_numbers(block.sheet, rows.columns, wanted, None if before.form is None else before.largest),
    )
