"""Tables as delimited text: what separates the columns, where a line is wrong, and columns as texts or numbers.

Numbers are parsed by polars all at once. Only where that fails is a column read again as text to find the culprit.
Every record is one line, so that a row always has a line number.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.dates import is_date
from lstmctl.data.purposes import SERIES, Purpose
from lstmctl.data.quotation import misquoted_line
from lstmctl.data.utf8 import BYTE_ORDER_MARK
from lstmctl.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "."}
"""Words that stand for a missing value, in small letters."""
MISSING_WORDS = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none"]
"""The usual ones as they are written, for the fast way; other spellings are understood by the slow one."""
LARGEST = 1e37
"""Beyond this a network's numbers (float32) overflow soon."""
BLOCK = 1 << 23
"""Bytes looked at in one go."""
SAMPLED = 200
"""Rows from which columns, separator and decimal sign are recognised."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = ",.'\u2019 \u00a0\u202f"
"""Signs that stand between thousands somewhere in the world; which of them is the decimal sign is no matter here."""
# A crash inside polars is no ordinary exception, but for a file that caused it, it is an error like any other.
POLARS_ERRORS: tuple[type[BaseException], ...] = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    ValueError,
    OSError,
)


class DelimitedSheet:
    """A CSV or TSV file whose every line has the header's number of fields."""

    unit = "line"

    def __init__(self, path: Path, separator: str, decimal: str, purpose: Purpose = SERIES) -> None:
        """Check the whole file once.

        Args:
            path: a regular file.
            separator: one of `SEPARATORS`, or auto.
            decimal: `.`, `,` or auto.
            purpose: what it is read for, as far as errors say what would be right.

        Raises:
            DataError: it is not such a file; with the line, and what would be right.
        """
        self._recognise(path, separator, decimal, purpose)
        digest = hashlib.sha256()
        self.lines = self._check(digest)
        """(rows,) the line of each row, counted from 1; the header is usually line 1."""
        if self._content is not None:
            # The checksum is that of the file, not of what was made of it.
            content = self.path.read_bytes()
            digest, self._size = hashlib.sha256(content), len(content)
        self._sha256 = digest.hexdigest()
        if (note := empty_lines(self.empty, self.first_empty)) is not None:
            self.notes.append(note)

    @classmethod
    def in_blocks(
        cls, path: Path, separator: str, decimal: str, size: int, read: int = 0, lines: int = 0
    ) -> Iterator[tuple[Self, int, int]]:
        """The same file as several sheets of whole lines under one header, with the bytes and lines up to each's end.

        Args:
            path: a regular file.
            separator: one of `SEPARATORS`, or auto.
            decimal: `.`, `,` or auto.
            size: bytes of a block, about; a file whose lines end in one carriage return is one block.
            read: bytes that are left out, a whole number of lines.
            lines: how many lines these are.

        Raises:
            DataError: it is not such a file; with the line, and what would be right.
        """
        whole = cls.__new__(cls)
        whole._recognise(path, separator, decimal, SERIES)
        for block in whole._blocks(size, read):
            part = copy(whole)
            part._content, part._before, part._offset, part.notes = block, lines, read, []
            part.lines = part._check(None)
            read, lines = read + len(block), part._lines
            yield part, read, lines

    def _recognise(self, path: Path, separator: str, decimal: str, purpose: Purpose) -> None:
        """Look at the first lines: names of columns, separator and decimal sign."""
        self.path, self._purpose = path, purpose
        self.notes: list[str] = []
        self._before = self._offset = 0  # lines and bytes of the file that come before the content
        with path.open("rb") as file:
            head = file.read(1 << 18)
            # Line ends of one carriage return, as old spreadsheets write them, are turned into the usual ones.
            self._content = None if b"\n" in head or b"\r" not in head else head + file.read()
        if self._content is not None:
            self._content = re.sub(b"\r\n?", b"\n", self._content)
            head = self._content[: 1 << 18]
        lines = self._first_lines(head)
        self._header_line = next((number for number, line in enumerate(lines) if line.strip()), -1) + 1
        if self._header_line == 0:
            raise DataError(f"{path} is empty")
        lines = lines[self._header_line - 1 :]
        self.separator = _separator(lines) if separator == "auto" else separator
        header, *sample = self._fields(lines)
        self._sample = [row for row in sample if any(field.strip() for field in row)][:SAMPLED]
        self._width = len(header)
        self.names = self._names(header)
        self.decimal = self._decimal() if decimal == "auto" else decimal

    @property
    def rows(self) -> int:
        """Rows with any content."""
        return len(self.lines)

    def kind(self, column: int) -> str:
        """What a column seems to hold by its first rows: whole, number, date, text, or empty."""
        values = [row[column].strip() for row in self._sample if column < len(row)]
        values = [value for value in values if value.casefold() not in MISSING]
        if not values:
            return "empty"
        # A slip in one row must not change a column's use: it is to be found and named as what it is.
        if sum(map(is_date, values)) > len(values) / 2:
            return "date"
        numbers = [value for value in values if self._is_number(value)]
        if not numbers:
            return "text"
        return "whole" if all(re.fullmatch(r"[+-]?\d{1,18}", value) for value in numbers) else "number"

    def texts(self, column: int) -> pl.Series:
        """(rows,) a column as it is written, without blanks around."""
        return self._read([column], pl.String)[0].to_series().fill_null("").str.strip_chars()

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """(rows, columns) float64, with NaN where a value is missing.

        Raises:
            DataError: something is no number, or too large; with line, column and value.
        """
        values = np.empty((self.rows, len(columns)))
        if not columns:
            return values
        frames = None
        if self.decimal == ".":
            try:
                frames = self._read(columns, pl.Float64)
            except DataError:  # found and named below
                frames = None
        for index, column in enumerate(columns):
            read = None if frames is None else frames[index].to_series()
            values[:, index] = self._careful(column) if read is None else read.to_numpy()
            self._check_size(values[:, index], column)
        return values

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"{self.path}: line {self.lines[row]}"

    def fingerprint(self) -> dict[str, object]:
        """SHA-256 and size in bytes of the file as it was checked."""
        return {"sha256": self._sha256, "bytes": self._size}

    def _first_lines(self, head: bytes) -> list[str]:
        """The first lines, without the last where it may be cut off."""
        if b"\0" in head:
            raise DataError(f"{self.path} holds zero bytes, as UTF-16 and binary files do", hint=_CONVERT)
        if len(head) >= 1 << 18 and b"\n" in head:
            head = head[: head.rindex(b"\n")]
        text = head.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")
        return [line.removesuffix("\r") for line in text.split("\n")[: 10 * SAMPLED]]

    def _fields(self, lines: list[str]) -> list[list[str]]:
        try:
            rows = [next(csv.reader([line], delimiter=self.separator), []) for line in lines]
        except csv.Error as error:
            raise DataError(f"{self.path} is no table that can be read: {error}") from error
        return [[field.strip() for field in row] for row in rows]

    def _names(self, header: list[str]) -> tuple[str, ...]:
        """The columns' names, with a stand-in for those without."""
        if len(header) < self._purpose.columns:
            others = [other for other in SEPARATORS if other in header[0] and other != self.separator]
            raise DataError(
                f"{self.path}: line {self._header_line}: one column only, `{header[0][:40]}`",
                hint=f"the columns seem to be separated otherwise: data.separator={_shown(others[0])}"
                if others
                else f"a table has {self._purpose.holds}",
            )
        if date := next((name for name in header if is_date(name)), None):
            raise DataError(
                f"{self.path}: line {self._header_line}: `{date}` stands where a column's name should be",
                hint="put a header line before the data, such as "
                + self.separator.join(["date", *(f"series{number}" for number in range(1, len(header)))][:4]),
            )
        if all(not name or self._is_number(name) for name in header):
            raise DataError(
                f"{self.path}: line {self._header_line} holds numbers where the columns' names should be",
                hint="put a header line before the data, such as " + self.separator.join(self._purpose.header),
            )
        names = [name or f"column {number}" for number, name in enumerate(header, start=1)]
        if twice := next((name for index, name in enumerate(names) if name in names[:index]), None):
            raise DataError(f"{self.path}: line {self._header_line}: two columns are named `{twice}`; rename one")
        self.unnamed = {number for number, name in enumerate(header) if not name}
        return tuple(names)

    def _decimal(self) -> str:
        """A comma where more numbers of the first rows have one than a point."""
        if self.separator == ",":
            return "."
        fields = [field for row in self._sample for field in row]
        commas = sum(_COMMA_NUMBER.fullmatch(field) is not None for field in fields)
        points = sum(re.fullmatch(r"[+-]?\d+\.\d+", field) is not None for field in fields)
        return "," if commas > points else "."

    def _is_number(self, text: str) -> bool:
        # One with thousands apart is to be refused as a number, with what to do about it, not taken for text.
        return bool(
            _NUMBER.fullmatch(text)
            or _COMMA_NUMBER.fullmatch(text)
            or any(_without_thousands(text, decimal) for decimal in ".,")
        )

    def _check(self, digest: hashlib._Hash | None) -> NDArray[np.int64]:
        """Look at every line: encoding, quotation marks and number of fields; keep the lines that hold anything."""
        kept: list[NDArray[np.int64]] = []
        line, size = self._before, 0
        self.empty, self.first_empty = 0, 0
        self._quoted = False
        for block in self._blocks(BLOCK):
            self._check_text(block, line, self._offset + size)
            if digest is not None:
                digest.update(block)
            size += len(block)
            starts, blank = self._check_fields(block, line)
            self._check_quotation(block, line)
            numbers = np.arange(line + 1, line + 1 + len(starts), dtype=np.int64)
            empty = numbers[blank & (numbers > self._header_line)]
            if len(empty):
                self.empty, self.first_empty = self.empty + len(empty), self.first_empty or int(empty[0])
            kept.append(numbers[~blank & (numbers > self._header_line)])
            line += len(starts)
        self._size, self._lines = size, line
        return np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)

    def _blocks(self, size: int, start: int = 0) -> Iterator[bytes]:
        """The content from a byte on, in blocks of whole lines."""
        if self._content is not None:
            if start < len(self._content):
                yield self._content[start:]
            return
        rest = b""
        with self.path.open("rb") as file:
            file.seek(start)
            while read := file.read(size):
                cut = read.rfind(b"\n") + 1
                if cut:
                    yield rest + read[:cut]
                    rest = read[cut:]
                else:
                    rest += read
        if rest:
            yield rest

    def _check_text(self, block: bytes, line: int, offset: int) -> None:
        if b"\0" in block:
            found = line + 1 + block.count(b"\n", 0, block.index(b"\0"))
            raise DataError(f"{self.path}: line {found} holds a zero byte, as binary files do", hint=_CONVERT)
        if block.isascii():
            return
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            found = line + 1 + block.count(b"\n", 0, error.start)
            wrong = f"byte offset {offset + error.start}: 0x{block[error.start]:02x}"
            raise DataError(
                f"{self.path}: line {found}, {wrong} is not UTF-8",
                hint=f"convert it, say from Latin-1: iconv -f latin1 -t utf-8 {self.path.name}",
            ) from error

    def _check_fields(self, block: bytes, line: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where each line of a block starts, and which lines are empty or hold separators alone."""
        codes = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(codes == ord("\n"))
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(codes))
        starts = np.concatenate([[0], ends[:-1] + 1])
        separators = np.flatnonzero(codes == ord(self.separator))
        if b'"' in block:
            self._quoted = True
            quotes = np.flatnonzero(codes == ord('"'))
            before = np.searchsorted(quotes, starts)
            counts = np.diff(np.append(before, len(quotes)))
            if np.any(counts % 2):
                found = line + 1 + int(np.argmax(counts % 2))
                raise DataError(
                    f"{self.path}: line {found}: a quotation mark is not closed on its line",
                    hint='write each row on one line, and a quotation mark inside of quotes as ""',
                )
            # Every line has an even number, so the count before a separator says whether it is inside of quotes.
            separators = separators[np.searchsorted(quotes, separators) % 2 == 0]
        fields = np.diff(np.append(np.searchsorted(separators, starts), len(separators))) + 1
        lengths = ends - starts
        carriage = np.zeros(len(ends), dtype=np.int64)
        carriage[lengths > 0] = codes[ends[lengths > 0] - 1] == ord("\r")
        blank = lengths - carriage == fields - 1
        for wrong in np.flatnonzero((fields != self._width) & ~blank):
            number = line + 1 + int(wrong)
            if number < self._header_line or not block[starts[wrong] : ends[wrong]].strip(b" \t\r\xef\xbb\xbf"):
                blank[wrong] = True
                continue
            others = [other for other in SEPARATORS if other != self.separator]
            text = block[starts[wrong] : ends[wrong]].decode("utf-8", "replace")
            otherwise = next((other for other in others if text.count(other) == self._width - 1), None)
            hint = self._purpose.comma if self.separator == "," and fields[wrong] > self._width else None
            raise DataError(
                f"{self.path}: line {number}: {fields[wrong]} {'field' if fields[wrong] == 1 else 'fields'}, "
                f"but the header (line {self._header_line}) has {self._width}",
                hint=f"this line is separated otherwise; one for all: data.separator={_shown(self.separator)}"
                if otherwise
                else hint,
            )
        return starts, blank

    def _check_quotation(self, block: bytes, line: int) -> None:
        # Others would be read as more fields than they have, or fewer.
        if b'"' not in block:
            return
        found = misquoted_line(block.removeprefix(BYTE_ORDER_MARK), self.separator, self._width)
        if found is not None:
            raise DataError(
                f"{self.path}: line {line + found}: quotation marks enclose a part of a field, not all of it",
                hint='put the whole field between them, and write one inside as ""',
            )

    def _read(self, columns: Sequence[int], kind: type[pl.DataType]) -> list[pl.DataFrame]:
        """Columns of the rows that hold anything, each a frame, as texts or as numbers."""
        # Up to the first row: what polars takes for the first line must not be an empty one.
        above = (int(self.lines[0]) if len(self.lines) else self._lines + 1) - self._before - 1
        schema = {f"c{column}": kind if column in columns else pl.String for column in range(self._width)}
        try:
            frame = pl.read_csv(
                self.path if self._content is None else self._content,
                has_header=False,
                skip_lines=above,
                schema=schema,
                columns=sorted(columns),
                separator=self.separator,
                quote_char='"' if self._quoted else None,
                null_values=MISSING_WORDS if kind == pl.Float64 else None,
                glob=False,
            )
        except POLARS_ERRORS as error:
            first = str(error).split("\n", 1)[0]
            raise DataError(f"{self.path} is no table that can be read: {first}") from error
        below = self._lines - self._before - above
        if frame.height != below:
            raise DataError(
                f"{self.path}: {below:,} lines below the header, but {frame.height:,} rows were read",
                hint='quotation marks inside of fields may be the cause; write them as "" within quotes',
            )
        if len(self.lines) != below:
            frame = frame[pl.Series(self.lines - self._before - above - 1)]
        return [frame.select(f"c{column}") for column in columns]

    def _careful(self, column: int) -> NDArray[np.float64]:
        """One column as numbers, by way of its texts."""
        texts = self.texts(column)
        missing = texts.is_null() | texts.str.to_lowercase().is_in(list(MISSING))
        written = texts
        wrong = pl.repeat(False, len(texts), eager=True)
        if self.decimal == ",":
            # `1.234` may be a thousand and more here, so a point is no decimal point.
            wrong = texts.str.contains(".", literal=True)
            written = texts.str.replace(",", ".", literal=True)
        numbers = written.cast(pl.Float64, strict=False)
        bad = ((numbers.is_null() | wrong) & ~missing).arg_true()
        if len(bad):
            value = str(texts[int(bad[0])])
            raise DataError(
                f"{self.place(int(bad[0]))}, column `{self.names[column]}`: `{value[:40]}` is not a number"
                + (f"; `{self.decimal}` is taken as the decimal sign" if self._is_number(value) else ""),
                hint=self._number_hint(value, column),
            )
        return numbers.set(missing, None).to_numpy()

    def _check_size(self, values: NDArray[np.float64], column: int) -> None:
        with np.errstate(invalid="ignore"):
            large = np.abs(values) > LARGEST
        if large.any():
            row = int(np.argmax(large))
            raise DataError(
                f"{self.place(row)}, column `{self.names[column]}`: {values[row]:g} is "
                + ("infinite" if np.isinf(values[row]) else "too large to learn from"),
                hint=self._purpose.correct,
            )

    def _number_hint(self, value: str, column: int) -> str:
        remedies = []
        if plain := _without_thousands(value, self.decimal):
            remedies.append(f"remove the thousands separators: {plain}")
        if self.decimal == "." and _COMMA_NUMBER.fullmatch(value):
            remedies.append(
                'numbers with a decimal comma: data.decimal=","'
                + (', and data.separator=";" with a file that is separated so' if self.separator == "," else "")
            )
        if self.decimal == "," and _NUMBER.fullmatch(value):
            remedies.append('numbers with a decimal point: data.decimal="."')
        if remedies:
            return "; or, for ".join(remedies)
        other = "." if self.decimal == "," else ","
        if plain := _without_thousands(value, other):
            return f'remove the thousands separators, {plain}, and say what the decimal sign is: data.decimal="{other}"'
        correct = self._purpose.correct.replace(", or ", ", ", 1)
        return f"{correct}, or leave the column `{self.names[column]}` out: {self._purpose.choose}"


_CONVERT = "convert it to UTF-8 first; from a spreadsheet, save it as CSV"


def empty_lines(count: int, first: int) -> str | None:
    """What is told of empty lines, if there are any."""
    return f"{count} empty {'line' if count == 1 else 'lines'} left out, first line {first}" if count else None


def _without_thousands(text: str, decimal: str) -> str | None:
    """A number without the signs between its thousands; None where it has none, or is no number with that decimal
    sign."""
    signs = re.escape(_THOUSANDS.replace(decimal, ""))
    grouped = re.fullmatch(rf"[+-]?\d{{1,3}}([{signs}])\d{{3}}(?:\1\d{{3}})*(?:{re.escape(decimal)}\d+)?", text)
    return None if grouped is None else text.replace(grouped[1], "")


def _separator(lines: list[str]) -> str:
    """What separates the columns: as often in the first rows as in the header; else what the header has most of."""
    sample = [re.sub(r'"[^"]*"', "", line) for line in lines[:SAMPLED] if line.strip()]
    counts = {separator: [line.count(separator) for line in sample] for separator in SEPARATORS}
    steady = [separator for separator, found in counts.items() if found[0] and len(set(found)) == 1]
    return max(steady or SEPARATORS, key=lambda separator: counts[separator][0])


def _shown(separator: str) -> str:
    return '"\\t"' if separator == "\t" else f'"{separator}"'
