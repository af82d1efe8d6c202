"""Delimited text as a sheet: where a line is wrong, and columns as texts or numbers.

polars parses numbers, all at once. Only a column for which that fails is read as text, value by value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.character_sets import conversion
from lstmctl.data.delimited_start import CONVERT, SAMPLED, SEPARATORS, column_names, read_start
from lstmctl.data.number_format import ColumnForm, column_form, number_form
from lstmctl.data.records import is_unclosed, misquoted, outside_quotes, whole_records
from lstmctl.data.sheets import Sheet
from lstmctl.data.table_hints import SERIES, TableHints
from lstmctl.data.utf8 import BYTE_ORDER_MARK
from lstmctl.errors import DataError
from lstmctl.shell import setting
from lstmctl.words import plural

MISSING_WORDS = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none"]
"""The usual spellings, for fast parsing; slow parsing also knows others."""
BLOCK = 1 << 23
"""Bytes to check at once."""
LONGEST_RECORD = 1 << 26
"""Maximum bytes of a row; a longer one must contain an unclosed quotation mark."""
AT_ONCE = 1 << 22
"""Values to read as texts at once."""
# A panic inside polars is not an ordinary exception, but for a file that causes it, it is an error like any other.
POLARS_ERRORS: tuple[type[BaseException], ...] = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    ValueError,
    OSError,
)


class DelimitedSheet(Sheet):
    """A CSV or TSV file in which every row has the same number of fields as the header."""

    unit = "line"

    def __init__(self, path: Path, separator: str, decimal: str, hints: TableHints = SERIES) -> None:
        """Check the whole file once.

        Raises:
            DataError: the file is not such a table; with the line and a remedy.
        """
        self._recognise(path, separator, decimal, hints)
        digest = hashlib.sha256()
        self._check(digest)
        if self._content is not None:
            # The checksum covers the file, not the converted content.
            content = self.path.read_bytes()
            digest, self._size = hashlib.sha256(content), len(content)
        self._sha256 = digest.hexdigest()
        if (note := empty_lines(self.empty, self.first_empty)) is not None:
            self.notes.append(note)

    @classmethod
    def in_blocks(cls, path: Path, separator: str, decimal: str, size: int) -> Iterator[tuple[Self, int]]:
        """Yield the file as several sheets of whole rows under one header, with the bytes up to the end of each.

        A block has about `size` bytes; a file in UTF-16, or with carriage returns as line breaks, is one block.

        Raises:
            DataError: the file is not such a table; with the line and a remedy.
        """
        whole = cls.__new__(cls)
        whole._recognise(path, separator, decimal, SERIES)
        read = lines = 0
        for block in whole._blocks(size):
            part = copy(whole)
            part._content, part._before, part._offset, part.notes = block, lines, read, []
            part._check(None)
            read, lines = read + len(block), part._lines
            yield part, read

    def _recognise(self, path: Path, separator: str, decimal: str, hints: TableHints) -> None:
        """Read the first lines: names of columns, separator and decimal sign."""
        self.path, self._hints = path, hints
        self.notes: list[str] = []
        self._before = self._offset = 0  # lines and bytes of the file that come before the content
        start = read_start(path, separator)
        self._content, self.separator = start.content, start.separator
        self._above, self._header_line, self._table_hint = start.above, start.header_line, start.table_hint
        self._width = len(start.header)
        self.names = column_names(start, path, hints)
        self.unnamed = {number for number, name in enumerate(start.header) if not name}
        self._numbers = number_form((field for row in start.rows for field in row), decimal)
        self._rows = start.rows[:SAMPLED]
        self._forms: dict[int, ColumnForm] = {}

    @property
    def decimal(self) -> str:
        return self._numbers.decimal

    @property
    def known_decimal(self) -> str | None:
        decides = self._numbers.is_sure or any(self.form(column).is_decimal for column in range(self._width))
        return self.decimal if decides else None

    def form(self, column: int) -> ColumnForm:
        if column not in self._forms:
            values = [row[column] for row in self._rows if column < len(row)]
            self._forms[column] = column_form(values, self.separator)
        return self._forms[column]

    def texts(self, column: int) -> pl.Series:
        return self._read({column: pl.String()})[f"c{column}"].fill_null("").str.strip_chars()

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        values = np.empty((self.rows, len(columns)))
        types = {column: self._plain_type(column) for column in columns}
        fast = {column: found for column, found in types.items() if found is not None}
        try:
            frame = self._read(fast) if fast else None
        except DataError:  # explained below
            frame, fast = None, {}
        read = {} if frame is None else {series.name: series for series in frame.get_columns()}
        for place, column in enumerate(columns):
            if column in fast:
                values[:, place] = read[f"c{column}"].cast(pl.Float64).to_numpy()
        slow = [place for place, column in enumerate(columns) if column not in fast]
        at_once = max(1, AT_ONCE // max(1, self.rows))
        for first in range(0, len(slow), at_once):
            chunk = slow[first : first + at_once]
            values[:, chunk] = self._careful([columns[place] for place in chunk])
        self._check_size(values, columns)
        return values

    def _plain_type(self, column: int) -> pl.DataType | None:
        """Return the type by which polars reads a column correctly; None if its texts must be examined."""
        form = self.form(column)
        if self.decimal == "," or form.unit or form.is_truth:
            return None
        if self._numbers.is_sure or form.is_decimal:
            return pl.Float64()
        # A point in it would have two meanings.
        return pl.Int64() if form.kind in ("whole", "empty") else None

    def _check(self, digest: hashlib._Hash | None) -> None:
        """Check encoding, quotation marks and number of fields of every line; note the rows with any content."""
        kept: list[NDArray[np.int64]] = []
        records: list[NDArray[np.int64]] = []
        line, size, count = self._before, 0, 0
        self.empty, self.first_empty = 0, 0
        self._quoted = False
        for block in self._blocks(BLOCK):
            self._check_text(block, line, self._offset + size)
            if digest is not None:
                digest.update(block)
            if self._offset + size == 0:
                above = self._above
                line = self._header_line - 1
            else:
                above = 0
            size += len(block)
            numbers, blank, line = self._check_records(block[above:], line)
            is_header = numbers <= self._header_line
            empty = numbers[blank & ~is_header]
            if len(empty):
                self.empty, self.first_empty = self.empty + len(empty), self.first_empty or int(empty[0])
            filled = ~blank & ~is_header
            kept.append(numbers[filled])
            records.append(count + np.flatnonzero(filled))
            count += len(numbers)
        self._size, self._lines, self._records = size, line, count
        self.lines = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
        """(rows,) the first line of each row, counted from 1; the header is usually line 1."""
        self._places = np.concatenate(records) if records else np.empty(0, dtype=np.int64)

    def _blocks(self, size: int) -> Iterator[bytes]:
        """Yield the content in blocks of whole records."""
        if self._content is not None:
            if self._content:
                yield self._content
            return
        rest, above = b"", self._above
        with self.path.open("rb") as file:
            while read := file.read(size):
                rest += read
                cut = whole_records(rest[above:])
                if cut or len(rest) > LONGEST_RECORD:
                    end = above + cut if cut else len(rest)
                    yield rest[:end]
                    rest, above = rest[end:], 0
        if rest:
            yield rest

    def _check_text(self, block: bytes, line: int, offset: int) -> None:
        if b"\0" in block:
            found = line + 1 + block.count(b"\n", 0, block.index(b"\0"))
            raise DataError(f"{self.path}: line {found} contains a zero byte, as binary files do", hint=CONVERT)
        if block.isascii():
            return
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            found = line + 1 + block.count(b"\n", 0, error.start)
            wrong = f"byte offset {offset + error.start}: 0x{block[error.start]:02x}"
            raise DataError(
                f"{self.path}: line {found}, {wrong} is not UTF-8",
                hint=conversion(self.path, offset + error.start),
            ) from error

    def _check_records(self, block: bytes, line: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
        """Return the first line of each record of a block, whether it holds separators alone, and the block's last
        line."""
        if block.startswith(BYTE_ORDER_MARK):
            block = block.removeprefix(BYTE_ORDER_MARK)
        codes = np.frombuffer(block, dtype=np.uint8)
        breaks = np.flatnonzero(codes == ord("\n"))
        ends, separators = breaks, np.flatnonzero(codes == ord(self.separator))
        if b'"' in block:
            self._quoted = True
            ends, separators = outside_quotes(codes, "\n"), outside_quotes(codes, self.separator)
        if not len(ends) or ends[-1] != len(codes) - 1:
            ends = np.append(ends, len(codes))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lines = np.arange(line + 1, line + 1 + len(starts), dtype=np.int64)
        if b'"' in block:
            lines = line + 1 + np.searchsorted(breaks, starts)
            self._check_quotation(block, starts, ends, lines)
        fields = np.diff(np.append(np.searchsorted(separators, starts), len(separators))) + 1
        lengths = ends - starts
        carriage = np.zeros(len(ends), dtype=np.int64)
        carriage[lengths > 0] = codes[ends[lengths > 0] - 1] == ord("\r")
        blank = lengths - carriage == fields - 1
        for wrong in np.flatnonzero((fields != self._width) & ~blank):
            text = block[starts[wrong] : ends[wrong]]
            if text.strip(b" \t\r"):
                raise self._other_width(text.decode("utf-8", "replace"), int(lines[wrong]), int(fields[wrong]))
            blank[wrong] = True
        last = line + len(breaks) + (not block.endswith(b"\n"))
        return lines, blank, last

    def _other_width(self, text: str, line: int, fields: int) -> DataError:
        others = [other for other in SEPARATORS if other != self.separator]
        hint = self._hints.comma if self.separator == "," and fields > self._width else None
        if self._table_hint is not None:
            hint = self._table_hint
        elif any(text.count(other) == self._width - 1 for other in others):
            hint = f"this line has another separator; use one for all: {setting('data.separator', self.separator)}"
        elif text.lstrip().startswith("#"):
            hint = "comments are allowed only above the header: delete this line"
        return DataError(
            f"{self.path}: line {line}: {plural(fields, 'field')}, "
            f"but the header (line {self._header_line}) has {self._width}",
            hint=hint,
        )

    def _check_quotation(
        self, block: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], lines: NDArray[np.int64]
    ) -> None:
        # polars would read others as more or fewer fields than they have.
        found = misquoted(block, starts, ends, self.separator)
        if found is None:
            return
        is_open = is_unclosed(block[starts[found] : ends[found]], self.separator)
        raise DataError(
            f"{self.path}: line {lines[found]}: "
            + ("a quotation mark is never closed" if is_open else "quotation marks enclose only a part of a field"),
            hint='put the whole field between them, and write one inside as ""',
        )

    def _read(self, types: Mapping[int, pl.DataType]) -> pl.DataFrame:
        """Return columns `c0`, `c1` … of the rows with any content."""
        # polars must not take an empty line for the first one.
        above = (int(self.lines[0]) if self.rows else self._lines + 1) - self._before - 1
        first = int(self._places[0]) if self.rows else self._records
        options: dict[str, Any] = (
            {} if all(kind == pl.String for kind in types.values()) else {"null_values": MISSING_WORDS}
        )
        try:
            frame = pl.read_csv(
                self.path if self._content is None else self._content,
                has_header=False,
                skip_lines=above,
                schema={f"c{column}": types.get(column, pl.String()) for column in range(self._width)},
                columns=sorted(types),
                separator=self.separator,
                quote_char='"' if self._quoted else None,
                glob=False,
                **options,
            )
        except POLARS_ERRORS as error:
            reason = str(error).split("\n", 1)[0]
            raise DataError(f"{self.path} cannot be read as a table: {reason}") from error
        below = self._records - first
        if frame.height != below:
            raise DataError(
                f"{self.path}: {below:,} rows below the header, but {frame.height:,} were read",
                hint='quotation marks inside of fields may be the cause; write them as "" within quotes',
            )
        return frame if self.rows == below else frame[pl.Series(self._places - first)]

    def _careful(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """Return (rows, columns) numbers, read from their texts."""
        texts = self._read({column: pl.String() for column in columns}).select(f"c{column}" for column in columns)
        return self._read_numbers(texts, columns)


def empty_lines(count: int, first: int) -> str | None:
    """Return the note on empty lines, if there are any."""
    return f"{plural(count, 'empty line')} left out, first line {first}" if count else None
