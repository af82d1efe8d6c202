"""The files of numbers of a prepared table while they are written, and the note of how far they have come."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.prepared_folder import PROGRESS, digest_of, folder_errors
from lstmctl.data.prepared_table import LINES, SERIES, TIMES, form_of, number_of, widths
from lstmctl.data.sheets import Columns, Form
from lstmctl.data.tables import Rows
from lstmctl.errors import DataError
from lstmctl.storage import replace_json, sync


@dataclass(frozen=True)
class Note:
    """Progress of an attempt: the contents of `progress.json`."""

    source: list[Any]
    """Path, bytes, time of change and SHA-256 of the table's file."""
    said: dict[str, Any]
    block: int
    """Bytes read at once: what is noted is a whole number of blocks."""
    read: int = 0
    """Offset in the file up to which all rows are done, as in `Block.read`."""
    lines: int = 0
    rows: int = 0
    empty: int = 0
    """Empty lines up to there."""
    first_empty: int = 0
    found: dict[str, Any] = field(default_factory=dict)
    """As in the header; empty as long as no row is done."""
    dates: dict[str, Any] = field(default_factory=dict)
    unit: str = ""
    ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    largest: dict[str, int] = field(default_factory=dict)
    """As `row_numbers` gives it."""
    numbers: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file of numbers up to there."""

    @property
    def form(self) -> Form | None:
        """How rows are read, once the first has been."""
        if not self.found:
            return None
        return form_of(self.found, self.dates)


class NumberFiles:
    """The files of numbers of a folder, open to be written on from where a note says.

    Args:
        folder: where they are.
        columns: the use of each column.
        note: what they hold; what is behind that is cut off.

    Raises:
        DataError: they do not hold what the note says.
        ResourceError: the disk does not take them.
    """

    def __init__(self, folder: Path, columns: Columns, note: Note) -> None:
        self.folder = folder
        self.files: dict[str, IO[bytes]] = {}
        self.digests: dict[str, Any] = {}
        try:
            for name, width in widths(columns).items():
                self._open(name, 8 * width * note.rows, note)
        except BaseException:
            self.close()
            raise

    def _open(self, name: str, size: int, note: Note) -> None:
        with folder_errors(self.folder / name):
            is_there = size and (self.folder / name).exists()
            file = self.files[name] = (self.folder / name).open("r+b" if is_there else "w+b")
            self.digests[name] = digest_of(file, size)
            is_right = file.tell() == size
            file.truncate(size)
        if size and not (is_right and self.digests[name].hexdigest() == note.numbers[name]):
            raise DataError(f"{self.folder} contains a damaged start of a table", hint="remove it, then prepare again")

    def put(self, rows: Rows) -> None:
        """Append rows."""
        arrays: dict[str, NDArray[Any]] = {TIMES: rows.times, LINES: rows.lines, SERIES: rows.series}
        arrays |= {f"{use}.bin": values for use, values in rows.values.items()}
        for name, file in self.files.items():
            content = np.ascontiguousarray(arrays[name], number_of(name)).data
            self.digests[name].update(content)
            with folder_errors(self.folder / name):
                file.write(content)

    def save(self, note: Note) -> Note:
        """Wait until the disk has all rows, and note it; the note, with the hash of each file."""
        noted = replace(note, numbers={name: digest.hexdigest() for name, digest in self.digests.items()})
        for name, file in self.files.items():
            with folder_errors(self.folder / name):
                file.flush()
                sync(file.fileno())
        with folder_errors(self.folder):
            replace_json(self.folder / PROGRESS, asdict(noted))
        return noted

    def close(self) -> None:
        for name, file in self.files.items():
            with folder_errors(self.folder / name):
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
